"""`load` a package, get a `Model`; ask it with `predict`. No code of the file is ever run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modelwright_runtime.archive import parse_json, read_archive
from modelwright_runtime.cells import CategoryCells, Notes, NumberCells, column_of, is_table
from modelwright_runtime.engine import ENGINE_ERRORS, open_session
from modelwright_runtime.errors import SystemFault, UserError
from modelwright_runtime.graphcheck import check_graph
from modelwright_runtime.predictions import Predictions, decide
from modelwright_runtime.signature import Signature
from modelwright_runtime.text import weigh

GOLDEN_TOLERANCE = 1e-5
_FEW_ROWS = 8  # up to here rows are read cell by cell, above column by column
_SMALL_BATCH = 256  # up to here one thread answers sooner than several
_MAX_CHUNK_CELLS = 2**24  # what one call of the graph may be fed: 128 MB of float64


class Model:
    """A loaded model. It has no settings and never changes; threads may share it.

    `columns` are the names that every row must have. `facts` holds the package's other members as plain data
    (`metrics`, `profile`, `data`, `environment`, `decisions`, `card`, `golden`).
    """

    def __init__(
        self, graph: bytes, signature: Signature, *, name: str = "model", facts: Mapping[str, Any] | None = None
    ) -> None:
        self.name = name
        self.signature = signature
        self.facts = dict(facts or {})
        readings = {reading.column: reading for reading in signature.readings}
        texts = tuple(text.column for text in signature.texts)
        self.columns = tuple(dict.fromkeys([*signature.numbers, *signature.categories, *texts]))
        for column in self.columns:
            if column not in readings:
                raise UserError("package.signature", f"the signature does not say how {column!r} is read.")
        self._numbers = [NumberCells(readings[column]) for column in signature.numbers]
        self._categories = [
            CategoryCells(readings[column], signature.levels.get(column)) for column in signature.categories
        ]
        self._texts = [CategoryCells(readings[column], None) for column in texts]
        width = len(self.columns) + sum(len(text.vocabulary) for text in signature.texts)
        self._chunk_rows = max(1, min(signature.n_rows_at_once, max(256, _MAX_CHUNK_CELLS // max(width, 1))))
        self._graph = graph
        self._single = _opened(graph, signature, n_threads=1)
        self._many: Any = None

    def __repr__(self) -> str:
        task = self.signature.task
        return f"Model({self.name!r}: {task.kind} of {task.target!r} from {len(self.columns)} columns)"

    def predict(self, rows: Any, *, strict: bool = False) -> Predictions:
        """Answer raw rows: read the cells as training did, then run the graph.

        `rows` is one row as a dict, a list of dicts, a dict of columns (lists or arrays of equal length), or a
        Polars or pandas frame. An unseen category gives a warning; an unreadable cell gives a warning and
        counts as missing. When `strict`, an unreadable cell or an unknown column is refused.

        Raises `UserError` `rows.missing_column`, `rows.shape`, and when strict `rows.cell` or
        `rows.unknown_column`, each naming row and column. Cost: about 0.05 ms for one row.
        """
        notes = Notes(strict)
        if is_table(rows):
            answer = self._answer_table(rows, notes)
        else:
            answer = self._answer_rows([rows] if isinstance(rows, Mapping) else rows, notes)
        task = self.signature.task
        return Predictions(
            prediction=decide(answer, self.signature),
            probabilities=answer if task.is_classification else None,
            classes=task.classes,
            warnings=tuple(notes.kept),
            n_more_warnings=notes.n_more,
            target=task.target,
        )

    def _answer_rows(self, rows: Sequence[Mapping[str, Any]], notes: Notes) -> np.ndarray:
        if not isinstance(rows, Sequence) or isinstance(rows, (str, bytes)):
            raise UserError(
                "rows.shape",
                f"rows must be a dict, a list of dicts or a table; got {type(rows).__name__}.",
                hint='one row looks like {"' + (self.columns or ("column",))[0] + '": ...}',
            )
        self._check_names(rows, notes.strict)
        if len(rows) <= _FEW_ROWS:
            return self._run(self._feeds_of_rows(rows, notes), len(rows))
        table = {name: [row[name] for row in rows] for name in self.columns}
        return self._answer_columns(table, len(rows), notes)

    def _answer_table(self, table: Any, notes: Notes) -> np.ndarray:
        known = list(table.keys() if isinstance(table, Mapping) else table.columns)
        for name in self.columns:
            if name not in known:
                raise self._missing(name, "the table")
        if notes.strict:
            self._refuse_unknown(known, "the table")
        columns = {name: column_of(table, name) for name in self.columns}
        lengths = {name: len(column) for name, column in columns.items()}
        n_rows = next(iter(lengths.values()), 0)
        for name, length in lengths.items():
            if length != n_rows:
                raise UserError(
                    "rows.shape",
                    f"column {name!r} has {length} values, column {self.columns[0]!r} has {n_rows}.",
                )
        return self._answer_columns(columns, n_rows, notes)

    def _answer_columns(self, columns: Mapping[str, Any], n_rows: int, notes: Notes) -> np.ndarray:
        if n_rows <= self._chunk_rows:
            return self._run(self._feeds_of_columns(columns, n_rows, notes), n_rows)
        answers = []
        for start in range(0, n_rows, self._chunk_rows):
            notes.first_row = start
            part = {name: column[start : start + self._chunk_rows] for name, column in columns.items()}
            size = min(self._chunk_rows, n_rows - start)
            answers.append(self._run(self._feeds_of_columns(part, size, notes), size))
        return np.concatenate(answers)

    def _check_names(self, rows: Sequence[Mapping[str, Any]], strict: bool) -> None:  # noqa: FBT001
        n_columns = len(self.columns)
        for index, row in enumerate(rows):
            if not isinstance(row, Mapping):
                raise UserError(
                    "rows.shape",
                    f"row {index} is no object of column names and values; got {type(row).__name__}.",
                )
            for name in self.columns:
                if name not in row:
                    raise self._missing(name, f"row {index}")
            if strict and len(row) != n_columns:
                self._refuse_unknown(row, f"row {index}")

    def _missing(self, name: str, where: str) -> UserError:
        return UserError(
            "rows.missing_column",
            f"{where} has no column {name!r}, which the model needs.",
            hint=f"send null for a missing value; the model needs {', '.join(self.columns[:40])}",
        )

    def _refuse_unknown(self, names: Any, where: str) -> None:
        for name in names:
            if name not in self.columns:
                is_target = name == self.signature.task.target
                known = f"the model knows {', '.join(self.columns[:40])}"
                raise UserError(
                    "rows.unknown_column",
                    f"{where} has the column {str(name)[:100]!r}, which the model does not take.",
                    hint="it is what the model predicts; leave it out" if is_target else known,
                )

    def _feeds_of_rows(self, rows: Sequence[Mapping[str, Any]], notes: Notes) -> dict[str, np.ndarray]:
        feeds: dict[str, np.ndarray] = {}
        if self._numbers:
            feeds["numbers"] = np.array(
                [[cells.one(row[cells.column], i, notes) for cells in self._numbers] for i, row in enumerate(rows)],
                dtype=np.float64,
            ).reshape(len(rows), len(self._numbers))
        if self._categories:
            feeds["categories"] = np.array(
                [[cells.one(row[cells.column], i, notes) for cells in self._categories] for i, row in enumerate(rows)],
                dtype=object,
            ).reshape(len(rows), len(self._categories))
        for index, cells in enumerate(self._texts):
            texts = [cells.one(row[cells.column], i, notes) for i, row in enumerate(rows)]
            feeds[f"text_{index}"] = weigh(texts, self.signature.texts[index])
        return feeds

    def _feeds_of_columns(self, columns: Mapping[str, Any], n_rows: int, notes: Notes) -> dict[str, np.ndarray]:
        feeds: dict[str, np.ndarray] = {}
        if self._numbers:
            numbers = feeds["numbers"] = np.empty((n_rows, len(self._numbers)), dtype=np.float64)
            for index, number in enumerate(self._numbers):
                numbers[:, index] = number.many(columns[number.column], notes)
        if self._categories:
            categories = feeds["categories"] = np.empty((n_rows, len(self._categories)), dtype=object)
            for index, category in enumerate(self._categories):
                categories[:, index] = category.many(columns[category.column], notes)
        for index, cells in enumerate(self._texts):
            texts = cells.many(columns[cells.column], notes).tolist()
            feeds[f"text_{index}"] = weigh(texts, self.signature.texts[index])
        return feeds

    def _run(self, feeds: dict[str, np.ndarray], n_rows: int) -> np.ndarray:
        task = self.signature.task
        shape = (n_rows, len(task.classes)) if task.is_classification else (n_rows,)
        if not n_rows:
            return np.empty(shape, dtype=np.float32 if task.is_classification else np.float64)
        session = self._single
        if n_rows > _SMALL_BATCH:
            if self._many is None:
                self._many = _opened(self._graph, self.signature, n_threads=0)
            session = self._many
        try:
            answer: np.ndarray = session.run(None, feeds)[0]
        except ENGINE_ERRORS as problem:
            raise SystemFault("model.run", f"the graph failed on these rows: {_first_line(problem)}.") from None
        if answer.shape != shape:
            raise SystemFault("model.run", f"the graph gave shape {answer.shape} where {shape} was due.")
        return answer


def _first_line(problem: Exception) -> str:
    return str(problem).strip().splitlines()[0][:200].rstrip(".") if str(problem).strip() else "no reason given"


def _opened(graph: bytes, signature: Signature, *, n_threads: int) -> Any:
    try:
        session = open_session(graph, n_threads=n_threads)
    except ENGINE_ERRORS as problem:
        raise UserError("package.graph", f"the graph cannot be used: {_first_line(problem)}.") from None
    expected = [f"text_{index}" for index in range(len(signature.texts))]
    expected += ["numbers"] * bool(signature.numbers) + ["categories"] * bool(signature.categories)
    given = sorted(item.name for item in session.get_inputs())
    if given != sorted(expected):
        raise UserError("package.signature", f"the graph takes {given}, the signature feeds {sorted(expected)}.")
    return session


def load(path: str | Path) -> Model:
    """Open a package: verify every byte, refuse what is foreign, replay the golden rows, and be ready.

    Nothing of the file is run but the graph, by onnxruntime, with standard operators only. Raises `UserError`
    with a code `package.*` when the file is damaged, foreign, of a newer format, or does not answer its
    golden rows as it did where it was made. Cost: about 0.1 s for a graph of 10 MB.
    """
    manifest, members, digest = read_archive(path)
    facts: dict[str, Any] = {
        name.removesuffix(".json"): parse_json(data, f"{name} of {path}")
        for name, data in members.items()
        if name.endswith(".json")
    }
    facts["card"] = _text(members["card.md"], path)
    facts["digest"] = digest
    check_graph(members["model.onnx"])
    signature = _signature(facts.pop("signature"), path)
    model = Model(members["model.onnx"], signature, name=manifest["name"], facts=facts)
    largest = replay(model, facts["golden"])
    if not largest <= GOLDEN_TOLERANCE:
        raise UserError(
            "package.golden",
            f"{path} does not answer here as it did where it was made: its golden rows differ by {largest:.2g} "
            f"(at most {GOLDEN_TOLERANCE:g} is allowed).",
            hint="use an onnxruntime of the version in the package's environment.json, or package the model again",
        )
    model.facts["largest_difference"] = largest
    return model


def _text(data: bytes, path: str | Path) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise UserError("package.member", f"{path}: 'card.md' is no UTF-8 text.") from None


def _signature(plain: Any, path: str | Path) -> Signature:
    try:
        return Signature.from_plain(plain)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise UserError("package.signature", f"the signature of {path} is damaged: {problem!r}.") from None


def replay(model: Model, golden: Any) -> float:
    """Answer the golden rows and return the largest difference from what they expect.

    Probabilities differ absolutely, values relative to their size (at least 1). Answers that are not finite
    are written as null and must be so again; anything else counts as infinitely different.
    """
    try:
        rows, expected = golden["rows"], golden["expected"]
        answer = model.predict(rows)
        wanted = np.array(expected, dtype=np.float64)
    except (KeyError, TypeError, ValueError) as problem:
        raise UserError("package.golden", f"the golden rows cannot be replayed: {problem}.") from None
    given = answer.probabilities if answer.probabilities is not None else answer.prediction
    if wanted.shape != given.shape or not len(rows):
        return math.inf
    return largest_difference(given.astype(np.float64), wanted, relative=answer.probabilities is None)


def largest_difference(given: np.ndarray, wanted: np.ndarray, *, relative: bool) -> float:
    """The largest difference between two float64 arrays of one shape; infinite where only one is finite.

    >>> largest_difference(np.array([100.0, 1.0]), np.array([101.0, 1.0]), relative=True)
    0.00990...
    """
    finite = np.isfinite(wanted)
    if not np.array_equal(finite, np.isfinite(given)):
        return math.inf
    gaps = np.abs(given[finite] - wanted[finite])
    if relative:
        gaps = gaps / np.maximum(1.0, np.abs(wanted[finite]))
    return float(gaps.max(initial=0.0))
