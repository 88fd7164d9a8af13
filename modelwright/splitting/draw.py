"""Dealing rows to test and folds, once the kind of split is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.core.data import Decision
from modelwright.core.errors import UserError
from modelwright.core.rng import stream
from modelwright.splitting.choose import TRAIN_WORDS
from modelwright.splitting.rows import codes, first_seen, joined

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.data import Dataset
    from modelwright.core.values import Splits
    from modelwright.splitting.base import SplitSpec
    from modelwright.splitting.choose import Choice
    from modelwright.splitting.rows import Rows

FEWEST_DISTINCT = 50  # with fewer different rows than this, twins are the rule and cannot be kept together
TEST_WORDS = frozenset({"test", "testing", "holdout", "held-out", "heldout", "eval", "1", "1.0", "true"})
VALID_WORDS = frozenset({"valid", "validation", "val", "dev"})


def n_folds(spec: SplitSpec, n_rows: int) -> int:
    """Validation folds: as asked, else 5, and fewer where each fold is large enough to tell models apart.

    >>> from modelwright.splitting import SplitSpec
    >>> n_folds(SplitSpec(), 1_000), n_folds(SplitSpec(), 50_000), n_folds(SplitSpec(), 5_000_000)
    (5, 3, 1)
    """
    if spec.folds is not None:
        return spec.folds
    return 5 if n_rows <= 20_000 else 3 if n_rows <= 200_000 else 1


def draw_units(data: Dataset, rows: Rows, choice: Choice, spec: SplitSpec, seed: int) -> Splits:
    """Random, stratified and grouped splits: units of rows that stay together are dealt like cards."""
    units, told = _units(data, rows, choice)
    strata = rows.strata if choice.kind != "random" else None
    test = _deal_test(units, strata, spec.size, stream(seed, "splitting", "test"))
    return _with_folds(rows, test, units, strata, choice.and_told(told + _about_missing(rows)), spec, seed)


def draw_given(data: Dataset, rows: Rows, choice: Choice, spec: SplitSpec, seed: int) -> Splits:
    """The split that a column says; validation rows, if it names any, are the one fold. Cases made from a series
    are otherwise validated in the order of time, for those that overlap are nearly the same."""
    import numpy as np

    from modelwright.core.values import Splits

    assert choice.column is not None
    words = _words(data, rows, choice.column)
    test = np.isin(words, list(TEST_WORDS))
    valid = np.isin(words, list(VALID_WORDS))
    if not test.any() and valid.any():
        reason = f"`{choice.column}` names no test; what it holds out for validation is one"
        choice = choice.and_told([Decision("splitting", "test", "the rows for validation", reason)])
        test, valid = valid, test
    if not test.any() or test.all():
        raise UserError(
            "split.given", f"`{choice.column}` leaves {'no' if not test.any() else 'only'} rows for the test."
        )
    units, told = _units(data, rows, choice)
    crossing = np.intersect1d(units[test], units[~test]).size
    if crossing:
        reason = f"the column `{choice.column}` decides; the test is easier than new rows will be"
        told.append(Decision("splitting", "twins", f"{crossing} sets of twins are on both sides", reason))
    choice = choice.and_told(told + _about_missing(rows))
    moment = next(iter(data.schema.of_role("time")), "")
    ends = _ends(data, rows, moment) if moment else None
    if not valid.any() and ends is not None:
        moments = codes(data.column(moment))[rows.place]
        keep, folds, told = _folds_in_time(moments[~test], ends[~test], moment, spec)
        return Splits(train=rows.ids[~test][keep], test=rows.ids[test], folds=folds, kind="given", ordered=True,
                      decisions=choice.and_told(told).decisions)  # fmt: skip
    if not valid.any():
        return _with_folds(rows, test, units, rows.strata, choice, spec, seed)
    return Splits(
        train=rows.ids[~test],
        test=rows.ids[test],
        folds=np.where(valid[~test], 0, -1).astype(np.int8),
        kind="given",
        decisions=choice.decisions,
    )


def _words(data: Dataset, rows: Rows, column: str) -> np.ndarray:
    import polars as pl

    words = data.column(column).cast(pl.String).fill_null("").str.strip_chars().str.to_lowercase()
    known = TRAIN_WORDS | TEST_WORDS | VALID_WORDS
    strange = sorted(set(words.unique().to_list()) - known)
    if strange:
        raise UserError(
            "split.given",
            f"`{column}` must say train, test or validation in every row; got {strange[0]!r}.",
            hint="true and 1 mean test, false and 0 mean train",
        )
    found: np.ndarray = words.to_numpy()[rows.place].astype(str)
    return found


def draw_by_time(data: Dataset, rows: Rows, choice: Choice, spec: SplitSpec) -> Splits:
    """The last rows are the test; fold k is validated by a model of the rows before it.

    Rows of one moment stay together, so nothing that trains is as late as what is tested.
    """
    from modelwright.core.values import Splits

    assert choice.column is not None
    moments = codes(data.column(choice.column))[rows.place]
    known = moments >= 0
    ids, moments = rows.ids[known], moments[known]
    is_test = _late_part(moments, spec.size)
    ends = _ends(data, rows, choice.column)
    told = _about_missing(rows)
    if ends is not None:
        ends = ends[known]
        reaching = ~is_test & (ends > moments[is_test].min())
        ids, moments, is_test, ends = ids[~reaching], moments[~reaching], is_test[~reaching], ends[~reaching]
        told += _about_reaching(int(reaching.sum()), "the test")
    keep, folds, more = _folds_in_time(moments[~is_test], None if ends is None else ends[~is_test], choice.column, spec)
    told += more
    if not known.all():
        lost = f"{int((~known).sum())} rows are in neither set"
        told.append(Decision("splitting", "time", lost, f"they have no `{choice.column}`"))
    return Splits(
        train=ids[~is_test][keep],
        test=ids[is_test],
        folds=folds,
        kind="time",
        ordered=True,
        decisions=(*choice.decisions, *told),
    )


def _folds_in_time(
    moments: np.ndarray, ends: np.ndarray | None, column: str, spec: SplitSpec
) -> tuple[np.ndarray, np.ndarray, list[Decision]]:
    """Which training rows are kept, bool (n,), and the folds of those, int8: each fold is later than the one before.

    Of cases that reach until `ends`, one part alone is validated unless more are asked for: between folds cases are
    lost that reach from one into the next.
    """
    import numpy as np

    if not len(moments):
        raise _too_few_moments(column)
    asked = n_folds(spec, len(moments)) if ends is None else spec.folds or 1
    shares = np.arange(1, asked + 1) / (asked + 1) if asked > 1 else np.array([0.8])
    edges = np.unique(np.quantile(moments, shares, method="higher"))
    folds = (np.searchsorted(edges, moments, side="left") - 1).astype(np.int8)
    if folds.max() < 0:
        raise _too_few_moments(column)
    if ends is None:
        return np.ones(len(moments), dtype=bool), folds, []
    reaching = _reach_later_folds(moments, ends, folds)
    return ~reaching, folds[~reaching], _about_reaching(int(reaching.sum()), "the next fold")


def _ends(data: Dataset, rows: Rows, column: str) -> np.ndarray | None:
    """Of cases made from a series: until when each reaches, in the codes of the moments; None for plain rows.

    A case that knows, or is to answer, what comes after a later case's own moment may not train for it.
    """
    import numpy as np

    until = data.origin.get("sequences", {}).get("until", "")
    if not until or until not in data.schema:
        return None
    moments = data.column(column)
    distinct = np.unique(moments.drop_nulls().cast(moments.dtype).to_physical().to_numpy())
    reached = data.column(until).to_physical().to_numpy()[rows.place]
    ends = np.searchsorted(distinct, reached, side="right") - 1
    # one that ends between two moments reaches beyond the first of them
    beyond = reached > distinct[ends]
    halves: np.ndarray = ends + 0.5 * beyond
    return halves


def _reach_later_folds(moments: np.ndarray, ends: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Which training cases reach beyond the first moment of the fold after theirs, bool (n,)."""
    import numpy as np

    reaching = np.zeros(len(folds), dtype=bool)
    for fold in range(int(folds.max()) + 1):
        begins = moments[folds >= fold].min(initial=np.iinfo(np.int64).max)
        reaching |= (folds < fold) & (ends > begins)
    return reaching


