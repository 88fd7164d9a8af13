"""One proposal for each cell and row, and proposals in groups that a person can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from modelwright.cleaning.findings import Findings
from modelwright.core.data import ROW_ID

if TYPE_CHECKING:
    import polars as pl

MOST_REASONS = 12  # groups of one method in one column; with more, they are told as one
_SAID = r"""'[^']*'|"[^"]*"|`[^`]*`|«[^»]*»|“[^”]*”|[+-]?\d[\d.,:/-]*"""


def pattern_of(reason: pl.Expr) -> pl.Expr:
    """Reasons without what they quote and count, so that those of one sort are the same text.

    >>> import polars as pl
    >>> pl.select(pattern_of(pl.lit("17 of 18 rows with zip '36301' say 'Dothan'"))).item()
    '… of … rows with zip … say …'
    """
    return reason.str.replace_all(_SAID, "…")


def winners(found: Findings, order: Sequence[str]) -> Findings:
    """The surest proposal for each cell and row; ties by the methods' order. Proposals that change nothing go.

    >>> import polars as pl
    >>> row = {ROW_ID: 0, "column": "x", "before": "a", "reason": "r"}
    >>> two = [{**row, "after": "b", "method": "m", "confidence": 0.6},
    ...        {**row, "after": "c", "method": "n", "confidence": 0.9}]
    >>> winners(Findings.of(cells=pl.DataFrame(two)), ["m", "n"]).cells["after"].to_list()
    ['c']
    """
    import polars as pl

    cells = found.cells
    if cells.height and (cells["before"].eq_missing(cells["after"])).any():
        cells = cells.filter(pl.col("before").ne_missing(pl.col("after")))
    return Findings(
        cells=_surest(cells, [ROW_ID, "column"], order), media=_surest(found.media, [ROW_ID, "column"], order),
        rows=_surest(found.rows, [ROW_ID], order), flags=found.flags,
    )  # fmt: skip


def _surest(proposals: pl.DataFrame, key: list[str], order: Sequence[str]) -> pl.DataFrame:
    import polars as pl

    doubled = proposals.select(doubled=pl.struct(key).is_duplicated())["doubled"]
    if not doubled.any():
        return proposals
    places = pl.col("method").replace_strict(list(order), range(len(order)), default=len(order), return_dtype=pl.Int64)
    chosen = (
        proposals.filter(doubled).sort(pl.col("confidence"), -places, descending=True, maintain_order=True)
        .unique(key, keep="first", maintain_order=True)
    )  # fmt: skip
    return pl.concat([proposals.filter(~doubled), chosen])
