"""Each method against its library's own answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.covariance import LedoitWolf
from sklearn.datasets import load_iris, load_wine, make_blobs
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_rand_score, silhouette_samples
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler

from modelwright import oddness
from modelwright.core import registry
from modelwright.core.values import Fitted
from modelwright.unsupervised.calibrate import calibrate
from modelwright.unsupervised.choose import jaccard, strength_of
from modelwright.unsupervised.clusterings._louvain import louvain, merged
from modelwright.unsupervised.clusterings.communities import shared_neighbours
from modelwright.unsupervised.clusters_told import silhouettes
from modelwright.unsupervised.detectors.ecod import tail_steps
from modelwright.unsupervised.embedding import trust
from modelwright.unsupervised.nodes import steps


def scaled(values: np.ndarray) -> np.ndarray:
    made: np.ndarray = StandardScaler().fit_transform(values)
    return made


WINE = scaled(load_wine().data)
NEW = scaled(np.random.default_rng(1).normal(size=(60, WINE.shape[1]))) * 1.5


def fitted_detector(name: str, **given: object) -> Fitted:
    detector = registry.get("detectors", name)
    fitted: Fitted = detector.fit(WINE, spec=detector.spec.parse(given, where=name), seed=3)
    return fitted


def test_isolation_forest_is_scikit_learns() -> None:
    theirs = IsolationForest(n_estimators=50, max_samples=100, random_state=3).fit(WINE.astype(np.float32))
    ours = fitted_detector("isolation_forest", trees=50, rows=100)
    assert np.array_equal(ours.predict(NEW), -theirs.score_samples(NEW.astype(np.float32)))


def test_lof_is_scikit_learns_novelty() -> None:
    theirs = LocalOutlierFactor(n_neighbors=20, novelty=True).fit(WINE)
    assert np.allclose(np.exp(fitted_detector("lof").predict(NEW)), -theirs.score_samples(NEW), rtol=1e-6)


def test_lof_of_known_rows_is_that_of_the_table_itself() -> None:
    theirs = LocalOutlierFactor(n_neighbors=20).fit(WINE)
    assert np.allclose(np.exp(fitted_detector("lof").predict(WINE)), -theirs.negative_outlier_factor_, rtol=1e-6)
    assert np.allclose(fitted_detector("lof").predict(WINE), oddness.lof(WINE, WINE), atol=1e-9)


def test_distance_is_the_mean_to_the_nearest() -> None:
    far = NearestNeighbors(n_neighbors=20).fit(WINE).kneighbors(NEW)[0]
    assert np.allclose(fitted_detector("distance").predict(NEW), np.log(far.mean(axis=1)))
    assert np.allclose(fitted_detector("distance").predict(WINE), oddness.distance(WINE, WINE), atol=1e-6)


def test_ellipse_is_the_mahalanobis_distance_of_the_inner_rows() -> None:
    far = LedoitWolf().fit(WINE).mahalanobis(WINE)
    theirs = LedoitWolf().fit(WINE[far <= np.quantile(far, 0.9)]).mahalanobis(NEW)
    assert np.allclose(np.exp(fitted_detector("ellipse").predict(NEW)), theirs)


@pytest.mark.parametrize("name", ["spread", "histogram"])
def test_what_cleaning_says_is_what_is_packed(name: str) -> None:
    assert np.allclose(fitted_detector(name).predict(NEW), getattr(oddness, name)(NEW, WINE))


def test_ecod_sums_the_tails() -> None:
    known = np.random.default_rng(0).lognormal(size=(500, 3))
    exact = oddness.tails(known, known)
    edges, rises = tail_steps(known, grain=0.05)
    kept = steps(known, edges, rises)
    assert np.abs(kept - exact).max() <= 0.05 + 1e-9
    assert edges.shape[1] < 300  # of 500 values


def test_kmeans_and_mixture_are_scikit_learns() -> None:
    for name, settings_, theirs in (
        ("kmeans", {"starts": 3}, KMeans(3, n_init=3, random_state=5)),
        ("mixture", {"shape": "tied"}, GaussianMixture(3, covariance_type="tied", reg_covar=1e-3, random_state=5)),
    ):
        theirs.fit(WINE)
        clustering = registry.get("clusterings", name)
        ours = clustering.fit(WINE, [3], spec=clustering.spec.parse(settings_, where=name), seed=5)[3]
        assert np.array_equal(ours.groups(NEW), theirs.predict(NEW)), name
        if name == "mixture":
            assert np.allclose(ours.predict(NEW), theirs.predict_proba(NEW), atol=1e-8)


@pytest.mark.parametrize("shape", ["full", "diag", "spherical"])
def test_every_shape_of_cloud(shape: str) -> None:
    clustering = registry.get("clusterings", "mixture")
    ours = clustering.fit(WINE, [3], spec=clustering.spec.parse({"shape": shape}, where="mixture"), seed=5)[3]
    theirs = GaussianMixture(3, covariance_type=shape, reg_covar=1e-3, random_state=5).fit(WINE)
    assert np.allclose(ours.predict(NEW), theirs.predict_proba(NEW), atol=1e-8)


def test_hdbscan_places_its_own_rows_where_the_library_has_them() -> None:
    points, _ = make_blobs(400, 3, centers=4, cluster_std=0.7, random_state=2)
    points = scaled(points)
    theirs = HDBSCAN(min_cluster_size=8, copy=True).fit(points).labels_
    clustering = registry.get("clusterings", "hdbscan")
    (ours,) = clustering.fit(points, [], spec=clustering.spec(), seed=0).values()
    told = ours.groups(points)
    inside = theirs >= 0
    assert (told[inside] == theirs[inside]).mean() > 0.99
    assert (told[~inside] < 0).mean() > 0.5  # rows in no group: a few are as near as the group's own outermost


def test_louvain_is_as_good_as_networkx() -> None:
    networkx = pytest.importorskip("networkx")
    ties = shared_neighbours(WINE, 10)
    graph = networkx.from_scipy_sparse_array(ties)
    theirs = networkx.community.louvain_communities(graph, seed=0)
    own = louvain(ties, np.random.default_rng(0))
    ours = [set(np.flatnonzero(own == number).tolist()) for number in np.unique(own)]
    modularity = networkx.community.modularity
    assert modularity(graph, ours) >= modularity(graph, theirs) - 0.02


def test_merging_goes_down_to_one_group_and_never_splits() -> None:
    ties = shared_neighbours(WINE, 10)
    found = merged(ties, louvain(ties, np.random.default_rng(0)))
    numbers = sorted(found)
    assert numbers == list(range(1, max(numbers) + 1))
    for fewer, more in zip(numbers, numbers[1:], strict=False):
        assert all(len(set(found[fewer][found[more] == group])) == 1 for group in range(more))


def test_pca_is_scikit_learns_but_for_signs() -> None:
    method = registry.get("embeddings", "pca")
    ours = method.fit(WINE, 3, spec=method.spec(), seed=0).predict(NEW)
    theirs = PCA(3, svd_solver="full").fit(WINE).transform(NEW)
    assert np.allclose(np.abs(ours), np.abs(theirs), atol=1e-8)


def test_trust_is_scikit_learns_trustworthiness() -> None:
    points = scaled(load_iris().data)
    places = points[:, :2] + 0.1 * np.random.default_rng(0).normal(size=(150, 2))
    assert np.isclose(trust(points, places, 7).mean(), trustworthiness(points, places, n_neighbors=7))


def test_silhouettes_are_scikit_learns() -> None:
    points, groups = make_blobs(300, 3, centers=3, cluster_std=2.0, random_state=0)
    told = np.array(silhouettes(points, groups, points, groups, 0))
    theirs = silhouette_samples(points, groups)
    # theirs leaves a row out of its own group's mean
    assert np.abs(told - theirs).max() < 0.02


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=60))
def test_indices_of_likeness_keep_their_laws(labels: list[int]) -> None:
    own = np.unique(labels, return_inverse=True)[1]
    renamed = np.random.default_rng(len(labels)).permutation(5)[own]
    assert strength_of(renamed, own) == 1.0
    assert (jaccard(own, renamed) == 1.0).all()
    other = np.array(labels[::-1])
    assert 0.0 <= strength_of(other, own) <= 1.0
    assert ((jaccard(own, other) > 0) & (jaccard(own, other) <= 1)).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-50, 50, allow_nan=False).map(lambda one: round(one, 3)), min_size=25, max_size=300))
def test_calibration_rises_and_stays_within_its_bounds(values: list[float]) -> None:
    raw = np.array(values)
    told = calibrate(raw).apply(np.sort(np.concatenate([raw, [-1e6, 1e6]])))
    assert (told >= 0).all() and (told <= 1).all()
    assert (np.diff(told) >= -1e-12).all()


def test_calibrated_scores_of_usual_rows_are_even() -> None:
    rng = np.random.default_rng(0)
    told = np.sort(calibrate(rng.normal(size=4_000)).apply(rng.normal(size=4_000)))
    assert np.abs(told - np.linspace(0, 1, 4_000)).max() < 0.04
    far = calibrate(rng.normal(size=4_000)).apply(np.array([5.0, 6.0, 9.0, 20.0]))
    assert (np.diff(far) > 0).all() and far[-1] < 1


def test_three_far_groups_are_given_by_every_method() -> None:
    points, truth = make_blobs(240, 4, centers=3, cluster_std=0.5, random_state=1)
    for name in registry.BUILT_IN["clusterings"]:
        clustering = registry.get("clusterings", name)
        found = clustering.fit(scaled(points), [3], spec=clustering.spec(), seed=0)
        told = next(iter(found.values())).groups(scaled(points))
        assert adjusted_rand_score(truth, told) > 0.95, name
