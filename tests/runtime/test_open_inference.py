"""The Open Inference Protocol over a real socket: with Triton's client, and with requests that are wrong."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelwright.testing.packages import raw_rows
from modelwright_runtime.model import load
from tests.runtime.conftest import Server

ROWS = [row for row in raw_rows(12) if row["age"] not in ("200",)]
COLUMNS = ("age", "price", "member", "city")
Infer = "/v2/models/binary/infer"


def post(server: Server, body: bytes, headers: dict[str, str] | None = None, path: str = Infer) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("POST", path, body, headers or {"content-type": "application/json"})
    response = connection.getresponse()
    told = response.read()
    connection.close()
    return response.status, json.loads(told)


def texts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"name": name, "shape": [len(rows)], "datatype": "BYTES", "data": [row[name] for row in rows]}
            for name in COLUMNS]  # fmt: skip


def test_tritons_client_works_unchanged(server: Server, packages: dict[str, Path]) -> None:
    triton = pytest.importorskip("tritonclient.http")
    client = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("binary")
    assert client.is_model_ready("binary", "1")
    assert not client.is_model_ready("nothing")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    told = client.get_model_metadata("binary")
    assert [tensor["name"] for tensor in told["inputs"]] == list(COLUMNS)
    for n_rows in (1, 7, 40):
        rows = (ROWS * 5)[:n_rows]
        expected = load(packages["binary"]).predict(rows)
        assert expected.probabilities is not None
        for binary in (True, False):
            inputs = []
            for name in COLUMNS:
                tensor = triton.InferInput(name, [n_rows], "BYTES")
                tensor.set_data_from_numpy(np.array([row[name] for row in rows], dtype=object), binary_data=binary)
                inputs.append(tensor)
            wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("prediction", "probabilities")]
            answer = client.infer("binary", inputs, outputs=wanted, request_id="mine")
            assert answer.get_response()["id"] == "mine"
            assert [value.decode() if isinstance(value, bytes) else value for value in answer.as_numpy("prediction")] \
                == expected.prediction.tolist()  # fmt: skip
            assert np.allclose(answer.as_numpy("probabilities"), expected.probabilities, atol=1e-6)
    with pytest.raises(pytest.importorskip("tritonclient.utils").InferenceServerException, match="missing"):
        client.infer("binary", inputs[:1])
    client.close()


def test_a_version_of_its_own_and_one_that_is_not_there(server: Server) -> None:
    body = json.dumps({"inputs": texts(ROWS[:1])}).encode()
    assert post(server, body, path="/v2/models/binary/versions/1/infer")[0] == 200
    assert post(server, body, path="/v2/models/binary/versions/2/infer")[0] == 404
    assert post(server, body, path="/v2/models/none/infer")[0] == 404


def tensor(**changed: Any) -> dict[str, Any]:
    """A request whose first tensor is changed; `None` leaves a key out."""
    first, *others = texts(ROWS[:2])
    first = {name: value for name, value in (first | changed).items() if value is not None}
    return {"inputs": [first, *others]}


WRONG: dict[str, Any] = {
    "no inputs": {}, "inputs is no list": {"inputs": {}}, "empty inputs": {"inputs": []},
    "an input is a number": {"inputs": [1]}, "no name": tensor(name=None), "an empty name": tensor(name=""),
    "a name that is a number": tensor(name=3), "a foreign name": tensor(name="x"), "no shape": tensor(shape=None),
    "a shape of texts": tensor(shape=["2"]), "a negative size": tensor(shape=[-2]),
    "a huge size": tensor(shape=[2**60]),
    "sizes that multiply to much": tensor(shape=[2**20, 2**20]), "an empty shape": tensor(shape=[]),
    "too many axes": tensor(shape=[1] * 9 + [2]), "a shape that is a truth": tensor(shape=[True]),
    "no datatype": tensor(datatype=None), "an unknown datatype": tensor(datatype="FP8"),
    "a datatype that is a list": tensor(datatype=["FP32"]), "no data": tensor(data=None),
    "data that is a text": tensor(data="ab"), "too few values": tensor(data=["1"]),
    "too many values": tensor(data=["1", "2", "3"]), "ragged data": tensor(shape=[2, 1], data=[["1"], []]),
    "numbers for BYTES": tensor(data=[1, 2]), "texts for FP64": tensor(datatype="FP64", data=["a", "b"]),
    "a float for INT32": tensor(datatype="INT32", data=[1.5, 2]), "beyond INT8": tensor(datatype="INT8", data=[1, 200]),
    "below UINT8": tensor(datatype="UINT8", data=[-1, 2]), "a truth for FP32": tensor(datatype="FP32", data=[True, 1]),
    "numbers for BOOL": tensor(datatype="BOOL", data=[0, 1]), "rows that differ": tensor(shape=[1], data=["1"]),
    "two values a row": tensor(shape=[2, 2], data=["1", "2", "3", "4"]),
    "twice the same": {"inputs": [texts(ROWS[:1])[0]] * 2}, "one is missing": {"inputs": texts(ROWS[:1])[:2]},
    "an id that is a number": {"id": 3, "inputs": texts(ROWS[:1])},
    "parameters that are a list": {"inputs": texts(ROWS[:1]), "parameters": []},
    "outputs that are a text": {"inputs": texts(ROWS[:1]), "outputs": "all"},
    "an output without a name": {"inputs": texts(ROWS[:1]), "outputs": [{}]},
    "an unknown output": {"inputs": texts(ROWS[:1]), "outputs": [{"name": "x"}]},
    "binary data that is not there": tensor(data=None, parameters={"binary_data_size": 8}),
    "binary data of a negative size": tensor(data=None, parameters={"binary_data_size": -1}),
    "both data and binary": tensor(parameters={"binary_data_size": 0}),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_malformed_tensors_are_refused_with_a_reason(server: Server, name: str) -> None:
    status, told = post(server, json.dumps(WRONG[name]).encode())
    assert status == 400, told
    assert told["error"]
    assert post(server, json.dumps({"inputs": texts(ROWS[:1])}).encode())[0] == 200


@pytest.mark.parametrize("length", ["x", "-1", "0", "999999", "9" * 40, "1e3", "٣"])
def test_a_wrong_length_of_the_json_part_is_refused(server: Server, length: str) -> None:
    headers = {"Inference-Header-Content-Length": length.encode(), "content-type": "application/octet-stream"}
    status, told = post(server, json.dumps(tensor()).encode(), headers)  # type: ignore[arg-type]
    assert (status, told["code"]) == (400, "request.tensor")


@pytest.mark.parametrize(
    "tail", [b"", b"\x01\x00\x00", b"\xff\xff\xff\xffab", b"\x01\x00\x00\x00a" * 3, b"\x01\x00\x00\x00\xff" * 2]
)
def test_broken_binary_texts_are_refused(server: Server, tail: bytes) -> None:
    head = json.dumps(tensor(data=None, parameters={"binary_data_size": len(tail)})).encode()
    headers = {"Inference-Header-Content-Length": str(len(head)), "content-type": "application/octet-stream"}
    status, told = post(server, head + tail, headers)
    assert (status, told["code"]) == (400, "request.tensor")
