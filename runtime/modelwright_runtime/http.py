"""HTTP/1.1 on asyncio with httptools: one connection, its requests answered in order, its patience limited.

What is answered is the service's business (`service.Service`); this module knows bytes, time and order only.
Reference: RFC 9110 and RFC 9112.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Protocol

import httptools

LOG = logging.getLogger("modelwright_runtime")
JSON_TYPE = "application/json"
_MAX_URL_BYTES = 8_192
_MAX_HEAD_BYTES = 32_768
_LINGER_S = 2.0  # how long a refused client may go on sending before the connection is cut
_SWEEP_S = 0.25
_READ_BYTES = 262_144
_METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a client may ask for. Times in seconds, sizes in bytes."""

    max_body_bytes: int = 10_000_000
    max_rows: int = 100_000
    request_timeout_s: float = 30.0
    idle_timeout_s: float = 75.0
    grace_s: float = 10.0
    max_connections: int = 1_000
    max_queue_rows: int = 10_000


@dataclass(slots=True)
class Request:
    """A whole request. Header names are lower case. `known` is what the service found out from its head."""

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    body: bytes = b""
    known: Any = None
    began_s: float = 0.0


@dataclass(slots=True)
class Response:
    """A whole answer."""

    status: int
    body: bytes
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()


class Answers(Protocol):
    """What a `Hub` serves. `gate` sees a request's head and may refuse before its body is read; `begin` answers at
    once, or calls `reply` in the next turn of the loop; `answer` is asked from a thread."""

    def gate(self, request: Request) -> Response | None: ...

    def is_slow(self, request: Request) -> bool: ...

    def begin(self, request: Request, reply: Callable[[Response], None], *, alone: bool) -> Response | None: ...

    def answer(self, request: Request) -> Response: ...

    def count(self, status: int) -> None: ...

    def refusal(self, status: int, code: str, message: str, hint: str = "") -> Response: ...


@dataclass(eq=False)
class Hub:
    """What the connections of one server share."""

    service: Answers
    limits: Limits
    pool: Executor
    connections: set[Connection] = field(default_factory=set)
    draining: bool = False
    tell: Callable[[Request, Response, float], None] | None = None
    date: str = field(default_factory=lambda: formatdate(usegmt=True))
    arriving: memoryview = field(default_factory=lambda: memoryview(bytearray(_READ_BYTES)))
    """Where bytes arrive, of one connection at a time: each is through with them before the loop goes on."""

    async def sweep(self) -> None:
        """For ever: end what took too long, and keep the date."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_S)
            self.date = formatdate(usegmt=True)
            now = loop.time()
            for connection in [one for one in self.connections if one.deadline < now]:
                connection.out_of_time()

    async def drain(self) -> None:
        """Answer what has been asked, then close. Idle clients get a moment: their next request may be under way,
        and is answered with `Connection: close`, so that none is lost."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.limits.grace_s
        await asyncio.sleep(min(0.3, self.limits.grace_s))
        for connection in list(self.connections):
            connection.finish_if_idle()
        while self.connections and loop.time() < end:
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.abort()


