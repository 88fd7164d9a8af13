"""`replay`: the loop over a stream in memory decides as the supervisor does, and repeats itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from modelwright.core.store import Store
from modelwright.monitoring import MonitorSpec
from modelwright.operating import Place, replay
from modelwright.operating.replaying import Learned
from modelwright.operating.retraining import retrained
from modelwright.recipe import Recipe
from modelwright_runtime import load
from tests.operating.conftest import shop_rows

SPEC = MonitorSpec.parse({"every": "1h", "keep_watch": "1h", "false_alarms": "1 per month"}, where="monitor")


def stream() -> pl.DataFrame:
    parts = [shop_rows(500, seed=seed, turned=seed >= 23) for seed in range(20, 30)]
    return pl.concat(parts)


def lived(shop: tuple[Recipe, Path], folder: Path, spec: MonitorSpec = SPEC, **more: Any) -> Any:
    recipe, root = shop
    store = Store.open(root)
    first = Place(store, "shop").store.named("packages", "shop")
    assert first is not None

    def learn(known: pl.DataFrame, champion: Any) -> Learned:
        made = retrained(recipe, known, store, champion=champion, folder=folder)
        return Learned(model=load(made.package), n_learned=made.n_learned, trial=made.trial)

    return replay(load(store.path(first["file"])), stream(), learn, spec, batch_rows=500, **more)


def test_it_notices_the_turn_and_is_better_than_the_first_model(shop: tuple[Recipe, Path], tmp_path: Path) -> None:
    found = lived(shop, tmp_path)
    kinds = {batch.number: batch.kind for batch in found.decisions}
    assert "retrain" in [kinds.get(number) for number in (3, 4)], "the fourth batch is the first one turned"
    assert "promote" in [kinds.get(number) for number in (4, 5, 6)]
    assert found.score > found.first_score + 0.05
    assert found.n_retrainings <= 4
    again = lived(shop, tmp_path)
    assert again == found


def test_a_gain_on_rows_held_back_promotes_at_once(shop: tuple[Recipe, Path], tmp_path: Path) -> None:
    spec = SPEC.but(promote_when=SPEC.promote_when.but(held_back=True, least_rows=50))
    found = lived(shop, tmp_path, spec)
    early = [batch.number for batch in found.batches if "held back from the new model" in batch.words]
    assert early, "the turned rows are learned from one batch sooner"
    assert found.batches[early[0] + 1].champion > found.batches[early[0]].champion
    assert found.score > found.first_score + 0.05


def test_labels_that_come_late_are_waited_for(shop: tuple[Recipe, Path], tmp_path: Path) -> None:
    found = lived(shop, tmp_path, delay=2)
    assert all(batch.kind != "retrain" for batch in found.batches[:2]), "no label has come yet"
    assert "retrain" in [batch.kind for batch in found.batches[5:8]]


def test_a_saboteur_is_rolled_back(shop: tuple[Recipe, Path], tmp_path: Path) -> None:
    class Liar:
        """Answers as the model does, with the classes told the wrong way round."""

        def __init__(self, model: Any) -> None:
            self.model = model

        def __getattr__(self, name: str) -> Any:
            return getattr(self.model, name)

        def predict(self, rows: Any) -> Any:
            from dataclasses import replace

            told = self.model.predict(rows)
            return replace(told, probabilities=told.probabilities[:, ::-1].copy())

    found = lived(shop, tmp_path, sabotage=lambda number, model: Liar(model) if number == 0 else None)
    assert found.batches[1].kind == "roll back", found.batches[1]
    assert found.batches[2].champion == 1
