"""How far columns have moved, how surely, and how much of it can matter.

References: Siddiqi (2006), "Credit Risk Scorecards" (population stability index); Lin (1991), "Divergence measures
based on the Shannon entropy"; Vallender (1973), "Calculation of the Wasserstein distance between probability
distributions on the line"; Lopez-Paz and Oquab (2017), "Revisiting classifier two-sample tests".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelwright.monitoring import nulls
from modelwright.monitoring.reference import decoded
from modelwright.monitoring.values import Fault, Moved

if TYPE_CHECKING:
    from modelwright.monitoring.reference import Reference, View
    from modelwright.monitoring.sketch import Counts, Sketch

Floats = NDArray[np.float64]
LEAST_FAULT = 0.01
"""A defect of fewer rows than this share is told with its column and raises nothing."""
SURE = 1e-6
MISSING, UNSEEN = 255, 254


@dataclass(frozen=True)
class Tests:
    """All tests of a window: per view the p-values of its values and of its missing rate, and both together."""

    values: Floats
    missing: Floats
    p: float


def tests_of(reference: Reference, sketch: Sketch, rng: np.random.Generator) -> Tests:
    """Test every view; `p` holds over all of them, however the columns hang together.

    >>> from modelwright.testing.monitoring import tiny_reference, tiny_signature, tiny_window
    >>> from modelwright.monitoring.sketch import sketch_of
    >>> reference = tiny_reference()
    >>> found = tests_of(reference, sketch_of(reference, tiny_signature(), tiny_window(500)), np.random.default_rng(0))
    >>> found.values.shape, 0 < found.p <= 1
    ((4,), True)
    """
    views = [view for view in reference.views if view.name in sketch.columns]
    tables = []
    told_missing: set[str] = set()
    for view in views:
        counted = sketch.columns[view.name]
        tables.append((_with_unseen(counted), np.array(view.counts)))
        n_now = 0 if view.column in told_missing else counted.n_rows  # a column's gaps are tested once
        told_missing.add(view.column)
        tables.append(
            (
                np.array([max(0, n_now - counted.n_missing), min(counted.n_missing, n_now)]),
                np.array([view.n_rows - view.n_missing, view.n_missing]),
            )
        )
    p = nulls.p_values(tables, rng)
    together = nulls.smallest(p, _blocks(reference, sketch, views, p), rng)
    return Tests(values=p[0::2], missing=p[1::2], p=together)


def _blocks(reference: Reference, sketch: Sketch, views: list[View], p: Floats) -> list[NDArray[np.float32]]:
    """What each sampled row adds to each test's counts, less its expectation: reference and window pooled."""
    now, then = decoded(sketch.sample), reference.codes()
    blocks: list[NDArray[np.float32]] = []
    for index, view in enumerate(views):
        codes = np.concatenate([now[view.name], then[view.name]]) if view.name in then else now[view.name]
        codes = np.where(codes == UNSEEN, np.uint8(len(view.levels)), codes)
        if np.isfinite(p[2 * index]):
            there = (codes != MISSING).astype(np.float32)
            kinds = np.unique(codes[codes != MISSING])
            hot = (codes[:, None] == kinds[None, :]).astype(np.float32)
            blocks.append(hot - there[:, None] * (hot.sum(axis=0) / max(1.0, float(there.sum()))).astype(np.float32))
        else:
            blocks.append(np.zeros((codes.size, 0), dtype=np.float32))
        gone = (codes == MISSING).astype(np.float32)[:, None]
        blocks.append(gone - gone.mean() if codes.size else gone)
    return blocks


def moved(reference: Reference, sketch: Sketch, tests: Tests, edge: float) -> tuple[Moved, ...]:
    """Every view's distances, the riskiest first. `edge` is how much better than its baseline the model is."""
    views = [view for view in reference.views if view.name in sketch.columns]
    n_views = {view.column: sum(other.column == view.column for other in views) for view in views}
    found = []
    for view, p, p_missing in zip(views, tests.values.tolist(), tests.missing.tolist(), strict=True):
        importance = reference.importance.get(view.column, 0.0) / n_views[view.column]
        found.append(_moved(view, sketch.columns[view.name], importance, edge, (p, p_missing)))
    return tuple(sorted(found, key=lambda one: (-one.at_risk, -one.moved, one.name)))


