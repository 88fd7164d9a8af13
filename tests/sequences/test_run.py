"""Steps and media through the store: what is there is not made again, and a written plan means the same."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from modelwright import lifecycle
from modelwright.cli import _recipe, _run_parser  # the command line's own reading of its arguments
from modelwright.core.errors import UserError
from modelwright.recipe import Recipe
from tests.collection.media_files import class_folders, picture, write


def _load_csv(folder: Path) -> Path:
    hours = np.arange(500)
    moments = [datetime(2024, 1, 1) + timedelta(hours=int(hour)) for hour in hours]
    frame = pl.DataFrame({"t": moments, "y": np.sin(hours * np.pi / 12) + hours / 100, "temp": np.cos(hours / 7.0)})
    frame.write_csv(folder / "load.csv")
    return folder / "load.csv"


def _arguments(*words: str) -> Recipe:
    return _recipe(_run_parser("run", "about").parse_args(list(words)))


def _prepared(recipe: Recipe, store: Path) -> tuple[lifecycle.Prepared, dict[str, bool]]:
    work = lifecycle._Work.begin(recipe, store, None, on_record=False)
    prepared = lifecycle.prepare(recipe, work)
    return prepared, {record.stage: record.cached for record in work.record.stages}


def test_a_forecast_from_the_command_line(tmp_path: Path) -> None:
    source = str(_load_csv(tmp_path))
    recipe = _arguments(source, "--target", "y", "--time", "t", "--horizon", "12", "--sequences.length", "48")
    assert recipe.sequences.horizon == 12 and recipe.clean.roles == {"t": "time"}
    prepared, first = _prepared(recipe, tmp_path / "store")
    assert prepared.typed.n_rows == 500 - 48 - 12 + 1 and prepared.rows.value.kept.n_rows == 500
    assert prepared.sets.kind == "time"
    again, cached = _prepared(recipe, tmp_path / "store")
    assert not any(first.values()) and all(cached.values())
    assert again.typed.frame.equals(prepared.typed.frame)
    explicit = recipe.but(
        clean=lifecycle._explicit_clean(recipe, prepared), sequences=lifecycle._explicit_sequences(recipe, prepared)
    )
    same, _ = _prepared(Recipe.from_plain(explicit.to_plain()), tmp_path / "store")
    assert same.typed.frame.equals(prepared.typed.frame)


def test_a_recipe_can_say_off(tmp_path: Path) -> None:
    source = str(_load_csv(tmp_path))
    write(tmp_path / "recipe.yaml", f"target: y\ndata: {source}\nsequences: off\n")
    recipe = _arguments(str(tmp_path / "recipe.yaml"), "--time", "t")
    assert recipe.sequences.use == "off" and recipe.clean.roles == {"t": "time"}
    prepared, stages = _prepared(recipe, tmp_path / "store")
    assert prepared.cleaned is prepared.rows and "sequences/window" not in stages


def test_a_plain_table_never_meets_the_stage(tmp_path: Path) -> None:
    _, stages = _prepared(_arguments(str(_load_csv(tmp_path)), "--target", "y"), tmp_path / "store")
    assert list(stages) == ["collection/collect", "cleaning/clean", "splitting/split"]


def test_pictures_from_the_command_line(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "photos", n_each=12)
    write(root / "dog" / "broken.png", picture(5)[:40])
    recipe = _arguments(f"{root}/")
    assert (recipe.target, recipe.name) == ("folder", "photos")
    prepared, first = _prepared(recipe, tmp_path / "store")
    assert prepared.cleaned.value.removed["reason"][0].startswith("the image of `dog/broken.png` cannot be opened")
    assert prepared.typed.n_rows == 24 and prepared.cleaned.value.undo().n_rows == 25
    cells = dict(prepared.typed.frame.select("file", "image").iter_rows())
    assert cells["dog/3.png"] == (root / "dog" / "3.png").read_bytes()
    _, cached = _prepared(recipe, tmp_path / "store")
    assert all(cached.values()) and not any(first.values())
    write(root / "dog" / "new.png", picture(77))
    changed, cached = _prepared(recipe, tmp_path / "store")
    assert not cached["collection/collect"] and changed.typed.n_rows == 25


def test_without_a_target_a_table_says_its_columns(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--target is needed") as caught:
        _arguments(str(_load_csv(tmp_path)))
    assert caught.value.code == "cli.target" and "t, y, temp" in caught.value.hint


def test_one_class_only_is_told(tmp_path: Path) -> None:
    class_folders(tmp_path / "photos", classes=("cat", "dog"), n_each=3)
    for path in (tmp_path / "photos" / "dog").iterdir():
        path.write_bytes(b"broken")
    recipe = Recipe.from_plain({"target": "folder", "data": str(tmp_path / "photos"), "name": "x"})
    with pytest.raises(UserError) as caught:
        _prepared(recipe, tmp_path / "store")
    assert caught.value.code in ("clean.target", "split.single_class")
