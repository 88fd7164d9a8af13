"""The runtime in an environment of its own: small, without a training library, and the same answers."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from pathlib import Path

from modelwright.packaging import package
from modelwright.testing.media import media_training
from modelwright.testing.packages import raw_rows
from modelwright_runtime.model import load
from modelwright_runtime.signature import Task

MAX_PACKAGES, MAX_MB = 15, 200
TRAINING = ("polars", "sklearn", "lightgbm", "onnx", "modelwright", "scipy", "pandas", "pydantic")


def run(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_it_is_small(runtime_alone: Path) -> None:
    program = (
        "import importlib.metadata as m, json, sys; "
        "print(json.dumps([sys.prefix, sorted({d.name for d in m.distributions()})]))"
    )
    prefix, names = json.loads(run([str(runtime_alone), "-c", program]))
    own = [name for name in names if name not in ("pip", "setuptools")]
    assert "modelwright-runtime" in own
    assert len(own) <= MAX_PACKAGES, own
    site = next(Path(prefix).glob("lib/python*/site-packages"))
    tools = ("pip", "setuptools", "pkg_resources", "_distutils_hack")
    files = [item for item in site.rglob("*") if item.is_file() and item.relative_to(site).parts[0] not in tools]
    size_mb = sum(item.stat().st_size for item in files) / 1e6
    assert 1 < size_mb < MAX_MB


def test_no_training_library_is_there(runtime_alone: Path) -> None:
    program = f"import importlib.util as u; print([n for n in {TRAINING!r} if u.find_spec(n)])"
    assert run([str(runtime_alone), "-I", "-c", program]).strip() == "[]"


def test_it_predicts_the_same(runtime_alone: Path, packages: dict[str, Path], tmp_path: Path) -> None:
    source, target = tmp_path / "rows.jsonl", tmp_path / "answers.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in raw_rows(50)))
    for path in packages.values():
        run(
            [
                str(runtime_alone),
                "-I",
                "-m",
                "modelwright_runtime",
                "predict",
                str(path),
                str(source),
                "-o",
                str(target),
            ]
        )
        given = [json.loads(line) for line in target.read_text().splitlines()]
        assert given == load(path).predict(raw_rows(50)).rows()


def test_series_and_texts_need_nothing_more_and_pictures_say_what_they_need(
    runtime_alone: Path, tmp_path: Path
) -> None:
    for kind, task in (("series", "forecast"), ("text", "multiclass"), ("image", "multiclass")):
        due = Task(kind=task, target="t", classes=() if task == "forecast" else ("a", "b"), horizon=3)
        trained, cleaned = media_training([kind], [due])
        path = package(trained, cleaned, path=tmp_path / f"{kind}.wright", name=kind).path
        source, target = tmp_path / "rows.jsonl", tmp_path / "answers.jsonl"
        rows = load(path).facts["golden"]["rows"][:8]
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))
        command = [
            str(runtime_alone),
            "-I",
            "-m",
            "modelwright_runtime",
            "predict",
            str(path),
            str(source),
            "-o",
            str(target),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if kind == "image":
            assert done.returncode == 2 and "modelwright-runtime[media]" in done.stderr
            continue
        assert done.returncode == 0, done.stderr
        given = [json.loads(line) for line in target.read_text().splitlines()]
        assert given == json.loads(json.dumps(load(path).predict(rows).rows()))


def test_it_serves_the_same(runtime_alone: Path, packages: dict[str, Path]) -> None:
    path = packages["binary"]
    command = [str(runtime_alone), "-I", "-m", "modelwright_runtime", "serve", str(path), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found
        body = json.dumps({"rows": raw_rows(20)}).encode()
        ask = urllib.request.Request(f"{found.group()}/predict", body, {"content-type": "application/json"})
        with urllib.request.urlopen(ask, timeout=10) as answer:
            assert json.load(answer)["predictions"] == load(path).predict(raw_rows(20)).rows()
    finally:
        process.terminate()
        assert process.wait(timeout=15) == 0
