"""The main text of a page."""

from __future__ import annotations

from dataclasses import dataclass

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    text: str
    title: str = ""
    author: str = ""
    date: str = ""
    language: str = ""
    kind: str = ""


def extract(html: bytes | str, url: str = "") -> Page:
    import trafilatura

    from modelwright.collection.web.language import language_of

    text = trafilatura.extract(html, url=url or None, fast=True, include_comments=False) or ""
    return Page(text=text, language=language_of(text))
