"""The store: a folder in which every value lies under the sha256 of its bytes.

    .wright/
      blobs/ab/abcd...     bytes, named by their digest; never changed, verified on every read
      datasets/<name>/     versions of a dataset: one manifest each, which name their parts (collection/versions)
      keys/ab/abcd....json what a stage made: key -> {value, digest, facts}
      names/<kind>/<name>  pointers (run, package, dataset, alias), replaced atomically
      runs/<run>.json      run records
      seen/<hash>.json     path, size and time of a file -> its sha256, so that it need not be read again
      tmp/                 files in the making

Everything is written aside, synced and renamed, and every write can be repeated, so processes may share a
store and killing any of them loses at most what it was writing.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelwright.core.errors import SystemFault, UserError

FORMAT = 1
_CHUNK_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,120}\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


def canonical(plain: Any) -> bytes:
    """The one spelling of JSON-able data that keys and digests are made from.

    >>> canonical({"b": 1, "a": (2.5, None)})
    b'{"a":[2.5,null],"b":1}'
    """
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def digest_of(plain: Any) -> str:
    """sha256 of the canonical bytes of JSON-able data."""
    return hashlib.sha256(canonical(plain)).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file, read in chunks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_name(name: str) -> str:
    """Return `name` if it can name a run or a package, else say the rule."""
    if not _NAME.match(name):
        raise UserError(
            "store.name",
            f"`name` must be letters, digits, '.', '_', '@', '+' or '-', at most 121; got {name!r}.",
            hint="give another with --name",
        )
    return name


@contextlib.contextmanager
def disk_faults(what: Path) -> Iterator[None]:
    """Turn the operating system's refusals into errors that name the file and the way out."""
    try:
        yield
    except OSError as problem:
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SystemFault(
                "store.full",
                f"no space is left on the disk of {what}.",
                hint="free some, e.g. with `wright gc`",
            ) from problem
        if problem.errno in (
            errno.EACCES,
            errno.EPERM,
            errno.EROFS,
            errno.ENOTDIR,
            errno.EEXIST,
            errno.EISDIR,
        ):
            raise UserError(
                "store.unwritable",
                f"{what} cannot be written: {problem.strerror}.",
                hint="choose another folder with --store DIR",
            ) from problem
        raise


def write_atomically(path: Path, data: bytes) -> None:
    """Write aside, sync, rename: a reader sees the old bytes or the new ones, never a part."""
    with disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
        try:
            with aside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


