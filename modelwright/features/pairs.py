"""Sums, differences, products and ratios of two numbers, where they say what neither says alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.features.base import State, Step

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph
    from modelwright_runtime.signature import Task

OPERATORS = {"+": "Add", "-": "Sub", "*": "Mul", "/": "Div"}
MOST_ROWS = 20_000
LEAST_ROWS = 40
MOST_OUTPUTS = 10
N_BINS = 32
LEAST_VALUES = 10
"""Columns with fewer values are flags and codes: trees pair those by themselves."""
ALIKE = 0.999
SHADOW = 0.7


class PairsSpec(Spec):
    """How many columns are paired, and how many pairs are kept."""

    columns: int = Field(8, ge=2, le=50, description="columns that are paired: those that a first boosting leans on")
    most: int = Field(30, ge=1, le=1000, description="pairs that are kept at most")


def learn(x: np.ndarray, *, spec: PairsSpec, target: np.ndarray, task: Task, rng: np.random.Generator) -> State:
    """Which pairs to make: those that tell most of what a first boosting leaves unexplained.

    A pair is scored by how well its value, cut into 32 bins, tells the residual. It must beat the mean score of pairs
    on a shuffled residual (a shadow), and must not rise and fall with a pair that is kept already. The bar is low: what
    a pair is worth, the comparison with and without pairs tells. Cost: a second for
    20,000 rows, a sample of larger tables.

    References: Zhang et al. (2023), "OpenFE: automated feature generation with expert-level performance" (scores by
    what a boosting leaves over); Kursa and Rudnicki (2010), "Feature selection with the Boruta package" (shadows).

    >>> import numpy as np
    >>> from modelwright_runtime.signature import Task
    >>> rng = np.random.default_rng(0)
    >>> x = np.exp(rng.normal(size=(500, 3)))
    >>> state = learn(x, spec=PairsSpec(most=1), target=x[:, 0] / x[:, 1], task=Task(kind="regression", target="y"),
    ...     rng=rng)
    >>> names(state, ("rooms", "people", "floor"))
    [('rooms / people', 0)]
    """
    import numpy as np

    if len(x) < LEAST_ROWS or not x.shape[1]:
        return {"operators": [], "left": np.empty(0, dtype=np.int64), "right": np.empty(0, dtype=np.int64)}
    rows = np.sort(rng.permutation(len(x))[:MOST_ROWS])
    x, target = x[rows], np.asarray(target)[rows]
    outputs = _outputs(target, task)
    leaned, left_over = _explained(x, outputs, rng)
    many = [column for column in range(x.shape[1]) if len(np.unique(x[:2000, column])) >= LEAST_VALUES]
    chosen = sorted(many, key=lambda column: -leaned[column])[: spec.columns]
    candidates = [
        (operator, a, b)
        for index, a in enumerate(chosen)
        for b in chosen[index + 1 :]
        for operator, a, b in (("+", a, b), ("-", a, b), ("*", a, b), ("/", a, b), ("/", b, a))
    ]
    shuffled = left_over[rng.permutation(len(x))]
    scored = []
    shadow = 0.0
    for candidate in candidates:
        bins = _bins(_value(x, *candidate))
        scored.append((_told(bins, left_over), candidate))
        shadow += SHADOW * _told(bins, shuffled) / len(candidates)
    ranked = sorted((pair for pair in scored if pair[0] > shadow), key=lambda pair: -pair[0])
    kept = _unlike(x, [candidate for _, candidate in ranked], spec.most)
    kept.sort(key=lambda candidate: list(OPERATORS).index(candidate[0]))
    return {
        "operators": [operator for operator, _, _ in kept],
        "left": np.array([a for _, a, _ in kept], dtype=np.int64),
        "right": np.array([b for _, _, b in kept], dtype=np.int64),
    }


def _outputs(target: np.ndarray, task: Task) -> np.ndarray:
    """What is explained: standardised values (n, 1), or flags of the classes (of two, the second)."""
    import numpy as np

    if task.kind == "regression":
        values = np.asarray(target, dtype=np.float64)
        unit: np.ndarray = (values - values.mean()) / (values.std() or 1.0)
        return unit[:, None]
    n_classes = len(task.classes)
    frequent = np.argsort(-np.bincount(target, minlength=n_classes), kind="stable")
    classes = [1] if n_classes == 2 else sorted(frequent[:MOST_OUTPUTS].tolist())
    flags: np.ndarray = (target[:, None] == np.array(classes)).astype(np.float64)
    return flags


def _explained(x: np.ndarray, outputs: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """How much a small boosting leans on each column, and what it leaves over of each output: each half of the rows is
    answered by a boosting of the other."""
    import lightgbm
    import numpy as np

    settings = {
        "objective": "regression", "num_leaves": 16, "learning_rate": 0.15, "min_data_in_leaf": max(1, len(x) // 100),
        "seed": int(rng.integers(2**31 - 1)), "deterministic": True, "force_row_wise": True, "num_threads": 1,
        "verbosity": -1,
    }  # fmt: skip
    matrix = x.astype(np.float32)
    half = rng.permutation(len(x)) % 2 == 0
    leaned, left_over = np.zeros(x.shape[1]), np.empty_like(outputs)
    for index, output in enumerate(outputs.T):
        for mine in (half, ~half):
            data = lightgbm.Dataset(matrix[~mine], output[~mine], params=settings, free_raw_data=False)
            booster = lightgbm.train(settings, data, 40)
            leaned += booster.feature_importance("gain")
            left_over[mine, index] = output[mine] - booster.predict(matrix[mine])
    return leaned, left_over


def _value(x: np.ndarray, operator: str, a: int, b: int) -> np.ndarray:
    """The pair's value; a ratio with nothing is missing."""
    import numpy as np

    left, right = x[:, a], x[:, b]
    value: np.ndarray
    with np.errstate(all="ignore"):
        if operator == "+":
            value = left + right
        elif operator == "-":
            value = left - right
        elif operator == "*":
            value = left * right
        else:
            value = np.where(right == 0, np.nan, left / np.where(right == 0, 1.0, right))
    return value


