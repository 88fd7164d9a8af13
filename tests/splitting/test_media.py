"""Splits of what is no plain table: boxes, masks, labels, and the words of folders."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from modelwright.core.data import ROW_ID, Column, Dataset, Schema
from modelwright.core.errors import UserError
from modelwright.splitting import SplitSpec, split

BOX = pl.List(pl.Struct({**dict.fromkeys(("x", "y", "width", "height"), pl.Float64), "label": pl.String}))


def _data(target: str, kind: Any, cells: pl.Series, *, words: list[str | None] | None = None) -> Dataset:
    n_rows = len(cells)
    frame = pl.DataFrame({"image": [bytes([row % 250, row // 250]) for row in range(n_rows)], target: cells})
    columns = [Column("image", "image"), Column(target, kind, "target")]
    if words is not None:
        frame = frame.with_columns(pl.Series("split", words, dtype=pl.String))
        columns.append(Column("split", "category", "split", why="a folder says which rows are held out"))
    return Dataset.from_frame(frame, Schema(tuple(columns)))


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        ("boxes", pl.Series([[] if row % 3 else None for row in range(60)], dtype=BOX)),
        ("mask", pl.Series([bytes([row]) for row in range(60)])),
        ("labels", pl.Series([["a", "b"][: row % 3] for row in range(60)], dtype=pl.List(pl.String))),
        ("series", pl.Series([[float(row), 1.0] for row in range(60)])),
    ],
)
def test_targets_that_are_no_classes_are_dealt_by_chance(kind: str, cells: pl.Series) -> None:
    data = _data("y", kind, cells)
    splits = split(data, seed=3)
    assert splits.kind == "random"
    known = set(data.frame.filter(pl.col("y").is_not_null())[ROW_ID].to_list())
    assert set(splits.train.tolist()) | set(splits.test.tolist()) == known
    assert not set(splits.train.tolist()) & set(splits.test.tolist())
    assert len(splits.test) == pytest.approx(0.2 * len(known), abs=1)


def test_equal_pictures_stay_together_whatever_their_label() -> None:
    frame = pl.DataFrame({"image": [bytes([row // 3]) for row in range(240)], "y": ["a", "b", "a", "b"] * 60})
    data = Dataset.from_frame(frame, Schema((Column("image", "image"), Column("y", "category", "target"))))
    splits = split(data, seed=1)
    unit = {row: row // 3 for row in range(240)}
    train, test = ({unit[row] for row in rows.tolist()} for rows in (splits.train, splits.test))
    assert not train & test
    for fitted, validated in splits.pairs():
        sides = ({unit[int(splits.train[place])] for place in side} for side in (fitted, validated))
        first, second = sides
        assert not first & second


CLASSES = pl.Series(["a", "b"] * 30)


def test_folders_divide_the_rows() -> None:
    splits = split(_data("y", "category", CLASSES, words=["train"] * 40 + ["validation"] * 8 + ["test"] * 12))
    assert (splits.kind, len(splits.train), len(splits.test)) == ("given", 48, 12)
    assert np.flatnonzero(splits.folds == 0).tolist() == list(range(40, 48))


def test_validation_is_the_test_when_there_is_no_other() -> None:
    splits = split(_data("y", "category", CLASSES, words=["train"] * 48 + ["validation"] * 12))
    assert (splits.kind, splits.test.tolist()) == ("given", list(range(48, 60)))
    assert [pair for pair in splits.pairs() if len(pair[1])]
    assert any("names no test" in decision.reason for decision in splits.decisions)


def test_folders_without_labels_on_one_side_do_not_divide() -> None:
    labels = pl.Series(["a", "b"] * 20 + [None] * 20)
    data = _data("y", "category", labels, words=["train"] * 40 + ["test"] * 20)
    splits = split(data)
    assert splits.kind == "stratified" and len(splits.train) + len(splits.test) == 40
    assert any("on one side only" in decision.reason for decision in splits.decisions)
    with pytest.raises(UserError) as caught:
        split(data, SplitSpec(kind="given"))
    assert caught.value.code == "split.given"
