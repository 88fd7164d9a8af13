"""Reports with pictures, sounds, texts and forecasts in a real browser: they render, run nothing, and fit a phone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from modelwright.evaluation import EvaluateSpec, evaluate, report_page
from tests.browser.test_report_page import CHROMIUM, measured
from tests.evaluation.test_showcase import CASES, HISTORY, HOSTILE

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt-get install chromium")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One report of each kind of task, with a training and what the doctor said of it."""
    made = {}
    for case, (make, rows) in CASES.items():
        trained = replace(make(), history=HISTORY)
        page = report_page(evaluate(trained, rows(0), EvaluateSpec(n_bootstrap=60)), title=HOSTILE, trained=trained)
        made[case] = tmp_path_factory.mktemp("pages") / "page.html"
        made[case].write_text(page, encoding="utf-8")
    return made


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("width", [390, 1200])
def test_it_renders_and_fits(pages: dict[str, Path], case: str, width: int) -> None:
    found, log = measured(pages[case], width)
    assert found["width"] <= width, f"wider than the screen: {found['outside']}"
    assert found["outside"] == []
    assert found["n_unnamed"] == found["n_scripts"] == 0
    assert "What the doctor found" in found["text"]
    assert HOSTILE in found["text"]
    assert "CONSOLE" not in log, log  # the page's own policy would complain here of anything it must not load
