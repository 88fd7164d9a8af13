"""Rows that repeat: suspected by a hash of the few columns that vary most, then compared cell by cell.

Only the hashes of all rows are held (16 bytes a row); the rows themselves are fetched for the suspects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from modelwright.core.data import ROW_ID, Decision, Schema

if TYPE_CHECKING:
    import polars as pl

UNIQUE_KINDS = ("image", "mask", "audio", "series")
_SEEDS = (1, 2)
MOST_COMPARED = 500_000  # suspects beyond this are taken on 128 bits of all their columns
N_TELLING = 4  # columns that are hashed for every row: equal rows are equal in these too
LEAST_CONTINUOUS = 3  # columns in which hardly any value repeats
MOST_TWINS = 0.3
LEAST_ROWS_FOR_CHANCE = 100
CHANCE = 0.05  # of the repeats found: more expected by chance, and none is removed


def compared_without_ids(schema: Schema, sample: pl.DataFrame) -> tuple[str, ...]:
    """The columns to compare besides identifiers, when equal rows cannot be chance; otherwise none.

    They cannot when at least 3 columns of numbers hardly repeat a value, or when pictures, sounds or series are
    equal; then what is ignored is not compared either.
    """
    if _is_unique(schema):
        return tuple(column.name for column in schema.columns if column.role not in ("id", "ignored"))
    if not schema.of_role("id"):
        return ()
    names = tuple(column.name for column in schema.columns if column.role != "id")
    continuous = 0
    for name in names:
        values = sample[name].drop_nulls()
        is_number = schema[name].kind == "number" and schema[name].role == "feature"
        continuous += is_number and len(values) >= 20 and values.n_unique() > 0.5 * len(values)
    return names if continuous >= LEAST_CONTINUOUS else ()


def expected_by_chance(sample: pl.DataFrame, n_rows: int) -> float:
    """How many pairs of rows would be equal if the columns were independent: n^2 / 2 times all sum(p^2).

    Real columns go together, so chance makes more repeats than this, never fewer on average.

    >>> import polars as pl
    >>> expected_by_chance(pl.DataFrame({"a": ["x", "y"] * 500, "b": ["u", "u", "v", "v"] * 250}), 1000)
    124875.0
    """
    import polars as pl

    chance = n_rows * (n_rows - 1) / 2
    for name in sample.columns:
        counts = sample.group_by(name).len()["len"].cast(pl.Float64)
        chance *= float(((counts / sample.height) ** 2).sum())
    return chance


def _is_unique(schema: Schema) -> bool:
    """Whether rows hold pictures, sounds or series, which are never equal by chance."""
    return any(column.kind in UNIQUE_KINDS for column in schema.columns)


def telling_columns(names: Sequence[str], sample: pl.DataFrame) -> list[str]:
    """The columns that vary most in the sample: rows that differ nearly always differ in one of them."""
    variety = {name: sample[name].n_unique() if name in sample.columns else sample.height + 1 for name in names}
    return sorted(names, key=lambda name: -variety[name])[:N_TELLING]


def hash_rows(
    table: pl.LazyFrame, groups: Sequence[Sequence[str]], sample: pl.DataFrame, *more: pl.Expr
) -> pl.DataFrame:
    """`ROW_ID`, a hash of the telling columns of each group (`hash_<group>`), and `more`; streamed."""
    import polars as pl

    hashes = [
        pl.struct(telling_columns(names, sample)).hash(_SEEDS[0]).alias(f"hash_{group}")
        for group, names in enumerate(groups)
    ]
    return table.select(pl.col(ROW_ID), *hashes, *more).collect(engine="streaming")


def find_twins(
    table: pl.LazyFrame, hashes: pl.DataFrame, schema: Schema, compared: Sequence[str], sample: pl.DataFrame
) -> tuple[pl.DataFrame, list[Decision]]:
    """The rows equal to an earlier one: `ROW_ID`, `twin_of` (a row that stays), `reason`; and what was decided.

    `table` and `sample` are typed; `hashes` are the rows to look at, with group 0 all columns and group 1
    `compared`. In a table of few coarse columns rows are equal by chance: then none is removed, and it is told.
    """
    import polars as pl

    same = "equal to an earlier row in every column, as read"
    twins = _repeated(table, hashes, 0, schema.names).with_columns(pl.lit(same).alias("reason"))
    told = []
    by_chance = expected_by_chance(sample, hashes.height) if twins.height and not _is_unique(schema) else 0.0
    if hashes.height >= LEAST_ROWS_FOR_CHANCE and by_chance > CHANCE * twins.height:
        why = f"the columns are few and coarse: even independent ones would make about {by_chance:.0f} equal pairs"
        told.append(Decision("cleaning", "rows", f"{twins.height} equal rows kept", why))
        return twins.clear(), told
    if twins.height:
        told.append(Decision("cleaning", "rows", f"{twins.height} repeated rows removed", same))
    if not compared:
        return twins, told
    left = hashes.filter(~pl.col(ROW_ID).is_in(twins[ROW_ID].implode()))
    others = _repeated(table, left, 1, compared)
    if 0 < others.height <= MOST_TWINS * left.height:
        ids = ", ".join(name for name in schema.names if name not in compared)
        why = "the columns that are equal hold measurements that hardly repeat a value, so it is no chance"
        if _is_unique(schema):
            why = "their pictures, sounds or series are equal, byte for byte"
        told.append(Decision("cleaning", "rows", f"{others.height} rows removed that differ in {ids} only", why))
        reason = pl.lit(f"equal to an earlier row in every column but {ids}").alias("reason")
        twins = pl.concat([twins, others.with_columns(reason)]).sort(ROW_ID)
        moved = pl.col("twin_of").replace(others[ROW_ID], others["twin_of"])
        twins = twins.with_columns(moved)
    return twins, told


def _repeated(table: pl.LazyFrame, hashes: pl.DataFrame, group: int, columns: Sequence[str]) -> pl.DataFrame:
    """The rows equal to an earlier one in `columns`: `ROW_ID` and `twin_of`, the first of them."""
    import polars as pl

    suspects = hashes.filter(pl.col(f"hash_{group}").is_duplicated()).select(ROW_ID)
    if not suspects.height:
        return suspects.with_columns(pl.lit(None, pl.UInt64).alias("twin_of"))
    if suspects.height < hashes.height / 2:
        table = table.filter(pl.col(ROW_ID).is_in(suspects[ROW_ID].implode()))
    keys = list(columns)
    cells = [pl.col(name) for name in columns]
    if suspects.height > MOST_COMPARED:
        keys = [f"hash_{seed}" for seed in _SEEDS]
        cells = [pl.struct(columns).hash(seed).alias(key) for seed, key in zip(_SEEDS, keys, strict=True)]
    suspects = table.select(ROW_ID, *cells).collect(engine="streaming").join(suspects, on=ROW_ID, how="semi")
    first = pl.col(ROW_ID).min().over(keys)
    twins = suspects.select(ROW_ID, first.alias("twin_of")).filter(pl.col(ROW_ID) != pl.col("twin_of"))
    return twins.sort(ROW_ID)
