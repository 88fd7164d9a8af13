"""`Warp`: where each pixel of a changed picture comes from; pictures, masks and boxes carried along.

Places are in pixels from the upper left corner of the picture, so that pixel j covers j to j + 1. A warp says
where the place p of the answer comes from: `matrix @ (p + wave(p))`. Reference for homogeneous coordinates:
Hartley and Zisserman (2004), "Multiple View Geometry", chapter 2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from modelwright.augmentation._draw import put
from modelwright.augmentation._sample import ONE, bilinear, nearest, picked, scratch
from modelwright.augmentation._wave import Wave

if TYPE_CHECKING:
    from torch import Tensor

    from modelwright.training.loop.batch import Batch
    from modelwright_runtime.signature import ArrayInput, Task

MIN_VISIBLE = 0.25
"""A box of which less than this share stays in the picture is dropped."""
_SMALL_PIXELS = 16_384  # pictures up to here are moved together, larger ones by copying stretches of memory
_PIXELS_AT_ONCE = 200_000  # what is in flight then fits the cache


@dataclass(frozen=True, eq=False)
class Warp:
    """`matrix` is float64 (n, 3, 3) on the CPU, from places in the answer to places in the input; `height` and
    `width` are the size, in pixels, of the picture that it was drawn for."""

    matrix: Tensor
    height: int
    width: int
    wave: Wave | None = None


def size(batch: Batch, inputs: tuple[ArrayInput, ...]) -> tuple[int, int, int]:
    """Rows, height and width of the first picture among the inputs."""
    x = next(x for x, array in zip(batch.inputs, inputs, strict=True) if array.form == "image")
    return x.shape[0], x.shape[1], x.shape[2]


def join(first: Warp, then: Warp) -> Warp | None:
    """Two warps as one, so that pixels are blended once; None if `first` has a wave (it is no matrix)."""
    if first.wave is not None:
        return None
    return replace(then, matrix=first.matrix @ then.matrix)


def around_centre(linear: Tensor, height: int, width: int) -> Warp:
    """The warp with the linear part float64 (n, 2, 2) that leaves the picture's centre where it is."""
    centre = torch.tensor([width / 2, height / 2], dtype=torch.float64)
    matrix = torch.eye(3, dtype=torch.float64).repeat(len(linear), 1, 1)
    matrix[:, :2, :2] = linear
    matrix[:, :2, 2] = centre - linear @ centre
    return Warp(matrix, height, width)


def carry(batch: Batch, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...], warp: Warp) -> Batch:
    """Pictures, masks and boxes of a batch, moved as `warp` says; sizes stay.

    A box becomes the least upright box that holds it, cut at the border and dropped (class -1) if less than
    `MIN_VISIBLE` of it stays. A mask is -1 where the picture's border goes on.
    """
    pictures = tuple(
        moved_pictures(x, _for_size(warp, x.shape[1], x.shape[2])) if array.form == "image" else x
        for x, array in zip(batch.inputs, inputs, strict=True)
    )
    return replace(batch, inputs=pictures, targets=carried_targets(batch, tasks, warp))


def carried_targets(batch: Batch, tasks: tuple[Task, ...], warp: Warp) -> tuple[Tensor, ...]:
    """The targets of a batch whose pictures are moved."""
    targets = []
    for target, task in zip(batch.targets, tasks, strict=True):
        if task.kind == "detection":
            target = moved_boxes(target, warp)
        elif task.kind == "segmentation":
            target = moved_masks(target, _for_size(warp, target.shape[1], target.shape[2]))
        targets.append(target)
    return tuple(targets)


def _for_size(warp: Warp, height: int, width: int) -> Warp:
    """The same warp for a picture of another size."""
    if (height, width) == (warp.height, warp.width):
        return warp
    scale = torch.tensor([width / warp.width, height / warp.height, 1.0], dtype=torch.float64)
    wave = None if warp.wave is None else warp.wave.scaled(width / warp.width, height / warp.height)
    return Warp(scale[:, None] * warp.matrix / scale, height, width, wave)


