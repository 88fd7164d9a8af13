"""`Network`: encoders, a trunk and heads, joined; `build` makes one from a spec."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os.path import commonprefix
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from modelwright.core import registry
from modelwright.core.errors import UserError, nearest
from modelwright.core.rng import stream_seed
from modelwright.networks.base import Encoder, Head, Part, Source, Trunk
from modelwright.networks.initialise import initialise
from modelwright.networks.modules.heads import Answer
from modelwright.networks.spec import NetworkSpec, named, plan

if TYPE_CHECKING:
    from modelwright.core.data import Decision
    from modelwright.core.use import Use
    from modelwright_runtime.signature import ArrayInput, Task


@dataclass(frozen=True, slots=True)
class Look:
    """What one head looks at: the trunk's vector, the map of encoder `map_of`, the past of `column` in `past_of`."""

    vector: bool = False
    map_of: int | None = None
    past_of: int | None = None
    column: int = 0


class Network(nn.Module):
    """Arrays in the order of `inputs` to one raw output per task.

    `forward(*arrays)` gives logits and standardised values, `answers(outputs)` what the graph answers
    (`modelwright_runtime.signature.Task` says it). Encoders that no head needs are not there.
    """

    def __init__(
        self, encoders: dict[int, nn.Module], trunk: nn.Module | None, heads: Sequence[nn.Module], looks: Sequence[Look]
    ) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict({str(index): encoder for index, encoder in encoders.items()})
        self.trunk = trunk
        self.heads = nn.ModuleList(heads)
        self.looks = tuple(looks)
        self.targets: tuple[str, ...] = ()
        self.decisions: tuple[Decision, ...] = ()
        self.factors: dict[str, float] = {}
        self._indices = tuple(encoders)
        self._mapped = tuple(sorted({look.map_of for look in looks if look.map_of is not None}))
        self._tokens = bool(getattr(trunk, "wants_tokens", False))
        self._plain = trunk is not None and not self._tokens and all(look == Look(vector=True) for look in looks)

    def encoder(self, index: int) -> Any:
        """The encoder of the array at `index`."""
        return self.encoders[str(index)]

    def forward(self, *arrays: Tensor) -> tuple[Tensor, ...]:
        """One raw output per task."""
        if self._plain:  # most networks; in a small one, every call counts
            parts = [
                encoder(arrays[index]) for index, encoder in zip(self._indices, self.encoders.values(), strict=True)
            ]
            vector = self.trunk(tuple(parts))  # type: ignore[misc]
            return tuple([head(vector) for head in self.heads])
        maps = {index: self.encoder(index).map(arrays[index]) for index in self._mapped}
        vector = None
        if self.trunk is not None:
            vector = self.trunk(tuple(self._part(index, arrays, maps) for index in self._indices))
        return tuple(
            head(*self._seen(look, arrays, vector, maps)) for head, look in zip(self.heads, self.looks, strict=True)
        )

    def _part(self, index: int, arrays: tuple[Tensor, ...], maps: dict[int, Tensor]) -> Tensor:
        encoder, x = self.encoder(index), arrays[index]
        if index in maps:
            return cast(Tensor, encoder.pool(maps[index], x))
        if self._tokens and hasattr(encoder, "tokens"):
            return cast(Tensor, encoder.tokens(x))
        return cast(Tensor, encoder(x))

    def _seen(
        self, look: Look, arrays: tuple[Tensor, ...], vector: Tensor | None, maps: dict[int, Tensor]
    ) -> tuple[Any, ...]:
        if look.map_of is not None:
            return (maps[look.map_of],)
        if look.past_of is not None:
            past = self.encoder(look.past_of).history(arrays[look.past_of], look.column)
            return (vector if look.vector else None, past)
        return (vector,)

    def answers(self, outputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """What the graph answers, one per task: probabilities, values in the target's unit, boxes, masks."""
        heads: Any = self.heads
        return tuple(head.answer(raw) for head, raw in zip(heads, outputs, strict=True))

    def set_scale(self, target: str, centre: float, scale: float) -> None:
        """Say in which unit a regression or forecast answers: `centre + scale * raw`. `scale` is above 0.

        Raises `UserError("networks.scale")` when the target is no number or the scale is not positive.
        """
        if target not in self.targets:
            raise UserError("networks.scale", f"no head answers {target!r}.", hint=nearest(target, self.targets))
        unit = getattr(self.heads[self.targets.index(target)], "unit", None)
        if unit is None or not 0 < scale < float("inf"):
            raise UserError("networks.scale", f"the head of {target!r} cannot have the scale {scale}.")
        cast("Any", unit).set(centre, scale)

    def set_temperature(self, target: str, temperature: float) -> None:
        """Divide the logits of a target's classes before they become probabilities.

        Raises `UserError("networks.scale")` when no head answers the target or the temperature is not positive.
        """
        if target not in self.targets or not 0 < temperature < float("inf"):
            raise UserError("networks.scale", f"the head of {target!r} cannot have the temperature {temperature}.")
        cast("Any", self.heads[self.targets.index(target)]).temperature.fill_(temperature)

    def train(self, mode: bool = True) -> Network:  # noqa: FBT001 - torch's own signature
        """Training mode, but for what is frozen: its running means and its dropout stay as in evaluation."""
        super().train(mode)
        if mode:
            for module in self.modules():
                if getattr(module, "is_frozen", False):
                    module.eval()
        return self

    def rate_factors(self) -> dict[str, float]:
        """Factor of the learning rate by prefix of parameter names; what is not named has factor 1."""
        found = dict(self.factors)
        for name, encoder in self.encoders.items():
            factors = getattr(encoder, "rate_factors", None)
            if factors is not None:
                found |= {f"encoders.{name}.{prefix}": factor for prefix, factor in cast("Any", factors)().items()}
        return found


def n_parameters(module: nn.Module) -> int:
    """How many numbers are learned; frozen ones do not count.

    >>> n_parameters(nn.Linear(3, 2))
    8
    """
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


@contextmanager
def seeded(seed: int, *names: str | int) -> Iterator[None]:
    """Draw from a named stream of `seed` inside; torch's global generator is as it was afterwards.

    >>> with seeded(7, "example"):
    ...     first = torch.rand(1)
    >>> with seeded(7, "example"):
    ...     second = torch.rand(1)
    >>> bool(first == second)
    True
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream_seed(seed, "networks", *names))
        yield


def build(
    spec: NetworkSpec,
    inputs: tuple[ArrayInput, ...],
    tasks: tuple[Task, ...],
    *,
    seed: int = 0,
    n_rows: int | None = None,
) -> Network:
    """A network with drawn weights for these arrays and tasks; the same seed gives the same bytes.

    `n_rows` is the number of training rows: the defaults of parts that `spec` leaves out follow it. What was
    chosen is told in `network.decisions`. Each part draws from a stream of its own, so that another head leaves
    the encoders' first weights as they are; torch's global generator is left alone.

    Raises `UserError`: `networks.encoder`, `networks.head`, `networks.unused` (see `plan`), `networks.map` when a
    head needs a map and no encoder gives one, `networks.input` when there is no array or no task.

    >>> from modelwright_runtime.signature import ArrayInput, Task
    >>> network = build(NetworkSpec(), (ArrayInput(form="numbers", columns=("a", "b")),),
    ...     (Task(kind="binary", target="y", classes=("no", "yes")), Task(kind="regression", target="z")))
    >>> [tuple(raw.shape) for raw in network(torch.randn(5, 2))]
    [(5, 2), (5,)]
    """
    if not inputs or not tasks:
        raise UserError("networks.input", "a network needs at least one array and one task.")
    encoder_uses, trunk_use, head_uses, decisions = plan(spec, inputs, tasks, n_rows)
    methods = [registry.get("encoders", use.method) for use in encoder_uses]
    head_methods = [registry.get("heads", use.method) for use in head_uses]
    looks = [_map_of(task, head, methods, inputs) for task, head in zip(tasks, head_methods, strict=True)]
    plain = all(look.map_of is not None for look in looks)
    encoders = {
        index: _part(spec, "encoders", encoder_uses[index], seed, index, inputs[index])
        for index in range(len(inputs))
        if not plain or any(look.map_of == index for look in looks)
    }
    looks = [
        _past_of(look, task, head, encoders, inputs, layers=trunk_use.method != "none")
        for look, task, head in zip(looks, tasks, head_methods, strict=True)
    ]
    trunk = None
    if any(look.vector for look in looks):
        parts = _parts(registry.get("trunks", trunk_use.method), encoders)
        trunk = _part(spec, "trunks", trunk_use, seed, 0, parts)
    else:  # nobody reads the encoders' vectors: what is only in those would never learn
        for encoder in encoders.values():
            getattr(encoder, "maps_only", lambda: None)()
    heads = [
        _part(spec, "heads", use, seed, index, tasks[index], _source(looks[index], trunk, encoders, inputs))
        for index, use in enumerate(head_uses)
    ]
    network = Network(encoders, trunk, heads, looks)
    _hold_back(network, spec, encoders, inputs)
    network.targets, network.decisions = tuple(task.target for task in tasks), decisions
    return network


def _part(spec: NetworkSpec, stage: str, use: Use, seed: int, index: int, *given: Any) -> nn.Module:
    method: Encoder | Trunk | Head = registry.get(stage, use.method)
    settings = method.spec.parse(use.settings, where=use.method)
    with seeded(seed, stage, index):
        module = method.build(settings, *given)
        initialise(module, spec.initialise)
    return module


def _hold_back(
    network: Network, spec: NetworkSpec, encoders: dict[int, nn.Module], inputs: tuple[ArrayInput, ...]
) -> None:
    """Freeze and slow down the encoders for which the user says so."""
    for index, encoder in encoders.items():
        if named(spec.freeze, inputs[index]) is not None:
            freeze(encoder)
        factor = named(spec.rates, inputs[index])
        if factor is not None:
            network.factors[f"encoders.{index}"] = spec.rates[factor]


def freeze(module: nn.Module) -> None:
    """Keep the weights and running means of `module` as they are, in place.

    >>> layer = nn.Linear(3, 2)
    >>> freeze(layer)
    >>> n_parameters(layer)
    0
    """
    module.requires_grad_(requires_grad=False)
    module.is_frozen = True  # type: ignore[assignment]
    module.eval()


def _map_of(task: Task, head: Head, methods: list[Encoder], inputs: tuple[ArrayInput, ...]) -> Look:
    """The look of a head that reads a map; of the others, an empty one."""
    if head.reads != "map":
        return Look()
    pictures = task.kind in ("detection", "segmentation")
    for index, (method, input) in enumerate(zip(methods, inputs, strict=True)):
        if method.gives_map and (input.form == "image") == pictures:
            return Look(map_of=index)
    raise UserError(
        "networks.map",
        f"the head of {task.target!r} reads a map, and no encoder gives one.",
        hint="image_unet gives maps of pictures; text, audio and series encoders give one vector a step",
    )


def _past_of(
    look: Look, task: Task, head: Head, encoders: dict[int, nn.Module], inputs: tuple[ArrayInput, ...], *, layers: bool
) -> Look:
    if look.map_of is not None:
        return look
    if head.reads == "vector":
        return Look(vector=True)
    # An encoder that says only the past itself has no vector to add to it, unless a trunk makes more of it.
    more = layers or any(not getattr(encoder, "only_history", False) for encoder in encoders.values())
    places = [
        (index, column)
        for index, encoder in encoders.items()
        if hasattr(encoder, "history")
        for column in range(len(inputs[index].columns))
    ]
    if not places:
        return Look(vector=True)
    # a target and its own past cannot have one name in a table: the name that begins most like it is its past
    index, column = max(places, key=lambda place: _alike(task.target, inputs[place[0]].columns[place[1]]))
    return Look(vector=more, past_of=index, column=column)


def _alike(target: str, column: str) -> tuple[bool, int]:
    return target == column, len(commonprefix([target, column]))


def _parts(trunk: Trunk, encoders: dict[int, nn.Module]) -> tuple[Part, ...]:
    found = []
    for encoder in cast("Any", encoders.values()):
        if trunk.wants_tokens and hasattr(encoder, "tokens") and hasattr(encoder, "n_tokens"):
            found.append(Part(width=encoder.token_width, n_tokens=encoder.n_tokens))
        else:
            found.append(Part(width=encoder.width))
    return tuple(found)


def _source(
    look: Look, trunk: nn.Module | None, encoders: dict[int, nn.Module], inputs: tuple[ArrayInput, ...]
) -> Source:
    if look.map_of is not None:
        encoder, settings = cast("Any", encoders[look.map_of]), inputs[look.map_of].settings
        image = (settings["height"], settings["width"]) if inputs[look.map_of].form == "image" else ()
        return Source(map_channels=encoder.map_channels, map_size=tuple(encoder.map_size), image_size=image)
    width = cast("Any", trunk).width if look.vector else 0
    length = cast("Any", encoders[look.past_of]).length if look.past_of is not None else 0
    return Source(width=width, length=length)


class Adopted(nn.Module):
    """A module of a user's with the answers of these tasks added; made by `adopt`."""

    def __init__(self, module: nn.Module, tasks: tuple[Task, ...]) -> None:
        super().__init__()
        self.module = module
        self.heads = nn.ModuleList(Answer(task.kind) for task in tasks)
        self.targets = tuple(task.target for task in tasks)

    def forward(self, *arrays: Tensor) -> tuple[Tensor, ...]:
        """The module's own outputs, always a tuple."""
        outputs = self.module(*arrays)
        return outputs if isinstance(outputs, tuple) else (outputs,)

    answers = cast("Any", Network.answers)
    set_scale = cast("Any", Network.set_scale)
    set_temperature = cast("Any", Network.set_temperature)


def adopt(module: nn.Module, tasks: tuple[Task, ...]) -> Adopted:
    """Any module as a network: `module(*arrays)` gives one raw output per task (one tensor, or a tuple of them).

    Logits (n, K) for classes and labels, standardised values (n,) or (n, horizon) for numbers; boxes and masks as
    `heads/boxes.py` and `heads/mask.py` say.

    >>> from modelwright_runtime.signature import Task
    >>> network = adopt(nn.Linear(4, 2), (Task(kind="binary", target="y", classes=("no", "yes")),))
    >>> network.answers(network(torch.zeros(3, 4)))[0].sum().round().item()
    3.0
    """
    return Adopted(module, tasks)
