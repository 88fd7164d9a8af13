"""The module of `encoders/audio_cnn.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modelwright.networks.layers import activation, dropout
from modelwright.networks.modules.image_cnn import halving
from modelwright.networks.modules.images import channels_last, halved, map_norm
from modelwright.networks.modules.spectrogram import LogMel

if TYPE_CHECKING:
    from modelwright.networks.encoders.audio_cnn import AudioCnnSpec
    from modelwright_runtime.signature import ArrayInput


class AudioCnn(nn.Module):
    """The spectrogram as a picture, blocks that halve it, mean and maximum."""

    def __init__(self, spec: AudioCnnSpec, input: ArrayInput) -> None:
        super().__init__()
        self.spectrogram = LogMel(input, mels=spec.mels, window_s=spec.window_s, hop_s=spec.hop_s)
        n_inputs, channels, size = 1, spec.channels, (spec.mels, self.spectrogram.steps)
        layers: list[nn.Module] = []
        for _ in range(spec.depth):
            layers += halving(n_inputs, channels, spec.convolutions, kernel=3, norm=spec.norm, act=spec.activation)
            n_inputs, channels, size = channels, 2 * channels, halved(size)
        # one filter over all bands that are left: a mean over them would forget how high a sound is
        whole = nn.Conv2d(n_inputs, n_inputs, (size[0], 1), bias=spec.norm == "none")
        layers += [whole, map_norm(spec.norm, n_inputs), activation(spec.activation)]
        self.blocks = nn.Sequential(*(layer for layer in layers if not isinstance(layer, nn.Identity)))
        self.dropout = dropout(spec.dropout)
        self.width, self.map_channels = 2 * n_inputs, n_inputs
        self.map_size, self.stride = (size[1],), 2**spec.depth
        channels_last(self)

    def map(self, x: Tensor) -> Tensor:
        """(n, steps, width / 2)."""
        last: Tensor = self.blocks(self.spectrogram(x).unsqueeze(1))
        return last.squeeze(2).transpose(1, 2)

    def pool(self, map: Tensor, x: Tensor) -> Tensor:
        """Mean and maximum over the steps."""
        vector: Tensor = self.dropout(torch.cat([map.mean(dim=1), map.amax(dim=1)], dim=1))
        return vector

    def forward(self, x: Tensor) -> Tensor:
        """(n, width)."""
        return self.pool(self.map(x), x)
