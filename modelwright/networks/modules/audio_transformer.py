"""The module of `encoders/audio_transformer.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from modelwright.networks.layers import dropout
from modelwright.networks.modules.attention import Blocks, waves
from modelwright.networks.modules.spectrogram import LogMel

if TYPE_CHECKING:
    from modelwright.networks.encoders.audio_transformer import AudioTransformerSpec
    from modelwright_runtime.signature import ArrayInput


class AudioTransformer(nn.Module):
    """Two convolutions over the spectrogram's steps, pre-norm blocks, the mean over time."""

    positions: Tensor

    def __init__(self, spec: AudioTransformerSpec, input: ArrayInput) -> None:
        super().__init__()
        self.spectrogram = LogMel(input, mels=spec.mels, window_s=spec.window_s, hop_s=spec.hop_s)
        self.enter = nn.Sequential(
            nn.Conv1d(spec.mels, spec.width, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Conv1d(spec.width, spec.width, 3, stride=2, padding=1),
            nn.GELU(),
        )
        steps = -(-self.spectrogram.steps // 4)
        self.register_buffer("positions", waves(steps, spec.width), persistent=False)
        self.dropout = dropout(spec.dropout)
        self.blocks = Blocks(spec.width, spec.layers, spec.heads, dropout=spec.dropout, drop_path=spec.drop_path)
        self.width = self.map_channels = spec.width
        self.map_size, self.stride = (steps,), 4

    def map(self, x: Tensor) -> Tensor:
        """(n, steps, width)."""
        entered = self.enter(self.spectrogram(x)).transpose(1, 2)
        seen: Tensor = self.blocks(self.dropout(entered + self.positions))
        return seen

    def pool(self, map: Tensor, x: Tensor) -> Tensor:
        """The mean over time."""
        return map.mean(dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, width)."""
        return self.pool(self.map(x), x)
