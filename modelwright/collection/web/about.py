"""What a page tells of itself in its head: title, author, date, language, kind, and its text as JSON-LD."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MOST_CHARACTERS = 500
MOST_PARTS = 5000
_KINDS = (
    ("article", ("article", "newsarticle", "blogposting", "reportagenewsarticle", "techarticle", "scholarlyarticle")),
    ("product", ("product", "productgroup", "offer")),
    ("forum", ("discussionforumposting", "qapage", "question")),
    ("listing", ("collectionpage", "itemlist", "searchresultspage")),
)
_DATES = ("article:published_time", "datepublished", "date", "dc.date", "dc.date.issued", "pubdate", "publishdate")
_AUTHORS = ("author", "article:author", "dc.creator", "byl", "parsely-author")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """All that was found; "" for what was not. `titles` are words only, for comparing."""

    title: str = ""
    author: str = ""
    date: str = ""
    language: str = ""
    kind: str = ""
    body: str = field(default="", repr=False)
    titles: frozenset[str] = frozenset()


def head_of(tree: Any) -> Head:
    """Read the head of a parsed page; of several sources the publisher's structured data comes first.

    >>> from lxml import html as parser
    >>> head_of(parser.fromstring("<html lang=de><meta property=og:title content=Wetter><h1>Das Wetter</h1>")).title
    'Wetter'
    """
    metas = _metas(tree)
    facts = list(_facts(tree))
    texts = {name: _first_text(tree, name) for name in ("h1", "title")}
    titles = [metas.get("og:title", ""), metas.get("twitter:title", ""), *_texts(tree, "h1"), *_texts(tree, "title")]
    title = metas.get("og:title") or texts["h1"] or texts["title"]
    times = [element.get("datetime") or "" for element in tree.iter("time")]
    dates = [_word(fact.get("datePublished")) for fact in facts]
    dates += [metas.get(name, "") for name in _DATES] + times[:1]
    authors = [_name(fact.get("author")) for fact in facts] + [metas.get(name, "") for name in _AUTHORS]
    bodies = [_plain(fact["articleBody"]) for fact in facts if isinstance(fact.get("articleBody"), str)]
    root = tree.getroottree().getroot()
    return Head(
        title=title[:MOST_CHARACTERS],
        author=next((one for one in authors if one and "://" not in one), "")[:MOST_CHARACTERS],
        date=next((day for one in dates if (day := _day(one))), ""),
        language=(root.get("lang") or metas.get("og:locale") or "")[:2].lower(),
        kind=_kind(facts, metas),
        body=max(bodies, key=len, default=""),
        titles=frozenset(plain for one in titles if (plain := words_of(one))),
    )


def words_of(text: str) -> str:
    """The words of a text in small letters, for comparing.

    >>> words_of("Hello,  World!")
    'hello world'
    """
    return " ".join(re.findall(r"\w+", text.lower()))


def _metas(tree: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for element in tree.iter("meta"):
        name = element.get("property") or element.get("name") or element.get("itemprop") or ""
        content = " ".join((element.get("content") or "").split())
        if name and content:
            found.setdefault(name.lower(), content)
    return found


def _facts(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object of the page's JSON-LD; what is not JSON is passed over."""
    for script in tree.iter("script"):
        if "ld+json" not in (script.get("type") or "").lower():
            continue
        try:
            waiting: list[Any] = [json.loads(script.text or "", strict=False)]
        except (ValueError, RecursionError):
            continue
        n_parts = 0
        while waiting and n_parts < MOST_PARTS:
            part = waiting.pop()
            n_parts += 1
            if isinstance(part, dict):
                yield part
                waiting += part.values()
            elif isinstance(part, list):
                waiting += part


def _kind(facts: list[dict[str, Any]], metas: dict[str, str]) -> str:
    named = {str(one).lower() for fact in facts for one in _many(fact.get("@type"))}
    named.add(metas.get("og:type", "").lower())
    return next((kind for kind, names in _KINDS if named & set(names)), "page")


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _name(value: Any) -> str:
    names = [one.get("name") if isinstance(one, dict) else one for one in _many(value)]
    return ", ".join(" ".join(name.split()) for name in names[:20] if isinstance(name, str))


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _day(text: str) -> str:
    found = re.match(r"\s*((?:19|20)\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(?!\d)", text)
    return "-".join(found.groups()) if found else ""


def _plain(text: str) -> str:
    text = html.unescape(text)
    return re.sub(r"<[^<>]{1,200}>", " ", text) if "<" in text else text


def _first_text(tree: Any, tag: str) -> str:
    return next((text for text in _texts(tree, tag) if text), "")


def _texts(tree: Any, tag: str) -> list[str]:
    return [" ".join(" ".join(element.itertext()).split()) for element in tree.iter(tag)][:20]
