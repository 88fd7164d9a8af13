"""A table or a query as a channel: the rows from the cursor on, part by part, and what its columns have become.

Rows come in the order of the cursor, so that each part that is written is a place to go on from. Rows whose cursor
equals the last value are asked for again, for more of them may have come since, and those that are known are dropped:
the state keeps a digest of each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from modelwright.collection.databases.known import Marks, kept, known_among, marks_of, recalled
from modelwright.collection.gathering import Step, Task
from modelwright.collection.versions.commit import Arrival, Gone, Origin
from modelwright.collection.versions.ledger import files_of
from modelwright.collection.versions.writing import Written, parts_of, storable, together
from modelwright.core.errors import UserError, nearest

if TYPE_CHECKING:
    import polars as pl

KNOWN = "rows at the last value of the cursor that are known"
BATCH_ROWS = 1 << 16


@dataclass(frozen=True)
class Asked:
    """What is asked of a database: a table or a query; with a cursor, the rows from `since` on in its order, or with
    `without` the rows that have no value of it. `skip` rows are passed over, where a reader takes up what another one
    began."""

    table: str | None
    query: str | None
    cursor: str | None
    since: Any = None
    without: bool = False
    skip: int = 0

    def sql(self, quoted: Callable[[str], str], literal: Callable[[Any], str]) -> str:
        """The SELECT that asks it."""
        rows = quoted(self.table) if self.table else f"({(self.query or '').strip().rstrip(';')}) AS asked"
        text = self.query if self.query and not self.cursor else f"SELECT * FROM {rows}"
        if self.cursor:
            column = quoted_name(self.cursor, quoted)
            if self.without:
                return f"{text} WHERE {column} IS NULL"
            least = "IS NOT NULL" if self.since is None else f">= {literal(self.since)}"
            text = f"{text} WHERE {column} {least} ORDER BY {column}"
        return str(text)


def quoted_name(name: str, quoted: Callable[[str], str]) -> str:
    """One name as SQL: a dot in it does not part it."""
    return quoted(name.replace(".", "\0")).replace("\0", ".")


Frames = Callable[[Asked], Iterator["pl.DataFrame"]]


def read_new_rows(task: Task) -> Iterator[Step]:
    """The rows of a table or query that are new; without a cursor all of them, if they have changed.

    Raises `collection.database`, `collection.table`, `collection.query`, `collection.cursor`.
    """
    source = task.source
    frames = _frames_of(task)
    asked = Asked(source.table, source.query, source.cursor, task.state.get("since"))
    yield from _from_cursor(task, frames, asked) if source.cursor else _all_rows(task, frames, asked)


def _frames_of(task: Task) -> Frames:
    address = task.source.source.lower()
    if not (task.source.table or task.source.query):
        from modelwright.collection.sql import _HINT_QUERY, without_password

        raise UserError(
            "collection.database", f"`{without_password(task.source.source)}` is a database; say which rows.",
            hint=_HINT_QUERY,
        )  # fmt: skip
    if address.startswith("sqlite"):
        from modelwright.collection.databases import sqlite

        return sqlite.frames_of(task.source)
    if address.startswith(("mysql", "mariadb")):
        from modelwright.collection.databases import mariadb

        return mariadb.frames_of(task.source)
    from modelwright.collection.databases import postgres

    return postgres.frames_of(task.source)


# With a cursor --------------------------------------------------------------------------------------------------------


def _from_cursor(task: Task, frames: Frames, asked: Asked) -> Iterator[Step]:
    state = dict(task.state)
    column = str(asked.cursor)
    skipped: Counter[str] = Counter()
    n_rows = 0
    if asked.since is None and "n_null" not in state:  # the first time; later, nothing tells whether they are new
        for written, _ in parts_of(task.store, frames(replace(asked, without=True))):
            n_rows += written.n_rows
            state = {**state, "n_null": n_rows, "columns": dict(written.types)}
            yield Step(arrivals=(_arrival(task, written, {"cursor": column}),), state=state)
    fresh = _without_known(task, frames(asked), column, skipped)
    for written, frame in parts_of(task.store, fresh):
        told = _columns_told(state.get("columns"), written.types)
        first = _plain(frame[column][0])
        state = {
            **_state_after(task, state, frame, column),
            "columns": _columns_after(state.get("columns"), written.types),
        }
        n_rows += written.n_rows
        where = {"cursor": column, "from": first, "to": state.get("since")}
        task.around.tell("progress", done=n_rows, total=None, text=f"{n_rows:,} rows")
        yield Step(arrivals=(_arrival(task, written, where),), state=state, told=told)
    yield Step(state=state if n_rows else None, skipped=dict(skipped), told=_told_of_nulls(state))


def _arrival(task: Task, written: Written, where: Mapping[str, Any]) -> Arrival:
    name = task.source.table or "query"
    return Arrival(
        source=task.key, origins=(Origin(name=name, n_rows=written.n_rows, where=where),), written=written
    )  # fmt: skip


def _without_known(
    task: Task, frames: Iterator[pl.DataFrame], column: str, skipped: Counter[str]
) -> Iterator[pl.DataFrame]:  # fmt: skip
    """The rows without those at the last value that were read before; a row that is there twice stays twice."""
    import polars as pl

    state = task.state
    again: pl.DataFrame | None = None
    known = recalled(task.store, state)
    for frame in frames:
        if column not in frame.columns:
            raise UserError(
                "collection.cursor", f"there is no column `{column}` to read on from.",
                hint=nearest(column, frame.columns),
            )  # fmt: skip
        frame = storable(frame)
        if known:  # rows come in the order of the cursor: those at the last value come first
            n_again = _n_leading(frame[column], state["since"])
            again = frame.head(n_again) if again is None else pl.concat([again, frame.head(n_again)])
            frame = frame.slice(n_again)
            if not frame.height:
                continue
            yield _unknown(again, known, state, skipped)
            known, again = [], None
        yield frame
    if again is not None:
        yield _unknown(again, known, state, skipped)


def _unknown(again: pl.DataFrame, known: Marks, state: Mapping[str, Any], skipped: Counter[str]) -> pl.DataFrame:
    import polars as pl

    met = known_among(again, known, tuple(state.get("columns", ())))
    skipped[KNOWN] += met.count(True)
    return again.filter(~pl.Series(met, dtype=pl.Boolean))


def _n_leading(values: pl.Series, since: Any) -> int:
    """How many rows at the beginning have the last value of the time before: rows come in its order."""
    for number, value in enumerate(values):
        if _plain(value) != since:
            return number
    return len(values)


def _state_after(task: Task, state: Mapping[str, Any], frame: pl.DataFrame, column: str) -> dict[str, Any]:
    """How far was read: the last value, and the rows that have it."""
    values = frame[column]
    last = values[-1]
    at_last = marks_of(frame.filter(values == last))
    if _plain(last) == state.get("since"):
        at_last = [*recalled(task.store, state), *at_last]
    return {"n_null": 0, **state, "since": _plain(last), "at_last": kept(task.store, at_last)}


def _plain(value: Any) -> Any:
    """A cursor's value as JSON: moments in ISO's form."""
    return value if value is None or isinstance(value, (int, float, str)) else value.isoformat(sep=" ")


def _told_of_nulls(state: Mapping[str, Any]) -> tuple[str, ...]:
    n_null = int(state.get("n_null", 0))
    return (f"{n_null:,} rows have no value of the cursor: such rows are read the first time only",) if n_null else ()


def _columns_after(before: Mapping[str, str] | None, now: Mapping[str, str]) -> dict[str, str]:
    return dict(now) if before is None else {name: now.get(name, before.get(name, "")) for name in now}


def _columns_told(before: Mapping[str, str] | None, now: Mapping[str, str]) -> tuple[str, ...]:
    """How a source's columns differ from those it had last time, in sentences."""
    if before is None or dict(before) == dict(now):
        return ()
    new = [f"the source has a new column `{name}` ({now[name]})" for name in now if name not in before]
    gone = [f"the source has no column `{name}` any more: it is empty in the new rows" for name in before
            if name not in now]  # fmt: skip
    moved = [f"the source gives `{name}` as {now[name]}, where it was {before[name]}" for name in now
             if name in before and now[name] != before[name]]  # fmt: skip
    return (*new, *gone, *moved)


