"""Dates in text: one order of day, month and year per column, from the evidence of all its cells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from modelwright.core.data import Decision
from modelwright_runtime.reading import Reading

if TYPE_CHECKING:
    import polars as pl

_TIME = re.compile(
    r"(?P<gap>[ T])(?P<clock>\d{1,2}:\d{2}(?P<second>:\d{2}(?P<fraction>\.\d{1,6})?)?)(?P<half> ?[APap][Mm])?"
    r"(?P<zone>Z|[+-]\d{2}:?\d{2})?\Z"
)
_DATES: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (re.compile(r"\d{4}([-/.])\d{1,2}\1\d{1,2}\Z"), ("%Y{0}%m{0}%d",)),
    (re.compile(r"\d{1,2}([-/. ])\d{1,2}\1\d{4}\Z"), ("%d{0}%m{0}%Y", "%m{0}%d{0}%Y")),
    (re.compile(r"\d{1,2}([-/.])\d{1,2}\1\d{2}\Z"), ("%d{0}%m{0}%y", "%m{0}%d{0}%y")),
    (re.compile(r"\d{1,2}([- ]?)[A-Za-z]{3}\1\d{4}\Z"), ("%d{0}%b{0}%Y",)),
    (re.compile(r"\d{1,2}([- ])[A-Za-z]{3}\1\d{2}\Z"), ("%d{0}%b{0}%y",)),
    (re.compile(r"\d{1,2}([- ])[A-Za-z]{3,9}\1\d{4}\Z"), ("%d{0}%B{0}%Y",)),
    (re.compile(r"[A-Za-z]{3} \d{1,2}(,?) \d{4}\Z"), ("%b %d{0} %Y",)),
    (re.compile(r"[A-Za-z]{3,9} \d{1,2}(,?) \d{4}\Z"), ("%B %d{0} %Y",)),
    (re.compile(r"\d{4}([-/])\d{1,2}\Z"), ("%Y{0}%m",)),
    (re.compile(r"(?:19|20)\d{2}()[01]\d[0-3]\d\Z"), ("%Y%m%d",)),
)
_HINT = re.compile(r"date|datum|day|time|_at$|_on$|dob|birth|when", re.IGNORECASE)
LEAST_READABLE = 0.9
MOST_CELLS = 500
MOST_FORMATS = 4
LEAST_COMPACT = 20


@dataclass(frozen=True, slots=True)
class DateRule:
    """How a column's dates are read, which share of its cells that is, and what was decided.

    `day_first` is None when the column says nothing of it. `open` means that only `day_first` is open.
    """

    reading: Reading
    share: float
    day_first: bool | None = None
    open: bool = False
    told: tuple[Decision, ...] = ()


def date_rule(
    counts: Mapping[str, int], in_order: list[str], base: Reading, *, day_first: bool | None = None
) -> DateRule | None:
    """The rule that reads a column as dates, or None when less than nine tenths would be read.

    `counts` are stripped, non-missing cells; `in_order` some of them in row order. `day_first` settles what the
    column leaves open.

    >>> rule = date_rule({"31/12/2024": 1, "01/02/2024": 1}, [], Reading(column="seen", kind="datetime"))
    >>> rule.reading.formats, rule.day_first
    (('%d/%m/%Y',), True)
    """
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    step = max(1, len(ranked) // MOST_CELLS)
    ranked = ranked[::step][:MOST_CELLS]
    shaped = [(cell, count, formats) for cell, count in ranked if (formats := shapes(cell))]
    n_seen = sum(count for _, count in ranked)
    if not shaped or sum(count for _, count, _ in shaped) < LEAST_READABLE * n_seen:
        return None
    if all(formats == ("%Y%m%d",) for *_, formats in shaped) and not _compact(shaped, base.column):
        return None
    support: dict[str, int] = {}
    for cell, count, formats in shaped:
        for form in formats:
            if _reads(cell, form):
                support[form] = support.get(form, 0) + count
    first, is_open, told = _order(support, in_order, base.column, given=day_first)
    chosen = [form for form in support if _day_first(form) in (None, first)]
    chosen = sorted(chosen, key=lambda form: (-support[form], form))[:MOST_FORMATS]
    n_read = sum(count for cell, count, _ in shaped if any(_reads(cell, form) for form in chosen))
    if n_read < LEAST_READABLE * n_seen:
        return None
    decided = None if is_open else first
    return DateRule(replace(base, formats=tuple(chosen)), n_read / n_seen, decided, is_open, tuple(told))


def shapes(cell: str) -> tuple[str, ...]:
    """The formats that a cell's shape allows, in `strptime`'s language; () for what is no date.

    >>> shapes("1/2/2024 12:30"), shapes("12 mm")
    (('%d/%m/%Y %H:%M', '%m/%d/%Y %H:%M'), ())
    """
    if not 6 <= len(cell) <= 40 or not any(letter.isdigit() for letter in cell):
        return ()
    time = _TIME.search(cell)
    day = cell[: time.start()] if time else cell
    clock = _clock(time) if time else ""
    for pattern, formats in _DATES:
        found = pattern.match(day)
        if found:
            return tuple(form.format(found.group(1)) + clock for form in formats)
    return ()


def _clock(time: re.Match[str]) -> str:
    hour = "%I" if time["half"] else "%H"
    clock = f"{time['gap']}{hour}:%M" + (":%S" if time["second"] else "") + (".%f" if time["fraction"] else "")
    if time["half"]:
        clock += " %p" if time["half"].startswith(" ") else "%p"
    return clock + ("%z" if time["zone"] else "")


def _reads(cell: str, form: str) -> bool:
    try:
        return 1 <= datetime.strptime(cell, form).year <= 9999
    except ValueError:
        return False


def _compact(shaped: list[tuple[str, int, tuple[str, ...]]], column: str) -> bool:
    """Eight digits are a date only when all are valid ones, and there are many or the name says so."""
    valid = all(_reads(cell, "%Y%m%d") for cell, *_ in shaped)
    return valid and (len(shaped) >= LEAST_COMPACT or bool(_HINT.search(column)))


def _day_first(form: str) -> bool | None:
    if form.startswith("%d") and "%m" in form:
        return True
    return False if form.startswith("%m") else None


def _order(
    support: Mapping[str, int], in_order: list[str], column: str, *, given: bool | None
) -> tuple[bool, bool, list[Decision]]:
    """Whether the day stands first, whether that is open, and what is told of it."""
    day = sum(count for form, count in support.items() if _day_first(form) is True)
    month = sum(count for form, count in support.items() if _day_first(form) is False)
    if not day and not month:
        return True, False, []
    if day != month:
        words = ("day", "month") if day > month else ("month", "day")
        why = f"{abs(day - month)} of the cells looked at can be read so only"
        if min(day, month) and any(not _both(cell) for cell in in_order):
            why = f"{max(day, month)} cells can be read so, {min(day, month)} the other way"
        return day > month, False, [Decision("cleaning", column, f"the {words[0]} stands before the {words[1]}", why)]
    if given is not None:
        why = "the cells leave it open; the setting or the table's other dates say so"
        return given, True, [Decision("cleaning", column, f"the {'day' if given else 'month'} stands first", why)]
    steps = {first: _steps_back(in_order, first=first) for first in (True, False)}
    if steps[True] != steps[False] and min(steps.values()) <= 0.02:
        first = steps[True] < steps[False]
        why = "ambiguous, but only so do the dates follow the order of the rows"
        return first, False, [Decision("cleaning", column, f"the {'day' if first else 'month'} stands first", why)]
    first = not all("/" in form for form in support if _day_first(form) is not None)
    why = "ambiguous: no cell has a number above 12 in either place; set `day_first` if it is wrong"
    return first, True, [Decision("cleaning", column, f"the {'day' if first else 'month'} stands first", why)]


def _both(cell: str) -> bool:
    return sum(_reads(cell, form) for form in shapes(cell)) == 2


def _steps_back(in_order: list[str], *, first: bool) -> float:
    """The share of rows whose date is before that of the row above."""
    moments = []
    for cell in in_order:
        form = next((form for form in shapes(cell) if _day_first(form) is first), None)
        if form and _reads(cell, form):
            moments.append(datetime.strptime(cell, form).replace(tzinfo=None))
    if len(moments) < 5:
        return 1.0
    back = sum(later < earlier for earlier, later in zip(moments, moments[1:], strict=False))
    return back / (len(moments) - 1)


_PLACEHOLDERS = (
    "0001-01-01",
    "1753-01-01",
    "1899-12-30",
    "1899-12-31",
    "1900-01-01",
    "1970-01-01",
    "2099-12-31",
    "9999-12-31",
)
LEAST_REPEATS = 3
SPIKE = 5.0


def sentinel_dates(moments: pl.Series) -> dict[float, tuple[int, str, str]]:
    """Placeholder days (1900-01-01, 9999-12-31, ...) that mean "no value": seconds since 1970 to count, day, evidence.

    Taken only when they repeat, lie outside all other dates, and either twice their whole range away or at
    least 5 times as often as any other day. `moments` is Datetime("us").
    """
    days = moments.drop_nulls()
    ends = [datetime.fromisoformat(day) for day in _PLACEHOLDERS]
    suspects = days.filter(days.is_in(ends)).value_counts(sort=True)
    rest = days.filter(~days.is_in(ends))
    if not suspects.height or rest.n_unique() < LEAST_REPEATS + 2:
        return {}
    seconds = rest.dt.timestamp("us") / 1e6
    low, high = float(seconds.min()), float(seconds.max())  # type: ignore[arg-type]
    most = int(rest.dt.date().value_counts()["count"].max())  # type: ignore[arg-type]
    found = {}
    for day, count in suspects.iter_rows():
        at = (day - datetime(1970, 1, 1)).total_seconds()
        gap = max(low - at, at - high)
        if count >= LEAST_REPEATS and gap > 0 and (gap > 2 * (high - low) or count >= SPIKE * most):
            span = f"{_day(low)} to {_day(high)}"
            found[at] = (int(count), f"{day:%Y-%m-%d}", f"{count} times, outside all other dates ({span})")
    return dict(sorted(found.items()))


def _day(seconds: float) -> str:
    return f"{datetime(1970, 1, 1) + timedelta(seconds=seconds):%Y-%m-%d}"
