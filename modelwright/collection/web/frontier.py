"""What is to be asked for and what was: a walk's memory, in one SQLite file beside its WARC files.

An outcome and all that follows from it (the place of the bytes, the links) are one transaction, and bytes are
written before it: whenever the process is killed, every page is either wholly there or still to be asked for.
A walk has rounds: in each, pages are found anew from the start, and what is known of them makes asking cheap.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from modelwright.collection.web import warc
from modelwright.collection.web.addresses import host_of, key_of, origin_of, shape_of

Kind = Literal["robots", "sitemap", "page"]
RANKS: dict[str, int] = {"robots": 0, "sitemap": 1, "page": 2}
FILE_BYTES = 2**30

_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS addresses (
    id INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, url TEXT NOT NULL, origin TEXT NOT NULL, host TEXT NOT NULL,
    path TEXT NOT NULL, shape TEXT NOT NULL, rank INTEGER NOT NULL, depth INTEGER NOT NULL, chain INTEGER NOT NULL,
    hops INTEGER NOT NULL, round INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0, due_s REAL NOT NULL DEFAULT 0, status INTEGER, type TEXT, etag TEXT,
    modified TEXT, fetched_s REAL, digest TEXT, file TEXT, place INTEGER, length INTEGER, last INTEGER
);
CREATE INDEX IF NOT EXISTS waiting ON addresses (round, state, host, rank, depth, id);
CREATE INDEX IF NOT EXISTS paths ON addresses (round, path);
CREATE INDEX IF NOT EXISTS shapes ON addresses (round, shape);
CREATE TABLE IF NOT EXISTS refusals (
    round INTEGER, reason TEXT, count INTEGER NOT NULL, example TEXT NOT NULL, PRIMARY KEY (round, reason)
);
CREATE TABLE IF NOT EXISTS texts (digest TEXT PRIMARY KEY, version INTEGER NOT NULL, page TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One address to ask for, and what an earlier answer left to make it cheap."""

    id: int
    url: str
    origin: str
    host: str
    kind: str
    depth: int
    chain: int
    hops: int
    attempts: int
    etag: str | None
    modified: str | None
    digest: str | None
    file: str | None
    place: int | None
    length: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One address that a page, a sitemap or the start leads to."""

    url: str
    kind: Kind = "page"
    depth: int = 0
    chain: int = 0
    hops: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How asking ended. `state` is done, refused, failed, or waiting (again, at `due_s`)."""

    state: Literal["done", "refused", "failed", "waiting"]
    reason: str = ""
    status: int | None = None
    type: str = ""
    etag: str | None = None
    modified: str | None = None
    at_s: float | None = None
    digest: str | None = None
    record: bytes = b""
    due_s: float = 0.0
    moved_to: str | None = None
    found: tuple[Found, ...] = ()
    refused: tuple[tuple[str, str], ...] = field(default=())


