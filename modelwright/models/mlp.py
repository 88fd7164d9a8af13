"""A small network for tables: a few perceptrons side by side on periodic embeddings of the numbers."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.optional import need
from modelwright.core.spec import Spec
from modelwright.models.base import (
    Held,
    Model,
    emit_column,
    emit_spread,
    integer_seed,
    n_outputs,
    present_classes,
    spread,
    unit_of,
    weighted_rows,
)
from modelwright.models.constant import ConstantSpec
from modelwright.models.constant import fit as fit_constant

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright.graph import Graph
    from modelwright_runtime.signature import Task

FREQUENCIES, EMBEDDED = 8, 3
"""Waves that a number is seen through, and the numbers that are made of them beside itself."""

BATCH = 256
FIRST_LOOK = 0.2
"""Held-out rows are looked at from this share of the schedule on."""


class MlpSpec(Spec):
    """Size of the networks and length of their training."""

    members: int = Field(2, ge=1, le=32, description="networks, which learn side by side and are averaged")
    width: int = Field(128, ge=4, le=4096, description="units of a layer")
    layers: int = Field(2, ge=1, le=12, description="hidden layers")
    dropout: float = Field(0.15, ge=0, lt=1, description="share of units that are silent in a step")
    learning_rate: float = Field(0.04, gt=0, le=10, description="largest step; five times as large for values")
    weight_decay: float = Field(0.02, ge=0, le=10, description="pull of the weights towards zero, times the rate")
    epochs: int = Field(60, ge=1, le=10_000, description="passes over the rows; large tables take fewer")
    most_steps: int = Field(
        1_000, ge=1, description="most steps of 256 rows: large tables are passed fewer times, at least 8"
    )
    rounds: int | None = Field(None, ge=1, description="end after so many of the passes; unset: after the best one")


_FITS = {"running": 0, "threads": 1}
_GUARD = threading.Lock()


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Hold torch to one thread until the last of the fits that run side by side is done: its setting is of the whole
    process."""
    import torch

    with _GUARD:
        if not _FITS["running"]:
            _FITS["threads"] = torch.get_num_threads()
            torch.set_num_threads(1)
        _FITS["running"] += 1
    try:
        yield
    finally:
        with _GUARD:
            _FITS["running"] -= 1
            if not _FITS["running"]:
                torch.set_num_threads(_FITS["threads"])


@dataclass(frozen=True, eq=False)
class _Form:
    """Which columns are numbers (embedded) and which are flags of two values at most, `low` and `high`, beyond which
    none is taken; and what the networks give."""

    numbers: np.ndarray
    flags: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n_outputs: int
    is_values: bool


def fit(
    x: np.ndarray,
    y: np.ndarray,
    *,
    spec: MlpSpec,
    task: Task,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
    valid: Held | None = None,
) -> Fitted:
    """Perceptrons with the parametrisation, schedule and embeddings of RealMLP, several at once as one product.

    With `valid`, the best pass is kept, and `info["rounds"]` says which it was. Wants scaled features without gaps.
    One thread: folds run side by side. Raises `optional.missing` without the extra `deep`.

    References: Holzmueller, Grinsztajn and Steinwart (2024), "Better by default: strong pre-tuned MLPs and boosted
    trees on tabular data"; Gorishniy, Kotelnikov and Babenko (2025), "TabM: advancing tabular deep learning with
    parameter-efficient ensembling".

    >>> import numpy as np
    >>> from modelwright_runtime.signature import Task
    >>> x = np.linspace(-2, 2, 200, dtype=np.float32)[:, None]
    >>> fitted = fit(x, (abs(x[:, 0]) < 1).astype(int), spec=MlpSpec(epochs=30), rng=np.random.default_rng(0),
    ...     task=Task(kind="binary", target="y", classes=("out", "in")))
    >>> fitted.predict(np.array([[0.0], [1.8]], np.float32)).round().tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    import numpy as np

    need("torch", extra="deep", why="the model `mlp`")
    x, y, weights = weighted_rows(x, y, weights)
    present, position = present_classes(y) if task.is_classification else (None, y)
    if bool((y == y[0]).all()):
        return fit_constant(x, y, weights=weights, spec=ConstantSpec(), task=task, rng=rng)
    unit = (0.0, 1.0) if task.is_classification else unit_of(y)
    low, high = x.min(axis=0), x.max(axis=0)
    is_flag = ((x == low) | (x == high)).all(axis=0)
    form = _Form(
        numbers=np.flatnonzero(~is_flag),
        flags=np.flatnonzero(is_flag),
        low=low[is_flag],
        high=high[is_flag],
        n_outputs=1 if present is None else len(present),
        is_values=present is None,
    )
    truth = ((position - unit[0]) / unit[1]).astype(np.float32) if present is None else position
    held = None if valid is None else _held(valid, present, unit)
    with _one_thread():
        learned, rounds = _learn(x, truth, weights, spec, form, integer_seed(rng), held)
    bounds = (float(truth.min()), float(truth.max())) if present is None else (0.0, 1.0)
    return _fitted(learned, form, present, task, unit, bounds, rounds)


def _held(
    valid: Held, present: np.ndarray | None, unit: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Held-out rows; those of a class that training does not have cannot be scored."""
    import numpy as np

    weights = np.ones(len(valid.y)) if valid.weights is None else valid.weights
    if present is None:
        return valid.x, ((valid.y - unit[0]) / unit[1]).astype(np.float32), weights
    known = np.isin(valid.y, present)
    return valid.x[known], np.searchsorted(present, valid.y[known]), weights[known]


