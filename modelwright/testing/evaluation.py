"""The suite that every metric passes, and small trained models to evaluate, made without training."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    import polars as pl

    from modelwright.core.data import Dataset
    from modelwright.core.values import Trained
    from modelwright.evaluation.metrics import Measure
    from modelwright.evaluation.sums import Held


def check_measure(measure: Measure, truth: np.ndarray, answer: np.ndarray) -> None:
    """Raise AssertionError unless the metric keeps its contract on these rows.

    A weight of two is the row twice, order does not matter, many weight vectors give what each gives alone,
    the number lies within the metric's bounds, and no weight at all gives NaN without a warning.

    >>> import numpy as np
    >>> from modelwright.evaluation.catalogue import METRICS
    >>> check_measure(METRICS["regression"]["mae"], np.array([1.0, 2.0]), np.array([1.5, 2.0]))
    """
    import numpy as np

    from modelwright.evaluation.names import NAMES

    rng = np.random.default_rng(0)
    many = rng.integers(0, 4, size=(5, len(truth))).astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        together = measure.function(truth, answer, many)
        alone = np.array([float(measure.function(truth, answer, weights)) for weights in many])
        nothing = float(measure.function(truth, answer, np.zeros(len(truth))))
        value = float(measure.function(truth, answer, np.ones(len(truth))))
        shuffled = rng.permutation(len(truth))
        again = float(measure.function(truth[shuffled], answer[shuffled], np.ones(len(truth))))
    assert together.shape == (5,), f"{measure.name}: weights of shape (5, n) gave shape {together.shape}"
    np.testing.assert_allclose(together, alone, rtol=1e-12, err_msg=f"{measure.name}: batch and single differ")
    np.testing.assert_allclose(again, value, rtol=1e-10, err_msg=f"{measure.name}: the order of rows matters")
    assert np.isnan(nothing), f"{measure.name}: no rows at all gave {nothing}"
    bounds = NAMES[measure.name]
    for number in together[np.isfinite(together)]:
        assert bounds.low is None or number >= bounds.low - 1e-12, f"{measure.name}: {number} is too low"
        assert bounds.high is None or number <= bounds.high + 1e-12, f"{measure.name}: {number} is too high"
    if measure.name != "calibration_error":  # its bins follow the rows, not their weights
        _check_repeats(measure, truth, answer, many[0], float(together[0]))


def _check_repeats(measure: Measure, truth: np.ndarray, answer: np.ndarray, times: np.ndarray, weighted: float) -> None:
    import numpy as np

    rows = np.repeat(np.arange(len(truth)), times.astype(int))
    repeated = float(measure.function(truth[rows], answer[rows], np.ones(rows.size)))
    np.testing.assert_allclose(
        weighted, repeated, rtol=1e-9, err_msg=f"{measure.name}: a weight of k is not the row k times"
    )


def check_evidence(measure: Measure, evidence: Held, repeated: Callable[[np.ndarray], Held]) -> None:
    """The same contract for a metric of summed-up rows; `repeated(times)` gives the rows so many times.

    >>> import numpy as np
    >>> from modelwright.evaluation.catalogue import METRICS
    >>> from modelwright.evaluation.masks import mask_sums
    >>> pictures = [np.array([[3.0, 1.0], [0.0, 2.0]]), np.array([[5.0, 0.0], [1.0, 1.0]])]
    >>> again = lambda times: mask_sums(list(np.repeat(pictures, times, axis=0)), ("a", "b"))
    >>> check_evidence(METRICS["segmentation"]["dice"], again(np.array([1, 1])), again)
    """
    import numpy as np

    from modelwright.evaluation.names import NAMES

    rng = np.random.default_rng(0)
    many = rng.integers(0, 4, size=(5, evidence.n_rows)).astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        together = evidence.measured(measure, many)
        alone = np.array([float(evidence.measured(measure, weights)) for weights in many])
        nothing = float(evidence.measured(measure, np.zeros(evidence.n_rows)))
    assert together.shape == (5,), f"{measure.name}: weights of shape (5, n) gave shape {together.shape}"
    np.testing.assert_allclose(together, alone, rtol=1e-12, err_msg=f"{measure.name}: batch and single differ")
    assert np.isnan(nothing), f"{measure.name}: no rows at all gave {nothing}"
    bounds = NAMES[measure.name]
    for number in together[np.isfinite(together)]:
        assert bounds.low is None or number >= bounds.low - 1e-12, f"{measure.name}: {number} is too low"
        assert bounds.high is None or number <= bounds.high + 1e-12, f"{measure.name}: {number} is too high"
    again = float(repeated(many[0].astype(int)).measured(measure))
    np.testing.assert_allclose(
        together[0], again, rtol=1e-9, err_msg=f"{measure.name}: a weight of k is not the row k times"
    )


def linear_trained(
    columns: Sequence[str],
    coefficients: np.ndarray,
    intercept: np.ndarray,
    *,
    target: str,
    classes: tuple[str, ...] = (),
    leaderboard: Sequence[Mapping[str, Any]] = (),
    threshold: float = 0.5,
) -> Trained:
    """A linear or (multinomial) logistic model as a `Trained`, its graph written by hand.

    `coefficients` has shape (n_outputs, n_columns) and `intercept` (n_outputs,), as scikit-learn has them.

    >>> import numpy as np
    >>> trained = linear_trained(["x"], np.array([[2.0]]), np.array([1.0]), target="y")
    >>> trained.task.kind
    'regression'
    """
    import numpy as np

    from modelwright.core.values import Candidate, Trained
    from modelwright_runtime.reading import Reading
    from modelwright_runtime.signature import Signature, Task

    kind = "regression" if not classes else "binary" if len(classes) == 2 else "multiclass"
    strength = np.abs(coefficients).sum(axis=0)
    return Trained(
        graph=_graph(len(columns), coefficients, intercept, kind),
        signature=Signature(
            task=Task(kind=kind, target=target, classes=classes),  # type: ignore[arg-type]
            readings=tuple(Reading(column=name, kind="number") for name in columns),
            numbers=tuple(columns),
            threshold=threshold,
        ),
        leaderboard=tuple(Candidate(**line) for line in leaderboard),
        validation=np.zeros(0),
        importance=dict(zip(columns, (strength / max(strength.sum(), 1e-300)).tolist(), strict=True)),
        decisions=(),
        parity=0.0,
    )


def _graph(n_columns: int, coefficients: np.ndarray, intercept: np.ndarray, kind: str) -> bytes:
    from modelwright.graph import Graph

    graph = Graph()
    x = graph.input("numbers", "float64", (None, n_columns))
    scores = graph.node("MatMul", x, graph.constant(coefficients.T, "float64"))
    scores = graph.node("Add", scores, graph.constant(intercept, "float64"))
    if kind == "regression":
        values = graph.node("Squeeze", scores, graph.constant([1], "int64"))
        graph.output("values", values, "float64", (None,))
        return graph.to_bytes()
    if kind == "binary":
        of_one = graph.node("Sigmoid", scores)
        of_other = graph.node("Sub", graph.constant([[1.0]], "float64"), of_one)
        chances = graph.node("Concat", of_other, of_one, axis=1)
    else:
        chances = graph.node("Softmax", scores, axis=1)
    n_classes = max(2, len(intercept))
    graph.output("probabilities", graph.node("Cast", chances, to=1), "float32", (None, n_classes))
    return graph.to_bytes()


def straight_line(*, n_rows: int, noise: float = 1.0, seed: int = 0) -> tuple[Trained, Dataset]:
    """The model y = 2 x + 1 and rows that follow it but for normal noise.

    >>> trained, data = straight_line(n_rows=3)
    >>> data.n_rows, trained.predict(data).shape
    (3, (3,))
    """
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(seed)
    x = rng.normal(size=n_rows)
    frame = pl.DataFrame({"x": x, "y": 2.0 * x + 1.0 + noise * rng.normal(size=n_rows)})
    line = {"name": "line", "model": "linear", "settings": {}, "metric": "rmse", "score": noise}
    trained = linear_trained(
        ["x"], np.array([[2.0]]), np.array([1.0]), target="y", leaderboard=[{**line, "weight": 1.0}]
    )
    return trained, as_dataset(frame, "y")


def as_dataset(frame: pl.DataFrame, target: str, *, roles: Mapping[str, str] | None = None) -> Dataset:
    """A frame with typed columns as a Dataset: kinds follow the types, texts are categories.

    >>> import polars as pl
    >>> as_dataset(pl.DataFrame({"x": [1.0], "y": ["a"]}), "y").schema["y"].kind
    'category'
    """
    from modelwright.core.data import Column, Dataset, Schema

    wanted = {**(roles or {}), target: "target"}
    columns = [
        Column(name, _kind(frame[name]), wanted.get(name, "feature"))  # type: ignore[arg-type]
        for name in frame.columns
    ]
    return Dataset.from_frame(frame, Schema(tuple(columns)))


def _kind(series: pl.Series) -> Any:
    import polars as pl

    if series.dtype == pl.Boolean:
        return "boolean"
    if series.dtype.is_temporal():
        return "datetime"
    return "number" if series.dtype.is_numeric() else "category"
