"""First weights, by kind of layer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from modelwright.networks.spec import Initialise

_MATRICES = (nn.Linear, nn.Conv1d, nn.Conv2d)
_NORMS = (nn.LayerNorm, nn.GroupNorm, nn.BatchNorm1d, nn.BatchNorm2d)
SMALL = 0.1  # of the last layer of a head, against Xavier: the first loss is within 1 % of that of equal odds


def initialise(module: nn.Module, method: Initialise = "auto") -> None:
    """Draw the first weights of every layer in `module`, in place, from torch's global generator.

    `he` keeps the variance of what flows forward through ReLU-like layers, `xavier` that of forward and backward
    through linear and tanh ones, `orthogonal` keeps lengths; `torch` leaves what the layers drew themselves.
    `auto` is He for matrices and convolutions, Xavier for attention, orthogonal for recurrent weights with a
    forget gate that starts open. Except under `torch`: biases start at 0, the last layer of each residual branch at
    0, the last layer of each head small. A module that carries `own_start = True` keeps what it brought.

    References: Glorot and Bengio (2010); He, Zhang, Ren and Sun (2015); Saxe, McClelland and Ganguli (2014); Zhang,
    Dauphin and Ma (2019), "Fixup Initialization".

    >>> import torch
    >>> layer = nn.Linear(1000, 100)
    >>> initialise(layer, "he")
    >>> round(float(layer.weight.detach().std() * 500**0.5), 1), layer.bias.abs().sum().item()
    (1.0, 0.0)
    """
    if method == "torch":
        return
    if getattr(module, "own_start", False):
        return
    if isinstance(module, _MATRICES):
        _start_matrix(module, method)
    elif isinstance(module, (nn.LSTM, nn.GRU)):
        _start_recurrent(module, method)
    elif isinstance(module, nn.Embedding):
        _start_embedding(module)
    elif isinstance(module, _NORMS) and module.weight is not None:
        nn.init.constant_(module.weight, 0.0 if getattr(module, "starts_at_zero", False) else 1.0)
        nn.init.zeros_(module.bias)
    for child in module.children():
        initialise(child, method)


def _start_matrix(layer: nn.Linear | nn.Conv1d | nn.Conv2d, method: Initialise) -> None:
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    if getattr(layer, "starts_at_zero", False):
        nn.init.zeros_(layer.weight)
    elif getattr(layer, "starts_small", False):
        nn.init.xavier_normal_(layer.weight, gain=SMALL)
    elif method == "orthogonal":
        weight = torch.empty(layer.weight.shape)  # of a convolution, the layer's own may lie channels-last
        layer.weight.data.copy_(nn.init.orthogonal_(weight, gain=math.sqrt(2.0)))
    elif method == "xavier" or (method == "auto" and getattr(layer, "in_attention", False)):
        nn.init.xavier_uniform_(layer.weight)
    else:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")


def _start_recurrent(layer: nn.LSTM | nn.GRU, method: Initialise) -> None:
    for name, weight in layer.named_parameters():
        if "bias" in name:
            nn.init.zeros_(weight)
            if isinstance(layer, nn.LSTM) and "bias_ih" in name:
                nn.init.ones_(weight.data[layer.hidden_size : 2 * layer.hidden_size])  # the forget gate starts open
        elif "weight_hh" in name and method in ("auto", "orthogonal"):
            for gate in weight.data.chunk(weight.shape[0] // layer.hidden_size):
                nn.init.orthogonal_(gate)
        else:
            nn.init.xavier_uniform_(weight)


def _start_embedding(layer: nn.Embedding) -> None:
    nn.init.normal_(layer.weight, std=1.0 / math.sqrt(layer.embedding_dim))
    if layer.padding_idx is not None:
        nn.init.zeros_(layer.weight.data[layer.padding_idx])
