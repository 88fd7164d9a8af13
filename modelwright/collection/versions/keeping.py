"""What is kept of versions: all of them, until they are forgotten; the garbage collector then frees their files."""

from __future__ import annotations

import json
import shutil

from modelwright.collection.versions.manifest import SCHEME, Version, find, folder_of, names, numbers, read, tags
from modelwright.core.errors import UserError
from modelwright.core.store import Store, digests_in


def forget(store: Store, label: str, *, whole: bool = False) -> list[int]:
    """Forget `data@3`, or `data@3..9`, or (with `whole`) all of `data`; the numbers that were forgotten.

    The newest version stays, and so does a named one; `wright gc` frees what no other version and no run needs. Where
    rows came from is still told by later versions. Raises `UserError("versions.kept")`, `"versions.unknown"`.
    """
    name, _, which = label.removeprefix(SCHEME).partition("@")
    find(store, name)
    if whole and not which:
        gone = numbers(store, name)
        for word in tags(store, name):
            (store.root / "names" / "datasets" / f"{name}@{word}").unlink(missing_ok=True)
        shutil.rmtree(folder_of(store, name), ignore_errors=True)
        return gone
    first, dots, last = which.partition("..")
    if not first.isdecimal() or (dots and not last.isdecimal()):
        raise UserError(
            "versions.kept", f"which version of {name!r} is to be forgotten? got {label!r}.",
            hint=f"write {name}@1 or {name}@1..9; or {name} --all for all of it",
        )  # fmt: skip
    known = numbers(store, name)
    wanted = [number for number in known if int(first) <= number <= int(last or first)]
    if not wanted:
        raise UserError(
            "versions.unknown", f"{name!r} has no version {which!r}.", hint=f"it has {known[0]}..{known[-1]}"
        )
    named = {number: word for word, number in tags(store, name).items()}
    kept = {known[-1]: "it is the newest", **{number: f"it is named {word!r}" for number, word in named.items()}}
    if not dots and wanted[0] in kept:
        raise UserError(
            "versions.kept", f"{name}@{wanted[0]} is kept, for {kept[wanted[0]]}.",
            hint=f"`wright forget {name} --all` forgets the whole dataset; `wright datasets LABEL --drop` a name",
        )  # fmt: skip
    gone = [number for number in wanted if number not in kept]
    for number in gone:
        (folder_of(store, name) / f"{number:08d}.json").unlink(missing_ok=True)
    return gone


def digests_kept(store: Store) -> set[str]:
    """Every file that some version needs, or a collection that was broken off: what the garbage collector keeps."""
    kept: set[str] = set()
    for name in names(store):
        for number in numbers(store, name):
            kept |= _digests(store, name, number)
    folder = store.root / "datasets"
    for path in folder.glob("*/pending/*/*.json") if folder.is_dir() else ():
        try:
            kept |= digests_in(json.loads(path.read_bytes()))
        except (ValueError, FileNotFoundError):
            continue
    return kept


def _digests(store: Store, name: str, number: int) -> set[str]:
    try:
        version: Version = read(store, name, number)
    except UserError:  # forgotten by another process since it was listed
        return set()
    return version.digests()
