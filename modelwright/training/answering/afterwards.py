"""A finished model, such as a network, whose answers are told by costs, for a goal, calibrated, or with how surely.

Its graph is left as it is; what is made of its first answer is laid behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError
from modelwright.core.rng import stream
from modelwright.training.answering.base import of_classes, plain_band

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Trained
    from modelwright.graph import Graph
    from modelwright.training.base import TrainSpec
    from modelwright_runtime.signature import Task

SETTINGS = ("goal", "costs", "conformal")


def asks(spec: TrainSpec, task: Task) -> bool:
    """Whether there is anything to do. Raises `UserError("train.conformal")` where it cannot be done."""
    said = [name for name in SETTINGS if getattr(spec, name) is not None]
    said += [] if spec.calibration in ("auto", "none") else ["calibration"]
    if said and task.kind not in ("binary", "multiclass", "regression"):
        raise UserError(
            "train.conformal", f"`{said[0]}` is for classes and numbers; `{task.target}` asks for {task.kind}.",
            hint=f"take `{said[0]}` out",
        )  # fmt: skip
    return bool(said)


def afterwards(
    trained: Trained, task: Task, y: np.ndarray, folds: np.ndarray, spec: TrainSpec, *, seed: int
) -> Trained:
    """The model with its first target told as the spec says; `task` is that target with its costs, `y` the truth and
    `folds` the fold of the rows of `trained.validation`. Networks are calibrated already: `auto` leaves them so.

    Raises `UserError` `train.goal` and `train.conformal`.
    """
    import numpy as np

    judged = np.isfinite(trained.validation.reshape(len(y), -1)).all(axis=1)
    answers, y, parts = trained.validation[judged], y[judged], folds[judged]
    weights = np.ones(len(y))
    if len(np.unique(parts)) < 2:
        parts = stream(seed, "training", "calibration").permutation(np.arange(len(y)) % 5)
    signature = trained.signature
    if task.is_classification:
        calibration = "none" if spec.calibration == "auto" else spec.calibration
        made, shares, told = of_classes(
            task, y, answers, weights, parts, spec.but(calibration=calibration), n_trained=len(judged)
        )
        graph = trained.graph
        if made.calibrator is not None:
            calibrator, n = made.calibrator, len(task.classes)

            def calibrated(tail: Graph, answer: str) -> None:
                risen = calibrator.emit(tail, tail.tensor(answer).cast("float64"))
                tail.output("probabilities", tail.tensor(risen).cast("float32"), "float32", (None, n))

            graph = graft(graph, calibrated)
        validation = trained.validation.copy()
        validation[judged] = shares
        signature = replace(signature, task=made.task, threshold=made.threshold)
        return replace(trained, graph=graph, signature=signature, validation=validation,
                       decisions=(*trained.decisions, *told))  # fmt: skip
    if spec.conformal is None:
        return trained
    band, about = plain_band(y, answers, parts, spec.conformal)

    def with_ends(tail: Graph, answer: str) -> None:
        column = tail.node("Reshape", answer, tail.constant([-1, 1], "int64"))
        tail.output("values", answer, "float64", (None,))
        tail.output("beside_0", band.emit(tail, column, None, None), "float64", (None, 2))

    task = replace(signature.task, columns=("low", "high"), coverage=spec.conformal.coverage)
    return replace(
        trained, graph=graft(trained.graph, with_ends), signature=replace(signature, task=task),
        decisions=(*trained.decisions, about),
    )  # fmt: skip


def graft(graph: bytes, write: Callable[[Graph, str], None]) -> bytes:
    """A graph with a tail behind its first output: `write(tail, answer)` writes the tail's nodes and its outputs, the
    first of which takes the answer's place; further ones come last."""
    import onnx
    from onnx import helper

    from modelwright.graph import Graph

    model = onnx.load_from_string(graph)
    first, *others = model.graph.output
    shape = tuple(axis.dim_value or None for axis in first.type.tensor_type.shape.dim)
    dtype = helper.tensor_dtype_to_np_dtype(first.type.tensor_type.elem_type).name
    written = Graph()
    write(written, written.input("answer", dtype, shape))
    tail = onnx.load_from_string(written.to_bytes())
    _rename(model.graph, {first.name: "answer_before"})
    told = {output.name for output in tail.graph.output}
    mine = {item.name for item in tail.graph.initializer} | {name for node in tail.graph.node for name in node.output}
    _rename(tail.graph, {"answer": "answer_before", **{name: f"tail_{name}" for name in mine - told}})
    new_first, *more = tail.graph.output
    body = helper.make_graph(
        [*model.graph.node, *tail.graph.node], "modelwright", list(model.graph.input), [new_first, *others, *more],
        [*model.graph.initializer, *tail.graph.initializer],
    )  # fmt: skip
    versions: dict[str, int] = {}
    for item in (*model.opset_import, *tail.opset_import):
        versions[item.domain] = max(versions.get(item.domain, 0), item.version)
    made = helper.make_model(
        body, opset_imports=[helper.make_opsetid(domain, version) for domain, version in sorted(versions.items())],
        ir_version=max(model.ir_version, tail.ir_version), producer_name="modelwright",
    )  # fmt: skip
    onnx.checker.check_model(made)
    data: bytes = made.SerializeToString(deterministic=True)
    return data


def _rename(graph: Any, names: dict[str, str]) -> None:
    """Tensors by other names."""
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for item in (*graph.initializer, *graph.output, *graph.value_info):
        item.name = names.get(item.name, item.name)


def refuse_objective(spec: TrainSpec, why: str) -> None:
    """Networks answer the mean, so far."""
    if spec.objective is not None:
        raise UserError(
            "train.objective", f"`objective` is for what libraries fit, and this is learned by a network: {why}.",
            hint="`network: off` for a table; for a network name its loss: `network: {losses: {TARGET: mae}}`",
        )  # fmt: skip


def unasked(spec: TrainSpec) -> TrainSpec:
    """The spec without what is done afterwards."""
    return spec.but(**dict.fromkeys(SETTINGS))
