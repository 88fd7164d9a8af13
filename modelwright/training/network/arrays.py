"""Typed rows to the arrays that a network is trained on, in memory or in a file beside."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from modelwright.core import registry
from modelwright.core.data import Dataset, Decision
from modelwright.core.rng import stream
from modelwright.training.loop.examples import Examples
from modelwright.training.network.spec import DeepSpec
from modelwright.training.network.targets import Aim, read_aims

if TYPE_CHECKING:
    import numpy as np

    from modelwright.training.base import TrainSpec
    from modelwright_runtime.signature import ArrayInput, Task

MOST_MEMORY_BYTES = 2 * 2**30  # of one array; larger ones are written to a file and mapped
PLACES_IMAGE_SIZE = 256
MASKS_IMAGE_SIZE, FEW_MASKS = 512, 200  # an edge is a few pixels wide; more pictures would take too much memory
CHUNK_BYTES = 64 * 2**20
MOST_BYTES_AT_ONCE = 16 * 2**20  # of inputs; what a network makes of pictures on the way is some 50 times as much


@dataclass(frozen=True, eq=False, kw_only=True)
class Prepared:
    """Inputs, targets and weights as a network takes them. `scales` are (centre, scale) of number targets."""

    inputs: tuple[ArrayInput, ...]
    tasks: tuple[Task, ...]
    fit: Examples
    validation: Examples
    has_validation: bool
    scales: tuple[tuple[float, float] | None, ...]
    decisions: tuple[Decision, ...]

    @property
    def validation_or_none(self) -> Examples | None:
        """The rows to score on, unless there are none."""
        return self.validation if self.has_validation else None

    @property
    def rows_at_once(self) -> int:
        """How many rows the graph may be asked at once within 16 MB of input."""
        row = sum(source.nbytes / len(source) for source in self.fit.inputs)
        return int(max(16, min(4_096, MOST_BYTES_AT_ONCE // max(row, 1))))

    @cached_property
    def digest(self) -> str:
        """What the rows are: of a sample of them, and of how the arrays are made."""
        told = hashlib.sha256(repr([(array.form, array.columns, array.settings) for array in self.inputs]).encode())
        step = max(1, self.fit.n_rows // 1_000)
        for source in (*self.fit.inputs, *self.fit.targets):
            told.update(_as_numpy(source[::step]).tobytes())
        return told.hexdigest()

    def constant(self, n_rows: int) -> np.ndarray:
        """What the constant baseline answers for the first target: class shares, or the mean."""
        import numpy as np

        task, target = self.tasks[0], _as_numpy(self.fit.targets[0])
        if task.is_classification:
            counts = np.bincount(target[target >= 0], minlength=len(task.classes)).astype(np.float64)
            answer = counts / counts.sum()
        elif task.kind == "segmentation":
            counts = np.bincount(target[target >= 0].ravel(), minlength=len(task.classes)).astype(np.float64)
            shares = counts / counts.sum()
            answer = np.broadcast_to(shares[:, None, None], (len(shares), *target.shape[1:]))
        elif task.kind == "detection":
            answer = np.zeros((1, 4 + len(task.classes)))
        else:
            centre, scale = self.scales[0] or (0.0, 1.0)
            answer = np.nanmean(target, axis=0) * scale + centre
        return np.broadcast_to(answer, (n_rows, *np.shape(answer)))


def prepare(
    rows: Dataset, fit_rows: np.ndarray, valid_rows: np.ndarray | None, spec: TrainSpec, deep: DeepSpec,
    weights: np.ndarray | None, *, seed: int,
) -> Prepared:  # fmt: skip
    """Learn how arrays are made from the rows to fit on, make them, and read the targets."""
    import numpy as np

    features, networks = registry.verbs("features"), registry.verbs("networks")
    arrays_spec = features.ArraysSpec.parse({**_sizes(rows), **deep.arrays}, where="arrays")
    fitted, valid = _take(rows, fit_rows), _take(rows, valid_rows if valid_rows is not None else fit_rows[:1])
    rng = stream(seed, "training", "arrays")
    learned = features.learn_arrays(fitted, rows.schema.features, arrays_spec, rng=rng)
    inputs = networks.wanted_inputs(networks.NetworkSpec.parse(deep.network, where="network"), learned)
    whole, more = read_aims(rows, spec, inputs)
    scales = tuple(_scale(aim, fit_rows, keeps_origin=keeps_origin(deep, aim.task)) for aim in whole)
    valid_at = valid_rows if valid_rows is not None else fit_rows[:1]
    return Prepared(
        inputs=inputs,
        tasks=tuple(aim.task for aim in whole),
        fit=_examples(fitted, fit_rows, inputs, whole, scales, weights),
        validation=_examples(valid, np.asarray(valid_at), inputs, whole, scales, weights),
        has_validation=valid_rows is not None,
        scales=scales,
        decisions=(*features.array_decisions(inputs), *more),
    )


def _sizes(rows: Dataset) -> dict[str, int]:
    """Where a thing is needs finer pictures than what it is."""
    kinds = {rows.schema[name].kind for name in rows.schema.of_role("target")}
    if "mask" in kinds and rows.n_rows < FEW_MASKS:
        return {"max_image_size": MASKS_IMAGE_SIZE}
    return {"max_image_size": PLACES_IMAGE_SIZE} if kinds & {"boxes", "mask"} else {}


def _take(rows: Dataset, positions: np.ndarray) -> Dataset:
    frame = rows.frame[positions]
    return Dataset(frame.lazy(), rows.schema, frame.height, rows.origin)


def keeps_origin(deep: DeepSpec, task: Task) -> bool:
    """Whether the loss that is asked for of a task knows a target's size by its distance from 0."""
    use = deep.losses.get(task.target)
    return use is not None and bool(registry.get("losses", use.method).keeps_origin)


