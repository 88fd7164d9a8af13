"""Sound changed in its spectrum: stretched, of another pitch, with bands and moments hidden. Samples in, samples
out, so that any encoder of sound can follow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.augmentation._draw import SHARE, uniform
from modelwright.augmentation.base import WITHOUT_PLACES, row_by_row
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from modelwright_runtime.signature import ArrayInput

_WINDOW_S = 0.032
_RATE_HZ = 16_000  # where an input's settings say none


class StretchSpec(Spec):
    """How much faster or slower sound becomes, at the same pitch."""

    factor: float = Field(1.15, gt=1, le=2, description="largest speed; the least is 1 / factor")
    share: float = Field(0.5, gt=0, le=1, description=SHARE)


class PitchSpec(Spec):
    """How far the pitch is moved, at the same speed."""

    semitones: float = Field(2.0, gt=0, le=12, description="largest move to either side")
    share: float = Field(0.5, gt=0, le=1, description=SHARE)


class SpecAugmentSpec(Spec):
    """How much of the spectrogram is hidden."""

    n_bands: int = Field(2, ge=0, le=8, description="bands of frequency that are hidden")
    band: float = Field(0.15, gt=0, le=0.5, description="largest width of a band, as a share of the mel scale")
    n_moments: int = Field(2, ge=0, le=8, description="stretches of time that are hidden")
    moment: float = Field(0.1, gt=0, le=0.5, description="largest length of a stretch, as a share of the whole")
    share: float = Field(0.5, gt=0, le=1, description=SHARE)


def stretched(x: Tensor, array: ArrayInput, spec: StretchSpec, rng: torch.Generator) -> Tensor:
    """Each row at a speed of its own, around its middle: slower sound loses its ends, faster sound gains silence.

    Reference: Flanagan and Golden (1966), "Phase vocoder"; Laroche and Dolson (1999), "Improved phase vocoder
    time-scale modification of audio".

    >>> import torch
    >>> stretched(torch.zeros(2, 4000), None, StretchSpec(), torch.Generator()).shape
    torch.Size([2, 4000])
    """
    reach = math.log(spec.factor)
    speed = uniform(len(x), -reach, reach, rng).exp().float()
    return at_speed(x, speed, window(array)).clamp_(-1, 1)


def pitched(x: Tensor, array: ArrayInput, spec: PitchSpec, rng: torch.Generator) -> Tensor:
    """Each row read faster or slower, which moves its pitch, and brought back to its length by a phase vocoder.

    What would rise above half the rate is taken out before.

    >>> import torch
    >>> pitched(torch.zeros(2, 4000), None, PitchSpec(), torch.Generator()).shape
    torch.Size([2, 4000])
    """
    import torch

    factor = torch.exp2(uniform(len(x), -spec.semitones, spec.semitones, rng) / 12).float()
    length = x.shape[1]
    room = math.ceil(length * (2 ** (spec.semitones / 12) - 1) / 2) + 1  # lower sound is longer before it is shrunk
    wide = torch.nn.functional.pad(_below(x, factor), (room, room))
    middle = (wide.shape[1] - 1) / 2
    places = (torch.arange(wide.shape[1], device=x.device) - middle) * factor[:, None] + middle
    moved = at_speed(_cubic(wide, places), 1 / factor, window(array))
    return moved[:, room : room + length].clamp(-1, 1)


def hidden(x: Tensor, array: ArrayInput, spec: SpecAugmentSpec, rng: torch.Generator) -> Tensor:
    """Bands and stretches of the spectrogram brought to the row's mean level (of the logarithm), phases kept.

    Reference: Park et al. (2019), "SpecAugment: a simple data augmentation method for automatic speech
    recognition"; without their time warp, which they found to matter least. The mask lies in the spectrum of
    this module's window: in that of an encoder with another window its edges are soft.

    >>> import torch
    >>> hidden(torch.zeros(2, 4000), None, SpecAugmentSpec(), torch.Generator()).shape
    torch.Size([2, 4000])
    """
    import torch

    waves = _spectrum(x, window(array))
    n_rows, n_bins, n_frames = waves.shape
    rate_hz = _rate_hz(array)
    mel = 2595 * torch.log10(1 + torch.linspace(0, rate_hz / 2, n_bins, device=x.device) / 700)
    covered = _covered(mel / mel[-1], n_rows, spec.n_bands, spec.band, rng)[:, :, None]
    times = torch.linspace(0, 1, n_frames, device=x.device)
    covered = covered | _covered(times, n_rows, spec.n_moments, spec.moment, rng)[:, None, :]
    size = waves.abs()
    level = size.clamp(min=1e-7).log().mean(dim=(1, 2), keepdim=True).exp()
    quiet = torch.minimum(level, size.amax(dim=(1, 2), keepdim=True))  # silence stays silent
    hushed = waves * (quiet / size.clamp(min=1e-9))
    return _samples(torch.where(covered, hushed, waves), window(array), x.shape[1]).clamp_(-1, 1)


def _covered(places: Tensor, n_rows: int, n_parts: int, largest: float, rng: torch.Generator) -> Tensor:
    """bool (n_rows, len(places)): whether a place in 0..1 lies in one of the row's parts."""
    import torch

    covered = torch.zeros(n_rows, len(places), dtype=torch.bool, device=places.device)
    for _ in range(n_parts):
        width = uniform(n_rows, 0, largest, rng)
        start = uniform(n_rows, 0, 1, rng) * (1 - width)
        covered |= (places >= start[:, None]) & (places < (start + width)[:, None])
    return covered


