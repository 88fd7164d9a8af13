"""C from one fitted model by us, m2cgen and emlearn: size, working memory, CPU time a row, and how far the answers are.

`make bench NAME=embedded`. The peers' environment: `uv venv benchmarks/.peers/embedded`, then
`pip install scikit-learn lightgbm m2cgen emlearn` into it. All are compiled by one gcc with the same flags; each is run
in turn, five rounds, and the median of CPU time is told.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import polars as pl

from benchmarks.common import ROOT, SHARED, bar, machine, process

HERE = Path(__file__).resolve().parent
PEER = ROOT / "benchmarks" / ".peers" / "embedded" / "bin" / "python"
ROUNDS, REPEATS = 5, 40
LIMIT_DIFFERENCE = 1e-5

MAIN = """#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
{before}
static float rows[{n}][{d}];
int main(int argc, char **argv) {{
  FILE *file = fopen(argv[1], "rb");
  int i, r, repeats = argc > 2 ? atoi(argv[2]) : 0;
  double answer;
  clock_t began;
  if (!file || fread(rows, sizeof rows, 1, file) != 1) return 1;
  for (i = 0; i < {n}; ++i) {{ const float *x = rows[i]; {ask} printf("%.9g\\n", answer); }}
  began = clock();
  for (r = 0; r < repeats; ++r) for (i = 0; i < {n}; ++i) {{
    const float *x = rows[i]; {ask} rows[i][0] += (float)(answer * 0); }}
  fprintf(stderr, "%.9g\\n", repeats ? (double)(clock() - began) / CLOCKS_PER_SEC / repeats / {n} : 0.0);
  return 0;
}}
"""
ASKS = {
    "ours": "{{ m_row row; float p[2]; int k; for (k = 0; k < {d}; ++k) row.numbers[k] = x[k]; "
            "m_predict(&row, p); answer = p[1]; }}",
    "m2cgen": "{{ double in[{d}], out[2]; int k; for (k = 0; k < {d}; ++k) in[k] = x[k]; score(in, out); "
              "answer = out[1]; }}",
    "m2cgen linear": "{{ double in[{d}]; int k; for (k = 0; k < {d}; ++k) in[k] = x[k]; "
                     "answer = 1 / (1 + exp(-score(in))); }}",
    "emlearn": "{{ float out[2]; m_predict_proba(x, {d}, out, 2); answer = out[1]; }}",
}  # fmt: skip


def data() -> tuple[np.ndarray, np.ndarray]:
    """Wine quality (red): 11 measurements, good or not."""
    path = SHARED / "tabular/wine_quality_red/winequality-red.csv.gz"
    frame = pl.read_csv(path, has_header=False, infer_schema=False)
    whole = frame.cast(pl.Float64, strict=False).drop_nulls().to_numpy()
    return whole[:, :11].astype(np.float32), (whole[:, 11] >= 6).astype(np.int64)


def models(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Fitted by the libraries themselves, once; everybody compiles the same."""
    import lightgbm
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.tree import DecisionTreeClassifier

    unfitted = {
        "tree": DecisionTreeClassifier(max_depth=6, random_state=0),
        "forest": RandomForestClassifier(50, max_depth=8, random_state=0),
        "boosting": lightgbm.LGBMClassifier(n_estimators=100, num_leaves=31, verbose=-1, random_state=0, num_threads=1),
        "linear": LogisticRegression(max_iter=5000),
    }
    return {name: model.fit(x, y) for name, model in unfitted.items()}


def fitted(name: str, model: Any) -> Any:
    """The same model as our own `Fitted`."""
    from modelwright.models import _grown, boosting
    from modelwright_runtime.signature import Task

    task, present = Task(kind="binary", target="good", classes=("no", "yes")), np.arange(2)
    if name == "boosting":
        return boosting._fitted(model.booster_, present, task, (0.0, 1.0))
    if name == "linear":
        return None
    grown = [model.tree_] if name == "tree" else [one.tree_ for one in model.estimators_]
    return _grown.fitted(model, grown, task, present, (0.0, 1.0))


def ours(name: str, model: Any, x: np.ndarray, folder: Path) -> None:
    """Our C of the same model."""
    from modelwright.graph import Graph
    from modelwright.packaging.targets.embedded import embedded_source
    from modelwright_runtime.model import Model
    from modelwright_runtime.reading import Reading
    from modelwright_runtime.signature import Signature, Task

    graph, columns = Graph(), tuple(f"x{place}" for place in range(x.shape[1]))
    numbers = graph.tensor(graph.input("numbers", "float64", (None, x.shape[1]))).cast("float32")
    if name == "linear":
        from modelwright.models.base import emit_pair, emit_spread

        logits = graph.tensor(graph.tensor(numbers).cast("float64")) @ model.coef_.T + model.intercept_[None]
        answer = emit_spread(graph, emit_pair(graph, logits.map("Sigmoid").name), np.arange(2), 2)
    else:
        answer = fitted(name, model).emit(graph, numbers)
    graph.output("probabilities", answer, "float32", (None, 2))
    signature = Signature(
        task=Task(kind="binary", target="good", classes=("no", "yes")), numbers=columns,
        readings=tuple(Reading(column=column, kind="number") for column in columns),
    )  # fmt: skip
    source = embedded_source(Model(graph.to_bytes(), signature, name="m"))
    place = folder / f"{name}_ours"
    place.mkdir()
    (place / "m.h").write_text(source.header)
    (place / "m.c").write_text(source.code)


