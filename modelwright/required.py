"""What a recipe requires of a dataset, held against one of its versions: where collect, clean and profile meet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.data import ROW_ID, Column, Dataset, Schema

if TYPE_CHECKING:
    import polars as pl

    from modelwright.cleaning import CleanSpec
    from modelwright.collection.versions import Version
    from modelwright.core.store import Store
    from modelwright.core.values import Watch
    from modelwright.profiling.requirements import Met, RequirementsSpec, SourceRows
    from modelwright_runtime.reading import Reading

SAMPLE_ROWS, SLICES = 20_000, 20


def required_of(plain: Mapping[str, Any]) -> RequirementsSpec | None:
    """The requirements of a recipe's plain settings."""
    from modelwright.profiling.requirements import RequirementsSpec

    said = plain.get("requirements")
    return RequirementsSpec.parse(said, where="recipe.requirements") if said is not None else None


def met_by(
    store: Store, version: Version, spec: RequirementsSpec, plain: Mapping[str, Any], watch: Watch | None = None
) -> Met:  # fmt: skip
    """Hold every row of a version against what is required. How cells are read is decided by a sample of 20,000 rows,
    as cleaning decides it; nothing is kept of the reading, and the table is never in memory as a whole."""
    import polars as pl

    from modelwright.cleaning import CleanSpec
    from modelwright.collection.versions import open_version
    from modelwright.profiling.requirements import met

    target = str(plain.get("target") or "") or None
    if not version.number:
        return met(Dataset.from_frame(pl.DataFrame()), spec, target=target or "target", sources=(), watch=watch)
    data = open_version(store, version)
    settings = {name: value for name, value in (plain.get("clean") or {}).items() if name != "target"}
    typed = as_read(data, CleanSpec.parse(settings, where="recipe.clean"), _words(spec, target))
    return met(typed, spec, target=target, sources=_sources(store, version), watch=watch)


def _words(spec: RequirementsSpec, target: str | None) -> set[str]:
    """Columns whose cells are compared with words of the recipe: they are read as what they say."""
    named = {*spec.groups, *(name for name, need in spec.columns.items() if need.values)}
    if spec.classes and (spec.classes.column or target):
        named.add(spec.classes.column or str(target))
    return {name for name in named if name not in spec.columns or spec.columns[name].kind is None}


def as_read(data: Dataset, spec: CleanSpec, words: set[str]) -> Dataset:
    """A raw table typed, lazily, row for row: cells are read as cleaning would read them, and no row is left out."""
    import polars as pl

    from modelwright.cleaning import clean

    held = data.table.collect_schema()
    plain = [column for column in data.schema.columns if not (held[column.name].is_nested() or
             held[column.name] == pl.Binary)]  # fmt: skip
    if not plain:
        return data
    names = [column.name for column in plain]
    known = {column.name: column.kind for column in plain if column.kind != "raw"}
    kinds = {**known, **dict.fromkeys(words, "category"), **spec.kinds}
    asked = spec.but(
        target=None, kinds={name: kind for name, kind in kinds.items() if name in names}, roles={},
        skip=tuple({*spec.skip, "duplicates", "leaks", "columns"}),
    )  # fmt: skip
    sample = _sample(data, names)
    cleaned = clean(Dataset.from_frame(sample, Schema(tuple(Column(name) for name in names))), asked)
    readings = {reading.column: reading for reading in cleaned.readings}
    table = data.table.with_columns(_read(readings[name]) for name in names)
    columns = tuple(
        Column(column.name, readings[column.name].kind if column.name in readings else column.kind)
        for column in data.schema.columns
    )
    return Dataset(table, Schema(columns), data.n_rows, data.origin)


def _sample(data: Dataset, names: list[str]) -> pl.DataFrame:
    """Rows from the whole table: some from each twentieth of it."""
    import polars as pl

    table = data.table.select(ROW_ID, *names)
    if data.n_rows <= SAMPLE_ROWS:
        return table.collect()
    each = SAMPLE_ROWS // SLICES
    return pl.concat([table.slice(number * data.n_rows // SLICES, each) for number in range(SLICES)]).collect()


def _read(reading: Reading) -> pl.Expr:
    import polars as pl

    from modelwright.cleaning.apply import dtype_of, read_series

    def read(cells: pl.Series) -> pl.Series:
        return read_series(cells, reading)

    return pl.col(reading.column).map_batches(read, return_dtype=dtype_of(reading.kind), is_elementwise=True)


def _sources(store: Store, version: Version) -> tuple[SourceRows, ...]:
    """Which rows of a version came from which of the recipe's sources."""
    from modelwright.collection.versions.ledger import files_of
    from modelwright.profiling.requirements import SourceRows

    lines = [line for some in files_of(store, version).values() for line in some]
    names = _short({line["source"] for line in lines})
    return tuple(SourceRows(names[line["source"]], line["first_row"], line["n_rows"]) for line in lines)


def _short(sources: set[str]) -> dict[str, str]:
    """Names for a table: the last part of a path, where no other source has the same.

    >>> _short({"/data/a.csv", "/data/b.csv"})["/data/a.csv"]
    'a.csv'
    """
    last = {source: Path(source).name or source for source in sources}
    alone = {source for source, name in last.items() if list(last.values()).count(name) == 1}
    return {source: last[source] if source in alone and source.startswith("/") else source for source in sources}
