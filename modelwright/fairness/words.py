"""An audit in words: who is told what, how far groups are apart, how sure that is, what changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.fairness.gaps import FOUR_FIFTHS, OF_VALUES, is_judged, most_important
from modelwright.fairness.rates import MEASURES
from modelwright.told import figure, percent, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelwright.fairness.base import Audit, Grouped, GroupFigures
    from modelwright.fairness.comparison import Change
    from modelwright.fairness.gaps import Gap
    from modelwright.fairness.rates import Figure

MOST_LINES, MOST_GROUPS = 6, 14
LETTERS = 28
SHORT = {
    "base_rate": "true", "selection": "predicted", "accuracy": "right", "true_positive_rate": "found",
    "false_positive_rate": "false alarm", "precision": "precise", "calibration": "chance - true",
    "roc_auc": "AUC", "mean_value": "true mean", "mean_error": "mean error", "mae": "MAE",
}  # fmt: skip
"""What a measure is called at the head of a column."""
CRITERIA = {
    "selection": "demographic parity", "true_positive_rate": "equal opportunity", "equalised_odds": "equalised odds",
    "false_positive_rate": "equal false alarms", "precision": "predictive parity", "accuracy": "equal accuracy",
    "calibration": "equal calibration", "roc_auc": "equal ranking", "mean_error": "equal mean error",
    "mae": "equal size of errors",
}  # fmt: skip
"""What is asked for by who asks that a measure be the same in all groups."""


NOUNS = {
    "selection": "predicted shares", "accuracy": "accuracy", "true_positive_rate": "shares found",
    "false_positive_rate": "false alarms", "precision": "precision", "calibration": "calibration", "roc_auc": "ranking",
    "mean_error": "mean error", "mae": "size of errors",
}  # fmt: skip


def looked_at(found: Audit) -> str:
    """What was audited, on what."""
    of = short(found.outcome)
    what = f"predictions of {of}" if found.of_values else f"for whom {of} is predicted"
    return f"{what}, on {found.n_rows:,} rows: {found.source}"


def headline(found: Audit) -> str:
    """The verdict in a sentence."""
    named = {"differs": list[str](), "differs slightly": list[str](), "unclear": list[str]()}
    for grouping in found.groupings:
        standings = {gap.standing for gap in grouping.gaps if is_judged(gap.measure)}
        first = next((standing for standing in named if standing in standings), None)
        if first:
            named[first].append(grouping.name)
    if named["differs"]:
        return f"Groups are treated differently by {_listed(named['differs'])}."
    if named["differs slightly"]:
        return f"Groups are treated slightly differently by {_listed(named['differs slightly'])}."
    if named["unclear"]:
        return f"No difference is sure, and none is ruled out by {_listed(named['unclear'])}: more rows would tell."
    return "Groups are treated alike, as far as these measures tell."


def _listed(names: Sequence[str]) -> str:
    kept = [short(name, 40) for name in names]
    return kept[0] if len(kept) == 1 else f"{', '.join(kept[:-1])} and {kept[-1]}"


def verdict(found: Audit) -> list[str]:
    """Lines: the headline, and for each grouping what was found, what is surely small and what is open."""
    lines = [headline(found)]
    for grouping in found.groupings:
        lines += [f"By {grouping.name}: {line}" for line in grouping_lines(found, grouping)]
    return lines


def grouping_lines(found: Audit, grouping: Grouped) -> list[str]:
    """What is said of one grouping."""
    told = [gap for gap in most_important(grouping.gaps) if gap.measure != "equalised_odds"]
    if len(grouping.columns) > 1:  # an intersection repeats what its columns say
        told = told[:2]
    lines = [gap_words(found, gap) for gap in told[:MOST_LINES]]
    alike = [NOUNS[gap.measure] for gap in grouping.gaps if gap.standing == "alike" and gap.measure in NOUNS]
    unclear = [gap for gap in grouping.gaps if gap.standing == "unclear" and gap.measure in NOUNS]
    if alike:
        lines.append(f"surely no difference of more than {limit(found)} in {_listed(alike)}.")
    if unclear:
        worst = _listed([f"{NOUNS[gap.measure]} (up to {amount(gap.measure, gap.high)})" for gap in unclear])
        lines.append(f"open, for want of rows: {worst}.")
    if not grouping.gaps:
        lines.append("no two groups have enough rows to be compared.")
    return lines


def limit(found: Audit) -> str:
    """Up to where a difference is called slight."""
    return f"{100 * found.spec.tolerance:g} {'% of the spread' if found.of_values else 'points'}"


def gap_words(found: Audit, gap: Gap) -> str:
    """One gap in a sentence.

    >>> from modelwright.testing.fairness import tiny_audit
    >>> found = tiny_audit()
    >>> gap_words(found, found.groupings[0].gap("selection"))
    'hired = yes is predicted for 50% of m and 20% of f: 30 points apart (21 to 38), a ratio of 0.40 (0.29 to 0.54),
    below four fifths.'
    """
    high, low = (value_words(gap.measure, value) for value in gap.values)
    one, two, outcome = short(gap.highest, LETTERS), short(gap.lowest, LETTERS), short(found.outcome)
    said = {
        "base_rate": f"{outcome} is true of {high} of {one} and {low} of {two}",
        "selection": f"{outcome} is predicted for {high} of {one} and {low} of {two}",
        "accuracy": f"answers are right for {high} of {one} and {low} of {two}",
        "true_positive_rate": f"where {outcome} is true, it is found for {high} of {one} and {low} of {two}",
        "false_positive_rate": f"where {outcome} is not true, it is predicted for {high} of {one} and {low} of {two}",
        "precision": f"where {outcome} is predicted, it is true of {high} of {one} and {low} of {two}",
        "calibration": f"mean chances less true shares are {high} for {one} and {low} for {two}",
        "roc_auc": f"rows are ranked with an AUC of {high} among {one} and {low} among {two}",
        "mean_value": f"the true mean is {high} for {one} and {low} for {two}",
        "mean_error": f"predictions are off by {high} for {one} and {low} for {two} on average",
        "mae": f"the mean absolute error is {high} for {one} and {low} for {two}",
        "equalised_odds": f"found or falsely predicted, rates are {high} for {one} and {low} for {two}",
    }[gap.measure]
    ratio = ""
    if gap.ratio is not None and gap.measure == "selection":
        span = f"{gap.ratio_low:.2f} to {gap.ratio_high:.2f}" if gap.ratio_high is not None else ""
        ratio = f", a ratio of {gap.ratio:.2f} ({span})" + (", below four fifths" if gap.ratio < FOUR_FIFTHS else "")
    return f"{said}: {amount(gap.measure, gap.difference)} apart ({span_words(gap)}){ratio}."


def span_words(gap: Gap) -> str:
    """A gap's interval."""
    scale = 100 if gap.measure not in (*OF_VALUES, "roc_auc") else 1
    return f"{_number(scale * gap.low, scale)} to {_number(scale * gap.high, scale)}"


