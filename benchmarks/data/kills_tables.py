"""kill -9 at 100 random moments of cleaning a table, of taking all back, and of a labelling server at work."""

from __future__ import annotations

import http.client
import itertools
import json
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.data.killing import N_KILLS, N_MEASURED, Tally, Wright, moments
from benchmarks.data.kills import measured
from modelwright.cleaning import keeping
from modelwright.core.store import Store
from modelwright.labelling import LabelSpec, Person, create, open_project, token_of
from tests.collection.servers import free_port

ABOUT_CLEANING = """

Half of the kills hit `wright clean table.csv` in a fresh folder, half `--undo all` and `--redo all` in turn; moments
are spread evenly over the length of each (told: that of cleaning). After a kill the source must have its bytes, the
mended table must be absent or byte for byte that of one state, and the log must be absent or readable, with as many
changes in force as a state has: what is not so counts as doubled. Then the command is given again, and after cleaning
everything is taken back; tables that are not byte for byte what they are without a kill count as lost. `Half-done
work`: the log was written already, the table not yet.
"""
ABOUT_LABELLING = """

Six annotators label 20,000 rows over HTTP without a pause, and send again what was not answered; `wright label` is
killed at moments spread evenly over its first 0.8 seconds of answering, and begun anew. Lost: acknowledged answers that
are not in the database in the end. Doubled: answers that are there twice, and rows that two people were given.
"""
CITIES = ("springfield", "dothan", "boaz", "florence", "sheffield", "opp", "luverne", "gadsden", "foley", "cullman")
N_ROWS, N_LABELLED, N_PEOPLE, SERVED_S = 400, 20_000, 6, 0.8
LONGEST_S = 120.0


# Cleaning ---------------------------------------------------------------------------------------------------------


def damaged_table(path: Path) -> None:
    """Cities with their states and codes, and slips in some of them."""
    draw, lines = random.Random(3), ["id,city,state,code,score"]
    for row in range(N_ROWS):
        place = draw.randrange(len(CITIES))
        city, state, code = CITIES[place], ("al", "mo", "ga")[place % 3], str(35_000 + 7 * place)
        if draw.random() < 0.06:
            at = draw.randrange(len(city))
            city = f"{city[:at]}x{city[at + 1 :]}"
        state = f"{state} " if draw.random() < 0.04 else state
        code = draw.choice(("N/A", code)) if draw.random() < 0.04 else code
        lines.append(f"{row},{city},{state},{code},{draw.randrange(50, 100)}%")
    path.write_text("\n".join([*lines, ""]))


class Table:
    """A folder with a table, its store, and what is to be found there."""

    def __init__(self, folder: Path, source: bytes) -> None:
        folder.mkdir()
        (folder / "t.csv").write_bytes(source)
        self.folder, self.source, self.out = folder, source, folder / "t.clean.csv"

    def command(self, *more: str) -> list[str]:
        return ["clean", str(self.folder / "t.csv"), "--store", str(self.folder / "s"), *more]

    def mended(self) -> bytes | None:
        return self.out.read_bytes() if self.out.exists() else None

    def n_in_force(self) -> int | None:
        """How many changes are in force, as the log says; None where there is no log."""
        store = Store.open(self.folder / "s")
        found = store.named(keeping.KIND, "t")
        if found is None:
            return None
        history = keeping.read(store, found["history"])
        assert history.undo_all().data.frame.equals(history.raw.frame)
        return int(history.n_active())

    def is_whole(self, states: dict[bytes, int]) -> bool:
        """Whether source, table and log are each as one of the states has them."""
        page = self.folder / "t.clean.html"
        return (
            (self.folder / "t.csv").read_bytes() == self.source
            and self.mended() in (None, *states)
            and self.n_in_force() in (None, *states.values())
            and (not page.exists() or page.read_text().rstrip().endswith("</html>"))
        )