def built(name: str, who: str, folder: Path, shape: tuple[int, int], include: str) -> tuple[Path, int, int]:
    """A program that asks the C of one peer; bytes of flash and RAM of the C alone."""
    place = folder / f"{name}_{who}"
    place.mkdir(exist_ok=True)
    if who == "ours":
        unit, before, ask, flags = place / "m.c", '#include "m.h"', ASKS["ours"], [f"-I{place}"]
    else:
        unit = place / "m.c"
        kept = (folder / f"{name}_{who}.h").read_text()
        unit.write_text(kept)
        linear = who == "m2cgen" and name == "linear"
        double = "double score(double *);" if linear else "void score(double *, double *);"
        declared = f"#include <math.h>\n{double}" if who == "m2cgen" else (
            "#include <stdint.h>\nint m_predict_proba(const float *, int32_t, float *, int);"
        )  # fmt: skip
        before, ask, flags = declared, ASKS["m2cgen linear" if linear else who], [f"-I{include}"]
    program = MAIN.format(before=before, n=shape[0], d=shape[1], ask=ask.format(d=shape[1]))
    (place / "main.c").write_text(program)
    compile_ = ["gcc", "-std=gnu99", "-Os", "-w", *flags]
    process([*compile_, "-c", str(unit), "-o", str(place / "m.o")])
    process([*compile_, str(place / "main.c"), str(place / "m.o"), "-o", str(place / "ask"), "-lm"])
    told = process(["size", "-A", str(place / "m.o")]).output
    sizes = {key: int(size) for key, size in re.findall(r"^(\.\S+)\s+(\d+)", told, re.MULTILINE)}
    flash = sum(size for key, size in sizes.items() if key.startswith((".text", ".rodata", ".data")))
    ram = sum(size for key, size in sizes.items() if key.startswith((".bss", ".data")) and ".rel.ro" not in key)
    return place / "ask", flash, ram


def asked(program: Path, rows: Path) -> tuple[np.ndarray, float]:
    """Answers, and CPU seconds for one row."""
    done = subprocess.run([program, rows, str(REPEATS)], capture_output=True, text=True, check=True)
    return np.array(done.stdout.split(), dtype=np.float64), float(done.stderr)


def main() -> None:
    import joblib

    lines = [f"# Models in C\n\n{machine()}, gcc -Os, float rows, {ROUNDS} rounds in turn\n"]
    x, y = data()
    with tempfile.TemporaryDirectory() as aside:
        folder = Path(aside)
        made = models(x, y)
        for name, model in made.items():
            joblib.dump(model, folder / f"{name}.joblib")
        process([str(PEER), str(HERE / "peer.py"), str(folder)])
        told = json.loads((folder / "told.json").read_text())
        lines.append(", ".join(f"{name} {number}" for name, number in told["versions"].items()) + "\n")
        lines.append(
            "| model | C by | flash bytes | RAM bytes | CPU µs a row | answers apart at most |\n" + "|---" * 6 + "|"
        )
        x.tofile(folder / "rows")
        bars = [line for name, model in made.items() for line in one_model(name, model, x, folder, told, lines)]
    notes = [f"- {what}: {why}" for what, why in told["notes"].items()]
    text = "\n".join([*lines, "", *notes, "", "```", *bars, "```", ""])
    (HERE / "RESULTS.md").write_text(text)
    print(text)


def one_model(name: str, model: Any, x: np.ndarray, folder: Path, told: dict[str, Any], lines: list[str]) -> list[str]:
    """The lines of one model's table, and its bars."""
    ours(name, model, x, folder)
    due = model.predict_proba(x)[:, 1]
    programs = {
        who: built(name, who, folder, x.shape, told["include"])
        for who in ("ours", "m2cgen", "emlearn")
        if who == "ours" or (folder / f"{name}_{who}.h").exists()
    }
    times: dict[str, list[float]] = {who: [] for who in programs}
    gaps = {}
    for _ in range(ROUNDS):
        for who, (program, _, _) in programs.items():
            answers, cpu_s = asked(program, folder / "rows")
            times[who].append(cpu_s * 1e6)
            gaps[who] = float(np.abs(answers - due).max())
    for who, (_, flash, ram) in programs.items():
        lines.append(
            f"| {name} | {who} | {flash:,} | {ram:,} | {statistics.median(times[who]):.3f} | {gaps[who]:.1e} |"
        )
    bars = [bar(f"{name}: answers apart", gaps["ours"], LIMIT_DIFFERENCE)]
    if "m2cgen" in programs and name != "linear":
        bars.append(bar(f"{name}: flash against m2cgen", programs["ours"][1] / programs["m2cgen"][1], 1.0))
        fast = statistics.median(times["ours"]) / statistics.median(times["m2cgen"])
        bars.append(bar(f"{name}: time against m2cgen", fast, 1.0))
    return bars


if __name__ == "__main__":
    main()
