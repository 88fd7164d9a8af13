"""What a trained network answers: validation answers, their temperature, their score, and the graph's parity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.core.data import Dataset
from modelwright.core.rng import stream
from modelwright.core.values import Splits, Trained
from modelwright.training.loop.examples import Examples
from modelwright.training.losses import as_score, choose_metric
from modelwright.training.network.found import found_in

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from modelwright.core.use import Use
    from modelwright.training.network.arrays import Prepared
    from modelwright_runtime.signature import Task

PARITY_ROWS = 256
SHUFFLED_ROWS = 1_000
CENTRED_ROWS = 2_000


@dataclass(frozen=True, eq=False)
class Answers:
    """Per task: raw outputs, answers and the truth, both in the target's unit."""

    raw: tuple[np.ndarray, ...]
    given: tuple[np.ndarray, ...]
    truth: tuple[np.ndarray, ...]


def answers_of(network: nn.Module, rows: Examples, scales: Sequence[tuple[float, float] | None] = ()) -> Answers:
    """Ask a network about rows; `scales` say how targets of numbers were standardised."""
    import numpy as np
    import torch

    network.eval()
    device = next(network.parameters()).device
    raw, given = [], []
    with torch.no_grad():
        for batch in rows.slices(rows.at_once):
            outputs = network(*(array.to(device) for array in batch.inputs))
            raw.append([output.float().cpu().numpy() for output in outputs])
            given.append([answer.float().cpu().numpy() for answer in network.answers(outputs)])  # type: ignore[operator]
    truth = tuple(
        values if scale is None else values * scale[1] + scale[0]
        for values, scale in zip(map(_numpy, rows.targets), scales or [None] * len(rows.targets), strict=True)
    )
    return Answers(
        tuple(np.concatenate(parts) for parts in zip(*raw, strict=True)),
        tuple(np.concatenate(parts) for parts in zip(*given, strict=True)),
        truth,
    )


def calibrate(network: nn.Module, tasks: Sequence[Task], answers: Sequence[Answers]) -> nn.Module:
    """Give each head of classes the temperature at which its validation answers are least surprised.

    Reference: Guo et al. (2017), "On calibration of modern neural networks".
    """
    import numpy as np

    for index, task in enumerate(tasks):
        if task.is_classification:
            logits = np.concatenate([one.raw[index] for one in answers]).astype(np.float64)
            truth = np.concatenate([one.truth[index] for one in answers])
            network.set_temperature(task.target, best_temperature(logits[truth >= 0], truth[truth >= 0]))  # type: ignore[operator]
    return network


def tempered(tasks: Sequence[Task], answers: Sequence[Answers]) -> list[Answers]:
    """The answers as the network gives them once it is calibrated: what thresholds are chosen on."""
    import numpy as np
    from scipy.special import softmax

    given = [list(one.given) for one in answers]
    for index, task in enumerate(tasks):
        if task.is_classification:
            logits = [_pair(one.raw[index].astype(np.float64)) for one in answers]
            truth = np.concatenate([one.truth[index] for one in answers])
            whole = np.concatenate(logits)
            temperature = best_temperature(whole[truth >= 0], truth[truth >= 0])
            for parts, part in zip(given, logits, strict=True):
                parts[index] = softmax(part / temperature, axis=1)
    return [Answers(one.raw, tuple(parts), one.truth) for one, parts in zip(answers, given, strict=True)]


def _pair(logits: np.ndarray) -> np.ndarray:
    """One logit of two classes as a pair."""
    import numpy as np

    return np.hstack([np.zeros_like(logits), logits]) if logits.shape[1] == 1 else logits


def centre(network: nn.Module, prepared: Prepared, losses: Mapping[str, Use]) -> nn.Module:
    """Shift the answers for numbers, in place, so that on training rows as they are they are right on average.

    A network learns from rows that are changed on the way (words left out, pictures moved): of whole rows its answers
    are then too high or too low throughout. Only where the mean was learned: by the squared error.
    """
    import numpy as np
    import torch

    means = [
        number
        for number, task in enumerate(prepared.tasks)
        if task.kind == "regression" and (task.target not in losses or losses[task.target].method == "mse")
    ]
    if not means:
        return network
    n_rows = prepared.fit.n_rows
    some = torch.from_numpy(np.linspace(0, n_rows - 1, min(n_rows, CENTRED_ROWS)).astype(np.int64))
    rows = prepared.fit.rows(some)
    answers = answers_of(network, Examples(rows.inputs, rows.targets, rows.weights), prepared.scales)
    weights = None if rows.weights is None else rows.weights.numpy()
    for number in means:
        given, truth, (middle, scale) = answers.given[number], answers.truth[number], prepared.scales[number] or (0, 1)
        known = np.isfinite(truth)
        if given.ndim == 1 and known.any():
            gap = np.average((truth - given)[known], weights=None if weights is None else weights[known])
            network.set_scale(prepared.tasks[number].target, middle + float(gap), scale)  # type: ignore[operator]
    return network


