"""robots.txt as Google's parser decides it: the longest rule wins, and of two as long the one that allows.

Reference: RFC 9309 (2022), "Robots Exclusion Protocol"; the published behaviour of google/robotstxt, which also
takes misspelt names, a missing colon and half a byte order mark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_BYTES = 500 * 1024
MAX_LINE_BYTES = 2083 * 8 - 1
MAX_DELAY_S = 86_400.0
_BOM = b"\xef\xbb\xbf"
_WHITE = b" \t\n\v\f\r"
_NAMES = (
    ("user-agent", ("user-agent", "useragent", "user agent")),
    ("allow", ("allow",)),
    ("disallow", ("disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw")),
    ("sitemap", ("sitemap", "site-map")),
    ("crawl-delay", ("crawl-delay", "crawldelay")),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One line that allows or disallows; `pattern` is escaped."""

    allow: bool
    pattern: str


@dataclass(frozen=True, slots=True)
class Robots:
    """What one robots.txt says to one agent."""

    specific: tuple[Rule, ...] = ()
    general: tuple[Rule, ...] = ()
    named: bool = False
    delay_s: float = 0.0
    sitemaps: tuple[str, ...] = ()

    def allowed(self, url: str) -> bool:
        """Whether the agent may ask for `url`, whose path and query are percent-encoded.

        >>> robots = parse(b"User-agent: *\\nDisallow: /private\\nAllow: /private/press$", "Modelwright")
        >>> robots.allowed("https://example.org/private/a"), robots.allowed("https://example.org/private/press")
        (False, True)
        """
        path = path_of(url)
        for rules in (self.specific, self.general):
            allow, disallow = _longest(rules, path, allow=True), _longest(rules, path, allow=False)
            if allow > 0 or disallow > 0:
                return allow >= disallow
            if self.named:
                return True
        return True


FREE = Robots()
CLOSED = Robots(general=(Rule(False, "/"),))
"""What an unreachable robots.txt says: nothing may be asked for (RFC 9309, 2.3.1.4)."""


def parse(content: bytes, agent: str) -> Robots:
    """The rules for `agent` (letters, `-` and `_`; upper and lower case are the same) in a robots.txt.

    Groups of the same agent are one. If none names the agent, those of `*` hold. Lines that are not understood
    are passed over; beyond 500 KiB nothing is read.
    """
    rules: dict[bool, list[Rule]] = {True: [], False: []}
    delays: dict[bool, float] = {True: 0.0, False: 0.0}
    sitemaps: list[str] = []
    named = specific = general = ruled = False
    if len(content) > MAX_BYTES:  # half a rule at the end would say something else
        content = content[: max(content.rfind(b"\n", 0, MAX_BYTES), content.rfind(b"\r", 0, MAX_BYTES), 0)]
    for name, value in _lines(content):
        if name == "user-agent":
            if ruled:
                specific = general = ruled = False
            if re.match(rb"\*(\s|$)", value):
                general = True
            elif _agent_of(value).lower() == agent.lower() != "":
                named = specific = True
        elif name == "sitemap":
            sitemaps.append(value.decode("utf-8", "replace"))
        elif specific or general:
            if name == "crawl-delay":
                delays[specific] = max(delays[specific], _seconds(value))
                continue
            ruled = True
            rules[specific].append(Rule(name == "allow", escape(value)))
    return Robots(tuple(rules[True]), tuple(rules[False]), named, delays[named], tuple(sitemaps))


def path_of(url: str) -> str:
    """Path, parameters and query of an address, as rules see it.

    >>> path_of("https://example.org/a?b#c"), path_of("example.org"), path_of("//a/b")
    ('/a?b', '/', '/b')
    """
    start = 2 if url.startswith("//") else 0
    early = re.search(r"[/?;]", url[start:])
    scheme = url.find("://", start)
    begin = start if scheme < 0 or (early and early.start() + start < scheme) else scheme + 3
    found = re.search(r"[/?;]", url[begin:])
    if not found:
        return "/"
    path_start = begin + found.start()
    mark = url.find("#", start)
    if 0 <= mark < path_start:
        return "/"
    path = url[path_start : mark if mark >= 0 else None]
    return path if path.startswith("/") else f"/{path}"


def escape(pattern: bytes) -> str:
    """A rule's pattern with bytes beyond ASCII percent-encoded, and the codes of others in capitals.

    >>> escape("/caf\u00e9/%aa".encode())
    '/caf%C3%A9/%AA'
    """
    text = "".join(chr(byte) if byte < 128 else f"%{byte:02X}" for byte in pattern)
    return re.sub(r"%[0-9a-fA-F]{2}", lambda code: code.group().upper(), text)


def matches(pattern: str, path: str) -> bool:
    """Whether a rule holds for a path: `*` is anything, a final `$` is the end.

    >>> matches("/*.php$", "/a/b.php"), matches("/*.php$", "/a.php5"), matches("/fish", "/fishheads")
    (True, False, True)
    """
    ends = pattern.endswith("$")
    first, *rest = (pattern[:-1] if ends else pattern).split("*")
    if not path.startswith(first):
        return False
    if ends and not rest:
        return path == first
    place = len(first)
    last = rest.pop() if ends else ""
    for piece in rest:
        found = path.find(piece, place)
        if found < 0:
            return False
        place = found + len(piece)
    return not ends or (path.endswith(last) and len(path) - len(last) >= place)


def _longest(rules: tuple[Rule, ...], path: str, *, allow: bool) -> int:
    return max((_weight(rule, path) for rule in rules if rule.allow is allow), default=-1)


def _weight(rule: Rule, path: str) -> int:
    if matches(rule.pattern, path):
        return len(rule.pattern)
    folder, slash, page = rule.pattern.rpartition("/")
    if rule.allow and slash and page.startswith("index.htm") and matches(f"{folder}/$", path):
        return len(folder) + 2
    return -1


def _lines(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Known names and their values, in order."""
    skipped = 0
    while skipped < len(_BOM) and content[skipped : skipped + 1] == _BOM[skipped : skipped + 1]:
        skipped += 1
    for line in re.split(rb"\r\n|\r|\n", content[skipped:]):
        plain = line[:MAX_LINE_BYTES].partition(b"\0")[0].partition(b"#")[0].strip(_WHITE)
        key, colon, value = plain.partition(b":")
        if not colon:
            words = plain.split()
            if len(words) != 2:
                continue
            key, value = words
        name = _name_of(key.strip(_WHITE).lower().decode("latin-1"))
        if name:
            yield name, value.strip(_WHITE)


def _name_of(key: str) -> str | None:
    return next((name for name, spellings in _NAMES if key.startswith(spellings)), None)


def _agent_of(value: bytes) -> str:
    found = re.match(rb"[A-Za-z_-]+", value)
    return found.group().decode() if found else ""


def _seconds(value: bytes) -> float:
    found = re.match(rb"\d{1,9}(\.\d{1,9})?", value)
    return min(float(found.group()), MAX_DELAY_S) if found else 0.0
