"""A cell that holds two: "Meadville PA" where the next column, the state, is empty.

It is taken apart only where the table shows that this happened: the end of the text is a value of the other column, the
other column is empty in just those rows, and where it is not empty texts do not end so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.cleaning.tables.rewriting import PLACE

if TYPE_CHECKING:
    import polars as pl

LEAST_CELLS = 5
LEAST_SHARE = 0.2  # of the rows with the other column empty
MOST_ELSEWHERE = 0.01  # of the rows with it filled
MOST_VALUES = 5000


def spilled(frame: pl.DataFrame, column: str) -> pl.DataFrame | None:
    """Changes (as `rewritten` gives) for the cells of `column` that end in a value of an empty neighbour; None for
    none.

    >>> import polars as pl
    >>> city = ["Rome", "Pisa", "Bend OR"] * 40
    >>> found = spilled(pl.DataFrame({"city": city, "state": ["IT", "OR", None] * 40}), "city")
    >>> found.select("column", "before", "after").rows()[:2]
    [('city', 'Bend OR', 'Bend'), ('state', None, 'OR')]
    """
    import polars as pl

    best: tuple[float, pl.DataFrame] | None = None
    if not frame[column].str.contains(r"\S[\s,;]+\S+$").any():
        return None
    for other in frame.columns:
        if other == column or frame[other].dtype != pl.String or frame[other].null_count() < LEAST_CELLS:
            continue
        found = _into(frame, column, other)
        if found is not None and (best is None or found[0] > best[0]):
            best = found
    return best[1] if best else None


def _into(frame: pl.DataFrame, column: str, other: str) -> tuple[float, pl.DataFrame] | None:
    """How much of what `other` misses stands at the end of `column`, and the changes that put it back."""
    import polars as pl

    known = frame[other].drop_nulls().value_counts(name="__n__")
    known = known.filter((pl.col("__n__") >= 2) & ~pl.col(other).str.contains(r"^[\d.,]*$"))
    if not 2 <= known.height <= MOST_VALUES:
        return None
    cells = frame.select(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias(PLACE), pl.col(other).is_null().alias("empty"),
        pl.col(column).alias("before"), pl.col(column).str.extract(r"^(.*?\S)[\s,;]+(\S+)$", 1).alias("stem"),
        pl.col(column).str.extract(r"^(.*?\S)[\s,;]+(\S+)$", 2).alias("tail"),
    ).filter(pl.col("before").is_not_null())  # fmt: skip
    ends = pl.col("tail").is_in(known[other].implode())
    empty, filled = cells.filter("empty"), cells.filter(~pl.col("empty"))
    moved = empty.filter(ends)
    share = moved.height / max(1, empty.height)
    elsewhere = (filled.filter(ends).height + 0.5) / (filled.height + 1)
    if moved.height < LEAST_CELLS or share < LEAST_SHARE or elsewhere > MOST_ELSEWHERE:
        return None
    sure = min(0.99, 1 - elsewhere / share)
    why = (
        f"{moved.height} of the {empty.height} rows without a {other} end their {column} in one; "
        f"of the rows with a {other}, {elsewhere:.1%} do"
    )
    shared = [pl.lit(f"two cells in one: {why}").alias("reason"), pl.lit(sure).alias("confidence")]
    left = moved.select(PLACE, pl.lit(column).alias("column"), "before", pl.col("stem").alias("after"), *shared)
    right = moved.select(
        PLACE,
        pl.lit(other).alias("column"),
        pl.lit(None, pl.String).alias("before"),
        pl.col("tail").alias("after"),
        *shared,
    )
    return share, pl.concat([left, right]).sort(PLACE, "column")
