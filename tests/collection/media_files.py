"""Small pictures and sounds, made for tests."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np


def picture(seed: int = 0, *, size: tuple[int, int] = (12, 10), form: str = "PNG") -> bytes:
    """An encoded picture of noise, (width, height)."""
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def sound(seed: int = 0, *, n_samples: int = 400) -> bytes:
    """An encoded WAVE file of noise at 8 kHz."""
    import soundfile

    samples = np.random.default_rng(seed).normal(0, 0.1, n_samples)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 8000, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def write(path: Path, data: bytes | str) -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def class_folders(root: Path, classes: tuple[str, ...] = ("cat", "dog"), n_each: int = 8) -> Path:
    """A folder of pictures for each class."""
    for number, name in enumerate(classes):
        for index in range(n_each):
            write(root / name / f"{index}.png", picture(100 * number + index))
    return root
