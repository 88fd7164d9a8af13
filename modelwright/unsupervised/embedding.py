"""Few coordinates in place of many columns: how many are worth having, what they mean, how far to trust them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.core import registry
from modelwright.core.data import Dataset, Decision
from modelwright.core.rng import stream, stream_seed
from modelwright.core.values import Candidate, Fitted, Splits, Trained, Watch
from modelwright.unsupervised.base import settings_of
from modelwright.unsupervised.finish import Learned, free_name, sample, trained_of
from modelwright.unsupervised.space import Space, learn_space, principal, training_rows
from modelwright.unsupervised.spec import EmbeddingSpec

if TYPE_CHECKING:
    import numpy as np

    from modelwright.unsupervised.base import Embedding

MOST_FITTED = 20_000
N_SHUFFLES, LEVEL = 10, 0.95
LEAST_AXES, MOST_AXES = 2, 10
N_JUDGED, N_NEAR, N_PICTURE = 1_000, 10, 800
MOST_NAMED, LEAST_NAMED = 4, 0.3


def embedding(
    data: Dataset, splits: Splits, spec: EmbeddingSpec = EmbeddingSpec(), *, seed: int = 0, watch: Watch | None = None  # noqa: B008
) -> Trained:  # fmt: skip
    """Learn a few coordinates of rows, and give them to new rows.

    With `n: auto` as many are kept as hold more variance than the same columns give when each is shuffled by itself
    (2 to 10). How far neighbours on the map are neighbours in the table is measured on held-out rows.

    Linear algebra runs on one thread. Cost: about 2 s for 10,000 rows of 20 columns with pca. Raises UserError
    `unsupervised.rows`, `unsupervised.columns`, `optional.missing`.

    Reference: Horn (1965), "A rationale and test for the number of factors in factor analysis", for the number; Venna
    and Kaski (2001), "Neighborhood preservation in nonlinear projection methods", for trustworthiness.

    >>> import numpy as np, polars as pl
    >>> from modelwright.core.data import Column, Schema
    >>> x = np.random.default_rng(0).normal(size=(100, 2)) @ np.ones((2, 4)) + np.arange(4)
    >>> names = list("abcd")
    >>> data = Dataset.from_frame(pl.DataFrame(x, names), Schema(tuple(Column(name, "number") for name in names)))
    >>> ids = data.row_ids
    >>> splits = Splits(train=ids[:80], test=ids[80:], folds=np.zeros(80, dtype=int), kind="random")
    >>> trained = embedding(data, splits)
    >>> trained.task.classes, trained.predict(data).shape
    (('x1', 'x2'), (100, 2))
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return _embedding(data, splits, spec, seed, watch or (lambda event: None))


def _embedding(data: Dataset, splits: Splits, spec: EmbeddingSpec, seed: int, watch: Watch) -> Trained:
    import numpy as np

    rows, told = training_rows(data, splits.train, seed)
    space = learn_space(rows, "embedding", seed=seed)
    points = space.points(rows)
    limits = shuffled_variances(space, points, seed)
    n, about_number = _number(spec, points, limits)
    method: Embedding = registry.get("embeddings", spec.method.method)
    some = points[sample(len(points), MOST_FITTED)]
    watch({"stage": "unsupervised", "event": "progress", "done": 0, "total": 1, "text": method.name})
    fitted = method.fit(
        some, n, spec=settings_of(method, spec.method.settings), seed=stream_seed(seed, "unsupervised", method.name)
    )
    places = fitted.predict(points)
    names = tuple(f"x{number + 1}" for number in range(n))
    facts = {
        "method": method.name, "n": n, "n_rows": rows.n_rows, "limits": limits, "n_columns": len(space.columns),
        "axes": _words(space, points, places), "picture": _picture(places),
        "told": f"{n} coordinates by {method.name} in place of {len(space.columns)} columns",
        "variances": (principal(points - points.mean(axis=0), seed)[1][:30]).tolist(),
        **_judged(data, splits, space, points, fitted, n, seed),
    }  # fmt: skip
    learned = Learned(
        task=_task(data, names), space=space, facts=facts, validation=places,
        decisions=(*told, *space.decisions, about_number, _about_method(method, spec)),
        emit=lambda graph, inputs: fitted.emit(graph, space.emit(graph, inputs)),
        answer=lambda data: fitted.predict(space.points(data)),
        leaderboard=(
            Candidate(name=method.name, model=method.name, settings={"coordinates": n}, metric="trustworthiness",
                      score=float(np.mean(facts["trust"])) if facts["trust"] else float("nan"), weight=1.0),
        ),
        importance=_importance(space, points, places), n_cells_per_row=fitted.n_cells_per_row,
    )  # fmt: skip
    return trained_of(learned, rows, data, splits)


def shuffled_variances(space: Space, points: np.ndarray, seed: int) -> list[float]:
    """What each principal axis holds in 95 of 100 tables of the same columns, each shuffled by itself."""
    import numpy as np

    some = points[sample(len(points), 5_000)]
    sources = np.array(space.sources)
    found = []
    for number in range(N_SHUFFLES):
        mixed = np.empty_like(some)
        for name in space.columns:
            order = stream(seed, "unsupervised", "parallel", number, name).permutation(len(some))
            mixed[:, sources == name] = some[order][:, sources == name]
        found.append(principal(mixed - mixed.mean(axis=0), seed)[1])
    limits: list[float] = np.quantile(found, LEVEL, axis=0)[:30].tolist()
    return limits


