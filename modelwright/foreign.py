"""A model of others as a package: its ONNX graph, and rows that say how cells are read.

An ONNX file is data and is checked before onnxruntime sees it. A pickle is a program: it is opened only when asked for
by name, in a process of its own without network, and what comes back is an ONNX graph like any other.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError
from modelwright.packaging.exchange.mlflow import UNSAFE_SUFFIXES

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Cleaned, Trained
    from modelwright_runtime.signature import Task

PARITY = 1e-4
MAX_GRAPH_BYTES = 2**31 - 1
CHILD_TIMEOUT_S = 900
OLDEST_OPSET = 6


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """A graph of others: one float input, `columns` wide; its maker's answers to the rows where there are any."""

    graph: bytes
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    answers: np.ndarray | None
    told: str


def package_foreign(path: Path, rows: str, target: str, output: str | Path, *, unsafe_pickle: bool = False) -> Path:
    """Write `output`, a package of the model in `path` that reads rows like those of the table `rows`; its path.

    The model takes the number columns of the table, all but `target`, in the order of its own names where it has them.
    Its golden rows come from the table, and every answer of the graph to the table is held against the estimator's own
    where the estimator could be asked (1e-4 at most apart).

    Raises `UserError` `exchange.pickle` for a pickle without `unsafe_pickle`, `exchange.columns` when the columns do
    not fit, `exchange.graph` for a graph that is no plain model of numbers, `exchange.parity` when the graph answers
    otherwise than the estimator, `exchange.convert` when it cannot be converted; and what `package` raises.
    Cost: one reading of the table, and one answer to each of its rows.
    """
    from modelwright.core.values import Candidate, Trained
    from modelwright.packaging.base import package

    if not unsafe_pickle and path.suffix != ".onnx":
        raise _not_plain(path)
    cleaned, x, names = _read_rows(rows, target)
    known = [str(level) for level in sorted(set(_target_texts(cleaned, target)))]
    foreign = _opened(path, x, names) if unsafe_pickle else _plain_graph(path, names, known)
    task = _task(foreign, target)
    trained = Trained(
        graph=adapted(foreign.graph, len(foreign.columns), task), signature=_signature(cleaned, foreign, task),
        leaderboard=(Candidate(name=foreign.told, model="imported", settings={}, metric="none", score=0.0),),
        validation=_unknown(cleaned, task), importance={}, parity=0.0, decisions=_decisions(foreign, path),
    )  # fmt: skip
    _check_answers(trained, cleaned)
    _check_parity(trained, cleaned, foreign)
    name = Path(output).stem
    card = f"# {name}\n\nImported from `{path.name}` ({foreign.told}). It was not trained or evaluated here.\n"
    return package(trained, cleaned, path=output, name=name, card=card).path


def _not_plain(path: Path) -> UserError:
    if path.suffix in UNSAFE_SUFFIXES:
        return UserError(
            "exchange.pickle", f"{path.name} can run code when it is opened; it is not opened.",
            hint=f"if you trust its maker: wright import --unsafe-pickle {path.name} --rows ... --target ...",
        )  # fmt: skip
    return UserError("exchange.missing", f"{path} is no directory of a model and no .onnx file.",
                     hint="`wright import --help` lists what is read")  # fmt: skip


# The rows ---------------------------------------------------------------------------------------------------------


def _read_rows(rows: str, target: str) -> tuple[Cleaned, np.ndarray, list[str]]:
    """The cleaned table, its number columns as float32, and their names."""
    from modelwright.cleaning import CleanSpec, clean
    from modelwright.collection import collect
    from modelwright.core.inputs import numbers

    cleaned = clean(collect(rows), CleanSpec.parse({"target": target}, where="clean"))
    schema = cleaned.kept.schema
    names = [name for name in schema.features if schema[name].kind in ("number", "boolean")]
    return cleaned, numbers(cleaned.kept.frame, names).astype("float32"), names


def _target_texts(cleaned: Cleaned, target: str) -> list[str]:
    from modelwright_runtime.reading import as_text

    return [as_text(value) for value in cleaned.kept.column(target).drop_nulls().to_list()]


def _unknown(cleaned: Cleaned, task: Task) -> np.ndarray:
    import numpy as np

    n_rows = cleaned.kept.n_rows
    return np.full((n_rows, len(task.classes)) if task.classes else n_rows, np.nan)


def _task(foreign: Foreign, target: str) -> Task:
    from modelwright_runtime.signature import Task

    kind = "regression" if not foreign.classes else "binary" if len(foreign.classes) == 2 else "multiclass"
    return Task(kind=kind, target=target, classes=foreign.classes)  # type: ignore[arg-type]


