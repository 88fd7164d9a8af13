"""Wrong labels: how many are suspected, by row, and a final fit that learns from what unseen folds say too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from modelwright import lifecycle
from modelwright.core.errors import UserError
from modelwright.core.store import Store
from modelwright.recipe import Recipe

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
WRONG = 0.35


def _spoiled(folder: Path) -> tuple[str, np.ndarray]:
    """Three classes told by two numbers, a third of the training labels wrong: the file, and which rows those are."""
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=900)
    x = np.stack([np.cos(truth * 2.1), np.sin(truth * 2.1)], axis=1) + rng.normal(0, 0.35, (900, 2))
    wrong = (rng.random(900) < WRONG) & (np.arange(900) < 700)
    label = np.where(wrong, (truth + rng.integers(1, 3, size=900)) % 3, truth)
    noise = {f"n{column}": rng.normal(size=900) for column in range(6)}
    part = np.where(np.arange(900) < 700, "train", "test")
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], **noise, "label": np.array(["p", "q", "r"])[label], "part": part})
    frame.write_csv(folder / "points.csv")
    return str(folder / "points.csv"), wrong


def _trained(file: str, folder: Path, way: str, **train: Any) -> tuple[Any, Any]:
    recipe = Recipe.from_plain({
        "target": "label", "data": file, "name": way, "split": {"kind": "given", "column": "part", "folds": 3},
        "train": {"budget": "quick", "network": {"wrong_labels": way, "loop": {"max_steps": 300}, **train}},
        "evaluate": {"n_bootstrap": 50},
    })  # fmt: skip
    store = Store.open(folder / "store")
    lifecycle.run(recipe, store=store)
    return (lifecycle.value_of(store, way, f"{stage}") for stage in ("training/train", "evaluation/evaluate"))


def test_wrong_labels_are_told_and_softened(tmp_path: Path) -> None:
    file, wrong = _spoiled(tmp_path)
    trusted, _ = _trained(file, tmp_path, "trust")
    softened, report = _trained(file, tmp_path, "soften")
    for trained in (trusted, softened):
        (told,) = [one for one in trained.decisions if one.about == "labels"]
        n_suspected, n_judged = (int(word) for word in told.choice.replace(",", "").split() if word.isdigit())
        assert n_judged == 700 and abs(n_suspected - wrong.sum()) < 0.3 * wrong.sum()
        named = [int(row) for row in told.reason.partition("rows ")[2].partition(";")[0].split(",")]
        assert wrong[named].mean() >= 0.75, "the rows that are named are wrong indeed"
    assert report["accuracy"].value > 0.85
    assert any((one.about, one.choice) == ("wrong labels", "softened") for one in softened.decisions)
    assert not any(one.about == "wrong labels" for one in trusted.decisions)


def test_numbers_cannot_be_doubted(tmp_path: Path) -> None:
    file, _ = _spoiled(tmp_path)
    frame = pl.read_csv(file).with_columns(pl.col("a").alias("label"))
    frame.write_csv(tmp_path / "numbers.csv")
    with pytest.raises(UserError) as caught:
        _trained(str(tmp_path / "numbers.csv"), tmp_path, "soften")
    assert caught.value.code == "train.wrong_labels"
