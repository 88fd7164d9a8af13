"""A line socket: devices connect and send a line for each reading, JSON or CSV.

After lines are on the disk they are answered with `kept N`, where N counts the lines of that connection, so a device
that sends again what was not answered loses nothing; with `id` in the recipe, what comes again is dropped.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import queue
import selectors
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from modelwright.collection.streams.message import Message, now_us
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    from modelwright.collection.base import SourceSpec

MOST_WAITING = 20_000
MOST_CONNECTIONS = 500
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(eq=False)
class _Line:
    """One connection: what came of its next line, and how many lines it has sent and had answered."""

    socket: socket.socket
    name: str
    held: bytes = b""
    n_sent: int = 0
    is_in: bool = True


class LineReceiver:
    """Listens where the address says; another place than loopback asks each device for a token in its first line."""

    keeps = False

    def __init__(self, source: SourceSpec, session: str) -> None:
        where = urlsplit(source.source)
        stream = source.stream
        host, self._port = where.hostname or "127.0.0.1", where.port or 0
        self._most_bytes = stream.max_message_bytes if stream else 1 << 20
        self._secret = os.environ.get(stream.password, "") if stream and stream.password else ""
        if host not in LOOPBACK and not self._secret:
            raise UserError(
                "collection.broker", f"listening on {host} needs a token, which each device sends as its first line.",
                hint="name the environment variable that holds it: `stream: {password: DEVICE_TOKEN}`",
            )  # fmt: skip
        self._waiting: queue.Queue[Message] = queue.Queue(MOST_WAITING)
        self._told: queue.Queue[str] = queue.Queue()
        self._leaving = threading.Event()
        try:
            self._server = socket.create_server((host, self._port), family=socket.AF_INET6 if ":" in host else
                                                socket.AF_INET)  # fmt: skip
        except OSError as problem:
            raise UserError(
                "collection.broker", f"{host}:{self._port} cannot be listened on: {problem.strerror}.",
                hint="choose another port",
            ) from problem  # fmt: skip
        self._server.setblocking(False)
        self._told.put(f"listening for lines on {host}:{self._server.getsockname()[1]}")
        self._thread = threading.Thread(target=self._serve, daemon=True, name="lines")
        self._thread.start()

    def poll(self, seconds: float) -> list[Message]:
        """What has come."""
        found: list[Message] = []
        try:
            found.append(self._waiting.get(timeout=seconds))
            while len(found) < MOST_WAITING:
                found.append(self._waiting.get_nowait())
        except queue.Empty:
            pass
        return found

    def acknowledge(self, messages: list[Message]) -> None:
        """Tell each device how many of its lines are kept."""
        counts: dict[_Line, int] = {}
        for message in messages:
            if message.token is not None:
                line, number = message.token
                counts[line] = max(number, counts.get(line, 0))
        for line, number in counts.items():
            with contextlib.suppress(OSError):
                line.socket.sendall(f"kept {number}\n".encode())

    def is_known(self, message: Message, marks: Mapping[str, int]) -> bool:
        """Whether a line with the same id is here."""
        return bool(message.mark) and message.mark in marks

    def told(self) -> list[str]:
        """What the connections did."""
        found = []
        while not self._told.empty():
            found.append(self._told.get_nowait())
        return found

    def close(self) -> None:
        """Stop listening."""
        self._leaving.set()
        self._thread.join(5.0)
        self._server.close()

    # The thread that reads ----------------------------------------------------------------------------------------

    def _serve(self) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(self._server, selectors.EVENT_READ)
            while not self._leaving.is_set():
                for key, _ in ready.select(0.1):
                    if key.data is None:
                        self._accept(ready)
                    elif not self._read(key.data):
                        ready.unregister(key.data.socket)
                        key.data.socket.close()
            for key in list(ready.get_map().values()):
                if key.data is not None:
                    key.data.socket.close()

    def _accept(self, ready: Any) -> None:
        with contextlib.suppress(OSError):
            one, address = self._server.accept()
            if len(ready.get_map()) > MOST_CONNECTIONS:
                one.close()
                return
            one.settimeout(5.0)
            line = _Line(one, str(address[0]), is_in=not self._secret)
            ready.register(one, selectors.EVENT_READ, line)

    def _read(self, line: _Line) -> bool:
        """Take what came; False where the connection is to end."""
        try:
            came = line.socket.recv(1 << 16)
        except OSError:
            return False
        *whole, line.held = (line.held + came).split(b"\n")
        for one in whole:
            if not line.is_in:
                line.is_in = hmac.compare_digest(one.strip(), self._secret.encode())
                if not line.is_in:
                    self._told.put(f"{line.name} did not send the token: its connection was ended")
                    return False
                continue
            line.n_sent += 1
            if one.strip():
                self._put(Message("", one.rstrip(b"\r"), now_us(), token=(line, line.n_sent)))
        if len(line.held) > self._most_bytes:
            self._told.put(f"{line.name} sent a line of more than {self._most_bytes:,} bytes: its connection was ended")
            return False
        return bool(came)

    def _put(self, message: Message) -> None:
        while not self._leaving.is_set():
            with contextlib.suppress(queue.Full):
                self._waiting.put(message, timeout=0.2)
                return
