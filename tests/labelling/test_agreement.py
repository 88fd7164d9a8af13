"""Agreement: the values of published examples, and what must hold for any answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from modelwright.core.errors import UserError
from modelwright.labelling.agreement import AgreementSpec, agreement, alpha, alpha_interval, cohen, fleiss, reading
from modelwright.labelling.truth import Answers, answers_of

# Krippendorff (2011), section C: four observers, twelve units, a dot where nothing was said.
FOUR_OBSERVERS = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")
# Fleiss (1971) in the form of the usual textbook table: 10 subjects, 14 raters, 5 classes.
FOURTEEN_RATERS = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip


def observers() -> Answers:
    said = [(unit, who, int(value)) for who, row in enumerate(FOUR_OBSERVERS) for unit, value in enumerate(row)
            if value != "."]  # fmt: skip
    return answers_of(*(list(column) for column in zip(*said, strict=True)))


@pytest.mark.parametrize(("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_krippendorffs_own_example(level: str, published: float) -> None:
    found = agreement(observers(), AgreementSpec(level=level))
    assert found.alpha == pytest.approx(published, abs=0.0006)
    assert found.low < found.alpha < found.high
    assert found.n_tasks == 11


def test_fleiss_textbook_example() -> None:
    assert fleiss(np.array(FOURTEEN_RATERS)) == pytest.approx(0.210, abs=0.0005)


def test_cohen_textbook_example() -> None:
    first = np.repeat(["yes", "yes", "no", "no"], [20, 5, 10, 15])
    second = np.repeat(["yes", "no", "yes", "no"], [20, 5, 10, 15])
    assert cohen(first, second) == pytest.approx(0.4)


def test_pairs_are_cohens_of_the_common_tasks() -> None:
    rng = np.random.default_rng(0)
    task, worker = (grid.ravel() for grid in np.meshgrid(np.arange(60), np.arange(3), indexing="ij"))
    label = rng.integers(3, size=task.size)
    kept = rng.random(task.size) < 0.7
    found = agreement(answers_of(task[kept], worker[kept], label[kept])).pairs
    table = np.full((60, 3), -1)
    table[task[kept], worker[kept]] = label[kept]
    for first, second, n_common, share, kappa in found.iter_rows():
        both = (table[:, first] >= 0) & (table[:, second] >= 0)
        one, other = table[both, first], table[both, second]
        assert n_common == both.sum()
        assert share == pytest.approx((one == other).mean())
        assert kappa == pytest.approx(cohen_kappa_score(one, other)) == pytest.approx(cohen(one, other))


def test_the_interval_covers() -> None:
    rng = np.random.default_rng(1)

    def drawn(n_tasks: int) -> np.ndarray:
        true = rng.integers(3, size=n_tasks)
        said = np.where(rng.random((n_tasks, 3)) < 0.8, true[:, None], rng.integers(3, size=(n_tasks, 3)))
        return np.stack([(said == code).sum(axis=1) for code in range(3)], axis=1).astype(float)

    true_alpha = alpha(drawn(200_000))
    held = 0
    for _ in range(200):
        low, high = alpha_interval(drawn(150), n_resamples=300, rng=rng)
        held += low <= true_alpha <= high
    assert 0.90 <= held / 200 <= 0.99


votes = st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=1, max_size=12)


@settings(max_examples=50)
@given(votes, st.sampled_from(["nominal", "ordinal", "interval"]))
def test_any_votes(rows: list[list[int]], level: str) -> None:
    table = np.array(rows, dtype=float)
    values = np.array([1.0, 2.0, 5.0])
    found = alpha(table, level, values)  # type: ignore[arg-type]
    several = table[table.sum(axis=1) > 1]
    if len(several) and (several.sum(axis=0) > 0).sum() > 1:
        assert found <= 1
        assert (found == pytest.approx(1)) == ((several > 0).sum(axis=1) == 1).all()
    else:
        assert np.isnan(found)
    # what a task with one answer says does not count, nor does the order of tasks
    more = np.concatenate([table, np.eye(3)])[::-1]
    np.testing.assert_allclose(alpha(more, level, values), found)  # type: ignore[arg-type]


@settings(max_examples=30)
@given(votes)
def test_two_classes_have_one_alpha_on_every_scale(rows: list[list[int]]) -> None:
    table = np.array(rows, dtype=float)[:, :2]
    found = [alpha(table, level, np.array([0.0, 3.0])) for level in ("nominal", "ordinal", "interval")]  # type: ignore[arg-type]
    np.testing.assert_allclose(found, found[0])


def test_bytes_and_seeds() -> None:
    one, other = agreement(observers(), seed=3), agreement(observers(), seed=3)
    assert (one.low, one.high) == (other.low, other.high)


def test_words_need_no_interval() -> None:
    with pytest.raises(UserError, match="agreement.numbers"):
        agreement(answers_of([1, 1], [1, 2], ["a", "b"]), AgreementSpec(level="interval"))
    assert np.isnan(agreement(answers_of([1, 2], [1, 2], ["a", "b"])).alpha)
    assert reading(float("nan")).startswith("not defined")
