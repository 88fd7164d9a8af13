"""Deployments: their state on disk, hot swaps under load, canary and shadow, and the prediction log."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelwright.testing.packages import raw_rows, tiny_package
from modelwright_runtime import deployment as deployments
from modelwright_runtime.batching import Batcher, Job, Told
from modelwright_runtime.deployment import Deployment, LogSettings, added, challenged, change, promoted, rolled_back
from modelwright_runtime.errors import SystemFault, UserError
from modelwright_runtime.http import Response
from modelwright_runtime.records import SegmentWriter, asked, truths
from modelwright_runtime.routing import open_route, retire
from tests.runtime.conftest import Server, start


def deployed(folder: Path, packages: list[Path]) -> Deployment:
    """A deployment folder with these packages; the first is the champion."""
    digests = [deployments.add_package(folder, package) for package in packages]

    def all_added(state: Deployment) -> Deployment:
        for digest in digests:
            state = added(state, digest)
        return state

    return change(folder, all_added, name="tiny")


def _made(folder: Path, packages: list[Path]) -> Path:
    deployed(folder, packages)
    return folder


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two versions of one model whose answers differ: another class order would, here another kind of task."""
    folder = tmp_path_factory.mktemp("versions")
    return [tiny_package(folder / kind, kind, name="tiny").path for kind in ("binary", "multiclass")]


GOOD = raw_rows(1)[0]


def ask(port: int, path: str, rows: Any, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", path, json.dumps(rows), {"content-type": "application/json", **(headers or {})})
    response = connection.getresponse()
    told = json.loads(response.read())
    connection.close()
    return response.status, told


def get(port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path)
    body = connection.getresponse().read()
    connection.close()
    return body


def stopped(server: Server) -> None:
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=30) == 0


def test_the_state_survives_and_says_no(tmp_path: Path, two: list[Path]) -> None:
    state = deployed(tmp_path, two)
    assert (state.champion, len(state.versions)) == (1, 2)
    assert deployed(tmp_path, two) == state  # nothing is added twice, the revision stays
    state = change(tmp_path, lambda now: challenged(now, 2, mode="canary", share=0.2))
    assert state.challenger is not None
    assert state.challenger.share == 0.2
    assert change(tmp_path, lambda now: promoted(now, 2)).challenger is None
    assert change(tmp_path, rolled_back).champion == 1
    for wrong in (lambda now: promoted(now, 9), lambda now: challenged(now, 1), rolled_back,
                  lambda now: challenged(now, 2, mode="canary", share=20)):  # fmt: skip
        with pytest.raises(UserError):
            change(tmp_path, wrong)
    with pytest.raises(UserError, match="holds no deployment"):
        deployments.read(tmp_path / "none")