# Without one ----------------------------------------------------------------------------------------------------------


def _all_rows(task: Task, frames: Frames, asked: Asked) -> Iterator[Step]:
    made: list[Written] = []
    n_rows = 0
    for written, _ in parts_of(task.store, frames(asked)):
        made.append(written)
        n_rows += written.n_rows
        task.around.tell("progress", done=n_rows, total=None, text=f"{n_rows:,} rows")
    whole = together(made)
    content = [part.digest for part in whole.parts]
    if task.state.get("content") == content:
        yield Step(skipped={"the same rows as before": whole.n_rows})
        return
    told = list(_columns_told(task.state.get("columns"), whole.types))
    gone = _rows_before(task)
    if gone:
        n_gone = sum(one.n_rows for one in gone)
        told.append(f"no `cursor` is given: all rows were read again, they have changed, and {n_gone:,} are replaced")
    arrivals = (_arrival(task, whole, {}),) if whole.n_rows else ()
    state = {"content": content, "columns": dict(whole.types)}
    yield Step(arrivals=arrivals, gone=gone, state=state, told=tuple(told))


def _rows_before(task: Task) -> tuple[Gone, ...]:
    return tuple(
        Gone(source=task.key, name=line["name"], first_row=line["first_row"], n_rows=line["n_rows"])
        for (source, _), lines in files_of(task.store, task.base).items() if source == task.key
        for line in lines
    )  # fmt: skip
