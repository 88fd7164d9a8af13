"""Log-mel spectrograms as part of the network, so that the graph takes plain samples.

Reference: Stevens, Volkmann and Newman (1937) for the scale; O'Shaughnessy (1987) for its formula.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from modelwright_runtime.signature import ArrayInput

# Power of a window is told against 100 dB under a full-scale tone, the noise of 16-bit sound. It is multiplied, for
# the writer of ONNX graphs takes the addition of less than 1e-8 for nothing and leaves it out.
LOUDEST = 1e10
LEAST_DEVIATION = 0.1  # of a row's logarithms: silence must not be blown up


class LogMel(nn.Module):
    """Float32 (n, n_samples) in -1..1 to (n, mels, steps), each row's bands at mean 0, the row at deviation 1.

    Of spoken digits by speakers that training never heard, the mean of each band in place of the row's and a floor
    of -100 dB in place of -60 dB brought 79.8 to 86.3 % (4 speakers held out in turn, small network).
    """

    waves: Tensor
    bands: Tensor

    def __init__(self, input: ArrayInput, *, mels: int, window_s: float, hop_s: float) -> None:
        super().__init__()
        rate, n_samples = int(input.settings["rate_hz"]), int(input.settings["n_samples"])
        window = max(8, min(round(window_s * rate), n_samples))
        self.hop, self.before = max(1, round(hop_s * rate)), window // 2
        n_bins = 2 ** math.ceil(math.log2(window)) // 2 + 1
        self.register_buffer("waves", _waves(window, n_bins), persistent=False)
        self.register_buffer("bands", _bands(rate, n_bins, mels), persistent=False)
        self.mels, self.steps = mels, (n_samples + 2 * self.before - window) // self.hop + 1

    def forward(self, sound: Tensor) -> Tensor:
        """(n, mels, steps). In float32 also where the rest is in half precision, which cannot hold it."""
        if torch.is_autocast_enabled(sound.device.type):
            with torch.autocast(sound.device.type, enabled=False):
                return self._loud(sound.float())
        return self._loud(sound)

    def _loud(self, sound: Tensor) -> Tensor:
        parts = nn.functional.conv1d(sound.unsqueeze(1), self.waves, stride=self.hop, padding=self.before)
        real, imaginary = parts.chunk(2, dim=1)
        power = torch.matmul(self.bands, real.square() + imaginary.square())
        loud = torch.log(power + 1.0)
        mean = loud.mean(dim=2, keepdim=True)
        away = loud - mean
        deviation = away.square().mean(dim=(1, 2), keepdim=True).sqrt()
        return away / (deviation + LEAST_DEVIATION)


def _waves(window: int, n_bins: int) -> Tensor:
    """(2 n_bins, 1, window): cosines, then sines, under a Hann window, so that a full-scale tone has power 1."""
    steps = torch.arange(window, dtype=torch.float64)
    hann = 0.5 - 0.5 * torch.cos(2.0 * math.pi * steps / window)
    angles = math.pi * torch.arange(n_bins, dtype=torch.float64)[:, None] * steps / (n_bins - 1)
    both = torch.cat([angles.cos(), angles.sin()]) * hann * (2.0 / hann.sum())
    return both.float().unsqueeze(1)


def _bands(rate: int, n_bins: int, mels: int) -> Tensor:
    """(mels, n_bins): triangles that rise and fall evenly in mels; each sums to `LOUDEST`, and none is empty."""
    top = 2595.0 * math.log10(1.0 + rate / 2.0 / 700.0)
    edges = 700.0 * (10.0 ** (torch.linspace(20.0, top, mels + 2, dtype=torch.float64) / 2595.0) - 1.0)
    places = torch.linspace(0.0, rate / 2.0, n_bins, dtype=torch.float64)
    width = rate / 2.0 / (n_bins - 1)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    low, high = torch.minimum(low, centre - width), torch.maximum(high, centre + width)
    triangles = torch.minimum((places - low) / (centre - low), (high - places) / (high - centre)).clamp(min=0.0)
    return (LOUDEST * triangles / triangles.sum(dim=1, keepdim=True)).float()
