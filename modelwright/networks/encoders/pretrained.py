"""A transformers model as an encoder: what others have learned from much more data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.networks.base import Encoder

if TYPE_CHECKING:
    from torch import nn

    from modelwright_runtime.signature import ArrayInput


class PretrainedSpec(Spec):
    """Which model, and how much of it is trained."""

    model: str = Field(min_length=1, description="folder with config.json and model.safetensors, or a name on the hub")
    train: Literal["nothing", "last", "lora", "all"] = Field(
        default="all", description="nothing, the last layers, low-rank adapters beside every matrix, or all weights"
    )
    last_layers: int = Field(default=2, ge=1, le=200, description="how many layers `train: last` is about")
    rank: int = Field(default=8, ge=1, le=1024, description="lora: rank of an adapter")
    alpha: float = Field(default=16.0, gt=0, le=4096, description="lora: weight of an adapter, times its rank")
    layer_decay: float = Field(
        default=1.0, gt=0, le=1, description="factor of the learning rate from one layer to the one before it"
    )
    pool: Literal["mean", "first", "last"] = Field(default="mean", description="how tokens or patches become a vector")


def build(spec: PretrainedSpec, input: ArrayInput) -> nn.Module:
    """Tokens (n, length) or pictures (n, height, width, channels) to (n, width of the model).

    The input's settings must be those of the model: `wanted` gives them. Tokens are told to the model in its own
    numbers, between its own marks of beginning and end; padding is looked at by nobody. Code that comes with a model
    is never run, and weights are read from safetensors only. Adapters are merged on export.

    Raises `UserError("networks.pretrained")` when the model cannot be read, `optional.missing` without transformers.

    References: Howard and Ruder (2018), "Universal Language Model Fine-tuning"; Hu et al. (2021), "LoRA".

    >>> PretrainedSpec(model="models/my-bert", train="lora").rank
    8
    """
    from modelwright.networks.modules.pretrained import Pretrained

    return Pretrained(spec, input)


def wanted(spec: PretrainedSpec, input: ArrayInput) -> ArrayInput:
    """The array as the model wants it: its vocabulary, or its size and its means of pixels."""
    from modelwright.networks.modules.pretrained_files import wanted_settings

    return wanted_settings(spec.model, input)


ENCODER = Encoder(forms=("tokens", "image"), spec=PretrainedSpec, build=build, wanted=wanted)