def _rate_hz(array: ArrayInput | None) -> int:
    return int(array.settings.get("rate_hz", _RATE_HZ)) if array is not None else _RATE_HZ


def window(array: ArrayInput | None) -> int:
    """Samples of a spectrum's window: the power of two nearest to 32 ms."""
    return int(2 ** max(6, round(math.log2(_rate_hz(array) * _WINDOW_S))))


def _spectrum(x: Tensor, n_window: int) -> Tensor:
    """complex64 (n, n_window / 2 + 1, frames), four windows over each sample."""
    import torch

    bell = torch.hann_window(n_window, device=x.device)
    return torch.stft(x, n_window, n_window // 4, window=bell, pad_mode="constant", return_complex=True)


def _samples(waves: Tensor, n_window: int, length: int) -> Tensor:
    import torch

    bell = torch.hann_window(n_window, device=waves.device)
    return torch.istft(waves, n_window, n_window // 4, window=bell, length=length)


def at_speed(x: Tensor, speed: Tensor, n_window: int) -> Tensor:
    """Samples (n, S) played at the rows' speeds (n,) around their middle, at the same pitch: a phase vocoder with
    identity phase locking (Laroche and Dolson)."""
    import torch

    waves = _spectrum(x, n_window)
    n_rows, n_bins, n_frames = waves.shape
    middle = (n_frames - 1) / 2
    frames = (torch.arange(n_frames, device=x.device) - middle) * speed[:, None] + middle
    inside = (frames >= 0) & (frames <= n_frames - 1)
    first = frames.floor().clamp(0, n_frames - 2).long()
    between = (frames - first).clamp(0, 1)[:, None]
    index = first[:, None].expand(n_rows, n_bins, n_frames)
    one, next_one = waves.gather(2, index), waves.gather(2, index + 1)
    size = (one.abs() * (1 - between) + next_one.abs() * between) * inside[:, None]
    expected = torch.arange(n_bins, device=x.device)[:, None] * (math.pi / 2)  # a quarter window a frame
    phase = one.angle()
    step = next_one.angle() - phase - expected
    step = step - 2 * math.pi * (step / (2 * math.pi)).round() + expected
    peaks = _nearest_peaks(size)
    told = phase[..., 0]
    phases = [told]
    for frame in range(1, n_frames):
        turn = told + step[..., frame - 1] - phase[..., frame]
        told = phase[..., frame] + turn.gather(1, peaks[..., frame])
        phases.append(told)
    return _samples(torch.polar(size, torch.stack(phases, dim=2)), n_window, x.shape[1])


def _nearest_peaks(size: Tensor) -> Tensor:
    """For each bin (n, bins, frames) the nearest bin that is louder than its neighbours: bins of one tone turn
    together, or they would cancel each other."""
    import torch

    n_bins = size.shape[1]
    wide = torch.nn.functional.pad(size, (0, 0, 1, 1), value=-1.0)
    is_peak = (size >= wide[:, :-2]) & (size > wide[:, 2:])
    places = torch.arange(n_bins, device=size.device)[:, None].expand(size.shape[1:])
    below = torch.where(is_peak, places, -n_bins).cummax(1).values
    above = torch.where(is_peak, places, 3 * n_bins).flip(1).cummin(1).values.flip(1)
    nearest = torch.where(places - below <= above - places, below, above)
    return torch.where((nearest >= 0) & (nearest < n_bins), nearest, places)


def _below(x: Tensor, factor: Tensor) -> Tensor:
    """What stays below half the rate when all frequencies rise by the rows' factors."""
    import torch

    waves = torch.fft.rfft(x)
    share = torch.linspace(0, 1, waves.shape[1], device=x.device)
    kept: Tensor = torch.fft.irfft(waves * (share * factor[:, None] <= 1), n=x.shape[1])
    return kept


def _cubic(x: Tensor, places: Tensor) -> Tensor:
    """Samples at places (n, m) between samples, by the cubic of Catmull and Rom; 0 outside."""
    first = places.floor()
    t = places - first
    weights = (
        ((2 - t) * t - 1) * t / 2,
        ((3 * t - 5) * t * t + 2) / 2,
        ((4 - 3 * t) * t + 1) * t / 2,
        (t - 1) * t * t / 2,
    )
    made = x.new_zeros(places.shape)
    for offset, weight in zip((-1, 0, 1, 2), weights, strict=True):
        index = first.long() + offset
        there = (index >= 0) & (index < x.shape[1])
        made += x.gather(1, index.clamp(0, x.shape[1] - 1)) * weight * there
    return made


STRETCH = row_by_row("audio", StretchSpec, stretched, WITHOUT_PLACES)
PITCH = row_by_row("audio", PitchSpec, pitched, WITHOUT_PLACES)
SPEC_AUGMENT = row_by_row("audio", SpecAugmentSpec, hidden, WITHOUT_PLACES)
