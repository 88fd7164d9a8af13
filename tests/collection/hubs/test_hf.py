"""`hf:` on local folders that the `datasets` library itself wrote, and on a hub on loopback (the real one is reached by
no test)."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
datasets = pytest.importorskip("datasets", reason="the extra `hubs` (the library `datasets`) is not installed")
image = pytest.importorskip("PIL.Image", reason="pictures need pillow")

from pyarrow import parquet

from modelwright import collect
from modelwright.cli import command
from modelwright.collection.base import CollectSpec
from modelwright.collection.gathering import gather
from modelwright.collection.hubs.hf import address_of
from modelwright.collection.versions import open_version
from modelwright.core.errors import UserError
from modelwright.core.store import Store
from tests.collection.hubs.hf_server import COMMIT, hub


def png(side: int) -> bytes:
    held = io.BytesIO()
    image.new("RGB", (side, 9), (side, 0, 0)).save(held, "PNG")
    return held.getvalue()


@pytest.fixture(scope="module")
def rows() -> Any:
    features = datasets.Features({
        "text": datasets.Value("string"), "label": datasets.ClassLabel(names=["ham", "spam"]),
        "photo": datasets.Image(), "tags": datasets.List(datasets.ClassLabel(names=["a", "b"])),
        "words": datasets.List(datasets.Value("string")), "wave": datasets.List(datasets.Value("float32")),
        "meta": {"a": datasets.Value("int32")}, "boxes": datasets.List({"x": datasets.Value("int32")}),
    })  # fmt: skip
    return datasets.Dataset.from_dict({
        "text": ["x", "y", "z"], "label": [0, 1, -1],
        "photo": [{"bytes": png(1), "path": None}, {"bytes": png(2), "path": "b.png"}, None],
        "tags": [[0, 1], [], None], "words": [["p"], ["q", "r"], None], "wave": [[1.0, 2.5], [3.0], None],
        "meta": [{"a": 1}, {"a": 2}, {"a": None}], "boxes": [[{"x": 1}], [], None],
    }, features=features)  # fmt: skip


EXPECTED = {
    "text": ["x", "y", "z"], "label": ["ham", "spam", None], "photo": [png(1), png(2), None],
    "tags": [["a", "b"], [], None], "words": [["p"], ["q", "r"], None], "wave": [[1.0, 2.5], [3.0], None],
    "meta.a": [1, 2, None], "boxes": ['[{"x": 1}]', "[]", None],
}  # fmt: skip


def code_of(source: str, **settings: Any) -> str:
    with pytest.raises(UserError) as caught:
        collect(CollectSpec(sources={"source": source}, **settings))
    return f"{caught.value.code} {caught.value}"


@pytest.mark.parametrize("layout", ["saved", "saved_splits", "parquet"])
def test_what_the_library_writes_comes_back(tmp_path: Path, rows: Any, layout: str) -> None:
    folder, n_splits = tmp_path / "mails", 1
    if layout == "saved":
        rows.save_to_disk(folder)
    elif layout == "saved_splits":
        datasets.DatasetDict(train=rows, test=rows).save_to_disk(folder)
        n_splits = 2
    else:
        (folder / "data").mkdir(parents=True)
        for split in ("train", "test"):
            rows.to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
        n_splits = 2
    data = collect(f"hf:{folder}")
    found = data.frame.to_dict(as_series=False)
    assert found.pop("__row__") == list(range(3 * n_splits))
    if n_splits == 2:
        assert found.pop("split") == ["train"] * 3 + ["test"] * 3
        assert data.schema["split"].role == "split"
    assert found == {name: cells * n_splits for name, cells in EXPECTED.items()}
    kinds = {column.name: column.kind for column in data.schema.columns if column.kind != "raw"}
    assert kinds.items() >= {("label", "category"), ("photo", "image"), ("tags", "labels"), ("wave", "series")}
    if n_splits == 2:
        assert collect(f"hf:{folder}:test").n_rows == 3
        assert "no split 'tst'" in code_of(f"hf:{folder}:tst")


def test_folders_of_pictures_and_texts(tmp_path: Path) -> None:
    for kind in ("cat", "dog"):
        (tmp_path / "pets" / "train" / kind).mkdir(parents=True)
        (tmp_path / "pets" / "train" / kind / "1.png").write_bytes(png(3))
    data = collect(f"hf:{tmp_path}/pets")
    assert data.frame["label"].to_list() == ["cat", "dog"]
    assert data.frame["image"].to_list() == [png(3)] * 2
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.jsonl").write_text('{"x": 1, "y": "é"}\n{"x": 2, "y": null}\n')
    assert collect(f"hf:{tmp_path}/notes").frame.rows() == [(0, 1, "é"), (1, 2, None)]


def test_a_version_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tea").mkdir()
    (tmp_path / "tea" / "train.csv").write_text("leaf,grams\ngreen,2\nblack,3\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "r.yaml").write_text("name: tea\ndata: hf:../tea:train\n")  # from the recipe's folder
    for _ in range(2):
        assert command(["collect", "in/r.yaml"]) == 0
    store = Store.open(".wright")
    assert open_version(store, "tea@1").frame["leaf"].to_list() == ["green", "black"]
    with pytest.raises(UserError):
        open_version(store, "tea@2")
    (tmp_path / "tea" / "train.csv").write_text("leaf,grams\ngreen,2\nwhite,3\n")
    made = gather(CollectSpec(sources="hf:./tea:train"), "other", store=store)
    assert open_version(store, made.version).frame["leaf"].to_list() == ["green", "white"]


def test_configurations(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- {config_name: small, data_files: s.csv}\n- {config_name: large, data_files: l.csv}\n---\n"
    )
    (tmp_path / "s.csv").write_text("x\n1\n")
    (tmp_path / "l.csv").write_text("x\n1\n2\n")
    assert collect(f"hf:{tmp_path}/large").n_rows == 2
    assert collect(f"hf:{tmp_path}/small:train").n_rows == 1
    told = code_of(f"hf:{tmp_path}")
    assert told.startswith("collection.hub ")
    assert "small" in told


@pytest.mark.parametrize(
    "name", ["hf:../x/../y", "hf:a/b/c/d", "hf:", "hf:a b", "hf:-x", "hf:x@../y", "hf:x\x00", "hf:a//b"]
)
def test_names_that_are_none(name: str) -> None:
    assert code_of(name).startswith(("collection.hub_name", "collection.missing"))


def test_addresses() -> None:
    found = address_of("hf:org/name@refs/convert/parquet/big:train")
    assert (found.name, found.revision, found.config, found.split) == (
        "org/name",
        "refs/convert/parquet",
        "big",
        "train",
    )
    assert address_of("hf:org/name@v1.0").revision == "v1.0"


def test_scripts_and_pickles_are_never_run(tmp_path: Path) -> None:
    script = tmp_path / "evil"
    script.mkdir()
    (script / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    assert code_of(f"hf:{script}").startswith("collection.hub ")
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "a.pkl").write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR.")
    (pickled / "README.md").write_text("---\nconfigs:\n- config_name: a\n  data_files: a.pkl\n---\n")
    assert code_of(f"hf:{pickled}").startswith("collection.hub ")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("path", ["../secret.csv", "/etc/passwd", "https://127.0.0.1/x.csv", "file:///etc/passwd"])
def test_a_card_that_reaches_outside_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.csv").write_text("password\nsesame\n")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.csv").write_text("x\n1\n")
    (folder / "README.md").write_text(f"---\nconfigs:\n- config_name: a\n  data_files: [a.csv, '{path}']\n---\n")
    assert code_of(f"hf:{folder}").startswith("collection.hub_path")


def test_paths_in_cells_and_links_that_reach_outside_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(5))
    folder = tmp_path / "data"
    folder.mkdir()
    features = datasets.Features({"photo": datasets.Image()})
    for path in (str(secret), f"{folder}/../secret.png", "file:///etc/passwd", "https://127.0.0.1:9/x.png"):
        rows = datasets.Dataset.from_dict({"photo": [{"bytes": None, "path": path}]}, features=features)
        parquet.write_table(rows.data.table, folder / "train.parquet")  # the library itself would take the file along
        assert code_of(f"hf:{folder}").startswith("collection.hub_path"), path
    (folder / "train.parquet").unlink()
    (folder / "train.png").symlink_to(secret)
    assert code_of(f"hf:{folder}").startswith("collection.hub_path")
    saved = tmp_path / "saved"
    datasets.Dataset.from_dict({"x": [1]}).save_to_disk(saved)
    state = json.loads((saved / "state.json").read_text())
    state["_data_files"] = [{"filename": "../other/data.arrow"}]
    (saved / "state.json").write_text(json.dumps(state))
    assert code_of(f"hf:{saved}").startswith("collection.hub_path")


def test_bombs_and_broken_files(tmp_path: Path) -> None:
    (tmp_path / "train.csv.gz").write_bytes(gzip.compress(b"x,y\n" + b"0,0\n" * 18_000_000, 1))
    assert code_of(f"hf:{tmp_path}").startswith("collection.archive_size")
    (tmp_path / "train.csv.gz").unlink()
    (tmp_path / "train.parquet").write_bytes(b"PAR1 this is none PAR1")
    assert code_of(f"hf:{tmp_path}").startswith("collection.")
    (tmp_path / "train.parquet").unlink()
    (tmp_path / "train.jsonl").write_text('{"x": 1}\n{"x": ')
    assert code_of(f"hf:{tmp_path}").startswith("collection.hub ")
    (tmp_path / "train.jsonl").unlink()
    assert code_of(f"hf:{tmp_path}").startswith("collection.hub ")


def test_the_hub_out_of_reach_is_told() -> None:
    assert code_of("hf:stanfordnlp/imdb").startswith("collection.hub ")


FROM_A_HUB = """
import json, sys
from modelwright import collect
from modelwright.collection.base import CollectSpec
from modelwright.collection.gathering import gather
from modelwright.core.errors import UserError
from modelwright.core.store import Store

