"""The rate falls when the validation score no longer gets better."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from modelwright.training.schedules.base import Schedule, ScheduleSpec


class OnPlateauSpec(ScheduleSpec):
    """When the rate falls and how far."""

    by: float = Field(0.1, gt=0, lt=1, description="factor of the rate at each fall")
    patience: int = Field(5, ge=0, description="scores without a better one that are borne before a fall")
    least_gain: float = Field(1e-4, ge=0, description="share of the best score by which a better one exceeds it")
    least: float = Field(1e-3, ge=0, le=1, description="factor below which the rate does not fall")


def curve(spec: OnPlateauSpec, step: int, n_steps: int, scores: Sequence[float] = ()) -> float:
    """The factor after `scores`, the validation scores so far, larger is better (a loss with its sign turned).

    The whole history is gone through at every call, so that nothing is kept between calls. A score that is
    not a number counts as no better.

    Reference: the rule of `torch.optim.lr_scheduler.ReduceLROnPlateau`.

    >>> spec = OnPlateauSpec(patience=1)
    >>> [round(curve(spec, 0, 9, (0.5, 0.6, 0.6, 0.6, 0.6)[:n]), 3) for n in range(6)]
    [1.0, 1.0, 1.0, 1.0, 0.1, 0.1]
    """
    factor, best, n_worse = 1.0, float("-inf"), 0
    for score in scores:
        if score > best + spec.least_gain * (abs(best) if best > float("-inf") else 0.0):
            best, n_worse = score, 0
        else:
            n_worse += 1
        if n_worse > spec.patience:
            factor, n_worse = max(factor * spec.by, spec.least), 0
    return factor


SCHEDULE = Schedule(name="on_plateau", spec=OnPlateauSpec, curve=curve)
