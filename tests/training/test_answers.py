"""What is mended after training: how sure a network may be, and answers that are off throughout."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from modelwright.core.use import Use
from modelwright.networks import NetworkSpec, build
from modelwright.training.loop.examples import Examples
from modelwright.training.network.answers import answers_of, best_temperature, centre
from modelwright.training.network.arrays import Prepared
from modelwright_runtime.signature import ArrayInput, Task


def test_a_few_right_answers_are_no_proof_of_certainty() -> None:
    logits = np.array([[4.0, 0.0], [0.0, 4.0]] * 20)
    truth = np.array([0, 1] * 20)
    sureness = 1 / (1 + np.exp(-4.0 / best_temperature(logits, truth)))
    assert sureness == pytest.approx(1 - 1 / 42, abs=1e-3)


def test_the_temperature_finds_how_sure_the_answers_are() -> None:
    dice = np.random.default_rng(0)
    logits = dice.normal(0, 2, (4_000, 3))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([dice.choice(3, p=row) for row in chances])
    assert best_temperature(logits * 12.0, truth) == pytest.approx(12.0, rel=0.05)


def prepared(target: np.ndarray) -> Prepared:
    rows = Examples(
        (torch.randn(len(target), 2, generator=torch.Generator().manual_seed(0)),),
        (torch.from_numpy(((target - 10.0) / 2.0).astype("float32")),),
    )
    return Prepared(
        inputs=(ArrayInput(form="numbers", columns=("a", "b")),), tasks=(Task(kind="regression", target="y"),),
        fit=rows, validation=rows, has_validation=False, scales=((10.0, 2.0),), decisions=(),
    )  # fmt: skip


@pytest.mark.parametrize(("losses", "is_centred"), [({}, True), ({"y": Use(method="mae")}, False)])
def test_answers_that_are_off_throughout_are_shifted_where_the_mean_was_learned(
    losses: dict[str, Use], is_centred: bool
) -> None:
    target = np.random.default_rng(1).normal(17.0, 2.0, 300)
    target[3] = np.nan
    data = prepared(target)
    network = build(NetworkSpec(), data.inputs, data.tasks, seed=0)
    network.set_scale("y", 10.0, 2.0)
    before = answers_of(network, data.fit, data.scales).given[0]
    centre(network, data, losses)
    after = answers_of(network, data.fit, data.scales).given[0]
    gap = float(np.nanmean(target - after))
    assert (abs(gap) < 1e-4) == is_centred
    assert np.allclose(after - before, (after - before)[0])
