"""Networks: encoders -> trunk -> heads. Arrays in, one raw output per task out; mathematics only.

A method is a light module with its Spec and a constant (`ENCODER`, `TRUNK`, `HEAD`), found through
`core.registry`; the `nn.Module` that it builds lives in `networks/modules`, so that a recipe can be checked and a
page of help written without torch.

- An *encoder* takes one array: `encoder(x) -> (n, width)`, with the attribute `width`. It may also give a map,
  `encoder.map(x) -> (n, map_channels, height, width)` or `(n, steps, map_channels)`, with `map_channels`,
  `map_size` and `stride`; then `encoder.pool(map, x)` is what `encoder(x)` would say. It may give tokens,
  `encoder.tokens(x) -> (n, n_tokens, width of a token)`, with `n_tokens` and `token_width`; and an encoder of
  series gives `encoder.history(x, column)`, what a forecast needs of the past.
- A *trunk* joins what the encoders say: `trunk(parts) -> (n, width)`.
- A *head* answers one task: `head(seen) -> raw output`, `head.answer(raw)` -> what the graph answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import nn

    from modelwright.core.spec import Spec
    from modelwright_runtime.signature import ArrayForm, ArrayInput, Task, TaskKind

Reads = Literal["vector", "map", "history"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """A way to turn one array into a vector a row. `build(spec, input)` draws its first weights from torch's
    global generator, which the caller has seeded. `gives_map` says whether its modules have `map`. `wanted(spec,
    input)` gives the array as the encoder wants it, where that is not what training rows taught (a vocabulary of its
    own)."""

    forms: tuple[ArrayForm, ...]
    spec: type[Spec]
    build: Callable[[Any, ArrayInput], nn.Module]
    gives_map: bool = False
    wanted: Callable[[Any, ArrayInput], ArrayInput] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one encoder hands to a trunk: `n_tokens` vectors of `width`; 0 tokens say one vector (n, width)."""

    width: int
    n_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """A way to join vectors. `wants_tokens`: encoders that give tokens hand over these in place of a vector."""

    spec: type[Spec]
    build: Callable[[Any, tuple[Part, ...]], nn.Module]
    wants_tokens: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a head is given to read.

    `width` is the trunk's, 0 where the head gets no vector. `map_channels` and `map_size` are those of the
    encoder whose map it reads; `image_size` is (height, width) of its array. `length` is how many steps of the
    target's own past there are, 0 if that past is not among the inputs.
    """

    width: int = 0
    map_channels: int = 0
    map_size: tuple[int, ...] = ()
    image_size: tuple[int, ...] = ()
    length: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A way to answer tasks of these kinds. `reads` is what `head(...)` takes: the trunk's vector; an encoder's
    map; or the vector (or None) and the history (or None)."""

    kinds: tuple[TaskKind, ...]
    spec: type[Spec]
    build: Callable[[Any, Task, Source], nn.Module]
    reads: Reads = "vector"
