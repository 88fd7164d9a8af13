"""What a report's pictures are drawn from, for every kind of task: JSON-able, of bounded size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.core.rng import stream
from modelwright.evaluation.answers import Answers
from modelwright.evaluation.curves import curves

if TYPE_CHECKING:
    from modelwright.core.values import Trained
    from modelwright.evaluation.asking import Asked


def curves_of(trained: Trained, asked: Asked, *, seed: int, network: Any = None) -> dict[str, Any]:
    """The data behind all pictures of one target."""
    if isinstance(asked.model, Answers) and asked.task.kind != "multilabel":
        return curves(asked.model, trained.signature.threshold, stream(seed, "evaluation", "curves"))
    return dict(asked.facts)
