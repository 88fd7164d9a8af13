"""A threshold for each group, so that groups are told the same, or found as often, or both found and falsely told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwright.training.threshold import RARE

if TYPE_CHECKING:
    import numpy as np

    from modelwright.training.fair.spec import Goal

MOST_CANDIDATES = 400
N_TARGETS = 201
N_TARGETS_TWO = 51
KEPT = 0.8
"""Of what a model knows beyond the commonest answer, equalised odds keep at least so much."""


@dataclass(frozen=True, eq=False)
class _Curve:
    """One group under each of its candidate thresholds, from the highest: counts (k,) of rows that are told it
    rightly and wrongly."""

    thresholds: np.ndarray
    right: np.ndarray
    wrong: np.ndarray
    n_true: int
    n_false: int

    def rate(self, name: str) -> np.ndarray:
        """A rate under each threshold."""
        tops = {"selection": self.right + self.wrong, "found": self.right, "false": self.wrong}
        bottoms = {"selection": self.n_true + self.n_false, "found": self.n_true, "false": self.n_false}
        shares: np.ndarray = tops[name] / max(1, bottoms[name])
        return shares


def choose_by_group(
    goal: Goal, truth: np.ndarray, score: np.ndarray, group: np.ndarray, groups: Sequence[int], threshold: float
) -> Mapping[int, float]:
    """A threshold for each of `groups`, by number; rows of other groups keep `threshold`.

    `truth` bool (n,), `score` (n,) probabilities of rows that the model was not fitted on, `group` int (n,). For
    `equal_selection` and `equal_opportunity` every group has the same share of rows told, or of true rows found, as
    nearly as its scores allow; of all such shares the one with the best accuracy is taken (of a rare class the best
    F1, as a single threshold is). For `equalised_odds` groups are brought as near in both rates as
    one threshold each can bring them, or as these rows can tell them apart, and at least 80 % of what the model knows
    beyond the commonest answer is kept: equality to the last would need dice, and the same row would be told now this,
    now that.

    Reference: Hardt, Price and Srebro (2016), "Equality of opportunity in supervised learning".

    >>> import numpy as np
    >>> score = np.array([0.9, 0.8, 0.3, 0.2, 0.6, 0.5, 0.2, 0.1])
    >>> truth, group = np.array([1, 1, 0, 0, 1, 1, 0, 0], dtype=bool), np.repeat([0, 1], 4)
    >>> made = choose_by_group("equal_opportunity", truth, score, group, [0, 1], 0.55)
    >>> {one: round(value, 2) for one, value in made.items()}
    {0: 0.55, 1: 0.35}
    """
    import numpy as np

    curves = {one: _curve(truth[group == one], score[group == one]) for one in groups}
    rest = ~np.isin(group, list(groups))
    fixed = np.array([(rest & truth & (score >= threshold)).sum(), (rest & ~truth & (score >= threshold)).sum()])
    totals = int(truth.sum()), int((~truth).sum())
    choices = _near(curves, goal)
    right = fixed[0] + sum(curve.right[choices[one]] for one, curve in curves.items())
    wrong = fixed[1] + sum(curve.wrong[choices[one]] for one, curve in curves.items())
    worth = _worth(np.asarray(right), np.asarray(wrong), *totals)
    if goal != "equalised_odds":
        best = int(np.argmax(worth))
    else:
        apart = _apart(curves, choices)
        now = (score >= threshold) & truth, (score >= threshold) & ~truth
        single = float(_worth(np.array(now[0].sum()), np.array(now[1].sum()), *totals))
        trivial = 0.0 if _is_rare(*totals) else max(totals) / sum(totals)
        enough = worth >= min(trivial + KEPT * (single - trivial), worth.max())
        near = max(1.0, float(apart[enough].min()))
        best = int(np.argmax(np.where(enough & (apart <= near), worth, -np.inf)))
    return {one: float(curve.thresholds[choices[one][best]]) for one, curve in curves.items()}


def _curve(truth: np.ndarray, score: np.ndarray) -> _Curve:
    """Thresholds midway between neighbouring scores, the outermost ones too; of many, those at even ranks."""
    import numpy as np

    order = np.argsort(-score, kind="stable")
    score, truth = score[order], truth[order]
    ends = np.flatnonzero(np.append(np.diff(score) != 0, True))  # the last row of each score
    if len(ends) > MOST_CANDIDATES:
        ends = ends[np.unique(np.linspace(0, len(ends) - 1, MOST_CANDIDATES).astype(int))]
    below = np.append(score, 0.0)[ends + 1]
    right, wrong = np.cumsum(truth)[ends], np.cumsum(~truth)[ends]
    highest = (1.0 + score[0]) / 2
    return _Curve(
        np.append(highest, (score[ends] + below) / 2), np.append(0, right), np.append(0, wrong), int(truth.sum()),
        int((~truth).sum()),
    )  # fmt: skip


def _near(curves: Mapping[int, _Curve], goal: Goal) -> dict[int, np.ndarray]:
    """For each group and each aim, the candidate that comes nearest to it: places (n_aims,)."""
    import numpy as np

    if goal != "equalised_odds":
        aims, name = np.linspace(0, 1, N_TARGETS), "selection" if goal == "equal_selection" else "found"
        return {one: np.abs(curve.rate(name)[None] - aims[:, None]).argmin(axis=1) for one, curve in curves.items()}
    false, found = (one.reshape(-1) for one in np.meshgrid(np.linspace(0, 1, N_TARGETS_TWO) ** 2,
                                                           np.linspace(0, 1, N_TARGETS_TWO)))  # fmt: skip
    made = {}
    for one, curve in curves.items():
        away = np.maximum(np.abs(curve.rate("false")[None] - false[:, None]),
                          np.abs(curve.rate("found")[None] - found[:, None]))  # fmt: skip
        made[one] = away.argmin(axis=1)
    return made


def _apart(curves: Mapping[int, _Curve], choices: Mapping[int, np.ndarray]) -> np.ndarray:
    """The larger of the two gaps between groups, under each aim, in its standard errors: up to 1, rows cannot tell
    groups apart, and to bring them nearer would cost accuracy for nothing."""
    import numpy as np

    gaps = []
    for name in ("found", "false"):
        rates = np.array([curve.rate(name)[choices[one]] for one, curve in curves.items()])
        n = np.array([curve.n_true if name == "found" else curve.n_false for curve in curves.values()])
        pooled = np.clip((rates * n[:, None]).sum(axis=0) / n.sum(), 1e-3, 1 - 1e-3)
        error = np.sqrt(pooled * (1 - pooled) * (1 / np.sort(n)[:2]).sum())
        gaps.append((rates.max(axis=0) - rates.min(axis=0)) / error)
    return np.asarray(np.maximum(*gaps))


def _is_rare(n_true: int, n_false: int) -> bool:
    return n_true < RARE * (n_true + n_false)


def _worth(right: np.ndarray, wrong: np.ndarray, n_true: int, n_false: int) -> np.ndarray:
    """Accuracy, or F1 of a rare class, from counts of rows told it rightly and wrongly."""
    import numpy as np

    if _is_rare(n_true, n_false):
        return np.asarray(2 * right / np.maximum(1, right + wrong + n_true))
    return np.asarray((right + n_false - wrong) / (n_true + n_false))
