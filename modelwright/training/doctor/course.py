"""The course of the loss: spikes, swings, standing still."""

from __future__ import annotations

import statistics

from modelwright.training.doctor.base import Symptom, Verdict, sure, sure_below
from modelwright.training.doctor.chart import Chart

SPIKE = 20.0  # robust deviations
NEIGHBOURS = 12
SOON = 0.5  # mean of the learning rates to come, in shares of the one now


def find_spikes(chart: Chart) -> Verdict | None:
    """Rows far larger than all others, which will throw the weights about; or losses that jump and come back.

    Reference: Chowdhery et al. (2022), "PaLM: scaling language modeling with pathways", for going back and
    leaving the batch out.

    >>> chart = Chart(facts={"uninformed_loss": 1.0})
    >>> chart.curve.add([0.5, 0.51] * 15 + [40.0] + [0.5, 0.52] * 3)
    >>> find_spikes(chart).evidence["at_step"]
    30
    """
    return _wild_rows(chart) or _jumps(chart)


def _wild_rows(chart: Chart) -> Verdict | None:
    n, n_rows = chart.facts.get("n_wild_rows", 0), chart.facts.get("n_rows", 1)
    if not n or n > 0.1 * n_rows:
        return None
    return Verdict(
        "loss_spikes", 0.9, {"wild_rows": n},
        f"{n} of {n_rows:,} rows are more than ten times larger than any usual row. Each time one of them comes up, "
        "the loss jumps and the weights are thrown about. Look at them: most often a unit or a decimal point is wrong. "
        "Leave them out.",
        {"what": "drop_rows", "rows": list(chart.facts.get("wild_rows", []))},
    )  # fmt: skip


def _jumps(chart: Chart) -> Verdict | None:
    losses = chart.curve.recent
    if len(losses) < 2 * NEIGHBOURS:
        return None
    unit, worst, place, n_jumps = max(chart.uninformed, 1e-12), 0.0, -1, 0
    if max(losses) < 1.5 * unit:
        return None
    for index in range(NEIGHBOURS, len(losses) - 2):
        before = losses[index - NEIGHBOURS : index]
        middle = statistics.median(before)
        spread = 1.4826 * statistics.median(abs(loss - middle) for loss in before)
        height = losses[index] - middle
        back = min(losses[index + 1 : index + 4]) < middle + 0.5 * height
        if back and height > 1.5 * unit and losses[index] > 3 * middle:
            n_jumps += 2 if height > 5 * unit else 1
            worst, place = max((worst, place), (height / max(spread, 1e-9), index))
    if n_jumps < 2:
        return None
    step = chart.curve.n_steps - len(losses) + place
    return Verdict(
        "loss_spikes", sure(worst, SPIKE), {"deviations": worst, "loss": losses[place], "at_step": step},
        f"At step {step} the loss jumped to {losses[place]:.3g}, {worst:.0f} deviations above its neighbours, and came "
        "back. A batch with strange rows does that. Go back to before it, and leave that batch out.",
        {"what": "skip", "steps": [step, step]},
    )  # fmt: skip


def find_oscillation(chart: Chart) -> Verdict | None:
    """The validation loss goes up and down by a large part of itself and gets nowhere.

    Not told where the schedule is about to lower the rate anyway.

    >>> chart = Chart(facts={"uninformed_loss": 1.0})
    >>> chart.validations = [{"validation_loss": 0.4 + 0.4 * (n % 2)} for n in range(8)]
    >>> find_oscillation(chart).change
    {'what': 'learning_rate', 'times': 0.316}
    """
    held = [float(v["validation_loss"]) for v in chart.validations if "validation_loss" in v][-7:]
    if len(held) < 7 or chart.coming_factor < SOON:
        return None
    steps = [b - a for a, b in zip(held, held[1:], strict=False)]
    turns = sum(a * b < 0 for a, b in zip(steps, steps[1:], strict=False))
    size = statistics.median(abs(step) for step in steps)
    gained = statistics.median(held[:3]) - statistics.median(held[-3:])
    swing = size / max(statistics.median(held), 1e-12)
    confidence = min(
        sure(swing, 0.35, factor=1.5), sure(size / max(chart.uninformed, 1e-12), 0.1, factor=1.5),
        sure_below(max(gained / max(size, 1e-12), 1e-3), 0.5), 0.9 if turns >= 4 else 0.0,
    )  # fmt: skip
    return Verdict(
        "oscillation", confidence, {"swing": swing, "turns": turns, "gained": gained},
        f"The loss on rows held back swings by {swing:.0%} of itself from one look to the next and gets nowhere. The "
        "steps jump across the valley. Lower the learning rate.",
        {"what": "learning_rate", "times": 0.316},
    )  # fmt: skip


def find_plateau(chart: Chart) -> Verdict | None:
    """For a third of the run the loss stands still, well above what simple learners show to be possible.

    >>> chart = Chart(facts={"uninformed_loss": 1.0, "probe": {"skill": 0.9}}, n_steps=100)
    >>> chart.curve.add([1.0 - n / 100 for n in range(20)] + [0.8] * 40)
    >>> find_plateau(chart).fault
    'plateau'
    """
    probe = chart.facts.get("probe", {})
    if chart.share < 0.5 or len(chart.curve.points) < 30 or probe.get("skill", 0.0) < 0.5:
        return None
    unit = max(chart.uninformed, 1e-12)
    early, late = chart.curve.part(0.4, 0.7), chart.curve.part(0.7, 1.0)
    gain, left = (early - late) / unit, late / unit
    return Verdict(
        "plateau", min(sure_below(max(gain, 1e-4), 0.005), sure(left, 0.6, factor=1.2)), {"gain": gain, "left": left},
        f"For a third of the run the loss has stood still at {left:.0%} of that of no answer, where simple learners do "
        "better. It sits on a plateau. A higher learning rate with a warm-up takes it off.",
        {"what": "learning_rate", "times": 3.16},
    )  # fmt: skip


_ROOTS = (
    "learning_rate_high", "learning_rate_low", "unscaled_inputs", "unscaled_targets", "not_finite",
    "exploding_gradients", "vanishing_gradients", "dead_units", "saturated_units", "shuffled_labels", "underfitting",
    "class_collapse", "class_imbalance",
)  # fmt: skip
SPIKES = Symptom(name="loss_spikes", moments=("before", "look", "validation"), find=find_spikes,
                 caused_by=("learning_rate_high", "unscaled_inputs", "exploding_gradients", "not_finite"))  # fmt: skip
OSCILLATION = Symptom(
    name="oscillation",
    moments=("validation",),
    find=find_oscillation,
    caused_by=(*_ROOTS, "loss_spikes", "overfitting"),
)
PLATEAU = Symptom(
    name="plateau", moments=("validation",), find=find_plateau, caused_by=(*_ROOTS, "loss_spikes", "overfitting")
)
