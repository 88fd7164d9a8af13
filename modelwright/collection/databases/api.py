"""A JSON API as a channel: page after page, kept to the pace that the server asks for.

A page that was read is a step, so a collection that was broken off goes on from the page after it. With
`since_parameter` the server is asked for what is new; with `cursor` alone, pages are read and known rows dropped.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from modelwright.collection.databases.known import kept, known_among, marks_of, recalled
from modelwright.collection.databases.spec import ApiSpec
from modelwright.collection.databases.tables import _columns_after, _columns_told, _plain, _rows_before
from modelwright.collection.fetch import _Redirects, shown
from modelwright.collection.gathering import Step, Task
from modelwright.collection.piece import Notes
from modelwright.collection.records import json_frame
from modelwright.collection.versions.commit import Arrival, Origin
from modelwright.collection.versions.writing import storable, write_parts
from modelwright.core.errors import UserError, nearest

if TYPE_CHECKING:
    import polars as pl

ATTEMPTS = 6
LONGEST_WAIT_S = 300.0
PAUSE_S = 0.5
KNOWN = "rows at the last value of the cursor, or before it, that are known"
_PASSING = (408, 425, 429, 500, 502, 503, 504)


def read_new_pages(task: Task) -> Iterator[Step]:
    """The rows of every page that is new.

    Raises `collection.api` (not what was expected), `collection.api_token`, `collection.url*` as a download does.
    """
    pages = _Pages(task, task.source.api or ApiSpec())
    yield from _new_pages(task, pages) if task.source.cursor else _every_page(task, pages)


def _new_pages(task: Task, pages: _Pages) -> Iterator[Step]:
    """Rows beyond the cursor. While it is under way the state has the next page, and what was reached so far apart."""
    state = dict(task.state)
    skipped = Counter(state.get("skipped", {}))
    done = state.get("under_way", False) and state.get("next") is None
    n_rows = 0
    for page in () if done else pages.follow(state.get("next")):
        frame, n_known = _fresh(task, page.rows, state)
        skipped[KNOWN] += n_known
        state = {**state, "under_way": True, "next": page.after, "skipped": dict(skipped)}
        if frame is None or not frame.height:
            continue
        arrival = _arrival(task, page, frame)
        told = _columns_told(state.get("columns"), arrival.written.types)
        columns = _columns_after(state.get("columns"), arrival.written.types)
        state = {**_reached(state, frame, str(task.source.cursor)), "columns": columns}
        n_rows += frame.height
        yield Step(arrivals=(arrival,), state=state, told=told)
    yield Step(state=_settled(task, state) if n_rows or done else None, skipped={w: n for w, n in skipped.items() if n})


def _every_page(task: Task, pages: _Pages) -> Iterator[Step]:
    """All rows, which take the place of those that were read before if any page has other bytes than then."""
    arrivals: list[Arrival] = []
    content: list[str] = []
    for page in pages.follow(None):
        content.append(page.sha256)
        if page.rows:
            arrivals.append(_arrival(task, page, storable(json_frame(page.rows, Notes(task.key)))))
    if task.state.get("content") == content:
        yield Step(skipped={"the same pages as before": len(content)})
        return
    gone = _rows_before(task)
    n_gone = sum(one.n_rows for one in gone)
    told = (f"no `cursor` is given: all pages were read again, and {n_gone:,} rows are replaced",) if gone else ()
    yield Step(arrivals=tuple(arrivals), gone=gone, state={"content": content}, told=told)


def _arrival(task: Task, page: _Page, frame: pl.DataFrame) -> Arrival:
    written = write_parts(task.store, [frame])
    origin = Origin(name=shown(page.address), n_rows=frame.height, sha256=page.sha256, n_bytes=page.n_bytes,
                    where={"page": page.number})  # fmt: skip
    return Arrival(source=task.key, origins=(origin,), written=written)


@dataclass(frozen=True)
class _Page:
    rows: list[dict[str, Any]]
    address: str
    number: int
    sha256: str
    n_bytes: int
    after: str | None


@dataclass
class _Pages:
    """Asks for one page after another."""

    task: Task
    spec: ApiSpec
    opener: urllib.request.OpenerDirector = field(
        default_factory=lambda: urllib.request.build_opener(_Redirects())
    )  # fmt: skip

    def follow(self, begin: str | None) -> Iterator[_Page]:
        """Every page from the first one, or from where another collection stopped."""
        address: str | None = begin or self._first()
        seen: set[str] = set()
        number = 0
        while address is not None:
            if address in seen or number >= self.spec.max_pages:
                raise _odd(address, "leads to a page that was read already, or on for ever", "look at `next`")
            seen.add(address)
            number += 1
            page = self._page(address, number)
            self.task.around.tell("progress", done=number, total=None, text=f"page {number}")
            yield page
            address = page.after
            if address is not None and self.spec.pause_s:
                time.sleep(self.spec.pause_s)

    def _first(self) -> str:
        spec, parameters = self.spec, dict(self.spec.parameters)
        if spec.size_parameter:
            parameters[spec.size_parameter] = spec.page_rows
        if spec.page_parameter:
            parameters[spec.page_parameter] = spec.first_page
        if spec.offset_parameter:
            parameters[spec.offset_parameter] = 0
        since = self.task.state.get("since")
        if spec.since_parameter and since is not None:
            parameters[spec.since_parameter] = since
        return _with(self.task.source.source, parameters)

    def _page(self, address: str, number: int) -> _Page:
        import hashlib

        raw, headers = self._ask(address)
        try:
            answer = json.loads(raw)
        except (ValueError, RecursionError) as problem:
            raise _odd(address, f"is not JSON: {problem}", "check the address") from problem
        rows = _rows(answer, self.spec.rows, address)
        after = self._after(address, answer, headers, len(rows))
        return _Page(rows, address, number, hashlib.sha256(raw).hexdigest(), len(raw), after)

    def _after(self, address: str, answer: Any, headers: Mapping[str, str], n_rows: int) -> str | None:
        """The next page's address, as the answer or the spec says; None after the last."""
        spec = self.spec
        if spec.next:
            link = _at(answer, spec.next)
            return self._same_host(address, str(link)) if link else None
        linked = re.search(r'<([^>]+)>\s*;[^,]*\brel="?next"?', headers.get("Link", ""))
        if linked:
            return self._same_host(address, linked.group(1))
        if spec.next_token:
            token = _at(answer, spec.next_token)
            return _with(address, {spec.token_parameter: token}) if token not in (None, "") else None
        if not n_rows:
            return None
        if spec.page_parameter:
            page = int(dict(parse_qsl(urlsplit(address).query)).get(spec.page_parameter, spec.first_page))
            return _with(address, {spec.page_parameter: page + 1})
        if spec.offset_parameter:
            before = int(dict(parse_qsl(urlsplit(address).query)).get(spec.offset_parameter, 0))
            return _with(address, {spec.offset_parameter: before + n_rows})
        return None

    def _same_host(self, address: str, link: str) -> str:
        """A link to another host is not followed: it would be given the token."""
        there, here = urlsplit(urljoin(address, link)), urlsplit(self.task.source.source)
        if (there.scheme, there.netloc) != (here.scheme, here.netloc):
            raise _odd(address, f"leads to another host, {there.hostname}", "give that address as a source of its own")
        return urlunsplit(there)

    def _ask(self, address: str) -> tuple[bytes, Mapping[str, str]]:
        """One answer; a server that is busy is asked again after the time that it names."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._answer(address)
            except urllib.error.HTTPError as problem:
                wait_s = _wait_s(problem, attempt)
                problem.close()
                if problem.code not in _PASSING or attempt == ATTEMPTS:
                    raise _refused(address, problem) from problem
                why = f"{problem.code} {problem.reason}"
            except (urllib.error.URLError, http.client.HTTPException, OSError) as problem:
                why, wait_s = str(getattr(problem, "reason", problem)), PAUSE_S * 2**attempt
                if attempt == ATTEMPTS or "CERTIFICATE" in why.upper():
                    raise UserError(
                        "collection.url", f"`{shown(address)}` could not be reached: {why}.",
                        hint="check the address, the network and the certificate",
                    ) from problem  # fmt: skip
            self.task.around.tell("retry", name=shown(address), attempt=attempt, why=why, wait_s=wait_s)
            time.sleep(wait_s)
        raise AssertionError("the last attempt returns or raises")

    def _answer(self, address: str) -> tuple[bytes, Mapping[str, str]]:
        most = self.task.around.max_bytes
        headers = {"User-Agent": "modelwright", "Accept": "application/json", **self.spec.headers, **_secret(self.spec)}
        request = urllib.request.Request(address, headers=headers)
        with self.opener.open(request, timeout=self.task.around.timeout_s) as answer:
            raw: bytes = answer.read(min(most, 2**30) + 1)
            if len(raw) > min(most, 2**30):
                raise UserError(
                    "collection.url_size", f"`{shown(address)}` answers with more than {min(most, 2**30):,} bytes.",
                    hint="ask for smaller pages, or raise `max_bytes`",
                )  # fmt: skip
            if answer.length:  # what is still to come of the length that was told: the line was cut
                raise http.client.IncompleteRead(raw, answer.length)
            return raw, dict(answer.headers.items())


def _secret(spec: ApiSpec) -> dict[str, str]:
    """The header with the token, which lies in the environment and nowhere else."""
    if spec.token is None:
        return {}
    token = os.environ.get(spec.token, "").strip()
    if not token:
        raise UserError(
            "collection.api_token", f"the environment has no {spec.token}, which holds the token.",
            hint=f"export {spec.token}=...",
        )  # fmt: skip
    return {spec.token_header: spec.token_form.replace("{}", token)}


def _wait_s(problem: urllib.error.HTTPError, attempt: int) -> float:
    """How long to wait: as the server says (seconds, or a date by its own clock), else longer each time."""
    told = problem.headers.get("Retry-After") if problem.headers else None
    if told and told.strip().isdigit():
        return min(float(told), LONGEST_WAIT_S)
    if told:
        try:
            its_now = problem.headers.get("Date")
            now = email.utils.parsedate_to_datetime(its_now) if its_now else datetime.now(UTC)
            left = email.utils.parsedate_to_datetime(told) - now
            return min(max(left.total_seconds(), 0.0), LONGEST_WAIT_S)
        except (TypeError, ValueError):
            pass
    return min(PAUSE_S * 2.0**attempt, LONGEST_WAIT_S)


def _refused(address: str, problem: urllib.error.HTTPError) -> UserError:
    hints = {401: "check the token", 403: "the token does not allow it", 404: "check the address"}
    return UserError(
        "collection.url_status", f"`{shown(address)}` answered {problem.code} {problem.reason}.",
        hint=hints.get(problem.code, "try again later"),
    )  # fmt: skip


def _odd(address: str, what: str, hint: str) -> UserError:
    return UserError("collection.api", f"`{shown(address)}` {what}.", hint=hint)


def _with(address: str, parameters: Mapping[str, Any]) -> str:
    """The address with these query parameters set.

    >>> _with("https://a.b/c?x=1&y=2", {"x": 7})
    'https://a.b/c?y=2&x=7'
    """
    parts = urlsplit(address)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in parameters]
    return urlunsplit(parts._replace(query=urlencode([*kept, *parameters.items()])))


def _at(answer: Any, path: str) -> Any:
    """What lies at a dotted path; None where there is nothing."""
    for name in path.split("."):
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer


def _rows(answer: Any, path: str, address: str) -> list[dict[str, Any]]:
    found = _at(answer, path) if path else answer
    if not path and isinstance(answer, dict):
        lists = {name: value for name, value in answer.items() if isinstance(value, list)}
        if len(lists) != 1:
            raise _odd(address, f"answers an object with {len(lists)} lists", "say with `rows` where the rows lie")
        (found,) = lists.values()
    if found is None and path:
        held = ", ".join(list(answer)[:10]) if isinstance(answer, dict) else "a list"
        raise _odd(address, f"has nothing at `{path}`; it has {held}", "correct `rows`")
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise _odd(address, "does not answer a list of objects", "say with `rows` where the rows lie")
    return found


def _fresh(task: Task, rows: list[dict[str, Any]], state: Mapping[str, Any]) -> tuple[pl.DataFrame | None, int]:
    """The rows of a page that are new, as a frame, and how many are known."""
    import polars as pl

    if not rows:
        return None, 0
    frame = storable(json_frame(rows, Notes(task.key)))
    cursor = str(task.source.cursor)
    if cursor not in frame.columns:
        raise UserError(
            "collection.cursor", f"there is no column `{cursor}` to read on from.",
            hint=nearest(cursor, frame.columns),
        )  # fmt: skip
    since = state.get("since")
    if since is None:
        return frame, 0
    known = recalled(task.store, state)
    met = known_among(frame, known, sorted({name for mark in known for name in mark}))
    keep = []
    for value, is_known in zip(frame[cursor], met, strict=True):
        plain = _plain(value)
        keep.append(plain is None or _is_after(plain, since) or (plain == since and not is_known))
    return frame.filter(pl.Series(keep)), keep.count(False)


def _is_after(value: Any, since: Any) -> bool:
    """Whether a value comes after another; a number and a text are compared as texts."""
    alike = isinstance(value, str) == isinstance(since, str)
    return bool(value > since) if alike else str(value) > str(since)


def _reached(state: Mapping[str, Any], frame: pl.DataFrame, cursor: str) -> dict[str, Any]:
    """The largest value of the cursor in this collection so far, and a digest of each new row that has it."""
    values = frame[cursor]
    if values.null_count() == frame.height:
        return dict(state)
    largest, before = _plain(values.max()), state.get("reached")
    if before is not None and _is_after(before, largest):
        return dict(state)
    marks = marks_of(frame.filter(values == values.max()))
    return {**state, "reached": largest, "at_reached": [*(state["at_reached"] if largest == before else ()), *marks]}


def _settled(task: Task, state: Mapping[str, Any]) -> dict[str, Any]:
    """The state when all pages were read: the next collection begins where this one came to."""
    since, reached = state.get("since"), state.get("reached")
    told = {"columns": state.get("columns", {})}
    if reached is None or (since is not None and _is_after(since, reached)):
        return {**told, "since": since, "at_last": state.get("at_last", [])}
    before = recalled(task.store, state) if reached == since else []
    return {**told, "since": reached, "at_last": kept(task.store, [*before, *state.get("at_reached", [])])}
