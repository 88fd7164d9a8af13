"""What a coverage says, in words that need no statistics. Differences are told, causes never."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from modelwright.shown import count, pieces, short

if TYPE_CHECKING:
    from modelwright.profiling.coverage.base import Coverage, GroupRows
    from modelwright.profiling.coverage.needs import Need
    from modelwright.profiling.coverage.skews import Skew
    from modelwright.profiling.coverage.sources import ColumnDrift, Drift

MOST_OF_KIND, MOST_SAID, MOST_LETTERS = 3, 6, 60
STRONG = 0.25
"""From which stability index on a column is said to be very different (the usual mark of scorecards)."""


def sentences(found: Coverage) -> tuple[str, ...]:
    """The most important in a few sentences, in the order in which one would act.

    >>> import polars as pl
    >>> from modelwright.core.data import Dataset
    >>> from modelwright.profiling.coverage import coverage
    >>> frame = pl.DataFrame({"sex": ["f"] * 40 + ["m"] * 160})
    >>> print(*sentences(coverage(Dataset.from_frame(frame), reference={"sex": {"f": 0.5, "m": 0.5}})), sep="\\n")
    sex f is 20 % of rows, 50 % of the population: 60 rows short.
    Every group and intersection has at least 30 rows.
    """
    made = [population_words(group, found) for group in short_groups(found)[:MOST_OF_KIND]]
    made += [uncovered_words(found)] if found.uncovered is not None else []
    for kind in ("label", "missing"):
        made += [skew_words(test) for test in found.found if test.kind == kind][:MOST_OF_KIND]
    if found.tests and not found.found:
        made.append(f"No group differs from the rest beyond chance, among {count(len(found.tests), 'comparison')}.")
    made += drift_words(found.drift) if found.drift is not None else []
    return tuple(made) or tuple(found.notes)


def short_groups(found: Coverage) -> list[GroupRows]:
    """Groups that are short of the population's share beyond chance, the shortest first."""
    sure = {
        (column, level)
        for test in found.found
        if test.kind == "population" and len(test.group) == 1
        for column, level in test.group.items()
    }
    two = {group.column for group in found.groups if (group.column, group.level) in sure}
    told = [
        group
        for group in found.groups
        if (group.short or 0) > 0 and ((group.column, group.level) in sure or _of_two(found, group, two))
    ]
    return sorted(told, key=lambda group: -(group.short or 0))


def _of_two(found: Coverage, group: GroupRows, sure_columns: set[str]) -> bool:
    """Whether it is one of two levels, of which only one was tested: the tests are the same."""
    levels = [one for one in found.groups if one.column == group.column and one.population is not None]
    return len(levels) == 2 and group.column in sure_columns


def population_words(group: GroupRows, found: Coverage) -> str:
    """`sex female is 33 % of rows, 51 % of the population: 4,120 rows short.`"""
    share = f"{name_of({group.column: group.level})} is {percent(group.share)} of rows"
    if group.population is None or group.short is None:
        return f"{share}."
    tail = f"{count(abs(group.short), 'row')} {'short' if group.short > 0 else 'too many'}"
    return f"{share}, {percent(group.population)} of the population: {tail}."


def uncovered_words(found: Coverage) -> str:
    """How many groups and intersections have too few rows, and which first."""
    if found.uncovered is None or not found.uncovered.patterns:
        least = found.uncovered.least_rows if found.uncovered else 0
        return f"Every group and intersection has at least {least} rows."
    patterns, least = found.uncovered.patterns, found.uncovered.least_rows
    first = "; ".join(f"{name_of(one.levels)} ({one.have:,})" for one in patterns[:3])
    verb = "has" if len(patterns) == 1 else "have"
    tail = f", among them {first}" if len(patterns) > 3 else f": {first}"
    many = count(len(patterns), "group or intersection", "groups and intersections")
    return f"{many} {verb} fewer than {least} rows{tail}."


def few_words(found: Coverage) -> str:
    """How the groups with too few rows were looked for."""
    if found.uncovered is None:
        return ""
    looked = found.uncovered
    return (
        f"{count(looked.n_looked, 'group and intersection', 'groups and intersections')} of up to {looked.n_columns} "
        f"columns were counted. Those of fewest columns come first; what lies within one of them is not named again. "
        "A group that cannot exist is named too: strike it out."
    )


