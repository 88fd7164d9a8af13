"""The example: damage of many kinds, found and repaired without harm, by a cleaner that does not know it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from modelwright.cleaning import CleanSpec, clean
from modelwright.core.data import Dataset
from modelwright.core.values import Cleaned
from modelwright.testing.cleaning import check_cleaned

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "hospital"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"hospital_{name}", FOLDER / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, dict[str, Any]]:
    path = script("make").make(tmp_path_factory.mktemp("hospital"))
    truth = json.loads((path.parent / "truth.json").read_text())
    return Dataset.from_frame(pl.read_csv(path, infer_schema=False)), truth


@pytest.fixture(scope="module")
def cleaned(export: tuple[Dataset, dict[str, Any]]) -> Cleaned:
    return clean(export[0], CleanSpec(target=export[1]["target"]))


def test_the_same_bytes_every_time(tmp_path: Path) -> None:
    make = script("make").make
    assert make(tmp_path / "a").read_bytes() == make(tmp_path / "b").read_bytes()
    assert (tmp_path / "a" / "truth.json").read_bytes() == (tmp_path / "b" / "truth.json").read_bytes()


def test_repaired_without_harm(export: tuple[Dataset, dict[str, Any]], cleaned: Cleaned) -> None:
    scored = script("score").score(cleaned, export[1])
    assert scored["n_right"] > 0.99 * scored["n_injected"], scored["lines"]
    assert scored["n_harmed"] == 0, scored["harmed"]
    assert len(scored["lines"]) == 16
    assert scored["n_injected"] > 4000


def test_the_score_sees_harm_and_neglect(export: tuple[Dataset, dict[str, Any]]) -> None:
    """A cleaner that reads all as words neither repairs nor goes unnoticed."""
    data, truth = export
    kinds: dict[str, Any] = dict.fromkeys(data.schema.names, "text")
    lazy = CleanSpec(kinds=kinds, skip=("duplicates", "leaks", "columns", "missing"))
    scored = script("score").score(clean(data, lazy), truth)
    assert scored["n_right"] < 0.3 * scored["n_injected"]
    assert scored["n_harmed"] > 1000


def test_promises_on_the_example(export: tuple[Dataset, dict[str, Any]], cleaned: Cleaned) -> None:
    check_cleaned(export[0], cleaned)
    assert cleaned.kept.schema.target == "diagnosis"
    assert cleaned.kept.schema["mean_radius"].unit == "mm"
    assert cleaned.kept.schema["admitted"].kind == "datetime"
