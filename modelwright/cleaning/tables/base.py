"""Wrong cells of a table, found and put right without a label: by their form first, then by all the rest of the table.

Forms come first, since a column in which "12.0 oz" and "12.0 ounce" are two values says little about anything. What
then contradicts the rest of its row, or is a letter from a frequent text, is weighed in `cells.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.cleaning.findings import Findings
from modelwright.cleaning.mend import Method
from modelwright.cleaning.tables.dependencies import LEARNED_FROM
from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.spec import Spec
from modelwright.core.values import Watch

if TYPE_CHECKING:
    import polars as pl


NAME = "wrong_cells"
_CHANGE = ("__place__", "column", "before", "after", "reason", "confidence")


class WrongCellsSpec(Spec):
    """How wrong cells are looked for."""

    least: float = Field(0.5, ge=0, le=1, description="least confidence of a change that is proposed")
    most_columns: int = Field(200, ge=1, description="columns looked at; of a wider table the first ones")


def propose(
    data: Dataset,
    spec: WrongCellsSpec = WrongCellsSpec(),  # noqa: B008
    *,
    seed: int = 0,
    watch: Watch | None = None,
) -> Findings:
    """Propose what wrong cells of a raw table should say, and how sure that is; flag those that nothing explains.

    Only text cells are changed; columns of other types are evidence. The target's column is neither changed nor used.
    What columns say of one another, and what mistakes look like, is learned from at most 20,000 rows of a longer table;
    all rows are then judged. Costs a few seconds for 1,000 rows by 20 columns and about ten for 100,000; memory for the
    table and, for each column, some 100 bytes a row.

    >>> import polars as pl
    >>> rows = [("00100", "Rome"), ("20100", "Milan"), ("50100", "Florence")] * 10 + [("50100", "Florxnce")]
    >>> found = propose(Dataset.from_frame(pl.DataFrame(rows, schema=["zip", "city"], orient="row")))
    >>> found.cells.select(ROW_ID, "before", "after").rows()
    [(30, 'Florxnce', 'Florence')]

    Reference: Rekatsinas et al. (2017), "HoloClean: holistic data repairs with probabilistic inference", PVLDB 10(11).
    """

    tell = watch or (lambda event: None)
    frame = _examined(data, spec)
    if frame.height < 2 or frame.width < 2:
        return Findings.of()
    raw, frame = frame, _empty_as_missing(frame.drop(ROW_ID))
    changes = []
    for step in (_swaps, _forms, _spills):
        made = step(frame, spec)
        changes.append(made)
        frame = _applied(frame, made)
        tell({"stage": "mending", "event": "progress", "method": NAME, "text": "forms", "n_found": made.height})
    if frame.height > LEARNED_FROM:
        told = f"what determines what is learned from {LEARNED_FROM:,} of {frame.height:,} rows"
        tell({"stage": "mending", "event": "progress", "method": NAME, "text": told, "n_found": 0})
    made, flags = _by_context(frame, spec)
    changes.append(made)
    return Findings.of(
        cells=_joined(changes, raw, spec.least), flags=flags.with_columns(raw[ROW_ID][flags["__place__"]].alias(ROW_ID))
    )


def _examined(data: Dataset, spec: WrongCellsSpec) -> pl.DataFrame:
    """The columns that are looked at, in the order of the row ids, so that the order of the rows says nothing."""
    import polars as pl

    types = data.table.collect_schema()
    plain = [
        column.name for column in data.schema.columns
        if column.role not in ("target", "ignored")
        and (types[column.name] == pl.String or types[column.name].is_numeric() or types[column.name] == pl.Boolean)
    ]  # fmt: skip
    return data.table.select(ROW_ID, *plain[: spec.most_columns]).collect().sort(ROW_ID)


def _empty_as_missing(frame: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    texts = pl.col(pl.String)
    return frame.with_columns(pl.when(texts != "").then(texts).name.keep()) if _texts(frame) else frame


def _texts(frame: pl.DataFrame) -> list[str]:
    import polars as pl

    return [name for name in frame.columns if frame[name].dtype == pl.String]


def _applied(frame: pl.DataFrame, changes: pl.DataFrame) -> pl.DataFrame:
    from modelwright.cleaning.tables.rewriting import applied

    return applied(frame, changes) if changes.height else frame


def _none() -> pl.DataFrame:
    import polars as pl

    text = pl.String()
    types = [pl.UInt32(), text, text, text, text, pl.Float64()]
    return pl.DataFrame(schema=dict(zip(_CHANGE, types, strict=True)))


def _swaps(frame: pl.DataFrame, spec: WrongCellsSpec) -> pl.DataFrame:
    """Cells that changed places."""
    import polars as pl

    from modelwright.cleaning.tables.coded import code
    from modelwright.cleaning.tables.markers import without_markers
    from modelwright.cleaning.tables.swapped import swapped

    found = swapped([code(without_markers(frame[name])) for name in _texts(frame)], max(0.9, spec.least))
    return pl.DataFrame(found, schema=_none().schema, orient="row")


def _forms(frame: pl.DataFrame, spec: WrongCellsSpec) -> pl.DataFrame:
    """What is written in another form than the rest of its column."""
    import polars as pl

    from modelwright.cleaning.tables.markers import markers
    from modelwright.cleaning.tables.rewriting import rewritten
    from modelwright.cleaning.tables.units import units

    found = [_none()]
    for name in _texts(frame):
        puts = {**units(frame, name), **markers(frame, name)}
        if puts:
            found.append(rewritten(frame, name, puts))
    return pl.concat(found)


def _spills(frame: pl.DataFrame, spec: WrongCellsSpec) -> pl.DataFrame:
    """Cells that hold the next one too."""
    import polars as pl

    from modelwright.cleaning.tables.spilled import spilled

    found = [_none()]
    for name in _texts(frame):
        made = spilled(frame, name)
        if made is not None:
            found.append(made.select(_CHANGE))
    return pl.concat(found).unique([_CHANGE[0], "column"], keep="first", maintain_order=True)


def _by_context(frame: pl.DataFrame, spec: WrongCellsSpec) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What the rest of the row, and the spelling, say against; and what is wrong without a remedy."""
    import polars as pl

    from modelwright.cleaning.tables.cells import examine
    from modelwright.cleaning.tables.coded import code
    from modelwright.cleaning.tables.markers import without_markers
    from modelwright.cleaning.tables.reasons import change, flag

    columns = [code(without_markers(frame[name])) for name in frame.columns]
    verdicts, _ = examine(columns)
    by_name = {column.name: column for column in columns}
    changes: list[tuple[Any, ...]] = []
    flags: list[tuple[Any, ...]] = []
    for verdict in verdicts:
        for entry, chance, wrong in zip(
            verdict.entry.tolist(), verdict.chance.tolist(), verdict.wrong.tolist(), strict=True
        ):
            if chance >= spec.least:
                changes.append(change(verdict.doubts, entry, chance, by_name))
            elif wrong >= max(0.8, spec.least) and verdict.doubts.own[entry] >= 0:
                flags.append(flag(verdict.doubts, entry, wrong))
    made = pl.DataFrame(changes, schema=_none().schema, orient="row")
    types = {_CHANGE[0]: pl.UInt32, "column": pl.String, "method": pl.String, "reason": pl.String, "score": pl.Float64}
    return made, pl.DataFrame(flags, schema=types, orient="row")


