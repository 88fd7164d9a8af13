"""The labelling server as clients meet it: who may do what, two people at one row, kill -9, odd requests, odd files."""

from __future__ import annotations

import http.client
import io
import json
import random
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl
import pytest

import modelwright as mw
from modelwright.labelling import LabelSpec, Person, create, open_project, token_of
from modelwright.labelling.people import read_team
from modelwright.labelling.store import Project
from tests.labelling.kinds import picture, project_of, served


class Client:
    """One person with one connection."""

    def __init__(self, address: str, token: str) -> None:
        self.port, self.token = int(re.findall(r":(\d+)", address)[-1]), token
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(self, path: str, plain: Any = None, *, raw: bytes | None = None) -> tuple[int, Any, dict[str, str]]:
        body = raw if raw is not None else None if plain is None else json.dumps(plain).encode()
        self.connection.request(
            "GET" if body is None else "POST", path, body, {"authorization": f"Bearer {self.token}"}
        )
        response = self.connection.getresponse()
        data = response.read()
        head = {name.lower(): value for name, value in response.getheaders()}
        return response.status, json.loads(data) if "json" in head["content-type"] else data, head


def clients(project: Project, **roles: str) -> list[Client]:
    people = [Person(name, role) for name, role in roles.items()]  # type: ignore[arg-type]
    address = served(project, *people)
    return [Client(address, token_of(project, person)) for person in people]


def test_everybody_may_what_their_role_says(tmp_path: Path) -> None:
    project = project_of("text", tmp_path, overlap=2)
    ann, rev, own = clients(project, ann="annotator", rev="reviewer", own="owner")
    stranger = Client(f":{ann.port}", "x" * 43)
    for path in ("/api/project", "/api/progress", "/api/export"):
        assert stranger.ask(path)[0] == 401
    assert stranger.ask("/api/label", {"row": 0, "value": "cat", "key": "12345678"})[0] == 401
    assert [one.ask("/api/progress")[0] for one in (ann, rev, own)] == [200, 200, 200]
    assert [one.ask("/api/people")[0] for one in (ann, rev, own)] == [422, 200, 200]
    assert [one.ask("/api/export?format=csv")[0] for one in (ann, rev, own)] == [422, 422, 200]
    for client, value in ((ann, "cat"), (rev, "dog")):
        assert client.ask("/api/label", {"row": 3, "value": value, "key": "12345678"})[0] == 200
    (case,) = rev.ask("/api/differing")[1]["rows"]
    assert {one["person"]: one["value"] for one in case["answers"]} == {"ann": "cat", "rev": "dog"}
    verdict = {"row": 3, "value": "dog", "key": "verdict-1"}
    assert ann.ask("/api/verdict", verdict)[0] == 422
    assert rev.ask("/api/verdict", verdict)[0] == 200
    assert own.ask("/api/differing")[1]["rows"] == []
    assert b'3,"3","dog",1.0,"rev\'s verdict"' in own.ask("/api/export?format=csv")[1]


def test_the_page_needs_no_token_and_has_a_strict_policy(tmp_path: Path) -> None:
    project = project_of("text", tmp_path)
    (ann,) = clients(project, ann="annotator")
    ann.token = "none"
    for path in ("/", "/app.js", "/label.css"):
        status, _, head = ann.ask(path)
        policy = head["content-security-policy"]
        assert status == 200 and "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
        assert head["x-content-type-options"] == "nosniff" and head["referrer-policy"] == "no-referrer"
    assert ann.ask("/../store.py")[0] == 401
    assert ann.ask("/base.py")[0] == 401


@pytest.mark.parametrize(
    ("path", "raw", "status"),
    [
        ("/api/label", b"", 422), ("/api/label", b"[]", 400), ("/api/label", b"{" * 100_000, 400),
        ("/api/label", b"\xff\xfe", 400), ("/api/label", b'{"row": 1e999, "value": "cat", "key": "12345678"}', 422),
        ("/api/label", b'{"row": -1, "value": "cat", "key": "12345678"}', 422),
        ("/api/label", b'{"row": 99999999999999999999, "value": "cat", "key": "12345678"}', 422),
        ("/api/label", b'{"row": 1, "value": "cat", "key": "short"}', 422),
        ("/api/label", b'{"row": 1, "value": {"a": 1}, "key": "12345678"}', 422),
        ("/api/label", b'{"row": 1, "value": NaN, "key": "12345678"}', 422),
        ("/api/label", b'{"row": 1, "value": "\\ud800", "key": "12345678"}', 422),
        ("/api/next", b'{"n": 1000000}', 422), ("/api/next", b'{"n": 1, "has": "all"}', 422),
        ("/api/undo", b'{"row": 1, "key": "12345678"}', 422), ("/api/nothing", b"{}", 404),
    ],
)  # fmt: skip
def test_odd_requests_are_refused_and_change_nothing(
    one: tuple[Project, Client], path: str, raw: bytes, status: int
) -> None:
    project, ann = one
    found, told, _ = ann.ask(path, raw=raw)
    assert found == status and set(told) == {"error", "code", "hint"}
    assert project.labels.execute("SELECT count(*) FROM answers").fetchone() == (0,)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Client]:
    project = project_of("text", tmp_path_factory.mktemp("odd"))
    return project, clients(project, ann="annotator")[0]


