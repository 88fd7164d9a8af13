"""What was tried and what it came to: a frozen value that can be asked for the best, and for what mattered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

from modelwright.core.errors import UserError

if TYPE_CHECKING:
    from modelwright.tuning.space import Space

LEAST_APART = 0.1

State = Literal["running", "done", "stopped", "failed"]


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One trial: its settings and what they came to.

    `loss` is known of those that are done, the lower the better; `reports` are the losses told on the way; `why`
    says why one failed.
    """

    number: int
    settings: Mapping[str, Any]
    state: State = "running"
    loss: float | None = None
    reports: tuple[float, ...] = ()
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Study:
    """All trials, by number.

    >>> from modelwright.tuning import Space
    >>> tried = (Tried(number=0, settings={"x": 1.0}, state="done", loss=2.0), Tried(number=1, settings={"x": 2.0}))
    >>> study = Study(space=Space.parse({"x": {"low": 0, "high": 4}}), trials=tried)
    >>> study.best.settings, study.count("running")
    ({'x': 1.0}, 1)
    """

    space: Space
    trials: tuple[Tried, ...]
    n_trials: int = field(default=0)

    @property
    def done(self) -> tuple[Tried, ...]:
        """The trials that ran to their end."""
        return tuple(one for one in self.trials if one.state == "done")

    def count(self, state: State) -> int:
        """How many trials are in a state."""
        return sum(one.state == state for one in self.trials)

    @property
    def best(self) -> Tried:
        """The trial with the least loss; of equals the first. Raises `tune.failed` where none was finished."""
        return self.ranked()[0]

    def ranked(self) -> list[Tried]:
        """The trials that ran to their end, best first."""
        if not self.done:
            failed = next((one for one in self.trials if one.state == "failed"), None)
            raise UserError(
                "tune.failed", f"none of {len(self.trials)} trials gave a loss"
                + (f"; trial {failed.number} with {dict(failed.settings)}: {failed.why}." if failed else "."),
                hint="check the ranges of the space",
            )  # fmt: skip
        return sorted(self.done, key=lambda one: (one.loss, one.number))

    def best_apart(self, n: int) -> list[Tried]:
        """The best trials that differ from each better one by a tenth of the range of some parameter, at most `n`: for
        an ensemble, which gains nothing from the same model twice.

        >>> from modelwright.tuning import Space
        >>> tried = [Tried(number=n, settings={"x": n / 20}, state="done", loss=float(n)) for n in range(9)]
        >>> study = Study(space=Space.parse({"x": {"low": 0, "high": 1}}), trials=tuple(tried))
        >>> [one.settings["x"] for one in study.best_apart(3)]
        [0.0, 0.1, 0.2]
        """
        kept: list[tuple[Tried, list[float]]] = []
        for one in self.ranked():
            place = self.space.place(one.settings)
            far = [max(abs(a - b) for a, b in zip(place, other, strict=True)) for _, other in kept]
            if len(kept) < n and all(distance >= LEAST_APART - 1e-9 for distance in far):
                kept.append((one, place))
        return [one for one, _ in kept]

    def importance(self) -> dict[str, float]:
        """Share of the loss's variation over the space that each parameter explains by itself, largest first.

        Empty where fewer than 8 trials can be compared. Cost: half a second. See `surface.py`.
        """
        from modelwright.tuning.surface import importance

        return importance(self.space, self.trials)

    def to_plain(self) -> list[dict[str, Any]]:
        """The trials as JSON-able data."""
        return [
            {
                "number": one.number, "settings": dict(one.settings), "state": one.state, "loss": one.loss,
                "reports": list(one.reports), **({"why": one.why} if one.why else {}),
            }
            for one in self.trials
        ]  # fmt: skip


def comparable(trials: Sequence[Tried]) -> list[tuple[Tried, float]]:
    """Trials with a loss that may be compared with the others', for searches that know no early ends.

    One that was stopped is guessed to end as far above the median as its last report was above the median of the
    others' at that step, and no better than the median: it was stopped for that. One that failed is as bad as the
    worst. The trials still running are left out.
    """
    done = [one for one in trials if one.state == "done" and one.loss is not None]
    if not done:
        return []
    losses = [one.loss for one in done if one.loss is not None]
    middle, worst = median(losses), max(losses)
    found = []
    for one in trials:
        if one.state == "done" and one.loss is not None:
            found.append((one, one.loss))
        elif one.state == "stopped" and one.reports:
            step = len(one.reports) - 1
            others = [other.reports[step] for other in done if len(other.reports) > step]
            behind = one.reports[-1] - median(others) if others else 0.0
            found.append((one, middle + max(0.0, behind)))
        elif one.state in ("failed", "stopped"):
            found.append((one, worst))
    return found
