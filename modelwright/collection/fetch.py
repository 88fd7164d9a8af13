"""One http(s) address to a local file: resumed where the line was cut, its length checked, its size limited."""

from __future__ import annotations

import http.client
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from modelwright.collection.scratch import CHUNK_BYTES, scratch_path
from modelwright.core.errors import UserError

MAX_ATTEMPTS = 5
MAX_REDIRECTS = 10
PAUSE_S = 0.2
_PASSING = (408, 425, 429, 500, 502, 503, 504)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows http(s) only, never from https down to http, and not for ever."""

    max_redirections = MAX_REDIRECTS

    def __init__(self, trusted: frozenset[str] | None = None) -> None:
        self._trusted = trusted

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        before, after = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if after not in ("http", "https") or (before == "https" and after == "http"):
            raise UserError(
                "collection.url_redirect",
                f"`{shown(req.full_url)}` leads to `{shown(newurl)}`, which is not followed.",
                hint="give the last address itself, if you trust it",
            )
        if self._trusted is not None and urlsplit(newurl).netloc not in self._trusted:
            _check_literal(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def shown(url: str) -> str:
    """An address without user, password, query and fragment: what may be told.

    >>> shown("https://ann:secret@example.org/a.csv?key=1")
    'https://example.org/a.csv'
    """
    return re.sub(r"//[^@/]*@", "//", url).partition("?")[0].partition("#")[0]


def name_of(url: str) -> str:
    """The name under which a download is told: the address, which ends like the file.

    >>> name_of("https://example.org/data/a.csv.gz?x=1")
    'https://example.org/data/a.csv.gz'
    """
    return shown(url)


def opener_of(trusted: frozenset[str] | None) -> urllib.request.OpenerDirector:
    """What follows addresses; with `trusted` hosts (`name:port`) it connects to no private address but theirs.

    The address is looked at where it is connected to, so neither a redirect nor a name that changes leads inside.
    """
    if trusted is None:
        return urllib.request.build_opener(_Redirects())
    proxies = {urlsplit(proxy).netloc for proxy in urllib.request.getproxies().values()}
    outside = trusted | proxies
    return urllib.request.build_opener(_Redirects(outside), _PublicHTTP(outside), _PublicHTTPS(outside))


class _PublicHTTP(urllib.request.HTTPHandler):
    """http to public addresses and to trusted hosts."""

    def __init__(self, trusted: frozenset[str]) -> None:
        super().__init__()
        self._trusted = trusted

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(lambda host, **more: _bound(http.client.HTTPConnection(host, **more), host, self._trusted),
                            req)  # fmt: skip


class _PublicHTTPS(urllib.request.HTTPSHandler):
    """https to public addresses and to trusted hosts."""

    def __init__(self, trusted: frozenset[str]) -> None:
        super().__init__()
        self._trusted = trusted

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(lambda host, **more: _bound(http.client.HTTPSConnection(host, **more), host, self._trusted),
                            req)  # fmt: skip


def _bound(connection: Any, host: str, trusted: frozenset[str]) -> Any:
    if host not in trusted:
        connection._create_connection = _to_public_address
    return connection


def _to_public_address(address: tuple[str, int], timeout: Any = None, source_address: Any = None) -> socket.socket:
    """A connection to a host all of whose addresses are public."""
    from modelwright.collection.web.addresses import is_public

    host, port = address
    found = [str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not found or not all(is_public(one) for one in found):
        raise _private(host)
    return socket.create_connection((found[0], port), timeout, source_address)


def _check_literal(url: str) -> None:
    from modelwright.collection.web.addresses import is_public, literal

    host = urlsplit(url).hostname or ""
    address = literal(host)
    if address is not None and not is_public(address):
        raise _private(host)


def _private(host: str) -> UserError:
    return UserError(
        "collection.url_private", f"`{host}` is an address of a private network, to which a public hub led.",
        hint="this is not followed; tell the hub",
    )  # fmt: skip


def fetch(
    url: str, *, max_bytes: int, timeout_s: float, tell: Callable[..., None], trusted: frozenset[str] | None = None
) -> Path:
    """Download to a scratch file. A cut connection is resumed with `Range`, five times at most.

    With `trusted` hosts (`name:port`) private addresses are refused, but theirs (`collection.url_private`).

    Raises `collection.url` (no such host, refused), `collection.url_status`, `collection.url_timeout`,
    `collection.url_short`, `collection.url_size`, `collection.url_redirect`.
    """
    try:
        path = scratch_path(PurePosixPath(unquote(urlsplit(url).path)).suffix[:10])
    except ValueError as wrong:  # brackets that hold no address
        raise _unreachable(url, wrong) from wrong
    path.touch()
    opener = opener_of(trusted)
    mark, problem = "", UserError("collection.url", f"`{shown(url)}` could not be fetched.")
    for attempt in range(MAX_ATTEMPTS):
        if attempt:
            tell("retry", name=shown(url), bytes=path.stat().st_size, attempt=attempt, why=problem.message)
            time.sleep(PAUSE_S * attempt)
        try:
            mark, cut = _attempt(opener, url, path, mark, max_bytes, timeout_s)
        except UserError as known:
            if known.code not in ("collection.url_status", "collection.url_timeout") or not _is_passing(known):
                path.unlink(missing_ok=True)
                raise
            problem = known
            continue
        if cut is None:
            return path
        problem = cut
    path.unlink(missing_ok=True)
    raise problem


def _is_passing(problem: UserError) -> bool:
    return problem.code == "collection.url_timeout" or any(f" {code} " in problem.message for code in _PASSING)


def _attempt(
    opener: urllib.request.OpenerDirector, url: str, path: Path, mark: str, max_bytes: int, timeout_s: float
) -> tuple[str, UserError | None]:
    """One request from where the file ends. Returns the server's mark of this version, and what cut it."""
    start = path.stat().st_size if mark else 0
    headers = {"User-Agent": "modelwright", "Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": mark}
    try:
        request = urllib.request.Request(url, headers=headers)
        with opener.open(request, timeout=timeout_s) as answer:
            if answer.status != 206:
                start = 0
            length = answer.headers.get("Content-Length")
            whole = start + int(length) if length and length.isdigit() else None
            if whole is not None and whole > max_bytes:
                raise _too_large(url, whole, max_bytes)
            mark = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
            mark = "" if mark.startswith("W/") else mark
            return mark, _receive(answer, url, path, start, whole, max_bytes)
    except urllib.error.HTTPError as problem:
        raise _status_error(url, problem) from problem
    except TimeoutError as problem:
        raise _timeout(url, timeout_s) from problem
    except urllib.error.URLError as problem:
        if isinstance(problem.reason, TimeoutError):
            raise _timeout(url, timeout_s) from problem
        raise _unreachable(url, problem.reason) from problem
    except (http.client.HTTPException, ValueError, UnicodeError, socket.gaierror, ConnectionError) as problem:
        if isinstance(problem, UserError):
            raise
        raise _unreachable(url, problem) from problem


