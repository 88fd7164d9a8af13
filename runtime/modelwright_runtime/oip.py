"""The Open Inference Protocol v2: tensors in, tensors out, as KServe's and Triton's clients speak it.

A model takes one tensor for each of its columns, named as the column, of shape [n] or [n, 1] (series [n, steps]).
A model of numbers alone takes one tensor of shape [n, columns] as well, in the order of its columns. Files are BYTES.
It answers `prediction`, for classes `probabilities` [n, classes], for quantiles of a forecast `quantiles` [n, steps,
levels], and each column beside the prediction (`q05`, `low`, `high`, `set` as JSON) by its name.

Reference: https://github.com/kserve/open-inference-protocol (REST), and Triton's binary tensor data extension.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from modelwright_runtime.batching import Told
from modelwright_runtime.beside import schema_beside
from modelwright_runtime.http import Response
from modelwright_runtime.model import Model
from modelwright_runtime.predictions import Predictions
from modelwright_runtime.refusals import RequestError
from modelwright_runtime.unlabelled import KINDS, schema_of

_encode = msgspec.json.Encoder().encode
LENGTH_HEADER = b"inference-header-content-length"
OCTETS = "application/octet-stream"
DTYPES = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "i1", "INT16": "<i2",
    "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
DATATYPES = (*DTYPES, "BYTES")
_WHOLE = frozenset({int, type(None)})
_ALLOWED = {name: frozenset({int, float, type(None)}) if name.startswith("FP") else _WHOLE for name in DTYPES} | {
    "BOOL": frozenset({bool, type(None)}),
    "BYTES": frozenset({str, type(None)}),
}
"""What JSON may hold for a tensor of each type."""
FEW = 8  # rows that join the others of a batch one by one
_OBJECT, _F4, _F8 = np.dtype(object), np.dtype("<f4"), np.dtype("<f8")
_NONE: dict[str, Any] = {}
SERVER = {"name": "modelwright", "extensions": ["binary_tensor_data"]}


@dataclass(frozen=True, slots=True)
class Infer:
    """A request: rows as the model takes them (dicts, a table or a matrix), and how the answer is wanted."""

    id: str
    rows: Any
    n_rows: int
    wanted: tuple[tuple[str, bool], ...]
    """Names of outputs, and whether each is wanted in binary; empty for all."""
    binary: bool


def read_infer(body: bytes, header_length: bytes | None, model: Model, *, max_rows: int) -> Infer:
    """Check a request and make rows of its tensors. Raises `RequestError` 400 or 413."""
    head, tail = _parts(body, header_length)
    plain = _object(head)
    inputs = plain.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise _wrong("`inputs` must be a list of tensors")
    tensors: dict[str, tuple[tuple[int, ...], Any]] = {}
    most = max_rows * max(1, len(model.columns))
    for tensor in inputs:
        name, shape, values, used = _tensor(tensor, tail, most)
        if name in tensors:
            raise _wrong(f"the input {name[:100]!r} is there twice")
        tensors[name] = shape, values
        tail = tail[used:]
    if tail:
        raise _wrong(f"{len(tail):,} bytes follow the last binary tensor")
    rows, n_rows = _rows(tensors, model, max_rows)
    request_id = plain.get("id", "")
    if not isinstance(request_id, str) or len(request_id) > 200:
        raise _wrong("`id` must be a text of at most 200 characters")
    parameters = _parameters(plain)
    binary = parameters.get("binary_data_output") is True
    return Infer(request_id, rows, n_rows, _wanted(plain, binary), binary)


def _parts(body: bytes, header_length: bytes | None) -> tuple[bytes, memoryview]:
    if header_length is None:
        return body, memoryview(b"")
    if not header_length.isdigit() or len(header_length) > 12 or not 0 < int(header_length) <= len(body):
        raise _wrong(f"Inference-Header-Content-Length must be 1 to {len(body):,}, the length of the JSON part")
    length = int(header_length)
    return body[:length], memoryview(body)[length:]


def _object(head: bytes) -> dict[str, Any]:
    try:
        plain = msgspec.json.decode(head)
    except RecursionError:
        raise _wrong("the body is nested too deeply") from None
    except msgspec.ValidationError:
        raise _wrong("a number is beyond a 64-bit float") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise _wrong(f"the body is no JSON: {problem}" if head.strip() else "the body is empty") from None
    if not isinstance(plain, dict):
        raise _wrong("the body must be an object")
    return plain


def _parameters(plain: Mapping[str, Any]) -> Mapping[str, Any]:
    parameters = plain.get("parameters", _NONE)
    if not isinstance(parameters, dict):
        raise _wrong("`parameters` must be an object")
    return parameters


def _wanted(plain: Mapping[str, Any], binary: bool) -> tuple[tuple[str, bool], ...]:  # noqa: FBT001
    outputs = plain.get("outputs", [])
    if not isinstance(outputs, list):
        raise _wrong("`outputs` must be a list")
    wanted = []
    for output in outputs:
        name = output.get("name") if isinstance(output, dict) else None
        if not isinstance(name, str):
            raise _wrong("each of `outputs` must be an object with a `name`")
        wanted.append((name, bool(_parameters(output).get("binary_data", binary))))
    return tuple(wanted)


def _tensor(tensor: Any, tail: memoryview, most: int) -> tuple[str, tuple[int, ...], Any, int]:
    """A tensor's name, shape, flat values, and how many bytes of the binary part it took."""
    if not isinstance(tensor, dict):
        raise _wrong("each of `inputs` must be an object")
    name, shape, datatype = tensor.get("name"), tensor.get("shape"), tensor.get("datatype")
    if not isinstance(name, str) or not name:
        raise _wrong("each input needs a `name`")
    shown = name[:100]
    if datatype not in DATATYPES:
        raise _wrong(f"the datatype of {shown!r} must be one of {', '.join(DATATYPES)}")
    sizes = shape if isinstance(shape, list) and 1 <= len(shape) <= 8 else []
    if not sizes or set(map(type, sizes)) != {int} or not 0 <= min(sizes) <= max(sizes) <= 2**40:
        raise _wrong(f"the shape of {shown!r} must be a list of 1 to 8 sizes")
    n_values = math.prod(sizes)
    size_bytes = _parameters(tensor).get("binary_data_size")
    if size_bytes is not None:
        if "data" in tensor:
            raise _wrong(f"{shown!r} has both `data` and `binary_data_size`")
        if type(size_bytes) is not int or not 0 <= size_bytes <= len(tail):
            raise _wrong(f"the binary part has {len(tail):,} bytes for {shown!r}, which is not its binary_data_size")
        return name, tuple(sizes), _binary(tail[:size_bytes], datatype, n_values, shown), size_bytes
    if n_values > most * 1000:
        raise _wrong(f"the shape of {shown!r} says {n_values:,} values")
    values = _flat(tensor.get("data"), len(sizes), shown)
    if len(values) != n_values:
        raise _wrong(f"{shown!r} has {len(values):,} values, its shape says {n_values:,}")
    _check_types(values, datatype, shown)
    return name, tuple(sizes), values, 0


