"""Pictures mirrored, left to right or upside down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from modelwright.augmentation._draw import SHARE, chosen
from modelwright.augmentation.base import geometric
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import torch

    from modelwright.augmentation._warp import Warp


class FlipSpec(Spec):
    """Which way pictures are mirrored, and how many. Letters, digits and road signs change their meaning."""

    way: Literal["across", "down", "both"] = Field(
        "across", description="`across` swaps left and right, `down` top and bottom, `both` draws each by itself"
    )
    share: float = Field(0.5, gt=0, le=1, description=SHARE)


def place(spec: FlipSpec, n_rows: int, height: int, width: int, rng: torch.Generator) -> Warp:
    """The warp of each row.

    >>> import torch
    >>> warp = place(FlipSpec(share=1.0), 1, 2, 4, torch.Generator())
    >>> (warp.matrix[0] @ torch.tensor([1.0, 1.0, 1.0], dtype=torch.float64)).tolist()
    [3.0, 1.0, 1.0]
    """
    import torch

    from modelwright.augmentation._warp import around_centre

    signs = torch.ones(n_rows, 2, dtype=torch.float64)
    for axis, way in enumerate(("across", "down")):
        if spec.way in (way, "both"):
            signs[chosen(n_rows, spec.share, rng), axis] = -1.0
    return around_centre(torch.diag_embed(signs), height, width)


AUGMENTATION = geometric(FlipSpec, place)
