"""Schedules against torch's own, and what all of them keep to."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core import registry
from modelwright.core.errors import UserError
from modelwright.core.use import Use
from modelwright.training.schedules import Schedule, make_schedule

torch = pytest.importorskip("torch")
lr_scheduler = torch.optim.lr_scheduler

NAMES = sorted(registry.BUILT_IN["schedules"])
N_STEPS = 60


def torchs(make: Any, n_steps: int = N_STEPS) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = make(optimizer)
    factors = []
    for step in range(n_steps):
        factors.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < n_steps - 1:
            schedule.step()
    return factors


def ours(name: str, n_steps: int = N_STEPS, **chosen: Any) -> list[float]:
    factor = make_schedule(Use(method=name, settings=chosen), n_steps)
    return [factor(step, ()) for step in range(n_steps)]


CASES: list[tuple[str, dict[str, Any], Any]] = [
    ("constant", {}, lambda o: lr_scheduler.ConstantLR(o, factor=1.0)),
    ("constant", {"warmup": 7}, lambda o: lr_scheduler.LinearLR(o, start_factor=1 / 8, total_iters=7)),
    ("cosine", {}, lambda o: lr_scheduler.CosineAnnealingLR(o, N_STEPS)),
    ("cosine", {"end": 0.1}, lambda o: lr_scheduler.CosineAnnealingLR(o, N_STEPS, eta_min=0.1)),
    ("linear", {}, lambda o: lr_scheduler.LinearLR(o, 1.0, 0.0, N_STEPS)),
    ("linear", {"end": 0.2}, lambda o: lr_scheduler.LinearLR(o, 1.0, 0.2, N_STEPS)),
    ("step", {}, lambda o: lr_scheduler.MultiStepLR(o, [30, 45], 0.1)),
    ("step", {"at": (0.25, 0.5, 0.75), "by": 0.5}, lambda o: lr_scheduler.StepLR(o, 15, 0.5)),
    ("one_cycle", {}, lambda o: lr_scheduler.OneCycleLR(o, 1.0, N_STEPS, cycle_momentum=False)),
    (
        "one_cycle",
        {"rise": 0.45, "start": 0.1, "end": 0.001},
        lambda o: lr_scheduler.OneCycleLR(o, 1.0, N_STEPS, pct_start=0.45, div_factor=10, final_div_factor=100),
    ),
    (
        "cosine",
        {"warmup": 0.1},
        lambda o: lr_scheduler.SequentialLR(
            o, [lr_scheduler.LinearLR(o, 1 / 7, total_iters=6), lr_scheduler.CosineAnnealingLR(o, 54)], milestones=[6]
        ),
    ),
]


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.*:UserWarning")
@pytest.mark.parametrize("case", range(len(CASES)))
def test_equals_torch(case: int) -> None:
    name, chosen, make = CASES[case]
    expected = torchs(lambda o: make(_with_momentum(o)))
    assert ours(name, **chosen) == pytest.approx(expected, abs=1e-9)
    assert name == "constant" or len(set(expected)) > 1


def _with_momentum(optimizer: Any) -> Any:
    optimizer.param_groups[0]["momentum"] = 0.9  # OneCycleLR moves it
    optimizer.defaults["momentum"] = 0.9
    return optimizer


@pytest.mark.parametrize("by, patience, least_gain", [(0.1, 5, 1e-4), (0.5, 0, 0.0), (0.5, 2, 0.05)])
def test_on_plateau_equals_torch(by: float, patience: int, least_gain: float) -> None:
    for seed in range(20):
        rng = random.Random(seed)
        scores = [round(1 - 0.5 ** (i / 5) + rng.uniform(-0.1, 0.1), 2) for i in range(60)]
        scores = [max(score, 0.01) for score in scores]
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        reference = lr_scheduler.ReduceLROnPlateau(
            optimizer, mode="max", factor=by, patience=patience, threshold=least_gain, min_lr=1e-3, eps=0.0
        )
        factor = make_schedule(
            Use(method="on_plateau", settings={"by": by, "patience": patience, "least_gain": least_gain}), 100
        )
        for n in range(len(scores) + 1):
            assert factor(n, scores[:n]) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)
            if n < len(scores):
                reference.step(scores[n])
        assert optimizer.param_groups[0]["lr"] < 1.0


def test_on_plateau_takes_losses_with_their_sign_turned_and_bears_nan() -> None:
    factor = make_schedule(Use(method="on_plateau", settings={"patience": 1, "by": 0.5}), 10)
    assert factor(0, [-2.0, -1.0, -0.5, -0.25]) == 1.0
    assert factor(0, [-1.0, -1.0, -1.0]) == 0.5
    assert factor(0, [1.0, math.nan, math.nan]) == 0.5


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=60)
@given(n_steps=st.integers(1, 400), warmup=st.one_of(st.floats(0, 0.99), st.integers(0, 500)))
def test_factors_are_sane(name: str, n_steps: int, warmup: float) -> None:
    schedule: Schedule = registry.get("schedules", name)
    spec = schedule.spec.parse({"warmup": warmup}, where=name)
    factors = [schedule.factor(spec, step, n_steps) for step in range(n_steps)]
    assert all(0 <= factor <= 1 + 1e-12 for factor in factors)
    assert factors[0] > 0
    assert [schedule.factor(spec, step, n_steps) for step in reversed(range(n_steps))] == factors[::-1]
    # Asked beyond its end (a run that was made longer), it stays where it ended.
    assert 0 <= schedule.factor(spec, n_steps + 5, n_steps) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_warmup_grows_to_where_the_schedule_begins(name: str) -> None:
    factors = ours(name, warmup=9)
    assert all(later > earlier for earlier, later in zip(factors[:9], factors[1:10], strict=True))
    begins = ours(name, n_steps=N_STEPS - 9)
    assert factors[9:] == begins


def test_errors_say_what_is_wrong() -> None:
    with pytest.raises(UserError, match="did you mean `cosine`"):
        make_schedule(Use(method="cosin"), 10)
    with pytest.raises(UserError, match="did you mean `warmup`"):
        make_schedule(Use(method="cosine", settings={"warm_up": 1}), 10)
    with pytest.raises(UserError, match="each after the one before"):
        make_schedule(Use(method="step", settings={"at": [0.75, 0.5]}), 10)
