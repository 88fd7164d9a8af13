"""A regression of the logarithm: for positive targets with a long tail. The graph turns it back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from modelwright.core import registry

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright.graph import Graph
    from modelwright.training.portfolio import Trial
    from modelwright_runtime.signature import Task

LARGEST_LOG = 80.0  # e to this is beyond any measured quantity, and far from overflow


def fit_maybe_log(
    trial: Trial,
    x: np.ndarray,
    y: np.ndarray,
    *,
    spec: Any,
    task: Task,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
    held: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
) -> Fitted:
    """Fit a candidate's model on the target, or on log(1 + target) when the candidate asks for it."""
    import numpy as np

    held_out = registry.verbs("models").Held
    if not trial.log:
        valid = None if held is None else held_out(*held)
        fitted: Fitted = trial.model.fit(x, y, spec=spec, task=task, rng=rng, weights=weights, valid=valid)
        return fitted
    valid = None if held is None else held_out(held[0], np.log1p(held[1]), held[2])
    inner: Fitted = trial.model.fit(x, np.log1p(y), spec=spec, task=task, rng=rng, weights=weights, valid=valid)
    return _turned_back(inner)


def _turned_back(inner: Fitted) -> Fitted:
    import numpy as np

    def predict(x: np.ndarray) -> np.ndarray:
        back: np.ndarray = np.exp(inner.predict(x).clip(-LARGEST_LOG, LARGEST_LOG)) - 1.0
        return back

    def emit(graph: Graph, x: str) -> str:
        return (graph.tensor(inner.emit(graph, x)).clip(-LARGEST_LOG, LARGEST_LOG).map("Exp") - 1.0).name

    return replace(inner, predict=predict, emit=emit)
