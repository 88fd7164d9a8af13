"""Target columns to tasks and arrays: what a network's heads learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.core.data import Dataset, Decision
from modelwright.core.errors import UserError
from modelwright.core.task import recognise
from modelwright.training.problem import read_target
from modelwright_runtime.signature import ArrayInput, Task

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.training.base import TrainSpec


@dataclass(frozen=True, eq=False, kw_only=True)
class Aim:
    """One target. `values` has the shape and type that `training.loop.batch.Batch` says for its task's kind."""

    task: Task
    values: np.ndarray


def read_aims(rows: Dataset, spec: TrainSpec, inputs: Sequence[ArrayInput]) -> tuple[list[Aim], list[Decision]]:
    """Every target column as an aim. Masks and boxes follow the size of the first image input."""
    aims, told = [], []
    for name in rows.schema.of_role("target"):
        aim, more = read_aim(rows, name, spec, inputs)
        aims.append(aim)
        told += more
    if not aims:
        raise UserError("train.target", "no column has the role `target`.", hint="name the column to predict")
    return aims, told


def read_aim(rows: Dataset, name: str, spec: TrainSpec, inputs: Sequence[ArrayInput]) -> tuple[Aim, list[Decision]]:
    """One target column. A target of classes or numbers is read as every other model reads it."""
    import numpy as np

    column = rows.column(name)
    kind, reason = recognise(column, rows.schema[name].kind)
    if kind in ("binary", "multiclass", "regression"):
        task, y, told = read_target(rows, spec, name)
        return Aim(task=task, values=y if task.is_classification else y.astype(np.float32)), told
    if column.null_count():
        raise UserError("train.target", f"{column.null_count()} training rows have no `{name}`.")
    told = [Decision("training", "task", kind, reason)]
    if kind == "multilabel":
        return _labels(column), told
    if kind == "forecast":
        return _futures(column), told
    image = next((array for array in inputs if array.form == "image"), None)
    if image is None:
        raise UserError("train.target", f"`{name}` ({kind}) needs a column of images beside it.")
    (source,) = image.columns
    if kind == "detection":
        return _boxes(column, rows.column(source), image), told
    return _masks(column, image), told


def _labels(column: pl.Series) -> Aim:
    import numpy as np

    counts = column.explode().drop_nulls().value_counts(sort=True)
    classes = tuple(sorted(counts[column.name].to_list()))
    place = {label: index for index, label in enumerate(classes)}
    values = np.zeros((len(column), len(classes)), dtype=np.float32)
    for row, labels in enumerate(column.to_list()):
        for label in labels:
            values[row, place[label]] = 1.0
    return Aim(task=Task(kind="multilabel", target=column.name, classes=classes), values=values)


def _futures(column: pl.Series) -> Aim:
    import numpy as np

    lengths = set(column.list.len().to_list())
    if len(lengths) != 1:
        raise UserError("train.target", f"`{column.name}` must look equally far ahead in every row; got {lengths}.")
    values = np.array(column.to_list(), dtype=np.float32)
    if not np.isfinite(values).all():
        raise UserError("train.target", f"`{column.name}` holds numbers that are not finite.")
    return Aim(task=Task(kind="forecast", target=column.name, horizon=values.shape[1]), values=values)


def _boxes(column: pl.Series, images: pl.Series, array: ArrayInput) -> Aim:
    """Class and edges as shares of what the network sees, padded to the most boxes of a row."""
    import numpy as np

    from modelwright_runtime.arrays.images import placed, size_of

    frame = np.array([array.settings["width"], array.settings["height"]] * 2, dtype=np.float64)

    found: list[list[dict[str, Any]]] = [boxes or [] for boxes in column.to_list()]
    classes = tuple(sorted({box["label"] for boxes in found for box in boxes}))
    if not classes:
        raise UserError("train.target", f"no training row has a box in `{column.name}`.")
    place = {label: index for index, label in enumerate(classes)}
    values = np.full((len(found), max(1, *(len(boxes) for boxes in found)), 5), -1.0, dtype=np.float32)
    for row, (boxes, image) in enumerate(zip(found, images.to_list(), strict=True)):
        size = size_of(image)
        left, top, wide, high = placed(size, array.settings)
        scale, corner = np.array([wide / size[0], high / size[1]] * 2), np.array([left, top] * 2)
        for index, box in enumerate(boxes):
            edges = np.array([box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]])
            values[row, index] = (place[box["label"]], *((edges * scale + corner) / frame))
    return Aim(task=Task(kind="detection", target=column.name, classes=classes), values=values)


def _masks(column: pl.Series, image: ArrayInput) -> Aim:
    """Grey values as class numbers, at the image input's size; the classes are the grey values that occur."""
    import numpy as np

    from modelwright_runtime.arrays.images import decode_mask

    size = (image.settings["height"], image.settings["width"])
    grey = np.stack([decode_mask(mask, size, image.settings.get("fit", "stretch")) for mask in column.to_list()])
    known = np.unique(grey)
    if len(known) > 64:
        raise UserError(
            "train.target",
            f"the masks in `{column.name}` have {len(known)} grey values.",
            hint="a mask has one grey value per class; save it as PNG, not as JPEG",
        )
    values = np.searchsorted(known, grey).astype(np.int64)
    classes = tuple(str(value) for value in known.tolist())
    return Aim(task=Task(kind="segmentation", target=column.name, classes=classes), values=values)
