"""Validated answers of every shape come out of the store as they went in."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from modelwright.core.codec import decode, encode
from modelwright.core.store import Store
from modelwright.testing.media import media_training
from modelwright_runtime.signature import Task

CLASSES = ("a", "b")
SHAPES = [
    (Task(kind="regression", target="y"), (5,)),
    (Task(kind="multiclass", target="y", classes=CLASSES), (5, 2)),
    (Task(kind="multilabel", target="y", classes=CLASSES), (5, 2)),
    (Task(kind="forecast", target="y", horizon=1), (5, 1)),
    (Task(kind="forecast", target="y", horizon=3, quantiles=(0.1, 0.5, 0.9)), (5, 3, 3)),
    (Task(kind="detection", target="y", classes=CLASSES), (5, 7, 6)),
    (Task(kind="segmentation", target="y", classes=CLASSES), (5, 2, 4, 3)),
]


@pytest.mark.parametrize(("task", "shape"), SHAPES, ids=lambda value: getattr(value, "kind", None))
def test_validation_keeps_its_shape(tmp_path: Path, task: Task, shape: tuple[int, ...]) -> None:
    kinds = ["image"] if task.kind in ("detection", "segmentation") else ["number"]
    trained, _ = media_training(kinds, [task], n_rows=5)  # type: ignore[arg-type]
    answers = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    answers.flat[1] = np.nan
    store = Store(tmp_path / "store")
    kept = decode(store, encode(store, dataclasses.replace(trained, validation=answers)))
    np.testing.assert_array_equal(kept.validation, answers)
    assert kept.signature == trained.signature and kept.graph == trained.graph
