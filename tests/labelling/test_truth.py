"""Truth inference: planted truths and skills are found again; real answers reach what is published."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.errors import UserError
from modelwright.labelling.truth import Answers, Running, TruthSpec, answers_of, known_of, truth

METHODS = ("majority", "dawid_skene", "glad", "mace")


def planted(n_tasks: int, skill: list[float], n_classes: int, seed: int) -> tuple[Answers, np.ndarray]:
    """Answers of people who are right with these chances and otherwise err evenly."""
    rng = np.random.default_rng(seed)
    true = rng.integers(n_classes, size=n_tasks)
    task, worker = (grid.ravel() for grid in np.meshgrid(np.arange(n_tasks), np.arange(len(skill)), indexing="ij"))
    wrong = (true[task] + rng.integers(1, n_classes, size=task.size)) % n_classes
    label = np.where(rng.random(task.size) < np.array(skill)[worker], true[task], wrong)
    return answers_of(task, worker, label, classes=list(range(n_classes))), true


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_planted_truth_is_found(method: str, n_classes: int) -> None:
    answers, true = planted(400, [0.95, 0.9, 0.9, 0.5, 0.5, 0.5], n_classes, seed=1)
    found = truth(answers, TruthSpec(method=method))
    assert found.posterior.shape == (400, n_classes)
    np.testing.assert_allclose(found.posterior.sum(axis=1), 1)
    assert (found.best == true).mean() >= (0.8 if method == "majority" else 0.94)
    assert found.ability[:3].min() > found.ability[3:].max()


@pytest.mark.parametrize("method", METHODS[1:])
def test_skills_are_measured(method: str) -> None:
    skill = [0.9, 0.8, 0.7, 0.85, 0.6]
    answers, _ = planted(3000, skill, 3, seed=2)
    found = truth(answers, TruthSpec(method=method))
    tolerance = 0.03 if method == "dawid_skene" else 0.1
    np.testing.assert_allclose(found.ability, skill, atol=tolerance)
    np.testing.assert_allclose(found.confusion.sum(axis=2), 1)


def test_a_person_who_always_errs_is_turned_round() -> None:
    answers, true = planted(300, [0.9, 0.9, 0.05], 2, seed=3)
    found = truth(answers)
    assert found.ability[2] < 0.1
    assert (found.best == true).mean() > (truth(answers, TruthSpec(method="majority")).best == true).mean()


@pytest.mark.parametrize("method", METHODS)
def test_known_truths_are_kept_and_teach(method: str) -> None:
    answers, true = planted(200, [0.9, 0.4, 0.4, 0.4], 3, seed=4)
    known = np.where(np.arange(200) < 60, true, -1)
    found = truth(answers, TruthSpec(method=method), known=known)
    assert (found.best[:60] == true[:60]).all()
    assert (found.confidence[:60] == 1).all()
    if method == "dawid_skene":
        assert (found.best[60:] == true[60:]).mean() > 0.85


@pytest.mark.parametrize("method", METHODS)
def test_the_same_bytes_twice(method: str) -> None:
    answers, _ = planted(50, [0.8, 0.7, 0.6], 3, seed=5)
    first, second = (truth(answers, TruthSpec(method=method)) for _ in range(2))
    assert first.posterior.tobytes() == second.posterior.tobytes()


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.sampled_from("abc")), min_size=1, max_size=30),
       st.sampled_from(METHODS))  # fmt: skip
def test_any_answers_give_probabilities(said: list[tuple[int, int, str]], method: str) -> None:
    answers = answers_of(*(list(column) for column in zip(*said, strict=True)), classes=["a", "b", "c"])
    found = truth(answers, TruthSpec(method=method))
    assert np.isfinite(found.posterior).all()
    np.testing.assert_allclose(found.posterior.sum(axis=1), 1)
    assert ((found.ability >= 0) & (found.ability <= 1)).all()


@settings(max_examples=10)
@given(st.randoms(use_true_random=False), st.sampled_from(METHODS))
def test_the_order_of_answers_does_not_matter(random: object, method: str) -> None:
    answers, _ = planted(30, [0.9, 0.8, 0.6], 3, seed=6)
    order = np.random.default_rng(random.randint(0, 99)).permutation(len(answers.task))  # type: ignore[attr-defined]
    turned = answers_of(answers.task[order], answers.worker[order], answers.label[order], classes=[0, 1, 2])
    one, other = (truth(of, TruthSpec(method=method)) for of in (answers, turned))
    np.testing.assert_allclose(one.posterior, other.posterior, atol=1e-6)


def test_running_agrees_with_the_whole() -> None:
    answers, true = planted(300, [0.9, 0.85, 0.8, 0.6], 3, seed=7)
    n = len(answers.task) // 2
    order = np.random.default_rng(0).permutation(len(answers.task))
    first = answers_of(answers.tasks[answers.task[order[:n]].tolist()], answers.worker[order[:n]],
                       answers.label[order[:n]], classes=[0, 1, 2])  # fmt: skip
    places = {task: place for place, task in enumerate(first.tasks.to_list())}
    running = Running(first)
    kept = [place for place in order[n:] if int(answers.task[place]) in places]
    for place in kept:
        posterior = running.answer(
            places[int(answers.task[place])], int(answers.worker[place]), int(answers.label[place])
        )
        assert posterior.sum() == pytest.approx(1)
    own = true[first.tasks.to_numpy()]
    before = (running.posterior.argmax(axis=1) == own).mean()
    running.settle()
    after = (running.posterior.argmax(axis=1) == own).mean()
    assert before >= after - 0.05
    assert after > 0.9


def test_running_takes_new_people_and_keeps_known_truths() -> None:
    answers, true = planted(50, [0.9, 0.9], 2, seed=8)
    known = np.where(np.arange(50) == 3, true, -1)
    running = Running(answers, known=known)
    assert running.answer(3, 2, int(1 - true[3]))[true[3]] == 1
    assert running.answer(4, 2, int(true[4]))[true[4]] > 0.5


@pytest.mark.parametrize(
    ("tasks", "workers", "labels"), [([], [], []), ([1], [1, 2], [1]), ([1, None], [1, 1], [0, 0])]
)
def test_bad_answers_are_told(tasks: list[int], workers: list[int], labels: list[int]) -> None:
    with pytest.raises(UserError, match="truth.answers"):
        answers_of(tasks, workers, labels)


def test_unknown_classes_are_told() -> None:
    with pytest.raises(UserError, match="truth.class"):
        answers_of([1], [1], ["dgo"], classes=["cat", "dog"])
    with pytest.raises(UserError, match="truth.class"):
        known_of(answers_of([1], [1], ["dog"]), {1: "cat"})


@pytest.mark.parametrize(("name", "accuracy"), [("product_pairs", 0.940), ("dog_breeds", 0.843)])
def test_real_answers(shared_data: Path, name: str, accuracy: float) -> None:
    folder = shared_data / "crowd" / name
    said = pl.read_csv(folder / "answer.csv.gz", infer_schema=False)
    gold = pl.read_csv(next(folder.glob("truth.csv*")), infer_schema=False)
    answers = answers_of(said["question"], said["worker"], said["answer"])
    true = known_of(answers, dict(gold.iter_rows()))
    found = truth(answers)
    assert found.converged
    assert round(float((found.best == true).mean()), 3) >= accuracy
    running, began = Running(answers), time.process_time()
    for number in range(100):
        running.answer(number, number % answers.n_workers, 0)
    assert (time.process_time() - began) / 100 < 0.005
