"""The threshold of two classes that meets a stated goal: a precision, a recall, so many rows, the least cost.

Precision and recall hold with a stated confidence on new rows of the same kind: what is chosen has passed a test on
validation rows, not merely reached the figure there.

References: Angelopoulos et al. (2021), "Learn then test: calibrating predictive algorithms to achieve risk control";
Clopper and Pearson (1934), "The use of confidence or fiducial limits".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwright.core.data import Decision
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from modelwright.training.answering.spec import GoalSpec
    from modelwright_runtime.signature import Task

N_STARTS = 5
"""A precision is sought down from so many places in the ranking, for it need not fall as more rows are told."""
N_STEPS = 60
NOT_REACHED = "the goal is not shown to be reached"


@dataclass(frozen=True, eq=False)
class Ranked:
    """Validation rows from the highest score down, one entry for each distinct score.

    `score` (m,); of the rows at or above it `told` is the weight, `found` the weight of the class. `whole` and
    `positive` are the weights of all rows and of those of the class; `scale` turns a weight into a number of rows.
    """

    score: np.ndarray
    told: np.ndarray
    found: np.ndarray
    scale: float

    @classmethod
    def of(cls, positive: np.ndarray, score: np.ndarray, weights: np.ndarray) -> Ranked:
        """From rows: whether each is of the class, its probability, its weight."""
        import numpy as np

        order = np.argsort(-score, kind="stable")
        score, positive, weights = score[order], positive[order], weights[order]
        last = np.flatnonzero(np.append(np.diff(score) != 0, True))
        told, found = np.cumsum(weights)[last], np.cumsum(weights * positive)[last]
        return cls(score[last], told, found, float(weights.sum() / (weights**2).sum()))

    @property
    def whole(self) -> float:
        """The weight of all rows."""
        return float(self.told[-1])

    @property
    def positive(self) -> float:
        """The weight of the rows of the class."""
        return float(self.found[-1])

    def threshold(self, place: int) -> float:
        """Midway between this score and the next one down, so that ties are safe; below the last one, half of it."""
        below = self.score[place + 1] if place + 1 < len(self.score) else 0.0
        return min(max(float((self.score[place] + below) / 2), 1e-9), 1 - 1e-9)

    def precision(self, place: int) -> float:
        """Share of the told rows that is of the class."""
        return float(self.found[place] / self.told[place])

    def recall(self, place: int) -> float:
        """Share of the class's rows that is told."""
        return float(self.found[place] / self.positive)

    def least_precision(self, confidence: float) -> np.ndarray:
        """Its one-sided lower bound at each score, (m,)."""
        return at_least(self.found * self.scale, self.told * self.scale, confidence)

    def least_recall(self, confidence: float) -> np.ndarray:
        """Its one-sided lower bound at each score, (m,)."""
        return at_least(self.found * self.scale, self.positive * self.scale, confidence)


def at_least(hits: np.ndarray | float, n: np.ndarray | float, confidence: float) -> np.ndarray:
    """The lower bound of a share, of which `hits` of `n` rows were seen, that holds with this confidence.

    >>> round(float(at_least(29, 29, 0.95)), 3)
    0.902
    """
    import numpy as np
    from scipy.special import betaincinv

    hits = np.asarray(hits, dtype=np.float64)
    bound = betaincinv(np.maximum(hits, 1e-9), np.maximum(n - hits, 0.0) + 1.0, 1.0 - confidence)
    return np.where(hits > 0, bound, 0.0)


def choose_goal(
    goal: GoalSpec, task: Task, y: np.ndarray, predicted: np.ndarray, weights: np.ndarray, *, n_trained: int
) -> tuple[float, list[Decision]]:
    """The threshold, and what it wins and costs. Raises `UserError("train.goal")` for what has not two classes."""
    if task.kind != "binary":
        raise UserError(
            "train.goal", f"`goal` is for two classes; `{task.target}` asks for {task.kind}.",
            hint="state `costs` for more than two classes, or take `goal` out",
        )  # fmt: skip
    ranked = Ranked.of(y == 1, predicted[:, 1], weights)
    if goal.precision is not None:
        return _by_precision(goal.precision, goal.confidence, ranked, task)
    if goal.recall is not None:
        return _by_recall(goal.recall, goal.confidence, ranked, task)
    if goal.top is not None:
        return _by_count(goal.top, ranked, task, n_trained, goal.confidence)
    return _by_cost(goal, ranked, task)


