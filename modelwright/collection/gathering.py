"""Collecting again and again: what is new in the sources becomes the next version of a dataset.

Each kind of source is a channel, a generator of `Step`s: rows that are written already, and the state (a cursor) with
which the channel goes on after them. Steps are kept in a folder as they come, so a collection that is broken off, or
killed, goes on from its last step; all of them become one version in one commit, and without a step there is none.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.collection.versions.commit import Arrival, Change, Gone, Origin, commit
from modelwright.collection.versions.manifest import Version, check_dataset_name, folder_of, newest
from modelwright.collection.versions.writing import Written
from modelwright.core.codec import plain_of
from modelwright.core.data import Column
from modelwright.core.errors import UserError
from modelwright.core.parts import Part
from modelwright.core.store import Store, canonical, digest_of, write_atomically

if TYPE_CHECKING:
    from modelwright.collection.base import CollectSpec, SourceSpec
    from modelwright.collection.reader import Surroundings
    from modelwright.core.values import Watch


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a channel did since its last step: rows that came and went, the state after them, what is worth telling.
    `skipped` counts what was passed over, by reason."""

    arrivals: tuple[Arrival, ...] = ()
    gone: tuple[Gone, ...] = ()
    state: Mapping[str, Any] | None = None
    told: tuple[str, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_work(self) -> bool:
        """Whether it changes the dataset."""
        return bool(self.arrivals or self.gone)

    def to_plain(self) -> dict[str, Any]:
        """JSON-able form."""
        plain: dict[str, Any] = plain_of(self)
        for arrival, own in zip(plain["arrivals"], self.arrivals, strict=True):
            parts = [part.to_plain() for part in own.written.parts]
            names = list(own.written.types.items())  # pairs: the order of the columns holds, and JSON's keys are sorted
            arrival["written"] = {"parts": parts, "types": names, "n_rows": own.written.n_rows}
        return plain

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Step:
        """The inverse of `to_plain`."""
        return cls(
            arrivals=tuple(_arrival(one) for one in plain["arrivals"]),
            gone=tuple(Gone(**one) for one in plain["gone"]),
            state=plain["state"], told=tuple(plain["told"]), skipped=plain["skipped"],
        )  # fmt: skip


def _arrival(plain: Mapping[str, Any]) -> Arrival:
    written = plain["written"]
    return Arrival(
        source=plain["source"], origins=tuple(Origin(**one) for one in plain["origins"]),
        written=Written(parts=tuple(Part.from_plain(one) for one in written["parts"]), types=dict(written["types"]),
                        n_rows=written["n_rows"]),
        known=tuple(Column(**one) for one in plain["known"]),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Came:
    """What one source brought: rows that are new, rows that left, and what was passed over, by reason."""

    source: str
    n_added: int
    n_removed: int
    skipped: Mapping[str, int]
    told: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """What a collection came to: `version` is the newest one, and `is_new` says whether it was made now."""

    version: Version
    is_new: bool
    sources: tuple[Came, ...]


@dataclass(frozen=True)
class Task:
    """What a channel works with: its source, the version that it adds to, its own state so far, limits and store."""

    source: SourceSpec
    key: str
    base: Version
    state: Mapping[str, Any]
    around: Surroundings
    store: Store
    done: tuple[Step, ...] = ()
    """Its own steps of a collection that was broken off and is gone on with."""


Channel = Callable[[Task], Iterator[Step]]


def gather(
    spec: CollectSpec, name: str, *, store: Store, watch: Watch | None = None, keep: Path | str | None = None
) -> Gathered:  # fmt: skip
    """Collect what is new in every source into the next version of the dataset `name`.

    Files are known by their bytes: a new file is added, a changed one replaces its rows, one that is gone leaves its
    rows and is told. A database or an API with a `cursor` gives the rows from there on; without one it is read whole,
    and replaces its rows if they differ. What was begun and broken off is gone on with. Nothing new makes no version.
    The pages of a web site are known by their text.

    Raises `UserError`: `collection.*` as `collect` does, `collection.gather`, `versions.*`.

    >>> import tempfile
    >>> from modelwright.collection.base import CollectSpec
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store, table = Store.open(Path(folder) / "store"), Path(folder) / "tea.csv"
    ...     _ = table.write_text("leaf,grams\\ngreen,2\\n")
    ...     first = gather(CollectSpec(sources=str(table)), "tea", store=store)
    ...     again = gather(CollectSpec(sources=str(table)), "tea", store=store)
    ...     first.version.label, first.is_new, again.version.label, again.is_new
    ('tea@1', True, 'tea@1', False)
    """
    _check(spec)
    first, was_begun = _round(spec, name, store, watch, keep)
    if not was_begun:
        return first
    second, _ = _round(spec, name, store, watch, keep)  # sources may have grown since they were read to their end
    return Gathered(
        version=second.version, is_new=first.is_new or second.is_new,
        sources=tuple(_summed(one, two) for one, two in zip(first.sources, second.sources, strict=True)),
    )  # fmt: skip


def _round(
    spec: CollectSpec, name: str, store: Store, watch: Watch | None, keep: Path | str | None
) -> tuple[Gathered, bool]:  # fmt: skip
    """Read every source to its end and commit; and whether a collection that was broken off was gone on with."""
    from modelwright.collection.reader import Surroundings

    base = newest(store, check_dataset_name(name))
    around = Surroundings.of(spec, keep=keep, watch=watch, store=store)
    keys = [key_of(source) for source in spec.sources]
    with _pending(store, spec, base, keys) as pending:
        was_begun = bool(pending.steps or pending.done)
        for source, key in zip(spec.sources, keys, strict=True):
            state = pending.state(key, base)
            if state is None:
                continue
            task = Task(source, key, base, state, around, store, pending.of(key))
            for step in channel_of(source)(task):
                pending.keep(key, step)
                around.tell("gathered", name=key, rows=sum(one.written.n_rows for one in step.arrivals))
            pending.keep(key, None)
        return _committed(store, base, pending), was_begun


def _check(spec: CollectSpec) -> None:
    if spec.combine == "join":
        raise UserError(
            "collection.gather", "a join cannot be collected piece by piece.",
            hint="collect each source into a dataset of its own, and join `dataset:A` and `dataset:B` in the recipe",
        )  # fmt: skip
    from modelwright.collection.locate import scheme_of

    for source in spec.sources:
        if scheme_of(source.source) == "stream":
            raise UserError(
                "collection.gather", f"`{source.source}` is a stream, which is listened to.",
                hint="`wright collect` does; in Python: modelwright.collection.streams.listen",
            )  # fmt: skip
        if scheme_of(source.source) == "dataset":
            raise UserError(
                "collection.gather", f"`{source.source}` is a dataset already.",
                hint="name the sources that it is made from",
            )  # fmt: skip


def key_of(source: SourceSpec) -> str:
    """What a source is known by from collection to collection: its address without secrets, its table or query."""
    from modelwright.collection.locate import scheme_of

    scheme = scheme_of(source.source)
    if scheme == "path":
        return str(Path(source.source).expanduser().resolve())
    if scheme == "database":
        from modelwright.collection.sql import sqlite_path, without_password

        what = source.table or f"query {digest_of(source.query)[:12]}"
        if source.source.lower().startswith("sqlite"):
            return f"sqlite:///{sqlite_path(source.source).resolve()} {what}"
        return f"{without_password(source.source)} {what}"
    if scheme == "hub":
        return source.source
    from modelwright.collection.fetch import shown

    return re.sub(r"//[^@/]*@", "//", source.source) if scheme in ("stream", "crawl") else shown(source.source)


def channel_of(source: SourceSpec) -> Channel:
    """The channel that reads a kind of source."""
    from modelwright.collection.locate import scheme_of

    scheme = scheme_of(source.source)
    if scheme == "crawl":
        from modelwright.collection.web.piece import read_new_site

        return read_new_site
    if scheme == "hub":
        from modelwright.collection.hubs import read_new_hub

        return read_new_hub
    if scheme == "database":
        from modelwright.collection.databases import read_new_rows

        return read_new_rows
    if source.api is not None:
        from modelwright.collection.databases import read_new_pages

        return read_new_pages
    from modelwright.collection.newfiles import read_new_address, read_new_files

    return read_new_address if scheme == "web" else read_new_files


# What is kept while a collection is under way -----------------------------------------------------------------------


@dataclass
class _Pending:
    """Steps that were done and are in no version yet, one small file each."""

    folder: Path
    base: Version
    keys: list[str]
    steps: list[tuple[str, Step]] = field(default_factory=list)
    done: dict[str, None] = field(default_factory=dict)

    def state(self, key: str, base: Version) -> Mapping[str, Any] | None:
        """The state with which a source goes on; None when it was read to its end already."""
        if key in self.done:
            return None
        states = [step.state for source, step in self.steps if source == key and step.state is not None]
        found: Mapping[str, Any] = states[-1] if states else base.cursors.get(key, {}).get("state", {})
        return found

    def of(self, key: str) -> tuple[Step, ...]:
        """The steps of one source."""
        return tuple(step for source, step in self.steps if source == key)

    def keep(self, key: str, step: Step | None) -> None:
        """Write a step down; None says that the source was read to its end."""
        number = len(self.steps) + len(self.done)
        plain = {"key": key, "step": None if step is None else step.to_plain()}
        write_atomically(self.folder / f"{number:06d}.json", canonical(plain))
        self._take(key, step)

    def _take(self, key: str, step: Step | None) -> None:
        if step is None:
            self.done[key] = None
        else:
            self.steps.append((key, step))

    def load(self, store: Store) -> None:
        """Take up the steps of a collection that was broken off, if they still fit."""
        marks = {key: int(self.base.cursors.get(key, {}).get("version", 0)) for key in self.keys}
        begun = self.folder / "begun"
        fits = begun.exists() and json.loads(begun.read_bytes()) == marks
        files = sorted(self.folder.glob("[0-9]*.json")) if fits else []
        for file in files:
            plain = json.loads(file.read_bytes())
            step = None if plain["step"] is None else Step.from_plain(plain["step"])
            if step and not all(store.blob(p.digest).exists() for one in step.arrivals for p in one.written.parts):
                break
            self._take(plain["key"], step)
        if len(self.steps) + len(self.done) < len(files) or not fits:
            begun.unlink(missing_ok=True)  # first: what a kill leaves of the steps is never taken for all of them
            shutil.rmtree(self.folder, ignore_errors=True)
            self.steps, self.done = [], {}
            write_atomically(begun, canonical(marks))


@contextlib.contextmanager
def _pending(store: Store, spec: CollectSpec, base: Version, keys: list[str]) -> Iterator[_Pending]:
    """The steps so far of this collection; one process at a time works on it."""
    mark = digest_of([keys, spec.to_plain()])[:16]
    folder = folder_of(store, base.name) / "pending" / mark
    with alone(folder.with_suffix(".lock"), base.name):
        pending = _Pending(folder, base, keys)
        pending.load(store)
        yield pending
        (folder / "begun").unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def alone(lock: Path, name: str) -> Iterator[None]:
    """Let no other process do the same at once; the system frees the lock when a process dies."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        try:
            if os.name == "posix":
                import fcntl

                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                "versions.busy", f"another process is collecting these sources into {name!r} now.",
                hint="wait until it is done, or stop it",
            ) from None  # fmt: skip
        yield


def _committed(store: Store, base: Version, pending: _Pending) -> Gathered:
    """All steps as one version; none when nothing came and nothing left."""
    steps = [step for _, step in pending.steps]
    cursors = {key: step.state or {} for key, step in pending.steps if step.state is not None or step.is_work}
    came = tuple(_came(key, pending.of(key)) for key in pending.keys)
    if not any(step.is_work for step in steps):
        return Gathered(version=base, is_new=False, sources=came)
    change = Change(
        base=base, arrivals=tuple(one for step in steps for one in step.arrivals),
        gone=tuple(one for step in steps for one in step.gone), cursors=cursors,
        told=tuple(line for step in steps for line in step.told),
    )  # fmt: skip
    return Gathered(version=commit(store, change), is_new=True, sources=came)


def _summed(one: Came, two: Came) -> Came:
    """What a source brought in two rounds; what was passed over is told as the second one found it."""
    return Came(source=one.source, n_added=one.n_added + two.n_added, n_removed=one.n_removed + two.n_removed,
                skipped=two.skipped, told=(*one.told, *two.told))  # fmt: skip


def _came(key: str, steps: tuple[Step, ...]) -> Came:
    skipped: dict[str, int] = {}
    for step in steps:
        for why, count in step.skipped.items():
            skipped[why] = skipped.get(why, 0) + count
    return Came(
        source=key, n_added=sum(one.written.n_rows for step in steps for one in step.arrivals),
        n_removed=sum(one.n_rows for step in steps for one in step.gone), skipped=skipped,
        told=tuple(line for step in steps for line in step.told),
    )  # fmt: skip
