"""The deep examples on their stand-ins: all parse and find their data; two run from raw files to a package."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from modelwright.collection import collect
from modelwright.recipe import Recipe

DEEP = Path(__file__).resolve().parents[1] / "examples" / "deep"
RECIPES = sorted(path.parent.name for path in DEEP.glob("*/recipe.yaml"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the recipes, with a stand-in beside each."""
    maker, root = _maker(), tmp_path_factory.mktemp("deep")
    for name in RECIPES:
        (root / name).mkdir()
        (root / name / "recipe.yaml").write_bytes((DEEP / name / "recipe.yaml").read_bytes())
        maker.make(name, folder=root / name / "data")
    return root


def _maker() -> ModuleType:
    pytest.importorskip("PIL")
    spec = importlib.util.spec_from_file_location("examples_deep_make", DEEP / "make.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_parses_and_its_stand_in_has_what_it_names(made: Path, name: str) -> None:
    recipe = Recipe.from_yaml(made / name / "recipe.yaml")
    data = collect(recipe.data)
    assert recipe.name == name and data.n_rows >= 200
    assert {recipe.target, *recipe.clean.roles, *recipe.clean.kinds} <= set(data.schema.names)


def test_every_example_is_told_of() -> None:
    page = (DEEP / "README.md").read_text(encoding="utf-8")
    examples = sorted(
        path.name for path in DEEP.iterdir() if (path / "recipe.yaml").exists() or (path / "run.py").exists()
    )
    assert examples == sorted(_maker().EXAMPLES)
    assert all(f"NAME={name}" in page for name in examples)


def test_stand_ins_are_the_same_every_time(made: Path, tmp_path: Path) -> None:
    _maker().make("sensor", folder=tmp_path / "data")
    assert (tmp_path / "data/steps.csv").read_bytes() == (made / "sensor/data/steps.csv").read_bytes()


def test_a_set_of_yours_takes_the_place_of_the_stand_in(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("5 How far is it ?\n4 Where is it ?\n", encoding="latin-1")
    folder = _maker().make("text", tmp_path, folder=tmp_path / "data")
    lines = (folder / "texts.csv").read_text().splitlines()
    assert lines == ["text,kind,split", "How far is it ?,number,train", "Where is it ?,place,train"]


@pytest.mark.parametrize(("name", "loop", "better"), [("text", {"epochs": 9}, 0.7), ("sensor", {"epochs": 6}, 0.5)])
def test_an_example_runs_from_raw_rows_to_a_package(
    made: Path, tmp_path: Path, name: str, loop: dict[str, Any], better: float
) -> None:
    import yaml

    pytest.importorskip("torch")
    plain = yaml.safe_load((made / name / "recipe.yaml").read_text(encoding="utf-8"))
    plain["train"]["network"] |= {"loop": loop, "refit": False}
    plain["evaluate"] = {"n_bootstrap": 100}
    recipe = made / name / "short.yaml"
    recipe.write_text(yaml.safe_dump(plain), encoding="utf-8")
    command = [sys.executable, "-m", "modelwright", "run", str(recipe), "--store", str(tmp_path / "store"), "--json"]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=one_thread)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["event"] == "finished"
    assert told["metrics"]["accuracy"] > better, told["metrics"]
    assert (tmp_path / "store" / "out" / name / f"{name}.wright").is_file()
