"""What a form of the model costs in quality: score, slices and calibration on training rows, never on held-out ones.

The original's answers are its cross-validated ones where there are any. A form of the same fit (rounded, cut) is
judged by laying the change of the graph's answers on them: rows that the model was fitted on would flatter both. A form
that was fitted anew brings answers of its own to rows that it had not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from modelwright.core.rng import stream
from modelwright.packaging.compression.score import calibration_error, score_of, truth_of

if TYPE_CHECKING:
    import polars as pl

    from modelwright.core.data import Dataset
    from modelwright.packaging.compression.case import Case, Variant
    from modelwright_runtime.signature import Task

MOST_ROWS, MOST_ROWS_MEDIA = 3000, 400
N_DRAWS = 50
LEAST_SLICE = 50
MOST_LEVELS, MOST_SLICED = 8, 8
CROSSED = 0.3


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`loss` is how much the score falls (negative when it rises), `error` its standard error, `calibration` by how
    much the calibration error rises, `worst_slice` the slice that loses most beyond doubt, `difference` the largest
    change of an answer, absolute. `why_not` is "" for a form that keeps within the tolerance."""

    score: float
    loss: float
    error: float
    calibration: float
    worst_slice: str
    slice_loss: float
    difference: float
    why_not: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Judge:
    """The rows that forms are judged on, and what the original answers there."""

    case: Case
    positions: np.ndarray
    truth: np.ndarray | None
    base: np.ndarray
    fed: list[dict[str, np.ndarray]]
    original: list[tuple[np.ndarray, ...]]
    slices: list[tuple[str, np.ndarray]] = field(default_factory=list)

    @property
    def task(self) -> Task:
        """What is predicted."""
        return self.case.trained.task

    def verdict(self, variant: Variant, tolerance: float) -> Verdict:
        """Measure one form."""
        if variant.honest is not None:
            given = variant.honest[self.positions]
            known = np.isfinite(given.reshape(len(given), -1)).all(axis=1)
            difference = _apart(self.base[known], given[known])
            return self._scored(given, known, difference, tolerance, n_errors=2.0)  # another model: be surer
        answers = [_ask(variant.graph, fed) for fed in self.fed]
        # what trees know by heart of their own rows goes first when they are cut: rows that nobody knew are fairer
        change = answers[-1][0].astype(np.float64) - self.original[-1][0]
        if len(self.fed) > 1 and change.shape[1:] in ((), (2,)):
            change = change[_alike(self.base, self.original[-1][0])]
        difference = max(_apart(now, was) for now, was in zip(answers[0], self.original[0], strict=True))
        strayed = max(_strayed(now, was) for now, was in zip(answers[0], self.original[0], strict=True))
        if self.truth is None or not np.isfinite(change).all():
            return _by_likeness(strayed, difference, tolerance)
        verdict = self._scored(self.base + change, np.ones(len(self.base), bool), difference, tolerance)
        others = [_strayed(now, was) for now, was in zip(answers[0][1:], self.original[0][1:], strict=True)]
        if max(others, default=0.0) > tolerance and not verdict.why_not:
            return _by_likeness(max(others), difference, tolerance)
        return verdict

    def _scored(
        self, given: np.ndarray, known: np.ndarray, difference: float, tolerance: float, n_errors: float = 1.0
    ) -> Verdict:
        assert self.truth is not None
        task, truth, base = self.task, self.truth[known], self.base[known]
        now = _valid(given[known], task)
        score, was = score_of(task, truth, now), score_of(task, truth, base)
        error, doubt = _errors(task, truth, base, now)
        calibration = calibration_error(task, truth, now) - calibration_error(task, truth, base)
        where, slice_loss = self._worst(known, truth, base, now)
        why = ""
        if not np.isfinite(score):
            why = "its answers are not all numbers"
        elif was - score + n_errors * error > tolerance:
            why = f"the score falls by {was - score:.4f} ± {error:.4f}"
        elif calibration - doubt > tolerance:
            why = f"the calibration error rises by {calibration:.4f} ± {doubt:.4f}"
        elif slice_loss > tolerance:
            why = f"the score of {where} falls by at least {slice_loss:.4f}"
        return Verdict(
            score=score, loss=was - score, error=error, calibration=calibration, worst_slice=where,
            slice_loss=slice_loss, difference=difference, why_not=why,
        )  # fmt: skip

    def _worst(self, known: np.ndarray, truth: np.ndarray, base: np.ndarray, now: np.ndarray) -> tuple[str, float]:
        """The slice that loses most, two standard errors taken off: slices are many, and small."""
        found = ("", 0.0)
        for name, mask in self.slices:
            part = mask[known]
            if part.sum() < LEAST_SLICE:
                continue
            before, after = (score_of(self.task, truth[part], answers[part]) for answers in (base, now))
            loss = before - after
            if np.isfinite(loss) and loss > found[1]:
                loss -= 2.0 * _errors(self.task, truth[part], base[part], now[part])[0]
                found = (name, float(loss)) if loss > found[1] else found
        return found


