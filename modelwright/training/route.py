"""Which way a table is learned: by the models that libraries fit, by a network, or by both with the better kept."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from modelwright.core.data import Dataset, Decision
from modelwright.core.values import Splits, Trained, Watch

if TYPE_CHECKING:
    from modelwright.training.base import TrainSpec

NETWORK_KINDS = ("image", "audio", "series")
NETWORK_TARGETS = ("boxes", "mask", "labels", "series")


def route(data: Dataset, spec: TrainSpec) -> tuple[Literal["models", "network", "both"], str]:
    """The way that a typed table is learned, and the reason."""
    schema = data.schema
    kinds = {schema[name].kind for name in schema.features}
    media = sorted(kinds.intersection(NETWORK_KINDS))
    targets = schema.of_role("target")
    if media:
        return "network", f"columns of the kind {' and '.join(media)} are learned by a network"
    if any(schema[name].kind in NETWORK_TARGETS for name in targets):
        return "network", f"a target of the kind {schema[targets[0]].kind} is learned by a network"
    if len(targets) > 1:
        return "network", f"{len(targets)} targets are learned by one network with a head each"
    if spec.network == "off" or spec.models is not None:
        return "models", "asked for"
    if spec.network != "auto":
        return "network", "asked for"
    if kinds == {"text"} and importlib.util.find_spec("torch") is not None:
        return "both", "texts alone: words may be weighed or read in order, and validation tells which is better"
    return "models", "a table of numbers and categories"


def train_by(
    data: Dataset, splits: Splits, spec: TrainSpec, *, seed: int, watch: Watch, folder: Path | None
) -> Trained:
    """Train the way that `route` chooses; the choice is told."""
    way, reason = route(data, spec)
    if way == "models":
        return _by_models(data, splits, spec, seed=seed, watch=watch)
    from modelwright.core.optional import need
    from modelwright.training.network.base import train_network

    need("torch", extra="deep", why=reason)
    told = Decision("training", "way", way, reason)
    network = train_network(data, splits, spec, seed=seed, watch=watch, folder=folder)
    if way == "both":
        other = _by_models(data, splits, spec, seed=seed, watch=watch)
        network, more = _better(network, other)
        return replace(network, decisions=(told, more, *network.decisions))
    return replace(network, decisions=(told, *network.decisions))


def _by_models(data: Dataset, splits: Splits, spec: TrainSpec, *, seed: int, watch: Watch) -> Trained:
    from modelwright.training.search import search

    return search(data, splits, spec, seed=seed, watch=watch)


def _better(network: Trained, other: Trained) -> tuple[Trained, Decision]:
    """The one with the better validation score; the leaderboard has the lines of both."""
    from modelwright.training.losses import HIGHER_IS_BETTER

    first, second = network.leaderboard[0], other.leaderboard[0]
    joined = next(line for line in other.decisions if line.about == "model")
    higher = first.metric in HIGHER_IS_BETTER
    scores = {"network": first.score, "models": second.score}
    best = max(scores, key=lambda name: scores[name] if higher else -scores[name])
    kept, left = (network, other) if best == "network" else (other, network)
    lines = [line for line in left.leaderboard if line.model != "constant"]
    board = sorted(
        [*kept.leaderboard, *(replace(line, weight=0.0) for line in lines)],
        key=lambda line: -line.score if higher else line.score,
    )
    reason = f"validation {first.metric}: network {first.score:.4g}, {joined.choice} {second.score:.4g}"
    history = (*kept.history, *left.history)
    kept = replace(kept, leaderboard=tuple(board), history=history)
    return kept, Decision("training", "better way", best, reason)
