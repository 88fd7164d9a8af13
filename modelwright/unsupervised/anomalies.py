"""Which rows are odd: detectors heard together, scores that mean a share of rows, a line, and the columns to blame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright import oddness
from modelwright.core.data import ROW_ID, Dataset, Decision
from modelwright.core.rng import stream
from modelwright.core.values import Candidate, Splits, Trained, Watch
from modelwright.unsupervised.calibrate import Calibration, calibrate, fence
from modelwright.unsupervised.finish import Learned, free_name, sample, trained_of
from modelwright.unsupervised.joint import Joint, join, uses_of
from modelwright.unsupervised.reasons import Reasons, learn_reasons
from modelwright.unsupervised.space import Space, learn_space, training_rows
from modelwright.unsupervised.spec import AnomalySpec

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph

MOST_FITTED = 20_000
"""Rows that detectors are fitted on; scores of all training rows calibrate them."""
N_FOLDS = 5
N_BINS, MOST_KEPT = 60, 1_000


@dataclass(frozen=True, eq=False, kw_only=True)
class Watcher:
    """A space and the detectors in it."""

    space: Space
    joint: Joint

    def raw(self, rows: Dataset) -> np.ndarray:
        """How odd rows are, in middle deviations."""
        return self.joint.raw(self.space.points(rows))


@dataclass(frozen=True, eq=False, kw_only=True)
class Judged:
    """The raw scores of the training rows by detectors of other rows, the line that is drawn, and what it is as a
    share of usual rows."""

    raw: np.ndarray
    line: float
    threshold: float


def anomalies(
    data: Dataset, splits: Splits, spec: AnomalySpec = AnomalySpec(), *, seed: int = 0, watch: Watch | None = None  # noqa: B008
) -> Trained:  # fmt: skip
    """Learn which rows are odd, from rows without labels.

    Detectors are joined (see `joint.join`) and fitted on the training rows. Their score is turned into the share of
    usual rows that are less odd, learned on rows that the detectors had not seen (each fold of the training rows is
    scored by detectors of the other folds). Rows above a line are anomalies: above Tukey's fence of the raw scores,
    or the `share` of rows that was asked for. Of each row it is told how much every column has to do with it.

    Linear algebra runs on one thread, so that the bytes do not depend on the machine's cores. Cost: about 10 s for
    10,000 rows of 20 columns. Raises UserError `unsupervised.rows`, `unsupervised.columns`.

    Reference: see `joint.py`, `calibrate.py` and each detector.

    >>> import numpy as np, polars as pl
    >>> from modelwright.core.data import Column, Schema
    >>> x = np.random.default_rng(0).normal(size=(200, 2)); x[7] = 9.0, -9.0
    >>> data = Dataset.from_frame(pl.DataFrame(x, ["a", "b"]), Schema((Column("a", "number"), Column("b", "number"))))
    >>> ids = data.row_ids
    >>> splits = Splits(train=ids[:160], test=ids[160:], folds=np.arange(160) % 4, kind="random")
    >>> trained = anomalies(data, splits)
    >>> answer = trained.predict(data.take([3, 7]))
    >>> (answer[:, 0] >= trained.signature.threshold).tolist(), trained.parity < 1e-5
    ([False, True], True)
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        rows, told = training_rows(data, splits.train, seed)
        return _anomalies(rows, data, splits, spec, told, seed, watch or (lambda event: None))


def _anomalies(
    rows: Dataset, data: Dataset, splits: Splits, spec: AnomalySpec, told: list[Decision], seed: int, watch: Watch
) -> Trained:
    import numpy as np

    uses = uses_of(spec.detectors)
    others = _by_others(rows, splits, uses, seed, watch)
    watcher = _learn(rows, uses, seed)
    points = watcher.space.points(rows)
    scores = watcher.joint.scores(points)
    calibration = calibrate(others)
    line, about_line = _line(others, spec)
    reasons = learn_reasons(watcher.space, points)
    judged = Judged(raw=others, line=line, threshold=float(calibration.apply(np.array([line]))[0]))
    decisions = (*told, *watcher.space.decisions, *_about_detectors(watcher.joint, spec), about_line)
    own = watcher.joint.heard(scores)
    learned = Learned(
        task=_task(data, reasons), space=watcher.space, decisions=decisions, threshold=judged.threshold,
        emit=lambda graph, inputs: _emit(graph, inputs, watcher, calibration, reasons),
        answer=lambda some: _answer(some, watcher, calibration, reasons),
        leaderboard=_leaderboard(scores, own, uses), validation=calibration.apply(others)[:, None],
        importance=_importance(reasons.parts(points[own >= line]), reasons.columns),
        facts=_facts(rows, data, splits, uses, seed, judged, watcher),
        n_cells_per_row=max(one.fitted.n_cells_per_row for one in watcher.joint.members) + reasons.edges.size * 3,
    )  # fmt: skip
    return trained_of(learned, rows, data, splits)


def _learn(rows: Dataset, uses: Sequence[tuple[Any, Any]], seed: int) -> Watcher:
    """A space and detectors learned on these rows; on many, detectors on a sample."""
    import numpy as np

    space = learn_space(rows, "anomaly", seed=seed)
    points = space.points(rows)
    if len(points) > MOST_FITTED:
        points = points[np.sort(stream(seed, "unsupervised", "fitted").permutation(len(points))[:MOST_FITTED])]
    return Watcher(space=space, joint=join(points, uses, seed=seed))


