"""The doctor's words: what a verdict is, and what a symptom is. Light: neither torch nor NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from modelwright.training.doctor.chart import Chart

DoctorMode = Literal["off", "advise", "heal"]
Moment = Literal["before", "look", "validation"]

TELL = 0.7  # least confidence at which a verdict is told


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that is wrong with a training, and the one change that should mend it.

    `confidence` is 0..1; `evidence` are the numbers that led to it; `words` are for someone who is no expert.
    `change` is machine-applicable: `{"what": "learning_rate", "times": 0.1}` and the like (see `changes.py`).
    `step` is -1 before the first step. `healed` is None until the change was tried, then whether it helped.
    """

    fault: str
    confidence: float
    evidence: Mapping[str, Any]
    words: str
    change: Mapping[str, Any]
    step: int = -1
    healed: bool | None = None

    def event(self) -> dict[str, Any]:
        """The verdict as it stands in a training's history.

        >>> Verdict("plateau", 0.81234, {}, "It stands still.", {"what": "stop"}, step=9).event()["confidence"]
        0.812
        """
        return {
            "event": "verdict", "step": self.step, "fault": self.fault, "confidence": round(self.confidence, 3),
            "evidence": {name: _short(value) for name, value in self.evidence.items()}, "words": self.words,
            "change": dict(self.change), "healed": self.healed,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Symptom:
    """One fault and how it is found: `find(chart)` gives a verdict, or None.

    It is looked for at its `moments`: before the first step, at each look into a step, after each validation. It is
    told only while none of the faults in `caused_by` is: those bring this one about.
    """

    name: str
    find: Callable[[Chart], Verdict | None]
    moments: tuple[Moment, ...]
    caused_by: tuple[str, ...] = field(default=())


def sure(value: float, limit: float, *, factor: float = 2.0) -> float:
    """How sure one may be that a ratio is too large: 0.7 at its limit, 0.93 at `factor` times the limit.

    >>> [round(sure(value, 10.0), 2) for value in (5.0, 10.0, 20.0, 100.0)]
    [0.29, 0.7, 0.93, 1.0]
    """
    if math.isnan(value):
        return 0.0
    if value <= 0 or limit <= 0:
        return 0.0 if value <= 0 else 1.0
    if math.isinf(value):
        return 1.0
    place = (math.log(value) - math.log(limit)) / math.log(factor)
    return 1.0 / (1.0 + math.exp(-max(-40.0, min(40.0, 0.85 + 1.75 * place))))


def sure_below(value: float, limit: float, *, factor: float = 2.0) -> float:
    """How sure one may be that a ratio is too small: 0.7 at its limit.

    >>> round(sure_below(0.005, 0.01), 2), sure_below(0.0, 0.01)
    (0.93, 1.0)
    """
    if math.isnan(value):
        return 0.0
    return 1.0 if value <= 0 else sure(1.0 / value, 1.0 / limit, factor=factor)


def _short(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value
