"""The suite of the training stage: what every trained model must keep, whatever it was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.data import Dataset
    from modelwright.core.values import Splits, Trained


def check_trained(trained: Trained, data: Dataset, splits: Splits, *, parity: float = 1e-5) -> None:
    """Assert that a trained model keeps its promises; the failed one is named in the `AssertionError`.

    The leaderboard is best first, holds the constant baseline and shares that sum to 1; the graph answers as
    the libraries do within `parity`, tells quantiles and intervals in order beside them, gives finite values or
    probabilities that sum to 1, and does so for rows with every value missing or unseen; validation predictions are
    aligned with `splits.train` and never made of the row itself; importance is of the features and sums to 1 or is
    all 0.
    """
    _check_leaderboard(trained)
    assert trained.parity <= parity, f"graph and libraries differ by {trained.parity}"
    _check_answers(trained, data.take(splits.test), "held-out rows")
    _check_beside(trained, data.take(splits.test))
    _check_answers(trained, _strange(data.take(splits.test[:5])), "strange rows")
    _check_validation(trained, splits)
    _check_signature(trained, data)
    assert set(trained.importance) == set(data.schema.features), "importance is not of the features"
    total = sum(trained.importance.values())
    assert abs(total - 1) < 1e-9 or total == 0, f"importance sums to {total}"
    assert all(value >= 0 for value in trained.importance.values()), "a negative importance"


def _check_leaderboard(trained: Trained) -> None:
    from modelwright.training.losses import HIGHER_IS_BETTER

    scores = [candidate.score for candidate in trained.leaderboard]
    falling = trained.leaderboard[0].metric in HIGHER_IS_BETTER
    assert scores == sorted(scores, reverse=falling), "the leaderboard is not best first"
    assert any(candidate.model == "constant" for candidate in trained.leaderboard), "no constant baseline"
    shares = [candidate.weight for candidate in trained.leaderboard]
    assert abs(sum(shares) - 1) < 1e-9 and min(shares) >= 0, f"shares are {shares}"
    assert len({candidate.name for candidate in trained.leaderboard}) == len(shares), "two candidates of one name"


def _check_answers(trained: Trained, rows: Dataset, what: str) -> None:
    import numpy as np

    answers = trained.predict(rows)
    n_classes = len(trained.task.classes)
    expected = (rows.n_rows, n_classes) if n_classes else (rows.n_rows,)
    assert answers.shape == expected, f"{what}: answers have shape {answers.shape}, not {expected}"
    assert np.isfinite(answers).all(), f"{what}: an answer is not finite"
    if n_classes:
        assert np.allclose(answers.sum(axis=1), 1, atol=1e-5), f"{what}: probabilities do not sum to 1"
        assert (answers >= 0).all(), f"{what}: a negative probability"


def _check_beside(trained: Trained, rows: Dataset) -> None:
    """Quantiles rise, an interval's ends are in order, and the answer is among the quantiles where it is one."""
    import numpy as np

    from modelwright.core.inputs import graph_outputs

    signature = trained.signature
    outputs = graph_outputs(trained.graph, signature, rows)
    assert len(outputs) == len(signature.tasks) + len(signature.beside), "an output is missing or not due"
    for task, numbers in zip(signature.beside, outputs[len(signature.tasks) :], strict=True):
        assert numbers.shape == (rows.n_rows, len(task.columns)), "there is not one number for each column"
        assert len(set(task.columns)) == len(task.columns), "two columns of one name"
        n_quantiles = len(task.columns) - (2 if task.coverage else 0)
        assert (np.diff(numbers[:, :n_quantiles], axis=1) >= 0).all(), "quantiles cross"
        assert not task.coverage or (numbers[:, -2] <= numbers[:, -1]).all(), "an interval ends before it begins"


def _strange(rows: Dataset) -> Dataset:
    """The same rows with every feature missing, then huge, then negative and huge; categories unseen."""
    import polars as pl

    from modelwright.core.data import ROW_ID
    from modelwright.core.data import Dataset as Table

    frames = []
    for number, word in ((None, None), (1e300, "never seen"), (-1e300, "")):
        changed = []
        for name in rows.schema.features:
            kind = rows.schema[name].kind
            dtype = rows.frame.schema[name]
            if kind == "number":
                changed.append(pl.lit(number, dtype=dtype).alias(name))
            elif kind in ("category", "text"):
                changed.append(pl.lit(word, dtype=dtype).alias(name))
            else:
                changed.append(pl.lit(None, dtype=dtype).alias(name))
        frames.append(rows.frame.with_columns(changed))
    frame = pl.concat(frames).drop(ROW_ID).with_row_index(ROW_ID).cast({ROW_ID: pl.UInt64})
    return Table.from_frame(frame, rows.schema)


def _check_validation(trained: Trained, splits: Splits) -> None:
    import numpy as np

    validation = trained.validation
    assert len(validation) == len(splits.train), "validation predictions are not aligned with train"
    known = ~np.isnan(validation if validation.ndim == 1 else validation[:, 0])
    assert np.array_equal(known, splits.folds >= 0), "rows are validated that have no fold, or the other way round"


def _check_signature(trained: Trained, data: Dataset) -> None:
    signature = trained.signature
    used = [*signature.numbers, *signature.categories, *(text.column for text in signature.texts)]
    assert set(used) <= set(data.schema.features), "the model reads a column that is no feature"
    assert {reading.column for reading in signature.readings} == set(used), "readings and inputs differ"
    assert set(signature.categories) <= set(signature.levels), "a category without its levels"
    assert 0 < signature.threshold < 1, f"threshold {signature.threshold}"


def made_table(n: int, task: str, *, seed: int = 0) -> Dataset:
    """A small table with numbers (some missing), a date, a few- and a many-level category, and a short text.

    `task` is binary, multiclass or regression; the target follows the columns, with noise.
    """
    import numpy as np
    import polars as pl

    from modelwright.core.data import Column, Schema
    from modelwright.core.data import Dataset as Table

    rng = np.random.default_rng(seed)
    size, weight = rng.normal(size=n), rng.lognormal(size=n)
    colour = rng.choice(["red", "green", "blue"], n)
    town = np.array([f"town {i}" for i in rng.integers(0, 40, n)])
    words = rng.choice(["good", "bad", "fine", "poor"], (n, 2))
    signal = size + (colour == "red") + 0.7 * (words == "good").any(axis=1) + rng.normal(0, 0.5, n)
    frame = pl.DataFrame(
        {
            "size": np.where(rng.random(n) < 0.1, np.nan, size),
            "weight": weight,
            "when": pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2024, 1, 1), eager=True)[:n].sample(
                n, with_replacement=n > 1461, seed=seed
            ),
            "new": rng.random(n) < 0.5,
            "colour": colour,
            "town": town,
            "note": [" ".join(pair) for pair in words],
            "y": _made_target(signal, task),
        }
    ).with_columns(pl.col("size").fill_nan(None))
    kinds = ("number", "number", "datetime", "boolean", "category", "category", "text")
    columns = [Column(name, kind) for name, kind in zip(frame.columns, kinds, strict=False)]  # type: ignore[arg-type]
    target = Column("y", "number" if task == "regression" else "category", "target")
    return Table.from_frame(frame, Schema((*columns, target)))


def _made_target(signal: np.ndarray, task: str) -> list[str] | list[float]:
    import numpy as np

    if task == "regression":
        return [float(value) for value in np.exp(signal)]
    cuts = [0.5] if task == "binary" else [-0.2, 1.0]
    return [f"class {k}" for k in np.searchsorted(cuts, signal)]
