"""`serve`: models behind HTTP on one event loop, until a signal asks to stop."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from modelwright_runtime.errors import SystemFault, UserError
from modelwright_runtime.http import Connection, Hub, Limits
from modelwright_runtime.model import Model
from modelwright_runtime.pages import curl_line
from modelwright_runtime.service import Service

__all__ = ["Limits", "curl_line", "serve"]
_BACKLOG = 1024


def serve(
    models: Model | Sequence[Model],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    limits: Limits | None = None,
    ready: Callable[[str], object] | None = None,
) -> None:
    """Answer over HTTP until SIGINT or SIGTERM, then finish the requests under way and return.

    `POST /predict` asks the first model, `POST /models/NAME/predict` any; `GET /`, `/docs`, `/openapi.json` and
    `/health` tell about them. Port 0 takes a free one; `ready` is called with the address, for example
    `http://127.0.0.1:8000`, once it answers. Hosts other than loopback need a `token`, which callers send as
    `Authorization: Bearer TOKEN`. A second signal stops at once.

    Raises `UserError` `serve.host`, `serve.token`, `serve.models` and `serve.port`.
    """
    if not is_loopback(host) and not token:
        raise UserError(
            "serve.host",
            f"`host` {host!r} can be reached from other machines, and no token is set.",
            hint="set WRIGHT_TOKEN (or token=...), or stay on 127.0.0.1",
        )
    if token is not None and (len(token) < 16 or not token.isascii() or not token.isprintable()):
        raise UserError(
            "serve.token",
            f"`token` must be 16 or more printable ASCII characters; got {len(token)}.",
            hint='python -c "import secrets; print(secrets.token_urlsafe())"',
        )
    chosen = limits or Limits()
    listed = [models] if isinstance(models, Model) else list(models)
    service = Service(listed, token=token, limits=chosen)
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="predict") as pool:
        asyncio.run(_serve(Hub(service, chosen, pool), host, port, ready))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host of that name.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("")
    (True, True, False, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _serve(hub: Hub, host: str, port: int, ready: Callable[[str], object] | None) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def stop_asked() -> None:
        if stop.is_set():  # asked twice: now
            for connection in list(hub.connections):
                connection.abort()
        stop.set()

    try:
        listener = await loop.create_server(lambda: Connection(hub), host, port, backlog=_BACKLOG)
    except (OSError, OverflowError) as problem:
        raise _port_error(problem, host, port) from None
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError):  # Windows, or not the main thread
            loop.add_signal_handler(name, stop_asked)
    sweeping = loop.create_task(hub.sweep())
    try:
        if ready is not None:
            ready(_address(listener.sockets[0]))
        await stop.wait()
        hub.draining = True
        await _close_door(listener, hub)
        await hub.drain()
    finally:
        sweeping.cancel()
        listener.close()


async def _close_door(listener: asyncio.Server, hub: Hub) -> None:
    """Stop listening, but first let in whoever stands in the kernel's queue: closing would reset them all."""
    late = []
    for bound in listener.sockets:
        door = bound.dup()
        door.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                late.append(door.accept()[0])
        door.close()
    listener.close()
    loop = asyncio.get_running_loop()
    for client in late:
        client.setblocking(False)
        await loop.connect_accepted_socket(lambda: Connection(hub), client)


def _address(socket: Any) -> str:
    host, port = socket.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _port_error(problem: Exception, host: str, port: int) -> UserError | SystemFault:
    reason = getattr(problem, "strerror", None) or str(problem)
    return UserError(
        "serve.port",
        f"{host}:{port} cannot be listened on: {reason}.",
        hint="choose another with --port, or --port 0 for a free one",
    )
