"""The conformance suite of feature steps: `check_step(STEP)` raises AssertionError where a step breaks a rule.

What it asks: the nodes give the very bits of `apply`, on random and on nasty rows; a row's features depend on
that row and the state alone; no training row's features depend on its own target; gaps, unseen levels, an
empty block, one row and a constant column are taken; names match the matrix; the state survives JSON and
arrays; the same seed gives the same state.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from modelwright.features.base import State, Step
    from modelwright_runtime.signature import Task


def check_step(step: Step, settings: Mapping[str, Any] | None = None) -> None:
    """Raise AssertionError, with the rule that is broken, if a step does not keep the contract.

    >>> from modelwright.features.standardise import STEP
    >>> check_step(STEP)
    """
    for task in _tasks():
        for seed in (0, 1):
            train, test = _rows(step, 80, seed), _rows(step, 60, seed + 10, unseen=True)
            state = _check_learning(step, settings, train, task, seed)
            _check_answers(step, state, train)
            _check_answers(step, state, test)
            _check_names(step, state, test)
            _check_survives(step, state, test)
            _check_no_own_target(step, settings, train, task, seed)
        _check_edges(step, settings, task)


def _tasks() -> list[Task]:
    from modelwright_runtime.signature import Task

    return [
        Task(kind="regression", target="y"),
        Task(kind="binary", target="y", classes=("no", "yes")),
        Task(kind="multiclass", target="y", classes=("a", "b", "c")),
    ]


def _target(task: Task, n_rows: int, seed: int) -> np.ndarray:
    import numpy as np

    rng = np.random.default_rng(seed)
    return rng.integers(0, len(task.classes), n_rows) if task.is_classification else rng.normal(5, 2, n_rows)


def _rows(step: Step, n_rows: int, seed: int, *, unseen: bool = False) -> Any:
    """Rows for a step, nasty ones among them; with `unseen`, levels and words that training does not have."""
    import numpy as np

    rng = np.random.default_rng(seed)
    if step.accepts == "texts":
        words = ["good", "bad", "Straße", "naïve", "日本", "x1", "e\u0301"] + (["never"] if unseen else [])
        return ["", "?!", "good " * 50, *(" ".join(rng.choice(words, 4)) for _ in range(n_rows - 3))]
    if step.accepts == "categories":
        levels = np.array(["", "a", "b", " b", "é", "日本", "'\"\\", "NaN"] + (["new", "A"] if unseen else []), object)
        x = np.empty((n_rows, 4), dtype=object)
        x[:, 0] = levels[rng.integers(0, len(levels), n_rows)]
        x[:, 1] = levels[rng.integers(1, 3, n_rows)]
        x[:, 2] = levels[-1] if unseen else "same"
        x[:, 3] = [f"id {number}" for number in rng.integers(0, n_rows, n_rows)]
        return x
    x = rng.normal(size=(n_rows, 6)) * np.array([1.0, 1e9, 1e-9, 1.0, 1.0, 1.0])
    x[:, 3], x[:, 4], x[:, 5] = 7.0, np.nan, rng.integers(0, 3, n_rows)
    x[rng.random(n_rows) < 0.3, 0] = np.nan
    if unseen:
        nasty = [np.nan, 0.0, -0.0, 1e300, -1e300, 5e-324, 1e17, 951782400.0, -1.0, 4102444799.0]
        x[: len(nasty)] = np.array(nasty)[:, None]
    return x


def _learn(step: Step, settings: Any, x: Any, target: np.ndarray, task: Task, seed: int) -> tuple[State, Any]:
    """The state, and the matrix of the training rows."""
    import numpy as np

    spec = step.spec.parse(dict(settings or {}), where=step.name)
    rng = np.random.default_rng(seed)
    if step.learn_apply is not None:
        return step.learn_apply(x, spec=spec, target=target, task=task, rng=rng)
    state = step.learn(x, spec=spec, target=target, task=task, rng=rng)
    return state, step.apply(state, x)


def _check_learning(step: Step, settings: Any, x: Any, task: Task, seed: int) -> State:
    before = _frozen(x)
    target = _target(task, len(x), seed)
    state, matrix = _learn(step, settings, x, target, task, seed)
    again, same = _learn(step, settings, x, target, task, seed)
    assert _frozen(x) == before, "learning changes its input"
    assert _plain(state) == _plain(again), "the same seed gives another state"
    assert _equal(matrix, same), "the same seed gives other training rows"
    assert matrix.shape == (len(x), len(_names(step, state, x))), "the training matrix has another width"
    return state


def _check_answers(step: Step, state: State, x: Any) -> None:
    import numpy as np

    before = (_plain(state), _frozen(x))
    matrix = step.apply(state, x)
    assert matrix.dtype == np.float64, f"`apply` gives {matrix.dtype}, not float64"
    assert before == (_plain(state), _frozen(x)), "`apply` changes its state or its input"
    for row in (0, len(x) // 2, len(x) - 1):
        assert _equal(matrix[row : row + 1], step.apply(state, x[row : row + 1])), "a row depends on other rows"
    assert step.apply(state, x[:0]).shape == (0, matrix.shape[1]), "no rows give another width"
    if matrix.shape[1]:
        for rows in (x, x[:1], x[:0]):
            answer = _answer_of_graph(step, state, rows)
            assert _equal(answer, step.apply(state, rows)), "the nodes give other numbers than `apply`"


def _answer_of_graph(step: Step, state: State, x: Any) -> np.ndarray:
    from modelwright.graph import Graph
    from modelwright_runtime.engine import open_session
    from modelwright_runtime.signature import TextInput
    from modelwright_runtime.text import weigh

    graph, fed = Graph(), x
    if step.accepts == "texts":
        weights = tuple(float(weight) for weight in state["idf"])
        fed = weigh(x, TextInput(column="", vocabulary=tuple(state["vocabulary"]), idf=weights))
    dtype = {"numbers": "float64", "categories": "str", "texts": "float32"}[step.accepts]
    tensor = step.emit(state, graph, graph.input("x", dtype, (None, fed.shape[1])))
    graph.output("features", tensor, "float64", (None, len(_names(step, state, x))))
    answer: np.ndarray = open_session(graph.to_bytes(), n_threads=1).run(None, {"x": fed})[0]
    return answer


def _names(step: Step, state: State, x: Any) -> list[tuple[str, int]]:
    n_columns = 1 if step.accepts == "texts" else x.shape[1]
    return step.names(state, [f"column {index}" for index in range(n_columns)])


def _check_names(step: Step, state: State, x: Any) -> None:
    pairs = _names(step, state, x)
    n_columns = 1 if step.accepts == "texts" else x.shape[1]
    assert step.apply(state, x).shape[1] == len(pairs), "there is not one name per column"
    assert len({name for name, _ in pairs}) == len(pairs), "two columns have the same name"
    assert all(0 <= index < n_columns for _, index in pairs), "a name points to no input column"


def _check_survives(step: Step, state: State, x: Any) -> None:
    from modelwright.features.base import Block, FeatureState

    n_columns = 1 if step.accepts == "texts" else x.shape[1]
    columns = tuple(f"column {index}" for index in range(n_columns))
    names = tuple(name for name, _ in _names(step, state, x))
    kept = FeatureState((Block(step.accepts, columns, ((step.name, state),)),), names, names)
    plain, arrays = kept.to_plain()
    assert all(array.dtype.kind in "fiub" for array in arrays.values()), "the state has arrays of objects"
    block = json.loads(json.dumps(plain))["blocks"][0]
    read = {
        key: arrays[item["array"]] if isinstance(item, dict) and set(item) == {"array"} else item
        for key, item in block["steps"][0][1].items()
    }
    assert _equal(step.apply(read, x), step.apply(state, x)), "the state does not survive JSON and arrays"


def _check_no_own_target(step: Step, settings: Any, x: Any, task: Task, seed: int) -> None:
    """Another target of a row must leave that row's own features as they are."""
    target = _target(task, len(x), seed)
    state, matrix = _learn(step, settings, x, target, task, seed)
    names = [name for name, _ in _names(step, state, x)]
    for row in range(0, len(x), 7):
        other = target.copy()
        other[row] = (target[row] + 1) % len(task.classes) if task.is_classification else target[row] + 100.0
        state, changed = _learn(step, settings, x, other, task, seed)
        again = [name for name, _ in _names(step, state, x)]
        # which columns are made may follow from all targets; what stands in them may not
        both = [name for name in names if name in again]
        mine, new = (
            matrix[row, [names.index(name) for name in both]],
            changed[row, [again.index(name) for name in both]],
        )
        assert _equal(mine, new), "a training row's features depend on its own target"


def _check_edges(step: Step, settings: Any, task: Task) -> None:
    import numpy as np

    one = _rows(step, 5, 0)[3:4]
    state, matrix = _learn(step, settings, one, _target(task, 1, 0), task, 0)
    assert np.isfinite(matrix[~np.isnan(matrix)]).all(), "one training row gives infinities"
    _check_answers(step, state, _rows(step, 20, 1, unseen=True))
    if step.accepts != "texts":
        empty = _rows(step, 5, 0)[:, :0]
        state, matrix = _learn(step, settings, empty, _target(task, 5, 0), task, 0)
        assert matrix.shape == (5, 0) and step.apply(state, empty).shape == (5, 0), "an empty block is not taken"


def _equal(a: Any, b: Any) -> bool:
    import numpy as np

    return bool(np.array_equal(a, b, equal_nan=True))


def _plain(state: State) -> str:
    return repr({key: _frozen(value) for key, value in sorted(state.items())})


def _frozen(value: Any) -> str:
    import numpy as np

    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape} {value.tolist()}"
    return repr(value)
