"""Targets that carry no information about the inputs, that contradict each other, or that are one-sided."""

from __future__ import annotations

import math

from modelwright.training.doctor.base import Symptom, Verdict, sure
from modelwright.training.doctor.chart import Chart

CHANCE = 3.0  # deviations from what shuffled targets give
FEWEST = 100  # rows below which chance cannot be told from skill
SIDED = 10.0  # how much rarer than its equal share the rarest class may be


def find_shuffled(chart: Chart) -> Verdict | None:
    """Neither neighbours nor a linear fit tell left-out rows better than they tell shuffled targets.

    Reference: Ojala and Garriga (2010), "Permutation tests for studying classifier performance".

    >>> find_shuffled(Chart(facts={"probe": {"sigmas": 0.4, "skill": -0.02, "n": 400}})).change
    {'what': 'stop'}
    """
    probe = chart.facts.get("probe", {})
    if probe.get("n", 0) < FEWEST:
        return None
    confidence = 1.0 / (1.0 + math.exp(-(0.85 + 1.3 * (CHANCE - probe["sigmas"]))))
    return Verdict(
        "shuffled_labels", confidence, {"sigmas": probe["sigmas"], "skill": probe["skill"], "rows": probe["n"]},
        "The targets seem to have nothing to do with the inputs: simple learners tell them no better than they tell "
        f"shuffled ones ({probe['sigmas']:.1f} deviations from chance). Most often the rows of inputs and targets got "
        "out of step when they were sorted or joined. Training would only learn the rows by heart.",
        {"what": "stop"},
    )  # fmt: skip


def find_contradictory(chart: Chart) -> Verdict | None:
    """Rows with the same inputs and different targets, beyond what the targets' own spread explains.

    >>> find_contradictory(Chart(facts={"twins": 60, "contradictions": 40, "twin_rows": 400})).fault
    'contradictory_labels'
    """
    facts = chart.facts
    twins, against, n = facts.get("twins", 0), facts.get("contradictions", 0), facts.get("twin_rows", 0)
    if against < 5:
        return None
    confidence = min(sure(against / n, 0.02), sure(against / twins, 0.2))
    return Verdict(
        "contradictory_labels", confidence, {"twins": twins, "contradictions": against, "rows": n},
        f"{against} of {n} rows repeat the inputs of another row and have another target. No model can tell those "
        "apart. Look at how they were labelled, or find the input that is missing.",
        {"what": "review_labels"},
    )  # fmt: skip


def find_imbalance(chart: Chart) -> Verdict | None:
    """One class has most of the rows' weight, and another hardly any.

    >>> find_imbalance(Chart(facts={"class_counts": [900, 30, 5]})).change
    {'what': 'class_weights', 'weights': [0.3463, 10.3889, 62.3333]}
    """
    counts = [float(count) for count in chart.facts.get("class_counts", [])]
    present = [count for count in counts if count > 0]
    if len(present) < 2:
        return None
    total, n = sum(present), len(present)
    rarity = total / n / min(present)
    confidence = min(sure(rarity, SIDED, factor=1.5), sure(max(present) / total, 0.75, factor=1.1))
    weights = [total / n / count if count > 0 else 0.0 for count in counts]
    return Verdict(
        "class_imbalance", confidence, {"largest_share": max(present) / total, "rarest_share": min(present) / total},
        f"One class has {max(present) / total:.0%} of the weight and the rarest {min(present) / total:.1%}. A network "
        "soon learns to answer with the common one always. Weigh the rows so that all classes count alike.",
        {"what": "class_weights", "weights": [round(weight, 4) for weight in weights]},
    )  # fmt: skip


SHUFFLED = Symptom(name="shuffled_labels", find=find_shuffled, moments=("before",), caused_by=("unscaled_targets",))
CONTRADICTORY = Symptom(
    name="contradictory_labels",
    find=find_contradictory,
    moments=("before",),
    caused_by=("shuffled_labels", "not_finite"),
)
IMBALANCE = Symptom(name="class_imbalance", moments=("before",), find=find_imbalance)
