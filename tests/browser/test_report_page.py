"""The report in a real browser: it renders, says nothing on the console, runs nothing, and fits a phone.

A page is measured by a page around it, which opens it in a frame of a given width and writes what it finds
into its own body; `--dump-dom` prints that.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn import datasets
from sklearn.linear_model import LogisticRegression, Ridge

from modelwright.core.data import Decision
from modelwright.evaluation import EvaluateSpec, evaluate, report_page
from modelwright.testing.evaluation import as_dataset, linear_trained

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt-get install chromium")
HOSTILE = "<script>alert(1)</script>"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--allow-file-access-from-files",
    "--enable-logging=stderr",
    "--v=0",
)

MEASURE = """<!doctype html><meta charset="utf-8">
<body><iframe id="page" src="PAGE" style="width:WIDTHpx;height:900px;border:0"></iframe>
<script>
addEventListener("load", () => {
  const frame = document.getElementById("page"), inside = frame.contentDocument;
  const wide = inside.documentElement.scrollWidth;
  const shown = [...inside.querySelectorAll("svg")].filter(one => one.getBoundingClientRect().width > 0);
  const colour = getComputedStyle(inside.body);
  const left = [...inside.body.querySelectorAll("*")].filter(one =>
    !one.closest(".scroll") && !one.closest("pre") && one.getBoundingClientRect().right > WIDTH + 1);
  const found = {
    width: wide, title: inside.title, n_scripts: inside.scripts.length, n_pictures: shown.length,
    n_requests: frame.contentWindow.performance.getEntriesByType("resource").length,
    ink: colour.color, paper: colour.backgroundColor, text: inside.body.innerText,
    outside: left.map(one => one.tagName + "." + one.className), height: inside.body.scrollHeight,
    n_unnamed: [...inside.querySelectorAll("svg[role=img]")].filter(one => !one.querySelector("title")).length,
  };
  document.body.textContent = "FOUND" + encodeURIComponent(JSON.stringify(found)) + "DNUOF";
});
</script>"""


def trained_on(load: Any, classes: bool) -> tuple[Any, Any]:
    bunch = load()
    x = (bunch.data - bunch.data.mean(axis=0)) / np.maximum(bunch.data.std(axis=0), 1e-9)
    names = [f"{HOSTILE} {name}" for name in bunch.feature_names]
    model = (LogisticRegression(max_iter=500) if classes else Ridge()).fit(x[::2], bunch.target[::2])
    levels = tuple(f"{HOSTILE} {name}" for name in bunch.target_names) if classes else ()
    truth: list[Any] = [levels[k] for k in bunch.target[1::2]] if classes else bunch.target[1::2].tolist()
    frame = pl.DataFrame(x[1::2], schema=names, orient="row").with_columns(target=pl.Series(truth))
    line = {"name": "linear", "model": "linear", "settings": {"strength": 1.0}, "score": 0.9, "weight": 1.0}
    metric = "log_loss" if classes else "rmse"
    trained = linear_trained(
        names,
        np.atleast_2d(model.coef_),
        np.atleast_1d(model.intercept_),
        target="target",
        classes=levels,
        leaderboard=[{**line, "metric": metric}],
    )
    return trained, as_dataset(frame, "target")


KINDS = {
    "binary": (datasets.load_breast_cancer, True),
    "multiclass": (datasets.load_wine, True),
    "regression": (datasets.load_diabetes, False),
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One report of each kind of task, its names hostile and one of them long."""
    made = {}
    for kind, (load, classes) in KINDS.items():
        trained, data = trained_on(load, classes)
        page = report_page(
            evaluate(trained, data, EvaluateSpec(n_bootstrap=60)),
            title=f"{kind} {HOSTILE}",
            trained=trained,
            cleaning=[{"step": "units", "column": "w" * 90, "n": 3, "examples": [("1 cm", "10")]}],
            decisions=[Decision("cleaning", "x" * 90, HOSTILE, "because " * 30)],
            data_facts={"sources": ["a" * 90]},
            run_facts={"data digest": "9f" * 32},
            curl="curl -s 127.0.0.1:8000/predict -d '" + "x" * 300 + "'",
        )
        made[kind] = tmp_path_factory.mktemp("pages") / f"{kind}.html"
        made[kind].write_text(page, encoding="utf-8")
    return made