def told(source):
    try:
        return collect(source).frame.height
    except UserError as problem:
        return problem.code

store, spec = Store.open(sys.argv[1]), CollectSpec(sources="hf:org/tea@main:train")
first, again = gather(spec, "tea", store=store), gather(spec, "tea", store=store)
data = collect("hf:org/tea")
print(json.dumps({
    "versions": [first.version.label, again.version.label, again.is_new], "rows": data.frame.rows(),
    "origin": data.origin["sources"][0], "codes": [told("hf:org/" + name) for name in ("nope", "tea@v9", "evil")],
}))
"""


def test_a_commit_of_a_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    held = io.BytesIO()
    datasets.Dataset.from_dict({"leaf": ["green", "black"]}).to_parquet(held)
    files = {"train-00000-of-00001.parquet": held.getvalue(), "test-00000-of-00001.parquet": held.getvalue()}
    outside = b"---\nconfigs:\n- {config_name: a, data_files: 'file:///etc/passwd'}\n---\n"
    with hub({"org/tea": files, "org/evil": {**files, "README.md": outside}}) as address:
        env = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
        made = subprocess.run([sys.executable, "-c", FROM_A_HUB, str(tmp_path / "store")], env=env, cwd=tmp_path,
                              check=False, capture_output=True, text=True, timeout=120)  # fmt: skip
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert told["versions"] == ["tea@1", "tea@1", False]
    assert told["rows"] == [[0, "green", "train"], [1, "black", "train"], [2, "green", "test"], [3, "black", "test"]]
    assert (told["origin"]["revision"], told["origin"]["licence"]) == (COMMIT, "cc0-1.0")
    assert told["codes"] == ["collection.hub", "collection.hub", "collection.hub_path"]
