"""The walk of a new user, on the real command line: run, again, predict, serve, show, plan, undo, gc."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sklearn.datasets import load_wine

WRIGHT = [sys.executable, "-m", "modelwright"]
LEARN = ("--target", "cultivar", "--train.models", "[linear]")
"""What is walked here is the command line, the store and the server; the other models have tests of their own."""


def wright(*arguments: str, folder: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder and check its exit code."""
    done = subprocess.run([*WRIGHT, *arguments], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stdout + done.stderr
    return done


def events(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with real measurements of 178 wines, a little damaged, and one finished run of them."""
    folder = tmp_path_factory.mktemp("walk")
    wine = load_wine()
    frame = pl.DataFrame(dict(zip(wine.feature_names, wine.data.T, strict=True))).with_columns(
        pl.Series("cultivar", [f"class {k}" for k in wine.target])
    )
    frame = frame.select("alcohol", "malic_acid", "flavanoids", "color_intensity", "proline", "cultivar")
    texts = frame.with_columns(pl.all().cast(pl.String)).with_row_index("n")
    texts = texts.with_columns(
        pl.when(pl.col("n") % 17 == 0).then(pl.lit("?")).otherwise("malic_acid").alias("malic_acid"),
        pl.when(pl.col("n") % 11 == 0).then(pl.lit("  ") + pl.col("cultivar")).otherwise("cultivar").alias("cultivar"),
    ).drop("n")
    texts.write_csv(folder / "wine.csv")
    wright("run", "wine.csv", *LEARN, folder=folder)
    return folder


def test_outputs_lie_where_people_look(folder: Path) -> None:
    out = folder / ".wright" / "out" / "wine"
    assert sorted(path.name for path in out.iterdir()) == ["card.md", "report.html", "wine.wright"]
    page = (out / "report.html").read_text()
    assert len(page) < 2_000_000 and "cultivar" in page
    assert not re.search(r'(src|href)="https?://', page), "the report must not need the network"


def test_the_same_command_recomputes_nothing(folder: Path) -> None:
    done = events(wright("run", "wine.csv", *LEARN, "--json", folder=folder))
    ends = [event for event in done if event["event"] == "end"]
    assert len(ends) >= 7 and all(event["cached"] for event in ends)
    assert done[-1]["event"] == "finished" and done[-1]["name"] == "wine"


def test_the_same_recipe_in_another_store_gives_the_same_bytes(folder: Path) -> None:
    arguments = ("run", "wine.csv", *LEARN, "--store", "other")
    wright(*arguments, folder=folder)
    for name in ("wine.wright", "card.md", "report.html"):
        first = (folder / ".wright" / "out" / "wine" / name).read_bytes()
        assert (folder / "other" / "out" / "wine" / name).read_bytes() == first, name


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_predictions_come_one_line_per_row_in_order(folder: Path, ending: str) -> None:
    rows = pl.read_csv(folder / "wine.csv", infer_schema=False).drop("cultivar")
    rows.head(20).write_csv(folder / "rows.csv")
    wright("predict", "wine", "rows.csv", "-o", f"answers.{ending}", folder=folder)
    read = {"csv": pl.read_csv, "jsonl": pl.read_ndjson, "parquet": pl.read_parquet}[ending]
    answers = read(folder / f"answers.{ending}")
    classes = ["class 0", "class 1", "class 2"]
    assert answers.columns == ["prediction", *(f"probability_{name}" for name in classes)]
    assert answers.height == 20
    probabilities = answers.select(answers.columns[1:]).to_numpy()
    assert abs(probabilities.sum(axis=1) - 1).max() < 1e-5
    assert [classes[index] for index in probabilities.argmax(axis=1)] == answers["prediction"].to_list()
    one = wright("predict", "wine", "rows.csv", "-o", "-", folder=folder).stdout
    assert len(list(csv.reader(one.splitlines()))) == 21


def test_undo_gives_the_raw_table_back(folder: Path) -> None:
    wright("undo", "wine", "-o", "raw.csv", folder=folder)
    raw, came = (pl.read_csv(folder / name, infer_schema=False) for name in ("raw.csv", "wine.csv"))
    assert raw.equals(came)


def test_show_and_list_are_readable(folder: Path) -> None:
    assert "wine" in wright("list", folder=folder).stdout
    page = wright("show", "wine", folder=folder).stdout
    assert "decisions" in page and "candidates" in page
    changes = wright("show", "wine", "--changes", folder=folder).stdout
    assert "malic_acid" in changes and "?" in changes
    assert "cultivar" in wright("show", ".wright/out/wine/wine.wright", folder=folder).stdout
    assert "alcohol" in wright("show", "wine.csv", folder=folder).stdout


def test_a_plan_written_as_a_recipe_gives_the_same_run(folder: Path) -> None:
    options = LEARN
    told = wright("plan", "wine.csv", *options, "--write", "recipe.yaml", folder=folder).stdout
    assert "there already" in told
    done = events(wright("run", "recipe.yaml", "--name", "again", "--json", folder=folder))
    first = events(wright("run", "wine.csv", *options, "--json", folder=folder))
    assert done[-1]["metrics"] == first[-1]["metrics"]
    packages = [folder / ".wright" / "out" / name / f"{name}.wright" for name in ("again", "wine")]
    import zipfile

    graphs = [zipfile.ZipFile(path).read("model.onnx") for path in packages]
    assert graphs[0] == graphs[1]


def test_garbage_collection_keeps_the_run(folder: Path) -> None:
    wright("gc", "--grace", "0", folder=folder)
    done = events(wright("run", "wine.csv", *LEARN, "--json", folder=folder))
    assert all(event["cached"] for event in done if event["event"] == "end")


@pytest.fixture
def service(folder: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    command = [*WRIGHT, "up", "wine.csv", *LEARN, "--port", "0", "--json"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    ready: dict[str, Any] = {}
    for line in process.stdout:
        ready = json.loads(line)
        if ready["event"] == "ready":
            break
    yield process, ready
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_up_serves_and_its_curl_line_works(folder: Path, service: tuple[subprocess.Popen[str], dict[str, Any]]) -> None:
    process, ready = service
    answer = json.loads(subprocess.run(ready["curl"], shell=True, capture_output=True, text=True, timeout=30).stdout)
    assert "prediction" in json.dumps(answer)
    with urllib.request.urlopen(f"{ready['address']}/health", timeout=10) as health:
        assert health.status == 200
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("run", "wine.csv"), 2, "--target"),
        (("run", "wine.csv", "--target", "cultivra"), 2, "cultivar"),
        (("run", "no.csv", "--target", "x"), 2, "no.csv"),
        (("run", "wine.csv", "--target", "cultivar", "--split.size", "20"), 2, "less than 1"),
        (("run", "wine.csv", "--target", "cultivar", "--split.sise", "0.2"), 2, "--split.sise"),
        (("rum", "wine.csv"), 2, "run"),
        (("predict", "wien", "wine.csv"), 2, "wine"),
        (("show", "wien"), 2, "wine"),
        (("predict", "wine", "wine.csv", "-o", "answers.xlsx"), 2, ".csv"),
        (("run", "recipe-that-is-not.yaml"), 2, "recipe"),
    ],
)
def test_mistakes_are_told_in_one_sentence(folder: Path, arguments: tuple[str, ...], code: int, word: str) -> None:
    done = wright(*arguments, folder=folder, code=code)
    assert word in done.stderr and done.stderr.count("\n") <= 3
    plain = events(wright(*arguments, "--json", folder=folder, code=code))[-1]
    assert plain["event"] == "error" and plain["code"] and plain["exit_code"] == code


def test_a_kill_loses_at_most_the_stage_in_progress(folder: Path) -> None:
    """kill -9 again and again at later and later moments: the command always goes on, and ends the same."""
    command = ["run", "wine.csv", *LEARN, "--store", "killed", "--json"]
    for moment in (0.3, 0.8, 1.5, 2.5, 4.0):
        process = subprocess.Popen(
            [*WRIGHT, *command], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = events(wright(*command, folder=folder))
    assert done[-1]["event"] == "finished"
    first = (folder / ".wright" / "out" / "wine" / "wine.wright").read_bytes()
    assert (folder / "killed" / "out" / "wine" / "wine.wright").read_bytes() == first
    left = [path for path in (folder / "killed" / "blobs").rglob("*") if path.is_file() and len(path.name) != 64]
    assert not left or all(path.name.startswith(".") for path in left), "only unfinished files may be left behind"


def test_two_processes_share_a_store(folder: Path) -> None:
    command = [*WRIGHT, "run", "wine.csv", *LEARN, "--store", "shared-store"]
    running = [
        subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [0, 0], told


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder_is_told(folder: Path) -> None:
    locked = folder / "locked"
    locked.mkdir(mode=0o500)
    done = wright("run", "../wine.csv", "--target", "cultivar", folder=locked, code=2)
    assert "store.unwritable" in done.stderr


def test_a_flipped_bit_in_the_store_is_noticed_and_mended(folder: Path) -> None:
    command = ("run", "wine.csv", *LEARN, "--store", "bitten")
    wright(*command, folder=folder)
    first = (folder / "bitten" / "out" / "wine" / "wine.wright").read_bytes()
    blobs = sorted((folder / "bitten" / "blobs").glob("*/*"), key=lambda path: path.stat().st_size)[-3:]
    for blob in blobs:
        damaged = bytearray(blob.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        blob.write_bytes(damaged)
    seen = 0
    for _ in range(len(blobs) + 2):
        done = subprocess.run([*WRIGHT, *command, "--json"], cwd=folder, capture_output=True, text=True, timeout=120)
        if done.returncode == 0:
            break
        assert done.returncode == 1 and events(done)[-1]["code"] in ("store.corrupt", "store.lost"), done.stdout
        seen += 1
    assert seen >= 1, "no damage was noticed"
    assert done.returncode == 0
    assert (folder / "bitten" / "out" / "wine" / "wine.wright").read_bytes() == first


def test_a_damaged_package_is_refused(folder: Path) -> None:
    data = bytearray((folder / ".wright" / "out" / "wine" / "wine.wright").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "damaged.wright").write_bytes(data)
    for command in (("predict", "damaged.wright", "wine.csv"), ("serve", "damaged.wright"), ("show", "damaged.wright")):
        done = wright(*command, folder=folder, code=2)
        assert "package." in done.stderr


def test_a_full_disk_is_told(folder: Path) -> None:
    """A real disk of 100 kB, where we may mount one."""
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        options = (*LEARN, "--store", "disk/.wright")
        done = wright("run", "wine.csv", *options, folder=folder, code=1)
        assert "no space is left" in done.stderr and "[store.full]" in done.stderr
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_database_and_a_pattern_are_sources_too(folder: Path) -> None:
    import sqlite3

    wine = pl.read_csv(folder / "wine.csv")
    with sqlite3.connect(folder / "cellar.db") as connection:
        columns = ", ".join(f'"{name}"' for name in wine.columns)
        connection.execute(f"create table wines ({columns})")
        connection.executemany(f"insert into wines values ({', '.join('?' * wine.width)})", wine.rows())
    options = LEARN
    done = events(wright("run", "sqlite:///cellar.db", "--data.table", "wines", *options, "--json", folder=folder))
    assert done[-1]["event"] == "finished" and done[-1]["name"] == "cellar"
    (folder / "parts").mkdir()
    wine.head(90).write_csv(folder / "parts" / "a.csv")
    wine.tail(88).write_csv(folder / "parts" / "b.csv")
    done = events(wright("run", "parts/*.csv", *options, "--name", "parts", "--json", folder=folder))
    collected = next(event for event in done if event["event"] == "end" and event["stage"] == "collection")
    assert collected["told"].startswith("178 rows")


def test_a_recipe_joins_two_files(folder: Path) -> None:
    wine = pl.read_csv(folder / "wine.csv", infer_schema=False).with_row_index("bottle")
    wine.select("bottle", "alcohol", "malic_acid", "cultivar").write_csv(folder / "left.csv")
    wine.select("bottle", "flavanoids", "proline").write_csv(folder / "right.csv", separator=";")
    (folder / "join.yaml").write_text(
        "target: cultivar\n"
        "data:\n"
        "  sources: [left.csv, {source: right.csv, delimiter: ';'}]\n"
        "  combine: join\n"
        "  on: [bottle]\n"  # in YAML 1.1 this word is a boolean
        "train: {models: [linear]}\n"
    )
    done = events(wright("run", "join.yaml", "--json", folder=folder))
    collected = next(event for event in done if event["event"] == "end" and event["stage"] == "collection")
    assert collected["told"] == "178 rows x 6 columns" and done[-1]["name"] == "join"
    (folder / "odd.yaml").write_text("target: cultivar\ndata: left.csv\n3: x\n")
    assert "no setting 3" in wright("run", "odd.yaml", folder=folder, code=2).stderr
