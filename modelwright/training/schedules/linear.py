"""A straight line from the full rate down to `end`."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from modelwright.training.schedules.base import Schedule, ScheduleSpec


class LinearSpec(ScheduleSpec):
    """Where the line ends."""

    end: float = Field(0.0, ge=0, le=1, description="factor at the end of the run")


def curve(spec: LinearSpec, step: int, n_steps: int, scores: Sequence[float] = ()) -> float:
    """`1 - (1 - end) step / n_steps`.

    Reference: Bergsma et al. (2025), "Straight to zero: why linearly decaying the learning rate to zero works
    best for LLMs".

    >>> [curve(LinearSpec(), step, 4) for step in range(5)]
    [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    share = min(step / max(n_steps, 1), 1.0)
    return 1.0 - (1.0 - spec.end) * share


SCHEDULE = Schedule(name="linear", spec=LinearSpec, curve=curve)
