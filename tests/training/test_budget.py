"""Budgets: units and minutes, the clock that stops, and candidates that are kept for a larger budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelwright.core.errors import UserError
from modelwright.splitting import SplitSpec, split
from modelwright.testing.training import made_table
from modelwright.training import ModelUse, TrainSpec, budget, comparing, train
from modelwright.training.further import next_trial
from modelwright.training.kept import Kept

DATA = made_table(240, "regression")
SPLITS = split(DATA, SplitSpec(folds=2))
FIRST = ["constant", "linear", "boosting"]


def names(trained: Any) -> list[str]:
    """The candidates in the order in which they were tried."""
    return [event["name"] for event in trained.history]


@pytest.mark.parametrize("said", ["quick", "90s", "5m", "1.5h", "300000 units", "2e8 units"])
def test_a_budget_may_be_said_so(said: str) -> None:
    assert TrainSpec(budget=said).budget == said


@pytest.mark.parametrize("said", ["fast", "5", "m", "-5m", "0s", "5 minutes", "", "0 units"])
def test_another_budget_is_refused_with_the_way_out(said: str) -> None:
    with pytest.raises(UserError, match="5m"):
        TrainSpec.parse({"budget": said}, where="train")


def test_the_same_units_give_the_same_bytes_and_more_units_begin_alike() -> None:
    first, again = (train(DATA, SPLITS, TrainSpec(budget="600000 units")) for _ in range(2))
    assert first.graph == again.graph and first.leaderboard == again.leaderboard
    assert names(first)[:3] == FIRST
    told = {decision.about: decision for decision in first.decisions}
    assert float(told["spent"].choice.split()[0]) <= 1.2 * 600_000


def test_minutes_become_units_that_give_the_same_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "machine_speed", lambda: 1e5)
    timed = train(DATA, SPLITS, TrainSpec(budget="4s"))
    told = next(decision for decision in timed.decisions if decision.about == "budget")
    units = told.reason.split("`")[1].removeprefix("budget: ")
    assert train(DATA, SPLITS, TrainSpec(budget=units)).graph == timed.graph


def test_a_slow_machine_ends_the_search_with_a_good_model_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "machine_speed", lambda: 1e9)  # far beyond what any machine does
    trained = train(DATA, SPLITS, TrainSpec(budget="2s"))
    assert names(trained)[:3] == FIRST
    assert "ended before" in {decision.about for decision in trained.decisions}


def test_what_was_compared_is_not_compared_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = TrainSpec(models=(ModelUse(model="linear"), ModelUse(model="boosting", settings={"rounds": 20})))
    first = train(DATA, SPLITS, spec, kept=tmp_path)
    (damaged, *_) = sorted(tmp_path.glob("*.npz"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    fitted = []
    validate = comparing.validate
    monkeypatch.setattr(comparing, "validate", lambda trial, *rest: fitted.append(trial.name) or validate(trial, *rest))
    more = train(DATA, SPLITS, spec.but(models=(*spec.models, ModelUse(model="tree"))), kept=tmp_path)
    assert len(fitted) == 2 and "tree" in fitted, "the new one and the damaged one, nothing else"
    assert {line.name for line in more.leaderboard} > {line.name for line in first.leaderboard}
    again = train(DATA, SPLITS, spec, kept=tmp_path)
    assert again.graph == first.graph and again.importance == first.importance


def test_a_search_that_is_broken_off_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    spec = TrainSpec(budget="600000 units")

    def killed(event: Any) -> None:
        if event.get("event") == "candidate" and event["name"] == "boosting":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(DATA, SPLITS, spec, kept=tmp_path, watch=killed)
    assert len(list(tmp_path.glob("*.npz"))) == 3
    assert train(DATA, SPLITS, spec, kept=tmp_path).graph == train(DATA, SPLITS, spec).graph


def test_nothing_is_kept_without_a_folder() -> None:
    trial = type("Trial", (), {"name": "x"})
    assert Kept(None).find(trial) is None  # type: ignore[arg-type]


def test_new_settings_lie_in_the_space_of_the_best_models() -> None:
    from modelwright.training.cross import Result
    from modelwright.training.portfolio import _asked

    trials = [_asked(ModelUse(model=name)) for name in ("boosting", "forest")]
    results = [
        Result(trial=trial, predicted=np.zeros(3), loss=float(loss), fit_s=0.0, rounds=None, first=lambda: None)  # type: ignore[arg-type, return-value]
        for loss, trial in enumerate(trials)
    ]
    rng = np.random.default_rng(0)
    for number in range(40):
        found = next_trial(results, number, rng)
        assert found is not None and found.model.name == ("boosting", "forest")[number % 2]
        for name, given in found.model.space.items():
            if "when" not in given and "low" in given:
                assert given["low"] <= getattr(found.spec, name) <= given["high"]
