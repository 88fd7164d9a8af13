"""How a number is written: what stands before it, the number, what stands behind it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CELL = re.compile(
    r"\s*(?P<before>[^\w\s+.,-]{1,3}|[^\W\d_]{1,4}(?=\s))?\s*(?P<number>[+-]?(?:\d[\d.,]*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"(?P<behind>\s*[^\d\s].*|\s*)\Z",
    re.DOTALL,
)
LONGEST = 80


@dataclass(frozen=True, slots=True)
class Written:
    """The parts of a cell that holds one number."""

    before: str
    number: str
    behind: str


def written(text: str) -> Written | None:
    """The parts of a text with one number, or None.

    >>> written("12.0 oz. Can")
    Written(before='', number='12.0', behind='oz. Can')
    >>> written("al_hf-3") is None
    True
    """
    found = _CELL.match(text) if len(text) <= LONGEST else None
    if found is None:
        return None
    behind = found["behind"].strip()
    if any(letter.isdigit() for letter in behind):
        return None
    return Written((found["before"] or "").strip(), found["number"], behind)


def number_in(text: str) -> float | None:
    """The number that a text says, with a point for its fraction; None when it says none or two.

    >>> number_in("12.0 oz."), number_in("N/A")
    (12.0, None)
    """
    parts = written(text)
    if parts is None:
        return None
    try:
        return float(parts.number)
    except ValueError:
        return None


def tidied(number: str, *, padded: bool = False) -> str:
    """A number the shortest way: without zeros that say nothing and without what binary fractions leave behind.

    `padded` keeps the text of a number that is exact already ("12.0" where its column writes 12.0).

    >>> tidied("12.0"), tidied("12.0", padded=True), tidied("0.055999999999999994", padded=True), tidied("1,5")
    ('12', '12.0', '0.056', '1,5')
    """
    try:
        value = float(number)
    except ValueError:
        return number
    short = f"{value:.15g}"
    return number if padded and len(short) >= len(number) - 3 else short if len(short) < len(number) else number


def is_padded(numbers: list[str]) -> bool:
    """Whether the numbers of a column are written with zeros behind that say nothing.

    >>> is_padded(["12.0", "8.4", "16.0"]), is_padded(["12", "8.4"])
    (True, False)
    """
    return any("." in number and number.endswith("0") for number in numbers)
