"""What is timed, said twice: our steps, and the peer's transforms of the same work (as near as it has them)."""

from __future__ import annotations

from typing import Any

HEIGHT, WIDTH = 375, 500

OURS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "crop and flip": [("crop", {"reach": 0.125}), ("flip", {"share": 0.5})],
    "noise": [("noise", {"deviation": 112, "least": 51, "share": 1.0})],
    "elastic": [("elastic", {"share": 1.0})],
    "rotate": [("rotate", {"degrees": 30})],
    "zoom and flip": [("zoom", {}), ("flip", {"share": 0.5})],
    "rotate, scale, shear": [("rotate", {"degrees": 30}), ("scale", {}), ("shear", {})],
    "colour": [("colour", {"share": 1.0})],
    "blur": [("blur", {"pixels": 2.0, "share": 1.0})],
    "cutout": [("cutout", {"share": 1.0})],
}


def peers() -> dict[str, Any]:
    """Transforms of albumentations; imported in its own environment only."""
    import albumentations as A
    import cv2

    border = {"border_mode": cv2.BORDER_REPLICATE}
    padded = A.PadIfNeeded(min_height=HEIGHT + 2 * 47, min_width=WIDTH + 2 * 62, **border)
    cropped = A.RandomCrop(HEIGHT, WIDTH)
    return {
        "crop and flip": A.Compose([padded, cropped, A.HorizontalFlip(p=0.5)]),
        "noise": A.Compose([A.GaussNoise(p=1)]),
        "elastic": A.Compose([A.ElasticTransform(alpha=300, sigma=45, p=1, **border)]),
        "rotate": A.Compose([A.Rotate(30, p=1, **border)]),
        "zoom and flip": A.Compose([A.RandomResizedCrop((HEIGHT, WIDTH), scale=(0.4, 1)), A.HorizontalFlip(p=0.5)]),
        "rotate, scale, shear": A.Compose(
            [A.Affine(rotate=(-30, 30), scale=(0.83, 1.2), shear=(-10, 10), p=1, **border)]
        ),
        "colour": A.Compose([A.ColorJitter((0.7, 1.3), (0.7, 1.3), (0.7, 1.3), (-0.03, 0.03), p=1)]),
        "blur": A.Compose([A.GaussianBlur(sigma_limit=(0.2, 2.0), p=1)]),
        "cutout": A.Compose([A.CoarseDropout(num_holes_range=(1, 1), hole_height_range=(0.1, 0.4), p=1)]),
    }
