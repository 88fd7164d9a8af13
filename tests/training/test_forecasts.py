"""Forecasts of many series: small ones count as much as large ones, and what is held out is given by a column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from modelwright import lifecycle
from modelwright.core.data import Column, Dataset, Schema
from modelwright.core.store import Store
from modelwright.core.use import Use
from modelwright.recipe import Recipe
from modelwright.training.network.forecasts import suited
from modelwright.training.network.spec import DeepSpec

torch = pytest.importorskip("torch")
torch.set_num_threads(1)


def _cases(sizes: list[float]) -> Dataset:
    frame = pl.DataFrame(
        {"shop": [f"s{number}" for number in range(len(sizes))], "y": [[size, -size, size] for size in sizes]}
    )
    return Dataset.from_frame(frame, Schema((Column("shop", "category", "group"), Column("y", "series", "target"))))


def test_many_series_of_different_sizes_are_learned_by_relative_error() -> None:
    deep, told = suited(_cases([10.0**power for power in range(-6, 6)]), DeepSpec())
    assert deep.losses["y"].method == "relative" and deep.network["trunk"] == "none"
    assert [decision.about for decision in told] == ["loss of y", "trunk"]
    for same in (_cases([1.0, 5.0] * 10), _cases([1.0, 1e6])):
        assert not suited(same, DeepSpec())[0].losses
    asked = DeepSpec(losses={"y": Use(method="mae")}, network={"trunk": "none"})
    assert suited(_cases([10.0**power for power in range(-60, 60)]), asked) == (asked, [])
    deep, _ = suited(_cases([1.0] * 100), DeepSpec())
    assert "mlp" in deep.network["trunk"] and not deep.losses and not deep.loop


def test_few_series_are_learned_gently_unless_it_is_said_how() -> None:
    deep, _ = suited(_cases([1.0, 2.0]), DeepSpec(loop={"epochs": 3, "average": None}))
    assert deep.network == {"trunk": "none"} and "adamw" in deep.loop["optimizer"]
    assert deep.loop["epochs"] == 3 and deep.loop["average"] is None
    tables = Dataset.from_frame(pl.DataFrame({"y": [1.0]}), Schema((Column("y", "number", "target"),)))
    assert suited(tables, DeepSpec()) == (DeepSpec(), [])


def test_a_run_hears_the_small_series_too(tmp_path: Path) -> None:
    """Twelve series a million-fold apart, each with a form of its own: every one is forecast well by one network."""
    steps, rng = np.arange(160), np.random.default_rng(0)
    frames = []
    for number in range(12):
        wave = 3 + np.sin(2 * np.pi * (steps + number) / 8) + 0.02 * rng.normal(size=160)
        frames.append(
            pl.DataFrame(
                {
                    "t": steps,
                    "shop": f"s{number}",
                    "y": wave * 10.0 ** (number / 2),
                    "part": ["train"] * 128 + ["validation"] * 16 + ["test"] * 16,
                }
            )  # fmt: skip
        )
    pl.concat(frames).write_csv(tmp_path / "shops.csv")
    recipe = Recipe.from_plain({
        "target": "y", "data": str(tmp_path / "shops.csv"), "clean": {"roles": {"t": "time", "shop": "group"}},
        "sequences": {"horizon": 8, "length": 16}, "split": {"kind": "given", "column": "part"},
        "train": {"budget": "quick"}, "evaluate": {"n_bootstrap": 50},
    })  # fmt: skip
    store = Store.open(tmp_path / "store")
    lifecycle.run(recipe, store=store)
    report = lifecycle.value_of(store, "shops", "evaluation/evaluate")
    assert report.n_rows == 12 * (16 - 8 + 1)
    assert report["smape"].value < 3.0
    made = lifecycle.value_of(store, "shops", "training/train")
    assert any((told.about, told.choice) == ("loss of y", "relative") for told in made.decisions)
