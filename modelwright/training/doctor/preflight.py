"""Before the first step: what is wrong already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelwright.training.doctor.base import Verdict
from modelwright.training.doctor.chart import Chart
from modelwright.training.doctor.examine import examine
from modelwright.training.doctor.observer import judge

if TYPE_CHECKING:
    from torch import nn

    from modelwright.training.loop.examples import Examples
    from modelwright.training.loop.fit import Objective


def preflight(
    network: nn.Module,
    train: Examples,
    objective: Objective,
    *,
    validation: Examples | None = None,
    batch_size: int = 32,
    seed: int = 0,
) -> tuple[Verdict, ...]:
    """Verdicts on rows and network before a step is made, the surest first. The network is not changed.

    Looks at the loss at the start, whether a single batch can be learned by heart, whether the targets have to do
    with the inputs, whether one input gives them away, at gaps, scales, classes, repeats and wild rows. Only the
    first target is looked at. Takes the time of some 60 steps of at most 32 rows, and at most half a second more.

    >>> import torch
    >>> from modelwright.training.loop.examples import Examples
    >>> x = torch.randn(300, 6, generator=torch.Generator().manual_seed(0))
    >>> y = (x[:, 0] + x[:, 1] > 0).long()
    >>> cross_entropy = lambda outputs, targets, _: torch.nn.functional.cross_entropy(outputs[0], targets[0])
    >>> network = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
    >>> preflight(network, Examples((x,), (y,)), cross_entropy)
    ()
    >>> [verdict.fault for verdict in preflight(network, Examples((x,), (y.roll(1),)), cross_entropy)]
    ['shuffled_labels']
    """
    return verdicts_of(examine(network, train, objective, validation=validation, batch_size=batch_size, seed=seed))


def verdicts_of(facts: Mapping[str, Any]) -> tuple[Verdict, ...]:
    """The verdicts that facts from `examine` lead to."""
    chart = Chart(facts=dict(facts), layers=list(facts.get("layers", [])))
    if "first_look" in facts:
        chart.looks.append(facts["first_look"])
    return tuple(judge(chart, "before")[0])
