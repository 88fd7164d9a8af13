"""The C of a model put to the proof: compiled, asked the golden rows, and measured.

What is measured is this machine's code: another processor's differs, its constant tables and working memory do not
(but for pointers).
"""

from __future__ import annotations

import math
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import SystemFault

if TYPE_CHECKING:
    import numpy as np

    from modelwright.packaging.targets.embedded import Source
    from modelwright_runtime.model import Model

FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
_COMPILE_TIMEOUT_S = 600
_NONE = 0xFFFFFFFF
_ASK = """#include "{name}.h"
#include <stdint.h>
#include <stdio.h>

static char cells[{n_texts}][1 << 16];

int main(void) {{
  {name}_row row;
  {kind} answer[{upper}_N_ANSWERS];
  uint32_t n_bytes;
  int i, said;
  for (;;) {{
    for (i = 0; i < {upper}_N_NUMBERS; ++i) if (fread({number}, 8, 1, stdin) != 1) return 0;
    for (i = 0; i < {upper}_N_TEXTS; ++i) {{
      if (fread(&n_bytes, 4, 1, stdin) != 1) return 0;
      {text}
      if (n_bytes != 0xFFFFFFFFu && n_bytes && fread(cells[i], 1, n_bytes, stdin) != n_bytes) return 1;
      if (n_bytes != 0xFFFFFFFFu) cells[i][n_bytes] = 0;
    }}
    said = {name}_predict(&row, answer);
    fwrite(&said, 4, 1, stdout);
    fwrite(answer, sizeof answer, 1, stdout);
  }}
}}
"""


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Bytes of a compiled model: `flash_bytes` (code and constants, with the first values of variables), `ram_bytes`
    (variables), `stack_bytes` (the deepest frame of a function of ours, -1 where the compiler does not tell)."""

    flash_bytes: int
    ram_bytes: int
    stack_bytes: int


def compiler() -> str | None:
    """Where a C compiler is: gcc, cc or clang."""
    return next((found for name in ("gcc", "cc", "clang") if (found := shutil.which(name))), None)


def build(source: Source, folder: Path, cc: str) -> Path:
    """Compile a model with a program around it that answers rows from its input; warnings are errors.

    Raises `SystemFault("target.compiler")` when the compiler refuses.
    """
    upper, name = source.name.upper(), source.name
    has_numbers = f"#define {upper}_N_NUMBERS 0\n" not in source.header
    has_texts = f"#define {upper}_N_TEXTS 0\n" not in source.header
    kind = "float" if f"const {name}_row *row, float" in source.header else "double"
    program = _ASK.format(
        name=name, upper=upper, kind=kind, n_texts=f"{upper}_N_TEXTS" if has_texts else "1",
        number="&row.numbers[i]" if has_numbers else "&row",
        text="row.texts[i] = n_bytes == 0xFFFFFFFFu ? 0 : cells[i];" if has_texts else "",
    )  # fmt: skip
    (folder / f"{name}.h").write_text(source.header)
    (folder / f"{name}.c").write_text(source.code)
    (folder / "ask.c").write_text(program)
    model = folder / f"{name}.o"
    run([cc, *FLAGS, "-Os", "-fstack-usage", "-c", f"{name}.c", "-o", model.name], folder)
    run([cc, "-std=c99", "-Os", "-o", "ask", "ask.c", model.name, f"-Wl,-Map={name}.map"], folder)
    return folder / "ask"


def run(command: Sequence[str], folder: Path, given: bytes = b"") -> bytes:
    """A program's output; `SystemFault("target.compiler")` with its last words when it fails."""
    done = subprocess.run(command, cwd=folder, input=given, capture_output=True, timeout=_COMPILE_TIMEOUT_S)
    if done.returncode:
        told = (done.stderr or done.stdout).decode(errors="replace").strip()[-400:]
        raise SystemFault("target.compiler", f"{Path(command[0]).name} failed with {done.returncode}: {told}")
    return done.stdout


def footprint(source: Source, folder: Path) -> Footprint:
    """What the compiled object weighs, as `size` of binutils tells it."""
    told = run([shutil.which("size") or "size", "-A", f"{source.name}.o"], folder).decode()
    sections = {name: int(size) for name, size in re.findall(r"^(\.\S+)\s+(\d+)", told, re.MULTILINE)}
    code = sum(size for name, size in sections.items() if name.startswith((".text", ".rodata", ".data.rel.ro")))
    first_values = sum(size for name, size in sections.items() if re.fullmatch(r"\.data(\.local)?", name))
    zeros = sum(size for name, size in sections.items() if name.startswith(".bss"))
    usage = folder / f"{source.name}.su"
    frames = [int(line.split("\t")[1]) for line in usage.read_text().splitlines()] if usage.exists() else [-1]
    return Footprint(
        flash_bytes=code + first_values, ram_bytes=zeros + first_values, stack_bytes=max(frames, default=-1)
    )


def ask(source: Source, folder: Path, model: Model, rows: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """What the compiled model answers to raw rows: float64 (n, n_answers), and the numbers of classes it said."""
    import numpy as np

    kind = "<f4" if f"const {source.name}_row *row, float" in source.header else "<f8"
    found = re.search(r"_N_ANSWERS (\d+)", source.header)
    n_answers = int(found.group(1)) if found else 1
    given = b"".join(row_bytes(model, row) for row in rows)
    out = run([str(folder / "ask")], folder, given)
    made = np.frombuffer(out, dtype=[("said", "<i4"), ("answer", kind, (n_answers,))])
    return made["answer"].astype(np.float64), made["said"]


def row_bytes(model: Model, row: Mapping[str, Any]) -> bytes:
    """A raw row as the program around the C takes it. Numbers go in as they are, bounds and sentinels unread; those
    written as texts are taken apart first, as a caller would."""
    from modelwright.packaging.targets.embedded import columns_of
    from modelwright_runtime.reading import as_text

    columns = columns_of(model.signature)
    readings = {reading.column: reading for reading in model.signature.readings}
    parts = [struct.pack("<d", _number(row[name], readings[name])) for name in columns.numbers]
    for name in columns.texts:
        cell = row[name]
        if cell is None or cell != cell:
            parts.append(struct.pack("<I", _NONE))
        else:
            text = as_text(cell).encode()[:65_000]
            parts.append(struct.pack("<I", len(text)) + text)
    return b"".join(parts)


def _number(cell: Any, reading: Any) -> float:
    from modelwright_runtime.reading import CellError, read_cell

    if isinstance(cell, (int, float)) and not isinstance(cell, bool) and reading.kind == "number":
        return float(cell)
    try:
        value = read_cell(cell, reading)
    except CellError:
        return math.nan
    return math.nan if value is None else float(value)


def prove(source: Source, model: Model, rows: Sequence[Mapping[str, Any]], cc: str) -> tuple[Footprint, float]:
    """Compile, ask, compare: what it weighs, and the largest difference from the package.

    Differences are as in the package: of probabilities absolute, of values relative to their size (1 at least).
    """
    import numpy as np

    from modelwright_runtime.model import largest_difference

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        build(source, folder, cc)
        answers, _ = ask(source, folder, model, rows)
        weight = footprint(source, folder)
    due = np.asarray(model.answers(list(rows))[0], dtype=np.float64).reshape(len(rows), -1)
    relative = model.signature.task.kind in ("regression", "forecast")
    return weight, largest_difference(answers, due, relative=relative)
