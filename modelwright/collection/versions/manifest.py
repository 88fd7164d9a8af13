"""`Version`: the manifest of one version of a dataset, and where manifests lie.

`datasets/<name>/00000003.json` is version 3 of a dataset, whole: reading it needs no other manifest. It names few
files, however often was appended, since small parts are merged (`merging.py`); so a commit costs what changed.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelwright.core.data import Schema
from modelwright.core.errors import SystemFault, UserError, nearest
from modelwright.core.parts import Part
from modelwright.core.store import Store, canonical, digest_of, digests_in, disk_faults

FORMAT = 1
SCHEME = "dataset:"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}\Z")
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9._+-]{0,19}\Z")


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version. `types` has a word for each column of `schema`. `cursors` say by source how far it was read, and
    in which version that was written. `ledger` are parts of a table with a line for each arrival (`ledger.py`).
    `next_row` is the id that the next row gets. `changed` tells what this version changed, for people."""

    name: str
    number: int
    parent: int | None
    created: str
    schema: Schema
    types: Mapping[str, str]
    parts: tuple[Part, ...]
    ledger: tuple[Part, ...]
    cursors: Mapping[str, Mapping[str, Any]]
    n_rows: int
    next_row: int
    changed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """`name@number`."""
        return f"{self.name}@{self.number}"

    @property
    def n_bytes(self) -> int:
        """Bytes of all parts, as they lie on the disk."""
        return sum({part.digest: part.n_bytes for part in self.parts}.values())

    @property
    def digest(self) -> str:
        """What this version's rows are: two versions of the same rows, ids and columns have the same."""
        parts = [part.to_plain() for part in self.parts]
        return digest_of([self.schema.to_plain(), dict(self.types), parts])

    def digests(self) -> set[str]:
        """Every file that the version needs."""
        return {part.digest for part in (*self.parts, *self.ledger)} | digests_in(self.cursors)

    def to_plain(self) -> dict[str, Any]:
        """JSON-able form: the manifest."""
        return {
            "format": FORMAT, "name": self.name, "number": self.number, "parent": self.parent, "created": self.created,
            "schema": self.schema.to_plain(), "types": dict(self.types),
            "parts": [part.to_plain() for part in self.parts], "ledger": [part.to_plain() for part in self.ledger],
            "cursors": {source: dict(state) for source, state in self.cursors.items()},
            "n_rows": self.n_rows, "next_row": self.next_row, "changed": dict(self.changed),
        }  # fmt: skip

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Version:
        """The inverse of `to_plain`."""
        fields = {name: value for name, value in plain.items() if name != "format"}
        schema = Schema.from_plain(plain["schema"])  # its order holds: JSON's keys are sorted
        return cls(**{
            **fields, "schema": schema, "types": {name: plain["types"][name] for name in schema.names},
            "parts": tuple(Part.from_plain(part) for part in plain["parts"]),
            "ledger": tuple(Part.from_plain(part) for part in plain["ledger"]),
        })  # fmt: skip


def nothing(name: str) -> Version:
    """What a dataset is before its first version: number 0, without rows."""
    return Version(
        name=name, number=0, parent=None, created="", schema=Schema(()), types={}, parts=(), ledger=(), cursors={},
        n_rows=0, next_row=0,
    )  # fmt: skip


def check_dataset_name(name: str) -> str:
    """Return `name` if it can name a dataset, else say the rule."""
    if not _NAME.match(name):
        raise UserError(
            "versions.name",
            f"a dataset's name must be letters, digits, '.', '_', '+' or '-', at most 100; got {name[:200]!r}.",
            hint="`data@3` is a version: give the name without it where a name is asked for",
        )
    return name


def folder_of(store: Store, name: str) -> Path:
    """Where the manifests of a dataset lie."""
    return store.root / "datasets" / check_dataset_name(name)


def names(store: Store) -> list[str]:
    """Every dataset of a store that has a version, sorted."""
    folder = store.root / "datasets"
    found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [name for name in found if _NAME.match(name) and numbers(store, name)]


def numbers(store: Store, name: str) -> list[int]:
    """The numbers of a dataset's versions, in order; none for an unknown name."""
    folder = folder_of(store, name)
    if not folder.is_dir():
        return []
    return sorted(int(entry[:-5]) for entry in os.listdir(folder) if entry.endswith(".json") and entry[:-5].isdecimal())  # noqa: PTH208


