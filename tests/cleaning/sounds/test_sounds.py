"""Sounds: silent, clipped, noisy, short ones and those of another rate."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import soundfile

from modelwright.cleaning.mend import NoSettings
from modelwright.cleaning.sounds.screening import listen, propose
from modelwright.core import registry
from modelwright.core.data import ROW_ID, Dataset
from modelwright.testing.mending import check_mending

RATE = 8000


def encoded(samples: np.ndarray, rate: int = RATE, form: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form)
    return file.getvalue()


def said(seed: int = 0, seconds: float = 1.0) -> np.ndarray:
    """Two words between pauses, with a little noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    words = np.sin(2 * np.pi * (180 + 20 * seed) * t) * np.clip(np.sin(2 * np.pi * 2 * t / seconds), 0, None) ** 2
    return 0.4 * words + 0.001 * rng.normal(size=len(t))


def usual() -> list[bytes]:
    return [encoded(said(seed)) for seed in range(12)]


def reasons(*files: bytes | None) -> dict[int, str]:
    data = Dataset.from_frame(pl.DataFrame({"said": pl.Series(files, dtype=pl.Binary)}))
    flags = propose(data, NoSettings()).flags.group_by(ROW_ID).agg(pl.col("reason").str.join("; "))
    return dict(flags.iter_rows())


def test_the_suite_of_mending() -> None:
    files = [
        *usual(),
        encoded(np.zeros(RATE)),
        encoded(np.clip(9 * said(), -1, 1)),
        usual()[0][:300],
        None,
        b"",
        b"text",
    ]
    check_mending(
        registry.get("mending", "sounds"), [("sounds", pl.DataFrame({"said": files, "n": range(len(files))}))]
    )


def test_each_fault_is_named() -> None:
    rng = np.random.default_rng(1)
    late = np.r_[said(), np.zeros(30 * RATE)]
    found = reasons(
        *usual(), encoded(1e-5 * rng.normal(size=RATE)), encoded(late), encoded(np.clip(9 * said(), -1, 1)),
        encoded(said() + 0.3 * rng.normal(size=RATE)), encoded(said()[:200]), encoded(said(), rate=22050),
        encoded(said() + 0.2),
    )  # fmt: skip
    starts = {row: reason.split(":")[0].split(" for ")[0] for row, reason in found.items()}
    assert starts[12] == "is silent" and starts[13] == "is silence" and starts[14] == "is clipped"
    assert starts[15] == "is noisy" and starts[16] == "is too short"
    assert starts[17].startswith("has 22,050 samples a second on 1 channels, where most have 8,000")
    assert starts[18].startswith("is off the middle")
    assert set(found) == set(range(12, 19))


def test_a_compressed_and_a_stereo_sound_are_heard() -> None:
    for form in ("FLAC", "OGG"):
        heard = listen(encoded(np.c_[said(), said()], form=form))
        assert heard is not None and heard.channels == 2 and abs(heard.seconds - 1) < 0.01


def test_spoken_digits_are_mostly_fine(shared_data: Path) -> None:
    with zipfile.ZipFile(shared_data / "audio" / "free_spoken_digit" / "recordings.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".wav"))[::20]
        files = [archive.read(name) for name in names]
    broken = encoded(np.clip(20 * soundfile.read(io.BytesIO(files[3]))[0], -0.8, 0.8))
    found = reasons(*files, broken)
    assert "is clipped" in found[len(files)]
    assert len(found) < 0.2 * len(files)
