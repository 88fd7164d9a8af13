"""The conformance suite of models: `check_model(MODEL)` raises AssertionError where a model breaks a rule.

What it asks, for each task that the model suits: an easy problem is learned well above the constant answer;
a row of weight 0 counts as absent and heavier rows pull; the same seed gives the same answer; the nodes answer
as `predict` does within 1e-5, on held-out and on extreme rows, on one row and on none; probabilities are
probabilities; about as many rows lie below a quantile as its level says; few rows, one column, a constant column and
a class that training lacks are taken; the graph holds standard operators and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright.models.base import Model
    from modelwright_runtime.signature import Task

TOLERANCE = 1e-5
"""Largest difference between nodes and library: of a probability, or of a value in the target's deviations."""


def check_model(model: Model, settings: Mapping[str, Any] | None = None, *, learns: bool = True) -> None:
    """Raise AssertionError, with the rule that is broken, if a model does not keep the contract.

    `learns=False` is for baselines, which need not beat the constant answer.

    >>> from modelwright.models.linear import MODEL
    >>> check_model(MODEL)
    """
    for task in _tasks():
        if not model.suits(task, 600, 4) or (task.quantiles and not model.quantiles):
            continue
        x, y = _problem(model, task, 800, seed=0)
        fitted = _fit(model, settings, x[:500], y[:500], task)
        _check_answers(fitted, model, x[500:], y, task)
        _check_graph(fitted, x.shape[1], task)
        assert model.units(model.spec.parse(dict(settings or {}), where=model.name), task, 500, 4) > 0
        if learns:
            _check_learns(fitted, x[500:], y[500:], task)
        again = _fit(model, settings, x[:500], y[:500], task)
        assert (again.predict(x) == fitted.predict(x)).all(), "the same seed gives another answer"
        _check_weights(model, settings, x, y, task)
        _check_held_out(model, settings, x, y, task)
        _check_edges(model, settings, task)


def _tasks() -> list[Task]:
    from modelwright_runtime.signature import Task

    return [
        Task(kind="binary", target="y", classes=("no", "yes")),
        Task(kind="multiclass", target="y", classes=("a", "b", "c", "d", "e")),
        Task(kind="regression", target="y"),
        Task(kind="regression", target="y", quantiles=(0.1, 0.5, 0.8)),
    ]


