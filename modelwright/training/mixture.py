"""Two trained models as one: their answers' weighted mean, in one graph."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from modelwright.core.data import Decision
from modelwright.core.values import Trained
from modelwright.training.losses import CLASS_LOSSES, HIGHER_IS_BETTER, VALUE_LOSSES, as_score

if TYPE_CHECKING:
    import numpy as np

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
WORTH = 0.005  # of the loss: a mean of two costs twice the work of one


def mix(network: Trained, other: Trained, truth: np.ndarray) -> tuple[Trained, Decision]:
    """The network, the other model, or the mean of both: what validation rows that both have answered like best.

    `truth` holds class numbers or values of the rows of `validation`. A mean must be better than the better one
    alone by half a percent of its loss. The leaderboard has the lines of both.
    """
    import numpy as np

    first, second = network.validation, other.validation
    seen = ~np.isnan(first.reshape(len(first), -1)).any(1) & ~np.isnan(second.reshape(len(second), -1)).any(1)
    metric = network.leaderboard[0].metric
    loss = {**CLASS_LOSSES, **VALUE_LOSSES}[metric]
    weights = np.ones(int(seen.sum()))
    losses = {share: loss(truth[seen], share * first[seen] + (1 - share) * second[seen], weights) for share in SHARES}
    alone = min((0.0, 1.0), key=lambda share: losses[share])
    best = min(SHARES, key=lambda share: losses[share])
    if losses[best] > losses[alone] - WORTH * abs(losses[alone]):
        best = alone
    told = ", ".join(f"{share:.0%} network {as_score(metric, losses[share]):.4g}" for share in SHARES)
    reason = f"validation {metric}: {told}"
    choice = {0.0: "the other models", 1.0: "the network"}.get(best, f"{best:.0%} network, the rest other models")
    mixed = network if best == 1.0 else other if best == 0.0 else _joined(network, other, best)
    return replace(mixed, leaderboard=_board(network, other, best)), Decision("training", "mixture", choice, reason)


def _board(network: Trained, other: Trained, share: float) -> tuple[Any, ...]:
    """All lines, best first, each with its weight in what is kept."""
    lines = [replace(line, weight=line.weight * share) for line in network.leaderboard if line.model != "constant"]
    lines += [replace(line, weight=line.weight * (1 - share)) for line in other.leaderboard]
    sign = -1.0 if lines[0].metric in HIGHER_IS_BETTER else 1.0
    return tuple(sorted(lines, key=lambda line: sign * line.score))


def _joined(network: Trained, other: Trained, share: float) -> Trained:
    a, b = network.signature, other.signature
    readings = {reading.column: reading for reading in (*b.readings, *a.readings)}
    signature = replace(
        a,
        readings=tuple(readings.values()),
        numbers=b.numbers,
        categories=b.categories,
        texts=b.texts,
        levels={**b.levels, **a.levels},
        ranges={**b.ranges, **a.ranges},
        n_rows_at_once=min(a.n_rows_at_once, b.n_rows_at_once),
        threshold=b.threshold,
    )
    names = dict.fromkeys([*network.importance, *other.importance])
    return replace(
        network,
        graph=_mean_graph(network.graph, other.graph, share, "probabilities" if a.task.is_classification else "values"),
        signature=signature,
        validation=share * network.validation + (1 - share) * other.validation,
        importance={
            name: share * network.importance.get(name, 0.0) + (1 - share) * other.importance.get(name, 0.0)
            for name in names
        },
        decisions=(*network.decisions, *(line for line in other.decisions if line not in network.decisions)),
        parity=max(network.parity, other.parity),
        history=(*network.history, *other.history),
    )


def _mean_graph(first: bytes, second: bytes, share: float, name: str) -> bytes:
    """One graph of two that share no input: the weighted mean of their first outputs."""
    import onnx
    from onnx import helper

    models = [onnx.load_from_string(graph) for graph in (first, second)]
    for number, model in enumerate(models):
        _rename(model.graph, f"m{number}_")
    kind = models[0].graph.output[0].type.tensor_type.elem_type
    nodes = [node for model in models for node in model.graph.node]
    shares = [
        helper.make_tensor(f"share_{number}", kind, [], [value]) for number, value in enumerate((share, 1.0 - share))
    ]
    for number, model in enumerate(models):
        nodes.append(helper.make_node("Mul", [model.graph.output[0].name, f"share_{number}"], [f"part_{number}"]))
    nodes.append(helper.make_node("Add", ["part_0", "part_1"], [name]))
    output = helper.make_tensor_value_info(name, kind, _shape(models[0].graph.output[0]))
    body = helper.make_graph(
        nodes, "mixture", [item for model in models for item in model.graph.input], [output],
        [*(item for model in models for item in model.graph.initializer), *shares],
    )  # fmt: skip
    opsets: dict[str, int] = {}
    for model in models:
        for item in model.opset_import:
            opsets[item.domain] = max(opsets.get(item.domain, 0), item.version)
    made = helper.make_model(
        body,
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in sorted(opsets.items())],
        ir_version=min(model.ir_version for model in models),
        producer_name="modelwright",
    )
    onnx.checker.check_model(made)
    data: bytes = made.SerializeToString(deterministic=True)
    return data


def _shape(output: Any) -> list[Any]:
    return [axis.dim_value or None for axis in output.type.tensor_type.shape.dim]


def _rename(graph: Any, prefix: str) -> None:
    """Give every tensor but the inputs a name of its own."""
    inputs = {item.name for item in graph.input}

    def renamed(name: str) -> str:
        return name if not name or name in inputs else prefix + name

    for node in graph.node:
        node.name = prefix + node.name if node.name else ""
        node.input[:] = [renamed(name) for name in node.input]
        node.output[:] = [renamed(name) for name in node.output]
    for item in (*graph.initializer, *graph.output):
        item.name = renamed(item.name)
    del graph.value_info[:]
