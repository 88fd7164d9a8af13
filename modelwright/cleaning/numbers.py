"""Numbers in text: which mark is the decimal one, which parts the thousands, what money and units are.

All cells of a column are read by one rule, chosen as the one that reads the most of them; when two rules read
the same cells differently ("1,234"), the sizes of the column's other numbers decide, and it is told.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from modelwright.cleaning.units import UnitRule, is_currency, unit_rule
from modelwright.core.data import Decision
from modelwright_runtime.reading import CURRENCIES, CellError, Reading, parse_number

_SIGNS = re.escape(CURRENCIES)
_SHAPE = re.compile(
    rf"\(?\s*(?P<sign>[+\-\u2212]?)\s*(?P<before>[{_SIGNS}]|[^\W\d_]{{1,4}}\.?)?\s*"
    rf"(?P<core>[+\-\u2212]?(?:\d[\d.,'\u00a0\u202f ]*\d|\d)[.,]?|[+\-\u2212]?[.,]\d+)(?P<power>[eE][+-]?\d+)?"
    rf"\s*(?P<after>[{_SIGNS}]|[^\d\s.,()+\-][^\d()]{{0,24}}[23]?)?\s*\)?\Z"
)
_FORMS = ((".", ""), (".", ","), (",", ""), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'"))
LEAST_READABLE = 0.9
MOST_CELLS = 2000
RARE_UNIT = 0.04  # of the cells with a unit: rarer ones are slips, and stay unread


@dataclass(frozen=True, slots=True)
class NumberRule:
    """How a column's numbers are read, which share of its cells that is, and what was decided."""

    reading: Reading
    share: float
    unit: str = ""
    told: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True)
class _Part:
    core: str
    before: str
    after: str
    count: int


def number_rule(
    odd: Mapping[str, int], plain: list[str], n_plain: int, base: Reading, *, comma: bool | None = None
) -> NumberRule | None:
    """The rule that reads a column as numbers, or None when less than nine tenths would be read.

    `odd` are the stripped, non-missing cells that are no plain number, with counts; `plain` are some plain
    ones of `n_plain`. `comma` says whether the rest of the table has decimal commas (None: no evidence).

    >>> rule = number_rule({"1.234,50 €": 3, "99,90 €": 4}, ["12"], 1, Reading(column="price", kind="number"))
    >>> rule.reading.decimal, rule.reading.thousands, rule.share
    (',', '.', 1.0)
    """
    n_odd = sum(odd.values())
    if not n_odd:
        return NumberRule(base, 1.0)
    ranked = sorted(odd.items(), key=lambda item: (-item[1], item[0]))[:MOST_CELLS]
    parts = [part for cell, count in ranked if (part := _part(cell, count))]
    n_seen = sum(count for _, count in ranked)
    n_shaped = sum(part.count for part in parts)
    if n_plain + n_shaped == 0 or n_plain + n_odd * n_shaped / n_seen < LEAST_READABLE * (n_plain + n_odd):
        return None
    if not parts:
        return NumberRule(base, n_plain / (n_plain + n_odd))
    decimal, thousands, told = _marks(parts, plain, base.column, comma=comma)
    reading = replace(base, decimal="," if decimal == "," else ".", thousands=thousands)
    units = _units(parts, plain, n_plain, reading)
    if units is None:
        return None
    reading = replace(reading, units=dict(units.factors))
    n_read = sum(count for cell, count in ranked if _reads(cell, reading))
    share = (n_plain + n_odd * n_read / n_seen) / (n_plain + n_odd)
    if share < LEAST_READABLE:
        return None
    return NumberRule(reading, share, units.unit, (*told, *units.told))


def _part(cell: str, count: int) -> _Part | None:
    shape = _SHAPE.match(cell)
    if not shape:
        return None
    core = shape["core"].lstrip("+-\u2212").replace("\u00a0", " ").replace("\u202f", " ")
    return _Part(core, shape["before"] or "", (shape["after"] or "").strip(), count)


def _reads(cell: str, reading: Reading) -> bool:
    try:
        return math.isfinite(parse_number(cell, reading))
    except CellError:
        return False


def _pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    mark = re.escape(thousands)
    whole = rf"(?:[1-9]\d{{0,2}}(?:{mark}\d{{3}})+|\d+)" if thousands else r"\d+"
    fraction = "[.,]" if (decimal, thousands) == (",", "") else re.escape(decimal)
    return re.compile(rf"(?:{whole}(?:{fraction}\d*)?|{fraction}\d+)\Z")


_EITHER = re.compile(r"[1-9]\d{0,2},\d{3}\Z")
_PATTERNS = {form: _pattern(*form) for form in _FORMS}


