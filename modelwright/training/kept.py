"""Finished candidates on disk: a search that was broken off, or is given a larger budget, goes on from them."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelwright.core import registry
from modelwright.core.store import digest_of

if TYPE_CHECKING:
    import numpy as np

    from modelwright.training.portfolio import Trial


@dataclass(frozen=True)
class Kept:
    """The folder of one problem's candidates, or None: nothing is kept then. One file each, written aside."""

    folder: Path | None

    def find(self, trial: Trial) -> tuple[np.ndarray, float, float | None] | None:
        """Predictions, loss and rounds of a candidate that was finished before; None if it was not, or the file is
        damaged: it is then done again."""
        import zipfile

        import numpy as np

        path = self._path(trial)
        if path is None or not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as arrays:
                facts = json.loads(bytes(arrays["facts"]))
                return arrays["predicted"], float(facts["loss"]), facts["rounds"]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None

    def keep(self, trial: Trial, predicted: np.ndarray, loss: float, rounds: float | None) -> None:
        """Write a finished candidate."""
        import numpy as np

        path = self._path(trial)
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        facts = json.dumps({"name": trial.name, "loss": loss, "rounds": rounds}).encode()
        aside = path.with_name(f".{uuid.uuid4().hex}.npz")
        try:
            with aside.open("wb") as file:
                np.savez(file, predicted=predicted, facts=np.frombuffer(facts, dtype=np.uint8))
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)

    def _path(self, trial: Trial) -> Path | None:
        if self.folder is None:
            return None
        version = registry.entry("models", trial.model.name).version
        said = [trial.name, trial.model.name, version, trial.spec.to_plain(), trial.preset, trial.log]
        return self.folder / f"{digest_of(said)[:32]}.npz"