def _signature(cleaned: Cleaned, foreign: Foreign, task: Task) -> Any:
    from modelwright.features.base import seen
    from modelwright_runtime.signature import Signature

    readings = {reading.column: reading for reading in cleaned.readings}
    _, ranges = seen(cleaned.kept, foreign.columns)
    return Signature(
        task=task, readings=tuple(readings[name] for name in foreign.columns), numbers=foreign.columns, ranges=ranges
    )


def _decisions(foreign: Foreign, path: Path) -> tuple[Any, ...]:
    from modelwright.core.data import Decision

    columns = ", ".join(foreign.columns)
    return (
        Decision("packaging", "import", foreign.told, f"from {path.name}, as it is"),
        Decision("packaging", "columns", columns[:500], "what the model takes, in its order"),
    )


# The model --------------------------------------------------------------------------------------------------------


def _plain_graph(path: Path, names: Sequence[str], classes: Sequence[str]) -> Foreign:
    """An ONNX file of one float input; with as many outputs of a row as the target has classes it tells those."""
    from modelwright.packaging.targets._plan import read_plan
    from modelwright_runtime.graphcheck import check_graph

    try:
        if path.stat().st_size > MAX_GRAPH_BYTES:
            raise UserError("exchange.size", f"{path} has {path.stat().st_size:,} bytes.")
        graph = path.read_bytes()
    except OSError as problem:
        raise UserError("exchange.missing", f"{path} cannot be read: {problem.strerror}.") from None
    check_graph(graph)
    _one_input(graph, len(names))
    plan = read_plan(graph)
    sizes = [plan.values[name].size for name in plan.outputs if plan.values[name].dtype.kind == "f"]
    told = tuple(classes) if sizes and sizes[-1] == len(classes) > 1 else ()
    return Foreign(graph=graph, columns=tuple(names), classes=told, answers=None, told="an ONNX graph")


