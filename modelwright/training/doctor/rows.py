"""What rows say by themselves, before any network: gaps, classes, what simple learners can tell, repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.training.doctor import probe
from modelwright.training.doctor.describe import describe

if TYPE_CHECKING:
    import numpy as np

    from modelwright.training.loop.examples import Examples

PROBE_ROWS = 400
MORE_ROWS = 1_200  # where 400 rows leave it open whether the targets have to do with the inputs
CLEAR = 8.0  # deviations from chance
MOST_ROWS = 200_000
MOST_NUMBERS = 20_000_000  # looked at in one array
MOST_COLUMNS = 4_096


def facts_of_rows(train: Examples, rng: np.random.Generator) -> dict[str, Any]:
    """Facts about inputs and first target. Of large sets the first rows are looked at, for skills some at random."""
    import numpy as np

    facts = _not_finite(train)
    order = rng.permutation(train.n_rows)
    inputs, y, classes = _some(train, np.sort(order[:PROBE_ROWS]))
    if y is None:
        return facts
    if classes:
        facts["class_counts"] = _class_counts(train)
    elif len(y):
        centre = float(np.median(y))
        facts |= {"target_centre": centre, "target_deviation": 1.4826 * float(np.median(np.abs(y - centre)))}
    if len(np.unique(y)) < 2 or len(y) < 30:
        return facts
    found = _information(inputs, y, rng)
    if found["probe"]["sigmas"] < CLEAR and train.n_rows > PROBE_ROWS:
        more, more_y, _ = _some(train, np.sort(order[:MORE_ROWS]))
        assert more_y is not None
        found = _information(more, more_y, rng)
    return facts | found | _contradictions(inputs, y)


def _some(train: Examples, rows: np.ndarray) -> tuple[tuple[np.ndarray, ...], np.ndarray | None, bool]:
    """Inputs and known targets of some rows, and whether the targets are classes; None where they are neither
    one class nor one number a row."""
    import numpy as np

    y = np.asarray(taken(train.targets[0], rows))
    classes = bool(np.issubdtype(y.dtype, np.integer))
    inputs = tuple(np.asarray(taken(source, rows)) for source in train.inputs)
    if y.ndim != 1:
        return inputs, None, classes
    known = y >= 0 if classes else np.isfinite(y)
    return tuple(array[known] for array in inputs), y[known].astype(np.int64 if classes else np.float64), classes


def _class_counts(train: Examples) -> list[float]:
    """Rows of each class, or the sum of their weights."""
    import numpy as np

    target = np.asarray(taken(train.targets[0], np.arange(min(train.n_rows, MOST_ROWS))))
    weights = None if train.weights is None else train.weights[: len(target)].cpu().numpy()[target >= 0]
    counts: list[float] = np.bincount(target[target >= 0].astype(np.int64), weights).tolist()
    return counts


def _information(
    inputs: tuple[np.ndarray, ...],
    y: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """What simple learners can tell of the targets, together and by one input alone."""
    import numpy as np

    if not np.issubdtype(y.dtype, np.integer):
        y = np.argsort(np.argsort(y, kind="stable"), kind="stable").astype(np.float64)  # ranks: no row is wild
    x = probe.standardised(describe(inputs))
    if not x.shape[1]:
        return {"probe": {"skill": 0.0, "sigmas": 0.0, "n": len(y)}}
    near, line = probe.neighbours(x, y, rng), probe.ridge(x, y, rng)
    facts: dict[str, Any] = {"probe": {
        "skill": max(near.skill, line.skill), "sigmas": max(near.sigmas, line.sigmas), "n": len(y)}}  # fmt: skip
    flat, strides = _flat(inputs)
    best = _strongest(np.nan_to_num(flat, posinf=0.0, neginf=0.0), y)
    alone = probe.single_skills(flat[:, best], y)
    order = np.argsort(-alone, kind="stable")
    first = int(strides[best[order[0]]])
    rest = 0.0
    if alone[order[0]] > 0.8 and flat.shape[1] > 1:
        others = probe.standardised(describe(_without(inputs, first)))
        rest = max(probe.neighbours(others, y, rng).skill, probe.ridge(others, y, rng).skill) if others.size else 0.0
    facts["single"] = {"column": first, "skill": float(alone[order[0]]), "rest": rest,
                       "second": float(alone[order[1]]) if len(order) > 1 else 0.0}  # fmt: skip
    return facts


def _flat(inputs: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
    """All numbers of all inputs as columns, of wide inputs every so many; and where each stands among all."""
    import numpy as np

    parts, places, offset = [], [], 0
    for array in inputs:
        flat = array.reshape(len(array), -1)
        step = -(-flat.shape[1] // MOST_COLUMNS)
        parts.append(flat[:, ::step].astype(np.float64))
        places.append(offset + np.arange(0, flat.shape[1], step))
        offset += flat.shape[1]
    return np.concatenate(parts, 1), np.concatenate(places)


def _strongest(flat: np.ndarray, y: np.ndarray, n: int = 8) -> np.ndarray:
    """The columns that go most with the targets: by the share of variance between classes, or by correlation."""
    import numpy as np

    centred = flat - flat.mean(0)
    scale = np.sqrt((centred**2).sum(0))
    unit = centred / np.where(scale > 0, scale, 1.0)
    targets = probe.targets_of(y)
    sizes = np.sqrt((targets**2).sum(0))
    share = ((unit.T @ (targets / np.maximum(sizes, 1e-12))) ** 2).sum(1)
    return np.argsort(-share, kind="stable")[:n]


def _without(inputs: tuple[np.ndarray, ...], column: int) -> tuple[np.ndarray, ...]:
    """The inputs with one of their numbers, counted over all of them, set to 0."""
    made = []
    for array in inputs:
        width = array[0].size
        if 0 <= column < width:
            array = array.copy()
            array.reshape(len(array), -1)[:, column] = 0
        column -= width
        made.append(array)
    return tuple(made)


def _contradictions(inputs: tuple[np.ndarray, ...], y: np.ndarray) -> dict[str, Any]:
    """Rows that repeat another's inputs, and how many of those have another target."""
    first: dict[bytes, int] = {}
    twins = differing = 0
    for index, key in enumerate(_keys(inputs)):
        twin = first.setdefault(key, index)
        if twin != index:
            twins += 1
            differing += bool(y[twin] != y[index])
    return {"twins": twins, "contradictions": differing, "twin_rows": len(y)}


