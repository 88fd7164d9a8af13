"""One case run: with the doctor looking on, and with its help."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import reduce
from typing import Any

import torch
from torch.nn import functional

from benchmarks.doctor.autotrainer import AutoTrainer
from benchmarks.doctor.cases import Case
from benchmarks.doctor.networks import Plan, build, mended
from modelwright.training.doctor.care import care
from modelwright.training.doctor.examine import examine
from modelwright.training.doctor.observer import Doctor
from modelwright.training.doctor.preflight import verdicts_of
from modelwright.training.loop.examples import Examples
from modelwright.training.loop.fit import Fit, Observer, fit


@dataclass
class Record:
    """What came of one case. Steps are -1 before the first step. `told` are (step, fault, confidence)."""

    name: str
    fault: str
    mechanism: str
    half: str
    family: str
    n_steps: int
    told: list[tuple[int, str, float]] = field(default_factory=list)
    autotrainer: list[tuple[int, str]] = field(default_factory=list)
    score: float = 0.0  # untreated
    healthy: float | None = None
    healed: float | None = None
    trials: list[dict[str, Any]] = field(default_factory=list)
    cpu_s: float = 0.0

    def to_plain(self) -> dict[str, Any]:
        """For a file."""
        return asdict(self)


def assess(case: Case, *, heal: bool) -> Record:
    """Run a case with the doctor and AutoTrainer looking on; a spoiled one also healthy, and in care."""
    began = time.process_time()
    train, validation, _ = rows_of(case)
    record = Record(case.name, case.fault, case.mechanism, case.half, case.plan.family, case.spec.max_steps or 0)
    facts = examine(build(case.plan, case.problem), train, objective_of(case), validation=validation,
                    batch_size=case.spec.batch_size, seed=case.number)  # fmt: skip
    before = verdicts_of(facts)
    doctor, other = Doctor(facts, before), AutoTrainer(-(-train.n_rows // case.spec.batch_size))
    record.score = run_plain(case, (doctor, other))
    verdicts = [*before, *doctor.verdicts]
    record.told = [(verdict.step, verdict.fault, round(verdict.confidence, 3)) for verdict in verdicts]
    record.autotrainer = other.found
    if case.healthy is not None and heal:
        record.healthy = run_plain(case.healthy)
        record.healed, record.trials = run_in_care(case)
    record.cpu_s = time.process_time() - began
    return record


def run_plain(case: Case, observers: tuple[Observer, ...] = ()) -> float:
    """Train a case as it is; the score of the finished network."""
    return judged(case, plain_fit(case, observers).network)


def plain_fit(case: Case, observers: tuple[Observer, ...] = ()) -> Fit:
    """A case trained as it is."""
    train, validation, _ = rows_of(case)
    return fit(
        build(case.plan, case.problem), train, case.spec, objective=objective_of(case), validation=validation,
        score=score_of(case), observers=observers, seed=case.number,
    )  # fmt: skip


def run_in_care(case: Case) -> tuple[float, list[dict[str, Any]]]:
    """Train a case with the doctor healing; the score of the finished network, and the trials."""
    run = care_of(case)
    trials = [dict(event) for event in run.history if event["event"] == "trial"]
    return judged(case, run.network), trials


def care_of(case: Case) -> Fit:
    """A case trained with the doctor healing."""
    train, validation, _ = rows_of(case)

    def built(changes: tuple[Any, ...]) -> torch.nn.Module | None:
        plan = reduce(lambda plan, change: plan and mended(plan, change), changes, _maybe(case.plan))
        return build(plan, case.problem) if plan is not None else None

    return care(built, train, case.spec, objective=objective_of(case), validation=validation, score=score_of(case),
                seed=case.number)  # fmt: skip


def _maybe(plan: Plan) -> Plan | None:
    return plan


def judged(case: Case, network: torch.nn.Module) -> float:
    """The score of a network on rows it has not met; -1 where it answers with no number."""
    network.eval()
    with torch.no_grad():
        output = network(case.problem.x_test)
    if not bool(torch.isfinite(output).all()):
        return -1.0
    return score_of(case)((output,), (case.problem.y_test,))


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
