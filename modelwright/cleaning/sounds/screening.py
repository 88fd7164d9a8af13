"""Sounds that are better listened to before a model learns from them: each with what is odd about it."""

from __future__ import annotations

import io
import math
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwright.cleaning.findings import Findings
from modelwright.cleaning.media import audio_faults
from modelwright.cleaning.mend import Method, NoSettings
from modelwright.cleaning.pictures.columns import cells_of, sound_columns
from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.optional import need
from modelwright.core.values import Watch

if TYPE_CHECKING:
    import numpy as np

NAME = "sounds"
FRAME_S = 0.02
QUIET_DB, EMPTY_DB = -60.0, -50.0  # of full scale: silence; a frame that holds nothing
MOST_EMPTY = 0.9  # share of the frames
LEAST_CLIPPED = 0.001  # share of the samples in runs of three at the limit
LEAST_SNR_DB, FAR_BELOW_DB = 10.0, 12.0  # and below the column's middle one
LEAST_S, SHORT_SHARE = 0.05, 0.1  # seconds; of the column's middle length
FEW = 8
STYLE = 0.3
BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Heard:
    """What one sound is like. Levels are decibels of full scale (0 is the loudest that a file can hold).

    `loud_db` is its root mean square, `snr_db` its loudest tenth of frames over its quietest (NaN for fewer than ten
    frames), `clipped` the share of samples in runs of three or more at its largest value, `empty` the share of frames
    below -50 dB, `offset` its mean, -1..1.
    """

    rate: int
    channels: int
    seconds: float
    loud_db: float
    snr_db: float
    clipped: float
    empty: float
    offset: float


