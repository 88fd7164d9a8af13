"""Retraining: the champion's recipe, on old and new rows or on new ones alone, whichever the newest rows favour."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelwright.core.errors import UserError
from modelwright.core.record import Run
from modelwright.core.store import Store, write_atomically
from modelwright.core.values import Watch
from modelwright.recipe import Recipe

if TYPE_CHECKING:
    import polars as pl

    from modelwright.operating.place import Place
    from modelwright_runtime.model import Model

LEAST_ROWS = 30
LEAST_ALONE = 500
"""New rows from which a model may be made of them alone: the old ones may be of a world that is gone."""
PROBE_SHARE = 0.2
"""Share of the new rows, the newest, on which old-and-new is held against new alone before all are learned from."""


@dataclass(frozen=True, kw_only=True)
class Retrained:
    """A model made of newer rows: its package, the run that made it, what it learned from and why."""

    package: Path
    run: str
    n_new_rows: int
    way: str
    reason: str


def retrain(place: Place, *, watch: Watch | None = None) -> Retrained:
    """Run the champion's recipe again, with the served rows whose truth has come; the champion stays as it is.

    Raises `UserError`: `operating.labels` when fewer than 30 labels have come, `operating.recipe` when the champion
    was deployed from a file alone, `operating.series` for models of time series, whose rows are no single ones.
    """
    from modelwright.operating.window import served_rows

    recipe = recipe_of(place)
    rows = served_rows(place.folder)
    model = place.model(place.state().champion)
    labelled = labelled_rows(rows, model) if rows.height else rows
    return retrained(recipe, labelled, place.store, folder=place.folder / "rows", watch=watch)


def recipe_of(place: Place) -> Recipe:
    """The recipe of the run that made the champion."""
    state = place.state()
    number = state.version(state.champion).about.get("run", "")
    record = place.store.root / "runs" / f"{number}.json"
    if not number or not record.exists():
        raise UserError(
            "operating.recipe", f"the champion of {place.name!r} was deployed from a file: its recipe is not known.",
            hint="`wright run` it from its recipe in this store, then `wright promote` that",
        )  # fmt: skip
    return Recipe.from_plain(dict(Run.from_plain(json.loads(record.read_bytes())).recipe))


def labelled_rows(rows: pl.DataFrame, model: Model) -> pl.DataFrame:
    """The rows whose truth has come, once each, as raw rows with their target, the oldest first."""
    import polars as pl

    known = rows.filter(pl.col("_truth").is_not_null()).unique("_id", keep="first", maintain_order=True).sort("_time")
    target = model.signature.task.target
    columns = [name for name in model.columns if name in known.columns]
    return known.select(*columns, pl.col("_truth").alias(target))


def retrained(
    recipe: Recipe, labelled: pl.DataFrame, store: Store, *, folder: Path, watch: Watch | None = None
) -> Retrained:
    """A model of the recipe with newer rows, in the order in which they came.

    From 500 new rows on, two ways are tried on all but the newest fifth of them: the old rows with the new ones, and
    the new ones alone. What answers that fifth better is then made of everything.
    """
    if labelled.height < LEAST_ROWS:
        raise UserError(
            "operating.labels", f"{labelled.height} served rows have a label; a retraining needs {LEAST_ROWS}.",
            hint="`wright feedback NAME truth.csv` brings labels by prediction id",
        )  # fmt: skip
    if recipe.sequences != type(recipe.sequences)() or recipe.data.combine == "join":
        raise UserError(
            "operating.series", f"{recipe.name!r} is made of series or of joined tables: served rows cannot be added.",
            hint="run the recipe again on newer data, then `wright promote` that",
        )  # fmt: skip
    way, reason = "old and new", f"{labelled.height:,} new rows are too few to learn from alone"
    if labelled.height >= LEAST_ALONE:
        n_probe = max(50, int(labelled.height * PROBE_SHARE))
        scores = {
            one: _score(_made(recipe, labelled[:-n_probe], store, folder, one, "probe", watch)[0], labelled[-n_probe:])
            for one in ("old and new", "new alone")
        }
        way = min(scores, key=lambda one: scores[one])
        told = ", ".join(f"{one} {loss:.4g}" for one, loss in scores.items())
        reason = f"loss on the newest {n_probe:,} rows: {told}"
    package, run = _made(recipe, labelled, store, folder, way, "retrained", watch)
    return Retrained(package=package, run=run, n_new_rows=labelled.height, way=way, reason=reason)


def _made(
    recipe: Recipe, rows: pl.DataFrame, store: Store, folder: Path, way: str, suffix: str, watch: Watch | None
) -> tuple[Path, str]:
    """Run the recipe with these rows; the package and the run's id."""
    import polars as pl

    from modelwright.collection.base import SourceSpec
    from modelwright.lifecycle import run

    if recipe.split.column and recipe.split.column not in rows.columns:
        rows = rows.with_columns(pl.lit("train").alias(recipe.split.column))
    data = io.BytesIO()
    rows.write_csv(data)
    path = folder / f"{hashlib.sha256(data.getvalue()).hexdigest()[:32]}.csv"
    if not path.exists():
        write_atomically(path, data.getvalue())
    added = SourceSpec(source=str(path.resolve()), format="csv", delimiter=",")
    sources = (*recipe.data.sources, added) if way == "old and new" else (added,)
    own = recipe.but(name=f"{recipe.name}.{suffix}", data=recipe.data.but(sources=sources), track=())
    record = run(own, store=store, watch=watch)
    return Path(record.facts["package"]), record.id


def _score(package: Path, rows: pl.DataFrame) -> float:
    """Mean log loss of classes, or mean squared error of values, on rows with their target."""
    import numpy as np

    from modelwright_runtime.model import load

    model = load(package)
    task = model.signature.task
    truth, answers = rows[task.target].to_list(), model.answers(rows.select(model.columns))[0]
    if not task.is_classification:
        return float(np.mean((answers - np.array(truth, dtype=np.float64)) ** 2))
    place = {name: index for index, name in enumerate(task.classes)}
    # a class that this model has never seen was given no chance at all
    chances = [answers[row, place[name]] if name in place else 0.0 for row, name in enumerate(map(str, truth))]
    return float(-np.mean(np.log(np.clip(chances, 1e-6, 1.0))))