class Frontier:
    """The one writer of a walk's memory."""

    def __init__(self, folder: Path, agent: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._agent = folder, agent
        self._base = sqlite3.connect(folder / "walk.db", isolation_level=None, timeout=5)
        self._base.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._base.execute("PRAGMA journal_mode=WAL")
        self._base.execute("PRAGMA synchronous=NORMAL")
        self._base.executescript(_TABLES)
        self.round = int(self.fact("round") or 0)
        self._mend()

    def fact(self, name: str) -> str | None:
        """One remembered word."""
        row = self._base.execute("SELECT value FROM facts WHERE name=?", (name,)).fetchone()
        return row[0] if row else None

    def begin(self, start: Iterable[Found]) -> bool:
        """Go on with an unfinished round (True), or begin a new one."""
        if self.round and self.fact("finished") != str(self.round):
            return True
        self.round += 1
        with self:
            self._keep_fact("round", str(self.round))
            for found in start:
                self._add(found)
        return False

    def finish(self) -> None:
        """The round is over."""
        self._keep_fact("finished", str(self.round))

    def hosts(self) -> list[str]:
        """Hosts with something to ask for."""
        rows = self._base.execute(
            "SELECT DISTINCT host FROM addresses WHERE round=? AND state='waiting'", (self.round,)
        )
        return [row[0] for row in rows]

    def next_of(self, host: str, skip: Iterable[int] = ()) -> tuple[Job | None, float]:
        """The next address of a host, and when it is due (seconds since 1970)."""
        hidden = ",".join(str(one) for one in skip)
        rows = self._base.execute(
            "SELECT id, url, origin, host, rank, depth, chain, hops, attempts, etag, modified, digest, file, place,"
            " length, due_s"
            f" FROM addresses WHERE round=? AND state='waiting' AND host=? AND id NOT IN ({hidden})"
            " ORDER BY rank > 0, due_s > 0, rank, depth, id LIMIT 1",
            (self.round, host),
        ).fetchone()
        if rows is None:
            return None, 0.0
        names = [name for name, rank in RANKS.items() if rank == rows[4]]
        names_of = ("id", "url", "origin", "host", "kind", "depth", "chain", "hops", "attempts")
        rest = ("etag", "modified", "digest", "file", "place", "length")
        values = (*rows[:4], names[0], *rows[5:15])
        return Job(**dict(zip(names_of + rest, values, strict=True))), rows[15]

    def settle(self, job: Job, outcome: Outcome) -> list[str]:
        """Keep one outcome and all that follows from it. Returns the hosts that have something new to ask."""
        place: tuple[str, int, int] | None = self._append(outcome.record) if outcome.record else None
        with self:
            if place:
                self._keep_fact("file", place[0])
                self._keep_fact("bytes", str(place[1] + place[2]))
            self._write(job, outcome, place)
            for reason, example in outcome.refused:
                self.refuse(reason, example)
            return [found.url for found in outcome.found if self._add(found)]

    def refuse(self, reason: str, example: str) -> None:
        """Count an address that is not asked for."""
        self._base.execute(
            "INSERT INTO refusals VALUES (?, ?, 1, ?) ON CONFLICT DO UPDATE SET count = count + 1",
            (self.round, reason, example[:300]),
        )

    def known(self, url: str) -> bool:
        """Whether an address was met in this round."""
        found = self._base.execute(
            "SELECT 1 FROM addresses WHERE key=? AND round=?", (key_of(url), self.round)
        ).fetchone()
        return found is not None

    def alike(self, *, path: str = "", shape: str = "") -> int:
        """How many addresses of this round share a path, or a shape."""
        column, value = ("path", path) if path else ("shape", shape)
        row = self._base.execute(
            f"SELECT count(*) FROM addresses WHERE round=? AND {column}=?",
            (self.round, value),
        ).fetchone()
        return int(row[0])

    def count(self, state: str, rank: int = RANKS["page"]) -> int:
        """Pages of this round in a state."""
        return int(
            self._base.execute(
                "SELECT count(*) FROM addresses WHERE round=? AND state=? AND rank=?", (self.round, state, rank)
            ).fetchone()[0]
        )

    def pages(self) -> int:
        """Pages of this round that were had."""
        query = "SELECT count(*) FROM addresses WHERE round=? AND state='done' AND rank=2 AND digest IS NOT NULL"
        return int(self._base.execute(query, (self.round,)).fetchone()[0])

    def body(self, job: Job) -> bytes:
        """The bytes of a page's last answer."""
        if job.file is None or job.place is None or job.length is None:
            return b""
        return warc.read_body(self.folder / job.file, job.place, job.length)

    def robots_of(self, origin: str) -> dict[str, Any] | None:
        """What was kept of an origin's robots.txt in this round."""
        kept = json.loads(self.fact(f"robots {origin}") or "{}")
        return kept if kept.get("round") == self.round else None

    def keep_robots(self, origin: str, answer: dict[str, Any]) -> None:
        """Keep what an origin's robots.txt said, for a walk that is cut short."""
        self._keep_fact(f"robots {origin}", json.dumps({**answer, "round": self.round}))

    def close(self) -> None:
        """Let go of the folder."""
        self._base.close()

    def __enter__(self) -> Frontier:
        self._base.execute("BEGIN")
        return self

    def __exit__(self, kind: object, problem: object, trace: object) -> None:
        self._base.execute("ROLLBACK" if kind else "COMMIT")

    def _keep_fact(self, name: str, value: str) -> None:
        self._base.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def _add(self, found: Found) -> bool:
        """Put an address in line; False where it stands there already."""
        self._need_robots(found)
        key = found.url if found.kind == "page" else f"{found.kind} {found.url}"
        return self._insert(key_of(key), found, origin_of(found.url))

    def _need_robots(self, found: Found) -> None:
        origin = origin_of(found.url)
        robots = Found(url=f"{origin}/robots.txt", kind="robots")
        self._insert(f"robots {origin}", robots, origin)

    def _insert(self, key: str, found: Found, origin: str) -> bool:
        path = found.url.partition("?")[0] if found.kind == "page" else ""
        shape = shape_of(found.url) if found.kind == "page" else ""
        done = self._base.execute(
            "INSERT INTO addresses (key, url, origin, host, path, shape, rank, depth, chain, hops, round, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting') ON CONFLICT (key) DO UPDATE SET url=excluded.url,"
            " host=excluded.host, depth=excluded.depth, chain=excluded.chain, hops=excluded.hops,"
            " round=excluded.round, state='waiting', reason='', attempts=0, due_s=0"
            " WHERE addresses.round < excluded.round",
            (key, found.url, origin, host_of(found.url), path, shape, RANKS[found.kind])
            + (found.depth, found.chain, found.hops, self.round),
        )
        return done.rowcount > 0

    def _write(self, job: Job, outcome: Outcome, place: tuple[str, int, int] | None) -> None:
        changes: dict[str, Any] = {"state": outcome.state, "reason": outcome.reason, "due_s": outcome.due_s}
        if outcome.state == "waiting":
            changes["attempts"] = job.attempts + (outcome.moved_to is None)
        if outcome.moved_to is not None:
            changes |= {"url": outcome.moved_to, "host": host_of(outcome.moved_to), "hops": job.hops + 1}
        if outcome.state == "done":
            changes["last"] = self.round
        if outcome.at_s is not None:
            changes |= {"status": outcome.status, "fetched_s": outcome.at_s, "type": outcome.type}
            changes |= {"etag": outcome.etag, "modified": outcome.modified, "digest": outcome.digest}
        if place and outcome.at_s is not None:
            changes |= dict(zip(("file", "place", "length"), place, strict=True))
        setting = ", ".join(f"{name}=?" for name in changes)
        self._base.execute(f"UPDATE addresses SET {setting} WHERE id=?", (*changes.values(), job.id))

    def _append(self, record: bytes) -> tuple[str, int, int]:
        """Write a record at the end of the last file; its file, place and length."""
        name, size = self.fact("file"), int(self.fact("bytes") or 0)
        if name is None or size > FILE_BYTES:
            number = 1 if name is None else int(name.split("-")[1].split(".")[0]) + 1
            name, size = f"pages-{number:05d}.warc.gz", 0
        with (self.folder / name).open("ab") as file:
            if size == 0:
                size = file.write(warc.information(self._agent, name))
            file.write(record)
        return name, size, len(record)

    def _mend(self) -> None:
        """Cut off what was written and not kept; what was kept and is gone (a power cut) is asked for again."""
        for file in self.folder.glob("pages-*.warc.gz"):
            kept = self._base.execute("SELECT max(place + length) FROM addresses WHERE file=?", (file.name,)).fetchone()
            end = int(self.fact("bytes") or 0) if file.name == self.fact("file") else kept[0]
            if not end:
                file.unlink()
            elif file.stat().st_size > end:
                with file.open("rb+") as open_file:
                    open_file.truncate(end)
        for (name,) in self._base.execute("SELECT DISTINCT file FROM addresses WHERE file IS NOT NULL").fetchall():
            path = self.folder / name
            size = path.stat().st_size if path.exists() else 0
            self._base.execute(
                "UPDATE addresses SET state='waiting', file=NULL, place=NULL, length=NULL, digest=NULL, etag=NULL,"
                " modified=NULL WHERE file=? AND place + length > ?",
                (name, size),
            )
            if name == self.fact("file") and size < int(self.fact("bytes") or 0):
                self._keep_fact("bytes", str(size))
