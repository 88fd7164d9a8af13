"""Sound by a convolutional network over its log-mel spectrogram."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.networks.base import Encoder
from modelwright.networks.choices import Activation, MapNorm

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import ArrayInput


class AudioCnnSpec(Spec):
    """The spectrogram and the blocks."""

    mels: int = Field(default=64, ge=8, le=256, description="bands of the spectrogram")
    window_s: float = Field(default=0.025, gt=0, le=1, description="length of a window, seconds")
    hop_s: float = Field(default=0.01, gt=0, le=1, description="from one window to the next, seconds")
    channels: int = Field(default=32, ge=1, le=1024, description="channels of the first block; each block doubles them")
    depth: int = Field(default=3, ge=1, le=6, description="blocks, each halving time and bands")
    convolutions: int = Field(default=2, ge=1, le=8, description="convolutions in a block")
    activation: Activation = Field(default="gelu", description="activation after each convolution")
    norm: MapNorm = Field(default="batch", description="normalisation after each convolution")
    dropout: float = Field(default=0.2, ge=0, lt=1, description="share of the vector left out in training")


def build(spec: AudioCnnSpec, input: ArrayInput) -> nn.Module:
    """Float32 (n, n_samples) to (n, width = 2 * channels * 2^(depth - 1)): mean and maximum over time.

    The spectrogram is made in the network, by convolution with sines and cosines; each row's bands are brought to mean
    0 and the row to deviation 1, so that neither loudness nor the microphone matters. Silence gives zeros. The map is
    (n, steps, width / 2), for sequences.

    Reference: Hershey et al. (2017), "CNN Architectures for Large-Scale Audio Classification".

    >>> from modelwright.testing.networks import sample_input
    >>> build(AudioCnnSpec(channels=8), sample_input("audio")).width
    64
    """
    from modelwright.networks.modules.audio_cnn import AudioCnn

    return AudioCnn(spec, input)


ENCODER = Encoder(forms=("audio",), spec=AudioCnnSpec, build=build, gives_map=True)