def _binary(data: memoryview, datatype: str, n_values: int, shown: str) -> Any:
    if datatype == "BYTES":
        return _texts(data, n_values, shown)
    dtype = np.dtype(DTYPES[datatype])
    if len(data) != n_values * dtype.itemsize:
        raise _wrong(f"{shown!r} has {len(data):,} bytes, its shape says {n_values * dtype.itemsize:,}")
    return np.frombuffer(data, dtype)


def _texts(data: memoryview, n_values: int, shown: str) -> list[bytes]:
    """Each value with its length, 4 bytes, before it."""
    found, at = [], 0
    while at < len(data):
        if at + 4 > len(data):
            raise _wrong(f"{shown!r} ends within a length")
        (length,) = struct.unpack_from("<I", data, at)
        at += 4
        if at + length > len(data):
            raise _wrong(f"{shown!r} ends within a value")
        found.append(bytes(data[at : at + length]))
        at += length
    if len(found) != n_values:
        raise _wrong(f"{shown!r} has {len(found):,} values, its shape says {n_values:,}")
    return found


def _flat(data: Any, depth: int, shown: str) -> list[Any]:
    """Values as one list: flat already, or nested as the shape."""
    if not isinstance(data, list):
        raise _wrong(f"{shown!r} has no list `data`")
    for _ in range(depth - 1):
        if not data or not isinstance(data[0], list):
            break
        if not all(isinstance(part, list) for part in data) or len({len(part) for part in data}) > 1:
            raise _wrong(f"the `data` of {shown!r} is ragged")
        data = [value for part in data for value in part]
    flat: list[Any] = data
    return flat


def _check_types(values: list[Any], datatype: str, shown: str) -> None:
    kinds, allowed = set(map(type, values)), _ALLOWED[datatype]
    if not kinds <= allowed:
        odd = next(iter(kinds - allowed)).__name__
        raise _wrong(f"{shown!r} is {datatype}; among its data there is a {odd}")
    if allowed is _WHOLE and values:
        bits, signed = int(datatype.lstrip("UINT")), datatype.startswith("I")
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        if any(value is not None and not low <= value <= high for value in values):
            raise _wrong(f"{shown!r} is {datatype}; among its data there is a number beyond it")


