"""What goes into a package, and that nothing is handed over that does not answer as training did."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from modelwright.core.errors import UserError
from modelwright.core.values import Metric, Report
from modelwright.packaging import package
from modelwright.packaging.profile import profile
from modelwright.testing.packages import tiny_training
from modelwright_runtime import load


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_package_answers_as_training_did(tmp_path: Path, kind: Any) -> None:
    trained, cleaned = tiny_training(kind)
    made = package(trained, cleaned, path=tmp_path / "x.wright", name="x")
    assert made.largest_difference < 1e-6
    assert made.size_bytes == made.path.stat().st_size
    answer = load(made.path).predict(cleaned.raw.frame)
    given = answer.prediction if kind == "regression" else answer.probabilities
    np.testing.assert_allclose(given, trained.predict(cleaned.kept), atol=1e-6)  # type: ignore[arg-type]
    assert [item.name for item in tmp_path.iterdir()] == ["x.wright"]


def test_golden_rows_are_raw_training_rows_and_hard_ones(tmp_path: Path) -> None:
    trained, cleaned = tiny_training()
    train = np.arange(0, 60, 2, dtype=np.uint64)
    made = package(trained, cleaned, path=tmp_path / "x.wright", name="x", train_rows=train)
    golden = load(made.path).facts["golden"]
    assert len(golden["rows"]) == len(golden["kinds"]) == len(golden["expected"]) == made.n_golden >= 48
    assert set(golden["kinds"]) == {"training", "missing", "unseen", "extreme"}
    raw = cleaned.raw.frame
    seen = [{name: row[name] for name in row if name != "__row__"} for row in raw.to_dicts() if row["__row__"] % 2 == 0]
    taken = [row for row, kind in zip(golden["rows"], golden["kinds"], strict=True) if kind == "training"]
    assert len(taken) == 30 and all(row in seen for row in taken)
    expected = trained.predict(cleaned.kept.take(train))
    np.testing.assert_array_equal(golden["expected"][:30], expected.astype(float))


def test_few_rows_still_make_enough_golden_rows(tmp_path: Path) -> None:
    trained, cleaned = tiny_training(n_rows=2)
    assert package(trained, cleaned, path=tmp_path / "x.wright", name="x").n_golden >= 32


def test_a_reading_that_serves_otherwise_than_it_trained_is_caught(tmp_path: Path) -> None:
    """The fault that golden rows are for: cleaning said `?` is missing and something else, serving reads another."""
    trained, cleaned = tiny_training()
    readings = tuple(
        dataclasses.replace(reading, low=1000.0) if reading.column == "price" else reading
        for reading in cleaned.readings
    )
    skewed = dataclasses.replace(cleaned, readings=readings)
    path = tmp_path / "x.wright"
    path.write_bytes(b"what was here before")
    with pytest.raises(UserError, match="golden rows differ") as caught:
        package(trained, skewed, path=path, name="x")
    assert caught.value.code == "package.golden"
    assert str(path) in caught.value.message and ".tmp" not in caught.value.message
    assert path.read_bytes() == b"what was here before"
    assert [item.name for item in tmp_path.iterdir()] == ["x.wright"]


def test_the_record_of_a_model_is_in_its_package(tmp_path: Path) -> None:
    trained, cleaned = tiny_training()
    metric = Metric(name="roc_auc", value=0.9, low=0.8, high=float("nan"), better="higher")
    report = Report(
        task="binary", n_rows=12, primary="roc_auc", metrics=(metric,), baseline=(metric,), slices=(),
        curves={"roc": [1, 2]}, importance={},
    )  # fmt: skip
    made = package(
        trained, cleaned, path=tmp_path / "deep" / "x.wright", name="x", report=report, card="# Card é",
        facts={"raw": "abc", "seed": 7},
    )  # fmt: skip
    facts = load(made.path).facts
    assert facts["card"] == "# Card é"
    assert facts["metrics"]["metrics"][0]["value"] == 0.9 and facts["metrics"]["metrics"][0]["high"] is None
    assert "fit_s" not in json.dumps(facts["metrics"])
    assert facts["data"]["raw"] == {"digest": "abc", "n_rows": 60}
    assert facts["data"]["cleaned"]["digest"] == cleaned.kept.digest
    assert facts["data"]["facts"] == {"seed": 7} and facts["data"]["target"] == "paid"
    assert [decision["about"] for decision in facts["decisions"]] == ["age", "model"]
    assert {"python", "numpy", "onnxruntime", "modelwright"} <= set(facts["environment"])
    assert set(facts["profile"]) == {"age", "price", "member", "city"}


def test_nothing_in_a_package_is_code(tmp_path: Path) -> None:
    trained, cleaned = tiny_training()
    made = package(trained, cleaned, path=tmp_path / "x.wright", name="x")
    with zipfile.ZipFile(made.path) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            assert not data.startswith((b"\x80\x04", b"\x80\x05", b"#!", b"\x7fELF"))
            if name.endswith(".json"):
                json.loads(data)


def test_unwritable_places_and_odd_names_are_refused(tmp_path: Path) -> None:
    trained, cleaned = tiny_training()
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError) as caught:
        package(trained, cleaned, path=tmp_path / "file" / "x.wright", name="x")
    assert caught.value.code == "store.unwritable"
    for name in ("", "a\nb", "x" * 121):
        with pytest.raises(UserError) as caught:
            package(trained, cleaned, path=tmp_path / "x.wright", name=name)
        assert caught.value.code == "package.name"
    with pytest.raises(UserError) as caught:
        package(trained, cleaned, path=tmp_path / "x.wright", name="x", train_rows=np.array([], dtype=np.uint64))
    assert caught.value.code == "package.rows"


def test_profiles_say_what_the_columns_are_like() -> None:
    draw = np.random.default_rng(0)
    numbers = np.concatenate([draw.normal(size=990), np.full(10, np.nan)])
    frame = pl.DataFrame(
        {
            "number": pl.Series(numbers).fill_nan(None), "flat": [1.0] * 1000,
            "none": pl.Series([None] * 1000, dtype=pl.Float64),
            "level": [f"L{index % 80}" for index in range(1000)], "words": ["two words"] * 1000,
        }
    )  # fmt: skip
    kinds = {"number": "number", "flat": "number", "none": "number", "level": "category", "words": "text"}
    found = profile(frame, kinds)
    assert found["number"]["missing"] == 0.01 and found["number"]["n"] == 1000
    assert len(found["number"]["edges"]) == 11 and sum(found["number"]["shares"]) == pytest.approx(1)
    assert found["number"]["mean"] == pytest.approx(np.nanmean(numbers))
    assert found["flat"]["shares"] == [1.0] and found["flat"]["edges"] == [1.0]
    assert found["none"]["mean"] is None and found["none"]["missing"] == 1.0
    assert found["level"]["n_levels"] == 80 and len(found["level"]["levels"]) == 50
    assert sum(found["level"]["levels"].values()) + found["level"]["other"] == pytest.approx(1)
    assert found["words"]["mean_length"] == 9
    json.dumps(found, allow_nan=False)
