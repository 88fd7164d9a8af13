"""The loop on disk: rows asked and logged, labels joined, a retraining, a promotion, a bad one taken back."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from modelwright.core.errors import UserError
from modelwright.monitoring import MonitorSpec
from modelwright.operating import Place, deploy, served_rows, step
from modelwright.operating.retraining import recipe_of, retrain
from modelwright.operating.supervise import enter, promote, rollback
from modelwright.recipe import Recipe
from modelwright_runtime import deployment as deployments
from modelwright_runtime.deployment import challenged, change
from modelwright_runtime.feedback import checked
from modelwright_runtime.http import Request
from modelwright_runtime.records import SegmentWriter, keep_truth
from modelwright_runtime.routing import open_route, retire
from modelwright_runtime.service import Service
from tests.operating.conftest import shop_rows

SPEC = MonitorSpec.parse({"every": "1h", "keep_watch": "1s", "promote_when": {"gain": 0.005}}, where="monitor")


def live(place: Place, rows: pl.DataFrame, *, labels: bool = True) -> list[str]:
    """Ask about rows through the service, as a client would, and bring their labels; the ids."""
    route = open_route(place.folder)
    service = Service([route])
    body = json.dumps({"rows": rows.drop("buys").to_dicts()}).encode()
    answer = service.whole(Request("POST", "/predict", {}, body))
    assert answer.status == 200, answer.body
    told = json.loads(answer.body)
    retire(route, None)
    ids = [f"{told['id']}.{index}" for index in range(rows.height)]
    if labels:
        keep_truth(place.folder / "labels", [(one, y, time.time()) for one, y in zip(ids, rows["buys"], strict=True)])
    return ids


def test_the_log_gives_back_what_was_asked(place: Place) -> None:
    rows = shop_rows(40, seed=1)
    ids = live(place, rows, labels=False)
    found = served_rows(place.folder)
    assert found["_id"].to_list() == ids
    assert found["_truth"].null_count() == 40
    assert found.select("a", "b", "colour").equals(rows.select("a", "b", "colour"))
    model = place.model(1)
    assert found["_prediction"].to_list() == model.predict(rows.drop("buys")).prediction.tolist()
    keep_truth(place.folder / "labels", [(ids[3], "yes", 0.0), (ids[3], "no", 1.0), ("of another", "yes", 0.0)])
    again = served_rows(place.folder)
    assert again["_truth"].to_list() == [None] * 3 + ["no"] + [None] * 36


def test_nothing_happens_while_nothing_changes(place: Place) -> None:
    assert step(place, SPEC).kind == "nothing"
    live(place, shop_rows(400, seed=2))
    told = step(place, SPEC)
    assert told.kind == "nothing", told
    assert told.report is not None
    assert (place.folder / "monitor.html").read_text().startswith("<!doctype html>")
    assert step(place, SPEC).words.startswith("Only 0 rows")
    assert [one["kind"] for one in place.decisions()] == ["deploy"]


def test_a_turned_concept_is_noticed_learned_and_promoted(place: Place) -> None:
    """Labels say that the concept has turned: a newer model is made, wins in shadow, answers, and settles."""
    live(place, shop_rows(900, seed=3, turned=True))
    told = step(place, SPEC)
    assert told.kind == "retrain", told
    state = place.state()
    assert (state.champion, len(state.versions)) == (1, 2), "nothing is promoted in silence"
    assert state.challenger is not None and state.challenger.mode == "shadow"
    live(place, shop_rows(600, seed=4, turned=True))
    told = step(place, SPEC)
    assert told.kind == "promote", told
    assert place.state().champion == 2
    time.sleep(1.1)
    live(place, shop_rows(200, seed=5, turned=True))
    assert step(place, SPEC).kind == "settle"
    assert place.state().challenger is None
    kinds = [one["kind"] for one in place.decisions()]
    assert sorted(kinds[:3]) == ["add", "deploy", "retrain"], "a version is there, and why"
    assert kinds[3:] == ["promote", "settle"]
    evidence = place.decisions()[3]["evidence"]
    assert evidence["low"] > 0 and evidence["n_rows"] >= 200, "the decision holds what it rests on"


def test_a_bad_promotion_is_rolled_back_by_itself(place: Place) -> None:
    """Somebody promotes by hand a model made of the wrong labels: the former one in its shadow shows it."""
    import modelwright as mw

    wrong = shop_rows(600, seed=6).with_columns(
        buys=pl.when(pl.col("buys") == "yes").then(pl.lit("no")).otherwise(pl.lit("yes"))
    )
    wrong.write_csv(place.folder / "wrong.csv")
    recipe = recipe_of(place).but(name="bad", data={"sources": [str(place.folder / "wrong.csv")]})
    record = mw.run(recipe, store=place.store)
    deploy(place.store, "shop", record.facts["package"], run=record.id)
    promote(place, 2, "by hand", by="test")
    live(place, shop_rows(300, seed=7))
    told = step(place, replace_watch("1h"))
    assert told.kind == "roll back", told
    assert place.state().champion == 1
    assert place.decisions()[-1]["evidence"]["former"] == 2


def replace_watch(span: str) -> MonitorSpec:
    return SPEC.but(keep_watch=span)


def test_a_challenger_that_is_no_better_is_dropped(place: Place) -> None:
    import modelwright as mw

    few = shop_rows(120, seed=8)
    few.write_csv(place.folder / "few.csv")
    recipe = recipe_of(place).but(name="few", data={"sources": [str(place.folder / "few.csv")]})
    deploy(place.store, "shop", mw.run(recipe, store=place.store).facts["package"])
    change(place.folder, lambda state: challenged(state, 2))
    place.keep_progress(replace(place.progress(), challenged_s=time.time()))
    kinds = []
    for seed in range(9, 13):
        live(place, shop_rows(1500, seed=seed))
        kinds.append(step(place, SPEC).kind)
        if kinds[-1] == "drop":
            break
    assert kinds[-1] == "drop", kinds
    assert place.state().champion == 1 and place.state().challenger is None


def test_rows_whose_label_would_teach_most_are_laid_out(place: Place) -> None:
    """The queue goes out with reasons and comes back filled in; blank ones are passed over."""
    live(place, shop_rows(800, seed=14), labels=False)
    assert step(place, SPEC).kind == "nothing"
    queue = pl.read_csv(place.folder / "relabel.csv", schema_overrides={"_truth": pl.String})
    assert queue.columns[:3] == ["_id", "reason", "score"]
    assert queue.height == 100
    assert queue["_truth"].null_count() == 100
    filled = queue.with_columns(_truth=pl.when(pl.int_range(100) < 40).then(pl.lit("yes")))
    assert keep_truth(place.folder / "labels", checked(filled.to_dicts(), "buys")) == 40
    assert served_rows(place.folder)["_truth"].drop_nulls().len() == 40


def test_a_model_that_was_made_before_is_the_version_that_it_was(place: Place) -> None:
    """The same rows give the same bytes: the version is found by them, not taken for the newest."""
    live(place, shop_rows(600, seed=16, turned=True))
    made = retrain(place)
    kept = place.folder / "kept.wright"  # the next retraining of that name takes the place of its file
    kept.write_bytes(made.package.read_bytes())
    first = replace(made, package=kept)
    assert enter(place, first, "once", {}, by="test", now_s=1.0) == 2
    live(place, shop_rows(600, seed=17, turned=True))
    assert enter(place, retrain(place), "newer", {}, by="test", now_s=2.0) == 3
    assert enter(place, first, "again", {}, by="test", now_s=3.0) == 2
    challenger = place.state().challenger
    assert challenger is not None
    assert (challenger.version, len(place.state().versions)) == (2, 3)


def test_damage_in_the_log_is_told(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    live(place, shop_rows(40, seed=18))
    (segment,) = (place.folder / "log").glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[-20] ^= 1
    segment.write_bytes(data)
    served_rows(place.folder)
    assert "damaged" in caplog.text


def test_what_cannot_be_done_is_said(place: Place, shop: tuple[Recipe, Path]) -> None:
    with pytest.raises(UserError, match="0 served rows have a label"):
        retrain(place)
    with pytest.raises(UserError, match="has had one champion only"):
        rollback(place, "why", by="test")
    with pytest.raises(UserError, match="has no version 7"):
        promote(place, 7, "why", by="test")
    other = deploy(place.store, "alone", deployments.package_path(place.folder, place.state().version(1)))
    with pytest.raises(UserError, match="its recipe is not known"):
        recipe_of(other)
    with pytest.raises(UserError, match="there is no package 'none'"):
        deploy(place.store, "none")


def test_a_failed_retraining_leaves_the_champion_and_is_on_record(place: Place) -> None:
    (shop_data,) = recipe_of(place).data.sources
    live(place, shop_rows(900, seed=15, turned=True))
    writer = SegmentWriter(place.folder / "labels")
    writer.close()
    state = place.state()
    record = place.store.root / "runs" / f"{state.version(1).about['run']}.json"
    plain = json.loads(record.read_bytes())
    plain["recipe"]["data"]["sources"][0]["source"] = shop_data.source + ".gone"
    record.write_bytes(json.dumps(plain).encode())
    told = step(place, SPEC)
    assert told.kind == "retrain"
    assert place.state() == state
    assert "failed" in place.decisions()[-1]["words"]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"seen_s": 1, "x": 2}'])
def test_a_damaged_progress_is_told(place: Place, damage: bytes) -> None:
    from modelwright.core.errors import SystemFault

    (place.folder / "operating.json").write_bytes(damage)
    with pytest.raises(SystemFault, match="not as it was written"):
        step(place, SPEC)
