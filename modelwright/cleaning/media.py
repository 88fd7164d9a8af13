"""Images, masks, sounds and boxes: which cells can be opened, and what is wrong with the others.

Headers and structure are read, pixels are not: a picture is decoded only when its structure leaves a doubt.
"""

from __future__ import annotations

import io
import json
import struct
import warnings
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from modelwright.core.optional import need
from modelwright_runtime.arrays.audio import MAX_SAMPLES as MOST_SAMPLES  # what serving opens is what is kept
from modelwright_runtime.arrays.images import MAX_PIXELS as MOST_PIXELS

_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM", b"II*\x00", b"MM\x00*", b"P5", b"P6")
_SOUNDS = (b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b".snd")

Box = Mapping[str, Any]


def form_of(data: bytes) -> Literal["image", "audio"] | None:
    """What encoded bytes are, by their first ones.

    >>> form_of(b"\\x89PNG\\r\\n\\x1a\\n..."), form_of(b"RIFF....WAVE"), form_of(b"hello")
    ('image', 'audio', None)
    """
    if data.startswith((b"RIFF", b"RIFX")):
        return {b"WAVE": "audio", b"WEBP": "image"}.get(data[8:12])  # type: ignore[return-value]
    if data.startswith(b"FORM") and data[8:12] in (b"AIFF", b"AIFC"):
        return "audio"
    if data.startswith(_IMAGES):
        return "image"
    return "audio" if data.startswith(_SOUNDS) else None


def image_faults(cells: Iterable[bytes | None]) -> list[tuple[str, tuple[int, int] | None]]:
    """For each cell what is wrong with it ("" when nothing is, or when it is missing) and its width and height.

    Costs about 0.05 ms a picture: only headers are read where that is enough.
    """
    picture = need("PIL.Image", extra="deep", why="reading pictures")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large pictures; ours are refused by their header
        return [("", None) if cell is None else _image_fault(cell, picture) for cell in cells]


def _image_fault(data: bytes, picture: Any) -> tuple[str, tuple[int, int] | None]:
    if not data:
        return "is empty (0 bytes)", None
    if form_of(data) != "image":
        return f"is no picture: it begins with {data[:8]!r}", None
    try:
        with picture.open(io.BytesIO(data)) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                return f"has {width:,} x {height:,} pixels, more than {MOST_PIXELS:,}: a bomb", None
            if not _is_whole(data):
                image.load()
    except picture.DecompressionBombError:
        return f"has more than {MOST_PIXELS:,} pixels: a bomb", None
    except (OSError, ValueError, SyntaxError, struct.error, zlib.error, EOFError, IndexError, KeyError) as problem:
        return f"cannot be opened: {_one_line(problem)}", None
    return "", (width, height)


def _one_line(problem: BaseException) -> str:
    return " ".join(str(problem).split())[:120].rstrip(".") or type(problem).__name__


