"""Sound by a transformer over its log-mel spectrogram."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from modelwright.core.spec import Spec
from modelwright.networks.base import Encoder

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import ArrayInput


class AudioTransformerSpec(Spec):
    """The spectrogram and the blocks."""

    mels: int = Field(default=64, ge=8, le=256, description="bands of the spectrogram")
    window_s: float = Field(default=0.025, gt=0, le=1, description="length of a window, seconds")
    hop_s: float = Field(default=0.01, gt=0, le=1, description="from one window to the next, seconds")
    width: int = Field(default=128, ge=1, le=8192, description="length of a step's vector")
    layers: int = Field(default=3, ge=1, le=48, description="blocks")
    heads: int = Field(default=4, ge=1, le=128, description="heads of attention; divides the width")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="share of units left out in training")
    drop_path: float = Field(default=0.0, ge=0, lt=1, description="share of rows for which the last block is left out")

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide width ({self.width})")
        return self


def build(spec: AudioTransformerSpec, input: ArrayInput) -> nn.Module:
    """Float32 (n, n_samples) to (n, width): the mean over time after pre-norm blocks.

    Two convolutions bring four windows into one step. The map is (n, steps, width), for sequences.

    Reference: Radford et al. (2023), "Robust Speech Recognition via Large-Scale Weak Supervision" (its encoder).

    >>> from modelwright.testing.networks import sample_input
    >>> build(AudioTransformerSpec(width=64), sample_input("audio")).width
    64
    """
    from modelwright.networks.modules.audio_transformer import AudioTransformer

    return AudioTransformer(spec, input)


ENCODER = Encoder(forms=("audio",), spec=AudioTransformerSpec, build=build, gives_map=True)
