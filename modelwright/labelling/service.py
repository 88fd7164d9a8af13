"""What the labelling server answers. Writes of one look at the sockets are one transaction: synced once, then told.

Everybody shows a token as `Authorization: Bearer`; it says who they are. The page and its files need none: they hold
nothing of the project. Refusals have a JSON body of `error`, `code` and `hint`.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from modelwright.core.errors import SystemFault, UserError, WrightError
from modelwright.labelling.lessons import going_told
from modelwright.labelling.people import Person, token_of
from modelwright.labelling.rows import MOST_SHOWN_LETTERS
from modelwright.labelling.shown_media import shown_media
from modelwright.labelling.stats import agreement_told, differing, people_table, progress
from modelwright.labelling.store import Project, folder_of, open_project
from modelwright.labelling.tasks import Desk
from modelwright_runtime.http import Limits, Request, Response, guarded

LOG = logging.getLogger("modelwright.labelling")
PAGE = Path(__file__).parent / "page"
_TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
          ".css": "text/css; charset=utf-8"}  # fmt: skip
SECURITY = (
    ("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob:; "
     "media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"), ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"), ("Cache-Control", "no-store"),
)  # fmt: skip
MOST_TASKS = 25
MOST_KEY_LETTERS = 100


@dataclass
class Waiting:
    """A write that waits for the end of this turn of the loop."""

    request: Request
    reply: Callable[[Response], None]
    response: Response | None = None


class LabelService:
    """One project for its people. `begin` gathers writes; `answer` reads in a thread, with a connection of its own."""

    def __init__(self, project: Project, people: Sequence[Person], *, limits: Limits | None = None) -> None:
        self.project = project
        self.limits = limits or Limits(max_body_bytes=50_000_000)
        self.desk = Desk(project)
        self.statuses: dict[int, int] = {}
        self._people = {f"Bearer {token_of(project, person)}".encode(): person for person in people}
        self._waiting: list[Waiting] = []
        self._files = {f"/{path.name}": path for path in PAGE.iterdir() if path.suffix in _TYPES}
        self._writes = {"/api/next": self._next, "/api/label": self._label, "/api/skip": self._skip,
                        "/api/undo": self._undo, "/api/leave": self._leave, "/api/verdict": self._verdict}  # fmt: skip
        self._quick = {"/api/project": self._project, "/api/media": self._media, "/api/row": self._row}
        self._slow = {"/api/progress": self._progress, "/api/people": self._team, "/api/differing": self._differing,
                      "/api/export": self._export}  # fmt: skip
        with project.transaction() as labels:
            for person in people:
                labels.execute("INSERT OR REPLACE INTO people VALUES (?, ?)", (person.name, person.role))

    # The server's side -------------------------------------------------------------------------------------------

    def gate(self, request: Request) -> Response | None:
        """Refuse by the head alone: token, path, method."""
        path = urlsplit(request.path).path
        if path in ("/", "/favicon.ico") or path in self._files:
            request.known = (path, None)
            return None if request.method in ("GET", "HEAD") else self.refusal(405, "request.method", "use GET.")
        person = self._person(request.headers.get(b"authorization", b""))
        if person is None:
            return self.refusal(401, "request.token", "the token is missing or wrong.", "open the address given to you")
        if path not in (*self._writes, *self._quick, *self._slow):
            return self.refusal(404, "request.path", f"there is nothing at {path[:100]}.")
        if request.method != ("POST" if path in self._writes else "GET"):
            return self.refusal(405, "request.method", f"{path} does not take {request.method}.")
        request.known = (path, person)
        return None

    def _person(self, given: bytes) -> Person | None:
        found = None
        for token, person in self._people.items():  # all of them: how long it takes must not tell which is near
            if hmac.compare_digest(given, token):
                found = person
        return found

    def is_slow(self, request: Request) -> bool:
        """Whether it is answered in a thread."""
        return request.known[0] in self._slow

    def begin(self, request: Request, reply: Callable[[Response], None], *, alone: bool) -> Response | None:
        """Answer a read at once; gather a write with the others of this turn."""
        path, person = request.known
        if path in self._writes:
            if not self._waiting:
                asyncio.get_running_loop().call_soon(self._write_all)
            self._waiting.append(Waiting(request, reply))
            return None
        return self._told(lambda: self._file(path) if person is None else self._quick[path](person, _query(request)))

    def answer(self, request: Request) -> Response:
        """Answer a slow read; asked from a thread."""
        path, person = request.known
        return self._told(lambda: self._slow[path](person, _query(request)))

    def count(self, status: int) -> None:
        """Count an answer."""
        self.statuses[status] = self.statuses.get(status, 0) + 1

    def refusal(self, status: int, code: str, message: str, hint: str = "") -> Response:
        """The body that every refusal has."""
        return _json({"error": message, "code": code, "hint": hint}, status)

    def _told(self, answer: Callable[[], Response]) -> Response:
        try:
            return answer()
        except UserError as problem:
            return self.refusal(422, problem.code, problem.message, problem.hint)
        except SystemFault as problem:
            LOG.error("%s", problem)
            return self.refusal(503, problem.code, problem.message, problem.hint)
        except Exception as problem:  # noqa: BLE001  the edge: a defect of ours must not take the server down
            return guarded(problem, self)

    def _write_all(self) -> None:
        """All writes that came in this turn in one transaction; each is told only after the commit is on the disk."""
        waiting, self._waiting = self._waiting, []
        try:
            with self.project.transaction() as labels:
                for one in waiting:
                    labels.execute("SAVEPOINT one")
                    one.response = self._told(lambda one=one: self._written(one.request))  # type: ignore[misc]
                    if one.response.status >= 400:
                        labels.execute("ROLLBACK TO one")
                        self.desk.forget()
                    labels.execute("RELEASE one")
        except (WrightError, sqlite3.Error) as problem:
            LOG.error("a commit failed", exc_info=problem)
            self.desk.forget()
            code = getattr(problem, "code", "labelling.database")
            for one in waiting:
                one.response = self.refusal(503, code, f"it could not be kept: {problem}", "it will be sent again")
        for one in waiting:
            if one.response is not None:
                one.reply(one.response)

    def _written(self, request: Request) -> Response:
        path, person = request.known
        try:
            plain = json.loads(request.body or b"{}")
        except (ValueError, RecursionError):
            plain = None
        if not isinstance(plain, dict):
            return self.refusal(400, "request.body", "the body is no JSON object.")
        return _json(self._writes[path](person, plain))

    # Writes: each is given a person and a JSON object, and returns what is told ------------------------------------

    def _next(self, person: Person, plain: dict[str, Any]) -> dict[str, Any]:
        has = plain.get("has", [])
        if not isinstance(has, list) or not all(isinstance(row, int) for row in has):
            raise UserError("labelling.request", "`has` is a list of row ids.")
        rows = self.desk.give(person.name, _number(plain, "n", 1, MOST_TASKS), set(has))
        return {"tasks": [self._task(row) for row in rows]}

    def _task(self, row: int) -> dict[str, Any]:
        task = self.project.payload(row)
        task["main"] = [_cut(cell) for cell in task["main"]]
        suggested = self.project.labels.execute(
            "SELECT value, confidence, model FROM suggestions WHERE row = ?", (row,)
        ).fetchone()
        if suggested:
            task["suggestion"] = {
                "value": json.loads(suggested[0]), "confidence": suggested[1], "model": suggested[2]
            }  # fmt: skip
        return task

    def _label(self, person: Person, plain: dict[str, Any]) -> dict[str, Any]:
        if "value" not in plain:
            raise UserError("labelling.request", "a label needs a `value`.")
        number = self.desk.label(person.name, _row(plain), plain["value"], key=_key(plain, person), took_s=_took(plain))
        more = self._next(person, plain) if plain.get("n") else {}
        return {"kept": number, **more}

    def _skip(self, person: Person, plain: dict[str, Any]) -> dict[str, Any]:
        number = self.desk.skip(person.name, _row(plain), key=_key(plain, person), took_s=_took(plain))
        more = self._next(person, plain) if plain.get("n") else {}
        return {"kept": number, **more}

    def _undo(self, person: Person, plain: dict[str, Any]) -> dict[str, Any]:
        row = _row(plain)
        value = self.desk.undo(person.name, row, key=_key(plain, person))
        return {"task": self._task(row), "value": value}

    def _leave(self, person: Person, plain: dict[str, Any]) -> dict[str, Any]:
        import time

        return {"left": self.desk.free(time.time(), person=person.name)}

    def _verdict(self, person: Person, plain: dict[str, Any]) -> dict[str, Any]:
        _check(person, "review")
        return {"kept": self.desk.settle(person.name, _row(plain), plain.get("value"), key=_key(plain, person))}

    # Reads ---------------------------------------------------------------------------------------------------------

    def _file(self, path: str) -> Response:
        if path == "/favicon.ico":
            return Response(204, b"", "image/x-icon", SECURITY)
        file = self._files["/index.html" if path == "/" else path]
        return Response(200, file.read_bytes(), _TYPES[file.suffix], SECURITY)

    def _project(self, person: Person, query: dict[str, str]) -> Response:
        spec = self.project.spec
        return _json({
            "project": self.project.name, "kind": spec.kind, "classes": spec.classes, "guidelines": spec.guidelines,
            "columns": spec.columns, "overlap": spec.overlap, "person": person.name, "role": person.role,
            "lease_s": spec.lease_s, "progress": progress(self.project, person.name),
        })  # fmt: skip

    def _row(self, person: Person, query: dict[str, str]) -> Response:
        _check(person, "review")
        return _json(self._task(_row({"row": _whole(query.get("row", ""))})))

    def _media(self, person: Person, query: dict[str, str]) -> Response:
        data = self.project.media(_whole(query.get("row", "")), _whole(query.get("place", "0")))
        if data is None:
            raise UserError("labelling.media", "this row has no such file.", hint="skip the row")
        shown, kind = shown_media(data)
        return Response(200, shown, kind, SECURITY)

    def _progress(self, person: Person, query: dict[str, str]) -> Response:
        with self._reading() as project:
            return _json({**progress(project, person.name), "learning": going_told(project)})

    def _team(self, person: Person, query: dict[str, str]) -> Response:
        _check(person, "review")
        with self._reading() as project:
            return _json({"people": people_table(project), "agreement": agreement_told(project)})

    def _differing(self, person: Person, query: dict[str, str]) -> Response:
        _check(person, "review")
        after = _whole(query["after"]) if "after" in query else -1
        with self._reading() as project:
            return _json({"rows": differing(project, after=after, limit=20)})

    def _export(self, person: Person, query: dict[str, str]) -> Response:
        from modelwright.labelling.formats import exported

        _check(person, "export")
        with self._reading() as project:
            data, kind, name = exported(project, query.get("format", "jsonl"))
        return Response(200, data, kind, (*SECURITY, ("Content-Disposition", f'attachment; filename="{name}"')))

    def _reading(self) -> Any:
        """The project by connections of this thread's own."""
        import contextlib

        store = self.project.folder.parent.parent
        assert folder_of(store, self.project.name) == self.project.folder
        return contextlib.closing(open_project(store, self.project.name))


