"""A small shop: rows whose concept can be turned, a run of them, and a deployment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import modelwright as mw
from modelwright.core.store import Store
from modelwright.operating import Place, deploy
from modelwright.recipe import Recipe


def shop_rows(n_rows: int, *, seed: int, turned: bool = False) -> pl.DataFrame:
    """Two numbers and a colour; who buys depends on their sum, and once turned, red ones do the opposite."""
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0, 10, n_rows).round(3), rng.uniform(0, 10, n_rows).round(3)
    colour = rng.choice(["red", "blue", "green"], n_rows)
    buys = (a + b > 8) != (turned & (colour == "red"))
    buys ^= rng.uniform(size=n_rows) < 0.05
    return pl.DataFrame({"a": a, "b": b, "colour": colour, "buys": np.where(buys, "yes", "no")})


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Path]:
    """A recipe that has been run, and its store."""
    folder = tmp_path_factory.mktemp("shop")
    shop_rows(1200, seed=0).write_csv(folder / "start.csv")
    recipe = Recipe.from_plain({
        "name": "shop", "data": str(folder / "start.csv"), "target": "buys",
        "train": {"models": [{"boosting": {"rounds": 60, "leaves": 16}}]},
        "monitor": {"every": "1h", "keep_watch": "1h"},
    })  # fmt: skip
    mw.run(recipe, store=folder / ".wright")
    return recipe, folder / ".wright"


@pytest.fixture
def place(shop: tuple[Recipe, Path], tmp_path: Path) -> Place:
    """A deployment of its own of the shop's package; the runs are shared."""
    import shutil

    root = tmp_path / ".wright"
    shutil.copytree(shop[1], root)
    return deploy(Store.open(root), "shop")