def _rows(tensors: dict[str, tuple[tuple[int, ...], Any]], model: Model, max_rows: int) -> tuple[Any, int]:
    columns = model.columns
    whole = model.plain_numbers and len(tensors) == 1 and not (len(columns) == 1 and columns[0] in tensors)
    if whole:
        return _matrix(*next(iter(tensors.values())), model, max_rows)
    missing = [name for name in columns if name not in tensors]
    unknown = [name for name in tensors if name not in columns]
    if missing or unknown:
        told = f"the input {missing[0]!r} is missing" if missing else f"the model takes no input {unknown[0][:100]!r}"
        raise _wrong(told, f"one tensor for each column: {', '.join(columns[:40])}")
    n_rows = next(iter(tensors.values()))[0][0]
    _check_count(n_rows, max_rows)
    table = {}
    for name in columns:
        shape, values = tensors[name]
        if shape[0] != n_rows:
            raise _wrong(f"{name!r} has {shape[0]:,} rows, {columns[0]!r} has {n_rows:,}")
        table[name] = _column(values, shape, name, model)
    if n_rows > FEW or model.signature.arrays:
        return table, n_rows
    listed = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in table.items()}
    return [{name: listed[name][row] for name in columns} for row in range(n_rows)], n_rows


def _matrix(shape: tuple[int, ...], values: Any, model: Model, max_rows: int) -> tuple[Any, int]:
    width = len(model.columns)
    if shape[-1] != width or len(shape) > 2:
        raise _wrong(
            f"the input has the shape {list(shape)}; the model takes [n, {width}]",
            f"columns in this order: {', '.join(model.columns[:40])}",
        )
    n_rows = shape[0] if len(shape) == 2 else 1
    _check_count(n_rows, max_rows)
    if not isinstance(values, np.ndarray):
        if str in set(map(type, values)):
            raise _wrong("the model takes numbers")
        if n_rows <= FEW:
            parts = (values[start : start + width] for start in range(0, n_rows * width, width))
            return [dict(zip(model.columns, part, strict=True)) for part in parts], n_rows
        values = np.array(values, dtype=np.float64)
    elif n_rows <= FEW and values.dtype.kind in "fiu":
        cells = values.astype(np.float64).reshape(n_rows, width).tolist()
        return [dict(zip(model.columns, part, strict=True)) for part in cells], n_rows
    return values.astype(np.float64).reshape(n_rows, width), n_rows


def _check_count(n_rows: int, max_rows: int) -> None:
    if n_rows > max_rows:
        raise RequestError(
            413, "request.rows", f"there are {n_rows:,} rows; at most {max_rows:,} are taken at once.",
            "send the rows in several requests",
        )  # fmt: skip


def _column(values: Any, shape: tuple[int, ...], name: str, model: Model) -> Any:
    """The cells of one column, one per row."""
    kind = model.kinds[name]
    if kind == "series":
        steps = math.prod(shape[1:])
        listed = values.tolist() if isinstance(values, np.ndarray) else values
        return [listed[start : start + steps] for start in range(0, shape[0] * steps, steps)]
    if math.prod(shape[1:]) != 1:
        raise _wrong(f"{name!r} has the shape {list(shape)}; it takes one value a row, [n] or [n, 1]")
    if isinstance(values, list) and values and isinstance(values[0], bytes) and kind not in ("image", "audio"):
        try:
            return [value.decode() for value in values]
        except UnicodeDecodeError:
            raise _wrong(f"{name!r} holds bytes that are no UTF-8") from None
    return values


def outputs(
    told: Predictions, start: int, n_rows: int, wanted: Collection[str] = ()
) -> list[tuple[str, str, np.ndarray | list[Any]]]:
    """Name, datatype and values of each output that is wanted (of all, where none is named), for `n_rows` from `start`
    on."""
    found: list[tuple[str, str, Any]] = []
    for one in (told, *told.more):
        first = f"{one.target}_" if told.more else ""
        own = one.named or (("prediction", one.prediction), *one.beside)
        for name, values in (*own, ("probabilities", one.probabilities), ("quantiles", one.quantiles)):
            if values is None or (wanted and first + name not in wanted):
                continue
            part = values[start : start + n_rows]
            if part.dtype == _OBJECT:
                texts = part.tolist()
                if not one.classes or {str} != set(map(type, texts)):
                    texts = [value if isinstance(value, str) else _encode(value).decode() for value in texts]
                found.append((first + name, "BYTES", texts))
            elif part.dtype == bool:
                found.append((first + name, "BOOL", np.ascontiguousarray(part)))
            elif name == "probabilities":
                found.append((first + name, "FP32", np.ascontiguousarray(part, dtype=_F4)))
            else:
                found.append((first + name, "FP64", np.ascontiguousarray(part, dtype=_F8)))
    return found


