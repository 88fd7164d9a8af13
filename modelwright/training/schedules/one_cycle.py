"""One cycle: up to the full rate, and down to almost nothing, each along half a cosine."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import Field

from modelwright.training.schedules.base import Schedule, ScheduleSpec


class OneCycleSpec(ScheduleSpec):
    """The cycle's form. The optimizer's learning rate is its top."""

    rise: float = Field(0.3, ge=0, lt=1, description="share of the run in which the rate grows")
    start: float = Field(0.04, gt=0, le=1, description="factor at the first step")
    end: float = Field(4e-6, ge=0, le=1, description="factor at the last step")


def curve(spec: OneCycleSpec, step: int, n_steps: int, scores: Sequence[float] = ()) -> float:
    """Up from `start` to 1 at step `rise * n_steps - 1`, down to `end` at the last step. Momentum stays.

    Reference: Smith and Topin (2019), "Super-convergence: very fast training of neural networks".

    >>> [round(curve(OneCycleSpec(rise=0.5), step, 6), 3) for step in range(6)]
    [0.04, 0.52, 1.0, 0.75, 0.25, 0.0]
    """
    top, last = spec.rise * n_steps - 1, n_steps - 1
    if top > 0 and step <= top:
        return _cosine(spec.start, 1.0, step / top)
    top = max(top, 0.0)
    return _cosine(1.0, spec.end, min((step - top) / (last - top), 1.0)) if last > top else 1.0


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1.0 + math.cos(math.pi * share)) / 2.0


SCHEDULE = Schedule(name="one_cycle", spec=OneCycleSpec, curve=curve)
