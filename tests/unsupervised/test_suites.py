"""Every method keeps the contract of its family, and the suites notice what breaks it."""

from __future__ import annotations

import dataclasses
import importlib.util
from typing import Any

import numpy as np
import pytest

from modelwright.core import registry
from modelwright.testing.unsupervised import check_clustering, check_detector, check_embedding
from modelwright.unsupervised.base import Grouping


@pytest.mark.parametrize("name", sorted(registry.BUILT_IN["detectors"]))
def test_detectors(name: str) -> None:
    check_detector(registry.get("detectors", name), {"trees": 40} if name == "isolation_forest" else None)


@pytest.mark.parametrize("name", sorted(registry.BUILT_IN["clusterings"]))
def test_clusterings(name: str) -> None:
    check_clustering(registry.get("clusterings", name))


@pytest.mark.parametrize("name", sorted(registry.BUILT_IN["embeddings"]))
def test_embeddings(name: str) -> None:
    embedding = registry.get("embeddings", name)
    if embedding.needs and importlib.util.find_spec(embedding.needs[0]) is None:
        pytest.skip(f"needs the extra {embedding.needs[1]}")
    check_embedding(embedding)


def test_the_suite_notices_nodes_that_answer_otherwise() -> None:
    detector = registry.get("detectors", "spread")

    def fit(points: np.ndarray, **given: Any) -> Any:
        fitted = detector.fit(points, **given)
        return dataclasses.replace(fitted, predict=lambda asked: fitted.predict(asked) + 0.01)

    with pytest.raises(AssertionError, match="nodes and library differ"):
        check_detector(dataclasses.replace(detector, fit=fit))


def test_the_suite_notices_a_detector_that_does_not_look() -> None:
    detector = registry.get("detectors", "spread")

    def fit(points: np.ndarray, **given: Any) -> Any:
        return dataclasses.replace(detector.fit(points, **given), predict=lambda asked: np.zeros(len(asked)))

    with pytest.raises(AssertionError, match="planted rows"):
        check_detector(dataclasses.replace(detector, fit=fit))


def test_the_suite_notices_shares_that_are_none() -> None:
    clustering = registry.get("clusterings", "kmeans")

    def fit(points: np.ndarray, numbers: list[int], **given: Any) -> dict[int, Grouping]:
        found = clustering.fit(points, numbers, **given)
        return {n: dataclasses.replace(one, predict=lambda asked, one=one: one.predict(asked) * 2)
                for n, one in found.items()}  # fmt: skip

    with pytest.raises(AssertionError, match="sum to more than 1"):
        check_clustering(dataclasses.replace(clustering, fit=fit))
