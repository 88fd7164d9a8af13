"""The recipes of examples/tabular on made loans: they parse, and ask for what their names say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from modelwright.collection import collect
from modelwright.recipe import Recipe

TABULAR = Path(__file__).resolve().parents[1] / "examples" / "tabular"


@pytest.mark.parametrize("name", ["audit", "fair"])
def test_recipes_of_loans(name: str, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("make_loans", TABULAR / "make_loans.py")
    assert spec is not None and spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    frame = maker.loans(2000)
    (tmp_path / "data").mkdir()
    frame.write_csv(tmp_path / "data" / "loans.csv")
    (tmp_path / f"{name}.yaml").write_bytes((TABULAR / f"{name}.yaml").read_bytes())
    recipe = Recipe.from_yaml(tmp_path / f"{name}.yaml")
    assert recipe.clean.roles == {"sex": "ignored"} and (recipe.train.fair is None) == (name == "audit")
    assert set(collect(recipe.data).schema.names) >= {"sex", recipe.target}
    granted = {sex: np.mean(frame.filter(sex=sex)["granted"].to_numpy() == "yes") for sex in ("male", "female")}
    assert granted["male"] - granted["female"] > 0.15
    assert maker.loans(2000).equals(frame)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("costs", ("costs", "conformal")), ("goal", ("goal",)), ("quantiles", ("objective", "conformal")),
        ("sure", ("conformal",)), ("several", ("conformal",)),
    ],
)  # fmt: skip
def test_recipes_of_objectives(name: str, asked: tuple[str, ...]) -> None:
    recipe = Recipe.from_yaml(TABULAR / f"{name}.yaml")
    assert all(getattr(recipe.train, setting) is not None for setting in asked)
    assert [*recipe.clean.roles.values()].count("target") == (2 if name == "several" else 0)
    assert f"`{name}.yaml`" in (TABULAR / "README.md").read_text(encoding="utf-8")
