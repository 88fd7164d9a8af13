"""Weak supervision: rules over real messages, planted accuracies found again, self-training that judges itself."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from modelwright.core.data import Dataset
from modelwright.core.errors import UserError
from modelwright.labelling.weak import Applied, WeakSpec, apply, combine, labelling_function, pattern, self_train


def messages(shared_data: Path) -> tuple[Dataset, np.ndarray]:
    frame = pl.read_csv(shared_data / "text" / "sms_spam" / "sms_spam.csv.gz", infer_schema=False)
    return Dataset.from_frame(frame.select(pl.col("text"))), (frame["type"] == "spam").to_numpy().astype(np.int64)


@labelling_function("text")
def long_message(row: dict[str, str]) -> str | None:
    return "spam" if len(row["text"] or "") > 150 else "ham" if len(row["text"] or "") < 60 else None


RULES = [
    pattern("text", r"\bfree\b|\bwin(ner)?\b|prize|claim|award", "spam"),
    pattern("text", r"\d{5,}", "spam"),
    pattern("text", r"txt|call now|reply|urgent|mobile", "spam"),
    pattern("text", r"\b(i'm|i'll|ok|lol|home|love|sorry|going)\b", "ham"),
    pattern("text", r"\?$", "ham"),
    long_message,
]


def test_rules_over_real_messages(shared_data: Path) -> None:
    data, true = messages(shared_data)
    said = apply(RULES, data, classes=["ham", "spam"])
    soft, counted = combine(said), combine(said, WeakSpec(method="majority"))
    right = [(found.posterior.argmax(axis=1) == true)[found.covered].mean() for found in (soft, counted)]
    assert right[0] >= right[1]
    assert right[0] > 0.92
    table = said.table(true)
    assert table["coverage"].min() > 0.01
    assert (table["conflicts"] <= table["overlaps"]).all()
    np.testing.assert_allclose(soft.accuracy, table["accuracy"].to_numpy(), atol=0.12)
    labels = soft.table()
    assert labels.height == soft.covered.sum()
    assert labels["__row__"].to_list() == said.row_ids[soft.covered].tolist()


def planted(accuracy: list[float], seed: int, n_rows: int = 2000) -> tuple[Applied, np.ndarray]:
    rng = np.random.default_rng(seed)
    true = rng.integers(3, size=n_rows)
    right = rng.random((n_rows, len(accuracy))) < np.array(accuracy)
    votes = np.where(right, true[:, None], (true[:, None] + rng.integers(1, 3, size=right.shape)) % 3)
    votes[rng.random(right.shape) < 0.4] = -1
    names = tuple(f"rule {place}" for place in range(len(accuracy)))
    return Applied(
        row_ids=np.arange(n_rows, dtype=np.uint64), votes=votes, functions=names, classes=("a", "b", "c")
    ), true


def test_planted_accuracies_are_found() -> None:
    accuracy = [0.95, 0.8, 0.6, 0.5, 0.9]
    said, true = planted(accuracy, 0)
    soft = combine(said)
    np.testing.assert_allclose(soft.accuracy, accuracy, atol=0.04)
    counted = combine(said, WeakSpec(method="majority"))
    score = [(found.posterior.argmax(axis=1) == true)[found.covered].mean() for found in (soft, counted)]
    assert score[0] > score[1] + 0.03


@pytest.mark.parametrize("seed", range(6))
def test_never_below_the_majority_where_truth_is_known(seed: int) -> None:
    rng = np.random.default_rng(seed)
    said, true = planted(rng.uniform(0.2, 0.9, size=4).tolist(), seed, 400)
    copied = said.votes[:, [0, 0, 0, 1, 2, 3]]  # three rules that say the same: the model believes their agreement
    said = Applied(row_ids=said.row_ids, votes=copied, functions=tuple("abcdef"), classes=said.classes)
    judged = np.flatnonzero((copied >= 0).any(axis=1))
    known = np.full(400, -1)
    known[judged[::2]] = true[judged[::2]]
    rows = np.flatnonzero(known >= 0)
    found = combine(said, known=known)
    assert (found.posterior.argmax(axis=1)[rows] == true[rows]).all()
    method = found.decisions[0].choice
    blind = [combine(said, WeakSpec(method=name)) for name in (method, "majority")]  # type: ignore[arg-type]
    best = [(one.posterior.argmax(axis=1)[rows] == true[rows]).mean() for one in blind]
    assert best[0] >= best[1] - 1e-9


def test_no_pattern_hangs() -> None:
    data = Dataset.from_frame(pl.DataFrame({"text": ["a" * 50_000 + "!"] * 20}))
    began = time.process_time()
    said = apply([pattern("text", "(a+)+$", "x"), pattern("text", "(a|aa)+$", "x", name="other")], data)
    assert time.process_time() - began < 5
    assert (said.votes == -1).all()


def test_silence_and_gaps() -> None:
    data = Dataset.from_frame(
        pl.DataFrame({"text": [None, "x"], "n": [1, 2]}, schema={"text": pl.String, "n": pl.Int64})
    )
    said = apply([pattern("text", "y", "yes"), pattern("n", "2", "two")], data)
    soft = combine(said)
    assert soft.covered.tolist() == [False, True]
    assert soft.table()["label"].to_list() == ["two"]
    nothing = combine(apply([pattern("text", "y", "yes")], data, classes=["yes", "no"]))
    assert nothing.table().height == 0
    np.testing.assert_allclose(nothing.posterior.sum(axis=1), 1)


def test_faults_of_rules_are_told() -> None:
    data = Dataset.from_frame(pl.DataFrame({"text": ["a", None]}))
    broken = labelling_function("text", name="broken")(lambda row: row["text"].upper())
    with pytest.raises(
        UserError, match=r"rule 'broken' failed on row 1: AttributeError.*weak\.function|weak\.function"
    ):
        apply([broken], data)
    with pytest.raises(UserError, match="weak.class"):
        apply([pattern("text", "a", "spma")], data, classes=["spam"])
    with pytest.raises(UserError, match="weak.name"):
        apply([pattern("text", "a", "x"), pattern("text", "a", "y")], data)
    with pytest.raises(UserError, match="schema.column"):
        apply([pattern("txt", "a", "x")], data)
    with pytest.raises(UserError, match="weak.pattern"):
        pattern("text", "(?<=a)b", "x")
    with pytest.raises(UserError, match="weak.known"):
        combine(apply([pattern("text", "a", "x")], data), known=np.array([5, 5]))


def test_self_training_helps_or_leaves_alone(shared_data: Path) -> None:
    data, true = messages(shared_data)
    weights = TfidfVectorizer(min_df=3, sublinear_tf=True).fit_transform(data.column("text").fill_null("").to_list())[
        :3000
    ]
    labels = np.where(np.arange(3000) < 200, true[:3000], -1)

    def fit(x: object, y: np.ndarray) -> object:
        return LogisticRegression(C=30).fit(x, y).predict_proba

    found = self_train(weights, labels, fit)  # type: ignore[arg-type]
    assert (found.labels[:200] == true[:200]).all()
    assert list(found.losses) == sorted(found.losses, reverse=True)
    more = np.flatnonzero(found.labels[200:] >= 0) + 200
    assert found.kept == bool(len(more))
    assert not found.kept or (found.labels[more] == true[more]).mean() > 0.95
    # labels that follow from nothing: no answer may be taken over
    rng = np.random.default_rng(0)
    noise = np.where(np.arange(3000) < 200, rng.integers(2, size=3000), -1)
    assert not self_train(weights, noise, fit).kept  # type: ignore[arg-type]
    with pytest.raises(UserError, match="weak.labels"):
        self_train(weights, np.where(np.arange(3000) < 10, true[:3000], -1), fit)  # type: ignore[arg-type]
