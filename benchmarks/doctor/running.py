"""One case run: with the doctor looking on, or with its help."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional

from benchmarks.doctor.cases import Case
from benchmarks.doctor.networks import build
from modelwright.training.loop.examples import Examples
from modelwright.training.loop.fit import Loop, Observer


@dataclass
class Result:
    """What came of a run."""

    case: str
    score: float
    verdicts: list[dict[str, Any]]
    cpu_s: float
    more: dict[str, Any] = field(default_factory=dict)


def objective_of(case: Case) -> Callable[..., torch.Tensor]:
    """Cross-entropy or squared error; weighted where rows have weights."""

    def objective(outputs: Any, targets: Any, weights: torch.Tensor | None) -> torch.Tensor:
        output, target = outputs[0], targets[0]
        if case.problem.n_classes:
            losses = functional.cross_entropy(output, target, reduction="none")
        else:
            losses = (output - target).square()
        return losses.mean() if weights is None else (losses * weights).sum() / weights.sum().clamp(min=1e-12)

    return objective


def score_of(case: Case) -> Callable[[Any, Any], float]:
    """Accuracy, or its mean over classes where they are unequal, or the explained share of the variance."""

    def score(outputs: Any, targets: Any) -> float:
        output, target = outputs[0], targets[0]
        if not case.problem.n_classes:
            value = 1.0 - float((output - target).square().mean() / target.var())
            return max(value, -1.0) if value == value else -1.0
        right = (output.argmax(1) == target).float()
        if not case.balanced:
            return float(right.mean())
        return float(torch.stack([right[target == kind].mean() for kind in target.unique()]).mean())

    return score


def rows_of(case: Case) -> tuple[Examples, Examples, Examples]:
    """Rows to train on, to validate on, to be judged on."""
    p = case.problem
    return (
        Examples((p.x,), (p.y,), case.weights),
        Examples((p.x_valid,), (p.y_valid,)),
        Examples((p.x_test,), (p.y_test,)),
    )


def loop_of(case: Case, observers: tuple[Observer, ...] = ()) -> Loop:
    """The training of a case, not begun."""
    train, validation, _ = rows_of(case)
    return Loop(
        build(case.plan, case.problem), train, case.spec, objective=objective_of(case), validation=validation,
        score=score_of(case), observers=observers, seed=case.number,
    )  # fmt: skip


def judged(case: Case, loop: Loop) -> float:
    """The score of the finished network on rows it has not met."""
    loop.finish()
    score = float(loop.evaluate(rows_of(case)[2])["score"])
    return score if score == score else -1.0


def run_plain(case: Case, observers: tuple[Observer, ...] = ()) -> Result:
    """Train a case as it is."""
    began = time.process_time()
    loop = loop_of(case, observers)
    loop.run()
    events = [event for event in loop.progress.history if event["event"] == "verdict"]
    return Result(case.name, judged(case, loop), events, time.process_time() - began)
