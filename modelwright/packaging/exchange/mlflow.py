"""A package as an MLflow model directory, and back.

MLflow's own ONNX flavour serves it (`mlflow.onnx.load_model`, `mlflow models serve`): it sees the graph's inputs, so
categories are texts and numbers doubles. The package itself lies beside the graph, untouched, and comes back byte for
byte. Nothing in the directory is code of ours, and no pickle is written or read.
Reference: https://mlflow.org/docs/latest/ml/model/ (format of an MLmodel file).
"""

from __future__ import annotations

import hashlib
import json
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError

if TYPE_CHECKING:
    from modelwright_runtime.model import Model

MLMODEL = "MLmodel"
GRAPH = "model.onnx"
PACKAGE = "package.wright"
MAX_MLMODEL_BYTES = 2**20
UNSAFE_SUFFIXES = (".pkl", ".pickle", ".joblib", ".cloudpickle", ".skops", ".pt", ".pth", ".dill")
UNSAFE_FLAVOURS = ("sklearn", "lightgbm", "xgboost", "catboost", "pytorch", "tensorflow", "spark")


def write_mlflow(package: str | Path, folder: str | Path) -> Path:
    """Write an MLflow model directory at `folder`, which must be empty or absent; the folder.

    It holds `MLmodel` (flavours onnx and python_function, tensors as signature, our version and digest as metadata),
    `model.onnx`, `requirements.txt`, and the package as it is. The same package gives the same bytes.

    Raises what `load` raises, and `UserError("exchange.folder")` when something lies in `folder`.

    >>> import tempfile
    >>> from modelwright.testing.packages import tiny_package
    >>> with tempfile.TemporaryDirectory() as place:
    ...     made = write_mlflow(tiny_package(Path(place)).path, f"{place}/mlflow")
    ...     sorted(path.name for path in made.iterdir())
    ['MLmodel', 'model.onnx', 'package.wright', 'requirements.txt']
    """
    import yaml

    from modelwright.core.store import disk_faults, write_atomically
    from modelwright_runtime import load
    from modelwright_runtime.archive import read_archive

    model, place = load(package), Path(folder)
    graph = read_archive(package)[1][GRAPH]
    told = yaml.safe_dump(_mlmodel(model, graph), sort_keys=True, allow_unicode=True)
    with disk_faults(place):
        refuse_full(place)
        place.mkdir(parents=True, exist_ok=True)
        write_atomically(place / GRAPH, graph)
        write_atomically(place / PACKAGE, Path(package).read_bytes())
        write_atomically(place / "requirements.txt", _requirements(model).encode())
        write_atomically(place / MLMODEL, told.encode())  # last: without it the directory is no model
    return place


def refuse_full(folder: Path) -> None:
    """Raise `UserError("exchange.folder")` when something is there already."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError("exchange.folder", f"{folder} is not empty.", hint="name a folder that does not exist yet")


def _mlmodel(model: Model, graph: bytes) -> dict[str, Any]:
    import onnx

    proto = onnx.load_from_string(graph)
    digest = str(model.facts["digest"])
    return {
        "flavors": {
            "onnx": {
                "code": None, "data": GRAPH, "onnx_session_options": None, "onnx_version": onnx.__version__,
                "providers": ["CPUExecutionProvider"],
            },
            "python_function": {
                "data": GRAPH, "env": {"virtualenv": "requirements.txt"}, "loader_module": "mlflow.onnx",
                "python_version": model.facts["environment"].get("python", "3.12"),
            },
        },
        "metadata": {"modelwright": {"name": model.name, "package": PACKAGE, "sha256": digest,
                                     "graph_sha256": hashlib.sha256(graph).hexdigest()}},
        "mlflow_version": "3.0.0",
        "model_size_bytes": len(graph),
        "model_uuid": digest[:32],
        "signature": {
            "inputs": json.dumps([_tensor(item) for item in proto.graph.input]),
            "outputs": json.dumps([_tensor(item) for item in proto.graph.output]),
            "params": None,
        },
        "utc_time_created": "1980-01-01 00:00:00.000000",  # a date would change the bytes
    }  # fmt: skip


def _tensor(item: Any) -> dict[str, Any]:
    """A tensor as MLflow's signature tells it; -1 is the number of rows."""
    from onnx import TensorProto, helper

    kind = item.type.tensor_type
    name = "str" if kind.elem_type == TensorProto.STRING else helper.tensor_dtype_to_np_dtype(kind.elem_type).name
    shape = [axis.dim_value or -1 for axis in kind.shape.dim]
    return {"name": item.name, "type": "tensor", "tensor-spec": {"dtype": name, "shape": shape}}


