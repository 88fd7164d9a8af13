"""The main text of a page: trafilatura, and what it leaves or misses."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from modelwright.collection.web.about import Head, head_of, words_of
from modelwright.collection.web.addresses import canonical
from modelwright.language import language_of

VERSION = 1
"""Raised by hand when texts change: pages that were read by an older version are read again."""

MOST_BYTES = 16 * 2**20
LEAST_PARAGRAPH = 80
MOST_PHRASE = 200
_PHRASES = re.compile(
    r"\W*(subscribe (to|now|today)\b|sign up (for|to|now)\b|thanks for signing up|there was an error processing"
    r"|follow (us|@\w+|[\w ]{2,40}) on (twitter|facebook|instagram|linkedin|youtube)\b|click here (to|for)\b"
    r"|(read|see|related|recommended) (more|next|also|stories|articles|posts)\b|related: |also on \w+\.\w+"
    r"|don.t miss\W*$|most (read|popular)\b|like this story|share (this|it) (with|on|via|article|story)\b"
    r"|advertisement\W*$|comments?\W*$|tell us what you think|get [\w ]{2,40} (delivered|in your inbox)"
    r"|copyright (©|\(c\)|\d{4})|© ?\d{4}|all rights reserved|an error (has )?occurred|this copy is for your personal"
    r"|order reprints|print article|text size\W*$|keep an eye on your inbox|this article has been sent|https?://\S+\W*$)",
    re.I,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a page says. `date` is YYYY-MM-DD, `language` ISO 639-1, `kind` article, product, forum, listing or page;
    all are "" where the page does not tell."""

    text: str
    title: str = ""
    author: str = ""
    date: str = ""
    language: str = ""
    kind: str = ""
    url: str = ""
    references: tuple[str, ...] = field(default=(), repr=False)

    @property
    def links(self) -> tuple[str, ...]:
        """The http(s) addresses that the page leads to, in their one spelling."""
        found = (canonical(one, self.url) for one in self.references)
        return tuple(dict.fromkeys(one for one in found if one))


def extract(html: bytes | str, url: str = "") -> Page:
    """The main text of an HTML page, one line a paragraph, and what the page tells of itself.

    The base is trafilatura in its fast form, without comments. Added: the title is not repeated in the text;
    paragraphs, list items and headings that are nothing but a link of four words or more are left out ("Related:
    ..."), and so are short lines that every publisher has (sign up, share, copyright; English); paragraphs that lie
    in boxes of the same class as those that were found, and were missed, are added where they are half as much
    again; the publisher's `articleBody` (JSON-LD) stands in where nothing or little was found. Pages of more than
    16 MiB are cut. Broken markup is read as far as it goes; nothing is run or fetched.

    Reference: Barbaresi (2021), "Trafilatura: a web scraping library and command-line tool for text discovery and
    extraction", ACL demonstrations.

    >>> page = extract("<html lang=en><title>News</title><body><h1>News</h1><article><p>" + "The rain is over. " * 20)
    >>> page.title, page.language, page.text[:17]
    ('News', 'en', 'The rain is over.')
    """
    from trafilatura import bare_extraction
    from trafilatura.utils import load_html

    tree = load_html(html[:MOST_BYTES])
    if tree is None:
        return Page(text="", url=url)
    head = head_of(tree)
    references = tuple(element.get("href") for element in tree.iter("a", "area") if element.get("href"))
    _drop_links(tree)
    boxes = _boxes(tree)
    document: Any = bare_extraction(tree, fast=True, include_comments=False, favor_recall=True, with_metadata=False)
    text = _completed((document.text if document else "") or "", boxes)
    lines = _without_title(text.split("\n"), head)
    lines = [line for line in lines if line.strip() and not (len(line) <= MOST_PHRASE and _PHRASES.match(line))]
    text = "\n".join(lines)
    if len(text) < 0.25 * len(head.body):
        text = head.body
    return Page(
        text=text,
        title=head.title,
        author=head.author,
        date=head.date,
        language=language_of(text)[0] or head.language.strip().lower()[:2],
        kind=head.kind,
        url=url,
        references=references,
    )


def _drop_links(tree: Any) -> None:
    """Take out what is nothing but a link, of four words or more."""
    for element in list(tree.iter("p", "li", "h2", "h3", "h4")):
        if element.find(".//a") is None or element.find(".//li") is not None or element.getparent() is None:
            continue
        text = _text_of(element)
        linked = sum(len(_text_of(link)) for link in element.iter("a"))
        if len(text) > 15 and linked >= 0.9 * len(text) and len(text.split()) >= 4:
            element.drop_tree()


def _boxes(tree: Any) -> dict[tuple[Any, ...], list[str]]:
    """Long paragraphs by the tags and classes of the two boxes they lie in."""
    boxes: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for paragraph in tree.iter("p"):
        text = _text_of(paragraph)
        if len(text) < LEAST_PARAGRAPH:
            continue
        inner = paragraph.getparent()
        outer = inner.getparent() if inner is not None else None
        kind = tuple((box.tag, box.get("class") or "") for box in (inner, outer) if box is not None)
        boxes[kind].append(text)
    return boxes


def _completed(text: str, boxes: dict[tuple[Any, ...], list[str]]) -> str:
    """The text, with paragraphs of the same boxes that were missed, where they are half as much again."""
    runs = _runs(text)
    missed: list[str] = []
    for paragraphs in boxes.values():
        found = [_share(paragraph, runs) for paragraph in paragraphs]
        if any(share > 0.8 for share in found):
            missed += [paragraph for paragraph, share in zip(paragraphs, found, strict=True) if share < 0.2]
    if text and sum(map(len, missed)) > 0.5 * len(text):
        return "\n".join([text, *missed])
    return text


def _without_title(lines: list[str], head: Head) -> list[str]:
    """The lines without one of the first six that says the title again."""
    kept = []
    for at, line in enumerate(lines):
        plain = words_of(line)
        repeats = any(plain == title or (len(plain) > 20 and title.startswith(plain)) for title in head.titles)
        if at >= 6 or not plain or not repeats:
            kept.append(line)
    return kept


def _share(paragraph: str, runs: set[tuple[str, ...]]) -> float:
    own = _runs(paragraph)
    return len(own & runs) / max(1, len(own))


def _runs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return set(zip(words, words[1:], words[2:], words[3:], strict=False))


def _text_of(element: Any) -> str:
    texts: Iterable[str] = element.itertext()
    return " ".join(" ".join(texts).split())
