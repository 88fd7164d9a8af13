"""What a browser is given of a picture or a sound: known formats as they are, others written anew, the rest refused.

The type is told by the first bytes, never by a name. SVG is never given out: it is a document that can hold scripts.
"""

from __future__ import annotations

import io
from typing import Any

from modelwright.core.errors import UserError
from modelwright.core.optional import need
from modelwright.labelling.rows import picture_size

MOST_BYTES = 64 * 2**20
MOST_PIXELS = 50_000_000
_PICTURES = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))
_SOUNDS = ((b"fLaC", "audio/flac"), (b"OggS", "audio/ogg"), (b"ID3", "audio/mpeg"), (b"\xff\xfb", "audio/mpeg"))


def shown_media(data: bytes) -> tuple[bytes, str]:
    """The bytes to show and their type. Raises `UserError("labelling.media")` for what cannot be shown.

    >>> shown_media(b"RIFF\\x24\\x00\\x00\\x00WAVEfmt ")[1]
    'audio/wav'
    """
    if len(data) > MOST_BYTES:
        raise _refused(f"it has {len(data):,} bytes; at most {MOST_BYTES:,} are shown")
    for beginning, kind in _SOUNDS:
        if data.startswith(beginning):
            return data, kind
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return data, "audio/wav"
    kind = next((kind for beginning, kind in _PICTURES if data.startswith(beginning)), "")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kind = "image/webp"
    if data[:4] in (b"FORM", b".snd"):
        return _as_wav(data), "audio/wav"
    size = picture_size(data)
    if size is None:
        raise _refused("it is no picture or sound that can be opened, or one too large")
    if size[0] * size[1] > MOST_PIXELS:
        raise _refused(f"it has {size[0]:,} x {size[1]:,} pixels; at most {MOST_PIXELS:,} are shown")
    return (data, kind) if kind else (_as_png(data), "image/png")


def _refused(why: str) -> UserError:
    return UserError("labelling.media", f"this file cannot be shown: {why}.", hint="skip the row")


def _as_png(data: bytes) -> bytes:
    """A picture of a format that browsers do not know (TIFF, BMP, PGM), written anew."""
    picture: Any = need("PIL.Image", extra="deep", why="showing pictures")
    try:
        with picture.open(io.BytesIO(data)) as opened, io.BytesIO() as made:
            opened.convert("RGB").save(made, format="PNG")
            return made.getvalue()
    except (OSError, ValueError, SyntaxError) as problem:
        raise _refused(f"it cannot be opened: {problem}") from None


def _as_wav(data: bytes) -> bytes:
    """A sound of a format that browsers do not know (AIFF, AU), written anew."""
    sound: Any = need("soundfile", extra="deep", why="playing sounds")
    try:
        values, rate = sound.read(io.BytesIO(data))
    except (OSError, RuntimeError, ValueError) as problem:
        raise _refused(f"it cannot be opened: {problem}") from None
    with io.BytesIO() as made:
        sound.write(made, values, rate, format="WAV")
        return made.getvalue()
