"""What validation rows say of a network: the score its best weights are kept by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from modelwright_runtime.signature import Task

if TYPE_CHECKING:
    from torch import Tensor

Score = Callable[[tuple["Tensor", ...], tuple["Tensor", ...]], float]


def score_of(tasks: Sequence[Task]) -> Score | None:
    """(raw outputs, targets) -> the mean of the tasks' scores; higher is better.

    Classes are scored by their accuracy and, among equals, by log loss: a network that is still getting better
    at telling classes apart grows too sure of itself long before, which a temperature mends afterwards. Values
    are scored by the share of variance explained. Boxes are scored by the loss alone: None.
    """
    if any(task.kind == "detection" for task in tasks):
        return None

    def score(outputs: tuple[Tensor, ...], targets: tuple[Tensor, ...]) -> float:
        parts = [_one(task, output, target) for task, output, target in zip(tasks, outputs, targets, strict=True)]
        return sum(parts) / len(parts)

    return score


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
    return right - 1e-3 * float(torch.nn.functional.cross_entropy(logits, truth))


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