def test_a_refused_answer_takes_no_other_along(tmp_path: Path) -> None:
    """Answers of one turn share a transaction: one that is refused leaves the others kept."""
    project = project_of("text", tmp_path, 40)
    people = clients(project, **{f"p{number}": "annotator" for number in range(8)})

    def label(number: int) -> int:
        plain = {"row": number, "value": "cat" if number % 4 else "no class", "key": f"answer-{number}"}
        return people[number % 8].ask("/api/label", plain)[0]

    with ThreadPoolExecutor(8) as pool:
        for start in range(0, 40, 8):
            assert list(pool.map(label, range(start, start + 8))) == [422, 200, 200, 200] * 2
    assert project.labels.execute("SELECT count(*) FROM current").fetchone() == (30,)


def test_two_people_at_one_row(tmp_path: Path) -> None:
    """Ten people pull at once: no row goes to two; two who label one row all the same are both heard."""
    project = project_of("text", tmp_path, 100)
    people = clients(project, **{f"p{number}": "annotator" for number in range(10)})
    with ThreadPoolExecutor(10) as pool:
        given = list(
            pool.map(lambda one: [task["row"] for task in one.ask("/api/next", {"n": 10})[1]["tasks"]], people)
        )
    rows = [row for part in given for row in part]
    assert len(rows) == len(set(rows)) == 100
    row = given[0][0]
    for client, value in ((people[0], "cat"), (people[1], "dog")):
        assert client.ask("/api/label", {"row": row, "value": value, "key": "answer-1"})[0] == 200
    assert project.labels.execute("SELECT count(*) FROM current WHERE row = ?", (row,)).fetchone() == (2,)
    people[2].ask("/api/leave", {})
    assert len(people[3].ask("/api/next", {"n": 20, "has": given[3]})[1]["tasks"]) == 10


def test_kill_9_loses_no_label_and_doubles_none(tmp_path: Path) -> None:
    """At random moments while two people label: what was acknowledged is there, and sent again it is kept once."""
    texts = pl.DataFrame({"text": [f"the text of row number {row}" for row in range(200)]})
    create(mw.Dataset.from_frame(texts), LabelSpec(kind="text", classes=("a", "b")), store=tmp_path, name="k").close()
    (tmp_path / "team.yaml").write_text("ann: annotator\nbo: annotator\n")
    acknowledged: dict[str, tuple[int, str]] = {}
    sent: dict[str, tuple[int, str]] = {}
    chance = random.Random(0)
    for turn in range(3):
        command = [sys.executable, "-m", "modelwright", "label", "k", "--store", str(tmp_path), "--team",
                   str(tmp_path / "team.yaml"), "--json"]  # fmt: skip
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        opened = json.loads(server.stdout.readline())["people"]

        def label(address: str, person: str, turn: int = turn) -> None:
            where, _, token = address.partition("/#")
            client = Client(where, unquote(token))
            try:
                for key, (row, value) in [item for item in sent.items() if item[0].startswith(person)]:
                    if (
                        key not in acknowledged
                        and client.ask("/api/label", {"row": row, "value": value, "key": key})[0] == 200
                    ):
                        acknowledged[key] = (row, value)
                while tasks := client.ask("/api/next", {"n": 1})[1]["tasks"]:
                    row = tasks[0]["row"]
                    key = f"{person}-turn-{turn}-{row}"
                    sent[key] = (row, "ab"[row % 2])
                    if client.ask("/api/label", {"row": row, "value": "ab"[row % 2], "key": key})[0] == 200:
                        acknowledged[key] = sent[key]
            except (OSError, http.client.HTTPException):
                return

        threads = [threading.Thread(target=label, args=(one["address"], one["person"])) for one in opened]
        for thread in threads:
            thread.start()
        time.sleep(chance.uniform(0.05, 0.3) if turn < 2 else 0.0)
        if turn < 2:
            server.send_signal(signal.SIGKILL)
        for thread in threads:
            thread.join(60)
        server.kill()
        server.wait()
    project = open_project(tmp_path, "k")
    kept = {key.partition(":")[2]: (row, json.loads(value)) for key, row, value in project.labels.execute(
        "SELECT key, row, value FROM answers WHERE what = 'label'")}  # fmt: skip
    assert acknowledged == kept == sent
    assert project.labels.execute("SELECT count(*), count(DISTINCT row) FROM current").fetchone() == (200, 200)