def test_one_flipped_bit_in_the_state_is_noticed(tmp_path: Path, two: list[Path]) -> None:
    deployed(tmp_path, two)
    data = (tmp_path / deployments.STATE).read_bytes()
    for place in range(0, len(data), max(1, len(data) // 256)):
        flipped = bytearray(data)
        flipped[place] ^= 1 << (place % 8)
        with pytest.raises(SystemFault, match="not as it was written"):
            deployments.parsed(bytes(flipped), "there")


def test_processes_change_the_state_one_after_the_other(tmp_path: Path, two: list[Path]) -> None:
    """Four processes promote and roll back: each change counts once, none is lost."""
    first = deployed(tmp_path, two)
    script = (
        "import sys; from pathlib import Path\n"
        "from modelwright_runtime.deployment import change, promoted\n"
        "for _ in range(25):\n"
        "    change(Path(sys.argv[1]), lambda s: promoted(s, 3 - s.champion))\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path)]) for _ in range(4)]
    assert [process.wait(timeout=60) for process in running] == [0] * 4
    assert deployments.read(tmp_path).revision == first.revision + 100


def test_swaps_under_load_fail_nobody_and_mix_nothing(tmp_path: Path, two: list[Path]) -> None:
    deployed(tmp_path, two)
    server = start(str(tmp_path))
    answers: list[tuple[int, int, str]] = []
    done = threading.Event()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        while not done.is_set():
            connection.request("POST", "/predict", json.dumps([GOOD]), {"content-type": "application/json"})
            response = connection.getresponse()
            told = json.loads(response.read())
            classes = ",".join(sorted(name for name in told["predictions"][0] if name != "prediction"))
            answers.append((response.status, told["version"], classes))
        connection.close()

    clients = [threading.Thread(target=client) for _ in range(4)]
    for thread in clients:
        thread.start()
    for _ in range(8):
        time.sleep(0.45)
        change(tmp_path, lambda now: promoted(now, 3 - now.champion))
    time.sleep(0.5)
    done.set()
    for thread in clients:
        thread.join()
    counts = Counter(answers)
    assert {status for status, _, _ in counts} == {200}
    assert {version for _, version, _ in counts} == {1, 2}
    assert len(counts) == 2, "a version answered with the classes of the other"
    stopped(server)
    kept, problems = asked(tmp_path / "log")
    assert not problems
    assert len(kept) == len(answers)
    assert Counter(one.version for one in kept) == Counter(version for _, version, _ in answers)


def test_canary_shadow_and_a_b(tmp_path: Path, two: list[Path]) -> None:
    deployed(tmp_path, two)
    change(tmp_path, lambda now: challenged(now, 2, mode="canary", share=0.3))
    server = start(str(tmp_path))
    versions = Counter(ask(server.port, "/predict", [GOOD])[1]["version"] for _ in range(200))
    assert 30 <= versions[2] <= 95
    assert ask(server.port, "/models/tiny/versions/2/predict", [GOOD])[1]["version"] == 2
    assert ask(server.port, "/models/tiny/versions/7/predict", [GOOD])[0] == 404

    change(tmp_path, lambda now: challenged(now, 2, mode="ab", share=0.5))
    wait_for_revision(server.port, 3)
    by_key = {key: {ask(server.port, "/predict", [GOOD], {"x-wright-key": key})[1]["version"] for _ in range(5)}
              for key in map(str, range(20))}  # fmt: skip
    assert all(len(seen) == 1 for seen in by_key.values()), "the same caller is answered by the same version"
    assert {version for seen in by_key.values() for version in seen} == {1, 2}

    change(tmp_path, lambda now: challenged(now, 2, mode="shadow"))
    wait_for_revision(server.port, 4)
    ids = [ask(server.port, "/predict", [GOOD])[1]["id"] for _ in range(20)]
    assert b'model_infer_rows_total{model="tiny",version="2",role="challenger"}' in get(server.port, "/metrics")
    stopped(server)
    kept, _ = asked(tmp_path / "log")
    for request_id in ids:
        roles = {one.role: one.version for one in kept if one.id == request_id}
        assert roles == {"champion": 1, "challenger": 2}


def wait_for_revision(port: int, revision: int) -> None:
    for _ in range(200):
        if json.loads(get(port, "/status"))["models"][0]["revision"] == revision:
            return
        time.sleep(0.05)
    raise AssertionError("the server does not follow its deployment")


def test_feedback_joins_by_id_and_columns_are_left_out_or_hashed(tmp_path: Path, two: list[Path]) -> None:
    deployed(tmp_path, two)
    change(tmp_path, lambda now: replace(now, log=LogSettings(leave_out=("age",), hash=("city",))))
    server = start(str(tmp_path))
    told = ask(server.port, "/predict", [GOOD, GOOD])[1]
    status, kept = ask(server.port, "/feedback", [{"id": f"{told['id']}.1", "truth": "yes"}])
    assert (status, kept) == (200, {"kept": 1})
    assert ask(server.port, "/feedback", [{"id": 3}])[0] == 422
    assert ask(server.port, "/feedback", {"rows": [{"id": "x"}]})[0] == 422
    stopped(server)
    found, _ = truths(tmp_path / "labels")
    assert found[f"{told['id']}.1"][0] == "yes"
    (one,), _ = asked(tmp_path / "log")
    assert "age" not in one.rows[0]
    assert one.rows[0]["city"] != GOOD["city"]
    assert len(one.rows[0]["city"]) == 32
    assert one.rows[0] == one.rows[1]


def test_a_kill_loses_at_most_the_last_second(tmp_path: Path, two: list[Path]) -> None:
    deployed(tmp_path, two)
    server = start(str(tmp_path))
    ids = []
    end = time.time() + 3.0
    while time.time() < end:
        ids.append((time.time(), ask(server.port, "/predict", [GOOD])[1]["id"]))
    os.kill(server.process.pid, signal.SIGKILL)
    killed = time.time()
    server.process.wait()
    kept, problems = asked(tmp_path / "log")
    assert not problems
    there = {one.id for one in kept}
    assert not [request_id for moment, request_id in ids if moment < killed - 1.0 and request_id not in there]


def test_workers_share_the_port_and_the_counts(tmp_path: Path, two: list[Path]) -> None:
    deployed(tmp_path, two)
    process = subprocess.Popen(
        [sys.executable, "-m", "modelwright_runtime", "serve", str(tmp_path), "--workers", "2", "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    port = int(process.stdout.readline().split("127.0.0.1:")[1].split()[0])
    for _ in range(100):
        try:
            assert ask(port, "/predict", [GOOD])[0] == 200
        except ConnectionRefusedError:
            time.sleep(0.05)
    n_asked = 60
    for _ in range(n_asked):
        assert ask(port, "/predict", [GOOD])[0] == 200
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) == 2
    os.kill(int(children[0]), signal.SIGKILL)
    time.sleep(2.5)
    assert len(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()) == 2
    assert ask(port, "/predict", [GOOD])[0] == 200
    process.terminate()
    assert process.wait(timeout=30) == 0
    kept, problems = asked(tmp_path / "log")
    assert not problems
    assert len(kept) >= n_asked // 2


def test_requests_that_are_answered_together_keep_their_own_warnings(tmp_path: Path, two: list[Path]) -> None:
    """More odd rows at once than warnings are kept: nobody loses theirs to the others of the batch."""
    route = open_route(_made(tmp_path, two))
    strange = [GOOD | {"city": "Atlantis"}] * 60
    told: list[list[str]] = []

    def write(one: Told) -> Response:
        told.append([str(note) for note in one.warnings])
        return Response(200, b"")

    async def turn() -> None:
        batcher = Batcher(lambda problem: Response(500, repr(problem).encode()))
        for number in range(4):
            job = Job(str(number), route, route.champion, strange, 60, write, lambda _: Response(500, b""), 0.0)
            batcher.add(job, lambda _: None)
        await asyncio.sleep(0.05)

    asyncio.run(turn())
    retire(route, None)
    assert [len(warnings) for warnings in told] == [60] * 4


def test_a_sample_of_the_log_is_not_the_canarys_share(tmp_path: Path, two: list[Path]) -> None:
    deployed(tmp_path, two)
    change(tmp_path, lambda now: replace(now, log=LogSettings(share=0.3)))
    change(tmp_path, lambda now: challenged(now, 2, mode="canary", share=0.3))
    server = start(str(tmp_path))
    for _ in range(300):
        assert ask(server.port, "/predict", [GOOD])[0] == 200
    stopped(server)
    kept, _ = asked(tmp_path / "log")
    assert 50 <= len(kept) <= 140
    share = sum(one.version == 2 for one in kept) / len(kept)
    assert 0.1 <= share <= 0.55, "the rows kept are those of both arms, as they were asked"


def test_only_the_newest_segments_of_a_long_log_are_read(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path / "log", segment_bytes=400)
    for number in range(40):
        rows = [{"age": float(number)}] * 5
        writer.append([[str(number), float(number), 1, "champion", 0.0, ["age"], [[row["age"]] for row in rows], {}]])
    writer.close()
    assert len(list((tmp_path / "log").glob("*.seg"))) > 5
    whole, _ = asked(tmp_path / "log")
    newest, problems = asked(tmp_path / "log", most_rows=20)
    assert not problems
    assert [one.id for one in whole] == [str(number) for number in range(40)]
    assert 4 <= len(newest) < 20
    assert [one.id for one in newest] == [one.id for one in whole][-len(newest) :]
