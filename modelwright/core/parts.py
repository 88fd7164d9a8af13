"""`Part`: one file of a table that lies in many; and the table that parts make together.

A version of a dataset names its parts, and two versions share most of them. Rows of a part are numbered from
`first_row`, so that a file never changes when rows before it come or go; a part whose row ids have gaps holds
them itself, in the column `ROW_ID`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from modelwright.core.data import ROW_ID
from modelwright.core.errors import SystemFault
from modelwright.core.store import Store

if TYPE_CHECKING:
    import polars as pl

Form = Literal["parquet", "arrow"]


@dataclass(frozen=True, slots=True)
class Part:
    """Rows `offset` to `offset + n_rows` of a file of the store. `first_row` is None where the file has row ids.

    >>> part = Part("0" * 64, "parquet", 3, 900, 10)
    >>> Part.from_plain(part.to_plain()) == part
    True
    """

    digest: str
    form: Form
    n_rows: int
    n_bytes: int
    first_row: int | None
    offset: int = 0

    def to_plain(self) -> list[Any]:
        """JSON-able form."""
        return [self.digest, self.form, self.n_rows, self.n_bytes, self.first_row, self.offset]

    @classmethod
    def from_plain(cls, plain: Sequence[Any]) -> Part:
        """The inverse of `to_plain`."""
        return cls(*plain)


@cache
def types() -> dict[str, pl.DataType]:
    """The types that a column of a part may have, by the word that a manifest says for them."""
    import polars as pl

    box = pl.Struct({"x": pl.Float64, "y": pl.Float64, "width": pl.Float64, "height": pl.Float64, "label": pl.String})
    flat: list[Any] = [
        pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Float32, pl.Float64,
        pl.Boolean, pl.String, pl.Binary, pl.Date, pl.Datetime("us"), pl.Null,
    ]  # fmt: skip
    nested = [pl.List(pl.Float64), pl.List(pl.Float32), pl.List(pl.Int64), pl.List(pl.String), pl.List(box)]
    return {str(kind): kind for kind in (*(one if isinstance(one, pl.DataType) else one() for one in flat), *nested)}


def scan(store: Store, parts: Sequence[Part], columns: Mapping[str, str]) -> pl.LazyFrame:
    """The table of these parts, in their order: `ROW_ID` and the columns, each in the type that its word says.

    A column that a part lacks is null there. Nothing is read before it is asked for; each file is verified once.
    """
    import polars as pl

    if not parts:
        return pl.LazyFrame(schema={ROW_ID: pl.UInt64, **{name: types()[word] for name, word in columns.items()}})
    return pl.concat([_scan_one(store, part, columns) for part in parts])


def _scan_one(store: Store, part: Part, columns: Mapping[str, str]) -> pl.LazyFrame:
    import polars as pl

    path = store.sure(part.digest)
    if part.form == "arrow":
        table = pl.scan_ipc(path, glob=False, hive_partitioning=False)
    else:
        table = pl.scan_parquet(path, glob=False, hive_partitioning=False)
    held = table.collect_schema()
    table = table.slice(part.offset, part.n_rows)
    if part.first_row is not None:
        table = table.with_row_index(ROW_ID).with_columns(pl.col(ROW_ID).cast(pl.UInt64) + part.first_row)
    elif ROW_ID not in held:
        raise SystemFault("store.corrupt", f"{path} has no row ids.", hint="collect that dataset again")
    return table.select(ROW_ID, *(_column(name, types()[word], held.get(name)) for name, word in columns.items()))


def _column(name: str, wanted: pl.DataType, held: pl.DataType | None) -> pl.Expr:
    import polars as pl

    if held is None:
        return pl.lit(None, dtype=wanted).alias(name)
    return pl.col(name) if held == wanted else pl.col(name).cast(wanted)
