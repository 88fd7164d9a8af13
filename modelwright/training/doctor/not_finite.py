"""What is no number: in the inputs, in the targets, or made by the network."""

from __future__ import annotations

import math

from modelwright.training.doctor.base import Symptom, Verdict
from modelwright.training.doctor.chart import Chart


def find(chart: Chart) -> Verdict | None:
    """Rows that are no numbers and that the network does not cope with; a loss that is not finite.

    >>> chart = Chart(facts={"n_bad_rows": 8, "n_rows": 800, "bad_rows": [1, 5], "copes_with_bad_rows": False})
    >>> find(chart).words
    '8 of 800 rows hold something that is no number (NaN or infinite), and the network cannot answer them. One such
    row makes every weight useless. Leave those rows out, or fill their gaps.'
    """
    return _in_rows(chart) or _in_training(chart)


def _in_rows(chart: Chart) -> Verdict | None:
    facts = chart.facts
    infinite = facts.get("infinite_targets", [])
    bad = facts.get("n_bad_rows", 0) if facts.get("copes_with_bad_rows") is False else 0
    if not bad and not infinite:
        return None
    n, what = (bad, "rows hold") if bad else (len(infinite), "targets are")
    cannot = ", and the network cannot answer them" if bad else ""
    return Verdict(
        "not_finite", 0.99, {"bad_rows": bad, "infinite_targets": len(infinite)},
        f"{n:,} of {facts.get('n_rows', 0):,} {what} something that is no number (NaN or infinite){cannot}. One such "
        "row makes every weight useless. Leave those rows out, or fill their gaps.",
        {"what": "drop_rows", "rows": sorted({*(facts["bad_rows"] if bad else []), *infinite})},
    )  # fmt: skip


def _in_training(chart: Chart) -> Verdict | None:
    if math.isfinite(sum(chart.curve.recent)):
        return None
    first = next((n for n, loss in enumerate(chart.curve.recent) if not math.isfinite(loss)), None)
    if first is None:
        return None
    step = chart.curve.n_steps - len(chart.curve.recent) + first
    layer = first_layer(chart)
    where = f" It appears first in the layer `{layer}`." if layer else ""
    return Verdict(
        "not_finite", 0.95, {"first_step": step, "layer": layer},
        f"At step {step} the loss is no number any more, so nothing can be learned after it.{where} Go back to the "
        "last good weights, with a lower learning rate.",
        {"what": "learning_rate", "times": 0.1},
    )  # fmt: skip


def first_layer(chart: Chart) -> str:
    """The first layer whose values are not finite, in the order in which layers are used; "" if none was seen.

    >>> first_layer(Chart(looks=[{"step": 0}, {"step": 1, "broken": "b"}]))
    'b'
    """
    return next((str(look["broken"]) for look in chart.looks if look.get("broken")), "")


SYMPTOM = Symptom(
    name="not_finite",
    find=find,
    moments=("before", "look", "validation"),
    caused_by=("learning_rate_high", "exploding_gradients", "unscaled_inputs", "unscaled_targets", "loss_spikes"),
)
