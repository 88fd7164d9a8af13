"""Odd rows of a typed table, as a method of mending: flags with the columns that make a row odd, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.cleaning.findings import Findings
from modelwright.cleaning.mend import Method
from modelwright.cleaning.outliers.base import LEAST_ROWS, Detector, Outliers
from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.core.values import Watch

NAME = "outliers"
LEAST_DISTINCT = 5
MOST_NAMED = 3
NAMED_SHARE = 0.5
"""A column is named beside the first when it has at least half as much to do with it."""
LIKELY = 2.0
"""Times the limit, from which strict mending may remove the row."""


class OutliersSpec(Spec):
    """What is called odd."""

    detector: Detector = Field("together", description="one detector, or two schools of them, the surer one heard")
    limit: float = Field(6.0, gt=0, description="middle deviations from the middle row, beyond which a row is flagged")
    most_flagged: float = Field(0.02, gt=0, le=1, description="at most this share of the rows is flagged")


@dataclass(frozen=True, eq=False)
class _Columns:
    """The columns that are looked at: their values for the detectors, and as people see them."""

    names: tuple[str, ...]
    values: np.ndarray
    is_number: tuple[bool, ...]


def propose(
    data: Dataset, spec: OutliersSpec = OutliersSpec(), *, seed: int = 0, watch: Watch | None = None  # noqa: B008
) -> Findings:  # fmt: skip
    """Flag rows that are odd beside all rows, or beside rows like them, and name the columns that make them so.

    Numbers are looked at as they are, categories and booleans by how rare they are; a gap says nothing (it counts as
    the middle). The target has no part in it. A row that is odd far beyond the limit is proposed to go, which gentle
    mending never does. The same rows and seed give the same findings.

    >>> import polars as pl
    >>> from modelwright.core.data import Column, Schema
    >>> frame = pl.DataFrame({"x": [i * 0.1 for i in range(100)], "y": [(i * 0.1) % 3.3 for i in range(100)]})
    >>> frame = frame.with_columns(x=pl.when(pl.int_range(100) == 20).then(90.0).otherwise("x"))
    >>> found = propose(Dataset.from_frame(frame, Schema((Column("x", "number"), Column("y", "number")))))
    >>> found.flags.select("__row__", "column").row(0)
    (20, 'x')
    """
    import numpy as np

    from modelwright.cleaning.outliers.base import outliers

    ordered = data.frame.sort(ROW_ID)
    columns = _columns(data, ordered)
    if len(columns.names) == 0 or ordered.height < LEAST_ROWS:
        return Findings.of()
    found = outliers(columns.values, detector=spec.detector, seed=seed, watch=watch)
    most = max(1, int(spec.most_flagged * ordered.height))
    odd = found.ranked[:most]
    odd = odd[found.score[odd] > spec.limit]
    if not len(odd):
        return Findings.of()
    return _findings(ordered, columns, found, np.asarray(odd), spec.limit)


def _columns(data: Dataset, frame: pl.DataFrame) -> _Columns:
    import numpy as np

    names, values, is_number = [], [], []
    for name in data.schema.features:
        kind = data.schema[name].kind
        if kind not in ("number", "category", "boolean"):
            continue
        column = frame[name].drop_nulls()
        if not len(column) or column.n_unique() < (LEAST_DISTINCT if kind == "number" else 2):
            continue
        if kind == "number":
            coded = frame[name].fill_null(column.median()).to_numpy()
        else:
            coded = _rarity(frame[name])
        names.append(name)
        values.append(coded.astype(np.float64))
        is_number.append(kind == "number")
    shape = (frame.height, 0)
    return _Columns(tuple(names), np.column_stack(values) if values else np.empty(shape), tuple(is_number))


def _rarity(values: pl.Series) -> np.ndarray:
    """Minus the logarithm of how often a level is met; a gap as the most frequent one."""
    import polars as pl

    frame = values.alias("v").to_frame()
    share = pl.len().over("v") / values.drop_nulls().len()
    rare = frame.select(pl.when(pl.col("v").is_not_null()).then(-share.log())).to_series()
    coded: np.ndarray = rare.fill_null(rare.min()).to_numpy()
    return coded


def _findings(frame: pl.DataFrame, columns: _Columns, found: Outliers, odd: np.ndarray, limit: float) -> Findings:
    import numpy as np
    import polars as pl

    usual = np.median(columns.values, axis=0)
    rows, flags = [], []
    for place in odd.tolist():
        row = int(frame[ROW_ID][place])
        parts = found.columns[place]
        order = np.argsort(-parts, kind="stable")
        named = [at for at in order[:MOST_NAMED].tolist() if parts[at] >= NAMED_SHARE * parts[order[0]]]
        reason = _reason(frame, columns, place, named, usual, str(found.surer[place]))
        score = float(found.score[place])
        flags.append((row, columns.names[named[0]], NAME, reason, score))
        if score > LIKELY * limit:
            rows.append((row, None, NAME, reason, min(0.9, 1 - limit / score)))
    empty = Findings.of()
    return Findings.of(
        rows=pl.DataFrame(rows, schema=empty.rows.schema, orient="row"),
        flags=pl.DataFrame(flags, schema=empty.flags.schema, orient="row"),
    )


def _reason(
    frame: pl.DataFrame, columns: _Columns, place: int, named: list[int], usual: np.ndarray, surer: str
) -> str:  # fmt: skip
    told = []
    for at in named:
        name = columns.names[at]
        value = frame[name][place]
        if value is None:
            told.append(f"`{name}` (empty)")
        elif columns.is_number[at]:
            told.append(f"`{name}` ({value:.6g}, usually about {usual[at]:.6g})")
        else:
            told.append(f"`{name}` ({value}, which is rare)")
    beside = "all rows" if surer == "global" else "rows like it"
    together = " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)
    return f"odd beside {beside} in {together}"


MEND = Method(
    name=NAME, about="Rows unlike the others, with the columns that make them so.", propose=propose, on="typed",
    kinds=("number",), spec=OutliersSpec,
)  # fmt: skip
