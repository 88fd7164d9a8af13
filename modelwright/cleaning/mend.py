"""Mending: methods look at a table and propose; what is sure is done, the rest is told; every change can be taken back.

A method is a frozen `Method` of the registry's group `mending`: it returns `Findings` and changes nothing. `mend` runs
those that fit the table, takes the surest proposal of each cell, applies what the mode allows, and gives the mended
table with its `History`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from modelwright.cleaning.base import CleanSpec, clean
from modelwright.core import registry
from modelwright.core.data import Dataset, Decision
from modelwright.core.errors import UserError, nearest
from modelwright.core.spec import Spec
from modelwright.core.values import Watch

if TYPE_CHECKING:
    import polars as pl

    from modelwright.cleaning.findings import Findings
    from modelwright.cleaning.history import Group, History

Mode = Literal["off", "gentle", "strict", "ask"]
SUREST, LIKELIER = 0.95, 0.5
"""From which confidence a change is applied: in the gentle mode, and in the strict one."""


class NoSettings(Spec):
    """The settings of a method that has none."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to look at a table. `propose(data, settings, *, seed, watch)` returns `Findings` and changes nothing.

    `on` says which table it gets: the `raw` one, whose cells are what the source gave, or the `typed` one, as cleaning
    reads it (of the table as it is mended so far); both have the target's role in their schema. Proposals of either
    name rows and columns of the raw table; `before` of a typed method is not looked at. `kinds` are the kinds of
    columns it looks at (none given: all); on the raw table a text column may be of any kind that text can say. A method
    runs when the table has such a column. `about` is one sentence, shown to people.
    """

    name: str
    about: str
    propose: Callable[..., Findings]
    on: Literal["raw", "typed"] = "raw"
    kinds: tuple[str, ...] = ()
    spec: type[Spec] = NoSettings


class MendSpec(Spec):
    """What mending may do.

    >>> MendSpec.model_validate("strict").mode, MendSpec(settings={"blanks": {}}).mode
    ('strict', 'gentle')
    """

    mode: Mode = Field(
        "gentle", description="gentle does what is sure (0.95), strict what is likely (0.5) and removes rows, ask asks"
    )
    methods: tuple[str, ...] = Field((), description="which methods; by default all that fit the table")
    skip: tuple[str, ...] = Field((), description="methods to leave out")
    settings: dict[str, dict[str, Any]] = Field({}, description="settings of methods, e.g. {typos: {...}}")
    target: bool = Field(False, description="whether the target's cells may be changed too")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        if given is None or isinstance(given, bool):
            return {"mode": "gentle" if given else "off"}
        return {"mode": given} if isinstance(given, str) else given


@dataclass(frozen=True, eq=False, kw_only=True)
class Mended:
    """What mending made of a table: `data` has the raw columns and row ids, mended; `raw` is the input, untouched.

    `history` holds every proposal that won its cell, in groups that a person can read, applied or only offered; it
    takes any of them back or applies them later. `findings` are all that the methods said, `decisions` what was chosen.
    """

    data: Dataset
    history: History
    findings: Findings
    decisions: tuple[Decision, ...]
    raw: Dataset


Ask = Callable[["Group"], bool]


def mend(
    data: Dataset, spec: MendSpec = MendSpec(), *, cleaning: CleanSpec = CleanSpec(), ask: Ask | None = None,  # noqa: B008
    seed: int = 0, watch: Watch | None = None,
) -> Mended:  # fmt: skip
    """Find what is wrong in a raw table and put right what is sure; the rest is told and left as it is.

    Methods on raw cells come first; the table as mended by them is typed (as `cleaning` says) for those that look at
    typed values. Of several proposals for one cell the surer one wins, ties by the methods' order. `gentle` applies
    changes of cells from a confidence of 0.95, `strict` from 0.5 and removes rows as well, `ask` what `ask(group)`
    agrees to (without `ask`: nothing). The target's cells are left alone unless the spec says otherwise.

    Raises UserError `registry.name` for an unknown method, `spec.*` for settings that it does not have.

    >>> import polars as pl
    >>> cells = ["oak"] * 30 + ["ash"] * 30 + [" oak"]
    >>> mended = mend(Dataset.from_frame(pl.DataFrame({"wood": cells})), MendSpec(methods=("blanks",)))
    >>> mended.data.frame["wood"][-1], mended.history.groups[0].n, mended.history.undo(1).data.frame["wood"][-1]
    ('oak', 1, ' oak')

    Reference: Abedjan et al. (2016), "Detecting data errors: where are we and what needs to be done?", PVLDB 9(12), for
    why several methods are needed and why what they say must be weighed.
    """
    from modelwright.cleaning.findings import Findings, together
    from modelwright.cleaning.history import History

    cleaning = cleaning if cleaning.target else cleaning.but(target=data.schema.target)
    _ = _with_target(data, cleaning.target)
    history, found = History(data), [Findings.of()]
    if spec.mode == "off":
        return Mended(data=data, history=history, findings=found[0], decisions=(), raw=data)
    decisions: list[Decision] = []
    for on in ("raw", "typed"):
        methods = [method for method in _methods(spec) if method.on == on]
        if not methods:
            continue
        table, raw = _with_target(history.data, cleaning.target), None
        if on == "typed":
            raw, table = table, clean(table, cleaning.but(skip=(*cleaning.skip, "duplicates"))).kept
        said = [_look(method, table, spec, seed, watch, raw) for method in _fitting(methods, table)]
        found += said
        history = _decide(history, together(said), spec, cleaning.target, ask)
        decisions += _told(history, decisions)
    return Mended(
        data=history.data, history=history, findings=together(found), decisions=tuple(decisions), raw=data
    )  # fmt: skip


def _with_target(data: Dataset, target: str | None) -> Dataset:
    if target is None or data.schema.target == target:
        return data
    if target not in data.schema:
        raise UserError(
            "clean.target", f"there is no column {target!r} to predict.", hint=nearest(target, data.schema.names)
        )
    return data.with_schema(data.schema.with_column(target, role="target"))


def _methods(spec: MendSpec) -> Iterator[Method]:
    """The methods that the spec allows, in the registry's order."""
    known = registry.entries("mending")
    for name in (*spec.methods, *spec.skip, *spec.settings):
        registry.entry("mending", name)
    for name in known:
        if name not in spec.skip and (not spec.methods or name in spec.methods):
            yield registry.get("mending", name)


