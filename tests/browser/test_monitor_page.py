"""The page of a watched model in a real browser: it renders, fits a phone, runs nothing and fetches nothing."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from modelwright.monitoring import History, MonitorSpec, compare, decide, report_page
from modelwright.testing.monitoring import labelled, tiny_model, tiny_rows, truth_of
from tests.browser.test_report_page import CHROMIUM, HOSTILE, measured

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt-get install chromium")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model, spec, reports = tiny_model(), MonitorSpec(), []
    for seed in range(4):
        rows = tiny_rows(600, seed)
        truth = truth_of(model.answers(rows)[0], seed)
        rows = rows.with_columns(city=pl.lit(HOSTILE)) if seed == 3 else rows
        reports.append(compare(model, labelled(model, rows, truth, start_s=1.8e9 + 7200 * seed), spec))
    done = decide(reports[-1], History(now_s=2.0, trained_s=1.0), spec)
    made = tmp_path_factory.mktemp("monitor") / "watched.html"
    made.write_text(report_page(reports[-1], action=done, earlier=reports[:-1], title=HOSTILE), encoding="utf-8")
    return made


@pytest.mark.parametrize("width", [390, 1200])
def test_it_renders_fits_and_is_still(page: Path, width: int) -> None:
    found, log = measured(page, width)
    assert found["width"] <= width, found["outside"]
    assert found["outside"] == []
    assert found["n_scripts"] == 0
    assert found["n_requests"] == 0
    assert found["n_pictures"] >= 1
    assert found["n_unnamed"] == 0
    assert HOSTILE in found["title"]
    assert "holds what was never seen" in found["text"]
    assert HOSTILE in found["text"]
    assert "What moved, and whether it matters" in found["text"]
    assert "CONSOLE" not in log, log
    assert not re.search(r"https?://", page.read_text(encoding="utf-8"))
