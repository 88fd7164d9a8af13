"""Which addresses a walk asks for: hosts, paths, depth, and no traps."""

from __future__ import annotations

from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from modelwright.collection.web.addresses import canonical, host_of, is_dated, is_public, literal, repeats, shape_of
from modelwright.collection.web.base import WebSpec
from modelwright.collection.web.frontier import Found, Frontier, Job
from modelwright.collection.web.robots import matches, path_of


class Scope:
    """The rules of one walk."""

    def __init__(self, spec: WebSpec) -> None:
        self._spec = spec
        starts = [host_of(canonical(address) or "") for address in spec.start]
        self._hosts = {name for host in starts for name in (host, host.removeprefix("www."), f"www.{host}")}

    def outside(self, url: str) -> str:
        """Why an address is not asked for, whoever leads to it; "" where nothing speaks against it."""
        host = host_of(url)
        address = literal(host)
        if address and not self._spec.allow_private and not is_public(address):
            return "private_address"
        if host not in self._hosts and not any(fnmatchcase(host, pattern.lower()) for pattern in self._spec.hosts):
            return "other_host"
        path = path_of(url)
        if self._spec.include and not any(matches(pattern, path) for pattern in self._spec.include):
            return "path"
        if any(matches(pattern, path) for pattern in self._spec.exclude):
            return "path"
        return "goes_in_circles" if repeats(url) else ""

    def chain(self, url: str, parent: Job) -> int:
        """How many links in a row led from one address to the next of its like."""
        return parent.chain + 1 if shape_of(url) == shape_of(parent.url) and url != parent.url else 0

    def trap(self, found: Found, frontier: Frontier) -> str:
        """Why an address in scope looks like one of endlessly many; "" where it does not."""
        if found.depth > self._spec.max_depth:
            return "depth"
        if found.chain > self._spec.max_chain:
            return "endless_chain"
        parts = urlsplit(found.url)
        if parts.query.count("&") and frontier.alike(path=found.url.partition("?")[0]) >= self._spec.max_alike:
            return "endless_queries"
        if is_dated(found.url) and frontier.alike(shape=shape_of(found.url)) >= self._spec.max_alike:
            return "endless_dates"
        return ""

    def triage(
        self, links: tuple[str, ...], job: Job, frontier: Frontier, *, deeper: int = 1
    ) -> tuple[list[Found], list[tuple[str, str]]]:
        """The links that are asked for, and those that are not, with the reason."""
        wanted: list[Found] = []
        refused: list[tuple[str, str]] = []
        for url in links:
            reason = self.outside(url)
            found = Found(url=url, depth=job.depth + deeper, chain=self.chain(url, job))
            if not reason and not frontier.known(url):
                reason = self.trap(found, frontier)
                if not reason:
                    wanted.append(found)
            if reason:
                refused.append((reason, url))
        return wanted, refused
