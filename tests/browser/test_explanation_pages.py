"""The pages of explanations and audits in a real browser: they render, fit a phone, fetch nothing, and escape names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from modelwright.core.data import Dataset
from modelwright.explanation import explain
from modelwright.explanation.page import explanation_page
from modelwright.fairness import Judged, audit
from modelwright.fairness.page import audit_page
from modelwright.testing.packages import raw_rows, tiny_graph, tiny_signature
from modelwright_runtime.model import Model
from tests.browser.test_report_page import CHROMIUM, HOSTILE, measured

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt-get install chromium")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    rows = [{**row, "city": HOSTILE if place % 3 == 0 else row["city"]} for place, row in enumerate(raw_rows(60))]
    found = explain(Model(tiny_graph(), tiny_signature()), rows[:6], background=rows[6:])
    rng = np.random.default_rng(0)
    town, sex = rng.choice(["a", "b" * 90, HOSTILE], 3000), rng.choice(["f", "m"], 3000)
    truth = rng.random(3000) < 0.4
    told = rng.random(3000) < np.where(truth, 0.7, 0.2) - 0.1 * (sex == "f")
    judged = Judged(outcome=HOSTILE, truth=truth, told=told, score=rng.random(3000))
    before = Judged(outcome=HOSTILE, truth=truth, told=truth)
    data = Dataset.from_frame(pl.DataFrame({"town": town, "sex": sex}))
    words = {"about": HOSTILE, "source": HOSTILE, "before": HOSTILE}
    folder = tmp_path_factory.mktemp("pages")
    made = {
        "explanation": explanation_page(found, title=HOSTILE, source=HOSTILE),
        "audit": audit_page(audit(judged, data, ["sex", "town"], before=before, words=words), title=HOSTILE),
    }
    for name, page in made.items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in made}


@pytest.mark.parametrize("name", ["explanation", "audit"])
@pytest.mark.parametrize("width", [390])
def test_it_renders_fits_and_fetches_nothing(pages: dict[str, Path], name: str, width: int) -> None:
    found, log = measured(pages[name], width)
    assert found["width"] <= width, found["outside"]
    assert found["outside"] == []
    assert found["n_scripts"] == 1 and found["n_requests"] == 0 and found["n_unnamed"] == 0
    assert found["n_pictures"] >= 8
    assert HOSTILE in found["title"] and HOSTILE in found["text"]
    assert "CONSOLE" not in log, log
