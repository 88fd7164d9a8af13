"""An explanation in words: what is explained, what each column did, what would have to change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.explanation.partial import level_text
from modelwright.told import figure, percent, short

if TYPE_CHECKING:
    from modelwright.explanation.base import Explanation
    from modelwright.explanation.nearest import Hint

N_REASONS = 4
MOST_LETTERS = 32
ASSUMED = (
    "Each column is taken from the row or from a background row, whatever the other columns are: what the model does "
    "with it is told, and not what goes together in the world, nor what causes what. Where columns go together, mixed "
    "rows may be ones that do not occur, and what two columns share is divided between them."
)


def about(found: Explanation) -> str:
    """What is explained, as the subject of a sentence."""
    if found.scale == "value":
        named = {"forecast": f"the mean of the forecast values of {found.target}", "anomaly": "the score of oddness"}
        return named.get(found.task, f"the value of {found.target}")
    classes = set(found.classes)
    of = (
        f"{found.target} = {short(next(iter(classes)))}" if len(classes) == 1 else f"the {found.target} that it answers"
    )
    return f"the {'log-odds' if found.scale == 'log_odds' else 'chance'} of {of}"


def level(found: Explanation, value: float) -> str:
    """An answer or a base as people write it.

    >>> from modelwright.testing.explanation import tiny_explanation
    >>> level(tiny_explanation(), 0.256)
    '26%'
    """
    return percent(value) if found.scale == "probability" else figure(value)


def amount(found: Explanation, value: float) -> str:
    """What a column added, with its sign.

    >>> from modelwright.testing.explanation import tiny_explanation
    >>> amount(tiny_explanation(), -0.0734), amount(tiny_explanation(), 0.1)
    ('−7.3', '+10.0')
    """
    told = f"{abs(100 * value):.1f}" if found.scale == "probability" else figure(abs(value))
    return ("−" if value < 0 else "+") + told


def unit(found: Explanation) -> str:
    """What amounts are counted in."""
    of_value = "score" if found.task == "anomaly" else found.target
    return {"probability": "points", "log_odds": "log-odds", "value": of_value}[found.scale]


def cell(found: Explanation, row: int, column: str) -> str:
    """A cell of a row, short."""
    return short(cell_text(found.cells[column][row]), MOST_LETTERS)


def cell_text(value: Any) -> str:
    """Any cell in words; of a file its size, of a series its length.

    >>> cell_text(b"1234"), cell_text([1.0, 2.0]), cell_text(" 7 "), cell_text(None)
    ('4 bytes', '2 values', '7', '(missing)')
    """
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if hasattr(value, "__len__") and not isinstance(value, str):
        return f"{len(value):,} values"
    return level_text(value)


def reason(found: Explanation, row: int, place: int) -> str:
    """One column of one row: `age = 25 −3.8`."""
    name = found.columns[place]
    return f"{short(name, MOST_LETTERS)} = {cell(found, row, name)} {amount(found, float(found.values[row, place]))}"


def sentence(found: Explanation, row: int) -> str:
    """One row in a sentence: what is answered, and what raised or lowered it most."""
    subject = about(found) if len(set(found.classes)) == 1 else f"the chance of {short(found.classes[row])}"
    told = [
        f"{short(found.columns[place])} = {cell(found, row, found.columns[place])} "
        f"{'lowered' if found.values[row, place] < 0 else 'raised'} it by "
        f"{amount(found, float(found.values[row, place]))[1:]}{' points' if found.scale == 'probability' else ''}"
        for place in found.reasons(row)[:N_REASONS]
    ]
    start = (
        f"{subject[:1].upper()}{subject[1:]} is {level(found, float(found.answers[row]))}, where the background has "
    )
    start += level(found, float(found.base[row]))
    return f"{start}: {'; '.join(told)}." if told else f"{start}: no column made a difference."


def hint(found: Hint | None) -> str:
    """What would have to change; "" where nothing is known."""
    if found is None:
        return ""
    told = ", ".join(
        f"{short(name)} {short(cell_text(before), MOST_LETTERS)} → {short(cell_text(after), MOST_LETTERS)}"
        for name, before, after in found.changes
    )
    return f"would say {short(found.said)} with {told}"


def method(found: Explanation) -> str:
    """How the values were reckoned, and how sure they are."""
    how = "exact over all sets of columns" if found.exact else "from one order of columns and its reverse for each"
    return (
        f"Shapley values against {found.n_background:,} of {found.background}, {how}; {found.n_asked:,} answers of the "
        "package. ± is a standard error: how far a value would move with other background rows and orders."
    )
