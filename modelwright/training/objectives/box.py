"""Boxes and their classes: which cell answers for which box, how well it lies, and what it says."""

from __future__ import annotations

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.training.objectives.base import Loss, LossFunction


class BoxSpec(Spec):
    """How cells are given boxes, and how place and class are weighed."""

    cells: tuple[tuple[int, int], ...] = Field(
        (), description="rows and columns of each grid of cells, in order; empty: square grids, found from their number"
    )
    candidates: int = Field(10, ge=1, le=100, description="cells that answer for one box, at most")
    sharpness: float = Field(
        4.0, ge=0, le=10, description="how much the overlap counts in choosing cells, to the class"
    )
    gamma: float = Field(2.0, ge=0, le=10, description="how little cells that are right weigh; 0: as others")
    place_weight: float = Field(2.0, ge=0, description="weight of the boxes' places against their classes")


def make(spec: BoxSpec, complete: bool = False) -> LossFunction:  # noqa: FBT001
    """Outputs are (n, A, 4 + K): left, top, right and bottom of each cell's box as shares of the picture, then a
    logit per class. Targets are (n, M, 5): class (-1: no box), left, top, right, bottom.

    Of the cells whose centre lies in a box (the nearest one, where none does), the `candidates` that fit it best,
    by `class share * overlap ** sharpness`, answer for it; a cell that two boxes want goes to the one it overlaps
    more. The class is learned as the fit (binary cross-entropy, focal), the place by `1 - GIoU` weighed by the
    fit; both are divided by the sum of fits. Cells lie row by row in grids of which each is half as fine as the
    one before; where their number fits no such square grids, the centre of a cell's own box is taken for its
    place. A picture without boxes is one in which there is nothing to find.

    Reference: Feng et al. (2021), "TOOD: task-aligned one-stage object detection"; Rezatofighi et al. (2019),
    "Generalized intersection over union"; Li et al. (2020), "Generalized focal loss".

    >>> import torch
    >>> cells = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 0.5, 1], [0.5, 0.5, 1, 1]])
    >>> logits = torch.tensor([[9.0], [-9.0], [-9.0], [-9.0]])
    >>> target = torch.tensor([[[0.0, 0.0, 0.0, 0.5, 0.5], [-1, 0, 0, 0, 0]]])
    >>> round(make(BoxSpec())(torch.cat([cells, logits], dim=1)[None], target).item(), 3)
    0.0
    """
    from modelwright.training.objectives.boxes import Boxes

    return Boxes(spec)


LOSS = Loss(
    name="box",
    kinds=("detection",),
    spec=BoxSpec,
    make=make,
    takes="outputs (n, A, 4 + K) and targets (n, M, 5)",
    fits=lambda output, target, spec: (
        len(output) == len(target) == 3
        and output[0] == target[0]
        and output[2] > 4
        and target[2] == 5
        and (not spec.cells or sum(rows * columns for rows, columns in spec.cells) == output[1])
    ),
)
