"""Weights & Biases: a run of a project; without an account it is kept in files, and `wandb sync` sends it later."""

from __future__ import annotations

import netrc
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from modelwright.core.optional import need_later
from modelwright.core.spec import Spec
from modelwright.tracking.base import Tracker
from modelwright.tracking.notes import File, Note, Scalar, Settings, Text, as_markdown


class WandbSpec(Spec):
    """Which project keeps the run."""

    project: str | None = Field(default=None, description="name that gathers runs; else the recipe's name")
    entity: str | None = Field(default=None, description="user or team that owns the project")
    mode: Literal["auto", "online", "offline"] = Field(
        default="auto", description="auto: WANDB_MODE, else online where a key is known, else files only"
    )


class WandbSink:
    """A run of W&B: `<fit>/<name>` over `<fit>/step`, the recipe as its config, texts as `notes.md`."""

    def __init__(self, spec: WandbSpec, name: str, run: str, folder: Path) -> None:
        self.spec, self.name, self.run, self.folder = spec, name, run, folder
        self.open_run: Any = None
        self.fits: set[str] = set()

    def write(self, notes: Sequence[Note]) -> None:
        """Give the notes to W&B's own process, points of one step together."""
        run = self._opened()
        points: dict[tuple[str, int], dict[str, float]] = {}
        for note in notes:
            if isinstance(note, Scalar):
                points.setdefault((note.fit, note.step), {})[f"{note.fit}/{note.name}".strip("/")] = note.value
            elif isinstance(note, Settings):
                run.config.update(dict(note.values), allow_val_change=True)
            elif isinstance(note, Text):
                with (Path(run.dir) / "notes.md").open("a", encoding="utf-8") as file:
                    file.write(as_markdown(note) + "\n")
            else:
                self._keep(note)
        for (fit, step), values in points.items():
            run.log(values if not fit else {**values, self._axis(fit): step})

    def _axis(self, fit: str) -> str:
        """Each fit counts its own steps: W&B's one count for all would mix them."""
        axis = f"{fit}/step"
        if fit not in self.fits:
            self.fits.add(fit)
            self.open_run.define_metric(axis)
            self.open_run.define_metric(f"{fit}/*", step_metric=axis)
        return axis

    def _keep(self, note: File) -> None:
        import wandb

        artifact = wandb.Artifact(f"{self.name}-{note.path.stem}", type=note.path.stem)
        artifact.add_file(str(note.path))
        self.open_run.log_artifact(artifact)

    def close(self, status: str) -> str:
        """Finish the run; of one that is online, wait until it is sent."""
        if self.open_run is None:
            return ""
        run, folder = self.open_run, Path(self.open_run.dir).parent
        run.finish(exit_code=0 if status == "done" else 1)
        return f"wandb sync {folder}" if run.offline else f"wandb: {run.url}"

    def _opened(self) -> Any:
        if self.open_run is None:
            import wandb

            self.folder.mkdir(parents=True, exist_ok=True)
            self.open_run = wandb.init(
                project=self.spec.project or self.name, entity=self.spec.entity, name=self.run, dir=self.folder,
                mode=mode_of(self.spec.mode),
                settings=wandb.Settings(console="off", silent=True, disable_git=True, save_code=False),
            )  # fmt: skip
        return self.open_run


def mode_of(mode: str) -> Any:
    """How W&B is to run, so that it never asks for a key on a terminal."""
    if mode != "auto":
        return mode
    if os.environ.get("WANDB_MODE"):
        return os.environ["WANDB_MODE"]
    return "online" if os.environ.get("WANDB_API_KEY") or _key_in_netrc() else "offline"


def _key_in_netrc() -> bool:
    """Whether `wandb login` left a key."""
    host = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai").split("://")[-1].split("/")[0]
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def open_sink(spec: WandbSpec, name: str, run: str, folder: Path) -> WandbSink:
    """A run of W&B, begun in the tracker's own thread. Offline it lies in `folder`.

    Error: `optional.missing`. Reference: the W&B library, `wandb.init` and `Run.log`.

    >>> mode_of("offline")
    'offline'
    """
    need_later("wandb", extra="wandb", why="the tracker `wandb`")
    return WandbSink(spec, name, run, folder)


TRACKER = Tracker(name="wandb", spec=WandbSpec, open=open_sink)