def weights_words(found: Coverage) -> str:
    """What weights would do, and cost."""
    weights = found.weights
    if weights is None:
        return ""
    n = found.n_rows
    left = f"; shares still differ by up to {points(weights.worst_gap)}" if weights.worst_gap > 0.001 else ""
    empty = f"; no weight helps {join(weights.empty)}, of which there are no rows" if weights.empty else ""
    return (
        f"Weights from {weights.smallest:.2f} to {weights.largest:.2f} give these rows the population's shares; "
        f"{n:,} rows are then worth {weights.effective_rows:,.0f} even ones{left}{empty}."
    )


def skew_words(test: Skew) -> str:
    """One difference in words: rates, what it is compared with, the interval of the difference."""
    return f"{rates_words(test)} ({gap_words(test)})."


def gap_words(test: Skew) -> str:
    """The difference and its interval: `8.0 points less, -12.1 to -3.9`."""
    low, high = sorted((test.low, test.high))
    return f"{_more(test.difference)}, {points(low, sign=True)} to {points(high, sign=True)}"


def rates_words(test: Skew) -> str:
    """The two rates in words."""
    group, rate, other = name_of(test.group), percent(test.rate), percent(test.other_rate)
    against = test.against if test.against != "the other rows" else "all others"
    if test.kind == "population":
        what = "of rows" if test.about == "share of rows" else f"of {test.about.removeprefix('share of ')}"
        return f"{group}: {rate} {what}, {other} in {against}"
    if test.kind == "missing":
        columns = test.about.split(", ")
        column = (
            f"{clear(columns[0])} is" if len(columns) == 1 else f"{clear(columns[0])} (with {len(columns) - 1} more) is"
        )
        return f"{column} missing in {rate} of {group}, in {other} of {against}"
    return f"{clear(test.about)}: {rate} of {group}, {other} of {against}"


def _more(gap: float) -> str:
    return f"{points(abs(gap))} {'more' if gap > 0 else 'less'}"


def drift_words(drift: Drift) -> list[str]:
    """How the sources differ: what a row's source can be told by, and the columns that differ most."""
    made = []
    if drift.told and drift.auc is not None:
        by = join(clear(name) for name, _ in drift.by)
        how = "nearly always" if drift.auc > 0.95 else "often" if drift.auc > 0.7 else "a little better than by chance"
        tail = f", by {by}" if by else ""
        made.append(
            f"A row's source ({clear(drift.column)}) can be told from its values {how} (AUC {drift.auc:.2f}){tail}."
        )
    elif drift.auc is not None:
        made.append(f"A row's source ({clear(drift.column)}) cannot be told from its values (AUC {drift.auc:.2f}).")
    strong = [column for column in drift.columns if column.found and column.psi >= STRONG]
    found = [column for column in drift.columns if column.found]
    if strong:
        made.append(f"Very different by source: {join(_by(column) for column in strong[:MOST_SAID])}.")
    elif found:
        made.append(
            f"Different by source, though not much: {join(clear(column.column) for column in found[:MOST_SAID])}."
        )
    return made


def _by(column: ColumnDrift) -> str:
    return clear(f"{column.column} (most in {column.source})")


def need_words(need: Need) -> str:
    """One line of what to collect."""
    return f"{need.need:,} more rows of {name_of(need.pattern)}: {need.why} (there are {need.have:,})"


def name_of(levels: Mapping[str, str]) -> str:
    """A group in words: `sex female and age 18 to 24`."""
    return join(clear(f"{column} {level}") for column, level in levels.items())


def clear(text: str) -> str:
    """A name cut to a length, with signs for controls that would hide or turn what is beside them."""
    return "".join(part for _, part in pieces(short(text, MOST_LETTERS)))


def join(names: Iterable[str]) -> str:
    """Names with commas and `and`."""
    listed = list(names)
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}" if listed else ""


def percent(share: float) -> str:
    """A share in per cent: whole ones from 10 % to 90 %, one digit outside.

    >>> percent(0.331), percent(0.0041), percent(0.0), percent(0.9999), percent(0.0001)
    ('33 %', '0.4 %', '0 %', 'over 99.9 %', 'under 0.1 %')
    """
    if share in (0.0, 1.0):
        return f"{share:.0%}".replace("%", " %")
    if share < 0.0005:
        return "under 0.1 %"
    if share > 0.9995:
        return "over 99.9 %"
    return f"{100 * share:.{0 if 0.0995 <= share <= 0.9005 else 1}f} %"


def points(gap: float, *, sign: bool = False) -> str:
    """A difference of shares in points."""
    return f"{100 * gap:+.1f}" if sign else f"{100 * gap:.1f} points"
