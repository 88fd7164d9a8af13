"""The loss before the first step, against that of an answer that knows nothing."""

from __future__ import annotations

from modelwright.training.doctor.base import Symptom, Verdict, sure
from modelwright.training.doctor.chart import Chart

LARGE = 4.0


def find(chart: Chart) -> Verdict | None:
    """A new network knows nothing, so its loss should be near that of no answer: ln K for K equal classes.

    >>> find(Chart(facts={"start_loss": 23.0, "uninformed_loss": 2.3})).fault
    'loss_at_start'
    """
    if "start_loss" not in chart.facts or "uninformed_loss" not in chart.facts:
        return None
    ratio = float(chart.facts["start_loss"]) / chart.uninformed
    return Verdict(
        "loss_at_start", sure(ratio, LARGE), {"start_loss": chart.facts["start_loss"], "expected": chart.uninformed},
        f"Before the first step the loss is {chart.facts['start_loss']:.3g}; a network that knows nothing should have "
        f"{chart.uninformed:.3g}. It starts sure of wrong answers. Choose smaller first weights for the last layer.",
        {"what": "initialise"},
    )  # fmt: skip


SYMPTOM = Symptom(
    name="loss_at_start", moments=("before",),
    find=find,
    caused_by=("exploding_gradients", "unscaled_inputs", "unscaled_targets", "class_collapse", "not_finite",
               "loss_spikes", "saturated_units", "learning_rate_high"),
)  # fmt: skip
