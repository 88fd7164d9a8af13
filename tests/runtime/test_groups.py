"""Thresholds by group: every way of giving rows is told by its own group's threshold, and so is the server's answer."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from modelwright.packaging import package
from modelwright.testing.packages import raw_rows, tiny_graph, tiny_signature, tiny_training
from modelwright_runtime.archive import MANIFEST, read_archive
from modelwright_runtime.errors import UserError
from modelwright_runtime.groups import GroupColumn, GroupThresholds, group_of
from modelwright_runtime.model import Model, load
from modelwright_runtime.reading import CellError, Reading, read_cell
from modelwright_runtime.signature import Signature
from tests.runtime.conftest import start
from tests.runtime.test_server import predict

CITY = GroupThresholds(
    columns=(GroupColumn(column="city", levels=("Oslo", "New York")),),
    thresholds=((("Oslo",), 0.0), (("New York",), 1.0)),
)
BOTH = GroupThresholds(
    columns=(
        GroupColumn(column="member", levels=("no", "yes")),
        GroupColumn(column="age", levels=("under 40", "40 and over"), edges=(40.0,)),
    ),
    thresholds=((("yes", "under 40"), 0.0), (("no", "40 and over"), 1.0)),
)


def by_hand(signature: Signature, rows: list[dict[str, Any]], groups: GroupThresholds) -> list[str]:
    model = Model(tiny_graph(), signature)
    known = dict(groups.thresholds)
    readings = {reading.column: reading for reading in signature.readings}
    told = []
    for row, chance in zip(rows, model.answers(rows)[0][:, 1], strict=True):
        levels = []
        for column in groups.columns:
            try:
                levels.append(group_of(read_cell(row[column.column], readings[column.column]), column))
            except CellError:
                levels.append(None)
        threshold = known.get(tuple(levels), signature.threshold)  # type: ignore[arg-type]
        told.append("yes" if chance >= threshold else "no")
    return told


@pytest.mark.parametrize("groups", [CITY, BOTH], ids=["city", "member and age"])
def test_rows_are_told_by_their_own_groups_threshold(groups: GroupThresholds) -> None:
    plain = tiny_signature()
    signature = dataclasses.replace(plain, group_thresholds=groups)
    model, rows = Model(tiny_graph(), signature), raw_rows(200)
    due = by_hand(plain, rows, groups)
    assert {"yes", "no"} == set(due) and due != by_hand(plain, rows, dataclasses.replace(groups, thresholds=()))
    assert model.predict(rows).prediction.tolist() == due
    assert model.predict(pl.DataFrame(rows)).prediction.tolist() == due
    assert model.predict({name: [row[name] for row in rows] for name in rows[0]}).prediction.tolist() == due
    assert [model.predict(row).prediction[0] for row in rows[:20]] == due[:20]
    np.testing.assert_array_equal(
        model.predict(rows).probabilities, Model(tiny_graph(), plain).predict(rows).probabilities
    )
    assert Signature.from_plain(json.loads(json.dumps(signature.to_plain()))) == signature
    assert len(model.predict([])) == 0


def test_a_column_that_only_says_the_group_is_needed_and_not_fed() -> None:
    plain = tiny_signature()
    groups = GroupThresholds(
        columns=(GroupColumn(column="sex", levels=("m", "f")),), thresholds=((("f",), 0.0), (("m",), 1.0))
    )
    sex = Reading(column="sex", kind="category", missing=("?",))
    model = Model(tiny_graph(), dataclasses.replace(plain, readings=(*plain.readings, sex), group_thresholds=groups))
    assert model.columns[-1] == "sex" and model.columns[:-1] == Model(tiny_graph(), plain).columns
    row = raw_rows(1)[0]
    assert [model.predict({**row, "sex": sex}).prediction[0] for sex in ("F ", "M", "?")] == [
        "yes", "no", Model(tiny_graph(), plain).predict(row).prediction[0],
    ]  # fmt: skip
    with pytest.raises(UserError, match="'sex'") as caught:
        model.predict(row)
    assert caught.value.code == "rows.missing_column"
    assert set(model.feeds([{**row, "sex": "f"}])) == {"numbers", "categories"}


def test_what_is_read_once_answers_as_rows_do() -> None:
    model, rows = Model(tiny_graph(), tiny_signature()), raw_rows(300)
    feeds = model.feeds(rows)
    np.testing.assert_array_equal(model.answer_feeds(feeds)[0], model.answers(rows)[0])
    model._chunk_rows = 64
    np.testing.assert_array_equal(model.answer_feeds(feeds)[0], model.answers(rows)[0])
    np.testing.assert_array_equal(model.feeds(pl.DataFrame(rows))["numbers"], feeds["numbers"])


@pytest.mark.parametrize("plain", [{"columns": [], "thresholds": []}, {"columns": CITY.to_plain()["columns"],
                                   "thresholds": [[["Oslo", "x"], 0.5]]}, {"columns": CITY.to_plain()["columns"],
                                   "thresholds": [[["Oslo"], 1.5]]}])  # fmt: skip
def test_damaged_thresholds_are_refused(plain: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="thresholds by group"):
        GroupThresholds.from_plain(plain)


def test_a_package_holds_them_and_the_server_answers_by_them(tmp_path: Path) -> None:
    trained, cleaned = tiny_training()
    old = package(trained, cleaned, path=tmp_path / "old.wright", name="old")
    signature = dataclasses.replace(trained.signature, group_thresholds=CITY)
    made = package(dataclasses.replace(trained, signature=signature), cleaned, path=tmp_path / "new.wright", name="new")
    assert [read_archive(one.path)[0]["format"] for one in (old, made)] == [1, 2], MANIFEST
    model, rows = load(made.path), raw_rows(40)
    due = by_hand(trained.signature, rows, CITY)
    assert model.predict(rows).prediction.tolist() == due
    server = start(str(made.path))
    try:
        status, body = predict(server, {"rows": rows})
        assert status == 200 and [row["prediction"] for row in body["predictions"]] == due
        status, body = predict(server, {"rows": rows[:1]})
        assert status == 200 and [row["prediction"] for row in body["predictions"]] == due[:1]
    finally:
        server.process.terminate()
        assert server.process.wait(timeout=15) == 0


def test_a_place_with_one_threshold_refuses_several() -> None:
    from modelwright.packaging.targets.embedded import embedded_source

    with pytest.raises(UserError, match="one threshold") as caught:
        embedded_source(Model(tiny_graph(), dataclasses.replace(tiny_signature(), group_thresholds=CITY)))
    assert caught.value.code == "target.task" and caught.value.hint
