"""The whole way: a messy CSV in, a package out that answers raw rows by every verb, reports, plans, and repeats."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from modelwright.cli import command
from modelwright.lifecycle import load_run, run
from modelwright.recipe import Recipe
from modelwright_runtime import load
from tests.runtime.conftest import start
from tests.unsupervised.tables import frame

TASKS = {
    "anomaly": {"anomaly": {"detectors": [{"isolation_forest": {"trees": 20}}, "ecod", "distance", "ellipse"]}},
    "clusters": "clusters",
    "embedding": {"embedding": {"n": 3}},
}
LABELS = {"anomaly": "odd", "clusters": "kind", "embedding": "kind"}
SPARE = {"anomaly": "kind", "clusters": "odd", "embedding": "odd"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shops")
    texts = frame().with_columns(sales=pl.col("sales").cast(pl.String) + " kr", card=pl.col("card").cast(pl.String))
    texts.write_csv(folder / "shops.csv", null_value="n/a")
    for name, task in TASKS.items():
        recipe = {
            "name": f"shops-{name}", "data": "shops.csv", "task": task, "split": {"folds": 3},
            "evaluate": {"labels": LABELS[name], "n_bootstrap": 60}, "clean": {"roles": {SPARE[name]: "ignored"}},
        }  # fmt: skip
        (folder / f"{name}.yaml").write_text(json.dumps(recipe))
    for name in TASKS:
        run(Recipe.from_yaml(folder / f"{name}.yaml"), store=folder / ".wright")
    return folder


def package(place: Path, name: str) -> Path:
    return place / ".wright" / "out" / f"shops-{name}" / f"shops-{name}.wright"


def wright(*arguments: str) -> int:
    return command([*arguments])


@pytest.mark.parametrize("name", list(TASKS))
def test_the_page_and_the_card_tell_of_it(place: Path, name: str) -> None:
    folder = package(place, name).parent
    page, card = (folder / "report.html").read_text(), (folder / "card.md").read_text()
    told = {
        "anomaly": "The oddest rows",
        "clusters": "What the groups are like",
        "embedding": "What the coordinates mean",
    }
    assert told[name] in page and "<svg" in page and "What it looks like" in page
    measured = {"anomaly": "ROC AUC", "clusters": "Adjusted Rand index", "embedding": "Neighbours of one label"}
    assert measured[name] in page and measured[name] in card
    assert not re.search(r"(src|href)=\"https?:", page)


@pytest.mark.parametrize("name", list(TASKS))
def test_raw_rows_are_answered_as_typed_ones(place: Path, name: str) -> None:
    model = load(package(place, name))
    assert model.facts["largest_difference"] < 1e-5
    assert LABELS[name] not in model.columns and SPARE[name] not in model.columns
    row = {"sales": "121 kr", "staff": "9", "rent": "n/a", "hours": 45, "town": "Oslo", "card": "true"}
    told = model.predict([row, {**row, "sales": "90000 kr", "town": "Nowhere"}])
    names = {"anomaly": ["is_anomaly", "score", "reasons"], "clusters": ["cluster", "probability"],
             "embedding": ["x1", "x2", "x3"]}  # fmt: skip
    assert told.names() == names[name]
    assert len(repr(told).splitlines()) >= 3 and len(told) == 2
    if name == "anomaly":
        usual, odd = told.rows()
        assert odd["is_anomaly"] and "sales" in odd["reasons"] and usual["score"] < odd["score"]
        assert not usual["is_anomaly"] and usual["reasons"] == []


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_predict_writes_every_kind_of_file(place: Path, ending: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name in TASKS:
        out = place / f"{name}.{ending}"
        assert wright("predict", str(package(place, name)), str(place / "shops.csv"), "-o", str(out)) == 0
        made = {"csv": pl.read_csv, "jsonl": pl.read_ndjson, "parquet": pl.read_parquet}[ending](out)
        assert made.height == frame().height
    capsys.readouterr()


def test_the_same_again_computes_nothing(place: Path) -> None:
    for name in TASKS:
        again = run(Recipe.from_yaml(place / f"{name}.yaml"), store=place / ".wright")
        assert all(stage.cached for stage in again.stages), name


def test_what_was_broken_off_goes_on_from_there(place: Path, tmp_path: Path) -> None:
    recipe = Recipe.from_yaml(place / "clusters.yaml")
    known = load(package(place, "clusters")).facts["digest"]

    def stop(event: Any) -> None:
        if event["stage"] == "unsupervised" and event["event"] == "progress":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(recipe, store=tmp_path / "store", watch=stop)
    record = run(recipe, store=tmp_path / "store")
    cached = {stage.stage: stage.cached for stage in record.stages}
    assert cached["cleaning/clean"] and cached["splitting/split"] and not cached["unsupervised/clusters"]
    assert load(record.facts["package"]).facts["digest"] == known


@pytest.mark.parametrize("name", ["anomaly", "clusters"])
def test_a_plan_can_be_run_in_its_place(place: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    written = place / f"plan-{name}.yaml"
    store = str(place / ".wright")
    assert wright("plan", str(place / f"{name}.yaml"), "--store", store, "--write", str(written)) == 0
    told = capsys.readouterr().out
    assert "there already" in told and "because" in told and "numbers" in told
    record = run(Recipe.from_yaml(written).but(name=f"again-{name}"), store=store)
    before = {stage.stage: stage.digest for stage in load_run_of(place, name).stages}
    after = {stage.stage: stage.digest for stage in record.stages}
    assert before[f"unsupervised/{name}"] == after[f"unsupervised/{name}"]


def load_run_of(place: Path, name: str) -> Any:
    from modelwright.core.store import Store

    return load_run(Store.open(place / ".wright"), f"shops-{name}")


def test_rows_are_answered_over_http(place: Path) -> None:
    server = start(*(str(package(place, name)) for name in TASKS))
    try:
        address = f"http://127.0.0.1:{server.port}"

        def ask(path: str, body: Any = None) -> Any:
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(address + path, data, {"content-type": "application/json"})
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.loads(answer.read())

        described = ask("/openapi.json")
        row = {"sales": "121 kr", "staff": 9, "rent": None, "hours": 45, "town": "Oslo", "card": "true"}
        for name in TASKS:
            path = f"/models/shops-{name}/predict"
            told = ask(path, {"rows": [row]})["predictions"][0]
            schema = described["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
            assert set(told) == set(schema["properties"]["predictions"]["items"]["required"])
            tensors = ask(f"/v2/models/shops-{name}")["outputs"]
            inputs = [{"name": column, "shape": [1], "datatype": "BYTES", "data": ["" if cell is None else str(cell)]}
                      for column, cell in row.items()]  # fmt: skip
            given = ask(f"/v2/models/shops-{name}/infer", {"inputs": inputs})["outputs"]
            assert {one["name"]: one["datatype"] for one in given} == {one["name"]: one["datatype"] for one in tensors}
        page = urllib.request.urlopen(address + "/", timeout=20).read().decode()
        assert "how odd a row is" in page and "clusters a row is in" in page
    finally:
        server.process.terminate()
        assert server.process.wait(timeout=15) == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--task", "anomalies"), "recipe.task"),
        (("--task", "anomaly", "--target", "kind"), "recipe.task"),
        (("--task", "{anomaly: {share: 2}}"), "spec.value"),
        (("--task", "{clusters: {method: dbscan}}"), "registry.name"),
        (("--target", "kind", "--evaluate.labels", "odd"), "recipe.task"),
        (("--task", "clusters", "--evaluate.labels", "none"), "schema.column"),
        ((), "cli.target"),
    ],
)
def test_what_does_not_go_together_is_said(
    place: Path, arguments: tuple[str, ...], code: str, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    store = str(place / ".wright")
    assert wright("run", str(place / "shops.csv"), *arguments, "--name", "bad", "--store", store) == 2
    told = capsys.readouterr().err
    assert f"[{code}]" in told and "Traceback" not in told


def test_a_recipe_says_what_is_to_be_learned(tmp_path: Path) -> None:
    from modelwright.core.errors import UserError

    with pytest.raises(UserError) as refused:
        Recipe.from_plain({"data": "rows.csv"})
    assert refused.value.code == "recipe.target"
    assert Recipe.from_plain({"data": "rows.csv", "task": "anomaly"}).task is not None


@pytest.mark.parametrize("name", list(TASKS))
def test_the_examples_ask_for_what_their_names_say(name: str) -> None:
    path = Path(__file__).resolve().parents[2] / "examples" / "tabular" / f"{name}.yaml"
    task = Recipe.from_yaml(path).task
    assert task is not None and task.method == name
