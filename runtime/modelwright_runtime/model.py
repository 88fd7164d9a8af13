"""`load` a package, get a `Model`; ask it with `predict`. No code of the file is ever run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modelwright_runtime.archive import parse_json, read_archive
from modelwright_runtime.array_cells import ArrayCells, Missing
from modelwright_runtime.arrays import n_cells_at_work, rows_at_once
from modelwright_runtime.beside import told_beside
from modelwright_runtime.cells import CategoryCells, Note, Notes, NumberCells, QuickNumbers, column_of, is_table
from modelwright_runtime.engine import ENGINE_ERRORS, n_cores, open_session
from modelwright_runtime.errors import SystemFault, UserError
from modelwright_runtime.graphcheck import check_graph
from modelwright_runtime.predictions import Predictions, check_finite, decide_task
from modelwright_runtime.reading import Reading
from modelwright_runtime.signature import ArrayInput, Signature, Task
from modelwright_runtime.text import weigh
from modelwright_runtime.unlabelled import KINDS, named, shape_of

GOLDEN_TOLERANCE = 1e-5
NETWORK_TOLERANCE = 1e-4  # networks reckon in float32 all the way
WHOLE_TOLERANCE = 2e-2  # where activations are rounded to 8 bits, the last bit of a float can move one by a step
_WHOLE_OPERATORS = (b"QuantizeLinear", b"MatMulInteger")
N_SKETCHED = 512  # of each answer of thousands of numbers (boxes, masks) so many are kept in golden rows
_FEW_ROWS = 64  # up to here rows are read cell by cell, above column by column
_SMALL_BATCH = 256  # up to here one thread answers sooner than several
_SMALL_WORK = 2**20  # numbers at work in a network; from here on threads pay
_MAX_CHUNK_CELLS = 2**24  # what one call of the graph may be fed: 128 MB of float64

Feeds = dict[str, np.ndarray]
Sizes = Sequence[tuple[int, int] | None]
Warned = tuple[Sequence[Note], int]
Keep = Callable[[tuple[np.ndarray, ...], Sizes], tuple[np.ndarray, ...]]


class Model:
    """A loaded model. It has no settings and never changes; threads may share it.

    `columns` are the names that every row must have, `kinds` what each is. `facts` holds the package's other members
    as plain data (`metrics`, `profile`, `data`, `environment`, `decisions`, `card`, `golden`).
    """

    def __init__(
        self, graph: bytes, signature: Signature, *, name: str = "model", facts: Mapping[str, Any] | None = None
    ) -> None:
        self.name = name
        self.signature = signature
        self.facts = dict(facts or {})
        readings = {reading.column: reading for reading in signature.readings}
        texts = tuple(text.column for text in signature.texts)
        in_arrays = [column for array in signature.arrays for column in array.columns]
        inputs = tuple(dict.fromkeys([*signature.numbers, *signature.categories, *texts, *in_arrays]))
        self._groups = signature.group_thresholds
        self.columns = tuple(dict.fromkeys([*inputs, *(self._groups.names if self._groups else ())]))
        for column in self.columns:
            if column not in readings:
                raise UserError("package.signature", f"the signature does not say how {column!r} is read.")
        self._numbers = [NumberCells(readings[column]) for column in signature.numbers]
        self._categories = [
            CategoryCells(readings[column], signature.levels.get(column)) for column in signature.categories
        ]
        self._texts = [CategoryCells(readings[column], None) for column in texts]
        self._arrays = [ArrayCells(array, readings, signature.levels) for array in signature.arrays]
        self._group_cells = [_group_cells(readings[name]) for name in (self._groups.names if self._groups else ())]
        self._told_of = frozenset(inputs)
        whole = [column for column in inputs if readings[column].kind in ("image", "audio", "series")]
        self._needs_some = tuple(whole) if len(whole) == len(inputs) else ()
        self._lists = frozenset(column for column in whole if readings[column].kind == "series")
        self._tasks, self._beside = signature.tasks, signature.beside
        self.kinds: dict[str, str] = {column: readings[column].kind for column in self.columns}
        self._known = frozenset(self.columns)
        self.plain_numbers = bool(self.columns) and set(self.kinds.values()) == {"number"} and self._groups is None
        self._quick = QuickNumbers(self._numbers) if self._numbers else None
        self._picture = _picture_input(signature)
        width = len(self.columns) + sum(len(text.vocabulary) for text in signature.texts)
        most = max(256, _MAX_CHUNK_CELLS // max(width, 1))
        self._chunk_rows = max(1, min(rows_at_once(signature), most))
        work = sum(map(n_cells_at_work, signature.arrays))
        self._few_rows = min(_SMALL_BATCH, _SMALL_WORK // work) if work else _SMALL_BATCH
        if n_cores() == 1:  # threads would take turns
            self._few_rows = self._chunk_rows
        self._graph = graph
        self._single = _opened(graph, signature, n_threads=1)
        self._many: Any = None

    @property
    def rows_at_once(self) -> int:
        """How many rows are fed to the graph at once: who streams rows gives parts of this size."""
        return self._chunk_rows

    def __repr__(self) -> str:
        task = self.signature.task
        return f"Model({self.name!r}: {task.kind} of {task.target!r} from {len(self.columns)} columns)"

    def predict(self, rows: Any, *, strict: bool = False) -> Predictions:
        """Answer raw rows: read the cells as training did, then run the graph.

        `rows` is one row as a dict, a list of dicts, a dict of columns (lists or arrays of equal length), a Polars or
        pandas frame, or, of numbers alone, an array (n, columns) in their order. An unseen category gives a warning; an
        unreadable cell gives one and counts as missing. When `strict`, that or an unknown column is refused.

        Images and sounds are the file's bytes or their base64, series lists of numbers. A row is refused when the
        model answers from such columns alone and none of them can be read.

        Raises `UserError` `rows.missing_column`, `rows.shape`, `rows.cell` for such a row, and when strict `rows.cell`,
        `rows.unknown_column` or `rows.answer` (none is finite), naming row and column. Cost: 0.05 ms for one row.
        """
        notes = Notes(strict)
        answers = self._ask(rows, notes, self._kept)
        if strict:
            check_finite(answers)
        threshold = self.signature.threshold if self._groups is None else self.thresholds(rows, notes)
        warned = (notes.kept, notes.n_more)
        if len(answers) == 1:
            return _told(self._tasks[0], answers[0], threshold, warned=warned)
        numbers = {task.target: one for task, one in zip(self._beside, answers[len(self._tasks) :], strict=True)}
        more = tuple(
            _told(task, answers[place], self.signature.threshold_at(place), numbers.get(task.target))
            for place, task in enumerate(self._tasks)
            if place
        )
        first = self._tasks[0]
        return _told(first, answers[0], threshold, numbers.get(first.target), warned=warned, more=more)

    def thresholds(self, rows: Any, notes: Notes | None = None) -> float | np.ndarray:
        """From which probability on rows are told `classes[1]`: one for all, or float64 (n,) where groups differ."""
        if self._groups is None:
            return self.signature.threshold
        notes = notes or Notes()
        notes.first_row = 0
        table = is_table(rows, self._lists)
        listed = [rows] if isinstance(rows, Mapping) and not table else rows
        values: dict[str, list[Any]] = {}
        for cells in self._group_cells:
            name = cells.column
            column = column_of(rows, name) if table else [row[name] for row in listed]
            told_of = name in self._told_of  # a cell that the graph is fed too has its note
            values[name] = cells.many(column, Notes() if told_of else notes).tolist()
        return self._groups.of_rows(values, self.signature.threshold)

    def feeds(self, rows: Any) -> Feeds:
        """The graph's inputs for raw rows, read as `predict` reads them: for who mixes the inputs of several rows, as
        explanations do. All rows at once: give parts of what is large."""
        notes = Notes()
        if not is_table(rows, self._lists):
            rows = [rows] if isinstance(rows, Mapping) else rows
            self._check_names(rows, False)
            rows = {name: [row[name] for row in rows] for name in self.columns}
        return self._feeds_of_columns(*self._columns_of(rows), notes)[0]

    def answer_feeds(self, feeds: Feeds) -> tuple[np.ndarray, ...]:
        """What the graph answers to inputs that `feeds` made (see `Task`), asked in parts of `rows_at_once`."""
        n_rows = len(next(iter(feeds.values())))
        starts = range(0, max(1, n_rows), self._chunk_rows)
        parts = [
            self._run(
                {name: value[start : start + self._chunk_rows] for name, value in feeds.items()},
                min(self._chunk_rows, n_rows - start),
            )
            for start in starts
        ]
        return parts[0] if len(parts) == 1 else tuple(map(np.concatenate, zip(*parts, strict=True)))

    def answers(self, rows: Any) -> tuple[np.ndarray, ...]:
        """What the graph answers to raw rows (see `Task`): for `signature.task`, then for each of `more_tasks`, then
        the numbers beside them."""
        return self._ask(rows, Notes(), _as_they_are)

    def _ask(self, rows: Any, notes: Notes, keep: Keep) -> tuple[np.ndarray, ...]:
        if isinstance(rows, np.ndarray) and rows.ndim == 2:
            return self._answer_matrix(rows, notes, keep)
        if is_table(rows, self._lists):
            return self._answer_table(rows, notes, keep)
        return self._answer_rows([rows] if isinstance(rows, Mapping) else rows, notes, keep)

    def _kept(self, answers: tuple[np.ndarray, ...], sizes: Sizes) -> tuple[np.ndarray, ...]:
        """The answers to one part of the rows, boxes and masks told at once: their raw answers are large."""
        if self._picture is None:
            return answers
        from modelwright_runtime.pictures import boxes, masks

        settings, kept = self._picture.settings, []
        for task, answer in zip(self._tasks, answers, strict=False):
            if task.kind == "detection":
                answer = boxes(answer, task, sizes, settings, score=self._threshold(task))
            elif task.kind == "segmentation":
                answer = masks(answer, task, sizes, settings)
            kept.append(answer)
        return (*kept, *answers[len(kept) :])

    def _threshold(self, task: Task) -> float:
        return self.signature.threshold if task is self.signature.task else 0.5

    def _answer_rows(self, rows: Sequence[Mapping[str, Any]], notes: Notes, keep: Keep) -> tuple[np.ndarray, ...]:
        if not isinstance(rows, Sequence) or isinstance(rows, (str, bytes)):
            raise UserError(
                "rows.shape",
                f"rows must be a dict, a list of dicts or a table; got {type(rows).__name__}.",
                hint='one row looks like {"' + (self.columns or ("column",))[0] + '": ...}',
            )
        self._check_names(rows, notes.strict)
        if len(rows) <= min(_FEW_ROWS, self._chunk_rows):
            feeds, sizes = self._feeds_of_rows(rows, notes)
            return keep(self._run(feeds, len(rows)), sizes)
        table = {name: [row[name] for row in rows] for name in self.columns}
        return self._answer_columns(table, len(rows), notes, keep)

    def _answer_matrix(self, rows: np.ndarray, notes: Notes, keep: Keep) -> tuple[np.ndarray, ...]:
        width = len(self.columns)
        if self._quick is None or not self.plain_numbers or rows.shape[1] != width or rows.dtype.kind not in "fiu":
            raise UserError(
                "rows.shape", f"an array of shape {rows.shape}; the model takes numbers (n, {width}) or named columns."
            )
        matrix = rows.astype(np.float64, copy=False)
        if not self._quick.fits(matrix):
            return self._answer_table({name: matrix[:, k] for k, name in enumerate(self.columns)}, notes, keep)
        starts = range(0, max(1, len(matrix)), self._chunk_rows)
        parts = [matrix[start : start + self._chunk_rows] for start in starts]
        answers = [keep(self._run({"numbers": part}, len(part)), ()) for part in parts]
        return answers[0] if len(answers) == 1 else tuple(map(np.concatenate, zip(*answers, strict=True)))

    def _answer_table(self, table: Any, notes: Notes, keep: Keep) -> tuple[np.ndarray, ...]:
        if notes.strict:
            self._refuse_unknown(list(table.keys() if isinstance(table, Mapping) else table.columns), "the table")
        columns, n_rows = self._columns_of(table)
        return self._answer_columns(columns, n_rows, notes, keep)

    def _columns_of(self, table: Any) -> tuple[dict[str, Any], int]:
        """The model's columns of a table, which must be there and equally long."""
        known = list(table.keys() if isinstance(table, Mapping) else table.columns)
        for name in self.columns:
            if name not in known:
                raise self._missing(name, "the table")
        columns = {name: column_of(table, name, lists=name in self._lists) for name in self.columns}
        lengths = {name: len(column) for name, column in columns.items()}
        n_rows = next(iter(lengths.values()), 0)
        for name, length in lengths.items():
            if length != n_rows:
                raise UserError(
                    "rows.shape",
                    f"column {name!r} has {length} values, column {self.columns[0]!r} has {n_rows}.",
                )
        return columns, n_rows

    def _answer_columns(
        self, columns: Mapping[str, Any], n_rows: int, notes: Notes, keep: Keep
    ) -> tuple[np.ndarray, ...]:
        if n_rows <= self._chunk_rows:
            feeds, sizes = self._feeds_of_columns(columns, n_rows, notes)
            return keep(self._run(feeds, n_rows), sizes)
        answers = []
        for start in range(0, n_rows, self._chunk_rows):
            notes.first_row = start
            part = {name: column[start : start + self._chunk_rows] for name, column in columns.items()}
            size = min(self._chunk_rows, n_rows - start)
            feeds, sizes = self._feeds_of_columns(part, size, notes)
            answers.append(keep(self._run(feeds, size), sizes))
        return tuple(np.concatenate(parts) for parts in zip(*answers, strict=True))

    def _check_names(self, rows: Sequence[Mapping[str, Any]], strict: bool) -> None:  # noqa: FBT001
        n_columns = len(self.columns)
        for index, row in enumerate(rows):
            if type(row) is not dict and not isinstance(row, Mapping):
                raise UserError(
                    "rows.shape",
                    f"row {index} is no object of column names and values; got {type(row).__name__}.",
                )
            if row.keys() == self._known:
                continue
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

    def _feeds_of_rows(self, rows: Sequence[Mapping[str, Any]], notes: Notes) -> tuple[Feeds, Sizes]:
        feeds: Feeds = {}
        if self._quick is not None:
            numbers = self._quick.read(rows)
            if numbers is None:
                numbers = np.array(
                    [[cells.one(row[cells.column], i, notes) for cells in self._numbers] for i, row in enumerate(rows)],
                    dtype=np.float64,
                ).reshape(len(rows), len(self._numbers))
            feeds["numbers"] = numbers
        if self._categories:
            feeds["categories"] = np.array(
                [[cells.one(row[cells.column], i, notes) for cells in self._categories] for i, row in enumerate(rows)],
                dtype=object,
            ).reshape(len(rows), len(self._categories))
        for index, cells in enumerate(self._texts):
            texts = [cells.one(row[cells.column], i, notes) for i, row in enumerate(rows)]
            feeds[f"text_{index}"] = weigh(texts, self.signature.texts[index])
        if not self._arrays:
            return feeds, ()
        names = dict.fromkeys(name for array in self._arrays for name in array.columns)
        return feeds, self._feed_arrays(feeds, {name: [row[name] for row in rows] for name in names}, notes)

    def _feeds_of_columns(self, columns: Mapping[str, Any], n_rows: int, notes: Notes) -> tuple[Feeds, Sizes]:
        feeds: Feeds = {}
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
        return feeds, self._feed_arrays(feeds, columns, notes)

    def _feed_arrays(self, feeds: Feeds, columns: Mapping[str, Any], notes: Notes) -> Sizes:
        """Put the arrays into `feeds`; the sizes of the pictures, where an answer is told in their pixels."""
        missing: Missing = {}
        sizes: Sizes = ()
        for index, array in enumerate(self._arrays):
            feeds[f"array_{index}"] = array.feed(columns, notes, missing)
            if array.input is self._picture:
                sizes = array.sizes(columns, missing)
        if self._needs_some:
            self._refuse_empty(missing, notes)
        return sizes

    def _refuse_empty(self, missing: Missing, notes: Notes) -> None:
        """A model of pictures does not answer without a picture."""
        first, *others = (missing[name] for name in self._needs_some)
        for row, reason in first.items():
            if all(row in other for other in others):
                raise UserError(
                    "rows.cell",
                    f"row {notes.first_row + row}, column {self._needs_some[0]!r}: {reason}; the model has nothing "
                    "else to answer from.",
                )

    def _run(self, feeds: Feeds, n_rows: int) -> tuple[np.ndarray, ...]:
        if not n_rows:
            beside = (np.empty((0, len(task.columns)), dtype=np.float64) for task in self._beside)
            return (*map(_empty, self._tasks), *beside)
        session = self._single
        if n_rows > self._few_rows:
            if self._many is None:
                self._many = _opened(self._graph, self.signature, n_threads=0)
            session = self._many
        try:
            answers: list[np.ndarray] = session.run(None, feeds)
        except ENGINE_ERRORS as problem:
            raise SystemFault("model.run", f"the graph failed on these rows: {_first_line(problem)}.") from None
        n_due = len(self._tasks) + len(self._beside)
        if len(answers) != n_due:
            raise SystemFault("model.run", f"the graph gave {len(answers)} answers where {n_due} were due.")
        for task, answer in zip(self._tasks, answers, strict=False):
            if not _is_due(answer.shape, task, n_rows):
                raise SystemFault("model.run", f"the graph gave shape {answer.shape} for {task.kind}.")
        for task, answer in zip(self._beside, answers[len(self._tasks) :], strict=True):
            if answer.shape != (n_rows, len(task.columns)):
                raise SystemFault("model.run", f"the graph gave shape {answer.shape} beside {task.kind}.")
        return tuple(answers)


