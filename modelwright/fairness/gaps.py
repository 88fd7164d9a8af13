"""How far groups are apart: the largest difference of each measure, how sure it is, and what follows from it.

An interval of the largest difference holds for all pairs of groups at once (Bonferroni), for the two groups at the
ends are chosen by the data. Two groups' difference has the interval that follows from theirs (Newcombe's method 10,
generalised by Zou and Donner 2008). All gaps of an audit are one family of tests: at most 5 % of those found are
expected to be chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from modelwright.fairness.rates import MEASURES, Figure
from modelwright.proportions import false_discoveries, two_sided

if TYPE_CHECKING:
    import numpy as np

ALPHA = 0.05
FOUR_FIFTHS = 0.8
OF_RATIO = ("selection", "true_positive_rate", "false_positive_rate", "precision")
ODDS = ("true_positive_rate", "false_positive_rate")
OF_VALUES = ("mean_value", "mean_error", "mae")
Standing = Literal["differs", "differs slightly", "alike", "unclear", "world"]


@dataclass(frozen=True, kw_only=True)
class Gap:
    """The largest difference of one measure between groups of one grouping (`equalised_odds`: the larger of two).

    `highest` and `lowest` are groups; `difference` has an interval that holds for all pairs at once; `ratio` is the
    lowest over the highest, None where that means nothing. `q` is the smallest rate of false discoveries at which the
    gap is found among all gaps of the audit. `standing`: `differs` (found, and more than the tolerance), `differs
    slightly` (found), `alike` (surely less than the tolerance), `unclear`, and `world` for what the model is not
    answerable for.
    """

    measure: str
    highest: str
    lowest: str
    values: tuple[float, float]
    difference: float
    low: float
    high: float
    n_groups: int
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    p: float = 1.0
    q: float = 1.0
    standing: Standing = "unclear"

    @property
    def found(self) -> bool:
        """Whether the difference is more than chance, among all that were looked at."""
        return self.q <= ALPHA


def gaps_of(groups: Mapping[str, Mapping[str, Figure]], *, least_rows: int) -> list[Gap]:
    """The gap of every measure that two groups at least have with enough rows; `q` and `standing` are not yet decided.

    >>> from modelwright.fairness.rates import Figure
    >>> told = {name: {"selection": Figure(measure="selection", value=hits / 100, low=0, high=1, n=100, hits=hits)}
    ...         for name, hits in (("f", 10), ("m", 30))}
    >>> [(gap.lowest, gap.highest, round(gap.difference, 2), round(gap.low, 2), round(gap.high, 2), round(gap.ratio, 2))
    ...  for gap in gaps_of(told, least_rows=30)]
    [('f', 'm', 0.2, 0.09, 0.31, 0.33)]
    """
    made = []
    for measure in MEASURES:
        figures = {
            name: own[measure] for name, own in groups.items() if measure in own and own[measure].n >= least_rows
        }
        if len(figures) >= 2:
            made.append(_gap(measure, figures))
    odds = [gap for gap in made if gap.measure in ODDS]
    if len(odds) == 2:
        wider = max(odds, key=lambda gap: gap.difference)
        made.append(replace(
            wider, measure="equalised_odds", low=max(gap.low for gap in odds), high=max(gap.high for gap in odds),
            p=min(1.0, 2 * min(gap.p for gap in odds)), ratio=None, ratio_low=None, ratio_high=None,
        ))  # fmt: skip
    return made


def _gap(measure: str, figures: Mapping[str, Figure]) -> Gap:
    import numpy as np
    from scipy.stats import norm

    names = sorted(figures, key=lambda name: figures[name].value)
    value = np.array([figures[name].value for name in names])
    one, two = np.triu_indices(len(names), 1)
    one, two = two, one  # the higher of each pair first
    z = float(norm.isf(ALPHA / (2 * len(one))))
    low, high = np.array([figures[name].bounds(z) for name in names]).T
    lows, highs = _apart((value[one], low[one], high[one]), (value[two], low[two], high[two]))
    gap = Gap(
        measure=measure, highest=names[-1], lowest=names[0], values=(float(value[-1]), float(value[0])),
        difference=float(value[-1] - value[0]), low=max(0.0, float(lows.max())), high=float(highs.max()),
        n_groups=len(names), p=min(1.0, len(one) * float(_chances([figures[name] for name in names], one, two).min())),
    )  # fmt: skip
    if measure not in OF_RATIO or value[-1] <= 0:
        return gap
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = [np.log(part) for part in (value, np.maximum(low, 0.0), high)]
        down, up = _apart(tuple(part[two] for part in logs), tuple(part[one] for part in logs))
        spans = np.nan_to_num(np.exp(down), nan=0.0), np.nan_to_num(np.exp(up), nan=1.0, posinf=1.0)
    ratio = float(value[0] / value[-1])
    ratio_low, ratio_high = min(ratio, float(spans[0].min())), max(ratio, float(spans[1].min()))
    return replace(gap, ratio=ratio, ratio_low=ratio_low, ratio_high=min(1.0, ratio_high))


Spans = tuple["np.ndarray", "np.ndarray", "np.ndarray"]
"""Values with the lower and upper ends of their intervals."""


def _apart(one: Spans, two: Spans) -> tuple[np.ndarray, np.ndarray]:
    """The interval of a difference from the intervals of both, element by element."""
    import numpy as np

    gap = one[0] - two[0]
    return gap - np.hypot(one[0] - one[1], two[2] - two[0]), gap + np.hypot(one[2] - one[0], two[0] - two[1])


def _chances(figures: Sequence[Figure], one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """The chance of a difference as large as that of each pair, were both groups alike."""
    import numpy as np
    from scipy.stats import norm

    n = np.array([figure.n for figure in figures])
    if all(figure.hits is not None for figure in figures):
        hits = np.array([figure.hits for figure in figures], dtype=float)
        return two_sided(hits[one], n[one], hits[two], n[two])
    value, error = np.array([[figure.value, figure.error] for figure in figures]).T
    spread = np.hypot(error[one], error[two])
    z = np.divide(np.abs(value[one] - value[two]), spread, out=np.zeros(len(one)), where=spread > 0)
    return np.asarray(2 * norm.sf(z))


def decide(gaps: Sequence[Sequence[Gap]], *, tolerance: float, scale: float) -> list[list[Gap]]:
    """The gaps of every grouping with their `q` and `standing`; `tolerance` is a share, of values a share of `scale`.

    What is derived (equalised odds: found where one of its two is) and what the model is not answerable for are no
    tests of the family.
    """
    tested = [gap for own in gaps for gap in own if is_judged(gap.measure) and gap.measure != "equalised_odds"]
    q_of = dict(zip(map(id, tested), false_discoveries([gap.p for gap in tested]).tolist(), strict=True))
    made = []
    for own in gaps:
        of_odds = min((q_of[id(gap)] for gap in own if gap.measure in ODDS), default=1.0)
        told = [replace(gap, q=q_of.get(id(gap), of_odds if is_judged(gap.measure) else gap.p)) for gap in own]
        made.append([replace(gap, standing=_standing(gap, _most(gap, tolerance, scale))) for gap in told])
    return made


def _most(gap: Gap, tolerance: float, scale: float) -> float:
    """Up to where a difference is small."""
    return tolerance if gap.measure == "equalised_odds" or gap.measure not in OF_VALUES else tolerance * scale


def is_judged(measure: str) -> bool:
    """Whether the model is answerable for a difference in it."""
    return measure == "equalised_odds" or MEASURES[measure].judged


def _standing(gap: Gap, tolerance: float) -> Standing:
    if not is_judged(gap.measure):
        return "world"
    if gap.found:
        return "differs" if gap.difference > tolerance else "differs slightly"
    return "alike" if gap.high <= tolerance else "unclear"


def most_important(gaps: Sequence[Gap]) -> list[Gap]:
    """Gaps that were found, the largest first."""
    return sorted((gap for gap in gaps if gap.found and is_judged(gap.measure)), key=lambda gap: -gap.difference)
