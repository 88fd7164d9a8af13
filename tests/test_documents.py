"""What the documents show is executed: the README's Python, and the three lines of each stage's page."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from sklearn.datasets import load_diabetes

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "modelwright").glob("*/README.md"))


def python_of(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)


def test_the_readme_runs(tmp_path: Path) -> None:
    diabetes = load_diabetes(scaled=False)
    frame = pl.DataFrame(dict(zip(["area", "rooms"], diabetes.data.T[:2], strict=True)))
    frame.with_columns(pl.Series("price", diabetes.target)).write_csv(tmp_path / "homes.csv")
    (code,) = python_of(ROOT / "README.md")
    quick = "splits = mw.split(cleaned.kept)"
    code = code.replace(
        "mw.train(cleaned.kept, splits)", "mw.train(cleaned.kept, splits, mw.TrainSpec(budget='quick'))"
    )
    assert quick in code
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "homes.wright").stat().st_size > 1000


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_a_stage_page_runs(page: Path, tmp_path: Path) -> None:
    blocks = python_of(page)
    assert blocks, f"{page} has no runnable lines"
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{page}\n{done.stderr}"


def test_the_readme_names_every_command() -> None:
    from modelwright.cli import COMMANDS

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"wright {name}" in text for name in COMMANDS)