def measured(page: Path, width: int, *flags: str) -> tuple[dict[str, Any], str]:
    """What the browser says of the page at that width, and what it wrote to its log."""
    around = page.with_name("around.html")
    around.write_text(MEASURE.replace("PAGE", page.name).replace("WIDTH", str(width)), encoding="utf-8")
    profile = page.with_name("profile")
    command = [CHROMIUM, *FLAGS, *flags, f"--user-data-dir={profile}", "--virtual-time-budget=3000", "--dump-dom"]
    done = subprocess.run([*command, around.as_uri()], capture_output=True, text=True, timeout=120, check=False)
    found = re.search("FOUND(.*?)DNUOF", done.stdout.split("</script>")[-1])
    assert found, f"the browser said nothing: {done.stderr[-2000:]}"
    from urllib.parse import unquote

    return json.loads(unquote(found.group(1))), done.stderr


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [390, 1200])
def test_it_renders_and_fits(pages: dict[str, Path], kind: str, width: int) -> None:
    found, log = measured(pages[kind], width)
    assert found["width"] <= width, f"wider than the screen: {found['outside']}"
    assert found["outside"] == []
    assert found["n_pictures"] >= 4
    assert found["n_unnamed"] == 0
    assert found["height"] > 2000
    assert HOSTILE in found["title"]
    assert HOSTILE in found["text"]
    assert "What was decided, and why" in found["text"]
    assert "CONSOLE" not in log, log


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_runs_and_nothing_is_fetched(pages: dict[str, Path], kind: str) -> None:
    found, _ = measured(pages[kind], 800)
    assert found["n_scripts"] == 0
    assert found["n_requests"] == 0
    assert not re.search(r"https?://", pages[kind].read_text(encoding="utf-8"))


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast of two colours by WCAG 2: 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_light_and_dark_are_two_pages_that_can_both_be_read(pages: dict[str, Path]) -> None:
    light, _ = measured(pages["binary"], 800, "--blink-settings=preferredColorScheme=1")
    dark, _ = measured(pages["binary"], 800, "--blink-settings=preferredColorScheme=0")
    assert luminance(light["paper"]) > 0.8
    assert luminance(dark["paper"]) < 0.05
    for found in (light, dark):
        assert contrast(found["ink"], found["paper"]) > 12


def hexed(colour: str) -> str:
    return "rgb(" + ", ".join(str(int(colour[k : k + 2], 16)) for k in (1, 3, 5)) + ")"


def test_every_text_colour_has_contrast_in_both_schemes() -> None:
    import modelwright.evaluation.report as report

    style = (Path(report.__file__).parent / "report_style.html").read_text(encoding="utf-8")
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", part)) for part in style.split("@media", 2)[:2])
    for scheme in (light, {**light, **dark}):
        for text, back in (
            ("ink", "paper"),
            ("soft", "paper"),
            ("soft", "raised"),
            ("soft", "faint"),
            ("model", "paper"),
            ("warn", "warn-back"),
            ("ink", "warn-back"),
            ("good", "faint"),
            ("on-model", "model"),
        ):
            ratio = contrast(hexed(scheme[text]), hexed(scheme[back]))
            assert ratio >= 4.5, f"{text} on {back}: {ratio:.2f}"


def test_it_prints(pages: dict[str, Path], tmp_path: Path) -> None:
    made = tmp_path / "page.pdf"
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={made}"]
    subprocess.run([*command, pages["binary"].as_uri()], capture_output=True, timeout=120, check=True)
    assert made.read_bytes().startswith(b"%PDF")
