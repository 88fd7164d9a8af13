"""Elastic deformation: pictures as if drawn on rubber."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from modelwright.augmentation._draw import SHARE, chosen
from modelwright.augmentation.base import geometric
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import torch

    from modelwright.augmentation._warp import Warp


class ElasticSpec(Spec):
    """How far and how smoothly pixels are moved, as shares of the picture's shorter side."""

    reach: float = Field(0.03, gt=0, le=0.2, description="standard deviation of the displacement")
    smooth: float = Field(0.12, ge=0.02, le=1, description="deviation of the Gaussian that smooths it")
    share: float = Field(0.5, gt=0, le=1, description=SHARE)

    @model_validator(mode="after")
    def _without_folds(self) -> ElasticSpec:
        # The slope's deviation is reach / (smooth * sqrt 2); at 0.25 a fold (slope -1) is a 4-sigma event.
        if self.reach > 0.35 * self.smooth:
            raise ValueError("`reach` must be at most 0.35 of `smooth`, or the picture folds over itself")
        return self


def place(spec: ElasticSpec, n_rows: int, height: int, width: int, rng: torch.Generator) -> Warp:
    """The warp of each row: displacements across and down, each smoothed noise.

    Reference: Simard, Steinkraus and Platt (2003), "Best practices for convolutional neural networks applied
    to visual document analysis". Their 29-pixel digits have reach 0.05 and smooth 0.14.

    >>> import torch
    >>> warp = place(ElasticSpec(share=1.0), 2, 100, 200, torch.Generator().manual_seed(0))
    >>> moves = warp.wave.at(torch.rand(2, 500, 2, dtype=torch.float64) * 100)
    >>> tuple(moves.shape), 1.5 < float(moves.std()) < 4.5
    ((2, 500, 2), True)
    """
    import torch

    from modelwright.augmentation._warp import Warp
    from modelwright.augmentation._wave import only, wave

    rows = chosen(n_rows, spec.share, rng)
    side = min(height, width)
    moving = wave(n_rows, (height, width), spec.reach * side, spec.smooth * side, rng)
    matrix = torch.eye(3, dtype=torch.float64).repeat(n_rows, 1, 1)
    return Warp(matrix, height, width, only(moving, rows))


AUGMENTATION = geometric(ElasticSpec, place)
