"""How far boxes and masks are from the analytic transform, in pixels: the largest difference over 200 photos.

Boxes: the sides of the least upright box around the transformed corners. Masks: a mask in which each pixel holds
its own number says from where each pixel of the answer was read; the centre of that pixel against the place where
the transform puts it. A mask cannot do better than the nearest pixel, which is 0.5 at most.
"""

from __future__ import annotations

import torch

from benchmarks.augmentation.cases import HEIGHT, WIDTH
from modelwright.augmentation._warp import Warp, moved_boxes, moved_masks
from modelwright.core.registry import get

METHODS = {"flip": {"way": "both"}, "crop": {}, "zoom": {}, "rotate": {"degrees": 45}, "scale": {}, "shear": {}}
SIZE = torch.tensor([WIDTH, HEIGHT], dtype=torch.float64)


def worst(n_rows: int = 200) -> dict[str, tuple[float, float]]:
    """For each method the largest error of boxes and of masks, in pixels."""
    found = {}
    for number, (name, settings) in enumerate(METHODS.items()):
        method = get("augmentation", name)
        spec = method.spec.parse(settings, where=name)
        warp = method.place(spec, n_rows, HEIGHT, WIDTH, torch.Generator().manual_seed(number))
        found[name] = (_boxes(warp, number), _masks(warp))
    return found


def _boxes(warp: Warp, seed: int) -> float:
    rng = torch.Generator().manual_seed(100 + seed)
    low = 0.3 + 0.2 * torch.rand(len(warp.matrix), 2, generator=rng, dtype=torch.float64)
    high = low + 0.05 + 0.2 * torch.rand(len(warp.matrix), 2, generator=rng, dtype=torch.float64)
    boxes = torch.cat([torch.zeros(len(low), 1), low, high], dim=1).float()[:, None]
    moved = moved_boxes(boxes, warp)[:, 0]
    corners = torch.stack([low, torch.stack([high[:, 0], low[:, 1]], 1), high, torch.stack([low[:, 0], high[:, 1]], 1)])
    forth = torch.linalg.inv(warp.matrix)
    places = torch.einsum("nab,knb->kna", forth[:, :2, :2], corners * SIZE) + forth[:, :2, 2]
    least = torch.minimum(places.amin(0).clamp(min=0), SIZE)
    most = torch.minimum(places.amax(0).clamp(min=0), SIZE)
    kept = moved[:, 0] >= 0
    error = torch.cat([moved[:, 1:3] * SIZE - least, moved[:, 3:] * SIZE - most], dim=1)[kept]
    assert kept.double().mean() > 0.8
    return float(error.abs().max())


def _masks(warp: Warp) -> float:
    largest = 0.0
    numbers = torch.arange(HEIGHT * WIDTH).view(1, HEIGHT, WIDTH)
    x, y = torch.arange(WIDTH, dtype=torch.float64) + 0.5, torch.arange(HEIGHT, dtype=torch.float64) + 0.5
    for row in range(0, len(warp.matrix), 10):
        matrix = warp.matrix[row]
        one = Warp(matrix[None], HEIGHT, WIDTH)
        read = moved_masks(numbers, one)[0]
        across = matrix[0, 0] * x + matrix[0, 1] * y[:, None] + matrix[0, 2]
        down = matrix[1, 0] * x + matrix[1, 1] * y[:, None] + matrix[1, 2]
        known = read >= 0
        inside = (across >= 0) & (across < WIDTH) & (down >= 0) & (down < HEIGHT)
        assert (known == inside).double().mean() > 0.9999
        error = torch.maximum((read % WIDTH + 0.5 - across).abs(), (read // WIDTH + 0.5 - down).abs())
        largest = max(largest, float(error[known].max()))
    return largest
