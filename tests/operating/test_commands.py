"""The commands as a user types them, against a served process of its own."""

from __future__ import annotations

import csv
import http.client
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from modelwright.core.errors import UserError
from modelwright.core.store import Store
from modelwright.lifecycle import run
from modelwright.operating import deploy
from modelwright.operating.commands import set_log
from modelwright.recipe import Recipe
from tests.operating.conftest import shop_rows


def wright(*arguments: str, folder: Path, code: int = 0) -> str:
    """Run a command; what it said, on both streams."""
    command = [sys.executable, "-m", "modelwright", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def home(shop: tuple[Recipe, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(shop[1], folder / ".wright")
    return folder


class Asked:
    """A server of `wright serve`, and what it is asked."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "modelwright", *arguments, "--port", "0", "--json"]
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "address" in (event := json.loads(line)):
                self.port = int(re.findall(r":(\d+)", event["address"])[-1])
                return
        raise AssertionError("it does not serve")

    def post(self, path: str, plain: Any) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("POST", path, json.dumps(plain), {"content-type": "application/json"})
        response = connection.getresponse()
        told = json.loads(response.read())
        connection.close()
        assert response.status == 200, told
        return told

    def ask(self, rows: pl.DataFrame) -> tuple[list[str], int]:
        """The ids of the answers, and the version that gave them."""
        told = self.post("/predict", {"rows": rows.drop("buys").to_dicts()})
        time.sleep(0.6)  # the log is written four times a second
        return [f"{told['id']}.{index}" for index in range(rows.height)], told["version"]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=60) == 0


@pytest.fixture(scope="module")
def served(home: Path) -> Iterator[Asked]:
    server = Asked(home, "serve", "shop")
    yield server
    server.stop()


def truths(home: Path, ids: list[str], values: list[str]) -> str:
    with (home / "truth.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "truth"])
        writer.writerows(zip(ids, values, strict=True))
    return "truth.csv"


def test_the_whole_story_by_hand(home: Path, served: Asked) -> None:
    rows = shop_rows(900, seed=40, turned=True)
    ids, version = served.ask(rows)
    assert version == 1
    assert "No change beyond chance" in wright("monitor", "shop", "--all", folder=home)
    told = wright("feedback", "shop", truths(home, ids, rows["buys"].to_list()), folder=home)
    assert "900 truths kept; 900 of them belong to predictions" in told
    assert "retrain" in wright("monitor", "shop", "--all", folder=home)
    assert "version 2 of shop is made" in wright("retrain", "shop", folder=home)
    assert "challenger (shadow)" in wright("status", "shop", folder=home)
    assert "answers now" in wright("promote", "shop", folder=home)
    time.sleep(1.2)
    assert served.ask(shop_rows(60, seed=41))[1] == 2, "from the next look on, without a restart"
    assert "version 1 of shop answers now" in wright("rollback", "shop", "--why", "a test", folder=home)
    time.sleep(1.2)
    assert served.ask(shop_rows(60, seed=42))[1] == 1
    assert "canary, 50%" in wright("challenge", "shop", "2", "--canary", "50%", folder=home)
    time.sleep(1.2)
    seen = {served.post("/predict", shop_rows(1, seed=seed).drop("buys").to_dicts())["version"] for seed in range(40)}
    assert seen == {1, 2}
    assert "no challenger runs" in wright("challenge", "shop", "--stop", folder=home)
    plain = json.loads(wright("status", "shop", "--json", folder=home))
    kinds = [one["kind"] for one in plain["decisions"]]
    assert sorted(kinds[:3]) == ["add", "deploy", "retrain"]
    assert kinds[3:] == ["promote", "roll back", "challenge", "challenge"]
    assert plain["decisions"][4]["words"] == "a test"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("status", "none"), "nothing is served under the name 'none'"),
        (("serve", "none"), "there is no package 'none'"),
        (("promote", "shop", "--version", "9"), "has no version 9"),
        (("challenge", "shop", "2", "--canary", "200%"), "a share lies between 0 and 1"),
        (("challenge", "shop"), "which version is to challenge"),
        (("monitor", "shop", "--every", "soon"), "a span of time is written as"),
        (("feedback", "shop", "nothing.csv"), "nothing.csv"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(home: Path, served: Asked, arguments: tuple[str, ...], said: str) -> None:
    told = wright(*arguments, folder=home, code=2)
    assert said in told
    assert "Traceback" not in told


def test_up_watch_serves_and_looks_after(tmp_path: Path) -> None:
    """`wright up --watch`: the supervisor in a process of its own decides while the server answers."""
    shop_rows(1200, seed=0).write_csv(tmp_path / "shop.csv")
    (tmp_path / "recipe.yaml").write_text(
        "name: shop\ndata: shop.csv\ntarget: buys\n"
        "train: {models: [{boosting: {rounds: 60, leaves: 16}}]}\n"
        "monitor: {every: 1s, keep_watch: 1s, false_alarms: 1 per 2min}\n"
    )
    server = Asked(tmp_path, "up", "recipe.yaml", "--watch")
    decided: list[str] = []
    end = time.time() + 150
    seed = 60
    while time.time() < end and "promote" not in decided:
        rows = shop_rows(400, seed=seed, turned=True)
        ids, _ = server.ask(rows)
        labels = [{"id": one, "truth": y} for one, y in zip(ids, rows["buys"], strict=True)]
        server.post("/feedback", {"rows": labels})
        decided = [one["kind"] for one in json.loads(wright("status", "shop", "--json", folder=tmp_path))["decisions"]]
        seed += 1
    server.stop()
    assert "retrain" in decided
    assert "promote" in decided


def test_what_is_kept_of_the_rows_is_said_in_the_recipe(shop: tuple[Recipe, Path], tmp_path: Path) -> None:
    recipe, _ = shop
    monitor = recipe.monitor.but(log=recipe.monitor.log.but(leave_out=("a",), hash=("colour",)))
    store = Store.open(tmp_path / ".wright")
    run(recipe.but(name="quiet", monitor=monitor), store=store)
    place = deploy(store, "quiet")
    set_log(place)
    kept = place.state().log
    assert (kept.leave_out, kept.hash, kept.share) == (("a",), ("colour",), 1.0)
    set_log(place, keep=False)
    assert place.state().log.share == 0.0


def test_a_column_that_is_misspelt_is_not_kept_by_mistake(shop: tuple[Recipe, Path], tmp_path: Path) -> None:
    recipe, _ = shop
    store = Store.open(tmp_path / ".wright")
    run(recipe.but(name="typo", monitor={"log": {"leave_out": ["color"]}}), store=store)
    with pytest.raises(UserError, match="did you mean `colour`"):
        set_log(deploy(store, "typo"))
