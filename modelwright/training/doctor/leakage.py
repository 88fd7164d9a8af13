"""Inputs that give the target away, and rows to validate on that were trained on."""

from __future__ import annotations

from modelwright.training.doctor.base import Symptom, Verdict, sure
from modelwright.training.doctor.chart import Chart

ALONE = 0.9  # skill of one input above which it may be the target in disguise
SHARED = 0.05  # of the validation rows


def find(chart: Chart) -> Verdict | None:
    """One input that tells the target nearly always, where the next best one errs several times as often.

    Reference: Kaufman et al. (2012), "Leakage in data mining: formulation, detection, and avoidance".

    >>> find(Chart(facts={"single": {"column": 7, "skill": 1.0, "second": 0.2, "rest": 0.6}})).change
    {'what': 'drop_inputs', 'inputs': [7]}
    """
    return _of_input(chart) or _of_rows(chart)


def _of_input(chart: Chart) -> Verdict | None:
    single = chart.facts.get("single")
    if not single or single["skill"] < ALONE or single["second"] <= 0:
        return None
    ratio = (1.0 - single["second"]) / max(1.0 - single["skill"], 0.004)
    others = f"; all others together reach {single['rest']:.0%}" if single["rest"] > 0 else ""
    return Verdict(
        "leakage", sure(ratio, 3.0), dict(single),
        f"Input {single['column']} alone tells the target ({single['skill']:.0%} of the way from guessing to certain, "
        f"the next best input {single['second']:.0%}{others}). It may be the target in disguise, or something that is "
        "known only afterwards. If it will not be known when the model is asked, leave it out.",
        {"what": "drop_inputs", "inputs": [single["column"]]},
    )  # fmt: skip


def _of_rows(chart: Chart) -> Verdict | None:
    overlap = chart.facts.get("overlap")
    if not overlap or not overlap["rows"]:
        return None
    share = overlap["shared"] / overlap["rows"]
    twins = chart.facts.get("twins", 0) / max(chart.facts.get("twin_rows", 1), 1)
    return Verdict(
        "leakage", sure(share, max(SHARED, 3 * twins)), {"shared_rows": overlap["shared"], "share": share},
        f"{share:.0%} of the rows to validate on are training rows too, so the score says how well rows are "
        "remembered, not how well new ones are told. Split the rows again, without repeats.",
        {"what": "drop_shared_rows"},
    )  # fmt: skip


SYMPTOM = Symptom(name="leakage", moments=("before",), find=find)
