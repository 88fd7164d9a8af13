"""Categories: a learned vector per level."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.networks.base import Encoder

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import ArrayInput


class CategorySpec(Spec):
    """How a category becomes a vector."""

    size: int | None = Field(
        default=None, ge=1, le=1024, description="length of a level's vector; by the number of levels if left out"
    )
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of cells read as an unseen level in training")


def build(spec: CategorySpec, input: ArrayInput) -> nn.Module:
    """Int64 (n, n_columns), 0 missing and 1 an unseen level, to (n, width).

    `settings["levels"]` holds the levels of each column. By itself a column of k levels gets a vector of
    1.6 k^0.56 numbers, rounded up to a power of 2, at most 64. Codes outside the levels count as unseen; missing
    and unseen levels start at zero, the middle of the others.

    Reference: Guo and Berkhahn (2016), "Entity Embeddings of Categorical Variables".

    >>> from modelwright_runtime.signature import ArrayInput
    >>> colour = ArrayInput(form="codes", columns=("colour",), settings={"levels": [["red", "blue"]]})
    >>> build(CategorySpec(), colour).width
    4
    """
    from modelwright.networks.modules.category import Category

    return Category(spec, input)


ENCODER = Encoder(forms=("codes",), spec=CategorySpec, build=build)
