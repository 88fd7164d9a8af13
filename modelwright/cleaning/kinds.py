"""What kind a column is and how it is read: the `Reading` of each column, with the reasons.

In order: numbers, booleans, numbers with marks and units, dates, texts, and otherwise categories. Nine tenths
of the non-missing cells must be readable as the kind; the others become missing and are logged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from modelwright.cleaning.booleans import FALSE, TRUE, is_boolean
from modelwright.cleaning.categories import variants
from modelwright.cleaning.dates import date_rule
from modelwright.cleaning.missing import own_words, plainly, sentinels, words_for
from modelwright.cleaning.numbers import number_rule
from modelwright.cleaning.survey import MOST_DISTINCT, Look, finite
from modelwright.core.data import Decision
from modelwright_runtime.reading import Kind, Reading

if TYPE_CHECKING:
    import polars as pl

    from modelwright.cleaning.base import CleanSpec

LEAST_CODES = 0.01
LONGEST_INTEGER = 16  # digits; float64 is exact up to 2 ** 53
TEXT_WORDS, TEXT_SHARE, TEXT_DISTINCT = 2.0, 0.3, 20
PROSE_WORDS, PROSE_SHARE, PROSE_DISTINCT = 4.0, 0.05, 200
_EIGHT_DIGITS = (19000101.0, 21001231.0)


@dataclass(frozen=True, slots=True)
class Rule:
    """How one column is read. `open` says that decimal comma or day and month were guessed; `hint` is what
    this column says of them for the others: ("comma" or "day_first", value)."""

    reading: Reading
    unit: str = ""
    told: tuple[Decision, ...] = ()
    open: bool = False
    hint: tuple[str, bool] | None = None


@dataclass(frozen=True, slots=True)
class _Hints:
    """What the table's other columns say of marks and dates; None without evidence."""

    comma: bool | None = None
    day_first: bool | None = None


def choose_rules(looks: Sequence[Look], spec: CleanSpec) -> list[Rule]:
    """A rule for every column; ambiguous ones are decided by the columns that are not."""
    first = _Hints(day_first=spec.day_first)
    rules = [_rule(look, spec, first) for look in looks]
    said: dict[str, set[bool]] = {"comma": set(), "day_first": set()}
    for rule in rules:
        if rule.hint:
            said[rule.hint[0]].add(rule.hint[1])
    comma, day = said["comma"], said["day_first"]
    hints = _Hints(
        comma.pop() if len(comma) == 1 else None,
        spec.day_first if spec.day_first is not None else day.pop() if len(day) == 1 else None,
    )
    return [
        _rule(look, spec, hints) if rule.open and hints != first else rule
        for look, rule in zip(looks, rules, strict=True)
    ]


def typed_sample(
    looks: Sequence[Look], rules: Sequence[Rule], spec: CleanSpec
) -> tuple[list[Rule], dict[str, pl.Series]]:
    """The sampled cells read by the rules, and the rules, now with the sentinels that the values show."""
    from modelwright.cleaning.apply import read_series

    settled, columns = [], {}
    for look, rule in zip(looks, rules, strict=True):
        values = read_series(look.sample, rule.reading)
        if "sentinels" not in spec.skip:
            told = _with_sentinels(rule, values)
            values = values if told is rule else read_series(look.sample, told.reading)
            rule = told
        settled.append(rule)
        columns[look.name] = values
    return settled, columns


def _rule(look: Look, spec: CleanSpec, hints: _Hints) -> Rule:
    asked = spec.kinds.get(look.name)
    if look.is_text:
        rule = _text_rule(look, spec, hints, asked)
    else:
        rule = _typed_rule(look, spec, asked)
    is_target = look.name == spec.target or spec.roles.get(look.name) == "target"
    if is_target and asked is None and rule.reading.kind in ("boolean", "text"):
        told = Decision("cleaning", look.name, "category", "the target's classes keep the words of the data")
        return _category(look, spec, [told])
    return rule


# Columns whose source had types -------------------------------------------------------------------------------


def _typed_rule(look: Look, spec: CleanSpec, asked: Kind | None) -> Rule:
    import polars as pl

    dtype = look.sample.dtype
    kind: Kind = "category"
    why = f"the source says {dtype}"
    if dtype.is_numeric():
        kind = "number"
        if dtype.is_integer() and max(abs(look.low or 0), abs(look.high or 0)) > 2**53:
            kind, why = "category", "integers beyond 2^53 are codes, and not exact as numbers"
    elif dtype == pl.Boolean:
        kind = "boolean"
    elif dtype == pl.Date or isinstance(dtype, pl.Datetime):
        kind = "datetime"
    elif dtype.is_nested() or dtype in (pl.Object, pl.Binary):
        kind = "text"
    return _bare(look, asked or kind, spec, "asked for" if asked else why)