def _json(plain: Any, status: int = 200) -> Response:
    return Response(status, json.dumps(plain).encode(), "application/json", SECURITY)


def _query(request: Request) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(request.path).query).items()}


def _check(person: Person, right: str) -> None:
    if not person.may(right):
        raise UserError("labelling.right", f"{person.name} is {person.role}, and may not {right}.")


def _row(plain: dict[str, Any]) -> int:
    row = plain.get("row")
    if not isinstance(row, int) or isinstance(row, bool) or not 0 <= row < 2**63:
        raise UserError("labelling.request", f"`row` is a row id; got {str(row)[:40]!r}.")
    return row


def _whole(text: str) -> int:
    if not text.isdecimal() or not text.isascii() or len(text) > 18:
        raise UserError("labelling.request", f"a whole number is needed; got {text[:40]!r}.")
    return int(text)


def _number(plain: dict[str, Any], name: str, default: int, most: int) -> int:
    number = plain.get(name, default)
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= most:
        raise UserError("labelling.request", f"`{name}` is 0 to {most}; got {str(number)[:40]!r}.")
    return number


def _key(plain: dict[str, Any], person: Person) -> str:
    """The client's own name for an answer, with which it may be sent again and is kept once."""
    key = plain.get("key")
    if not isinstance(key, str) or not 8 <= len(key) <= MOST_KEY_LETTERS:
        raise UserError("labelling.request", "an answer needs a `key` of 8 to 100 letters, another each time.")
    return f"{person.name}:{key}"


def _took(plain: dict[str, Any]) -> float | None:
    took = plain.get("took_s")
    is_number = isinstance(took, (int, float)) and not isinstance(took, bool) and 0 <= took < 1e6
    return round(float(took), 2) if is_number else None  # type: ignore[arg-type]


def _cut(cell: Any) -> Any:
    """A cell as the page shows it: a long text is cut, and says how long it is."""
    if isinstance(cell, str) and len(cell) > MOST_SHOWN_LETTERS:
        return {"text": cell[:MOST_SHOWN_LETTERS], "letters": len(cell)}
    return cell
