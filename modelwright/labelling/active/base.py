"""Probabilities and features of rows in; the rows out that are most worth a person's time, best first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from modelwright.core import registry
from modelwright.core.errors import UserError
from modelwright.core.rng import stream
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import numpy as np


class ActiveSpec(Spec):
    """How rows are chosen."""

    method: Literal["margin", "least_confident", "entropy", "bald", "typical", "random"] = Field(
        default="margin",
        description="margin: the two likeliest classes are close; least_confident: the likeliest is unlikely; entropy: "
        "all classes; bald: several models disagree; typical: rows like many others, and unlike those labelled",
    )
    n: int = Field(default=10, ge=1, le=100_000, description="rows to choose")
    spread: int = Field(
        default=5, ge=1, le=1000,
        description="times n rows of the most worth, of which the n most unlike each other are taken; 1: no spreading",
    )  # fmt: skip
    budget: float | None = Field(
        default=None, gt=0, description="most cost of the rows together, where costs are given"
    )


def choose(
    probabilities: np.ndarray, spec: ActiveSpec = ActiveSpec(), *, labelled: np.ndarray | None = None,  # noqa: B008
    features: np.ndarray | None = None, costs: np.ndarray | None = None, seed: int = 0,
) -> np.ndarray:  # fmt: skip
    """Positions of the rows to label next, int64 of shape (at most n,), best first. Labelled rows are never chosen.

    `probabilities` are (n_rows, n_classes), for `bald` (n_models, n_rows, n_classes): a committee, or one network asked
    several times with dropout. `labelled` (n_rows,) says which rows have a label. With `features` (n_rows, n_columns)
    the rows chosen are unlike each other. With `costs` (n_rows,), positive, worth is counted per cost. What a row is
    worth does not depend on its place, and of equal rows chance chooses.

    Cost: 50,000 rows of 10 classes and 100 columns under 0.1 s. Raises `UserError("active.shape")`.

    References: Settles (2009), "Active learning literature survey"; Houlsby et al. (2011), "Bayesian active learning
    for classification and preference learning" (BALD); Zhdanov (2019), "Diverse mini-batch active learning"; Hacohen et
    al. (2022), "Active learning on a budget: opposite strategies suit high and low budgets" (typical).

    >>> import numpy as np
    >>> sure = np.array([[0.9, 0.1], [0.52, 0.48], [0.7, 0.3], [0.5, 0.5]])
    >>> choose(sure, ActiveSpec(n=2), labelled=np.array([False, False, False, True])).tolist()
    [1, 2]
    """
    import numpy as np

    from modelwright.labelling.active.spread import spread_out, typical

    n_rows = probabilities.shape[-2]
    taken = np.zeros(n_rows, dtype=bool) if labelled is None else np.asarray(labelled, dtype=bool)
    _check(probabilities, spec, {"labelled": taken, "features": features, "costs": costs})
    rng = stream(seed, "labelling", "active", int(taken.sum()))
    left = np.flatnonzero(~taken)
    n = min(spec.n, len(left))
    if n == 0:
        return left
    if spec.method == "typical":
        assert features is not None
        order = typical(features, taken, n, rng=rng)
        return _within(order, costs, spec.budget)
    value = worth(probabilities, spec, rng=rng)[left]
    value = value if costs is None else value / np.asarray(costs, dtype=np.float64)[left]
    order = np.lexsort((rng.random(len(left)), -value))
    if features is not None and spec.spread > 1 and spec.method != "random":
        best = order[: spec.spread * n]
        order = best[spread_out(features[left[best]], value[best], n)]
    return _within(left[order] if spec.budget is not None else left[order[:n]], costs, spec.budget)[:n]


def worth(probabilities: np.ndarray, spec: ActiveSpec, *, rng: np.random.Generator) -> np.ndarray:
    """What each row is worth by the spec's method, float64 of shape (n_rows,), 0 to 1, larger is more."""
    found: np.ndarray = registry.get("acquisition", spec.method)(probabilities, rng=rng)
    return found


def _within(order: np.ndarray, costs: np.ndarray | None, budget: float | None) -> np.ndarray:
    """The first rows of an order whose costs together stay within the budget; a row too dear is passed over."""
    import numpy as np

    if costs is None or budget is None:
        return order
    kept, spent = [], 0.0
    for row in order.tolist():
        if spent + costs[row] <= budget:
            kept.append(row)
            spent += float(costs[row])
    return np.array(kept, dtype=np.int64)


def _check(probabilities: np.ndarray, spec: ActiveSpec, others: dict[str, np.ndarray | None]) -> None:
    import numpy as np

    wanted = 3 if spec.method == "bald" else 2
    if probabilities.ndim != wanted:
        axes = "(n_models, n_rows, n_classes)" if wanted == 3 else "(n_rows, n_classes)"
        raise UserError("active.shape", f"`{spec.method}` needs probabilities {axes}; got {probabilities.shape}.")
    for name, array in others.items():
        if array is not None and len(array) != probabilities.shape[-2]:
            raise UserError(
                "active.shape", f"`{name}` has {len(array)} rows and the probabilities have {probabilities.shape[-2]}."
            )
    if spec.method == "typical" and others["features"] is None:
        raise UserError("active.shape", "`typical` needs features: it compares rows with each other.")
    costs = others["costs"]
    if costs is not None and not (np.isfinite(costs).all() and (np.asarray(costs) > 0).all()):
        raise UserError("active.shape", "`costs` must be positive numbers.")
