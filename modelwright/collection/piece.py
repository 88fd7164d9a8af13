"""What one file gave: a lazy table without row ids, and everything that is told about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from modelwright.core.data import Column

SMALL_BYTES = 64 * 2**20
"""Tables of files up to this size are read into memory at once; larger ones stay lazy scans."""

MOST_TOLD = 1000


@dataclass(frozen=True, eq=False, kw_only=True)
class Piece:
    """One raw table, its number of rows, and its line in `Dataset.origin`. `known` are columns
    whose kind or role the source itself tells (a file's name, say)."""

    table: pl.LazyFrame
    names: tuple[str, ...]
    n_rows: int
    about: Mapping[str, Any]
    repairs: tuple[Mapping[str, Any], ...] = ()
    decisions: tuple[Mapping[str, str], ...] = ()
    known: tuple[Column, ...] = ()


@dataclass
class Notes:
    """Repairs and decisions in the making, for one file.

    >>> notes = Notes("a.csv")
    >>> notes.repair("padded", line=3, why="short row")
    >>> notes.repair("padded", line=9, why="short row")
    >>> notes.repairs()
    ({'source': 'a.csv', 'what': 'padded', 'why': 'short row', 'count': 2, 'lines': [3, 9]},)
    """

    source: str
    decisions: list[Mapping[str, str]] = field(default_factory=list)
    _repairs: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def repair(self, what: str, *, why: str, line: int | None = None, detail: Any = None, count: int = 1) -> None:
        """Count one repair; the first thousand lines and details are told, the rest are counted."""
        made = self._repairs.setdefault((what, why), {"source": self.source, "what": what, "why": why, "count": 0})
        made["count"] += count
        for name, value in (("lines", line), ("details", detail)):
            if value is not None and len(made.setdefault(name, [])) < MOST_TOLD:
                made[name].append(value)

    def decide(self, about: str, choice: str, reason: str) -> None:
        """One automatic choice with its reason."""
        self.decisions.append(
            {"stage": "collection", "about": f"{self.source}: {about}", "choice": choice, "reason": reason}
        )

    def repairs(self) -> tuple[Mapping[str, Any], ...]:
        """All repairs, in the order in which their kinds were first met."""
        return tuple(self._repairs.values())
