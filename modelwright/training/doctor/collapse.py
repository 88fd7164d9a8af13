"""A network that answers with one class whatever it is asked."""

from __future__ import annotations

import math

from modelwright.training.doctor.base import Symptom, Verdict, sure, sure_below
from modelwright.training.doctor.chart import Chart
from modelwright.training.doctor.learning_rate import update_of

START = 2.5  # loss at the start, in uninformed losses
ALIKE = 0.02  # share of the answers' size that differs between rows
PERSISTENT = 4  # looks
FROM_STEP = 12
MOVED = 1.0  # way that the weights must have gone: before, a network may well answer with one class


def find(chart: Chart) -> Verdict | None:
    """Sure and wrong from the start with the same answer for all rows; or one class only, look after look.

    >>> find(Chart(facts={"start_loss": 30.0, "uninformed_loss": 2.3, "start_distinct": 1e-5,
    ...     "class_counts": [5, 5]})).change
    {'what': 'initialise'}
    """
    return _from_start(chart) or _lasting(chart)


def _from_start(chart: Chart) -> Verdict | None:
    facts = chart.facts
    if "class_counts" not in facts or "start_loss" not in facts:
        return None
    ratio = float(facts["start_loss"]) / max(chart.uninformed, 1e-12)
    confidence = min(sure(ratio, START, factor=1.5), sure_below(facts.get("start_distinct", 1.0), ALIKE))
    if confidence < 0.5:
        return None
    return Verdict(
        "class_collapse", confidence, {"start_loss": facts["start_loss"], "uninformed_loss": chart.uninformed},
        f"Before the first step the network gives every row the same sure answer (its loss is {ratio:.1f} times that "
        "of no answer at all). The last layer starts one-sided. Start it near zero.",
        {"what": "initialise"},
    )  # fmt: skip


def _lasting(chart: Chart) -> Verdict | None:
    looks = [look for look in chart.looks[-PERSISTENT:] if "most" in look and look["step"] >= FROM_STEP]
    if len(looks) < PERSISTENT or min(look["most"] for look in looks) < 0.9 or way_gone(chart) < MOVED:
        return None
    told, true = min(look["most"] for look in looks), max(look["true"] for look in looks)
    gain = (chart.uninformed - chart.curve.part(0.8, 1.0)) / max(chart.uninformed, 1e-12)
    confidence = min(sure(told / max(true, 1e-6), 1.6, factor=1.3), sure(told, 0.97, factor=1.02),
                     sure_below(max(gain, 1e-3), 0.02))  # fmt: skip
    return Verdict(
        "class_collapse", confidence, {"told_share": told, "true_share": true},
        f"The network answers {told:.0%} of the rows with one class, which is that of {true:.0%} at most. It has "
        "stopped looking at its inputs. Start again with a lower learning rate and other first weights.",
        {"what": "initialise"},
    )  # fmt: skip


def way_gone(chart: Chart) -> float:
    """How far the weights may have moved so far, in shares of their length: changes times the steps between looks.

    >>> way_gone(Chart(looks=[{"step": 0, "update": [0.1]}, {"step": 5, "update": [0.2]}]))
    0.5
    """
    return math.fsum((update_of(look) or 0.0) * (later["step"] - look["step"])
               for look, later in zip(chart.looks, chart.looks[1:], strict=False))  # fmt: skip


SYMPTOM = Symptom(
    name="class_collapse", moments=("before", "look"),
    find=find,
    caused_by=("class_imbalance", "dead_units", "vanishing_gradients", "learning_rate_high", "learning_rate_low",
               "exploding_gradients", "saturated_units", "not_finite", "shuffled_labels", "unscaled_inputs",
               "underfitting", "loss_spikes"),
)  # fmt: skip
