"""Tuning on real tables: the loss that training finds, better settings than the known ones, recipe, report, store."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes

from modelwright.core.errors import UserError
from modelwright.core.store import Store
from modelwright.evaluation.tuning_story import tunings
from modelwright.lifecycle import _Work, collect_garbage, load_run, plan, prepare, run
from modelwright.recipe import Recipe
from modelwright.splitting import split
from modelwright.testing.training import made_table
from modelwright.training import ModelUse, TrainSpec
from modelwright.training.cross import Folds, validate
from modelwright.training.losses import choose_metric
from modelwright.training.portfolio import _asked
from modelwright.training.problem import read_problem
from modelwright.training.scoring import Scoring, network_loss
from modelwright.tuned import LOG, ModelLoss, Rows, known_of, shown, space_of, with_network
from modelwright.tuning import StudySpec, Tuner, TuneSpec, tune


@pytest.fixture(scope="module")
def tumours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = load_breast_cancer(as_frame=True).frame
    path = tmp_path_factory.mktemp("data") / "tumours.csv"
    pl.from_pandas(data[[*data.columns[:8], "target"]]).write_csv(path)
    return path


@pytest.fixture(scope="module")
def sugar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "sugar.csv"
    pl.from_pandas(load_diabetes(as_frame=True, scaled=False).frame).write_csv(path)
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store.open(tmp_path_factory.mktemp("store"))


def recipe(data: Path, **tune: Any) -> Recipe:
    said = {"model": "tree", "trials": 14, **tune}
    return Recipe.from_plain({"target": "target", "data": str(data), "tune": said, "train": {"models": ["linear"]}})


def value_of(store: Store, name: str) -> dict[str, Any]:
    found: dict[str, Any] = dict(next(s.value for s in load_run(store, name).stages if s.stage == "tuning/tune"))
    return found


# The loss -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", [{"model": "boosting", "settings": {"rounds": 30}}, {"model": "linear"}])
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_the_loss_of_a_trial_is_what_training_finds(use: dict[str, Any], task: str) -> None:
    data = made_table(200, task)
    sets, spec, candidate = split(data), TrainSpec(), ModelUse(name="x tuned", **use)
    heard: list[float] = []

    def report(loss: float) -> bool:
        heard.append(loss)
        return False

    ours = Scoring.of(data, sets, spec, seed=3).loss_of(candidate, report)
    problem = read_problem(data, sets, spec, seed=3)
    theirs = validate(_asked(candidate), Folds(problem, 3), choose_metric("auto", problem.task)[1])
    assert ours == pytest.approx(theirs.loss, abs=1e-12) and len(heard) == len(problem.pairs) - 1


def test_whoever_wants_no_more_folds_gets_none() -> None:
    data = made_table(120, "binary")
    heard: list[float] = []

    def enough(loss: float) -> bool:
        heard.append(loss)
        return len(heard) == 2

    loss = Scoring.of(data, split(data), TrainSpec(), seed=0).loss_of(ModelUse(model="linear"), enough)
    assert loss == heard[-1] and len(heard) == 2


# Recipe, plan, report, store ------------------------------------------------------------------------------------------


def test_a_recipe_tunes_plans_and_goes_on(tumours: Path, store: Store) -> None:
    asked = recipe(tumours)
    before = plan(asked, store=store)
    stages = {stage["stage"]: stage for stage in before.stages}
    assert stages["tuning/tune"]["state"] == "to do"
    assert stages["tuning/tune"]["told"] == "tree: 14 trials by gp over 2 parameters"
    assert ("tree: depth", "2 to 20, whole, by factors") in [(one["about"], one["choice"]) for one in before.decisions]
    assert before.recipe.tune is not None and before.recipe.tune.space["depth"]["high"] == 20

    record = run(asked, store=store)
    (told,) = value_of(store, "tumours")["models"]
    best = told["best"][0]
    assert best["score"] < told["known"] and len(told["trials"]) == 14 and len(told["best"]) == 3
    board = next(s.facts["leaderboard"] for s in record.stages if s.stage == "training/train")
    tuned = next(one for one in board if one["name"] == "tree tuned")
    assert tuned["score"] == pytest.approx(best["score"], abs=1e-9)
    assert {name: tuned["settings"][name] for name in best["settings"]} == best["settings"]
    page = (Path(record.facts["folder"]) / "report.html").read_text()
    assert page.count("<figure>") >= 4 and 'id="tuning"' in page and "14 settings were tried by gp" in page

    again = run(asked, store=store)
    assert all(stage.cached for stage in again.stages)
    after = plan(asked, store=store)
    assert {stage["state"] for stage in after.stages} == {"there already"}
    heard: list[Any] = []
    run(recipe(tumours, trials=17), store=store, watch=heard.append)
    assert [e["number"] for e in heard if e["stage"] == "tuning" and e["event"] == "trial"] == list(range(17))
    more = value_of(store, "tumours")["models"][0]
    assert more["trials"][:14] == told["trials"] and more["study"] == told["study"]
    kept = list((store.root / "studies").glob("*.jsonl"))
    collect_garbage(store, grace_s=0)
    assert list((store.root / "studies").glob("*.jsonl")) == kept
    run(recipe(tumours, trials=3, search="random"), store=store)
    collect_garbage(store, grace_s=0)
    assert not set((store.root / "studies").glob("*.jsonl")) & set(kept)


def test_the_written_out_recipe_goes_on_with_the_same_trials(sugar: Path, tmp_path: Path) -> None:
    asked = recipe(sugar, trials=12, search="qmc")
    written = plan(asked, store=tmp_path).recipe
    first = run(asked, store=tmp_path)
    (told,) = value_of(Store.open(tmp_path), "sugar")["models"]
    assert told["metric"] == "rmse" and told["best"][0]["score"] < told["known"] - 0.5
    heard: list[Any] = []
    second = run(Recipe.from_plain({**written.to_plain(), "name": "written"}), store=tmp_path, watch=heard.append)
    assert value_of(Store.open(tmp_path), "written")["models"][0]["best"] == told["best"]
    assert len([event for event in heard if event["event"] == "trial"]) == 12
    assert first.facts["metrics"] == second.facts["metrics"]


def test_another_process_finds_the_rows_and_the_same_loss(sugar: Path, tmp_path: Path) -> None:
    store, asked = Store.open(tmp_path), recipe(sugar)
    plan(asked, store=store)
    work = _Work.begin(asked, store, None, on_record=False)
    prepared = prepare(asked, work)
    rows = Rows.of(store, (prepared.cleaned.plain, prepared.splits.plain), asked)
    loss = ModelLoss(rows, "tree", {"min_leaf": 20})
    there = pickle.loads(pickle.dumps(loss))  # noqa: S301  as multiprocessing hands it over
    with Tuner(space_of(TuneSpec(model="tree"), "tree"), StudySpec(search="qmc", trials=2)) as tuner:
        trial = tuner.ask()
        assert trial is not None and there(trial) == loss(trial) > 0
    settings = there.use({"depth": 3, LOG: True}, "tree tuned")
    assert settings.settings == {"min_leaf": 20, "depth": 3} and settings.log


def test_a_network_is_tuned_and_stops_on_the_way() -> None:
    pytest.importorskip("torch")
    data = made_table(60, "binary")
    sets, base = split(data), TrainSpec(network={"loop": {"epochs": 1}, "network": {"width": 8}})  # type: ignore[arg-type]
    space = {"loop.optimizer.adamw.learning_rate": {"low": 1e-6, "high": 0.03, "log": True}, "loop.batch_size": [8, 32]}
    checked = space_of(TuneSpec(model="network", space=space), "network")
    spec = StudySpec(search="qmc", trials=2, start=({"loop.optimizer.adamw.learning_rate": 1e-6},))
    heard: list[float] = []

    def objective(trial: Any) -> float:
        def report(loss: float) -> bool:
            heard.append(loss)
            return trial.number == 1

        return network_loss(data, sets, with_network(base, trial), seed=0, report=report)

    study = tune(objective, checked, spec)
    assert len(heard) == 4 + 1 and study.trials[0].loss not in heard and study.trials[1].loss == heard[-1]


# Spaces of models -----------------------------------------------------------------------------------------------------


def test_spaces_are_checked_against_the_model() -> None:
    with pytest.raises(UserError, match="`tree` has no setting `depths`"):
        space_of(TuneSpec(model="tree", space={"depths": {"low": 1, "high": 4}}), "tree")
    with pytest.raises(UserError, match="input should be less than or equal to 64; got 99"):
        space_of(TuneSpec(model="tree", space={"depth": {"low": 1, "high": 99, "integer": True}}), "tree")
    with pytest.raises(UserError, match="`constant` has no space of its own"):
        space_of(TuneSpec(model="constant"), "constant")
    with pytest.raises(UserError, match="models has no method 'tre'"):
        space_of(TuneSpec(model="tre"), "tre")
    with pytest.raises(UserError, match="network stands alone"):
        TuneSpec(model=("network", "tree"))
    with pytest.raises(UserError, match="'depth' is none of them"):
        TuneSpec(model=("forest", "tree"), space={"depth": [1, 2]})


def test_every_space_of_a_model_holds_what_its_settings_take() -> None:
    from modelwright.core import registry

    tunable = [name for name, one in registry.methods("models").items() if one.space]
    assert {"boosting", "forest", "linear", "neighbours", "svm", "tree"} <= set(tunable)
    for name in tunable:
        spec = TuneSpec(model=name)
        space = space_of(spec, name, may_log=True)
        assert LOG in space.parameters
        for known in known_of(spec, name, space):
            assert space.holds(known) and known[LOG] is False


def test_paths_into_a_network() -> None:
    spec = TrainSpec(network={"loop": {"epochs": 3, "optimizer": "adamw"}, "doctor": "off"})  # type: ignore[arg-type]
    changed = with_network(spec, {"loop.optimizer.adamw.learning_rate": 0.1, "network.dropout": 0.2})
    network: Any = changed.network
    assert network.loop == {"epochs": 3, "optimizer": {"adamw": {"learning_rate": 0.1}}}
    assert network.network == {"dropout": 0.2} and network.doctor == "off"
    with pytest.raises(UserError, match="spoch"):
        with_network(spec, {"loop.spochs": 3})


def test_settings_in_a_line() -> None:
    assert (
        shown({"loop.optimizer.adamw.learning_rate": 0.00123456, "network.dropout": 0.5})
        == "learning_rate 0.00123, dropout 0.5"
    )
    assert shown({"a.x": 1, "b.x": 2}) == "a.x 1, b.x 2"


def test_the_story_escapes_what_it_shows() -> None:
    evil = "<script>alert(1)</script>"
    told = {
        "model": evil, "search": "gp", "metric": evil, "higher": False, "known": None, "n_trials": 3,
        "space": {evil: {"choices": [evil, "b"]}, "x": {"low": 0.001, "high": 10.0, "log": True}},
        "trials": [
            {"number": 0, "settings": {evil: evil, "x": 0.1}, "state": "done", "score": 0.5},
            {"number": 1, "settings": {evil: "b", "x": 1.0}, "state": "stopped", "score": None},
            {"number": 2, "settings": {evil: "b", "x": 2.0}, "state": "failed", "score": None, "why": evil},
        ],
        "best": [{"number": 0, "settings": {evil: evil}, "score": 0.5}],
        "importance": {evil: 0.7, "x": 0.2},
        "curves": [
            {"name": evil, "points": [[evil, 0.5], ["b", 0.7]]}, {"name": "x", "points": [[0.1, 0.5], [1.0, 0.7]]},
        ],
        "plane": {"names": [evil, "x"], "x": [evil, "b"], "y": [0.1, 1.0], "loss": [[0.1, 0.2], [0.3, 0.4]]},
    }  # fmt: skip
    (story,) = tunings([told])
    pictures = "".join(one["picture"] for one in story["figures"])
    assert len(story["figures"]) == 4 and "<script" not in pictures and "1 were stopped early" in story["lead"]
