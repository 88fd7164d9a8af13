"""HTML in everything that the served page shows: column names, cells, classes, the monitor's report. Nothing of it runs
in a real browser."""

from __future__ import annotations

import json
import random
import threading
from pathlib import Path

import pytest

import modelwright as mw
from modelwright.packaging import package
from modelwright_runtime import load
from modelwright_runtime.http import Request
from modelwright_runtime.pages import docs_page, home_page, openapi
from modelwright_runtime.service import Service
from tests.browser.test_served_form import CHROMIUM, dumped, served

RUNS = "document.title=String.fromCharCode(72,65,67,75)"  # HACK, without a quote that a cell would need to escape
NAMES = (f"<img src=x onerror={RUNS}>", f"</script><script>{RUNS}</script>")
CELLS = (f"<svg/onload={RUNS}>", f'"><script>{RUNS}</script>', "javascript:alert(1)")
CLASSES = (f"</textarea><script>{RUNS}</script>", f"'><img src=x onerror={RUNS}>")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose names, cells and classes are markup."""
    place, rng = tmp_path_factory.mktemp("hostile"), random.Random(0)
    rows = [
        {NAMES[0]: rng.choice(CELLS), NAMES[1]: rng.random(), "<b>kind</b>": rng.choice(CLASSES)} for _ in range(200)
    ]
    source = place / "rows.jsonl"
    source.write_text("\n".join(map(json.dumps, rows)))
    cleaned = mw.clean(mw.collect(source), mw.CleanSpec(target="<b>kind</b>"))
    splits = mw.split(cleaned.kept)
    trained = mw.train(cleaned.kept, splits, mw.TrainSpec(models=("linear",)))
    return package(trained, cleaned, path=place / "x.wright", name="x", card=f"# <script>{RUNS}</script>\n").path


def test_what_is_shown_is_escaped(hostile: Path) -> None:
    model = load(hostile)
    for page in (home_page([model]), docs_page([model], openapi([model]))):
        assert "onerror" in page or "onload" in page  # it is there, as text
        for harmful in ("<img src=x", "<svg/", "<script>document.title", "</script><script>d"):
            assert harmful not in page
    answer = Service([model]).whole(Request("GET", "/", {}))
    policy = dict(answer.headers)["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]


@pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt-get install chromium")
@pytest.mark.parametrize("path", ["/", "/docs"])
def test_nothing_of_it_runs_in_a_browser(hostile: Path, tmp_path: Path, path: str) -> None:
    server = served(Service([load(hostile)]))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        shown, _ = dumped(f"http://127.0.0.1:{server.server_port}{path}", tmp_path)
    finally:
        server.shutdown()
    assert "<title>HACK" not in shown
    assert shown.count("<title>") == 1
    assert "onerror=" in shown  # as text
    assert '<img src="x"' not in shown