def _about_reaching(n_rows: int, what: str) -> list[Decision]:
    if not n_rows:
        return []
    reason = f"their steps reach into {what}"
    return [Decision("splitting", "time", f"{n_rows:,} cases are in neither set", reason)]


def _too_few_moments(column: str) -> UserError:
    return UserError(
        "split.time",
        f"`{column}` has too few distinct moments to hold out later ones.",
        hint="use `kind: random` or `stratified`; of a series, a smaller `horizon` or `length`",
    )


def _late_part(moments: np.ndarray, size: float) -> np.ndarray:
    """Mark the latest moments that hold about `size` of the rows: the nearer of the two possible cuts."""
    import numpy as np

    counts = np.bincount(moments)
    late = np.cumsum(counts[::-1])[::-1] / len(moments)  # share of rows at or after each moment
    cut = int(np.argmin(np.abs(late[1:] - size))) + 1 if len(late) > 1 else 0
    if cut == 0:
        raise UserError("split.time", "all rows have the same time.", hint="use `kind: random` or `stratified`")
    mark: np.ndarray = moments >= cut
    return mark


def _units(data: Dataset, rows: Rows, choice: Choice) -> tuple[np.ndarray, list[Decision]]:
    """Numbers of the units that are dealt whole: twins, and in a grouped split the groups they touch."""
    twins = rows.twins
    n_distinct = int(twins.max()) + 1
    told: list[Decision] = []
    if n_distinct < FEWEST_DISTINCT and 5 * n_distinct < len(twins):
        reason = f"the features have only {n_distinct} different rows: equal ones are no copies"
        told.append(Decision("splitting", "twins", "dealt one by one", reason))
        twins = first_seen(rows.ids)
    elif n_distinct < len(twins):
        reason = f"{len(twins) - n_distinct} rows equal another in every feature"
        told.append(Decision("splitting", "twins", "kept on one side and in one fold", reason))
    if choice.kind != "grouped":
        return twins, told
    assert choice.column is not None
    groups = codes(data.column(choice.column))[rows.place]
    alone = groups < 0
    if alone.any():
        groups = groups.copy()
        groups[alone] = groups.max() + 1 + first_seen(rows.ids[alone])
        reason = f"{int(alone.sum())} rows have no `{choice.column}`"
        told.append(Decision("splitting", "groups", "each of them is its own group", reason))
    return joined(first_seen(groups), twins), told