def _by_precision(least: float, confidence: float, ranked: Ranked, task: Task) -> tuple[float, list[Decision]]:
    """The lowest threshold that passes: from a few starts down, each test as strict as several starts ask for."""
    import numpy as np

    strict = 1.0 - (1.0 - confidence) / N_STARTS
    n_rows, bounds = ranked.told * ranked.scale, ranked.least_precision(strict)
    fewest = np.log(1.0 - strict) / np.log(least)  # all of so many told rows must be of the class to show it
    places = np.flatnonzero(n_rows >= fewest)
    passed: list[int] = []
    if len(places):
        wanted = np.geomspace(n_rows[places[0]], n_rows[-1], N_STEPS)
        grid = np.unique(np.searchsorted(n_rows, wanted).clip(0, len(n_rows) - 1))
        for start in np.unique(np.linspace(0, len(grid), N_STARTS, endpoint=False).astype(int)):
            for place in grid[start:]:
                if bounds[place] < least:
                    break
                passed.append(int(place))
    what = f"a precision of at least {least:g}"
    if passed:
        place = max(passed)
        reason = f"{what} holds with {confidence:.0%} confidence on new rows: {_seen(ranked, place, task)}"
        return _told(ranked, place, reason)
    bounds = ranked.least_precision(confidence)
    place = int(np.argmax(bounds))
    reason = (
        f"{what} cannot be shown with {confidence:.0%} confidence: the best that can is {bounds[place]:.3g}; there "
        f"{_seen(ranked, place, task)}"
    )
    return _told(ranked, place, reason, reached=False)


def _by_recall(least: float, confidence: float, ranked: Ranked, task: Task) -> tuple[float, list[Decision]]:
    """The highest threshold that passes; the lower it is the more is found, so one test after the other is enough."""
    import numpy as np

    places = np.flatnonzero(ranked.least_recall(confidence) >= least)
    what = f"a recall of at least {least:g}"
    if len(places):
        place = int(places[0])
        reason = f"{what} holds with {confidence:.0%} confidence on new rows: {_seen(ranked, place, task)}"
        return _told(ranked, place, reason)
    n = ranked.positive * ranked.scale
    place = len(ranked.score) - 1
    reason = (
        f"{what} cannot be shown with {confidence:.0%} confidence from {n:.0f} rows of {task.classes[1]!r}, even with "
        "every row told it"
    )
    return _told(ranked, place, reason, reached=False)


def _by_count(
    top: float, ranked: Ranked, task: Task, n_trained: int, confidence: float
) -> tuple[float, list[Decision]]:
    """So many of as many rows as were trained on: the share that they are is told of any rows."""
    import numpy as np

    share = top if top < 1 else top / n_trained
    if share >= 1:
        raise UserError(
            "train.goal", f"`goal.top` asks for {top:g} of {n_trained:,} rows.", hint="ask for fewer, or for a share"
        )
    place = int(np.searchsorted(ranked.told, share * ranked.whole, side="right")) - 1
    place = max(place, 0)
    said = f"the likeliest {top:g} of {n_trained:,} rows, " if top >= 1 else "the likeliest "
    got = ranked.told[place] / ranked.whole
    least = float(ranked.least_precision(confidence)[place])
    reason = (
        f"{said}{share:.3%} of any rows ({got:.3%} of the validation rows): {_seen(ranked, place, task)}; a precision "
        f"of at least {least:.3g} holds with {confidence:.0%} confidence"
    )
    return _told(ranked, place, reason)


def _by_cost(goal: GoalSpec, ranked: Ranked, task: Task) -> tuple[float, list[Decision]]:
    """The threshold that would have cost least on the validation rows; ties go to the one in the middle of them."""
    import numpy as np

    from modelwright.training.answering.costs import matrix_of, threshold_of

    (right_no, false_yes), (false_no, right_yes) = matrix = matrix_of(goal.cost or {}, task.classes, where="goal.cost")
    found, told = np.append(0.0, ranked.found), np.append(0.0, ranked.told)
    false, missed = told - found, ranked.positive - found
    right = ranked.whole - told - missed
    cost = (found * right_yes + false * false_yes + missed * false_no + right * right_no) / ranked.whole
    best = np.flatnonzero(cost <= cost.min() + 1e-12)
    place = int(best[len(best) // 2]) - 1
    always = {task.classes[0]: float(cost[0]), task.classes[1]: float(cost[-1])}
    answer, dear = min(always.items(), key=lambda pair: pair[1])
    if place < 0:
        reason = f"saying {answer!r} of every row costs least on validation rows, {dear:.4g} a row"
        return (1 + float(ranked.score[0])) / 2, [Decision("training", "threshold", "never", reason)]
    reason = (
        f"a row costs {cost[place + 1]:.4g} on validation rows, the least of all thresholds; always {answer!r} "
        f"{dear:.4g}; probabilities taken at their word would say {threshold_of(matrix):.3g}; "
        f"{_seen(ranked, place, task)}"
    )
    return _told(ranked, place, reason)


def _seen(ranked: Ranked, place: int, task: Task) -> str:
    return (
        f"{ranked.told[place] / ranked.whole:.1%} of the validation rows are told {task.classes[1]!r}, "
        f"{ranked.precision(place):.1%} of them rightly, and {ranked.recall(place):.1%} of its rows are found"
    )


def _told(ranked: Ranked, place: int, reason: str, *, reached: bool = True) -> tuple[float, list[Decision]]:
    threshold = ranked.threshold(place)
    about = "threshold" if reached else NOT_REACHED
    return threshold, [Decision("training", about, f"{threshold:.4g}", reason)]
