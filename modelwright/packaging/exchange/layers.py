"""A package as layers with digests, in the layout that container registries keep (OCI image layout, ModelPack).

Any tool that copies OCI layouts (`oras`, `skopeo`, `crane`) moves it to a registry and back. Each member of the package
is a layer of its own, so that two packages with the same graph share it; the manifest, the order and the seal say how
the very same file is put together again.
References: https://github.com/opencontainers/image-spec/blob/main/image-layout.md and
https://github.com/modelpack/model-spec (media types of CNCF ModelPack).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from modelwright.core.errors import UserError
from modelwright.packaging.exchange.mlflow import plain_bytes, refuse_full

LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
ARTIFACT = "application/vnd.cncf.model.manifest.v1+json"
CONFIG_TYPE = "application/vnd.cncf.model.config.v1+json"
WEIGHTS = "application/vnd.cncf.model.weight.v1.raw"
DOCUMENT = "application/vnd.cncf.model.doc.v1.raw"
SETTINGS = "application/vnd.cncf.model.weight.config.v1.raw"
TITLE = "org.opencontainers.image.title"
MAX_JSON_BYTES = 2**20
_KINDS = {"model.onnx": WEIGHTS, "card.md": DOCUMENT}


def write_layers(package: str | Path, folder: str | Path) -> Path:
    """Write a package as an OCI image layout at `folder`, which must be empty or absent; the folder.

    Raises what `load` raises, and `UserError("exchange.folder")` when something lies in `folder`. The same package
    gives the same bytes.

    >>> import tempfile
    >>> from modelwright.testing.packages import tiny_package
    >>> with tempfile.TemporaryDirectory() as place:
    ...     made = write_layers(tiny_package(Path(place)).path, f"{place}/oci")
    ...     sorted(path.name for path in made.iterdir())
    ['blobs', 'index.json', 'oci-layout']
    """
    from modelwright.core.store import disk_faults
    from modelwright.packaging.archive import plain_json
    from modelwright_runtime import load
    from modelwright_runtime.archive import MEMBERS, read_archive

    model, place = load(package), Path(folder)
    _, members, _ = read_archive(package)
    with disk_faults(place):
        refuse_full(place)
        layers = [
            {**_blob(place, members[name]), "mediaType": _KINDS.get(name, SETTINGS), "annotations": {TITLE: name}}
            for name in MEMBERS
        ]
        config = plain_json(_config(model, [layer["digest"] for layer in layers]))
        manifest = plain_json({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "artifactType": ARTIFACT,
            "config": {**_blob(place, config), "mediaType": CONFIG_TYPE}, "layers": layers,
            "annotations": {TITLE: model.name, "org.modelwright.package.sha256": model.facts["digest"]},
        })  # fmt: skip
        entry = {**_blob(place, manifest), "mediaType": MANIFEST_TYPE, "artifactType": ARTIFACT}
        index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [entry]}
        _put(place / "oci-layout", LAYOUT)
        _put(place / "index.json", plain_json(index))
    return place


def _config(model: Any, digests: list[str]) -> dict[str, Any]:
    return {
        "descriptor": {"name": model.name, "title": model.name},
        "config": {"format": "onnx", "architecture": model.signature.task.kind},
        "modelfs": {"type": "layers", "diffIds": digests},
    }


def _blob(folder: Path, data: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    _put(folder / "blobs" / "sha256" / digest, data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def _put(path: Path, data: bytes) -> None:
    from modelwright.core.store import write_atomically

    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)


def read_layers(folder: str | Path, path: str | Path) -> Path:
    """Put the package of an OCI layout together again at `path`, byte for byte; `path`.

    Every layer's size and digest is checked before it is used, and the whole is verified as at every load. Raises
    `UserError` `exchange.missing` and `exchange.layers` for what is no such layout, `exchange.changed` for a layer or a
    package that is not what its digest says, `exchange.path` for links, `exchange.size` for what is too large.

    >>> import tempfile
    >>> from modelwright.testing.packages import tiny_package
    >>> with tempfile.TemporaryDirectory() as place:
    ...     given = tiny_package(Path(place)).path
    ...     back = read_layers(write_layers(given, f"{place}/oci"), f"{place}/back.wright")
    ...     back.read_bytes() == given.read_bytes()
    True
    """
    from modelwright.packaging.archive import archive_bytes
    from modelwright.packaging.base import write_proved
    from modelwright_runtime.archive import MAX_FILE_BYTES, MEMBERS

    place = Path(folder)
    manifest, name, digest = _manifest(place)
    members: dict[str, bytes] = {}
    left_bytes = MAX_FILE_BYTES
    for layer in manifest["layers"]:
        title = (layer.get("annotations") or {}).get(TITLE) if isinstance(layer, dict) else None
        if title not in MEMBERS or title in members:
            raise _no_layout(place, f"a layer has the title {str(title)[:60]!r}")
        members[title] = _read_blob(place, layer, left_bytes)
        left_bytes -= len(members[title])
    if set(members) != set(MEMBERS):
        raise _no_layout(place, f"there is no layer {sorted(set(MEMBERS) - set(members))[0]!r}")
    data = archive_bytes(members, name=name)
    if hashlib.sha256(data).hexdigest() != digest:
        raise UserError("exchange.changed", f"the layers in {place} do not make the package that was taken apart.",
                        hint="copy the layout again; another version of zlib packs in other bytes")  # fmt: skip
    return write_proved(Path(path), data).path


def _manifest(folder: Path) -> tuple[dict[str, Any], str, str]:
    """The manifest, the package's name and its digest."""
    index = _json(plain_bytes(folder, "index.json", most_bytes=MAX_JSON_BYTES), folder)
    listed = index.get("manifests")
    if not isinstance(listed, list) or len(listed) != 1 or not isinstance(listed[0], dict):
        raise _no_layout(folder, "its index does not name one manifest")
    manifest = _json(_read_blob(folder, listed[0], MAX_JSON_BYTES), folder)
    notes = manifest.get("annotations")
    if not isinstance(manifest.get("layers"), list) or not isinstance(notes, dict):
        raise _no_layout(folder, "its manifest has no layers or no annotations")
    name, digest = notes.get(TITLE), notes.get("org.modelwright.package.sha256")
    if not isinstance(name, str) or not isinstance(digest, str):
        raise _no_layout(folder, "its manifest does not say which package it is")
    return manifest, name, digest


