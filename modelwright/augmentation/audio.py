"""Sound: noise, shift, gain. Stretch, pitch and SpecAugment are in `spectral.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from modelwright.augmentation._draw import SHARE, uniform
from modelwright.augmentation.base import WITHOUT_PLACES, row_by_row
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from modelwright_runtime.signature import ArrayInput


class AudioNoiseSpec(Spec):
    """How loud the noise is against the sound."""

    least_db: float = Field(10.0, ge=-20, le=80, description="least ratio of the sound's power to the noise's, in dB")
    most_db: float = Field(40.0, ge=-20, le=80, description="largest ratio; each row draws between the two")
    share: float = Field(0.5, gt=0, le=1, description=SHARE)

    @model_validator(mode="after")
    def _in_order(self) -> AudioNoiseSpec:
        if self.least_db > self.most_db:
            raise ValueError("`least_db` must not be above `most_db`")
        return self


class AudioShiftSpec(Spec):
    """How far sound is moved in time."""

    reach: float = Field(0.1, gt=0, le=0.5, description="largest shift to either side, as a share of the length")
    share: float = Field(0.8, gt=0, le=1, description=SHARE)


class AudioGainSpec(Spec):
    """How much louder or softer sound becomes."""

    db: float = Field(6.0, gt=0, le=40, description="largest change to either side, in dB")
    share: float = Field(0.8, gt=0, le=1, description=SHARE)


def noisy(x: Tensor, array: ArrayInput, spec: AudioNoiseSpec, rng: torch.Generator) -> Tensor:
    """White noise added at a ratio of powers of its own for each row; silence stays silent.

    The sound's power is that of the whole row, the silence around it included. Cut to -1..1.

    >>> import torch
    >>> tone = torch.sin(torch.arange(16000) * 0.1)[None] * 0.5
    >>> added = noisy(tone, None, AudioNoiseSpec(least_db=20, most_db=20), torch.Generator().manual_seed(0)) - tone
    >>> round(10 * float(torch.log10(tone.square().mean() / added.square().mean())), 1)
    20.0
    """
    import torch

    ratio_db = uniform(len(x), spec.least_db, spec.most_db, rng).float()
    level = x.square().mean(dim=1).sqrt() * 10 ** (-ratio_db / 20)
    noise = torch.randn(x.shape, generator=rng, device=x.device)
    return noise.mul_(level[:, None]).add_(x).clamp_(-1, 1)


def shifted(x: Tensor, array: ArrayInput, spec: AudioShiftSpec, rng: torch.Generator) -> Tensor:
    """Each row moved by a number of samples of its own; silence comes in.

    >>> import torch
    >>> shifted(torch.arange(1.0, 11.0)[None], None, AudioShiftSpec(), torch.Generator().manual_seed(2))
    tensor([[ 2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10.,  0.]])
    """
    import torch

    most = max(1, round(spec.reach * x.shape[1]))
    moves = torch.randint(-most, most + 1, (len(x), 1), generator=rng, device=x.device)
    places = torch.arange(x.shape[1], device=x.device) - moves
    there = (places >= 0) & (places < x.shape[1])
    return x.gather(1, places.clamp_(0, x.shape[1] - 1)).masked_fill_(~there, 0.0)


def louder(x: Tensor, array: ArrayInput, spec: AudioGainSpec, rng: torch.Generator) -> Tensor:
    """Each row times a factor of its own, cut to -1..1.

    >>> import torch
    >>> louder(torch.tensor([[0.1, -0.2]]), None, AudioGainSpec(), torch.Generator().manual_seed(0)).tolist()
    [[0.191..., -0.382...]]
    """
    factor = 10 ** (uniform(len(x), -spec.db, spec.db, rng).float() / 20)
    return (x * factor[:, None]).clamp_(-1, 1)


NOISE = row_by_row("audio", AudioNoiseSpec, noisy, WITHOUT_PLACES)
SHIFT = row_by_row("audio", AudioShiftSpec, shifted, WITHOUT_PLACES)
GAIN = row_by_row("audio", AudioGainSpec, louder, WITHOUT_PLACES)