def _moved(view: View, counted: Counts, importance: float, edge: float, p: tuple[float, float]) -> Moved:
    n, m = max(1, counted.n_rows), max(1, view.n_rows)
    now = np.array([*_with_unseen(counted), counted.n_missing], dtype=float) / n
    gone = view.n_missing / m
    there = np.array(view.counts, dtype=float) * ((1 - gone) / max(1, sum(view.counts)))
    then = np.array([*there, gone])
    share = excess(now, then, n, m)
    outside = (counted.n_below + counted.n_above) / n
    missing, missing_then = now[-1], then[-1]
    smooth_now, smooth_then = (_smoothed(part[:-1]) for part in (now * n, then * m))
    return Moved(
        name=view.name,
        column=view.column,
        importance=importance,
        psi=float(((smooth_now - smooth_then) * np.log(smooth_now / smooth_then)).sum()),
        jensen_shannon=_jensen_shannon(smooth_now, smooth_then),
        wasserstein=_wasserstein(view, counted),
        missing=float(missing),
        missing_reference=float(missing_then),
        unseen=counted.n_unseen / n,
        unreadable=counted.n_unreadable / n,
        outside=outside,
        p=_or_none(p[0]),
        p_missing=_or_none(p[1]),
        moved=share,
        strange=_strange(view, counted),
        at_risk=importance * edge * share,
        words=_words(view, counted, share, missing, missing_then),
    )


def _with_unseen(counted: Counts) -> NDArray[np.int64]:
    """Rows by bin, levels that the reference never saw among the other ones: some are never seen by any sample."""
    return np.array([*counted.counts[:-1], counted.counts[-1] + counted.n_unseen], dtype=np.int64)


def _strange(view: View, counted: Counts) -> float:
    """The share of cells that are missing, unseen or out of range, beyond what the reference lets one expect."""
    n, m = max(1, counted.n_rows), max(1, view.n_rows)
    grown = max(0.0, counted.n_missing / n - view.n_missing / m - 2 * (0.25 / n + 0.25 / m) ** 0.5)
    unseen = max(0.0, counted.n_unseen / n - 3 * view.n_once / m)
    outside = max(0.0, (counted.n_below + counted.n_above) / n - 5 / m)
    return float(min(1.0, grown + unseen + outside))


def excess(now: Floats, then: Floats, n: int, m: int) -> float:
    """Total variation between two rows of shares, less what samples of n and of m rows differ by on average.

    >>> round(excess(np.array([0.5, 0.5]), np.array([1.0, 0.0]), 10_000, 10_000), 2)
    0.5
    """
    pooled = (now * n + then * m) / (n + m)
    noise = 0.5 * float(np.sqrt(2 / np.pi * pooled * (1 - pooled) * (1 / n + 1 / m)).sum())
    return max(0.0, 0.5 * float(np.abs(now - then).sum()) - noise)


def _smoothed(counts: Floats) -> Floats:
    """Shares, half a row added to each bin so that none is empty."""
    return np.asarray((counts + 0.5) / (counts + 0.5).sum())


def _jensen_shannon(now: Floats, then: Floats) -> float:
    middle = (now + then) / 2
    divergence = 0.5 * ((now * np.log2(now / middle)).sum() + (then * np.log2(then / middle)).sum())
    return float(np.sqrt(max(0.0, divergence)))


def _wasserstein(view: View, counted: Counts) -> float | None:
    """Area between the two distribution functions, read at the cuts, in standard deviations of the reference."""
    n_now, n_then = sum(counted.counts), sum(view.counts)
    if not view.is_number or not n_now or not n_then or not view.std or counted.low is None or view.low is None:
        return None
    ends = (min(view.low, counted.low), max(view.high or 0.0, counted.high or 0.0))
    places = np.array([ends[0], *view.cuts, ends[1]])
    now = np.cumsum([0, *counted.counts]) / n_now
    then = np.cumsum([0, *view.counts]) / n_then
    gap = np.abs(now - then)
    return float((np.diff(places) * (gap[1:] + gap[:-1]) / 2).sum() / view.std)


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _words(view: View, counted: Counts, share: float, missing: float, missing_then: float) -> str:
    told = [f"{share:.0%} of the rows lie elsewhere"] if share >= 0.005 else ["about as before"]
    if abs(missing - missing_then) >= 0.005:
        told.append(f"missing {missing_then:.1%} -> {missing:.1%}")
    if counted.n_unseen:
        told.append(f"new: {', '.join(map(repr, counted.examples[:3]))}")
    n_present = sum(counted.counts)
    if view.is_number and view.mean is not None and n_present and share >= 0.005:
        told.append(f"mean {view.mean:.4g} -> {counted.total / n_present:.4g}")
    return "; ".join(told)