def _told(
    task: Task,
    answer: np.ndarray,
    threshold: float | np.ndarray,
    numbers: np.ndarray | None = None,
    *,
    warned: Warned = ((), 0),
    more: tuple[Predictions, ...] = (),
) -> Predictions:
    """The answer to one task and the `numbers` beside it, with what is told of the whole call."""
    has_shares = task.is_classification or task.kind in ("multilabel", "clusters")
    has_bands = task.kind == "forecast" and answer.ndim == 3
    return Predictions(
        prediction=answer if answer.dtype == object else decide_task(answer, task, threshold),
        probabilities=answer if has_shares else None,
        classes=task.classes,
        warnings=tuple(warned[0]),
        n_more_warnings=warned[1],
        target=task.target,
        quantiles=answer if has_bands else None,
        levels=task.quantiles,
        more=more,
        named=named(task, answer, threshold) if task.kind in KINDS else (),
        beside=told_beside(task, answer, numbers) if task.columns or task.sets else (),
    )


def _group_cells(reading: Reading) -> NumberCells | CategoryCells:
    """What reads a column that only says which group a row is of."""
    return NumberCells(reading) if reading.kind in ("number", "boolean") else CategoryCells(reading, None)


def _as_they_are(answers: tuple[np.ndarray, ...], sizes: Sizes) -> tuple[np.ndarray, ...]:
    return answers


