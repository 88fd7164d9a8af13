"""What is made once of an input's settings (a dictionary of a vocabulary, say), and then used by every call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_MAX_KEPT = 64
_kept: dict[tuple[int, str], tuple[Mapping[str, Any], Any]] = {}


def prepared(settings: Mapping[str, Any], what: str, make: Callable[[Mapping[str, Any]], Any]) -> Any:
    """`make(settings)`, remembered by the identity of the settings: they are held, so no other can take their place.

    >>> settings = {"a": 1}
    >>> prepared(settings, "list", list) is prepared(settings, "list", list)
    True
    """
    key = (id(settings), what)
    found = _kept.get(key)
    if found is not None and found[0] is settings:
        return found[1]
    made = make(settings)
    while len(_kept) >= _MAX_KEPT:
        _kept.pop(next(iter(_kept)), None)
    _kept[key] = (settings, made)
    return made
