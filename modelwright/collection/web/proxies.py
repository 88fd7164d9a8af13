"""Ways through proxies. Credentials come from the environment and go to the proxy, and nowhere else."""

from __future__ import annotations

import os
import re
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import sha256
from urllib.parse import unquote, urlsplit

from modelwright.collection.web.base import WebSpec
from modelwright.core.errors import UserError


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where a request goes through, without secrets in what is shown."""

    address: str
    credentials: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """The proxy's own host."""
        return urlsplit(self.address).hostname or ""


class Proxies:
    """Which proxy each request takes: by host pattern, else one for each host or each in turn.

    Without any in the spec, the usual variables hold (http_proxy, https_proxy, no_proxy).

    >>> ways = Proxies(WebSpec(proxies=("OURS",)), {"OURS": "http://ann:secret@proxy.example:3128"})
    >>> ways.of("https://example.org/")
    Proxy(address='http://proxy.example:3128')
    """

    def __init__(self, spec: WebSpec, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        self._pool = [proxy for name in spec.proxies for proxy in _named(name, environment)]
        self._by_host = {pattern.lower(): _named(name, environment) for pattern, name in spec.proxy_for.items()}
        self._sticky, self._turn = spec.proxy_choice == "sticky", 0
        self._usual = {} if spec.proxies or spec.proxy_for else urllib.request.getproxies()

    @property
    def hosts(self) -> set[str]:
        """Hosts of all proxies: reached whatever their address, for the user named them."""
        usual = {name: text for name, text in self._usual.items() if name in ("http", "https", "all")}
        every = [*self._pool, *(proxy for some in self._by_host.values() for proxy in some)]
        every += [_read(text, f"{name}_proxy") for name, text in usual.items()]
        return {proxy.host for proxy in every}

    def of(self, url: str) -> Proxy | None:
        """The proxy for one request; None for a direct way."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        pool = next((some for pattern, some in self._by_host.items() if fnmatchcase(host, pattern)), self._pool)
        if not pool:
            text = self._usual.get(parts.scheme) or self._usual.get("all")
            bypassed = text is None or bool(urllib.request.proxy_bypass(host))
            return None if bypassed or text is None else _read(text, f"{parts.scheme}_proxy")
        if self._sticky:
            return pool[int(sha256(host.encode()).hexdigest(), 16) % len(pool)]
        self._turn += 1
        return pool[self._turn % len(pool)]


def _named(name: str, environment: Mapping[str, str]) -> list[Proxy]:
    """The proxies of one name: an address, or a variable that holds one or more."""
    if "://" in name:
        return [_read(name, name)]
    found = [_read(text, name) for text in re.split(r"[\s,]+", environment.get(name, "")) if text]
    if not found:
        raise UserError(
            "crawl.proxy",
            f"the environment variable `{name}` holds no proxy.",
            hint=f"set it: {name}=http://user:password@host:port",
        )
    return found


def _read(text: str, name: str) -> Proxy:
    parts = urlsplit(text if "://" in text else f"http://{text}")
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
        raise UserError(
            "crawl.proxy", f"`{name}` holds no proxy of the form http://host:port.", hint="look at the variable"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    address = f"{parts.scheme}://{host}" + (f":{port}" if port else "")
    if parts.username is None:
        return Proxy(address)
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Proxy(address, "Basic " + b64encode(pair.encode()).decode())