def _fitting(methods: list[Method], table: Dataset) -> list[Method]:
    kinds = kinds_of(table)
    return [method for method in methods if not method.kinds or kinds & set(method.kinds)]


def kinds_of(table: Dataset) -> set[str]:
    """The kinds that the columns of a table are, or, where they are raw, may be.

    >>> import polars as pl
    >>> sorted(kinds_of(Dataset.from_frame(pl.DataFrame({"n": [1.5]}))))
    ['number']
    """
    import polars as pl

    kinds = {column.kind for column in table.schema.columns} - {"raw"}
    found: set[str] = set(kinds)
    types = table.table.collect_schema()
    for column in table.schema.columns:
        if column.kind != "raw":
            continue
        dtype = types[column.name]
        if dtype in (pl.String, pl.Categorical, pl.Enum):
            found |= {"number", "category", "boolean", "datetime", "text"}
        elif dtype.is_numeric():
            found.add("number")
        elif dtype.is_temporal():
            found.add("datetime")
        elif dtype == pl.Boolean:
            found.add("boolean")
        elif dtype == pl.Binary:
            found |= {"image", "audio"}
        elif dtype.is_nested():
            found.add("series")
    return found


def _look(
    method: Method, table: Dataset, spec: MendSpec, seed: int, watch: Watch | None, raw: Dataset | None
) -> Findings:
    """What a method says; `raw` gives the cells before, where the method saw typed ones."""
    tell = watch or (lambda event: None)
    settings = method.spec.parse(spec.settings.get(method.name, {}), where=f"mend.settings.{method.name}")
    found = method.propose(table, settings, seed=seed, watch=watch)
    if raw is not None and found.cells.height:
        found = replace(found, cells=_before_of(raw, found.cells))
    told = {"n_proposed": found.cells.height + found.media.height + found.rows.height, "n_flagged": found.flags.height}
    tell({"stage": "mending", "event": "method", "method": method.name, **told})
    return found


def _before_of(raw: Dataset, cells: pl.DataFrame) -> pl.DataFrame:
    """Proposals with what the raw cells say, in their order."""
    import polars as pl

    from modelwright.cleaning.overlay import cells_of

    parts = [
        part.with_columns(cells_of(raw, str(column), part["__row__"]))
        for (column,), part in cells.partition_by("column", as_dict=True, maintain_order=True).items()
    ]
    return pl.concat(parts)


def _decide(history: History, found: Findings, spec: MendSpec, target: str | None, ask: Ask | None) -> History:
    """The history with what was found: applied as the mode says, otherwise only offered."""
    from modelwright.cleaning.choosing import winners

    order = list(registry.entries("mending"))
    closed = {target} - {None} if not spec.target else set()
    sure = {"gentle": SUREST, "strict": LIKELIER, "ask": 2.0}[spec.mode]
    n_before = len(history.groups)
    history = history.adding(winners(found, order), sure=sure, rows=spec.mode == "strict", closed=closed)
    if spec.mode != "ask" or ask is None:
        return history
    agreed = [group.number for group in history.groups[n_before:] if ask(group)]
    return history.redo(*agreed)


def _told(history: History, before: list[Decision]) -> list[Decision]:
    """What is told of each group that is new: what was done, and why."""
    told = []
    for group in history.groups[len(before) :]:
        what = {"cells": "cells", "media": "files", "rows": "rows"}[group.kind]
        n_on = history.n_active(group.number)
        done = "removed" if group.kind == "rows" else "mended"
        choice = f"{n_on:,} {what} {done}" if n_on else f"{group.n:,} {what} left as they are"
        told.append(Decision("mending", group.column or "rows", choice, f"{group.method}: {group.reason}"))
    return told
