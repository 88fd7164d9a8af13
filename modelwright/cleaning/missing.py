"""What means "no value": words such as `N/A`, and numbers such as -999 when the column gives evidence.

Words are taken at face value; a number is a sentinel only when it is one of the customary ones, repeats, and
lies far outside everything else in its column.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

WORDS = (
    "?", "??", "???", "na", "n/a", "n.a.", "n.a", "#n/a", "#na", "nan", "-nan", "null", "(null)", "<null>", "<na>",
    "nat", "-", "--", "---", "\u2013", "\u2014", ".", "..", "...", "missing", "not available", "no data", "\\n",
    "#ref!", "#value!", "#div/0!", "#num!", "#name?", "#null!",
)  # fmt: skip
"""Words that mean "no value" in any column, case-folded."""

WORDS_AMONG_NUMBERS = (
    *WORDS, "none", "nil", "unknown", "unk", "unkn", "undefined", "not applicable", "not known", "not recorded",
    "not measured", "not done", "tbd", "tba", "error", "#error", "blank", "empty", "inf", "-inf", "+inf",
    "infinity", "-infinity",
)  # fmt: skip
"""More words that mean it among numbers, dates and booleans; among categories they may be a level."""

CANDIDATES = tuple(
    sorted(
        {sign * value for sign in (1.0, -1.0) for value in
         (99.0, 999.0, 9999.0, 99999.0, 999999.0, 9999999.0, 99999999.0, 999999999.0, 9999999999.0, 888.0, 8888.0,
          88888.0, 777.0, 7777.0, 99.9, 999.9, 9999.9, 99.99, 999.99, 9999.99, 2147483647.0,
          1e20, 1e30, 1.7976931348623157e308)}
        | {-1.0, -9.0, -2147483648.0, 65535.0, -32768.0}
    )
)  # fmt: skip
LEAST_REPEATS = 3
LEAST_LEVELS = 5
FAR = 2.0  # in widths of all other values of the column
SPIKE = 5.0  # times as often as the next most frequent value


def words_for(kind: str, levels: Iterable[str], extra: Iterable[str] = ()) -> tuple[str, ...]:
    """The markers of a column of that kind, case-folded. `levels` are its other cells, stripped.

    In a column of two-letter codes `NA` is a code (Namibia, North America), and beside a `+` the `-` is one.

    >>> "na" in words_for("category", ["EU", "AS", "AF", "SA"]), "none" in words_for("category", ["Brick"])
    (False, False)
    """
    words = list(WORDS if kind in ("category", "text") else WORDS_AMONG_NUMBERS)
    if kind == "category":
        others = {level for level in levels if level.casefold() not in words}
        if len(others) >= 4 and all(len(level) == 2 and level.isalpha() and level.isupper() for level in others):
            words.remove("na")
        if "+" in others:
            words = [word for word in words if word.strip("-\u2013")]
    return tuple(dict.fromkeys([*words, *(word.strip().casefold() for word in extra)]))


def sentinels(values: np.ndarray) -> dict[float, tuple[int, str]]:
    """Numbers that mean "no value": their counts and the evidence. `values` is float64 of shape (n,), finite.

    Customary values only (-1, -9, 99, 999, 9999, ...), at least 3 times, and beyond all other values either
    by twice their whole range, or as a spike in a column where hardly any value repeats.

    >>> import numpy as np
    >>> found = sentinels(np.array([31.0, 45, 52, 38, 61, 29, 999, 999, 999]))
    >>> found[999.0][0]
    3
    """
    import numpy as np

    if len(values) < LEAST_LEVELS + LEAST_REPEATS:
        return {}
    suspects = values[np.isin(values, CANDIDATES)]
    if len(suspects) < LEAST_REPEATS:
        return {}
    levels, counts = np.unique(values, return_counts=True)
    candidate = np.isin(levels, CANDIDATES) & (counts >= LEAST_REPEATS)
    found: dict[float, tuple[int, str]] = {}
    while candidate.any():
        rest, rest_counts = levels[~candidate], counts[~candidate]
        if len(rest) < LEAST_LEVELS:
            return {}
        found = {
            float(level): (int(count), evidence)
            for level, count in zip(levels[candidate], counts[candidate], strict=True)
            if (evidence := _evidence(float(level), int(count), rest, rest_counts))
        }
        kept = np.isin(levels, list(found))
        if (kept == candidate).all():
            break
        candidate = kept  # a candidate that is a value of the column after all widens the rest
    return found


def _evidence(level: float, count: int, rest: np.ndarray, rest_counts: np.ndarray) -> str:
    """Why a candidate is a sentinel among the other values, or ""."""
    low, high = float(rest.min()), float(rest.max())
    gap = max(low - level, level - high)
    width = high - low
    if gap <= 0:
        return ""
    if gap > FAR * width:
        return f"{count} times, while all other values lie between {low:g} and {high:g}"
    continuous = len(rest) > 0.5 * rest_counts.sum() and len(rest) >= 20
    all_nines = len(set(f"{abs(level):.10g}".replace(".", ""))) == 1 and abs(level) >= 99
    if all_nines and continuous and gap > 0.5 * width and count >= SPIKE * rest_counts.max():
        return f"{count} times in a column where hardly any value repeats, beyond {low:g} to {high:g}"
    return ""


def own_words(counts: Mapping[str, int], readable: int) -> tuple[str, ...]:
    """Words of the column's own that mean "no value": without a digit, repeated, among readable cells.

    `counts` are the unreadable cells, stripped. At most 5 such words, each at least 3 times.

    >>> own_words({"not weighed": 12, "1x": 4, "oops": 1}, readable=300)
    ('not weighed',)
    """
    if readable < 20:
        return ()
    words = {
        word: count
        for word, count in counts.items()
        if count >= LEAST_REPEATS and not any(letter.isdigit() for letter in word) and len(word) <= 40
    }
    return tuple(sorted(words, key=lambda word: (-words[word], word))[:5])


def plainly(number: float) -> str:
    """A number as people write it: 999, not 999.0.

    >>> plainly(999.0), plainly(99.9)
    ('999', '99.9')
    """
    return str(int(number)) if math.isfinite(number) and number == int(number) and abs(number) < 1e15 else f"{number!r}"
