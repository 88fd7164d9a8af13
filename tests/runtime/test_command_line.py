"""`python -m modelwright_runtime`: files of rows to files of answers, and errors without a traceback."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from modelwright.testing.packages import raw_rows
from modelwright_runtime.__main__ import main
from modelwright_runtime.model import load


@pytest.fixture
def rows_file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    rows = raw_rows(25)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_csv_in_csv_and_json_lines_out(
    packages: dict[str, Path], rows_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = load(packages["binary"]).predict(raw_rows(25)).rows()
    lines = tmp_path / "answers.jsonl"
    assert main(["predict", str(packages["binary"]), str(rows_file), "-o", str(lines)]) == 0
    assert [json.loads(line) for line in lines.read_text().splitlines()] == expected
    assert main(["predict", str(packages["binary"]), str(rows_file)]) == 0
    told = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert list(told[0]) == ["prediction", "probability_no", "probability_yes"]
    assert [row["prediction"] for row in told] == [row["prediction"] for row in expected]
    assert sorted(item.name for item in tmp_path.iterdir()) == ["answers.jsonl", "rows.csv"]


def test_json_lines_in(packages: dict[str, Path], tmp_path: Path) -> None:
    source, target = tmp_path / "rows.jsonl", tmp_path / "answers.csv"
    source.write_text("".join(json.dumps(row) + "\n" for row in raw_rows(9)))
    assert main(["predict", str(packages["regression"]), str(source), "-o", str(target)]) == 0
    values = [float(row["prediction"]) for row in csv.DictReader(target.open())]
    assert values == load(packages["regression"]).predict(raw_rows(9)).prediction.tolist()


BAD_FILES = {
    "empty.csv": (b"", "predict.file"),
    "header_lacks.csv": (b"age,price\n1,2\n", "rows.missing_column"),
    "ragged.csv": (b"age,price,member,city\n1,2,yes,Oslo\n1,2\n", "predict.row"),
    "latin.csv": (b"age,price,member,city\n1,2,yes,Troms\xf8\n", "predict.file"),
    "long.csv": (b"age,price,member,city\n" + b"1" * 200_000 + b",2,yes,Oslo\n", "predict.row"),
    "cut.jsonl": (b'{"age": 1, "pri', "predict.row"),
    "list.jsonl": (b"[1]\n", "predict.row"),
    "table.xlsx": (b"x", "predict.file"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_coded_errors(
    packages: dict[str, Path], tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data, code = BAD_FILES[name]
    source, target = tmp_path / name, tmp_path / "answers.csv"
    source.write_bytes(data)
    assert main(["predict", str(packages["binary"]), str(source), "-o", str(target)]) == 2
    assert f"[{code}]" in capsys.readouterr().err
    assert not target.exists()


def test_other_mistakes(
    packages: dict[str, Path], rows_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = str(packages["binary"])
    assert main(["predict", package, str(tmp_path / "no.csv")]) == 2
    assert main(["predict", package, str(rows_file), "-o", str(tmp_path / "no" / "x.csv")]) == 2
    assert main(["predict", package, str(rows_file), "-o", "x.parquet"]) == 2
    assert main(["show", str(tmp_path / "no.wright")]) == 2
    assert main(["serve", package, "--host", "0.0.0.0", "--port", "0"]) == 2
    assert "[serve.host]" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["serve", package, "--port", "99999"])


def test_show_tells_what_a_package_is(packages: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(packages["binary"])]) == 0
    page = capsys.readouterr().out
    for word in ("binary of paid", "no, yes", "age (number)", "golden rows replayed", "# Tiny"):
        assert word in page
    with pytest.raises(SystemExit):
        main(["predict", "--help"])
    assert "examples:" in capsys.readouterr().out
