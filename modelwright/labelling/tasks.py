"""Who is given which row, and what they say: every function runs inside one transaction of the caller.

A task is leased to a person for some minutes. It is open while fewer people than the overlap have labelled it or
hold it; what is skipped or left goes to somebody else. Labels that come late are kept all the same.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from modelwright.core.errors import UserError
from modelwright.labelling.shapes import checked
from modelwright.labelling.store import Project

MOST_HELD = 50
_FREE_EVERY_S = 1.0
_START = -(2**62)  # before every place: rows are put before others by smaller ones


@dataclass
class Desk:
    """Gives tasks out and takes answers in. `reached` is how far in the order each person has been given tasks: a
    task before it opens again only by a lease that ends, a skip or an undo, and then it begins anew for all."""

    project: Project
    reached: dict[str, int] = field(default_factory=dict)
    n_given: dict[str, int] = field(default_factory=dict)
    freed_s: float = 0.0
    n_gold: int = -1

    def forget(self) -> None:
        """After a transaction that failed: nothing that is remembered may go beyond what is on the disk."""
        self.reached.clear()
        self.n_given.clear()

    # Giving ----------------------------------------------------------------------------------------------------

    def give(self, person: str, n_tasks: int, has: set[int] = frozenset()) -> list[int]:  # type: ignore[assignment]
        """The next rows for a person: those that they hold and do not know of, then new ones, leased to them."""
        now_s = time.time()
        self.free(now_s)
        labels = self.project.labels
        held = [row for (row,) in labels.execute(
            "SELECT row FROM leases JOIN tasks USING(row) WHERE person = ? ORDER BY place", (person,))]  # fmt: skip
        if held:
            labels.execute("UPDATE leases SET until_s = ? WHERE person = ?", (self._until(now_s), person))
        rows = [row for row in held if row not in has][:n_tasks]
        n_new = min(n_tasks - len(rows), MOST_HELD - len(held))
        while n_new > 0 and (found := self._next(person, n_new)):
            for row in found:
                self._lease(row, person, now_s)
            rows += found
            n_new -= len(found)
        return rows

    def _until(self, now_s: float) -> float:
        return now_s + self.project.spec.lease_s

    def _next(self, person: str, n_tasks: int) -> list[int]:
        """Rows to lease: one gold question when it is its turn, else open tasks up to the next one's turn."""
        every = self.project.spec.gold_every
        n_given = self._n_given(person)
        if self._has_gold() and n_given % every == every - 1:
            found = self._unseen("gold IS NOT NULL", person, _START, 1)
            if found:
                self.n_given[person] = n_given + 1
                return [found[0][0]]
        n_wanted = n_tasks
        if self._has_gold():
            n_wanted = min(n_tasks, (every - 1 - n_given) % every or 1)
        found = self._unseen("is_open = 1", person, self.reached.get(person, _START), n_wanted)
        if found:
            self.reached[person] = found[-1][1]
            self.n_given[person] = n_given + len(found)
        return [row for row, _ in found]

    def _has_gold(self) -> bool:
        if self.n_gold < 0:
            (self.n_gold,) = self.project.labels.execute("SELECT count(*) FROM tasks WHERE gold IS NOT NULL").fetchone()
        return self.n_gold > 0

    def _n_given(self, person: str) -> int:
        if person not in self.n_given:
            (self.n_given[person],) = self.project.labels.execute(
                "SELECT (SELECT count(*) FROM current WHERE person = ?) + "
                "(SELECT count(*) FROM leases WHERE person = ?)",
                (person, person),
            ).fetchone()
        return self.n_given[person]

    def _unseen(self, which: str, person: str, after: int, n_tasks: int) -> list[tuple[int, int]]:
        return self.project.labels.execute(
            f"SELECT row, place FROM tasks WHERE {which} AND place > ? "
            "AND NOT EXISTS (SELECT 1 FROM current WHERE current.row = tasks.row AND person = ?) "
            "AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.row = tasks.row AND person = ?) "
            "ORDER BY place LIMIT ?",
            (after, person, person, n_tasks),
        ).fetchall()

    def _lease(self, row: int, person: str, now_s: float) -> None:
        self.project.labels.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", (row, person, self._until(now_s)))
        self._recount(row)

    def _recount(self, row: int) -> None:
        """Whether a task is open: its labels and its leases are fewer than the overlap."""
        self.project.labels.execute(
            "UPDATE tasks SET n_labels = (SELECT count(*) FROM current WHERE row = ?1 AND what = 'label'), "
            "is_open = gold IS NULL AND ?2 > (SELECT count(*) FROM current WHERE row = ?1 AND what = 'label') + "
            "(SELECT count(*) FROM leases WHERE row = ?1 AND person NOT IN "
            "(SELECT person FROM current WHERE row = ?1 AND what = 'label')) WHERE row = ?1",
            (row, self.project.spec.overlap),
        )

    def free(self, now_s: float, *, person: str = "") -> int:
        """End the leases that are over, or all of a person who leaves; how many there were."""
        if not person and now_s < self.freed_s + _FREE_EVERY_S:
            return 0
        labels = self.project.labels
        which, value = ("person = ?", person) if person else ("until_s < ?", now_s)
        over = [row for (row,) in labels.execute(f"SELECT row FROM leases WHERE {which}", (value,))]
        if over:
            labels.execute(f"DELETE FROM leases WHERE {which}", (value,))
            for row in over:
                self._recount(row)
            self.reached.clear()
        if not person:
            self.freed_s = now_s
        return len(over)

    # Taking ----------------------------------------------------------------------------------------------------

    def label(self, person: str, row: int, value: Any, *, key: str, took_s: float | None = None,
              about: str | None = None) -> int:  # fmt: skip
        """Keep what a person says of a row; its number. Said again with the same key, it is kept once."""
        size = self.project.size(row) if self.project.spec.kind in ("boxes", "masks") else None
        value = checked(value, self.project.spec.kind, self.project.spec.classes, size)
        return self._answer(person, row, "label", key, json.dumps(value), took_s, about)

    def skip(self, person: str, row: int, *, key: str, took_s: float | None = None) -> int:
        """Leave a row to somebody else."""
        return self._answer(person, row, "skip", key, None, took_s, None)

    def undo(self, person: str, row: int, *, key: str) -> Any:
        """Take back one's last word on a row, which is leased to one again; what it was."""
        labels = self.project.labels
        known = labels.execute("SELECT row FROM answers WHERE key = ?", (key,)).fetchone()
        last = labels.execute(
            "SELECT current.what, value FROM current JOIN answers ON answers.id = answer "
            "WHERE current.row = ? AND current.person = ?", (row, person),
        ).fetchone()  # fmt: skip
        if known or last is None:
            if known:
                return None
            raise UserError("labelling.undo", f"{person} has said nothing of row {row} that can be taken back.")
        what, value = last
        if what == "skip" and not self._is_free(row, person):
            raise UserError("labelling.undo", f"row {row} was skipped, and somebody else has it now.")
        self._answer(person, row, "undo", key, None, None, None)
        labels.execute("DELETE FROM current WHERE row = ? AND person = ?", (row, person))
        self._lease(row, person, time.time())
        return None if value is None else json.loads(value)

    def _is_free(self, row: int, person: str) -> bool:
        is_open, gold = self.project.labels.execute(
            "SELECT is_open, gold IS NOT NULL FROM tasks WHERE row = ?", (row,)
        ).fetchone()
        return bool(is_open or gold)

    def settle(self, person: str, row: int, value: Any, *, key: str) -> int:
        """A reviewer's verdict: what is true of a row on which people differ."""
        size = self.project.size(row) if self.project.spec.kind in ("boxes", "masks") else None
        value = checked(value, self.project.spec.kind, self.project.spec.classes, size)
        number = self._answer(person, row, "verdict", key, json.dumps(value), None, None)
        self.project.labels.execute("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", (row, number))
        return number

    def _answer(
        self, person: str, row: int, what: str, key: str, value: str | None, took_s: float | None, about: str | None
    ) -> int:
        labels = self.project.labels
        known = labels.execute("SELECT id, row, person, what FROM answers WHERE key = ?", (key,)).fetchone()
        if known is not None:
            if known[1:] != (row, person, what):
                raise UserError("labelling.key", f"the key {key!r} was used for another answer.")
            return int(known[0])
        if labels.execute("SELECT 1 FROM tasks WHERE row = ?", (row,)).fetchone() is None:
            raise UserError("labelling.row", f"{self.project.name} has no row {row}.")
        number = labels.execute(
            "INSERT INTO answers(key, row, person, what, value, at_s, took_s, about) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (key, row, person, what, value, round(time.time(), 3), took_s, about),
        ).lastrowid
        if what in ("label", "skip"):
            labels.execute("DELETE FROM leases WHERE row = ? AND person = ?", (row, person))
            labels.execute("INSERT OR REPLACE INTO current VALUES (?, ?, ?, ?)", (row, person, what, number))
            self._recount(row)
            if what == "skip":
                self.reached.clear()
        return int(number or 0)


