"""What a source's bytes are, before they are read: the store's key of a collection begins with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from modelwright.collection.base import CollectSpec, SourceSpec
from modelwright.collection.beside import named_files
from modelwright.collection.locate import locate, scheme_of
from modelwright.collection.tree import media_files
from modelwright.core.store import Store, digest_of


def fingerprint(spec: CollectSpec, seen: Callable[[Path], str], store: Store | None = None) -> str | None:
    """A digest of every local file that a spec means; None when a source is a database or an address.

    `seen` gives the sha256 of a file (the store remembers those of files that did not change). A dataset is the version
    that its name means now. Of folders and
    patterns of media the names, sizes and times of change count: their bytes are read once, when they are
    collected, and are named by the digest of the table that holds them.

    >>> fingerprint(CollectSpec(sources="sqlite:///people.db"), seen=lambda path: "") is None
    True
    """
    if any(scheme_of(source.source) not in ("path", "dataset") for source in spec.sources):
        return None
    return digest_of([mark for source in spec.sources for mark in _marks(source, seen, store)])


def _marks(source: SourceSpec, seen: Callable[[Path], str], store: Store | None) -> list[list[object]]:
    if scheme_of(source.source) == "dataset":
        from modelwright.collection.versions.manifest import find

        version = find(store, source.source) if store is not None else None
        return [[version.label, version.digest] if version else [source.source]]
    files = media_files(source.source)
    if files:
        return [[found.name, found.n_bytes, found.changed_ns] for found in files]
    marks: list[list[object]] = []
    for path in locate(source.source):
        marks.append([path.name, seen(path)])
        marks += [[found.name, found.n_bytes, found.changed_ns] for found in named_files(path, source)]
    return marks


def _under(folder: Path, path: str, hub: str) -> str:
    """The path from `folder`; of a hub it must still begin as a path does."""
    made = str(folder / path)
    return f"./{made}" if hub and not made.startswith((".", "/", "~")) else made


def relative_to(spec: CollectSpec, folder: Path) -> CollectSpec:
    """The same sources with relative paths taken from `folder`.

    >>> relative_to(CollectSpec(sources="a.csv"), Path("data")).sources[0].source
    'data/a.csv'
    """
    sources = []
    for source in spec.sources:
        hub = "hf:" if source.source.startswith(("hf:./", "hf:../")) else ""  # a folder in a hub's layout
        path = source.source.removeprefix(hub)
        is_path = hub or scheme_of(source.source) == "path"
        is_relative = is_path and not Path(path).expanduser().is_absolute()
        sources.append(source.but(source=f"{hub}{_under(folder, path, hub)}") if is_relative else source)
    return spec.but(sources=tuple(sources))
