"""A learning rate that is too high or too low, by what a step does to the weights."""

from __future__ import annotations

import math
import statistics

from modelwright.training.doctor.base import Symptom, Verdict, sure, sure_below
from modelwright.training.doctor.chart import Chart
from modelwright.training.doctor.gradients import VANISHING, arrived, flows

HIGH = 0.35  # change of a weight in a step, in shares of its length
AIM = 0.05
SHORTEST = 0.12  # way that the weights of a whole run must be able to go, in shares of their length
USUAL_WAY = 4.0
EARLIEST = 12  # step at which a rate may be called too low


def find_high(chart: Chart) -> Verdict | None:
    """Steps so large that they undo what the steps before have learned: now, or at the schedule's peak.

    The usual share is 0.001 to 0.03; the first weights of a layer are gone after a step of 1.

    Reference: You et al. (2017), "Large batch training of convolutional networks", for the ratio.

    >>> chart = Chart(facts={"peak_factor": 1.0}, looks=[{"step": 0, "factor": 1.0, "update": [1.2, 0.8, 0.9]}])
    >>> find_high(chart).change
    {'what': 'learning_rate', 'times': 0.0316}
    """
    coming = [value for look in chart.looks[-3:] if (value := _coming(chart, look)) is not None]
    if not coming or max(coming) < HIGH / 4:
        return None
    size = statistics.median(coming)
    return Verdict(
        "learning_rate_high", sure(size, HIGH), {"update_share": size, "loss": chart.looks[-1].get("loss")},
        f"A single step changes the weights by {size:.0%} of their size (1% is usual), so each step undoes what the "
        "ones before have learned. Lower the learning rate.",
        {"what": "learning_rate", "times": _rounded(min(0.3, max(1e-4, AIM / max(size, 1e-12))))},
    )  # fmt: skip


def _coming(chart: Chart, look: dict[str, object]) -> float | None:
    """The median change of the layers at a look, as it will be at the peak of the schedule."""
    size = update_of(look)
    factor = float(look["factor"])  # type: ignore[arg-type]
    broken = not math.isfinite(math.fsum([float(look.get("loss", 0.0)), *look.get("gradient", [])]))  # type: ignore
    if size is None or factor <= 0 or broken:  # a step by what is no number says nothing of the rate
        return None
    return size * max(1.0, float(chart.facts.get("peak_factor", factor)) / factor)


def update_of(look: dict[str, object]) -> float | None:
    """The median share by which a step changed the layers that it changed; None where it was not measured.

    >>> update_of({"update": [0.1, 0.0, 0.3, 0.2]})
    0.2
    """
    shares: list[float] = look.get("update", [])  # type: ignore[assignment]
    if "change" not in look and shares:
        look["change"] = statistics.median([share for share in shares if share] or [0.0])  # others are frozen, unused
    return look.get("change")  # type: ignore[return-value]


def find_low(chart: Chart) -> Verdict | None:
    """Steps so small that all steps of the run together take the weights nowhere, and a loss that shows it.

    >>> chart = Chart(facts={"mean_factor": 0.5, "uninformed_loss": 1.0}, n_steps=200)
    >>> seen = {"factor": 1.0, "update": [2e-5], "gradient": [0.4], "weight": [2.0]}
    >>> chart.looks = [{"step": step, **seen} for step in (2, 7, 12)]
    >>> chart.curve.add([1.0] * 13)
    >>> find_low(chart).change
    {'what': 'learning_rate', 'times': 3160.0}
    """
    seen = [look for look in chart.looks[-4:] if update_of(look) is not None and float(look["factor"]) > 0]
    if chart.step < EARLIEST or len(seen) < 3 or chart.share > 0.5:
        return None
    rates = [(update_of(look) or 0.0) / float(look["factor"]) for look in seen]
    way = statistics.median(rates) * float(chart.facts.get("mean_factor", 1.0)) * max(chart.n_steps, 1)
    if way > 4 * SHORTEST or chart.curve.part(0.75, 1.0) < 0.5 * chart.uninformed:
        return None
    if (found := flows(chart, seen[-1])) and arrived(found) < VANISHING:
        return None  # steps are small because gradients are
    gain = foreseen_gain(chart)
    return Verdict(
        "learning_rate_low", min(sure_below(way, SHORTEST), sure_below(max(gain, 1e-3), 1.0)),
        {"way": way, "foreseen_gain": gain},
        f"The steps are so small that the whole run can move the weights by {way:.1%} of their size; the loss hardly "
        "falls. Raise the learning rate.",
        {"what": "learning_rate", "times": _rounded(min(1e4, USUAL_WAY / max(way, 1e-9)))},
    )  # fmt: skip


def foreseen_gain(chart: Chart) -> float:
    """Share of the uninformed loss that the whole run would gain if it went on as it began.

    >>> chart = Chart(facts={"uninformed_loss": 2.0, "mean_factor": 1.0}, n_steps=100, spent=10.0)
    >>> chart.curve.add([2.0] * 5 + [1.8] * 5)
    >>> round(foreseen_gain(chart), 3)
    1.0
    """
    gained = chart.curve.part(0.0, 0.25) - chart.curve.part(0.75, 1.0)
    return gained / max(chart.uninformed, 1e-12) / max(chart.learned_share, 1e-3)


def _rounded(times: float) -> float:
    """To half a power of ten, so that the same fault gets the same change."""
    return float(f"{10 ** (round(2 * math.log10(max(times, 1e-6))) / 2):.3g}")


HIGH_RATE = Symptom(
    name="learning_rate_high",
    moments=("look",),
    find=find_high,
    caused_by=("unscaled_inputs", "unscaled_targets", "not_finite", "exploding_gradients", "loss_spikes"),
)
LOW_RATE = Symptom(
    name="learning_rate_low", moments=("look",),
    find=find_low,
    caused_by=(
        "vanishing_gradients", "dead_units", "saturated_units", "unscaled_inputs", "exploding_gradients",
        "shuffled_labels", "underfitting", "class_collapse", "not_finite",
    ),
)  # fmt: skip
