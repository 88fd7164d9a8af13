"""Where groups differ: in the rate of a label, in what is missing of them, in their share beside a population's.

Every group (and every intersection of two) is tested, and all tests together are held to 5 % false discoveries. A group
is compared with the rest. An intersection must tell more than its two groups do: it must differ from what is left of
both, on the same side, and by more than both differences together (the largest of the three chances counts). No
difference is called a cause.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

from modelwright.groups import NOT_STATED, OTHER, SAFE, by_frequency, columns_of, texts_of
from modelwright.proportions import difference, false_discoveries, two_sided

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.core.data import Dataset
    from modelwright.groups import Crossed

ALPHA = 0.05
SET_ASIDE = 0.5
MOST_CLASSES = 20
Kind = Literal["label", "missing", "population"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Something that a row has or has not: `label` (the target is `about`) or `missing` (`about` is empty). `hit` and
    `there` are Booleans (n_rows,): has it; counts at all."""

    kind: Kind
    about: str
    hit: np.ndarray
    there: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Skew:
    """One tested difference: the rate of `about` in a group against `other_rate`, with its 95 % interval.

    `against` says what it is compared with. `p` is the test's, `q` the smallest rate of false discoveries at which it
    is found, among all tests of this coverage; `found` is q <= 0.05.
    """

    kind: Kind
    about: str
    group: Mapping[str, str]
    n_rows: int
    rate: float
    other_rate: float
    n_other: int
    difference: float
    low: float
    high: float
    against: str
    p: float
    q: float = 1.0
    found: bool = False


def outcomes_of(data: Dataset, target: str | None) -> tuple[tuple[Outcome, ...], str]:
    """What is looked at in every group: classes of the target (of a number: above its middle), and gaps of columns.

    Columns that are missing together are one outcome. The second value tells how the target is looked at.
    """
    import numpy as np

    made: dict[bytes, Outcome] = {}
    everything = np.ones(data.n_rows, dtype=bool)
    unseen = (*data.schema.of_role("id"), *data.schema.of_role("ignored"))  # no model sees them
    gaps = columns_of(data, (name for name in data.schema.names if name not in unseen), gaps=True)
    for name in gaps.columns:
        hit = gaps[name].to_numpy()
        if not 0 < hit.sum() < data.n_rows:
            continue
        key = hit.tobytes()
        if key in made:
            made[key] = replace(made[key], about=f"{made[key].about}, {name}")
        else:
            made[key] = Outcome(kind="missing", about=name, hit=hit, there=everything)
    labels, told = _labels(columns_of(data, [target])[target], target) if target else ((), "")
    return (*labels, *made.values()), told


def _labels(values: pl.Series, name: str) -> tuple[tuple[Outcome, ...], str]:
    """One outcome for each class that must be told from the others; of two classes only the rarer."""
    import polars as pl

    values = values.alias(SAFE)
    there = values.is_not_null().to_numpy()
    if values.dtype.is_temporal() or values.dtype.is_nested() or values.dtype == pl.Binary:
        return (), f"`{name}` is neither a class nor a number: its rates are not compared"
    if values.dtype.is_numeric() and values.n_unique() > 2 + bool(values.null_count()):
        middle = float(values.median())  # type: ignore[arg-type]
        hit = (values > middle).fill_null(value=False).to_numpy()
        about = f"{name} above {middle:g}"
        return (Outcome(kind="label", about=about, hit=hit, there=there),), f"`{name}` is cut at its middle, {middle:g}"
    texts = texts_of(values)
    classes = by_frequency(texts)
    looked = classes[-1:] if len(classes) == 2 else classes[:MOST_CLASSES]
    made = tuple(
        Outcome(
            kind="label", about=f"{name} = {one}", hit=(texts == one).fill_null(value=False).to_numpy(), there=there
        )
        for one in (looked if len(classes) > 1 else ())
    )  # fmt: skip
    told = f"the {MOST_CLASSES} most frequent of {len(classes)} classes" if len(classes) > MOST_CLASSES else ""
    return made, told


# Tests --------------------------------------------------------------------------------------------------------


def skews_of(crossed: Crossed, outcomes: Sequence[Outcome], *, least_rows: int, pairs: bool = True) -> list[Skew]:
    """Every test of every outcome; `found` is not yet decided. Groups of fewer than `least_rows` are not tested."""
    import numpy as np

    made: list[Skew] = []
    all_there = crossed.counts.astype(float)
    for outcome in outcomes:
        hits = np.bincount(crossed.cell, weights=outcome.hit & outcome.there, minlength=len(crossed.counts))
        whole = outcome.there.all()
        there = all_there if whole else np.bincount(crossed.cell, weights=outcome.there, minlength=len(crossed.counts))
        for place, grouping in enumerate(crossed.groupings):
            if not _about_itself(outcome, grouping.column):
                made += _singles(crossed, place, outcome, hits, there, least_rows)
        for one, two in combinations(range(len(crossed.groupings)), 2) if pairs else ():
            columns = (crossed.groupings[one].column, crossed.groupings[two].column)
            if not any(_about_itself(outcome, column) for column in columns):
                made += _pairs(crossed, (one, two), outcome, hits, there, least_rows)
    return made


