"""What the doctor remembers of one training, as plain data that a checkpoint can hold."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_POINTS = 512  # of the loss curve; then neighbours are joined
RECENT = 128  # losses kept one by one
FIRST_LOOKS, LAST_LOOKS = 24, 40


@dataclass
class Curve:
    """A loss curve in bounded memory: means of `block` steps each, and the last losses one by one."""

    n_steps: int = 0
    block: int = 1
    points: list[float] = field(default_factory=list)
    waiting: list[float] = field(default_factory=list)
    recent: list[float] = field(default_factory=list)

    def add(self, losses: Sequence[float]) -> None:
        """Take in the losses of the next steps.

        >>> curve = Curve()
        >>> curve.add([1.0] * 1500)
        >>> curve.n_steps, curve.block, len(curve.points)
        (1500, 4, 375)
        """
        self.n_steps += len(losses)
        self.recent = [*self.recent, *losses][-RECENT:]
        if self.block == 1 and len(self.points) + len(losses) < MOST_POINTS:
            self.points += losses
            return
        self.waiting += losses
        while len(self.waiting) >= self.block:
            self.points.append(sum(self.waiting[: self.block]) / self.block)
            del self.waiting[: self.block]
            if len(self.points) >= MOST_POINTS:
                self.points = [(a + b) / 2 for a, b in zip(self.points[::2], self.points[1::2], strict=True)]
                self.block *= 2

    @property
    def noise(self) -> float:
        """Robust deviation of a loss from one step to the next, over the last steps.

        >>> curve = Curve()
        >>> curve.add([1.0, 3.0] * 20)
        >>> round(curve.noise, 2)
        2.1
        """
        steps = [b - a for a, b in zip(self.recent, self.recent[1:], strict=False)]
        if len(steps) < 4:
            return math.nan
        return 1.4826 * statistics.median([abs(step) for step in steps]) / math.sqrt(2.0)

    def part(self, start: float, end: float) -> float:
        """Median loss between two shares (0..1) of the steps so far.

        >>> curve = Curve()
        >>> curve.add([float(number) for number in range(10)])
        >>> curve.part(0.0, 0.3), curve.part(0.7, 1.0)
        (1.0, 8.0)
        """
        n = len(self.points)
        chosen = self.points[int(start * n) : max(int(start * n) + 1, int(end * n))]
        return statistics.median(chosen) if chosen else math.nan


@dataclass
class Chart:
    """Facts from before the first step, looks at some steps, the loss curve, validations, what was told."""

    facts: dict[str, Any] = field(default_factory=dict)
    n_steps: int = 0
    layers: list[str] = field(default_factory=list)
    looks: list[dict[str, Any]] = field(default_factory=list)
    curve: Curve = field(default_factory=Curve)
    validations: list[dict[str, Any]] = field(default_factory=list)
    told: dict[str, float] = field(default_factory=dict)
    spent: float = 0.0

    @property
    def learned_share(self) -> float:
        """How much of the learning that the schedule plans is done, 0..1: in a warm-up little, however many steps.

        >>> chart = Chart(facts={"mean_factor": 0.5}, n_steps=100)
        >>> chart.add_look({"step": 0, "factor": 0.1})
        >>> chart.add_look({"step": 20, "factor": 1.0})
        >>> chart.learned_share
        0.04
        """
        planned = float(self.facts.get("mean_factor", 1.0)) * self.n_steps
        return self.spent / planned if planned > 0 else 0.0

    @property
    def coming_factor(self) -> float:
        """The mean factor of the learning rate over the rest of the run, in shares of the one now.

        >>> chart = Chart(facts={"factors": [1.0, 1.0, 0.2, 0.0]}, n_steps=100, looks=[{"factor": 1.0}])
        >>> chart.curve.n_steps = 50
        >>> chart.coming_factor
        0.1
        """
        factors = self.facts.get("factors", [])
        coming = factors[math.ceil(self.share * len(factors)) :]
        now = float(self.looks[-1]["factor"]) if self.looks else 0.0
        return sum(coming) / len(coming) / now if coming and now > 0 else 1.0

    @property
    def step(self) -> int:
        """The last step that was seen; -1 before the first."""
        return self.curve.n_steps - 1

    @property
    def share(self) -> float:
        """How much of the run is done, 0..1."""
        return self.curve.n_steps / self.n_steps if self.n_steps else 0.0

    @property
    def uninformed(self) -> float:
        """The loss of an answer that knows nothing: from before the first step, or else the first loss."""
        known = self.facts.get("uninformed_loss")
        return float(self.looks[0]["loss"] if known is None and self.looks else known or math.nan)

    def add_look(self, look: dict[str, Any]) -> None:
        """Keep a look; of many, the first ones and the last ones stay."""
        if self.looks:
            last = self.looks[-1]
            self.spent += float(last["factor"]) * (look["step"] - last["step"])
        self.looks.append(look)
        if len(self.looks) > FIRST_LOOKS + LAST_LOOKS:
            del self.looks[FIRST_LOOKS]

    def to_plain(self) -> dict[str, Any]:
        """JSON-able form."""
        plain: dict[str, Any] = _copied({**vars(self), "curve": vars(self.curve)})
        return plain

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Chart:
        """The inverse of `to_plain`.

        >>> chart = Chart(n_steps=10)
        >>> chart.curve.add([2.0, 1.0])
        >>> Chart.from_plain(chart.to_plain()) == chart
        True
        """
        own = _copied(dict(plain))
        return cls(**{**own, "curve": Curve(**own["curve"])})


def _copied(value: Any) -> Any:
    """A copy of plain data, all the way down: five times as fast as `copy.deepcopy`, which looks for cycles."""
    if isinstance(value, dict):
        return {name: _copied(part) for name, part in value.items()}
    return [_copied(part) for part in value] if isinstance(value, list | tuple) else value
