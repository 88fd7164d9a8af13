"""`History`: what was changed in a table, in groups, each of which can be taken back and put again in any order.

The raw table is kept once, and every change says what a cell becomes; which changes are in force is one bit each. The
mended table is the raw one with the changes that are in force laid over it, so undoing A and then B is undoing B and
then A, and undoing all gives the raw table itself. A cell that two changes in force name takes the later group's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.cleaning.findings import Findings

N_EXAMPLES = 6


@dataclass(frozen=True, kw_only=True)
class Group:
    """Changes of one method in one column (None: whole rows) for one sort of reason, under a number for ever.

    `n` changes with a confidence of `low` to `high`; `applied` says whether they were at once, or only offered.
    `examples` are (row id, before, after, reason); of rows `after` is the row that it repeats, or None.
    """

    number: int
    kind: Literal["cells", "media", "rows"]
    method: str
    column: str | None
    reason: str
    n: int
    low: float
    high: float
    applied: bool
    examples: tuple[tuple[int, str | None, str | None, str], ...] = ()


@dataclass(frozen=True, eq=False)
class History:
    """A raw table, the changes proposed for it, and which of them are in force.

    `changes` has a row for each change, group after group: `__row__`, `after` (the text that the cell becomes, or null;
    of media the sha256 of the bytes in `files`; of removed rows the row that it repeats), `reason`, and `thousandths`,
    its confidence times 1000.
    `active` (bool, one for each change) says which are in force. None of it is ever changed: `undo` and `redo` give
    another history.

    >>> import polars as pl
    >>> from modelwright.cleaning.findings import Findings
    >>> change = {ROW_ID: 1, "column": "x", "before": "b", "after": "c", "method": "m", "reason": "r"}
    >>> found = Findings.of(cells=pl.DataFrame([change]).with_columns(confidence=1.0))
    >>> raw = Dataset.from_frame(pl.DataFrame({"x": ["a", "b"]}))
    >>> history = History(raw).adding(found, sure=0.95)
    >>> history.data.frame["x"].to_list(), history.undo(1).data is raw, history.undo(1).redo(1).n_active()
    (['a', 'c'], True, 1)
    """

    raw: Dataset
    groups: tuple[Group, ...] = ()
    parts: tuple[pl.DataFrame, ...] = ()
    active: np.ndarray | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)

    @cached_property
    def changes(self) -> pl.DataFrame:
        """Every change, group after group: `__row__`, `after`, `reason` (Categorical), `thousandths`."""
        import polars as pl

        schema = {ROW_ID: pl.UInt64, "after": pl.String, "reason": pl.Categorical, "thousandths": pl.UInt16}
        return pl.concat(self.parts) if self.parts else pl.DataFrame(schema=schema)

    @cached_property
    def bits(self) -> np.ndarray:
        """Which changes are in force: bool, one for each."""
        import numpy as np

        return np.zeros(0, bool) if self.active is None else self.active

    @cached_property
    def starts(self) -> dict[int, int]:
        """Where the changes of each group begin."""
        starts, place = {}, 0
        for group in self.groups:
            starts[group.number] = place
            place += group.n
        return starts

    def group(self, number: int) -> Group:
        """The group of a number. Raises UserError `mend.group`."""
        if number not in self.starts:
            raise UserError(
                "mend.group", f"there is no group {number!r} of changes.",
                hint=f"groups are 1 to {len(self.groups)}; `wright clean DATA --log` lists them",
            )  # fmt: skip
        return next(group for group in self.groups if group.number == number)

    def n_active(self, number: int | None = None) -> int:
        """How many changes are in force, of one group or of all."""
        bits = self.bits if number is None else self.bits[self._span(number)]
        return int(bits.sum())

    def _span(self, number: int) -> slice:
        start = self.starts[self.group(number).number]
        return slice(start, start + self.group(number).n)

    # Taking back --------------------------------------------------------------------------------------------

    def undo(self, *groups: int, cells: Iterable[tuple[int, str]] = ()) -> History:
        """The history with these groups, and all changes of these cells (row id, column), taken back.

        Raises UserError `mend.group` for a group that there is not, `schema.column` for a column.
        """
        return self._turned(groups, cells, on=False)

    def redo(self, *groups: int, cells: Iterable[tuple[int, str]] = ()) -> History:
        """The history with these groups, and all changes of these cells, in force: taken back before, or offered."""
        return self._turned(groups, cells, on=True)

    def undo_all(self) -> History:
        """The history with nothing in force: its `data` is the raw table."""
        return self.undo(*(group.number for group in self.groups))

    def _turned(self, groups: Iterable[int], cells: Iterable[tuple[int, str]], *, on: bool) -> History:
        bits = self.bits.copy()
        for number in groups:
            bits[self._span(number)] = on
        for row, column in cells:
            _ = self.raw.schema[column]
            for group in self.groups:
                if group.column == column:
                    span = self._span(group.number)
                    rows = self.changes[ROW_ID][span.start : span.stop]
                    place = rows.search_sorted(row)
                    if place < len(rows) and rows[place] == row:
                        bits[span.start + place] = on
        return replace(self, active=bits)

    # The table ----------------------------------------------------------------------------------------------

    @cached_property
    def data(self) -> Dataset:
        """The raw table with the changes in force laid over it; the raw table itself when there are none.

        A table that is larger than memory stays lazy, and is changed batch by batch as it is read.
        """
        if not self.bits.any():
            return self.raw
        from modelwright.cleaning.overlay import overlay

        return overlay(self)

    @property
    def removed(self) -> pl.DataFrame:
        """The rows that are removed: `__row__`, `reason`, `twin_of` (the row that it repeats, or null)."""
        import polars as pl

        taken = pl.Series(self.bits)
        parts = [
            self.changes[self._span(group.number)].filter(taken[self._span(group.number)])
            for group in self.groups
            if group.kind == "rows"
        ]
        if not parts:
            return pl.DataFrame(schema={ROW_ID: pl.UInt64, "reason": pl.String, "twin_of": pl.UInt64})
        rows = pl.concat(parts).unique(ROW_ID, keep="last").sort(ROW_ID)
        return rows.select(ROW_ID, pl.col("reason").cast(pl.String), pl.col("after").cast(pl.UInt64).alias("twin_of"))

    def log(self, *groups: int) -> pl.DataFrame:
        """Every change (of these groups, or of all) with what the raw cell says.

        `group`, `__row__`, `column`, `before`, `after`, `method`, `reason`, `confidence`, `in_force`; of removed rows
        `column` is null and `after` names the row that it repeats.
        """
        import polars as pl

        from modelwright.cleaning.overlay import cells_of

        taken, parts = pl.Series("in_force", self.bits), []
        for group in self.groups:
            if groups and group.number not in groups:
                continue
            span = self._span(group.number)
            rows = self.changes[span]
            before = pl.Series("before", [None], dtype=pl.String).new_from_index(0, rows.height)
            if group.kind == "cells":
                before = cells_of(self.raw, str(group.column), rows[ROW_ID])
            parts.append(
                rows.with_columns(
                    before.alias("before"), taken[span],
                    pl.lit(group.number).alias("group"), pl.lit(group.column, pl.String).alias("column"),
                    pl.lit(group.method).alias("method"), pl.col("reason").cast(pl.String),
                    (pl.col("thousandths") / 1000).alias("confidence"),
                ).select(
                    "group", ROW_ID, "column", "before", "after", "method", "reason", "confidence", "in_force"
                )
            )  # fmt: skip
        return pl.concat(parts) if parts else pl.DataFrame()

    # More changes -------------------------------------------------------------------------------------------

    def adding(
        self, found: Findings, *, sure: float, rows: bool = False, closed: Collection[str | None] = ()
    ) -> History:
        """The history with proposals added as new groups, one for each cell and row at most.

        Those of cells and media with a confidence of at least `sure` are in force at once, those of rows too where
        `rows` says so; the others are offered. Columns of `closed` are never changed at once.
        """
        import numpy as np
        import polars as pl

        from modelwright.cleaning.grouping import grouped

        made = grouped(self.raw, found, sure=sure, rows=rows, closed=closed, first=len(self.groups) + 1)
        if not made.groups:
            return self
        bits = np.concatenate([self.bits, *(np.full(group.n, group.applied) for group in made.groups)])
        changes = pl.concat([self.changes, *made.parts])
        return replace(
            self, groups=(*self.groups, *made.groups), parts=(changes,), active=bits,
            files={**self.files, **made.files},
        )  # fmt: skip
