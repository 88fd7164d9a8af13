"""Augmentation: training batches in, changed batches out, whole batches at a time, labels kept true.

A step draws from a generator of its own, seeded by (seed, epoch, step) and its place, so that a run that
is resumed repeats the same bits, and a step that is added never shifts the numbers of those before it. Steps that only
move pixels are composed to one map and sampled once. The training loop calls this on training rows only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from modelwright.core.errors import UserError
from modelwright.core.registry import get
from modelwright.core.rng import stream_seed
from modelwright.core.spec import Spec
from modelwright.core.use import Use

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from modelwright.augmentation._warp import Warp
    from modelwright.training.loop.batch import Batch
    from modelwright_runtime.signature import ArrayForm, ArrayInput, Task, TaskKind

ALL_KINDS: tuple[TaskKind, ...] = (
    "binary",
    "multiclass",
    "regression",
    "multilabel",
    "forecast",
    "detection",
    "segmentation",
)
WITHOUT_PLACES: tuple[TaskKind, ...] = ("binary", "multiclass", "regression", "multilabel", "forecast")


class AugmentSpec(Spec):
    """How training rows are changed. In YAML: `auto`, `off`, or a list of methods.

    >>> AugmentSpec.model_validate(["flip", {"noise": {"deviation": 8}}]).steps[1].settings
    {'deviation': 8}
    >>> AugmentSpec.model_validate("off").steps
    'off'
    """

    steps: Literal["auto", "off"] | tuple[Use, ...] = Field("auto", description="`auto`, `off`, or methods in order")
    most_changed: float = Field(
        0.15, gt=0, le=1, description="a method that changes more than this share of right answers is left out"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        if given is False:  # YAML reads `off` as false
            return {"steps": "off"}
        return given if isinstance(given, Mapping) else {"steps": given}


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """One method. `apply(batch, inputs, tasks, spec, rng)` gives a new batch and leaves its input as it was.

    `forms` are the arrays it can change, `kinds` the tasks whose targets it can keep true. A method that only
    moves pixels has `place(spec, n_rows, height, width, rng)` as well: where each pixel of its answer comes from.
    """

    forms: tuple[ArrayForm, ...]
    spec: type[Spec]
    apply: Callable[[Batch, tuple[ArrayInput, ...], tuple[Task, ...], Any, torch.Generator], Batch]
    kinds: tuple[TaskKind, ...] = ALL_KINDS
    place: Callable[[Any, int, int, int, torch.Generator], Warp] | None = None


def geometric(spec: type[Spec], place: Callable[[Any, int, int, int, torch.Generator], Warp]) -> Augmentation:
    """The method that only moves pixels, as `place` says."""

    def apply(
        batch: Batch, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...], spec: Any, rng: torch.Generator
    ) -> Batch:
        from modelwright.augmentation._warp import carry, size

        return carry(batch, inputs, tasks, place(spec, *size(batch, inputs), rng))

    return Augmentation(forms=("image",), spec=spec, apply=apply, place=place)


def row_by_row(
    form: ArrayForm,
    spec: type[Spec],
    how: Callable[[Tensor, ArrayInput, Any, torch.Generator], Tensor],
    kinds: tuple[TaskKind, ...],
) -> Augmentation:
    """The method that changes each input of one form by itself, and no target: `how(x, input, spec, rng)` for
    the share of rows that the Spec's `share` says, `rng` being on the device of `x`."""

    def apply(
        batch: Batch, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...], spec: Any, rng: torch.Generator
    ) -> Batch:
        from modelwright.augmentation._draw import change, chosen, on_device

        rows = chosen(batch.inputs[0].shape[0], spec.share, rng)
        return change(batch, inputs, (form,), rows, lambda x, array: how(x, array, spec, on_device(rng, x.device)))

    return Augmentation(forms=(form,), spec=spec, apply=apply, kinds=kinds)


@dataclass(frozen=True)
class Step:
    """A method with its checked settings."""

    name: str
    method: Augmentation
    spec: Spec


