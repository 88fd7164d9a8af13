"""Cells of held-out rows made small enough for a page: thumbnails, waveforms, words, lines. JSON-able.

What a page shows is made anew from decoded pixels and samples: no byte of a file that somebody sent goes into
it, so a picture cannot carry a script, nor a sound anything but sound.
"""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelwright_runtime.reading import CellError

N_POINTS = 200
"""Points of a drawn line or waveform."""
MAX_WORDS, MAX_LETTERS = 120, 32
MAX_LINES = 4
SOUND_RATE_HZ, MAX_SOUND_S = 8_000, 3.0
"""Sound is told at this rate, and played on the page when it is no longer than this."""
TINY = 64
"""Pictures no longer than this on their longest side are kept as they are: PNG, drawn with square pixels."""


def data_uri(kind: str, data: bytes) -> str:
    """Bytes as an address that holds them.

    >>> data_uri("image/png", b"abc")
    'data:image/png;base64,YWJj'
    """
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def thumbnail(cell: bytes | None, side: int) -> dict[str, Any] | None:
    """A picture at most `side` pixels long, as a data URI, and its own width and height; None if it has none."""
    from modelwright_runtime.arrays.images import pixels, size_of

    try:
        width, height = size_of(cell or b"")
        scale = min(1.0, side / max(width, height))
        shown = (max(1, round(width * scale)), max(1, round(height * scale)))
        settings = {"width": shown[0], "height": shown[1], "channels": 3, "fit": "stretch"}
        decoded = pixels(cell or b"", settings)
    except CellError:
        return None
    return {"form": "image", "uri": picture_uri(decoded), "width": width, "height": height, "tiny": max(shown) <= TINY}


def picture_uri(decoded: np.ndarray) -> str:
    """Pixels (height, width, 3), uint8, as a data URI: PNG where tiny, else JPEG."""
    from PIL import Image

    grey = bool((decoded.max(axis=2) == decoded.min(axis=2)).all())
    image = Image.fromarray(decoded[:, :, 0] if grey else decoded)
    buffer = io.BytesIO()
    if max(decoded.shape[:2]) <= TINY:
        image.save(buffer, "PNG", optimize=True)
        return data_uri("image/png", buffer.getvalue())
    image.save(buffer, "JPEG", quality=78, optimize=True)
    return data_uri("image/jpeg", buffer.getvalue())


def mask_uri(mask: np.ndarray, colours: Sequence[tuple[int, int, int, int]]) -> str:
    """Class positions (height, width) as a small PNG; `colours` (red, green, blue, alpha) by class, and last of
    what is no class (-1)."""
    from PIL import Image

    positions = np.where(mask < 0, len(colours) - 1, mask).astype(np.uint8)
    image = Image.frombytes("P", (mask.shape[1], mask.shape[0]), positions.tobytes())
    image.putpalette([part for colour in colours for part in colour[:3]])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True, transparency=bytes(colour[3] for colour in colours))
    return data_uri("image/png", buffer.getvalue())


def sound(cell: bytes | None) -> dict[str, Any] | None:
    """A sound as the outline of its wave (`low`, `high`, in -1..1), its seconds, and itself when it is short."""
    from modelwright_runtime.arrays.audio import read, resample

    try:
        samples, rate_hz = read(cell or b"")
    except CellError:
        return None
    seconds = len(samples) / rate_hz
    told = {"form": "audio", "seconds": round(seconds, 3), **outline(samples)}
    if seconds <= MAX_SOUND_S:
        told["uri"] = data_uri("audio/wav", _wav(resample(samples, rate_hz, min(rate_hz, SOUND_RATE_HZ)),
                                                 min(rate_hz, SOUND_RATE_HZ)))  # fmt: skip
    return told


def outline(samples: np.ndarray) -> dict[str, list[float]]:
    """Of each of `N_POINTS` stretches of a sound its lowest and its highest sample."""
    parts = np.array_split(samples, min(N_POINTS, max(1, len(samples))))
    return {
        "low": [_round(float(part.min(initial=0.0))) for part in parts],
        "high": [_round(float(part.max(initial=0.0))) for part in parts],
    }


def _wav(samples: np.ndarray, rate_hz: int) -> bytes:
    data: bytes = (np.clip(samples, -1.0, 1.0) * 32_767).astype("<i2").tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, rate_hz,
                       2 * rate_hz, 2, 16, b"data", len(data))  # fmt: skip
    return head + data


def words_of(text: str | None) -> list[str]:
    """The words of a text, whatever blanks lie between.

    >>> words_of(" Good\\n film ")
    ['Good', 'film']
    """
    return (text or "").split()


def text(cell: str | None) -> dict[str, Any]:
    """The first words of a text."""
    words = words_of(cell)
    shown = [word if len(word) <= MAX_LETTERS else word[: MAX_LETTERS - 1] + "…" for word in words[:MAX_WORDS]]
    return {"form": "text", "words": shown, "n_more": max(0, len(words) - MAX_WORDS)}


def lines(cells: Mapping[str, Any]) -> dict[str, Any]:
    """Series of one row as lines, by column."""
    shown = list(cells.items())[:MAX_LINES]
    told = [{"name": name, "values": thinned(values)} for name, values in shown]
    return {"form": "series", "lines": told, "n_more": len(cells) - len(shown)}


def thinned(values: Any) -> list[float | None]:
    """At most `N_POINTS` values that draw the same line: of each stretch its lowest and highest, in their order."""
    line = np.asarray([] if values is None else values, dtype=np.float64)
    if line.size > N_POINTS:
        kept = []
        for part in np.array_split(np.arange(line.size), N_POINTS // 2):
            known = part[np.isfinite(line[part])]
            pick = part[:1] if known.size == 0 else known[[line[known].argmin(), line[known].argmax()]]
            kept.extend(sorted({int(place) for place in pick}))
        line = line[kept]
    return [_round(float(value)) if np.isfinite(value) else None for value in line]


def _round(value: float) -> float:
    return float(f"{value:.5g}")
