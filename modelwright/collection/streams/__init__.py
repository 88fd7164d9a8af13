"""Streams: what devices and brokers send becomes versions of a dataset; a kill loses nothing and doubles nothing."""

from __future__ import annotations

from typing import Any

__all__ = ["StreamSpec", "listen"]


def __getattr__(name: str) -> Any:
    """Imported when asked for: the Spec beside it is light."""
    if name == "listen":
        from modelwright.collection.streams.listening import listen

        return listen
    if name == "StreamSpec":
        from modelwright.collection.streams.spec import StreamSpec

        return StreamSpec
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