class Connection(asyncio.BufferedProtocol):
    """One client. Requests that arrive while one is being answered, or faster than answers are read, wait."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.loop = asyncio.get_running_loop()
        self.parser = httptools.HttpRequestParser(self)
        self.transport: Any = None
        self.waiting: deque[tuple[Request, bool, Response | None]] = deque()
        self.deadline = math.inf
        self.is_busy = False
        self.is_aside = False  # a thread answers: what else arrives can wait
        self.is_paused = False
        self.is_stalled = False
        self.is_done = False  # the last answer is written; what still arrives is thrown away
        self.is_eof = False
        self.request = Request("", "", {})
        self._begin()
        self.in_message = False

    def _begin(self) -> None:
        self.url = b""
        self.headers: dict[bytes, bytes] = {}
        self.body: bytes | bytearray = b""
        self.n_head_bytes = self.n_field_bytes = 0
        self.in_head = True
        self.in_message = True
        self.early: Response | None = None

    # asyncio's side --------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.hub.connections.add(self)
        self.deadline = self.loop.time() + self.hub.limits.request_timeout_s
        if len(self.hub.connections) > self.hub.limits.max_connections:
            self._refuse(503, "request.busy", "too many connections are open.", "try again in a moment")

    def connection_lost(self, problem: Exception | None) -> None:
        self.hub.connections.discard(self)
        self.waiting.clear()
        self.is_done = True

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.hub.arriving

    def buffer_updated(self, nbytes: int) -> None:
        if self.is_done:
            return
        if self.in_head:
            self.n_head_bytes += nbytes
        try:
            self.parser.feed_data(self.hub.arriving[:nbytes])
        except httptools.HttpParserUpgrade:  # no other protocol is spoken: answered as HTTP/1.1, then closed
            return
        except httptools.HttpParserError as problem:
            if not self.is_done:
                self._refuse(400, "request.http", f"this is no HTTP request: {problem}.")
            return
        if self.in_message and self.in_head and self.n_head_bytes > _MAX_HEAD_BYTES and not self.is_done:
            self._refuse_head()

    def eof_received(self) -> bool:
        self.is_eof = True
        if self.in_message and not self.is_done:
            self._refuse(400, "request.http", "the request ended before it was whole.", "send it again")
        return self.is_busy or bool(self.waiting)

    def pause_writing(self) -> None:
        self.is_stalled = self.is_paused = True
        self.deadline = self.loop.time() + self.hub.limits.request_timeout_s
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.is_stalled = False
        self._go_on()

    # httptools' side ---------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if not self.is_done:
            self._begin()
            self.deadline = self.loop.time() + self.hub.limits.request_timeout_s

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > _MAX_URL_BYTES and not self.is_done:
            self._refuse(414, "request.head", f"the address is over {_MAX_URL_BYTES:,} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value
        self.n_field_bytes += len(name) + len(value)

    def on_headers_complete(self) -> None:
        self.in_head = False
        self.n_head_bytes = 0
        if self.is_done:
            return
        if self.n_field_bytes > _MAX_HEAD_BYTES:
            self._refuse_head()
            return
        if b"host" not in self.headers and self.parser.get_http_version() == "1.1":
            self._refuse(400, "request.http", "the request has no Host header.")
            return
        method = self.parser.get_method()
        name = _METHODS.get(method) or method.decode("ascii", "replace")
        self.request = Request(name, self.url.decode("latin-1"), self.headers, began_s=self.loop.time())
        self.early = self.hub.service.gate(self.request)
        if self.early is not None:
            if b"transfer-encoding" in self.headers or self.headers.get(b"content-length", b"0") != b"0":
                self._close_with(self.early)
        elif self.headers.get(b"expect", b"").lower() == b"100-continue" and not (self.is_busy or self.waiting):
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, part: bytes) -> None:
        if self.is_done:
            return
        limit = self.hub.limits.max_body_bytes
        if len(self.body) + len(part) > limit:
            self._refuse(413, "request.size", f"the body is over {limit:,} bytes.", "send the rows in several requests")
            return
        if not self.body:
            self.body = part
            return
        if isinstance(self.body, bytes):
            self.body = bytearray(self.body)  # a list of one-byte chunks would take 50 times the room
        self.body += part

    def on_message_complete(self) -> None:
        if self.is_done:
            return
        self.in_message = False
        self.in_head = True
        self.request.body = bytes(self.body)
        self.waiting.append((self.request, self.parser.should_keep_alive(), self.early))
        self.body = b""
        self._go_on()

    # answering ---------------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Answer what waits, in order, as far as the client reads; then listen again."""
        while self.waiting and not (self.is_busy or self.is_stalled or self.is_done):
            request, keep_alive, early = self.waiting.popleft()
            if early is not None:
                self._write(early, request, keep_alive=keep_alive)
            elif self.hub.service.is_slow(request):
                self._answer_aside(request, keep_alive=keep_alive)
            else:
                self._begin_answer(request, keep_alive=keep_alive)
        if self.is_done or self.transport.is_closing():
            return
        if self.is_stalled or self.waiting or self.is_aside:
            self.transport.pause_reading()
            self.is_paused = True
        elif not self.is_busy:
            if self.is_paused:
                self.transport.resume_reading()
                self.is_paused = False
            if self.is_eof:
                self.transport.close()

    def _begin_answer(self, request: Request, *, keep_alive: bool) -> None:
        """Answer now, or with what other clients have asked in this turn."""
        self.is_busy = True

        def reply(response: Response) -> None:
            self.is_busy = False
            if not self.is_done:
                self._write(response, request, keep_alive=keep_alive)
                if self.waiting or self.is_eof or self.is_paused:
                    self._go_on()

        response = self.hub.service.begin(request, reply, alone=len(self.hub.connections) == 1)
        if response is not None:
            self.is_busy = False
            self._write(response, request, keep_alive=keep_alive)

    def _answer_aside(self, request: Request, *, keep_alive: bool) -> None:
        self.is_busy = self.is_aside = True
        self.deadline = math.inf
        future = self.loop.run_in_executor(self.hub.pool, _answered, self.hub.service, request)

        def answered(done: asyncio.Future[Response]) -> None:
            self.is_busy = self.is_aside = False
            if not self.is_done:
                self._write(done.result(), request, keep_alive=keep_alive)
                self._go_on()

        future.add_done_callback(answered)

    def _write(self, response: Response, request: Request | None, *, keep_alive: bool) -> None:
        keep_alive = keep_alive and not self.hub.draining
        status, body = response.status, response.body
        more = "".join([f"{name}: {value}\r\n" for name, value in response.headers]) if response.headers else ""
        head = (
            f"{_STATUS_LINES[status]}Content-Type: {response.content_type}\r\nContent-Length: {len(body)}\r\n"
            f"Date: {self.hub.date}\r\nX-Content-Type-Options: nosniff\r\n"
            f"Connection: {'keep-alive' if keep_alive else 'close'}\r\n{more}\r\n"
        ).encode("latin-1")
        self.deadline = self.loop.time() + self.hub.limits.idle_timeout_s
        self.hub.service.count(status)
        if self.hub.tell is not None and request is not None:
            self.hub.tell(request, response, self.loop.time() - request.began_s if request.began_s else 0.0)
        self.transport.write(head if request is not None and request.method == "HEAD" else head + body)
        if not keep_alive:
            self._finish()

    def _refuse_head(self) -> None:
        self._refuse(431, "request.head", f"the request's head is over {_MAX_HEAD_BYTES:,} bytes.")

    def _refuse(self, status: int, code: str, message: str, hint: str = "") -> None:
        self._close_with(self.hub.service.refusal(status, code, message, hint))

    def _close_with(self, response: Response) -> None:
        """The last answer on this connection; earlier requests that still wait are answered first."""
        request = Request("POST", "", {})
        if self.is_busy or self.waiting:
            self.waiting.append((request, False, response))
        else:
            self._write(response, request, keep_alive=False)

    def _finish(self) -> None:
        """Close in a way that lets the client read the answer: say that no more comes, and let it hang up.

        Closing while it still sends would make the kernel throw the answer away (RFC 9112, 9.6).
        """
        self.is_done = True
        self.waiting.clear()
        self.deadline = self.loop.time() + _LINGER_S
        if self.is_eof or not self.transport.can_write_eof():
            self.transport.close()
        elif not self.transport.is_closing():
            self.transport.write_eof()
            self.transport.resume_reading()

    # time ----------------------------------------------------------------------------------------------------------

    def out_of_time(self) -> None:
        """The client was too slow to ask, to read, or to hang up."""
        if self.is_done or self.is_stalled:
            self.abort()
        elif self.in_message:
            self._refuse(408, "request.slow", "the request did not arrive in time.", "send it again")
        else:
            self._finish()

    def finish_if_idle(self) -> None:
        """Close unless a request is under way."""
        if not (self.is_busy or self.waiting or self.in_message or self.is_done):
            self._finish()

    def abort(self) -> None:
        """Cut the connection."""
        self.is_done = True
        self.transport.abort()


def _answered(service: Answers, request: Request) -> Response:
    try:
        return service.answer(request)
    except Exception as problem:  # noqa: BLE001  the edge: a defect of ours must not take the server down
        return guarded(problem, service)


def guarded(problem: Exception, service: Answers) -> Response:
    """The answer that a defect of ours gets; the traceback goes to the log."""
    LOG.error("a request failed", exc_info=problem)
    return service.refusal(500, "serve.fault", "the server failed on this request.", "see its log")
