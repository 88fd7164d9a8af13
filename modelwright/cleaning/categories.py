"""Spellings of one category: stray blanks and case variants become the most frequent spelling."""

from __future__ import annotations

import re
from collections.abc import Mapping

from modelwright.core.data import Decision

_BLANKS = re.compile(r"\s+")
RARE = 0.2  # of its group: a one-letter code in the other case is a slip only when it is this rare


def canonical_blanks(text: str) -> str:
    """A cell as the reader compares it: stripped, inner blanks single."""
    return _BLANKS.sub(" ", text).strip()


def variants(counts: Mapping[str, int], column: str) -> tuple[dict[str, str], list[Decision]]:
    """Spelling to canonical spelling, for the spellings that differ in case only. `counts` are raw cells.

    >>> variants({"Male": 40, " male": 3, "MALE": 2, "Female": 30}, "sex")[0]
    {'MALE': 'Male', 'male': 'Male'}
    """
    spelled: dict[str, int] = {}
    for cell, count in counts.items():
        text = canonical_blanks(cell)
        spelled[text] = spelled.get(text, 0) + count
    groups: dict[str, list[str]] = {}
    for text in sorted(spelled):
        groups.setdefault(text.casefold(), []).append(text)
    found: dict[str, str] = {}
    apart = []
    for spellings in groups.values():
        if len(spellings) < 2:
            continue
        ranked = sorted(spellings, key=lambda text: (-spelled[text], text))
        total = sum(spelled[text] for text in spellings)
        if len(ranked[0]) == 1 and sum(spelled[text] for text in ranked[1:]) > RARE * total:
            apart += ranked
            continue
        found |= dict.fromkeys(ranked[1:], ranked[0])
    told = []
    if found:
        shown = ", ".join(f"{text!r} -> {to!r}" for text, to in sorted(found.items())[:5])
        told.append(
            Decision("cleaning", column, f"{len(found)} spellings joined", f"they differ in case only: {shown}")
        )
    if apart:
        told.append(
            Decision("cleaning", column, f"kept {', '.join(apart)} apart", "one-letter codes may differ by case")
        )
    return dict(sorted(found.items())), told
