"""Proposals to numbered groups: one for each method, column and sort of reason, applied or only offered."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.cleaning.choosing import pattern_of, sort_of
from modelwright.cleaning.history import N_EXAMPLES, Group
from modelwright.core import registry
from modelwright.core.data import ROW_ID, Dataset

if TYPE_CHECKING:
    import polars as pl

    from modelwright.cleaning.findings import Findings


@dataclass(frozen=True, eq=False)
class Grouped:
    """New groups, the changes of each (`__row__` ascending, `after`, `reason`, `thousandths`), and files by sha256."""

    groups: tuple[Group, ...]
    parts: tuple[pl.DataFrame, ...]
    files: Mapping[str, bytes]


def grouped(
    raw: Dataset, found: Findings, *, sure: float, rows: bool, closed: Collection[str | None], first: int
) -> Grouped:
    """Proposals (one for each cell and row at most) as groups; numbers from `first` on."""
    import polars as pl

    media, files = _with_files(found.media)
    kinds = {"cells": found.cells, "media": media, "rows": found.rows.with_columns(*_as_changes())}
    shut = {*closed} - {None} if rows else {*closed, None}  # whole rows are of no column
    groups: list[Group] = []
    parts: list[pl.DataFrame] = []
    for kind, proposals in kinds.items():
        if not proposals.height:
            continue
        types = raw.table.collect_schema() if kind == "cells" else {}
        for key, part in _parts(raw, proposals, types, sure, shut):
            groups.append(_group(first + len(groups), kind, key, part))
            thousandths = (pl.col("confidence") * 1000 + 0.5).cast(pl.UInt16).alias("thousandths")
            parts.append(part.select(ROW_ID, "after", pl.col("reason").cast(pl.Categorical), thousandths))
    return Grouped(tuple(groups), tuple(parts), files)


def _as_changes() -> tuple[pl.Expr, pl.Expr]:
    """Removed rows in the columns of changes: no column, and the row that they repeat as `after`."""
    import polars as pl

    return pl.lit(None, pl.String).alias("column"), pl.col("twin_of").cast(pl.String).alias("after")


def _with_files(media: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, bytes]]:
    """Media proposals with the sha256 of what they would become in place of the bytes, and the bytes by that name."""
    import polars as pl

    contents = media["after"].to_list()
    names = [None if content is None else hashlib.sha256(content).hexdigest() for content in contents]
    files = {name: content for name, content in zip(names, contents, strict=True) if name is not None}
    return media.with_columns(pl.Series("after", names, dtype=pl.String)), files


MOST_RUNS = 2000
MOST_LOOKED_AT = 5000  # changes of a group, for examples that differ
MOST_SORTS = 5  # of reasons for one method and column; the rarer ones are told as one group


def parted(table: pl.DataFrame, keys: Sequence[str]) -> list[tuple[tuple[Any, ...], pl.DataFrame]]:
    """A table parted by some columns, in the order in which their values first come; a run of rows is never copied.

    >>> import polars as pl
    >>> table = pl.DataFrame({"k": ["a", "a", "b"], "x": [1, 2, 3]})
    >>> [(key, part["x"].to_list()) for key, part in parted(table, ["k"])]
    [(('a',), [1, 2]), (('b',), [3])]
    """
    import polars as pl

    begins = table.select(pl.any_horizontal(pl.col(key).ne_missing(pl.col(key).shift()) for key in keys)).to_series()
    places = [0, *(place for place in begins.arg_true().head(MOST_RUNS + 1).to_list() if place)]
    if len(places) > MOST_RUNS:
        return [(key, part) for key, part in table.partition_by(*keys, as_dict=True, maintain_order=True).items()]
    runs: dict[tuple[Any, ...], list[pl.DataFrame]] = {}
    for place, end in zip(places, [*places[1:], table.height], strict=True):
        runs.setdefault(table.select(keys).row(place), []).append(table[place:end])
    return [(key, pl.concat(parts) if len(parts) > 1 else parts[0]) for key, parts in runs.items()]


def _parts(
    raw: Dataset, proposals: pl.DataFrame, types: Mapping[str, pl.DataType], sure: float, shut: Collection[str | None]
) -> list[tuple[_Key, pl.DataFrame]]:
    """The proposals of each group, in the order in which groups are told: by column, what is applied first."""
    import polars as pl

    found = []
    for (method, column), every in parted(proposals, ["method", "column"]):
        some = _sayable(every, types[column]) if column in types and types[column] != pl.String else every
        for on, part in _by_sureness(some, 2.0 if column in shut else sure):
            for reason, few in _by_reason(part, raw.schema.names):
                found.append((_Key(method, column, on, reason), few if few[ROW_ID].is_sorted() else few.sort(ROW_ID)))
    columns = {name: place for place, name in enumerate(raw.schema.names)}
    methods = {name: place for place, name in enumerate(registry.entries("mending"))}

    def place(one: tuple[_Key, pl.DataFrame]) -> tuple[int, bool, int, int]:
        key, part = one
        return columns.get(key.column or "", -1), not key.on, methods.get(key.method, len(methods)), -part.height

    return sorted(found, key=place)


@dataclass(frozen=True)
class _Key:
    method: str
    column: str | None
    on: bool
    reason: str


def _by_sureness(part: pl.DataFrame, sure: float) -> list[tuple[bool, pl.DataFrame]]:
    """What is applied and what is only offered."""
    on = part["confidence"] >= sure
    if on.all() or not on.any():
        return [(bool(on.all()), part)]
    return [(True, part.filter(on)), (False, part.filter(~on))]


def _sayable(part: pl.DataFrame, dtype: pl.DataType) -> pl.DataFrame:
    """The proposals whose text is a cell of the column's type: a number column takes no word."""
    import polars as pl

    from modelwright.cleaning.overlay import as_type

    after = as_type(part["after"], dtype)
    return part.filter(pl.Series(after.is_not_null() | part["after"].is_null()))