def moved_pictures(x: Tensor, warp: Warp) -> Tensor:
    """uint8 (n, H, W, C) to the same. Rows that are only flipped and shifted by whole pixels keep their values."""
    out = torch.empty_like(x)
    plain, part = _is_plain(warp.matrix), _is_part(warp)
    if warp.wave is not None:
        plain, part = plain & warp.wave.is_still(), part & warp.wave.is_still()
    if x.device.type != "cpu":  # there, blending all rows at once is faster than going row by row
        plain, part = torch.zeros_like(plain), torch.zeros_like(part)
    n_at_once = max(1, _PIXELS_AT_ONCE // (warp.height * warp.width))
    for rows in plain.nonzero().squeeze(1).split(n_at_once):
        _copy_plain(x, out, warp.matrix[rows], rows)
    for row in (part & ~plain).nonzero().flatten().tolist():
        _enlarge(x[row], out[row], warp.matrix[row])
    turned = (~plain & ~part).nonzero().squeeze(1)
    room = scratch(x.device) if len(turned) else None
    for rows in turned.split(n_at_once):
        across, down = _places(warp, rows, x.device)
        put(out, rows, bilinear(x.index_select(0, rows.to(x.device)), across, down, room))
    return out


def _is_part(warp: Warp) -> Tensor:
    """bool (n,): a rectangle of whole pixels inside a large picture, enlarged to the whole and perhaps mirrored."""
    far = torch.tensor([[warp.width], [warp.height]], dtype=torch.float64)
    sides = warp.matrix[:, [0, 1], [0, 1]][..., None] * far
    ends = torch.cat([warp.matrix[:, :2, 2:], warp.matrix[:, :2, 2:] + sides], dim=2)
    whole = ((ends - ends.round()).abs() < 1e-6).all(2) & (ends[..., 0] != ends[..., 1])
    inside = (ends.round() >= 0).all(2) & (ends.round() <= far).all(2)
    straight = (warp.matrix[:, 0, 1] == 0) & (warp.matrix[:, 1, 0] == 0)
    return straight & (whole & inside).all(1) & (warp.height * warp.width > _SMALL_PIXELS)


def _enlarge(x: Tensor, out: Tensor, matrix: Tensor) -> None:
    """torch's own blending of uint8, which knows that lines and columns are blended apart."""
    height, width = x.shape[:2]
    ends = [sorted((int(matrix[axis, 2].round()), int((matrix[axis, 2] + matrix[axis, axis] * length).round())))
            for axis, length in enumerate((width, height))]  # fmt: skip
    (left, right), (top, bottom) = ends
    part = x[top:bottom, left:right].permute(2, 0, 1)[None]
    planes = part.contiguous(memory_format=torch.channels_last)  # the layout for which torch is fast
    made = torch.nn.functional.interpolate(planes, (height, width), mode="bilinear")[0].permute(1, 2, 0)
    axes = [axis for axis in (0, 1) if matrix[1 - axis, 1 - axis] < 0]
    out.copy_(made.flip(axes) if axes else made)


def _is_plain(matrix: Tensor) -> Tensor:
    """bool (n,): flips and shifts by whole pixels, and nothing else."""
    straight = (matrix[:, 0, 1] == 0) & (matrix[:, 1, 0] == 0)
    upright = (matrix[:, 0, 0].abs() == 1) & (matrix[:, 1, 1].abs() == 1)
    return straight & upright & (matrix[:, :2, 2] == matrix[:, :2, 2].round()).all(1)


def _copy_plain(x: Tensor, out: Tensor, matrix: Tensor, rows: Tensor) -> None:
    """Write the flipped and shifted rows to `out`."""
    height, width = x.shape[1:3]
    signs = matrix[:, [0, 1], [0, 1]]
    far = torch.tensor([width, height], dtype=torch.float64)
    if height * width <= _SMALL_PIXELS:
        starts = matrix[:, :2, 2] - 0.5 + signs / 2
        columns = starts[:, :1] + signs[:, :1] * torch.arange(width)
        lines = starts[:, 1:] + signs[:, 1:] * torch.arange(height)
        put(out, rows, picked(x.index_select(0, rows), columns.to(torch.int32), lines.to(torch.int32)))
        return
    # What is to be flipped is flipped first; then all that is left is a shift.
    shifts = torch.where(signs < 0, far - matrix[:, :2, 2], matrix[:, :2, 2]).to(torch.int64).tolist()
    flips = [[axis for axis in (0, 1) if pair[1 - axis] < 0] for pair in signs.tolist()]
    for row, axes, (right, low) in zip(rows.tolist(), flips, shifts, strict=True):
        _shift(x[row].flip(axes) if axes else x[row], out[row], right, low)


def _shift(x: Tensor, out: Tensor, right: int, low: int) -> None:
    """`out[i, j] = x[i + low, j + right]`, the border going on."""
    if right == low == 0:
        out.copy_(x)
        return
    height, width = x.shape[:2]
    right, low = max(1 - width, min(width - 1, right)), max(1 - height, min(height - 1, low))
    top, bottom = max(0, -low), height - max(0, low)
    left, end = max(0, -right), width - max(0, right)
    out[top:bottom, left:end] = x[top + low : bottom + low, left + right : end + right]
    out[top:bottom, :left] = out[top:bottom, left : left + 1]
    out[top:bottom, end:] = out[top:bottom, end - 1 : end]
    out[:top], out[bottom:] = out[top], out[bottom - 1]


def _places(warp: Warp, rows: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Where the pixels of some rows come from, int32 (n, height, width), in 1/256 pixel between centres."""
    matrix = warp.matrix[rows]
    x = torch.arange(warp.width, dtype=torch.float64) + 0.5
    y = torch.arange(warp.height, dtype=torch.float64) + 0.5
    # The sum of what a column and what a row adds, each rounded to 1/512 pixel at most.
    columns = (matrix[:, :2, 0:1] * x + matrix[:, :2, 2:3] - 0.5) * ONE
    lines = matrix[:, :2, 1:2] * y * ONE
    places = _outer_sum(columns, lines, device)
    if warp.wave is not None:
        moves = warp.wave.field(rows, warp.height, warp.width, matrix[:, :2, :2] * ONE, device)
        moves = moves.round_().to(torch.int32)
        places = [place.add_(moves[:, axis]) for axis, place in enumerate(places)]
    return places[0], places[1]


def _outer_sum(columns: Tensor, lines: Tensor, device: torch.device) -> list[Tensor]:
    limit = 2.0**29  # far outside, and no overflow
    columns, lines = (t.clamp(-limit, limit).round().to(device, torch.int32) for t in (columns, lines))
    return [columns[:, axis, None, :] + lines[:, axis, :, None] for axis in (0, 1)]


def moved_masks(x: Tensor, warp: Warp) -> Tensor:
    """int64 (n, H, W) to the same, the nearest pixel's value, -1 beyond the picture."""
    out = torch.empty_like(x)
    n_at_once = max(1, _PIXELS_AT_ONCE // (warp.height * warp.width))
    for rows in torch.arange(len(x)).split(n_at_once) if len(x) else ():
        part = slice(int(rows[0]), int(rows[-1]) + 1)
        out[part] = nearest(x[part], *_exact_places(warp, rows, x.device), outside=-1)
    return out


def _exact_places(warp: Warp, rows: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Where the centres of the pixels of some rows come from, float64 (n, height, width), in pixels from the
    corner: masks have no shades in which a rounded place would be a small error."""
    matrix = warp.matrix[rows].to(device)
    x = torch.arange(warp.width, dtype=torch.float64, device=device) + 0.5
    y = torch.arange(warp.height, dtype=torch.float64, device=device) + 0.5
    columns = matrix[:, :2, 0:1] * x + matrix[:, :2, 2:3]
    lines = matrix[:, :2, 1:2] * y
    places = columns[:, :, None, :] + lines[:, :, :, None]
    if warp.wave is not None:
        places += warp.wave.field(rows, warp.height, warp.width, matrix[:, :2, :2].cpu(), device)
    return places[:, 0], places[:, 1]


def moved_boxes(boxes: Tensor, warp: Warp) -> Tensor:
    """float32 (n, M, 5) of class, left, top, right, bottom in shares of the picture, to the same."""
    scale = torch.tensor([warp.width, warp.height], dtype=torch.float64)
    given = boxes[..., 1:].to("cpu", torch.float64)
    n_points = 1 if warp.wave is None else 16
    outline = _outline(given, n_points) * scale
    forth = torch.linalg.inv(warp.matrix)
    moved = outline @ forth[:, None, :2, :2].mT + forth[:, None, None, :2, 2]
    if warp.wave is not None:
        moved = warp.wave.undo(moved)
    low, high = moved.amin(2) / scale, moved.amax(2) / scale
    seen_low, seen_high = low.clamp(0, 1), high.clamp(0, 1)
    area, seen = (high - low).prod(-1), (seen_high - seen_low).prod(-1)
    kept = (boxes[..., 0].cpu() >= 0) & (seen > 0) & (seen >= MIN_VISIBLE * area)
    placed = torch.cat([boxes[..., :1].cpu().double(), seen_low, seen_high], dim=-1)
    dropped = torch.tensor([-1.0, 0, 0, 0, 0], dtype=torch.float64)
    return torch.where(kept[..., None], placed, dropped).to(boxes.device, boxes.dtype)


def _outline(boxes: Tensor, n_points: int) -> Tensor:
    """Points on the four sides, corners included: float64 (n, M, 4 * n_points, 2)."""
    left, top, right, bottom = boxes.unbind(-1)
    corners = torch.stack([left, top, right, top, right, bottom, left, bottom], dim=-1).unflatten(-1, (4, 2))
    shares = torch.arange(n_points, dtype=torch.float64)[:, None] / n_points
    following = corners.roll(-1, dims=-2)
    points: Tensor = corners[..., None, :] * (1 - shares) + following[..., None, :] * shares
    return points.flatten(-3, -2)
