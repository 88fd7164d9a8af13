"""Encoded sound to samples: float32 (n, n_samples) in -1..1, one channel.

Settings: `rate_hz`, `n_samples`. Channels are averaged. Another rate is brought to `rate_hz` by a polyphase filter: a
sinc of 16 zero crossings a side under a Kaiser window (beta 8.6, about 80 dB), its cut at 0.95 of the lower half
rate. Longer sound is cut to the stretch of `n_samples` with the most energy, shorter sound stands in the middle of
silence. WAV (PCM of 8, 16, 24 and 32 bits, float of 32 and 64) is read here; flac, ogg and mp3 through `soundfile`
where it is installed. Reference: Smith (2002), "Digital Audio Resampling"; Kaiser and Schafer (1980).
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from modelwright_runtime.errors import UserError
from modelwright_runtime.reading import CellError
from modelwright_runtime.signature import ArrayInput

MAX_SAMPLES = 2**25
"""Frames times channels of one cell: twelve minutes at 44.1 kHz. A compressed file may claim any number."""
_CROSSINGS = 16
_BETA = 8.6
_PASS = 0.95
_MAX_TERM = 1000  # of the fraction of two rates
_MAX_TABLE = 2**21
_MANY = 64
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_RATES_HZ = (100, 1_000_000)


def row_shape(input: ArrayInput) -> tuple[int, ...]:
    """(n_samples,)."""
    return (int(input.settings["n_samples"]),)


def make(input: ArrayInput, columns: Mapping[str, Sequence[Any]], unreadable: Any) -> np.ndarray:
    """Samples of one column; silence where missing."""
    column = input.columns[0]
    cells = columns[column]
    n_samples, rate_hz = int(input.settings["n_samples"]), int(input.settings["rate_hz"])
    made = np.zeros((len(cells), n_samples), dtype=np.float32)
    for row, cell in enumerate(cells):
        if cell is None:
            continue
        try:
            samples, own_rate_hz = read(cell)
        except CellError as problem:
            unreadable(row, column, str(problem))
            continue
        made[row] = _fitted(resample(samples, own_rate_hz, rate_hz), n_samples)
    return made


def read(data: bytes) -> tuple[np.ndarray, int]:
    """One encoded sound as float32 samples of one channel in -1..1, and their rate in Hz.

    Raises `CellError` for what is no sound, is broken, cut off, empty or too long.
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        found = _read_wav(data)
        if found is not None:
            return found
    return _read_other(data)


