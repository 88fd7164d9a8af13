"""One small model that answers as the joined ensemble, or the network, did for rows that it had not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.core import registry
from modelwright.core.data import Dataset
from modelwright.core.rng import stream
from modelwright.packaging.compression.case import Compression, Variant

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Fitted
    from modelwright.packaging.compression.case import Case
    from modelwright_runtime.signature import Signature

STUDENTS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("linear", "linear", "scaled", {}),
    ("boosting 30", "boosting", "plain", {"rounds": 30, "learning_rate": 0.2, "leaves": 8}),
    ("boosting 60", "boosting", "plain", {"rounds": 60, "learning_rate": 0.12, "leaves": 12}),
    ("boosting 100", "boosting", "plain", {"rounds": 100, "learning_rate": 0.1, "leaves": 16}),
)
MOST_ROWS, MOST_FOLDS, MOST_CLASSES = 20_000, 5, 20
OF_TEACHER = 0.5
"""Share of the teacher's answer in what is learned; the rest is the truth."""
READABLE = ("number", "boolean", "datetime", "category", "text")


def _make(case: Case) -> list[Variant]:
    """What is learned mixes the truth with the teacher's cross-validated answers, which overfit no row.

    The answers that a student is judged by come from students of the truth alone: the teacher's answer to a row was
    made by a model that knew the row's neighbours, the judged ones among them, and would give them away.

    References: Bucila, Caruana and Niculescu-Mizil (2006), "Model compression"; Hinton, Vinyals and Dean (2015),
    "Distilling the knowledge in a neural network".
    """
    from modelwright.packaging.compression.score import truth_of

    truth = truth_of(case.trained.task, case.rows)
    assert truth is not None  # `suits` asks for it
    return [_taught(case, truth, *student) for student in STUDENTS]


def _suits(case: Case) -> str:
    task, schema = case.trained.task, case.rows.schema
    if task.kind not in ("binary", "multiclass", "regression") or case.trained.signature.more_tasks:
        return "students learn one class or one value"
    if task.columns or task.sets or task.quantiles:
        return "intervals, sets and quantiles are those of the model itself"
    if len(task.classes) > MOST_CLASSES:
        return f"there are more than {MOST_CLASSES} classes"
    if any(schema[name].kind not in READABLE for name in schema.features):
        return "a picture, a sound or a series is beyond a small model"
    if case.validation is None or not _is_known(case.validation).any():
        return "there are no cross-validated answers to learn from"
    return "rows have weights" if schema.of_role("weight") else ""


def _is_known(validation: np.ndarray) -> np.ndarray:
    import numpy as np

    known: np.ndarray = np.isfinite(validation.reshape(len(validation), -1)).all(axis=1)
    return known


def _taught(case: Case, truth: np.ndarray, name: str, model: str, preset: str, settings: dict[str, Any]) -> Variant:
    """The student fitted on all rows, and its answers to rows that it was not fitted on."""
    import numpy as np

    rng, how = stream(case.seed, "compression", name), (model, preset, settings)
    plain, mixed = _aims(case, truth, 0.0), _aims(case, truth, OF_TEACHER)
    honest = np.full_like(case.validation, np.nan, dtype=np.float64)
    known = _is_known(case.validation) if case.validation is not None else np.zeros(0, bool)
    pairs = sorted(
        case.splits.pairs(), key=lambda pair: -int(known[pair[1]].sum())
    )  # a network may judge one fold only
    for fit, valid in pairs[:MOST_FOLDS]:
        state, fitted = _fit(case, truth, plain, _some(fit, rng), how, rng)
        valid = _some(valid, rng)
        honest[valid] = fitted.predict(registry.verbs("features").apply(state, _rows(case.rows, valid)))
    everything = _some(np.arange(case.rows.n_rows), rng)
    state, fitted = _fit(case, truth, mixed, everything, how, rng)
    graph, signature = _written(case, state, fitted)
    return Variant(name=f"student {name}", graph=graph, signature=signature, honest=honest)


def _some(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    import numpy as np

    return rows if len(rows) <= MOST_ROWS else np.sort(rng.permutation(rows)[:MOST_ROWS])


def _rows(data: Dataset, positions: np.ndarray) -> Dataset:
    frame = data.frame[positions]
    return Dataset(frame.lazy(), data.schema, frame.height, data.origin)


How = tuple[str, str, dict[str, Any]]


def _fit(
    case: Case, truth: np.ndarray, aims: np.ndarray, rows: np.ndarray, how: How, rng: np.random.Generator
) -> tuple[Any, Fitted]:
    """Features and a model that learns soft answers: each row once for each class, with its probability as weight."""
    import numpy as np

    model, preset, settings = how
    method, task = registry.get("models", model), case.trained.task
    verbs = registry.verbs("features")
    data = _rows(case.rows, rows)
    state, x = verbs.learn_apply(data, data.schema.features, verbs.preset(preset), truth[rows], task=task, rng=rng)
    spec = method.spec.parse(settings, where=model)
    aims = aims[rows]
    if not task.is_classification:
        return state, method.fit(x, aims, spec=spec, task=task, rng=rng)
    which, classes = np.nonzero(aims > 0.01)
    weights = aims[which, classes]
    return state, method.fit(x[which], classes, spec=spec, task=task, rng=rng, weights=weights)


def _aims(case: Case, truth: np.ndarray, of_teacher: float) -> np.ndarray:
    """What is to be learned: (n, n_classes) or (n,); the truth alone for rows without a cross-validated answer."""
    import numpy as np

    task, validation = case.trained.task, case.validation
    plain = np.eye(len(task.classes))[truth] if task.is_classification else truth.astype(np.float64)
    if validation is None:
        return plain
    known = _is_known(validation)
    aims = plain.copy()
    aims[known] = of_teacher * validation[known] + (1.0 - of_teacher) * plain[known]
    return aims


def _written(case: Case, state: Any, fitted: Fitted) -> tuple[bytes, Signature]:
    """The student as a graph of its own, and what it takes."""
    from dataclasses import replace

    from modelwright.graph import Graph
    from modelwright_runtime.reading import Reading

    task, old = case.trained.task, case.trained.signature
    verbs, graph = registry.verbs("features"), Graph()
    inputs = verbs.shared_inputs([state])
    inputs.declare(graph)
    told = graph.tensor(fitted.emit(graph, verbs.emit(state, graph, inputs)))
    if task.is_classification:
        wide = graph.tensor(told.cast("float64")).cast("float32")
        graph.output("probabilities", wide, "float32", (None, len(task.classes)))
    else:
        graph.output("values", told.cast("float64"), "float64", (None,))
    texts = tuple(dict.fromkeys(text.column for text in inputs.texts))
    columns = (*inputs.numbers, *inputs.categories, *texts)
    levels, ranges = verbs.seen(case.rows, columns)
    readings = {reading.column: reading for reading in old.readings}
    plain = {name: Reading(column=name, kind=case.rows.schema[name].kind) for name in columns}  # type: ignore[arg-type]
    signature = replace(
        old, readings=tuple(readings.get(name, plain[name]) for name in columns), numbers=inputs.numbers,
        categories=inputs.categories, texts=inputs.texts, levels=levels, ranges=ranges, arrays=(),
        n_rows_at_once=max(256, min(65_536, 2**25 // max(fitted.n_cells_per_row, 1))),
    )  # fmt: skip
    return graph.to_bytes(), signature


COMPRESSION = Compression(name="student", suits=_suits, make=_make)
