"""The conformance suite of augmentation: `check_method(AUGMENTATION)` raises AssertionError where a rule is broken.

What it asks: shapes, types and the number of rows stay; the input is left as it was; the same numbers give the
same bits and others do not; no row, one row, the smallest arrays, padding and gaps are taken; values
stay in range (tokens and codes are known ones, pictures and sound keep theirs, series stay finite, gaps of numbers
are no more); classes become shares that sum to 1 or stay; a missing target stays missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from modelwright.augmentation.base import Augmentation
    from modelwright.training.loop.batch import Batch
    from modelwright_runtime.signature import ArrayForm, ArrayInput, Task, TaskKind

_CLASSES = ("a", "b", "c")


def check_method(method: Augmentation, settings: Mapping[str, Any] | None = None) -> None:
    """Raise AssertionError, with the rule that is broken, if a method does not keep the contract.

    >>> from modelwright.augmentation.flip import AUGMENTATION
    >>> check_method(AUGMENTATION)
    """
    from modelwright_runtime.signature import Task

    spec = method.spec.parse(dict(settings or {}), where="method")
    changed = False
    for form in method.forms:
        for kind in method.kinds:
            classes = _CLASSES if kind not in ("regression", "forecast") else ()
            tasks = (Task(kind=kind, target="y", classes=classes, horizon=3 if kind == "forecast" else 0),)
            for n_rows, small in ((24, False), (1, False), (3, True), (0, False)):
                inputs, batch = _batch(form, tasks, n_rows, small=small)
                changed |= _check_once(method, spec, batch, inputs, tasks)
    assert changed, "the method changes nothing"


def _check_once(
    method: Augmentation, spec: Any, batch: Batch, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...]
) -> bool:
    """Whether the batch was changed."""
    before = _copy(batch)
    first = method.apply(batch, inputs, tasks, spec, _generator(1))
    again = method.apply(batch, inputs, tasks, spec, _generator(1))
    assert _same(batch, before), "the method changes its input"
    assert _same(first, again), "the same numbers give another batch"
    for seed in range(2, 5):
        _check_batch(batch, method.apply(batch, inputs, tasks, spec, _generator(seed)), inputs, tasks)
    if method.place is not None:
        _check_placed(method, spec, batch, inputs, tasks)
    _check_batch(batch, first, inputs, tasks)
    return not _same(first, batch)


def _check_placed(
    method: Augmentation, spec: Any, batch: Batch, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...]
) -> None:
    from modelwright.augmentation._warp import carry, size

    assert method.place is not None
    warp = method.place(spec, *size(batch, inputs), _generator(1))
    placed = carry(batch, inputs, tasks, warp)
    assert _same(placed, method.apply(batch, inputs, tasks, spec, _generator(1))), "`place` and `apply` differ"


def _check_batch(given: Batch, made: Batch, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...]) -> None:
    assert len(made.inputs) == len(given.inputs) and len(made.targets) == len(given.targets), "a part is missing"
    for x, y, array in zip(given.inputs, made.inputs, inputs, strict=True):
        assert x.shape == y.shape, f"{array.form}: the shape {tuple(x.shape)} became {tuple(y.shape)}"
        assert x.dtype == y.dtype, f"{array.form}: the type {x.dtype} became {y.dtype}"
        _check_values(x, y, array)
    for before, after, task in zip(given.targets, made.targets, tasks, strict=True):
        _check_target(before, after, task)


def _check_values(x: Tensor, y: Tensor, array: ArrayInput) -> None:
    if array.form in ("audio", "series"):
        assert bool(y.isfinite().all()), f"{array.form}: values that are not finite"
    if array.form == "audio":
        assert not len(y) or float(y.abs().max()) <= 1, "sound leaves -1..1"
    if array.form == "numbers":
        assert bool((y.isnan() <= x.isnan().any(0)).all()), "a column gets its first gap"
    if array.form in ("tokens", "codes"):
        largest = len(array.settings.get("vocabulary", _CLASSES)) + 1
        assert not y.numel() or (int(y.min()) >= 0 and int(y.max()) <= largest), f"{array.form}: an unknown code"
    if array.form == "tokens":
        padding = (y == 0).int()
        assert bool((padding.diff(dim=1) >= 0).all()), "padding stands between tokens"
        assert bool(((y != 0).any(1) == (x != 0).any(1)).all()), "a text is lost, or made of nothing"


def _check_target(before: Tensor, after: Tensor, task: Task) -> None:
    assert len(before) == len(after), "the number of targets changes"
    if task.is_classification and after.is_floating_point():
        missing = before < 0
        assert after.shape == (len(before), len(task.classes)), "shares of classes have another shape"
        assert bool(after[missing].isnan().all()), "a missing class is made up"
        assert bool(((after[~missing].sum(1) - 1).abs() < 1e-5).all()), "shares do not sum to 1"
        return
    assert before.shape == after.shape and before.dtype == after.dtype, f"{task.kind}: the target's form changes"
    if task.kind == "detection":
        kept = after[..., 0] >= 0
        boxes = after[kept][:, 1:]
        assert bool(((boxes >= 0) & (boxes <= 1)).all()), "a box leaves the picture"
        assert bool((boxes[:, 2:] > boxes[:, :2]).all()), "a box without an area"
        assert bool((after[..., 0] == before[..., 0])[kept].all()), "a box changes its class"
    elif task.kind == "segmentation":
        assert bool(((after >= -1) & (after < len(_CLASSES))).all()), "a mask has an unknown class"
    elif before.is_floating_point():
        assert bool((after.isnan() == before.isnan()).all()), "a missing target is made up"


def _batch(
    form: ArrayForm, tasks: tuple[Task, ...], n_rows: int, *, small: bool
) -> tuple[tuple[ArrayInput, ...], Batch]:
    from modelwright.training.loop.batch import Batch

    inputs, xs = zip(*_inputs(form, n_rows, small=small), strict=True)
    targets = tuple(_target(task.kind, n_rows) for task in tasks)
    return inputs, Batch(xs, targets)


def _inputs(form: ArrayForm, n_rows: int, *, small: bool) -> list[tuple[ArrayInput, Tensor]]:
    import torch

    from modelwright_runtime.signature import ArrayInput

    rng = _generator(n_rows)
    if form == "image":
        shapes = ((1, 1, 3), (1, 1, 1)) if small else ((12, 17, 3), (9, 9, 1))
        drawn = [torch.randint(0, 256, (n_rows, *shape), generator=rng, dtype=torch.uint8) for shape in shapes]
        return [(ArrayInput(form="image", columns=("p",)), x) for x in drawn]
    if form == "audio":
        x = torch.rand(n_rows, 300 if small else 4000, generator=rng) - 0.5
        x[::3] = 0
        return [(ArrayInput(form="audio", columns=("s",), settings={"rate_hz": 8000}), x)]
    if form == "series":
        x = torch.randn(n_rows, 2, 1 if small else 50, generator=rng)
        return [(ArrayInput(form="series", columns=("a", "b"), settings={"mean": [0, 0], "scale": [1, 1]}), x)]
    if form == "tokens":
        settings = {"level": "character", "vocabulary": [*"abc", "ring", "king", "sing", "wing", "ding", "12", "34"]}
        tokens = torch.randint(1, 12, (n_rows, 1 if small else 15), generator=rng)
        lengths = torch.randint(0, tokens.shape[1] + 1, (n_rows, 1), generator=rng)
        tokens[torch.arange(tokens.shape[1]) >= lengths] = 0
        return [(ArrayInput(form="tokens", columns=("t",), settings=settings), tokens)]
    x = torch.randn(n_rows, 4, generator=rng)
    x[:, 1] = 7.0
    x[torch.rand(x.shape[0], generator=rng) < 0.3, 2] = torch.nan
    codes = torch.randint(0, 5, (n_rows, 2), generator=rng)
    return [
        (ArrayInput(form="numbers", columns=tuple("abcd")), x),
        (ArrayInput(form="codes", columns=("e", "f"), settings={"levels": [[*"xyz"]] * 2}), codes),
    ]


def _target(kind: TaskKind, n_rows: int) -> Tensor:
    import torch

    rng = _generator(n_rows + 1)
    if kind in ("binary", "multiclass"):
        return torch.randint(-1, 3, (n_rows,), generator=rng)
    if kind == "segmentation":
        return torch.randint(-1, 3, (n_rows, 12, 17), generator=rng)
    if kind == "detection":
        corner = torch.rand(n_rows, 4, 2, generator=rng) * 0.7
        sides = torch.rand(n_rows, 4, 2, generator=rng) * 0.29 + 0.01
        classes = torch.randint(0, 3, (n_rows, 4, 1), generator=rng).float()
        boxes = torch.cat([classes, corner, corner + sides], dim=2)
        boxes[:, 3] = torch.tensor([-1.0, 0, 0, 0, 0])
        return boxes
    shape = {"multilabel": (n_rows, 3), "forecast": (n_rows, 3)}.get(kind, (n_rows,))
    target = torch.rand(shape, generator=rng).round() if kind == "multilabel" else torch.randn(shape, generator=rng)
    target[::5] = torch.nan
    return target


def _generator(seed: int) -> torch.Generator:
    import torch

    return torch.Generator().manual_seed(seed)


def _copy(batch: Batch) -> Batch:
    from dataclasses import replace

    return replace(
        batch, inputs=tuple(x.clone() for x in batch.inputs), targets=tuple(y.clone() for y in batch.targets)
    )


def _same(one: Batch, other: Batch) -> bool:
    pairs = zip((*one.inputs, *one.targets), (*other.inputs, *other.targets), strict=True)
    return all(x.shape == y.shape and bool(((x == y) | ((x != x) & (y != y))).all()) for x, y in pairs)
