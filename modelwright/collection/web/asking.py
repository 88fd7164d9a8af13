"""One request through Scrapy's downloader: the address checked where it is connected to, the answer bounded."""

from __future__ import annotations

import asyncio
import socket
import time
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from scrapy import Request, signals
from scrapy.core.downloader.handlers.http11 import (
    HTTP11DownloadHandler,
    _LenientHTTP11ClientFactory,
    _LenientHTTP11ClientProtocol,
)
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadConnectionRefusedError,
    DownloadTimeoutError,
    IgnoreRequest,
    StopDownload,
)
from twisted.internet.interfaces import IHostnameResolver, IResolutionReceiver
from twisted.web._newclient import HEADER, STATUS
from zope.interface import implementer

from modelwright.collection.web.addresses import is_public
from modelwright.collection.web.base import WebSpec
from modelwright.collection.web.frontier import Job
from modelwright.collection.web.proxies import Proxies
from modelwright.collection.web.walk import READ_TYPES, Answer

if TYPE_CHECKING:
    from scrapy.crawler import Crawler
    from scrapy.http import Headers, Response

MAX_HEADER_BYTES = 256 * 1024
LOOK_AGAIN_S = 300.0
IDLE_S = 4
"""Servers close idle connections after 5 seconds or more; one that is reused too late costs a retry."""
NO_NETWORK = dict.fromkeys(("file", "ftp", "s3", "data"))


def agent_string(spec: WebSpec) -> str:
    """What the crawler calls itself.

    >>> agent_string(WebSpec(contact="https://example.org/robot")).startswith("Modelwright/")
    True
    """
    try:
        number = version("modelwright")
    except PackageNotFoundError:  # a checkout that was not installed
        number = "0"
    return f"{spec.agent}/{number}" + (f" (+{spec.contact})" if spec.contact else "")


def settings_of(spec: WebSpec, plan: object) -> dict[str, Any]:
    """Scrapy's settings: its downloader alone, with nothing that follows, retries or remembers by itself."""
    handler = f"{__name__}.BoundedHandler"
    return {
        "MODELWRIGHT_PLAN": plan,
        "MODELWRIGHT_PRIVATE": spec.allow_private,
        "USER_AGENT": agent_string(spec),
        "DOWNLOAD_HANDLERS": {**NO_NETWORK, "http": handler, "https": handler},
        "DNS_RESOLVER": f"{__name__}.CheckedResolver",
        "TWISTED_DNS_RESOLVER": f"{__name__}.CheckedResolver",
        "DOWNLOAD_VERIFY_CERTIFICATES": True,
        "DOWNLOAD_TIMEOUT": spec.timeout_s,
        "DOWNLOAD_MAXSIZE": spec.max_bytes,
        "DOWNLOAD_WARNSIZE": 0,
        "CONCURRENT_REQUESTS": spec.concurrency,
        "CONCURRENT_REQUESTS_PER_DOMAIN": spec.per_host,
        "DOWNLOAD_DELAY": 0,
        "COOKIES_ENABLED": False,
        "REDIRECT_ENABLED": False,
        "METAREFRESH_ENABLED": False,
        "RETRY_ENABLED": False,
        "ROBOTSTXT_OBEY": False,
        "HTTPPROXY_ENABLED": False,
        "TELNETCONSOLE_ENABLED": False,
        "LOG_ENABLED": False,
        "LOG_INSTALL_ROOT_HANDLER": False,
    }