def _one_input(graph: bytes, n_columns: int) -> None:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        inputs = onnx.load_from_string(graph).graph.input
    except DecodeError:
        raise UserError("exchange.graph", "the file is no ONNX graph.") from None
    shape = [axis.dim_value for axis in inputs[0].type.tensor_type.shape.dim] if inputs else []
    if len(inputs) != 1 or inputs[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT or len(shape) != 2:
        raise UserError(
            "exchange.graph", f"the graph takes {len(inputs)} inputs, or other than one matrix of float32.",
            hint="convert the model with one input of shape (rows, columns)",
        )  # fmt: skip
    if shape[1] not in (0, n_columns):
        raise UserError(
            "exchange.columns", f"the graph takes {shape[1]} columns; the rows have {n_columns} of numbers.",
            hint="give rows with the columns that it was trained on, in their order",
        )  # fmt: skip


def adapted(graph: bytes, n_columns: int, task: Task) -> bytes:
    """A graph of one float32 matrix as one of ours: `numbers` (float64) in, probabilities or values out.

    Of several outputs the last of floats is the answer, as converters of classifiers give label and probabilities.
    """
    import onnx
    from onnx import TensorProto, helper

    from modelwright.graph import OPSET

    model = onnx.load_from_string(graph)
    _renamed(model.graph)
    body, given = model.graph, model.graph.input[0].name
    if not any(item.domain in ("", "ai.onnx") for item in model.opset_import):
        model.opset_import.append(helper.make_opsetid("", OPSET))
    opset = max(item.version for item in model.opset_import if item.domain in ("", "ai.onnx"))
    floats = [item.name for item in body.output if item.type.tensor_type.elem_type in (TensorProto.FLOAT,
                                                                                      TensorProto.DOUBLE)]  # fmt: skip
    if not floats or opset < OLDEST_OPSET:
        raise UserError("exchange.graph", f"the graph gives no numbers, or is older than opset {OLDEST_OPSET}.",
                        hint="convert the model again with a newer converter, without zipmap")  # fmt: skip
    kind, name = (TensorProto.FLOAT, "probabilities") if task.classes else (TensorProto.DOUBLE, "values")
    before = helper.make_node("Cast", ["numbers"], [given], to=TensorProto.FLOAT)
    after = [helper.make_node("Cast", [floats[-1]], ["wright_cast"], to=kind)]
    shape = [-1, len(task.classes)] if task.classes else [-1]
    after.append(helper.make_node("Reshape", ["wright_cast", "wright_shape"], [name]))
    nodes = [before, *body.node, *after]
    tensors = [*body.initializer, helper.make_tensor("wright_shape", TensorProto.INT64, [len(shape)], shape)]
    out = helper.make_tensor_value_info(name, kind, ["n", *shape[1:]])
    numbers = helper.make_tensor_value_info("numbers", TensorProto.DOUBLE, ["n", n_columns])
    made = helper.make_model(
        helper.make_graph(nodes, "imported", [numbers], [out], tensors), opset_imports=list(model.opset_import),
        ir_version=min(model.ir_version, 10), producer_name="modelwright",
    )  # fmt: skip
    data: bytes = made.SerializeToString(deterministic=True)
    return data


def _renamed(body: Any) -> None:
    """Names of their own for all tensors of a graph, so that none is called as ours are; subgraphs see them too."""
    from onnx import AttributeProto

    for node in body.node:
        node.input[:] = [f"its_{name}" if name else "" for name in node.input]
        node.output[:] = [f"its_{name}" if name else "" for name in node.output]
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                _renamed(attribute.g)
    for item in (*body.initializer, *body.input, *body.output, *body.value_info):
        item.name = f"its_{item.name}"


def _check_answers(trained: Trained, cleaned: Cleaned) -> None:
    """Raise `exchange.graph` when the graph cannot be asked, or does not answer once for each row."""
    from modelwright_runtime.errors import SystemFault
    from modelwright_runtime.model import Model

    try:
        Model(trained.graph, trained.signature).answers(cleaned.raw.frame.head(16))
    except SystemFault as fault:
        raise UserError("exchange.graph", f"the graph does not answer rows: {fault.message}") from None


def _check_parity(trained: Trained, cleaned: Cleaned, foreign: Foreign) -> None:
    """Raise `exchange.parity` when the graph answers the table otherwise than the estimator did."""
    import numpy as np

    from modelwright_runtime.model import largest_difference

    if foreign.answers is None:
        return
    given = np.asarray(trained.predict(cleaned.kept), dtype=np.float64)
    due = foreign.answers.reshape(given.shape) if foreign.answers.size == given.size else np.full(given.shape, np.inf)
    gap = largest_difference(given, due, relative=not foreign.classes)
    if not gap <= PARITY:
        raise UserError(
            "exchange.parity", f"the converted graph differs by {gap:.2g} from the estimator (at most {PARITY:g}).",
            hint="the converter does not say this estimator faithfully; train it here instead",
        )  # fmt: skip


# Pickles ----------------------------------------------------------------------------------------------------------


def _opened(path: Path, x: np.ndarray, names: Sequence[str]) -> Foreign:
    """Open a pickle in a process of its own, and read what it leaves: a graph, answers, a few words."""
    import numpy as np

    from modelwright_runtime.archive import parse_json
    from modelwright_runtime.graphcheck import check_graph

    if not path.is_file():
        raise UserError("exchange.missing", f"there is no file {path}.")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        np.save(folder / "x.npy", x, allow_pickle=False)
        (folder / "names.json").write_text(json.dumps(list(names)))
        _run_child(path, folder)
        graph = _left(folder, "model.onnx")
        about = parse_json(_left(folder, "about.json"), "about.json")
        _ = _left(folder, "answers.npy")
        try:
            answers = np.load(folder / "answers.npy", allow_pickle=False)
        except ValueError:
            raise _unconverted("its answers are no numbers") from None
    check_graph(graph)
    columns = tuple(str(name) for name in about.get("columns", ()))
    if not set(columns) <= set(names):
        raise UserError("exchange.columns", "the model was fitted on columns that the rows do not have.")
    _one_input(graph, len(columns))
    classes = tuple(str(text) for text in about.get("classes", ()))
    return Foreign(graph=graph, columns=columns, classes=classes, answers=answers,
                   told=str(about.get("estimator", "an estimator"))[:80])  # fmt: skip


def _left(folder: Path, name: str) -> bytes:
    path = folder / name
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_GRAPH_BYTES:
        raise _unconverted(f"it left no {name}")
    return path.read_bytes()


def _run_child(path: Path, folder: Path) -> None:
    """Run the program that opens pickles: no network where the system can take it away, nothing of our environment."""
    from modelwright.packaging import exchange

    program = Path(exchange.__file__).with_name("_open_pickle.py")
    command = [sys.executable, "-I", str(program), str(path.resolve()), str(folder)]
    apart = [shutil.which("unshare") or "", "--user", "--map-root-user", "--net", "--ipc", "--uts"]
    if apart[0] and subprocess.run([*apart, "true"], capture_output=True, timeout=30).returncode == 0:
        command = [*apart, *command]
    try:
        done = subprocess.run(
            command, cwd=folder, env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "OMP_NUM_THREADS": "1"},
            capture_output=True, timeout=CHILD_TIMEOUT_S, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise _unconverted(f"it took more than {CHILD_TIMEOUT_S} s") from None
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        printable = "".join(letter for letter in last[-1] if letter.isprintable())
        raise _unconverted(printable[:300])


def _unconverted(why: str) -> UserError:
    return UserError(
        "exchange.convert", f"the pickle could not be made an ONNX graph: {why}.",
        hint='every column must be a number; converters are needed: pip install "skl2onnx>=1.18" "onnxmltools>=1.13"',
    )  # fmt: skip
