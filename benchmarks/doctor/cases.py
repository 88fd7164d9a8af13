"""Healthy trainings, and twelve and two faults put into them: which, how hard and where is drawn by named seeds.

There are two halves. Rules were written with the development half alone; the held-out half has other draws
of everything, and some mechanisms that the development half does not have at all (`HELD_OUT`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from benchmarks.doctor.data import PROBLEMS, Problem, problem
from benchmarks.doctor.networks import Plan
from modelwright.core.rng import stream
from modelwright.training.loop.spec import LoopSpec

FAMILIES = ("mlp", "cnn", "lstm", "transformer")
N_STEPS = 240
RATES = {"mlp": 0.008, "cnn": 0.008, "lstm": 0.01, "transformer": 0.004}


@dataclass(frozen=True)
class Case:
    """One training: rows, network, settings. `fault` is "" when nothing was spoiled."""

    fault: str
    mechanism: str
    half: str
    number: int
    problem: Problem
    plan: Plan
    spec: LoopSpec
    weights: torch.Tensor | None = None
    balanced: bool = False
    severity: float = 0.0
    healthy: Case | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Fault, half and number."""
        return f"{self.fault or 'healthy'}/{self.half}/{self.number}"


Draw = np.random.Generator


def healthy_case(half: str, number: int, family: str, *, rng: Draw, name: str | None = None) -> Case:
    """A training as a careful person would set it up; settings vary within what works."""
    makes = PROBLEMS[family]
    name = name or makes[int(rng.integers(len(makes)))].__name__
    made = problem(name, int(rng.integers(1000)))
    activation = str(rng.choice(["relu", "relu", "gelu", "tanh"]))
    plan = Plan(
        family,
        width=int(rng.choice([24, 32, 48])),
        depth=2 if family != "lstm" else 1,
        activation="relu" if family == "cnn" and activation == "tanh" else activation,
        norm=bool(rng.random() < 0.4) or family == "cnn",
        dropout=float(rng.choice([0.0, 0.0, 0.1])),
        seed=int(rng.integers(2**31)),
    )
    rate = RATES[family] * 10 ** rng.uniform(-0.2, 0.2)
    schedule = str(rng.choice(["one_cycle", "cosine", "linear", "constant"]))
    momentum = family in ("mlp", "cnn") and made.n_classes > 0 and rng.random() < 0.3
    optimizer = {"sgd": {"learning_rate": 0.06 * 10 ** rng.uniform(-0.2, 0.2), "momentum": 0.9}} if momentum else {
        "adamw": {"learning_rate": rate}}  # fmt: skip
    spec = LoopSpec(
        max_steps=N_STEPS, batch_size=int(rng.choice([24, 32, 48])), optimizer=optimizer, schedule=schedule,
        device="cpu", precision="fp32",
    )  # fmt: skip
    return Case("", "", half, number, made, plan, spec)


# Faults: each takes a healthy case and gives it spoiled, with the mechanism's name and how hard ----------------------

Spoil = Callable[[Case, str, Draw], Case]


def _rate_times(case: Case, times: float) -> LoopSpec:
    use = case.spec.optimizer
    settings = {**use.settings, "learning_rate": use.settings["learning_rate"] * times}
    return case.spec.but(optimizer={use.method: settings})


def rate_high(case: Case, mechanism: str, rng: Draw) -> Case:
    times = 10 ** rng.uniform(1.5, 2.5)
    return replace(case, spec=_rate_times(case, times), severity=times)


def rate_low(case: Case, mechanism: str, rng: Draw) -> Case:
    times = 10 ** -rng.uniform(2.3, 3.3)
    return replace(case, spec=_rate_times(case, times), severity=times)


def exploding(case: Case, mechanism: str, rng: Draw) -> Case:
    if mechanism == "large recurrent weights":
        gain = float(rng.uniform(6, 15))
        return replace(case, plan=replace(case.plan, recurrent_gain=gain), severity=gain)
    gain = 10 ** rng.uniform(0.9, 1.4)
    activation = "relu" if mechanism == "large first weights" else "leaky_relu"
    sound = replace(case, plan=replace(case.plan, norm=False, activation=activation, depth=3))
    return replace(sound, plan=replace(sound.plan, gain=gain), severity=gain, healthy=sound)


def vanishing(case: Case, mechanism: str, rng: Draw) -> Case:
    if mechanism == "deep sigmoid":
        depth = int(rng.integers(4, 6) if case.plan.family == "cnn" else rng.integers(5, 8))
        sound = replace(case, plan=replace(case.plan, activation="relu", norm=False, depth=depth))
        return replace(sound, plan=replace(sound.plan, activation="sigmoid"), severity=depth, healthy=sound)
    gain = 10 ** -rng.uniform(1.3, 2.2)
    depth = 5 if mechanism == "tiny weights, deep" else 3
    plain = {"sgd": {"learning_rate": 0.06 * 10 ** rng.uniform(-0.2, 0.2), "momentum": 0.9}}
    case = replace(case, spec=case.spec.but(optimizer=plain))  # AdamW recovers from tiny weights by itself
    sound = replace(case, plan=replace(case.plan, norm=False, depth=depth, activation="tanh"))
    return replace(sound, plan=replace(sound.plan, gain=gain), severity=gain, healthy=sound)


