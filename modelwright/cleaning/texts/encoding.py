"""Texts that were read in the wrong encoding: "MÃ¼nchen" where the file said "München".

ftfy finds what the text was. It is asked only of texts that its own pattern of suspicious neighbours matches; that
pattern runs in Polars, so clean texts pass at hundreds of megabytes a second.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from modelwright.cleaning.findings import Findings
from modelwright.cleaning.mend import Method, NoSettings
from modelwright.cleaning.texts.columns import Change, changed_cells, text_columns
from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.optional import need
from modelwright.core.values import Watch

if TYPE_CHECKING:
    import polars as pl

NAME = "encoding"
LONGEST = 1_000_000  # characters of one cell; longer ones are left alone
SURE, LIKELY, LOSSY = 0.99, 0.8, 0.5


def propose(data: Dataset, spec: NoSettings, *, seed: int = 0, watch: Watch | None = None) -> Findings:
    """Propose what the damaged texts were; texts with characters lost for good are flagged.

    >>> import polars as pl
    >>> data = Dataset.from_frame(pl.DataFrame({"city": ["Oslo", "MÃ¼nchen", "K\\ufffdln"]}))
    >>> found = propose(data, NoSettings())
    >>> found.cells["after"].to_list(), found.flags[ROW_ID].to_list()
    (['München'], [2])

    Raises UserError `optional.missing` without ftfy.

    Reference: Speer (2019), "ftfy", Zenodo, https://doi.org/10.5281/zenodo.2591652.
    """
    columns = text_columns(data)
    return Findings.of(cells=changed_cells(data, columns, NAME, _change, _suspect()), flags=_lost(data, columns))


def mended(text: str) -> str:
    """What a text was before it was read in the wrong encoding; the same text where nothing speaks for damage.

    Quotation marks, ligatures and widths stay as they are: they are not damage.

    >>> mended("voilÃ\\xa0 le travail"), mended("L'Oréal “×” 5 €")
    ('voilà le travail', "L'Oréal “×” 5 €")
    """
    if text.isascii() or len(text) > LONGEST:
        return text
    ftfy = need("ftfy", extra="clean", why="texts in the wrong encoding")
    return str(ftfy.fix_encoding(text))


def _change(text: str) -> Change | None:
    after = mended(text)
    if after == text:
        return None
    badness = need("ftfy.badness", extra="clean", why="texts in the wrong encoding")
    if "\ufffd" in after:
        return after, "was read in the wrong encoding, and characters were lost on the way", LOSSY
    return after, "was read in the wrong encoding", LIKELY if badness.is_bad(after) else SURE


def _suspect() -> pl.Expr:
    """Whether ftfy would look at a text at all, as a condition that Polars runs."""
    import polars as pl

    return pl.col("before").str.contains(plain_pattern())


@cache
def plain_pattern() -> str:
    """ftfy's pattern of suspicious neighbours without Python's verbose spelling, for engines that spell it another way.

    >>> import re
    >>> bool(re.search(plain_pattern(), "MÃ¼nchen")), bool(re.search(plain_pattern(), "München"))
    (True, False)
    """
    verbose: str = need("ftfy.badness", extra="clean", why="texts in the wrong encoding").BADNESS_RE.pattern
    made, in_class, place = [], False, 0
    while place < len(verbose):
        mark = verbose[place]
        if mark == "\\":
            made.append(verbose[place : place + 2])
            place += 2
            continue
        if not in_class and mark == "#":
            place = verbose.find("\n", place) + 1 or len(verbose)
            continue
        if in_class or not mark.isspace():
            made.append(mark)
        in_class = (in_class or mark == "[") and mark != "]"
        place += 1
    return "".join(made).strip("|")


def _lost(data: Dataset, columns: list[str]) -> pl.DataFrame | None:
    """Flags for texts with U+FFFD, which stands where a character could not be read."""
    import polars as pl

    parts = []
    for column in columns:
        cell = pl.col(column)
        rows = data.table.select(ROW_ID, cell).filter(cell.str.contains("\ufffd", literal=True))
        parts.append(rows.select(
            ROW_ID, column=pl.lit(column), method=pl.lit(NAME), score=cell.str.count_matches("\ufffd").cast(pl.Float64),
            reason=pl.lit("characters were lost when it was read; only its source has them"),
        ).collect(engine="streaming"))  # fmt: skip
    return pl.concat(parts).sort("column", ROW_ID) if parts else None


MEND = Method(
    name=NAME, about="Texts that were read in the wrong encoding.", propose=propose, kinds=("category", "text")
)
