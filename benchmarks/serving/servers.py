"""The servers that are compared: how each is started, and what it is asked."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.common import ROOT
from benchmarks.serving import model
from benchmarks.serving.load import Running, serving

HERE = Path(__file__).resolve().parent
PEERS = ROOT / "benchmarks" / ".peers"
MODELS = PEERS / "serving-models"
TOKEN = "a-token-of-32-letters-for-a-test"
OWN = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
JSON = {"Content-Type": "application/json"}
NEEDED: dict[str, tuple[str, ...]] = {
    "fastapi": ("fastapi", "uvicorn[standard]", "onnxruntime", "numpy"),
    "mlserver": ("mlserver", "mlserver-lightgbm"),
    "mlflow": ("mlflow", "lightgbm", "onnx", "onnxruntime", "scikit-learn"),
    "bentoml": ("bentoml", "onnxruntime", "numpy"),
    "litserve": ("litserve", "onnxruntime", "numpy"),
}


@dataclass(frozen=True)
class Server:
    """A server of the same model. `one` and `many` are bodies of 1 and of 1,000 rows; `form` makes a body of rows as
    JSON text, so that bad rows can be asked as well."""

    name: str
    command: Sequence[str]
    path: str
    one: bytes
    many: bytes
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None

    @contextlib.contextmanager
    def running(self, port: int) -> Iterator[Running]:
        """The server, once it has answered."""
        command = [part.replace("{port}", str(port)) for part in self.command]
        environment = {name: value.replace("{port}", str(port)) for name, value in self.environment.items()}
        with serving(
            command, port=port, probe=(self.path, self.one, self.headers), environment=environment, folder=self.folder
        ) as running:
            yield running


def rows() -> np.ndarray:
    """The 1,000 rows that are asked, float32 (1000, 28)."""
    if not (MODELS / "rows.npy").exists():
        model.make(MODELS)
    found: np.ndarray = np.load(MODELS / "rows.npy")
    return found


def named(x: np.ndarray) -> bytes:
    """Rows as our friendly interface takes them."""
    return json.dumps({"rows": [dict(zip(model.COLUMNS, row, strict=True)) for row in x.tolist()]}).encode()


def tensor(x: np.ndarray) -> bytes:
    """Rows as the Open Inference Protocol takes them."""
    data = x.ravel().tolist()
    return json.dumps({"inputs": [{"name": "x", "shape": list(x.shape), "datatype": "FP32", "data": data}]}).encode()


def binary(x: np.ndarray) -> tuple[bytes, dict[str, str]]:
    """Rows as a binary tensor, and the headers that say so; the answer is asked for in binary too."""
    data = np.ascontiguousarray(x, dtype="<f4").tobytes()
    head = json.dumps({
        "inputs": [{"name": "x", "shape": list(x.shape), "datatype": "FP32",
                    "parameters": {"binary_data_size": len(data)}}],
        "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}],
    }).encode()  # fmt: skip
    headers = {**OWN, "Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    return head + data, headers


def deployed(folder: Path, names: Sequence[str] = ("higgs",)) -> Path:
    """A deployment folder with these packages; the first is the champion, and everything is logged."""
    from modelwright_runtime.deployment import add_package, added, change

    place = folder / "higgs"
    for name in names:
        digest = add_package(place, MODELS / f"{name}.wright")
        change(place, lambda state, digest=digest: added(state, digest), name="higgs")  # type: ignore[misc]
    return place


def ours(deployment: Path, *, tensors: bool = False) -> Server:
    """Ours with validation, token, metrics and prediction log."""
    x = rows()
    form, path = (tensor, "/v2/models/higgs/infer") if tensors else (named, "/predict")
    return Server(
        "ours, Open Inference Protocol" if tensors else "ours, rows by name",
        [sys.executable, "-m", "modelwright_runtime", "serve", str(deployment), "--port", "{port}"],
        path, form(x[:1]), form(x), headers=OWN, environment={"WRIGHT_TOKEN": TOKEN},
    )  # fmt: skip


def environment(name: str) -> Path:
    """The folder of a peer's environment; it is made where there is none."""
    place = PEERS / f"serving-{name}"
    if not (place / "bin" / "python").exists():
        venv.create(place, with_pip=True)
        subprocess.run(
            [place / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *NEEDED[name]],
            check=True,
        )
    return place


def versions(name: str) -> str:
    """What is installed there, in a few words."""
    listed = [need.partition("[")[0] for need in NEEDED[name]]
    code = "import sys, importlib.metadata as m; print(', '.join(f'{n} {m.version(n)}' for n in sys.argv[1:]))"
    done = subprocess.run(
        [environment(name) / "bin" / "python", "-c", code, *listed], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def peers(work: Path) -> list[Server]:
    """The five peers; MLflow in its two flavours."""
    x = rows()
    plain, model_file = _rows(x[:1]), {"MODEL": str(MODELS / "model.onnx")}
    many, code = _rows(x), HERE / "peers"
    run = {name: environment(name) / "bin" for name in NEEDED}
    _mlserver(work / "mlserver")
    subprocess.run(
        [run["mlflow"] / "python", code / "save_mlflow.py", MODELS, work / "mlflow"], check=True, capture_output=True
    )
    found = [
        Server("FastAPI + Pydantic",
               [str(run["fastapi"] / "uvicorn"), "with_fastapi:app", "--port", "{port}"],
               "/predict", plain, many, environment=model_file, folder=code),
        Server("MLServer", [str(run["mlserver"] / "mlserver"), "start", str(work / "mlserver")],
               "/v2/models/higgs/infer", tensor(x[:1]), tensor(x), environment={"MLSERVER_HTTP_PORT": "{port}"}),
        Server("BentoML", [str(run["bentoml"] / "bentoml"), "serve", "with_bentoml:Higgs", "--port", "{port}"],
               "/predict", plain, many, environment=model_file, folder=code),
        Server("LitServe", [str(run["litserve"] / "python"), "with_litserve.py", "{port}"],
               "/predict", plain, many, environment=model_file, folder=code),
    ]  # fmt: skip
    for flavour in ("onnx", "lightgbm"):
        command = [str(run["mlflow"] / "mlflow"), "models", "serve", "-m", str(work / "mlflow" / flavour),
                   "--env-manager", "local", "-p", "{port}"]  # fmt: skip
        path = f"{run['mlflow']}:{os.environ['PATH']}"
        found.append(Server(f"mlflow models serve, {flavour}", command, "/invocations", _rows(x[:1], "inputs"),
                            _rows(x, "inputs"), environment={"PATH": path}))  # fmt: skip
    return found


def _rows(x: np.ndarray, name: str = "rows") -> bytes:
    return json.dumps({name: x.tolist()}).encode()


def _mlserver(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"name": "higgs", "implementation": "mlserver_lightgbm.LightGBMModel",
                "parameters": {"uri": str(MODELS / "model.txt")}}  # fmt: skip
    (folder / "model-settings.json").write_text(json.dumps(settings))
    (folder / "settings.json").write_text(
        json.dumps({"parallel_workers": 0, "grpc_port": 18_199, "metrics_port": 18_198})
    )


@contextlib.contextmanager
def work_folder() -> Iterator[Path]:
    """A folder that goes when the work is done."""
    with tempfile.TemporaryDirectory(prefix="serving-") as name:
        yield Path(name)
