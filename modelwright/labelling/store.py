"""A project's folder: `labels.db` (who said what, when) and `rows.db` (what was shown), both SQLite in WAL mode.

Payload never lies in the table of tasks; tasks are paged by key. Labels are only ever added: the database itself
refuses to change or delete one. An answered request is synced to the disk before it is answered.
Reference: SQLite, "Write-ahead logging" (sqlite.org/wal.html).
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import SystemFault, UserError, nearest
from modelwright.core.rng import stream
from modelwright.core.store import check_name, disk_faults
from modelwright.labelling.base import LabelSpec

if TYPE_CHECKING:
    from modelwright.core.data import Dataset
    from modelwright.core.values import Watch
    from modelwright.labelling.rows import Shown

FORMAT = 1
_BUSY_S = 30.0
_LABELS = """
CREATE TABLE facts(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE people(name TEXT PRIMARY KEY, role TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE tasks(row INTEGER PRIMARY KEY, place INTEGER NOT NULL, n_labels INTEGER NOT NULL DEFAULT 0,
  is_open INTEGER NOT NULL DEFAULT 1, gold TEXT);
CREATE INDEX open_tasks ON tasks(place) WHERE is_open = 1;
CREATE INDEX gold_tasks ON tasks(place) WHERE gold IS NOT NULL;
CREATE TABLE answers(id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, row INTEGER NOT NULL,
  person TEXT NOT NULL, what TEXT NOT NULL, value TEXT, at_s REAL NOT NULL, took_s REAL, about TEXT);
CREATE TABLE current(row INTEGER NOT NULL, person TEXT NOT NULL, what TEXT NOT NULL, answer INTEGER NOT NULL,
  PRIMARY KEY(row, person)) WITHOUT ROWID;
CREATE INDEX current_of_person ON current(person, answer);
CREATE TABLE verdicts(row INTEGER PRIMARY KEY, answer INTEGER NOT NULL);
CREATE TABLE leases(row INTEGER NOT NULL, person TEXT NOT NULL, until_s REAL NOT NULL,
  PRIMARY KEY(row, person)) WITHOUT ROWID;
CREATE INDEX leases_of_person ON leases(person);
CREATE INDEX leases_by_time ON leases(until_s);
CREATE TABLE suggestions(row INTEGER PRIMARY KEY, value TEXT NOT NULL, confidence REAL NOT NULL, model TEXT NOT NULL);
CREATE TRIGGER kept_as_it_is BEFORE UPDATE ON answers BEGIN SELECT RAISE(ABORT, 'a label is never changed'); END;
CREATE TRIGGER kept_for_ever BEFORE DELETE ON answers BEGIN SELECT RAISE(ABORT, 'a label is never deleted'); END;
"""
_ROWS = """
CREATE TABLE names(row INTEGER PRIMARY KEY, name TEXT NOT NULL, mark TEXT NOT NULL, width INTEGER, height INTEGER);
CREATE TABLE payloads(row INTEGER PRIMARY KEY, plain TEXT NOT NULL);
CREATE TABLE media(row INTEGER NOT NULL, place INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY(row, place));
"""


@dataclass(frozen=True, eq=False)
class Project:
    """An open project. `labels` is its database of labels, `rows` that of what is shown, which no one changes."""

    folder: Path
    spec: LabelSpec
    n_rows: int
    labels: sqlite3.Connection
    rows: sqlite3.Connection

    @property
    def name(self) -> str:
        """The project's name."""
        return self.folder.name

    def close(self) -> None:
        """Close both databases."""
        self.labels.close()
        self.rows.close()

    def payload(self, row: int) -> dict[str, Any]:
        """What is shown of a row: `main` (cells; a file is `{"media": place}`), `more` (name and text pairs)."""
        found = self.rows.execute(
            "SELECT plain, name, width, height FROM payloads JOIN names USING(row) WHERE row = ?", (row,)
        ).fetchone()
        if found is None:
            raise UserError("labelling.row", f"{self.name} has no row {row}.")
        plain, name, width, height = found
        return {"row": row, "name": name, "size": [width, height] if width else None, **json.loads(plain)}

    def media(self, row: int, place: int) -> bytes | None:
        """The bytes of a file that is shown."""
        found = self.rows.execute("SELECT data FROM media WHERE row = ? AND place = ?", (row, place)).fetchone()
        return None if found is None else bytes(found[0])

    def size(self, row: int) -> tuple[int, int] | None:
        """Width and height of a row's picture, if it can be read."""
        found = self.rows.execute("SELECT width, height FROM names WHERE row = ?", (row,)).fetchone()
        return (found[0], found[1]) if found and found[0] else None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; synced when it ends well."""
        with self.sql_faults():
            self.labels.execute("BEGIN IMMEDIATE")
            try:
                yield self.labels
            except BaseException:
                self.labels.execute("ROLLBACK")
                raise
            self.labels.execute("COMMIT")

    @contextlib.contextmanager
    def sql_faults(self) -> Iterator[None]:
        """SQLite's refusals as the machine's faults, by name."""
        try:
            yield
        except sqlite3.OperationalError as problem:
            full = "full" in str(problem)
            raise SystemFault(
                "store.full" if full else "labelling.database", f"{self.folder}: {problem}.",
                hint="free some room on the disk" if full else "is another program holding the file?",
            ) from problem  # fmt: skip
        except sqlite3.DatabaseError as problem:
            if isinstance(problem, sqlite3.IntegrityError):
                raise
            raise SystemFault("labelling.database", f"{self.folder}: {problem}.", hint="restore it") from problem


def folder_of(store: Path | str, name: str = "") -> Path:
    """Where a store keeps its labelling projects, or one of them."""
    folder = Path(store) / "labelling"
    return folder / check_name(name) if name else folder


def projects(store: Path | str) -> list[str]:
    """The names of a store's labelling projects."""
    folder = folder_of(store)
    return sorted(one.parent.name for one in folder.glob("[!.]*/labels.db")) if folder.is_dir() else []


def open_project(store: Path | str, name: str) -> Project:
    """Open a project for reading and writing; any number of processes may.

    Raises `UserError("labelling.project")` when there is none of that name.
    """
    folder = folder_of(store, name)
    if not (folder / "labels.db").is_file():
        raise UserError(
            "labelling.project", f"there is no labelling project {name!r} in {store}.",
            hint=nearest(name, projects(store)) if projects(store) else "begin one: wright label DATA --as text ...",
        )  # fmt: skip
    return _opened(folder)


def _opened(folder: Path) -> Project:
    labels, rows = (connect(folder / name) for name in ("labels.db", "rows.db"))
    project = Project(folder, LabelSpec(kind="pairs"), 0, labels, rows)  # until its own is read
    with project.sql_faults():
        facts = {name: json.loads(value) for name, value in labels.execute("SELECT name, value FROM facts")}
    if facts["format"] != FORMAT:
        raise UserError("store.format", f"{folder} has format {facts['format']}; this version reads {FORMAT}.")
    return replace(project, spec=LabelSpec.parse(facts["spec"], where="label"), n_rows=facts["n_rows"])


def connect(path: Path) -> sqlite3.Connection:
    """A connection whose commits are on the disk when they return."""
    made = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    made.execute("PRAGMA journal_mode = WAL")
    made.execute("PRAGMA synchronous = FULL")
    return made


def create(
    data: Dataset, spec: LabelSpec, *, store: Path | str, name: str, gold: Mapping[int, Any] | None = None,
    watch: Watch | None = None,
) -> Project:  # fmt: skip
    """Make a project of every row of `data`: what is shown of it is kept beside the labels, as it is now.

    `gold` are rows whose label is known, by row id: they are mixed in and never counted as labels. The folder is made
    aside and renamed, so that a project is there whole or not at all. Raises `UserError` `labelling.exists`,
    `labelling.column` and `labelling.value`.
    """
    from modelwright.labelling.rows import found_columns, shown_rows
    from modelwright.labelling.shapes import checked

    folder = folder_of(store, name)
    if folder.exists():
        raise UserError("labelling.exists", f"{name!r} is there already.", hint=f"go on with `wright label {name}`")
    if not data.n_rows:
        raise UserError("labelling.column", "the data has no rows to label.")
    spec = found_columns(data, spec)
    known = {row: checked(value, spec.kind, spec.classes) for row, value in (gold or {}).items()}
    aside = folder.with_name(f".{name}.{uuid.uuid4().hex}")
    with disk_faults(aside):
        aside.mkdir(parents=True)
        try:
            _keep_rows(aside / "rows.db", shown_rows(data, spec), data.n_rows, watch)
            _keep_tasks(aside, spec, data, known)
            (aside / "secret").touch(mode=0o600)
            (aside / "secret").write_bytes(secrets.token_bytes(32))
            os.rename(aside, folder)  # noqa: PTH104  refuses where a folder with files stands, as it should
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return _opened(folder)


def _keep_rows(path: Path, rows: Iterable[Shown], n_rows: int, watch: Watch | None) -> None:
    with contextlib.closing(connect(path)) as database:
        database.executescript(_ROWS)
        database.execute("BEGIN")
        for number, row in enumerate(rows):
            width, height = row.size or (None, None)
            database.execute("INSERT INTO names VALUES (?, ?, ?, ?, ?)", (row.row, row.name, row.mark, width, height))
            main = []
            for place, cell in enumerate(row.main):
                if isinstance(cell, bytes):
                    database.execute("INSERT INTO media VALUES (?, ?, ?)", (row.row, place, cell))
                main.append({"media": place} if isinstance(cell, bytes) else cell)
            plain = json.dumps({"main": main, "more": row.more}, ensure_ascii=True)
            database.execute("INSERT INTO payloads VALUES (?, ?)", (row.row, plain))
            if watch is not None and number % 1000 == 0:
                watch({"stage": "labelling", "event": "progress", "done": number, "total": n_rows})
        database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _keep_tasks(folder: Path, spec: LabelSpec, data: Dataset, gold: Mapping[int, Any]) -> None:
    import numpy as np

    rows = data.row_ids.astype(np.int64)
    unknown = sorted(set(gold) - set(rows.tolist()))
    if unknown:
        raise UserError("labelling.row", f"a gold question is about row {unknown[0]}, which is not there.")
    order = (
        rows if spec.order not in ("random", "teaching") else stream(spec.seed, "labelling", "order").permutation(rows)
    )
    with contextlib.closing(connect(folder / "labels.db")) as database:
        database.executescript(_LABELS)
        database.execute("BEGIN")
        facts = {"format": FORMAT, "spec": spec.to_plain(), "n_rows": len(rows), "origin": _origin(data)}
        database.executemany("INSERT INTO facts VALUES (?, ?)", [(k, json.dumps(v)) for k, v in facts.items()])
        tasks = ((row, place, int(row not in gold), json.dumps(gold[row]) if row in gold else None)
                 for place, row in enumerate(order.tolist(), start=1))  # fmt: skip
        database.executemany("INSERT INTO tasks(row, place, is_open, gold) VALUES (?, ?, ?, ?)", tasks)
        database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _origin(data: Dataset) -> list[str]:
    return [str(source.get("name", "")) for source in data.origin.get("sources", ())]
