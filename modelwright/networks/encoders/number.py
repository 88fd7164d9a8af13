"""Numbers: standardised, with learned embeddings where there are rows enough to learn them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.networks.base import Encoder

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import ArrayInput


class NumberSpec(Spec):
    """How a number becomes a vector."""

    embedding: Literal["plain", "linear", "periodic", "piecewise"] = Field(
        default="plain", description="plain: the standardised number; else a learned vector per column"
    )
    size: int = Field(default=16, ge=1, le=1024, description="length of the vector of a column")
    frequencies: int = Field(default=16, ge=1, le=512, description="periodic: waves per column")
    sigma: float = Field(default=0.1, gt=0, le=100, description="periodic: spread of the first frequencies")
    bins: int = Field(default=16, ge=2, le=256, description="piecewise: bins where the settings bring none")


def build(spec: NumberSpec, input: ArrayInput) -> nn.Module:
    """Float32 (n, n_columns), NaN where missing, to (n, width).

    Numbers are standardised by `settings["mean"]` and `settings["scale"]` (per column) and softly held within five
    deviations. A gap is the mean, and told by a column of its own (plain, where `settings["gaps"]` says that training
    had some), or has a vector of its own; both start at zero and stay there where training saw no gap.
    `settings["edges"]` are the piecewise embedding's bins; without them, those of a normal distribution.

    Reference: Gorishniy, Rubachev and Babenko (2022), "On Embeddings for Numerical Features in Tabular Deep Learning".

    >>> from modelwright_runtime.signature import ArrayInput
    >>> build(NumberSpec(embedding="periodic", size=4), ArrayInput(form="numbers", columns=("a", "b"))).width
    8
    """
    from modelwright.networks.modules.number import Number

    return Number(spec, input)


ENCODER = Encoder(forms=("numbers",), spec=NumberSpec, build=build)
