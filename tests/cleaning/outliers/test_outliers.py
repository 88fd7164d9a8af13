"""Outliers: planted ones come first, with the columns that were changed; the contract of mending."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor

from modelwright import oddness as detectors
from modelwright.cleaning.mend import MendSpec, mend
from modelwright.cleaning.outliers import outliers
from modelwright.cleaning.outliers.base import DETECTORS, MOST_KNOWN
from modelwright.cleaning.outliers.mending import MEND, OutliersSpec, propose
from modelwright.core.data import ROW_ID, Column, Dataset, Schema
from modelwright.core.errors import UserError
from modelwright.oddness import lof
from modelwright.testing.mending import check_mending


def planted(seed: int, *, n: int = 400) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Eight columns of three hidden ones; ten rows have one or two values that do not go with the rest."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)) @ rng.normal(size=(3, 8)) + 0.3 * rng.normal(size=(n, 8))
    changed = {}
    for row in range(10):
        columns = rng.choice(8, size=rng.integers(1, 3), replace=False)
        x[row, columns] += rng.choice([-1, 1], size=len(columns)) * 4 * x[10:, columns].std(axis=0)
        changed[row] = columns
    return x, changed


@pytest.mark.parametrize("detector", ["together", *DETECTORS])
def test_planted_rows_are_found(detector: str) -> None:
    x, changed = planted(0)
    found = outliers(x, detector=detector)  # type: ignore[arg-type]
    odd = np.isin(np.arange(len(x)), list(changed))
    assert roc_auc_score(odd, found.score) > (0.95 if detector == "together" else 0.8)


def test_the_changed_columns_are_named() -> None:
    right = []
    for seed in range(5):
        x, changed = planted(seed)
        columns = outliers(x).columns
        right += [columns[row].argmax() in named for row, named in changed.items()]
    assert np.mean(right) > 0.9


def test_lof_finds_what_is_odd_beside_a_dense_group_only() -> None:
    """Two groups of different density, and a row near the dense one."""
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0, 0.05, (150, 2)), rng.normal(5, 1.0, (150, 2)), [[0.6, -0.6]]])
    found = outliers(x, detector="lof")
    assert found.ranked[0] == 300 and found.surer[300] == "local"
    assert 300 not in outliers(x, detector="distance").ranked[:3]


def test_what_is_odd_beside_rows_like_it_is_heard() -> None:
    """Within the range of either column, and off the line on which all others lie."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 1)) @ np.ones((1, 3)) + 0.05 * rng.normal(size=(400, 3))
    x[9] = 0.8, -0.8, 0.8
    found = outliers(x)
    assert found.surer[9] == "local" and 9 in found.ranked[:20] and int(found.columns[9].argmax()) == 1
    assert 9 not in np.argsort(-found.scores["ecod"])[:100]
    assert 0 < found.agreement < 1


def test_lof_is_scikit_learns() -> None:
    x = np.random.default_rng(2).normal(size=(200, 3))
    theirs = -LocalOutlierFactor(n_neighbors=20).fit(x).negative_outlier_factor_
    assert np.allclose(np.exp(lof(x, x)), theirs)


def test_scale_order_and_seed() -> None:
    x, _ = planted(3)
    found = outliers(x)
    scaled = outliers(x * [1, 10, 1e-3, 1e6, 1, 1, 1, 1] + 5)
    assert np.allclose(found.score, scaled.score, atol=1e-6)
    assert np.array_equal(found.score, outliers(x).score)


def test_a_large_table_is_judged_by_a_sample() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(MOST_KNOWN + 5_000, 5))
    x[::1_500] += 8
    began = time.process_time()
    found = outliers(x)
    assert time.process_time() - began < 60
    assert set(found.ranked[:10].tolist()) == set(range(0, len(x), 1_500))


def test_what_cannot_be_judged() -> None:
    with pytest.raises(UserError, match=r"outliers\.values"):
        outliers(np.zeros((5, 2)))
    with pytest.raises(UserError, match=r"outliers\.values"):
        outliers(np.full((50, 2), np.nan))
    with pytest.raises(UserError, match=r"outliers\.detector"):
        outliers(np.zeros((50, 2)), detector="loff")  # type: ignore[arg-type]
    assert np.isfinite(outliers(np.zeros((50, 2))).score).all()


# Mending ------------------------------------------------------------------------------------------------------


def typed(x: np.ndarray) -> Dataset:
    frame = pl.DataFrame({f"x{place}": x[:, place] for place in range(x.shape[1])})
    return Dataset.from_frame(frame, Schema(tuple(Column(name, "number") for name in frame.columns)))


def test_flags_say_which_columns_in_words() -> None:
    x, _ = planted(0)
    x[77, 2] = 500.0
    found = propose(typed(x))
    first = found.flags.sort("score", descending=True).row(0, named=True)
    assert (first[ROW_ID], first["column"]) == (77, "x2")
    assert "`x2` (500, usually about" in first["reason"]
    assert found.flags.height <= 8
    assert propose(typed(x), OutliersSpec(most_flagged=0.0025)).flags.height == 1


def test_usual_tables_are_left_alone() -> None:
    for draw in (np.random.default_rng(0).normal, np.random.default_rng(0).uniform):
        assert propose(typed(draw(size=(1_000, 5)))).n_found == 0


def test_rows_go_in_strict_mode_only() -> None:
    x = np.random.default_rng(0).normal(size=(300, 4)).round(3)
    x[5] = 1_000, -1_000, 1_000, 5
    frame = pl.DataFrame({f"x{place}": map(str, x[:, place].tolist()) for place in range(4)})
    data = Dataset.from_frame(frame)
    gentle = mend(data, MendSpec(methods=("outliers",)))
    assert gentle.data.n_rows == 300 and gentle.findings.flags[ROW_ID].to_list() == [5]
    strict = mend(data, MendSpec(mode="strict", methods=("outliers",)))
    assert strict.data.n_rows == 299 and 5 not in strict.data.row_ids
    assert strict.history.undo(1).data.n_rows == 300


def test_a_rare_level_is_named() -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {"x": rng.normal(size=300), "z": rng.normal(size=300), "wood": ["oak", "ash"] * 149 + ["yew"] * 2}
    )
    frame = frame.with_columns(x=pl.when(pl.int_range(300) == 299).then(9.0).otherwise("x"))
    schema = Schema((Column("x", "number"), Column("z", "number"), Column("wood", "category")))
    flags = propose(Dataset.from_frame(frame, schema), OutliersSpec(limit=3.0)).flags
    reason = flags.filter(pl.col(ROW_ID) == 299)["reason"][0]
    assert "`x` (9" in reason or "`wood` (yew, which is rare)" in reason


def test_the_contract_of_mending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detectors, "N_TREES", 40)  # building trees is most of the time, and not what is tested
    check_mending(MEND)
