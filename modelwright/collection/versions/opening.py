"""A version as a `Dataset`, lazy: nothing is read before it is asked for, and nothing is copied."""

from __future__ import annotations

from modelwright.collection.versions.manifest import Version, find
from modelwright.core.data import Dataset
from modelwright.core.parts import scan
from modelwright.core.store import Store, canonical


def open_version(store: Store, label: str | Version) -> Dataset:
    """The rows of `data` (its newest version), `data@3` or `data@tag`, with the ids that they keep for ever.

    `origin["version"]` is the version's label. A run in the same store names the parts and copies none of them.
    Raises `UserError("versions.unknown")` with what there is.

    >>> import tempfile, polars as pl
    >>> from modelwright.collection.versions import append
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = Store.open(folder)
    ...     _ = append(store, "tea", pl.DataFrame({"leaf": ["green", "black"]}))
    ...     data = open_version(store, "tea@1")
    ...     data.n_rows, data.origin["version"], data.frame["leaf"].to_list()
    (2, 'tea@1', ['green', 'black'])
    """
    version = label if isinstance(label, Version) else find(store, label)
    source = {"name": f"dataset:{version.label}", "format": "dataset", "n_rows": version.n_rows, "first_row": 0,
              "sha256": version.digest}  # fmt: skip
    manifest = {
        "schema": version.schema.to_plain(), "types": dict(version.types), "n_rows": version.n_rows,
        "parts": [part.to_plain() for part in version.parts],
        "origin": {"sources": [source], "repairs": [], "decisions": [], "version": version.label},
    }  # fmt: skip
    table = scan(store, version.parts, version.types)
    return Dataset(table, version.schema, version.n_rows, manifest["origin"], store.put(canonical(manifest)))  # type: ignore[arg-type]
