"""Wrong labels of a typed table, as a method of mending: flags, and the label that the other rows speak for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.cleaning.findings import Findings
from modelwright.cleaning.mend import Method
from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import numpy as np

    from modelwright.cleaning.labels.base import LabelErrors
    from modelwright.cleaning.labels.folds import OutOfFold
    from modelwright.core.values import Watch

NAME = "label_errors"
LEAST_CONFIDENCE = 0.5
LEAST_SKILL = 0.2
"""Share of the constant's wrong answers that the models must avoid: without skill their doubts mean nothing."""


class LabelErrorsSpec(Spec):
    """How much is told."""

    most_flagged: float = Field(default=0.2, gt=0, le=1, description="at most this share of the rows is flagged")


def propose(
    data: Dataset, spec: LabelErrorsSpec = LabelErrorsSpec(), *, seed: int = 0, watch: Watch | None = None  # noqa: B008
) -> Findings:  # fmt: skip
    """Flag labels that the other rows speak against; where one other label is likely (0.5), propose it.

    Probabilities come from five folds (see `folds.out_of_fold`), evidence and confidence from `label_errors`. A table
    whose target the models cannot learn gets no flag. The same rows and seed give the same findings.

    Reference: Northcutt, Jiang and Chuang (2021), "Confident learning: estimating uncertainty in dataset labels".

    >>> import polars as pl
    >>> from modelwright.core.data import Column, Schema
    >>> frame = pl.DataFrame({"x": [float(i) for i in range(200)], "y": ["low"] * 100 + ["high"] * 100})
    >>> frame = frame.with_columns(y=pl.when(pl.col("x") == 20).then(pl.lit("high")).otherwise("y"))
    >>> schema = Schema((Column("x", "number"), Column("y", "category", "target")))
    >>> found = propose(Dataset.from_frame(frame, schema))
    >>> found.flags["__row__"].to_list(), found.cells["after"].to_list()
    ([20], ['low'])
    """
    import numpy as np

    from modelwright.cleaning.labels.base import label_errors
    from modelwright.cleaning.labels.folds import out_of_fold

    judged = out_of_fold(_in_order(data), seed=seed, watch=watch)
    if judged is None or not _has_skill(judged):
        return Findings.of()
    found = label_errors(judged.labels, judged.probabilities, judged.features)
    most = max(1, int(spec.most_flagged * len(judged.rows)))
    ranked = found.ranked
    wrong = ranked[found.wrong[ranked]][:most]
    ids = np.sort(data.row_ids)[judged.rows[wrong]]
    return _findings(data, judged, found, wrong, ids)


def _in_order(data: Dataset) -> Dataset:
    """The rows by their ids, so that the order of a table changes nothing."""
    frame = data.frame.sort(ROW_ID)
    return Dataset(frame.lazy(), data.schema, frame.height, data.origin)


def _has_skill(judged: OutOfFold) -> bool:
    import numpy as np

    right = float((judged.probabilities.argmax(axis=1) == judged.labels).mean())
    constant = float(np.bincount(judged.labels).max() / len(judged.labels))
    return 1 - right <= (1 - LEAST_SKILL) * (1 - constant)


def _findings(data: Dataset, judged: OutOfFold, found: LabelErrors, wrong: np.ndarray, ids: np.ndarray) -> Findings:
    import polars as pl

    target = str(data.schema.target)
    classes = judged.classes
    before = [classes[code] for code in judged.labels[wrong]]
    after = [classes[code] for code in found.other[wrong]]
    both = zip(before, after, strict=True)
    table = pl.DataFrame({
        ROW_ID: ids, "column": [target] * len(wrong), "before": before, "after": after, "method": [NAME] * len(wrong),
        "reason": [f"rows like it are `{new}`, not `{old}`" for old, new in both],
        "score": found.score[wrong], "confidence": found.confidence[wrong],
    }, schema_overrides={ROW_ID: pl.UInt64, "score": pl.Float64, "confidence": pl.Float64,
                         "before": pl.String, "after": pl.String, "reason": pl.String, "column": pl.String,
                         "method": pl.String})  # fmt: skip
    sayable = data.column(target).dtype != pl.Boolean  # a source's own words for yes and no are not known here
    cells = table.filter((pl.col("confidence") >= LEAST_CONFIDENCE) & sayable)
    return Findings.of(cells=cells, flags=table)


MEND = Method(
    name=NAME, about="Rows whose label the rest of the table speaks against.", propose=propose, on="typed",
    spec=LabelErrorsSpec,
)  # fmt: skip
