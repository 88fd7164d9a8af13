"""Pictures read at moved places: bilinear for uint8 in integer arithmetic, nearest for masks.

Four channels of a pixel are one int32, so that a corner is one gather; two channels at a time are blended in
the two halves of a 32-bit word. Places are in 1/256 of a pixel, so an answer differs from the exact blend by
at most 2 of 255 levels. Outside the picture its border goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

ONE = 256
"""Units of a place per pixel."""
_EVEN = 0x00FF00FF
_HALF = 0x00800080


def bilinear(x: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Pictures uint8 (n, H, W, C) at places int32 (n, h, w), in 1/256 pixel from the first pixel's centre.

    >>> x = torch.tensor([[[[0], [100]]]], dtype=torch.uint8)
    >>> bilinear(x, torch.tensor([[[0, 64, 128, 999]]], dtype=torch.int32), torch.zeros(1, 1, 4, dtype=torch.int32))
    tensor([[[[  0],
              [ 25],
              [ 50],
              [100]]]], dtype=torch.uint8)
    """
    n_channels = x.shape[3]
    index, across, down = _places(x, across, down)
    parts = [_blend(x[..., first : first + 4], index, across, down) for first in range(0, n_channels, 4)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=3)


def _places(x: Tensor, across: Tensor, down: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The flat index of the upper left corner, and the two weights 0..255."""
    n_rows, height, width, _ = x.shape
    across, down = across.clamp(0, (width - 1) * ONE), down.clamp(0, (height - 1) * ONE)
    index = (down >> 8).mul_(width).add_(across >> 8)
    if n_rows > 1:
        index += torch.arange(n_rows, dtype=torch.int32, device=x.device).view(-1, 1, 1) * (height * width)
    return index, across.bitwise_and_(ONE - 1), down.bitwise_and_(ONE - 1)


def _blend(x: Tensor, index: Tensor, across: Tensor, down: Tensor) -> Tensor:
    n_channels, width = x.shape[3], x.shape[2]
    flat, across, down = index.view(-1), across.view(-1), down.view(-1)
    table = _packed(x)
    # At the last column and row the weight is 0, so what the neighbours beyond hold does not matter.
    corners = [table[offset:].index_select(0, flat) for offset in (0, 1, width, width + 1)]
    blended = _square([corner & _EVEN for corner in corners], across, down)
    if n_channels > 1:
        odd = _square([corner.bitwise_right_shift_(8).bitwise_and_(_EVEN) for corner in corners], across, down)
        blended.bitwise_or_(odd.bitwise_left_shift_(8))
    if n_channels == 1:
        return blended.to(torch.uint8).view(*index.shape, 1)
    return blended.view(torch.uint8).view(*index.shape, 4)[..., :n_channels].contiguous()


def _packed(x: Tensor) -> Tensor:
    """int32 (number of pixels + one row + 1,): a pixel's channels in one word."""
    n_channels = x.shape[3]
    n_pixels, beyond = x.numel() // n_channels, x.shape[2] + 1
    if n_channels == 1:
        table = torch.zeros(n_pixels + beyond, dtype=torch.int32, device=x.device)
        table[:n_pixels] = x.reshape(-1)
        return table
    words = torch.zeros(n_pixels + beyond, 4, dtype=torch.uint8, device=x.device)
    words[:n_pixels, :n_channels] = x.reshape(-1, n_channels)
    return words.view(torch.int32).squeeze(1)


def _square(corners: list[Tensor], across: Tensor, down: Tensor) -> Tensor:
    upper = _between(corners[0], corners[1], across)
    return _between(upper, _between(corners[2], corners[3], across), down)


def _between(low: Tensor, high: Tensor, weight: Tensor) -> Tensor:
    """(256 - weight) * low + weight * high, over 256 and rounded, in both halves of each word.

    As whole words the differences borrow across halves, but modulo 2^32 the sum is that of the formula, which
    is at most 255 * 256 + 128 in each half.
    """
    blended = (high - low).mul_(weight).add_(low, alpha=ONE).add_(_HALF)
    return blended.bitwise_right_shift_(8).bitwise_and_(_EVEN)


def nearest(x: Tensor, across: Tensor, down: Tensor, *, outside: int) -> Tensor:
    """Masks (n, H, W) at places as above, the nearest pixel's value; `outside` beyond the picture."""
    n_rows, height, width = x.shape
    column, row = (across + ONE // 2) >> 8, (down + ONE // 2) >> 8
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    index = row.clamp_(0, height - 1).mul_(width).add_(column.clamp_(0, width - 1))
    index += torch.arange(n_rows, dtype=torch.int32, device=x.device).view(-1, 1, 1) * (height * width)
    found = x.reshape(-1).index_select(0, index.view(-1)).view_as(index)
    return found.masked_fill_(~inside, outside)