def dead(case: Case, mechanism: str, rng: Draw) -> Case:
    shift = -rng.uniform(5, 15)
    activation = "gelu" if mechanism == "low biases, GELU" else "relu"
    sound = replace(case, plan=replace(case.plan, norm=False, activation=activation))
    return replace(sound, plan=replace(sound.plan, shift=shift), severity=shift, healthy=sound)


def saturated(case: Case, mechanism: str, rng: Draw) -> Case:
    gain = 10 ** rng.uniform(1.2, 1.8)
    activation = "sigmoid" if mechanism == "large weights, sigmoid" else "tanh"
    gain *= 4 if case.plan.family == "lstm" else 2 if activation == "sigmoid" else 1
    sound = replace(case, plan=replace(case.plan, norm=False, activation=activation))
    return replace(sound, plan=replace(sound.plan, gain=gain), severity=gain, healthy=sound)


def shuffled(case: Case, mechanism: str, rng: Draw) -> Case:
    p = case.problem
    if mechanism == "rows shifted":
        by = int(rng.integers(1, 50))
        return replace(case, problem=replace(p, y=p.y.roll(by), y_valid=p.y_valid.roll(by)), severity=by)
    order = torch.from_numpy(rng.permutation(len(p.y)))
    order_valid = torch.from_numpy(rng.permutation(len(p.y_valid)))
    return replace(case, problem=replace(p, y=p.y[order], y_valid=p.y_valid[order_valid]))


def leak(case: Case, mechanism: str, rng: Draw) -> Case:
    p = case.problem
    if mechanism == "validation rows in train":
        share = rng.uniform(0.3, 0.9)
        n = int(share * len(p.y_valid))
        x_valid, y_valid = p.x_valid.clone(), p.y_valid.clone()
        x_valid[:n], y_valid[:n] = p.x[:n], p.y[:n]
        return replace(case, problem=replace(p, x_valid=x_valid, y_valid=y_valid), severity=share)
    column = int(rng.integers(p.x[0].numel()))
    noise = 0.0 if mechanism == "the target as an input" else rng.uniform(0.01, 0.04)
    scale = max(p.n_classes - 1, 1) / 3.0

    def with_column(x: torch.Tensor, y: torch.Tensor, *, says: bool) -> torch.Tensor:
        x = x.clone()
        if not x.is_floating_point():
            value = y + 2 if says else y[torch.from_numpy(rng.permutation(len(y)))] + 2
        else:
            y = y if says else y[torch.from_numpy(rng.permutation(len(y)))]
            value = (y / scale - 1.5 if p.n_classes else y) + torch.from_numpy(rng.normal(size=len(y)) * noise)
        x.reshape(len(x), -1)[:, column] = value.to(x.dtype)
        return x

    made = replace(
        p,
        x=with_column(p.x, p.y, says=True),
        x_valid=with_column(p.x_valid, p.y_valid, says=True),
        x_test=with_column(p.x_test, p.y_test, says=False),
    )
    return replace(case, problem=made, severity=noise)


def not_finite(case: Case, mechanism: str, rng: Draw) -> Case:
    p = case.problem
    share = 10 ** rng.uniform(-2.3, -1.0)
    n = max(2, int(share * len(p.y)))
    rows = torch.from_numpy(rng.permutation(len(p.y))[:n])
    if mechanism == "infinite targets":
        y = p.y.clone()
        y[rows] = torch.inf
        return replace(case, problem=replace(p, y=y), severity=share)
    x = p.x.clone()
    flat = x.reshape(len(x), -1)
    if mechanism == "rows of NaN":
        flat[rows] = torch.nan
    else:
        flat[rows, torch.from_numpy(rng.integers(flat.shape[1], size=n))] = torch.inf
    return replace(case, problem=replace(p, x=x), severity=share)


