"""Thresholds by group: which group a row is of, and from which probability on it is told `classes[1]`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelwright_runtime.reading import Value, as_text

TRUTH = ("no", "yes")
"""What the groups of a boolean column are called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupColumn:
    """How one column makes groups: its `levels` in words, compared without case and doubled blanks. Of a number that is
    cut into ranges `edges` are where the second and each later range begins."""

    column: str
    levels: tuple[str, ...]
    edges: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupThresholds:
    """One threshold for each of some groups of one or more columns.

    `thresholds` holds pairs of levels (one for each column, in their order) and a probability. A row of no such group,
    and one that does not say its group, has the model's one threshold.

    >>> sexes = GroupColumn(column="sex", levels=("male", "female"))
    >>> by_sex = GroupThresholds(columns=(sexes,), thresholds=((("male",), 0.6), (("female",), 0.4)))
    >>> GroupThresholds.from_plain(by_sex.to_plain()) == by_sex
    True
    >>> by_sex.of_rows({"sex": ["Female", None, "male"]}, otherwise=0.5).tolist()
    [0.4, 0.5, 0.6]
    """

    columns: tuple[GroupColumn, ...]
    thresholds: tuple[tuple[tuple[str, ...], float], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that say a row's group."""
        return tuple(column.column for column in self.columns)

    def of_rows(self, values: Mapping[str, Sequence[Value | bool]], otherwise: float) -> np.ndarray:
        """The threshold of each row, float64 (n,), from the values of the group columns as they were read."""
        groups = [[group_of(value, column) for value in values[column.column]] for column in self.columns]
        known = {tuple(map(plain_text, levels)): threshold for levels, threshold in self.thresholds}
        told = (tuple("" if level is None else plain_text(level) for level in row) for row in zip(*groups, strict=True))
        return np.array([known.get(row, otherwise) for row in told], dtype=np.float64)

    def to_plain(self) -> dict[str, Any]:
        """JSON-able form."""
        columns = [{"column": one.column, "levels": list(one.levels), "edges": list(one.edges)} for one in self.columns]
        return {"columns": columns, "thresholds": [[list(levels), value] for levels, value in self.thresholds]}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> GroupThresholds:
        """The inverse of `to_plain`. Raises `ValueError` for what is no such thing."""
        columns = tuple(
            GroupColumn(
                column=one["column"], levels=tuple(map(str, one["levels"])), edges=tuple(map(float, one["edges"]))
            )
            for one in plain["columns"]
        )
        thresholds = tuple((tuple(map(str, levels)), float(value)) for levels, value in plain["thresholds"])
        if not columns or any(len(levels) != len(columns) or not 0 <= value <= 1 for levels, value in thresholds):
            raise ValueError("thresholds by group need a level for each column and a probability")
        return cls(columns=columns, thresholds=thresholds)


def group_of(value: Value | bool, column: GroupColumn) -> str | None:  # noqa: FBT001
    """The group of one value, as it was read; None where it is missing.

    >>> ages = GroupColumn(column="age", levels=("under 30", "30 and over"), edges=(30.0,))
    >>> group_of(30.0, ages), group_of(None, ages), group_of(True, GroupColumn(column="member", levels=TRUTH))
    ('30 and over', None, 'yes')
    """
    if value is None or value != value or value == "":
        return None
    if column.edges and not isinstance(value, str):
        return column.levels[bisect_right(column.edges, value)]
    if isinstance(value, bool) or (column.levels == TRUTH and not isinstance(value, str)):
        return TRUTH[bool(value)]
    return as_text(value)


def plain_text(text: str) -> str:
    """A level without case and doubled blanks."""
    return " ".join(text.casefold().split())
