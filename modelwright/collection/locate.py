"""A source's text to what lies behind it: the kind of address, or the local files it means."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Literal

from modelwright.collection.sniff import KNOWN_ENDINGS, endings_of
from modelwright.core.errors import UserError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


def scheme_of(source: str) -> Literal["path", "web", "database", "dataset", "stream", "crawl", "hub"]:
    """What kind of address a source is.

    >>> scheme_of("data/*.csv"), scheme_of("https://example.org/a.csv"), scheme_of("sqlite:///a.db")
    ('path', 'web', 'database')
    >>> scheme_of("dataset:homes@3")
    'dataset'
    """
    if source.startswith("dataset:"):
        return "dataset"
    if source.startswith("watch:"):
        return "stream"
    if source.startswith("crawl:"):
        return "crawl"
    if source.startswith(("hf:", "openml:")):
        return "hub"
    match = _SCHEME.match(source)
    if not match:
        return "path"
    scheme = match.group(1).lower()
    if scheme in ("http", "https"):
        return "web"
    if scheme in ("sqlite", "postgresql", "postgres", "mysql", "mariadb"):
        return "database"
    if scheme in ("mqtt", "mqtts", "kafka", "tcp"):
        return "stream"
    raise UserError(
        "collection.scheme",
        f"an address of the kind `{scheme}://` is not read.",
        hint="give a path, an http(s):// address, sqlite:///file.db, postgresql://user@host/name or mysql://user@host/name",
    )


def locate(source: str) -> list[Path]:
    """The local files that a path, pattern or folder means, sorted by name; never none.

    >>> locate("no/such/folder/a.csv")
    Traceback (most recent call last):
    modelwright_runtime.errors.UserError: there is no file `no/such/folder/a.csv`.
    Hint: the folder `no/such/folder` does not exist either [collection.missing]
    """
    path = Path(source).expanduser()
    try:
        if path.is_dir():
            return _in_folder(path)
        if path.exists():
            return [path]
        if any(mark in source for mark in "*?["):
            return _by_pattern(path, source)
    except PermissionError as problem:
        raise UserError(
            "collection.permission",
            f"`{source}` may not be read: {problem.strerror}.",
            hint="ask its owner for the right to read it",
        ) from problem
    except UserError:
        raise
    except (OSError, ValueError) as problem:  # a name that is too long, or with a NUL in it
        raise UserError("collection.missing", f"there is no file `{source[:200]}`: {problem}.") from problem
    raise UserError("collection.missing", f"there is no file `{source}`.", hint=_nearby(path))


def _in_folder(folder: Path) -> list[Path]:
    files = sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith(".") and endings_of(path.name)[0] in KNOWN_ENDINGS
    )
    if not files:
        raise UserError(
            "collection.missing",
            f"the folder `{folder}` has no file of a known kind.",
            hint=f"known endings: {', '.join(sorted(KNOWN_ENDINGS))}, also with .gz, .zip or .zst; images and sounds",
        )
    return files


def _by_pattern(path: Path, source: str) -> list[Path]:
    root = Path(path.anchor) if path.anchor else Path()
    pattern = str(path.relative_to(root)) if path.anchor else str(path)
    files = sorted(found for found in root.glob(pattern) if found.is_file())
    if not files:
        raise UserError(
            "collection.missing", f"no file has a name like `{source}`.", hint="check the pattern and the folder"
        )
    return files


def _nearby(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"the folder `{folder}` does not exist either"
    names = sorted(other.name for other in folder.iterdir())
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.5)
    return f"did you mean `{folder / close[0]}`?" if close else f"it is not in `{folder}`"