def _scale(aim: Aim, fit_rows: np.ndarray, *, keeps_origin: bool) -> tuple[float, float] | None:
    """Mean (or 0) and deviation of a number's training rows; the target is learned in these units."""
    import numpy as np

    if aim.task.kind not in ("regression", "forecast"):
        return None
    values = aim.values[fit_rows].astype(np.float64)
    return 0.0 if keeps_origin else float(np.nanmean(values)), float(max(np.nanstd(values), 1e-12))


def _examples(
    data: Dataset, positions: np.ndarray, inputs: Sequence[ArrayInput], aims: Sequence[Aim],
    scales: Sequence[tuple[float, float] | None], weights: np.ndarray | None,
) -> Examples:  # fmt: skip
    import torch

    targets = []
    for aim, scale in zip(aims, scales, strict=True):
        values = aim.values[positions]
        if scale is not None:
            values = ((values - scale[0]) / scale[1]).astype("float32")
        targets.append(torch.from_numpy(values))
    arrays = tuple(made_of(data, array) for array in inputs)
    return Examples(arrays, tuple(targets), None if weights is None else torch.from_numpy(weights[positions]))


def made_of(data: Dataset, array: ArrayInput) -> Any:
    """One array of all rows: a tensor, or where it is large a file that is mapped and forgotten at the end."""
    import tempfile

    import numpy as np
    import torch

    from modelwright.core.inputs import array as made_array

    frame = data.frame
    first = made_array(frame[:1], array)
    row_bytes = max(first.nbytes, 1)
    if row_bytes * frame.height > MOST_MEMORY_BYTES:
        file = tempfile.TemporaryFile(prefix="modelwright-rows-")  # noqa: SIM115 - lives as long as its map
        whole: Any = np.memmap(file, dtype=first.dtype, mode="w+", shape=(frame.height, *first.shape[1:]))
    else:
        whole = np.empty((frame.height, *first.shape[1:]), dtype=first.dtype)
    step = max(1, CHUNK_BYTES // row_bytes)
    for start in range(0, frame.height, step):
        part = frame.slice(start, step)
        whole[start : start + part.height] = made_array(part, array)
    return whole if isinstance(whole, np.memmap) else torch.from_numpy(whole)


def _as_numpy(source: Any) -> np.ndarray:
    import numpy as np

    return source.numpy() if hasattr(source, "numpy") else np.asarray(source)
