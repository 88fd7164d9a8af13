"""Boxes around things, one guess for each place of the map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.networks.base import Head, Source

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import Task


class BoxesSpec(Spec):
    """How the map is read."""

    layers: int = Field(default=2, ge=0, le=8, description="convolutions before the answer")
    size: float = Field(default=0.15, gt=0, le=1, description="side of a box at the start, as share of the picture")
    prior: float = Field(
        default=0.01, gt=0, lt=0.5, description="score of every class at the start: most places are empty"
    )
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of the map's channels left out in training")


def build(spec: BoxesSpec, task: Task, source: Source) -> nn.Module:
    """The map (n, channels, h, w) of a picture to float32 (n, A = h * w, 4 + K): one guess for each place, row by row.

    Raw outputs are boxes already (left, top, right, bottom as shares of the picture, not yet held within it), then a
    logit per class; the centre of a box lies within one place of its own, so a loss can tell the place by it;
    `head.places` (A, 2) are the centres (x, y) as shares. The answer holds boxes within 0..1 and gives scores by
    sigmoid.

    References: Tian, Shen, Chen and He (2019), "FCOS"; Ge, Liu, Wang, Li and Sun (2021), "YOLOX".

    >>> from modelwright_runtime.signature import Task
    >>> import torch
    >>> head = build(BoxesSpec(), Task(kind="detection", target="cells", classes=("red", "white")),
    ...     Source(map_channels=8, map_size=(4, 6)))
    >>> head(torch.randn(2, 8, 4, 6)).shape
    torch.Size([2, 24, 6])
    """
    from modelwright.networks.modules.map_heads import Boxes

    return Boxes(spec, source, len(task.classes))


HEAD = Head(kinds=("detection",), spec=BoxesSpec, build=build, reads="map")
