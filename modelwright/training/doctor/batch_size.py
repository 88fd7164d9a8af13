"""Too few rows in a step, so that gradients are noise; or too many, so that there are too few steps."""

from __future__ import annotations

import statistics

from modelwright.training.doctor.base import Symptom, Verdict, sure, sure_below
from modelwright.training.doctor.chart import Chart

NOISE = 0.03  # agreement of two steps' gradients
SIGNAL = 0.9
FEW_STEPS = 200


def _agreement(chart: Chart) -> float | None:
    """Median agreement (cosine) of neighbouring steps' gradients at the last looks that measured it."""
    found = [float(look["agreement"]) for look in chart.looks[-12:] if look.get("agreement") is not None]
    return statistics.median(found) if len(found) >= 4 else None


def find_small(chart: Chart) -> Verdict | None:
    """Gradients of neighbouring steps have nothing in common, and the loss gets nowhere.

    Two gradients at nearly the same weights agree by |G|^2 / (|G|^2 + S / B): G is the true gradient, S the
    variance of one row's and B the rows of a step.

    Reference: McCandlish et al. (2018), "An empirical model of large-batch training".

    >>> looks = [{"step": n, "agreement": 0.001} for n in range(5)]
    >>> chart = Chart(facts={"uninformed_loss": 1.0, "batch_size": 2}, looks=looks, n_steps=100)
    >>> chart.curve.add([1.0, 1.2, 0.9, 1.1] * 10)
    >>> find_small(chart).change
    {'what': 'batch_size', 'times': 4}
    """
    agreement = _agreement(chart)
    if agreement is None or not 0.2 <= chart.share <= 0.8 or agreement > 4 * NOISE:
        return None
    unit = max(chart.uninformed, 1e-12)
    gain = (chart.curve.part(0.0, 0.3) - chart.curve.part(0.7, 1.0)) / unit
    left = chart.curve.part(0.7, 1.0) / unit
    rough = chart.curve.noise / unit
    confidence = min(sure_below(max(agreement, 1e-3), NOISE), sure_below(max(gain, 1e-3), 0.02),
                     sure(left, 0.5, factor=1.3), sure(rough, 0.05))  # fmt: skip
    return Verdict(
        "batch_too_small", confidence, {"agreement": agreement, "noise": rough, "gain": gain},
        f"The gradients of one step and the next have hardly anything in common (agreement {max(agreement, 0):.1%}): "
        f"with {chart.facts.get('batch_size', '?')} rows a step, chance decides where the weights go. Take more rows.",
        {"what": "batch_size", "times": 4},
    )  # fmt: skip


def find_large(chart: Chart) -> Verdict | None:
    """Every step says the same as the one before, there are few of them, and the loss is still falling at half-time.

    >>> looks = [{"step": n, "agreement": 0.97} for n in range(5)]
    >>> chart = Chart(facts={"uninformed_loss": 1.0, "batch_size": 512}, looks=looks, n_steps=40)
    >>> chart.curve.add([1.0 - 0.01 * n for n in range(22)])
    >>> find_large(chart).change
    {'what': 'batch_size', 'times': 0.25}
    """
    agreement = _agreement(chart)
    if agreement is None or chart.share < 0.5 or chart.n_steps > FEW_STEPS or chart.facts.get("batch_size", 1) < 64:
        return None
    gain = (chart.curve.part(0.4, 0.7) - chart.curve.part(0.7, 1.0)) / max(chart.uninformed, 1e-12)
    return Verdict(
        "batch_too_large", min(sure(agreement / max(1 - agreement, 1e-6), SIGNAL / (1 - SIGNAL)), sure(gain, 0.03)),
        {"agreement": agreement, "gain": gain},
        f"The gradients of neighbouring steps agree by {agreement:.0%}, so most rows of a step say nothing new, and "
        f"with {chart.n_steps} steps the run ends before the loss has settled. Take fewer rows a step.",
        {"what": "batch_size", "times": 0.25},
    )  # fmt: skip


_CAUSES = (
    "learning_rate_high", "learning_rate_low", "shuffled_labels", "vanishing_gradients", "exploding_gradients",
    "dead_units", "saturated_units", "unscaled_inputs", "class_collapse", "underfitting", "not_finite", "loss_spikes",
)  # fmt: skip
SMALL = Symptom(name="batch_too_small", moments=("look",), find=find_small, caused_by=_CAUSES)
LARGE = Symptom(name="batch_too_large", moments=("look",), find=find_large, caused_by=_CAUSES)