def _bare(look: Look, kind: Kind, spec: CleanSpec, why: str) -> Rule:
    told = (Decision("cleaning", look.name, kind, why),)
    reading = Reading(column=look.name, kind=kind, missing=_words(kind, (), spec))
    if kind == "boolean":
        reading = replace(reading, true=TRUE, false=FALSE)
    return Rule(reading, told=told)


def _words(kind: str, levels: Sequence[str], spec: CleanSpec) -> tuple[str, ...]:
    if "missing" in spec.skip:
        return tuple(word.strip().casefold() for word in spec.missing)
    return words_for(kind, levels, spec.missing)


# Columns of texts ---------------------------------------------------------------------------------------------


def _text_rule(look: Look, spec: CleanSpec, hints: _Hints, asked: Kind | None) -> Rule:
    if asked in ("category", "text"):
        told = Decision("cleaning", look.name, asked, "asked for")
        return _category(look, spec, [told]) if asked == "category" else _bare(look, "text", spec, "asked for")
    words = _words("number", (), spec)
    cells = _stripped(look.odd)
    others = {cell: count for cell, count in cells.items() if cell and cell.casefold() not in words}
    if not others and not look.n_plain:
        return _category(look, spec, [])
    tries = {"number": _as_number, "boolean": _as_boolean, "datetime": _as_date}
    order: tuple[str, ...] = (
        (asked,) if asked else ("datetime", "number") if not others else ("boolean", "number", "datetime")
    )
    for kind in order:
        rule = tries[kind](look, others, spec, hints)
        if rule is not None:
            return rule
    if asked:
        return _bare(look, asked, spec, "asked for, though few cells can be read so")
    return _category_or_text(look, others, spec)


def _stripped(odd: Mapping[str, int]) -> dict[str, int]:
    cells: dict[str, int] = {}
    for cell, count in odd.items():
        text = cell.strip()
        cells[text] = cells.get(text, 0) + count
    return cells


def _as_boolean(look: Look, others: Mapping[str, int], spec: CleanSpec, hints: _Hints) -> Rule | None:
    ones = look.n_plain if _only_zero_and_one(look) else 0
    if spec.kinds.get(look.name) != "boolean" and (
        "booleans" in spec.skip or not is_boolean(others, ones, look.n_plain - ones)
    ):
        return None
    reading = Reading(column=look.name, kind="boolean", missing=_words("boolean", (), spec), true=TRUE, false=FALSE)
    shown = ", ".join(sorted(others, key=lambda word: (-others[word], word))[:4])
    return Rule(reading, told=(Decision("cleaning", look.name, "boolean", f"its cells say {shown}"),))


def _only_zero_and_one(look: Look) -> bool:
    if look.low not in (0.0, 1.0) or look.high not in (0.0, 1.0):
        return False
    from modelwright.cleaning.survey import sample_numbers

    return bool(sample_numbers(look.sample).drop_nulls().is_in([0.0, 1.0]).all())


def _as_number(look: Look, others: Mapping[str, int], spec: CleanSpec, hints: _Hints) -> Rule | None:
    if not others and spec.kinds.get(look.name) is None:
        codes = _codes(look)
        if codes:
            return _category(look, spec, [Decision("cleaning", look.name, "category", codes)])
    base = Reading(column=look.name, kind="number", missing=_words("number", (), spec))
    if others and "numbers" in spec.skip:
        rule = None
    else:
        rule = number_rule(others, _plain_cells(look), look.n_plain, base, comma=hints.comma)
    if rule is None:
        return None
    unread = {} if rule.share == 1.0 else _unreadable(others, rule.reading)
    own = (
        () if "missing" in spec.skip else own_words(unread, look.n_plain + sum(others.values()) - sum(unread.values()))
    )
    told = list(rule.told)
    n_read = look.n_plain + sum(others.values())
    why = (
        "all cells that say something are numbers"
        if rule.share == 1.0
        else f"{rule.share:.1%} of {n_read} cells can be read as numbers"
    )
    told.insert(0, Decision("cleaning", look.name, "number", why))
    if own:
        why = "they repeat among numbers: " + ", ".join(f"{word!r} {unread[word]} times" for word in own)
        told.append(Decision("cleaning", look.name, "words for a missing value", why))
    reading = replace(rule.reading, missing=(*rule.reading.missing, *(word.casefold() for word in own)))
    is_open = any(decision.reason.startswith("ambiguous") for decision in rule.told)
    hint = None if is_open or not others else _comma_hint(reading)
    return Rule(reading, rule.unit, tuple(told), is_open, hint)


def _comma_hint(reading: Reading) -> tuple[str, bool] | None:
    if reading.decimal == ",":
        return ("comma", True)
    return ("comma", False) if reading.thousands == "," else None


def _unreadable(others: Mapping[str, int], reading: Reading) -> dict[str, int]:
    from modelwright.cleaning.apply import value_of

    return {cell: count for cell, count in others.items() if value_of(cell, reading) is None}


