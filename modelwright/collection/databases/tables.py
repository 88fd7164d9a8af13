"""A table or a query as a channel: the rows from the cursor on, part by part, and what its columns have become.

Rows come in the order of the cursor, so that each part that is written is a place to go on from. Rows whose cursor
equals the last value are asked for again, for more of them may have come since, and those that are known are dropped:
the state keeps a digest of each. A server that goes away meanwhile is waited for, and asked for what is left.
"""

from __future__ import annotations

import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
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
ATTEMPTS = 6
PAUSE_S = 0.5


class LostError(UserError):
    """The server went away while rows came."""


def lost(name: str, problem: object) -> LostError:
    """The error that says so."""
    return LostError(
        "collection.database_lost", f"{name}: the connection was lost: {' '.join(str(problem).split())[:300]}.",
        hint="collect again when the server is back; with a `cursor` it goes on from the last part",
    )  # fmt: skip


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

    Raises `collection.database`, `collection.database_lost`, `collection.table`, `collection.query`,
    `collection.cursor`.
    """
    source, frames = task.source, _frames_of(task)
    read = _from_cursor if source.cursor else _all_rows
    for attempt in range(1, ATTEMPTS + 1):
        asked = Asked(source.table, source.query, source.cursor, task.state.get("since"))
        try:
            for step in read(task, frames, asked):
                task = task if step.state is None else replace(task, state=step.state)
                yield step
        except UserError as problem:
            is_back = attempt == 1 or problem.code != "collection.database"
            if attempt == ATTEMPTS or (is_back and not isinstance(problem, LostError)):
                raise
            wait_s = PAUSE_S * 2 ** (attempt - 1)
            task.around.tell("retry", name=task.key, attempt=attempt, why=problem.message, wait_s=wait_s)
            time.sleep(wait_s)
        else:
            return


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
        whole = together(one for one, _ in parts_of(task.store, frames(replace(asked, without=True))))
        if whole.n_rows:  # they have no order, so there is no place among them to go on from: one step, or none
            n_rows = whole.n_rows
            state = {**state, "n_null": n_rows, "columns": dict(whole.types)}
            yield Step(arrivals=(_arrival(task, whole, {"cursor": column}),), state=state)
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
            n_again = _n_alike(frame[column], state["since"])
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


def _n_alike(values: Iterable[Any], value: Any) -> int:
    """How many values at the beginning are as good as this one, in whatever order the database has put them."""
    wanted = _folded(value)
    return sum(1 for _ in takewhile(lambda one: _folded(_plain(one)) == wanted, values))


def _folded(value: Any) -> Any:
    """What a database may take for the same: many compare texts without case, accents and blanks at the end.

    >>> _folded("Crème ") == _folded("creme"), _folded(3)
    (True, 3)
    """
    if not isinstance(value, str):
        return value
    letters = unicodedata.normalize("NFKD", value)
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).casefold().rstrip()


def _state_after(task: Task, state: Mapping[str, Any], frame: pl.DataFrame, column: str) -> dict[str, Any]:
    """How far was read: the last value, and the rows that have it, or one as good."""
    last = _plain(frame[column][-1])
    n_last = _n_alike(reversed(frame[column]), last)
    at_last = marks_of(frame.tail(n_last))
    if n_last == frame.height and _folded(last) == _folded(state.get("since")):
        at_last = [*recalled(task.store, state), *at_last]
    return {"n_null": 0, **state, "since": last, "at_last": kept(task.store, at_last)}


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