def _picture_input(signature: Signature) -> ArrayInput | None:
    """The picture in whose pixels boxes and masks are told; None where nothing is told so."""
    if all(task.kind not in ("detection", "segmentation") for task in (signature.task, *signature.more_tasks)):
        return None
    for array in signature.arrays:
        if array.form == "image":
            return array
    raise UserError("package.signature", "boxes or masks are predicted, and no input is a picture.")


def _is_due(shape: tuple[int, ...], task: Task, n_rows: int) -> bool:
    """Whether an answer has the shape that `Task` says."""
    kind, n_classes = task.kind, len(task.classes)
    if kind == "regression":
        return shape == (n_rows,)
    if kind == "forecast":
        return shape == (n_rows, task.horizon, *((len(task.quantiles),) if task.quantiles else ()))
    if kind == "detection":
        return len(shape) == 3 and shape[0] == n_rows and shape[2] == 4 + n_classes
    if kind == "segmentation":
        return len(shape) == 4 and shape[:2] == (n_rows, n_classes)
    if kind in KINDS:
        return shape == shape_of(task, n_rows)
    return shape == (n_rows, n_classes)


def _empty(task: Task) -> np.ndarray:
    """The answer to no rows."""
    if task.kind in KINDS:
        return np.empty(shape_of(task, 0), dtype=np.float64)
    if task.kind in ("regression", "forecast"):
        quantiles = (len(task.quantiles),) if task.quantiles else ()
        return np.empty((0,) if task.kind == "regression" else (0, task.horizon, *quantiles), dtype=np.float64)
    shapes = {"detection": (0, 0, 4 + len(task.classes)), "segmentation": (0, len(task.classes), 1, 1)}
    return np.empty(shapes.get(task.kind, (0, len(task.classes))), dtype=np.float32)


