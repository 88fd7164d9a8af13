"""What each column is for: empty, constant and identifier-like columns stay in the table, out of the model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from modelwright.cleaning.apply import value_of
from modelwright.core.data import Column, Decision, Role, Schema

if TYPE_CHECKING:
    import polars as pl

    from modelwright.cleaning.base import CleanSpec
    from modelwright.cleaning.kinds import Rule
    from modelwright.cleaning.survey import Look

LEAST_ROWS = 20
NEARLY_ALL = 0.95
REPEATED_SHARE = 0.05
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_ID_WORDS = {"id", "ids", "uuid", "guid", "pk", "rowid", "pid", "uid", "identifier"}
_KEY_WORDS = {
    *_ID_WORDS,
    "key",
    "index",
    "idx",
    "no",
    "nr",
    "num",
    "number",
    "row",
    "order",
    "record",
    "serial",
    "code",
}
_COUNTER_NAMES = {"", "unnamed", "column"}
_TIME_WORDS = {"year", "years", "yr", "month", "week", "day", "time", "t", "date", "age", "period", "step", "hour"}


def name_words(name: str) -> list[str]:
    """The words of a column's name, in lower case.

    >>> name_words("PassengerId"), name_words("patient_id"), name_words("Unnamed: 0")
    (['passenger', 'id'], ['patient', 'id'], ['unnamed', '0'])
    """
    return [part.lower() for part in _PARTS.findall(name)]


def says_id(name: str) -> bool:
    """Whether a name says "identifier" (not merely "number" or "code")."""
    words = name_words(name)
    return bool(words) and (words[-1] in _ID_WORDS or words[0] in ("id", "uuid", "guid"))


def says_key(name: str) -> bool:
    """Whether a name would suit a key: an identifier, a running number, a code."""
    words = name_words(name)
    return says_id(name) or (bool(words) and (words[-1] in _KEY_WORDS or words[0] in _COUNTER_NAMES))


def choose_roles(
    looks: Sequence[Look], rules: Sequence[Rule], sample: pl.DataFrame, spec: CleanSpec, given: Schema
) -> tuple[Schema, list[Decision]]:
    """The schema of the cleaned table, and what was decided. `sample` is typed, in row order.

    Roles asked for, and roles that the data came with, are kept.
    """
    columns, told = [], []
    for look, rule in zip(looks, rules, strict=True):
        name, kind = look.name, rule.reading.kind
        column = Column(name, kind, unit=rule.unit or given[name].unit)
        asked = spec.roles.get(name) or (given[name].role if given[name].role != "feature" else None)
        if name == spec.target:
            column = replace(column, role="target")
        elif asked:
            column = replace(column, role=asked, why="asked for" if name in spec.roles else given[name].why)
        elif "columns" not in spec.skip:
            role, why = _role(look, rule, sample[name])
            if role != "feature":
                column = replace(column, role=role, why=why)
                told.append(Decision("cleaning", name, role, why))
        columns.append(column)
    return Schema(tuple(columns)), told


def _role(look: Look, rule: Rule, values: pl.Series) -> tuple[Role, str]:
    import polars as pl

    present = values.drop_nulls()
    if not len(present) and _all_missing(look, rule):
        return "ignored", "empty: it has no value at all"
    if look.sample.dtype.is_nested() or look.sample.dtype in (pl.Object, pl.Binary):
        return "ignored", f"its cells are no single values but {look.sample.dtype}"
    constant = _constant(look, rule, values)
    if constant:
        return "ignored", constant
    if len(present) >= LEAST_ROWS:
        return _identifier(look, rule, present)
    return "feature", ""


def _all_missing(look: Look, rule: Rule) -> bool:
    if look.low is not None and value_of(look.low, rule.reading) is not None:
        return False
    return all(value_of(cell, rule.reading) is None for cell in look.odd)


def _constant(look: Look, rule: Rule, values: pl.Series) -> str:
    """Why a column is constant, or "": one value in every row (with gaps it says whether there is one)."""
    if look.n_rows < 2 or values.null_count() or values.n_unique() != 1 or look.n_null:
        return ""
    seen = {value_of(cell, rule.reading) for cell in look.odd}
    if look.is_text or values.dtype.is_numeric():
        seen |= {value_of(_as_cell(bound, look), rule.reading) for bound in (look.low, look.high) if bound is not None}
        if rule.reading.kind in ("category", "text") and look.low != look.high:
            return ""
    if len(seen) > 1 or (seen and None in seen):
        return ""
    return f"constant: it says {values[0]} in every row"


def _as_cell(bound: float, look: Look) -> float | str:
    return str(bound) if look.is_text else bound


def _identifier(look: Look, rule: Rule, present: pl.Series) -> tuple[Role, str]:
    name, kind = look.name, rule.reading.kind
    n_distinct, n_cells = present.n_unique(), len(present)
    share = n_distinct / n_cells
    looked = f"{n_distinct} distinct values in {n_cells} rows"
    if kind == "number":
        if not bool((present == present.round(0)).all()):
            return "feature", ""
        if n_distinct == n_cells and _is_counter(present) and not set(name_words(name)) & _TIME_WORDS:
            return "id", f"it counts the rows: {looked}, each one more than the one above"
        if share >= NEARLY_ALL and says_key(name):
            return "id", f"an identifier: {looked}, and its name says so"
    elif kind == "category" and (share >= NEARLY_ALL or (share > 0.5 and says_id(name))):
        return "id", f"an identifier: {looked}, of one word each"
    if kind in ("number", "category") and says_id(name) and n_distinct > LEAST_ROWS and share > REPEATED_SHARE:
        return "id", f"an identifier that repeats: {looked}, and its name says so"
    return "feature", ""


def _is_counter(values: pl.Series) -> bool:
    """Whether integers rise by one from row to row (in a sample: by no less than one)."""
    steps = values.diff().drop_nulls()
    return (
        bool((steps >= 1).all())
        and (
            bool((steps == 1).all()) or float(steps.max()) < 50 * float(steps.mean())  # type: ignore[arg-type]
        )
        and _dense(values)
    )


def _dense(values: pl.Series) -> bool:
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
    return low in (0.0, 1.0) or high - low + 1 == len(values)