def cleaning(folder: Path) -> Tally:
    """A table cleaned, taken back, put again."""
    wright = Wright(imported="modelwright.cleaning.commands,modelwright.cleaning.clean_report,sklearn.ensemble")
    damaged_table(folder / "t.csv")
    source = (folder / "t.csv").read_bytes()
    whole = Table(folder / "whole", source)
    length_s = median(wright.whole_s(whole.command()) for _ in range(N_MEASURED))
    mended, n_changes = whole.mended() or b"", whole.n_in_force() or 0
    assert n_changes > 10 and mended != source
    states = {mended: n_changes, source: 0}
    tally, draw = Tally(length_s=length_s), np.random.default_rng(21)
    left = moments(N_KILLS // 2, length_s, 21)
    for number in itertools.count():
        if not left:
            break
        one = Table(folder / f"t{number}", source)
        if not _killed(wright, one.command(), left, tally, draw):
            continue
        tally.n_begun += one.n_in_force() is not None and one.mended() is None
        _finished(wright, one, states, tally, (one.command(), mended), (one.command("--undo", "all"), source))
        shutil.rmtree(one.folder)
    back_s = median(wright.whole_s(whole.command(way, "all")) for way in ("--undo", "--undo", "--redo"))
    full, n_full = whole.mended() or b"", whole.n_in_force() or 0  # with what was only offered
    states[full] = n_full
    left = moments(N_KILLS - N_KILLS // 2, back_s, 22)
    ways = itertools.cycle([("--undo", source), ("--redo", full)])
    while left:
        way, wanted = next(ways)
        command = whole.command(way, "all")
        if _killed(wright, command, left, tally, draw):
            tally.n_begun += states.get(whole.mended() or b"") != whole.n_in_force()
            _finished(wright, whole, states, tally, (command, wanted))
    wright.close()
    return tally


def _killed(
    wright: Wright, command: list[str], left: list[float], tally: Tally, draw: np.random.Generator
) -> bool:  # fmt: skip
    after_s = left.pop()
    if wright.killed_after(command, after_s):
        tally.n_kills += 1
        return True
    tally.n_late += 1
    left.append(float(draw.uniform(0, after_s)))
    return False


def _finished(
    wright: Wright, one: Table, states: dict[bytes, int], tally: Tally, *ways: tuple[list[str], bytes]
) -> None:  # fmt: skip
    """Look at what a kill left; then give the commands again, and compare what each of them leaves."""
    if not one.is_whole(states):
        tally.n_doubled += 1
        tally.odd.append(f"{one.folder.name}: torn, or of no state")
    for command, wanted in ways:
        wright.whole_s(command)
        tally.n_ends += 1
        if one.mended() != wanted or one.n_in_force() != states[wanted]:
            tally.n_lost += 1
            tally.odd.append(f"{one.folder.name}: {command[-2:]} left something else")


# Labelling --------------------------------------------------------------------------------------------------------


class Annotator(threading.Thread):
    """One person who labels until nothing is left, whatever happens to the server."""

    def __init__(self, name: str, port: int, token: str, is_over: Callable[[], bool]) -> None:
        super().__init__()
        self.person, self.port, self.is_over = name, port, is_over
        self.head = {"authorization": f"Bearer {token}"}
        self.sent: dict[str, tuple[int, str]] = {}
        self.acknowledged: dict[str, tuple[int, str]] = {}
        self.is_done = False

    def run(self) -> None:
        while not self.is_done and not self.is_over():
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                self._label()
            except (OSError, http.client.HTTPException):
                time.sleep(0.01)

    def _label(self) -> None:
        for key in list(self.sent.keys() - self.acknowledged.keys()):
            self._send(key)
        while tasks := self._ask("/api/next", {"n": 1})["tasks"]:
            row = tasks[0]["row"]
            key = f"{self.person}-{row}-{len(self.sent)}"
            self.sent[key] = (row, "ab"[row % 2])
            self._send(key)
        self.is_done = True

    def _send(self, key: str) -> None:
        row, value = self.sent[key]
        self._ask("/api/label", {"row": row, "value": value, "key": key})
        self.acknowledged[key] = (row, value)

    def _ask(self, path: str, plain: dict[str, object]) -> dict[str, list[dict[str, int]]]:
        self.connection.request("POST", path, json.dumps(plain), self.head)
        answer = self.connection.getresponse()
        told: dict[str, list[dict[str, int]]] = json.loads(answer.read())
        assert answer.status == 200, told
        return told


def answers(port: int, *, seconds: float = LONGEST_S) -> None:
    """Wait until the server answers."""
    end_s = time.monotonic() + seconds
    while True:
        try:
            one = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            one.request("GET", "/")
            one.getresponse().read()
        except (OSError, http.client.HTTPException):
            assert time.monotonic() < end_s, "the labelling server does not answer"
            time.sleep(0.002)
        else:
            return


def labelling(folder: Path) -> Tally:
    """A labelling server at work."""
    import polars as pl

    from modelwright.core.data import Dataset

    texts = pl.DataFrame({"text": [f"the text of row number {row}" for row in range(N_LABELLED)]})
    project = create(Dataset.from_frame(texts), LabelSpec(kind="text", classes=("a", "b")), store=folder, name="k")
    names = [f"p{number}" for number in range(N_PEOPLE)]
    (folder / "team.yaml").write_text("".join(f"{name}: annotator\n" for name in names))
    port, over = free_port(), threading.Event()
    wright = Wright(imported="modelwright.label,modelwright.labelling.server,modelwright.labelling.service")
    command = ["label", "k", "--store", str(folder), "--team", str(folder / "team.yaml"), "--port", str(port), "--json"]
    people = [Annotator(name, port, token_of(project, Person(name, "annotator")), over.is_set) for name in names]
    project.close()
    for one in people:
        one.start()
    tally = Tally(length_s=SERVED_S)
    for after_s in moments(N_KILLS, SERVED_S, 23):
        wright.begin(command)
        answers(port)
        n_before = sum(len(one.acknowledged) for one in people)
        time.sleep(after_s)
        wright.kill()
        tally.n_kills += not all(one.is_done for one in people)
        tally.n_begun += sum(len(one.acknowledged) for one in people) > n_before
    wright.begin(command)
    for one in people:
        one.join(LONGEST_S)
    over.set()
    wright.kill(signal.SIGINT)
    wright.close()
    tally.n_ends = 1
    _count_labels(folder, people, tally)
    return tally


def _count_labels(folder: Path, people: list[Annotator], tally: Tally) -> None:
    project = open_project(folder, "k")
    kept = project.labels.execute("SELECT key, row, value FROM answers WHERE what = 'label'").fetchall()
    told = {(key.partition(":")[2], row, json.loads(value)) for key, row, value in kept}
    acknowledged = {(key, *said) for one in people for key, said in one.acknowledged.items()}
    n_rows = project.labels.execute("SELECT count(DISTINCT row) FROM current").fetchone()[0]
    tally.n_lost = len(acknowledged - told) + N_LABELLED - n_rows
    tally.n_doubled = len(kept) - n_rows
    if tally.n_lost or tally.n_doubled:
        tally.odd.append(f"{len(acknowledged)} acknowledged, {len(kept)} kept, {n_rows} rows of {N_LABELLED}")
    project.close()


def measure_cleaning() -> tuple[list[str], list[str]]:
    """Cleaning and taking back."""
    return measured({f"`wright clean` of {N_ROWS} rows, `--undo`, `--redo`": cleaning}, ABOUT_CLEANING, "cleaning")


def measure_labelling() -> tuple[list[str], list[str]]:
    """The labelling server."""
    return measured({f"`wright label`, {N_PEOPLE} annotators": labelling}, ABOUT_LABELLING, "labelling")
