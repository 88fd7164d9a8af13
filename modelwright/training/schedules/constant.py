"""The same rate all the way."""

from __future__ import annotations

from collections.abc import Sequence

from modelwright.training.schedules.base import Schedule, ScheduleSpec


class ConstantSpec(ScheduleSpec):
    """Nothing but the warm-up."""


def curve(spec: ConstantSpec, step: int, n_steps: int, scores: Sequence[float] = ()) -> float:
    """1.

    >>> curve(ConstantSpec(), 5, 10)
    1.0
    """
    return 1.0


SCHEDULE = Schedule(name="constant", spec=ConstantSpec, curve=curve)
