"""Why a cell is thought to be wrong, in a sentence for somebody who knows the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from modelwright.cleaning.tables.coded import Coded, quoted

if TYPE_CHECKING:
    from modelwright.cleaning.tables.cells import Doubts

Change = tuple[int, str, str | None, str, str, float]


def change(found: Doubts, entry: int, chance: float, columns: Mapping[str, Coded]) -> Change:
    """One proposal: place, column, before, after, reason, confidence."""
    row, own, meant = int(found.rows[entry]), int(found.own[entry]), int(found.meant[entry])
    values = found.column.values
    reasons = [one for one in (_votes(found, entry, columns), _spelling(found, entry)) if one]
    before = values[own] if own >= 0 else None
    return row, found.column.name, before, values[meant], "; ".join(reasons) or "the rest of its row says so", chance


def flag(found: Doubts, entry: int, wrong: float) -> tuple[int, str, str, str, float]:
    """One cell that is wrong and has no clear remedy: place, column, method, reason, score."""
    meant = found.column.values[int(found.meant[entry])]
    why = f"likely wrong, and what was meant is not clear ('{quoted(meant)}' is one of several)"
    return int(found.rows[entry]), found.column.name, "wrong_cells", why, wrong


def _votes(found: Doubts, entry: int, columns: Mapping[str, Coded]) -> str:
    """What the most telling dependency says: "24 of 24 other rows with zip '36301' say so: 'Dothan'"."""
    import numpy as np

    if not found.deps:
        return ""
    told = found.said.each[entry] - found.against.each[entry]
    best = int(np.argmax(told))
    if told[best] < 0.5:
        return ""
    own, meant = int(found.own[entry]), int(found.meant[entry])
    n_more = int((told > 0.5).sum()) - 1
    more = f", and {n_more} other columns agree" if n_more > 1 else ", and another column agrees" if n_more else ""
    said = found.deps[best].reason(int(found.rows[entry]), meant, own, columns)
    return f"{said}: '{quoted(found.column.values[meant])}'{more}"


def _spelling(found: Doubts, entry: int) -> str:
    """How the text differs from what was meant, and how frequent that is."""
    mistakes = found.edits[int(found.kind[entry])]
    if not mistakes or found.own[entry] < 0:
        return ""
    meant = int(found.meant[entry])
    what = " and ".join(
        f"a letter {kind}" if kind in ("left out", "put in") else f"letters {kind}"
        for kind in sorted({k for k, _ in mistakes})
    )
    return f"{what}: {int(found.column.counts[meant])} cells say '{quoted(found.column.values[meant])}'"
