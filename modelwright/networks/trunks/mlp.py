"""A multilayer perceptron over all vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.networks.base import Part, Trunk
from modelwright.networks.choices import Activation, Norm

if TYPE_CHECKING:
    from torch import nn


class MlpSpec(Spec):
    """The layers."""

    layers: int = Field(default=2, ge=1, le=64, description="hidden layers")
    width: int = Field(default=128, ge=1, le=16_384, description="units of a layer")
    activation: Activation = Field(default="relu", description="activation after each layer")
    norm: Norm = Field(default="none", description="normalisation before each activation")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of units left out in training")
    residual: bool = Field(default=False, description="layers after the first add to what they were given")


def build(spec: MlpSpec, parts: tuple[Part, ...]) -> nn.Module:
    """Vectors (n, width_i) side by side, through `layers` of matrix, norm, activation and dropout, to (n, width).

    >>> build(MlpSpec(layers=3, width=8), (Part(width=3), Part(width=4))).width
    8
    """
    from modelwright.networks.modules.mlp import Mlp

    return Mlp(spec, parts)


TRUNK = Trunk(spec=MlpSpec, build=build)