def _number(value: float, scale: int) -> str:
    if scale != 100:
        return figure(value)
    return f"{value:.0f}" if value >= 10 or value == 0 else f"{value:.1f}"


def amount(measure: str, value: float) -> str:
    """A difference: points of shares, or figures."""
    if measure in OF_VALUES or measure == "roc_auc":
        return figure(value)
    told = _number(100 * value, 100)
    return f"{told} point{'' if told == '1' else 's'}"


def value_words(measure: str, value: float) -> str:
    """A value of a measure.

    >>> value_words("selection", 0.25), value_words("calibration", -0.031), value_words("roc_auc", 0.8123)
    ('25%', '−3.1 points', '0.812')
    """
    if measure == "calibration":
        return f"{'−' if value < 0 else '+'}{abs(100 * value):.1f} points"
    if measure == "mean_error":
        return f"{'−' if value < 0 else '+'}{figure(abs(value))}"
    return figure(value) if measure in OF_VALUES or measure == "roc_auc" else percent(value)


def shown(found: Audit) -> list[str]:
    """The measures of a table, in order."""
    return [name for name in MEASURES if name in found.overall]


def table_head(found: Audit, grouping: Grouped) -> list[str]:
    """The head of a grouping's table."""
    return [grouping.name, "rows", *(SHORT[name] for name in shown(found))]


def table_rows(found: Audit, grouping: Grouped) -> list[list[str]]:
    """The largest groups, and all rows last."""
    rows = [_table_row(found, one) for one in grouping.groups[:MOST_GROUPS]]
    return [*rows, ["all", f"{found.n_rows:,}", *(cell_words(found.overall.get(name)) for name in shown(found))]]


def _table_row(found: Audit, one: GroupFigures) -> list[str]:
    cells = []
    for name in shown(found):
        own = one.figures.get(name)
        few = own is not None and own.n < found.spec.least_rows
        cells.append(f"({cell_words(own)})" if few else cell_words(own))
    return [short(one.name, LETTERS) + (" (few)" if one.few else ""), f"{one.n_rows:,}", *cells]


def cell_words(one: Figure | None) -> str:
    """A figure in a table's cell."""
    if one is None:
        return ""
    return value_words(one.measure, one.value).removesuffix(" points")


def change_pairs(found: Audit) -> list[tuple[str, str]]:
    """What changes, and how, for every figure before and after: first the accuracy over all rows."""
    made: list[tuple[str, str]] = []
    for grouping in found.groupings:
        for one in grouping.changes:
            if one.of != "accuracy":
                made.append((f"gap of {CRITERIA[one.of]} by {grouping.name}", _change(one)))
            elif not made:
                made.append(("accuracy", _change(one)))
    return made


def change_lines(found: Audit) -> list[str]:
    """Before and after, if rows were answered twice: what it costs, and what every gap wins."""
    return [f"{about[:1].upper()}{about[1:]}: {change}." for about, change in change_pairs(found)]


def _change(one: Change) -> str:
    parts = (one.change, one.low, one.high)
    sign = [f"{'+' if part > 0 else '−' if part < 0 else ''}{abs(100 * part):.1f}" for part in parts]
    if one.of == "accuracy":
        return f"{100 * one.before:.1f}% → {100 * one.after:.1f}% ({sign[0]} points, {sign[1]} to {sign[2]})"
    return f"{100 * one.before:.1f} → {100 * one.after:.1f} points ({sign[0]}, {sign[1]} to {sign[2]})"


def caution(found: Audit) -> str:
    """What must be said beside every audit."""
    few = f"groups with fewer than {found.spec.least_rows} rows stand in brackets and are not compared"
    return (
        f"{found.n_tests} differences were tested together: of those told, at most 5 % are expected to be chance; "
        f"{few}. "
        "Intervals hold for all pairs of groups at once. A difference is no cause."
    )


def trade_off(found: Audit) -> str:
    """Why not every gap can close, where groups differ in truth."""
    for grouping in found.groupings:
        gap = grouping.gap("base_rate")
        if gap is not None and gap.found:
            return (
                f"{short(found.outcome)} is truly rarer in some groups (by {grouping.name}: {percent(gap.values[1])} "
                f"to "
                f"{percent(gap.values[0])}). Then no imperfect model can have equal precision, equal false alarms and "
                "equal shares found at once: which of them matters is for people to say (Chouldechova 2017; "
                "Kleinberg et "
                "al. 2017)."
            )
    return ""
