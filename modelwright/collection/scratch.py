"""Files of this process that go when it ends: downloads, expanded archives, repaired tables."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from modelwright.core.errors import SystemFault, UserError

CHUNK_BYTES = 4 * 2**20


@cache  # never evicted: eviction would remove the folder under a fork
def _folder(process: int) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix=f"modelwright-{process}-", ignore_cleanup_errors=True)


def scratch_path(suffix: str = "") -> Path:
    """A path that is not taken, in a folder that is removed when the process ends."""
    return Path(_folder(os.getpid()).name) / f"{uuid.uuid4().hex}{suffix}"


def is_scratch(path: Path) -> bool:
    """Whether a path lies in this process's scratch folder."""
    return path.parent == Path(_folder(os.getpid()).name)


def forget(path: Path) -> None:
    """Remove a scratch file; any other file is left alone."""
    if is_scratch(path):
        path.unlink(missing_ok=True)


@contextmanager
def file_errors(path: Path | str) -> Iterator[None]:
    """Turn what the operating system says of a file into a coded error.

    >>> with file_errors("gone.csv"):
    ...     raise FileNotFoundError(2, "No such file")
    Traceback (most recent call last):
    modelwright_runtime.errors.UserError: there is no file `gone.csv`. [collection.missing]
    """
    try:
        yield
    except FileNotFoundError as problem:
        raise UserError("collection.missing", f"there is no file `{path}`.") from problem
    except PermissionError as problem:
        raise UserError(
            "collection.permission",
            f"`{problem.filename or path}` may not be read or written: {problem.strerror}.",
            hint="ask its owner for the right to it",
        ) from problem
    except IsADirectoryError as problem:
        raise UserError("collection.not_a_file", f"`{path}` is a folder, not a file.") from problem
    except OSError as problem:
        raise SystemFault(
            "collection.disk",
            f"`{problem.filename or path}` could not be read or written: {problem.strerror or problem}.",
            hint="look at the disk's room and health",
        ) from problem


def digest(path: Path) -> tuple[str, int]:
    """sha256 and size in bytes of a file.

    >>> path = scratch_path(); _ = path.write_bytes(b"abc")
    >>> digest(path)
    ('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', 3)
    """
    found, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            found.update(chunk)
            size += len(chunk)
    return found.hexdigest(), size


def keep_bytes(path: Path, sha256: str, folder: Path) -> Path:
    """Keep a file in `folder` under its sha256: copied aside, fsynced, renamed. Returns where it lies.

    A copy, not a hard link: a file that its owner changes in place would change behind the digest.
    """
    kept = folder / sha256
    if kept.exists():
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f".{sha256}.{uuid.uuid4().hex}"
    try:
        shutil.copyfile(path, aside)
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        copied, _ = digest(aside)
        if copied != sha256:
            raise UserError(
                "collection.changed",
                f"`{path}` changed while it was being read.",
                hint="run again when nothing writes to it",
            )
        aside.replace(kept)
    finally:
        aside.unlink(missing_ok=True)
    return kept
