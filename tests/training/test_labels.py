"""Wrong labels: how many are suspected, by row; and rows that are mixed where many are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from modelwright import lifecycle
from modelwright.core.store import Store
from modelwright.recipe import Recipe

torch = pytest.importorskip("torch")
torch.set_num_threads(1)


def _spoiled(folder: Path, share: float) -> tuple[str, np.ndarray]:
    """Three classes told by two numbers, a share of the training labels wrong: the file, and which rows those are."""
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=600)
    x = np.stack([np.cos(truth * 2.1), np.sin(truth * 2.1)], axis=1) + rng.normal(0, 0.35, (600, 2))
    wrong = (rng.random(600) < share) & (np.arange(600) < 450)
    label = np.where(wrong, (truth + rng.integers(1, 3, size=600)) % 3, truth)
    part = np.where(np.arange(600) < 450, "train", "test")
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "label": np.array(["p", "q", "r"])[label], "part": part})
    frame.write_csv(folder / "points.csv")
    return str(folder / "points.csv"), wrong


def _trained(file: str, folder: Path, wrong_labels: str) -> tuple[Any, Any]:
    recipe = Recipe.from_plain({
        "target": "label", "data": file, "name": wrong_labels,
        "split": {"kind": "given", "column": "part", "folds": 3},
        "train": {"network": {"wrong_labels": wrong_labels, "loop": {"max_steps": 200}}},
        "evaluate": {"n_bootstrap": 50},
    })  # fmt: skip
    store = Store.open(folder / "store")
    lifecycle.run(recipe, store=store)
    made, report = (lifecycle.value_of(store, wrong_labels, one) for one in ("training/train", "evaluation/evaluate"))
    return made, report["accuracy"].value


@pytest.mark.parametrize(("share", "wrong_labels"), [(0.2, "few"), (0.45, "many")])
def test_labels_that_look_wrong_are_told_by_row(tmp_path: Path, share: float, wrong_labels: str) -> None:
    file, wrong = _spoiled(tmp_path, share)
    trained, accuracy = _trained(file, tmp_path, wrong_labels)
    (told,) = [one for one in trained.decisions if one.about == "labels"]
    n_suspected, n_judged = (int(word) for word in told.choice.replace(",", "").split() if word.isdigit())
    assert n_judged == 450 and abs(n_suspected - wrong.sum()) < 0.35 * wrong.sum()
    rows = told.reason.partition("of rows ")[2].partition(";")[0].split(",")
    assert wrong[[int(row) for row in rows]].mean() >= 0.75, "the rows that are named are wrong indeed"
    (changes,) = {one.choice for one in trained.decisions if one.about == "augmentation"}
    assert ("mixup" in changes) == (wrong_labels == "many")
    assert accuracy > 0.9


def test_right_labels_are_not_suspected(tmp_path: Path) -> None:
    file, _ = _spoiled(tmp_path, 0.0)
    trained, accuracy = _trained(file, tmp_path, "few")
    assert not [one for one in trained.decisions if one.about == "labels"] and accuracy > 0.9
