"""Monitoring's suite: what every sketch, test and decision must satisfy, and tiny references to try them on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from modelwright.testing.packages import tiny_signature

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.monitoring.reference import Reference
    from modelwright_runtime.model import Model
    from modelwright_runtime.signature import Signature

__all__ = ["check_null", "check_sketch", "labelled", "tiny_model", "tiny_reference", "tiny_signature", "tiny_window"]


def tiny_rows(n_rows: int, seed: int = 0) -> pl.DataFrame:
    """Raw rows for `tiny_signature`: ages with gaps, prices, members as words, three cities."""
    import numpy as np
    import polars as pl

    rng = np.random.Generator(np.random.PCG64([n_rows, seed]))
    age = rng.normal(45, 12, n_rows).clip(18, 90)
    return pl.DataFrame(
        {
            "age": pl.Series([None if gap else float(x) for x, gap in zip(age, rng.random(n_rows) < 0.1, strict=True)]),
            "price": pl.Series(rng.gamma(2, 400, n_rows).clip(0, 5000)),
            "member": pl.Series([("no", "yes")[k] for k in rng.integers(2, size=n_rows)]),
            "city": pl.Series([("Bergen", "New York", "Oslo")[k] for k in rng.choice(3, n_rows, p=[0.2, 0.3, 0.5])]),
        }
    )


def tiny_model() -> Model:
    """A model with its facts as a loaded package has them, without a file."""
    from dataclasses import asdict

    import numpy as np

    from modelwright.monitoring.cells import read_column
    from modelwright.monitoring.reference import N_SAMPLE, codes_of, encoded, learn_answers, learn_view
    from modelwright.testing.packages import tiny_graph
    from modelwright_runtime.model import Model

    signature, rows = tiny_signature(), tiny_rows(2000, seed=99)
    model = Model(tiny_graph(), signature, name="tiny")
    readings = {reading.column: reading for reading in signature.readings}
    values = {name: read_column(rows[name], readings[name]).values for name in model.columns}
    views = [
        learn_view(name, name, "number" if isinstance(values[name], np.ndarray) else "category", values[name])
        for name in model.columns
    ]
    sample = encoded({view.name: codes_of(view, values[view.name])[:N_SAMPLE] for view in views})
    answers = model.answers(rows)[0]
    learned = learn_answers(signature, answers, truth_of(answers, seed=5))
    assert learned is not None
    roc = {"name": "roc_auc", "value": 0.8, "low": 0.78, "high": 0.82, "better": "higher"}
    model.facts["metrics"] = {
        "primary": "roc_auc",
        "metrics": [roc],
        "baseline": [{**roc, "value": 0.5}],
        "importance": {"age": 0.6, "price": 0.3, "member": 0.0, "city": 0.1},
        "reference": {"views": [asdict(view) for view in views], "sample": sample, "answers": asdict(learned)},
    }
    return model


def truth_of(answers: np.ndarray, seed: int = 0) -> pl.Series:
    """Labels drawn by the answers' own probabilities: the model is right about them."""
    import numpy as np
    import polars as pl

    rng = np.random.Generator(np.random.PCG64(seed))
    return pl.Series("_truth", [("no", "yes")[int(k)] for k in rng.random(len(answers)) < answers[:, 1]])


def tiny_reference() -> Reference:
    """The reference of `tiny_model`."""
    from modelwright.monitoring.reference import reference_of

    return reference_of(tiny_model())


def tiny_window(n_rows: int, *, seed: int = 0, rows: pl.DataFrame | None = None) -> pl.DataFrame:
    """Rows that `tiny_model` has served, one each 2 s, with its answers."""

    rows = tiny_rows(n_rows, seed) if rows is None else rows
    return labelled(tiny_model(), rows, None, prefix=f"w{seed}")


def labelled(
    model: Model, rows: pl.DataFrame, truth: Any, *, prefix: str = "r", start_s: float = 1.8e9
) -> pl.DataFrame:
    """Rows as a prediction log gives them: what was sent, what was answered, and the truth where it is known."""
    import polars as pl

    told = model.predict(rows)
    columns: dict[str, Any] = {
        "_id": [f"{prefix}-{row}" for row in range(rows.height)],
        "_time": [start_s + 2.0 * row for row in range(rows.height)],
        "_version": ["1"] * rows.height,
        "_role": ["champion"] * rows.height,
        "_prediction": told.prediction.tolist(),
        "_latency_ms": [0.2 + 0.01 * (row % 10) for row in range(rows.height)],
    }
    if told.probabilities is not None:
        for index, name in enumerate(told.classes):
            columns[f"_probability_{name}"] = told.probabilities[:, index].astype("float64").tolist()
    if truth is not None:
        columns["_truth"] = truth
    return pl.concat([rows, pl.DataFrame(columns)], how="horizontal")


def check_sketch(reference: Reference, signature: Signature, window: pl.DataFrame) -> None:
    """Parts merged in any order are the whole; JSON brings the same sketch back; the state is bounded."""
    from modelwright.monitoring.sketch import Sketch, merged, sketch_of

    whole = sketch_of(reference, signature, window)
    thirds = [
        window[: window.height // 3],
        window[window.height // 3 : window.height // 2],
        window[window.height // 2 :],
    ]
    parts = [sketch_of(reference, signature, part) for part in thirds]
    for order in (parts, parts[::-1], [parts[1], parts[2], parts[0]]):
        joined = merged(order)
        assert joined.counts == whole.counts
        assert joined.keys == whole.keys
        assert joined.sample == whole.sample
        assert joined.answers == whole.answers
        assert joined.hours == whole.hours
    text = json.dumps(whole.to_plain())
    assert Sketch.from_plain(json.loads(text)) == whole
    assert len(text) < 1_000_000


def check_null(p: np.ndarray, *, least: float = 1e-3) -> None:
    """P-values of a true null are uniform: the Kolmogorov-Smirnov test does not refuse it."""
    from scipy.stats import kstest

    assert kstest(p, "uniform").pvalue > least
