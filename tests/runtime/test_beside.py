"""What is told beside an answer: the package, rows, tables, CSV, OpenAPI, the Open Inference Protocol; the cheapest."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.packaging import package
from modelwright.testing.packages import CLASSES, raw_rows, tiny_graph, tiny_signature, tiny_training
from modelwright.training.answering.afterwards import graft
from modelwright.training.answering.costs import threshold_of
from modelwright_runtime.beside import Sets, cheapest, members
from modelwright_runtime.errors import SystemFault
from modelwright_runtime.model import Model
from modelwright_runtime.oip import metadata
from modelwright_runtime.pages import openapi
from modelwright_runtime.predictions import decide
from modelwright_runtime.signature import Signature
from tests.runtime.conftest import Server, start
from tests.runtime.test_server import ask

COSTS = ((0.0, 1.0, 9.0), (2.0, 0.0, 1.0), (4.0, 1.0, 0.0))
PRICED = replace(
    tiny_signature("multiclass"),
    task=replace(tiny_signature("multiclass").task, costs=COSTS, coverage=0.9, sets=Sets(method="lac", limit=0.3)),
)
ENDS = replace(
    tiny_signature("regression"),
    task=replace(tiny_signature("regression").task, quantiles=(0.1,), columns=("q10", "low", "high"), coverage=0.8),
)


def with_ends() -> bytes:
    """The graph of values with three numbers beside them: the value, one less, one more."""

    def write(tail: Any, answer: str) -> None:
        column = tail.tensor(tail.node("Reshape", answer, tail.constant([-1, 1], "int64")))
        tail.output("values", answer, "float64", (None,))
        told = tail.node("Concat", column.name, (column - 1.0).name, (column + 1.0).name, axis=1)
        tail.output("beside_0", told, "float64", (None, 3))

    return graft(tiny_graph("regression"), write)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=3, max_size=3),
    st.lists(st.tuples(*[st.integers(1, 20)] * 3), min_size=1, max_size=8),
)
def test_the_cheapest_answer_is_that_of_brute_force(costs: list[list[int]], parts: list[tuple[int, int, int]]) -> None:
    shares = np.array(parts) / np.sum(parts, axis=1, keepdims=True)
    matrix = tuple(tuple(map(float, row)) for row in costs)
    expected = [[sum(p * matrix[k][j] for k, p in enumerate(row)) for j in range(3)] for row in shares]
    for said, row in zip(cheapest(shares, matrix), expected, strict=True):
        assert row[said] <= min(row) + 1e-9


@settings(max_examples=60, deadline=None)
@given(st.floats(0.1, 9), st.floats(0.1, 9), st.floats(0, 0.05), st.floats(0, 1))
def test_of_two_classes_a_threshold_says_the_cheaper(false_yes: float, false_no: float, right: float, p: float) -> None:
    matrix = ((right, false_yes), (false_no, right))
    expected = np.array([1 - p, p]) @ np.array(matrix)
    says_yes = p >= threshold_of(matrix)
    assert expected[int(says_yes)] <= expected.min() + 1e-9


def test_a_model_says_what_is_expected_to_cost_least() -> None:
    model, rows = Model(tiny_graph("multiclass"), PRICED), raw_rows(60)
    told = model.predict(rows)
    shares = model.answers(rows)[0]
    due = [CLASSES["multiclass"][k] for k in cheapest(shares, COSTS)]
    assert told.prediction.tolist() == due == decide(shares, PRICED).tolist()
    assert due != [CLASSES["multiclass"][k] for k in shares.argmax(axis=1)], "costs change some answers"
    for own, row, said in zip(told.beside[0][1], shares, members(shares, PRICED.task.sets), strict=True):
        assert own[0] == CLASSES["multiclass"][row.argmax()], "the likeliest is first, and always there"
        assert set(own) == {name for name, there in zip(CLASSES["multiclass"], said, strict=True) if there}


@pytest.mark.parametrize("method", ["lac", "aps"])
@pytest.mark.parametrize("limit", [0.0, 0.2, 0.6, 1.0])
def test_sets_are_never_empty_and_follow_the_order_of_the_probabilities(method: Any, limit: float) -> None:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(5), 200)
    inside = members(shares, Sets(method=method, limit=limit))
    assert inside.any(axis=1).all()
    least_in = np.where(inside, shares, 2).min(axis=1)
    assert (np.where(~inside, shares, -1).max(axis=1) <= least_in).all(), (
        "a class left out is no likelier than one in it"
    )


def test_signatures_survive_the_package_and_older_ones_say_nothing_of_it() -> None:
    for signature in (PRICED, ENDS, replace(PRICED, more_tasks=(ENDS.task,), more_thresholds=(0.3,))):
        assert Signature.from_plain(json.loads(json.dumps(signature.to_plain()))) == signature
    plain = tiny_signature().to_plain()
    assert not {"costs", "columns", "coverage", "sets"} & set(plain["task"]) and "more_thresholds" not in plain
    assert replace(PRICED, more_tasks=(ENDS.task,)).threshold_at(1) == 0.5
    for broken in ({"costs": [[0, 1]]}, {"sets": {"method": "none", "limit": 0.1}}):
        with pytest.raises(ValueError, match=r"costs need|no method of sets"):
            Signature.from_plain({**PRICED.to_plain(), "task": {**PRICED.to_plain()["task"], **broken}})


def test_numbers_beside_a_value_are_columns_of_rows_and_tables() -> None:
    model = Model(with_ends(), ENDS)
    told = model.predict(raw_rows(5))
    assert told.names() == ["prediction", "q10", "low", "high"]
    for row in told.rows():
        assert (row["q10"], row["low"], row["high"]) == pytest.approx(
            (row["prediction"], row["prediction"] - 1, row["prediction"] + 1)
        )
    assert len(model.predict([])) == 0 and model.predict([]).names() == told.names()
    with pytest.raises(SystemFault, match="1 answers where 2 were due"):
        Model(tiny_graph("regression"), ENDS).predict(raw_rows(1))


def test_protocols_describe_what_is_beside() -> None:
    for graph, signature, names in ((tiny_graph("multiclass"), PRICED, {"set"}), (with_ends(), ENDS, {"low", "q10"})):
        model = Model(graph, signature)
        described = openapi([model])["paths"]["/predict"]["post"]["responses"]["200"]["content"]["application/json"]
        properties = described["schema"]["properties"]["predictions"]["items"]["properties"]
        assert names <= set(properties)
        assert names <= {one["name"] for one in metadata("m", [1], model)["outputs"]}
        assert set(model.predict(raw_rows(1)).rows()[0]) == set(properties)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("beside")
    paths: list[Path] = []
    for kind, graph, signature in (
        ("multiclass", tiny_graph("multiclass"), PRICED), ("regression", with_ends(), ENDS),
    ):  # fmt: skip
        trained, cleaned = tiny_training(kind)  # type: ignore[arg-type]
        trained = replace(trained, graph=graph, signature=signature)
        made = package(trained, cleaned, path=folder / f"{kind}.wright", name=kind)
        assert made.largest_difference < 1e-6
        paths.append(made.path)
    running = start(*map(str, paths))
    yield running
    running.process.terminate()
    assert running.process.wait(timeout=15) == 0


def test_a_server_tells_it_as_json_and_as_csv(server: Server) -> None:
    rows = raw_rows(3)
    for name, graph, signature in (
        ("multiclass", tiny_graph("multiclass"), PRICED), ("regression", with_ends(), ENDS),
    ):  # fmt: skip
        due = Model(graph, signature).predict(rows).rows()
        for n in (1, 3):
            status, body, _ = ask(server, "POST", f"/models/{name}/predict", json.dumps({"rows": rows[:n]}).encode())
            assert status == 200
            for got, wanted in zip(body["predictions"], due[:n], strict=True):
                assert got == pytest.approx(wanted) if name == "regression" else got["set"] == wanted["set"]
        status, table, _ = ask(
            server, "POST", f"/models/{name}/predict", json.dumps({"rows": rows}).encode(),
            {"content-type": "application/json", "accept": "text/csv"},
        )  # fmt: skip
        lines = list(csv.DictReader(io.StringIO(table.decode())))
        assert set(due[0]) | {"id"} == set(lines[0])
        if name == "multiclass":
            assert [json.loads(line["set"]) for line in lines] == [row["set"] for row in due]


def test_a_server_tells_it_as_tensors(server: Server) -> None:
    row = raw_rows(1)[0]
    inputs = [
        {"name": name, "datatype": "BYTES", "shape": [1], "data": [cell]} for name, cell in row.items()
    ]  # fmt: skip
    status, body, _ = ask(server, "POST", "/v2/models/regression/infer", json.dumps({"inputs": inputs}).encode())
    assert status == 200, body
    told = {one["name"]: one["data"][0] for one in body["outputs"]}
    assert told["high"] == pytest.approx(told["prediction"] + 1)
    status, body, _ = ask(server, "POST", "/v2/models/multiclass/infer", json.dumps({"inputs": inputs}).encode())
    (own,) = (one for one in body["outputs"] if one["name"] == "set")
    assert isinstance(json.loads(own["data"][0]), list)
