"""Profiling: what a typed table is like, and what to do about it before training; it changes nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.data import Dataset
from modelwright.core.errors import UserError
from modelwright.core.spec import Spec
from modelwright.core.values import Cleaned, Watch
from modelwright.profiling.values import Balance, ColumnProfile, Profile

if TYPE_CHECKING:
    from modelwright.profiling.held import Held
    from modelwright.profiling.sample import Sample

THREADED_ROWS, MOST_THREADS = 50_000, 4  # sorting and counting run beside each other, and hold a copy each
COMPARED_CELLS = 10_000_000
LEAST_COMPARED = 5_000
MOST_DRAWN = 40  # columns in the matrix of associations
MOST_COMPARED = 400  # columns whose associations are looked for
CONTINUOUS, LEAST_CONTINUOUS = 0.5, 3


class ProfileSpec(Spec):
    """How closely a table is looked at. Counts are of all rows whatever is said here."""

    sample_rows: int = Field(100_000, ge=1000, description="rows on which columns are compared with each other")
    seed: int = Field(0, description="which rows these are follows from it")


def profile(
    data: Cleaned | Dataset, spec: ProfileSpec = ProfileSpec(), *, target: str | None = None, watch: Watch | None = None  # noqa: B008
) -> Profile:  # fmt: skip
    """Say what a typed table is like: each column, how columns go together, what is wrong, what to do.

    Of each column: kind, missing and distinct cells, quantiles, mean, spread, skew, histogram, commonest values,
    lengths of texts, span of dates. Between columns: Pearson and Spearman, Cramer's V (Bergsma 2013), correlation
    ratio; identical columns, columns that settle others, columns missing in the same rows; rows that repeat. With a
    target: its classes, and how much each column alone says of it. Counts are exact; what compares columns rests on
    `sample_rows` random rows, fewer of a wide table, and `Profile.looked` says how many.

    `target` is by default the table's own. A table beyond about a gigabyte is laid in a temporary file and read
    column by column. Raises UserError `profile.typed` for a table that was not cleaned, `schema.column`.

    >>> import polars as pl
    >>> from modelwright.cleaning import CleanSpec, clean
    >>> table = pl.DataFrame({"size": ["1,5", "2,5", "?", "4,0"] * 9, "wood": ["oak", "elm", "oak", "oak"] * 9})
    >>> found = profile(clean(Dataset.from_frame(table), CleanSpec(skip=("duplicates",))))
    >>> found.n_rows, found["size"].n_missing, found["wood"].top, found.n_repeated
    (36, 9, (('oak', 27), ('elm', 9)), 32)
    """
    from modelwright.profiling.alerts import alerts_of
    from modelwright.profiling.held import held

    table = data.kept if isinstance(data, Cleaned) else data
    _check(table, target)
    target = target or table.schema.target
    tell = watch or (lambda event: None)
    with held(table) as whole:
        columns = _columns(whole, table, tell)
        found = _profile(whole, columns, spec, target)
        if isinstance(data, Cleaned):
            found = replace(found, removed=_removed(data))
        return replace(found, alerts=alerts_of(found))


def _check(table: Dataset, target: str | None) -> None:
    raw = [column.name for column in table.schema.columns if column.kind == "raw"]
    if raw:
        raise UserError(
            "profile.typed", f"the column {raw[0]!r} has no kind yet: a profile is of a typed table.",
            hint="clean it first: profile(clean(data)); `wright profile DATA` does both",
        )  # fmt: skip
    if target is not None:
        _ = table.schema[target]


def _columns(whole: Held, table: Dataset, tell: Watch) -> list[ColumnProfile]:
    from concurrent.futures import ThreadPoolExecutor

    from modelwright.profiling.columns import column_profile

    found = []
    threads = min(MOST_THREADS, os.cpu_count() or 1) if table.n_rows >= THREADED_ROWS else 1
    with ThreadPoolExecutor(threads) as pool:
        made = pool.map(lambda column: column_profile(whole.column(column.name), column), table.schema.columns)
        for number, column in enumerate(made, start=1):
            found.append(column)
            tell({
                "stage": "profiling", "event": "progress", "done": number, "total": len(table.schema.columns),
                "text": "columns",
            })  # fmt: skip
    return found


def _profile(whole: Held, columns: list[ColumnProfile], spec: ProfileSpec, target: str | None) -> Profile:  # fmt: skip
    from modelwright.profiling.gaps import gaps
    from modelwright.profiling.pairs import associations
    from modelwright.profiling.rows import MOST_LOOKED, determined, identical, n_repeated
    from modelwright.profiling.sample import chosen_rows, sample_of

    compared = _compared(columns, target)
    most = min(spec.sample_rows, max(LEAST_COMPARED, COMPARED_CELLS // max(1, len(compared))))
    rows = chosen_rows(whole.n_rows, most, spec.seed)
    looked = [column for column in columns if column.name in {*compared, *_asked_alone(columns)}]
    sample = sample_of(whole.rows([column.name for column in looked], rows), looked)
    pairs, shown, n_words = associations(sample, compared)
    columns = _with_alone(columns, sample, target)
    matrix_columns = _drawn(columns, shown)
    ids = [column for column in columns if column.role != "id"]
    settled = [column for column in columns if column.name in set(compared)]
    places = chosen_rows(sample.n_rows, MOST_LOOKED, spec.seed)
    few = sample.cells if places is None else {name: sample.cells[name].gather(places) for name in compared}
    return Profile(
        n_rows=whole.n_rows, columns=tuple(columns), n_repeated=n_repeated(whole, columns),
        n_repeated_but_ids=n_repeated(whole, ids) if len(ids) < len(columns) and _is_measured(ids) else 0,
        removed={}, target=_balance(whole, columns, target), pairs=tuple(pairs), matrix_columns=matrix_columns,
        matrix=tuple(tuple(_cell(shown, one, other) for other in matrix_columns) for one in matrix_columns),
        identical=tuple(identical(whole, columns)),
        determined=tuple(determined(whole, few, settled)),
        gaps=tuple(gaps(whole, columns)),
        looked={"all rows": whole.n_rows, "columns compared": sample.n_rows, "categories compared": n_words},
    )  # fmt: skip


def _compared(columns: Sequence[ColumnProfile], target: str | None) -> list[str]:
    """Columns that are compared with each other: those with values that repeat or can be put in order."""
    fit = [
        column.name
        for column in columns
        if column.kind in ("number", "datetime", "category", "boolean")
        and (column.n_distinct or 0) > 1
        and column.role != "id"
        and (column.kind not in ("category",) or (column.n_distinct or 0) <= 0.5 * column.n_present)
    ]
    return sorted(fit, key=lambda name: name != target)[:MOST_COMPARED]


def _asked_alone(columns: Sequence[ColumnProfile]) -> list[str]:
    """Columns that could give the target away: identifiers, too, for rows may lie in the order of the classes."""
    return [
        column.name
        for column in columns
        if column.kind in ("number", "datetime", "category", "boolean") and (column.n_distinct or column.n_missing)
    ]


def _with_alone(columns: list[ColumnProfile], sample: Sample, target: str | None) -> list[ColumnProfile]:
    from modelwright.profiling.target import each_alone

    if target is None or (target not in sample.codes and target not in sample.numbers):
        return columns
    alone = each_alone(sample, target)
    return [
        replace(column, alone=said.share, alone_right=said.right, alone_missing=said.missing)
        if (said := alone.get(column.name))
        else column
        for column in columns
    ]


def _is_measured(columns: Sequence[ColumnProfile]) -> bool:
    """Whether rows that are equal in these columns cannot be equal by chance: measurements that hardly repeat."""
    varied = [one for one in columns if one.kind == "number" and (one.n_distinct or 0) > CONTINUOUS * one.n_present]
    return len(varied) >= LEAST_CONTINUOUS


def _drawn(columns: Sequence[ColumnProfile], shown: Mapping[tuple[str, str], float]) -> tuple[str, ...]:
    """The columns of the matrix: in the table's order; of many those that go most with another."""
    best: dict[str, float] = {}
    for (left, right), value in shown.items():
        for name in (left, right):
            best[name] = max(best.get(name, 0.0), abs(value))
    kept = set(sorted(best, key=lambda name: -best[name])[:MOST_DRAWN])
    return tuple(column.name for column in columns if column.name in kept)


def _cell(shown: Mapping[tuple[str, str], float], one: str, other: str) -> float | None:
    if one == other:
        return 1.0
    return shown.get((one, other), shown.get((other, one)))


def _balance(whole: Held, columns: Sequence[ColumnProfile], target: str | None) -> Balance | None:
    from modelwright.shown import short

    column = next((one for one in columns if one.name == target), None)
    if column is None:
        return None
    classes: tuple[tuple[str, int], ...] = ()
    if column.kind == "number" and (column.n_distinct or 0) <= 2:
        classes = column.top
    elif column.kind in ("category", "boolean", "text"):
        counts = whole.column(column.name).drop_nulls().value_counts(name="n")
        counts = counts.sort("n", "cell", descending=[True, False]).head(200)
        words = {True: "yes", False: "no"}
        classes = tuple((short(words[one] if isinstance(one, bool) else one), n) for one, n in counts.iter_rows())
    return Balance(column.name, column.kind, classes, column.n_distinct or 0)


def _removed(cleaned: Cleaned) -> dict[str, int]:
    counts = cleaned.removed["reason"].value_counts(name="n").sort("n", "reason", descending=[True, False])
    return dict(counts.iter_rows())
