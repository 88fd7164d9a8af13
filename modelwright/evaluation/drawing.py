"""What a report's pictures are drawn from, for every kind of task: JSON-able, of bounded size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.core.rng import stream
from modelwright.evaluation import array_curves
from modelwright.evaluation.answers import Answers
from modelwright.evaluation.boxes import Matches
from modelwright.evaluation.curves import curves
from modelwright.evaluation.examples import confused, examples
from modelwright.evaluation.sums import Sums

if TYPE_CHECKING:
    from modelwright.core.values import Trained
    from modelwright.evaluation.asking import Asked


def curves_of(trained: Trained, asked: Asked, *, seed: int, network: Any = None) -> dict[str, Any]:
    """The data behind all pictures of one target."""
    tasks = (trained.task, *trained.signature.more_tasks)
    output = tasks.index(asked.task)
    made = {**asked.facts, **_curves(trained, asked, output, seed)}
    shown = examples(trained, asked, output=output, network=network)
    if shown:
        made["examples"] = shown
    pairs = confused(trained, asked)
    if pairs:
        made["confused"] = pairs
    return made


def _curves(trained: Trained, asked: Asked, output: int, seed: int) -> dict[str, Any]:
    rng = stream(seed, "evaluation", "curves")
    model = asked.model
    if isinstance(model, Answers):
        if asked.task.kind == "multilabel":
            return array_curves.label_curves(model, rng)
        threshold: float | None = trained.signature.threshold_at(output)
        if asked.task == trained.task:  # no one threshold where groups have their own
            threshold = None if trained.signature.group_thresholds else trained.signature.threshold
        return curves(model, threshold, rng)
    if isinstance(model, Matches):
        return array_curves.box_curves(model, float(asked.facts["box_threshold"]))
    assert isinstance(model, Sums)
    if asked.task.kind == "segmentation":
        return array_curves.mask_curves(model)
    assert isinstance(asked.base, Sums)
    return array_curves.forecast_curves(model, asked.base, dict(asked.others), asked.base_name, rng)
