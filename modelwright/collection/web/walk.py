"""The walk itself: take what is due, ask, keep, go on. It knows nothing of the library that asks."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Any

from modelwright.collection.web import warc
from modelwright.collection.web.addresses import canonical, host_of
from modelwright.collection.web.base import WebSpec
from modelwright.collection.web.frontier import Found, Frontier, Job, Outcome
from modelwright.collection.web.links import leads
from modelwright.collection.web.pace import Pace
from modelwright.collection.web.robots import CLOSED, FREE, MAX_BYTES, Robots, parse
from modelwright.collection.web.scope import Scope
from modelwright.collection.web.sitemaps import addresses_in

MOST_HOPS = {"robots": 5, "sitemap": 5, "page": 10}
MOST_NESTED = 2
PASSING = (408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524)
READ_TYPES = ("text/html", "application/xhtml+xml", "text/plain", "")
MOST_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What asking gave: a status with headers (names in small letters) and body, or a trouble and its kind."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    trouble: str = ""
    passing: bool = False
    wait_s: float = 0.0

    @property
    def type(self) -> str:
        """The kind of content, as the server names it."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


Ask = Callable[[Job, dict[str, str]], Awaitable[Answer]]


class Walk:
    """One round of one walk."""

    def __init__(self, spec: WebSpec, frontier: Frontier, ask: Ask, tell: Callable[..., None]) -> None:
        self._spec, self._frontier, self._ask, self._tell = spec, frontier, ask, tell
        self._scope = Scope(spec)
        self._robots: dict[str, Robots] = {}
        self._paces: dict[str, Pace] = {}
        self._stopped = False

    def stop(self) -> None:
        """End after the requests under way; the next walk goes on from here."""
        self._stopped = True

    async def run(self) -> None:
        """Until nothing in scope is left, or enough pages are there."""
        goes_on = self._frontier.begin(self._starts())
        self._meet(self._frontier.hosts())
        self._n_pages = self._frontier.pages()
        self._tell("begun", round=self._frontier.round, n_pages=self._n_pages)
        if goes_on:
            self._tell("note", text=f"going on with a walk that was broken off; pages so far: {self._n_pages:,}")
        running: set[asyncio.Task[None]] = set()
        while not self._stopped:
            now_s = time.monotonic()
            while len(running) < self._spec.concurrency and (job := self._take(now_s, len(running))):
                running.add(asyncio.create_task(self._do(job)))
            if not running and (not self._paces or self._n_pages >= self._spec.max_pages):
                break
            running = await self._pause(running)
        if running:
            await asyncio.wait(running)
        if not self._stopped:
            self._frontier.finish()
            self._tell("finished", n_pages=self._n_pages)

    async def _pause(self, running: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
        """Until a request ends or a host is due."""
        free = [pace.next_s for pace in self._paces.values() if len(pace.asked) < self._spec.per_host]
        wait_s = min(max(min(free, default=0.0) - time.monotonic(), 0.001), MOST_PAUSE_S)
        if len(running) >= self._spec.concurrency or not free:
            wait_s = MOST_PAUSE_S
        if not running:
            await asyncio.sleep(wait_s)
            return running
        done, running = await asyncio.wait(running, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        return running

    def _starts(self) -> list[Found]:
        starts = [canonical(address) or "" for address in self._spec.start]
        return [Found(url=url, kind="sitemap" if _is_sitemap(url) else "page") for url in starts]

    def _meet(self, hosts: list[str]) -> None:
        for host in hosts:
            self._paces.setdefault(host, Pace(self._spec.delay_s))

    def _take(self, now_s: float, n_running: int) -> Job | None:
        """The next address whose host is due; hosts are asked in turn."""
        for host in list(self._paces):
            pace = self._paces[host]
            if len(pace.asked) >= self._spec.per_host or pace.next_s > now_s:
                continue
            job = self._next_of(host, pace)
            if job is None:
                continue
            if job.kind == "page" and self._n_pages + n_running >= self._spec.max_pages:
                return None
            self._paces[host] = self._paces.pop(host)  # to the end of the line
            pace.asked.add(job.id)
            pace.began(now_s)
            return job
        return None

    def _next_of(self, host: str, pace: Pace) -> Job | None:
        while True:
            job, due_s = self._frontier.next_of(host, pace.asked)
            if job is None:
                if not pace.asked:
                    del self._paces[host]
                return None
            if due_s > time.time():
                pace.next_s = max(pace.next_s, time.monotonic() + due_s - time.time())
                return None
            reason = self._forbidden(job, pace)
            if reason == "wait":
                return None
            if not reason:
                return job
            self._frontier.settle(job, Outcome(state="refused", reason=reason))

    def _forbidden(self, job: Job, pace: Pace) -> str:
        if pace.closed:
            return "asked_to_wait"
        if job.kind == "robots":
            return ""
        robots = self._robots_of(job.origin, pace)
        if robots is None:
            return "wait"
        if robots is CLOSED:
            return "robots_unreachable"
        return "" if robots.allowed(job.url) else "robots"

    def _robots_of(self, origin: str, pace: Pace) -> Robots | None:
        if origin not in self._robots:
            kept = self._frontier.robots_of(origin)
            if kept is None:
                return None
            self._know(origin, kept, pace)
        return self._robots[origin]

    def _know(self, origin: str, kept: dict[str, Any], pace: Pace) -> Robots:
        if kept["text"] is None:
            robots = CLOSED if kept["closed"] else FREE
        else:
            robots = parse(kept["text"].encode("latin-1"), self._spec.agent)
        self._robots[origin] = robots
        pace.told_s = max(pace.told_s, robots.delay_s)
        pace.next_s = max(pace.next_s, time.monotonic() + pace.told_s)
        return robots

    async def _do(self, job: Job) -> None:
        pace = self._paces[job.host]
        began_s = time.monotonic()
        headers = {}
        if job.digest and job.etag:
            headers["If-None-Match"] = job.etag
        if job.digest and job.modified:
            headers["If-Modified-Since"] = job.modified
        answer = await self._ask(job, headers)
        now_s = time.monotonic()
        pace.answered(now_s=now_s, latency_s=(now_s - began_s) / self._spec.per_host, good=answer.status == 200)
        outcome = self._judge(job, answer, pace)
        new = self._frontier.settle(job, outcome)
        pace.asked.discard(job.id)
        self._meet([host_of(url) for url in new])
        self._meet([host_of(outcome.moved_to)] if outcome.moved_to else [])
        if job.kind == "page" and outcome.state == "done" and (outcome.digest or answer.status == 304):
            self._n_pages += 1
            self._tell("page", url=job.url, n_pages=self._n_pages, status=answer.status)

    def _judge(self, job: Job, answer: Answer, pace: Pace) -> Outcome:
        """What an answer means."""
        again = self._again(job, answer, pace)
        if again is not None:
            return again
        moved = answer.headers.get("location") if answer.status in (301, 302, 303, 307, 308) else None
        if moved is not None:
            return self._moved(job, canonical(moved, job.url), answer)
        if job.kind == "robots":
            return self._robots_answer(job, answer, pace)
        if answer.trouble:
            return Outcome(state="failed", reason=answer.trouble)
        if answer.status == 304 and job.digest:
            return self._unchanged(job)
        if answer.status != 200:
            return Outcome(state="done", reason=f"status_{answer.status}", status=answer.status, at_s=time.time())
        return self._sitemap(job, answer) if job.kind == "sitemap" else self._page(job, answer)

    def _again(self, job: Job, answer: Answer, pace: Pace) -> Outcome | None:
        """A passing failure is tried again, later each time, and no sooner than the host says."""
        passing = answer.passing or answer.status in PASSING
        if not passing:
            return None
        wait_s = max(retry_after_s(answer.headers.get("retry-after", ""), time.time()), 0.0)
        if answer.status in (429, 503):
            pace.pressed(wait_s)
        if wait_s > self._spec.max_wait_s:
            pace.closed = True
            return None if job.kind == "robots" else Outcome(state="failed", reason="asked_to_wait")
        if job.attempts >= self._spec.retries:
            if job.kind == "robots":
                return None
            return Outcome(state="failed", reason=answer.trouble or f"status_{answer.status}")
        pause_s = max(wait_s, answer.wait_s, min(max(self._spec.delay_s, 0.1) * 2**job.attempts, 60.0))
        self._tell("retry", url=job.url, attempt=job.attempts + 1, why=answer.trouble or f"status {answer.status}")
        return Outcome(state="waiting", due_s=time.time() + pause_s)

    def _moved(self, job: Job, target: str | None, answer: Answer) -> Outcome:
        reason = "no_address" if target is None else ""
        if target and job.hops >= MOST_HOPS[job.kind]:
            reason = "too_many_redirects"
        if job.kind == "page" and target and not reason:
            reason = self._scope.outside(target)
        elif target and not reason and self._scope.outside(target) == "private_address":
            reason = "private_address"
        if job.kind != "page" and target and not reason:
            return Outcome(state="waiting", moved_to=target)
        if job.kind == "robots":
            self._keep_robots(job, None, closed=False)
            return Outcome(state="done", reason=reason)
        found = (Found(url=target, depth=job.depth, hops=job.hops + 1),) if target and not reason else ()
        refused = ((reason, target or ""),) if reason else ()
        return Outcome(
            state="done", reason=reason or "moved", status=answer.status, at_s=time.time(), found=found, refused=refused
        )

    def _robots_answer(self, job: Job, answer: Answer, pace: Pace) -> Outcome:
        """RFC 9309, 2.3.1: a 4xx allows everything, what cannot be reached forbids everything."""
        text = answer.body[: MAX_BYTES + 1].decode("latin-1") if answer.status == 200 and not answer.trouble else None
        if answer.trouble == "too_large":
            text = answer.body[: MAX_BYTES + 1].decode("latin-1")
        closed = text is None and (bool(answer.trouble) or answer.status >= 500 or answer.status == 429)
        kept = self._keep_robots(job, text, closed=closed)
        robots = self._know(job.origin, kept, pace)
        found: list[Found] = []
        if self._spec.sitemaps:
            named = [canonical(one, job.url) for one in robots.sitemaps[:100]]
            found = [Found(url=one, kind="sitemap") for one in named if one and not self._scope.outside(one)]
        reason = "closed" if closed else ""
        return Outcome(state="done", reason=reason, status=answer.status, at_s=time.time(), found=tuple(found))

    def _keep_robots(self, job: Job, text: str | None, *, closed: bool) -> dict[str, Any]:
        kept = {"text": text, "closed": closed}
        self._frontier.keep_robots(job.origin, kept)
        return kept

    def _sitemap(self, job: Job, answer: Answer) -> Outcome:
        pages, others = addresses_in(answer.body, job.url)
        wanted, refused = self._scope.triage(tuple(pages), replace(job, depth=0), self._frontier)
        if job.depth < MOST_NESTED:
            inner = [one for one in others if not self._scope.outside(one)]
            wanted += [Found(url=one, kind="sitemap", depth=job.depth + 1) for one in inner]
        return Outcome(
            state="done", status=200, at_s=time.time(), found=tuple(wanted), refused=tuple(refused), type=answer.type
        )

    def _page(self, job: Job, answer: Answer) -> Outcome:
        if answer.type not in READ_TYPES:
            return Outcome(state="done", reason="type", status=200, type=answer.type, at_s=time.time())
        found = leads(answer.body, job.url, answer.headers) if answer.type != "text/plain" else None
        wanted, refused = self._scope.triage(found.links if found else (), job, self._frontier)
        at_s, digest = time.time(), hashlib.sha256(answer.body).hexdigest()
        return Outcome(
            state="done",
            reason="" if found is None or found.index else "noindex",
            status=200,
            type=answer.headers.get("content-type", ""),
            etag=answer.headers.get("etag"),
            modified=answer.headers.get("last-modified"),
            at_s=at_s,
            digest=digest,
            record=warc.response(job.url, at_s, 200, answer.headers.items(), answer.body, digest),
            found=tuple(wanted),
            refused=tuple(refused),
        )

    def _unchanged(self, job: Job) -> Outcome:
        found = leads(self._frontier.body(job), job.url, {})
        wanted, refused = self._scope.triage(found.links, job, self._frontier)
        record = warc.unchanged(job.url, time.time(), job.digest or "")
        reason = "" if found.index else "noindex"
        return Outcome(state="done", reason=reason, record=record, found=tuple(wanted), refused=tuple(refused))


def retry_after_s(text: str, now_s: float) -> float:
    """Seconds that a `Retry-After` asks for: a number or a date; 0 for what is neither.

    >>> retry_after_s("120", 0.0), retry_after_s("Thu, 01 Jan 1970 00:01:00 GMT", 0.0), retry_after_s("soon", 0.0)
    (120.0, 60.0, 0.0)
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_s)
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _is_sitemap(url: str) -> bool:
    return url.lower().endswith((".xml", ".xml.gz"))
