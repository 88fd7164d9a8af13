"""Runs of MLflow, read back by its own client."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytest

from modelwright.core.errors import UserError
from modelwright.core.use import Use
from modelwright.tracking import track
from modelwright.tracking.mlflow import MlflowSpec, open_sink

mlflow = pytest.importorskip("mlflow")


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # the one store that its small package has
    return (tmp_path / "mlruns").as_uri()


def validation(fit: str, step: int) -> dict[str, Any]:
    return {"stage": "training", "event": "validation", "fit": fit, "step": step, "loss": 1 / (step + 1),
            "validation_loss": 0.5, "score": float(step), "learning_rate": 0.01, "epoch": 1.0}  # fmt: skip


def test_a_run_comes_back(tmp_path: Path, uri: str) -> None:
    settings = {"train": {"budget": "quick"}, "data": {"sources": ["postgresql://me:secret@host/db"]}, "Größe?": 1}
    page = tmp_path / "report.html"
    page.write_text("<p>report</p>")
    watch = track([Use(method="mlflow", settings={"uri": uri})], name="homes", run="r1", folder=tmp_path,
                  settings=settings)  # fmt: skip
    for step in range(1500):  # more than MLflow takes at once
        watch(validation("fold-0", step))
    watch(validation("all", 3))
    watch({"stage": "training", "event": "verdict", "fit": "all", "step": 3, "fault": "x", "words": "It stands still."})
    (line,) = watch.close("done", [page])
    assert line == f"mlflow: run r1 of homes in {uri}"
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("homes")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("r1", "FINISHED")
    curve = client.get_metric_history(run.info.run_id, "fold-0/loss_mean")
    assert sorted((point.step, point.value) for point in curve) == [(step, 1 / (step + 1)) for step in range(1500)]
    assert [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, "all/score")] == [(3, 3)]
    assert run.data.params["train.budget"] == "quick"
    assert "secret" not in str(run.data.params)
    assert sorted(file.path for file in client.list_artifacts(run.info.run_id)) == ["notes.md", "report.html"]
    notes = Path(client.download_artifacts(run.info.run_id, "notes.md", str(tmp_path))).read_text()
    assert "## all: doctor\n\nstep 3: It stands still." in notes


def test_two_runs_are_one_experiment(tmp_path: Path, uri: str) -> None:
    for run in ("r1", "r2"):
        watch = track(
            [Use(method="mlflow", settings={"uri": uri})], name="homes", run=run, folder=tmp_path, settings={}
        )
        watch(validation("all", 1))
        watch.close("failed" if run == "r2" else "done")
    client = mlflow.MlflowClient(tracking_uri=uri)
    runs = client.search_runs([client.get_experiment_by_name("homes").experiment_id])
    assert sorted((run.info.run_name, run.info.status) for run in runs) == [("r1", "FINISHED"), ("r2", "FAILED")]


def test_a_server_that_is_away_is_told_once_and_holds_nothing_up(tmp_path: Path) -> None:
    with socket.socket() as taken:  # a port that nobody listens at
        taken.bind(("127.0.0.1", 0))
        address = f"http://me:secret@127.0.0.1:{taken.getsockname()[1]}"
        told: list[Any] = []
        began = time.monotonic()
        watch = track([Use(method="mlflow", settings={"uri": address})], name="n", run="1", folder=tmp_path,
                      settings={"seed": 1}, watch=told.append)  # fmt: skip
        while sum(event["event"] == "note" for event in told) < 1 and time.monotonic() < began + 20:
            watch(validation("all", 1))
            time.sleep(0.01)
        (line,) = watch.close("done")
    notes = [event["text"] for event in told if event["event"] == "note"]
    assert len(notes) == 1
    assert notes[0].startswith("tracker mlflow: SystemFault: MLflow at http://127.0.0.1:")
    assert "notes were not sent" in line
    assert "secret" not in line + notes[0]
    assert time.monotonic() < began + 25


def test_no_address_and_no_database_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if importlib.util.find_spec("sqlalchemy") is not None:
        assert open_sink(MlflowSpec(), "n", "1", tmp_path).uri.startswith("sqlite:///")
    else:
        with pytest.raises(UserError, match=r"address of a server.*\n.*pip install mlflow"):
            open_sink(MlflowSpec(), "n", "1", tmp_path)
