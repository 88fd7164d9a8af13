"""Errors, shared with the runtime: one idea, one place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from modelwright_runtime.errors import SystemFault, UserError, WrightError

__all__ = ["SystemFault", "UserError", "WrightError", "nearest"]


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that lists the known names and, first, the one most like `name`.

    >>> nearest("forrest", ["linear", "forest"])
    'did you mean `forest`? Known: forest, linear'
    """
    names = sorted(known)
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    listing = ", ".join(names[:40]) + (f" and {len(names) - 40} more" if len(names) > 40 else "")
    return (f"did you mean `{close[0]}`? " if close else "") + f"Known: {listing}"
