"""What is made of the joined models' answers before they are told: calibrated, decided, and told with how surely.

Everything is learned from the answers to rows that no model was fitted on, and written into the same graph.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from modelwright.core.data import Decision
from modelwright.core.rng import stream
from modelwright.training.answering import conformal, costs, goals
from modelwright.training.answering import quantiles as levels_
from modelwright.training.answering.calibration import choose, parts_of
from modelwright.training.answering.spread import cross_fitted, fit_spread
from modelwright.training.cross import judged_rows
from modelwright.training.threshold import choose_threshold

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.data import Dataset
    from modelwright.graph import Graph
    from modelwright.training.answering.calibration import Calibrator
    from modelwright.training.answering.conformal import Band
    from modelwright.training.answering.spec import ConformalSpec
    from modelwright.training.answering.spread import Spread
    from modelwright.training.base import TrainSpec
    from modelwright.training.cross import Folds
    from modelwright.training.problem import Problem
    from modelwright_runtime.beside import Sets
    from modelwright_runtime.signature import Task

WORTH = 0.01
"""Widths that differ by row are kept where they lower the mean interval score by so much of it."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Answering:
    """How the joined answers of one target become what the package tells.

    `task` is the target as the package tells it; `levels` are the quantiles that the models answer, `point` the place
    of the one that is the answer, `told` the places of those with a column of their own.
    """

    task: Task
    threshold: float = 0.5
    calibrator: Calibrator | None = None
    levels: tuple[float, ...] = ()
    point: int = 0
    told: tuple[int, ...] = ()
    band: Band | None = None
    spread: Spread | None = None

    def apply(self, joined: np.ndarray, data: Dataset) -> list[np.ndarray]:
        """The answer, and the numbers beside it where there are any, of joined answers to some rows."""
        import numpy as np

        if self.task.is_classification:
            return [joined if self.calibrator is None else self.calibrator.apply(joined)]
        value, quantiles = self.value_of(joined)
        if not self.task.columns:
            return [value]
        columns = [] if quantiles is None else [quantiles[:, place] for place in self.told]
        if self.band is not None:
            spread = None if self.spread is None else self.spread.of(data, value)
            columns += self.band.apply(value, quantiles, spread)
        return [value, np.stack(columns, axis=1)]

    def value_of(self, joined: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Values (n,), and quantiles (n, n_levels) in rising order where they are what is joined."""
        import numpy as np

        if not self.levels:
            return joined, None
        ordered = np.sort(joined, axis=1)
        return ordered[:, self.point], ordered

    def emit(self, graph: Graph, joined: str, matrix_of: Callable[[Any], str]) -> list[str]:
        """The same as nodes over the joined answers, float64: the answer (probabilities float32), and the numbers
        beside it, float64 (n, n_columns). `matrix_of(state)` gives the tensor of a state's features."""
        if self.task.is_classification:
            calibrated = joined if self.calibrator is None else self.calibrator.emit(graph, joined)
            return [graph.tensor(calibrated).cast("float32")]
        quantiles, value = None, joined
        if self.levels:
            quantiles = _in_order(graph, joined, len(self.levels))
            value = graph.node("Gather", quantiles, graph.constant(self.point, "int64"), axis=1)
        if not self.task.columns:
            return [value]
        column = graph.node("Reshape", value, graph.constant([-1, 1], "int64"))
        parts = []
        if self.told and quantiles is not None:
            parts.append(graph.node("Gather", quantiles, graph.constant(self.told, "int64"), axis=1))
        if self.band is not None:
            spread = None
            if self.spread is not None:
                spread = self.spread.emit(graph, matrix_of(self.spread.state), column)
            parts.append(self.band.emit(graph, column, quantiles, spread))
        return [value, parts[0] if len(parts) == 1 else graph.node("Concat", *parts, axis=1)]


def _in_order(graph: Graph, quantiles: str, n_levels: int) -> str:
    """Each row's quantiles, the least first: those that cross are put right. Reference: Chernozhukov, Fernández-Val and
    Galichon (2010), "Quantile and probability curves without crossing"."""
    if n_levels == 1:
        return quantiles
    count = graph.constant([n_levels], "int64")
    return graph.nodes("TopK", quantiles, count, n_outputs=2, axis=1, largest=0, sorted=1)[0]


def answering(folds: Folds, joined: np.ndarray, spec: TrainSpec) -> tuple[Answering, np.ndarray, list[Decision]]:
    """What is made of the joined answers (NaN where a row was not judged), the told answers to the same rows, and what
    was decided. Raises `UserError`: `train.goal`, `train.conformal`."""
    import numpy as np

    problem = folds.problem
    judged = judged_rows(problem)
    parts = parts_of(problem.pairs, judged, stream(folds.seed, "training", "calibration"))
    if problem.task.is_classification:
        y, weights = problem.y[judged], problem.weights[judged]
        made, shares, told = of_classes(problem.task, y, joined[judged], weights, parts, spec, n_trained=len(problem.y))
        validation = joined.copy()
        validation[judged] = shares
        return made, validation, told
    made, value, quantiles, told = _of_values(problem, joined, spec)
    if spec.conformal is not None:
        made, more = _with_band(made, folds, judged, parts, (value, quantiles), spec.conformal)
        told += more
    validation = np.full(len(problem.y), np.nan)
    validation[judged] = value[judged]
    return made, validation, told


def of_classes(
    task: Task,
    y: np.ndarray,
    answers: np.ndarray,
    weights: np.ndarray,
    parts: np.ndarray,
    spec: TrainSpec,
    *,
    n_trained: int,
) -> tuple[Answering, np.ndarray, list[Decision]]:
    """How classes are told, the told probabilities of the judged rows, and what was decided.

    `y`, `answers` (n, n_classes), `weights` and `parts` are of the judged rows; `n_trained` rows were trained on.
    """
    calibrator, told = choose(spec.calibration, answers, y, weights, parts, task=task)
    shares = answers if calibrator is None else calibrator.apply(answers)
    if task.costs:
        threshold, more = _by_costs(task, y, shares, weights)
    elif spec.goal is not None:
        threshold, more = goals.choose_goal(spec.goal, task, y, shares, weights, n_trained=n_trained)
    else:
        threshold, about = choose_threshold(spec.threshold, task, y, shares, weights)
        more = [about] if about else []
    if spec.conformal is not None:
        sets, about = _sets(y, shares, parts, spec.conformal, task)
        task, more = replace(task, sets=sets, coverage=spec.conformal.coverage), [*more, about]
    return Answering(task=task, threshold=threshold, calibrator=calibrator), shares, [*told, *more]


def _by_costs(task: Task, y: np.ndarray, shares: np.ndarray, weights: np.ndarray) -> tuple[float, list[Decision]]:
    """The answer that is expected to cost least, and what validation rows cost by it."""
    import numpy as np

    from modelwright_runtime.beside import cheapest

    own = np.array(task.costs)[y, cheapest(shares, task.costs)]
    mean = float(np.average(own, weights=weights))
    error = float(np.sqrt((weights**2 * (own - mean) ** 2).sum()) / weights.sum())
    of_class = np.bincount(y, weights, len(task.classes)) / weights.sum()
    constant, dear = costs.cheapest_constant(of_class, task.costs)
    reason = (
        f"a validation row then costs {mean:.4g} ({max(0.0, mean - 1.96 * error):.4g} to {mean + 1.96 * error:.4g}); "
        f"always {task.classes[constant]!r} costs {dear:.4g}"
    )
    told = [Decision("training", "costs", costs.as_words(task.costs, task.classes), "asked for")]
    if task.kind == "binary":
        threshold = costs.threshold_of(task.costs)
        choice = f"{threshold:.4g}"
        return threshold, [*told, Decision("training", "threshold", choice, f"the cheaper answer is said: {reason}")]
    return 0.5, [*told, Decision("training", "answer", "the class that is expected to cost least", reason)]


def _sets(
    y: np.ndarray, shares: np.ndarray, parts: np.ndarray, spec: ConformalSpec, task: Task
) -> tuple[Sets, Decision]:
    """The sets' rule, and what other folds than it was made on say of it."""
    import numpy as np

    from modelwright_runtime.beside import members

    rule, _ = conformal.sets_of(y, shares, spec)
    inside = np.empty(shares.shape, dtype=bool)
    for part in np.unique(parts):
        own = parts == part
        inside[own] = members(shares[own], conformal.sets_of(y[~own], shares[~own], spec)[0])
    held = inside[np.arange(len(y)), y].mean()
    words = {"lac": f"each class of at least {rule.limit:.3g}", "aps": f"the likeliest classes up to {rule.limit:.3g}"}
    reason = (
        f"{words[rule.method]} ({rule.method.upper()}), the likeliest always: of {len(y):,} validation rows {held:.1%} "
        f"hold their class, {inside.sum(axis=1).mean():.2f} of {len(task.classes)} classes on average, on folds it was "
        "not made on"
    )
    alone = float((shares.argmax(axis=1) == y).mean())
    if alone > spec.coverage:
        reason += f"; the likeliest class alone is right for {alone:.1%}, so sets hold more than was asked"
    return rule, Decision("training", "conformal sets", f"{spec.coverage:.1%} of rows", reason)


def _of_values(
    problem: Problem, joined: np.ndarray, spec: TrainSpec
) -> tuple[Answering, np.ndarray, np.ndarray | None, list[Decision]]:
    """How values are told, the values and quantiles of all rows, and what was decided."""
    if spec.objective is None:
        return Answering(task=problem.task), joined, None, []
    learned = problem.task.quantiles
    point, told = levels_.point_of(spec.objective), levels_.told_levels(spec.objective)
    made = Answering(
        task=replace(
            problem.task, quantiles=told or (point,), columns=tuple(levels_.column_of(level) for level in told)
        ),
        levels=learned,
        point=learned.index(point),
        told=tuple(learned.index(level) for level in told),
    )
    value, quantiles = made.value_of(joined)
    reason = f"a quantile is answered: {point:.1%} of truths lie below it"
    if spec.objective.asymmetric is not None:
        cost = spec.objective.asymmetric
        reason = f"it costs least where a unit too low costs {cost.under:g} and one too high {cost.over:g}"
    elif len(told) > 1:
        reason = "the median; the others have columns of their own"
    return made, value, quantiles, [Decision("training", "answer", f"the quantile {point:g}", reason)]


def _with_band(
    made: Answering, folds: Folds, judged: np.ndarray, parts: np.ndarray,
    answers: tuple[np.ndarray, np.ndarray | None], spec: ConformalSpec,
) -> tuple[Answering, list[Decision]]:  # fmt: skip
    """With an interval: between quantiles where they are learned, else of one width or of one for each row."""
    import numpy as np

    problem, (value, quantiles) = folds.problem, answers
    y, floor = problem.y[judged], 0.0 if problem.y.min() >= 0 else None
    task = replace(made.task, columns=(*made.task.columns, "low", "high"), coverage=spec.coverage)
    if quantiles is not None:
        tail = round((1.0 - spec.coverage) / 2.0, 6)
        ends = (made.levels.index(tail), made.levels.index(round(1.0 - tail, 6)))
        own = quantiles[judged]

        def by_quantiles(rows: np.ndarray) -> Band:
            return conformal.band_of_quantiles(y[rows], own[rows], ends, spec.coverage, floor)

        band = by_quantiles(np.arange(len(y)))
        held, width, _ = _judged(by_quantiles, y, value[judged], own, None, parts, spec.coverage)
        reason = f"between the quantiles {tail:g} and {1 - tail:g}, {_words(band.reach)}: {_held(held, width, len(y))}"
        return replace(made, task=task, band=band), [_about(spec, reason)]
    own_value = value[judged]

    def by_values(spread: np.ndarray | None) -> Callable[[np.ndarray], Band]:
        def band_of(rows: np.ndarray) -> Band:
            own = None if spread is None else spread[rows]
            return conformal.band_of_values(y[rows], own_value[rows], own, spec.coverage, floor)

        return band_of

    plain = _judged(by_values(None), y, own_value, None, None, parts, spec.coverage)
    spread = None if spec.method == "plain" else cross_fitted(folds, judged, value)
    compared = ""
    if spread is not None:
        scaled = _judged(by_values(spread), y, own_value, None, spread, parts, spec.coverage)
        gain = 1.0 - scaled[2] / plain[2]
        compared = f"; their interval score is {abs(gain):.1%} {'better' if gain > 0 else 'worse'}"
        if spec.method == "scaled" or gain > WORTH:
            band = by_values(spread)(np.arange(len(y)))
            reason = f"a width for each row, by how far off like rows were{compared} than that of one width"
            told = _about(spec, f"{reason}: {_held(scaled[0], scaled[1], len(y))}")
            return replace(made, task=task, band=band, spread=fit_spread(folds, judged, value)), [told]
        compared = f"; widths by row do not help, {compared[2:]}"
    band = by_values(None)(np.arange(len(y)))
    told = _about(spec, f"{band.reach:.4g} to either side{compared}: {_held(plain[0], plain[1], len(y))}")
    return replace(made, task=task, band=band), [told]


def plain_band(y: np.ndarray, value: np.ndarray, parts: np.ndarray, spec: ConformalSpec) -> tuple[Band, Decision]:
    """One width about the answers (n,) to rows with the truth `y`, and what is told of it."""
    import numpy as np

    floor = 0.0 if y.min() >= 0 else None

    def band_of(rows: np.ndarray) -> Band:
        return conformal.band_of_values(y[rows], value[rows], None, spec.coverage, floor)

    band = band_of(np.arange(len(y)))
    held, width, _ = _judged(band_of, y, value, None, None, parts, spec.coverage)
    return band, _about(spec, f"{band.reach:.4g} to either side: {_held(held, width, len(y))}")


def _judged(
    band_of: Callable[[np.ndarray], Band], y: np.ndarray, value: np.ndarray, quantiles: np.ndarray | None,
    spread: np.ndarray | None, parts: np.ndarray, coverage: float,
) -> tuple[float, float, float]:  # fmt: skip
    """Share of rows within, mean width, and mean interval score, each part by the interval made on the others."""
    import numpy as np

    low, high = np.empty(len(y)), np.empty(len(y))
    for part in np.unique(parts):
        own = parts == part
        band = band_of(np.flatnonzero(~own))
        low[own], high[own] = band.apply(
            value[own], None if quantiles is None else quantiles[own], None if spread is None else spread[own]
        )
    score = conformal.interval_score(y, low, high, coverage)
    return float(((low <= y) & (y <= high)).mean()), float((high - low).mean()), float(score.mean())


def _words(reach: float) -> str:
    return f"widened by {reach:.3g}" if reach >= 0 else f"narrowed by {-reach:.3g}"


def _held(held: float, width: float, n: int) -> str:
    return f"{held:.1%} of {n:,} validation rows lie within, {width:.4g} wide on average, on folds it was not made on"


def _about(spec: ConformalSpec, reason: str) -> Decision:
    return Decision("training", "conformal interval", f"{spec.coverage:.1%} of rows", reason)