def judge_of(case: Case) -> Judge:
    """Choose the rows, and ask the original."""
    rng = stream(case.seed, "compression", "judge")
    positions = np.flatnonzero(case.splits.folds >= 0)
    validation = case.validation
    if validation is not None:
        known = np.isfinite(validation.reshape(len(validation), -1)).all(axis=1)
        positions = np.flatnonzero(known) if known.any() else positions
    positions = positions if len(positions) else np.arange(case.rows.n_rows)
    most = MOST_ROWS_MEDIA if case.has_media else MOST_ROWS
    if len(positions) > most:
        positions = np.sort(rng.permutation(positions)[:most])
    feeds = case.feeds(positions)
    fed = [feeds, *_crossed(feeds, rng)]
    original = [_ask(case.trained.graph, one) for one in fed]
    truth = truth_of(case.trained.task, case.rows)
    base = original[0][0].astype(np.float64)
    if validation is not None and np.isfinite(validation[positions]).all():
        base = validation[positions]
    return Judge(
        case=case, positions=positions, truth=None if truth is None else truth[positions],
        base=_valid(base, case.trained.task), fed=fed, original=original,
        slices=_slices(case.rows, positions),
    )  # fmt: skip


def _crossed(feeds: dict[str, np.ndarray], rng: np.random.Generator) -> list[dict[str, np.ndarray]]:
    """Rows that nobody was fitted on: numbers and categories, some of each row's taken from another row.

    Reference: Bucila, Caruana and Niculescu-Mizil (2006), "Model compression" (its MUNGE, without the neighbours).
    """
    if not set(feeds) & {"numbers", "categories"}:
        return []
    crossed = dict(feeds)
    for name in ("numbers", "categories"):
        if name in feeds:
            x = feeds[name]
            other = x[rng.integers(0, len(x), x.shape), np.arange(x.shape[1])]
            crossed[name] = np.where(rng.random(x.shape) < CROSSED, other, x)
    return [crossed]