def _joined(changes: Sequence[pl.DataFrame], raw: pl.DataFrame, least: float) -> pl.DataFrame:
    """One proposal for each cell that changes, from what it said at first to what the last step makes of it."""
    import polars as pl

    cells = pl.concat(changes).group_by(_CHANGE[0], "column", maintain_order=True).agg(
        pl.col("before").first(), pl.col("after").last(),
        pl.col("reason").unique(maintain_order=True).str.join("; then "),
        pl.col("confidence").product(),
    )  # fmt: skip
    cells = cells.filter(pl.col("before").ne_missing(pl.col("after")) & (pl.col("confidence") >= least))
    cells = cells.with_columns(raw[ROW_ID][cells[_CHANGE[0]]].alias(ROW_ID), pl.lit(NAME).alias("method"))
    said = [
        own.with_columns(raw[name][own[_CHANGE[0]]].alias("before"))  # an empty text was looked at as a missing cell
        for (name,), own in cells.partition_by("column", as_dict=True, maintain_order=True).items()
    ]
    return (pl.concat(said) if said else cells).sort(ROW_ID, "column")


MEND = Method(
    name=NAME, about="Cells that the rest of the table contradicts, and what they should say.", propose=propose,
    kinds=("category", "text", "number"), spec=WrongCellsSpec,
)  # fmt: skip
