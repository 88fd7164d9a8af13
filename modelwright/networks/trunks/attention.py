"""Attention over columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from modelwright.core.spec import Spec
from modelwright.networks.base import Part, Trunk

if TYPE_CHECKING:
    from torch import nn


class AttentionSpec(Spec):
    """The blocks."""

    layers: int = Field(default=3, ge=1, le=48, description="blocks")
    width: int = Field(default=64, ge=1, le=8192, description="length of a column's vector")
    heads: int = Field(default=4, ge=1, le=128, description="heads of attention; divides the width")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="share of units left out in training")
    drop_path: float = Field(default=0.0, ge=0, lt=1, description="share of rows for which the last block is left out")

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide width ({self.width})")
        return self


def build(spec: AttentionSpec, parts: tuple[Part, ...]) -> nn.Module:
    """One vector per number and category column and per other encoder, and one that gathers, to (n, width).

    Costs the square of the number of columns.

    Reference: Gorishniy, Rubachev, Khrulkov and Babenko (2021), "Revisiting Deep Learning Models for Tabular Data".

    >>> build(AttentionSpec(), (Part(width=16, n_tokens=5), Part(width=100))).width
    64
    """
    from modelwright.networks.modules.columns import Columns

    return Columns(spec, parts)


TRUNK = Trunk(spec=AttentionSpec, build=build, wants_tokens=True)