def prepare(uses: Sequence[Use | Step], inputs: Sequence[ArrayInput], tasks: Sequence[Task]) -> tuple[Step, ...]:
    """Look methods up and check their settings against what a batch holds.

    Raises `augment.form` for a method that can change none of the inputs and `augment.task` for one that
    cannot keep a target true.

    >>> from modelwright_runtime.signature import ArrayInput, Task
    >>> prepare([Use(method="flip")], [ArrayInput(form="tokens", columns=("text",))], [])
    Traceback (most recent call last):
    modelwright_runtime.errors.UserError: `flip` changes image, and the inputs are tokens.
    Hint: leave it out [augment.form]
    """
    steps = tuple(use if isinstance(use, Step) else _step(use) for use in uses)
    has = list(dict.fromkeys(array.form for array in inputs))
    for step in steps:
        if not set(step.method.forms) & set(has):
            raise UserError(
                "augment.form",
                f"`{step.name}` changes {', '.join(step.method.forms)}, and the inputs are {', '.join(has)}.",
                hint="leave it out",
            )
        for task in tasks:
            if task.kind not in step.method.kinds:
                raise UserError(
                    "augment.task",
                    f"`{step.name}` cannot keep the target {task.target!r} true: it is a task of {task.kind}.",
                    hint=f"leave it out; it goes with {', '.join(step.method.kinds)}",
                )
    return steps


def _step(use: Use) -> Step:
    method: Augmentation = get("augmentation", use.method)
    return Step(use.method, method, method.spec.parse(use.settings, where=use.method))


def augment(
    batch: Batch,
    inputs: tuple[ArrayInput, ...],
    tasks: tuple[Task, ...],
    steps: Sequence[Use | Step],
    *,
    seed: int,
    epoch: int,
    step: int,
) -> Batch:
    """A changed copy of a training batch: a pure function of the batch, the steps and (seed, epoch, step).

    Shapes and types stay as they are, save that class targets become shares float32 (n, K) after mixing.
    Give prepared steps (`prepare`) in a loop: looking them up anew costs some 30 microseconds each.

    >>> import torch
    >>> from modelwright.training.loop.batch import Batch
    >>> from modelwright_runtime.signature import ArrayInput, Task
    >>> picture = torch.tensor([[[[1], [2]], [[3], [4]]]], dtype=torch.uint8)
    >>> inputs = (ArrayInput(form="image", columns=("photo",)),)
    >>> tasks = (Task(kind="binary", target="y", classes=("no", "yes")),)
    >>> steps = [Use(method="flip", settings={"share": 1.0})]
    >>> flipped = augment(Batch((picture,), (torch.tensor([1]),)), inputs, tasks, steps, seed=0, epoch=0, step=0)
    >>> flipped.inputs[0].flatten().tolist(), picture.flatten().tolist()
    ([2, 1, 4, 3], [1, 2, 3, 4])
    """
    return changed(batch, inputs, tasks, prepare(steps, inputs, tasks), generator(seed, epoch, step))


def augmenter(
    inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...], uses: Sequence[Use | Step]
) -> Callable[[Batch, torch.Generator], Batch]:
    """What the training loop calls on each training batch, with the generator of that step."""
    steps = prepare(uses, inputs, tasks)
    return lambda batch, rng: changed(batch, inputs, tasks, steps, rng)


def changed(
    batch: Batch,
    inputs: tuple[ArrayInput, ...],
    tasks: tuple[Task, ...],
    steps: Sequence[Step],
    rng: torch.Generator,
) -> Batch:
    """The batch through prepared steps; those that only move pixels are joined and sampled once."""
    import torch

    from modelwright.augmentation._warp import carry, join, size

    waiting: Warp | None = None
    for ready in steps:
        # Numbers of its own: how much a step draws never shifts what the others draw.
        own = torch.Generator().manual_seed(int(torch.randint(2**62, (1,), generator=rng)))
        if ready.method.place is not None:
            warp = ready.method.place(ready.spec, *size(batch, inputs), own)
            joined = warp if waiting is None else join(waiting, warp)
            if joined is None and waiting is not None:
                batch = carry(batch, inputs, tasks, waiting)
            waiting = warp if joined is None else joined
            continue
        if waiting is not None:
            batch, waiting = carry(batch, inputs, tasks, waiting), None
        batch = ready.method.apply(batch, inputs, tasks, ready.spec, own)
    return batch if waiting is None else carry(batch, inputs, tasks, waiting)


def generator(seed: int, *names: str | int) -> torch.Generator:
    """Random numbers of the stream `names` of `seed`, on the CPU whatever the batch's device.

    >>> import torch
    >>> draws = [torch.rand(1, generator=generator(0, 3, step)).item() for step in (7, 7, 8)]
    >>> draws[0] == draws[1], draws[0] == draws[2]
    (True, False)
    """
    import torch

    return torch.Generator().manual_seed(stream_seed(seed, "augmentation", *names))