def _marks(parts: list[_Part], plain: list[str], column: str, *, comma: bool | None) -> tuple[str, str, list[Decision]]:
    """Decimal mark and thousands mark: the pair that reads the most cells."""
    cores = [(part.core, part.count) for part in parts]
    pointed = [(cell.lstrip("+-"), 1) for cell in plain if "." in cell]
    score = {
        form: sum(count for core, count in (*cores, *pointed) if pattern.match(core))
        for form, pattern in _PATTERNS.items()
    }
    best = max(score.values())
    tied = [form for form in _FORMS if score[form] == best]
    either = [core for core, _ in cores if _EITHER.match(core)]
    if either and (".", ",") in tied and (",", "") in tied:
        return _comma(either, plain, column, comma=comma)
    decimal, thousands = tied[0]
    told = []
    n_comma = sum(count for core, count in cores if "," in core)
    if decimal == "," and n_comma:
        told.append(
            Decision("cleaning", column, "the comma is the decimal mark", f"{n_comma} cells can be read so only")
        )
    if thousands:
        n_marked = sum(count for core, count in cores if thousands in core)
        why = f"{n_marked} cells have it before groups of three digits"
        told.append(Decision("cleaning", column, f"{thousands!r} parts the thousands", why))
    return decimal, thousands, told


def _comma(marked: list[str], plain: list[str], column: str, *, comma: bool | None) -> tuple[str, str, list[Decision]]:
    """Every comma stands before three digits: 1,234 is either 1234 or 1.234."""
    as_decimal = [float(core.replace(",", ".")) for core in marked]
    numbers = [abs(float(cell)) for cell in plain]
    choice, why = "thousands", "that is the commoner use, and nothing in the table speaks against it"
    if len(numbers) >= 3:
        centre = math.log10(max(sorted(numbers)[len(numbers) // 2], 1e-9))
        middle = math.log10(max(sorted(as_decimal)[len(as_decimal) // 2], 1e-9))
        nearer = abs(middle - centre) < abs(middle + 3 - centre)
        choice = "decimal" if nearer else "thousands"
        why = "that makes them of the size of the column's other numbers"
    elif comma is not None:
        choice = "decimal" if comma else "thousands"
        why = "the table's other columns have the comma so"
    other = "thousands" if choice == "decimal" else "decimal"
    about = f"the comma is the {choice} mark"
    told = [Decision("cleaning", column, about, f"ambiguous ({marked[0]!r} could also be {other}): {why}")]
    return (",", "", told) if choice == "decimal" else (".", ",", told)


def _units(parts: list[_Part], plain: list[str], n_plain: int, reading: Reading) -> UnitRule | None:
    """The column's units, None when suffixes or prefixes are no units (or of several currencies)."""
    total = n_plain + sum(part.count for part in parts)
    if sum(part.count for part in parts if _is_code(part)) > RARE_UNIT * total:
        return None  # "A12", "No. 7"
    parts = [part for part in parts if not _is_code(part)]
    money: dict[str, int] = {}
    numbers: dict[str, list[float]] = {}
    n_cells: dict[str, int] = {}
    bare = [float(cell) for cell in plain]
    for part in parts:
        for word in filter(_is_money, (part.before, part.after)):
            money[word] = money.get(word, 0) + part.count
        value = _value(part.core, reading)
        if value is not None:
            unit = "" if _is_money(part.after) else part.after
            n_cells[unit] = n_cells.get(unit, 0) + part.count
            (numbers.setdefault(unit, []) if unit else bare).extend([value] * min(part.count, 50))
    if len({word.casefold() for word, count in money.items() if count > 0.01 * total}) > 1:
        return None
    n_with = sum(count for unit, count in n_cells.items() if unit)
    least = RARE_UNIT * (n_with if n_with > 0.1 * total else total)
    numbers = {unit: values for unit, values in numbers.items() if n_cells[unit] > least}
    rule = unit_rule(numbers, bare, reading.column)
    if rule is None or not money:
        return rule
    sign = max(sorted(money), key=lambda word: money[word])
    codes = {word: 1.0 for word in sorted(money) if word not in CURRENCIES}
    return UnitRule({**rule.factors, **codes}, rule.unit or sign, rule.told)


def _is_money(word: str) -> bool:
    return bool(word) and (word in CURRENCIES or is_currency(word))


def _is_code(part: _Part) -> bool:
    return bool(part.before) and not _is_money(part.before)


def _value(core: str, reading: Reading) -> float | None:
    try:
        return parse_number(core, replace(reading, units={}))
    except CellError:
        return None
