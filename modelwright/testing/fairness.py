"""A small audit made by hand, for tests and examples."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelwright.fairness import Audit


@cache
def tiny_audit(*, twice: bool = False) -> Audit:
    """Four hundred rows of two sexes and three towns; `m` are told more often. `twice`: held against a fairer way."""
    import numpy as np
    import polars as pl

    from modelwright.core.data import Dataset
    from modelwright.fairness import audit
    from modelwright.fairness.rates import Judged

    sex = np.repeat(["f", "m"], 200)
    place = np.arange(400)
    truth, told = place % 2 == 0, place % np.where(sex == "f", 5, 2) == 0
    score = np.where(told, 0.8, 0.2) - place / 4000
    rows = Dataset.from_frame(pl.DataFrame({"sex": sex, "town": np.array(["a", "b", "<c>"])[place % 40 // 19]}))
    judged = Judged(outcome="hired = yes", truth=truth, told=told, score=score)
    before = Judged(outcome="hired = yes", truth=truth, told=truth) if twice else None
    words = {"about": "a <rule>", "source": "rows made by hand", "before": "the truth itself"}
    return audit(judged, rows, ["sex", "town"], before=before, words=words)