def _by_reason(part: pl.DataFrame, names: Sequence[str]) -> list[tuple[str, pl.DataFrame]]:
    """Proposals parted by the sort of their reason; the rarer sorts are told as one where they are many."""
    import polars as pl

    if not part.height:
        return []
    if (part["reason"] == part["reason"][0]).all():
        one = pl.repeat(part["reason"][0], part.height, dtype=pl.Categorical(), eager=True).alias("reason")
        return [(part["reason"][0], part.with_columns(one))]
    part = part.with_columns(pl.col("reason").cast(pl.Categorical))  # each text is looked up once, here
    pattern = pattern_of(pl.col("reason"), names)
    sorts = part.select(pl.col("reason").unique().cast(pl.String)).with_columns(pattern=pattern, sort=sort_of(pattern))
    if sorts["sort"].n_unique() == 1:
        return [(_heading(part, sorts), part)]
    said = part.with_columns(pl.col("reason").cast(pl.String))
    said = said.with_columns(sort=pl.col("reason").replace_strict(sorts["reason"], sorts["sort"]))
    most = said["sort"].value_counts().sort(["count", "sort"], descending=[True, False])["sort"].to_list()
    if len(most) > MOST_SORTS:
        said = said.with_columns(pl.col("sort").replace(most[MOST_SORTS - 1 :], None))
    found = said.partition_by("sort", as_dict=True, maintain_order=True)
    return [
        (_about(part["method"][0]) if sort is None else _heading(some, sorts), some.drop("sort"))
        for (sort,), some in found.items()
    ]


def _heading(part: pl.DataFrame, sorts: pl.DataFrame) -> str:
    """What a group is called: its reason, else the pattern of its reasons, else what these begin with."""
    import polars as pl

    here = sorts.filter(pl.col("sort") == part["sort"][0]) if "sort" in part.columns else sorts
    if (part["reason"] == part["reason"][0]).all():
        return str(part["reason"][0])
    if here["pattern"].n_unique() == 1:
        return str(here["pattern"][0])
    return f"{here['sort'][0]}, and more"


def _about(method: str) -> str:
    if method not in registry.entries("mending"):
        return "for several reasons"
    return str(registry.get("mending", method).about)


def _group(number: int, kind: str, key: _Key, part: pl.DataFrame) -> Group:
    import polars as pl

    if kind == "cells":
        shown = (
            part.head(MOST_LOOKED_AT).unique(["before", "after"], keep="first", maintain_order=True).head(N_EXAMPLES)
        )
    else:
        shown = part.head(N_EXAMPLES).with_columns(before=pl.lit(None, pl.String))
    examples = tuple(shown.select(ROW_ID, "before", "after", pl.col("reason").cast(pl.String)).iter_rows())
    return Group(
        number=number, kind=kind, method=key.method, column=key.column, reason=key.reason, n=part.height,  # type: ignore[arg-type]
        low=float(part["confidence"].min()), high=float(part["confidence"].max()), applied=key.on, examples=examples,  # type: ignore[arg-type]
    )  # fmt: skip
