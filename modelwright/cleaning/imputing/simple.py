"""Plain ways to fill a gap: one value for a whole column, or what the nearest rows have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelwright.cleaning.imputing.coding import Coding
from modelwright.core.rng import stream

if TYPE_CHECKING:
    import numpy as np

N_NEIGHBOURS = 5
MOST_NEIGHBOURS = 5_000
MOST_ASKED = 500  # rows compared at a time


def learn_fill(coded: np.ndarray, codings: Sequence[Coding], *, method: str, constant: float) -> dict[str, Any]:
    """What fills each column, and how far that is off: JSON-able state for `apply_fill`. Levels get the most frequent.

    >>> import numpy as np
    >>> x = Coding(name="x", kind="number", high=9.0)
    >>> state = learn_fill(np.array([[1.0], [2.0], [9.0], [np.nan]]), [x], method="median", constant=0.0)
    >>> apply_fill(state, np.array([[np.nan]]), [x])[0].tolist()
    [[2.0]]
    """
    import numpy as np

    fill, off = [], []
    for place, coding in enumerate(codings):
        known = coded[~np.isnan(coded[:, place]), place]
        fill.append(_fill(known, coding, method, constant))
        if coding.levels:
            off.append(float(np.mean(known != fill[-1])) if len(known) else 1.0)
        else:
            off.append(float(np.sqrt(np.mean((known - fill[-1]) ** 2))) if len(known) else 0.0)
    return {"fill": fill, "off": off}


def _fill(known: np.ndarray, coding: Coding, method: str, constant: float) -> float:
    import numpy as np

    if coding.levels:
        return 0.0  # levels are ordered, the most frequent first; of booleans it is counted
    if method == "constant" or not len(known):
        return constant
    if method == "most_frequent":
        values, counts = np.unique(known, return_counts=True)
        return float(values[counts.argmax()])
    return float(np.mean(known) if method == "mean" else np.median(known))


def apply_fill(
    state: Mapping[str, Any], coded: np.ndarray, codings: Sequence[Coding]
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The table filled, and how far each guess may be off."""
    import numpy as np

    gaps = np.isnan(coded)
    filled = np.where(gaps, np.asarray(state["fill"]), coded)
    return filled, np.where(gaps, np.asarray(state["off"]), 0.0)


def learn_neighbours(coded: np.ndarray, codings: Sequence[Coding], *, seed: int) -> dict[str, Any]:
    """The rows (at most 5,000) that others are held beside."""
    import numpy as np

    rows = np.arange(len(coded))
    if len(rows) > MOST_NEIGHBOURS:
        rows = np.sort(stream(seed, "imputing", "neighbours").choice(rows, size=MOST_NEIGHBOURS, replace=False))
    known = [[None if np.isnan(value) else value for value in row] for row in coded[rows].tolist()]
    return {"rows": known, **learn_fill(coded, codings, method="median", constant=0.0)}


def apply_neighbours(
    state: Mapping[str, Any], coded: np.ndarray, codings: Sequence[Coding]
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Each gap gets the mean (a level: the most frequent) of the five nearest rows that have the column.

    Near is the mean squared difference, in deviations, of the columns that both rows have; another level counts 1.

    Reference: Gower (1971), "A general coefficient of similarity", Biometrics 27(4); Troyanskaya et al. (2001).
    """
    import numpy as np

    filled, off = apply_fill(state, coded, codings)
    donors = np.array(state["rows"], dtype=np.float64).reshape(-1, coded.shape[1])
    gaps = np.isnan(coded)
    asked = np.flatnonzero(gaps.any(axis=1))
    for begin in range(0, len(asked), MOST_ASKED):
        rows = asked[begin : begin + MOST_ASKED]
        far = _far(coded[rows], donors, codings)
        for place, coding in enumerate(codings):
            having = np.flatnonzero(~np.isnan(donors[:, place]))
            here = np.flatnonzero(gaps[rows, place])
            if not len(having) or not len(here):
                continue
            n = min(N_NEIGHBOURS, len(having))
            near = np.argpartition(far[np.ix_(here, having)], n - 1, axis=1)[:, :n]
            lent = donors[having][near, place]
            if coding.levels:
                votes = (lent[:, :, None] == np.arange(coding.n_levels)).mean(axis=1)
                filled[rows[here], place], off[rows[here], place] = votes.argmax(axis=1), 1 - votes.max(axis=1)
            else:
                filled[rows[here], place], off[rows[here], place] = lent.mean(axis=1), lent.std(axis=1)
    return filled, off


def _far(asked: np.ndarray, donors: np.ndarray, codings: Sequence[Coding]) -> np.ndarray:
    """Mean difference of rows to rows over what both know; infinite where they share nothing, or are the same row."""
    import numpy as np

    total, shared = np.zeros((len(asked), len(donors))), np.zeros((len(asked), len(donors)))
    for place, coding in enumerate(codings):
        apart = asked[:, place][:, None] - donors[:, place][None]
        both = ~np.isnan(apart)
        weighed = (apart != 0) if coding.levels else (apart / (coding.scale or 1.0)) ** 2
        total += np.where(both, weighed, 0)
        shared += both
    return np.where(shared > 0, total / np.maximum(shared, 1), np.inf)