def _bins(value: np.ndarray) -> np.ndarray:
    """The bin of each value, of about equal counts; the last is for what is missing."""
    import numpy as np

    known = value[~np.isnan(value)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, N_BINS)[1:-1])) if len(known) else np.empty(0)
    return np.where(np.isnan(value), N_BINS, np.searchsorted(edges, value))


def _told(bins: np.ndarray, left_over: np.ndarray) -> float:
    """What the bins tell of it: the variance between them, summed over outputs."""
    import numpy as np

    counts = np.maximum(np.bincount(bins, minlength=N_BINS + 1), 1)
    sums = np.stack([np.bincount(bins, column, N_BINS + 1) for column in left_over.T])
    return float((sums**2 / counts).sum())


def _unlike(x: np.ndarray, ranked: Sequence[tuple[str, int, int]], most: int) -> list[tuple[str, int, int]]:
    """The best pairs that do not rise and fall with a better one or with one of their own columns."""
    import numpy as np
    from scipy.stats import rankdata

    some = x[:2000]
    rank = {column: _centred(rankdata(some[:, column])) for _, a, b in ranked for column in (a, b)}
    kept: list[tuple[str, int, int]] = []
    ranks: list[np.ndarray] = []
    for operator, a, b in ranked:
        if len(kept) == most:
            break
        value = _value(some, operator, a, b)
        own = _centred(rankdata(np.nan_to_num(value, nan=float(np.nanmin(value, initial=0.0)))))
        if all(abs(float(own @ other)) < ALIKE for other in (*ranks, rank[a], rank[b])):
            kept.append((operator, a, b))
            ranks.append(own)
    return kept


def _centred(ranks: np.ndarray) -> np.ndarray:
    import numpy as np

    centred = ranks - ranks.mean()
    unit: np.ndarray = centred / (np.linalg.norm(centred) or 1.0)
    return unit


def apply(state: State, x: np.ndarray) -> np.ndarray:
    """The pairs: float64 of shape (n, n_pairs), NaN where a part is missing or a divisor is 0."""
    import numpy as np

    made = [
        _value(x, operator, int(a), int(b))
        for operator, a, b in zip(state["operators"], state["left"], state["right"], strict=True)
    ]
    return np.stack(made, axis=1) if made else np.empty((len(x), 0))


def names(state: State, columns: Sequence[str]) -> list[tuple[str, int]]:
    """`left / right`; the pair counts as coming from its left column."""
    return [
        (f"{columns[int(a)]} {operator} {columns[int(b)]}", int(a))
        for operator, a, b in zip(state["operators"], state["left"], state["right"], strict=True)
    ]


def emit(state: State, graph: Graph, x: str) -> str:
    """`apply` as nodes, one for each operator."""
    import numpy as np

    operators = np.array(state["operators"])
    parts = []
    for operator, node in OPERATORS.items():
        here = np.flatnonzero(operators == operator)
        if not len(here):
            continue
        left, right = (
            graph.node("Gather", x, graph.constant(state[side][here], "int64"), axis=1) for side in ("left", "right")
        )
        if operator == "/":
            nothing = graph.node("Equal", right, graph.constant(0.0, "float64"))
            right = graph.node("Where", nothing, graph.constant(np.nan, "float64"), right)
        parts.append(graph.node(node, left, right))
    return parts[0] if len(parts) == 1 else graph.node("Concat", *parts, axis=1)


STEP = Step(name="pairs", accepts="numbers", spec=PairsSpec, learn=learn, apply=apply, names=names, emit=emit)