def _first_line(problem: Exception) -> str:
    return str(problem).strip().splitlines()[0][:200].rstrip(".") if str(problem).strip() else "no reason given"


def _opened(graph: bytes, signature: Signature, *, n_threads: int) -> Any:
    try:
        session = open_session(graph, n_threads=n_threads)
    except ENGINE_ERRORS as problem:
        raise UserError("package.graph", f"the graph cannot be used: {_first_line(problem)}.") from None
    expected = [f"text_{index}" for index in range(len(signature.texts))]
    expected += [f"array_{index}" for index in range(len(signature.arrays))]
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
    allowed = _allowed(members["model.onnx"], signature)
    if not largest <= allowed:
        raise UserError(
            "package.golden",
            f"{path} does not answer here as it did where it was made: its golden rows differ by {largest:.2g} "
            f"(at most {allowed:g} is allowed).",
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


def _allowed(graph: bytes, signature: Signature) -> float:
    """How far golden rows may differ from one machine to the next."""
    if any(operator in graph for operator in _WHOLE_OPERATORS):
        return WHOLE_TOLERANCE
    return NETWORK_TOLERANCE if signature.arrays else GOLDEN_TOLERANCE


def replay(model: Model, golden: Any) -> float:
    """Answer the golden rows and return the largest difference from what they expect.

    Probabilities differ absolutely, values relative to their size (at least 1). Answers that are not finite
    are written as null and must be so again; anything else counts as infinitely different.
    """
    try:
        rows, expected = golden["rows"], [golden["expected"], *golden.get("more", ())]
        given = [sketch(answer) for answer in model.answers(rows)]
        wanted = [np.array(answer, dtype=np.float64) for answer in expected]
    except (KeyError, TypeError, ValueError) as problem:
        raise UserError("package.golden", f"the golden rows cannot be replayed: {problem}.") from None
    if not len(rows) or [answer.shape for answer in wanted] != [answer.shape for answer in given]:
        return math.inf
    tasks = (*model.signature.tasks, *model.signature.beside)
    return max(
        largest_difference(there, due, relative=task.kind in ("regression", "forecast", "embedding"))
        for there, due, task in zip(given, wanted, tasks, strict=True)
    )


def sketch(answer: np.ndarray) -> np.ndarray:
    """An answer as golden rows keep it: float64, and of boxes and masks, which have thousands of numbers, evenly
    spread ones.

    >>> sketch(np.ones((2, 3), dtype=np.float32)).shape, sketch(np.ones((2, 3, 100, 100))).shape
    ((2, 3), (2, 509))
    """
    wide = answer.astype(np.float64)
    if answer.ndim <= 2 or answer[0].size <= N_SKETCHED:
        return wide
    flat = wide.reshape(len(wide), -1)
    return np.ascontiguousarray(flat[:, :: -(-flat.shape[1] // N_SKETCHED)])


def largest_difference(given: np.ndarray, wanted: np.ndarray, *, relative: bool) -> float:
    """The largest difference between two float64 arrays of one shape; infinite where only one is finite.

    `relative`: against the size of the value (1 at least); of a series, against the largest size of its row.

    >>> largest_difference(np.array([100.0, 1.0]), np.array([101.0, 1.0]), relative=True)
    0.00990...
    """
    finite = np.isfinite(wanted)
    if not np.array_equal(finite, np.isfinite(given)):
        return math.inf
    gaps = np.abs(given[finite] - wanted[finite])
    if relative:
        sizes = np.maximum(1.0, np.abs(np.where(finite, wanted, 0.0)))
        if sizes.ndim > 1:
            sizes = np.broadcast_to(sizes.max(axis=tuple(range(1, sizes.ndim)), keepdims=True), sizes.shape)
        gaps = gaps / sizes[finite]
    return float(gaps.max(initial=0.0))