class Asker:
    """Asks one address after the other; every trouble becomes an `Answer` that names it."""

    def __init__(self, spec: WebSpec, crawler: Crawler) -> None:
        self._spec, self._crawler = spec, crawler
        self._proxies = Proxies(spec)
        self._looked: dict[str, tuple[float, bool]] = {}
        CheckedResolver.trusted = frozenset(self._proxies.hosts)
        crawler.signals.connect(self._heading, signal=signals.headers_received)

    async def ask(self, job: Job, headers: dict[str, str]) -> Answer:
        """One answer, or what went wrong."""
        proxy = self._proxies.of(job.url)
        meta: dict[str, Any] = {"kind": job.kind}
        if proxy is not None:
            if await self._leads_inside(job.host):
                return Answer(trouble="private_address")
            meta["proxy"] = proxy.address
            headers = {**headers, **({"Proxy-Authorization": proxy.credentials} if proxy.credentials else {})}
        elif job.host in CheckedResolver.trusted and not self._spec.allow_private:
            return Answer(trouble="private_address")
        request = Request(job.url, headers=headers, meta=meta, dont_filter=True)
        try:
            response = await self._engine.download_async(request)
        except Exception as problem:  # noqa: BLE001 - whatever a server does ends its own request only
            return self._trouble(job, problem)
        return _answer(response)

    @property
    def _engine(self) -> Any:
        return self._crawler.engine

    def _trouble(self, job: Job, problem: Exception) -> Answer:
        if job.host in CheckedResolver.blocked:
            return Answer(trouble="private_address")
        if isinstance(problem, DownloadTimeoutError):
            return Answer(trouble="timeout", passing=True)
        if isinstance(problem, CannotResolveHostError):
            return Answer(trouble="unknown_host", passing=True)
        if isinstance(problem, DownloadConnectionRefusedError):
            return Answer(trouble="refused", passing=True)
        if isinstance(problem, IgnoreRequest) or "size" in type(problem).__name__.lower() or _cancelled(problem):
            return Answer(trouble="too_large")
        words = f"{problem!r} {problem}".lower()
        if "certificate" in words or "verifyerror" in words:
            return Answer(trouble="certificate")
        return Answer(trouble="broken_answer", passing=True)

    async def _leads_inside(self, host: str) -> bool:
        """Whether a name is private as seen from here; behind a proxy, only the proxy knows for certain."""
        if self._spec.allow_private:
            return False
        looked_s, inside = self._looked.get(host, (-LOOK_AGAIN_S, False))
        if time.monotonic() - looked_s < LOOK_AGAIN_S:
            return inside
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError:
            found = []
        inside = any(not is_public(str(one[4][0])) for one in found)
        self._looked[host] = (time.monotonic(), inside)
        return inside

    def _heading(self, headers: Headers, body_length: int | None, request: Request) -> None:
        """Stop before the body of what is no text."""
        kind = (headers.get("Content-Type") or b"").decode("latin-1").partition(";")[0].strip().lower()
        if request.meta.get("kind") == "page" and kind not in READ_TYPES:
            raise StopDownload(fail=False)


def _answer(response: Response) -> Answer:
    headers = {
        name.decode("latin-1").lower(): b", ".join(values).decode("latin-1")
        for name, values in response.headers.items()
    }
    return Answer(status=response.status, headers=headers, body=response.body)


def _cancelled(problem: Exception) -> bool:
    return type(problem).__name__ == "DownloadCancelledError"


class _Bounded(_LenientHTTP11ClientProtocol):
    """Cuts a connection whose status line and headers do not end."""

    _counted: object = None
    _n_bytes = 0

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        parser = self._parser
        if parser is not self._counted:  # each answer has a parser of its own
            self._counted, self._n_bytes = parser, 0
        if parser is not None and parser.state in (STATUS, HEADER):
            self._n_bytes += len(data)
            if self._n_bytes > MAX_HEADER_BYTES:
                self.transport.loseConnection()  # type: ignore[union-attr,misc]
                return
        super().dataReceived(data)  # type: ignore[no-untyped-call]


class _BoundedFactory(_LenientHTTP11ClientFactory):
    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802
        return _Bounded(self._quiescentCallback)  # type: ignore[no-untyped-call]


class BoundedHandler(HTTP11DownloadHandler):
    """Scrapy's handler with headers of bounded size."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._pool._factory = _BoundedFactory
        self._pool.retryAutomatically = False  # a retry waits its turn like any other request
        self._pool.cachedConnectionTimeout = IDLE_S


@implementer(IHostnameResolver)
class CheckedResolver:
    """Gives only addresses that may be asked, straight to the connection: nothing can change in between."""

    trusted: frozenset[str] = frozenset()
    blocked: set[str] = set()

    def __init__(self, reactor: Any, *, private: bool) -> None:
        self._reactor, self._private = reactor, private
        self._inner = reactor.nameResolver

    @classmethod
    def from_crawler(cls, crawler: Crawler, reactor: Any) -> CheckedResolver:
        """As Scrapy makes it."""
        return cls(reactor, private=crawler.settings.getbool("MODELWRIGHT_PRIVATE"))

    def install_on_reactor(self) -> None:
        """All names of this process are resolved here."""
        self._reactor.installNameResolver(self)

    def resolveHostName(self, resolutionReceiver: Any, hostName: str, *rest: Any, **more: Any) -> Any:  # noqa: N802
        """Resolve, and pass on what may be connected to."""
        if self._private or hostName in self.trusted:
            return self._inner.resolveHostName(resolutionReceiver, hostName, *rest, **more)
        return self._inner.resolveHostName(_Checked(resolutionReceiver, hostName), hostName, *rest, **more)


@implementer(IResolutionReceiver)
class _Checked:
    def __init__(self, receiver: Any, name: str) -> None:
        self._receiver, self._name = receiver, name

    def resolutionBegan(self, resolution: Any) -> None:  # noqa: N802
        self._receiver.resolutionBegan(resolution)

    def addressResolved(self, address: Any) -> None:  # noqa: N802
        if is_public(address.host):
            self._receiver.addressResolved(address)
        else:
            CheckedResolver.blocked.add(self._name)

    def resolutionComplete(self) -> None:  # noqa: N802
        self._receiver.resolutionComplete()