def _receive(answer: Any, url: str, path: Path, start: int, whole: int | None, max_bytes: int) -> UserError | None:
    """Append the body; what cut it short is returned, for the next attempt goes on from there."""
    size, cause = start, ""
    with path.open("r+b") as file:
        file.truncate(start)
        file.seek(start)
        try:
            while chunk := answer.read1(CHUNK_BYTES):
                size += len(chunk)
                if size > max_bytes:
                    raise _too_large(url, size, max_bytes)
                file.write(chunk)
        except (http.client.HTTPException, ConnectionError, TimeoutError) as problem:
            cause = str(problem) or type(problem).__name__
    if whole is not None and size != whole:
        cause = cause or f"{size:,} of {whole:,} bytes came"
    if not cause:
        return None
    return UserError(
        "collection.url_short",
        f"`{shown(url)}` was cut short, {MAX_ATTEMPTS} times: {cause}.",
        hint="try again later, or fetch the file by other means and give its path",
    )


def _too_large(url: str, size: int, max_bytes: int) -> UserError:
    return UserError(
        "collection.url_size",
        f"`{shown(url)}` has {size:,} bytes or more; `max_bytes` is {max_bytes:,}.",
        hint="raise `max_bytes` if it is what you want",
    )


def _timeout(url: str, timeout_s: float) -> UserError:
    return UserError(
        "collection.url_timeout",
        f"`{shown(url)}` said nothing for {timeout_s:g} s.",
        hint="try again later, or raise `timeout_s`",
    )


def _unreachable(url: str, reason: object) -> UserError:
    return UserError(
        "collection.url", f"`{shown(url)}` could not be reached: {reason}.", hint="check the address and the network"
    )


def _status_error(url: str, problem: urllib.error.HTTPError) -> UserError:
    problem.close()
    if problem.code in (301, 302, 303, 307, 308):
        return UserError(
            "collection.url_redirect",
            f"`{shown(url)}` leads on and on: {' '.join(str(problem.reason).split())[:120]}.",
            hint="give the last address itself",
        )
    hints = {404: "check the address", 403: "the server does not let you", 401: "the server asks who you are"}
    return UserError(
        "collection.url_status",
        f"`{shown(url)}` answered {problem.code} {problem.reason}.",
        hint=hints.get(problem.code, "try again later"),
    )
