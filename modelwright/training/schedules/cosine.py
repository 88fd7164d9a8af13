"""Half a cosine, from the full rate down to `end`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import Field

from modelwright.training.schedules.base import Schedule, ScheduleSpec


class CosineSpec(ScheduleSpec):
    """Where the cosine ends."""

    end: float = Field(0.0, ge=0, le=1, description="factor at the end of the run")


def curve(spec: CosineSpec, step: int, n_steps: int, scores: Sequence[float] = ()) -> float:
    """`end + (1 - end) (1 + cos(pi step / n_steps)) / 2`.

    Reference: Loshchilov and Hutter (2017), "SGDR: stochastic gradient descent with warm restarts".

    >>> [round(curve(CosineSpec(), step, 4), 3) for step in range(5)]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    """
    share = min(step / max(n_steps, 1), 1.0)
    return spec.end + (1.0 - spec.end) * (1.0 + math.cos(math.pi * share)) / 2.0


SCHEDULE = Schedule(name="cosine", spec=CosineSpec, curve=curve)
