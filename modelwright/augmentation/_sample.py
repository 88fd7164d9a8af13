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
_AT_ONCE = 65_536  # places in flight, which the nearest cache holds
_EVEN = 0x00FF00FF
_HALF = 0x00800080


def scratch(device: torch.device) -> Tensor:
    """Room in which `bilinear` works: made once for many calls, since fresh memory costs more than the arithmetic."""
    return torch.empty(10, _AT_ONCE, dtype=torch.int32, device=device)


def bilinear(x: Tensor, across: Tensor, down: Tensor, room: Tensor | None = None) -> Tensor:
    """Pictures uint8 (n, H, W, C) at places int32 (n, h, w), in 1/256 pixel from the first pixel's centre.

    >>> x = torch.tensor([[[[0], [100]]]], dtype=torch.uint8)
    >>> bilinear(x, torch.tensor([[[0, 64, 128, 999]]], dtype=torch.int32), torch.zeros(1, 1, 4, dtype=torch.int32))
    tensor([[[[  0],
              [ 25],
              [ 50],
              [100]]]], dtype=torch.uint8)
    """
    room = scratch(x.device) if room is None else room
    index, across, down = _places(x, across, down)
    parts = [_blend(x[..., first : first + 4], index, across, down, room) for first in range(0, x.shape[3], 4)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=3)


def picked(x: Tensor, columns: Tensor, lines: Tensor) -> Tensor:
    """Pictures uint8 (n, H, W, C) read at whole columns int32 (n, w) and lines (n, h), the border going on.

    >>> x = torch.tensor([[[[1], [2]]]], dtype=torch.uint8)
    >>> picked(x, torch.tensor([[-1, 0, 1, 2]], dtype=torch.int32), torch.tensor([[0]], dtype=torch.int32)).flatten()
    tensor([1, 1, 2, 2], dtype=torch.uint8)
    """
    n_rows, height, width, n_channels = x.shape
    starts = torch.arange(n_rows, dtype=torch.int32, device=x.device)[:, None] * (height * width)
    index = (lines.clamp(0, height - 1) * width + starts)[:, :, None] + columns.clamp(0, width - 1)[:, None, :]
    parts = []
    for first in range(0, n_channels, 4):
        some = x[..., first : first + 4]
        words = _packed(some).index_select(0, index.view(-1))
        parts.append(_unpacked(words, some.shape[3]).view(*index.shape, some.shape[3]))
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=3)


