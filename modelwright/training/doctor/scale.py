"""Inputs or targets whose numbers are far larger, smaller or further from zero than a network is made for."""

from __future__ import annotations

from modelwright.training.doctor.base import Symptom, Verdict, sure
from modelwright.training.doctor.chart import Chart

SIZE = 8.0  # of what the first learned layer is fed, where 1 is usual
SPREAD = 30.0  # the largest of its inputs against the middle one
OFFSET = 8.0  # deviations from zero
TARGET = 20.0


def find_inputs(chart: Chart) -> Verdict | None:
    """The numbers that reach the first learned layer: first weights are chosen for deviations near 1.

    >>> find_inputs(Chart(facts={"fed_size": 800.0, "fed_spread": 1.2, "fed_offset": 0.1})).change
    {'what': 'standardise'}
    """
    facts = chart.facts
    size, spread, offset = (float(facts.get(name, 1.0)) for name in ("fed_size", "fed_spread", "fed_offset"))
    uneven = min(sure(spread, SPREAD), sure(float(facts.get("fed_largest", spread)), SIZE))  # small ones do no harm
    confidence = max(sure(size, SIZE), sure(1 / max(size, 1e-30), 5 * SIZE), uneven, sure(offset, OFFSET))
    if sure(size, SIZE) >= confidence:
        how = f"about {size:.3g} in size, where 1 is what a network is made for"
    elif uneven >= confidence:
        how = f"very unequal: the largest is {spread:.3g} times the usual one"
    elif sure(offset, OFFSET) >= confidence:
        how = f"far from zero: {offset:.3g} times their own variation"
    else:
        how = f"tiny: about {size:.3g} in size, where 1 is what a network is made for"
    return Verdict(
        "unscaled_inputs", confidence, {"size": size, "spread": spread, "offset": offset},
        f"The numbers that reach the first learned layer are {how}. Training is then slow, or breaks down. "
        "Standardise the inputs: subtract their mean and divide by their deviation, both from the training rows.",
        {"what": "standardise"},
    )  # fmt: skip


def find_targets(chart: Chart) -> Verdict | None:
    """Numbers to predict that are far from a mean of 0 and a deviation of 1.

    >>> find_targets(Chart(facts={"target_centre": 50_000.0, "target_deviation": 9_000.0})).fault
    'unscaled_targets'
    """
    deviation = float(chart.facts.get("target_deviation", 1.0))
    centre = abs(float(chart.facts.get("target_centre", 0.0)))
    if deviation <= 0:
        return None
    value = max(deviation, 1 / deviation, centre / deviation)
    return Verdict(
        "unscaled_targets", sure(value, TARGET), {"centre": centre, "deviation": deviation},
        f"The numbers to predict vary by about {deviation:.3g} around {centre:.3g}. A network starts with answers near "
        "0 and 1, and must travel there first. Standardise the targets, and turn the answers back.",
        {"what": "standardise_targets"},
    )  # fmt: skip


INPUTS = Symptom(name="unscaled_inputs", find=find_inputs, moments=("before",), caused_by=("not_finite",))
TARGETS = Symptom(
    name="unscaled_targets", find=find_targets, moments=("before",), caused_by=("not_finite", "loss_spikes")
)