def _problem(model: Model, task: Task, n_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Four columns, the first of which says nearly everything; gaps where the model's preset leaves them."""
    import numpy as np

    rng = np.random.default_rng(seed)
    y: np.ndarray
    x = rng.normal(size=(n_rows, 4))
    x[:, 3] = rng.integers(0, 3, n_rows)
    signal = 2.0 * x[:, 0] - 0.5 * x[:, 1] + 0.2 * rng.normal(size=n_rows)
    if task.kind == "binary":
        y = (signal > 0.5).astype(np.int64)
    elif task.kind == "multiclass":
        # far apart and unordered, so that no model needs the classes in a row
        y = rng.integers(0, 5, n_rows, dtype=np.int64)
        x[:, :2] = 4.0 * np.stack([np.cos(1.2566 * y), np.sin(1.2566 * y)], axis=1) + x[:, :2] * 0.7
    else:
        y = 1e6 + 10.0 * signal
    if model.preset == "plain":
        x[rng.random(x.shape) < 0.05] = np.nan
    return x.astype(np.float32), y


def _fit(
    model: Model,
    settings: Mapping[str, Any] | None,
    x: np.ndarray,
    y: np.ndarray,
    task: Task,
    weights: np.ndarray | None = None,
) -> Fitted:
    import numpy as np

    spec = model.spec.parse(dict(settings or {}), where=model.name)
    return model.fit(x, y, spec=spec, task=task, weights=weights, rng=np.random.default_rng(7))


def _check_answers(fitted: Fitted, model: Model, x: np.ndarray, y: np.ndarray, task: Task) -> None:
    import numpy as np

    extreme = np.repeat(np.array([0.0, -0.0, 10.0, -10.0, 1e-30, 1e3], np.float32)[:, None], x.shape[1], axis=1)
    if model.preset == "plain":
        large = np.array([np.nan, 3.4028235e38, -3.4028235e38, 1e-45], np.float32)
        extreme = np.concatenate([extreme, np.repeat(large[:, None], x.shape[1], axis=1)])
    unit = 1.0 if task.is_classification else float(np.std(y)) or 1.0
    for rows in (x, extreme, x[:1], x[:0]):
        if len(rows):
            said = fitted.predict(rows)
            _check_form(said, len(rows), task)
        answer = _answer_of_graph(fitted, rows, task)
        _check_form(answer, len(rows), task)
        if len(rows):
            largest = float(np.abs(said - answer).max()) / unit
            assert largest <= TOLERANCE, f"nodes and library differ by {largest:.1e}"


def _check_form(answer: np.ndarray, n_rows: int, task: Task) -> None:
    import numpy as np

    assert np.isfinite(answer).all(), "an answer is not a finite number"
    if not task.is_classification:
        shape = (n_rows, len(task.quantiles)) if task.quantiles else (n_rows,)
        assert answer.shape == shape and answer.dtype == np.float64, "values have another form"
        return
    assert answer.shape == (n_rows, len(task.classes)), "there is not one probability per class"
    assert (answer >= 0).all() and (answer <= 1).all(), "a probability lies outside 0..1"
    assert np.abs(answer.sum(axis=1) - 1.0).max(initial=0.0) < 1e-6, "probabilities do not sum to 1"


def _graph_of(fitted: Fitted, n_columns: int, task: Task) -> bytes:
    from modelwright.graph import Graph

    graph = Graph()
    tensor = fitted.emit(graph, graph.input("x", "float32", (None, n_columns)))
    if task.is_classification:
        graph.output("probabilities", tensor, "float32", (None, len(task.classes)))
    else:
        graph.output("values", tensor, "float64", (None, len(task.quantiles)) if task.quantiles else (None,))
    return graph.to_bytes()


def _answer_of_graph(fitted: Fitted, x: np.ndarray, task: Task) -> np.ndarray:
    from modelwright_runtime.engine import open_session

    session = open_session(_graph_of(fitted, x.shape[1], task), n_threads=1)
    answer: np.ndarray = session.run(None, {"x": x})[0]
    return answer


def _check_graph(fitted: Fitted, n_columns: int, task: Task) -> None:
    import onnx

    encoded = _graph_of(fitted, n_columns, task)
    assert encoded == _graph_of(fitted, n_columns, task), "the graph has other bytes the second time"
    read = onnx.load_from_string(encoded)
    assert {node.domain for node in read.graph.node} <= {"", "ai.onnx.ml"}, "operators that are not standard"
    assert not read.functions, "the graph brings functions of its own"
    assert all(not tensor.external_data for tensor in read.graph.initializer), "data outside the graph"


def _check_learns(fitted: Fitted, x: np.ndarray, y: np.ndarray, task: Task) -> None:
    import numpy as np

    answer = fitted.predict(x)
    if task.is_classification:
        right = float((answer.argmax(axis=1) == y).mean())
        constant = float(np.bincount(y).max() / len(y))
        assert right > 1 / 3 + constant * 2 / 3, (
            f"right for {right:.2f} of the rows; the constant answer for {constant:.2f}"
        )
    else:
        for place, level in enumerate(task.quantiles):
            below = float((y <= answer[:, place]).mean())
            assert abs(below - level) < 0.15, f"{below:.2f} of the rows lie below the quantile {level}"
        answer = answer[:, task.quantiles.index(0.5)] if task.quantiles else answer
        left = float(((y - answer) ** 2).mean() / y.var())
        assert left < 0.4, f"{left:.2f} of the variance is left"
    if fitted.importance is not None:
        assert fitted.importance.shape == (x.shape[1],), "importance is not per column"
        assert (fitted.importance >= 0).all(), "importance is negative"


def _check_weights(model: Model, settings: Any, x: np.ndarray, y: np.ndarray, task: Task) -> None:
    """Wrong rows of weight 0 do no harm; the same rows of a high weight do."""
    import numpy as np

    n, half = 500, 250
    wrong = y[:n].copy()
    wrong[half:] = 1 if task.is_classification else y.max() + 100.0
    absent = np.where(np.arange(n) < half, 1.0, 0.0)
    held = x[n:]
    clean = _fit(model, settings, x[:half], y[:half], task).predict(held)
    ignored = _fit(model, settings, x[:n], wrong, task, absent).predict(held)
    heavy = _fit(model, settings, x[:n], wrong, task, np.where(absent > 0, 1.0, 10.0)).predict(held)
    unit = 1.0 if task.is_classification else float(y.std())
    away = float(np.abs(ignored - clean).mean()) / unit
    pulled = float(np.abs(heavy - clean).mean()) / unit
    assert away < 0.1, f"rows of weight 0 move the answer by {away:.2f}"
    assert pulled > max(0.1, 3 * away), f"rows of weight 10 move the answer by {pulled:.2f} only"


def _check_held_out(model: Model, settings: Any, x: np.ndarray, y: np.ndarray, task: Task) -> None:
    """Held-out rows with weights, and of a class that training lacks, are taken by every model."""
    import numpy as np

    from modelwright.models.base import Held

    fit = np.flatnonzero(y[:400] != 0) if task.kind == "multiclass" else np.arange(400)
    spec = model.spec.parse(dict(settings or {}), where=model.name)
    held = Held(x[500:], y[500:], np.linspace(0.5, 1.5, len(x) - 500))
    fitted = model.fit(x[fit], y[fit], spec=spec, task=task, rng=np.random.default_rng(7), valid=held)
    _check_form(fitted.predict(x[500:]), len(x) - 500, task)


def _check_edges(model: Model, settings: Any, task: Task) -> None:
    import numpy as np

    x, y = _problem(model, task, 200, seed=3)
    constant = x.copy()
    constant[:, 2] = 5.0
    cases = {
        "8 rows": (x[:8], y[:8]),
        "2 rows": (x[:2], y[:2]),
        "one column": (x[:, :1], y),
        "a constant column": (constant, y),
        "nothing but constant columns": (np.ones_like(x), y),
    }
    if task.is_classification:
        cases["one class"] = (x, np.zeros_like(y))
        cases["a class that training lacks"] = (x[y != 0], y[y != 0])
        cases["a class of one row"] = (
            x[(y != 0) | (np.arange(200) == y.argmin())],
            y[(y != 0) | (np.arange(200) == y.argmin())],
        )
    else:
        cases["one value"] = (x, np.full_like(y, 3.5))
        cases["far from zero"] = (x, y + 1e9)
    for name, (some, target) in cases.items():
        fitted = _fit(model, settings, some, target, task)
        try:
            _check_answers(fitted, model, x[:, : some.shape[1]], target, task)
        except AssertionError as problem:
            raise AssertionError(f"with {name}: {problem}") from problem