def _not_finite(train: Examples) -> dict[str, Any]:
    """Which rows have inputs that are no numbers, and which targets are infinite."""
    import numpy as np

    bad: set[int] = set()
    for source in train.inputs:
        if _is_float(source):
            rows = np.arange(rows_within(source))
            finite = np.isfinite(np.asarray(taken(source, rows))).reshape(len(rows), -1).all(1)
            bad.update(np.flatnonzero(~finite).tolist())
    infinite: list[int] = []
    if _is_float(train.targets[0]):
        target = np.asarray(taken(train.targets[0], np.arange(rows_within(train.targets[0]))))
        infinite = np.flatnonzero(np.isinf(target).reshape(len(target), -1).any(1)).tolist()
    return {"bad_rows": sorted(bad)[:1000], "n_bad_rows": len(bad), "infinite_targets": infinite[:1000]}


def far_off(sizes: np.ndarray) -> np.ndarray:
    """Which sizes (n,) are far beyond the usual: 40 times it, or 12 times it and 8 robust deviations in logarithms.

    >>> import numpy as np
    >>> np.flatnonzero(far_off(np.array([1.0, 1.1, 0.9, 1.2, 0.8, 90.0]))).tolist()
    [5]
    """
    import numpy as np

    known = np.isfinite(sizes) & (sizes > 0)
    if not known.any():
        return np.zeros(len(sizes), dtype=bool)
    logs = np.log(np.where(known, sizes, 1.0))
    middle = float(np.median(logs[known]))
    spread = 1.4826 * float(np.median(np.abs(logs[known] - middle)))
    above = np.where(known, logs - middle, 0.0)
    found: np.ndarray = (above > np.log(40.0)) | ((above > 8 * spread) & (above > np.log(12.0)))
    return found


def shared_rows(train: Examples, validation: Examples) -> np.ndarray:
    """Which validation rows have the inputs of a training row: bool (n,). Of large sets the first are looked at."""
    import numpy as np

    def keys(examples: Examples) -> list[bytes]:
        rows = np.arange(min(20_000, *(rows_within(source) for source in examples.inputs)))
        return _keys(tuple(np.asarray(taken(source, rows)) for source in examples.inputs))

    known, asked = set(keys(train)), keys(validation)
    shared = np.zeros(validation.n_rows, dtype=bool)
    shared[: len(asked)] = [key in known for key in asked]
    return shared


def _keys(arrays: tuple[np.ndarray, ...]) -> list[bytes]:
    import hashlib

    import numpy as np

    digests = [hashlib.blake2b(digest_size=16) for _ in arrays[0]]
    for array in arrays:
        for digest, row in zip(digests, np.ascontiguousarray(array), strict=True):
            digest.update(row.tobytes())
    return [digest.digest() for digest in digests]


def rows_within(source: Any) -> int:
    """How many rows of an array are looked at, so that not too many numbers are."""
    width = 1
    for side in source.shape[1:]:
        width *= int(side)
    return int(max(1, min(len(source), MOST_ROWS, MOST_NUMBERS // max(width, 1))))


def _is_float(source: Any) -> bool:
    return "float" in str(source.dtype)


def taken(source: Any, rows: np.ndarray) -> Any:
    """Rows of a tensor or of an array on disk, as NumPy."""
    import torch

    if isinstance(source, torch.Tensor):
        return source[torch.from_numpy(rows).to(source.device)].cpu().numpy()
    return source[rows]
