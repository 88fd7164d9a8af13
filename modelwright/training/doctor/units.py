"""Units that are silent on every row, or that sit where their function is flat."""

from __future__ import annotations

import statistics
from typing import Any

from modelwright.training.doctor.base import Symptom, Verdict, sure
from modelwright.training.doctor.chart import Chart

DEAD = 0.6
SATURATED = 0.65
EARLY = 0.25  # share of the run in which saturation counts: later on it may be what was learned


def find_dead(chart: Chart) -> Verdict | None:
    """Most units of a layer give nothing on any row of a batch, look after look: no gradient will wake them.

    Reference: Lu et al. (2020), "Dying ReLU and initialization: theory and numerical examples".

    >>> looks = [{"step": step, "units": ["relu after 0"], "dead": [1.0]} for step in (0, 1)]
    >>> find_dead(Chart(looks=looks)).words[:51]
    '100% of the units of `relu after 0` are silent on e'
    """
    looks = [look for look in chart.looks if "units" in look]
    if not looks or max(looks[-1]["dead"], default=0.0) < DEAD / 2:
        return None
    share, name = _worst(looks[-3:], "dead")
    if len(looks) < 2 and chart.step >= 0:
        return None
    from_start = _worst(looks[:2], "dead")[0] >= DEAD / 2
    why = "their first biases or weights are far too low" if from_start else "large steps have pushed them there"
    change = {"what": "initialise"} if from_start else {"what": "learning_rate", "times": 0.1}
    remedy = "Choose the first weights anew, with biases of zero" if from_start else "Lower the learning rate"
    return Verdict(
        "dead_units", sure(_odds(share), _odds(DEAD)), {"dead_share": share, "layer": name, "from_start": from_start},
        f"{share:.0%} of the units of `{name}` are silent on every row, and stay so because nothing flows back through "
        f"them: {why}. {remedy}, or use a function that never falls silent (leaky ReLU, GELU).",
        change,
    )  # fmt: skip


def find_saturated(chart: Chart) -> Verdict | None:
    """Most values of a layer are at the flat ends of tanh or sigmoid, from the first step on.

    Later on they may have been driven there by what was learned, and then say that it is sure.

    Reference: Glorot and Bengio (2010), "Understanding the difficulty of training deep feedforward neural networks".

    >>> looks = [{"step": step, "units": ["tanh after 0"], "saturated": [0.95]} for step in (0, 1)]
    >>> find_saturated(Chart(looks=looks, n_steps=100)).change
    {'what': 'initialise'}
    """
    early = [look for look in chart.looks if "units" in look and look["step"] <= max(3, EARLY * chart.n_steps)]
    if not early or max(early[-1]["saturated"], default=0.0) < SATURATED / 2:
        return None
    share, name = _worst(early[-3:], "saturated")
    share = min(share, dict(zip(early[0]["units"], early[0]["saturated"], strict=False)).get(name, 0.0))
    if len(early) < 2 and chart.step >= 0:
        return None
    return Verdict(
        "saturated_units", sure(_odds(share), _odds(SATURATED)), {"saturated_share": share, "layer": name},
        f"{share:.0%} of the values of `{name}` are at the flat ends of their function, where nothing is learned: the "
        "weights before it are too large. Choose smaller first weights (Xavier), or normalise before the function.",
        {"what": "initialise"},
    )  # fmt: skip


def _worst(looks: list[dict[str, Any]], what: str) -> tuple[float, str]:
    """The layer with the largest share in the middle one of some looks."""
    names = looks[-1].get("units", []) if looks else []
    shares = [
        statistics.median(look[what][index] for look in looks if len(look.get(what, [])) > index)
        for index in range(len(names))
    ]
    return max(zip(shares, names, strict=True), default=(0.0, ""))


def _odds(share: float) -> float:
    return share / max(1.0 - share, 1e-6)


DEAD_UNITS = Symptom(
    name="dead_units", moments=("before", "look"),
    find=find_dead,
    caused_by=("unscaled_inputs", "unscaled_targets", "learning_rate_high", "not_finite", "loss_spikes",
               "exploding_gradients"),
)  # fmt: skip
SATURATED_UNITS = Symptom(
    name="saturated_units", moments=("before", "look"),
    find=find_saturated,
    caused_by=("unscaled_inputs", "learning_rate_high", "not_finite", "loss_spikes", "exploding_gradients",
               "class_collapse"),
)  # fmt: skip
