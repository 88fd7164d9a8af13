"""A package by its file or its name, the rows of the run that made it, and what it answers to them: for the commands
that look into a model from outside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from modelwright.core.errors import UserError, nearest

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.data import Dataset
    from modelwright.core.store import Store
    from modelwright_runtime.model import Model


def open_package(name: str, store: Store) -> tuple[Model, str | None]:
    """A package by its file or its name, and the id of the run that made it, if the store has it."""
    from modelwright_runtime import load

    if name.endswith(".wright") or Path(name).is_file():
        model = load(name)
        named = store.named("packages", model.name) or {}
        return model, named.get("run") if named.get("file") == model.facts["digest"] else None
    pointer = store.named("packages", name)
    if pointer is None:
        raise UserError(
            "cli.package", f"there is no package {name!r} in {store.root}.",
            hint=nearest(name, store.names("packages")),
        )  # fmt: skip
    return load(store.path(pointer["file"])), pointer["run"]


def rows_of_run(store: Store, run: str) -> tuple[Dataset, Dataset]:
    """The typed rows that a run trained on, and those it held out."""
    from modelwright.lifecycle import load_run, value_of

    stages = {record.stage for record in load_run(store, run).stages}
    kept = value_of(store, run, "sequences/window" if "sequences/window" in stages else "cleaning/clean").kept
    splits = value_of(store, run, "splitting/split")
    return kept.take(splits.train), kept.take(splits.test)


def typed_answers(model: Model, data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """What a package answers to typed rows, as training has them: probabilities or values, and what it says in
    words."""
    from modelwright.core.inputs import feeds
    from modelwright_runtime.predictions import decide_task

    signature, frame = model.signature, data.frame
    answers = model.answer_feeds(feeds(signature, frame))[0]
    groups = signature.group_thresholds
    values = {name: frame[name].to_list() for name in (groups.names if groups else ())}
    return answers, decide_task(answers, signature.task, signature.threshold_of(values))
