"""`Findings`: what a method saw in a table and would change, before anybody has agreed to it.

A method looks and proposes; it changes nothing. What is applied, asked about or left alone is decided in one place
(`mend`), by confidence; what was applied is kept in one log, from which any part can be undone in any order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwright.core.data import ROW_ID

if TYPE_CHECKING:
    import polars as pl

KINDS = ("cells", "media", "rows", "flags")


@dataclass(frozen=True, eq=False, kw_only=True)
class Findings:
    """What was found, as four tables. `confidence` (0..1) is the chance that the change is right, as far as the method
    can tell; `reason` is a sentence for a person who knows the data and no statistics.

    `cells`: a text cell would become another text, or null (`__row__`, `column`, `before`, `after`, `method`,
    `reason`, `confidence`). `media`: an encoded picture or sound would become another one (`after` is Binary, no
    `before`). `rows`: a row would be removed (`twin_of` is the row that it repeats, or null). `flags`: worth a look,
    and nothing is proposed (`column` is null for the whole row; `score` is the method's own, larger is odder).

    >>> nothing = Findings.of()
    >>> nothing.n_found, nothing.cells.columns[:3]
    (0, ['__row__', 'column', 'before'])
    """

    cells: pl.DataFrame
    media: pl.DataFrame
    rows: pl.DataFrame
    flags: pl.DataFrame

    @classmethod
    def of(
        cls, *, cells: pl.DataFrame | None = None, media: pl.DataFrame | None = None, rows: pl.DataFrame | None = None,
        flags: pl.DataFrame | None = None,
    ) -> Findings:  # fmt: skip
        """Findings of whatever tables there are; their columns are put in order and held against the contract.

        Raises `polars.exceptions.PolarsError` for a column that is absent or of another type: a fault of the method.
        """
        import polars as pl

        given = {"cells": cells, "media": media, "rows": rows, "flags": flags}
        made = {}
        for kind, schema in schemas().items():
            table = given[kind]
            made[kind] = pl.DataFrame(schema=schema) if table is None else table.select(*schema).cast(schema)  # type: ignore[arg-type]
        return cls(**made)

    @property
    def n_found(self) -> int:
        """Proposals and flags together."""
        return sum(getattr(self, kind).height for kind in KINDS)


def schemas() -> dict[str, dict[str, pl.DataType]]:
    """Names and types of the columns of each of the four tables."""
    import polars as pl

    text, share = pl.String(), pl.Float64()
    row = {ROW_ID: pl.UInt64()}
    why = {"method": text, "reason": text}
    return {
        "cells": {**row, "column": text, "before": text, "after": text, **why, "confidence": share},
        "media": {**row, "column": text, "after": pl.Binary(), **why, "confidence": share},
        "rows": {**row, "twin_of": pl.UInt64(), **why, "confidence": share},
        "flags": {**row, "column": text, **why, "score": share},
    }


def together(found: Iterable[Findings]) -> Findings:
    """The findings of several methods, in their order."""
    import polars as pl

    parts = list(found)
    if not parts:
        return Findings.of()
    return Findings(**{kind: pl.concat([getattr(part, kind) for part in parts]) for kind in KINDS})
