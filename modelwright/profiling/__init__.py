"""Profiling: what the data is like, and whether it is enough; changes nothing."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from modelwright.profiling.base import ProfileSpec, profile
from modelwright.profiling.values import Alert, ColumnProfile, Profile

if TYPE_CHECKING:
    from modelwright.profiling.page import Section, profile_page

__all__ = ["Alert", "ColumnProfile", "Profile", "ProfileSpec", "Section", "profile", "profile_page"]

_LAZY = {"Section": "page", "profile_page": "page"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"modelwright.profiling has no {name!r}")
    return getattr(importlib.import_module(f"modelwright.profiling.{_LAZY[name]}"), name)
