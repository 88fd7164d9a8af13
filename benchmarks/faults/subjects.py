"""What is killed, damaged and denied its disk: our four operations, and the savers that people use.

Each has a state on disk, an operation that brings another, and a way to tell which of them stands there. This file is
run in the peers' own environments too and imports nothing of ours at the top.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OLD, NEW, BROKEN = "old", "new", "broken"


@dataclass(frozen=True)
class Subject:
    """`prepare` makes the old state in an empty folder; `write` brings the new one; `state` opens what is there, says
    which it is, and raises when it notices damage. `files` are where bits are flipped."""

    name: str
    prepare: Callable[[Path], None]
    write: Callable[[Path], object]
    state: Callable[[Path], str]
    files: Callable[[Path], list[Path]]


def of_bytes(path: Path, old: bytes, new: bytes) -> str:
    """Which of two contents a file has."""
    data = path.read_bytes() if path.exists() else b""
    return OLD if data == old else NEW if data == new else BROKEN


def ours(models: Path) -> list[Subject]:
    """Package, prediction log, promotion, roll-back and labels."""
    from modelwright.packaging.base import write_proved
    from modelwright_runtime import records
    from modelwright_runtime.deployment import add_package, added, change, package_path, promoted, read, rolled_back
    from modelwright_runtime.model import load

    packages = [(models / f"{name}.wright") for name in ("higgs", "other")]
    old, new = (path.read_bytes() for path in packages)

    def package_state(folder: Path) -> str:
        load(folder / "model.wright")
        return of_bytes(folder / "model.wright", old, new)

    def deployment(folder: Path) -> None:
        for path in packages:
            digest = add_package(folder, path)
            change(folder, lambda state, digest=digest: added(state, digest), name="higgs")  # type: ignore[misc]

    def champion(folder: Path) -> int:
        state = read(folder)
        for version in state.versions:
            load(package_path(folder, version))
        return state.champion

    def rolled(folder: Path) -> None:
        deployment(folder)
        change(folder, lambda state: promoted(state, 2))

    def frames(folder: Path, first: int, last: int) -> None:
        writer = records.SegmentWriter(folder / "log")
        for number in range(first, last):
            writer.append([_entry(number, row) for row in range(20)])
            writer.sync()
        writer.close()

    def log_state(folder: Path) -> str:
        found, problems = records.asked(folder / "log")
        return _rows_state([(one.id, one.rows[0]["x"]) for one in found], 10 * 20, 15 * 20, problems)

    def truth_state(folder: Path) -> str:
        found, problems = records.truths(folder / "labels")
        return _rows_state([(name, value) for name, (value, _) in found.items()], 100, 200, problems)

    def keep(folder: Path, first: int, last: int) -> None:
        records.keep_truth(folder / "labels", [(f"{n // 20}-{n % 20}", float(n), 1.0) for n in range(first, last)])

    def segments(name: str) -> Callable[[Path], list[Path]]:
        return lambda folder: records.segments(folder / name)

    return [
        Subject("our package", lambda folder: _put(folder / "model.wright", old),
                lambda folder: write_proved(folder / "model.wright", new), package_state,
                lambda folder: [folder / "model.wright"]),
        Subject("our prediction log", lambda folder: frames(folder, 0, 10), lambda folder: frames(folder, 10, 15),
                log_state, segments("log")),
        Subject("our promotion", deployment, lambda folder: change(folder, lambda state: promoted(state, 2)),
                lambda folder: {1: OLD, 2: NEW}[champion(folder)], lambda folder: [folder / "deployment.json"]),
        Subject("our roll-back", rolled, lambda folder: change(folder, rolled_back),
                lambda folder: {2: OLD, 1: NEW}[champion(folder)], lambda folder: [folder / "deployment.json"]),
        Subject("our labels", lambda folder: keep(folder, 0, 100), lambda folder: keep(folder, 100, 200), truth_state,
                segments("labels")),
    ]  # fmt: skip


def _entry(number: int, row: int) -> list[Any]:
    return [f"{number}-{row}", 1.0, 1, "champion", 0.001, ["x"], [[float(number * 20 + row)]], {"prediction": ["a"]}]


def _rows_state(found: list[tuple[str, Any]], n_old: int, n_new: int, problems: list[str]) -> str:
    """Rows are there from the first on, each as it was written; those of the old state all of them."""
    if problems:
        raise ValueError(problems[0])
    expected = [(f"{n // 20}-{n % 20}", float(n)) for n in range(len(found))]
    if found != expected or not n_old <= len(found) <= n_new:
        return BROKEN
    return OLD if len(found) < n_new else NEW


def _put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def savers(models: Path) -> list[Subject]:
    """joblib.dump and onnx.save over the file that stands there."""
    import io

    import joblib
    import numpy as np
    import onnx
    import onnxruntime

    x = np.load(models / "rows.npy")[:50]
    fitted = joblib.load(models / "model.joblib")
    shorter = joblib.load(models / "model.joblib").set_params(learning_rate=0.2)
    graph = onnx.load(models / "model.onnx")
    other = onnx.load(models / "model.onnx")
    other.doc_string = "the next one"
    known = fitted.predict_proba(x)

    def dumped(value: Any) -> bytes:
        file = io.BytesIO()
        joblib.dump(value, file)
        return file.getvalue()

    old, new = dumped(fitted), dumped(shorter)
    texts = graph.SerializeToString(), other.SerializeToString()

    def joblib_state(folder: Path) -> str:
        answers = joblib.load(folder / "model.joblib").predict_proba(x)
        found = of_bytes(folder / "model.joblib", old, new)
        return found if found != BROKEN or not np.array_equal(answers, known) else "harmless"

    def onnx_state(folder: Path) -> str:
        path = folder / "model.onnx"
        session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
        answers = session.run(None, {"numbers": x.astype(np.float64)})[0]
        found = of_bytes(path, *texts)
        return found if found != BROKEN or not np.allclose(answers, known, atol=1e-6) else "harmless"

    return [
        Subject("joblib.dump", lambda folder: _put(folder / "model.joblib", old),
                lambda folder: joblib.dump(shorter, folder / "model.joblib"), joblib_state,
                lambda folder: [folder / "model.joblib"]),
        Subject("onnx.save", lambda folder: _put(folder / "model.onnx", texts[0]),
                lambda folder: onnx.save(other, folder / "model.onnx"), onnx_state,
                lambda folder: [folder / "model.onnx"]),
    ]  # fmt: skip


def mlflow(models: Path) -> list[Subject]:
    """MLflow's directory, removed and saved again: it does not write over one."""
    import lightgbm
    import mlflow.lightgbm
    import numpy as np

    x = np.load(models / "rows.npy")[:50]
    boosters = [lightgbm.Booster(model_file=str(models / "model.txt")) for _ in range(2)]
    boosters[1] = boosters[1].refit(x, (x[:, 0] > 0).astype(int))
    answers = [booster.predict(x) for booster in boosters]

    def save(folder: Path, which: int) -> None:
        shutil.rmtree(folder / "model", ignore_errors=True)
        mlflow.lightgbm.save_model(boosters[which], str(folder / "model"), pip_requirements=["lightgbm"])

    def state(folder: Path) -> str:
        found = mlflow.lightgbm.load_model(str(folder / "model")).predict(x)
        equal = [np.array_equal(found, one) for one in answers]
        return OLD if equal[0] else NEW if equal[1] else BROKEN

    def files(folder: Path) -> list[Path]:
        return sorted(path for path in (folder / "model").rglob("*") if path.is_file())

    return [Subject("mlflow.save_model", lambda folder: save(folder, 0), lambda folder: save(folder, 1), state, files)]


GROUPS: dict[str, Callable[[Path], list[Subject]]] = {"ours": ours, "savers": savers, "mlflow": mlflow}
