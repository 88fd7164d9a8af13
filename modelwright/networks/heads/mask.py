"""A class for every pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.networks.base import Head, Source

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import Task


class MaskSpec(Spec):
    """How the map is read."""

    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of the map's channels left out in training")


def build(spec: MaskSpec, task: Task, source: Source) -> nn.Module:
    """The map (n, channels, h, w) of a picture to logits (n, K, height, width) at the size of the network's picture.

    A coarser map is brought to that size by blending its places. The answer is the softmax over the classes.

    Reference: Long, Shelhamer and Darrell (2015), "Fully Convolutional Networks for Semantic Segmentation".

    >>> from modelwright_runtime.signature import Task
    >>> import torch
    >>> head = build(MaskSpec(), Task(kind="segmentation", target="mask", classes=("out", "in")),
    ...     Source(map_channels=8, map_size=(4, 6), image_size=(8, 12)))
    >>> head(torch.randn(2, 8, 4, 6)).shape
    torch.Size([2, 2, 8, 12])
    """
    from modelwright.networks.modules.map_heads import Mask

    return Mask(spec, source, len(task.classes))


HEAD = Head(kinds=("segmentation",), spec=MaskSpec, build=build, reads="map")
