"""Thresholds by group on Adult by sex: chosen on the scores of half of the official test rows, judged on the other
half, by ours and by fairlearn's ThresholdOptimizer, which throws dice where one threshold each is not enough. A
boosting's scores for both; 20 divisions of the test rows, means over them. What is left of a gap is largely the
chance of the other half. Rates of groups by both libraries are the same to the last bit."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.common import ROOT, bar
from benchmarks.explanation.adult import boosting, matrix
from benchmarks.explanation.adult import table as adult

PEER = ROOT / "benchmarks/.peers/explain/bin/python"
N_DIVISIONS = 20
GOALS = {
    "equal_selection": "demographic_parity", "equal_opportunity": "true_positive_rate_parity",
    "equalised_odds": "equalized_odds",
}  # fmt: skip


def table() -> tuple[list[str], list[str]]:
    """The table, and that rates are the same."""
    train, test = adult(), adult("test")
    x, levels = matrix(train)
    model = boosting(x, (train["income"] == ">50K").to_numpy().astype(float))
    score = np.asarray(model.predict(matrix(test, levels)[0]))
    truth, group = (test["income"] == ">50K").to_numpy(), (test["sex"] == "Female").to_numpy().astype(int)
    rng = np.random.default_rng(0)
    halves = [rng.permutation(len(truth)) for _ in range(N_DIVISIONS)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "case.npz", score=score, truth=truth, group=group, halves=np.array(halves))
        script = ROOT / "benchmarks/explanation/peers/fairlearn_thresholds.py"
        done = subprocess.run([str(PEER), str(script), str(folder)], capture_output=True, text=True, check=True)
        peer = json.loads(done.stdout.splitlines()[-1])
    lines = ["| goal | way | accuracy | selection gap | found gap | false alarm gap |", "|---|---|---|---|---|---|"]
    found = {goal: ours(goal, score, truth, group, halves) for goal in ("none", *GOALS)}
    lines.append(f"| none | one threshold of 0.5 | {told(found['none'])} |")
    for goal, theirs in GOALS.items():
        lines.append(f"| {goal} | ours | {told(found[goal])} |")
        lines.append(f"| {goal} | fairlearn, {theirs} | {told(np.array(peer['rates'][theirs]))} |")
    rates = np.abs(np.array(peer["frame"]) - frame(score >= 0.5, truth, group)).max()
    return lines, [bar("fairness.rates_beside_fairlearn", float(rates), 1e-12)]


def ours(goal: str, score: np.ndarray, truth: np.ndarray, group: np.ndarray, halves: list[np.ndarray]) -> np.ndarray:
    """Accuracy and the three gaps, means over divisions."""
    from modelwright.training.fair.thresholds import choose_by_group

    made = []
    for order in halves:
        one, two = order[: len(order) // 2], order[len(order) // 2 :]
        thresholds = np.array([0.5, 0.5])
        if goal != "none":
            chosen = choose_by_group(goal, truth[one], score[one], group[one], [0, 1], 0.5)  # type: ignore[arg-type]
            thresholds = np.array([chosen[0], chosen[1]])
        made.append(gaps(score[two] >= thresholds[group[two]], truth[two], group[two]))
    return np.mean(made, axis=0)


def gaps(told: np.ndarray, truth: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Accuracy, and the gaps of selection, found and false alarms."""
    rates = frame(told, truth, group)
    return np.array([(told == truth).mean(), *np.abs(rates[0] - rates[1])])


def frame(told: np.ndarray, truth: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Selection, found and false alarms of both groups, as the audit has them."""
    from modelwright.fairness.rates import Judged, figures_of

    names = ("selection", "true_positive_rate", "false_positive_rate")
    judged = Judged(outcome="y", truth=truth, told=told)
    figures = [figures_of(judged.take(group == one)) for one in (0, 1)]
    return np.array([[one[name].value for name in names] for one in figures])


def told(row: np.ndarray) -> str:
    """A line of the table."""
    return " | ".join(f"{value:.4f}" for value in row)
