"""The rate falls at given points of the run."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, field_validator

from modelwright.training.schedules.base import Schedule, ScheduleSpec


class StepSpec(ScheduleSpec):
    """When the rate falls and how far."""

    at: tuple[float, ...] = Field((0.5, 0.75), description="points, as shares (0 to 1) of the run, in order")
    by: float = Field(0.1, gt=0, lt=1, description="factor of the rate at each point")

    @field_validator("at")
    @classmethod
    def _in_order(cls, at: tuple[float, ...]) -> tuple[float, ...]:
        if list(at) != sorted(set(at)) or not all(0 < point < 1 for point in at):
            raise ValueError("points are between 0 and 1, each after the one before")
        return at


def curve(spec: StepSpec, step: int, n_steps: int, scores: Sequence[float] = ()) -> float:
    """`by` to the power of the points that are behind.

    Reference: He et al. (2016), "Deep residual learning for image recognition", for the usual points.

    >>> [round(curve(StepSpec(), step, 8), 3) for step in range(8)]
    [1.0, 1.0, 1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
    """
    behind = sum(step >= round(point * n_steps) for point in spec.at)
    return float(spec.by**behind)


SCHEDULE = Schedule(name="step", spec=StepSpec, curve=curve)