def best_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The divisor of logits (n, K) with the least log loss; between 0.05 and 20.

    One wrong answer in n + 2 is taken for granted: where all n are right, nothing else would limit how sure the network
    may be. Reference: Platt (1999), "Probabilistic outputs for support vector machines", for such targets.

    >>> import numpy as np
    >>> sure = np.array([[9.0, 0.0], [9.0, 0.0], [0.0, 9.0], [9.0, 0.0]])
    >>> best_temperature(sure, np.array([0, 0, 1, 1])) > 2
    True
    """
    import numpy as np
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    logits = _pair(logits)

    def surprise(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        of_truth = scaled[np.arange(len(truth)), truth]
        of_others = (scaled.sum(axis=1) - of_truth) / (scaled.shape[1] - 1)
        return float(-((1 - doubt) * of_truth + doubt * of_others).mean())

    doubt = 1.0 / (len(truth) + 2)
    found = minimize_scalar(surprise, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    return float(np.exp(found.x))


def metric_of(task: Task, asked: str) -> str:
    """The name of what the leaderboard is ordered by."""
    if task.is_classification or task.kind == "regression":
        return choose_metric(asked, task)[0]
    return {"multilabel": "log_loss", "forecast": "rmse", "detection": "map50", "segmentation": "dice"}[task.kind]


def judge(metric: str, truth: np.ndarray, given: np.ndarray, weights: np.ndarray) -> float:
    """The metric's value on validation answers."""
    import numpy as np

    from modelwright.training.losses import CLASS_LOSSES, VALUE_LOSSES

    if metric == "map50":
        return found_in(truth, given, given.shape[2] - 4).average_precision()
    if metric == "dice":
        predicted = given.argmax(1)
        both = (predicted > 0) & (truth > 0)
        return float(2 * both.sum() / max((predicted > 0).sum() + (truth > 0).sum(), 1))
    if truth.ndim > 1 and metric == "log_loss":
        sure = given.clip(1e-7, 1 - 1e-7)
        return float(-(truth * np.log(sure) + (1 - truth) * np.log(1 - sure)).mean())
    if truth.ndim > 1:
        return float(np.sqrt(np.mean((given - truth) ** 2)))
    return as_score(metric, {**CLASS_LOSSES, **VALUE_LOSSES}[metric](truth, given, weights))


def importance_of(network: nn.Module, prepared: Prepared, seed: int) -> dict[str, float]:
    """Share of each column in what shuffling it costs on validation rows; one column alone has it all."""
    import numpy as np
    import torch

    from modelwright.training.network.score import score_of

    columns = [(index, name) for index, array in enumerate(prepared.inputs)
               for name in dict.fromkeys(array.columns)]  # fmt: skip
    if len(columns) == 1:
        return {columns[0][1]: 1.0}
    rng = stream(seed, "training", "importance")
    some = np.sort(rng.permutation(prepared.validation.n_rows)[:SHUFFLED_ROWS])
    batch = prepared.validation.rows(torch.from_numpy(some))
    score = score_of(prepared.tasks)
    if score is None:
        return {name: 1.0 / len(columns) for _, name in columns}

    def scored(inputs: Sequence[Any]) -> float:
        network.eval()
        with torch.no_grad():
            outputs = network(*inputs)
        return score(tuple(output.float() for output in outputs), batch.targets)

    base, order = scored(batch.inputs), torch.from_numpy(rng.permutation(len(some)))
    cost = {name: max(0.0, base - scored(_shuffled(batch.inputs, prepared, index, name, order)))
            for index, name in columns}  # fmt: skip
    total = sum(cost.values())
    return {name: value / total if total > 0 else 0.0 for name, value in cost.items()}


def _shuffled(inputs: Sequence[Any], prepared: Prepared, index: int, name: str, order: Any) -> list[Any]:
    array, made = prepared.inputs[index], list(inputs)
    if set(array.columns) == {name}:
        made[index] = made[index][order]
    else:
        places = [place for place, column in enumerate(array.columns) if column == name]
        made[index] = made[index].clone()
        made[index][:, places] = made[index][order][:, places]
    return made


def parity_of(trained: Trained, network: nn.Module, prepared: Prepared, data: Dataset, splits: Splits) -> float:
    """The largest difference between graph and network, over some training and some held-out rows."""
    import torch

    from modelwright.training.network.arrays import made_of
    from modelwright_runtime.model import largest_difference

    differences = [0.0]
    for ids in (splits.train[:PARITY_ROWS], splits.test[:PARITY_ROWS]):
        rows = data.take(ids)
        if not rows.n_rows:
            continue
        arrays = tuple(torch.as_tensor(made_of(rows, array)) for array in prepared.inputs)
        examples = Examples(arrays, (torch.zeros(rows.n_rows),))
        own, given = answers_of(network, examples).given[0], trained.predict(rows)
        relative = prepared.tasks[0].kind in ("regression", "forecast")
        differences.append(largest_difference(given.astype("float64"), own.astype("float64"), relative=relative))
    return max(differences)


def _numpy(target: Any) -> np.ndarray:
    array: np.ndarray = target.numpy() if hasattr(target, "numpy") else target
    return array
