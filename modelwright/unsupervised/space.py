"""Typed rows as points: features of every column, scaled so that each column weighs alike.

A column's scale decides what "near" means, so every choice here is told. The points are float64, (n, m).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from modelwright.core import registry
from modelwright.core.data import ROW_ID, Dataset, Decision
from modelwright.core.errors import UserError
from modelwright.core.rng import stream

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph

Purpose = Literal["anomaly", "clusters", "embedding"]
LEAST_ROWS = 20
MOST_ROWS = 200_000
"""Rows that a space and what stands in it are learned on, at the most; of larger tables a sample."""
SEEN = ("number", "boolean", "datetime", "category", "text")
LEAST_SHARED = 8  # columns, from which on a shared scale is looked for
KEPT_SHARE, MOST_AXES, LEAST_REDUCED = 0.9, 20, 8
MOST_PCA_ROWS = 20_000
MOST_TEXT_WEIGHT = 20.0
FLAG_WEIGHT = 0.5
FEATURES: dict[Purpose, dict[str, Any]] = {
    "anomaly": {
        "numbers": [["indicator"], ["impute", {"robust": {"bound": 100.0}}]],
        "dates": [["dates", "impute", "standardise"]],
        "few": [["onehot"], ["frequency"]],
        "many": [["frequency"]],
    },
    "clusters": {
        "numbers": [["impute", "standardise"]],
        "dates": [["dates", "impute", "standardise"]],
        "few": [["onehot"]],
        "many": [[{"onehot": {"max_levels": 40, "min_count": 10}}], ["frequency", "standardise"]],
        "texts": [[{"text": {"max_words": 1_000, "min_count": 3}}]],
    },
}
FEATURES["embedding"] = FEATURES["clusters"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Space:
    """How rows become points: `(features - centre) * weights`, then `@ axes` where there are axes.

    `state` is what the features stage learned; `sources` says for each feature which input column it comes from.
    """

    state: Any
    centre: np.ndarray
    weights: np.ndarray
    axes: np.ndarray | None
    decisions: tuple[Decision, ...]
    has_flags: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        """The input column of each feature."""
        return tuple(self.state.sources)

    @property
    def columns(self) -> tuple[str, ...]:
        """The input columns, each once."""
        return tuple(dict.fromkeys(self.sources))

    def wide(self, data: Dataset) -> np.ndarray:
        """Points before the axes, (n, d)."""
        import numpy as np

        features = registry.verbs("features").apply(self.state, data).astype(np.float64)
        return np.asarray((features - self.centre) * self.weights)

    def points(self, data: Dataset) -> np.ndarray:
        """Points, (n, m)."""
        wide = self.wide(data)
        return wide if self.axes is None else wide @ self.axes

    def emit_wide(self, graph: Graph, inputs: Any) -> str:
        """`wide` as nodes; `inputs` have been declared in the graph."""
        features = graph.tensor(
            graph.tensor(registry.verbs("features").emit(self.state, graph, inputs)).cast("float64")
        )
        name: str = ((features - self.centre[None]) * self.weights[None]).name
        return name

    def emit(self, graph: Graph, inputs: Any) -> str:
        """`points` as nodes."""
        wide = self.emit_wide(graph, inputs)
        if self.axes is None:
            return wide
        name: str = (graph.tensor(wide) @ self.axes).name
        return name


def training_rows(data: Dataset, row_ids: np.ndarray, seed: int) -> tuple[Dataset, list[Decision]]:
    """The rows with these ids in ascending order of id; of very many a sample, which is told."""
    import numpy as np

    told = []
    if len(row_ids) > MOST_ROWS:
        row_ids = stream(seed, "unsupervised", "rows").permutation(np.sort(row_ids))[:MOST_ROWS]
        told.append(Decision("unsupervised", "rows", f"{MOST_ROWS:,} drawn", "more rows would add little"))
    rows = data.take(row_ids)
    frame = rows.frame.sort(ROW_ID)
    if frame.height < LEAST_ROWS:
        raise UserError(
            "unsupervised.rows", f"{frame.height} rows are too few to learn from; {LEAST_ROWS} are the least.",
            hint="collect more rows",
        )  # fmt: skip
    return Dataset(frame.lazy(), data.schema, frame.height, data.origin), told


def learn_space(rows: Dataset, purpose: Purpose, *, seed: int, reduce: bool = False) -> Space:
    """Learn the space from training rows. `reduce` turns more than 8 dimensions into the main axes that hold nine
    tenths of the variance (20 at the most): far-off dimensions of noise drown distances.

    Raises UserError `unsupervised.columns` when no column can be used.

    Reference: Milligan and Cooper (1988), "A study of standardization of variables in cluster analysis".
    """
    import numpy as np

    from modelwright_runtime.signature import Task

    columns, told = _columns(rows, purpose)
    shared = _shared_scale(rows, columns) if purpose != "anomaly" else None
    chains = dict(FEATURES[purpose])
    if shared is not None:
        chains["numbers"] = [["impute"]]
    verbs = registry.verbs("features")
    spec = verbs.FeatureSpec.parse(chains, where="features")
    nothing = np.zeros(rows.n_rows)
    task = Task(kind="regression", target="")
    rng = stream(seed, "unsupervised", "features")
    state, features = verbs.learn_apply(rows, columns, spec, nothing, task=task, rng=rng)
    features = features.astype(np.float64)
    centre = features.mean(axis=0)
    weights = _weights(state, features, rows)
    if shared is not None:
        numbers = np.isin(state.sources, shared)
        weights[numbers] = 1 / max(np.sqrt(features[:, numbers].var(axis=0).mean()), 1e-12)
    told += _about_scales(purpose, shared, rows, columns)
    axes = None
    if reduce and features.shape[1] > LEAST_REDUCED:
        axes, kept = main_axes((features - centre) * weights, seed)
        told.append(
            Decision("unsupervised", "axes", f"{axes.shape[1]} of {features.shape[1]} dimensions",
                     f"main axes that hold {kept:.0%} of the variance: noise in the others would drown distances")
        )  # fmt: skip
    has_flags = any(len(np.unique(column[:10_000])) <= 2 for column in features.T)
    return Space(state=state, centre=centre, weights=weights, axes=axes, decisions=tuple(told), has_flags=has_flags)


def _columns(rows: Dataset, purpose: Purpose) -> tuple[list[str], list[Decision]]:
    schema = rows.schema
    used = [name for name in schema.features if schema[name].kind in SEEN]
    used = [name for name in used if schema[name].kind != "text" or purpose != "anomaly"]
    used = [name for name in used if rows.column(name).drop_nulls().n_unique() > 1]
    left = [name for name in schema.features if name not in used]
    if not used:
        raise UserError(
            "unsupervised.columns", "no column is left to learn from: a number, category, boolean or date that varies.",
            hint="check the columns' kinds and roles with `wright profile`",
        )  # fmt: skip
    told = [Decision("unsupervised", "columns", f"without {', '.join(left[:10])}{' ...' if len(left) > 10 else ''}",
                     "they do not vary, or are of a kind that has no distance here")] if left else []  # fmt: skip
    return used, told


def _shared_scale(rows: Dataset, columns: list[str]) -> list[str] | None:
    """All number columns, when they are measures on one scale: most of eight or more fill the same bounded range, as
    pixels, grades and shares do. Then a column that varies little says little, and must not be blown up."""
    import polars as pl

    numbers = [name for name in columns if rows.schema[name].kind == "number"]
    if len(numbers) < LEAST_SHARED:
        return None
    frame = rows.frame.select(numbers)
    low, high = frame.select(pl.all().min()).row(0), frame.select(pl.all().max()).row(0)
    least, most = min(low), max(high)
    fills = sum(one <= least and other >= most for one, other in zip(low, high, strict=True))
    return numbers if fills >= len(numbers) / 2 else None


def _weights(state: Any, features: np.ndarray, rows: Dataset) -> np.ndarray:
    """A number weighs 1 (it has been scaled). Flags weigh half as much in squared distances: the two values of a flag
    as if both were as frequent, the levels of a category likewise, so that a rare one is not far from all others; at
    full weight the gaps between levels would divide the rows by themselves. Parts of a date count together as one.

    Reference: Hennig and Liao (2013), "How to find an appropriate clustering for mixed-type variables", JRSS C 62(3).
    """
    import numpy as np

    weights = np.ones(features.shape[1])
    places: dict[tuple[str, str], list[int]] = {}
    for place, (name, source) in enumerate(zip(state.names, state.sources, strict=True)):
        kind = rows.schema[source].kind
        is_flag = kind == "category" and not name.endswith(" frequency")
        places.setdefault((source, "flags" if is_flag else "text" if kind == "text" else name), []).append(place)
        span = float(features[:, place].max() - features[:, place].min())
        distinct = 3 if is_flag or kind == "text" or span == 0 else len(np.unique(features[:, place][:10_000]))
        if distinct <= 2:
            weights[place] = 2 / span * np.sqrt(FLAG_WEIGHT)
        elif kind == "datetime":
            weights[place] = 1 / np.sqrt(state.sources.count(source))
    for (_, what), found in places.items():
        if what == "flags":
            weights[found] = np.sqrt(FLAG_WEIGHT / (1 - 1 / max(2, len(found))))
        elif what == "text":
            total = float(features[:, found].var(axis=0).sum())
            weights[found] = min(MOST_TEXT_WEIGHT, 1 / np.sqrt(max(total, 1e-12)))
    return weights


def _about_scales(purpose: Purpose, shared: list[str] | None, rows: Dataset, columns: list[str]) -> list[Decision]:
    kinds = {rows.schema[name].kind for name in columns}
    told = []
    if "number" in kinds:
        if shared is not None:
            choice, reason = "one common scale", "most of them fill the same range, so they are of one unit"
        elif purpose == "anomaly":
            choice, reason = "median and quartiles", "what is odd must not stretch the scale that it is judged by"
        else:
            choice, reason = "mean 0, deviation 1", "their units differ; each is to count alike"
        told.append(Decision("unsupervised", "numbers", choice, reason))
    if "category" in kinds and purpose == "anomaly":
        reason = "a rare level is odd by itself, a frequent one may be odd beside the other columns"
        told.append(Decision("unsupervised", "categories", "flags, and how rare each level is", reason))
    elif "category" in kinds:
        reason = "a category counts half as much as a number, or its levels alone would make the groups"
        told.append(Decision("unsupervised", "categories", "flags; of many levels the frequent ones", reason))
    if any(rows.column(name).null_count() for name in columns):
        choice = "the middle, and a flag" if purpose == "anomaly" else "the middle"
        reason = "a gap can itself be odd" if purpose == "anomaly" else "what was not measured must not make a group"
        told.append(Decision("unsupervised", "gaps", choice, reason))
    return told


def main_axes(
    points: np.ndarray, seed: int, *, share: float = KEPT_SHARE, most: int = MOST_AXES
) -> tuple[np.ndarray, float]:
    """The fewest principal axes (d, m) that hold `share` of the variance of centred points, and the share they hold.

    Each axis points to where its largest entry is positive, so that the same rows give the same axes.
    """
    import numpy as np

    axes, variances = principal(points, seed)
    held = np.cumsum(variances) / max(variances.sum(), 1e-300)
    n = min(most, int((held < share).sum()) + 1, len(variances))
    return axes[:, :n], float(held[n - 1])


def principal(points: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """All principal axes (d, d) of centred points and the variance along each, the largest first. At most 20,000
    rows are looked at. Reference: Jolliffe (2002), "Principal component analysis"."""
    import numpy as np
    from scipy.linalg import eigh

    if len(points) > MOST_PCA_ROWS:
        points = points[stream(seed, "unsupervised", "axes").permutation(len(points))[:MOST_PCA_ROWS]]
    variances, axes = eigh(points.T @ points / len(points))
    axes, variances = axes[:, ::-1], np.maximum(variances[::-1], 0.0)
    largest = np.abs(axes).argmax(axis=0)
    signs = np.sign(axes[largest, np.arange(axes.shape[1])])
    return axes * np.where(signs == 0, 1, signs), variances
