"""Series by a transformer over patches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from modelwright.core.spec import Spec
from modelwright.networks.base import Encoder
from modelwright.networks.choices import Normalise

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import ArrayInput


class SeriesPatchSpec(Spec):
    """The patches and blocks."""

    patch: int = Field(default=16, ge=1, le=1024, description="steps in a patch")
    stride: int = Field(default=8, ge=1, le=1024, description="steps from one patch to the next")
    width: int = Field(default=64, ge=1, le=8192, description="length of a patch's vector")
    layers: int = Field(default=3, ge=1, le=48, description="blocks")
    heads: int = Field(default=4, ge=1, le=128, description="heads of attention; divides the width")
    pool: Literal["mean", "flatten"] = Field(
        default="mean", description="mean over patches, or all of them side by side"
    )
    normalise: Normalise = Field(default="column", description="what a step is measured by")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="share of units left out in training")
    drop_path: float = Field(default=0.0, ge=0, lt=1, description="share of rows for which the last block is left out")

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide width ({self.width})")
        return self


def build(spec: SeriesPatchSpec, input: ArrayInput) -> nn.Module:
    """Float32 (n, n_columns, length) to (n, n_columns * width), times the patches where `pool` is `flatten`.

    Every column goes through the same blocks by itself. A patch of nothing but padding is looked at by nobody. The
    map is (n, n_patches, n_columns * width). Forecasts want `flatten`, and long pasts.

    Reference: Nie, Nguyen, Sinthong and Kalagnanam (2023), "A Time Series is Worth 64 Words" (PatchTST).

    >>> from modelwright.testing.networks import sample_input
    >>> build(SeriesPatchSpec(width=64), sample_input("series")).width
    128
    """
    from modelwright.networks.modules.series_patch import SeriesPatch

    return SeriesPatch(spec, input)


ENCODER = Encoder(forms=("series",), spec=SeriesPatchSpec, build=build, gives_map=True)
