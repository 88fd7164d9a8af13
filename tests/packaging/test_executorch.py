"""Networks as `.pte`, answered by ExecuTorch's own runtime, in an environment of its own."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelwright.core.errors import UserError
from modelwright.packaging import package
from modelwright.packaging.targets import write_targets
from modelwright.packaging.targets._plan import read_plan
from modelwright.testing.media import media_training
from modelwright.testing.packages import tiny_graph, tiny_package
from modelwright_runtime import load
from modelwright_runtime.engine import open_session
from modelwright_runtime.signature import ArrayInput, Task

torch = pytest.importorskip("torch")

from modelwright.graph import Graph
from modelwright.networks import NetworkSpec, build
from modelwright.networks.onnx_graph import export
from modelwright.packaging.targets._torch import GraphModule

ROOT = Path(__file__).resolve().parents[2]
EDGE = ROOT / "benchmarks" / ".peers" / "executorch" / "bin" / "python"
needs_edge = pytest.mark.skipif(not EDGE.exists(), reason="ExecuTorch has no environment in benchmarks/.peers")
CLASSES = Task(kind="multiclass", target="y", classes=("a", "b", "c"))
TASKS = {
    "classes": CLASSES,
    "value": Task(kind="regression", target="y"),
    "boxes": Task(kind="detection", target="y", classes=("a", "b")),
    "mask": Task(kind="segmentation", target="y", classes=("a", "b")),
    "forecast": Task(kind="forecast", target="y", horizon=4),
}
NETWORKS = [
    ("image", "image_cnn", "classes"), ("image", "image_resnet", "value"), ("image", "image_vit", "classes"),
    ("image", "image_unet", "boxes"), ("image", "image_unet", "mask"), ("audio", "audio_cnn", "classes"),
    ("audio", "audio_transformer", "classes"), ("series", "series_tcn", "value"),
    ("series", "series_linear", "forecast"), ("series", "series_inception", "classes"),
    ("series", "series_patch", "classes"), ("series", "series_rocket", "classes"),
    ("text", "text_cnn", "classes"), ("text", "text_transformer", "classes"),
    ("number", "number", "value"), ("category", "category", "classes"),
]  # fmt: skip


def network_graph(encoders: dict[str, str], inputs: tuple[ArrayInput, ...], task: Task) -> bytes:
    """The graph of a network as it is before training."""
    torch.manual_seed(3)
    return export(build(NetworkSpec(encoders=dict(encoders)), inputs, (task,)), inputs, (task,))


def network_package(folder: Path, kinds: list[Any], encoders: dict[str, str], task: Task) -> Path:
    """A package of such a network over a table of pictures, sounds, texts and the like."""
    trained, cleaned = media_training(kinds, [task])
    graph = network_graph(encoders, trained.signature.arrays, task)
    made = package(dataclasses.replace(trained, graph=graph), cleaned, path=folder / "net.wright", name="net")
    return made.path


def wright_export(path: Path, folder: Path, target: str) -> subprocess.CompletedProcess[str]:
    """`wright export` by the interpreter that has ExecuTorch."""
    command = [str(EDGE), "-m", "modelwright", "export", str(path), "--target", target, "-o", str(folder), "--json"]
    ways = os.pathsep.join((str(ROOT), str(ROOT / "runtime")))
    surroundings = {**os.environ, "PYTHONPATH": ways, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=surroundings, cwd=folder, capture_output=True, text=True, timeout=300)


def exported_files(said: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """What it says of each file, by the ending of its name."""
    assert said.returncode == 0, said.stderr[-2000:]
    lines = [json.loads(line) for line in said.stdout.splitlines() if line.startswith("{")]
    return {Path(line["path"]).suffix: line for line in lines if line["event"] == "exported"}


@pytest.mark.parametrize(("kind", "encoder", "task"), NETWORKS)
def test_the_module_of_torch_answers_as_the_graph(kind: Any, encoder: str, task: str) -> None:
    trained, _ = media_training([kind], [TASKS[task]])
    graph = network_graph({kind: encoder}, trained.signature.arrays, TASKS[task])
    plan, rng = read_plan(graph), np.random.default_rng(5)
    module, session = GraphModule(plan).eval(), open_session(graph, n_threads=1)
    for gaps in (False, True):
        feeds: dict[str, np.ndarray] = {}
        for name in plan.inputs:
            value = plan.values[name]
            high = 256 if value.dtype == np.uint8 else 3
            drawn = rng.integers(0, high, value.shape) if value.dtype.kind in "iu" else rng.normal(size=value.shape)
            feeds[name] = drawn.astype(value.dtype)
            if gaps and kind in ("number", "series"):
                feeds[name].reshape(-1)[0] = np.nan
        due = session.run(None, feeds)
        with torch.no_grad():
            answers = module(*(torch.from_numpy(feeds[name]) for name in plan.inputs))
        assert len(answers) == len(due)
        for answer, wanted in zip(answers, due, strict=True):
            assert answer.numpy().dtype == wanted.dtype
            np.testing.assert_allclose(answer.numpy(), wanted, atol=1e-5, rtol=1e-5)


@needs_edge
@pytest.mark.parametrize(
    ("kinds", "encoders", "task"),
    [
        (["image"], {"image": "image_cnn"}, "classes"),
        (["image"], {"image": "image_unet"}, "boxes"),
        (["number", "category", "text"], {"text": "text_cnn"}, "value"),
    ],
)
def test_a_pte_replays_the_golden_rows(tmp_path: Path, kinds: list[Any], encoders: dict[str, str], task: str) -> None:
    path = network_package(tmp_path, kinds, encoders, TASKS[task])
    files = exported_files(wright_export(path, tmp_path, "executorch"))
    assert set(files) == {".pte", ".json"}
    program = Path(files[".pte"]["path"]).read_bytes()
    assert program[4:6] == b"ET" and len(program) == files[".pte"]["size_bytes"]
    assert files[".pte"]["largest_difference"] < 1e-4


@needs_edge
def test_mobile_writes_both_for_a_network(tmp_path: Path) -> None:
    path = network_package(tmp_path, ["series"], {"series": "series_tcn"}, CLASSES)
    files = exported_files(wright_export(path, tmp_path, "mobile"))
    assert set(files) == {".ort", ".pte", ".json"} and files[".ort"]["note"] == ""


@needs_edge
def test_an_operator_that_is_not_known_is_named(tmp_path: Path) -> None:
    path = network_package(tmp_path, ["series"], {"series": "series_recurrent"}, CLASSES)
    said = wright_export(path, tmp_path, "executorch")
    assert said.returncode != 0 and "target.operator" in said.stdout + said.stderr
    assert "GRU" in said.stdout + said.stderr and not list(tmp_path.glob("*.pte"))
    files = exported_files(wright_export(path, tmp_path, "mobile"))
    assert set(files) == {".ort", ".json"} and "GRU" in files[".ort"]["note"]


@pytest.mark.skipif(importlib.util.find_spec("executorch") is not None, reason="executorch is installed here")
def test_without_executorch_the_way_to_it_is_told(tmp_path: Path) -> None:
    model = load(network_package(tmp_path, ["number"], {"number": "number"}, CLASSES))
    with pytest.raises(UserError, match=r"modelwright\[edge\]") as missing:
        write_targets(model, ["executorch"], tmp_path)
    assert missing.value.code == "optional.missing"
    files = write_targets(model, ["mobile"], tmp_path)
    assert [file.path.suffix for file in files] == [".ort", ".json"] and "executorch" in files[0].note


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    model = load(tiny_package(tmp_path).path)
    with pytest.raises(UserError) as refused:
        write_targets(model, ["executorch"], tmp_path)
    assert refused.value.code == "target.executorch" and not list(tmp_path.glob("*.pte"))
    assert write_targets(model, ["mobile"], tmp_path)[0].note == ""


def test_texts_and_strange_operators_are_named() -> None:
    graph = Graph()
    made = graph.node("Softsign", graph.input("array_0", "float32", (None, 2)))
    graph.output("values_0", made, "float32", (None, 2))
    with pytest.raises(UserError, match="Softsign"):
        GraphModule(read_plan(graph.to_bytes()))
    with pytest.raises(UserError, match="target `executorch`"):
        GraphModule(read_plan(tiny_graph()))
