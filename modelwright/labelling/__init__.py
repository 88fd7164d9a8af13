"""Labelling: people, and functions, say what rows are; labels are joined by row id, never by position."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelwright.labelling.base import Labels, LabelSpec
    from modelwright.labelling.joining import join
    from modelwright.labelling.people import Person, read_team, token_of
    from modelwright.labelling.server import serve_labelling
    from modelwright.labelling.settle import labels
    from modelwright.labelling.store import Project, create, open_project

_WHERE = {
    "LabelSpec": "base", "Labels": "base", "join": "joining", "Person": "people", "read_team": "people",
    "token_of": "people", "serve_labelling": "server", "labels": "settle", "Project": "store", "create": "store",
    "open_project": "store",
}  # fmt: skip

__all__ = [
    "LabelSpec", "Labels", "Person", "Project", "create", "join", "labels", "open_project", "read_team",
    "serve_labelling", "token_of",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
