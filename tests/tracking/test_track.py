"""What tracking leaves alone: keys, values and the course of a run; and what it tells."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sklearn.datasets import load_wine

from modelwright.cli import command
from modelwright.core.errors import UserError
from modelwright.core.optional import need_later
from modelwright.core.use import Use
from modelwright.lifecycle import run
from modelwright.recipe import Recipe
from modelwright.tracking import Note, track
from modelwright.tracking.line import Line
from modelwright.tracking.notes import Scalar, notes_of


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = load_wine()
    frame = pl.DataFrame({"alcohol": data.data[:, 0], "proline": data.data[:, 12], "cultivar": data.target})
    path = tmp_path_factory.mktemp("wine") / "wine.csv"
    frame.with_columns(pl.format("class {}", "cultivar").alias("cultivar")).write_csv(path)
    return path


def recipe_of(wine: Path, **more: Any) -> Recipe:
    return Recipe.from_plain({"data": str(wine), "target": "cultivar", "train": {"budget": "quick"}, **more})


def test_a_tracked_run_finds_all_that_an_untracked_one_made(wine: Path, tmp_path: Path) -> None:
    first = run(recipe_of(wine), store=tmp_path)
    told: list[Any] = []
    second = run(recipe_of(wine, track="tensorboard"), store=tmp_path, watch=told.append)
    assert all(stage.cached for stage in second.stages)
    assert [stage.key for stage in first.stages] == [stage.key for stage in second.stages]
    assert second.facts["track"] == [f"tensorboard --logdir {tmp_path / 'out' / 'wine' / 'track' / 'tensorboard'}"]
    assert "track" not in first.facts
    assert [event["event"] for event in told if event["stage"] == "training"] == ["begin", "end"]


def test_candidates_metrics_and_decisions_are_kept(wine: Path, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    done = run(recipe_of(wine, track=["tensorboard"]), store=tmp_path)
    (folder,) = (tmp_path / "out" / "wine" / "track" / "tensorboard").iterdir()
    assert folder.name == done.id
    found = accumulator.EventAccumulator(str(folder))
    found.Reload()
    tags = found.Tags()
    assert {"candidates/log_loss/constant", "metrics/Log loss", "seconds/training/train"} <= set(tags["scalars"])
    assert {"recipe", "decisions/cleaning/clean", "metrics", "result", "stages/packaging/package"} <= set(
        tags["tensors"]
    )
    ((_, value, _, _), *_) = done.facts["metrics"]
    assert found.Scalars("metrics/Log loss")[0].value == pytest.approx(float(value))


def test_the_command_line_says_where_to_look(wine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["run", str(wine), "--target", "cultivar", "--train.budget", "quick", "--store", str(tmp_path)]
    assert command([*options, "--track", "[tensorboard]"]) == 0
    assert "tracked   tensorboard --logdir" in capsys.readouterr().out
    assert command([*options, "--track", "tensorbord", "--json"]) == 2
    error = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert error["code"] == "registry.name"
    assert "did you mean `tensorboard`" in error["hint"]


@pytest.mark.parametrize(
    ("given", "methods"),
    [("tensorboard", ["tensorboard"]), (None, []), ({"mlflow": {"uri": "http://x"}}, ["mlflow"]),
     (["tensorboard", {"wandb": {"mode": "offline"}}], ["tensorboard", "wandb"])],
)  # fmt: skip
def test_the_spellings_of_a_recipe(given: Any, methods: list[str]) -> None:
    recipe = Recipe.from_plain({"data": "a.csv", "target": "y", "track": given})
    assert [use.method for use in recipe.track] == methods
    assert Recipe.from_plain(recipe.to_plain()) == recipe


def test_a_wrong_setting_and_a_missing_package_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"`tensorboard` has no setting `foldr`"):
        track([Use(method="tensorboard", settings={"foldr": "x"})], name="n", run="1", folder=tmp_path, settings={})
    with pytest.raises(UserError, match=r"modelwright\[mlflow\]"):
        need_later("no_such_package_at_all", extra="mlflow", why="the tracker `mlflow`")


def test_a_failed_run_closes_its_trackers(tmp_path: Path) -> None:
    missing = Recipe.from_plain({"data": str(tmp_path / "none.csv"), "target": "y", "track": "tensorboard"})
    with pytest.raises(UserError):
        run(missing, store=tmp_path / "store")
    assert not [thread for thread in threading.enumerate() if thread.name == "track-tensorboard"]
    (record,) = [json.loads(path.read_bytes()) for path in (tmp_path / "store" / "runs").glob("*.json")]
    assert record["status"] == "failed"
    assert record["facts"]["track"][0].startswith("tensorboard --logdir")


class Flaky:
    """A sink that fails some times, then works."""

    def __init__(self, n_failures: int) -> None:
        self.left, self.kept = n_failures, list[Note]()

    def write(self, notes: Sequence[Note]) -> None:
        if self.left:
            self.left -= 1
            raise ConnectionError("https://me:secret@host/x?key=1 is away\nmore words")
        self.kept += notes

    def close(self, status: str) -> str:
        return f"kept, {status}"


def point(step: int) -> Scalar:
    return Scalar("all", "loss", 0.5, step, 0.0)


def test_what_failed_is_sent_again_in_order() -> None:
    sink = Flaky(1)
    line = Line("flaky", sink, every_s=0.01)
    began = time.monotonic()
    for step in range(20):
        line.add([point(step)])
    while not sink.kept and time.monotonic() < began + 10:
        line.add([])
        time.sleep(0.01)
    line.add([point(20)])
    assert line.end("done", within_s=5) == "kept, done"
    assert sink.kept == [point(step) for step in range(21)]
    assert line.trouble == "ConnectionError: https://host/x is away"


def test_what_was_not_sent_is_told() -> None:
    line = Line("away", Flaky(99), every_s=0.01)
    line.add([point(1), point(2)])
    assert line.end("failed", within_s=5) == (
        "away: 2 of 2 notes were not sent (ConnectionError: https://host/x is away); kept, failed"
    )


def test_a_tracker_that_hangs_holds_the_end_up_so_long_and_no_longer() -> None:
    class Hanging(Flaky):
        def write(self, notes: Sequence[Note]) -> None:
            threading.Event().wait(30)

    line = Line("slow", Hanging(0), every_s=0.01)
    line.add([point(1)])
    time.sleep(0.3)
    began = time.monotonic()
    assert line.end("done", within_s=0.5) == "slow: 1 of 1 notes were not sent (no answer within 0.5 s)"
    assert time.monotonic() - began < 3


def test_points_of_steps_become_rare_and_validations_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = track([Use(method="tensorboard")], name="n", run="1", folder=tmp_path, settings={})
    kept: list[Note] = []
    monkeypatch.setattr(watch, "add", kept.extend)
    clock = [0.0]
    monkeypatch.setattr("modelwright.tracking.base.time.monotonic", lambda: clock[0])
    for tick in range(5 * 600):  # ten minutes, five a second
        clock[0] = tick / 5
        event = {"stage": "training", "event": "step", "fit": "all", "step": tick, "loss": 1.0}
        watch(event)
        if tick % 1000 == 0:
            watch({**event, "event": "validation"})
    monkeypatch.undo()
    watch.close("done")
    n_steps = sum(note.name == "loss" for note in kept if isinstance(note, Scalar))
    assert 600 < n_steps < 900
    assert sum(note.name == "loss_mean" for note in kept if isinstance(note, Scalar)) == 3


@pytest.mark.parametrize("event", [
    {}, {"stage": "training", "event": "progress", "done": 1, "total": 2, "text": ""},
    {"stage": "x", "event": "begin"}, {"stage": "training", "event": "candidate", "name": "a", "score": None},
])  # fmt: skip
def test_what_says_nothing_gives_no_note(event: dict[str, Any]) -> None:
    assert notes_of(event, at_s=0.0) == []


def test_only_the_first_of_several_processes_tracks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    watch = track([Use(method="tensorboard")], name="n", run="1", folder=tmp_path, settings={"seed": 1})
    assert watch.close("done") == ()
    assert list(tmp_path.iterdir()) == []
