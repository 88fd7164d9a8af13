"""Any number of labels a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.networks.base import Head, Source

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import Task


class LabelsSpec(Spec):
    """How the vector is read."""

    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of the vector left out in training")


def build(spec: LabelsSpec, task: Task, source: Source) -> nn.Module:
    """The vector (n, width) to logits (n, K); the answer is the sigmoid of each, float32 (n, K).

    >>> from modelwright_runtime.signature import Task
    >>> import torch
    >>> head = build(LabelsSpec(), Task(kind="multilabel", target="tags", classes=("a", "b", "c")), Source(width=3))
    >>> head.answer(torch.zeros(2, 3)).tolist()
    [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]
    """
    from modelwright.networks.modules.heads import Labels

    return Labels(source.width, len(task.classes), spec.dropout)


HEAD = Head(kinds=("multilabel",), spec=LabelsSpec, build=build)
