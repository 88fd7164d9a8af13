"""Units behind (or before) numbers: one unit per column, the others converted.

A column is read as numbers with units only when all its suffixes are spellings of one unit, or units of one
kind (mm and cm, g and kg); "12A" and "14B" are seats.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from modelwright.core.data import Decision

_KINDS: dict[str, dict[str, float]] = {
    "length": {"nm": 1e-9, "µm": 1e-6, "um": 1e-6, "mm": 1e-3, "millimeter": 1e-3, "millimetre": 1e-3, "cm": 1e-2,
               "centimeter": 1e-2, "centimetre": 1e-2, "dm": 0.1, "m": 1.0, "meter": 1.0, "metre": 1.0, "km": 1e3,
               "kilometer": 1e3, "kilometre": 1e3, "in": 0.0254, "inch": 0.0254, "inche": 0.0254, '"': 0.0254,
               "ft": 0.3048, "feet": 0.3048, "foot": 0.3048, "yd": 0.9144, "yard": 0.9144, "mi": 1609.344,
               "mile": 1609.344},
    "mass": {"mcg": 1e-6, "µg": 1e-6, "ug": 1e-6, "mg": 1e-3, "milligram": 1e-3, "g": 1.0, "gr": 1.0, "gram": 1.0,
             "kg": 1e3, "kgs": 1e3, "kilogram": 1e3, "t": 1e6, "lb": 453.59237, "lbs": 453.59237, "pound": 453.59237,
             "oz": 28.349523125, "ounce": 28.349523125},
    "volume": {"µl": 1e-6, "ul": 1e-6, "ml": 1e-3, "cl": 1e-2, "dl": 0.1, "l": 1.0, "liter": 1.0, "litre": 1.0,
               "hl": 100.0},
    "time": {"ms": 1e-3, "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "min": 60.0, "mins": 60.0, "minute": 60.0,
             "h": 3600.0, "hr": 3600.0, "hrs": 3600.0, "hour": 3600.0, "d": 86400.0, "day": 86400.0,
             "week": 604800.0},
    "age": {"mo": 1.0, "month": 1.0, "y": 12.0, "yr": 12.0, "yrs": 12.0, "year": 12.0},
    "area": {"mm2": 1e-6, "mm²": 1e-6, "cm2": 1e-4, "cm²": 1e-4, "m2": 1.0, "m²": 1.0, "sqm": 1.0, "ha": 1e4,
             "km2": 1e6, "km²": 1e6, "sqft": 0.09290304, "sq ft": 0.09290304, "ft2": 0.09290304, "ft²": 0.09290304},
    "memory": {"b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12},
    "frequency": {"hz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9},
    "pressure": {"pa": 1.0, "hpa": 100.0, "kpa": 1e3, "mbar": 100.0, "bar": 1e5, "mmhg": 133.322387415},
    "energy": {"kj": 1.0, "kcal": 4.184},
    "power": {"kw": 1.0, "ps": 0.73549875, "hp": 0.745699872},
    "speed": {"km/h": 1.0, "kmh": 1.0, "kph": 1.0, "mph": 1.609344, "m/s": 3.6},
    "concentration": {"mg/l": 1e-3, "mg/dl": 1e-2, "g/l": 1.0, "g/dl": 10.0},
}  # fmt: skip
"""Units of one kind and their sizes, case-folded and in the singular."""

_TIMES = {"k": 1e3, "K": 1e3, "M": 1e6, "mn": 1e6, "mio": 1e6, "bn": 1e9, "B": 1e9}
_CODES = {"usd", "eur", "gbp", "chf", "jpy", "cny", "inr", "cad", "aud", "sek", "nok", "dkk", "pln", "czk", "brl", "rs"}


@dataclass(frozen=True, slots=True)
class UnitRule:
    """How units are read: `factors` goes into the `Reading`, `unit` into the schema."""

    factors: Mapping[str, float]
    unit: str
    told: tuple[Decision, ...] = field(default=())


def _key(unit: str) -> str:
    return unit.casefold().replace("\u03bc", "\u00b5").rstrip(".").strip()


def _stem(unit: str) -> str:
    key = _key(unit)
    return key[:-1] if len(key) > 3 and key.endswith("s") else key


def _size(unit: str, kind: Mapping[str, float]) -> float | None:
    """The size of a unit, also when a note follows it: "oz. bottle"."""
    first = unit.split(maxsplit=1)[0]
    return next((kind[key] for key in (_key(unit), _stem(unit), _key(first), _stem(first)) if key in kind), None)


def unit_rule(numbers: Mapping[str, list[float]], bare: list[float], column: str) -> UnitRule | None:
    """The rule for a column whose cells carry these units, or None when they are no units of one kind.

    `numbers` has the numbers seen with each unit, as spelled; `bare` those seen without one. The column's own
    unit is the one its name says, else the one whose numbers are most like the bare ones, else the commonest.

    >>> rule = unit_rule({"mm": [17.9, 20.5], "cm": [1.8]}, [18.0, 19.5], "radius")
    >>> dict(rule.factors), rule.unit
    ({'cm': 10.0, 'mm': 1.0}, 'mm')
    """
    if not numbers:
        return UnitRule({}, "")
    spellings = sorted(numbers)
    if set(spellings) <= {"%"}:
        return _percent(numbers, bare, column)
    if set(spellings) <= set(_TIMES) and set(spellings) & {"k", "K", "M"}:
        return UnitRule({unit: _TIMES[unit] for unit in spellings}, "")
    if len({_stem(unit) for unit in spellings}) == 1:
        if len(spellings[0]) == 1 and spellings[0].isupper():
            return None  # "12A" is a seat or a code
        return _same(spellings, numbers, bare, column)
    kinds = [kind for kind in _KINDS.values() if all(_size(unit, kind) for unit in spellings)]
    return _convert(kinds[0], numbers, bare, column) if kinds else None


def _percent(numbers: Mapping[str, list[float]], bare: list[float], column: str) -> UnitRule:
    like = abs(_log(_median(bare)) - _log(_median(numbers["%"]))) if bare else math.inf
    if like < abs(like - _log(100.0)):
        why = "numbers without a % are of the size of those with one"
        return UnitRule({"%": 1.0}, "%", (Decision("cleaning", column, "numbers are in %", why),))
    return UnitRule({"%": 0.01}, "", (Decision("cleaning", column, "12 % is read as 0.12", "cells carry a %"),))


def _same(spellings: list[str], numbers: Mapping[str, list[float]], bare: list[float], column: str) -> UnitRule:
    unit = max(spellings, key=lambda spelling: (len(numbers[spelling]), spelling)).rstrip(".")
    also = " and for cells without one" if bare else ""
    told = Decision(
        "cleaning", column, f"the unit is {unit}", f"it is the only one, spelled {', '.join(spellings)}{also}"
    )
    return UnitRule(dict.fromkeys(spellings, 1.0), unit, (told,))


def _convert(kind: Mapping[str, float], numbers: Mapping[str, list[float]], bare: list[float], column: str) -> UnitRule:
    base, why = _own_unit(kind, numbers, bare, column)
    size = _size(base, kind) or 1.0
    factors = {unit: float(f"{(_size(unit, kind) or size) / size:.12g}") for unit in sorted(numbers)}
    counts = ", ".join(f"{len(values)} in {unit}" for unit, values in sorted(numbers.items()))
    told = [Decision("cleaning", column, f"all numbers brought to {base}", f"{counts}; {why}")]
    if bare:
        told.append(Decision("cleaning", column, f"{len(bare)} numbers without a unit are taken as {base}", why))
    return UnitRule(factors, base, tuple(told))


def _own_unit(
    kind: Mapping[str, float], numbers: Mapping[str, list[float]], bare: list[float], column: str
) -> tuple[str, str]:
    named = [word for word in re.split(r"[^\w²µ/%]+|_", column) if len(word) > 1 and _size(word, kind)]
    if named:
        return named[-1], "the column's name says so"
    if bare:
        centre = _median(bare)
        base = min(sorted(numbers), key=lambda unit: abs(_log(centre) - _log(_median(numbers[unit]))))
        return base, f"numbers without a unit are of the size of those in {base}"
    base = max(sorted(numbers), key=lambda unit: len(numbers[unit]))
    return base, "it is the most frequent"


def _median(values: list[float]) -> float:
    ranked = sorted(map(abs, values))
    return ranked[len(ranked) // 2]


def _log(value: float) -> float:
    return math.log(max(value, 1e-300))


def is_currency(word: str) -> bool:
    """Whether a word before or behind a number is a currency's code.

    >>> is_currency("EUR"), is_currency("mm")
    (True, False)
    """
    return _key(word) in _CODES
