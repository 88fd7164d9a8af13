"""Cells that differ from a frequent one of their column by blanks alone: " oak" where 30 cells say "oak".

Only what the column itself says elsewhere is proposed: a blank may mean something, and a text that occurs once proves
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.cleaning.findings import Findings
from modelwright.cleaning.mend import Method, NoSettings
from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.values import Watch

if TYPE_CHECKING:
    import polars as pl

_BLANK = r"[\s\x{85}\x{a0}\x{1680}\x{180e}\x{2000}-\x{200b}\x{2028}\x{2029}\x{202f}\x{205f}\x{2060}\x{3000}\x{feff}]"
_ODD = rf"^{_BLANK}|{_BLANK}$|{_BLANK}{{2,}}|[^\S ]|[\x{{180e}}\x{{200b}}\x{{2060}}\x{{feff}}]"
LEAST_CELLS = 3  # that must say the tidy form
MOST_DISTINCT = 100_000  # of untidy forms in a column: beyond, the blanks are its way of writing


def propose(data: Dataset, spec: NoSettings, *, seed: int = 0, watch: Watch | None = None) -> Findings:
    """Propose the frequent form for each cell that is the same but for blanks.

    >>> import polars as pl
    >>> wood = ["oak", "oak", "oak ", "ash", "oak"]
    >>> propose(Dataset.from_frame(pl.DataFrame({"wood": wood})), NoSettings()).cells.row(0)[:4]
    (2, 'wood', 'oak ', 'oak')
    """
    import polars as pl

    types = data.table.collect_schema()
    found = [_of_column(data, name) for name in data.schema.names if types[name] == pl.String]
    return Findings.of(cells=pl.concat(found) if found else None)


def tidy(cells: pl.Expr) -> pl.Expr:
    """Texts without blanks around them, and with one plain blank where several or other ones were."""
    return cells.str.replace_all(rf"{_BLANK}+", " ").str.strip_chars(" ")


def _of_column(data: Dataset, name: str) -> pl.DataFrame:
    import polars as pl

    cell = pl.col(name)
    rows = data.table.select(ROW_ID, cell.alias("before"))
    odd = rows.filter(pl.col("before").str.contains(_ODD))
    forms = odd.select("before").unique().head(MOST_DISTINCT + 1).collect(engine="streaming")
    empty = Findings.of().cells
    if not forms.height or forms.height > MOST_DISTINCT:
        return empty
    forms = forms.with_columns(tidy(pl.col("before")).alias("after")).filter(pl.col("after") != "")
    said = rows.join(forms.lazy().select(before="after").unique(), on="before", how="semi")
    counts = said.group_by("before").len("n").collect(engine="streaming")
    known = forms.join(counts, left_on="after", right_on="before").filter(pl.col("n") >= LEAST_CELLS)
    if not known.height:
        return empty
    reason = pl.format("the same as '{}', which {} cells say, but for blanks", pl.col("after").str.head(60), "n")
    known = known.select(
        "before", "after", column=pl.lit(name), method=pl.lit("blanks"), reason=reason,
        confidence=1 - 1 / (pl.col("n") + 20.0),
    )  # fmt: skip
    found = odd.join(known.lazy(), on="before", how="inner").collect(engine="streaming")
    return Findings.of(cells=found).cells.sort(ROW_ID)


MEND = Method(
    name="blanks", about="Cells that differ from a frequent one by blanks alone.", propose=propose,
    kinds=("category", "text"),
)  # fmt: skip
