"""The conformance suites of learning without a target: `check_detector`, `check_clustering`, `check_embedding` raise
AssertionError where a method breaks a rule.

What they ask of all three: the nodes answer as `predict` does, on training rows, on new, far, equal and few rows; the
same seed gives the same answer, and another order of the rows asked changes nothing; a constant column, one column and
twenty rows are taken; the graph holds standard operators alone. Of a detector: planted rows are the oddest. Of a
clustering: far groups are found again, shares are shares. Of an embedding: neighbours stay neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph
    from modelwright.unsupervised.base import Clustering, Detector, Embedding

TOLERANCE = 1e-6
"""Largest difference between nodes and library, relative to what is above 1."""


def check_detector(detector: Detector, settings: Mapping[str, Any] | None = None) -> None:
    """Raise AssertionError, with the rule that is broken, if a detector does not keep the contract.

    >>> from modelwright.unsupervised.detectors.ecod import DETECTOR
    >>> check_detector(DETECTOR)
    """
    import numpy as np

    spec = detector.spec.parse(dict(settings or {}), where=detector.name)
    assert detector.school in ("global", "local") and detector.about, "it does not say what it hears"

    def fit(points: np.ndarray) -> Any:
        return detector.fit(points, spec=spec, seed=7)

    points = _clouds(300, 4, seed=1)[0]
    planted = points[:5] + 9.0 * np.array([1, -1, 1, -1])
    fitted = fit(points)
    usual, odd = fitted.predict(_clouds(200, 4, seed=1)[0][150:]), fitted.predict(planted)
    assert float((odd[:, None] > usual[None]).mean()) > 0.98, "planted rows are not the oddest"
    again = fit(points).predict(planted)
    assert (again == odd).all(), "the same seed gives another answer"
    for name, some in _cases(points).items():
        fitted = fit(some)
        for asked in (some, _asked(some), some[:1], some[:0]):
            said = fitted.predict(asked)
            assert said.shape == (len(asked),) and said.dtype == np.float64, f"{name}: scores have another form"
            assert np.isfinite(said).all(), f"{name}: a score is not a finite number"
            _check_nodes(fitted.emit, said[:, None], asked, name)
    _check_rows_alone(fit(points).predict, planted)


def check_clustering(clustering: Clustering, settings: Mapping[str, Any] | None = None) -> None:
    """Raise AssertionError, with the rule that is broken, if a clustering does not keep the contract.

    >>> from modelwright.unsupervised.clusterings.kmeans import CLUSTERING
    >>> check_clustering(CLUSTERING)
    """
    import numpy as np
    from sklearn.metrics import adjusted_rand_score

    spec = clustering.spec.parse(dict(settings or {}), where=clustering.name)

    def fit(points: np.ndarray, n: int) -> Any:
        found = clustering.fit(points, [n], spec=spec, seed=7)
        return found.get(n) if clustering.rule != "own" else next(iter(found.values()), None)

    points, truth = _clouds(300, 4, seed=1, n_clouds=3)
    new, groups = _clouds(200, 4, seed=2, n_clouds=3)
    fitted = fit(points, 3)
    assert fitted is not None and fitted.n == 3, "three far clouds are not three groups"
    told = fitted.groups(new)
    inside = told >= 0
    assert inside.mean() > 0.8 and adjusted_rand_score(groups[inside], told[inside]) > 0.95, "far clouds are mixed up"
    assert (fit(points, 3).predict(new) == fitted.predict(new)).all(), "the same seed gives another answer"
    for name, some in _cases(points).items():
        fitted = fit(some, 2)
        if fitted is None:  # a method may find no two groups in nearly nothing
            assert name != "as they are", "two groups of three clouds are not given"
            continue
        for asked in (some, _asked(some), some[:1], some[:0]):
            said = fitted.predict(asked)
            assert said.shape == (len(asked), fitted.n) and said.dtype == np.float64, (
                f"{name}: shares have another form"
            )
            assert np.isfinite(said).all() and (said >= 0).all(), f"{name}: a share is no share"
            assert (said.sum(axis=1) <= 1 + 1e-6).all(), f"{name}: shares sum to more than 1"
            _check_nodes(fitted.emit, said, asked, name)
    _check_rows_alone(fit(points, 3).predict, new[:40])
    assert len(truth)


def check_embedding(embedding: Embedding, settings: Mapping[str, Any] | None = None) -> None:
    """Raise AssertionError, with the rule that is broken, if an embedding does not keep the contract.

    >>> from modelwright.unsupervised.embeddings.pca import EMBEDDING
    >>> check_embedding(EMBEDDING)
    """
    import numpy as np

    from modelwright.unsupervised.embedding import trust

    spec = embedding.spec.parse(dict(settings or {}), where=embedding.name)

    def fit(points: np.ndarray, n: int) -> Any:
        return embedding.fit(points, n, spec=spec, seed=7)

    rng = np.random.default_rng(3)
    flat = rng.normal(size=(400, 2)) @ rng.normal(size=(2, 5)) + 0.05 * rng.normal(size=(400, 5))
    points, new = flat[:300], flat[300:]
    fitted = fit(points, 2)
    assert trust(new, fitted.predict(new)).mean() > 0.9, "neighbours on a sheet are no neighbours on the map"
    assert np.allclose(fit(points, 2).predict(new), fitted.predict(new)), "the same seed gives another answer"
    for name, some in _cases(points).items():
        n = min(2, some.shape[1])
        fitted = fit(some, n)
        for asked in (some, _asked(some), some[:1], some[:0]):
            said = fitted.predict(asked)
            assert said.shape == (len(asked), n) and said.dtype == np.float64, f"{name}: places have another form"
            assert np.isfinite(said).all(), f"{name}: a coordinate is not a finite number"
            _check_nodes(fitted.emit, said, asked, name)
    _check_rows_alone(fit(points, 2).predict, new[:40])


def _clouds(n_rows: int, n_columns: int, seed: int, n_clouds: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Normal rows around centres that do not depend on the seed, and which one each is around."""
    import numpy as np

    centres = 12.0 * np.eye(n_columns)[np.arange(n_clouds) % n_columns] * (n_clouds > 1)
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, n_clouds, n_rows)
    return rng.normal(size=(n_rows, n_columns)) + centres[truth], truth


