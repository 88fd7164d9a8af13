"""Active learning: each method against its definition, batches that spread, costs, speed, and a stopping rule."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from modelwright.core.errors import UserError
from modelwright.labelling.active import ActiveSpec, choose, progress, spread_out, typical, worth

METHODS = ("margin", "least_confident", "entropy", "bald", "typical", "random")


def given_of(method: str, sure: np.ndarray) -> np.ndarray:
    return np.stack([sure, sure[:, ::-1]]) if method == "bald" else sure


@settings(max_examples=40)
@given(st.integers(1, 60), st.integers(2, 5), st.integers(0, 1000), st.sampled_from(METHODS), st.integers(1, 20))
def test_any_rows(n_rows: int, n_classes: int, seed: int, method: str, n: int) -> None:
    rng = np.random.default_rng(seed)
    sure = rng.dirichlet(np.ones(n_classes), n_rows)
    labelled = rng.random(n_rows) < 0.5
    features = rng.normal(size=(n_rows, 3))
    spec = ActiveSpec(method=method, n=n)
    chosen = choose(given_of(method, sure), spec, labelled=labelled, features=features, seed=seed)
    assert len(set(chosen.tolist())) == len(chosen) <= n
    assert not labelled[chosen].any()
    if method != "typical":
        assert len(chosen) == min(n, int((~labelled).sum()))
    again = choose(given_of(method, sure), spec, labelled=labelled, features=features, seed=seed)
    assert chosen.tolist() == again.tolist()


@pytest.mark.parametrize("method", ["margin", "least_confident", "entropy"])
def test_doubt_is_ranked(method: str) -> None:
    sure = np.array([[0.98, 0.02], [0.5, 0.5], [0.8, 0.2], [0.0, 1.0]])
    value = worth(sure, ActiveSpec(method=method), rng=np.random.default_rng(0))
    assert np.argsort(-value).tolist() == [1, 2, 0, 3]
    assert choose(sure, ActiveSpec(method=method, n=2)).tolist() == [1, 2]


def test_bald_wants_disagreement_and_not_doubt() -> None:
    doubt = [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]
    quarrel = [[0.95, 0.05], [0.05, 0.95], [0.5, 0.5]]
    committee = np.stack([np.array(doubt), np.array(quarrel)], axis=1)
    assert choose(committee, ActiveSpec(method="bald", n=1)).tolist() == [1]


def test_a_batch_does_not_repeat_itself() -> None:
    features = np.repeat([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]], 50, axis=0)
    sure = np.full((150, 2), 0.5)
    sure[:50] = [0.51, 0.49]
    chosen = choose(sure, ActiveSpec(n=3, spread=50), features=features)
    assert len(np.unique(features[chosen], axis=0)) == 3
    assert sorted(spread_out(features, np.ones(150), 3) // 50) == [0, 1, 2]


def test_typical_rows_cover_the_groups_without_a_label() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(6, 8)) * 10
    group = np.arange(600) % 6
    features = centres[group] + rng.normal(size=(600, 8))
    chosen = typical(features, np.zeros(600, dtype=bool), 6, rng=np.random.default_rng(1))
    assert len(set(group[chosen].tolist())) >= 5
    labelled = np.isin(np.arange(600), np.flatnonzero(group < 3)[:60])
    more = typical(features, labelled, 30, rng=np.random.default_rng(1))
    assert (group[more] >= 3).mean() > 0.5


def test_costs_and_budget() -> None:
    sure = np.array([[0.5, 0.5], [0.6, 0.4], [0.7, 0.3], [0.9, 0.1]])
    costs = np.array([10.0, 1.0, 1.0, 1.0])
    assert choose(sure, ActiveSpec(n=2), costs=costs).tolist() == [1, 2]
    assert choose(sure, ActiveSpec(n=4, budget=2.0), costs=costs).tolist() == [1, 2]
    assert choose(sure, ActiveSpec(n=4, budget=0.5), costs=costs).tolist() == []


def test_doubt_teaches_more_than_chance() -> None:
    score = {"margin": 0.0, "random": 0.0}
    for seed in range(3):
        x, y = make_classification(3000, 10, n_informative=4, class_sep=1.5, weights=[0.95], random_state=seed)
        for method in score:
            labelled = np.arange(2000) < 60
            for _ in range(5):
                model = LogisticRegression().fit(x[:2000][labelled], y[:2000][labelled])
                sure = model.predict_proba(x[:2000])
                labelled[choose(sure, ActiveSpec(method=method, n=20), labelled=labelled, features=x[:2000])] = True
            score[method] += f1_score(y[2000:], model.predict(x[2000:])) / 3
    assert score["margin"] > score["random"] + 0.05


@pytest.mark.parametrize("method", METHODS)
def test_a_query_is_quick(method: str) -> None:
    rng = np.random.default_rng(0)
    sure = rng.dirichlet(np.ones(10), 50_000)
    committee = np.stack([sure] * 3) if method == "bald" else sure
    features = rng.normal(size=(50_000, 50)).astype(np.float32)
    labelled = np.arange(50_000) < 300
    took = []
    for _ in range(3):
        began = time.process_time()
        choose(committee, ActiveSpec(method=method, n=50), labelled=labelled, features=features)
        took.append(time.process_time() - began)
    assert min(took) < 0.1


def test_bad_shapes_are_told() -> None:
    sure = np.full((4, 2), 0.5)
    for spec, more in (
        (ActiveSpec(method="bald"), {}), (ActiveSpec(), {"labelled": np.zeros(3, dtype=bool)}),
        (ActiveSpec(method="typical"), {}), (ActiveSpec(), {"costs": np.array([1.0, 1, 1, 0])}),
    ):  # fmt: skip
        with pytest.raises(UserError, match="active.shape"):
            choose(sure, spec, **more)  # type: ignore[arg-type]


def test_stopping_waits_until_answers_hold_still() -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(3, size=1000)
    moving = [np.where(rng.random(1000) < 0.2, rng.integers(3, size=1000), first) for _ in range(6)]
    assert not progress(moving).stop
    assert progress([*moving, first, first, first, first]).stop
    assert not progress(moving[:1]).stop
    assert progress([np.zeros(9, dtype=int)] * 4).stop
