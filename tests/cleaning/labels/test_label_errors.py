"""Wrong labels: planted ones are found, ranked and put right; clean and hopeless tables are left alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score

from modelwright.cleaning.labels import label_errors, noise_of
from modelwright.cleaning.labels.folds import class_texts, out_of_fold
from modelwright.cleaning.labels.mending import MEND, propose
from modelwright.cleaning.labels.neighbours import neighbour_votes
from modelwright.cleaning.mend import MendSpec, mend
from modelwright.core.data import ROW_ID, Column, Dataset, Schema
from modelwright.core.errors import UserError
from modelwright.testing.mending import check_mending


def planted(n_rows: int, share: float, seed: int, *, separation: float = 3.0) -> tuple[pl.DataFrame, np.ndarray]:
    """Three groups of points with names, a share of which are called by another name."""
    rng = np.random.default_rng(seed)
    true = rng.integers(3, size=n_rows)
    x = rng.normal(size=(n_rows, 4)) + separation * np.eye(4)[true]
    wrong = rng.random(n_rows) < share
    named = np.where(wrong, (true + rng.integers(1, 3, size=n_rows)) % 3, true)
    names = np.array(["ash", "birch", "cedar"])
    columns = {f"x{place}": x[:, place] for place in range(4)}
    return pl.DataFrame({**columns, "wood": names[named], "true": names[true]}), wrong


def typed(frame: pl.DataFrame) -> Dataset:
    numbers = [Column(name, "number") for name in frame.columns if name.startswith("x")]
    return Dataset.from_frame(frame.drop("true"), Schema((*numbers, Column("wood", "category", "target"))))


@pytest.mark.parametrize("share", [0.03, 0.1, 0.2])
def test_planted_errors_are_found(share: float) -> None:
    frame, wrong = planted(1200, share, 0)
    found = propose(typed(frame))
    flagged = np.isin(np.arange(1200), found.flags[ROW_ID].to_numpy())
    assert wrong[flagged].mean() > 0.85
    assert flagged[wrong].mean() > 0.6
    cells = found.cells.join(frame.with_row_index(ROW_ID).cast({ROW_ID: pl.UInt64}), on=ROW_ID)
    sure = cells.filter(pl.col("confidence") >= 0.95)
    assert (sure["after"] == sure["true"]).mean() > 0.95
    assert (cells["before"] == cells["wood"]).all()


@pytest.mark.parametrize(("share", "separation"), [(0.1, 3.0), (0.1, 1.5), (0.0, 1.5), (0.25, 3.0)])
def test_the_number_of_errors_is_estimated(share: float, separation: float) -> None:
    """Groups that lie over each other are no errors: without any planted, few are estimated."""
    frame, wrong = planted(2000, share, 1, separation=separation)
    judged = out_of_fold(typed(frame))
    assert judged is not None
    found = label_errors(judged.labels, judged.probabilities, judged.features)
    assert abs(found.noise.n_errors - wrong.sum()) < 0.05 * 2000
    np.testing.assert_allclose(found.noise.chances.sum(axis=0), 1)
    assert found.noise.joint.sum() == pytest.approx(1)


def test_ranking_is_no_worse_than_the_model_alone() -> None:
    frame, wrong = planted(1500, 0.1, 2, separation=2.0)
    judged = out_of_fold(typed(frame))
    assert judged is not None
    found = label_errors(judged.labels, judged.probabilities, judged.features)
    own = judged.probabilities[np.arange(1500), judged.labels]
    assert average_precision_score(wrong, found.score) > average_precision_score(wrong, -own) - 0.005


def test_labels_without_sense_are_left_alone() -> None:
    frame, _ = planted(600, 0.0, 3)
    shuffled = frame.with_columns(pl.Series("wood", np.random.default_rng(0).permutation(frame["wood"].to_numpy())))
    assert propose(typed(shuffled)).n_found == 0


def test_nothing_is_said_without_classes() -> None:
    frame, _ = planted(200, 0.1, 4)
    assert propose(typed(frame.head(40))).n_found == 0
    numbers = typed(frame).schema
    assert propose(Dataset.from_frame(frame.drop("true"), numbers.with_column("wood", role="feature"))).n_found == 0
    value = frame.drop("true").with_columns(wood=pl.col("x0"))
    assert propose(Dataset.from_frame(value, numbers.with_column("wood", kind="number"))).n_found == 0
    constant = frame.drop("true").with_columns(wood=pl.lit("ash"))
    assert propose(Dataset.from_frame(constant, numbers)).n_found == 0


def test_the_order_of_rows_does_not_matter_and_seeds_repeat() -> None:
    data = typed(planted(300, 0.1, 5)[0])
    turned = Dataset.from_frame(data.frame.sample(fraction=1, shuffle=True, seed=1), data.schema)
    first, second, again = propose(data), propose(turned), propose(data)
    assert first.flags.equals(again.flags)
    assert first.flags.sort(ROW_ID).drop("score").equals(second.flags.sort(ROW_ID).drop("score"))


def test_the_mending_keeps_its_promises() -> None:
    frame, _ = planted(120, 0.1, 6)
    check_mending(MEND, [("woods", frame.drop("true").cast(pl.String))])


def test_strict_mending_of_the_target_only_when_asked() -> None:
    frame, _ = planted(300, 0.1, 7)
    raw = Dataset.from_frame(frame.drop("true").cast(pl.String))
    raw = raw.with_schema(raw.schema.with_column("wood", role="target"))
    closed = mend(raw, MendSpec(mode="strict", methods=("label_errors",)))
    assert closed.data.frame["wood"].equals(raw.frame["wood"])
    assert closed.findings.flags.height > 10
    opened = mend(raw, MendSpec(mode="strict", methods=("label_errors",), target=True))
    before = (raw.frame["wood"] == frame["true"]).mean()
    assert (opened.data.frame["wood"] == frame["true"]).mean() > before + 0.03


def test_neighbours_leave_the_row_out_whatever_the_number_of_rows() -> None:
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(2500, 2)), rng.integers(2, size=2500)
    votes = neighbour_votes(points, labels, 2)
    np.testing.assert_allclose(votes.sum(axis=1), 1)
    # labels of chance: were a row's own label among its neighbours', votes would go with it
    own = votes[np.arange(2500), labels]
    assert abs(own.mean() - 0.5) < 0.02


def test_bad_shapes_are_told() -> None:
    for labels, probabilities in (
        ([0, 1], np.ones((3, 2))),
        ([0, 2], np.ones((2, 2))),
        ([0, 1], np.full((2, 2), np.nan)),
    ):
        with pytest.raises(UserError, match="labels.shape"):
            label_errors(np.array(labels), probabilities)


def test_class_texts() -> None:
    assert class_texts(pl.Series([1.0, 0.5, None])).to_list() == ["1", "0.5", None]
    assert class_texts(pl.Series([True, None])).to_list() == ["true", None]


def test_newsgroups(shared_data: Path) -> None:
    folder = shared_data / "label_noise" / "newsgroups20_test_label_errors"
    with np.load(folder / "labels_and_probs.npz") as arrays:
        labels, probabilities = arrays["original_labels"], arrays["pred_probs"]
    votes = json.loads((folder / "mturk.json").read_text())
    rows = np.array([vote["id"] for vote in votes])
    wrong = np.array([vote["mturk"]["given"] < 3 for vote in votes])
    found = label_errors(labels, probabilities)
    assert average_precision_score(wrong, found.score[rows]) > 0.9337  # cleanlab 2.9's best score
    assert 40 < noise_of(labels, probabilities.astype(np.float64)).n_errors < 400