def _codes(look: Look) -> str:
    """Why a column of digits is no number, or ""."""
    cells = look.sample.drop_nulls()
    n_zero = int(cells.str.contains(r"^\s*0[0-9]+\s*$").sum())
    if n_zero >= 2 and n_zero >= LEAST_CODES * len(cells):
        return f"codes: {n_zero} cells begin with a zero, which a number would lose"
    n_long = int(cells.str.contains(rf"^\s*[0-9]{{{LONGEST_INTEGER},}}\s*$").sum())
    if n_long > 0.5 * len(cells):
        return f"codes: {n_long} cells have {LONGEST_INTEGER} digits or more, beyond what a number keeps exactly"
    return ""


def _plain_cells(look: Look) -> list[str]:
    """Some plain numbers of the column, as written."""
    from modelwright.cleaning.survey import sample_numbers

    cells = look.sample.filter(sample_numbers(look.sample).is_not_null()).unique(maintain_order=True)
    return cells.gather_every(max(1, len(cells) // 1000)).head(1000).to_list()


def _as_date(look: Look, others: Mapping[str, int], spec: CleanSpec, hints: _Hints) -> Rule | None:
    asked = spec.kinds.get(look.name) is not None
    if "dates" in spec.skip and not asked:
        return None
    counts = dict(others)
    if look.n_plain > 0.1 * (look.n_plain + sum(others.values())) or asked:
        low, high = _EIGHT_DIGITS
        compact = look.low is not None and look.high is not None and low <= look.low and look.high <= high
        if not (compact or asked):
            return None
        counts |= dict.fromkeys(_plain_cells(look), 1)
    base = Reading(column=look.name, kind="datetime", missing=_words("datetime", (), spec))
    in_order = look.sample.drop_nulls().str.strip_chars().head(1000).to_list()
    rule = date_rule(counts, in_order, base, day_first=hints.day_first)
    if rule is None:
        return None
    formats = " or ".join(rule.reading.formats)
    why = f"{rule.share:.1%} of the cells looked at are of the form {formats}"
    told = (Decision("cleaning", look.name, "datetime", why), *rule.told)
    hint = None if rule.day_first is None or not rule.told else ("day_first", rule.day_first)
    return Rule(rule.reading, told=told, open=rule.open, hint=hint)


# Categories and texts -----------------------------------------------------------------------------------------


def _category_or_text(look: Look, others: Mapping[str, int], spec: CleanSpec) -> Rule:
    cells = look.sample.drop_nulls().str.strip_chars()
    cells = cells.filter(cells != "")
    distinct = cells.unique(maintain_order=True)
    n_words = float(distinct.head(2000).str.count_matches(r"\S+").mean() or 0.0)  # type: ignore[arg-type]
    share = len(distinct) / max(1, len(cells))
    is_text = (n_words >= TEXT_WORDS and share > TEXT_SHARE and len(distinct) > TEXT_DISTINCT) or (
        n_words >= PROSE_WORDS and share > PROSE_SHARE and len(distinct) > PROSE_DISTINCT
    )
    if is_text:
        return _bare(look, "text", spec, f"{len(distinct)} distinct cells of {n_words:.1f} words on average")
    return _category(look, spec, [Decision("cleaning", look.name, "category", f"{len(distinct)} distinct cells")])


def _category(look: Look, spec: CleanSpec, told: list[Decision]) -> Rule:
    levels = [cell for cell in _stripped(look.odd) if cell]
    words = _words("category", levels, spec)
    spelled = {cell: count for cell, count in look.odd.items() if cell.strip() and cell.strip().casefold() not in words}
    if len(spelled) > MOST_DISTINCT:
        common = sorted(spelled, key=lambda cell: (-spelled[cell], cell))[:MOST_DISTINCT]
        spelled = {cell: spelled[cell] for cell in common}
    joined: dict[str, str] = {}
    if look.is_text and "categories" not in spec.skip:
        joined, told_variants = variants(spelled, look.name)
        told = [*told, *told_variants]
    reading = Reading(column=look.name, kind="category", missing=words, variants=joined)
    return Rule(reading, told=tuple(told))


# Numbers and dates that mean "no value" -----------------------------------------------------------------------


def _with_sentinels(rule: Rule, values: pl.Series) -> Rule:
    if rule.reading.kind not in ("number", "datetime"):
        return rule
    if rule.reading.kind == "datetime":
        from modelwright.cleaning.dates import sentinel_dates

        found = sentinel_dates(values)
        shown = {seconds: day for seconds, (_, day, _) in found.items()}
        why = {seconds: evidence for seconds, (_, _, evidence) in found.items()}
    else:
        numbers = sentinels(finite(values))
        shown = {number: plainly(number) for number in numbers}
        why = {number: evidence for number, (_, evidence) in numbers.items()}
    told = tuple(
        Decision("cleaning", values.name, f"{shown[value]} means missing", why[value]) for value in sorted(shown)
    )
    if not told:
        return rule
    return replace(rule, reading=replace(rule.reading, sentinels=tuple(sorted(shown))), told=(*rule.told, *told))
