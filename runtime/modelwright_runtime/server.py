"""`serve`: models behind HTTP on one event loop, or on one for each worker, until a signal asks to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelwright_runtime.deployment import STATE
from modelwright_runtime.errors import SystemFault, UserError, WrightError
from modelwright_runtime.http import Connection, Hub, Limits
from modelwright_runtime.model import Model, load
from modelwright_runtime.pages import curl_line
from modelwright_runtime.routing import Route, open_route, retire
from modelwright_runtime.service import Service
from modelwright_runtime.telling import Tell, access_log, several, traces
from modelwright_runtime.workers import Peers, in_workers

LOG = logging.getLogger("modelwright_runtime")
__all__ = ["Limits", "Setup", "curl_line", "serve"]
_BACKLOG = 1024
_WATCH_S = 0.25
_SWITCH_S = 0.0002
_GC_OBJECTS = 20_000  # a request leaves about ten for a quarter of a second, until they are logged; none in a circle
_RETIRE_S = 1.0  # what has begun with a version that was taken out has long been answered then
Served = Model | Route | str | Path


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How the server runs. `workers` processes share the port (packages given by path only); `tls` are the files of
    certificate and key; `log_requests` writes a line of JSON for each request on standard error; `traces` is the
    address of an OTLP collector, such as `http://localhost:4318`."""

    workers: int = 1
    tls: tuple[str | Path, str | Path] | None = None
    log_requests: bool = False
    traces: str = ""


def serve(
    models: Served | Sequence[Served],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    limits: Limits | None = None,
    ready: Callable[[str], object] | None = None,
    setup: Setup | None = None,
) -> None:
    """Answer over HTTP until SIGINT or SIGTERM, then finish the requests under way and return.

    `models` are loaded models, paths of packages, or deployment folders, whose champion and challenger are followed:
    another one there answers from the next request on. `POST /predict` asks the first, `POST /models/NAME/predict`
    any, `POST /v2/models/NAME/infer` by the Open Inference Protocol; `GET /`, `/docs`, `/openapi.json`, `/health`,
    `/status` and `/metrics` tell about them. Port 0 takes a free one; `ready` is called with the address, for example
    `http://127.0.0.1:8000`, once it answers. Hosts other than loopback need a `token`, which callers send as
    `Authorization: Bearer TOKEN`. A second signal stops at once.

    Raises `UserError` `serve.host`, `serve.token`, `serve.models`, `serve.workers`, `serve.tls`, `serve.traces` and
    `serve.port`.
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
    listed = [models] if isinstance(models, (Model, Route, str, Path)) else list(models)
    setup = setup or Setup()
    workers, secure = setup.workers, _secure(setup.tls)
    listener = _listener(host, port)

    def work(peers: Peers) -> None:
        told = (lambda address: None) if ready is None or not peers.is_first else ready
        service = Service([opened(model) for model in listed], token=token, limits=limits, others=peers.others)
        _work(service, listener, peers, secure, setup, told)

    with contextlib.closing(listener):
        if workers == 1:
            work(Peers(None))
        elif workers < 1 or any(isinstance(model, (Model, Route)) for model in listed):
            raise UserError(
                "serve.workers", f"`workers` must be 1 or more, of packages given by path; got {workers}.",
                hint="serve(['income.wright'], setup=Setup(workers=4))",
            )  # fmt: skip
        else:
            in_workers(workers, work)


def _work(
    service: Service, listener: socket.socket, peers: Peers, secure: ssl.SSLContext | None, setup: Setup,
    ready: Callable[[str], object],
) -> None:  # fmt: skip
    tells: list[Tell] = [access_log()] if setup.log_requests else []
    tell_trace, end_traces = traces(setup.traces) if setup.traces else (None, lambda: None)
    tells += [tell_trace] if tell_trace else []
    try:
        with _tuned(), ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="predict") as pool:
            hub = Hub(service, service.limits, pool, tell=several(tells))
            asyncio.run(_serve(hub, service, listener, secure, ready, peers))
    finally:
        end_traces()
        for route in service.routes.values():
            retire(route, None)


@contextlib.contextmanager
def _tuned() -> Iterator[None]:
    """What is loaded is looked through no more for garbage in circles, and what comes, seldom: 7 % of the time else.
    And the threads of the log and of the shadow give way to the answering sooner than after Python's 5 ms."""
    before, interval_s = gc.get_threshold(), sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_OBJECTS, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
        sys.setswitchinterval(interval_s)


