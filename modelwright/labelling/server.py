"""The labelling server: one asyncio process on the house's own HTTP, until a signal asks to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from modelwright.core.errors import UserError
from modelwright.labelling.lessons import keep_teaching, learner
from modelwright.labelling.people import Person, token_of
from modelwright.labelling.service import LabelService
from modelwright.labelling.store import Project
from modelwright_runtime.http import Connection, Hub

_BACKLOG = 256
_THREADS = 2


def serve_labelling(
    project: Project, people: Sequence[Person], *, host: str = "127.0.0.1", port: int = 0,
    ready: Callable[[str], object] | None = None,
) -> None:  # fmt: skip
    """Serve a project's page and API until SIGINT or SIGTERM, then answer what is under way and return.

    Everybody has a token (`token_of`), also on loopback; other hosts can be served, and should stand behind TLS.
    `ready` is called with the address, such as `http://127.0.0.1:8001`. Raises `UserError("serve.port")`.
    """
    service = LabelService(project, people)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="label") as pool, contextlib.ExitStack() as learning:
        hub = Hub(service, service.limits, pool)
        beside: list[Callable[[], Coroutine[Any, Any, None]]] = [hub.sweep]
        if project.spec.order == "teaching":
            process = learning.enter_context(learner())
            beside.append(lambda: keep_teaching(service.desk, process))
        asyncio.run(_serve(hub, host, port, ready or (lambda address: None), beside))


async def _serve(
    hub: Hub, host: str, port: int, ready: Callable[[str], object],
    beside: Sequence[Callable[[], Coroutine[Any, Any, None]]],
) -> None:  # fmt: skip
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    try:
        listener = await loop.create_server(lambda: Connection(hub), host, port, backlog=_BACKLOG)
    except (OSError, OverflowError) as problem:
        raise UserError(
            "serve.port", f"{host}:{port} cannot be listened on: {getattr(problem, 'strerror', None) or problem}.",
            hint="choose another with --port, or --port 0 for a free one",
        ) from None  # fmt: skip
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # Windows, or not the main thread
            loop.add_signal_handler(number, stop.set)
    tasks = [loop.create_task(begin()) for begin in beside]
    try:
        bound_host, bound_port = listener.sockets[0].getsockname()[:2]
        ready(f"http://[{bound_host}]:{bound_port}" if ":" in bound_host else f"http://{bound_host}:{bound_port}")
        await stop.wait()
        hub.draining = True
        listener.close()
        await hub.drain()
    finally:
        for task in tasks:
            task.cancel()
        listener.close()


def address_of(project: Project, person: Person, address: str) -> str:
    """What a person opens: the token stands behind `#`, where no server and no log sees it."""
    return f"{address}/#{quote(token_of(project, person))}"
