"""Databases and JSON APIs, read again and again: the rows since last time, in batches, over a reading connection."""

from __future__ import annotations

from typing import Any

__all__ = ["read_new_pages", "read_new_rows"]


def __getattr__(name: str) -> Any:
    """The channels are imported when they are asked for: the Specs beside them are light."""
    if name == "read_new_rows":
        from modelwright.collection.databases.tables import read_new_rows

        return read_new_rows
    if name == "read_new_pages":
        from modelwright.collection.databases.api import read_new_pages

        return read_new_pages
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
