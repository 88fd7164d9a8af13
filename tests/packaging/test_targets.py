"""What leaves for other places answers as the package does: compiled with gcc, run, and compared row by row."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import modelwright as mw
from modelwright.core.errors import UserError
from modelwright.graph import ML, Graph
from modelwright.packaging.targets import mobile, write_targets
from modelwright.packaging.targets._plan import read_plan
from modelwright.packaging.targets._proof import ask, build, footprint, prove
from modelwright.packaging.targets.embedded import Source, embedded_source
from modelwright.packaging.targets.mobile import ort_bytes
from modelwright.testing.packages import raw_rows, tiny_graph, tiny_package, tiny_signature
from modelwright.training.base import TrainSpec
from modelwright_runtime import load
from modelwright_runtime.model import Model, largest_difference
from modelwright_runtime.reading import Reading
from modelwright_runtime.signature import Signature, Task

GCC = shutil.which("gcc") or ""
needs_gcc = pytest.mark.skipif(not GCC, reason="no gcc on this machine")
SMALL = {"forest": {"trees": 20}, "boosting": {"rounds": 40}}
ROOT = Path(__file__).resolve().parents[2]


def messy_rows(n_rows: int = 2500) -> pl.DataFrame:
    """Numbers with gaps and markers, blanks in names, letters beyond ASCII, dates, booleans; classes and values."""
    draw = np.random.default_rng(3)
    x = draw.normal(size=(n_rows, 3))
    city = draw.choice(["Oslo", " New  York", "New York", "Bergen", "Åre", ""], n_rows)
    first = np.select([x[:, 0] + 0.5 * (city == "Oslo") > 0.6, x[:, 1] * x[:, 2] > 0.3], ["high", "mid"], "low")
    days = pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 1, 1) + pl.duration(days=n_rows - 1), eager=True)
    return pl.DataFrame(
        {
            "age": [("?" if row % 11 == 0 else f"{value:.3f}") for row, value in enumerate(x[:, 0])],
            "b": x[:, 1], "c": x[:, 2], "city": city, "member": draw.choice(["yes", "no", ""], n_rows),
            "day": days.cast(pl.String), "kind": first, "value": np.round(10 + 3 * x[:, 0] + x[:, 1] ** 2, 2),
        }
    )  # fmt: skip


def trained_package(folder: Path, target: str, train: dict[str, Any]) -> tuple[Model, list[dict[str, Any]]]:
    """A package trained on the messy rows, and all rows as it takes them."""
    frame = messy_rows().drop("value" if target == "kind" else "kind")
    cleaned = mw.clean(mw.Dataset.from_frame(frame), mw.CleanSpec(target=target))
    splits = mw.split(cleaned.kept)
    spec = TrainSpec.parse({"budget": "quick", **train}, where="train")
    trained = mw.train(cleaned.kept, splits, spec)
    made = mw.package(trained, cleaned, path=folder / "x.wright", name=f"of {target}", train_rows=splits.train)
    return load(made.path), frame.drop(target).to_dicts()


def compare(model: Model, rows: list[dict[str, Any]], folder: Path) -> tuple[float, Source]:
    """The largest difference between the compiled C and the package, and what was compiled."""
    source = embedded_source(model)
    build(source, folder, GCC)
    answers, said = ask(source, folder, model, rows)
    due = np.asarray(model.answers(rows)[0], dtype=np.float64).reshape(len(rows), -1)
    task = model.signature.task
    assert answers.shape == due.shape
    if task.is_classification:
        decided = model.predict(rows).prediction
        assert [task.classes[number] for number in said] == list(decided)
    return largest_difference(answers, due, relative=task.kind in ("regression", "forecast")), source


@needs_gcc
@pytest.mark.parametrize("target", ["kind", "value"])
@pytest.mark.parametrize("name", ["linear", "tree", "forest", "boosting", "bayes", "svm"])
def test_models_in_c_answer_as_their_packages(tmp_path: Path, name: str, target: str) -> None:
    if name == "bayes" and target == "value":
        pytest.skip("bayes predicts classes")
    features = "scaled" if name in ("linear", "bayes", "svm") else "plain"
    use = {"model": name, "features": features, "settings": SMALL.get(name, {})}
    model, rows = trained_package(tmp_path, target, {"models": [use], "network": "off", "ensemble": False})
    difference, source = compare(model, rows, tmp_path)
    assert difference < 1e-6
    assert "malloc" not in source.code and source.code.isascii()


@needs_gcc
def test_a_network_over_a_table_answers_in_c(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    model, rows = trained_package(tmp_path, "kind", {"network": {"loop": {"epochs": 1}, "refit": False}})
    assert model.signature.arrays
    difference, _ = compare(model, rows, tmp_path)
    assert difference < 1e-5


@needs_gcc
@pytest.mark.parametrize("name", ["wine", "diabetes"])
def test_older_packages_become_c(tmp_path: Path, name: str) -> None:
    model = load(ROOT / "tests" / "golden" / f"{name}-0.1.0.wright")
    difference, source = compare(model, model.facts["golden"]["rows"], tmp_path)
    assert difference < 1e-6
    assert source.memory_bytes < 1000


@needs_gcc
def test_what_is_said_of_flash_and_ram_is_what_the_linker_lays_out(tmp_path: Path) -> None:
    """Within 5 %: the object's sections against what the linker's map says that it put into the program."""
    for name in ("wine", "diabetes"):
        model = load(ROOT / "tests" / "golden" / f"{name}-0.1.0.wright")
        source = embedded_source(model)
        build(source, tmp_path, GCC)
        weight = footprint(source, tmp_path)
        text = (tmp_path / f"{source.name}.map").read_text()
        laid = re.findall(rf"^ (\.\S+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+) {source.name}\.o$", text, re.MULTILINE)
        sizes = [(section, int(size, 16)) for section, size in laid]
        flash = sum(size for section, size in sizes if section.startswith((".text", ".rodata", ".data")))
        ram = sum(size for section, size in sizes if section.startswith((".bss", ".data")) and ".rel.ro" not in section)
        assert flash > 1000 and weight.flash_bytes == pytest.approx(flash, rel=0.05)
        assert ram > 100 and weight.ram_bytes == pytest.approx(ram, rel=0.05)
        assert source.memory_bytes == pytest.approx(weight.ram_bytes, rel=0.25)
        assert 0 < weight.stack_bytes < 1024


@needs_gcc
def test_the_object_asks_for_nothing_but_memory_copies(tmp_path: Path) -> None:
    source = embedded_source(load(ROOT / "tests" / "golden" / "diabetes-0.1.0.wright"))
    build(source, tmp_path, GCC)
    told = subprocess.run(["nm", "-u", f"{source.name}.o"], cwd=tmp_path, capture_output=True, text=True, check=True)
    asked = set(told.stdout.replace("U", "").split())
    assert asked <= {"memcpy", "memset", "memmove", "_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail"}, asked


@needs_gcc
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_messy_cells_are_read_in_c_as_the_runtime_reads_them(tmp_path: Path, kind: Any) -> None:
    model = load(tiny_package(tmp_path, kind).path)
    odd = [
        {"age": age, "price": price, "member": member, "city": city}
        for age in (31, -999, -999.0, 200, 130.0, -0.5, None, float("nan"))
        for price, member in ((80.5, "yes"), (1e308, None))
        for city in ("Oslo", " new\tyork ", "New York", "new york", "NEW YORK", "", None, "  ", "nowhere", "Osl")
    ]  # fmt: skip
    difference, _ = compare(model, [*raw_rows(60), *odd], tmp_path)
    assert difference < 1e-6


@needs_gcc
def test_markers_and_spellings_of_any_column(tmp_path: Path) -> None:
    signature, spellings = tiny_signature("binary"), {"a": "Oslo", "Oslo": "Bergen", "b": "b"}
    readings = tuple(
        dataclasses.replace(reading, missing=("n/a", "none or less"), variants=spellings)
        if reading.column == "city" else reading
        for reading in signature.readings
    )  # fmt: skip
    model = Model(tiny_graph("binary"), dataclasses.replace(signature, readings=readings), name="x")
    cells = ["N/A", " n/A ", "none  OR less", "a", "Oslo", "b", "A", "n/a.", 'q"\\ü', "Bergen"]
    rows = [{"age": 30, "price": 1, "member": "no", "city": cell} for cell in cells]
    difference, _ = compare(model, rows, tmp_path)
    assert difference < 1e-6


def model_of(make: Any, n_numbers: int, kind: str = "float64") -> Model:
    """A model of one expression over some numbers: every value that comes out is an answer."""
    graph = Graph()
    x = graph.input("numbers", "float64", (None, n_numbers))
    out = make(graph, x)
    flat = graph.node("Reshape", out, graph.constant([1, -1], "int64"))
    graph.output("values", flat, kind, (None, None))
    width = read_plan(graph.to_bytes()).values["values"].size
    names = tuple(f"x{place}" for place in range(n_numbers))
    return Model(
        graph.to_bytes(),
        Signature(
            task=Task(kind="forecast", target="y", horizon=width),
            readings=tuple(Reading(column=name, kind="number") for name in names), numbers=names, n_rows_at_once=1,
        ),
        name="one",
    )  # fmt: skip


def _constant(graph: Graph, *shape: int, kind: str = "float64", seed: int = 0) -> str:
    return graph.constant(np.random.default_rng(seed).normal(size=shape), kind)


def _float(graph: Graph, x: str) -> str:
    return graph.tensor(x).cast("float32")


def _double(graph: Graph, x: str) -> str:
    return graph.tensor(x).cast("float64")


def _shaped(graph: Graph, x: str, *shape: int) -> str:
    return graph.node("Reshape", x, graph.constant(list(shape), "int64"))


OPERATORS: dict[str, Any] = {
    "broadcast": lambda g, x: g.node("Add", _shaped(g, x, 3, 1, 4), _constant(g, 2, 1)),
    "used twice": lambda g, x: g.node("Mul", g.node("Add", x, x), g.node("Sub", x, _constant(g, 1, 12))),
    "transpose": lambda g, x: g.node("Transpose", _shaped(g, x, 2, 3, 2), perm=[2, 0, 1]),
    "slice": lambda g, x: g.node("Slice", x, *(g.constant([value], "int64") for value in (10, 1, 1, -3))),
    "gather": lambda g, x: g.node("Gather", _shaped(g, x, 3, 4), g.constant([[1, -1], [0, 0]], "int64"), axis=1),
    "gather at": lambda g, x: g.node(
        "Gather", _constant(g, 5, 3), _whole(g, g.node("Clip", _known(g, x), *_bounds(g, 0, 4))),
        axis=0,
    ),
    "concat": lambda g, x: g.node("Concat", _shaped(g, x, 3, 4), _constant(g, 3, 2), axis=1),
    "softmax": lambda g, x: g.node("Softmax", _shaped(g, x, 3, 4), axis=1),
    "softmax of one kind": lambda g, x: g.node("Softmax", _shaped(g, x, 1, 12), axis=-1),
    "matmul": lambda g, x: g.node("MatMul", _shaped(g, x, 3, 4), _constant(g, 4, 2)),
    "matmul of two": lambda g, x: g.node("MatMul", _shaped(g, x, 3, 4), _shaped(g, x, 4, 3)),
    "gemm": lambda g, x: _double(
        g, g.node("Gemm", _float(g, x), _constant(g, 5, 12, kind="float32"), _constant(g, 5, kind="float32"), transB=1)
    ),
    "sums": lambda g, x: g.node("ReduceSum", _shaped(g, x, 2, 3, 2), g.constant([1], "int64"), keepdims=0),
    "squares": lambda g, x: g.node("ReduceSumSquare", x, g.constant([1], "int64"), keepdims=1),
    "most": lambda g, x: g.node("ReduceMax", _shaped(g, x, 3, 2, 2), g.constant([2], "int64"), keepdims=1),
    "mean": lambda g, x: g.node("ReduceMean", _shaped(g, x, 3, 4), g.constant([0, 1], "int64"), keepdims=0),
    "einsum": lambda g, x: g.node("Einsum", _shaped(g, x, 2, 3, 2), _constant(g, 3, 2, 4), equation="ncf,cfs->nsc"),
    "where": lambda g, x: g.node("Where", g.node("Less", x, _constant(g, 1, 12)), x, g.constant(-7.5, "float64")),
    "logic": lambda g, x: _double(
        g, g.node("Or", g.node("Not", g.node("IsNaN", x)), g.node("And", g.node("IsInf", x), g.node("IsNaN", x)))
    ),
    "powers": lambda g, x: g.node("Pow", g.node("Abs", x), g.constant(0.5, "float64")),
    "squared": lambda g, x: g.node("Pow", x, g.constant(2.0, "float64")),
    "least": lambda g, x: g.node("Min", x, g.node("Max", x, _constant(g, 1, 12))),
    "expand": lambda g, x: g.node("Expand", _shaped(g, x, 12, 1), g.constant([12, 3], "int64")),
    "norm": lambda g, x: _double(
        g, g.node("BatchNormalization", _shaped(g, _float(g, x), 1, 4, 3),
                  *(g.constant(np.abs(np.random.default_rng(i).normal(size=4)), "float32") for i in range(4)))
    ),
    "floats": lambda g, x: _double(g, g.node("Div", _float(g, x), _constant(g, 1, 12, kind="float32"))),
    **{
        name.lower(): lambda g, x, name=name: g.node(name, x)
        for name in ("Exp", "Floor", "Sigmoid", "Tanh", "Relu", "Abs", "Neg", "Reciprocal", "Identity")
    },
    **{
        name.lower(): lambda g, x, name=name: _double(g, g.node(name, _float(g, x))) for name in ("Sin", "Cos", "Erf")
    },
}  # fmt: skip


def _whole(graph: Graph, x: str) -> str:
    return graph.tensor(x).cast("int64")


def _known(graph: Graph, x: str) -> str:
    return graph.node("Where", graph.node("IsNaN", x), graph.constant(0.0, "float64"), x)


def _bounds(graph: Graph, low: float, high: float) -> tuple[str, str]:
    return graph.constant(low, "float64"), graph.constant(high, "float64")


@needs_gcc
@pytest.mark.parametrize("name", OPERATORS)
def test_each_operator_answers_as_onnxruntime(tmp_path: Path, name: str) -> None:
    model = model_of(OPERATORS[name], 12)
    draw = np.random.default_rng(1)
    lots = [draw.normal(size=12), draw.normal(size=12) * 30, np.zeros(12), np.array([np.nan, -1.0] * 6)]
    rows = [dict(zip(model.columns, values.tolist(), strict=True)) for values in lots]
    difference, _ = compare(model, rows, tmp_path)
    assert difference < 5e-7


@needs_gcc
def test_trees_of_doubles_strict_comparisons_and_many_outputs(tmp_path: Path) -> None:
    """What our own emitter never writes, but a graph from elsewhere may have."""
    for mode in ("BRANCH_LEQ", "BRANCH_LT"):
        attributes = {
            "n_targets": 2, "nodes_treeids": np.zeros(5, int), "nodes_nodeids": np.array([4, 0, 2, 1, 3]),
            "nodes_modes": [mode, "LEAF", mode, "LEAF", "LEAF"], "nodes_featureids": np.array([1, 0, 0, 0, 0]),
            "nodes_values_as_tensor": np.array([0.5, 0, 0.1, 0, 0]), "nodes_truenodeids": np.array([2, 0, 0, 0, 0]),
            "nodes_falsenodeids": np.array([3, 0, 1, 0, 0]),
            "nodes_missing_value_tracks_true": np.array([1, 0, 0, 0, 0]),
            "target_treeids": np.zeros(5, int), "target_nodeids": np.array([0, 0, 1, 3, 3]),
            "target_ids": np.array([0, 1, 1, 0, 1]), "target_weights_as_tensor": np.array([1.0, 2.0, 3.0, 4.0, 5.0]),
        }  # fmt: skip
        model = model_of(
            lambda g, x, kept=attributes: _double(g, g.node("TreeEnsembleRegressor", x, domain=ML, **kept)), 2
        )
        edge = (0.1, np.nextafter(0.1, 1), np.nextafter(0.1, -1), 0.5, 0.4, 0.6, float("nan"))
        rows = [{"x0": float(a), "x1": float(b)} for a in edge for b in edge]
        folder = tmp_path / mode
        folder.mkdir()
        difference, _ = compare(model, rows, folder)
        assert difference == 0


@settings(max_examples=8)
@given(st.lists(st.floats(-2, 2, width=32), min_size=3, max_size=9, unique=True), st.integers(0, 2**16))
def test_thresholds_in_float32_send_every_row_the_same_way(values: list[float], seed: int) -> None:
    """A threshold between two neighbouring float32 numbers, said as float32, must still part them."""
    from modelwright.packaging.targets._trees import _rounded_down

    draw = np.random.default_rng(seed)
    numbers = np.array(values, dtype=np.float32)
    near = np.concatenate([numbers, np.nextafter(numbers, np.float32(9)), np.nextafter(numbers, np.float32(-9))])
    thresholds = np.concatenate(
        [near.astype(np.float64), (near.astype(np.float64) + draw.normal(size=len(near)) * 1e-9)]
    )
    kept = _rounded_down(thresholds)
    assert np.array_equal(kept.astype(np.float32).astype(np.float64), kept)
    assert np.array_equal(near[:, None] <= thresholds[None], near[:, None].astype(np.float64) <= kept[None])


def test_what_has_no_c_is_refused_by_name() -> None:
    model = model_of(lambda g, x: g.nodes("TopK", x, g.constant([3], "int64"), n_outputs=2)[0], 4)
    with pytest.raises(UserError, match="operator TopK") as caught:
        embedded_source(model)
    assert caught.value.code == "target.operator" and "mobile" in (caught.value.hint or "")
    signature = tiny_signature("binary")
    two = dataclasses.replace(signature, more_tasks=(Task(kind="regression", target="more"),))
    with pytest.raises(UserError) as caught:
        embedded_source(_Told(two))  # type: ignore[arg-type]
    assert caught.value.code == "target.task"


@dataclasses.dataclass
class _Told:
    signature: Signature
    name: str = "told"


def test_targets_are_written_and_proved(tmp_path: Path) -> None:
    model = load(tiny_package(tmp_path, name="Ünder way").path)
    made = write_targets(model, ("server", "mobile", "embedded", "mobile"), tmp_path / "deep" / "out")
    by_name = {file.path.name: file for file in made}
    assert set(by_name) == {"nder_way.ort", "nder_way.signature.json", "nder_way.c", "nder_way.h"}
    assert {path.name for path in (tmp_path / "deep" / "out").iterdir()} == set(by_name)
    ort = by_name["nder_way.ort"]
    assert ort.largest_difference is not None and ort.largest_difference < 1e-6
    assert ort.path.read_bytes()[4:8] == b"ORTM"
    again = write_targets(model, ("mobile", "embedded"), tmp_path / "again")
    first, second = ([file.path.read_bytes() for file in files[1:]] for files in (made, again))
    assert first == second  # onnxruntime itself writes the nodes of an .ort in no fixed order
    code = by_name["nder_way.c"]
    if GCC:
        assert code.largest_difference is not None and code.largest_difference < 1e-6
        assert code.flash_bytes is not None and code.flash_bytes > 500 and code.ram_bytes and code.stack_bytes


def test_a_target_that_answers_otherwise_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(tiny_package(tmp_path).path)
    other = ort_bytes(tiny_graph("binary").replace(b"Sub", b"Add"))
    monkeypatch.setattr(mobile, "ort_bytes", lambda graph: other)
    with pytest.raises(UserError) as caught:
        write_targets(model, ("mobile",), tmp_path / "out")
    assert caught.value.code == "target.golden" and not list((tmp_path / "out").iterdir())
    with pytest.raises(UserError) as caught:
        write_targets(model, ("phone",), tmp_path)  # type: ignore[arg-type]
    assert caught.value.code == "target.name"


@needs_gcc
def test_the_proof_can_fail(tmp_path: Path) -> None:
    model = load(tiny_package(tmp_path).path)
    source = embedded_source(model)
    _, gap = prove(source, model, model.facts["golden"]["rows"], GCC)
    wrong = dataclasses.replace(source, code=source.code.replace("? one : NAN", "? one + 1 : NAN"))
    assert wrong.code != source.code
    _, wide = prove(wrong, model, model.facts["golden"]["rows"], GCC)
    assert gap < 1e-6 < 1e-3 < wide