def keep_labels(project: Project, given: list[tuple[int, str, Any]], *, origin: str, at_once: int = 20_000) -> int:
    """Import labels `(row, person, value)`, each kept as that person's word; how many were new.

    What a person already says of a row, in the same words, is passed over, so that an import may be repeated.
    """
    spec = project.spec
    known: dict[tuple[int, str], str] = {}
    for row, person, value in project.labels.execute(
        "SELECT current.row, current.person, value FROM current JOIN answers ON answers.id = answer "
        "WHERE current.what = 'label'"
    ):
        known[row, person] = value
    rows = {row for (row,) in project.labels.execute("SELECT row FROM tasks")}
    counts: dict[str, int] = defaultdict(int)
    stamp = f"{origin}:{time.time_ns()}"
    for start in range(0, len(given), at_once):
        with project.transaction() as labels:
            for row, person, value in given[start : start + at_once]:
                if row not in rows:
                    raise UserError("labelling.row", f"{project.name} has no row {row}.")
                size = project.size(row) if spec.kind in ("boxes", "masks") else None
                text = json.dumps(checked(value, spec.kind, spec.classes, size))
                if known.get((row, person)) == text:
                    continue
                counts["n"] += 1
                number = labels.execute(
                    "INSERT INTO answers(key, row, person, what, value, at_s, about) "
                    "VALUES (?, ?, ?, 'label', ?, ?, ?)",
                    (f"{stamp}:{counts['n']}", row, person, text, round(time.time(), 3), origin),
                ).lastrowid
                labels.execute("INSERT OR REPLACE INTO current VALUES (?, ?, 'label', ?)", (row, person, number))
                known[row, person] = text
    with project.transaction() as labels:
        labels.execute(
            "UPDATE tasks SET n_labels = "
            "(SELECT count(*) FROM current WHERE current.row = tasks.row AND what = 'label')"
        )
        labels.execute(
            "UPDATE tasks SET is_open = gold IS NULL AND n_labels + "
            "(SELECT count(*) FROM leases WHERE leases.row = tasks.row) < ?", (spec.overlap,)
        )  # fmt: skip
    return counts["n"]