def listen(data: bytes) -> Heard | None:
    """Listen to an encoded sound, a block of a million samples at a time; None for one that cannot be opened.

    >>> import io, numpy as np, soundfile
    >>> tone, file = 2 * np.sin(np.arange(8000) / 9), io.BytesIO()
    >>> soundfile.write(file, np.clip(tone, -1, 1), 8000, format="WAV")
    >>> heard = listen(file.getvalue())
    >>> heard.rate, heard.seconds, round(heard.clipped, 1)
    (8000, 1.0, 0.7)

    Raises UserError `optional.missing` without soundfile.

    Reference: Kim and Stern (2008), "WADA-SNR", Interspeech, for why a signal-to-noise ratio can be told blindly; the
    quantiles of frames used here are the older and plainer way.
    """
    import numpy as np

    if audio_faults([data])[0][0]:
        return None
    sounds = need("soundfile", extra="deep", why="reading sounds")
    levels, n_clipped, total, squares, n = [], 0, 0.0, 0.0, 0
    with sounds.SoundFile(io.BytesIO(data)) as sound:
        peak = max((float(np.abs(block).max(initial=0)) for block in sound.blocks(BLOCK, dtype="float32")), default=0.0)
        sound.seek(0)
        n_frame = max(1, round(FRAME_S * sound.samplerate))
        size = max(n_frame, BLOCK // n_frame * n_frame)
        for block in sound.blocks(size, dtype="float32", always_2d=True):
            mono = block.mean(axis=1, dtype=float)
            n_clipped += max(held_at(block[:, channel], peak) for channel in range(block.shape[1]))
            total, squares, n = total + float(mono.sum()), squares + float(mono @ mono), n + len(mono)
            levels.append(mono[: len(mono) // n_frame * n_frame].reshape(-1, n_frame).std(axis=1))
        frames = np.concatenate(levels) if levels else np.zeros(0)
        loud, snr = _decibels((squares / max(n, 1)) ** 0.5), _snr(frames)
        empty = float((frames < 10 ** (EMPTY_DB / 20)).mean()) if len(frames) else 0.0
        return Heard(
            sound.samplerate, sound.channels, n / sound.samplerate, loud, snr, n_clipped / max(n, 1), empty,
            total / max(n, 1),
        )  # fmt: skip


def _decibels(level: float) -> float:
    return 20 * math.log10(max(level, 1e-7))


def _snr(frames: np.ndarray) -> float:
    """The loudest tenth of frames over the quietest tenth, which is the noise between what is said."""
    import numpy as np

    if len(frames) < 10:
        return math.nan
    quiet, loud = np.quantile(frames, [0.1, 0.9])
    return _decibels(float(loud)) - _decibels(float(quiet)) if loud > 0 else math.nan


def held_at(samples: np.ndarray, peak: float) -> int:
    """How many samples lie in runs of three or more at the largest value, which a wave only touches.

    >>> import numpy as np
    >>> held_at(np.array([0, 1, 1, 1, 0, 1, 0, -1, -1, -1, -1]), 1.0)
    7
    """
    import numpy as np

    if peak < 0.05:
        return 0
    n = 0
    for side in (samples, -samples):
        at = np.r_[False, side >= 0.999 * peak, False].astype(np.int8)
        starts, ends = np.flatnonzero(np.diff(at) == 1), np.flatnonzero(np.diff(at) == -1)
        runs = ends - starts
        n += int(runs[runs >= 3].sum())
    return n


def propose(data: Dataset, spec: NoSettings, *, seed: int = 0, watch: Watch | None = None) -> Findings:
    """Flag silent, clipped, noisy and too short sounds, and those of another rate or number of channels.

    What three tenths of a column share is its style. Broken and truncated files are cleaning's own. A noise that never
    pauses cannot be told from the sound itself, and music has no pauses: there `noisy` says little.

    >>> import io, numpy as np, polars as pl, soundfile
    >>> def wav(samples):
    ...     file = io.BytesIO()
    ...     soundfile.write(file, samples, 8000, format="WAV")
    ...     return file.getvalue()
    >>> tone = np.sin(np.arange(8000) / 9) * np.hanning(8000)
    >>> data = Dataset.from_frame(pl.DataFrame({"said": [wav(0.5 * tone)] * 9 + [wav(np.clip(4 * tone, -1, 1))]}))
    >>> propose(data, NoSettings()).flags["reason"].to_list()
    ['is clipped: 48% of its samples are at the limit']

    Reference: see `listen`.
    """
    import polars as pl

    flags: list[tuple[object, ...]] = []
    for name in sound_columns(data):
        heard = {row: found for row, cell in cells_of(data, name) if (found := listen(cell)) is not None}
        flags += [(row, name, NAME, reason, score) for row, reason, score in oddities(dict(sorted(heard.items())))]
    told = pl.DataFrame(flags, schema=Findings.of().flags.schema, orient="row").sort("column", ROW_ID, "reason")
    return Findings.of(flags=told)


Oddity = tuple[int, str, float]


def oddities(heard: dict[int, Heard]) -> Iterator[Oddity]:
    """What is odd about each sound of a column, held against the others."""
    for test in (_silent, _clipped, _noisy, _short):
        found = list(test(heard))
        if len(found) <= max(1, STYLE * len(heard)):
            yield from found
    yield from _other_form(heard)


def _silent(heard: dict[int, Heard]) -> Iterator[Oddity]:
    for row, one in heard.items():
        if one.loud_db < QUIET_DB:
            yield row, f"is silent: {one.loud_db:.0f} dB", -one.loud_db
        elif one.empty > MOST_EMPTY:
            yield row, f"is silence for {one.empty:.0%} of it", one.empty


def _clipped(heard: dict[int, Heard]) -> Iterator[Oddity]:
    for row, one in heard.items():
        if one.clipped >= LEAST_CLIPPED:
            yield row, f"is clipped: {100 * one.clipped:.2g}% of its samples are at the limit", one.clipped


def _noisy(heard: dict[int, Heard]) -> Iterator[Oddity]:
    known = [one.snr_db for one in heard.values() if not math.isnan(one.snr_db)]
    if not known:
        return
    middle = statistics.median(known) if len(known) >= FEW else math.inf
    for row, one in heard.items():
        if one.snr_db < LEAST_SNR_DB and one.snr_db < middle - FAR_BELOW_DB and one.loud_db >= QUIET_DB:
            yield row, f"is noisy: its loud parts are {one.snr_db:.0f} dB over its quiet ones", -one.snr_db


def _short(heard: dict[int, Heard]) -> Iterator[Oddity]:
    middle = statistics.median(one.seconds for one in heard.values()) if len(heard) >= FEW else 0.0
    for row, one in heard.items():
        if one.seconds < max(LEAST_S, SHORT_SHARE * middle):
            yield row, f"is too short: {one.seconds:.3g} s", 1 / max(one.seconds, 1e-6)


def _other_form(heard: dict[int, Heard]) -> Iterator[Oddity]:
    """Another rate or number of channels than most of the column, and a mean that is far from nothing."""
    if not heard:
        return
    (rate, channels), n = Counter((one.rate, one.channels) for one in heard.values()).most_common(1)[0]
    for row, one in heard.items():
        if n > 0.6 * len(heard) and (one.rate, one.channels) != (rate, channels):
            said = f"{one.rate:,} samples a second on {one.channels} channels"
            yield row, f"has {said}, where most have {rate:,} on {channels}", 1.0
        if abs(one.offset) > 0.05:
            yield row, f"is off the middle: its mean is {one.offset:.2f} of full scale", abs(one.offset)


MEND = Method(
    name=NAME, about="Silent, clipped, noisy and too short sounds, and those of another rate.", propose=propose,
    kinds=("audio",),
)  # fmt: skip
