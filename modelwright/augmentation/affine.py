"""Pictures turned, scaled and slanted around their centre."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.augmentation._draw import SHARE, chosen, uniform
from modelwright.augmentation.base import geometric
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from modelwright.augmentation._warp import Warp


class RotateSpec(Spec):
    """How far pictures are turned."""

    degrees: float = Field(15.0, gt=0, le=180, description="largest turn to either side")
    share: float = Field(1.0, gt=0, le=1, description=SHARE)


class ScaleSpec(Spec):
    """How much larger or smaller what is shown becomes; the picture keeps its size."""

    factor: float = Field(1.2, gt=1, le=4, description="largest enlargement; the largest reduction is 1 / factor")
    share: float = Field(1.0, gt=0, le=1, description=SHARE)


class ShearSpec(Spec):
    """How far pictures are slanted, across or down."""

    degrees: float = Field(10.0, gt=0, le=60, description="largest slant to either side")
    share: float = Field(1.0, gt=0, le=1, description=SHARE)


def place_rotated(spec: RotateSpec, n_rows: int, height: int, width: int, rng: torch.Generator) -> Warp:
    """Turns of at most `degrees`, every angle as likely; a positive angle turns clockwise.

    >>> import torch
    >>> warp = place_rotated(RotateSpec(degrees=10), 1, 8, 8, torch.Generator())
    >>> round(float(warp.matrix[0, :2, :2].det()), 6)
    1.0
    """
    angle = uniform(n_rows, -spec.degrees, spec.degrees, rng) * (math.pi / 180)
    cosine, sine = angle.cos(), angle.sin()
    return _around(cosine, sine, -sine, cosine, chosen(n_rows, spec.share, rng), (height, width))


def place_scaled(spec: ScaleSpec, n_rows: int, height: int, width: int, rng: torch.Generator) -> Warp:
    """Factors between 1 / factor and factor, every ratio as likely.

    >>> import torch
    >>> warp = place_scaled(ScaleSpec(factor=2), 50, 8, 8, torch.Generator())
    >>> bool((warp.matrix[:, 0, 0] >= 0.5).all() and (warp.matrix[:, 0, 0] <= 2).all())
    True
    """
    import torch

    reach = math.log(spec.factor)
    factor = uniform(n_rows, -reach, reach, rng).exp()
    none = torch.zeros(n_rows, dtype=torch.float64)
    return _around(factor, none, none, factor, chosen(n_rows, spec.share, rng), (height, width))


def place_sheared(spec: ShearSpec, n_rows: int, height: int, width: int, rng: torch.Generator) -> Warp:
    """Each row is slanted across or down, as a coin falls.

    >>> import torch
    >>> round(float(place_sheared(ShearSpec(), 1, 8, 8, torch.Generator()).matrix[0, :2, :2].det()), 6)
    1.0
    """
    import torch

    slope = (uniform(n_rows, -spec.degrees, spec.degrees, rng) * (math.pi / 180)).tan()
    across = chosen(n_rows, 0.5, rng)
    one = torch.ones(n_rows, dtype=torch.float64)
    rows = chosen(n_rows, spec.share, rng)
    return _around(one, slope * across, slope * ~across, one, rows, (height, width))


def _around(a: Tensor, b: Tensor, c: Tensor, d: Tensor, rows: Tensor, size: tuple[int, int]) -> Warp:
    """The linear maps [[a, b], [c, d]] of the chosen rows; the others stay."""
    import torch

    from modelwright.augmentation._warp import around_centre

    linear = torch.stack([torch.stack([a, b], -1), torch.stack([c, d], -1)], -2)
    linear[~rows] = torch.eye(2, dtype=torch.float64)
    return around_centre(linear, *size)


ROTATE = geometric(RotateSpec, place_rotated)
SCALE = geometric(ScaleSpec, place_scaled)
SHEAR = geometric(ShearSpec, place_sheared)
