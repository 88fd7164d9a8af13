"""A network's graph for ExecuTorch: `.pte`, which phones and small boards run without Python."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError
from modelwright.core.optional import need
from modelwright_runtime.model import Model, replay

if TYPE_CHECKING:
    import numpy as np

_WHY = "writing a network for ExecuTorch"


def is_here() -> bool:
    """Whether the package `executorch` can be imported."""
    from importlib.util import find_spec

    return find_spec("executorch") is not None


def pte_bytes(model: Model) -> bytes:
    """The network of a package as an ExecuTorch program: method `forward`, the arrays of one row in, answers out.

    What XNNPACK can run is handed to it; the rest goes to the portable operators. Reading of cells, tokens and
    levels is no part of it: the caller makes the arrays, as `NAME.signature.json` says.

    Raises `UserError` `target.executorch` for a package that is no network (its cells are read in the graph),
    `target.operator` for an operator that is not known here or that ExecuTorch refuses, `optional.missing` without
    the package `executorch`. Cost: seconds to a minute.
    Reference: https://docs.pytorch.org/executorch/stable/using-executorch-export.html
    """
    signature = model.signature
    if not signature.arrays or signature.numbers or signature.categories or signature.texts:
        raise UserError(
            "target.executorch", "ExecuTorch runs networks; this package has no arrays, or reads cells beside them.",
            hint="take the target `mobile` or `embedded`",
        )  # fmt: skip
    need("executorch", extra="edge", why=_WHY)
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower
    from executorch.exir.error import ExportError, InternalError

    from modelwright.packaging.targets._graphs import graph_of
    from modelwright.packaging.targets._plan import read_plan
    from modelwright.packaging.targets._torch import GraphModule

    plan = read_plan(graph_of(model))
    rows = tuple(
        torch.zeros(plan.values[name].shape, dtype=getattr(torch, plan.values[name].dtype.name)) for name in plan.inputs
    )
    with _quietly(), torch.no_grad():
        try:
            program = torch.export.export(GraphModule(plan).eval(), rows)
            lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
            data: bytes = lowered.to_executorch().buffer
        except UserError:  # a form of an operator that `GraphModule` refuses while it is traced
            raise
        except (ExportError, InternalError, RuntimeError, ValueError, NotImplementedError) as problem:
            raise _refused(problem) from problem
    return data


def replayed(model: Model, data: bytes) -> float:
    """The largest difference between the golden rows' answers and those of a `.pte`, run by ExecuTorch's runtime.

    Raises `UserError("target.operator")` when the runtime has no kernel for an operator in it.
    """
    from modelwright.packaging.targets._graphs import graph_of

    device = _OnDevice(graph_of(model), model.signature, name=model.name)
    try:
        device.take(data)
        return replay(device, model.facts["golden"])
    except RuntimeError as problem:
        raise _refused(problem) from problem


def _refused(problem: Exception) -> UserError:
    reason = (str(problem).strip().splitlines() or ["no reason given"])[0][:300]
    return UserError("target.operator", f"ExecuTorch cannot take this network: {reason}",
                     hint="take the target `mobile`, whose .ort has every operator")  # fmt: skip


class _OnDevice(Model):
    """A package whose cells are read as ever, and whose arrays are answered by a `.pte`, row by row."""

    def take(self, data: bytes) -> None:
        need("executorch", extra="edge", why=_WHY)
        from executorch.runtime import Runtime

        self._program = Runtime.get().load_program(data)
        self._method = self._program.load_method("forward")

    def _run(self, feeds: Any, n_rows: int) -> tuple[np.ndarray, ...]:
        import numpy as np
        import torch

        answers = []
        for row in range(n_rows):
            given = [
                torch.from_numpy(np.ascontiguousarray(feeds[f"array_{index}"][row : row + 1]))
                for index in range(len(self.signature.arrays))
            ]
            # the memory of an answer is used again for the next row
            answers.append([answer.numpy().copy() for answer in self._method.execute(given)])
        return tuple(np.concatenate(parts) for parts in zip(*answers, strict=True))


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without the notes that torch and ExecuTorch write while they export."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
