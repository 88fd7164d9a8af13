"""Cleaning: a raw table in, a typed table out; kept + removed = input, always.

Every column gets a `Reading` (how a cell becomes a value), every removed row and changed cell a reason, every
automatic choice a `Decision`. Serving reads cells by the same readings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from modelwright.core.data import ROW_ID, Dataset, Decision, Role, Schema
from modelwright.core.errors import UserError, nearest
from modelwright.core.spec import Spec
from modelwright.core.values import Cleaned, Watch

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    import polars as pl

    from modelwright.cleaning.kinds import Rule
    from modelwright.cleaning.special import Special
    from modelwright.cleaning.survey import Look
    from modelwright_runtime.reading import Reading

Step = Literal["missing", "sentinels", "numbers", "dates", "booleans", "categories", "columns", "leaks", "duplicates"]
ColumnKind = Literal[
    "number", "category", "boolean", "datetime", "text", "image", "audio", "mask", "series", "labels", "boxes"
]


class CleanSpec(Spec):
    """What cleaning may do. The defaults decide everything from the data."""

    target: str | None = Field(None, description="column to be predicted; rows without it are removed")
    kinds: dict[str, ColumnKind] = Field({}, description="columns whose kind is known, e.g. {zip: category}")
    roles: dict[str, Role] = Field({}, description="columns whose role is known, e.g. {patient: group}")
    missing: tuple[str, ...] = Field((), description="further words that mean a missing value")
    day_first: bool | None = Field(
        None, description="whether 01/02/2024 is the first of February; by default by evidence"
    )
    skip: tuple[Step, ...] = Field((), description="steps to leave out")
    sample_rows: int = Field(100_000, ge=1000, description="rows looked at closely; smaller tables are looked at whole")


def clean(data: Dataset, spec: CleanSpec = CleanSpec(), *, watch: Watch | None = None) -> Cleaned:  # noqa: B008
    """Read every cell of a raw table as what it means, and remove what cannot be learned from.

    Markers and sentinels become missing; numbers, dates and booleans in text become what they say; spellings
    of a category are joined; repeated rows and rows without a target are removed; empty, constant,
    identifier-like and leaking columns stay with role `ignored` or `id`. `kept.table` is lazy when the table
    is large: writing it streams. Costs two passes over a large table, and memory for a sample of
    `sample_rows` and 24 to 40 bytes a row.

    Raises UserError `clean.target` (absent, empty, constant or an identifier), `schema.column`.

    >>> import polars as pl
    >>> table = pl.DataFrame({"size": ["12,5", "3,25", "?", "12,5"], "wood": [" oak", "oak", "OAK", "oak"]})
    >>> cleaned = clean(Dataset.from_frame(table))
    >>> cleaned.kept.frame.rows()
    [(0, 12.5, 'oak'), (1, 3.25, 'oak'), (2, None, 'oak')]
    >>> cleaned.removed.rows()
    [(3, 'equal to an earlier row in every column, as read', 0)]
    """
    import polars as pl

    from modelwright.cleaning.kinds import choose_rules, typed_sample
    from modelwright.cleaning.log import changes_of
    from modelwright.cleaning.special import look_at_special, special_kinds
    from modelwright.cleaning.survey import survey

    _check_names(data.schema, spec)
    tell = watch or (lambda event: None)
    asked, spec = spec, _with_known(spec, data.schema)
    known = set(spec.kinds)
    n_seen = [0]

    def told_rows(n_rows: int) -> None:
        tell({"stage": "cleaning", "event": "looked", "n_rows": n_rows, "of": data.n_rows})

    def told_more(n_rows: int) -> None:
        n_seen[0] += n_rows
        tell({"stage": "cleaning", "event": "progress", "done": n_seen[0], "total": data.n_rows, "text": "media"})

    kinds = special_kinds(data, spec)
    special = look_at_special(data, kinds, spec, told_more)
    plain = _without(data, kinds)
    looks = survey(plain, spec.sample_rows, told_rows)
    rules, columns = typed_sample(looks, choose_rules(looks, spec), spec)
    readings = tuple(rule.reading for rule in rules)
    sample = pl.DataFrame(columns)
    schema, told = _schema(looks, rules, spec, plain.schema, sample)
    if spec.target and spec.target not in special.columns:
        _check_target(schema, sample, spec.target, data.n_rows)
    schema = Schema(tuple(special.columns.get(name) or schema[name] for name in data.schema.names))
    typed = _typed(data, looks, readings, sample, special)
    removed, about_rows = _rows(typed, schema, sample, spec, special.removed)
    tell({"stage": "cleaning", "event": "rows", "n_removed": removed.height})
    about_kinds = [one for rule in rules for one in rule.told if one.about in asked.kinds or one.about not in known]
    decisions = [*about_kinds, *told, *special.decisions, *about_rows]
    if removed.height:
        typed = typed.filter(~pl.col(ROW_ID).is_in(removed[ROW_ID].implode()))
    changes = changes_of(plain.table, looks, readings, removed[ROW_ID])
    if special.changes is not None and special.changes.height:
        mended = special.changes.filter(~pl.col(ROW_ID).is_in(removed[ROW_ID].implode()))
        changes = pl.concat([changes, mended.lazy()])
    by_name = {reading.column: reading for reading in (*readings, *special.readings)}
    return Cleaned(
        kept=Dataset(typed.select(ROW_ID, *schema.names), schema, data.n_rows - removed.height, data.origin),
        removed=removed,
        changes=changes,
        readings=tuple(by_name[name] for name in data.schema.names),
        decisions=tuple(decisions),
        raw=data,
    )


def _with_known(spec: CleanSpec, schema: Schema) -> CleanSpec:
    """The spec with what the source itself knows: its target, and the kinds of columns that it made."""
    if not spec.target and schema.target:
        spec = spec.but(target=schema.target)
    known = {column.name: column.kind for column in schema.columns if column.kind != "raw"}
    return spec.but(kinds={**known, **spec.kinds}) if known else spec


def _without(data: Dataset, names: Container[str]) -> Dataset:
    """The table without these columns; the table itself when it has none of them."""
    kept = tuple(column for column in data.schema.columns if column.name not in names)
    if len(kept) == len(data.schema.columns):
        return data
    table = data.table.select(ROW_ID, *(column.name for column in kept))
    return Dataset(table, Schema(kept), data.n_rows, data.origin)


def _check_names(schema: Schema, spec: CleanSpec) -> None:
    if spec.target is not None and spec.target not in schema:
        raise UserError(
            "clean.target", f"there is no column {spec.target!r} to predict.", hint=nearest(spec.target, schema.names)
        )
    for name in (*spec.kinds, *spec.roles):
        _ = schema[name]


def _typed(
    data: Dataset, looks: Sequence[Look], readings: Sequence[Reading], sample: pl.DataFrame, special: Special
) -> pl.LazyFrame:
    """The whole table read; it is the sample itself when the sample is the whole table."""
    from modelwright.cleaning.known import expressions
    from modelwright.cleaning.survey import in_memory

    if special.columns:
        typed = data.table.with_columns(*expressions(looks, readings), *special.typed)
        if special.replaced is None:
            return typed
        boxes = special.replaced
        typed = typed.drop(set(boxes.columns) - {ROW_ID})
        return typed.join(boxes.lazy(), on=ROW_ID, how="left", maintain_order="left")
    if not in_memory(data):
        return data.table.with_columns(expressions(looks, readings))
    if sample.height == data.n_rows:
        return data.frame.select(ROW_ID).with_columns(sample.get_columns()).lazy()
    return data.frame.with_columns(expressions(looks, readings)).lazy()


def _schema(
    looks: Sequence[Look], rules: Sequence[Rule], spec: CleanSpec, given: Schema, sample: pl.DataFrame
) -> tuple[Schema, list[Decision]]:
    """Kinds and roles of all columns, judged by the typed sample, and what was decided."""
    from modelwright.cleaning.columns import choose_roles
    from modelwright.cleaning.leaks import mark_leaks

    schema, told = choose_roles(looks, rules, sample, spec, given)
    if "leaks" not in spec.skip:
        open_columns = {name for name in schema.names if name not in spec.roles}
        schema, leaks = mark_leaks(schema, sample, open_columns)
        told += leaks
    return schema, told


def _check_target(schema: Schema, sample: pl.DataFrame, target: str, n_rows: int) -> None:
    from modelwright.cleaning.columns import LEAST_ROWS, NEARLY_ALL

    values = sample[target].drop_nulls()
    if not len(values):
        rows = f"all {n_rows} cells are missing" if n_rows else "the table has no rows"
        raise UserError(
            "clean.target", f"the target {target!r} cannot be learned: {rows}.", hint="choose another column"
        )
    if values.n_unique() == 1:
        raise UserError(
            "clean.target", f"the target {target!r} is always {values[0]!r}: there is nothing to learn.",
            hint="choose another column, or give rows with other values",
        )  # fmt: skip
    is_words = schema[target].kind in ("category", "text")
    if is_words and len(values) >= LEAST_ROWS and values.n_unique() > NEARLY_ALL * len(values):
        raise UserError(
            "clean.target",
            f"the target {target!r} is an identifier: {values.n_unique()} distinct texts in {len(values)} rows.",
            hint=f"choose another column; if it is a number, say `kinds: {{{target}: number}}`",
        )


def _rows(
    typed: pl.LazyFrame, schema: Schema, sample: pl.DataFrame, spec: CleanSpec, unusable: pl.DataFrame | None
) -> tuple[pl.DataFrame, list[Decision]]:
    """The rows removed from the typed table (`ROW_ID`, `reason`, `twin_of`), and what was decided."""
    import polars as pl

    from modelwright.cleaning.duplicates import compared_without_ids, find_twins, hash_rows

    nothing = pl.DataFrame(schema={ROW_ID: pl.UInt64, "reason": pl.String, "twin_of": pl.UInt64})
    told: list[Decision] = []
    removed = [nothing]
    empty = pl.lit(None, pl.UInt64).alias("twin_of")
    if unusable is not None and unusable.height:
        removed.append(unusable.with_columns(empty))
        typed = typed.filter(~pl.col(ROW_ID).is_in(unusable[ROW_ID].implode()))
    finds_twins = "duplicates" not in spec.skip
    compared = compared_without_ids(schema, sample) if finds_twins else ()
    groups = [schema.names, *([compared] if compared else [])] if finds_twins else []
    more = [pl.col(spec.target).is_null().alias("no_target")] if spec.target else []
    if (not groups and not more) or not schema.columns:
        return pl.concat(removed), []
    rows = hash_rows(typed, groups, sample, *more)
    if spec.target:
        lost = rows.filter("no_target")
        rows = rows.filter(~pl.col("no_target"))
        if lost.height:
            reason = f"the target {spec.target!r} is missing"
            told.append(Decision("cleaning", "rows", f"{lost.height} rows removed", f"{reason}, and never guessed"))
            removed.append(lost.select(ROW_ID, pl.lit(reason).alias("reason"), empty))
    if finds_twins:
        twins, about = find_twins(typed, rows, schema, compared, sample)
        removed.append(twins.select(ROW_ID, "reason", "twin_of"))
        told += about
    return pl.concat(removed).sort(ROW_ID), told