def _places(x: Tensor, across: Tensor, down: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The flat index of the upper left corner, and the two weights 0..255."""
    n_rows, height, width, _ = x.shape
    across, down = across.clamp(0, (width - 1) * ONE), down.clamp(0, (height - 1) * ONE)
    index = (down >> 8).mul_(width).add_(across >> 8)
    if n_rows > 1:
        index += torch.arange(n_rows, dtype=torch.int32, device=x.device).view(-1, 1, 1) * (height * width)
    return index, across.bitwise_and_(ONE - 1), down.bitwise_and_(ONE - 1)


def _blend(x: Tensor, index: Tensor, across: Tensor, down: Tensor, room: Tensor) -> Tensor:
    n_channels, width = x.shape[3], x.shape[2]
    table = _packed(x)
    words = torch.empty(index.numel(), dtype=torch.int32, device=x.device)
    parts = (t.view(-1).split(_AT_ONCE) for t in (words, index, across, down))
    for made, place, right, low in zip(*parts, strict=True):
        corners, halves, other = room[:4, : len(made)], room[4:8, : len(made)], room[8, : len(made)]
        # At the last column and row the weight is 0, so what the neighbours beyond hold does not matter.
        for offset, corner in zip((0, 1, width, width + 1), corners, strict=True):
            torch.index_select(table[offset:], 0, place, out=corner)
        torch.bitwise_and(corners, _EVEN, out=halves)
        _square(halves, right, low, made)
        if n_channels > 1:
            torch.bitwise_right_shift(corners, 8, out=halves)
            _square(halves.bitwise_and_(_EVEN), right, low, other)
            made.bitwise_or_(other.bitwise_left_shift_(8))
    return _unpacked(words, n_channels).view(*index.shape, n_channels)


def _packed(x: Tensor) -> Tensor:
    """int32 (number of pixels + one row + 1 or more,): a pixel's channels in one word, the first one lowest."""
    n_channels = x.shape[3]
    n_pixels = x.numel() // n_channels
    n_words = -(-(n_pixels + x.shape[2] + 1) // 4) * 4
    if n_channels == 3:
        return _four_of_three(x, n_words)
    words = torch.zeros(n_words, dtype=torch.int32, device=x.device)
    if n_channels == 1:
        words[:n_pixels] = x.reshape(-1)
    else:
        words.view(torch.uint8).view(-1, 4)[:n_pixels, :n_channels] = x.reshape(-1, n_channels)
    return words


def _four_of_three(x: Tensor, n_words: int) -> Tensor:
    """Four pixels of three bytes each are three words; made four, which is faster than byte by byte."""
    padded = torch.zeros(n_words * 3, dtype=torch.uint8, device=x.device)
    padded[: x.numel()] = x.reshape(-1)
    one, two, three = padded.view(torch.int32).view(-1, 3).unbind(1)
    words = torch.empty(n_words // 4, 4, dtype=torch.int32, device=x.device)
    words[:, 0] = one
    words[:, 1] = (one >> 24).bitwise_and_(0xFF).bitwise_or_(two << 8)
    words[:, 2] = (two >> 16).bitwise_and_(0xFFFF).bitwise_or_(three << 16)
    words[:, 3] = three >> 8
    return words.view(-1)  # the highest byte of a word is left as it falls: no one reads it


def _unpacked(words: Tensor, n_channels: int) -> Tensor:
    """The inverse: uint8 (n * n_channels,)."""
    if n_channels == 1:
        return words.to(torch.uint8)
    if n_channels != 3 or len(words) % 4:
        return words.view(torch.uint8).view(-1, 4)[:, :n_channels].reshape(-1)
    one, two, three, four = words.bitwise_and_(0xFFFFFF).view(-1, 4).unbind(1)
    packed = torch.empty(len(words) // 4, 3, dtype=torch.int32, device=words.device)
    packed[:, 0] = (two << 24).bitwise_or_(one)
    packed[:, 1] = (three << 16).bitwise_or_(two >> 8)
    packed[:, 2] = (four << 8).bitwise_or_(three >> 16)
    return packed.view(torch.uint8).view(-1)


def _square(corners: Tensor, across: Tensor, down: Tensor, out: Tensor) -> None:
    """The blend of four corners, int32 (4, n), which are spent."""
    _between(corners[0], corners[1], across)
    _between(corners[2], corners[3], across)
    out.copy_(_between(corners[1], corners[3], down))


def _between(low: Tensor, high: Tensor, weight: Tensor) -> Tensor:
    """(256 - weight) * low + weight * high, over 256 and rounded, in both halves of each word; in place of `high`.

    As whole words the differences borrow across halves, but modulo 2^32 the sum is that of the formula, which
    is at most 255 * 256 + 128 in each half.
    """
    blended = high.sub_(low).mul_(weight).add_(low, alpha=ONE).add_(_HALF)
    return blended.bitwise_right_shift_(8).bitwise_and_(_EVEN)


def nearest(x: Tensor, across: Tensor, down: Tensor, *, outside: int) -> Tensor:
    """Masks (n, H, W) at places float64 (n, h, w) in pixels from the corner: the pixel that a place lies in, or
    `outside` beyond the picture.

    >>> x, down = torch.tensor([[[7, 8]]]), torch.full((1, 1, 3), 0.5)
    >>> nearest(x, torch.tensor([[[0.9, 1.1, 2.1]]]), down, outside=-1)
    tensor([[[ 7,  8, -1]]])
    """
    n_rows, height, width = x.shape
    column, row = across.floor().to(torch.int64), down.floor().to(torch.int64)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    index = row.clamp_(0, height - 1).mul_(width).add_(column.clamp_(0, width - 1))
    index += torch.arange(n_rows, device=x.device).view(-1, 1, 1) * (height * width)
    found = x.reshape(-1).index_select(0, index.view(-1)).view_as(index)
    return found.masked_fill_(~inside, outside)