def write_infer(told: Told, asked: Infer) -> Response:
    """The answer, in JSON or with binary tensors behind it."""
    wanted = dict(asked.wanted)
    made = outputs(told.answered, told.start, told.n_rows, wanted)
    if wanted and len(made) < len(wanted):
        known = sorted(name for name, _, _ in outputs(told.answered, 0, 0))
        unknown = next(name for name in wanted if name not in known)
        raise _wrong(f"the model has no output {unknown[:100]!r}", f"it has {', '.join(known)}")
    listed: list[dict[str, Any]] = []
    tail: list[bytes] = []
    for name, datatype, values in made:
        shape = [len(values)] if isinstance(values, list) else list(values.shape)
        tensor: dict[str, Any] = {"name": name, "datatype": datatype, "shape": shape}
        if wanted.get(name, asked.binary):
            data = _packed(values)
            tensor["parameters"] = {"binary_data_size": len(data)}
            tail.append(data)
        else:
            tensor["data"] = values if isinstance(values, list) else values.ravel().tolist()
        listed.append(tensor)
    body: dict[str, Any] = {
        "model_name": told.arm.name, "model_version": str(told.arm.version), "id": told.id, "outputs": listed,
    }  # fmt: skip
    if told.warnings:
        body["parameters"] = {"warnings": "; ".join(map(str, told.warnings[:20]))}
    head = _encode(body)
    if not tail:
        return Response(200, head)
    return Response(200, b"".join((head, *tail)), OCTETS, (("Inference-Header-Content-Length", str(len(head))),))


def _packed(values: np.ndarray | Sequence[Any]) -> bytes:
    """The bytes of a tensor; of texts each with its length before it, classes packed once each."""
    if isinstance(values, np.ndarray):
        return values.tobytes()
    packed = {}
    for value in set(values):
        part = value.encode()
        packed[value] = struct.pack("<I", len(part)) + part
    return b"".join(map(packed.__getitem__, values))


def metadata(name: str, versions: Sequence[int], model: Model) -> dict[str, Any]:
    """A model's tensors, as the protocol tells them."""
    types = {"number": "FP64", "series": "FP64"}
    inputs = []
    for column in model.columns:
        kind = model.kinds[column]
        shape = [-1, -1] if kind == "series" else [-1]
        inputs.append({"name": column, "datatype": types.get(kind, "BYTES"), "shape": shape})
    made = []
    for task in (model.signature.task, *model.signature.more_tasks):
        first = f"{task.target}_" if model.signature.more_tasks else ""
        if task.kind in KINDS:
            made += [{"name": f"{first}{told}", "datatype": _datatype(one), "shape": [-1]}
                     for told, one in schema_of(task).items()]  # fmt: skip
            if task.kind == "clusters":
                made.append({"name": f"{first}probabilities", "datatype": "FP32", "shape": [-1, len(task.classes)]})
            continue
        numbers = task.kind in ("regression", "forecast")
        shape = [-1, task.horizon] if task.kind == "forecast" else [-1]
        made.append({"name": f"{first}prediction", "datatype": "FP64" if numbers else "BYTES", "shape": shape})
        if task.is_classification or task.kind == "multilabel":
            made.append({"name": f"{first}probabilities", "datatype": "FP32", "shape": [-1, len(task.classes)]})
        made += [{"name": f"{first}{name}", "datatype": _datatype(one), "shape": [-1]}
                 for name, one in schema_beside(task).items()]  # fmt: skip
        if task.quantiles and task.horizon:
            shape = [-1, task.horizon, len(task.quantiles)]
            made.append({"name": f"{first}quantiles", "datatype": "FP64", "shape": shape})
    return {"name": name, "versions": [str(version) for version in versions], "platform": "modelwright_onnx",
            "inputs": inputs, "outputs": made}  # fmt: skip


def _datatype(schema: Mapping[str, Any]) -> str:
    """The protocol's name for what a column of answers holds."""
    return {"number": "FP64", "boolean": "BOOL"}.get(str(schema["type"]), "BYTES")


def _wrong(message: str, hint: str = "see the Open Inference Protocol v2") -> RequestError:
    return RequestError(400, "request.tensor", f"{message}.", hint)
