"""A small explanation made by hand's own package, for tests and examples."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelwright.explanation import Explanation


@cache
def tiny_explanation(n_rows: int = 4) -> Explanation:
    """Rows of the tiny package of `modelwright.testing.packages`, explained against twenty others."""
    from modelwright.explanation import explain
    from modelwright.testing.packages import raw_rows, tiny_graph, tiny_signature
    from modelwright_runtime.model import Model

    rows = raw_rows(20 + n_rows)
    return explain(Model(tiny_graph(), tiny_signature()), rows[:n_rows], background=rows[n_rows:])
