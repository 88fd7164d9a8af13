"""A column's cells put another way: from each distinct text to what it should be, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

PLACE = "__place__"
"""The row's position in the table under examination."""


@dataclass(frozen=True, slots=True)
class Put:
    """What a text should be (None: missing), why, and how sure that is (0..1)."""

    after: str | None
    reason: str
    confidence: float


def rewritten(frame: pl.DataFrame, column: str, puts: Mapping[str, Put]) -> pl.DataFrame:
    """The cells of a column that change: `PLACE`, `column`, `before`, `after`, `reason`, `confidence`.

    >>> import polars as pl
    >>> rewritten(pl.DataFrame({"x": ["5 %", "5"]}), "x", {"5 %": Put("5", "no %", 0.9)}).row(0)
    (0, 'x', '5 %', '5', 'no %', 0.9)
    """
    import polars as pl

    rows = [(before, put.after, put.reason, put.confidence) for before, put in sorted(puts.items())]
    schema = {"before": pl.String, "after": pl.String, "reason": pl.String, "confidence": pl.Float64}
    known = pl.DataFrame(rows, schema=schema, orient="row")
    cells = frame.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias(PLACE), pl.col(column).alias("before"))
    found = cells.join(known, on="before", how="inner", maintain_order="left")
    return found.select(PLACE, pl.lit(column).alias("column"), "before", "after", "reason", "confidence")


def applied(frame: pl.DataFrame, changes: pl.DataFrame) -> pl.DataFrame:
    """The table with the changes made."""
    import polars as pl

    for name in changes["column"].unique().sort().to_list():
        own = changes.filter(pl.col("column") == name)
        cells = frame[name].scatter(own[PLACE], own["after"])
        frame = frame.with_columns(cells.alias(name))
    return frame


def counted(cells: pl.Series) -> dict[str, int]:
    """How many cells say each text, in the order of the texts; missing and empty ones are left out."""
    import polars as pl

    counts = cells.drop_nulls().filter(cells.drop_nulls() != "").value_counts(name="__n__").sort(pl.nth(0))
    return dict(counts.iter_rows())


PLAIN = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)$"


def counted_odd(cells: pl.Series) -> tuple[dict[str, int], int]:
    """How many cells say each text that is no plain number, as `counted`, and how many cells are plain numbers.

    >>> import polars as pl
    >>> counted_odd(pl.Series(["1.5", "2", "2 oz", None]))
    ({'2 oz': 1}, 2)
    """
    is_plain = cells.str.contains(PLAIN).fill_null(False)
    return counted(cells.filter(~is_plain)), int(is_plain.sum())
