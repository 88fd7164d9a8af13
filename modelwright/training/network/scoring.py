"""A network's loss on validation rows, and what is heard on the way: the training without its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelwright.training.network.answers import Answers, answers_of, best_temperature, judge, metric_of
from modelwright.training.network.base import FOLDS_BELOW_ROWS, _learn, _read
from modelwright.training.network.spec import DeepSpec
from modelwright.training.scoring import is_higher_better

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.data import Dataset
    from modelwright.core.values import Splits
    from modelwright.training.base import TrainSpec
    from modelwright_runtime.signature import Task


class _EnoughError(Exception):
    """Nobody wants the rest of this training."""


def loss_of(data: Dataset, splits: Splits, spec: TrainSpec, *, seed: int, report: Callable[[float], bool]) -> float:
    """Train on the folds that `train_network` would validate, with the same seeds, and judge the answers.

    Of several folds `report` hears the loss after each but the last, of one fold how much its score lacks at each
    validation. Class probabilities are tempered, as they will be. The doctor is not asked unless it is to heal.
    """
    deep = spec.network if isinstance(spec.network, DeepSpec) else DeepSpec()
    spec = spec.but(network=deep if deep.doctor == "heal" else deep.but(doctor="off"))
    n_folds, heard = 0, []

    def watch(event: Mapping[str, Any]) -> None:
        if n_folds == 1 and event["event"] == "validation" and event.get("score") is not None:
            heard.append(-float(event["score"]))
            if report(heard[-1]):
                raise _EnoughError

    task = _read(data, splits, spec, seed=seed, watch=watch, folder=None)
    places = {task.rows.schema[name].kind for name in task.rows.schema.of_role("target")} & {"boxes", "mask"}
    few = task.rows.n_rows < FOLDS_BELOW_ROWS and not places
    pairs = task.pairs if few else (task.pairs[-1] if splits.ordered else task.pairs[0],)
    n_folds, answers, loss = len(pairs), list[Answers](), float("inf")
    for number, (fit_rows, valid_rows) in enumerate(pairs):
        try:
            one = _learn(task, fit_rows, valid_rows, f"fold-{number}")
        except _EnoughError:
            return heard[-1]
        answers.append(answers_of(one.network, one.prepared.validation, one.prepared.scales))
        weights = None if task.weights is None else [task.weights[valid] for _, valid in pairs[: number + 1]]
        loss = _judged(one.prepared.tasks[0], spec.metric, answers, weights)
        if number + 1 < n_folds and report(loss):
            return loss
    return loss


def _judged(aim: Task, asked: str, answers: Sequence[Answers], weights: Sequence[np.ndarray] | None) -> float:
    import numpy as np

    truth = np.concatenate([one.truth[0] for one in answers])
    given = np.concatenate([one.given[0] for one in answers])
    metric = metric_of(aim, asked)
    if aim.is_classification:
        given = _tempered(np.concatenate([one.raw[0] for one in answers]).astype(np.float64), truth)
    heavy = np.ones(len(truth)) if weights is None else np.concatenate(weights).astype(np.float64)
    value = judge(metric, truth, given, heavy)
    return 1.0 - value if is_higher_better(metric) else value


def _tempered(logits: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Probabilities at the temperature that training would give the network."""
    import numpy as np
    from scipy.special import softmax

    wide = np.hstack([np.zeros_like(logits), logits]) if logits.shape[1] == 1 else logits
    known = truth >= 0
    probabilities: np.ndarray = softmax(wide / best_temperature(logits[known], truth[known]), axis=1)
    return probabilities
