"""Counts to findings: what is met, missing, thin or unrepresentative, and what to do, in words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from modelwright.core.errors import nearest
from modelwright.profiling.requirements.base import MOST_NAMED, Finding, Met, Status
from modelwright.profiling.requirements.plan import Plan
from modelwright.profiling.requirements.spec import (
    ClassesNeed,
    ColumnNeed,
    FreshNeed,
    GroupNeed,
    LanguagesNeed,
    MediaNeed,
    RequirementsSpec,
    RowsNeed,
    TimeNeed,
)
from modelwright.profiling.requirements.tally import SAMPLE_ROWS, Cells, Sampled, Tally, Times

_TRUE, _FALSE = ("true", "yes", "y", "t", "1", "on"), ("false", "no", "n", "f", "0", "off")
_EPOCH = datetime(1970, 1, 1)


def judge(found: Tally, plan: Plan, spec: RequirementsSpec, now: datetime | None = None) -> Met:
    """Every requirement of the spec with what was found of it. `now` is UTC without a zone."""
    return Met(
        findings=tuple(_findings(found, plan, spec, now or datetime.now(UTC).replace(tzinfo=None))),
        n_rows=found.n_rows, sources=found.by_source(found.rows.items()),
    )  # fmt: skip


def _findings(found: Tally, plan: Plan, spec: RequirementsSpec, now: datetime) -> Iterator[Finding]:
    if spec.rows:
        yield _rows(found, spec.rows, must=spec.must or spec.rows.must)
    for name, need in spec.columns.items():
        yield from _column(found, plan, name, need, must=spec.must or need.must)
    if spec.classes:
        yield from _values(found, plan, "classes", plan.classes, spec.classes, must=spec.must or spec.classes.must)
    for name, group in spec.groups.items():
        yield from _values(found, plan, f"groups.{name}", name, group, must=spec.must or group.must)
    if spec.languages:
        yield from _languages(found, plan, spec.languages, must=spec.must or spec.languages.must)
    if spec.time_span:
        yield from _span(found, plan, spec.time_span, must=spec.must or spec.time_span.must)
    if spec.media:
        yield _media(found, plan, spec.media, must=spec.must or spec.media.must)
    if spec.fresh:
        yield _fresh(found, plan, spec.fresh, now, must=spec.must or spec.fresh.must)


# Words ----------------------------------------------------------------------------------------------------------------


def _n(count: int, what: str = "row") -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _share(share: float) -> str:
    """A share in per cent, with as many digits as it takes not to say 0 or 100 of what is neither.

    >>> _share(0.4), _share(0.125), _share(0.00012)
    ('40 %', '12.5 %', '0.012 %')
    """
    per_cent = 100 * share
    return f"{per_cent:.2g} %" if 0 < per_cent < 1 else f"{math.floor(per_cent * 10 + 1e-9) / 10:g} %"


def _amount(amount: float) -> str:
    return _n(amount) if isinstance(amount, int) else _share(amount)


def _needed(amount: float, n_rows: int) -> int:
    """Rows that an amount is, of a table of `n_rows`."""
    return amount if isinstance(amount, int) else math.ceil(amount * n_rows - 1e-9)


def _to_collect(count: int, amount: float, n_rows: int) -> int:
    """Rows of a kind to add until there are enough; a share grows slowly, for each added row counts in the whole."""
    if isinstance(amount, int):
        return max(0, amount - count)
    if amount >= 1.0:
        return max(0, n_rows - count)
    return max(0, math.ceil((amount * n_rows - count) / (1.0 - amount) - 1e-9))


def _absent(need: str, name: str, plan: Plan, required: str, *, must: bool) -> Finding:
    if not plan.kinds:
        return Finding(need=need, status="missing", required=required, found="no row", must=must,
                       text="There is no row yet.", todo="collect some")  # fmt: skip
    close = nearest(name, plan.kinds).partition(" Known:")[0]
    close = "" if close.startswith("Known") else f" ({close})"
    return Finding(
        need=need, status="missing", required=required, found="no such column", must=must,
        text=f"There is no column `{name}`.",
        todo=f"add a source that has `{name}`, or correct the name{close}",
    )  # fmt: skip


# Rows and columns -----------------------------------------------------------------------------------------------------


def _rows(found: Tally, need: RowsNeed, *, must: bool) -> Finding:
    n_rows, sources = found.n_rows, found.by_source(found.rows.items())
    short = need.least - n_rows
    status: Status = "met" if short <= 0 else "thin" if n_rows else "missing"
    text = f"There {_are(n_rows)} {_n(n_rows)} where {need.least:,} are needed"
    return Finding(
        need="rows", status=status, required=f"at least {_n(need.least)}", found=_n(n_rows), must=must,
        text=f"{text}{f': {short:,} short' if short > 0 else ''}.", by_source=sources,
        todo=f"collect {_n(short)} more, or add a source" if short > 0 else "",
    )  # fmt: skip


def _column(found: Tally, plan: Plan, name: str, need: ColumnNeed, *, must: bool) -> Iterator[Finding]:
    place, kind = f"columns.{name}", f"a column of kind {need.kind}" if need.kind else "the column"
    if name not in plan.kinds:
        yield _absent(place, name, plan, kind, must=must)
        return
    cells, is_kind = found.cells[name], plan.kinds[name]
    n_there = found.n_rows - cells.missing.total()
    if found.n_rows and not n_there:
        yield Finding(need=place, status="missing", required=kind, found="no value", must=must,
                      text=f"The column `{name}` is there, and every cell of it is missing.",
                      todo=f"add a source that has values of `{name}`")  # fmt: skip
        return
    if need.kind and need.kind != is_kind:
        yield Finding(need=place, status="missing", required=kind, found=is_kind, must=must,
                      text=f"`{name}` is read as {is_kind} where {need.kind} is needed.",
                      todo=f"mend the source, or say `clean: {{kinds: {{{name}: {need.kind}}}}}` if its cells are "
                      f"{need.kind} all the same")  # fmt: skip
    else:
        yield Finding(need=place, status="met", required=kind, found=f"there, of kind {is_kind}", must=must,
                      text=f"The column `{name}` is there.")  # fmt: skip
    if need.min is not None or need.max is not None:
        yield _range(found, plan, name, need, must=must)
    if need.values:
        yield _allowed(found, plan, name, need, must=must)
    if need.missing is not None:
        yield _missing(found, name, cells, need.missing, must=must)
    if need.unique:
        yield _unique(found, name, n_there, must=must)


def _range(found: Tally, plan: Plan, name: str, need: ColumnNeed, *, must: bool) -> Finding:
    low = "" if need.min is None else f"at least {need.min:g}"
    high = "" if need.max is None else f"at most {need.max:g}"
    required, cells = " and ".join(one for one in (low, high) if one), found.cells[name]
    place = f"columns.{name}.range"
    if plan.kinds[name] != "number" or cells.low is None or cells.high is None:
        return Finding(need=place, status="missing", required=required, found="no numbers", must=must,
                       text=f"`{name}` has no numbers that could be {required}.",
                       todo=f"say `clean: {{kinds: {{{name}: number}}}}` if its cells are numbers")  # fmt: skip
    n_beyond, span = cells.beyond.total(), f"{cells.low:g} to {cells.high:g}"
    if not n_beyond:
        return Finding(need=place, status="met", required=required, found=span, must=must,
                       text=f"`{name}` runs from {span}.")  # fmt: skip
    return Finding(
        need=place, status="unrepresentative", required=required, found=f"{_n(n_beyond)} beyond; {span}", must=must,
        text=f"{_n(n_beyond)} ({_share(n_beyond / found.n_rows)}) of `{name}` {_are(n_beyond)} not {required}; "
        f"it runs from {span}.",
        by_source=found.by_source(cells.beyond.items()),
        todo="look at those rows (another unit? a code for missing?), and mend the source or widen the range",
    )  # fmt: skip


def _allowed(found: Tally, plan: Plan, name: str, need: ColumnNeed, *, must: bool) -> Finding:
    allowed = {_spelled(value, plan.kinds[name]) for value in need.values}
    others: Counter[str] = Counter()
    sources: Counter[int] = Counter()
    for (value, source), count in found.values[name].items():
        if value not in allowed:
            others[value] += count
            sources[source] += count
    named = _listed(need.values)
    if not others:
        return Finding(need=f"columns.{name}.values", status="met", required=f"one of {named}", must=must,
                       found="no other value", text=f"`{name}` has no other values than {named}.")  # fmt: skip
    shown = _listed([f"{value[:40]!r} ({count:,})" for value, count in others.most_common(5)])
    return Finding(
        need=f"columns.{name}.values", status="unrepresentative", required=f"one of {named}", must=must,
        found=f"{_n(others.total())} of {_n(len(others), 'other value')}",
        text=f"{_n(others.total())} of `{name}` have values that are not allowed: {shown}.",
        by_source=found.by_source(sources.items()),
        todo="mend the spelling at the source, leave those rows out, or add the values to `values`",
    )  # fmt: skip


def _listed(words: list[str] | tuple[str, ...]) -> str:
    return ", ".join(words[:MOST_NAMED]) + (f" and {len(words) - MOST_NAMED} more" if len(words) > MOST_NAMED else "")


def _missing(found: Tally, name: str, cells: Cells, most: float, *, must: bool) -> Finding:
    n_missing = cells.missing.total()
    share = n_missing / found.n_rows if found.n_rows else 0.0
    is_met = n_missing <= most if isinstance(most, int) else share <= most
    is_told = f"{_n(n_missing, 'cell')} ({_share(share)})"
    return Finding(
        need=f"columns.{name}.missing", status="met" if is_met else "thin", must=must,
        required=f"at most {_amount(most)} missing", found=f"{is_told} missing",
        text=f"{is_told} of `{name}` {_are(n_missing)} missing where at most {_amount(most)} may be.",
        by_source=found.by_source(cells.missing.items()),
        todo="" if is_met else f"ask the source for them, collect rows that have `{name}`, or have gaps guessed with "
        "`wright impute`",
    )  # fmt: skip


def _unique(found: Tally, name: str, n_there: int, *, must: bool) -> Finding:
    n_repeated = found.repeated[name]
    return Finding(
        need=f"columns.{name}.unique", status="unrepresentative" if n_repeated else "met", must=must,
        required="no value twice", found=f"{_n(n_there - n_repeated, 'value')} in {_n(n_there)}",
        text=f"{_n(n_repeated)} repeat a value of `{name}` that an earlier row has." if n_repeated
        else f"No value of `{name}` comes twice.",
        todo="find the doubles (`wright match`), and collect each thing once" if n_repeated else "",
    )  # fmt: skip


# Classes, groups, languages -----------------------------------------------------------------------------------------


def _spelled(word: str, kind: str) -> str:
    """The word as the tally counts it: a boolean column has true and false, whatever its source wrote."""
    plain = word.strip().casefold()
    if kind == "boolean" and plain in (*_TRUE, *_FALSE):
        return "true" if plain in _TRUE else "false"
    return word


def _values(
    found: Tally, plan: Plan, need: str, column: str, asked: ClassesNeed | GroupNeed, *, must: bool
) -> Iterator[Finding]:  # fmt: skip
    """Rows of each class or group; an amount for each is judged by the values that are there."""
    if column not in plan.kinds:
        told = _amount(asked.least) + " each" if not isinstance(asked.least, dict) else _listed(list(asked.least))
        yield _absent(need, column, plan, told, must=must)
        return
    counts: Counter[str] = Counter()
    for (value, _), count in found.values[column].items():
        counts[value] += count
    if not isinstance(asked.least, dict):
        yield _each(found, need, column, asked.least, counts, must=must)
        return
    for value, amount in asked.least.items():
        word = _spelled(value, plan.kinds[column])
        of_value = [(source, n) for (name, source), n in found.values[column].items() if name == word]
        yield _one_of(found, f"{need}.{value}", f"with `{column}` = {value}", amount, of_value, must=must)


def _one_of(
    found: Tally, need: str, about: str, amount: float, counts: list[tuple[int, int]], *, must: bool
) -> Finding:  # fmt: skip
    """A value that must have some rows, or some share of them."""
    count, n_rows = sum(n for _, n in counts), found.n_rows
    needed = max(_needed(amount, n_rows), 1)
    short = max(0, needed - count)
    share = f" ({_share(count / n_rows)})" if n_rows and not isinstance(amount, int) else ""
    thin: Status = "thin" if isinstance(amount, int) else "unrepresentative"
    asked = f"{needed:,} {_are(needed)} needed"
    asked = asked if isinstance(amount, int) else f"{_share(amount)}, {needed:,}, {_are(needed)} needed"
    more = max(_to_collect(count, amount, n_rows), 1)
    return Finding(
        need=need, status="met" if not short else thin if count else "missing", must=must,
        required=f"at least {_amount(amount)}", found=f"{_n(count)}{share}",
        text=f"There {_are(count)} {_n(count)}{share} {about} where {asked}{f': {short:,} short' if short else ''}.",
        by_source=found.by_source(counts), todo=f"collect {_n(more)} more {about}" if short else "",
    )  # fmt: skip


def _each(
    found: Tally, need: str, column: str, amount: float, counts: Mapping[str, int], *, must: bool
) -> Finding:  # fmt: skip
    """Every value that is there must have some rows, or some share of them."""
    needed = _needed(amount, found.n_rows)
    required = f"at least {_amount(amount)} of each value"
    if not counts:
        return Finding(need=need, status="missing", required=required, found="no value", must=must,
                       text=f"No row has a value of `{column}`.", todo=f"collect rows with `{column}`")  # fmt: skip
    few = sorted(((n, value) for value, n in counts.items() if n < needed))
    smallest = min(counts.items(), key=lambda item: (item[1], item[0]))
    if not few:
        return Finding(
            need=need, status="met", required=required, must=must,
            found=f"{_n(len(counts), 'value')}; the rarest, {smallest[0][:40]}, has {_n(smallest[1])}",
            text=f"Each of the {_n(len(counts), 'value')} of `{column}` has {_amount(amount)} or more.",
        )  # fmt: skip
    shown = _listed([f"{value[:40]} ({n:,})" for n, value in few])
    status: Status = "thin" if isinstance(amount, int) else "unrepresentative"
    return Finding(
        need=need, status=status, required=required, found=f"{len(few):,} of {_n(len(counts), 'value')} have less",
        text=f"{len(few):,} of {_n(len(counts), 'value')} of `{column}` have fewer than {needed:,} rows: {shown}.",
        must=must, todo=f"collect {_n(max(needed - smallest[1], 1))} more with `{column}` = {smallest[0][:40]}"
        + (", and so on; or join rare values into one" if len(few) > 1 else ""),
    )  # fmt: skip


def _languages(found: Tally, plan: Plan, need: LanguagesNeed, *, must: bool) -> Iterator[Finding]:
    if plan.languages not in plan.kinds:
        yield _absent("languages", plan.languages or need.column, plan, _listed(list(need.least)), must=must)
        return
    seen: Sampled = found.languages
    factor = found.n_rows / seen.n_seen if seen.n_seen else 1.0
    told = f" (as {SAMPLE_ROWS:,} texts of all show)" if factor > 1 else ""
    for language, amount in need.least.items():
        counts = [(source, round(n * factor)) for (name, source), n in seen.counts.items() if name == language]
        about = f"whose `{plan.languages}` is in {language!r}{told}"
        yield _one_of(found, f"languages.{language}", about, amount, counts, must=must)


# Time and files -----------------------------------------------------------------------------------------------------


def _day(moment_s: float) -> str:
    """A moment as people write it: midnight is left out."""
    moment = _EPOCH + timedelta(seconds=moment_s)
    return moment.strftime("%Y-%m-%d" if moment.time() == moment.time().min else "%Y-%m-%d %H:%M")


def _long(seconds: float) -> str:
    """A length of time in the largest unit that it fills.

    >>> _long(7 * 86400), _long(5400)
    ('7 days', '1.5 hours')
    """
    for unit_s, name in ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute")):
        if seconds >= unit_s:
            count = round(seconds / unit_s, 1)
            return f"{count:,.10g} {name}{'' if count == 1 else 's'}"
    return f"{seconds:g} seconds"


def _moment_s(text: str) -> float:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return (moment - _EPOCH).total_seconds()


def _times(found: Tally, plan: Plan, column: str, need: str, *, must: bool) -> Times | Finding:
    if column not in plan.kinds:
        return _absent(need, column, plan, "a column of time", must=must)
    times = found.times[column]
    if times.low is None:
        return Finding(need=need, status="missing", required="moments", found="none", must=must,
                       text=f"`{column}` has no moment that can be read.",
                       todo=f"say `clean: {{kinds: {{{column}: datetime}}}}`, or name another column")  # fmt: skip
    return times


def _span(found: Tally, plan: Plan, need: TimeNeed, *, must: bool) -> Iterator[Finding]:
    times = _times(found, plan, plan.span, "time_span", must=must)
    if isinstance(times, Finding):
        yield times
        return
    low, high, column = times.low or 0.0, times.high or 0.0, plan.span
    if need.start:
        late = low - _moment_s(need.start) >= 86400.0 if len(need.start) == 10 else low > _moment_s(need.start)
        yield Finding(
            need="time_span.from", status="thin" if late else "met", required=f"from {need.start}", must=must,
            found=f"from {_day(low)}", text=f"The first row is of {_day(low)} (`{column}`), needed from {need.start}.",
            todo=f"collect rows from {need.start} to {_day(low)}" if late else "",
        )  # fmt: skip
    if need.end:
        short = high < _moment_s(need.end)
        yield Finding(
            need="time_span.to", status="thin" if short else "met", required=f"to {need.end}", must=must,
            found=f"to {_day(high)}", text=f"The last row is of {_day(high)} (`{column}`), needed until {need.end}.",
            todo=f"collect rows from {_day(high)} to {need.end}" if short else "",
        )  # fmt: skip
    if need.gap:
        length, begin, end = times.longest_gap()
        n_gaps = times.count_gaps()
        yield Finding(
            need="time_span.gap", status="thin" if n_gaps else "met", required=f"no gap longer than {_long(need.gap)}",
            found=f"{_n(n_gaps, 'gap')}, of {_long(length)} at most" if n_gaps else "none", must=must,
            text=f"{_n(n_gaps, 'gap')} in `{column}` {_are(n_gaps)} longer than {_long(need.gap)}; the longest is from "
            f"{_day(begin)} to {_day(end)}." if n_gaps else f"No gap in `{column}` is longer than {_long(need.gap)}.",
            todo=f"collect rows between {_day(begin)} and {_day(end)}" if n_gaps else "",
        )  # fmt: skip


def _fresh(found: Tally, plan: Plan, need: FreshNeed, now: datetime, *, must: bool) -> Finding:
    times = _times(found, plan, plan.fresh, "fresh", must=must)
    if isinstance(times, Finding):
        return times
    age_s = (now - _EPOCH).total_seconds() - (times.high or 0.0)
    told = f"{_long(age_s)} old" if age_s > 0 else "of a time to come"
    is_met = age_s <= need.within
    return Finding(
        need="fresh", status="met" if is_met else "thin", required=f"at most {_long(need.within)} old",
        found=f"{told} ({_day(times.high or 0.0)})", must=must,
        text=f"The newest row (`{plan.fresh}`) is {told}; at most {_long(need.within)} are allowed.",
        todo="" if is_met else "collect again, and look whether the source still gives rows",
    )  # fmt: skip


def _media(found: Tally, plan: Plan, need: MediaNeed, *, must: bool) -> Finding:
    if plan.media not in plan.kinds:
        return _absent("media", plan.media or need.column, plan, f"at least {_n(need.least, 'file')}", must=must)
    is_sound = plan.kinds[plan.media] == "audio"
    what, least = ("sound", need.seconds) if is_sound else ("picture", float(need.side))
    size = f" of {need.seconds:g} s or more" if is_sound else f" of {need.side} pixels or more"
    size = size if least else ""
    factor = found.n_rows / found.files.n_seen if found.files.n_seen else 1.0
    fitting = Counter(source for length, source in found.sizes if length >= least and length > 0)
    counts = [(source, round(n * factor)) for source, n in fitting.items()]
    n_good = sum(n for _, n in counts)
    n_other = round(len(found.sizes) * factor) - n_good
    other = f"; {n_other:,} are {'smaller or shorter' if least else 'broken'}" if n_other else ""
    told = f", as {SAMPLE_ROWS:,} of all show" if factor > 1 else ""
    short = max(0, need.least - n_good)
    return Finding(
        need="media", status="met" if not short else "thin" if n_good else "missing", must=must,
        required=f"at least {_n(need.least, what)}{size}", found=f"{_n(n_good, what)}{other}{told}",
        text=f"There {_are(n_good)} {_n(n_good, what)}{size} where {need.least:,} are needed{other}{told}.",
        by_source=found.by_source(counts), todo=f"collect {_n(short, what)}{size} more" if short else "",
    )  # fmt: skip
