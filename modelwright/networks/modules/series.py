"""What encoders of series share: standardised steps, where the padding is, and the past that a forecast needs.

Reference: Kim, Kim, Tae, Park, Choi and Choo (2022), "Reversible Instance Normalization".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from modelwright.networks.layers import per_column

if TYPE_CHECKING:
    from modelwright.networks.choices import Normalise
    from modelwright_runtime.signature import ArrayInput

LARGEST = 1e4  # deviations: a broken sensor must not overflow
LEAST_VARIANCE = 1e-12  # of a row, against 1 of its column: of many series, small ones lie far below their column


class Past(NamedTuple):
    """One column's past: `steps` float32 (n, length), and their unit: value = shift + spread * step, float64 (n,)."""

    steps: Tensor
    shift: Tensor
    spread: Tensor


class SeriesInput(nn.Module):
    """Float32 (n, n_columns, length), NaN or the column's mean where nothing is known, as standardised steps.

    `normalise`: by mean and scale of the training rows (`column`); then also by each row's own (`row`), or so that
    each row's last step is 0 (`last`). Padding is what is nothing but means at the padded end.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, input: ArrayInput, normalise: Normalise) -> None:
        super().__init__()
        self.register_buffer("mean", per_column(input, "mean", 0.0)[:, None])
        self.register_buffer("scale", per_column(input, "scale", 1.0)[:, None])
        self.normalise = normalise
        self.fit = str(input.settings.get("fit", "pad_right"))
        self.pads_left = self.fit == "pad_left"

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Steps (n, n_columns, length), 0 at padding, and bool (n, length), False at padding."""
        if self.normalise == "column":
            z = self._standardised(x)
            return z, self._there(z)
        z = self._standardised(x.double())  # a small series among large ones would be lost in the column's unit
        there = self._there(z)
        shift, spread = self._unit(z, there.unsqueeze(1))
        return ((z - shift) / spread * there.unsqueeze(1).to(z.dtype)).to(x.dtype), there

    def history(self, x: Tensor, column: int) -> Past:
        """The past of one column by each row's own mean and deviation, or its last step."""
        z = self._standardised(x.double())
        there = self._there(z).unsqueeze(1)
        z = z[:, column : column + 1]
        shift, spread = self._unit(z, there)
        steps = ((z - shift) / spread * there.to(z.dtype)).squeeze(1).to(x.dtype)
        mean, scale = self.mean[column].double(), self.scale[column].double()
        return Past(
            steps, (mean + scale * shift.double().flatten(1)).squeeze(1), (scale * spread.flatten(1)).squeeze(1)
        )

    def _standardised(self, x: Tensor) -> Tensor:
        return ((torch.where(torch.isnan(x), self.mean, x) - self.mean) / self.scale).clamp(-LARGEST, LARGEST)

    def _there(self, z: Tensor) -> Tensor:
        length = z.shape[2]
        steps = torch.arange(length, device=z.device)
        if self.fit == "resample":
            return torch.ones_like(z[:, 0], dtype=torch.bool)
        known = (z != 0).any(dim=1)
        if self.pads_left:
            n_steps = (known * (length - steps)).amax(dim=1, keepdim=True)
            return steps >= length - n_steps
        return steps < (known * (steps + 1)).amax(dim=1, keepdim=True)

    def _unit(self, z: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and spread, each (n, n_columns, 1)."""
        shown = there.to(z.dtype)
        count = shown.sum(dim=2, keepdim=True).clamp(min=1.0)
        if self.normalise == "last":
            if self.pads_left:
                last = z[:, :, -1:]
            else:
                end = (count.long() - 1).expand(-1, z.shape[1], -1)
                last = torch.gather(z, 2, end)
            return last, torch.ones_like(last)
        mean = (z * shown).sum(dim=2, keepdim=True) / count
        variance = ((z - mean).square() * shown).sum(dim=2, keepdim=True) / count
        return mean, variance.clamp(min=LEAST_VARIANCE).sqrt()  # not a sum: exporting drops so small a term