def _alike(base: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each judged row another whose answer stands at the same place in the order: a change goes with the answer."""

    def order(answers: np.ndarray) -> np.ndarray:
        if answers.ndim == 1:
            return np.argsort(answers, kind="stable")
        return np.argsort(answers[:, 1], kind="stable")

    places = np.empty(len(base), dtype=np.int64)
    places[order(base)] = order(others)
    return places


def _ask(graph: bytes, feeds: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    from modelwright_runtime.engine import open_session

    session = open_session(graph, n_threads=1)
    n_rows = len(next(iter(feeds.values())))
    names = [one.name for one in session.get_inputs()]
    parts = [
        session.run(None, {name: feeds[name][start : start + 64] for name in names}) for start in range(0, n_rows, 64)
    ]
    return tuple(np.concatenate(outputs) for outputs in zip(*parts, strict=True))


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    gaps = np.abs(one.astype(np.float64) - other)
    return float(gaps.max(initial=0.0))


def _strayed(now: np.ndarray, was: np.ndarray) -> float:
    """Root mean square of the change, in standard deviations of the answers."""
    return float(np.sqrt(((now.astype(np.float64) - was) ** 2).mean()) / max(float(was.std()), 1e-12))


def _by_likeness(strayed: float, difference: float, tolerance: float) -> Verdict:
    """Boxes, masks and forecasts: answers must stay where they are, within the tolerance in standard deviations."""
    why = f"answers move by {strayed:.4f} of their spread" if not strayed <= tolerance else ""
    return Verdict(
        score=1.0 - strayed, loss=strayed, error=0.0, calibration=0.0, worst_slice="", slice_loss=0.0,
        difference=difference, why_not=why,
    )  # fmt: skip


def _valid(answers: np.ndarray, task: Task) -> np.ndarray:
    """Probabilities that are such, after a change was laid on them."""
    answers = answers.astype(np.float64)
    if task.kind == "multilabel":
        return answers.clip(0.0, 1.0)
    if not task.is_classification:
        return answers
    clipped = answers.clip(1e-7, 1.0)
    summed: np.ndarray = clipped / clipped.sum(axis=1, keepdims=True)
    return summed


def _errors(task: Task, truth: np.ndarray, base: np.ndarray, now: np.ndarray) -> tuple[float, float]:
    """Standard errors of the differences of the two scores and of the two calibration errors, by drawing rows."""
    if np.array_equal(base, now):
        return 0.0, 0.0
    rng = np.random.Generator(np.random.PCG64(0))
    gaps = np.empty((N_DRAWS, 2))
    for draw in range(N_DRAWS):
        rows = rng.integers(0, len(truth), len(truth))
        for column, measure in enumerate((score_of, calibration_error)):
            gaps[draw, column] = measure(task, truth[rows], base[rows]) - measure(task, truth[rows], now[rows])
    gaps = gaps[np.isfinite(gaps[:, 0])]
    return (float(gaps[:, 0].std()), float(gaps[:, 1].std())) if len(gaps) else (0.0, 0.0)


def _slices(rows: Dataset, positions: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Levels of the columns with few, and the thirds of the first numbers."""
    import polars as pl

    frame = rows.frame[positions]
    made: list[tuple[str, np.ndarray]] = []
    readers: dict[str, Callable[[str], list[tuple[str, np.ndarray]]]] = {
        "category": lambda name: _levels(frame, name), "boolean": lambda name: _levels(frame, name),
        "number": lambda name: _thirds(name, frame[name].cast(pl.Float64).to_numpy()),
    }  # fmt: skip
    sliced = [name for name in rows.schema.features if rows.schema[name].kind in readers]
    protected = set(rows.schema.of_role("protected"))
    for name in sorted(sliced, key=lambda name: name not in protected)[:MOST_SLICED]:
        made += readers[rows.schema[name].kind](name)
    return made


def _levels(frame: pl.DataFrame, name: str) -> list[tuple[str, np.ndarray]]:
    cells = np.array([str(cell) for cell in frame[name].to_list()], dtype=object)
    levels, counts = np.unique(cells, return_counts=True)
    commonest = levels[np.argsort(-counts, kind="stable")][:MOST_LEVELS]
    return [(f"{name} = {level}", np.asarray(cells == level)) for level in commonest]


def _thirds(name: str, values: np.ndarray) -> list[tuple[str, np.ndarray]]:
    present = values[np.isfinite(values)]
    if not len(present):
        return []
    low, high = np.quantile(present, [1 / 3, 2 / 3])
    return [
        (f"{name} <= {low:.4g}", values <= low),
        (f"{name} between", (values > low) & (values <= high)),
        (f"{name} > {high:.4g}", values > high),
    ]
