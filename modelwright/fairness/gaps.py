"""How far groups are apart: the largest difference of each measure, how sure it is, and what follows from it.

An interval of the largest difference holds for all pairs of groups at once (Bonferroni), for the two groups at the
ends are chosen by the data. Two groups' difference has the interval that follows from theirs (Newcombe's method 10,
generalised by Zou and Donner 2008). All gaps of an audit are one family of tests: at most 5 % of those found are
expected to be chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import hypot
from typing import Literal

from modelwright.fairness.rates import MEASURES, Figure
from modelwright.proportions import false_discoveries, two_sided

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
    names = sorted(figures, key=lambda name: figures[name].value)
    lowest, highest = figures[names[0]], figures[names[-1]]
    pairs = list(combinations(names, 2))
    z = _quantile(ALPHA / len(pairs))
    bounds = {name: one.bounds(z) for name, one in figures.items()}
    spans = [_apart(figures[one], bounds[one], figures[two], bounds[two]) for two, one in pairs]
    gap = Gap(
        measure=measure, highest=names[-1], lowest=names[0], values=(highest.value, lowest.value),
        difference=highest.value - lowest.value, low=max(0.0, max(low for low, _ in spans)),
        high=max(high for _, high in spans), n_groups=len(names),
        p=min(1.0, len(pairs) * min(_chance(figures[one], figures[two]) for one, two in pairs)),
    )  # fmt: skip
    if measure not in OF_RATIO or highest.value <= 0:
        return gap
    ratios = [_ratio(figures[one], bounds[one], figures[two], bounds[two]) for one, two in pairs]
    low, high = min(low for low, _ in ratios), min(high for _, high in ratios)
    ratio = lowest.value / highest.value
    return replace(gap, ratio=ratio, ratio_low=min(low, ratio), ratio_high=min(1.0, max(high, ratio)))


def _quantile(alpha: float) -> float:
    from scipy.stats import norm

    return float(norm.isf(alpha / 2))


def _apart(one: Figure, of_one: tuple[float, float], two: Figure, of_two: tuple[float, float]) -> tuple[float, float]:
    """The interval of a difference from the intervals of both."""
    gap = one.value - two.value
    low = gap - hypot(one.value - of_one[0], of_two[1] - two.value)
    return low, gap + hypot(of_one[1] - one.value, two.value - of_two[0])


def _ratio(one: Figure, of_one: tuple[float, float], two: Figure, of_two: tuple[float, float]) -> tuple[float, float]:
    """The interval of a ratio, by the same rule for logarithms."""
    from math import exp, inf, log

    def logs(value: float, bounds: tuple[float, float]) -> tuple[float, float, float]:
        return tuple(log(part) if part > 0 else -inf for part in (value, *bounds))  # type: ignore[return-value]

    first, second = logs(one.value, of_one), logs(two.value, of_two)
    if first[0] == -inf or second[0] == -inf:
        return 0.0, of_one[1] / two.value if two.value > 0 else 1.0
    gap = first[0] - second[0]
    low = gap - hypot(first[0] - first[1], second[2] - second[0]) if first[1] > -inf else -inf
    high = gap + hypot(first[2] - first[0], second[0] - second[1]) if second[1] > -inf else inf
    return exp(low) if low > -inf else 0.0, exp(high) if high < 700 else inf


def _chance(one: Figure, two: Figure) -> float:
    """The chance of a difference this large between two groups that are alike."""
    from scipy.stats import norm

    if one.hits is not None and two.hits is not None:
        return float(two_sided(one.hits, one.n, two.hits, two.n))
    spread = hypot(one.error, two.error)
    return float(2 * norm.sf(abs(one.value - two.value) / spread)) if spread > 0 else 1.0


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
