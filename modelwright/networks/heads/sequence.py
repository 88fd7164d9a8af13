"""A class for every step: labels of words, or sound to letters (CTC)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.networks.base import Head, Source

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import Task


class SequenceSpec(Spec):
    """How the map is read."""

    blank: bool = Field(default=False, description="one more class, number 0, that says nothing: for the CTC loss")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of each step's vector left out in training")


def build(spec: SequenceSpec, task: Task, source: Source) -> nn.Module:
    """The map (n, steps, channels) of a text, series or sound to logits (n, steps, K), or K + 1 with `blank`.

    The answer is the softmax at every step, float32. It must be asked for by name: `heads: {target: sequence}`.

    Reference: Graves, Fernández, Gomez and Schmidhuber (2006), "Connectionist Temporal Classification".

    >>> from modelwright_runtime.signature import Task
    >>> import torch
    >>> task = Task(kind="multiclass", target="tag", classes=("noun", "verb", "other"))
    >>> build(SequenceSpec(blank=True), task, Source(map_channels=8))(torch.randn(2, 10, 8)).shape
    torch.Size([2, 10, 4])
    """
    from modelwright.networks.modules.heads import Classes

    return Classes(source.map_channels, len(task.classes) + spec.blank, spec.dropout)


HEAD = Head(kinds=("multiclass", "binary"), spec=SequenceSpec, build=build, reads="map")
