"""Lines that many documents of a column repeat: menus, footers, disclaimers. They say nothing of the document."""

from __future__ import annotations

from collections import Counter

from pydantic import Field

from modelwright.cleaning.findings import Findings
from modelwright.cleaning.mend import Method
from modelwright.cleaning.texts.columns import batches, text_columns
from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.spec import Spec
from modelwright.core.values import Watch

NAME = "boilerplate"
LEAST_CHARACTERS = 12  # shorter lines ("Yes", "---") repeat by chance
MOST_LINES = 2_000_000  # of distinct ones that are counted; later ones that are new are passed over
MOST_SURE = 0.9


class BoilerplateSpec(Spec):
    """When a line is boilerplate."""

    least_documents: int = Field(5, ge=2, description="in how many documents it must stand")
    least_share: float = Field(0.02, gt=0, le=1, description="and in what share of them")


def propose(data: Dataset, spec: BoilerplateSpec, *, seed: int = 0, watch: Watch | None = None) -> Findings:
    """Propose the texts of several lines without those that many others of the column have too.

    A text that is nothing but such lines is flagged and left. No proposal is surer than 0.9: a line that repeats may
    be a heading that matters.

    >>> import polars as pl
    >>> texts = [f"Story {n} of the day, told at length\\nAll rights reserved by us" for n in range(30)]
    >>> found = propose(Dataset.from_frame(pl.DataFrame({"page": texts})), BoilerplateSpec())
    >>> found.cells["after"][3], found.cells.height
    ('Story 3 of the day, told at length', 30)

    Reference: Rae et al. (2021), "Scaling language models", appendix A.1: repeated lines of web documents.
    """
    import polars as pl

    cells: list[tuple[object, ...]] = []
    flags: list[tuple[object, ...]] = []
    for name in text_columns(data):
        common, n = _common_lines(data, name, spec)
        for rows in batches(data, name) if common else ():
            for row, text in rows.iter_rows():
                if "\n" in text:
                    _look(row, name, text, common, n, cells, flags)
    said = {"cells": cells, "flags": flags}
    made = {
        kind: pl.DataFrame(rows, schema=getattr(Findings.of(), kind).schema, orient="row").sort("column", ROW_ID)
        for kind, rows in said.items()
    }
    return Findings.of(**made)


def _common_lines(data: Dataset, name: str, spec: BoilerplateSpec) -> tuple[dict[str, int], int]:
    """The lines that many documents of several lines have, with their number; and how many such documents there are."""
    counts: Counter[str] = Counter()
    n = 0
    for rows in batches(data, name):
        for text in rows.filter(rows["before"].str.contains("\n", literal=True))["before"].to_list():
            n += 1
            lines = {line.strip() for line in text.splitlines()}
            counts.update(line for line in lines if len(counts) < MOST_LINES or line in counts)
    least = max(spec.least_documents, spec.least_share * n)
    return {line: k for line, k in counts.items() if k >= least and len(line) >= LEAST_CHARACTERS}, n


def _look(
    row: int, name: str, text: str, common: dict[str, int], n: int,
    cells: list[tuple[object, ...]], flags: list[tuple[object, ...]],
) -> None:  # fmt: skip
    lines = text.splitlines()
    repeated = [line.strip() for line in lines if line.strip() in common]
    if not repeated:
        return
    after = "\n".join(line for line in lines if line.strip() not in common).strip()
    shown = max(repeated, key=len)[:60]
    if not after:
        flags.append((row, name, NAME, "has only lines that many others have too", float(len(repeated))))
        return
    rarest = min(common[line] for line in repeated)
    sure = min(MOST_SURE, 0.6 + 0.3 * rarest / n)
    cells.append((row, name, text, after, NAME, f"'{shown}' stands in {rarest:,} of {n:,} documents", sure))


MEND = Method(
    name=NAME, about="Lines that many documents of a column repeat.", propose=propose, kinds=("text",),
    spec=BoilerplateSpec,
)  # fmt: skip
