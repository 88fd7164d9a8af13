"""A polite walk over web pages: what it may ask for, how often, and what comes out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import polars as pl

    from modelwright.core.values import Watch

MIB = 2**20


class WebSpec(Spec):
    """Which pages are asked for, and how.

    >>> WebSpec(start="https://example.org/", exclude=("/private/",)).delay_s
    1.0
    """

    start: tuple[str, ...] = Field(
        (), description="addresses to begin with; one ending in .xml or .xml.gz is a sitemap"
    )
    contact: str = Field(
        "",
        max_length=200,
        pattern=r"^[\x20-\x7e]*$",
        description="a page or a mail address that the agent string gives",
    )
    agent: str = Field("Modelwright", pattern=r"^[A-Za-z_-]+$", description="the name that robots.txt is read for")
    hosts: tuple[str, ...] = Field((), description="hosts besides those of `start`; *.example.org for all below")
    include: tuple[str, ...] = Field((), description="paths asked for, as in robots.txt: /blog/, /*.html$; all if none")
    exclude: tuple[str, ...] = Field((), description="paths not asked for, as in robots.txt")
    max_pages: int = Field(1000, gt=0, description="most pages")
    max_depth: int = Field(30, ge=0, description="most links from the start")
    max_alike: int = Field(
        50, gt=0, description="most addresses that differ only in dates, or only in a query of two parameters or more"
    )
    max_chain: int = Field(15, gt=0, description="most links in a row that lead on to the next number")
    delay_s: float = Field(1.0, ge=0, description="least time between two requests to a host; robots.txt may raise it")
    max_wait_s: float = Field(600.0, ge=0, description="longest wait that a host may ask for; beyond it, it is left")
    per_host: int = Field(1, ge=1, le=16, description="requests to a host at once")
    concurrency: int = Field(16, ge=1, le=256, description="requests at once, to all hosts")
    timeout_s: float = Field(30.0, gt=0, description="longest time for one answer, its last byte included")
    max_bytes: int = Field(8 * MIB, gt=0, description="most bytes of one answer, decompressed")
    retries: int = Field(2, ge=0, le=10, description="how often a passing failure is tried again")
    sitemaps: bool = Field(True, description="read the sitemaps that robots.txt names")
    proxies: tuple[str, ...] = Field(
        (), description="names of environment variables that hold proxies, or proxies without credentials"
    )
    proxy_choice: Literal["sticky", "rotate"] = Field("sticky", description="one proxy for each host, or each in turn")
    proxy_for: Mapping[str, str] = Field({}, description="proxy by host pattern: {'*.example.org': NAME}")
    near_duplicates: bool = Field(False, description="keep pages that are nearly the same as another")
    allow_private: bool = Field(False, description="ask addresses of this machine and of private networks too")

    @field_validator("start", "hosts", "include", "exclude", "proxies", mode="before")
    @classmethod
    def _one_or_many(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given

    @field_validator("start")
    @classmethod
    def _are_addresses(cls, start: tuple[str, ...]) -> tuple[str, ...]:
        from modelwright.collection.web.addresses import canonical

        for address in start:
            if canonical(address) is None:
                raise ValueError("each start is an http(s) address without user and password")
        return start

    @field_validator("proxies")
    @classmethod
    def _no_secrets(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            _check_proxy(proxy)
        return proxies

    @field_validator("proxy_for")
    @classmethod
    def _no_secrets_either(cls, proxies: Mapping[str, str]) -> Mapping[str, str]:
        for proxy in proxies.values():
            _check_proxy(proxy)
        return proxies


def _check_proxy(proxy: str) -> None:
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", proxy):
        return
    parts = urlsplit(proxy)
    if "@" in proxy:
        raise ValueError("a proxy with a password stands in an environment variable; give the variable's name")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("a proxy is the name of an environment variable, or http://host:port")


@dataclass(frozen=True, eq=False, kw_only=True)
class Crawled:
    """What a walk gave.

    `pages`: url, title, text, author, date, language, kind (String), status (Int64), fetched_s (Float64, seconds
    since 1970), digest (sha256 of the page's bytes), one row a page, in the order of the walk. `dropped`: url,
    reason, other: pages that were fetched and are no row. `told`: counts by outcome, what was not asked for and
    why. The raw answers are in `folder`/*.warc.gz.
    """

    pages: pl.DataFrame
    dropped: pl.DataFrame
    told: Mapping[str, Any]
    folder: Path


def crawl(spec: WebSpec, folder: Path | str, *, watch: Watch | None = None) -> Crawled:
    """Fetch the pages in scope, politely, and read them.

    robots.txt is obeyed as Google's parser decides it. The walk is kept in `folder`: a walk that was cut short
    goes on where it was; one that was finished is walked again, and unchanged pages are not sent again (ETag,
    Last-Modified). Addresses of private networks are never asked unless `allow_private` says so, whatever
    redirects or name servers say.

    Raises `UserError`: `crawl.start` (no start), `crawl.busy` (another walk is in the folder), `crawl.proxy` (a
    variable without a proxy in it); `SystemFault` `crawl.ended` where the walking process was ended from outside.

    Reference: RFC 9309 (robots), RFC 9110 (conditional requests), ISO 28500 (WARC); Manku, Jain and Das Sarma
    (2007), "Detecting near-duplicates for web crawling", WWW.

    >>> crawl(WebSpec(), "pages")
    Traceback (most recent call last):
    modelwright_runtime.errors.UserError: a crawl needs an address to begin with.
    Hint: write `source: crawl:https://example.org/` or `start:` [crawl.start]
    """
    from modelwright.collection.web.run import run

    return run(spec, Path(folder), watch)