def read(store: Store, name: str, number: int) -> Version:
    """One version. Raises `UserError("versions.unknown")`, `SystemFault("store.corrupt")`."""
    path = folder_of(store, name) / f"{number:08d}.json"
    try:
        plain = json.loads(path.read_bytes())
        if plain["format"] != FORMAT:
            raise UserError(
                "store.format", f"{path} has format {plain['format']!r}; this version reads {FORMAT}.",
                hint="use the version that wrote it",
            )  # fmt: skip
        return Version.from_plain(plain)
    except FileNotFoundError:
        raise UserError(
            "versions.unknown", f"the dataset {name!r} has no version {number}.", hint=_known(store, name)
        ) from None
    except (ValueError, KeyError, TypeError) as problem:
        raise SystemFault(
            "store.corrupt", f"{path} is not what was written there.",
            hint="`wright forget` that version, or bring the file back from a copy",
        ) from problem  # fmt: skip


def newest(store: Store, name: str) -> Version:
    """The newest version; `nothing` before the first."""
    known = numbers(store, name)
    return read(store, name, known[-1]) if known else nothing(name)


def find(store: Store, label: str) -> Version:
    """The version that `data`, `data@3` or `data@tag` means (also with `dataset:` before it).

    Raises `UserError("versions.unknown")` with what there is.
    """
    name, at, which = label.removeprefix(SCHEME).partition("@")
    known = numbers(store, name)
    if not known:
        raise UserError(
            "versions.unknown", f"there is no dataset {name!r} in {store.root}.",
            hint=nearest(name, names(store)) if names(store) else "`wright collect SOURCE --as NAME` makes one",
        )  # fmt: skip
    if not at:
        return read(store, name, known[-1])
    if which.isdecimal():
        return read(store, name, int(which))
    tag = tags(store, name).get(which)
    if tag is None:
        raise UserError("versions.unknown", f"{name!r} has no version {which!r}.", hint=_known(store, name))
    return read(store, name, tag)


def _known(store: Store, name: str) -> str:
    known = numbers(store, name)
    told = ", ".join(map(str, known[-10:])) + (f" (and {len(known) - 10} older)" if len(known) > 10 else "")
    named = ", ".join(tags(store, name))
    return f"its versions: {told}{f'; named: {named}' if named else ''}" if known else "it has none"


def versions_of(store: Store, name: str) -> list[Version]:
    """Every version of a dataset, the oldest first."""
    return [read(store, name, number) for number in numbers(store, name)]


def create(store: Store, version: Version) -> bool:
    """Write a new manifest, all of it or nothing; False where another writer took that number first.

    A link to a finished file either is made or is not, and never replaces: this one step is the commit of rows,
    ledger and cursors together.
    """
    place = folder_of(store, version.name) / f"{version.number:08d}.json"
    with disk_faults(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        aside = place.with_name(f".{uuid.uuid4().hex}.tmp")
        try:
            with aside.open("wb") as file:
                file.write(canonical(version.to_plain()))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(aside, place)
            except FileExistsError:
                return False
            _sync(place.parent)
        finally:
            aside.unlink(missing_ok=True)
    return True


def _sync(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


# Names of versions ------------------------------------------------------------------------------------------------


def tag(store: Store, label: str, word: str) -> Version:
    """Let `data@word` stand for a version; it is kept for as long as it is named."""
    version = find(store, label)
    if not _TAG.match(word):
        raise UserError(
            "versions.tag", f"a name for a version begins with a letter and has at most 20 letters; got {word[:50]!r}.",
            hint="such as `wright datasets data@3 --call paper`",
        )  # fmt: skip
    store.point("datasets", f"{version.name}@{word}", {"number": version.number})
    return version


def untag(store: Store, label: str) -> None:
    """Let a word no longer stand for a version."""
    find(store, label)
    (store.root / "names" / "datasets" / label).unlink(missing_ok=True)


def tags(store: Store, name: str) -> dict[str, int]:
    """The words that stand for versions of a dataset."""
    known = store.names("datasets")
    return {label.partition("@")[2]: value["number"] for label, value in known.items() if label.startswith(f"{name}@")}
