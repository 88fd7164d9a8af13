"""MLflow: a run of an experiment, by its client. One point costs 25 to 40 ms, a thousand at once cost 0.3 s."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from pydantic import Field

from modelwright.core.errors import SystemFault, UserError
from modelwright.core.optional import need_later
from modelwright.core.spec import Spec
from modelwright.tracking.base import Tracker
from modelwright.tracking.notes import File, Note, Scalar, Settings, Text, as_markdown, plain_name, without_secrets

if TYPE_CHECKING:
    from mlflow import MlflowClient

MOST_METRICS, MOST_PARAMS, MOST_LETTERS = 1000, 100, 6000  # that MLflow takes at once
ANSWERS_WITHIN_S = 5.0  # its client tries for four minutes; a server that is away is known sooner


class MlflowSpec(Spec):
    """Which MLflow keeps the run."""

    uri: str | None = Field(
        default=None, description="server's address or sqlite:///file; else MLFLOW_TRACKING_URI, else a file of ours"
    )
    experiment: str | None = Field(default=None, description="name that gathers runs; else the recipe's name")


class MlflowSink:
    """A run of MLflow: metrics `<fit>/<name>`, the recipe as parameters, texts as `notes.md`."""

    def __init__(self, uri: str, experiment: str, run: str) -> None:
        self.uri, self.experiment, self.run = uri, experiment, run
        self.client: MlflowClient | None = None
        self.run_id = ""
        self.texts: list[str] = []

    def write(self, notes: Sequence[Note]) -> None:
        """Send all notes in as few calls as MLflow allows."""
        from mlflow.entities import Metric

        client = self._connected()
        for note in notes:
            if isinstance(note, Settings):
                self._log_params(client, note.values)
        metrics = [Metric(f"{note.fit}/{note.name}".strip("/"), note.value, round(1000 * note.at_s), note.step)
                   for note in notes if isinstance(note, Scalar)]  # fmt: skip
        for start in range(0, len(metrics), MOST_METRICS):
            client.log_batch(self.run_id, metrics=metrics[start : start + MOST_METRICS])
        for note in notes:
            if isinstance(note, File):
                client.log_artifact(self.run_id, str(note.path))
        texts = [as_markdown(note) for note in notes if isinstance(note, Text)]
        if texts:
            client.log_text(self.run_id, "\n".join([*self.texts, *texts]), "notes.md")
            self.texts += texts

    def close(self, status: str) -> str:
        """Say that the run has ended, and how."""
        if self.client is None:
            return ""
        self.client.set_terminated(self.run_id, "FINISHED" if status == "done" else "FAILED")
        return f"mlflow: run {self.run} of {self.experiment} in {without_secrets(self.uri)}"

    def _connected(self) -> MlflowClient:
        _check_that_it_answers(self.uri)
        if self.client is None:
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException

            client = MlflowClient(tracking_uri=self.uri)
            found = client.get_experiment_by_name(self.experiment)
            try:
                experiment = found.experiment_id if found else client.create_experiment(self.experiment)
            except MlflowException:  # another run made it just now
                found = client.get_experiment_by_name(self.experiment)
                if found is None:
                    raise
                experiment = found.experiment_id
            self.run_id = client.create_run(experiment, run_name=self.run).info.run_id
            self.client = client
        return self.client

    def _log_params(self, client: MlflowClient, values: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        named = {plain_name(name): text[:MOST_LETTERS] for name, text in flat(values)}
        params = [Param(name, text) for name, text in named.items()]
        for start in range(0, len(params), MOST_PARAMS):
            client.log_batch(self.run_id, params=params[start : start + MOST_PARAMS])


def _check_that_it_answers(uri: str) -> None:
    """Raise `track.away` for a server that takes no connection; behind a proxy nothing is known."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or parts.scheme in getproxies() or not parts.hostname:
        return
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname, port), timeout=ANSWERS_WITHIN_S).close()
    except OSError as problem:
        raise SystemFault(
            "track.away", f"MLflow at {without_secrets(uri)} does not answer: {problem}.", hint="is the server up?"
        ) from problem


def flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as names with dots and texts; what is not set is left out.

    >>> list(flat({"train": {"budget": "quick", "models": ["tree"], "metric": None}}))
    [('train.budget', 'quick'), ('train.models', '["tree"]')]
    """
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{before}{name}.")
        elif value is not None and value not in ((), [], ""):
            yield f"{before}{name}", value if isinstance(value, str) else json.dumps(value, default=str)


def open_sink(spec: MlflowSpec, name: str, run: str, folder: Path) -> MlflowSink:
    """A run of MLflow; it connects in the tracker's own thread, for the import of `mlflow` takes 5 s or more.

    Without an address and without MLFLOW_TRACKING_URI it is a database in `folder`, which needs the whole
    package `mlflow`. Name and password of a server go into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.

    Errors: `optional.missing`, `track.uri`. Reference: the MLflow REST API, `runs/log-batch`.

    >>> open_sink(MlflowSpec(uri="http://127.0.0.1:5000"), "homes", "1", Path("x")).experiment
    'homes'
    """
    need_later("mlflow", extra="mlflow", why="the tracker `mlflow`")
    uri = spec.uri or os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        if importlib.util.find_spec("sqlalchemy") is None:
            raise UserError(
                "track.uri",
                "`mlflow` needs the address of a server.",
                hint="`track: {mlflow: {uri: http://127.0.0.1:5000}}`, or `pip install mlflow` for a file",
            )
        folder.mkdir(parents=True, exist_ok=True)
        uri = f"sqlite:///{(folder / 'mlflow.db').absolute()}"
    return MlflowSink(uri, spec.experiment or name, run)


TRACKER = Tracker(name="mlflow", spec=MlflowSpec, open=open_sink, every_s=10.0)
