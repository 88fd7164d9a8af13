"""The deep examples on their stand-ins: all parse and find their data."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

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
    assert sorted(_maker().EXAMPLES) == RECIPES
    assert all(f"NAME={name}" in page for name in RECIPES)


def test_stand_ins_are_the_same_every_time(made: Path, tmp_path: Path) -> None:
    _maker().make("sensor", folder=tmp_path / "data")
    assert (tmp_path / "data/steps.csv").read_bytes() == (made / "sensor/data/steps.csv").read_bytes()


def test_a_set_of_yours_takes_the_place_of_the_stand_in(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("5 How far is it ?\n4 Where is it ?\n", encoding="latin-1")
    folder = _maker().make("text", tmp_path, folder=tmp_path / "data")
    lines = (folder / "texts.csv").read_text().splitlines()
    assert lines == ["text,kind,split", "How far is it ?,number,train", "Where is it ?,place,train"]
