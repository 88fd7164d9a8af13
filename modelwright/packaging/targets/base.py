"""`write_targets`: a package's model as files for other places, each proved against the golden rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from modelwright.core.errors import UserError, nearest

if TYPE_CHECKING:
    from modelwright_runtime.model import Model

Target = Literal["server", "mobile", "executorch", "embedded"]
TOLERANCE = 1e-4
"""Most that a target may differ from the package on a golden row: absolute for probabilities, relative for values."""


@dataclass(frozen=True, kw_only=True)
class TargetFile:
    """One file for a target. `largest_difference` from the package over its golden rows is None where nothing here
    can run the file (no C compiler). Of C: bytes of flash and RAM, and the deepest frame on the stack, measured with
    this machine's compiler; without one, its constant tables and its working memory alone. `note` says what was left
    out, and why."""

    path: Path
    target: Target
    size_bytes: int
    largest_difference: float | None = None
    flash_bytes: int | None = None
    ram_bytes: int | None = None
    stack_bytes: int | None = None
    note: str = ""


def write_targets(model: Model, targets: Sequence[Target], folder: str | Path) -> tuple[TargetFile, ...]:
    """Write `model` for each of `targets` into `folder`, and prove each file on the golden rows.

    `server`: nothing is written, for the package itself is that. `mobile`: `NAME.ort` for ONNX Runtime mobile, and
    `NAME.signature.json`, which says how its inputs are made; of a network also `NAME.pte` for ExecuTorch where the
    package `executorch` is installed and takes it (the note of the `.ort` says why not). `executorch`: the `.pte` and
    the signature alone. `embedded`: `NAME.c` and `NAME.h`, C99.

    Raises `UserError` `target.name` for a target that does not exist, `target.golden` when a file does not answer as
    the package does (it is not left there), and what `embedded_source` and `pte_bytes` raise. Cost: seconds for the C
    compiler, seconds to a minute for a `.pte`.

    >>> import tempfile
    >>> from modelwright.testing.packages import tiny_package
    >>> from modelwright_runtime import load
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = write_targets(load(tiny_package(Path(folder)).path), ["mobile", "embedded"], folder)
    >>> [file.path.name for file in made]
    ['tiny.ort', 'tiny.signature.json', 'tiny.c', 'tiny.h']
    """
    from modelwright.core.store import disk_faults

    for target in targets:
        if target not in get_args(Target):
            raise UserError("target.name", f"there is no target {target!r}.", hint=nearest(target, get_args(Target)))
    place = Path(folder)
    made: list[TargetFile] = []
    with disk_faults(place):
        place.mkdir(parents=True, exist_ok=True)
        for target in dict.fromkeys(targets):
            if target == "mobile":
                made += _mobile(model, place)
            elif target == "executorch":
                made += [_executorch(model, place), _signature(model, place, "executorch")]
            elif target == "embedded":
                made += _embedded(model, place)
    return tuple(made)


def _mobile(model: Model, folder: Path) -> list[TargetFile]:
    from modelwright.packaging.targets import executorch
    from modelwright.packaging.targets._graphs import graph_of
    from modelwright.packaging.targets.embedded import c_name
    from modelwright.packaging.targets.mobile import ort_bytes, replayed

    data = ort_bytes(graph_of(model))
    difference = _close("mobile", replayed(model, data))
    program, note = [], ""
    if model.signature.arrays and not executorch.is_here():
        note = "no .pte, as the package `executorch` is not installed"
    elif model.signature.arrays:
        try:
            program = [_executorch(model, folder)]
        except UserError as problem:
            if problem.code not in ("target.operator", "target.executorch"):
                raise
            note = f"no .pte: {problem.message}"
    written = _written(folder / f"{c_name(model.name)}.ort", data, "mobile", difference)
    return [replace(written, note=note), _signature(model, folder, "mobile"), *program]


def _executorch(model: Model, folder: Path) -> TargetFile:
    from modelwright.packaging.targets.embedded import c_name
    from modelwright.packaging.targets.executorch import pte_bytes, replayed

    data = pte_bytes(model)
    difference = _close("executorch", replayed(model, data))
    return _written(folder / f"{c_name(model.name)}.pte", data, "executorch", difference)


def _signature(model: Model, folder: Path, target: Target) -> TargetFile:
    from modelwright.packaging.archive import plain_json
    from modelwright.packaging.targets.embedded import c_name

    plain = plain_json(model.signature.to_plain())
    return _written(folder / f"{c_name(model.name)}.signature.json", plain, target, None)


def _embedded(model: Model, folder: Path) -> list[TargetFile]:
    from modelwright.packaging.targets._proof import compiler, prove
    from modelwright.packaging.targets.embedded import embedded_source

    source, cc = embedded_source(model), compiler()
    flash, ram, stack, difference = source.table_bytes, source.memory_bytes, None, None
    if cc is not None:
        weight, gap = prove(source, model, model.facts["golden"]["rows"], cc)
        difference = _close("embedded", gap)
        flash, ram, stack = weight.flash_bytes, weight.ram_bytes, weight.stack_bytes
    code = _written(folder / f"{source.name}.c", source.code.encode(), "embedded", difference, (flash, ram, stack))
    return [code, _written(folder / f"{source.name}.h", source.header.encode(), "embedded", None)]


def _close(target: str, difference: float) -> float:
    if not difference <= TOLERANCE:
        raise UserError(
            "target.golden", f"the file for {target} does not answer as the package: its golden rows differ by "
            f"{difference:.2g} (at most {TOLERANCE:g} is allowed).", hint="please report it with the package",
        )  # fmt: skip
    return difference


def _written(
    path: Path, data: bytes, target: Target, difference: float | None,
    weight: tuple[int | None, int | None, int | None] = (None, None, None),
) -> TargetFile:  # fmt: skip
    from modelwright.core.store import write_atomically

    write_atomically(path, data)
    flash, ram, stack = weight
    return TargetFile(
        path=path, target=target, size_bytes=len(data), largest_difference=difference, flash_bytes=flash,
        ram_bytes=ram, stack_bytes=stack,
    )  # fmt: skip
