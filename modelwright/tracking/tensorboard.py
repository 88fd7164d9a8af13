"""TensorBoard: event files, one folder for each fit, so that its curves lie over each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.tracking.base import Tracker
from modelwright.tracking.event_file import EventFile, scalar_record, text_record
from modelwright.tracking.notes import Note, Scalar, Settings, Text


class TensorboardSpec(Spec):
    """Where the event files lie."""

    folder: str | None = Field(default=None, description="folder of the runs' folders; else beside the report")


class TensorboardSink:
    """`<folder>/<run>/<fit>/events...`: an event file for each fit, and one for the run itself."""

    def __init__(self, folder: Path, run: str) -> None:
        self.folder, self.run = folder, run
        self.files: dict[str, EventFile] = {}

    def write(self, notes: Sequence[Note]) -> None:
        """Add to each fit's file what it told."""
        waiting: dict[str, bytearray] = {}
        for note in notes:
            fit = note.fit if isinstance(note, Scalar | Text) else ""
            waiting.setdefault(fit, bytearray()).extend(_record(note))
        for fit, records in waiting.items():
            if records:
                self._file(fit).write(bytes(records))

    def _file(self, fit: str) -> EventFile:
        if fit not in self.files:
            self.files[fit] = EventFile(self.folder / self.run / fit)
        return self.files[fit]

    def close(self, status: str) -> str:
        """Close the files."""
        for file in self.files.values():
            file.close()
        return f"tensorboard --logdir {self.folder}"


def _record(note: Note) -> bytes:
    if isinstance(note, Scalar):
        return scalar_record(note.name, note.value, note.step, note.at_s)
    if isinstance(note, Text):
        return text_record(note.name, note.text, note.step, note.at_s)
    if isinstance(note, Settings):
        import yaml

        plain = yaml.safe_dump(dict(note.values), sort_keys=False, allow_unicode=True)
        return text_record("recipe", f"```\n{plain}```", 0, note.at_s)
    return b""


def open_sink(spec: TensorboardSpec, name: str, run: str, folder: Path) -> TensorboardSink:
    """Event files under `folder`, or under the folder of the settings. Needs no package; looking needs
    `pip install "modelwright[tensorboard]"`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sink = open_sink(TensorboardSpec(), "homes", "1", Path(folder))
    ...     sink.write([Scalar("all", "loss", 0.5, 1, 0.0)])
    ...     sink.close("done") == f"tensorboard --logdir {folder}"
    True
    """
    return TensorboardSink(folder if spec.folder is None else Path(spec.folder), run)


TRACKER = Tracker(name="tensorboard", spec=TensorboardSpec, open=open_sink)
