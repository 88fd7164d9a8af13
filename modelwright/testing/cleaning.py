"""The suite of the cleaning stage: what every cleaner must keep, whoever made it.

`check_cleaned` judges one result; `check_cleaning` runs a cleaner over tables made to hurt.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from modelwright.core.data import ROW_ID, Dataset

if TYPE_CHECKING:
    import polars as pl

    from modelwright.core.values import Cleaned
    from modelwright_runtime.reading import Reading

Clean = Callable[[Dataset], "Cleaned"]


def check_cleaning(clean: Clean) -> None:
    """Assert that a cleaner keeps its promises on a dozen awkward tables.

    Each result passes `check_cleaned`; twice gives the same; and the cleaned table, written as CSV and cleaned
    again, is changed no further.

    >>> from modelwright.cleaning import clean
    >>> check_cleaning(clean)
    """
    for name, table in awkward_tables():
        data = Dataset.from_frame(table)
        try:
            cleaned = clean(data)
            check_cleaned(data, cleaned)
            check_repeatable(data, clean)
            check_settled(cleaned, clean)
        except AssertionError as problem:
            raise AssertionError(f"on the table {name!r}: {problem}") from problem


def check_cleaned(data: Dataset, cleaned: Cleaned) -> None:
    """Assert what must hold of one result: the rows, the types, the readings, the log, the way back."""
    _check_rows(data, cleaned)
    _check_types(data, cleaned)
    _check_parity(data, cleaned)
    _check_log(data, cleaned)
    assert cleaned.undo().frame.equals(data.frame), "undo does not give the raw table back"


def check_repeatable(data: Dataset, clean: Clean) -> None:
    """Assert that cleaning the same table twice gives the same values."""
    first, again = clean(data), clean(data)
    assert first.kept.frame.equals(again.kept.frame), "two runs keep different cells"
    assert first.kept.schema == again.kept.schema, "two runs give different schemas"
    assert first.removed.equals(again.removed), "two runs remove different rows"
    assert first.changes.collect().equals(again.changes.collect()), "two runs log different changes"
    assert first.readings == again.readings, "two runs read differently"
    assert first.decisions == again.decisions, "two runs decide differently"


def check_settled(cleaned: Cleaned, clean: Clean) -> None:
    """Assert that a cleaned table, written as CSV and cleaned again, loses no row and changes no cell."""
    import polars as pl

    frame = cleaned.kept.frame.drop(ROW_ID)
    frame = frame.drop(name for name, dtype in frame.schema.items() if dtype == pl.Binary or dtype.is_nested())
    if not frame.width:
        return
    text = frame.write_csv()
    again = clean(Dataset.from_frame(pl.read_csv(io.StringIO(text), infer_schema=False)))
    assert again.removed.height == 0, f"a second cleaning removes rows: {again.removed.head(3).rows()}"
    changed = again.changes.collect()
    assert changed.height == 0, f"a second cleaning changes cells: {changed.head(3).rows()}"


def _check_rows(data: Dataset, cleaned: Cleaned) -> None:
    kept = cleaned.kept.frame[ROW_ID].to_list()
    removed = cleaned.removed[ROW_ID].to_list()
    known = data.frame[ROW_ID].to_list()
    assert sorted(kept + removed) == sorted(known), "kept + removed is not the input"
    gone = set(removed)
    assert kept == [row for row in known if row not in gone], "kept rows are not in the input's order"
    assert cleaned.kept.n_rows == len(kept), "n_rows is not the number of rows"
    assert cleaned.removed.columns == [ROW_ID, "reason", "twin_of"], "removed has other columns"
    assert all(cleaned.removed["reason"].to_list()), "a removed row has no reason"
    twins = cleaned.removed["twin_of"].drop_nulls().to_list()
    assert set(twins) <= set(kept), "a removed row names a twin that was not kept"


def _check_types(data: Dataset, cleaned: Cleaned) -> None:
    import polars as pl

    dtypes = {
        "number": pl.Float64(), "boolean": pl.Boolean(), "datetime": pl.Datetime("us"), "image": pl.Binary(),
        "mask": pl.Binary(), "audio": pl.Binary(), "series": pl.List(pl.Float64()), "labels": pl.List(pl.String()),
    }  # fmt: skip
    names = data.schema.names
    assert cleaned.kept.schema.names == names, "columns were lost, added or moved"
    assert cleaned.kept.frame.columns == [ROW_ID, *names], "the table's columns are not the schema's"
    assert tuple(reading.column for reading in cleaned.readings) == names, "readings are not one per column"
    for column, reading in zip(cleaned.kept.schema.columns, cleaned.readings, strict=True):
        assert column.kind == reading.kind, f"{column.name}: the schema says {column.kind}, not {reading.kind}"
        if column.kind == "boxes":
            continue
        expected = dtypes.get(column.kind, pl.String())
        assert cleaned.kept.frame[column.name].dtype == expected, f"{column.name} has another type"
        assert column.role in ("feature", "target", "protected") or column.why, f"{column.name}: role without why"


def _check_parity(data: Dataset, cleaned: Cleaned) -> None:
    """Every kept cell is what the serving reader says of the raw cell; media and lists it does not read."""
    raw = data.frame.join(cleaned.kept.frame.select(ROW_ID), on=ROW_ID, maintain_order="left")
    single = ("number", "category", "boolean", "datetime", "text")
    for reading in cleaned.readings:
        if reading.kind not in single:
            continue
        said = [_said(cell, reading) for cell in raw[reading.column].to_list()]
        kept = [_plain(value) for value in cleaned.kept.frame[reading.column].to_list()]
        for row, cell, value, expected in zip(raw[ROW_ID], raw[reading.column], kept, said, strict=True):
            assert value == expected, (
                f"row {row} of {reading.column}: {cell!r} was cleaned to {value!r}, served as {expected!r}"
            )


def _said(cell: Any, reading: Reading) -> float | str | None:
    from modelwright_runtime.reading import CellError, read_cell

    try:
        return read_cell(cell, reading)
    except CellError:
        return None


def _plain(value: Any) -> float | str | None:
    from datetime import datetime

    if isinstance(value, datetime):
        return (value - datetime(1970, 1, 1)).total_seconds()
    if isinstance(value, bool):
        return float(value)
    return value  # type: ignore[no-any-return]


def _check_log(data: Dataset, cleaned: Cleaned) -> None:
    from modelwright_runtime.reading import as_text

    log = cleaned.changes.collect()
    assert log.columns == [ROW_ID, "column", "before", "after", "step", "reason"], "the log has other columns"
    assert log.select(ROW_ID, "column").is_duplicated().sum() == 0, "a cell is logged twice"
    assert set(log[ROW_ID]) <= set(cleaned.kept.frame[ROW_ID]), "the log names rows that are not kept"
    raw = data.frame.join(cleaned.kept.frame.select(ROW_ID), on=ROW_ID, maintain_order="left").to_dict(as_series=False)
    now = cleaned.kept.frame.to_dict(as_series=False)
    place = {row: index for index, row in enumerate(raw[ROW_ID])}
    for row, column, before, after, step, reason in log.iter_rows():
        where = f"row {row} of {column}"
        assert step and reason, f"{where}: a change without step or reason"
        assert before == as_text(raw[column][place[row]]), f"{where}: before is not the raw cell"
        assert (after is None) == (now[column][place[row]] is None), f"{where}: after is not the cleaned cell"
    lost = {(row, column) for row, column, after in log.select(ROW_ID, "column", "after").iter_rows() if after is None}
    for column in data.schema.names:
        for row, cell, value in zip(raw[ROW_ID], raw[column], now[column], strict=True):
            empty = cell is None or cell == "" or cell != cell
            assert value is not None or empty or (row, column) in lost, f"row {row} of {column} was lost silently"


def awkward_tables() -> Iterator[tuple[str, pl.DataFrame]]:
    """Tables made to hurt: names and raw frames (texts, unless the name says otherwise)."""
    from datetime import date, datetime

    import polars as pl

    yield "no columns", pl.DataFrame()
    yield "header only", pl.DataFrame({"a": [], "b": []}, schema={"a": pl.String, "b": pl.String})
    yield "one row", pl.DataFrame({"a": ["1"], "b": ["x"], "c": ["?"]})
    yield (
        "all missing",
        pl.DataFrame({"a": [None] * 5, "b": ["", " ", "NA", "-", "?"]}, schema_overrides={"a": pl.String}),
    )
    yield "messy", _messy(300)
    yield "long and messy", _messy(5200)
    yield "equal rows", pl.DataFrame({"a": ["1", "1.0", " 1", "2"], "b": ["x", "x", "x ", "x"]})
    yield "odd names", pl.DataFrame({"": ["1", "2"], " a ": ["x", "y"], "cell": ["1", "z"], "low:cell": ["3", "4"]})
    yield (
        "typed",
        pl.DataFrame(
            {
                "i": [1, 2, None, 2**60], "f": [0.5, float("nan"), float("inf"), -1.0], "b": [True, None, False, True],
                "d": [date(2024, 1, 2), None, date(1900, 1, 1), date(2024, 5, 6)],
                "t": [datetime(2024, 1, 2, 3, 4, 5, 678), None, None, datetime(1969, 1, 1)],
                "n": [None] * 4, "l": [[1], [2, 3], None, []],
            },
            schema_overrides={"n": pl.Null, "l": pl.List(pl.Int64)},
        ),
    )  # fmt: skip


def _messy(n_rows: int) -> pl.DataFrame:
    """A seeded table with every kind of damage that the cleaner knows."""
    import random

    import polars as pl

    dice = random.Random(n_rows)

    def some(*spellings: str) -> str:
        return dice.choice(spellings)

    def number() -> float:
        return round(dice.uniform(5, 3000), 2)

    def marked(value: float) -> str:
        return f"{value:,.2f}".replace(",", "_").replace(".", ",").replace("_", ".")

    def with_unit(value: float) -> str:
        return some(f"{value} mm", f"{value / 10:.3f} cm", f"{value}mm ", f"{value}")

    rows = []
    for row in range(n_rows):
        day = f"{dice.randint(1, 28):02d}/{dice.randint(1, 12):02d}/{dice.randint(2015, 2024)}"
        rows.append(
            {
                "id": f"P-{row:05d}", "plain": some(str(number()), f" {number()}", "N/A", "", "-999"),
                "european": some(marked(number()), "?"), "money": f"${number():,.2f}", "length": with_unit(number()),
                "share": some(f"{dice.randint(0, 100)}%", "unknown"),
                "sex": some("male", " Male", "MALE", "female", "-"),
                "zip": some("01234", "99501", "10115"), "said": some("Yes", "no", "YES ", "NA"),
                "day": some(day, "null"),
                "when": f"2024-01-{dice.randint(1, 28):02d}T{dice.randint(0, 23):02d}:15:30.25",
                "note": " ".join(some("good", "bad", "very", "  late", "wood", "iron") for _ in range(6)),
                "same": "x", "sparse": some("", "", "", "3"), "broken": some("1", "2", "3", "4", "oops", "5,5,5")
                if dice.random() < 0.1 else "7",
            }
        )  # fmt: skip
    repeated = [dict(rows[0]), {**rows[1], "sex": f" {rows[1]['sex']} "}]
    return pl.DataFrame(rows + repeated)
