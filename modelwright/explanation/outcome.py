"""The one number of an answer that is explained: a probability, its log-odds, a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from modelwright.core.errors import UserError, nearest

if TYPE_CHECKING:
    import numpy as np

    from modelwright_runtime.signature import Task

Scale = Literal["probability", "log_odds", "value"]
LEAST_ODDS = 1e-6
"""Probabilities nearer to 0 or 1 are taken for this near: float32 tells no more, and log-odds would be infinite."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What of an answer is explained. `classes` (n,) has the place of a class for each row that is explained, or one
    place for all rows; -1 where answers are values, the place of the one that is explained where a row has several."""

    task: Task
    scale: Scale
    classes: np.ndarray

    def of(self, answers: np.ndarray, rows: np.ndarray | int) -> np.ndarray:
        """The number of each answer, float64 (n,); `rows` (n,) are the explained rows that the answers are about."""
        import numpy as np

        if self.scale == "value":
            wide = answers.astype(np.float64)
            if self.task.kind == "anomaly":  # the score; how much of it each column makes stands beside it
                return wide[:, 0]
            if self.task.kind in ("anomaly", "embedding"):  # a score comes first; of coordinates one is explained
                return np.asarray(wide[:, self.classes[0]])
            if wide.ndim == 3:  # of quantiles the one nearest the middle, as the package answers
                wide = wide[:, :, int(np.argmin(np.abs(np.array(self.task.quantiles) - 0.5)))]
            return wide if wide.ndim == 1 else wide.mean(axis=1)
        chosen = self.classes[rows] if len(self.classes) > 1 else self.classes[0]
        chances: np.ndarray = answers.astype(np.float64)[np.arange(len(answers)), chosen]
        if self.scale == "probability":
            return chances
        chances = np.clip(chances, LEAST_ODDS, 1.0 - LEAST_ODDS)
        return np.log(chances / (1.0 - chances))

    def alike(self, place: int) -> Outcome:
        """The same about one class for all rows."""
        import numpy as np

        return Outcome(self.task, self.scale, np.array([place]))


def outcome_of(task: Task, answers: np.ndarray, *, scale: str, asked_class: str | None) -> Outcome:
    """What is explained of these answers: the class that is asked for, else of two the second, of more the likeliest of
    each row. Raises `UserError("explain.class")` for a class that the package does not answer."""
    import numpy as np

    if task.kind == "anomaly":
        return Outcome(task, "value", np.array([-1]))
    if asked_class is not None and asked_class not in task.classes:
        raise UserError(
            "explain.class", f"`{task.target}` has no class {asked_class!r}.", hint=nearest(asked_class, task.classes)
        )
    if task.kind in ("anomaly", "embedding"):
        place = task.classes.index(asked_class) if asked_class and task.kind == "embedding" else 0
        return Outcome(task, "value", np.array([place]))
    if not task.classes:
        return Outcome(task, "value", np.array([-1]))
    kept: Scale = "log_odds" if scale == "log_odds" else "probability"
    if asked_class is not None:
        return Outcome(task, kept, np.array([task.classes.index(asked_class)]))
    if task.kind == "binary":
        return Outcome(task, kept, np.array([1]))
    return Outcome(task, kept, answers.argmax(axis=1).astype(np.int64))