def unscaled(case: Case, mechanism: str, rng: Draw) -> Case:
    case = replace(case, plan=replace(case.plan, norm=False))
    p = case.problem
    width = p.x[0].numel()
    scale, offset = torch.ones(width), torch.zeros(width)
    severity = 10 ** rng.uniform(2.5, 4.0)
    if mechanism == "large numbers":
        scale *= severity
    elif mechanism == "some inputs large" and case.plan.family in ("lstm", "transformer"):
        channels = p.x.shape[-1]
        scale.reshape(-1, channels)[:, torch.from_numpy(rng.permutation(channels)[: max(1, channels // 8)])] = severity
    elif mechanism == "some inputs large":
        scale[torch.from_numpy(rng.permutation(width)[: max(1, width // 8)])] = severity
    else:
        offset += severity
    shape = p.x.shape[1:]

    def moved(x: torch.Tensor) -> torch.Tensor:
        return x * scale.reshape(shape) + offset.reshape(shape)

    made = replace(p, x=moved(p.x), x_valid=moved(p.x_valid), x_test=moved(p.x_test))
    return replace(case, problem=made, severity=severity, healthy=case)


def overfitting(case: Case, mechanism: str, rng: Draw) -> Case:
    """Few rows, some of them labelled wrongly, a wide network, no dropout, many passes.

    The healthy one has few rows and wrong labels too.
    """
    p = case.problem
    n, noise = int(rng.integers(50, 90)), rng.uniform(0.2, 0.35)
    y = p.y[:n].clone()
    wrong = torch.from_numpy(rng.permutation(n)[: int(noise * n)])
    if p.n_classes:
        y[wrong] = (y[wrong] + torch.from_numpy(rng.integers(1, p.n_classes, size=len(wrong)))) % p.n_classes
    else:
        y[wrong] = torch.from_numpy(rng.normal(size=len(wrong))).float()
    few = replace(p, x=p.x[:n], y=y)
    careful = replace(case, problem=few, plan=replace(case.plan, dropout=0.3), spec=case.spec.but(
        batch_size=16, max_steps=2 * N_STEPS, schedule=str(rng.choice(["cosine", "linear", "constant"]))))  # fmt: skip
    spoiled = replace(case.plan, width=96, dropout=0.0)
    return replace(careful, plan=spoiled, healthy=careful, severity=noise)


def underfitting(case: Case, mechanism: str, rng: Draw) -> Case:
    if mechanism == "narrow waist":
        return replace(case, plan=replace(case.plan, bottleneck=1), severity=1)
    if case.plan.family == "mlp":  # two units normalised by each other are +1 and -1 always: another fault
        case = replace(case, plan=replace(case.plan, norm=False))
    return replace(case, plan=replace(case.plan, width=2), severity=2, healthy=case)


def collapse(case: Case, mechanism: str, rng: Draw) -> Case:
    p = case.problem
    case = replace(case, balanced=True)
    if mechanism == "head says one class":
        shift = rng.uniform(20, 60)
        return replace(case, plan=replace(case.plan, head_shift=shift), severity=shift, healthy=case)
    share = rng.uniform(0.03, 0.08)
    rare = (p.y != 0).nonzero().flatten()
    if mechanism == "one-sided weights":
        weights = torch.ones(len(p.y))
        weights[rare] = share / 10
        return replace(case, weights=weights, severity=share, healthy=case)
    common = (p.y == 0).nonzero().flatten()
    kept = rare[: max(8, int(share * len(rare)))]
    common = common.repeat(-(-600 // len(common)))[: 640 - len(kept)]
    rows = torch.cat([kept, common])
    one_sided = replace(p, x=p.x[rows], y=p.y[rows])
    weights = torch.bincount(one_sided.y, minlength=p.n_classes).float().clamp(min=1).reciprocal()[one_sided.y]
    careful = replace(case, problem=one_sided, weights=weights / weights.mean())
    return replace(careful, weights=None, severity=share, healthy=careful)


def spikes(case: Case, mechanism: str, rng: Draw) -> Case:
    p = case.problem
    share = 10 ** rng.uniform(-2.2, -1.6)
    rows = torch.from_numpy(rng.permutation(len(p.y))[: max(4, int(share * len(p.y)))])
    times = 10 ** rng.uniform(1.7, 3.0)
    if mechanism == "wild targets":
        y = p.y.clone()
        y[rows] *= times
        return replace(case, problem=replace(p, y=y), severity=times)
    x = p.x.clone()
    x[rows] *= times
    sound = replace(case, plan=replace(case.plan, norm=False))
    return replace(sound, problem=replace(p, x=x), severity=times, healthy=sound)


@dataclass(frozen=True)
class Fault:
    """A fault's mechanisms, each with the problems' families it can be put into."""

    spoil: Spoil
    mechanisms: dict[str, tuple[str, ...]]
    kinds: tuple[str, ...] = ("classes", "numbers")
    numbers_only: tuple[str, ...] = ()
    floats_only: bool = False


FAULTS: dict[str, Fault] = {
    "learning_rate_high": Fault(rate_high, {"rate x 30 to 300": FAMILIES}),
    "learning_rate_low": Fault(rate_low, {"rate / 200 to 2,000": FAMILIES}),
    "exploding_gradients": Fault(exploding, {
        "large first weights": ("mlp", "cnn"), "large recurrent weights": ("lstm",),
        "large first weights, leaky": ("mlp", "cnn")}, kinds=("classes",)),
    "vanishing_gradients": Fault(vanishing, {
        "deep sigmoid": ("mlp", "cnn"), "tiny weights": ("mlp", "cnn"), "tiny weights, deep": ("mlp", "cnn")},
        kinds=("classes",)),
    "dead_units": Fault(dead, {
        "low biases": ("mlp", "cnn"), "low biases, GELU": ("mlp", "cnn")}, kinds=("classes",)),
    "saturated_units": Fault(saturated, {
        "large weights": ("mlp", "cnn", "lstm"), "large weights, sigmoid": ("mlp", "cnn")}, kinds=("classes",),
        floats_only=True),
    "shuffled_labels": Fault(shuffled, {"shuffled": FAMILIES, "rows shifted": FAMILIES}),
    "leakage": Fault(leak, {
        "the target as an input": FAMILIES, "validation rows in train": FAMILIES,
        "the target, a little noisy": FAMILIES}),
    "not_finite": Fault(not_finite, {
        "rows of NaN": FAMILIES, "infinite targets": ("mlp",), "infinite cells": FAMILIES},
        numbers_only=("infinite targets",), floats_only=True),
    "unscaled_inputs": Fault(unscaled, {
        "large numbers": FAMILIES, "some inputs large": FAMILIES, "far from zero": FAMILIES}, floats_only=True),
    "overfitting": Fault(overfitting, {"few rows, wrong labels": FAMILIES}, kinds=("classes",)),
    "underfitting": Fault(underfitting, {"narrow waist": FAMILIES, "narrow": ("mlp", "cnn", "lstm")},
                          kinds=("classes",)),
    "class_collapse": Fault(collapse, {
        "one-sided rows": FAMILIES, "head says one class": FAMILIES, "one-sided weights": FAMILIES},
        kinds=("classes",)),
    "loss_spikes": Fault(spikes, {"wild rows": ("mlp", "cnn"), "wild targets": ("mlp",)},
                         numbers_only=("wild targets",), floats_only=True),
}  # fmt: skip
HELD_OUT = {
    "large first weights, leaky", "tiny weights, deep", "low biases, GELU", "large weights, sigmoid", "rows shifted",
    "the target, a little noisy", "infinite cells", "far from zero", "one-sided weights",
}  # fmt: skip
HALVES = ("development", "held_out")


def faulty_case(fault: str, half: str, number: int, *, draw: int = 0) -> Case:
    """The `number`th spoiled training of a fault in one half; families take turns, mechanisms too."""
    rng = stream(draw, "suite", "faulty", fault, half, number)
    entry = FAULTS[fault]
    pairs = [(mechanism, family) for family in FAMILIES for mechanism, families in entry.mechanisms.items()
             if family in families and (half == "held_out" or mechanism not in HELD_OUT)]  # fmt: skip
    families = sorted({family for _, family in pairs}, key=FAMILIES.index)
    family = families[number % len(families)]
    own = [mechanism for mechanism, other in pairs if other == family]
    mechanism = own[number // len(families) % len(own)]
    name = _problem_for(entry, mechanism, family, rng)
    case = healthy_case(half, number, family, rng=rng, name=name)
    if mechanism == "infinite targets" or mechanism == "wild targets":
        assert not case.problem.n_classes
    spoiled = entry.spoil(case, mechanism, rng)
    return replace(spoiled, fault=fault, mechanism=mechanism, healthy=spoiled.healthy or case)


def _problem_for(entry: Fault, mechanism: str, family: str, rng: Draw) -> str:
    if mechanism in entry.numbers_only:
        return str(rng.choice(["friedman", "saddle"]))
    if mechanism == "large recurrent weights":
        return "long_waves"
    names = [make.__name__ for make in PROBLEMS[family]]
    if mechanism == "narrow":  # two classes are told by a narrow network too
        names = [name for name in names if name not in ("cancer", "wine")]
    if "numbers" not in entry.kinds:
        names = [name for name in names if name not in ("friedman", "saddle")]
    if entry.floats_only:
        names = [name for name in names if name != "words"]
    return str(rng.choice(names))


def healthy_cases(half: str, n: int, *, draw: int = 0) -> list[Case]:
    """The healthy trainings of one half."""
    return [
        healthy_case(half, number, FAMILIES[number % 4], rng=stream(draw, "suite", "healthy", half, number))
        for number in range(n)
    ]


def faulty_cases(half: str, n_each: int, *, draw: int = 0) -> list[Case]:
    """The spoiled trainings of one half."""
    return [faulty_case(fault, half, number, draw=draw) for fault in FAULTS for number in range(n_each)]
