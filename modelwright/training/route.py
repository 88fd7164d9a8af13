"""Which way a table is learned: by the models that libraries fit, by a network, or by both with the better kept."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from modelwright.core.data import ROW_ID, Dataset, Decision
from modelwright.core.values import Splits, Trained, Watch
from modelwright.training.answering.afterwards import afterwards, asks, refuse_objective, unasked
from modelwright.training.mixture import mix

if TYPE_CHECKING:
    import numpy as np

    from modelwright.training.base import TrainSpec
    from modelwright_runtime.signature import Task

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
    if len(targets) > 1 and spec.network not in ("auto", "off"):
        return "network", f"asked for: {len(targets)} targets are learned by one network with a head each"
    has_torch = importlib.util.find_spec("torch") is not None
    if len(targets) > 1 and kinds == {"text"} and has_torch and spec.models is None and spec.network == "auto":
        return "network", f"texts: {len(targets)} targets are learned by one network with a head each"
    if len(targets) > 1:
        return "models", f"{len(targets)} targets of a table: a search for each"
    if spec.network == "off" or spec.models is not None:
        return "models", "asked for"
    if spec.network != "auto":
        return "network", "asked for"
    if kinds == {"text"} and has_torch:
        return "both", "texts alone: words may be weighed or read in order, and validation tells which is better"
    return "models", "a table of numbers and categories"


def train_by(
    data: Dataset,
    splits: Splits,
    spec: TrainSpec,
    *,
    seed: int,
    watch: Watch,
    folder: Path | None,
    kept: Path | None = None,
) -> Trained:
    """Train the way that `route` chooses; the choice is told."""
    way, reason = route(data, spec)
    if way == "both" and spec.objective is not None:
        way, reason = "models", "an objective other than the mean is learned by models that libraries fit"
    if way == "models":
        return _by_models(data, splits, spec, seed=seed, watch=watch, kept=kept)
    from modelwright.core.optional import need
    from modelwright.training.network.base import train_network

    need("torch", extra="deep", why=reason)
    refuse_objective(spec, reason)
    told, plain = [Decision("training", "way", way, reason)], unasked(spec)
    made = train_network(data, splits, plain, seed=seed, watch=watch, folder=folder)
    if way == "both":
        other = _by_models(data, splits, plain, seed=seed, watch=watch, kept=kept)
        made, more = mix(made, other, _truth(data, splits, plain)[1])
        told.append(more)
    if asks(spec, made.task):
        made = afterwards(made, *_truth(data, splits, spec), splits.folds, spec, seed=seed)
    return replace(made, decisions=(*told, *made.decisions))


def _truth(data: Dataset, splits: Splits, spec: TrainSpec) -> tuple[Task, np.ndarray]:
    """The first target: its task, and the truth of the training rows, in the order of `splits.train`."""
    import numpy as np

    from modelwright.training.problem import read_target

    rows = data.take(splits.train)
    frame = rows.frame.sort(ROW_ID)
    name = data.schema.target
    assert name is not None
    task, y, _ = read_target(Dataset(frame.lazy(), data.schema, frame.height), spec, name)
    return task, y[np.searchsorted(np.sort(splits.train), splits.train)]


def _by_models(
    data: Dataset, splits: Splits, spec: TrainSpec, *, seed: int, watch: Watch, kept: Path | None
) -> Trained:
    from modelwright.training.search import search

    return search(data, splits, spec, seed=seed, watch=watch, kept=kept)
