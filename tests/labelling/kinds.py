"""Small projects of every kind, of data made here, and a server for them in a thread."""

from __future__ import annotations

import io
import math
import threading
import wave
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image, ImageDraw

import modelwright as mw
from modelwright.labelling.base import LabelSpec
from modelwright.labelling.people import Person
from modelwright.labelling.server import serve_labelling
from modelwright.labelling.store import Project, create

GUIDE = """# What to say

A **cat** has whiskers.

- when in doubt, `skip`
- <script>document.title='HACK'</script> is text
"""


def picture(seed: int = 0, size: tuple[int, int] = (320, 240)) -> bytes:
    """A PNG with a few shapes."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, (226, 222, 210))
    draw = ImageDraw.Draw(image)
    for _ in range(5):
        x, y, r = rng.integers(20, size[0] - 60), rng.integers(20, size[1] - 60), rng.integers(14, 50)
        draw.ellipse((x, y, x + r, y + r), fill=tuple(int(c) for c in rng.integers(60, 200, 3)))
    with io.BytesIO() as made:
        image.save(made, format="PNG")
        return made.getvalue()


def sound(seconds: float = 1.5) -> bytes:
    """A WAV with two tones."""
    with io.BytesIO() as made:
        with wave.open(made, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            n = int(8000 * seconds)
            values = [
                int(20000 * math.sin(k * (0.2 if k < n / 2 else 0.5)) * math.sin(math.pi * k / n)) for k in range(n)
            ]
            file.writeframes(np.array(values, dtype="<i2").tobytes())
        return made.getvalue()


def frame_of(kind: str, n_rows: int) -> pl.DataFrame:
    """Rows of a kind."""
    if kind in ("text", "spans"):
        said = "Ada Lovelace met Charles Babbage in London \N{BOUQUET} and wrote <b>notes</b>, number"
        return pl.DataFrame({"text": [f"{said} {row}." for row in range(n_rows)], "author": ["ann"] * n_rows})
    if kind in ("image", "boxes", "masks"):
        return pl.DataFrame(
            {
                "file": [f"photo {row}.png" for row in range(n_rows)],
                "image": [picture(row % 5) for row in range(n_rows)],
            }
        )
    if kind == "audio":
        return pl.DataFrame({"file": [f"{row}.wav" for row in range(n_rows)], "audio": [sound()] * n_rows})
    if kind == "series":
        return pl.DataFrame({"values": [[math.sin(k / 9) + row / 9 for k in range(150)] for row in range(n_rows)]})
    lamps = [f"Desk lamp {row} black steel" for row in range(n_rows)]
    return pl.DataFrame({"title_a": lamps, "title_b": [lamp.replace("black", "matt black") for lamp in lamps]})


def project_of(kind: str, store: Path, n_rows: int = 12, **settings: Any) -> Project:
    """A project of a kind, named after it."""
    settings = {"classes": ("cat", "dog", "<b>eel</b>"), "order": "given", "guidelines": GUIDE, **settings}
    settings = settings if kind != "pairs" else {**settings, "classes": ()}
    spec = LabelSpec(kind=kind, **settings)  # type: ignore[arg-type]
    return create(mw.Dataset.from_frame(frame_of(kind, n_rows)), spec, store=store, name=kind)


def served(project: Project, *people: Person) -> str:
    """Serve a project from a thread until the process ends; the address."""
    told, event = list[str](), threading.Event()

    def ready(address: str) -> None:
        told.append(address)
        event.set()

    threading.Thread(target=lambda: serve_labelling(project, people, ready=ready), daemon=True).start()
    assert event.wait(20)
    return told[0]
