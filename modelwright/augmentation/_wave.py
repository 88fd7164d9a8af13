"""`Wave`: a smooth random displacement, known everywhere from a few numbers.

White noise on a grid as coarse as the smoothing, and the Gaussian bell at each knot: the sum has the same
mean, deviation and correlation (exp(-d^2 / 4 s^2) at distance d) as noise drawn per pixel and smoothed by a
bell of deviation s, up to 1e-4, and is two small matrix products per picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

_MOST_STEPS, _NEAR = 100, 1e-3  # of the way back, in pixels
_BEYOND = 4  # knots outside the picture on each side: what a bell reaches


@dataclass(frozen=True, eq=False)
class Wave:
    """`knots` is float64 (n, 2, rows, columns) on the CPU: the weight of each bell, in pixels, across and down.
    `across` and `down` are the bell's deviation, which is the knots' distance too, in pixels."""

    knots: Tensor
    across: float
    down: float

    def is_still(self) -> Tensor:
        """bool (n,): rows that are not moved at all."""
        return (self.knots == 0).flatten(1).all(1)

    def scaled(self, across: float, down: float) -> Wave:
        """The same wave on a picture of another size."""
        factor = torch.tensor([across, down], dtype=torch.float64)[:, None, None]
        return Wave(self.knots * factor, self.across * across, self.down * down)

    def field(self, rows: Tensor, height: int, width: int, turn: Tensor, device: torch.device) -> Tensor:
        """Displacements in pixels at the pixels' centres, times `turn` (len(rows), 2, 2): float32
        (len(rows), 2, height, width)."""
        knots = torch.einsum("nab,nbrc->narc", turn, self.knots[rows]).to(device, torch.float32)
        right = _bells_of_pixels(width, self.across, knots.shape[3], device)
        low = _bells_of_pixels(height, self.down, knots.shape[2], device)
        moves: Tensor = low @ (knots @ right.T)
        return moves

    def at(self, points: Tensor) -> Tensor:
        """Displacements at places float64 (n, ..., 2), in pixels."""
        flat = points.flatten(1, -2)
        right = _bells(flat[..., 0], self.across, self.knots.shape[3])
        low = _bells(flat[..., 1], self.down, self.knots.shape[2])
        moves = torch.einsum("npr,narc,npc->npa", low, self.knots, right)
        return moves.view_as(points)

    def undo(self, points: Tensor) -> Tensor:
        """The places p with p + wave(p) = points, by fixed-point steps; the wave must not fold."""
        found = points
        for _ in range(_MOST_STEPS):
            following: Tensor = points - self.at(found)
            if not following.numel() or float((following - found).abs().max()) < _NEAR:
                return following
            found = following
        return found


@lru_cache(maxsize=16)
def _bells_of_pixels(n_pixels: int, deviation: float, n_knots: int, device: torch.device) -> Tensor:
    centres = torch.arange(n_pixels, dtype=torch.float64) + 0.5
    return _bells(centres, deviation, n_knots).to(device, torch.float32)


def _bells(places: Tensor, deviation: float, n_knots: int) -> Tensor:
    """float64 (..., n_knots): each bell at each place, scaled so that noise of deviation 1 gives deviation 1."""
    centres = (torch.arange(n_knots, dtype=torch.float64) - _BEYOND) * deviation
    distance = (places[..., None] - centres) / deviation
    bells: Tensor = torch.exp(-0.5 * distance**2) / math.pi**0.25
    return bells


def wave(n_rows: int, size: tuple[int, int], deviation: float, smooth: float, rng: torch.Generator) -> Wave:
    """A wave for pictures of (height, width) pixels: displacements of `deviation` pixels, smoothed by a bell of
    deviation `smooth` pixels.

    >>> field = wave(200, (40, 60), 2.0, 5.0, torch.Generator().manual_seed(0)).field(
    ...     torch.arange(200), 40, 60, torch.eye(2).double().expand(200, 2, 2), torch.device("cpu"))
    >>> tuple(field.shape), round(float(field.std()), 1)
    ((200, 2, 40, 60), 2.0)
    """
    n_down, n_across = (math.ceil(length / smooth) + 1 + 2 * _BEYOND for length in size)
    knots = torch.randn(n_rows, 2, n_down, n_across, generator=rng, dtype=torch.float64)
    return Wave(knots * deviation, smooth, smooth)


def only(moving: Wave, rows: Tensor) -> Wave:
    """The wave for the rows chosen; the others are still."""
    return replace(moving, knots=moving.knots * rows[:, None, None, None])
