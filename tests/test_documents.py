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
PRELUDE = """
import gzip, sqlite3
from pathlib import Path
import numpy as np, polars as pl
import modelwright as mw
from modelwright.evaluation import constant_answer, report_page
from modelwright_runtime.signature import Task

rng = np.random.default_rng(0)
frame = pl.DataFrame({
    "rooms": rng.integers(1, 6, 200), "area": [f"{area} m2" for area in rng.integers(40, 200, 200)],
    "wood": rng.choice(["oak", " oak", "pine"], 200), "diagnosis": rng.choice(["benign", "malignant"], 200),
})
data = mw.Dataset.from_frame(frame.cast(pl.String))
cleaned = mw.clean(data, mw.CleanSpec(target="diagnosis"))
splits = mw.split(cleaned.kept)
train, held_out = cleaned.kept.take(splits.train), cleaned.kept.take(splits.test)
rows, training_target = held_out, train.column("diagnosis")
task = Task(kind="binary", target="diagnosis", classes=("benign", "malignant"))
y = (training_target == "malignant").cast(int).to_numpy()
x = rng.normal(size=(len(y), 3)).astype("float32")
Path("sales").mkdir()
Path("sales/may.csv.gz").write_bytes(gzip.compress(b"person;sum\\n1;2,5\\n2;3,5\\n"))
Path("people.csv").write_bytes("person;name\\n1;Zo\xeb\\n2;Bj\xf6rn\\n".encode("cp1252"))
with sqlite3.connect("shop.db") as shop:
    shop.executescript("create table orders (person text, n integer); insert into orders values ('1', 3), ('2', 4)")
"""
TRAINED = """
trained = mw.train(cleaned.kept, splits, mw.TrainSpec(budget="quick"))
report = mw.evaluate(trained, held_out)
"""
"""What the pages' lines begin with: the values that the stages before would have given."""

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
    given = TRAINED if page.parent.name in ("evaluation", "explanation", "packaging") else ""
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([PRELUDE, given, *blocks])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{page}\n{done.stderr}"


def test_the_readme_names_every_command() -> None:
    from modelwright.cli import COMMANDS

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"wright {name}" in text for name in COMMANDS)