def _json(data: bytes, folder: Path) -> dict[str, Any]:
    from modelwright_runtime.archive import parse_json

    try:
        value = parse_json(data, "it")
    except UserError as problem:
        raise _no_layout(folder, problem.message.rstrip(".")) from None
    if not isinstance(value, dict):
        raise _no_layout(folder, "its index or manifest is no object")
    return value


def _read_blob(folder: Path, described: dict[str, Any], most_bytes: int) -> bytes:
    digest, size = described.get("digest"), described.get("size")
    if not isinstance(digest, str) or not isinstance(size, int) or not digest.startswith("sha256:"):
        raise _no_layout(folder, "a layer has no digest or no size")
    plain = digest.removeprefix("sha256:")
    if len(plain) != 64 or any(letter not in "0123456789abcdef" for letter in plain):
        raise UserError("exchange.path", f"{digest[:80]!r} is no digest.")
    for part in ("blobs", "blobs/sha256"):
        if (folder / part).is_symlink():
            raise UserError("exchange.path", f"{folder / part} is a link; it is not followed.")
    data = plain_bytes(folder / "blobs" / "sha256", plain, most_bytes=most_bytes)
    if len(data) != size or hashlib.sha256(data).hexdigest() != plain:
        raise UserError("exchange.changed", f"the layer {plain[:12]} in {folder} is not what its digest says.",
                        hint="copy the layout again")  # fmt: skip
    return data


def _no_layout(folder: Path, why: str) -> UserError:
    return UserError("exchange.layers", f"{folder} is no package in layers: {why}.",
                     hint="`wright export NAME --target layers -o DIR` writes one")  # fmt: skip
