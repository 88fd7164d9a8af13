"""The loss of boxes: cells are given boxes, then place and class are compared."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot

from modelwright.training.objectives.labels import focus
from modelwright.training.objectives.mean import full, per_row

if TYPE_CHECKING:
    from modelwright.training.objectives.box import BoxSpec

TINY = 1e-9


class Given(NamedTuple):
    """What the cells are given, for n pictures of A cells."""

    fit: Tensor
    """Float (n, A): how well the cell answers for its box, 0 where it has none."""
    box: Tensor
    """Float (n, A, 4)."""
    kind: Tensor
    """Int64 (n, A): the box's class."""


class Boxes(nn.Module):
    """`loss(output, target, weights)` of boxes; see `box.py`."""

    def __init__(self, spec: BoxSpec) -> None:
        super().__init__()
        self.spec = spec
        self._centres: dict[tuple[int, torch.device, torch.dtype], Tensor | None] = {}

    def forward(self, output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """A scalar."""
        output = full(output)
        boxes, logits = output[..., :4], output[..., 4:]
        with torch.no_grad():
            given = self.give(boxes.detach(), logits.detach(), target.to(output.dtype))
        truth = one_hot(given.kind, logits.shape[2]) * given.fit.unsqueeze(-1)
        classes = binary_cross_entropy_with_logits(logits, truth, reduction="none")
        if self.spec.gamma:
            classes = classes * focus(truth - logits.sigmoid(), self.spec.gamma)
        places = (1.0 - overlap(boxes, given.box, generalized=True)) * given.fit
        rows = torch.ones_like(given.fit) if weights is None else per_row(weights, given.fit).expand_as(given.fit)
        total = (given.fit * rows).sum().clamp(min=1.0)
        return (classes.sum(dim=-1) * rows + self.spec.place_weight * places * rows).sum() / total

    def give(self, boxes: Tensor, logits: Tensor, target: Tensor) -> Given:
        """Which box each cell answers for."""
        n, n_cells, _ = boxes.shape
        n_boxes = target.shape[1]
        if n_boxes == 0:
            nothing = boxes.new_zeros(n, n_cells)
            return Given(nothing, boxes, nothing.long())
        there, kinds, truth = target[..., 0] >= 0, target[..., 0].clamp(min=0).long(), target[..., 1:]
        lap = overlap(truth.unsqueeze(2), boxes.unsqueeze(1))  # (n, M, A)
        share = logits.sigmoid().transpose(1, 2).gather(1, kinds.unsqueeze(2).expand(-1, -1, n_cells))
        near = self._near(boxes, truth) & there.unsqueeze(2)
        score = torch.log(share.clamp(min=TINY)) + self.spec.sharpness * torch.log(lap.clamp(min=TINY))
        score = score.masked_fill(~near, -math.inf)
        chosen = torch.zeros_like(near)
        best = score.topk(min(self.spec.candidates, n_cells), dim=2).indices
        chosen.scatter_(2, best, value=True)
        chosen &= near
        # a cell that several boxes want goes to the one that it overlaps most
        owner = lap.masked_fill(~chosen, -1.0).argmax(dim=1)
        chosen &= one_hot(owner, n_boxes).transpose(1, 2).bool()
        score = score.masked_fill(~chosen, -math.inf)
        top = score.amax(dim=2, keepdim=True)
        best_lap = lap.masked_fill(~chosen, 0.0).amax(dim=2, keepdim=True)
        relative = torch.exp(score - top.masked_fill(top == -math.inf, 0.0))
        fit = (relative * best_lap.clamp(min=0.05)).masked_fill(~chosen, 0.0).amax(dim=1)
        return Given(fit, truth.gather(1, owner.unsqueeze(2).expand(-1, -1, 4)), kinds.gather(1, owner))

    def _near(self, boxes: Tensor, truth: Tensor) -> Tensor:
        """Whether a cell's centre lies in a box, or is the nearest one to a box that holds none: (n, M, A)."""
        centres = self._grid(boxes)
        centres = (boxes[..., :2] + boxes[..., 2:]) / 2 if centres is None else centres.unsqueeze(0)
        centres = centres.unsqueeze(1)
        low, high = truth[..., None, :2], truth[..., None, 2:]
        inside = ((centres > low) & (centres < high)).all(dim=-1)
        far = (centres - (low + high) / 2).square().sum(dim=-1)
        nearest = far <= far.amin(dim=2, keepdim=True)
        return inside | (nearest & ~inside.any(dim=2, keepdim=True))

    def _grid(self, boxes: Tensor) -> Tensor | None:
        key = boxes.shape[1], boxes.device, boxes.dtype
        if key not in self._centres:
            cells = self.spec.cells or square_grids(boxes.shape[1])
            self._centres[key] = centres_of(cells).to(boxes) if cells else None
        return self._centres[key]


def square_grids(n_cells: int) -> tuple[tuple[int, int], ...]:
    """The square grids, each half as fine as the one before, that have so many cells together; none if none do.

    >>> square_grids(20 * 20 + 10 * 10 + 5 * 5), square_grids(16), square_grids(7)
    (((20, 20), (10, 10), (5, 5)), ((4, 4),), ())
    """
    for n_levels in range(1, 5):
        finest = math.isqrt(n_cells * 4 ** (n_levels - 1) * 3 // (4**n_levels - 1))
        for side in (finest - 1, finest, finest + 1):
            sides = [math.ceil(side / 2**level) for level in range(n_levels)]
            if sum(one * one for one in sides) == n_cells and sides[-1] > 1:
                return tuple((one, one) for one in sides)
    return ()


def centres_of(cells: tuple[tuple[int, int], ...]) -> Tensor:
    """The centres (A, 2) of cells as shares of the picture, x then y, row by row."""
    parts = []
    for n_rows, n_columns in cells:
        y = (torch.arange(n_rows, dtype=torch.float64) + 0.5) / n_rows
        x = (torch.arange(n_columns, dtype=torch.float64) + 0.5) / n_columns
        parts.append(torch.stack([x.repeat(n_rows), y.repeat_interleave(n_columns)], dim=1))
    return torch.cat(parts)


def overlap(one: Tensor, other: Tensor, *, generalized: bool = False) -> Tensor:
    """Intersection over union of boxes (..., 4) as left, top, right, bottom; GIoU takes off the share of the box
    around both that neither fills.

    >>> overlap(torch.tensor([0.0, 0.0, 1.0, 1.0]), torch.tensor([0.5, 0.0, 1.5, 1.0])).item()
    0.3333333432674408
    >>> overlap(torch.tensor([0.0, 0.0, 1.0, 1.0]), torch.tensor([2.0, 0.0, 3.0, 1.0]), generalized=True).item()
    -0.3333333432674408
    """
    both = (torch.minimum(one[..., 2:], other[..., 2:]) - torch.maximum(one[..., :2], other[..., :2])).clamp(min=0)
    shared = both.prod(dim=-1)
    areas = _area(one) + _area(other) - shared
    ratio = shared / areas.clamp(min=TINY)
    if not generalized:
        return ratio
    around = torch.maximum(one[..., 2:], other[..., 2:]) - torch.minimum(one[..., :2], other[..., :2])
    whole = around.clamp(min=0).prod(dim=-1)
    return ratio - (whole - areas) / whole.clamp(min=TINY)


def _area(box: Tensor) -> Tensor:
    return (box[..., 2:] - box[..., :2]).clamp(min=0).prod(dim=-1)
