"""The .ts files of the UCR and UEA archive."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import polars as pl
import pytest

from modelwright.collection import collect
from modelwright.core.errors import UserError
from tests.collection.media_files import write

HEADER = "# about\n@problemName Steps\n@univariate false\n@classLabel true walk rest\n@data\n"


def test_dimensions_missing_steps_and_unequal_lengths(tmp_path: Path) -> None:
    path = write(tmp_path / "Steps.ts", HEADER + "1.0,2.5,?:4,5,6:walk\n-1e3,2:7:rest\n")
    frame = collect(path).frame
    assert frame["label"].to_list() == ["walk", "rest"]
    first = frame["dim_0"][0].to_list()
    assert first[:2] == [1.0, 2.5] and math.isnan(first[2])
    assert frame["dim_0"][1].to_list() == [-1000.0, 2.0]
    assert frame["dim_1"].to_list() == [[4.0, 5.0, 6.0], [7.0]]


def test_steps_with_times(tmp_path: Path) -> None:
    path = write(tmp_path / "Timed.ts", HEADER + "(0,1.5),(1,2.5):(0,3),(4,5):walk\n")
    assert collect(path).frame.select("dim_0", "dim_1", "label").row(0) == ([1.5, 2.5], [3.0, 5.0], "walk")


def test_a_pair_is_a_split(tmp_path: Path) -> None:
    write(tmp_path / "Steps_TRAIN.ts.gz", gzip.compress((HEADER + "1,2:3,4:walk\n").encode()))
    write(tmp_path / "Steps_TEST.ts", HEADER + "5,6:7,8:rest\n9,9:9,9:walk\n")
    data = collect(tmp_path)
    assert data.frame["split"].to_list() == ["test", "test", "train"]
    assert data.schema["split"].role == "split"
    assert "split" not in collect(tmp_path / "Steps_TEST.ts").schema


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HEADER + "1,2:3,4:walk\n1,x:3,4:walk\n", "line 7"),
        (HEADER + "1,2:3,4:walk\n1,2:walk\n", "line 7: 1 dimensions where the first line has 2"),
        (HEADER, "it holds no case"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, told: str) -> None:
    path = write(tmp_path / "Steps.ts", text)
    with pytest.raises(UserError, match=told) as caught:
        collect(path)
    assert caught.value.code == "collection.ts"


def test_programs_that_end_in_ts_are_no_series(tmp_path: Path) -> None:
    write(tmp_path / "index.ts", "export const a = 1;\n")
    write(tmp_path / "rows.csv", "a,b\n1,2\n3,4\n")
    assert collect(tmp_path).schema.names == ("a", "b")


@pytest.mark.parametrize(
    ("name", "shape", "length"),
    [("gunpoint", (50, 150, 1), 150), ("italypowerdemand", (67, 1029, 1), 24), ("basicmotions", (40, 40, 6), 100)],
)
def test_the_real_archive(shared_data: Path, name: str, shape: tuple[int, int, int], length: int) -> None:
    frame = collect(shared_data / "time_series_classification" / name).frame
    sizes = dict(frame["split"].value_counts().iter_rows())
    dimensions = [column for column in frame.columns if column.startswith("dim_")]
    assert (sizes["train"], sizes["test"], len(dimensions)) == shape
    assert all(frame[column].list.len().unique().to_list() == [length] for column in dimensions)
    assert frame["dim_0"].dtype == pl.List(pl.Float64)
