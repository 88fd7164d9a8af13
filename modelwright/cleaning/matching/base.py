"""Matching: two tables in, the pairs of rows that are the same thing out; or one table, and the groups within it.

Nothing is asked but the tables: the likeness of columns, their weights and the threshold are found in them. Known
pairs, where there are some, make it surer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.data import ROW_ID, Dataset, Decision
from modelwright.core.errors import UserError, nearest
from modelwright.core.spec import Spec
from modelwright.core.values import Watch

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.cleaning.matching.deciding import Decided
    from modelwright.cleaning.matching.similarity import Compared, View

_NAMED_AS_ID = re.compile(r"(^|[_ .-])(id|idx|index|row|nr|no)$|^unnamed", re.IGNORECASE)
MOST_PAIRS = 3_000_000  # compared at once, so that memory is bounded: 100 to 400 bytes each
MOST_COLUMNS = 60  # compared: of more, those with the most distinct cells
N_TOLD = 3  # columns named for and against a pair


class MatchSpec(Spec):
    """What is compared."""

    columns: dict[str, str] = Field(
        {}, description="columns to compare, left: right, e.g. {title: name}; by default those named alike"
    )
    ignore: tuple[str, ...] = Field((), description="columns that say nothing of what a row is")
    n_best: int = Field(5, ge=1, le=50, description="most alike rows looked at for each row, view and direction")


@dataclass(frozen=True, eq=False, kw_only=True)
class Matches:
    """Pairs of rows that may be the same thing, surest first.

    `pairs`: `left` and `right` (row ids, uint64), `score` (the learned likeness, only comparable within one matching),
    `confidence` (0..1, the chance that they are the same), `same` (whether it was decided so), `speaks_for` and
    `speaks_against` (names of columns, most telling first). `threshold` is the least confidence that was taken,
    `expected_f1` what is expected of that (NaN where it cannot be told).
    """

    pairs: pl.DataFrame
    threshold: float
    expected_f1: float
    decisions: tuple[Decision, ...]


def match(
    left: Dataset, right: Dataset, spec: MatchSpec = MatchSpec(), *, known: pl.DataFrame | None = None,  # noqa: B008
    seed: int = 0, watch: Watch | None = None,
) -> Matches:  # fmt: skip
    """Find the rows of two tables that are the same thing; all are held against all.

    Cells are compared as texts (letters, words and codes, rare ones weighing most) and, where columns are numbers, as
    numbers. Without `known`, a row has at most one partner, and the threshold is the one that makes the expected F1
    largest. `known` has `left`, `right` (row ids), `same` (bool) and, if wished, `part` ("train" or "valid"): from
    these a boosted model learns what makes pairs the same; its threshold is chosen on the valid part (else on folds).
    Runs of numbers named as identifiers are not compared.

    Costs, on one core: 1,000 x 1,000 rows of three columns 4 s; memory grows with the pairs looked at (`n_best`).

    Raises UserError `match.columns` (none in common, or unknown), `match.rows` (a table without rows),
    `match.known` (rows that are not there, or one kind of pair only).

    >>> import polars as pl
    >>> left = Dataset.from_frame(pl.DataFrame({"name": ["Sony PS-LX350H turntable", "Bose 161 speakers"]}))
    >>> right = Dataset.from_frame(pl.DataFrame({"name": ["bose 161 speakers", "sony pslx350h"]}))
    >>> match(left, right).pairs.select("left", "right").rows()
    [(1, 0), (0, 1)]
    """
    from modelwright.cleaning.matching.learning import learn

    tell = watch or (lambda event: None)
    columns, decisions = columns_of(left, right, spec)
    prepared = prepare(left, right, columns, spec, known=known)
    tell({"stage": "matching", "event": "compared", "n_pairs": len(prepared.compared.left)})
    if known is not None:
        return learn(prepared, known, decisions=(*decisions, *prepared.decisions), seed=seed)
    return decided(prepared, same=False, decisions=decisions, seed=seed)


def match_within(
    data: Dataset, spec: MatchSpec = MatchSpec(), *, seed: int = 0, watch: Watch | None = None,  # noqa: B008
) -> Matches:  # fmt: skip
    """Find the rows of one table that are the same thing; `left` is the earlier row of a pair.

    A row has at most one partner here; `cleaning.matching.fuzzy` makes groups of them. Raises as `match`.

    >>> import polars as pl
    >>> table = pl.DataFrame({"name": ["Sony PS-LX350H", "Bose 161 speakers", "sony pslx350h"]})
    >>> match_within(Dataset.from_frame(table)).pairs.select("left", "right").rows()
    [(0, 2)]
    """
    tell = watch or (lambda event: None)
    columns, decisions = columns_of(data, data, spec)
    prepared = prepare(data, None, columns, spec)
    tell({"stage": "matching", "event": "compared", "n_pairs": len(prepared.compared.left)})
    return decided(prepared, same=True, decisions=decisions, seed=seed)


@dataclass(frozen=True, eq=False)
class Prepared:
    """What both ways of deciding start from: the texts of both sides, their row ids, and the pairs compared."""

    left: dict[str, list[str]]
    right: dict[str, list[str]]
    left_ids: np.ndarray
    right_ids: np.ndarray
    compared: Compared
    decisions: tuple[Decision, ...]


def prepare(
    left: Dataset, right: Dataset | None, columns: dict[str, str], spec: MatchSpec, *, known: pl.DataFrame | None = None
) -> Prepared:
    """Texts, candidates and how alike they are; `right` is None for one table beside itself."""
    import numpy as np

    from modelwright.cleaning.matching.candidates import candidates
    from modelwright.cleaning.matching.similarity import compare, texts_of, views_of

    a = texts_of(left.frame, tuple(columns))
    b = a if right is None else _renamed(texts_of(right.frame, tuple(columns.values())), columns)
    views = views_of(a, None if right is None else b)
    left_ids = left.frame[ROW_ID].to_numpy()
    right_ids = left_ids if right is None else right.frame[ROW_ID].to_numpy()
    n_best = _affordable(spec.n_best, views, len(left_ids) + len(right_ids))
    pairs, followed = candidates(views, n_best, same=right is None)
    decisions = []
    if followed < 1:
        decisions.append(_told_followed(followed))
    if known is not None:
        from modelwright.cleaning.matching.learning import positions_of

        pairs = np.unique(np.concatenate([pairs, positions_of(known, left_ids, right_ids)]), axis=0)
    return Prepared(a, b, left_ids, right_ids, compare(views, a, b, pairs), tuple(decisions))


def decided(prepared: Prepared, *, same: bool, decisions: tuple[Decision, ...], seed: int) -> Matches:
    """The pairs that are decided without known ones."""
    from threadpoolctl import threadpool_limits

    from modelwright.cleaning.matching.deciding import decide
    from modelwright.core.rng import stream

    compared = prepared.compared
    if not len(compared.left):
        return Matches(pairs=empty_pairs(), threshold=1.0, expected_f1=float("nan"), decisions=decisions)
    with threadpool_limits(1):  # small fits: threads that spin for each other cost many times the work
        found = decide(compared, len(prepared.left_ids), same=same, rng=stream(seed, "matching"))
    pairs = table_of(prepared, found.best, found.score[found.best], found.chance, found.threshold, found.share)
    told = _told_threshold(found, pairs)
    return Matches(
        pairs=pairs, threshold=found.threshold, expected_f1=found.expected_f1,
        decisions=(*decisions, *prepared.decisions, told),
    )  # fmt: skip


def columns_of(left: Dataset, right: Dataset, spec: MatchSpec) -> tuple[dict[str, str], tuple[Decision, ...]]:
    """The columns to compare, left to right; and why others are not."""
    import polars as pl

    for name, dataset in (("left", left), ("right", right)):
        if not dataset.n_rows:
            raise UserError("match.rows", f"the {name} table has no rows.")
    for mine, theirs in spec.columns.items():
        for name, dataset in ((mine, left), (theirs, right)):
            if name not in dataset.schema:
                raise UserError(
                    "match.columns", f"there is no column {name!r}.", hint=nearest(name, dataset.schema.names)
                )
    if spec.columns:
        return dict(spec.columns), ()
    kept, told = {}, []
    for name in left.schema.names:
        if name not in right.schema or name in spec.ignore or not (_is_text(left, name) and _is_text(right, name)):
            continue
        if counts_rows(left, name) and counts_rows(right, name):
            told.append(Decision("matching", name, "not compared", "it numbers the rows in either table"))
        else:
            kept[name] = name
    if not kept:
        raise UserError(
            "match.columns", f"the tables have no column in common: {left.schema.names} and {right.schema.names}.",
            hint="say which belong together: --columns title=name",
        )  # fmt: skip
    if len(kept) > MOST_COLUMNS:
        distinct = left.table.select(pl.col(list(kept)).n_unique()).collect().row(0, named=True)
        chosen = sorted(kept, key=lambda name: -distinct[name])[:MOST_COLUMNS]
        why = "cells of the others repeat most, and say least of what a row is"
        told.append(Decision("matching", "columns", f"{MOST_COLUMNS} of {len(kept)} compared", why))
        kept = {name: name for name in kept if name in chosen}
    return kept, tuple(told)


def counts_rows(data: Dataset, name: str) -> bool:
    """Whether a column numbers the rows: whole numbers, each once, named as an identifier or without gaps."""
    import polars as pl

    cells = data.column(name).cast(pl.String)
    numbers = cells.cast(pl.Int64, strict=False)
    if numbers.null_count() or not numbers.len() or numbers.n_unique() < numbers.len():
        return False
    if _NAMED_AS_ID.search(name):
        return True
    low, high = numbers.min(), numbers.max()
    return numbers.len() >= 10 and int(high) - int(low) + 1 == numbers.len()  # type: ignore[arg-type]


def table_of(
    prepared: Prepared, which: np.ndarray, score: np.ndarray, chance: np.ndarray, threshold: float, share: np.ndarray
) -> pl.DataFrame:
    """`Matches.pairs` of the compared pairs `which`; `share` is what each feature says, (n_compared, n_features)."""
    import polars as pl

    compared = prepared.compared
    speaks = spoken(compared.features, share, compared.likeness, which)
    return pl.DataFrame(
        {
            "left": prepared.left_ids[compared.left[which]], "right": prepared.right_ids[compared.right[which]],
            "score": score, "confidence": chance, "same": chance >= threshold,
            "speaks_for": speaks[0], "speaks_against": speaks[1],
        },
        schema=pair_schema(),
    ).sort("confidence", "score", "left", descending=[True, True, False])  # fmt: skip


def pair_schema() -> dict[str, Any]:
    """Names and types of the columns of `Matches.pairs`."""
    import polars as pl

    return {
        "left": pl.UInt64, "right": pl.UInt64, "score": pl.Float64, "confidence": pl.Float64, "same": pl.Boolean,
        "speaks_for": pl.String, "speaks_against": pl.String,
    }  # fmt: skip


def empty_pairs() -> pl.DataFrame:
    """No pairs."""
    import polars as pl

    return pl.DataFrame(schema=pair_schema())


def spoken(
    features: tuple[tuple[str, str], ...], share: np.ndarray, likeness: np.ndarray, which: np.ndarray
) -> tuple[list[str], list[str]]:
    """For each pair the columns that speak for and against it, the most telling first."""
    import numpy as np

    from modelwright.cleaning.matching.similarity import WHOLE

    names = list(dict.fromkeys(column for column, _ in features if column != WHOLE)) or [WHOLE]
    told = share if share.any() else likeness - likeness.mean(axis=0)
    told = told[which] - told[which].mean(axis=0) / 2  # halfway between any pair and those that are each other's best
    by_column = np.zeros((len(which), len(names)))
    for index, (column, _) in enumerate(features):
        if column in names:
            by_column[:, names.index(column)] += told[:, index]
    order = np.argsort(-np.abs(by_column), axis=1, kind="stable")[:, :N_TOLD]
    picked = [[(names[at], row[at]) for at in places] for row, places in zip(by_column, order.tolist(), strict=True)]
    return (
        [", ".join(name for name, value in row if value > 0) for row in picked],
        [", ".join(name for name, value in row if value < 0) for row in picked],
    )


def _is_text(data: Dataset, name: str) -> bool:
    import polars as pl

    dtype = data.table.collect_schema()[name]
    return not (dtype.is_nested() or dtype in (pl.Binary, pl.Object))


def _renamed(texts: dict[str, list[str]], columns: dict[str, str]) -> dict[str, list[str]]:
    """The right side's texts under the left side's names."""
    mine = {theirs: name for name, theirs in columns.items()}
    return {mine.get(name, name): cells for name, cells in texts.items()}


def _affordable(n_best: int, views: tuple[View, ...], n_rows: int) -> int:
    n_views = sum(view.shape != "codes" for view in views)
    return max(1, min(n_best, MOST_PAIRS // max(1, n_views * n_rows)))


def _told_followed(share: float) -> Decision:
    return Decision(
        "matching", "candidates", f"by parts of texts with {share:.0%} of the weight",
        "the tables are large, and what nearly every record has is no clue",
    )  # fmt: skip


def _told_threshold(found: Decided, pairs: pl.DataFrame) -> Decision:
    n_same = int(pairs["same"].sum())
    if found.expected_f1 != found.expected_f1:
        why = "too few rows to learn from: pairs that are nearly equal are taken"
    else:
        why = f"the expected F1 is largest there ({found.expected_f1:.2f}), as far as decoys tell"
    choice = f"{n_same:,} of {pairs.height:,} pairs are the same, from confidence {found.threshold:.2f}"
    return Decision("matching", "pairs", choice, why)