def _cases(points: np.ndarray) -> dict[str, np.ndarray]:
    """Training rows that a method must take."""
    import numpy as np

    constant = points.copy()
    constant[:, 1] = 3.0
    return {
        "as they are": points,
        "few rows": points[:20],
        "one column": points[:, :1],
        "a constant column": constant,
        "whole numbers, many equal": np.round(points[:120]),
        "large and small columns": points * np.array([1e-3, 1.0, 10.0, 1.0])[: points.shape[1]]
        if points.shape[1] == 4
        else points,
    }


def _asked(points: np.ndarray) -> np.ndarray:
    """Rows that training did not have: between others, beside them, far from all."""
    import numpy as np

    middle = (points[:10] + points[10:20]) / 2
    far = np.vstack([np.zeros(points.shape[1]), np.full(points.shape[1], 1e3), np.full(points.shape[1], -50.0)])
    return np.vstack([middle, points[:10] + 0.01, far])


def _check_nodes(emit: Callable[[Graph, str], str], said: np.ndarray, asked: np.ndarray, name: str) -> None:
    import numpy as np
    import onnx

    from modelwright.graph import Graph
    from modelwright_runtime.engine import open_session
    from modelwright_runtime.graphcheck import check_graph

    graph = Graph()
    tensor = emit(graph, graph.input("x", "float64", (None, asked.shape[1])))
    graph.output("answers", tensor, "float64", (None, said.shape[1]))
    encoded = graph.to_bytes()
    check_graph(encoded)
    domains = {node.domain for node in onnx.load_from_string(encoded).graph.node}
    assert domains <= {"", "ai.onnx.ml"}, "operators that are not standard"
    answer = open_session(encoded, n_threads=1).run(None, {"x": asked})[0]
    assert answer.shape == said.shape, f"{name}: nodes answer in another form"
    gaps = np.abs(answer - said) / np.maximum(1.0, np.abs(said))
    largest = float(gaps.max(initial=0.0))
    assert largest <= TOLERANCE, f"{name}: nodes and library differ by {largest:.1e}"


def _check_rows_alone(predict: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> None:
    import numpy as np

    together = predict(rows)
    turned = predict(np.ascontiguousarray(rows[::-1]))[::-1]
    alone = np.concatenate([predict(rows[place : place + 1]) for place in range(min(8, len(rows)))])
    assert np.allclose(together, turned, atol=1e-9), "an answer depends on the order of the rows"
    assert np.allclose(together[: len(alone)], alone, atol=1e-9), "an answer depends on the other rows that are asked"
