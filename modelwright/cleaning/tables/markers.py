"""Words that say "no value" among numbers, where the table itself leaves such cells empty.

"N/A" in a column of numbers is no number. It becomes an empty cell only when empty cells are how this table says so: a
table that writes "empty" everywhere has a way of its own. Columns of words are left alone: there "none" may be an
answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.cleaning.missing import WORDS_AMONG_NUMBERS
from modelwright.cleaning.tables.rewriting import Put, counted_odd
from modelwright.cleaning.tables.written import number_in

if TYPE_CHECKING:
    import polars as pl

LEAST_NUMBERS = 20
NEARLY_ALL = 0.98
RARE = 0.05  # of the cells


def markers(frame: pl.DataFrame, column: str) -> dict[str, Put]:
    """The marker words of a column of numbers, each to be an empty cell.

    >>> import polars as pl
    >>> frame = pl.DataFrame({"ibu": ["N/A"] + ["35"] * 30, "abv": [None] + ["0.05"] * 30})
    >>> markers(frame, "ibu")["N/A"].after is None
    True
    """
    if not any(frame[name].null_count() for name in frame.columns):
        return {}
    counts, n_plain = counted_odd(frame[column])
    words = {text: count for text, count in counts.items() if text.strip().casefold() in WORDS_AMONG_NUMBERS}
    others = {text: count for text, count in counts.items() if text not in words}
    n_numbers = n_plain + sum(count for text, count in others.items() if number_in(text) is not None) if words else 0
    if n_numbers < max(LEAST_NUMBERS, NEARLY_ALL * (n_plain + sum(others.values()))):
        return {}
    why = f"no number, in a column of {n_numbers:,} numbers; elsewhere this table leaves cells without a value empty"
    return {text: Put(None, f"'{text}' is {why}", 0.97) for text in words}


def without_markers(cells: pl.Series) -> pl.Series:
    """A column in which rare words for "no value" are missing; a frequent one may be an answer, and stays.

    >>> import polars as pl
    >>> without_markers(pl.Series("wood", ["?"] + ["oak"] * 40))[0] is None
    True
    """
    import polars as pl

    if cells.dtype != pl.String:
        return cells
    folded = cells.str.strip_chars().str.to_lowercase()
    said = folded.filter(folded.is_in(WORDS_AMONG_NUMBERS)).value_counts(name="__n__")
    rare = said.filter(pl.col("__n__") <= RARE * cells.len())[cells.name]
    return cells.set(folded.is_in(rare.implode()).fill_null(False), None) if rare.len() else cells
