"""Rows whose text nearly repeats that of an earlier row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.cleaning.findings import Findings
from modelwright.cleaning.mend import Method
from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.spec import Spec
from modelwright.core.values import Watch

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

LEAST_WORDS = 8.0  # of a cell on average: shorter cells are names, and names may repeat
LEAST_DISTINCT = 0.5  # of the cells: sentences that many rows share say what a row belongs to
MOST_SURE = 0.94  # below what the gentle mode applies


class NearSpec(Spec):
    """What counts as nearly the same."""

    likeness: float = Field(0.8, ge=0.5, le=1, description="Jaccard likeness over word 5-shingles")
    columns: tuple[str, ...] = Field((), description="text columns; by default those of 8 words or more on average")


def propose(data: Dataset, spec: NearSpec, *, seed: int = 0, watch: Watch | None = None) -> Findings:
    """Rows whose text is at least that like an earlier row's, with `twin_of`; flags where the target differs.

    >>> import polars as pl
    >>> text = "the quick brown fox jumps over the lazy dog while the cat sleeps on a warm stone"
    >>> table = pl.DataFrame({"text": [text, "nothing of that kind was ever said in here by anybody", text + " today"]})
    >>> propose(Dataset.from_frame(table), NearSpec()).rows.select("__row__", "twin_of").rows()
    [(2, 0)]
    """
    import polars as pl

    from modelwright.cleaning.matching.documents import near_duplicates

    rows, flags = [], []
    target = data.schema.target
    for name in spec.columns or _texts(data):
        table = data.table.select(ROW_ID, name, *([target] if target else [])).sort(ROW_ID).collect()
        ids = table[ROW_ID].to_numpy()
        near = near_duplicates(table[name].cast(pl.String), at_least=spec.likeness, watch=watch)
        twin, likeness = near.twin_of()
        at = (twin >= 0).nonzero()[0]
        differs = _differ(table[target], at, twin[at]) if target else [False] * len(at)
        found = pl.DataFrame(
            {ROW_ID: ids[at], "twin_of": ids[twin[at]], "column": [name] * len(at), "likeness": likeness[at]},
            schema_overrides={"column": pl.String},
        ).with_columns(method=pl.lit("near_duplicate_texts"))
        rows.append(_proposed(found.filter(~pl.Series(differs, dtype=pl.Boolean))))
        flags.append(_flagged(found.filter(pl.Series(differs, dtype=pl.Boolean))))
    if not rows:
        return Findings.of()
    return Findings.of(rows=pl.concat(rows).unique(ROW_ID, keep="first", maintain_order=True), flags=pl.concat(flags))


def _texts(data: Dataset) -> list[str]:
    import polars as pl

    types = data.table.collect_schema()
    named = [name for name in data.schema.names if types[name] == pl.String and name != data.schema.target]
    if not named:
        return []
    words = data.table.select(pl.col(named).str.count_matches(r"\S+").mean()).collect().row(0)
    long = [name for name, n_words in zip(named, words, strict=True) if n_words is not None and n_words >= LEAST_WORDS]
    if not long:
        return []
    own = data.table.select(pl.col(long).drop_nulls().n_unique() / pl.col(long).count()).collect().row(0)
    return [name for name, share in zip(long, own, strict=True) if share >= LEAST_DISTINCT]


def _differ(values: pl.Series, a: np.ndarray, b: np.ndarray) -> list[bool]:
    return values.gather(a).ne_missing(values.gather(b)).to_list()


def _proposed(found: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    reason = pl.format("'{}' is {} % that of row {}", "column", (pl.col("likeness") * 100).floor().cast(int), "twin_of")
    return found.select(
        ROW_ID, "twin_of", "method", reason=reason, confidence=pl.col("likeness").clip(0, MOST_SURE)
    )  # fmt: skip


def _flagged(found: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    reason = pl.format("nearly the text of row {}, whose target is another", "twin_of")
    return found.select(ROW_ID, "column", "method", reason=reason, score="likeness")


MEND = Method(
    name="near_duplicate_texts", about="Rows whose text nearly repeats an earlier row's.", propose=propose,
    kinds=("text",), spec=NearSpec,
)  # fmt: skip