def _by_others(rows: Dataset, splits: Splits, uses: Sequence[tuple[Any, Any]], seed: int, watch: Watch) -> np.ndarray:
    """The raw score of each training row by detectors that were not learned on it."""
    import numpy as np

    ids = rows.frame[ROW_ID].to_numpy()
    order = np.argsort(splits.train, kind="stable")
    folds = splits.folds[order][np.searchsorted(splits.train[order], ids)]
    if len(np.unique(folds[folds >= 0])) < 2:  # one part held out: the other rows are judged the same way
        folds = stream(seed, "unsupervised", "folds").permutation(len(ids)) % N_FOLDS
    raw = np.empty(len(ids))
    numbers = np.unique(folds).tolist()
    for done, number in enumerate(numbers):
        judged = folds == number
        watcher = _learn(data_at(rows, ~judged), uses, seed)
        raw[judged] = watcher.raw(data_at(rows, judged))
        watch({"stage": "unsupervised", "event": "progress", "done": done + 1, "total": len(numbers) + 1,
               "text": "scored by detectors of other rows"})  # fmt: skip
    return raw


def data_at(rows: Dataset, chosen: np.ndarray) -> Dataset:
    """The rows at the places where `chosen` is true."""
    import polars as pl

    frame = rows.frame.filter(pl.Series(chosen))
    return Dataset(frame.lazy(), rows.schema, frame.height, rows.origin)


def _line(raw: np.ndarray, spec: AnomalySpec) -> tuple[float, Decision]:
    """The raw score from which a row is an anomaly, and why."""
    import numpy as np

    if not isinstance(spec.share, str):
        line = float(np.quantile(raw, 1 - spec.share))
        return line, Decision("unsupervised", "share", f"{spec.share:.2%} of the rows", "asked for")
    line = fence(raw)
    share = float((raw >= line).mean())
    reason = "rows beyond Tukey's fence of the scores, one and a half middle halves above the upper quarter"
    return line, Decision(
        "unsupervised", "share", f"{share:.2%} of the training rows", f"{reason}; say `share:` if known"
    )


def _task(data: Dataset, reasons: Reasons) -> Any:
    from modelwright_runtime.signature import Task

    return Task(kind="anomaly", target=free_name("anomaly", data.schema.names), classes=reasons.columns)


def _emit(graph: Graph, inputs: Any, watcher: Watcher, calibration: Calibration, reasons: Reasons) -> str:
    points = watcher.space.emit(graph, inputs)
    score = calibration.emit(graph, watcher.joint.emit(graph, points))
    return graph.node("Concat", score, reasons.emit(graph, points), axis=1)


def _answer(some: Dataset, watcher: Watcher, calibration: Calibration, reasons: Reasons) -> np.ndarray:
    import numpy as np

    points = watcher.space.points(some)
    return np.column_stack([calibration.apply(watcher.joint.raw(points)), reasons.parts(points)])


def _about_detectors(joint: Joint, spec: AnomalySpec) -> list[Decision]:
    names = ", ".join(one.name for one in joint.members)
    why = "asked for" if spec.detectors != "auto" else (
        "two schools: what is odd beside all rows, and beside rows like it; the surer one is heard"
    )  # fmt: skip
    told = [Decision("unsupervised", "detectors", names, why)]
    if len(joint.schools) == 2:
        reason = (
            "how far it orders the rows as the global school does; where it does not, distances are not to be trusted"
        )
        told.append(Decision("unsupervised", "weight of the local school", f"{joint.agreement:.2f}", reason))
    return told


def _leaderboard(
    scores: Mapping[str, np.ndarray], own: np.ndarray, uses: Sequence[tuple[Any, Any]]
) -> tuple[Candidate, ...]:
    specs = {detector.name: spec for detector, spec in uses}
    made = [
        Candidate(name=name, model=name, settings=specs[name].to_plain(), metric="rank_agreement",
                  score=oddness.agreement(score, own), weight=1 / len(scores))
        for name, score in scores.items()
    ]  # fmt: skip
    return tuple(sorted(made, key=lambda one: (-one.score, one.name)))


def _importance(parts: np.ndarray, columns: tuple[str, ...]) -> dict[str, float]:
    """How often each column is what makes an anomaly odd, by its share of the reasons."""
    import numpy as np

    if not len(parts):
        return dict.fromkeys(columns, 0.0)
    strong = np.where(parts >= 0.5 * parts.max(axis=1, keepdims=True), parts, 0.0)
    shares = (strong / np.maximum(strong.sum(axis=1, keepdims=True), 1e-12)).mean(axis=0)
    return dict(zip(columns, shares.tolist(), strict=True))


def _facts(
    rows: Dataset, data: Dataset, splits: Splits, uses: Sequence[tuple[Any, Any]], seed: int, judged: Judged,
    watcher: Watcher,
) -> dict[str, Any]:  # fmt: skip
    """What the report shows: the histogram of scores, the line, and whether other rows would order rows alike."""
    import numpy as np

    raw, share = judged.raw, float((judged.raw >= judged.line).mean())
    top = float(np.quantile(raw, 0.999))
    counts, edges = np.histogram(np.minimum(raw, top), bins=N_BINS)
    held_out = data.take(splits.test) if len(splits.test) else rows
    held_out = data_at(held_out, np.isin(np.arange(held_out.n_rows), sample(held_out.n_rows, MOST_KEPT)))
    half = stream(seed, "unsupervised", "halves").permutation(rows.n_rows) % 2 == 0
    halves = [_learn(data_at(rows, chosen), uses, seed).raw(held_out) for chosen in (half, ~half)]
    names = [one.name for one in watcher.joint.members]
    return {
        "share": share, "line": judged.line, "threshold": judged.threshold, "n_rows": rows.n_rows,
        "scores": {"edges": edges.tolist(), "counts": counts.tolist(), "n_above": int((raw > top).sum())},
        "halves": [np.round(one, 6).tolist() for one in halves], "detectors": names,
        "told": f"{len(names)} detectors; {share:.2%} of {rows.n_rows:,} rows are odd",
    }  # fmt: skip