def _png_header(width: int, height: int) -> bytes:
    """A PNG whose header promises a size that its data does not have."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def test_odd_pictures_are_refused_by_name(tmp_path: Path) -> None:
    from PIL import Image

    with io.BytesIO() as made:
        Image.new("RGB", (40, 30)).save(made, format="TIFF")
        tiff = made.getvalue()
    svg = b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x "&#60;script&#62;">]><svg xmlns="http://www.w3.org/2000/svg">&x;</svg>'
    pictures = [
        picture(),
        tiff,
        svg,
        _png_header(50_000, 50_000),
        b"",
        b"\x89PNG\r\n\x1a\nbroken",
        b"<html>",
        _png_header(9_000, 9_000),
    ]
    names = ["ok.png", "t.tif", "<script>.svg", "huge.png", "empty.png", "broken.png", "page.png", "large.png"]
    data = mw.Dataset.from_frame(pl.DataFrame({"file": names, "image": pictures}))
    project = create(data, LabelSpec(kind="image", classes=("a",), order="given"), store=tmp_path, name="odd")
    (ann,) = clients(project, ann="annotator")
    for row, data_ in enumerate(pictures[:2]):
        status, body, head = ann.ask(f"/api/media?row={row}&place=0")
        assert (status, head["content-type"]) == (200, "image/png")
        assert body == data_ or body.startswith(b"\x89PNG")
    for row in range(2, len(pictures)):
        status, told, _ = ann.ask(f"/api/media?row={row}&place=0")
        assert (status, told["code"]) == (422, "labelling.media"), names[row]
    assert ann.ask("/api/media?row=0&place=99")[0] == ann.ask("/api/media?row=x")[0] == 422


def test_shapes_must_lie_within_their_picture(tmp_path: Path) -> None:
    project = project_of("masks", tmp_path)
    (ann,) = clients(project, ann="annotator")
    wrong = [
        [{"points": [[0, 0], [1e9, 0], [0, 1e9]], "label": "cat"}],
        [{"counts": [1], "size": [99999, 99999], "label": "cat"}],
        [{"counts": [10], "size": [2, 5], "label": "cat"}], [{"points": [[0, 0], [1, 1]], "label": "cat"}], "cat", [[]],
        [{"counts": [-5, 10], "size": [1, 5], "label": "cat"}],
        [{"points": [["a", 0], [1, 1], [2, 2]], "label": "cat"}],
    ]  # fmt: skip
    for number, value in enumerate(wrong):
        status, told, _ = ann.ask("/api/label", {"row": 0, "value": value, "key": f"answer-{number}"})
        assert (status, told["code"]) == (422, "labelling.value"), value
    right = [
        {"points": [[0, 0], [30.5, 0], [9, 99]], "label": "cat"},
        {"counts": [100, 76700], "size": [240, 320], "label": "dog"},
    ]
    assert ann.ask("/api/label", {"row": 0, "value": right, "key": "answer-right"})[0] == 200


def test_a_team_is_read_and_odd_ones_are_told(tmp_path: Path) -> None:
    from modelwright.core.errors import UserError

    file = tmp_path / "team.yaml"
    file.write_text("ada: owner\nben: annotator\n")
    assert [(one.name, one.role) for one in read_team(file)] == [("ada", "owner"), ("ben", "annotator")]
    file.write_text("- ada\n- {name: ben, role: reviewer}\n")
    assert [one.role for one in read_team(file)] == ["annotator", "reviewer"]
    for text in ("ada: king", "- ada\n- ada", "", "{", "- {nom: ada}", '- "a\\nb"', f"- {'x' * 200}"):
        file.write_text(text)
        with pytest.raises(UserError) as told:
            read_team(file)
        assert told.value.code in ("labelling.team", "labelling.person")
