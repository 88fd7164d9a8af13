"""Objectives: outputs and targets in, one number to make smaller out.

A loss (`Loss`, one file each) is the mean over the rows that have a target. `make_objective` joins the losses
of all tasks of a network into one module; with one task it costs next to nothing above the bare loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError
from modelwright.core.optional import need
from modelwright.core.registry import entries, get
from modelwright.core.use import Use

if TYPE_CHECKING:
    from torch import Tensor

    from modelwright.core.spec import Spec
    from modelwright.training.objectives.objective import Objective
    from modelwright_runtime.signature import Task

LossFunction = Callable[..., "Tensor"]
Fits = Callable[[tuple[int, ...], tuple[int, ...], Any], bool]

DEFAULT = {
    "binary": "cross_entropy",
    "multiclass": "cross_entropy",
    "multilabel": "bce",
    "regression": "mse",
    "forecast": "mse",
    "detection": "box",
    "segmentation": "dice",
}
"""The loss of a task for which none is named."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """One loss, as a function from settings to a function of tensors.

    `make(spec, complete)` gives `loss(output, target, weights)`: a scalar, the mean over the rows (or places)
    that have a target, each weighed by `weights`, float (n,) or None; a zero with a gradient where none has.
    `complete` promises that no target is missing, so that no time goes into looking. `kinds` are the tasks
    that the loss suits; `takes` says in words what it takes, and `fits(output.shape, target.shape, spec)`
    whether it is given that. `keeps_origin` says that the target's 0 means nothing at all to the loss, and is to be
    0 in training too.
    """

    name: str
    kinds: tuple[str, ...]
    spec: type[Spec]
    make: Callable[[Any, bool], LossFunction]
    takes: str
    fits: Fits
    keeps_origin: bool = False


def make_loss(use: Use, *, complete: bool = False) -> LossFunction:
    """The function `loss(output, target, weights=None) -> scalar` of one loss with its settings.

    Errors: `registry.name` for an unknown loss, `spec.*` for wrong settings.

    >>> import torch
    >>> loss = make_loss(Use(method="mse"))
    >>> loss(torch.tensor([1.0, 2.0]), torch.tensor([float("nan"), 4.0])).item()
    4.0
    """
    need("torch", extra="deep", why="training a network")
    loss: Loss = get("losses", use.method)
    return loss.make(loss.spec.parse(use.settings, where=use.method), complete)


def make_objective(
    uses: Sequence[Use | None],
    tasks: Sequence[Task],
    *,
    weighting: Use | str = "fixed",
    complete: bool = False,
) -> Objective:
    """The module `objective(outputs, targets, weights=None) -> scalar` of all tasks.

    `uses` names one loss per task, None for the usual one of its kind. `weighting` is how several losses are
    added up (see `multi.py`): `fixed`, `uncertainty` or `gradnorm`, each with settings; with one task it does
    nothing. `complete` promises that no target is missing (`is_complete`). The first call looks at the shapes.
    Errors: `registry.name`, `spec.*`, `objective.kind` for a loss that does not suit its task,
    `objective.tasks` where losses and tasks are not of one number; at the first call `objective.shape`.

    >>> import torch
    >>> from modelwright_runtime.signature import Task
    >>> objective = make_objective([None], [Task(kind="binary", target="y", classes=("no", "yes"))])
    >>> round(objective((torch.zeros(3, 2),), (torch.tensor([0, 1, -1]),)).item(), 4)
    0.6931
    """
    need("torch", extra="deep", why="training a network")
    from modelwright.training.objectives.multi import make_weighting
    from modelwright.training.objectives.objective import Objective, Term

    if len(uses) != len(tasks) or not tasks:
        raise UserError("objective.tasks", f"{len(tasks)} tasks need as many losses; got {len(uses)}.")
    terms = []
    for use, task in zip(uses, tasks, strict=True):
        use = use or Use(method=DEFAULT[task.kind])
        loss: Loss = get("losses", use.method)
        if task.kind not in loss.kinds:
            raise _unsuited(use.method, task.kind)
        spec = loss.spec.parse(use.settings, where=use.method)
        terms.append(Term(loss, spec, loss.make(spec, complete), task.target))
    if len(terms) == 1:
        return Objective(terms, None)
    return Objective(terms, make_weighting(weighting, tuple(task.kind for task in tasks)))


def is_complete(targets: Sequence[Tensor]) -> bool:
    """Whether no target is missing: no class below 0, no value that is not a number. For all training rows.

    >>> import torch
    >>> is_complete([torch.tensor([0, 1]), torch.tensor([0.5, float("nan")])])
    False
    """
    for target in targets:
        missing = target.isnan() if target.is_floating_point() else target < 0
        if bool(missing.any()):
            return False
    return True


def _unsuited(name: str, kind: str) -> UserError:
    suited = sorted(other for other in entries("losses") if kind in get("losses", other).kinds)
    return UserError(
        "objective.kind",
        f"the loss `{name}` does not suit a task of kind {kind}.",
        hint=f"losses that do: {', '.join(suited)}",
    )