def _number(spec: EmbeddingSpec, points: np.ndarray, limits: list[float]) -> tuple[int, Decision]:
    """How many coordinates, and why."""
    if not isinstance(spec.n, str):
        return min(spec.n, points.shape[1]), Decision("unsupervised", "coordinates", f"{spec.n}", "asked for")
    if spec.method.method != "pca":
        return 2, Decision("unsupervised", "coordinates", "2", "a map to look at")
    variances = principal(points - points.mean(axis=0), 0)[1][: len(limits)].tolist()
    beyond = 0
    for own, limit in zip(variances, limits, strict=True):
        if own <= limit:
            break
        beyond += 1
    n = min(max(beyond, LEAST_AXES), MOST_AXES, points.shape[1])
    several = "one axis holds" if beyond == 1 else f"{beyond} axes hold"
    reason = f"{several} more than shuffled columns would give (parallel analysis); {LEAST_AXES} at the least"
    return n, Decision("unsupervised", "coordinates", f"{n}", f"{reason}, {MOST_AXES} at the most")


def _about_method(method: Embedding, spec: EmbeddingSpec) -> Decision:
    why = "straight directions: each coordinate can be told in words" if method.name == "pca" else (
        "asked for; a new row is placed at the weighted mean of its nearest rows' places"
    )  # fmt: skip
    return Decision("unsupervised", "method", method.name, why)


def _task(data: Dataset, names: tuple[str, ...]) -> Any:
    from modelwright_runtime.signature import Task

    return Task(kind="embedding", target=free_name("embedding", data.schema.names), classes=names)


def _judged(
    data: Dataset, splits: Splits, space: Space, points: np.ndarray, fitted: Fitted, n: int, seed: int
) -> dict[str, Any]:
    """How far rows that were not learned on keep their neighbours, beside as many random directions."""
    import numpy as np

    held_out = data.take(splits.test)
    new = space.points(held_out) if held_out.n_rows > 3 * N_NEAR else points
    new = new[sample(len(new), N_JUDGED)]
    random = stream(seed, "unsupervised", "directions").normal(size=(new.shape[1], n))
    told = {"trust": trust(new, fitted.predict(new)), "random": trust(new, new @ random)}
    facts = {name: np.round(values, 6).tolist() for name, values in told.items()}
    if "axes" in fitted.info:
        apart = new - fitted.info["centre"]
        left = apart - apart @ fitted.info["axes"] @ fitted.info["axes"].T
        facts |= {"left": np.round((left**2).sum(axis=1), 6).tolist(),
                  "whole": np.round((apart**2).sum(axis=1), 6).tolist()}  # fmt: skip
    return facts


def trust(points: np.ndarray, places: np.ndarray, n_near: int = N_NEAR) -> np.ndarray:
    """Of each row how far its neighbours on the map are neighbours in truth, (n,); the mean is the trustworthiness.

    >>> import numpy as np
    >>> points = np.random.default_rng(0).normal(size=(50, 3))
    >>> bool(trust(points, points).min() == 1), bool(trust(points, points[::-1]).mean() < 0.7)
    (True, True)
    """
    import numpy as np
    from scipy.spatial.distance import cdist

    n = len(points)
    n_near = max(1, min(n_near, n // 3))
    far, near = cdist(points, points), cdist(places, places)
    np.fill_diagonal(far, -1.0)  # itself comes first
    np.fill_diagonal(near, np.inf)
    ranks = np.empty((n, n), dtype=np.int64)
    np.put_along_axis(ranks, np.argsort(far, axis=1, kind="stable"), np.arange(n)[None].repeat(n, axis=0), axis=1)
    shown = np.argsort(near, axis=1, kind="stable")[:, :n_near]
    excess = np.maximum(np.take_along_axis(ranks, shown, axis=1) - n_near, 0).sum(axis=1)
    return np.asarray(1 - 2 * excess / max(n_near * (2 * n - 3 * n_near - 1), 1))


def _correlations(points: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Of each feature with each coordinate, (d, k)."""
    import numpy as np

    one, other = points - points.mean(axis=0), places - places.mean(axis=0)
    lengths = np.maximum(np.sqrt((one**2).sum(axis=0))[:, None] * np.sqrt((other**2).sum(axis=0))[None], 1e-12)
    return np.asarray(one.T @ other / lengths)


def _words(space: Space, points: np.ndarray, places: np.ndarray) -> list[list[dict[str, Any]]]:
    """For each coordinate the features that go with it most, with their correlation."""
    import numpy as np

    found = _correlations(points, places)
    told = []
    for one in found.T:
        order = np.argsort(-np.abs(one), kind="stable")[: 2 * MOST_NAMED].tolist()
        told.append([{"feature": space.state.names[at], "correlation": round(float(one[at]), 4)}
                     for at in order if abs(one[at]) >= LEAST_NAMED][:MOST_NAMED])  # fmt: skip
    return told


def _importance(space: Space, points: np.ndarray, places: np.ndarray) -> dict[str, float]:
    """How much of each column's variance the coordinates hold, as far as straight lines tell."""
    import numpy as np

    squared = np.minimum((_correlations(points, places) ** 2).sum(axis=1), 1.0) * points.var(axis=0)
    sources = np.array(space.sources)
    return {name: float(squared[sources == name].sum()) for name in space.columns}


def _picture(places: np.ndarray) -> dict[str, Any]:
    import numpy as np

    shown = places[sample(len(places), N_PICTURE)]
    return {"x": np.round(shown[:, 0], 4).tolist(), "y": np.round(shown[:, min(1, shown.shape[1] - 1)], 4).tolist()}
