"""The language of each text, and those that are in another one than their column."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from modelwright.cleaning.findings import Findings
from modelwright.cleaning.mend import Method, NoSettings
from modelwright.cleaning.texts.columns import flagged_cells, prose_columns
from modelwright.core.data import Dataset
from modelwright.core.values import Watch
from modelwright.language import language_of

if TYPE_CHECKING:
    import polars as pl

NAME = "language"
LEAST_SURE = 0.6
LEAST_WORDS = 6
LEAST_SHARE = 0.8  # of the texts that say their language: a column of several has no odd ones


def propose(data: Dataset, spec: NoSettings, *, seed: int = 0, watch: Watch | None = None) -> Findings:
    """Flag the texts of a prose column that are in another language than four fifths of it.

    >>> import polars as pl
    >>> said = ["It was a good film and we liked all of it."] * 9 + ["Der Film war gut und wir haben ihn alle gemocht."]
    >>> found = propose(Dataset.from_frame(pl.DataFrame({"said": said})), NoSettings())
    >>> found.flags["reason"].to_list()
    ['is written in de, where the column is in en']

    Reference: Grefenstette (1995), "Comparing two language identification schemes", JADT.
    """
    import polars as pl

    parts = []
    for name, sample in prose_columns(data).items():
        usual = language_of_column(sample)
        if usual:
            parts.append(_odd_ones(data, name, usual))
    there = [part for part in parts if part is not None]
    return Findings.of(flags=pl.concat(there) if there else None)


def language_of_column(cells: pl.Series) -> str:
    """The language of most texts of a column; "" where none has four fifths of those that say theirs.

    >>> import polars as pl
    >>> language_of_column(pl.Series(["What is it that you have?", "It was in the house, and she saw it."] * 3))
    'en'
    """
    said = Counter(language_of(text)[0] for text in cells.head(500).to_list())
    n_silent = said.pop("", 0)
    if not said or said.total() < max(2, 0.2 * n_silent):
        return ""
    language, n = said.most_common(1)[0]
    return language if n >= LEAST_SHARE * said.total() else ""


def _odd_ones(data: Dataset, name: str, usual: str) -> pl.DataFrame | None:
    def judge(text: str) -> list[tuple[str, float]]:
        language, sure = language_of(text)
        if language in ("", usual) or sure < LEAST_SURE or (text.isascii() and len(text.split()) < LEAST_WORDS):
            return []
        return [(f"is written in {language}, where the column is in {usual}", sure)]

    return flagged_cells(data, [name], NAME, judge)


MEND = Method(name=NAME, about="Texts in another language than their column.", propose=propose, kinds=("text",))
