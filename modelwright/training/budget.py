"""How much work a search may do: counted in units, sized from the machine's speed when it is given in minutes."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from modelwright.core.data import Decision
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    from modelwright.training.problem import Problem

NAMED: dict[str, tuple[float, float]] = {"quick": (2e6, 20.0), "standard": (20e6, 1500.0), "thorough": (80e6, 6000.0)}
"""Work allowed for comparing candidates: so much, and so much more per training row. A unit is about a
microsecond of one core; it is reckoned from rows, columns and trees, and never measured."""

MOST_ROWS = 60_000
"""Beyond so many training rows a named allowance grows no more."""

SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
FORM = re.compile(r"(?P<count>\d+(?:\.\d+)?(?:e\d+)?) ?(?P<unit>s|m|h|units)")

COMPARING = 0.75
"""Share of the time for comparing candidates; the rest is for fitting the chosen ones on all rows."""

SURELY = 0.7
"""Of the units that the rest of the time is worth at the speed seen so far, what is surely done in time."""

BUSY = 0.95
"""What two cores are worth each when folds of different length share them."""


@dataclass(frozen=True)
class Budget:
    """`units` may be spent on comparing and `refit_units` on fitting what was chosen; None: without a limit.

    `seconds` is the clock that stops the search if the machine turns out slower than it was measured to be. `name` is
    the nearest of the named budgets. `goes_on`: when the known configurations are tried, new ones are sought.
    """

    name: Literal["quick", "standard", "thorough"]
    units: float
    refit_units: float | None = None
    seconds: float | None = None
    goes_on: bool = False


def check_budget(text: str) -> str:
    """The text, if it says a budget: a name, a time such as 90s, 5m or 1h, or a number of units.

    >>> check_budget("5m"), check_budget("250000000 units")
    ('5m', '250000000 units')
    >>> check_budget("fast")
    Traceback (most recent call last):
    ValueError: a budget is quick, standard, thorough, a time such as 90s, 5m or 1h, or as many `units`; got 'fast'
    """
    found = FORM.fullmatch(text.strip())
    if text not in NAMED and (found is None or float(found["count"]) == 0):
        raise ValueError(
            f"a budget is quick, standard, thorough, a time such as 90s, 5m or 1h, or as many `units`; got {text!r}"
        )
    return text.strip()


def name_of_budget(text: str) -> Literal["quick", "standard", "thorough"]:
    """The nearest named budget, for what is planned by name: networks.

    >>> name_of_budget("5m"), name_of_budget("thorough"), name_of_budget("30s")
    ('standard', 'thorough', 'quick')
    """
    if text in ("quick", "standard", "thorough"):
        return text  # type: ignore[return-value]
    seconds = _seconds(text)
    return "quick" if seconds <= 90 else "standard" if seconds <= 1200 else "thorough"


def read_budget(text: str, problem: Problem) -> tuple[Budget, Decision | None]:
    """What a budget comes to for these rows on this machine, and what is told of it."""
    if text in NAMED:
        fixed, per_row = NAMED[text]
        return Budget(name_of_budget(text), fixed + per_row * min(len(problem.y), MOST_ROWS)), None
    found = FORM.fullmatch(text)
    if found is None:
        raise UserError("train.budget", f"`budget` is {text!r}.", hint="write a time such as 5m")
    name = name_of_budget(text)
    if found["unit"] == "units":
        units = float(found["count"])
        return Budget(name, units, _refit(units), goes_on=True), None
    seconds = _seconds(text)
    n_workers = min(os.cpu_count() or 1, max(1, len(problem.pairs)))
    speed = machine_speed()
    units = float(f"{speed * n_workers * BUSY * seconds * COMPARING:.2g}")
    reason = (
        f"{text} on this machine, which does {speed / 1e6:.2f} million units a second on each of {n_workers} cores; "
        f"`budget: {units:.0f} units` gives the same model on any"
    )
    told = Decision("training", "budget", f"{units / 1e6:,.0f} million units", reason)
    return Budget(name, units, _refit(units), seconds=seconds, goes_on=True), told


def _refit(units: float) -> float:
    return units * (1 - COMPARING) / COMPARING * 0.7


def _seconds(text: str) -> float:
    found = FORM.fullmatch(text)
    assert found is not None
    if found["unit"] == "units":
        return float(found["count"]) / 1e6
    return float(found["count"]) * SECONDS[found["unit"]]


def machine_speed() -> float:
    """Units per second of one core, from the best of three small fits: about a third of a second in all."""
    import numpy as np

    from modelwright.core import registry
    from modelwright_runtime.signature import Task

    model = registry.get("models", "boosting")
    spec, task = model.spec(rounds=60), Task(kind="regression", target="y")
    x = np.random.default_rng(0).normal(size=(4000, 20)).astype(np.float32)
    y = x[:, 0] * x[:, 1] + x[:, 2]
    best = np.inf
    for _ in range(3):
        began = time.perf_counter()
        model.fit(x, y, spec=spec, task=task, rng=np.random.default_rng(0))
        best = min(best, time.perf_counter() - began)
    return float(model.units(spec, task, *x.shape) / best)


@dataclass
class Clock:
    """When a search must end, and whether one more candidate can be expected to be done by then."""

    budget: Budget
    began: float
    spent: float = 0.0

    @classmethod
    def start(cls, budget: Budget) -> Clock:
        """A clock that begins now."""
        return cls(budget, time.monotonic())

    def bears(self, units: float) -> bool:
        """Whether so many units more can be expected to be spent in time, at the speed seen so far."""
        if self.budget.seconds is None:
            return True
        elapsed = time.monotonic() - self.began
        planned = self.speed()
        speed = min(planned, self.spent / elapsed) if self.spent > 0.05 * self.budget.units else planned
        return elapsed + units / speed <= self.budget.seconds * (COMPARING + 0.05)

    def for_refit(self) -> float | None:
        """Units that fitting the chosen models may take: as planned, or what the time that is left is worth."""
        seconds, planned = self.budget.seconds, self.budget.refit_units
        if seconds is None or planned is None:
            return planned
        elapsed = time.monotonic() - self.began
        speed = self.spent / max(elapsed, 1e-9)
        return min(planned, SURELY * speed * max(0.0, seconds - elapsed)) if speed < self.speed() else planned

    def speed(self) -> float:
        """Units per second of all cores, as measured before the search."""
        assert self.budget.seconds is not None
        return self.budget.units / (self.budget.seconds * COMPARING)

    def is_over(self) -> bool:
        """Whether comparing must end now, though a candidate is not done."""
        seconds = self.budget.seconds
        return seconds is not None and time.monotonic() - self.began > seconds * (COMPARING + 0.1)


def divided(text: str, n: int) -> str:
    """The budget of each of `n` trainings that share one of time or of units; a named one is each training's own.

    >>> divided("5m", 2), divided("250000000 units", 5), divided("quick", 3)
    ('2.5m', '50000000 units', 'quick')
    """
    stated = FORM.fullmatch(text)
    if stated is None:
        return text
    gap = " " if " " in text else ""
    return f"{float(stated['count']) / n:.15g}{gap}{stated['unit']}"
