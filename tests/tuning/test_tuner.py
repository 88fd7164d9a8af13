"""Ask and tell: order, ends, journals, several processes, and what a kill at any moment leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from modelwright.core.errors import SystemFault, UserError
from modelwright.testing.tuning import check_journal
from modelwright.tuning import StudySpec, Trial, Tuner, tune
from modelwright.tuning.journal import FileJournal
from tests.tuning import objectives

SPACE = {"x": {"low": -1.0, "high": 1.0}, "kind": ["a", "b"]}


def square(trial: Trial) -> float:
    return float(trial["x"]) ** 2 + (trial["kind"] == "b")


def events_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# Order and ends -----------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_trials_and_another_seed_others() -> None:
    one, two, three = (tune(square, SPACE, 13, seed=seed) for seed in (0, 0, 1))
    assert one.to_plain() == two.to_plain() != three.to_plain()


def test_known_settings_come_first_and_more_trials_go_on(tmp_path: Path) -> None:
    spec = StudySpec(search="random", trials=5, start=({"x": 0.25, "kind": "b"}, {"x": 9}))
    few = tune(square, SPACE, spec, journal=tmp_path / "s.jsonl")
    assert [one.settings for one in few.trials[:2]] == [{"kind": "b", "x": 0.25}, {"kind": "a", "x": 1.0}]
    more = tune(square, SPACE, spec.but(trials=9), journal=tmp_path / "s.jsonl")
    assert more.trials[:5] == few.trials and len(more.trials) == 9
    begun = [event["number"] for event in events_of(tmp_path / "s.jsonl") if event["event"] == "begin"]
    assert begun == list(range(9))


def test_ends_of_trials() -> None:
    def objective(trial: Trial) -> float:
        if trial.number == 2:
            raise UserError("model.rows", "too many rows.", hint="take fewer")
        return float("inf") if trial.number == 3 else square(trial)

    heard: list[Any] = []
    study = tune(objective, SPACE, StudySpec(search="random", trials=6), watch=heard.append)
    assert [one.state for one in study.trials] == ["done", "done", "failed", "failed", "done", "done"]
    assert "too many rows" in study.trials[2].why and study.trials[3].why == "the loss is inf"
    assert [event["done"] for event in heard] == list(range(1, 7)) and heard[-1]["total"] == 6
    assert heard[-1]["best_loss"] == study.best.loss == min(one.loss for one in study.done if one.loss is not None)


def test_a_defect_of_the_objective_is_not_swallowed_and_its_trial_comes_again(tmp_path: Path) -> None:
    def broken(trial: Trial) -> float:
        return 1 / 0 if trial.number == 2 else square(trial)

    spec = StudySpec(search="random", trials=4)
    with pytest.raises(ZeroDivisionError):
        tune(broken, SPACE, spec, journal=tmp_path / "s.jsonl")
    assert tune(square, SPACE, spec, journal=tmp_path / "s.jsonl").to_plain() == tune(square, SPACE, spec).to_plain()


def test_no_loss_at_all_says_why() -> None:
    study = tune(lambda _: float("nan"), SPACE, StudySpec(search="random", trials=2))
    with pytest.raises(UserError, match=r"none of 2 trials gave a loss; trial 0 .*the loss is nan"):
        _ = study.best


def test_trials_that_are_behind_are_stopped_and_the_best_is_kept() -> None:
    steps = 0

    def slow(trial: Trial) -> float:
        nonlocal steps
        for step in range(9):
            steps += 1
            if trial.report(abs(trial["x"]) + 1 / (step + 1)):
                return float("nan")
        return abs(float(trial["x"]))

    best = {}
    for prune in ("none", "median", "halving", "hyperband"):
        steps = 0
        study = tune(slow, SPACE, StudySpec(search="random", trials=40, prune=prune))
        best[prune] = (study.best.loss, steps)
        assert study.count("stopped") > 10 or prune == "none"
        assert study.count("failed") == 0
    assert len({loss for loss, _ in best.values()}) == 1
    assert all(best[prune][1] < 0.75 * best["none"][1] for prune in ("median", "halving", "hyperband"))


def test_ask_and_tell_by_hand() -> None:
    with Tuner(SPACE, StudySpec(search="random", trials=3)) as tuner:
        first = tuner.ask()
        assert first is not None and {**first} == first.settings and first.number == 0 and len(first) == 2
        with pytest.raises(UserError, match=r"trial 1 follows from the loss of trial 0.*\n.*`lag` to 2"):
            tuner.ask()
        tuner.tell(first, 1.0)
        with pytest.raises(UserError, match="told already"):
            tuner.tell(first, 2.0)
        second = tuner.ask()
        assert second is not None
        tuner.leave(second)
        again = tuner.ask()
        assert again is not None and again.settings == second.settings
        tuner.tell(again, None, why="no idea")
        third = tuner.ask()
        assert third is not None and third.number == 2
        tuner.tell(third, 3.0)
        assert tuner.ask() is None and tuner.study.best.number == 0


@pytest.mark.parametrize("search", ["gp", "tpe", "cmaes", "random"])
def test_with_a_lag_the_order_of_ends_changes_nothing(search: str) -> None:
    def ended(order: tuple[int, ...]) -> list[Any]:
        with Tuner(SPACE, StudySpec(search=search, trials=24, lag=4, prune="median"), seed=5) as tuner:
            while tuner.study.count("running") + len(tuner.study.trials) < 2 * tuner.n_trials:
                asked = [trial for trial in (tuner.ask() for _ in range(4)) if trial is not None]
                if not asked:
                    break
                for place in order:
                    tuner.tell(asked[place], square(asked[place]))
            return tuner.study.to_plain()

    assert ended((0, 1, 2, 3)) == ended((3, 1, 0, 2))


# Journals -----------------------------------------------------------------------------------------------------------


def test_a_journal_in_a_file(tmp_path: Path) -> None:
    check_journal(lambda: FileJournal(tmp_path / "deep" / "study.jsonl"))
    assert [path.name for path in (tmp_path / "deep").iterdir() if path.suffix == ".alive"] == []


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    pytest.importorskip("adbc_driver_postgresql")
    from tests.collection.servers import NotHereError, postgres

    try:
        with postgres() as place:
            yield place
    except NotHereError as why:
        pytest.skip(str(why))


def test_a_journal_in_postgresql(address: str) -> None:
    from modelwright.tuning.postgres import PostgresJournal

    check_journal(lambda: PostgresJournal(address, "conformance"))


def test_two_share_a_study_in_postgresql(address: str) -> None:
    spec, space = StudySpec(search="random", trials=12, lag=4), SPACE
    with (
        Tuner(space, spec, journal=address, name="shared") as one,
        Tuner(space, spec, journal=address, name="shared") as two,
    ):
        for tuner in (one, two, two, one):
            trial = tuner.ask()
            assert trial is not None
            tuner.tell(trial, square(trial))
        left = two.ask()
        assert left is not None and left.number == 4
    study = tune(square, space, spec, journal=address, name="shared")
    assert study.to_plain() == tune(square, space, spec).to_plain()
    assert tune(objectives.broken, space, spec, journal=address, name="shared").to_plain() == study.to_plain()
    assert len(tune(square, space, spec.but(trials=3), journal=address, name="another").trials) == 3


def test_a_database_that_is_not_there_is_told_without_its_password() -> None:
    pytest.importorskip("adbc_driver_postgresql")
    with pytest.raises(UserError, match="no connection to the database at 127.0.0.1") as told:
        tune(square, SPACE, 3, journal="postgresql://ann:hush-hush@127.0.0.1:1/shop")
    assert "hush" not in str(told.value)


def test_a_line_that_was_broken_off_is_cut_and_a_changed_one_is_told(tmp_path: Path) -> None:
    path, spec = tmp_path / "s.jsonl", StudySpec(search="random", trials=4)
    whole = tune(square, SPACE, spec, journal=path).to_plain()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) + lines[-1][:9])
    assert tune(square, SPACE, spec, journal=path).to_plain() == whole
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)).replace(b'"begin"', b'"beg'))
    with pytest.raises(SystemFault, match="not what was written"):
        tune(square, SPACE, spec, journal=path)


def test_the_journal_of_another_study_is_refused(tmp_path: Path) -> None:
    tune(square, SPACE, StudySpec(search="random", trials=2), journal=tmp_path / "s.jsonl")
    for other in ({"seed": 1}, {"name": "other data"}, {"budget": StudySpec(search="qmc", trials=2)}):
        settings = {"budget": StudySpec(search="random", trials=2), "journal": tmp_path / "s.jsonl", **other}
        with pytest.raises(UserError, match="of another study"):
            tune(square, SPACE, **settings)


# Several processes, and none ----------------------------------------------------------------------------------------


def test_two_workers_give_what_one_gives(tmp_path: Path) -> None:
    spec = StudySpec(search="random", trials=16, workers=2, start=({"x": 0.5},))
    heard: list[Any] = []
    both = tune(objectives.uneven, SPACE, spec, journal=tmp_path / "s.jsonl", watch=heard.append)
    assert both.to_plain() == tune(objectives.uneven, SPACE, spec.but(workers=1, lag=4)).to_plain()
    begun = [event for event in events_of(tmp_path / "s.jsonl") if event["event"] == "begin"]
    assert sorted(event["number"] for event in begun) == list(range(16))
    assert len({event["worker"] for event in begun}) == 2
    assert sorted(event["number"] for event in heard) == list(range(16))


def test_what_cannot_be_shared_and_what_a_worker_says(tmp_path: Path) -> None:
    spec = StudySpec(search="random", trials=4, workers=2)
    with pytest.raises(UserError, match="a function of a module"):
        tune(lambda trial: 0.0, SPACE, spec)
    heard: list[Any] = []
    study = tune(objectives.killed, SPACE, spec, journal=tmp_path / "s.jsonl", watch=heard.append)
    assert [one.state for one in study.trials] == ["done", "failed", "done", "done"]
    assert "3 processes ended without a word" in study.trials[1].why
    assert sum(event["event"] == "note" for event in heard) == 3
    with pytest.raises(SystemFault, match="no such kernel"):
        tune(objectives.refused, SPACE, spec.but(workers=2, start=({"x": 0.5},)))


def test_a_trial_is_begun_again_until_too_many_processes_left_it_without_a_word(tmp_path: Path) -> None:
    seen = []
    for _ in range(11):
        tuner = Tuner(SPACE, StudySpec(search="random", trials=2), journal=tmp_path / "s.jsonl")
        trial = tuner.ask()
        assert trial is not None
        seen.append((trial.number, trial["x"]))
        tuner.close()  # as a kill would: its lock is free, and nothing was told
    assert seen[:10] == [seen[0]] * 10 and seen[10][0] == 1
    assert "10 processes ended without a word" in tuner.study.trials[0].why


RUN = """
import sys
from functools import partial
from modelwright.tuning import StudySpec, tune
from tests.tuning import objectives
spec = StudySpec(search="random", trials=30, lag=2, prune="none")
space = {"x": {"low": -1.0, "high": 1.0}, "kind": ["a", "b"]}
tune(partial(objectives.slow, seconds=0.02), space, spec, journal=sys.argv[1])
"""


def test_kills_lose_no_finished_trial_and_double_none(tmp_path: Path) -> None:
    """A process is killed again and again, some of them while another one works beside it."""
    path = tmp_path / "s.jsonl"
    finished: list[dict[str, Any]] = []
    root = Path(__file__).resolve().parents[2]
    for turn in range(3):
        crowd = [subprocess.Popen([sys.executable, "-c", RUN, str(path)], cwd=root) for _ in range(1 + turn % 2)]
        deadline, n_before = time.monotonic() + 60, len(finished)
        while time.monotonic() < deadline and (not path.exists() or path.read_bytes().count(b'"end"') < n_before + 5):
            time.sleep(0.005)
        for process in crowd:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        ended = [event for event in map(_event, path.read_bytes().splitlines()) if event.get("event") == "end"]
        assert ended[: len(finished)] == finished and len(ended) >= n_before + 5
        finished = ended
    spec = StudySpec(search="random", trials=30, lag=2, prune="none")
    study = tune(partial(objectives.slow, seconds=0.0), SPACE, spec, journal=path)
    ended = [event for event in events_of(path) if event["event"] == "end"]
    assert ended[: len(finished)] == finished
    assert sorted(event["number"] for event in ended) == list(range(30))
    assert study.to_plain() == tune(partial(objectives.slow, seconds=0.0), SPACE, spec).to_plain()


def _event(line: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(line)
    except ValueError:
        return {}
    return found
