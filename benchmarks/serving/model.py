"""The model of the benchmark: LightGBM, 200 trees of 31 leaves, 28 numbers in. The same trees as LightGBM's text, as
its scikit-learn class, as ONNX, and as a package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

N_COLUMNS, N_TREES, N_LEAVES, N_ROWS = 28, 200, 31, 20_000
COLUMNS = tuple(f"f{index}" for index in range(N_COLUMNS))


def rows(n_rows: int = N_ROWS, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Numbers as of a detector, float32 (n, 28), and whether a signal is there."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_rows, N_COLUMNS)).astype(np.float32)
    score = x[:, 0] * x[:, 1] + np.abs(x[:, 2]) - x[:, 3] + 0.5 * rng.normal(size=n_rows)
    return x, (score > 0.4).astype(int)


def make(folder: Path) -> None:
    """Write `model.txt`, `model.joblib`, `model.onnx`, `higgs.wright` (and `other.wright`, of other trees), `row.json`
    and `rows.npy` into a folder."""
    import joblib
    import lightgbm

    folder.mkdir(parents=True, exist_ok=True)
    x, y = rows()
    for name, seed in (("higgs", 0), ("other", 1)):
        settings: dict[str, Any] = {"n_estimators": N_TREES, "num_leaves": N_LEAVES, "verbose": -1, "n_jobs": 1}
        fitted = lightgbm.LGBMClassifier(**settings, random_state=seed, subsample=0.9, subsample_freq=1).fit(x, y)
        graph = _graph(fitted.booster_.model_to_string())
        _package(graph, x, y, fitted.predict_proba(x), folder / f"{name}.wright")
        if name == "higgs":
            fitted.booster_.save_model(folder / "model.txt")
            joblib.dump(fitted, folder / "model.joblib")
            (folder / "model.onnx").write_bytes(graph)
    (folder / "row.json").write_text(json.dumps([float(value) for value in x[0]]))
    np.save(folder / "rows.npy", x[:1000])


def _graph(text: str) -> bytes:
    from modelwright.graph import Graph
    from modelwright.models._trees import emit_trees
    from modelwright.models.base import emit_pair
    from modelwright.models.boosting import read_trees

    graph = Graph()
    numbers = graph.input("numbers", "float64", (None, N_COLUMNS))
    raw = emit_trees(graph, graph.tensor(numbers).cast("float32"), read_trees(text, 1))
    pair = emit_pair(graph, graph.tensor(raw).map("Sigmoid").name)
    graph.output("probabilities", graph.tensor(pair).cast("float32"), "float32", (None, 2))
    return graph.to_bytes()


def _package(graph: bytes, x: np.ndarray, y: np.ndarray, answers: np.ndarray, path: Path) -> None:
    import polars as pl

    import modelwright as mw
    from modelwright.core.values import Candidate, Trained
    from modelwright.packaging import package
    from modelwright_runtime.signature import Signature, Task

    frame = pl.DataFrame(x.astype(np.float64), schema=list(COLUMNS)).with_columns(signal=pl.Series(y).cast(pl.String))
    csv = path.with_suffix(".csv")
    frame.write_csv(csv)
    cleaned = mw.clean(mw.collect(csv), mw.CleanSpec(target="signal", kinds=dict.fromkeys(COLUMNS, "number")))
    known = {reading.column: reading for reading in cleaned.readings}
    trained = Trained(
        graph=graph,
        signature=Signature(
            task=Task(kind="binary", target="signal", classes=("0", "1")),
            readings=tuple(known[name] for name in COLUMNS), numbers=COLUMNS, categories=(), threshold=0.5,
            ranges={name: (float(x[:, index].min()), float(x[:, index].max())) for index, name in enumerate(COLUMNS)},
        ),
        leaderboard=(Candidate(name="boosting", model="boosting", settings={}, metric="log_loss", score=0.3),),
        validation=answers,
        importance=dict.fromkeys(COLUMNS, 1.0),
        decisions=(),
        parity=0.0,
    )  # fmt: skip
    package(trained, cleaned, path=path, name="higgs")


if __name__ == "__main__":
    import sys

    make(Path(sys.argv[1]))