def _learn(
    x: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    spec: MlpSpec,
    form: _Form,
    seed: int,
    held: tuple[np.ndarray, np.ndarray, np.ndarray] | None,
) -> tuple[dict[str, np.ndarray], int]:
    """The weights after the best pass, or after `spec.rounds`, and how many passes that were."""
    import torch

    random = torch.Generator().manual_seed(seed)
    net = {name: value.requires_grad_() for name, value in _begin(spec, form, random).items()}
    optimizer = torch.optim.AdamW(_groups(net, spec, form), betas=(0.9, 0.95), eps=1e-8, fused=True)
    rates = [group["lr"] for group in optimizer.param_groups]
    rows, truth, share = torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(weights.astype("float32"))
    size = min(BATCH, len(rows))
    n_batches = max(1, len(rows) // size)
    n_epochs = max(min(spec.epochs, spec.most_steps // n_batches), 8, spec.rounds or 1)
    kept, best, at = net, math.inf, 0
    for epoch in range(spec.rounds or n_epochs):
        order = torch.randperm(len(rows), generator=random)
        for number in range(n_batches):
            done = (epoch + number / n_batches) / n_epochs
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * _cycle(done)
            some = order[number * size : (number + 1) * size]
            noise = (spec.dropout * _fading(done), random)
            loss = _loss(_forward(net, rows[some], form, noise), truth[some], share[some], form)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        if held is not None and epoch >= FIRST_LOOK * n_epochs - 1:
            judged = _judged(net, held, form)
            if judged < best:
                best, at = judged, epoch + 1
                kept = {name: value.detach().clone() for name, value in net.items()}
    learned = {name: value.detach().numpy().copy() for name, value in kept.items()}
    return learned, at or (spec.rounds or n_epochs)


def _cycle(done: float) -> float:
    """Four rising and falling waves, each longer than the last, which end at 0."""
    return 0.5 * (1.0 - math.cos(2.0 * math.pi * math.log2(1.0 + 15.0 * done)))


def _fading(done: float) -> float:
    """1 for half of the time, then falling to 0."""
    return 1.0 if done < 0.5 else 0.5 * (1.0 + math.cos(math.pi * (2.0 * done - 1.0)))


def _begin(spec: MlpSpec, form: _Form, random: Any) -> dict[str, Any]:
    """First weights; the last layer begins at 0, so that the first answer is the same for all rows."""
    import torch

    def normal(*shape: int) -> Any:
        return torch.randn(*shape, generator=random)

    n_numbers = len(form.numbers)
    net = {
        "wave": normal(n_numbers, 1, FREQUENCIES) * 0.2 * math.pi,
        "phase": (torch.rand(n_numbers, 1, FREQUENCIES, generator=random) * 2 - 1) * math.pi,
        "mix": normal(n_numbers, FREQUENCIES, EMBEDDED) / math.sqrt(FREQUENCIES),
        "shift": normal(n_numbers, 1, EMBEDDED) * 0.1,
    }
    width = n_numbers * (1 + EMBEDDED) + len(form.flags)
    net["scale"] = torch.ones(spec.members, 1, width)
    sizes = [width, *[spec.width] * spec.layers, form.n_outputs]
    for number, (before, after) in enumerate(zip(sizes, sizes[1:], strict=False)):
        last = number == spec.layers
        net[f"weight {number}"] = normal(spec.members, before, after) * (0.0 if last else 1.0)
        net[f"bias {number}"] = normal(spec.members, 1, after) * (0.0 if last else 1.0)
    return net


def _groups(net: Mapping[str, Any], spec: MlpSpec, form: _Form) -> list[dict[str, Any]]:
    """A rate for each tensor: scales learn faster, biases and waves slower, and biases are not drawn to 0."""
    rate = spec.learning_rate * (5.0 if form.is_values else 1.0)
    factors = {"scale": 6.0, "bias": 0.1, "wave": 0.1, "phase": 0.1, "shift": 0.1}
    groups = []
    for name, value in net.items():
        kind = name.split()[0]
        free = kind in ("bias", "phase", "shift")
        groups.append(
            {"params": [value], "lr": rate * factors.get(kind, 1.0), "weight_decay": 0.0 if free else spec.weight_decay}
        )
    return groups


def _forward(net: Mapping[str, Any], x: Any, form: _Form, noise: tuple[float, Any] | None = None) -> Any:
    """What each member says of the rows `x` (n, d): a tensor (members, n, n_outputs)."""
    import torch

    numbers = x[:, form.numbers]
    numbers = numbers / torch.sqrt(1.0 + (numbers / 3.0) ** 2)
    waves = torch.cos(numbers.T.unsqueeze(2) * net["wave"] + net["phase"])
    embedded = (torch.bmm(waves, net["mix"]) + net["shift"]).transpose(0, 1).flatten(1)
    flags = x[:, form.flags].clip(torch.from_numpy(form.low), torch.from_numpy(form.high))
    h = torch.cat([numbers, embedded, flags], dim=1) * net["scale"]
    n_layers = sum(name.startswith("weight") for name in net)
    for number in range(n_layers):
        weight, bias = net[f"weight {number}"], net[f"bias {number}"]
        h = torch.baddbmm(bias, h, weight, alpha=1.0 / math.sqrt(weight.shape[1]))
        if number < n_layers - 1:
            h = torch.nn.functional.mish(h) if form.is_values else torch.nn.functional.selu(h)
            if noise is not None and noise[0] > 0:
                h = h * (torch.rand(h.shape, generator=noise[1]) >= noise[0]) / (1.0 - noise[0])
    return h


def _loss(said: Any, truth: Any, weights: Any, form: _Form) -> Any:
    """The sum of the members' losses: each learns as if it were alone."""
    import torch

    if form.is_values:
        return (((said[..., 0] - truth) ** 2) * weights).mean(dim=1).sum()
    losses = torch.nn.functional.cross_entropy(
        said.flatten(0, 1), truth.repeat(len(said)), reduction="none"
    ) * weights.repeat(len(said))
    return losses.mean() * len(said)


def _judged(net: Mapping[str, Any], held: tuple[np.ndarray, np.ndarray, np.ndarray], form: _Form) -> float:
    """Loss of the members' mean on held-out rows."""
    import numpy as np

    x, truth, weights = held
    mean = _mean(net, x, form)
    if form.is_values:
        return float(np.average((mean[:, 0] - truth) ** 2, weights=weights))
    return float(-np.average(np.log(mean[np.arange(len(truth)), truth].clip(1e-7)), weights=weights))


def _mean(net: Mapping[str, Any], x: np.ndarray, form: _Form) -> np.ndarray:
    """The members' mean: probabilities or standardised values, float64 of shape (n, n_outputs)."""
    import numpy as np
    import torch

    parts = [np.empty((0, form.n_outputs))]
    with torch.no_grad():
        for at in range(0, len(x), 8192):
            said = _forward(net, torch.from_numpy(x[at : at + 8192]), form)
            said = said if form.is_values else torch.softmax(said, dim=2)
            parts.append(said.mean(dim=0).double().numpy())
    return np.concatenate(parts)


def _fitted(
    learned: dict[str, np.ndarray],
    form: _Form,
    present: np.ndarray | None,
    task: Task,
    unit: tuple[float, float],
    bounds: tuple[float, float],
    rounds: int,
) -> Fitted:
    import numpy as np
    import torch

    from modelwright.core.values import Fitted

    net = {name: torch.from_numpy(value) for name, value in learned.items()}

    def predict(x: np.ndarray) -> np.ndarray:
        mean = _mean(net, np.ascontiguousarray(x, dtype=np.float32), form)
        if present is None:
            values: np.ndarray = mean[:, 0].clip(*bounds) * unit[1] + unit[0]
            return values
        return spread(mean, present, len(task.classes))

    def emit(graph: Graph, x: str) -> str:
        mean = _emit(graph, x, learned, form)
        if present is None:
            values = graph.tensor(graph.tensor(mean).cast("float64")).clip(*bounds)
            return emit_column(graph, (values * unit[1] + unit[0]).name)
        return emit_spread(graph, graph.tensor(mean).cast("float64"), present, len(task.classes))

    return Fitted(
        predict=predict,
        emit=emit,
        n_units=rounds,
        n_cells_per_row=len(form.numbers) * FREQUENCIES + learned["scale"].shape[0] * learned["scale"].shape[2],
        info={"rounds": rounds},
    )


def _emit(graph: Graph, x: str, net: Mapping[str, np.ndarray], form: _Form) -> str:
    """`_mean` as nodes: a float32 tensor (n, n_outputs)."""
    import numpy as np

    def constant(value: Any) -> str:
        return graph.constant(np.asarray(value, dtype=np.float32), "float32")

    def integers(values: Any) -> str:
        return graph.constant(np.asarray(values, dtype=np.int64), "int64")

    parts = []
    if len(form.numbers):
        numbers = graph.node("Gather", x, integers(form.numbers), axis=1)
        third = graph.node("Div", numbers, constant(3.0))
        root = graph.node("Sqrt", graph.node("Add", graph.node("Mul", third, third), constant(1.0)))
        numbers = graph.node("Div", numbers, root)
        across = graph.node("Unsqueeze", graph.node("Transpose", numbers, perm=[1, 0]), integers([2]))
        angle = graph.node("Add", graph.node("Mul", across, constant(net["wave"])), constant(net["phase"]))
        mixed = graph.node("MatMul", graph.node("Cos", angle), constant(net["mix"]))
        made = graph.node("Transpose", graph.node("Add", mixed, constant(net["shift"])), perm=[1, 0, 2])
        n_made = len(form.numbers) * EMBEDDED
        parts += [numbers, graph.node("Reshape", made, integers([-1, n_made]))]
    if len(form.flags):
        flags = graph.node("Gather", x, integers(form.flags), axis=1)
        parts.append(graph.node("Min", graph.node("Max", flags, constant(form.low[None])), constant(form.high[None])))
    seen = parts[0] if len(parts) == 1 else graph.node("Concat", *parts, axis=1)
    n_layers = sum(name.startswith("weight") for name in net)
    told = []
    for member in range(len(net["scale"])):
        # the scale of each column is part of the first layer
        first = net["weight 0"][member] * net["scale"][member].T
        h = seen
        for number in range(n_layers):
            weight = (first if number == 0 else net[f"weight {number}"][member]) / math.sqrt(
                net[f"weight {number}"].shape[1]
            )
            h = graph.node("Add", graph.node("MatMul", h, constant(weight)), constant(net[f"bias {number}"][member]))
            if number < n_layers - 1:
                h = _activated(graph, h, form)
        told.append(h if form.is_values else graph.node("Softmax", h, axis=1))
    total = told[0]
    for one in told[1:]:
        total = graph.node("Add", total, one)
    return graph.node("Mul", total, constant(1.0 / len(told)))


def _activated(graph: Graph, h: str, form: _Form) -> str:
    """SELU for classes; mish, x tanh(log(1 + e^x)), for values."""
    if not form.is_values:
        return graph.node("Selu", h)
    return graph.node("Mul", h, graph.node("Tanh", graph.node("Softplus", h)))


def _units(spec: MlpSpec, task: Task, n_rows: int, n_columns: int) -> float:
    n_batches = max(1, n_rows // BATCH)
    n_epochs = spec.rounds or max(8, min(spec.epochs, spec.most_steps // n_batches))
    width = n_columns * (1 + EMBEDDED)
    products = spec.members * (width * spec.width + (spec.layers - 1) * spec.width**2 + spec.width * n_outputs(task))
    return float(n_batches * n_epochs * (3000 + min(BATCH, n_rows) * (products * 1.6e-4 + n_columns * 0.02)))


MODEL = Model(
    name="mlp",
    fit=fit,
    spec=MlpSpec,
    preset="scaled",
    order=5,
    needs=("torch", "deep"),
    variants=({}, {"width": 256, "most_steps": 4_000}, {"layers": 3, "members": 4, "dropout": 0.3}),
    space={
        "width": {"low": 64, "high": 256, "integer": True, "log": True},
        "layers": {"low": 1, "high": 4, "integer": True},
        "dropout": {"low": 0.0, "high": 0.5},
        "learning_rate": {"low": 0.01, "high": 0.1, "log": True},
        "weight_decay": {"low": 0.002, "high": 0.2, "log": True},
    },
    suits=lambda task, n_rows, n_columns: n_rows >= 20 and n_columns <= 2_000,
    units=_units,
)