def _read_wav(data: bytes) -> tuple[np.ndarray, int] | None:
    """A WAV of plain samples; None for one that is compressed."""
    form = None
    for name, start, end in _chunks(data):
        if name == b"fmt " and end - start >= 16:
            code, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", data, start)
            if code == _EXTENSIBLE and end - start >= 26:
                code = struct.unpack_from("<H", data, start + 24)[0]
            form = (code, channels, rate_hz, bits)
        elif name == b"data" and form is not None:
            code, channels, rate_hz, bits = form
            if code not in (_PCM, _FLOAT):
                return None
            return _checked(_decoded(data[start:end], code, bits), channels, rate_hz)
    raise CellError("the sound is broken: the WAV has no samples")


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of each chunk; a stream that did not know its length says 0 or 2^32 - 1."""
    place = 12
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        start = place + 8
        if name == b"data" and size in (0, 0xFFFFFFFF):
            size = len(data) - start
        if start + size > len(data):
            raise CellError(f"the sound is cut off: {len(data) - start:,} of {size:,} bytes are there")
        yield name, start, start + size
        place = start + size + size % 2


def _decoded(raw: bytes, code: int, bits: int) -> np.ndarray:
    n_bytes = bits // 8
    raw = raw[: len(raw) - len(raw) % max(1, n_bytes)]
    if code == _FLOAT and bits in (32, 64):
        return np.frombuffer(raw, dtype=f"<f{n_bytes}").astype(np.float32)
    if code == _PCM and bits == 8:
        return (np.frombuffer(raw, dtype=np.uint8).astype(np.float32) - 128.0) / 128.0
    if code == _PCM and bits in (16, 32):
        whole = np.frombuffer(raw, dtype=f"<i{n_bytes}").astype(np.float32)
        return whole / np.float32(2.0 ** (bits - 1))
    if code == _PCM and bits == 24:
        wide = np.zeros((len(raw) // 3, 4), dtype=np.uint8)
        wide[:, 1:] = np.frombuffer(raw, dtype=np.uint8).reshape(-1, 3)
        return wide.view("<i4")[:, 0].astype(np.float32) / np.float32(2.0**31)
    raise CellError(f"a WAV of {bits} bits a sample, which is not read")


def _checked(samples: np.ndarray, channels: int, rate_hz: int) -> tuple[np.ndarray, int]:
    """One channel, finite, within -1..1."""
    if not channels or not _RATES_HZ[0] <= rate_hz <= _RATES_HZ[1]:
        raise CellError(f"the sound is broken: {channels} channels at {rate_hz} Hz")
    if not len(samples) // channels:
        raise CellError("the sound has no samples")
    if len(samples) > MAX_SAMPLES:
        raise CellError(f"a sound of {len(samples):,} samples; at most {MAX_SAMPLES:,} are read")
    if channels > 1:
        samples = samples[: len(samples) // channels * channels].reshape(-1, channels).mean(axis=1, dtype=np.float32)
    samples = np.nan_to_num(samples, posinf=1.0, neginf=-1.0)
    return np.clip(samples, -1.0, 1.0), rate_hz


def _read_other(data: bytes) -> tuple[np.ndarray, int]:
    try:
        import soundfile
    except (ModuleNotFoundError, OSError):  # OSError: the library that it wraps is not there
        raise UserError(
            "rows.media", "sound other than plain WAV needs the package `soundfile`, which is not installed.",
            hint='pip install "modelwright-runtime[media]", or send WAV',
        ) from None  # fmt: skip
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            channels, rate_hz = int(file.channels), int(file.samplerate)
            most = MAX_SAMPLES // max(1, channels) + 1
            samples = file.read(most, dtype="float32", always_2d=True)
    except (RuntimeError, ValueError, TypeError, OSError, MemoryError, AssertionError) as problem:
        words = str(problem).strip().splitlines() or [type(problem).__name__]
        reason = words[0].rpartition("> ")[2].rpartition(": ")[2].rstrip(".")[:120]
        raise CellError(f"no sound that can be opened, or a broken one: {reason}") from None
    return _checked(samples.reshape(-1), channels, rate_hz)


def resample(samples: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """Samples at another rate, float32 of length ceil(n * to / from). Rates are taken as a fraction of terms to 1000.

    >>> tone = np.sin(2 * np.pi * 100 * np.arange(8000) / 8000).astype(np.float32)
    >>> wanted = np.sin(2 * np.pi * 100 * np.arange(16000) / 16000)
    >>> bool(np.abs(resample(tone, 8000, 16000) - wanted)[200:-200].max() < 1e-3)
    True
    """
    if from_hz == to_hz or not len(samples):
        return samples.astype(np.float32, copy=False)
    ratio = Fraction(to_hz, from_hz)
    if max(ratio.numerator, ratio.denominator) > _MAX_TERM:
        near = ratio if ratio <= 1 else 1 / ratio
        near = near.limit_denominator(_MAX_TERM) or Fraction(1, _MAX_TERM)
        ratio = near if ratio <= 1 else 1 / near
    up, down = ratio.numerator, ratio.denominator
    bank, before = _filters(up, down)
    n_out = -(-len(samples) * up // down)
    width = bank.shape[1]
    padded = np.concatenate([np.zeros(before, np.float32), samples, np.zeros(width, np.float32)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    made = np.empty(n_out, dtype=np.float32)
    if n_out >= _MANY * up:  # many places of each kind: one product for each kind
        for phase in range(up):
            first, kind = divmod(phase * down, up)
            count = -(-(n_out - phase) // up)
            taken = windows[first : first + (count - 1) * down + 1 : down]
            made[phase::up] = np.ascontiguousarray(taken) @ bank[kind]
        return made
    step = max(1, _MAX_TABLE // width)
    for start in range(0, n_out, step):
        firsts, kinds = np.divmod(np.arange(start, min(n_out, start + step)) * down, up)
        made[start : start + step] = np.einsum("ij,ij->i", windows[firsts], bank[kinds])
    return made


@lru_cache(maxsize=16)
def _filters(up: int, down: int) -> tuple[np.ndarray, int]:
    """For each of `up` places between two samples the weights of the samples around it, summing to 1.

    The second value is how many samples stand before the place.
    """
    cut = _PASS * min(1.0, up / down)  # of the input's half rate
    half = math.ceil(_CROSSINGS / cut)
    while up * 2 * half > _MAX_TABLE:
        half //= 2
    places = np.arange(-half + 1, half + 1)[None, :] - (np.arange(up) / up)[:, None]
    window = np.i0(_BETA * np.sqrt(np.clip(1.0 - (places / half) ** 2, 0.0, None)))
    bank = np.sinc(places * cut) * window
    return (bank / bank.sum(axis=1, keepdims=True)).astype(np.float32), half - 1


def _fitted(samples: np.ndarray, n_samples: int) -> np.ndarray:
    """Exactly `n_samples`: the loudest stretch, or the whole in the middle of silence."""
    extra = len(samples) - n_samples
    if extra > 0:
        energy = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
        start = int(np.argmax(energy[n_samples:] - energy[: extra + 1]))
        return samples[start : start + n_samples]
    before = -extra // 2
    return np.pad(samples, (before, -extra - before))