def _deal_test(units: np.ndarray, strata: np.ndarray | None, size: float, rng: np.random.Generator) -> np.ndarray:
    """Mark test rows, bool (n,): of each stratum's units every (1/size)-th in random order.

    Dealing along one list sorted by stratum gives each class its share and the whole its size; units
    are sorted by size within a stratum, so that large ones are shared out evenly too.
    """
    import numpy as np

    order, unit_strata = _deck(units, strata, rng)
    place = np.arange(len(order))
    start = rng.random()
    drawn = np.floor((place + 1) * size + start) > np.floor(place * size + start)
    is_test = np.zeros(len(order), dtype=bool)
    is_test[order] = drawn
    if unit_strata is not None:
        left = np.bincount(unit_strata[~is_test], minlength=int(unit_strata.max()) + 1)
        is_test &= left[unit_strata] > 0  # a class is never in the test alone
    if not is_test.any():
        is_test[order[-1]] = True  # few large units: the smallest of the last stratum is better than none
    if is_test.all():
        raise UserError(
            "split.groups",
            f"{len(order)} sets of rows that must stay together cannot be divided with `size` {size}.",
            hint="use another `size`, or another column for the groups",
        )
    mark: np.ndarray = is_test[units]
    return mark


def _deck(
    units: np.ndarray, strata: np.ndarray | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray | None]:
    """Units in the order in which they are dealt, and each unit's stratum."""
    import numpy as np

    sizes = np.bincount(units)
    order = rng.permutation(len(sizes))
    if sizes.max() > 1:
        order = _sorted_by(-sizes, order)
    if strata is None:
        return order, None
    unit_strata = _unit_strata(units, strata, len(sizes))
    return _sorted_by(unit_strata, order), unit_strata