@dataclass(frozen=True)
class Store:
    """A store at `root`; `Store.open` makes the folder.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = Store.open(Path(folder) / ".wright")
    ...     digest = store.put(b"golden")
    ...     store.get(digest)
    b'golden'
    """

    root: Path

    @classmethod
    def open(cls, root: Path | str) -> Store:
        """Open or make a store; one of a newer format is refused."""
        store = cls(Path(root))
        marker = store.root / "format.json"
        with disk_faults(store.root):
            known = marker.exists()
            (store.root / "tmp").mkdir(parents=True, exist_ok=True)
        if not known:
            write_atomically(marker, canonical({"store": FORMAT}))
        elif (found := store._json(marker).get("store")) != FORMAT:
            raise UserError(
                "store.format", f"{store.root} has store format {found!r}; this version reads {FORMAT}.",
                hint="use the version that wrote it, or another --store DIR",
            )  # fmt: skip
        return store

    # Bytes ------------------------------------------------------------------------------------------------

    def blob(self, digest: str) -> Path:
        """Where the bytes of a digest lie."""
        if not _DIGEST.match(digest):
            raise SystemFault("store.corrupt", f"{self.root} names {digest[:80]!r}, which is no digest.")
        return self.root / "blobs" / digest[:2] / digest

    def put(self, data: bytes) -> str:
        """Keep bytes; their digest."""
        digest = hashlib.sha256(data).hexdigest()
        path = self.blob(digest)
        if not path.exists():
            write_atomically(path, data)
        return digest

    @contextlib.contextmanager
    def scratch(self, suffix: str = "") -> Iterator[Path]:
        """A path for a file in the making; what is left there at the end is removed."""
        path = self.root / "tmp" / f"{uuid.uuid4().hex}{suffix}"
        with disk_faults(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                yield path
            finally:
                path.unlink(missing_ok=True)

    def adopt(self, path: Path) -> str:
        """Move a finished scratch file to its place; its digest."""
        digest = file_digest(path)
        place = self.blob(digest)
        with disk_faults(place):
            with path.open("rb+") as file:
                os.fsync(file.fileno())
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
        return digest

    def path(self, digest: str) -> Path:
        """The verified file of a digest: one flipped bit is noticed."""
        path = self.blob(digest)
        if not path.exists():
            raise SystemFault("store.lost", f"{path} is gone.", hint="run again; only what is lost is made anew")
        if file_digest(path) != digest:
            path.rename(path.with_suffix(".corrupt"))
            raise SystemFault(
                "store.corrupt", f"{path} does not have the bytes that it was written with.",
                hint="run again; it has been set aside and is made anew",
            )  # fmt: skip
        return path

    def get(self, digest: str) -> bytes:
        """The verified bytes of a digest."""
        return self.path(digest).read_bytes()

    def sure(self, digest: str) -> Path:
        """As `path`; a file once verified is not read again while its size, time and inode stay the same."""
        path = self.blob(digest)
        return path if path.exists() and self.seen(path) == digest else self.path(digest)

    # What stages made -------------------------------------------------------------------------------------

    def _key_file(self, key: str) -> Path:
        return self.root / "keys" / key[:2] / f"{key}.json"

    def find(self, key: str) -> dict[str, Any] | None:
        """What was filed under a key, if all its bytes are still there; else None."""
        path = self._key_file(key)
        if not path.exists():
            return None
        entry = self._json(path)
        if digest_of(entry.get("value")) != entry.get("digest"):
            path.unlink(missing_ok=True)  # a torn or altered entry is as good as none: the stage runs again
            return None
        return entry if all(self.blob(digest).exists() for digest in digests_in(entry["value"])) else None

    def file(self, key: str, value: Any, *, facts: Mapping[str, Any]) -> dict[str, Any]:
        """File a stage's value (JSON-able, naming blobs by digest) under its key, with what to tell of it."""
        entry = {"value": value, "digest": digest_of(value), "facts": dict(facts)}
        earlier = self.find(key)
        if earlier is not None and earlier["digest"] != entry["digest"]:
            entry["differs_from"] = earlier["digest"]  # the same key, other bytes: told, never replaced in silence
        data = canonical(entry)
        write_atomically(self._key_file(key), data)
        filed: dict[str, Any] = json.loads(data)  # as a later run reads it: made now or then, the same bytes follow
        return filed

    # Names ------------------------------------------------------------------------------------------------

    def point(self, kind: str, name: str, value: Mapping[str, Any]) -> None:
        """Let a name stand for a value."""
        write_atomically(self.root / "names" / kind / check_name(name), canonical(dict(value)))

    def named(self, kind: str, name: str) -> dict[str, Any] | None:
        """What a name stands for, or None."""
        path = self.root / "names" / kind / check_name(name)
        return self._json(path) if path.exists() else None

    def names(self, kind: str) -> dict[str, dict[str, Any]]:
        """All names of a kind, sorted."""
        folder = self.root / "names" / kind
        files = sorted(folder.glob("[!.]*")) if folder.is_dir() else []
        return {path.name: self._json(path) for path in files}

    # Files outside ----------------------------------------------------------------------------------------

    def seen(self, path: Path) -> str:
        """sha256 of a file outside the store, read again only when its size, time or inode changed."""
        stat = path.stat()
        mark = [str(path.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ino]
        note = self.root / "seen" / f"{digest_of(mark[0])}.json"
        if note.exists() and (known := self._json(note)).get("mark") == mark:
            return str(known["sha256"])
        digest = file_digest(path)
        if time.time_ns() - stat.st_mtime_ns > 2_000_000_000:  # a file changed this instant may change unseen
            write_atomically(note, canonical({"mark": mark, "sha256": digest}))
        return digest

    # Room -------------------------------------------------------------------------------------------------

    def collect_garbage(self, keep_keys: set[str], keep_digests: set[str], *, grace_s: float) -> tuple[int, int]:
        """Remove keys and blobs that nothing names and that are older than `grace_s` seconds.

        The grace keeps what another process is making now. Returns how many files and how many bytes.
        """
        oldest = time.time() - grace_s
        wanted = set(keep_digests)
        for path in (self.root / "keys").glob("*/*.json"):
            if path.stem in keep_keys or path.stat().st_mtime > oldest:
                wanted |= digests_in(self._json(path).get("value"))
        n_files = n_bytes = 0
        for path in [
            *(self.root / "keys").glob("*/*.json"),
            *(self.root / "blobs").glob("*/*"),
            *(self.root / "tmp").iterdir(),
            *(self.root / "candidates").glob("*/*"),  # they only save the work of comparing them again
        ]:
            stat = path.stat()
            if stat.st_mtime > oldest or path.stem in keep_keys or path.name in wanted:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            n_files, n_bytes = n_files + 1, n_bytes + stat.st_size
        return n_files, n_bytes

    def _json(self, path: Path) -> dict[str, Any]:
        try:
            found = json.loads(path.read_bytes())
        except (ValueError, UnicodeDecodeError):
            found = None
        if not isinstance(found, dict):
            raise SystemFault(
                "store.corrupt",
                f"{path} is not what was written there.",
                hint="delete that file and run again",
            )
        return found


def digests_in(value: Any) -> set[str]:
    """All digests that JSON-able data names, however deep.

    >>> sorted(digests_in({"a": ["0" * 64], "b": 3}))[0][:3]
    '000'
    """
    if isinstance(value, str):
        return {value} if _DIGEST.match(value) else set()
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return set()
    return set().union(*(digests_in(item) for item in value)) if value else set()
