"""Labels to the target column of a table, joined by row id and checked by what was seen when they were given."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from modelwright.core.data import ROW_ID, Column, Dataset, Schema
from modelwright.core.errors import UserError
from modelwright.labelling.base import Labels
from modelwright.labelling.rows import ROWS_AT_ONCE, mark_of
from modelwright.labelling.shapes import cell_of
from modelwright.labelling.store import Project

if TYPE_CHECKING:
    pass


def join(data: Dataset, project: Project, labels: Labels) -> Dataset:
    """The table with the labels as its target column; rows without a label have null there, or what they had.

    A label belongs to what was seen: a row that stands elsewhere now, or twice, is found by its content, and a label
    whose row is gone is left out; both are told in `origin["decisions"]`. Raises `UserError("labelling.join")` when
    no label finds its row.
    """
    import polars as pl

    values = labels.values()
    found, moved = _places(data, project, set(values))
    if values and not found:
        raise UserError(
            "labelling.join", f"none of the {len(values):,} labels of {project.name!r} belongs to a row of this data.",
            hint="is it the data that was labelled?",
        )  # fmt: skip
    spec = project.spec
    cells = {row: cell_of(values[told], spec.kind, spec.classes, project.size(told)) for row, told in found.items()}
    column = pl.Series("__label__", list(cells.values()), dtype=_dtype(spec.kind))
    given = pl.DataFrame({ROW_ID: pl.Series(list(cells), dtype=pl.UInt64)}).with_columns(column)
    target, had = labels.target, labels.target in data.schema
    table = data.table.join(given.lazy(), on=ROW_ID, how="left", maintain_order="left")
    if had:
        is_same = data.table.collect_schema()[target] == column.dtype
        before = pl.col(target) if is_same else pl.col(target).cast(pl.String)
        table = table.with_columns(pl.coalesce("__label__", before).alias(target)).drop("__label__")
        schema = data.schema
    else:
        table = table.rename({"__label__": target})
        schema = Schema((*data.schema.columns, Column(target)))
    lost = len(values) - len(set(found.values()))
    told = f"{len(cells):,} rows by {len(values):,} labels"
    reason = f"project {project.name!r}: by row id{f', {moved:,} by content' if moved else ''}"
    reason += f"; {lost:,} labels found no row" if lost else ""
    decision = {"stage": "labelling", "about": target, "choice": told, "reason": reason}
    decisions = [*data.origin.get("decisions", ()), decision]
    return replace(Dataset(table, schema, data.n_rows), origin={**data.origin, "decisions": decisions})


def _dtype(kind: str) -> Any:
    import polars as pl

    if kind == "boxes":
        numbers = {name: pl.Float64() for name in ("x", "y", "width", "height")}
        return pl.List(pl.Struct({**numbers, "label": pl.String()}))
    return pl.Binary if kind == "masks" else pl.String


def _places(data: Dataset, project: Project, labelled: set[int]) -> tuple[dict[int, int], int]:
    """For each row of the data that has a label: the row it was given on; and how many were found by content."""
    marks = dict(project.rows.execute("SELECT row, mark FROM names").fetchall())
    columns = list(project.spec.columns or project.spec.show or ())
    missing = [name for name in columns if name not in data.schema]
    if missing:
        raise UserError("labelling.join", f"the data has no column {missing[0]!r}, which was labelled.")
    by_mark: dict[str, int] = {}
    for row in sorted(labelled):
        by_mark.setdefault(marks[row], row)
    table = data.table.select(ROW_ID, *columns)
    found: dict[int, int] = {}
    moved = 0
    for start in range(0, data.n_rows, ROWS_AT_ONCE):
        for cells in table.slice(start, ROWS_AT_ONCE).collect().iter_rows(named=True):
            row, mark = cells[ROW_ID], mark_of(cells, columns)
            if row in labelled and marks[row] == mark:
                found[row] = row
            elif marks.get(row) != mark and mark in by_mark:
                found[row], moved = by_mark[mark], moved + 1
    return found, moved
