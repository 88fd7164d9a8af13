"""What validation rows say of a network: the score its best weights are kept by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwright_runtime.signature import Task

if TYPE_CHECKING:
    from torch import Tensor

NAMES = {"multilabel": "minus log loss", "segmentation": "Dice"}
AMONG_EQUALS = 1e-6  # of the log loss: too little to be seen in an accuracy


@dataclass(frozen=True)
class Score:
    """(raw outputs, targets) of validation rows -> the mean of the tasks' scores; higher is better."""

    tasks: tuple[Task, ...]

    @property
    def name(self) -> str:
        """What people call it."""
        kinds = {task.kind for task in self.tasks}
        names = {NAMES.get(kind, "accuracy" if kind in ("binary", "multiclass") else "R²") for kind in kinds}
        return names.pop() if len(names) == 1 else f"mean of {', '.join(sorted(names))}"

    def __call__(self, outputs: tuple[Tensor, ...], targets: tuple[Tensor, ...]) -> float:
        parts = [_one(task, output, target) for task, output, target in zip(self.tasks, outputs, targets, strict=True)]
        return sum(parts) / len(parts)


def score_of(tasks: Sequence[Task]) -> Score | None:
    """What the best weights of a network with these tasks are known by; None for boxes: by the loss alone.

    Classes are scored by their accuracy and, among equals, by log loss: a network that is still getting better
    at telling classes apart grows too sure of itself long before, which a temperature mends afterwards. Values
    are scored by the share of variance explained.

    >>> score_of([Task(kind="binary", target="y", classes=("no", "yes")), Task(kind="regression", target="z")]).name
    'mean of R², accuracy'
    """
    return None if any(task.kind == "detection" for task in tasks) else Score(tuple(tasks))


def _one(task: Task, output: Tensor, target: Tensor) -> float:
    if task.is_classification:
        return _classes(output, target)
    if task.kind == "multilabel":
        return -_binary_loss(output, target)
    if task.kind == "segmentation":
        return _overlap(output, target)
    known = target.isfinite()
    error = float(((output.reshape(target.shape) - target)[known] ** 2).mean())
    return 1.0 - error / max(float(target[known].var(correction=0)), 1e-12)


def _classes(output: Tensor, target: Tensor) -> float:
    import torch

    known = target >= 0
    logits, truth = output[known], target[known]
    if logits.shape[-1] == 1:  # one logit: the positive class against nothing
        logits = torch.cat([torch.zeros_like(logits), logits], dim=1)
    right = float((logits.argmax(1) == truth).float().mean())
    return right - AMONG_EQUALS * float(torch.nn.functional.cross_entropy(logits, truth))


def _binary_loss(output: Tensor, target: Tensor) -> float:
    import torch

    known = target.isfinite()
    return float(torch.nn.functional.binary_cross_entropy_with_logits(output[known], target[known]))


def _overlap(output: Tensor, target: Tensor) -> float:
    """Mean Dice over the classes that occur; of two classes only the second, the one that is looked for."""
    predicted, known = output.argmax(1), target >= 0
    classes = [1] if output.shape[1] == 2 else range(output.shape[1])
    scores = []
    for k in classes:
        own, truth = (predicted == k) & known, (target == k) & known
        total = int(own.sum() + truth.sum())
        if total:
            scores.append(2 * int((own & truth).sum()) / total)
    return sum(scores) / max(len(scores), 1)
