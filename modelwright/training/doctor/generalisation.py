"""Too much learned by heart, or too little learned at all."""

from __future__ import annotations

import statistics

from modelwright.training.doctor.base import Symptom, Verdict, sure, sure_below
from modelwright.training.doctor.chart import Chart

GAP = 0.35  # between validation and training loss, in uninformed losses
LEFT = 0.35  # of the loss of one batch after a few dozen steps on it alone
SKILL_GAP = 0.3
RIGHT = 0.85  # share of the batch's rows that may be told by a network that is large enough


def find_overfitting(chart: Chart) -> Verdict | None:
    """The training loss falls and the validation loss no longer does, far above it.

    Reference: Prechelt (1998), "Early stopping: but when?".

    >>> chart = Chart(facts={"uninformed_loss": 1.0})
    >>> chart.validations = [{"step": 10 * n, "loss": 1 / n, "validation_loss": 0.8 + n / 50} for n in range(1, 8)]
    >>> find_overfitting(chart).change["what"]
    'regularise'
    """
    seen = [v for v in chart.validations if v.get("loss") is not None and "validation_loss" in v]
    if len(seen) < 4:
        return None
    held = [float(v["validation_loss"]) for v in seen]
    train = statistics.median(float(v["loss"]) for v in seen[-2:])
    unit = max(chart.uninformed, 1e-12)
    now, best = statistics.median(held[-3:]), min(held)
    gap = (now - train) / unit
    still = (statistics.median(held[-6:-3]) - now) / unit if len(held) >= 6 else (held[-3] - held[-1]) / unit
    confidence = min(
        sure(gap, GAP, factor=1.5), sure(now / max(train, 1e-12), 2.0, factor=1.5), sure_below(max(still, 1e-3), 0.04)
    )
    return Verdict(
        "overfitting", confidence, {"training_loss": train, "validation_loss": now, "best_validation_loss": best},
        f"The loss on training rows is {train:.3g}, on rows held back {now:.3g} (at best {best:.3g}), and that no "
        "longer falls: the network learns the training rows by heart. Regularise (dropout, weight decay), stop early, "
        "or collect more rows.",
        {"what": "regularise", "dropout": 0.3, "weight_decay": 0.1},
    )  # fmt: skip


def find_underfitting(chart: Chart) -> Verdict | None:
    """Not even one batch can be learned by heart; or simple learners do much better and nothing moves any more.

    >>> find_underfitting(Chart(facts={"batch_fit": 0.7, "probe": {"sigmas": 90.0, "skill": 0.9}})).change
    {'what': 'capacity', 'times': 4}
    """
    return _cannot_fit_batch(chart) or _stands_below_probe(chart)


def _cannot_fit_batch(chart: Chart) -> Verdict | None:
    facts = chart.facts
    left, right = facts.get("batch_fit"), facts.get("batch_right", 0.0)
    if left is None or right > RIGHT:
        return None
    counts, probed = facts.get("class_counts"), float(facts.get("probe", {}).get("skill", 0.0))
    if not counts and probed < 1 - left + SKILL_GAP:
        return None  # numbers may be noisy or the network plain on purpose: it must fall behind simple learners
    behind = probed - _skill(right, counts) if counts else 0.0  # by heart, behind what others tell of unseen rows
    return Verdict(
        "underfitting", max(sure(left, LEFT, factor=1.3), sure(behind, SKILL_GAP, factor=1.5)), {"loss_left": left},
        f"After a few dozen steps on one single batch, {left:.0%} of its loss is left; a network that is large enough "
        "learns a batch by heart. Somewhere it is too narrow. Make it wider.",
        {"what": "capacity", "times": 4},
    )  # fmt: skip


def _stands_below_probe(chart: Chart) -> Verdict | None:
    if chart.share < 0.5:
        return None
    looks = [look for look in chart.looks[-3:] if "right" in look]
    counts, probe = chart.facts.get("class_counts"), chart.facts.get("probe")
    if not counts or not probe or len(looks) < 3:
        return None
    skill = _skill(statistics.median(look["right"] for look in looks), counts)
    late = (chart.curve.part(0.6, 0.8) - chart.curve.part(0.8, 1.0)) / max(chart.uninformed, 1e-12)
    behind = float(probe["skill"]) - skill
    left = chart.curve.part(0.8, 1.0) / max(chart.uninformed, 1e-12)
    return Verdict(
        "underfitting", min(sure(behind, SKILL_GAP, factor=1.5), sure_below(max(late, 1e-4), 0.01),
                             sure(left, 0.35, factor=1.3)),  # fmt: skip
        {"skill": skill, "simple_skill": probe["skill"], "late_gain": late},
        f"The network gets {skill:.0%} of the way from guessing to certain on its own training rows and stands still; "
        f"simple learners get {probe['skill']:.0%} on rows they have not seen. It is too small. Make it wider.",
        {"what": "capacity", "times": 4},
    )  # fmt: skip


def _skill(right: float, counts: list[float]) -> float:
    """How far a share of right answers is on the way from always telling the commonest class to being right always."""
    guess = max(counts) / max(sum(counts), 1e-12)
    return (right - guess) / max(1 - guess, 1e-12)


OVERFITTING = Symptom(
    name="overfitting", moments=("validation",),
    find=find_overfitting,
    caused_by=("shuffled_labels", "contradictory_labels", "class_imbalance", "unscaled_inputs", "exploding_gradients",
               "not_finite", "learning_rate_high", "class_collapse", "loss_spikes", "saturated_units"),
)  # fmt: skip
UNDERFITTING = Symptom(
    name="underfitting", moments=("before", "look"),
    find=find_underfitting,
    caused_by=("dead_units", "saturated_units", "vanishing_gradients", "exploding_gradients", "unscaled_inputs",
               "learning_rate_low", "learning_rate_high", "not_finite", "class_collapse", "class_imbalance",
               "loss_spikes", "unscaled_targets"),
)  # fmt: skip
