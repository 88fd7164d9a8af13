"""To other houses and back, byte for byte, and nothing foreign comes in with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from modelwright.core.errors import UserError
from modelwright.packaging.exchange import read_layers, read_mlflow, write_layers, write_mlflow
from modelwright.testing.packages import raw_rows, tiny_package
from modelwright_runtime import load

ROOT = Path(__file__).resolve().parents[2]


def code_of(call: Any, *arguments: Any) -> str:
    with pytest.raises(UserError) as caught:
        call(*arguments)
    return caught.value.code


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return tiny_package(tmp_path, name="Ünder way").path


@pytest.mark.parametrize(("write", "read"), [(write_mlflow, read_mlflow), (write_layers, read_layers)])
def test_packages_come_back_byte_for_byte(tmp_path: Path, write: Any, read: Any) -> None:
    given = [tiny_package(tmp_path, kind, name=kind).path for kind in ("binary", "regression")]  # type: ignore[arg-type]
    for number, path in enumerate([*given, ROOT / "tests/golden/wine-0.1.0.wright"]):
        place = write(path, tmp_path / f"out{number}")
        assert read(place, tmp_path / "back.wright").read_bytes() == path.read_bytes()
        again = write(path, tmp_path / f"again{number}")
        assert contents(place) == contents(again)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_mlflow_itself_opens_what_we_write(tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow.onnx")
    import mlflow.models
    import mlflow.onnx

    place = write_mlflow(package, tmp_path / "mlflow")
    told = mlflow.models.Model.load(str(place))
    assert told.signature is not None and told.signature.inputs.input_names() == ["numbers", "categories"]
    assert told.metadata["modelwright"]["name"] == "Ünder way"
    assert len(mlflow.onnx.load_model(str(place)).graph.node) > 3
    model = load(package)
    feeds, _ = model._feeds_of_rows(raw_rows(20), _notes())
    answered = mlflow.onnx._OnnxModelWrapper(str(place / "model.onnx"), ["CPUExecutionProvider"]).predict(feeds)
    np.testing.assert_allclose(answered["probabilities"], model.answers(raw_rows(20))[0], atol=1e-7)


def _notes() -> Any:
    from modelwright_runtime.cells import Notes

    return Notes()


def test_a_full_folder_is_left_alone(tmp_path: Path, package: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    assert code_of(write_mlflow, package, tmp_path / "full") == "exchange.folder"
    assert code_of(write_layers, package, package) == "exchange.folder"
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["x"]


def rewritten(place: Path, change: Any) -> None:
    told = yaml.safe_load((place / "MLmodel").read_text())
    change(told)
    (place / "MLmodel").write_text(yaml.safe_dump(told))


def test_mlflow_directories_of_others_and_hostile_ones_are_refused(tmp_path: Path, package: Path) -> None:
    back = tmp_path / "back.wright"
    back.write_bytes(b"what was here before")

    def refused(name: str, spoil: Any) -> str:
        place = write_mlflow(package, tmp_path / name)
        spoil(place)
        return code_of(read_mlflow, place, back)

    def ours(**changes: str) -> Any:
        return lambda place: rewritten(place, lambda told: told["metadata"]["modelwright"].update(changes))

    def other_graph(place: Path) -> None:
        data = bytearray((place / "model.onnx").read_bytes())
        data[len(data) // 2] ^= 1
        (place / "model.onnx").write_bytes(bytes(data))

    def linked(place: Path) -> None:
        (place / "package.wright").unlink()
        (place / "package.wright").symlink_to(package)

    def pickled(place: Path) -> None:
        rewritten(place, lambda told: told.update(flavors={"sklearn": {"pickled_model": "model.pkl"}}, metadata=None))

    def bombed(place: Path) -> None:
        anchors = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else 'x'] * 9)}]\n" for n in range(9))
        (place / "MLmodel").write_text(anchors + "flavors: *a8\n")

    assert refused("a", lambda place: (place / "MLmodel").unlink()) == "exchange.missing"
    assert (
        refused("b", lambda place: (place / "MLmodel").write_text("!!python/object:os.system {}")) == "exchange.missing"
    )
    assert refused("c", bombed) == "exchange.missing"
    assert refused("d", lambda place: (place / "MLmodel").write_bytes(b"x" * 2_000_000)) == "exchange.size"
    assert refused("e", ours(package="../../secret")) == "exchange.path"
    assert refused("f", ours(package="/etc/passwd")) == "exchange.path"
    assert refused("g", ours(package="gone.wright")) == "exchange.missing"
    assert refused("h", ours(sha256="0" * 64)) == "exchange.package"
    assert refused("i", other_graph) == "exchange.package"
    assert refused("j", linked) == "exchange.path"
    assert refused("k", pickled) == "exchange.pickle"
    assert refused("l", lambda place: rewritten(place, lambda told: told.pop("metadata"))) == "exchange.package"
    assert refused("m", lambda place: (place / "package.wright").write_bytes(b"PK")) == "package.zip"
    assert back.read_bytes() == b"what was here before"
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"back.wright", package.name}


def test_layers_are_what_registries_keep(tmp_path: Path, package: Path) -> None:
    place = write_layers(package, tmp_path / "oci")
    index = json.loads((place / "index.json").read_text())
    assert json.loads((place / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    entry = index["manifests"][0]
    manifest = json.loads((place / "blobs" / entry["digest"].replace(":", "/")).read_text())
    assert manifest["schemaVersion"] == 2 and manifest["mediaType"] == entry["mediaType"]
    for layer in [manifest["config"], *manifest["layers"]]:
        data = (place / "blobs" / layer["digest"].replace(":", "/")).read_bytes()
        assert len(data) == layer["size"] and layer["mediaType"].startswith("application/vnd.cncf.model.")
    assert len(manifest["layers"]) == 9


def test_layers_that_were_changed_or_lead_out_are_refused(tmp_path: Path, package: Path) -> None:
    back = tmp_path / "back.wright"
    back.write_bytes(b"what was here before")

    def refused(name: str, spoil: Any) -> str:
        place = write_layers(package, tmp_path / name)
        spoil(place)
        return code_of(read_layers, place, back)

    def largest(place: Path) -> Path:
        return max((place / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)

    def flipped(place: Path) -> None:
        data = bytearray(largest(place).read_bytes())
        data[7] ^= 1
        largest(place).write_bytes(bytes(data))

    def link(place: Path) -> None:
        path = largest(place)
        path.rename(tmp_path / "aside")
        path.symlink_to(tmp_path / "aside")

    def folder_link(place: Path) -> None:
        (place / "blobs").rename(tmp_path / "blobs aside")
        (place / "blobs").symlink_to(tmp_path / "blobs aside")

    def index(**changes: Any) -> Any:
        def change(place: Path) -> None:
            told = json.loads((place / "index.json").read_text())
            told["manifests"][0].update(changes)
            (place / "index.json").write_text(json.dumps(told))

        return change

    assert refused("a", flipped) == "exchange.changed"
    assert refused("b", lambda place: largest(place).unlink()) == "exchange.missing"
    assert refused("c", link) == "exchange.path"
    assert refused("d", folder_link) == "exchange.path"
    assert refused("e", index(digest="sha256:../../../../etc/passwd")) == "exchange.path"
    assert refused("f", index(digest="sha256:" + "0" * 64)) == "exchange.missing"
    assert refused("g", index(size=3)) == "exchange.changed"
    assert refused("h", lambda place: (place / "index.json").write_text("[" * 100_000)) == "exchange.layers"
    assert refused("i", lambda place: (place / "index.json").write_text("{}")) == "exchange.layers"
    assert refused("j", lambda place: (place / "index.json").unlink()) == "exchange.missing"
    assert back.read_bytes() == b"what was here before"
