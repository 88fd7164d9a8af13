"""Which kind of split the data asks for, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from modelwright.core.data import Decision
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.data import Dataset, Role
    from modelwright.core.values import SplitKind
    from modelwright.splitting.base import SplitSpec
    from modelwright.splitting.rows import Rows

TRAIN_WORDS = frozenset({"train", "training", "fit", "learn", "0", "0.0", "false"})
LEAST_ORDERED = 0.999  # share of neighbouring rows in order for a date to "order the file"
LEAST_ECHO = 0.1  # correlation of the target with its own last value that speaks of a forecast
LEAST_GROUPS = 20
LARGEST_GROUP = 0.2


@dataclass(frozen=True)
class Choice:
    """The kind of split, the column it goes by (if any), and what is told."""

    kind: SplitKind
    column: str | None
    decisions: tuple[Decision, ...]

    def and_told(self, told: list[Decision]) -> Choice:
        """The same choice with more to tell."""
        return replace(self, decisions=(*self.decisions, *told))


def choose(data: Dataset, rows: Rows, spec: SplitSpec) -> Choice:
    """The split that the spec demands, or that the data asks for."""
    if spec.kind == "auto" and not (spec.column or spec.group or spec.time):
        return _choose_from_data(data, rows)
    kind = spec.kind
    if kind == "auto":
        kind = "given" if spec.column else "time" if spec.time else "grouped"
    column = {
        "given": lambda: _named(data, spec.column, "split", "column"),
        "time": lambda: _named(data, spec.time, "time", "time"),
        "grouped": lambda: _named(data, spec.group, "group", "group"),
    }.get(kind, lambda: None)()
    if kind == "stratified" and rows.strata is None:
        raise UserError(
            "split.target",
            "a stratified split needs a target with classes.",
            hint="name the target, or use `kind: random`",
        )
    by = f" by `{column}`" if column else ""
    return Choice(kind, column, (Decision("splitting", "kind", f"{kind}{by}", "asked for"),))


def _named(data: Dataset, name: str | None, role: Role, setting: str) -> str:
    if name is not None:
        return data.schema[name].name
    found = data.schema.of_role(role)
    if not found:
        raise UserError(
            "split.column",
            f"this kind of split needs a column: no column has the role `{role}`.",
            hint=f"name one with `{setting}`",
        )
    return found[0]


def _choose_from_data(data: Dataset, rows: Rows) -> Choice:
    told: list[Decision] = []
    for given in data.schema.of_role("split"):
        lacking = _lacks(data, rows, given)
        if not lacking:
            return _choice("given", given, f"`{given}` says which rows are held out", told)
        told.append(Decision("splitting", "given", "not used", f"`{given}` {lacking}"))
    for time in data.schema.of_role("time"):
        return _choice("time", time, f"`{time}` has the role time: the last rows are the test", told)
    for column in data.schema.columns:
        if column.kind == "datetime" and column.role in ("feature", "protected"):
            forecast, reason = _orders(data, rows, column.name)
            if forecast:
                return _choice("time", column.name, reason, told)
            told.append(Decision("splitting", "time", "not by time", reason))
    for column in data.schema.columns:
        if column.role in ("group", "id"):
            repeats, reason = _repeats(data, rows, column.name, declared=column.role == "group")
            if repeats:
                return _choice("grouped", column.name, reason, told)
            if reason:
                told.append(Decision("splitting", "groups", "not by group", reason))
    if rows.strata is not None:
        return _choice("stratified", None, "the target has classes: each keeps its share", told)
    return _choice("random", None, "no date orders the rows, no identifier repeats, no classes", told)


def _lacks(data: Dataset, rows: Rows, name: str) -> str:
    """Why a column that was found, not asked for, divides nothing: all rows with a target are on one side."""
    import polars as pl

    if data.schema[name].why == "asked for":
        return ""
    words = data.column(name).cast(pl.String).gather(rows.place).drop_nulls().str.to_lowercase().unique()
    sides = {word in TRAIN_WORDS for word in words.to_list()}
    return "" if len(sides) > 1 else "leaves rows with a target on one side only"


def _choice(kind: SplitKind, column: str | None, reason: str, told: list[Decision]) -> Choice:
    by = f" by `{column}`" if column else ""
    return Choice(kind, column, (Decision("splitting", "kind", f"{kind}{by}", reason), *told))


def _orders(data: Dataset, rows: Rows, name: str) -> tuple[bool, str]:
    """Whether a date orders the file and the target follows time; both must hold."""
    import numpy as np

    moments = data.column(name)
    if moments.null_count() or moments.n_unique() < LEAST_GROUPS:
        return False, f"`{name}` has gaps or few distinct dates"
    steps = np.diff(moments.dt.timestamp("us").to_numpy())
    share = max(float((steps >= 0).mean()), float((steps <= 0).mean()))
    if share < LEAST_ORDERED:
        return False, f"`{name}` is a date, but the rows do not lie in its order"
    echo, needed = _echo(data, rows), max(LEAST_ECHO, 3 / len(rows.ids) ** 0.5)
    if echo < needed:
        return False, (
            f"the rows lie in the order of `{name}`, but the target does not follow time (correlation with "
            f"the row before {echo:.2f}); set `time: {name}` if the model is to forecast"
        )
    return True, (
        f"the rows lie in the order of `{name}` and the target follows time (correlation with the row before "
        f"{echo:.2f}), so later rows must not train; set `kind: stratified` or `random` if it is no forecast"
    )


def _echo(data: Dataset, rows: Rows) -> float:
    """Correlation of the target with its value in the row before, in the table's order; 0 without one."""
    import numpy as np

    name = data.schema.target
    if name is None:
        return 0.0
    order = np.argsort(rows.place)
    if rows.strata is None:
        values = data.column(name).to_numpy().astype(float)[rows.place][order]
        ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable").astype(float)
        return float(np.corrcoef(ranks[:-1], ranks[1:])[0, 1])
    classes = rows.strata[order]
    by_chance = float((np.bincount(classes) / len(classes)) @ (np.bincount(classes) / len(classes)))
    return float(((classes[:-1] == classes[1:]).mean() - by_chance) / (1 - by_chance))


def _repeats(data: Dataset, rows: Rows, name: str, *, declared: bool) -> tuple[bool, str]:
    """Whether the values of an identifier come back, often enough to be groups of rows; and why, if it is worth saying:
    that an identifier is one of a row each is what anybody expects."""
    import numpy as np

    from modelwright.splitting.rows import codes

    known = codes(data.column(name))[rows.place]
    known = known[known >= 0]
    counts: np.ndarray = np.bincount(known) if len(known) else np.zeros(1, dtype=int)
    n_groups = int((counts > 0).sum())
    if len(known) == n_groups:
        return False, f"no value of `{name}` repeats" if declared else ""
    if declared:
        return True, f"`{name}` has the role group: {n_groups} groups stay whole"
    if n_groups < LEAST_GROUPS or counts.max() > LARGEST_GROUP * len(rows.ids):
        return False, f"`{name}` repeats, but has too few or too large groups ({n_groups}) to be parted"
    return True, f"`{name}` repeats ({n_groups} values in {len(known)} rows): rows of one stay on one side"