def faults_of(reference: Reference, sketch: Sketch, columns: tuple[Moved, ...], absent: list[str]) -> tuple[Fault, ...]:
    """Defects of the data, gravest first: each is told when it is sure and touches 1 % of the rows or more.

    They lie outside the budget: where nothing has changed, one is expected in less than a millionth of the looks.
    """
    found = [
        Fault(column=name, kind="absent", share=1.0, reference=0.0, words=f"{name!r} is not sent at all")
        for name in absent
    ]
    views = {view.name: view for view in reference.views}
    seen: set[str] = set(absent)
    for one in columns:
        if one.column in seen:
            continue
        seen.add(one.column)
        view, n = views[one.name], sketch.n_rows
        grown = one.missing - one.missing_reference
        if grown >= LEAST_FAULT and one.p_missing is not None and one.p_missing < SURE:
            found.append(_fault(one, "missing", one.missing, one.missing_reference, "is missing"))
        if one.unreadable >= LEAST_FAULT + one.missing_reference and one.unreadable * n >= 5:
            examples = ", ".join(map(repr, sketch.columns[one.name].examples[:3]))
            found.append(_fault(one, "unreadable", one.unreadable, 0.0, f"cannot be read ({examples})"))
        unseen = 3 * view.n_once / max(1, view.n_rows)
        if one.unseen >= LEAST_FAULT + unseen and one.p is not None and one.p < SURE:
            examples = ", ".join(map(repr, sketch.columns[one.name].examples[:3]))
            found.append(_fault(one, "unseen", one.unseen, 0.0, f"holds what was never seen ({examples})"))
        if view.is_number and one.outside >= LEAST_FAULT + 20 / max(1, view.n_rows) and one.outside * n >= 10:
            found.append(_fault(one, "range", one.outside, 0.0, f"lies outside {view.low:.6g} to {view.high:.6g}"))
    return tuple(sorted(found, key=lambda fault: -fault.share))


def _fault(one: Moved, kind: str, share: float, before: float, what: str) -> Fault:
    told = f"{one.column!r} {what} in {share:.1%} of the rows"
    return Fault(
        column=one.column,
        kind=kind,
        share=share,
        reference=before,
        words=f"{told}{f', before {before:.1%}' if before else ''}",
    )


def together(reference: Reference, sketch: Sketch, seed: int) -> dict[str, Any] | None:
    """Whether a classifier tells sampled rows of the window from those of the reference: all columns at once.

    A boosted forest is fitted on one half of both samples and asked on the other: its `auc` there is 0.5 when
    nothing has changed, and `p` is the chance of as much (Mann and Whitney). None where a sample is too small.
    """
    import lightgbm

    now, then = decoded(sketch.sample), reference.codes()
    names = [name for name in then if name in now]
    if not names or min(len(now[names[0]]), len(then[names[0]])) < 60:
        return None
    x = np.vstack([np.column_stack([part[name] for name in names]) for part in (then, now)]).astype(np.float64)
    y = np.repeat([0, 1], [len(then[names[0]]), len(now[names[0]])])
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(y))
    fit, ask = order[::2], order[1::2]
    settings = {
        "objective": "binary",
        "num_leaves": 8,
        "learning_rate": 0.1,
        "min_data_in_leaf": 10,
        "verbose": -1,
        "num_threads": 1,
        "seed": 1,
        "deterministic": True,
        "feature_fraction": min(1.0, 40 / len(names)),
    }
    if len(np.unique(y[fit])) < 2 or len(np.unique(y[ask])) < 2:
        return None
    booster = lightgbm.train(settings, lightgbm.Dataset(x[fit], y[fit]), num_boost_round=40)
    score = np.asarray(booster.predict(x[ask]))
    auc, p = _rank_sum(score, y[ask] == 1)
    gains = booster.feature_importance("gain")
    most = [names[k] for k in np.argsort(-gains)[:3] if gains[k] > 0]
    return {"auc": auc, "p": p, "columns": most}


def _rank_sum(score: Floats, later: NDArray[np.bool_]) -> tuple[float, float]:
    """AUC of the score, and the chance of one so large: normal, corrected for ties and for continuity."""
    from scipy.special import ndtr

    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    n, m = int(later.sum()), int((~later).sum())
    above = float(ranks[later].sum()) - n * (n + 1) / 2
    total = n + m
    variance = n * m / 12 * (total + 1 - float((counts.astype(float) ** 3 - counts).sum()) / (total * (total - 1)))
    p = float(ndtr(-(above - n * m / 2 - 0.5) / np.sqrt(variance))) if variance > 0 else 1.0
    return above / (n * m), p
