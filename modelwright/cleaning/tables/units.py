"""Numbers of one column that are written with several units, or with several spellings of one, brought to one form.

Which form is right, the column says: the unit that its name states need not stand in the cells; else the form of most
cells, so long as the numbers agree (0.05 and 0.05% are the same number when both sorts are of one size, and not when
one is a hundred times the other). A number that only loses or gains a spelling is kept as it is written; one that is
converted (355 ml to 12 oz) is less sure. Cells that are all written alike are left as they are.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from modelwright.cleaning.tables.rewriting import Put, counted, counted_odd
from modelwright.cleaning.tables.written import Written, is_padded, tidied, written
from modelwright.cleaning.units import _KINDS, _size, _stem, is_currency

if TYPE_CHECKING:
    import polars as pl

NEARLY_ALL = 0.97
LEAST_CELLS = 20
MOST_SPELLINGS = 30
ALIKE = math.log(4)  # medians of numbers of one size differ by less
MOST_FORM = 0.6
SURE, CONVERTED, NOTED = 0.97, 0.9, 0.9


def units(frame: pl.DataFrame, column: str) -> dict[str, Put]:
    """What each cell of a column of numbers should be, so that all are written with one unit, or with none.

    >>> import polars as pl
    >>> cells = ["0.05"] * 20 + ["0.06%"] * 5 + ["0.07"] * 20
    >>> units(pl.DataFrame({"abv": cells}), "abv")["0.06%"].after
    '0.06'
    """
    odd, _ = counted_odd(frame[column])
    if not any(letter.isdigit() for text in odd for letter in text):
        return {}  # plain numbers and words: no unit
    counts = counted(frame[column])
    parts = {text: part for text in counts if (part := written(text)) is not None and not part.before}
    n_cells, n_read = sum(counts.values()), sum(counts[text] for text in parts)
    if n_read < max(LEAST_CELLS, NEARLY_ALL * _without_words(counts)) or not n_cells:
        return {}
    forms = Counter[str]()
    for text, part in parts.items():
        forms[part.behind] += counts[text]
    if len(forms) < 2 or len(forms) > MOST_SPELLINGS:
        return {}
    named = _named(column, forms)
    if named is not None:
        return _bare(parts, forms, named, column)
    return _to_most(parts, forms, counts)


def _without_words(counts: Mapping[str, int]) -> int:
    """Cells that have a digit: words that say "missing" are for others to judge."""
    return sum(count for text, count in counts.items() if any(letter.isdigit() for letter in text))


def _named(column: str, forms: Mapping[str, int]) -> tuple[str, dict[str, float]] | None:
    """The unit that the column's name states, and the kind of units it is of, when all cells are of that kind."""
    for word in re.split(r"[^\w²µ/%]+|_", column):
        for kind in _KINDS.values():
            is_unit = len(word) > 1 and _size(word, kind) is not None
            if is_unit and all(not form or _size(form, kind) is not None for form in forms):
                return word, kind
    return None


def _bare(
    parts: Mapping[str, Written], forms: Mapping[str, int], named: tuple[str, dict[str, float]], column: str
) -> dict[str, Put]:
    """Bare numbers in the unit that the column's name states."""
    word, kind = named
    own = _size(word, kind) or 1.0
    shown = ", ".join(f"'{form}'" for form, _ in Counter(forms).most_common(3) if form)
    padded = is_padded([part.number for part in parts.values() if not part.behind])
    found = {}
    for text, part in parts.items():
        if not part.behind:
            continue
        factor = (_size(part.behind, kind) or own) / own
        noted = len(part.behind.split()) > 1
        if abs(factor - 1) < 1e-9:
            why = f"the column's name says {word}; its cells spell it in {len(forms)} ways ({shown}, ...)"
            found[text] = Put(tidied(part.number, padded=padded), why, NOTED if noted else SURE)
        elif (value := _number(part.number)) is not None:
            why = f"'{part.behind}' brought to {word}, which the column's name says"
            found[text] = Put(f"{value * factor:.6g}", why, CONVERTED)
    return found


def _to_most(parts: Mapping[str, Written], forms: Mapping[str, int], counts: Mapping[str, int]) -> dict[str, Put]:
    """Each cell in the form that most cells have, when what differs is a spelling of one unit, or one unit and none."""
    main, n_main = max(forms.items(), key=lambda item: (item[1], item[0]))
    share = n_main / sum(forms.values())
    stems = {_stem(form) for form in forms if form}
    kind = (
        next((kind for kind in _KINDS.values() if all(not f or _size(f, kind) for f in forms)), None) if stems else None
    )
    if len(stems) > 1 and kind is None:
        return {}
    if any(len(form) == 1 and form.isupper() for form in forms) or any(is_currency(form) for form in forms):
        return {}
    sizes = {
        form: _median([v for t, p in parts.items() if p.behind == form and (v := _number(p.number))], counts)
        for form in forms
    }
    gap = _gap(parts, main)
    padded = is_padded([part.number for part in parts.values() if part.behind == main])
    found = {}
    for text, part in parts.items():
        if part.behind == main:
            continue
        factor = 1.0
        if kind is not None and part.behind and main:
            factor = (_size(part.behind, kind) or 1.0) / (_size(main, kind) or 1.0)
        elif abs(math.log(sizes[part.behind]) - math.log(sizes[main])) > ALIKE or share < MOST_FORM:
            continue  # with and without the unit they are not the same numbers, or neither is the rule
        value = _number(part.number)
        if value is None:
            continue
        same = abs(factor - 1) < 1e-9
        number = tidied(part.number, padded=padded) if same else f"{value * factor:.6g}"
        sure = (SURE if share >= MOST_FORM else 0.8) if same else CONVERTED
        how = f"with '{main}'" if main else "without one"
        also = "and numbers of the same size" if same else "and the number is converted"
        why = f"written with '{part.behind}'" if part.behind else "written without a unit"
        found[text] = Put(f"{number}{gap}{main}" if main else number,
                          f"{why} where {n_main:,} cells are written {how}, {also}", sure)  # fmt: skip
    return found


def _gap(parts: Mapping[str, Written], main: str) -> str:
    """What stands between a number and its unit where the unit is written the usual way."""
    texts = [(text, part) for text, part in parts.items() if part.behind == main]
    spaced = sum(1 for text, part in texts if f"{part.number} " in text)
    return " " if main and 2 * spaced > len(texts) else ""


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _median(values: list[float], counts: Mapping[str, int]) -> float:
    ranked = sorted(abs(value) for value in values) or [1.0]
    return max(ranked[len(ranked) // 2], 1e-300)
