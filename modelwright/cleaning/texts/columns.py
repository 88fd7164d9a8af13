"""Which columns hold texts, and what every method on texts does with them: look at each distinct one once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from modelwright.cleaning.findings import Findings
from modelwright.core.data import ROW_ID, Dataset

if TYPE_CHECKING:
    import polars as pl

PEEKED_ROWS = 2000
LEAST_ROWS, LEAST_WORDS, LEAST_SHARE = 5, 4, 0.5
BATCH_ROWS = 50_000


def text_columns(data: Dataset) -> list[str]:
    """The columns whose source gave texts; the target is not among them.

    >>> import polars as pl
    >>> text_columns(Dataset.from_frame(pl.DataFrame({"a": ["x"], "n": [1]})))
    ['a']
    """
    import polars as pl

    types = data.table.collect_schema()
    return [
        column.name for column in data.schema.columns if types[column.name] == pl.String and column.role != "target"
    ]


def prose_columns(data: Dataset) -> dict[str, pl.Series]:
    """The columns in which at least half the cells have four words or more, each with a sample of its cells.

    The sample is of the rows with the lowest ids, so that rows in another order give the same one.
    """
    names = text_columns(data)
    if not names:
        return {}
    rows = data.table.select(ROW_ID, *names).bottom_k(PEEKED_ROWS, by=ROW_ID).sort(ROW_ID).collect()
    found = {}
    for name in names:
        cells = rows[name].drop_nulls().str.head(2000)
        cells = cells.filter(cells.str.strip_chars() != "")
        if cells.len() < LEAST_ROWS:
            continue
        words = cells.str.count_matches(r"\p{L}{2,}")
        marks = cells.str.len_chars()
        letters = cells.str.count_matches(r"[\p{L}\p{M}\s]")
        if (words >= LEAST_WORDS).mean() >= LEAST_SHARE and (letters / marks > 0.6).mean() >= LEAST_SHARE:  # type: ignore[operator]
            found[name] = rows[name].drop_nulls()
    return found


def batches(data: Dataset, column: str) -> Iterator[pl.DataFrame]:
    """Row ids and cells of a column that are not null, in parts, so that one part is held at once."""
    import polars as pl

    rows = data.table.select(ROW_ID, pl.col(column).alias("before")).filter(pl.col("before").is_not_null())
    yield from rows.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True)


Change = tuple[str | None, str, float]
"""What a text becomes, why, and how sure that is."""


def changed_cells(
    data: Dataset,
    columns: list[str],
    method: str,
    change: Callable[[str], Change | None],
    suspect: pl.Expr | None = None,
) -> pl.DataFrame | None:
    """Proposals for the cells of these columns: `change` is asked once of each distinct text that `suspect` lets pass.

    `suspect` is a Polars condition on the column `before`, which is what makes clean texts cheap.
    """
    import polars as pl

    parts = []
    for column in columns:
        rows = data.table.select(ROW_ID, pl.col(column).alias("before")).filter(pl.col("before").is_not_null())
        if suspect is not None:
            rows = rows.filter(suspect)
        odd = rows.collect(engine="streaming")
        distinct = odd["before"].unique(maintain_order=True).to_list() if odd.height else []
        said = [(text, *found) for text in distinct if (found := change(text)) is not None]
        if not said:
            continue
        schema = {"before": pl.String, "after": pl.String, "reason": pl.String, "confidence": pl.Float64}
        known = pl.DataFrame(said, schema=schema, orient="row")
        cells = odd.join(known, on="before", how="inner").with_columns(column=pl.lit(column), method=pl.lit(method))
        parts.append(cells.sort(ROW_ID).select(*Findings.of().cells.columns))
    return pl.concat(parts) if parts else None


def flagged_cells(
    data: Dataset, columns: list[str], method: str, judge: Callable[[str], list[tuple[str, float]]]
) -> pl.DataFrame | None:
    """Flags for the cells of these columns: `judge` gives reasons and scores of one text, none for a good one."""
    import polars as pl

    said: list[tuple[int, str, str, str, float]] = []
    for column in columns:
        for rows in batches(data, column):
            for row, text in rows.iter_rows():
                said += [(row, column, method, reason, score) for reason, score in judge(text)]
    if not said:
        return None
    schema = {ROW_ID: pl.UInt64, "column": pl.String, "method": pl.String, "reason": pl.String, "score": pl.Float64}
    return pl.DataFrame(said, schema=schema, orient="row").sort("column", ROW_ID, "reason")