def _requirements(model: Model) -> str:
    environment = model.facts["environment"]
    lines = ["mlflow>=3", *(f"{name}=={environment[name]}" for name in ("numpy", "onnx", "onnxruntime")
                            if name in environment), "pandas"]  # fmt: skip
    return "\n".join(lines) + "\n"


def read_mlflow(folder: str | Path, path: str | Path) -> Path:
    """The package that an MLflow model directory of ours carries, written to `path`; `path`.

    Nothing of the directory is run or unpickled: `MLmodel` is read as plain YAML, and the package is verified as at
    every load. Raises `UserError` `exchange.missing` when there is no MLmodel, `exchange.pickle` for flavours whose
    payload is a pickle, `exchange.package` when no package is inside or the graph beside it is another,
    `exchange.path` for links and paths that lead out of the folder.

    >>> import tempfile
    >>> from modelwright.testing.packages import tiny_package
    >>> with tempfile.TemporaryDirectory() as place:
    ...     given = tiny_package(Path(place)).path
    ...     back = read_mlflow(write_mlflow(given, f"{place}/mlflow"), f"{place}/back.wright")
    ...     back.read_bytes() == given.read_bytes()
    True
    """
    from modelwright.packaging.base import write_proved
    from modelwright_runtime.archive import read_archive

    place = Path(folder)
    told = _plain_mlmodel(place)
    ours = (told.get("metadata") or {}).get("modelwright") if isinstance(told.get("metadata"), dict) else None
    if not isinstance(ours, dict) or not isinstance(ours.get("package"), str):
        raise _no_package(place, told)
    data = plain_bytes(place, ours["package"])
    given = plain_bytes(place, GRAPH)
    with tempfile.TemporaryDirectory() as aside:
        copy = Path(aside) / PACKAGE
        copy.write_bytes(data)
        _, members, digest = read_archive(copy)
    if ours.get("sha256") != digest or members[GRAPH] != given:
        raise UserError(
            "exchange.package", f"the package in {place} and the graph beside it are not of one model.",
            hint="export the package again",
        )  # fmt: skip
    return write_proved(Path(path), data).path


def _plain_mlmodel(folder: Path) -> dict[str, Any]:
    import yaml

    text = plain_bytes(folder, MLMODEL, most_bytes=MAX_MLMODEL_BYTES)
    if b"&" in text or b"*" in text:
        raise UserError("exchange.missing", f"{folder / MLMODEL} uses YAML anchors, which MLflow does not write.")
    try:
        told = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError):
        told = None
    if not isinstance(told, dict) or not isinstance(told.get("flavors"), dict):
        raise UserError("exchange.missing", f"{folder / MLMODEL} is no MLmodel: it has no flavours.")
    return told


def plain_bytes(folder: Path, name: str, *, most_bytes: int = 2**31) -> bytes:
    """The bytes of a plain file right in `folder`.

    Raises `UserError` `exchange.path` for a name with parts, a link or what is no plain file, `exchange.missing` when
    it is not there, `exchange.size` when it is larger than `most_bytes`.
    """
    if not name or "/" in name or "\\" in name or name.startswith("."):
        raise UserError("exchange.path", f"{name[:100]!r} is no plain name of a file.")
    path = folder / name
    try:
        about = path.lstat()
    except (OSError, ValueError):
        raise UserError("exchange.missing", f"there is no {name} in {folder}.",
                        hint="give the directory of a model, as `wright export` writes it") from None  # fmt: skip
    if not stat.S_ISREG(about.st_mode):
        raise UserError("exchange.path", f"{path} is a link or no plain file; it is not followed.")
    if about.st_size > most_bytes:
        raise UserError("exchange.size", f"{path} has {about.st_size:,} bytes; at most {most_bytes:,} are read.")
    return path.read_bytes()


def _no_package(folder: Path, told: dict[str, Any]) -> UserError:
    pickles = [name for name in told["flavors"] if name in UNSAFE_FLAVOURS]
    if pickles:
        return UserError(
            "exchange.pickle", f"{folder} holds a model of {pickles[0]}, whose file can run code when it is opened.",
            hint="if you trust its maker: wright import --unsafe-pickle FILE --rows rows.csv --target COLUMN",
        )  # fmt: skip
    return UserError(
        "exchange.package", f"{folder} is an MLflow model, but no package of ours is inside.",
        hint="an ONNX graph alone does not say how cells are read: "
        "wright import model.onnx --rows rows.csv --target COLUMN",
    )  # fmt: skip