def _sorted_by(keys: np.ndarray, order: np.ndarray) -> np.ndarray:
    """`order` sorted by `keys`, ties as they were; small whole numbers are sorted in linear time."""
    import numpy as np

    keys = keys[order] - keys.min()
    if keys.max() < 2**16:
        keys = keys.astype(np.uint16)
    return order[np.argsort(keys, kind="stable")]


def _unit_strata(units: np.ndarray, strata: np.ndarray, n_units: int) -> np.ndarray:
    """The rarest class that a unit holds: so that rare classes are the ones that are shared out evenly."""
    import numpy as np

    if n_units == len(units):
        return strata
    rank = np.empty(int(strata.max()) + 1, dtype=np.int64)
    rank[np.argsort(-np.bincount(strata), kind="stable")] = np.arange(len(rank))
    rarest = np.zeros(n_units, dtype=np.int64)
    np.maximum.at(rarest, units, rank[strata])
    return rarest


def _deal_folds(units: np.ndarray, strata: np.ndarray | None, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    """Folds of training rows, int8 (n,): units dealt one by one; a class's only unit is never validated."""
    import numpy as np

    order, unit_strata = _deck(units, strata, rng)
    n_units = len(order)
    place = np.arange(n_units)
    if n_folds == 1:
        dealt = np.where(np.floor((place + 1) * 0.2) > np.floor(place * 0.2), 0, -1)
    else:
        dealt = place % n_folds
        if 2 * n_units < len(units):  # large units: every second round goes the other way, for equal folds
            dealt = np.where(place // n_folds % 2 == 1, n_folds - 1 - dealt, dealt)
    folds = np.empty(n_units, dtype=np.int8)
    folds[order] = dealt
    if unit_strata is not None:
        folds[np.bincount(unit_strata)[unit_strata] == 1] = -1
    dealt_rows: np.ndarray = folds[units]
    return dealt_rows


def _with_folds(
    rows: Rows,
    test: np.ndarray,
    units: np.ndarray,
    strata: np.ndarray | None,
    choice: Choice,
    spec: SplitSpec,
    seed: int,
) -> Splits:
    from modelwright.core.values import Splits

    train = ~test
    n_train = int(train.sum())
    inner = first_seen(units[train])
    n_units = int(inner.max()) + 1
    wanted = n_folds(spec, n_train)
    if n_units < max(wanted, 2):
        raise UserError(
            "split.groups",
            f"{n_units} sets of rows that must stay together cannot fill {wanted} folds.",
            hint="ask for fewer `folds`, or use another column for the groups",
        )
    kept = None if strata is None else strata[train]
    folds = _deal_folds(inner, kept, wanted, stream(seed, "splitting", "folds"))
    if spec.folds is None:
        told = Decision("splitting", "folds", str(wanted), f"{n_train} training rows")
        choice = choice.and_told([told])
    return Splits(
        train=rows.ids[train],
        test=rows.ids[test],
        folds=folds,
        kind=choice.kind,
        decisions=choice.decisions,
    )


def _about_missing(rows: Rows) -> list[Decision]:
    if not rows.n_without_target:
        return []
    lost = f"{rows.n_without_target} rows are in neither set"
    return [Decision("splitting", "target", lost, "they have no target")]