def _is_whole(data: bytes) -> bool:
    """Whether a PNG has all its chunks, with right checksums, or a JPEG its end; False in doubt.

    >>> _is_whole(b"\\xff\\xd8\\xff...\\xff\\xd9"), _is_whole(b"\\xff\\xd8\\xff...")
    (True, False)
    """
    if data.startswith(b"\xff\xd8\xff"):
        return data.rstrip(b"\x00\r\n").endswith(b"\xff\xd9")
    if not data.startswith(b"\x89PNG"):
        return False
    place = 8
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 12 + length
        if end > len(data) or zlib.crc32(data[place + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            return False
        if data[place + 4 : place + 8] == b"IEND":
            return True
        place = end
    return False


def audio_faults(cells: Iterable[bytes | None]) -> list[tuple[str, bool]]:
    """For each cell what is wrong with it ("" when nothing is, or when it is missing), and whether it is silent:
    every sample exactly zero."""
    sounds = need("soundfile", extra="deep", why="reading sounds")
    return [("", False) if cell is None else _audio_fault(cell, sounds) for cell in cells]


def _audio_fault(data: bytes, sounds: Any) -> tuple[str, bool]:
    if not data:
        return "is empty (0 bytes)", False
    if form_of(data) != "audio":
        return f"is no sound: it begins with {data[:8]!r}", False
    if data.startswith(b"RIFF") and _wave_is_short(data):
        return "is cut short: it says that it has more samples than it holds", False
    silent = True
    try:
        with sounds.SoundFile(io.BytesIO(data)) as sound:
            if sound.frames <= 0:
                return "has no samples", False
            if sound.frames * sound.channels > MOST_SAMPLES:
                return f"has {sound.frames:,} samples, more than {MOST_SAMPLES:,}", False
            for block in sound.blocks(blocksize=1 << 20, dtype="float32"):
                silent = silent and not block.any()
    except (sounds.LibsndfileError, RuntimeError, ValueError) as problem:
        return f"cannot be opened: {_one_line(problem)}", False
    return "", silent


def _wave_is_short(data: bytes) -> bool:
    """Whether the samples of a WAVE file end before its header says so (0 and the largest size say nothing)."""
    place = 12
    while place + 8 <= len(data):
        name, size = data[place : place + 4], struct.unpack_from("<I", data, place + 4)[0]
        if name == b"data":
            return bool(0 < size < 0xFFFFFFF0 and place + 8 + size > len(data))
        place += 8 + size + size % 2
    return True


# Boxes ------------------------------------------------------------------------------------------------------


def tidy_boxes(boxes: Sequence[Box], size: tuple[int, int] | None) -> tuple[list[dict[str, Any]], list[str]]:
    """The boxes within the picture (width, height), and in words what was changed of them.

    Boxes that reach out are clipped; those without area, without a label or wholly outside are dropped.

    >>> tidy_boxes([{"x": -5.0, "y": 2.0, "width": 10.0, "height": 4.0, "label": "cat"}], (20, 20))
    ([{'x': 0.0, 'y': 2.0, 'width': 5.0, 'height': 4.0, 'label': 'cat'}], ['1 clipped to the picture of 20 x 20'])
    """
    kept, n_clipped, n_flat, n_unnamed = [], 0, 0, 0
    for box in boxes:
        clipped = _clipped(box, size)
        if clipped is None:
            n_flat += 1
        elif not clipped["label"]:
            n_unnamed += 1
        else:
            n_clipped += any(clipped[name] != box[name] for name in ("x", "y", "width", "height"))
            kept.append(clipped)
    told = []
    if n_clipped and size:
        told.append(f"{n_clipped} clipped to the picture of {size[0]} x {size[1]}")
    if n_flat:
        told.append(f"{n_flat} dropped without area in the picture")
    if n_unnamed:
        told.append(f"{n_unnamed} dropped without a label")
    return kept, told


def _clipped(box: Box, size: tuple[int, int] | None) -> dict[str, Any] | None:
    """The part of a box that lies in the picture; None when it has no area."""
    numbers = [box[name] for name in ("x", "y", "width", "height")]
    if any(number is None or number != number or abs(number) == float("inf") for number in numbers):
        return None
    x, y, width, height = map(float, numbers)
    if size is not None and (x < 0 or y < 0 or x + width > size[0] or y + height > size[1]):
        right, bottom = min(x + width, float(size[0])), min(y + height, float(size[1]))
        x, y = max(x, 0.0), max(y, 0.0)
        width, height = right - x, bottom - y
    if width <= 0 or height <= 0:
        return None
    label = (box["label"] or "").strip()
    return {"x": x, "y": y, "width": width, "height": height, "label": label}


def boxes_text(boxes: Sequence[Box] | None) -> str | None:
    """Boxes as one line of JSON for the log: label and the four numbers of each."""
    if boxes is None:
        return None
    return json.dumps([[box["label"], box["x"], box["y"], box["width"], box["height"]] for box in boxes])
