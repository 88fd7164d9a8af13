"""How sure an answer is: intervals of numbers and sets of classes that hold the truth of a stated share of new rows.

Both are made from the joined models' answers to rows that they were not fitted on, so no row is set aside. That the
share holds asks only that new rows come like the old ones (exchangeable); it holds over all rows, not for every kind.

References: Vovk, Gammerman and Shafer (2005), "Algorithmic learning in a random world"; Barber et al. (2021),
"Predictive inference with the jackknife+"; Lei et al. (2018), "Distribution-free predictive inference for regression";
Romano, Patterson and Candès (2019), "Conformalized quantile regression"; Sadinle, Lei and Wasserman (2019), "Least
ambiguous set-valued classifiers"; Romano, Sesia and Candès (2020), "Classification with valid and adaptive coverage".
Scores of all folds are pooled and the answer is that of the model fitted on all rows, in place of the folds' own
models: the bound of the jackknife+ does not cover that; `benchmarks/tabular/conformal.py` measures it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwright.core.errors import UserError
from modelwright_runtime.beside import Sets, members

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph
    from modelwright.training.answering.spec import ConformalSpec


def limit(scores: np.ndarray, coverage: float) -> float:
    """The score that at least `coverage` of new rows stay within: of n, the ceil((n + 1) coverage)-th smallest.

    Raises `UserError("train.conformal")` where there are too few rows for it.

    >>> import numpy as np
    >>> limit(np.arange(1.0, 20.0), 0.9)
    18.0
    """
    import numpy as np

    n = len(scores)
    rank = int(np.ceil((n + 1) * coverage - 1e-9))
    if rank > n:
        least = int(np.ceil(coverage / (1.0 - coverage) - 1e-9))
        raise UserError(
            "train.conformal", f"a coverage of {coverage:g} needs at least {least} validation rows; there are {n}.",
            hint="give more rows, or ask for less",
        )  # fmt: skip
    return float(np.partition(scores, rank - 1)[rank - 1])


@dataclass(frozen=True, kw_only=True)
class Band:
    """An interval about a value: `low - reach * spread` to `high + reach * spread`, where low and high are the value
    itself, or two of its quantiles; the spread is 1, or predicted for each row. `floor` bounds it below: 0 of a target
    that never was less."""

    reach: float
    ends: tuple[int, int] | None = None
    scaled: bool = False
    floor: float | None = None

    def apply(
        self, value: np.ndarray, quantiles: np.ndarray | None, spread: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Both ends (n,) from values (n,), quantiles (n, n_levels) and spreads (n,)."""
        import numpy as np

        low = high = value
        if self.ends is not None:
            assert quantiles is not None
            low, high = quantiles[:, self.ends[0]], quantiles[:, self.ends[1]]
        reach = self.reach * (1.0 if spread is None else spread)
        low, high = low - reach, high + reach
        middle = (low + high) / 2  # quantiles that lie near each other may be brought past each other
        low, high = np.minimum(low, middle), np.maximum(high, middle)
        if self.floor is not None:
            low, high = np.maximum(low, self.floor), np.maximum(high, self.floor)
        return low, high

    def emit(self, graph: Graph, value: str, quantiles: str | None, spread: str | None) -> str:
        """The same as nodes over float64 tensors (n, 1), (n, n_levels) and (n, 1); a tensor (n, 2)."""
        ends = [graph.tensor(value)] * 2
        if self.ends is not None:
            assert quantiles is not None
            places = (graph.constant([place], "int64") for place in self.ends)
            ends = [graph.tensor(graph.node("Gather", quantiles, place, axis=1)) for place in places]
        low, high = ends
        if spread is not None:
            reach = graph.tensor(spread) * self.reach
            low, high = low - reach, high + reach
        else:
            low, high = low - self.reach, high + self.reach
        middle = (low + high) / 2.0
        pair = [graph.node("Min", low.name, middle.name), graph.node("Max", high.name, middle.name)]
        joined = graph.node("Concat", *pair, axis=1)
        if self.floor is None:
            return joined
        return graph.node("Max", joined, graph.constant(self.floor, "float64"))


def band_of_values(
    y: np.ndarray, value: np.ndarray, spread: np.ndarray | None, coverage: float, floor: float | None
) -> Band:
    """The interval about answers (n,) to rows with the truth `y`."""
    import numpy as np

    scores = np.abs(y - value) / (1.0 if spread is None else spread)
    return Band(reach=limit(scores, coverage), scaled=spread is not None, floor=floor)


def band_of_quantiles(
    y: np.ndarray, quantiles: np.ndarray, ends: tuple[int, int], coverage: float, floor: float | None
) -> Band:
    """The interval between two quantiles of (n, n_levels), widened, or narrowed, until it holds."""
    import numpy as np

    low, high = quantiles[:, ends[0]], quantiles[:, ends[1]]
    return Band(reach=limit(np.maximum(low - y, y - high), coverage), ends=ends, floor=floor)


def interval_score(y: np.ndarray, low: np.ndarray, high: np.ndarray, coverage: float) -> np.ndarray:
    """For each row the width, and for a miss what it is missed by, times 2 / (1 - coverage): least for the true
    quantiles. Reference: Gneiting and Raftery (2007), "Strictly proper scoring rules".
    """
    import numpy as np

    missed = np.maximum(low - y, 0.0) + np.maximum(y - high, 0.0)
    score: np.ndarray = high - low + 2.0 / (1.0 - coverage) * missed
    return score


def sets_of(y: np.ndarray, shares: np.ndarray, spec: ConformalSpec) -> tuple[Sets, np.ndarray]:
    """The rule of the sets, and who is in them on these rows, bool (n, n_classes).

    `y` are class numbers, `shares` probabilities of rows that the model was not fitted on.
    """
    import numpy as np

    rows = np.arange(len(y))
    if spec.method == "aps":
        order = np.argsort(-shares, axis=1, kind="stable")
        rank = np.argmax(order == y[:, None], axis=1)
        before = np.cumsum(np.take_along_axis(shares, order, axis=1), axis=1)
        scores = np.where(rank > 0, before[rows, np.maximum(rank - 1, 0)], 0.0)
        rule = Sets(method="aps", limit=limit(scores, spec.coverage))
    else:
        rule = Sets(method="lac", limit=1.0 - limit(1.0 - shares[rows, y], spec.coverage))
    return rule, members(shares, rule)
