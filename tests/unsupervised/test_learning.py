"""The three verbs on typed tables: what they find, that it holds elsewhere, and that bytes do not depend on the day."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from modelwright.cleaning.base import CleanSpec, clean
from modelwright.core.codec import decode, encode
from modelwright.core.data import Column, Dataset, Schema
from modelwright.core.errors import UserError
from modelwright.core.store import Store
from modelwright.core.values import Splits, Trained
from modelwright.splitting import split
from modelwright.unsupervised import AnomalySpec, ClustersSpec, EmbeddingSpec, anomalies, clusters, embedding
from modelwright.unsupervised.space import learn_space
from tests.unsupervised.tables import frame

VERBS: dict[str, Callable[..., Trained]] = {"anomaly": anomalies, "clusters": clusters, "embedding": embedding}
FEWER_TREES = AnomalySpec.parse(
    {"detectors": [{"isolation_forest": {"trees": 30}}, "ecod", "spread", "histogram", "distance", "ellipse", "lof"]},
    where="task.anomaly",
)
SPECS = {"anomaly": FEWER_TREES, "clusters": ClustersSpec(), "embedding": EmbeddingSpec()}


@pytest.fixture(scope="module")
def table() -> tuple[Dataset, Splits]:
    roles = {"kind": "ignored", "odd": "ignored"}
    kept = clean(Dataset.from_frame(frame()), CleanSpec(roles=roles)).kept  # type: ignore[arg-type]
    return kept, split(kept)


@pytest.fixture(scope="module")
def learned(table: tuple[Dataset, Splits]) -> dict[str, Trained]:
    return {name: verb(*table, SPECS[name]) for name, verb in VERBS.items()}


def numbers_table(values: np.ndarray) -> tuple[Dataset, Splits]:
    names = [f"c{place}" for place in range(values.shape[1])]
    data = Dataset.from_frame(pl.DataFrame(values, names), Schema(tuple(Column(name, "number") for name in names)))
    return data, split(data)


def facts_of(trained: Trained) -> dict[str, Any]:
    found: dict[str, Any] = trained.history[0]["facts"]
    return found


@pytest.mark.parametrize("name", list(VERBS))
def test_the_graph_answers_as_the_libraries(learned: dict[str, Trained], name: str) -> None:
    trained = learned[name]
    assert trained.parity < 1e-5
    assert trained.task.kind == name
    assert trained.decisions and all(one.reason for one in trained.decisions)
    assert set(trained.importance) <= {"sales", "staff", "rent", "hours", "town", "card"}


@pytest.mark.parametrize("name", list(VERBS))
def test_same_seed_same_bytes_whatever_the_threads(
    table: tuple[Dataset, Splits], learned: dict[str, Trained], name: str
) -> None:  # fmt: skip
    with threadpool_limits(1):
        again = VERBS[name](*table, SPECS[name])
    assert again.graph == learned[name].graph
    assert again.history == learned[name].history


@pytest.mark.parametrize("name", list(VERBS))
def test_the_store_gives_back_what_it_was_given(tmp_path: Any, learned: dict[str, Trained], name: str) -> None:
    store = Store.open(tmp_path / "store")
    back = decode(store, encode(store, learned[name]))
    assert back.graph == learned[name].graph and back.signature == learned[name].signature
    assert np.allclose(back.validation, learned[name].validation)


def test_planted_rows_are_anomalies_and_their_column_is_blamed(
    table: tuple[Dataset, Splits], learned: dict[str, Trained]
) -> None:  # fmt: skip
    data, _ = table
    trained = learned["anomaly"]
    answer = trained.predict(data)
    odd = data.frame["odd"].cast(pl.String).str.to_lowercase().is_in(["true", "1"]).to_numpy()
    flagged = answer[:, 0] >= trained.signature.threshold
    assert flagged[odd].all() and flagged.mean() < 0.15
    blamed = [trained.task.classes[place] for place in answer[odd][:, 1:].argmax(axis=1)]
    assert sorted(blamed) == ["rent", "sales", "staff"]


def test_a_share_that_is_asked_for_is_flagged(table: tuple[Dataset, Splits]) -> None:
    trained = anomalies(*table, AnomalySpec(share=0.1, detectors=[{"method": "ecod"}, {"method": "ellipse"}]))  # type: ignore[arg-type]
    assert abs((trained.validation[:, 0] >= trained.signature.threshold).mean() - 0.1) < 0.02
    assert [one.name for one in trained.leaderboard if one.weight] and len(trained.leaderboard) == 2


def test_scores_of_rows_never_seen_are_spread_evenly() -> None:
    rng = np.random.default_rng(5)
    data, splits = numbers_table(rng.normal(size=(900, 4)) @ rng.normal(size=(4, 4)))
    trained = anomalies(data, splits, AnomalySpec(detectors=[{"method": "ecod"}, {"method": "distance"}]))  # type: ignore[arg-type]
    told = np.sort(trained.predict(data.take(splits.test))[:, 0])
    assert np.abs(told - np.linspace(0, 1, len(told))).max() < 0.13  # 1.36 / sqrt(180) is 0.10


def test_an_unseen_category_is_odder_than_a_frequent_one(
    table: tuple[Dataset, Splits], learned: dict[str, Trained]
) -> None:  # fmt: skip
    data, _ = table
    row = data.take(data.row_ids[:1])
    strange = Dataset((row.frame.with_columns(town=pl.lit("Atlantis"))).lazy(), data.schema, 1)
    trained = learned["anomaly"]
    place = 1 + trained.task.classes.index("town")
    assert trained.predict(strange)[0, 0] >= trained.predict(row)[0, 0]
    assert trained.predict(strange)[0, place] > trained.predict(row)[0, place]


def test_kinds_of_shops_are_found_and_told_in_words(table: tuple[Dataset, Splits], learned: dict[str, Trained]) -> None:
    data, splits = table
    trained, facts = learned["clusters"], facts_of(learned["clusters"])
    held_out = data.take(splits.test)
    told = trained.predict(held_out).argmax(axis=1)
    assert adjusted_rand_score(held_out.frame["kind"].to_list(), told) > 0.4
    assert facts["clear"] and len(facts["groups"]) == len(trained.task.classes)
    assert all(group["words"] and group["typical"] for group in facts["groups"])
    assert sum(group["n"] for group in facts["groups"]) == len(splits.train)
    sizes = [group["n"] for group in facts["groups"]]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("method", ["kmeans", "mixture", "hdbscan", "communities"])
def test_each_method_for_the_asking(method: str) -> None:
    rng = np.random.default_rng(2)
    truth = np.repeat([0, 1, 2], 60)
    data, splits = numbers_table(rng.normal(size=(180, 3)) + 9 * np.eye(3)[truth])
    trained = clusters(data, splits, ClustersSpec(method={"method": method}))  # type: ignore[arg-type]
    answer = trained.predict(data)
    inside = answer.max(axis=1) > 0
    assert inside.mean() > 0.8
    assert adjusted_rand_score(truth[inside], answer[inside].argmax(axis=1)) > 0.95
    assert trained.parity < 1e-6 and len(trained.task.classes) == 3


def test_a_number_that_is_asked_for_is_given(table: tuple[Dataset, Splits]) -> None:
    trained = clusters(*table, ClustersSpec(method={"method": "kmeans"}, n=5))  # type: ignore[arg-type]
    assert trained.task.classes == ("1", "2", "3", "4", "5")
    with pytest.raises(UserError, match="cannot divide"):
        clusters(*table, ClustersSpec(method={"method": "communities"}, n=90))  # type: ignore[arg-type]


def test_one_cloud_is_called_so() -> None:
    rng = np.random.default_rng(3)
    data, splits = numbers_table(rng.normal(size=(400, 5)) @ rng.normal(size=(5, 5)))
    facts = facts_of(clusters(data, splits))
    assert not facts["clear"]


def test_coordinates_hold_what_the_columns_share(table: tuple[Dataset, Splits], learned: dict[str, Trained]) -> None:
    facts = facts_of(learned["embedding"])
    assert learned["embedding"].task.classes[:2] == ("x1", "x2")
    assert np.mean(facts["trust"]) > np.mean(facts["random"])
    assert any(one["feature"] == "sales" for axis in facts["axes"] for one in axis)
    trained = embedding(*table, EmbeddingSpec(n=3))
    assert trained.task.classes == ("x1", "x2", "x3")


def test_parallel_analysis_finds_two_hidden_columns() -> None:
    rng = np.random.default_rng(4)
    data, splits = numbers_table(rng.normal(size=(500, 3)) @ rng.normal(size=(3, 9)) + 0.5 * rng.normal(size=(500, 9)))
    assert facts_of(embedding(data, splits))["n"] == 3


def test_columns_on_one_scale_are_not_blown_up() -> None:
    rng = np.random.default_rng(0)
    grades = rng.integers(0, 11, size=(100, 10)).astype(float)
    grades[:, 3] = rng.integers(4, 6, size=100)  # hardly varies
    data, _ = numbers_table(grades)
    space = learn_space(data, "clusters", seed=0)
    spread = space.points(data).std(axis=0)
    assert spread[3] < 0.5 * spread[0]
    assert any(one.about == "numbers" and one.choice == "one common scale" for one in space.decisions)
    lone = learn_space(numbers_table(grades * np.arange(1, 11))[0], "clusters", seed=0)
    assert np.allclose(lone.points(numbers_table(grades * np.arange(1, 11))[0]).std(axis=0)[:3], 1.0, atol=1e-6)


def test_flags_weigh_half_as_much_as_numbers() -> None:
    rng = np.random.default_rng(0)
    made = pl.DataFrame({"x": rng.normal(size=400), "y": np.array(["a", "b"])[rng.integers(0, 2, 400)]})
    data = Dataset.from_frame(made, Schema((Column("x", "number"), Column("y", "category"))))
    space = learn_space(data, "clusters", seed=0)
    points = space.points(data)
    inertia = {name: points[:, np.array(space.sources) == name].var(axis=0).sum() for name in ("x", "y")}
    assert inertia["y"] == pytest.approx(0.5 * inertia["x"], rel=0.05)


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (pl.DataFrame({"x": [1.0, 2.0] * 5}), "unsupervised.rows"),
        (pl.DataFrame({"x": [1.0] * 40}), "unsupervised.columns"),
    ],
)
def test_what_cannot_be_learned_is_refused(made: pl.DataFrame, code: str) -> None:
    data = Dataset.from_frame(made, Schema((Column("x", "number"),)))
    splits = Splits(
        train=data.row_ids, test=data.row_ids[:0], folds=np.zeros(data.n_rows, dtype=np.int8), kind="random"
    )
    for verb in VERBS.values():
        with pytest.raises(UserError) as refused:
            verb(data, splits)
        assert refused.value.code == code


def test_a_column_named_like_the_answer_is_no_matter() -> None:
    rng = np.random.default_rng(0)
    made = pl.DataFrame({"cluster": rng.normal(size=60), "anomaly": rng.normal(size=60)})
    data = Dataset.from_frame(made, Schema((Column("cluster", "number"), Column("anomaly", "number"))))
    assert clusters(data, split(data)).task.target == "cluster_"


def test_decisions_are_plain(learned: dict[str, Trained]) -> None:
    for trained in learned.values():
        for one in trained.decisions:
            assert dataclasses.asdict(one) and len(one.reason) < 200
