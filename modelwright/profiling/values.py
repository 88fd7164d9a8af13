"""What a profile is made of: plain frozen values that `core.codec.plain_of` turns into JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Level = Literal["act", "look", "know"]
"""How much an alert matters: `act` before training, have a `look`, or merely `know`."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of values between edges; `n_below` and `n_above` lie outside them (a far tail is not drawn).

    `edges` are in the column's unit, or seconds since 1970 for dates; there is one more edge than counts.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    n_below: int = 0
    n_above: int = 0


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of numbers, or of dates in seconds since 1970. `quantiles` are of 0, 1, 5, 25, 50, 75, 95, 99, 100 %."""

    mean: float
    sd: float
    skew: float
    quantiles: tuple[float, ...]
    n_zero: int
    n_negative: int
    is_whole: bool
    histogram: Histogram


QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long the texts of a column are, in characters."""

    least: int
    mean: float
    most: int


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column. Counts are of all rows; `n_distinct` leaves missing cells out and is None where values are files.

    `top` has the commonest values with their counts. `alone` says how much of the target this column explains by
    itself in rows that were not looked at (0 to 1; None where not asked), `alone_missing` the same for merely
    whether the cell is filled in.
    """

    name: str
    kind: str
    role: str
    n_rows: int
    n_missing: int
    n_distinct: int | None
    unit: str = ""
    why: str = ""
    numbers: Numbers | None = None
    lengths: Lengths | None = None
    top: tuple[tuple[str, int], ...] = ()
    examples: tuple[str, ...] = ()
    alone: float | None = None
    alone_missing: float | None = None
    alone_right: float | None = None

    @property
    def n_present(self) -> int:
        """Rows in which the cell says something."""
        return self.n_rows - self.n_missing

    @property
    def missing(self) -> float:
        """The share of missing cells, 0 to 1."""
        return self.n_missing / self.n_rows if self.n_rows else 0.0

    @property
    def top_share(self) -> float:
        """The share of the commonest value among the cells that say something, 0 to 1."""
        return self.top[0][1] / self.n_present if self.top and self.n_present else 0.0


@dataclass(frozen=True, slots=True)
class Pair:
    """How two columns go together. `value` is in -1..1 for `spearman` and `pearson`, 0..1 for the others."""

    left: str
    right: str
    measure: Literal["pearson", "cramers_v", "correlation_ratio"]
    value: float
    spearman: float | None = None


@dataclass(frozen=True, slots=True)
class Determined:
    """Each value of `by` goes with one value of `column`, but for `n_exceptions` of `n_rows` rows that can tell."""

    by: str
    column: str
    n_rows: int
    n_exceptions: int
    both_ways: bool = False


@dataclass(frozen=True, slots=True)
class Gaps:
    """Columns that are missing (nearly) in the same rows; `n_rows` rows lack all of them."""

    columns: tuple[str, ...]
    n_rows: int


@dataclass(frozen=True, slots=True)
class Balance:
    """The target: its classes with their counts, the commonest first (none for a number), and how many there are."""

    column: str
    kind: str
    classes: tuple[tuple[str, int], ...]
    n_classes: int


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing worth knowing, in words, with what to do and, where there is one, the line that does it.

    `code` is stable (`leak.alone`, `missing.together`); `weight` orders alerts of one level.
    """

    level: Level
    code: str
    columns: tuple[str, ...]
    words: str
    todo: str
    line: str = ""
    weight: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a table is like. Every count is of all `n_rows` rows; `looked` says which findings rest on how many rows.

    `pairs` are the associations, strongest first; `matrix` has one number for each two columns of `matrix_columns`
    (None where it cannot be said). `removed` are the rows that cleaning left out, by reason. `n_repeated` rows are
    equal to an earlier one in every column.
    """

    n_rows: int
    columns: tuple[ColumnProfile, ...]
    n_repeated: int
    n_repeated_but_ids: int
    removed: Mapping[str, int]
    target: Balance | None
    pairs: tuple[Pair, ...]
    matrix_columns: tuple[str, ...]
    matrix: tuple[tuple[float | None, ...], ...]
    identical: tuple[tuple[str, ...], ...]
    determined: tuple[Determined, ...]
    gaps: tuple[Gaps, ...]
    looked: Mapping[str, int]
    alerts: tuple[Alert, ...] = ()

    def __getitem__(self, name: str) -> ColumnProfile:
        from modelwright.core.errors import UserError, nearest

        for column in self.columns:
            if column.name == name:
                return column
        names = [column.name for column in self.columns]
        raise UserError("profile.column", f"the profile has no column {name!r}.", hint=nearest(name, names))
