"""One proposal for each cell and row, and proposals in groups that a person can read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from modelwright.cleaning.findings import Findings
from modelwright.core.data import ROW_ID

if TYPE_CHECKING:
    import polars as pl

_QUOTED = r"""'[^']*'|"[^"]*"|`[^`]*`|«[^»]*»|“[^”]*”"""
_NUMBER = r"[+-]?\d[\d.,:/-]*"
_NAME = re.compile(r"\w[\w ]{2,60}")


def pattern_of(reason: pl.Expr, names: Iterable[str] = ()) -> pl.Expr:
    """Reasons without what they quote and count and the columns they name: those of one sort are the same text.

    >>> import polars as pl
    >>> pl.select(pattern_of(pl.lit("17 of 18 rows with zip '36301' say 'Dothan'"), ["zip"])).item()
    '… of … rows with … say …'
    """
    plain = [re.escape(name) for name in names if _NAME.fullmatch(name)]
    bare = reason.str.replace_all(_QUOTED, "…")
    if plain:
        bare = bare.str.replace_all(rf"\b(?:{'|'.join(sorted(plain, key=len, reverse=True))})\b", "…")
    return bare.str.replace_all(_NUMBER, "…").str.replace_all(r"…(?: …)+", "…")


def sort_of(pattern: pl.Expr) -> pl.Expr:
    """The first clause of a pattern: what else speaks for a change parts no group.

    >>> import polars as pl
    >>> pl.select(sort_of(pl.lit("… of … rows say …, and another column agrees; letters replaced"))).item()
    '… of … rows say …'
    """
    return pattern.str.replace(r"(?s)(?:;|, (?:and|which|of|where)\b).*$", "")


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
