"""The package file: the same bytes each time, and no changed one is ever opened."""

from __future__ import annotations

import hashlib
import json
import random
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from modelwright.testing.packages import tiny_graph, tiny_package
from modelwright_runtime.archive import COMMENT_PREFIX, MANIFEST, MEMBERS, parse_json, read_archive
from modelwright_runtime.errors import UserError, WrightError
from modelwright_runtime.graphcheck import check_graph
from modelwright_runtime.model import load

Change = Callable[[dict[str, bytes]], None]


def rebuilt(source: Path, target: Path, change: Change, *, relist: bool = True, extra: object = None) -> Path:
    """A package with changed members and a manifest and seal that fit them: what a forger would make."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    if relist:
        manifest = json.loads(members[MANIFEST])
        manifest["files"] = {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in members.items()
            if name != MANIFEST
        }
        members[MANIFEST] = json.dumps(manifest).encode()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        if callable(extra):
            extra(archive)
    return sealed(target)


def sealed(path: Path) -> Path:
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = COMMENT_PREFIX + b"0" * 64
    body = path.read_bytes()[: -len(COMMENT_PREFIX) - 64]
    path.write_bytes(body + COMMENT_PREFIX + hashlib.sha256(body).hexdigest().encode())
    return path


def code_of(path: Path) -> str:
    with pytest.raises(WrightError) as caught:
        load(path)
    return caught.value.code


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    first = tiny_package(tmp_path / "one", name="tiny")
    second = tiny_package(tmp_path / "two", name="tiny")
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.digest == hashlib.sha256(first.path.read_bytes()).hexdigest() == load(first.path).facts["digest"]


def test_a_package_is_an_ordinary_zip_of_exactly_the_listed_members(packages: dict[str, Path]) -> None:
    with zipfile.ZipFile(packages["binary"]) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [MANIFEST, *MEMBERS]
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_rebuilding_without_a_change_loads(packages: dict[str, Path], tmp_path: Path) -> None:
    """So that the refusals below are due to the change and not to the rebuilding."""
    assert load(rebuilt(packages["binary"], tmp_path / "x.wright", lambda members: None)).name == "binary"


def test_a_flipped_bit_anywhere_is_noticed(packages: dict[str, Path], tmp_path: Path) -> None:
    data = packages["binary"].read_bytes()
    draw = random.Random(0)
    places = {0, 10, len(data) - 1, len(data) - 70, len(data) - 100, *draw.sample(range(len(data)), 300)}
    for place in sorted(places):
        changed = bytearray(data)
        changed[place] ^= 1 << draw.randrange(8)
        path = tmp_path / "flipped.wright"
        path.write_bytes(changed)
        assert code_of(path).startswith("package."), place


def test_a_truncated_file_is_noticed(packages: dict[str, Path], tmp_path: Path) -> None:
    data = packages["binary"].read_bytes()
    for size in (0, 1, 30, len(data) // 2, len(data) - 1):
        path = tmp_path / "cut.wright"
        path.write_bytes(data[:size])
        assert code_of(path) in ("package.zip", "package.changed")


def test_what_is_no_package_is_told_so(tmp_path: Path) -> None:
    text = tmp_path / "text.wright"
    text.write_text("age,price\n1,2\n")
    assert code_of(text) == "package.zip"
    assert code_of(tmp_path / "absent.wright") == "package.missing"
    plain = tmp_path / "plain.wright"
    with zipfile.ZipFile(plain, "w") as archive:
        archive.writestr("a.txt", "x")
    assert code_of(plain) == "package.changed"
    assert code_of(sealed(plain)) == "package.manifest"
    assert code_of(tmp_path) == "package.read"


def test_unlisted_missing_and_foreign_members_are_refused(packages: dict[str, Path], tmp_path: Path) -> None:
    source, target = packages["binary"], tmp_path / "x.wright"
    assert code_of(rebuilt(source, target, lambda m: m.update({"evil.py": b"1"}), relist=False)) == "package.member"
    assert code_of(rebuilt(source, target, lambda m: m.update({"evil.py": b"1"}))) == "package.member"
    assert code_of(rebuilt(source, target, lambda m: m.pop("card.md"), relist=False)) == "package.member"  # type: ignore[arg-type]
    assert code_of(rebuilt(source, target, lambda m: m.pop("card.md"))) == "package.member"  # type: ignore[arg-type]
    swapped = rebuilt(source, target, lambda m: m.update({"card.md": b"other"}), relist=False)
    assert code_of(swapped) == "package.changed"


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b.json", "C:\\x", "..", ".hidden", "a\x00b"])
def test_names_with_path_parts_are_refused(packages: dict[str, Path], tmp_path: Path, name: str) -> None:
    def add(archive: zipfile.ZipFile) -> None:
        archive.writestr(zipfile.ZipInfo("placeholder"), b"x")
        archive.filelist[-1].filename = name

    path = rebuilt(packages["binary"], tmp_path / "x.wright", lambda m: m.update({name: b"x"}))
    assert code_of(path).startswith("package.")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["x.wright"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicates_links_and_folders_are_refused(packages: dict[str, Path], tmp_path: Path) -> None:
    def twice(archive: zipfile.ZipFile) -> None:
        archive.writestr("card.md", b"another")

    def link(archive: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo("link.json")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")

    def folder(archive: zipfile.ZipFile) -> None:
        archive.writestr("folder/", b"")

    for extra in (twice, link, folder):
        path = rebuilt(packages["binary"], tmp_path / "x.wright", lambda m: None, extra=extra)
        assert code_of(path) == "package.member", extra


def test_a_bomb_is_not_unpacked(packages: dict[str, Path], tmp_path: Path) -> None:
    path = rebuilt(packages["binary"], tmp_path / "x.wright", lambda m: m.update({"card.md": bytes(300_000_000)}))
    assert path.stat().st_size < 1_000_000
    assert code_of(path) == "package.bomb"


def test_a_newer_format_says_what_to_do(packages: dict[str, Path], tmp_path: Path) -> None:
    def newer(members: dict[str, bytes]) -> None:
        members[MANIFEST] = json.dumps({**json.loads(members[MANIFEST]), "format": 3}).encode()
        members["novelty.json"] = b"{}"

    path = rebuilt(packages["binary"], tmp_path / "x.wright", newer)
    with pytest.raises(UserError, match="format 3; this modelwright-runtime reads up to 2") as caught:
        load(path)
    assert caught.value.code == "package.newer"
    assert "upgrade" in caught.value.hint


def test_a_golden_row_that_is_answered_otherwise_is_fatal(packages: dict[str, Path], tmp_path: Path) -> None:
    def other(members: dict[str, bytes]) -> None:
        golden = json.loads(members["golden.json"])
        golden["expected"][3][0] += 2e-5
        members["golden.json"] = json.dumps(golden).encode()

    assert code_of(rebuilt(packages["binary"], tmp_path / "x.wright", other)) == "package.golden"
    for broken in (b"{}", b"[]", b'{"rows": [], "expected": []}', b'{"rows": [1], "expected": [[1, 2]]}', b"nope"):
        path = rebuilt(packages["binary"], tmp_path / "x.wright", lambda m, b=broken: m.update({"golden.json": b}))  # type: ignore[misc]
        assert code_of(path) in ("package.golden", "package.json", "rows.shape")


def test_damaged_signatures_and_deep_json_are_refused(packages: dict[str, Path], tmp_path: Path) -> None:
    with zipfile.ZipFile(packages["binary"]) as archive:
        good = json.loads(archive.read("signature.json"))
    broken = [
        b"null", b"[]", b"{}", json.dumps({**good, "readings": [{"kind": "number"}]}).encode(),
        json.dumps({**good, "readings": []}).encode(), json.dumps({**good, "categories": []}).encode(),
        json.dumps({**good, "task": {**good["task"], "classes": ["a", "b", "c"]}}).encode(),
        b"[" * 100_000 + b"]" * 100_000, b"[" * 100 + b"]" * 100, b'{"threshold": NaN}', b"\xff",
    ]  # fmt: skip
    for data in broken:
        path = rebuilt(packages["binary"], tmp_path / "x.wright", lambda m, d=data: m.update({"signature.json": d}))  # type: ignore[misc]
        assert code_of(path).split(".")[0] in ("package", "model"), data[:60]


def test_json_of_ordinary_depth_is_read() -> None:
    assert parse_json(b"[" * 20 + b"]" * 20, "x") is not None
    with pytest.raises(UserError, match="deeper than 64"):
        parse_json(b"[" * 65 + b"]" * 65, "x")


def outside_data(members: dict[str, bytes]) -> None:
    import onnx

    model = onnx.load_from_string(members["model.onnx"])
    tensor = next(one for one in model.graph.initializer if one.raw_data)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    tensor.ClearField("raw_data")
    members["model.onnx"] = model.SerializeToString()


def foreign_domain(members: dict[str, bytes]) -> None:
    import onnx

    model = onnx.load_from_string(members["model.onnx"])
    model.graph.node[0].domain = "com.microsoft"
    model.opset_import.add(domain="com.microsoft", version=1)
    members["model.onnx"] = model.SerializeToString()


def own_function(members: dict[str, bytes]) -> None:
    import onnx

    model = onnx.load_from_string(members["model.onnx"])
    model.functions.add(name="f", domain="x")
    members["model.onnx"] = model.SerializeToString()


def outside_data_within(members: dict[str, bytes]) -> None:
    """An outside tensor as an attribute of a node, in a graph within the graph."""
    import onnx
    from onnx import helper

    model = onnx.load_from_string(members["model.onnx"])
    tensor = onnx.TensorProto(data_type=1, dims=[1], data_location=onnx.TensorProto.EXTERNAL)
    inner = helper.make_graph([onnx.NodeProto(op_type="Constant", output=["c"])], "inner", [], [])
    inner.node[0].attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(tensor)
    model.graph.node[0].attribute.append(helper.make_attribute("then_branch", inner))
    members["model.onnx"] = model.SerializeToString()


@pytest.mark.parametrize("change", [outside_data, foreign_domain, own_function, outside_data_within])
def test_graphs_that_reach_outside_are_refused_before_onnxruntime(
    packages: dict[str, Path], tmp_path: Path, change: Change
) -> None:
    path = rebuilt(packages["binary"], tmp_path / "x.wright", change)
    with pytest.raises(UserError) as caught:
        load(path)
    assert caught.value.code == "package.graph"
    assert any(word in caught.value.message for word in ("outside", "domain", "functions"))


def test_what_is_no_graph_is_refused() -> None:
    good = tiny_graph()
    check_graph(good)
    for bad in (b"", b"hello world", good[:-1], good[: len(good) // 2], bytes(100), b"\x3a\xff\xff\xff\xff\x7f"):
        with pytest.raises(UserError):
            check_graph(bad)


def test_a_reader_sees_tags_as_onnxruntime_does() -> None:
    """Tags over 32 bits are cut off by some readers: the same bytes must not mean two things."""
    with pytest.raises(UserError):
        check_graph(b"\xba\x80\x80\x80\x10\x00" + tiny_graph())


def test_manifest_and_members_are_what_read_archive_gives(packages: dict[str, Path]) -> None:
    manifest, members, _ = read_archive(packages["regression"])
    assert manifest["name"] == "regression"
    assert set(members) == set(MEMBERS)
