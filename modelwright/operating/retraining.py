"""Retraining: the champion's recipe on old and new rows, on new ones, or on the newest: what the last rows favour."""

from __future__ import annotations

import hashlib
import io
import json
import math
from dataclasses import dataclass
from functools import partial
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
"""Rows from which a model may be made of them alone: the ones before may be of a world that is gone."""
MOST_HALVINGS = 4
PROBE_SHARE, MOST_PROBED = 0.2, 400
"""Share of the new rows, the newest, on which the ways are held against each other; no more, for they are left out of
the trial: what has just turned would be in them alone."""
OLD_AND_NEW = "old and new"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """The newest labelled rows as `served_rows` gives them, answered by the champion and by the best of `n_ways` models
    that were made without them."""

    champion: pl.DataFrame
    challenger: pl.DataFrame
    n_ways: int


@dataclass(frozen=True, kw_only=True)
class Retrained:
    """A model made of newer rows: its package, the run that made it, what it learned from and why. `n_learned` are the
    rows that it was made of, where those were only the newest; else 0. `trial` is None where no rows were held back."""

    package: Path
    run: str
    n_new_rows: int
    n_learned: int
    way: str
    reason: str
    trial: Trial | None = None


def retrain(place: Place, *, watch: Watch | None = None) -> Retrained:
    """Run the champion's recipe again, with the served rows whose truth has come; the champion stays as it is.

    Raises `UserError`: `operating.labels` when fewer than 30 labels have come, `operating.recipe` when the champion
    was deployed from a file alone, `operating.series` for models of time series, whose rows are no single ones,
    `operating.target` for what was learned without one.
    """
    from modelwright.operating.window import served_rows

    recipe = recipe_of(place)
    if recipe.task is not None:
        raise UserError(
            "operating.target", f"{recipe.name!r} was learned without a target: labels teach it nothing.",
            hint="run the recipe again on newer data, then `wright promote` that",
        )  # fmt: skip
    rows = served_rows(place.folder)
    model = place.model(place.state().champion)
    labelled = labelled_rows(rows, model) if rows.height else rows
    return retrained(recipe, labelled, place.store, champion=model, folder=place.folder / "rows", watch=watch)


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
    recipe: Recipe, labelled: pl.DataFrame, store: Store, *, champion: Model, folder: Path, watch: Watch | None = None
) -> Retrained:
    """A model of the recipe with newer rows, in the order in which they came.

    From 500 new rows on, several ways are tried on all but the newest 400 of them (a fifth, if that is less): the old
    rows with the new ones, the new ones alone, and the newest half, quarter, eighth of those, down to 500. What
    answers the newest best is then made with them as well.

    Reference: Bifet and Gavalda (2007), "Learning from time-changing data with adaptive windowing" (parts of a window).
    """
    from modelwright.operating.window import answered_rows
    from modelwright_runtime.model import load

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
    make = partial(_made, recipe, store=store, folder=folder, watch=watch)
    way, share, reason = OLD_AND_NEW, 1.0, f"{labelled.height:,} new rows are too few to learn from alone"
    trial = None
    if labelled.height >= LEAST_ALONE:
        n_probe = min(MOST_PROBED, int(labelled.height * PROBE_SHARE))
        learned, probe = labelled[:-n_probe], labelled[-n_probe:]
        ways = {OLD_AND_NEW: 1.0, "new alone": 1.0}
        for halving in range(1, MOST_HALVINGS + 1):
            if learned.height / 2**halving >= LEAST_ALONE:
                ways[f"newest {learned.height // 2**halving:,}"] = 0.5**halving
        models = {
            one: load(make(_newest(learned, part), keeps_old=one == OLD_AND_NEW, suffix="probe")[0])
            for one, part in ways.items()
        }
        scores = {one: _score(model, probe) for one, model in models.items()}
        way = min(scores, key=lambda one: scores[one])
        share = ways[way]
        trial = Trial(champion=answered_rows(champion, probe), challenger=answered_rows(models[way], probe),
                      n_ways=len(ways))  # fmt: skip
        told = ", ".join(f"{one} {loss:.4g}" for one, loss in scores.items())
        reason = f"loss on the newest {n_probe:,} rows: {told}"
    rows = _newest(labelled, share)
    package, run = make(rows, keeps_old=way == OLD_AND_NEW, suffix="retrained")
    n_learned = 0 if way == OLD_AND_NEW else rows.height
    return Retrained(package=package, run=run, n_new_rows=labelled.height, n_learned=n_learned, way=way, reason=reason,
                     trial=trial)  # fmt: skip


def _newest(rows: pl.DataFrame, share: float) -> pl.DataFrame:
    return rows.tail(math.ceil(rows.height * share))


def _made(
    recipe: Recipe, rows: pl.DataFrame, *, store: Store, folder: Path, keeps_old: bool, suffix: str, watch: Watch | None
) -> tuple[Path, str]:
    """Run the recipe with these rows, after its own or in their place; the package and the run's id."""
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
    sources = (*recipe.data.sources, added) if keeps_old else (added,)
    own = recipe.but(name=f"{recipe.name}.{suffix}", data=recipe.data.but(sources=sources), track=())
    record = run(own, store=store, watch=watch)
    return Path(record.facts["package"]), record.id


def _score(model: Model, rows: pl.DataFrame) -> float:
    """Mean log loss of classes, or mean squared error of values, on rows with their target."""
    import numpy as np

    task = model.signature.task
    truth, answers = rows[task.target].to_list(), model.answers(rows.select(model.columns))[0]
    if not task.is_classification:
        return float(np.mean((answers - np.array(truth, dtype=np.float64)) ** 2))
    place = {name: index for index, name in enumerate(task.classes)}
    # a class that this model has never seen was given no chance at all
    chances = [answers[row, place[name]] if name in place else 0.0 for row, name in enumerate(map(str, truth))]
    return float(-np.mean(np.log(np.clip(chances, 1e-6, 1.0))))
