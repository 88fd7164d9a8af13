"""One class a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.networks.base import Head, Source

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import Task


class ClassSpec(Spec):
    """How the vector is read."""

    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of the vector left out in training")


def build(spec: ClassSpec, task: Task, source: Source) -> nn.Module:
    """The vector (n, width) to logits (n, K); the answer is their softmax, float32 (n, K).

    >>> from modelwright_runtime.signature import Task
    >>> import torch
    >>> head = build(ClassSpec(), Task(kind="binary", target="y", classes=("no", "yes")), Source(width=3))
    >>> head.answer(head(torch.ones(5, 3))).sum(dim=1).round().tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    from modelwright.networks.modules.heads import Classes

    return Classes(source.width, len(task.classes), spec.dropout)


HEAD = Head(kinds=("binary", "multiclass"), spec=ClassSpec, build=build)
