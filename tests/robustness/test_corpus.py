"""Every bad input gives a coded error that names what is wrong, or a recorded repair; nothing else."""

from __future__ import annotations

import importlib.util
import json
import os
import random
from pathlib import Path

import pytest

from modelwright.collection import CollectSpec, SourceSpec, collect
from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.errors import UserError, WrightError
from modelwright.testing.collection import check_collected
from tests.robustness.make_corpus import CASES_FOR_RUN, Case, RunCase, make


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Case]]:
    folder = tmp_path_factory.mktemp("corpus")
    return folder, {case.name: case for case in make(folder)}


def read(case: Case, folder: Path) -> Dataset:
    """Collect one case; a relative source lies in the corpus."""
    source = case.source.replace("{folder}", str(folder))
    if "://" not in source:
        source = str(folder / source)
    settings = {**case.settings, "source": source}
    return collect(CollectSpec(sources=(settings,), **case.limits))


def check(case: Case, folder: Path) -> str:
    """What is wrong with how the case is treated; "" when nothing is."""
    try:
        data = read(case, folder)
    except UserError as problem:
        if problem.code != case.code:
            return f"{case.name}: {problem}; expected {case.code or 'rows'}"
        if case.says not in str(problem) or not problem.message:
            return f"{case.name}: {problem}; does not say {case.says!r}"
        return ""
    if case.code:
        return f"{case.name}: read {data.n_rows} rows; expected {case.code}"
    check_collected(data)
    rows = data.frame.drop(ROW_ID).rows()
    repairs = [repair["what"] for repair in data.origin["repairs"]]
    wrong = [
        f"rows {data.n_rows}" if data.n_rows != case.rows else "",
        f"names {data.schema.names[:10]}" if case.names and data.schema.names != case.names else "",
        f"cells {rows[:5]}" if case.cells and tuple(rows) != case.cells else "",
        f"repairs {repairs}" if case.repair and case.repair not in repairs else "",
    ]
    return "; ".join(f"{case.name}: {part}" for part in wrong if part)


def test_the_corpus_is_large(corpus: tuple[Path, dict[str, Case]]) -> None:
    _, cases = corpus
    assert len(cases) >= 120
    assert sum(bool(case.code) for case in cases.values()) >= 60


def test_every_case_gives_its_error_or_its_rows(
    corpus: tuple[Path, dict[str, Case]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    folder, cases = corpus
    wrong = [said for case in cases.values() if (said := check(case, folder))]
    assert not wrong, "\n".join(wrong)


def test_the_check_itself_can_fail(corpus: tuple[Path, dict[str, Case]]) -> None:
    folder, _ = corpus
    assert not check(Case(name="plain.csv", rows=3), folder)
    for wrong in (
        Case(name="plain.csv", rows=4),
        Case(name="plain.csv", rows=3, names=("a",)),
        Case(name="plain.csv", rows=3, cells=(("ann", "31", "Oslo"),)),
        Case(name="plain.csv", rows=3, repair="padded"),
        Case(name="plain.csv", code="collection.empty"),
        Case(name="empty.csv", code="collection.binary"),
        Case(name="empty.csv", rows=1),
    ):
        assert check(wrong, folder), wrong


MUTABLE = (".csv", ".json", ".jsonl", ".parquet", ".arrow", ".xlsx", ".zip", ".gz", ".zst", ".db")


def _damage(raw: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, cut out, put in or doubled."""
    broken = bytearray(raw)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        start, length = rng.randrange(len(broken) + 1), rng.randrange(1, 40)
        kind = rng.randrange(4)
        if kind == 0:
            broken[start : start + 1] = rng.randbytes(1)
        elif kind == 1:
            del broken[start : start + length]
        elif kind == 2:
            broken[start:start] = rng.choice([b"\0", b'"', b"\n", b"\r", b"\xff", b",", b"'", rng.randbytes(5)])
        else:
            broken[start:start] = broken[start : start + length]
    return bytes(broken)


def test_damaged_files_give_rows_or_a_coded_error(corpus: tuple[Path, dict[str, Case]], tmp_path: Path) -> None:
    folder, cases = corpus
    good = [name for name, case in cases.items() if not case.code and name.endswith(MUTABLE)]
    seeds = [folder / name for name in [*good, "shop.db"] if (folder / name).is_file()]
    rng, n_refused = random.Random(3), 0
    seeds = [path for path in seeds if path.stat().st_size < 20_000]
    assert {path.suffix for path in seeds} == set(MUTABLE)
    for number in range(600):
        seed = seeds[number % len(seeds)]
        path = tmp_path / f"damaged{number}{seed.suffix}"
        path.write_bytes(_damage(seed.read_bytes(), rng))
        source = SourceSpec(source=f"sqlite:///{path}", table="orders") if seed.suffix == ".db" else path
        try:
            data = collect(source)
        except WrightError as problem:
            assert problem.code.startswith("collection.") and problem.code != "collection.disk", problem
            n_refused += 1
        else:
            check_collected(data)
    assert n_refused > 50


def test_every_case_is_told_in_the_table_of_errors(corpus: tuple[Path, dict[str, Case]]) -> None:
    _, cases = corpus
    told = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
    missing = {case.code for case in cases.values() if case.code and f"`{case.code}`" not in told}
    assert not missing


def test_a_line_without_end_is_refused_in_little_memory(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "line.csv"
    with path.open("wb") as file:
        file.write(b"a,b\n1,")
        file.truncate(2**30)  # a gigabyte of zeros that takes no room
        file.seek(0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError) as caught:
        collect(path)
    assert caught.value.code in ("collection.binary", "collection.long_line")
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mib < 300


def test_a_line_of_80_mib_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "line.csv"
    block = b"x" * 2**20
    with path.open("wb") as file:
        file.write(b"a,b\n1,")
        for _ in range(80):
            file.write(block)
        file.write(b"\n2,3\n")
    with pytest.raises(UserError, match="byte 4 is longer than 64 MiB") as caught:
        collect(path)
    assert caught.value.code == "collection.long_line"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "secret.csv"
    path.write_bytes(b"a\n1\n")
    path.chmod(0)
    with pytest.raises(UserError) as caught:
        collect(path)
    assert caught.value.code == "collection.permission"


HAS_COMMAND = importlib.util.find_spec("modelwright.cli") is not None


@pytest.mark.skipif(not HAS_COMMAND, reason="the command line is not there yet")
@pytest.mark.parametrize("case", CASES_FOR_RUN, ids=lambda case: str(case.name))
def test_tables_that_a_run_must_refuse_or_survive(
    case: RunCase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from modelwright.cli import command

    path = tmp_path / case.name
    path.write_text(case.text, encoding="utf-8")
    quick = ["--train.models", "[linear]", "--store", str(tmp_path / "store"), "--json"]
    exit_code = command(["run", str(path), "--target", case.target, *quick])
    said = capsys.readouterr()
    events = [json.loads(line) for line in (said.out + said.err).splitlines() if line.startswith("{")]
    errors = [event["code"] for event in events if event.get("event") == "error"]
    assert (exit_code, errors) == ((2, [case.code]) if case.code else (0, [])), said.out[-2000:]
    assert "Traceback" not in said.out + said.err
