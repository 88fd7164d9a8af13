"""The web as a source: a polite crawler, and the main text of pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.collection.web.base import Crawled, WebSpec, crawl

if TYPE_CHECKING:
    from modelwright.collection.web.text import Page, extract

__all__ = ["Crawled", "Page", "WebSpec", "crawl", "extract"]


def __getattr__(name: str) -> Any:
    if name in ("Page", "extract"):
        from modelwright.collection.web import text

        return getattr(text, name)
    raise AttributeError(name)
