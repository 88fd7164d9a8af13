"""Addresses of pages: one spelling each, what is public, and what is in scope."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import parse_qsl, quote, urljoin, urlsplit, urlunsplit

MAX_CHARACTERS = 2083
_PORTS = {"http": 80, "https": 443}
_TRACKING = re.compile(
    r"(utm_\w+|fbclid|gclid|dclid|msclkid|yclid|mc_[ce]id|_ga|igshid|phpsessid|jsessionid|aspsessionid\w*)$",
    re.I,
)
_SESSION_IN_PATH = re.compile(r";jsessionid=[^/?]*", re.I)
_KEPT_IN_PATH = "/%:@!$&'()*+,;=~-._"
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
_PROTOCOLS = ipaddress.ip_network("192.0.0.0/24")  # not global (RFC 6890), which Python 3.11 does not know of all


def canonical(link: str, base: str = "") -> str | None:
    """The one spelling of a link's http(s) address, or None for what is none.

    Relative links are joined to `base`; fragments, default ports, marks of tracking and of sessions are left
    out; hosts are in small letters, names in Punycode, IPv4 in any spelling as four decimals; dots in paths are
    resolved. An address with a user or a password in it is none: credentials are not taken from pages.

    >>> canonical("../b?utm_source=x&q=1#top", "HTTP://Example.org:80/a/c/")
    'http://example.org/a/b?q=1'
    >>> canonical("http://0x7f.1/"), canonical("javascript:alert(1)")
    ('http://127.0.0.1/', None)
    """
    try:
        parts = urlsplit(urljoin(base, link.strip()))
        scheme, port = parts.scheme.lower(), parts.port
        host = _host(parts.hostname or "")
    except ValueError:
        return None
    if scheme not in _PORTS or not host or parts.username is not None or parts.password is not None:
        return None
    place = host if port in (None, _PORTS[scheme]) else f"{host}:{port}"
    path = _SESSION_IN_PATH.sub("", parts.path) or "/"
    url = urlunsplit((scheme, place, _encoded(_without_dots(path)), _encoded(_query(parts.query), "?"), ""))
    return url if len(url) <= MAX_CHARACTERS else None


def key_of(url: str) -> str:
    """What is the same for all orders of an address's parameters.

    >>> key_of("http://example.org/a?b=2&a=1") == key_of("http://example.org/a?a=1&b=2")
    True
    """
    before, mark, query = url.partition("?")
    return before + mark + "&".join(sorted(query.split("&")))


def origin_of(url: str) -> str:
    """Scheme, host and port: what one robots.txt speaks for.

    >>> origin_of("https://example.org:8443/a/b")
    'https://example.org:8443'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def host_of(url: str) -> str:
    """The host: what is asked no faster than its delay.

    >>> host_of("https://example.org:8443/a/b"), host_of("http://[2001:db8::1]/")
    ('example.org', '2001:db8::1')
    """
    return urlsplit(url).hostname or ""


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet; addresses within addresses are looked at.

    >>> [is_public(one) for one in ("93.184.215.14", "127.0.0.1", "10.1.2.3", "169.254.1.1", "::ffff:10.0.0.1")]
    [True, False, False, False, False]
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo and found.teredo[1])
        if found in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner:
            return is_public(str(inner))
        if found.is_site_local:
            return False
    elif found in _PROTOCOLS:
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


def literal(host: str) -> str | None:
    """The IP address that a host's text is, in any spelling; None for a name.

    >>> literal("2130706433"), literal("0177.0.0.1"), literal("example.org")
    ('127.0.0.1', '127.0.0.1', None)
    """
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    if not re.fullmatch(r"(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+)){0,3}", host, re.I):
        return None
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None


def shape_of(url: str) -> str:
    """An address with every number as 0: what calendars and counters have in common.

    >>> shape_of("https://example.org/2024/05?day=17")
    'https://example.org/0/0?day=0'
    """
    before, host, after = url.partition(urlsplit(url).netloc)
    return before + host + re.sub(r"\d+", "0", after)


def is_dated(url: str) -> bool:
    """Whether an address differs from its like by a date.

    >>> is_dated("https://example.org/events/2024-05"), is_dated("https://example.org/page/17")
    (True, False)
    """
    parts = urlsplit(url)
    names = {name.lower() for name, _ in parse_qsl(parts.query)}
    return bool(
        re.search(r"(?<!\d)(1[5-9]|2\d)\d\d[-/._]?(0?[1-9]|1[0-2])(?!\d)", f"{parts.path}?{parts.query}")
        or names & {"year", "month", "day", "date", "week"}
    )


def repeats(url: str) -> bool:
    """Whether a path goes in circles: one part four times or more.

    >>> repeats("https://example.org/a/b/a/b/a/b/a/b"), repeats("https://example.org/a/b/a")
    (True, False)
    """
    parts = [part for part in urlsplit(url).path.split("/") if part]
    return any(parts.count(part) > 3 for part in set(parts))


def _host(host: str) -> str:
    host = host.rstrip(".").lower()
    address = literal(host)
    if address:
        return f"[{address}]" if ":" in address else address
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    if len(host) > 253 or not re.fullmatch(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?", host) or ".." in host:
        return ""
    return host


def _without_dots(path: str) -> str:
    kept: list[str] = []
    parts = path.split("/")
    for part in parts[1:]:
        if part == "..":
            kept = kept[:-1]
        elif part != ".":
            kept.append(part)
    if parts[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _encoded(text: str, more: str = "") -> str:
    text = re.sub(r"%(?![0-9a-fA-F]{2})", "%25", text)
    text = re.sub(r"%[0-9a-fA-F]{2}", _plain_or_capital, text)
    return quote(text, safe=_KEPT_IN_PATH + more, errors="replace")


def _plain_or_capital(code: re.Match[str]) -> str:
    character = chr(int(code.group()[1:], 16))
    return character if character.isascii() and (character.isalnum() or character in "-._~") else code.group().upper()


def _query(query: str) -> str:
    return "&".join(one for one in query.split("&") if one and not _TRACKING.match(one.partition("=")[0]))
