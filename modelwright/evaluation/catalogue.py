"""Every metric that evaluation knows, by kind of task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.core.errors import UserError
from modelwright.evaluation.boxes import DETECTION
from modelwright.evaluation.forecasts import FORECAST
from modelwright.evaluation.labels import MULTILABEL
from modelwright.evaluation.masks import SEGMENTATION
from modelwright.evaluation.metrics import BINARY, MULTICLASS, REGRESSION, SHARED, Measure

if TYPE_CHECKING:
    from collections.abc import Sequence

METRICS: dict[str, dict[str, Measure]] = {
    kind: {measure.name: measure for measure in measures}
    for kind, measures in {
        "binary": (*SHARED, *BINARY),
        "multiclass": (*SHARED, *MULTICLASS),
        "regression": REGRESSION,
        "multilabel": MULTILABEL,
        "forecast": FORECAST,
        "detection": DETECTION,
        "segmentation": SEGMENTATION,
    }.items()
}
"""Task kind to name to metric."""


def measures_of(kind: str, names: Sequence[str]) -> list[Measure]:
    """The metrics of those names for that kind of task; `evaluation.metric` when one is of another kind."""
    known = METRICS[kind]
    for name in names:
        if name not in known:
            raise UserError(
                "evaluation.metric",
                f"`{name}` does not measure a {kind} task.",
                hint=f"use one of: {', '.join(sorted(known))}",
            )
    return [known[name] for name in names]