def opened(model: Served) -> Model | Route:
    """A package, or what a deployment folder stands for now."""
    if isinstance(model, (Model, Route)):
        return model
    return open_route(Path(model)) if Path(model).is_dir() else load(model)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host of that name.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("")
    (True, True, False, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _serve(
    hub: Hub, service: Service, bound: socket.socket, secure: ssl.SSLContext | None,
    ready: Callable[[str], object], peers: Peers,
) -> None:  # fmt: skip
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    service.n_connections = lambda: len(hub.connections)

    def stop_asked() -> None:
        if stop.is_set():  # asked twice: now
            for connection in list(hub.connections):
                connection.abort()
        stop.set()

    listener = await loop.create_server(lambda: Connection(hub), sock=bound, backlog=_BACKLOG, ssl=secure)
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError):  # Windows, or not the main thread
            loop.add_signal_handler(name, stop_asked)
    beside = [loop.create_task(hub.sweep()), loop.create_task(_follow(service, hub))]
    if peers.folder is not None:
        beside.append(loop.create_task(peers.publish(service.samples)))
    try:
        ready(_address(bound, "https" if secure else "http"))
        await stop.wait()
        hub.draining = True
        if peers.folder is None:
            await _close_door(listener, hub)
        listener.close()
        await hub.drain()
    finally:
        for task in beside:
            task.cancel()
        listener.close()


async def _follow(service: Service, hub: Hub) -> None:
    """For ever: when a deployment's state has changed, load what it says now, and serve that."""
    loop = asyncio.get_running_loop()
    seen = {name: _mark(route) for name, route in service.routes.items()}
    while True:
        await asyncio.sleep(_WATCH_S)
        for name, route in list(service.routes.items()):
            mark = _mark(route)
            if route.folder is None or mark is None or mark == seen.get(name):
                continue
            seen[name] = mark
            try:
                after = await loop.run_in_executor(hub.pool, lambda route=route: open_route(route.folder, before=route))  # type: ignore[misc]
            except (WrightError, OSError) as problem:
                LOG.error("%s stays as it is: the new state cannot be served: %s", name, problem)
                continue
            if after.revision == route.revision:
                continue
            service.replace([after if one is route else one for one in service.routes.values()])
            LOG.info("%s: version %d answers now", name, after.champion.version)
            loop.call_later(_RETIRE_S, lambda a=route, b=after: hub.pool.submit(retire, a, b))  # type: ignore[misc]


def _mark(route: Route) -> tuple[int, int] | None:
    """What tells that a deployment's file is another one; None where there is none."""
    if route.folder is None:
        return None
    try:
        stat = (route.folder / STATE).stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns


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


def _address(bound: Any, scheme: str) -> str:
    host, port = bound.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _listener(host: str, port: int) -> socket.socket:
    """A bound socket, not yet listening."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except (OSError, OverflowError) as problem:
        raise _port_error(problem, host, port) from None
    return bound


def _secure(tls: tuple[str | Path, str | Path] | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(*tls)
    except (OSError, ssl.SSLError) as problem:
        raise UserError(
            "serve.tls", f"{tls[0]} and {tls[1]} are no certificate and key: {problem}.", hint="PEM files, both"
        ) from None
    return context


def _port_error(problem: Exception, host: str, port: int) -> UserError | SystemFault:
    reason = getattr(problem, "strerror", None) or str(problem)
    return UserError(
        "serve.port",
        f"{host}:{port} cannot be listened on: {reason}.",
        hint="choose another with --port, or --port 0 for a free one",
    )
