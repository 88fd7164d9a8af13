"""Schedules: the number of a step in, the factor of each group's own learning rate out.

A schedule keeps nothing: the factor at a step follows from the step, the length of the run and, for one of
them, the scores so far. So a run that goes on from a checkpoint has the factors it would have had.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from modelwright.core.registry import get
from modelwright.core.spec import Spec
from modelwright.core.use import Use

Curve = Callable[[Any, int, int, Sequence[float]], float]


class ScheduleSpec(Spec):
    """What every schedule has: a start from near zero."""

    warmup: float = Field(
        0.0, ge=0, description="steps of growing rate before the schedule starts; below 1, a share of the run"
    )


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """One way of changing the rate. `curve(spec, step, n_steps, scores)` knows nothing of the warm-up."""

    name: str
    spec: type[ScheduleSpec]
    curve: Curve

    def factor(self, spec: ScheduleSpec, step: int, n_steps: int, scores: Sequence[float] = ()) -> float:
        """What the learning rate is multiplied by at `step`, counted from 0, of `n_steps`.

        `scores` are the validation scores so far, larger is better; only `on_plateau` looks at them. With w
        steps of warm-up, step i has (i + 1) / (w + 1) of the curve's first factor, and the curve has the rest.

        >>> from modelwright.core.registry import get
        >>> cosine = get("schedules", "cosine")
        >>> [round(cosine.factor(cosine.spec(warmup=3), step, 7), 3) for step in range(7)]
        [0.25, 0.5, 0.75, 1.0, 0.854, 0.5, 0.146]
        """
        n_warm = n_warmup_steps(spec, n_steps)
        if step < n_warm:
            return self.curve(spec, 0, n_steps - n_warm, ()) * (step + 1) / (n_warm + 1)
        return self.curve(spec, step - n_warm, n_steps - n_warm, scores)


def n_warmup_steps(spec: ScheduleSpec, n_steps: int) -> int:
    """How many steps the warm-up has; at least one step of the run is left to the schedule."""
    asked = spec.warmup * n_steps if spec.warmup < 1 else spec.warmup
    return max(0, min(round(asked), n_steps - 1))


def make_schedule(use: Use, n_steps: int) -> Callable[[int, Sequence[float]], float]:
    """The function `(step, scores) -> factor` of a schedule with its settings, over a run of `n_steps`.

    Errors: `registry.name` for an unknown schedule, `spec.*` for wrong settings.

    >>> factor = make_schedule(Use(method="linear"), 10)
    >>> factor(5, [])
    0.5
    """
    schedule: Schedule = get("schedules", use.method)
    spec = schedule.spec.parse(use.settings, where=use.method)
    return lambda step, scores: schedule.factor(spec, step, n_steps, scores)