def decide(skews: Sequence[Skew]) -> tuple[Skew, ...]:
    """All tests as one family: at most 5 % of those found are expected to be false.

    Tests with p above a half are set aside and the others' doubled: the largest of three chances is far above what
    chance alone gives, and would count against the others (Zhao, Small & Su 2019, conditional Benjamini-Hochberg).
    """
    import numpy as np

    p = np.array([skew.p for skew in skews])
    kept = p <= SET_ASIDE
    q = np.ones(len(p))
    q[kept] = false_discoveries(p[kept] / SET_ASIDE)
    told = [replace(skew, q=float(one), found=bool(one <= ALPHA)) for skew, one in zip(skews, q, strict=True)]
    return tuple(sorted(told, key=lambda skew: (not skew.found, -abs(skew.difference), skew.p)))


def _about_itself(outcome: Outcome, column: str) -> bool:
    """Whether the outcome is that the group's own column is missing."""
    return outcome.kind == "missing" and column in outcome.about.split(", ")


def _singles(
    crossed: Crossed, place: int, outcome: Outcome, hits: np.ndarray, there: np.ndarray, least_rows: int
) -> Iterator[Skew]:
    import numpy as np

    a, n = crossed.table([place], hits), crossed.table([place], there)
    b, m = a.sum() - a, n.sum() - n
    grouping = crossed.groupings[place]
    levels = (*grouping.levels, NOT_STATED)
    tested = np.flatnonzero((n >= least_rows) & (m >= least_rows) & (np.array(levels) != OTHER))
    if len(tested) == 2 and (n > 0).sum() == 2:  # the other one is the same test
        tested = tested[np.argsort(n[tested], kind="stable")][:1]
    p = two_sided(a[tested], n[tested], b[tested], m[tested])
    gaps = difference(a[tested], n[tested], b[tested], m[tested])
    for k, level in enumerate(tested):
        yield Skew(
            kind=outcome.kind, about=outcome.about, group={grouping.column: levels[level]}, n_rows=int(n[level]),
            rate=float(a[level] / n[level]), other_rate=float(b[level] / m[level]), n_other=int(m[level]),
            difference=float(gaps[0][k]), low=float(gaps[1][k]), high=float(gaps[2][k]), against="the other rows",
            p=float(p[k]),
        )  # fmt: skip


def _pairs(
    crossed: Crossed, places: tuple[int, int], outcome: Outcome, hits: np.ndarray, there: np.ndarray, least_rows: int
) -> Iterator[Skew]:
    """Intersections that tell more than their two groups: see the top of this file."""
    import numpy as np

    a, n = crossed.table(places, hits), crossed.table(places, there)
    rest = [(a.sum(axis=axis, keepdims=True) - a, n.sum(axis=axis, keepdims=True) - n) for axis in (1, 0)]
    enough = (n >= least_rows) & (rest[0][1] >= least_rows) & (rest[1][1] >= least_rows)
    levels = [(*crossed.groupings[place].levels, NOT_STATED) for place in places]
    for axis, names in enumerate(levels):
        enough &= np.expand_dims(np.array([name != OTHER for name in names]), 1 - axis)
    cells = np.argwhere(enough)
    if not len(cells):
        return
    index = tuple(cells.T)
    tests = [_against(a[index], n[index], b[index], m[index]) for b, m in rest]
    nearer = np.argmax([test["p"] for test in tests], axis=0)
    more, beyond = _beyond(a, n)
    sides = np.sign([tests[0]["gap"], tests[1]["gap"], more[index]])
    same_side = (sides == sides[0]).all(axis=0)
    chance = np.where(same_side, np.max([tests[0]["p"], tests[1]["p"], beyond[index]], axis=0), 1.0)
    columns = [crossed.groupings[place].column for place in places]
    for k, (one, two) in enumerate(cells):
        test = {name: value[k] for name, value in tests[nearer[k]].items()}
        group = {columns[0]: levels[0][one], columns[1]: levels[1][two]}
        left = columns[nearer[k]]
        yield Skew(
            kind=outcome.kind, about=outcome.about, group=group, n_rows=int(n[one, two]),
            rate=float(a[one, two] / n[one, two]), other_rate=float(test["other_rate"]), n_other=int(test["n_other"]),
            difference=float(test["gap"]), low=float(test["low"]), high=float(test["high"]),
            against=f"the other rows of {left} {group[left]}", p=float(chance[k]),
        )  # fmt: skip


def _beyond(a: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By how much each cell's rate exceeds what its row and column say together, and the chance of that: the contrast
    of the cell, the rest of its row, the rest of its column and all other rows (normal, with shrunk variances)."""
    import numpy as np
    from scipy.stats import norm

    parts = [(1, a, n)]
    of = [(one.sum(axis=1, keepdims=True), one.sum(axis=0, keepdims=True), one.sum()) for one in (a, n)]
    parts += [(-1, of[0][axis] - a, of[1][axis] - n) for axis in (0, 1)]
    parts.append((1, of[0][2] - of[0][0] - of[0][1] + a, of[1][2] - of[1][0] - of[1][1] + n))
    more, variance = np.zeros(a.shape), np.zeros(a.shape)
    for sign, hits, rows in parts:
        shrunk = (hits + 1) / (rows + 2)
        more += sign * hits / np.maximum(rows, 1)
        variance += shrunk * (1 - shrunk) / np.maximum(rows, 1)
    return more, 2 * norm.sf(np.abs(more) / np.sqrt(variance))


def _against(a: Any, n: Any, b: Any, m: Any) -> dict[str, np.ndarray]:
    gap, low, high = difference(a, n, b, m)
    return {"gap": gap, "low": low, "high": high, "p": two_sided(a, n, b, m), "other_rate": b / m, "n_other": m}
