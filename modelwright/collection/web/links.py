"""What a page leads to, and what it asks of those who walk."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from modelwright.collection.web.addresses import canonical

MOST_LINKS = 10_000


@dataclass(frozen=True, slots=True)
class Leads:
    """Addresses in their one spelling, in the page's order; whether it may be a row, and be followed."""

    links: tuple[str, ...] = ()
    index: bool = True
    follow: bool = True


def leads(body: bytes, url: str, headers: Mapping[str, str]) -> Leads:
    """The links of an HTML page: `a`, `area`, frames, `link rel=next`, refresh; not those marked `nofollow`.

    `noindex` and `nofollow` of the page, by `meta` or by `X-Robots-Tag`, are heard. Broken markup is read as far
    as it goes.

    >>> found = leads(b'<a href="b#x">b</a><a href="javascript:x()">x</a>', "http://example.org/a", {})
    >>> found.links, found.follow
    (('http://example.org/b',), True)
    """
    from lxml import etree

    parser = etree.HTMLParser(encoding=charset_of(headers), recover=True, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(body, parser) if body.strip() else None
    except (etree.ParseError, ValueError):
        root = None
    said = headers.get("x-robots-tag", "").lower()
    if root is None:
        return Leads((), "noindex" not in said, "nofollow" not in said)
    raw: list[str] = []
    base = url
    for element in root.iter("a", "area", "frame", "iframe", "link", "meta", "base"):
        relation = (element.get("rel") or "").lower().split()
        if element.tag == "base":
            base = canonical(element.get("href") or "", url) or base
        elif element.tag == "meta":
            name, content = (element.get("name") or "").lower(), element.get("content") or ""
            if name in ("robots", "modelwright"):
                said += f",{content.lower()}"
            raw += _refresh(element.get("http-equiv") or "", content)
        elif "nofollow" not in relation and (element.tag != "link" or "next" in relation):
            raw.append(element.get("src" if element.tag in ("frame", "iframe") else "href") or "")
        if len(raw) >= MOST_LINKS:
            break
    found = dict.fromkeys(link for one in raw if one.strip() and (link := canonical(one, base)))
    asked = set(re.split(r"[\s,:]+", said))
    follow = not asked & {"nofollow", "none"}
    return Leads(tuple(found) if follow else (), not asked & {"noindex", "none"}, follow)


def charset_of(headers: Mapping[str, str]) -> str | None:
    """The encoding that a server names, where Python knows it.

    >>> charset_of({"content-type": 'text/html; charset="UTF-8"'}), charset_of({"content-type": "text/html"})
    ('utf-8', None)
    """
    import codecs

    named = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", headers.get("content-type", ""), re.I)
    try:
        return codecs.lookup(named.group(1)).name if named else None
    except (LookupError, ValueError):
        return None


def _refresh(equivalent: str, content: str) -> list[str]:
    found = re.search(r"url\s*=\s*['\"]?([^'\"\s]+)", content, re.I)
    return [found.group(1)] if equivalent.lower() == "refresh" and found else []
