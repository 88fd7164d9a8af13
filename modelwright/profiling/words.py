"""A profile in short words, for the page and for the terminal."""

from __future__ import annotations

from collections import Counter

from modelwright.profiling.alerts import percent
from modelwright.profiling.columns import moment
from modelwright.profiling.values import ColumnProfile, Profile
from modelwright.shown import count

KINDS = {
    "number": "number", "category": "category", "boolean": "yes or no", "datetime": "date", "text": "text",
    "image": "picture", "audio": "sound", "series": "series", "boxes": "boxes", "mask": "mask", "labels": "labels",
}  # fmt: skip
LEVELS = {"act": "do this first", "look": "have a look", "know": "good to know"}
N_TELLING, LEAST_TELLING = 12, 0.01


def kinds(profile: Profile) -> str:
    """How many columns of which kind.

    >>> from modelwright.testing.profiling import tiny_profile
    >>> kinds(tiny_profile())
    '2 number, 1 category'
    """
    counts = Counter(KINDS.get(column.kind, column.kind) for column in profile.columns)
    return ", ".join(f"{n:,} {kind}" for kind, n in counts.most_common())


def headline(profile: Profile) -> str:
    """The table in a sentence or two."""
    n_act, n_look = (sum(alert.level == level for alert in profile.alerts) for level in ("act", "look"))
    first = f"{count(profile.n_rows, 'row')} and {count(len(profile.columns), 'column')}"
    if not n_act and not n_look:
        return f"{first}. Nothing stands in the way of training."
    parts = [f"{count(n_act, 'thing')} to do before training"] if n_act else []
    parts += [f"{count(n_look, 'thing is', 'things are')} worth a look"] if n_look else []
    return f"{first}: {', and '.join(parts)}."


def target_line(profile: Profile) -> str:
    """What is predicted, in one line; empty without a target."""
    target = profile.target
    if target is None:
        return ""
    if not target.classes:
        return f"{target.column}: {summary(profile[target.column])}"
    total = sum(n for _, n in target.classes)
    shown = ", ".join(f"{one} {percent(n / total)}" for one, n in target.classes[:5])
    more = target.n_classes - 5
    return f"{target.column}: {shown}" + (f" and {more:,} more classes" if more > 0 else "")


def summary(column: ColumnProfile) -> str:
    """What is in a column, in a few words: its middle and ends, or its commonest values."""
    numbers = column.numbers
    if not column.n_present:
        return "empty"
    if column.n_distinct == 1 and column.top:
        return f"always {column.top[0][0]}"
    if numbers is not None and column.kind == "datetime":
        return f"{moment(numbers.quantiles[0])} to {moment(numbers.quantiles[-1])}"
    if numbers is not None:
        low, middle, high = (figure(numbers.quantiles[at]) for at in (0, 4, -1))
        return f"{low} to {high}, half below {middle}"
    if column.kind in ("category", "boolean") and column.top and column.top[0][1] > 1:
        return ", ".join(f"{one} {percent(n / column.n_present)}" for one, n in column.top[:3])
    if column.kind == "text" and column.lengths:
        return f"texts of {column.lengths.least:,} to {column.lengths.most:,} letters"
    return ", ".join(column.examples[:3])


def figure(value: float) -> str:
    """A number with few digits, for the eye.

    >>> figure(1234567.0), figure(0.123456), figure(12.0), figure(-1e-12)
    ('1,234,567', '0.1235', '12', '-1e-12')
    """
    if abs(value) < 1e12 and value == round(value):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if 1000 <= abs(value) < 1e12 else f"{value:.4g}"


def facts(column: ColumnProfile) -> list[tuple[str, str]]:
    """The figures of a column, each with its name."""
    numbers, told = column.numbers, []
    if column.n_distinct is not None:
        told.append(("different values", f"{column.n_distinct:,}"))
    if numbers is not None and column.kind == "number":
        told += [("mean", figure(numbers.mean)), ("spread (sd)", figure(numbers.sd)),
                 ("middle half", f"{figure(numbers.quantiles[3])} to {figure(numbers.quantiles[5])}"),
                 ("skew", f"{numbers.skew:.2f}")]  # fmt: skip
        told += [("zeros", percent(numbers.n_zero / column.n_present))] if numbers.n_zero else []
        told += [("below zero", percent(numbers.n_negative / column.n_present))] if numbers.n_negative else []
    if numbers is not None and column.kind == "datetime":
        days = (numbers.quantiles[-1] - numbers.quantiles[0]) / 86400
        told += [("middle", moment(numbers.quantiles[4])), ("span", f"{figure(round(days, 1))} days")]
    if column.lengths is not None:
        least, mean, most = column.lengths.least, column.lengths.mean, column.lengths.most
        told.append(("letters", f"{least:,} to {most:,}, {mean:.1f} on average" if least < most else f"{least:,}"))
    if column.alone is not None:
        told.append(("says of the target", percent(column.alone)))
    return told


def ends(column: ColumnProfile) -> tuple[str, str] | None:
    """Where a histogram begins and ends."""
    if column.numbers is None or len(column.numbers.histogram.counts) < 2:
        return None
    edges, whole = column.numbers.histogram.edges, column.numbers.is_whole and column.kind == "number"
    if whole:  # bins of whole numbers begin and end between two of them
        return figure(edges[0] + 0.5), figure(min(edges[-1] - 0.5, max(column.numbers.quantiles[-1], edges[0] + 0.5)))
    if column.kind == "datetime":
        return moment(round(edges[0])), moment(round(edges[-1]))
    return figure(edges[0]), figure(edges[-1])


def beyond(column: ColumnProfile) -> str:
    """What a histogram leaves out."""
    if column.numbers is None:
        return ""
    histogram, quantiles = column.numbers.histogram, column.numbers.quantiles
    tell = moment if column.kind == "datetime" else figure
    parts = [f"{histogram.n_below:,} further down, to {tell(quantiles[0])}"] if histogram.n_below else []
    parts += [f"{histogram.n_above:,} further up, to {tell(quantiles[-1])}"] if histogram.n_above else []
    return "; ".join(parts)


def telling(profile: Profile) -> list[ColumnProfile]:
    """The columns that say most of the target by themselves."""
    found = [column for column in profile.columns if (column.alone or 0.0) >= LEAST_TELLING]
    return sorted(found, key=lambda column: -(column.alone or 0.0))[:N_TELLING]


def looked(profile: Profile) -> str:
    """On how many rows what is said rests."""
    n_compared, n_words = profile.looked["columns compared"], profile.looked["categories compared"]
    if n_compared >= profile.n_rows and n_words in (0, n_compared):
        return f"Everything is of all {profile.n_rows:,} rows."
    words = f", categories with categories on {n_words:,}" if 0 < n_words < n_compared else ""
    return (
        f"All counts are of all {profile.n_rows:,} rows. Columns were compared with each other, and with the target, "
        f"on {n_compared:,} random rows{words}."
    )
