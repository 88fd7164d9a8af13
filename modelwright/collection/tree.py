"""What lies in a folder, a pattern or a zip of media: the files by kind, in order, and what was left out and why."""

from __future__ import annotations

import os
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from modelwright.collection.scratch import CHUNK_BYTES, file_errors, scratch_path
from modelwright.core.errors import UserError

MediaForm = Literal["image", "audio"]
MEDIA_ENDINGS: dict[str, MediaForm] = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"), "image"),
    **dict.fromkeys((".wav", ".flac", ".ogg", ".oga", ".mp3", ".aif", ".aiff", ".au"), "audio"),
}
SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test", "val": "validation",
    "valid": "validation", "validation": "validation", "dev": "validation",
}  # fmt: skip
OTHER_FILES = re.compile(r"(idx[13]-ubyte|\.ts)(\.gz)?$", re.IGNORECASE)
MOST_FILES = 2_000_000
HARMLESS_BYTES = 64 * 2**20
_LITTER = {"thumbs.db", "desktop.ini", "__macosx"}


@dataclass(frozen=True, slots=True)
class Found:
    """One file: `name` is its path below the root, with slashes."""

    name: str
    path: Path
    n_bytes: int
    changed_ns: int

    @property
    def form(self) -> MediaForm | None:
        """Image or audio by its ending; None for other files."""
        return MEDIA_ENDINGS.get(PurePosixPath(self.name).suffix.lower())

    @property
    def stem(self) -> str:
        """The name without folders and ending."""
        return PurePosixPath(self.name).stem

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders between the root and the file."""
        return PurePosixPath(self.name).parts[:-1]


@dataclass(frozen=True)
class Tree:
    """The files below `root`, sorted by name, and how many were left out for which reason."""

    root: Path
    files: tuple[Found, ...]
    skipped: Counter[str] = field(default_factory=Counter)

    def media(self) -> list[Found]:
        """The images and sounds."""
        return [found for found in self.files if found.form]

    def of_ending(self, *endings: str) -> list[Found]:
        """The files with one of these endings, in lower case."""
        return [found for found in self.files if found.name.lower().endswith(endings)]


def walk(root: Path) -> Tree:
    """Every plain file below a folder. Hidden files, litter and links are left out, with the reason counted.

    >>> walk(Path("no/such/folder")).files
    ()
    """
    skipped: Counter[str] = Counter()
    files: list[Found] = []
    waiting = [(root, "")]
    while waiting:
        folder, below = waiting.pop()
        for entry in _entries(folder):
            why = _why_skipped(entry)
            if why:
                skipped[why] += 1
            elif entry.is_dir(follow_symlinks=False):
                waiting.append((Path(entry.path), f"{below}{entry.name}/"))
            elif entry.is_file(follow_symlinks=False):
                stat = entry.stat(follow_symlinks=False)
                files.append(Found(below + entry.name, Path(entry.path), stat.st_size, stat.st_mtime_ns))
        if len(files) > MOST_FILES:
            raise UserError(
                "collection.folder", f"`{root}` holds more than {MOST_FILES:,} files.", hint="name a folder in it"
            )
    return Tree(root, tuple(sorted(files, key=lambda found: _natural(found.name))), skipped)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    if not folder.is_dir():
        return []
    with file_errors(folder), os.scandir(folder) as found:
        return list(found)


def _why_skipped(entry: os.DirEntry[str]) -> str:
    if entry.name.startswith("."):
        return "hidden"
    if entry.name.lower() in _LITTER:
        return "litter of an operating system"
    if entry.is_symlink():
        return "a link, which may lead out of the folder"
    return ""


def _natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts `2.png` before `10.png`."""
    parts: list[tuple[int, int, str]] = []
    for is_number, piece in _pieces(name):
        parts.append((0, int(piece), piece) if is_number else (1, 0, piece))
    return tuple(parts)


def _pieces(name: str) -> Iterator[tuple[bool, str]]:
    for piece in re.findall(r"[0-9]{1,18}|[^0-9]+|[0-9]+", name):
        yield piece.isdigit() and len(piece) <= 18 and piece.isascii(), piece


def tree_of(source: str, max_bytes: int, max_ratio: float) -> Tree | None:
    """The files that a folder, a pattern, a zip of media or one media file means; None for anything else."""
    path = Path(source).expanduser()
    try:
        if path.is_dir():
            return walk(path)
        if path.is_file():
            if path.suffix.lower() == ".zip":
                return _zip_tree(path, max_bytes, max_ratio)
            return _file_tree(path)
        if any(mark in source for mark in "*?["):
            return _pattern_tree(path)
    except UserError:
        raise
    except (OSError, ValueError):
        return None  # `locate` tells what is wrong with it
    return None


def media_files(source: str) -> tuple[Found, ...]:
    """All files of a folder or pattern that holds media, or of a COCO file; () for any other source."""
    path = Path(source).expanduser()
    is_pattern = not path.exists() and any(mark in source for mark in "*?[")
    if not (path.is_dir() or is_pattern or path.suffix.lower() == ".json"):
        return ()
    tree = tree_of(source, 0, 1.0)
    special = tree and (tree.media() or any(OTHER_FILES.search(found.name) for found in tree.files))
    return tree.files if tree and special else ()


def _tree_of_files(root: Path, paths: list[Path]) -> Tree:
    files = []
    for path in paths:
        stat = path.stat()
        files.append(Found(path.relative_to(root).as_posix(), path, stat.st_size, stat.st_mtime_ns))
    return Tree(root, tuple(sorted(files, key=lambda found: _natural(found.name))))


def _file_tree(path: Path) -> Tree | None:
    """One image, sound or `.ts` file; IDX images with the file of their labels. None for anything else."""
    if "idx3-ubyte" in path.name:
        labels = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
        return _tree_of_files(path.parent, [path, *([labels] if labels.is_file() else [])])
    if path.suffix.lower() == ".json":
        return _annotation_tree(path)
    is_read = path.suffix.lower() in MEDIA_ENDINGS or OTHER_FILES.search(path.name.lower())
    return _tree_of_files(path.parent, [path]) if is_read else None


def _annotation_tree(path: Path) -> Tree | None:
    """A COCO file with the files of its folder, among which its images lie; None for any other JSON."""
    from modelwright.collection.coco import is_coco

    (own,) = _tree_of_files(path.parent, [path]).files
    if not is_coco(own):
        return None
    beside = walk(path.parent)
    media = [found for found in beside.files if found.form == "image"]
    return Tree(path.parent, (own, *media), beside.skipped)


def _pattern_tree(path: Path) -> Tree | None:
    """The files that a pattern names; their root is the folder before its first mark."""
    parts = path.parts
    first = next(index for index, part in enumerate(parts) if any(mark in part for mark in "*?["))
    root = Path(*parts[:first]) if first else Path()
    found = [one for one in root.glob("/".join(parts[first:])) if one.is_file() and not one.is_symlink()]
    if not any(one.suffix.lower() in MEDIA_ENDINGS or OTHER_FILES.search(one.name) for one in found):
        return None
    return _tree_of_files(root, found)


def _zip_tree(path: Path, max_bytes: int, max_ratio: float) -> Tree | None:
    """The members of a zip, written below a scratch folder; None unless most of them are media.

    Raises `collection.archive` (broken), `collection.archive_size` (a bomb), `collection.archive_name`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [item for item in archive.infolist() if not item.is_dir()]
            n_media = sum(PurePosixPath(item.filename).suffix.lower() in MEDIA_ENDINGS for item in members)
            if not n_media:
                return None
            _check_members(path, members, max_bytes, max_ratio)
            root = scratch_path()
            for item in members:
                _extract(archive, item, root, path)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as problem:
        raise UserError(
            "collection.archive", f"`{path}` cannot be opened to its end: {problem}.", hint="fetch or pack it again"
        ) from problem
    return walk(root)


def _check_members(path: Path, members: list[zipfile.ZipInfo], max_bytes: int, max_ratio: float) -> None:
    size = sum(item.file_size for item in members)
    if size > min(max_bytes, max(HARMLESS_BYTES, int(path.stat().st_size * max_ratio))):
        raise UserError(
            "collection.archive_size",
            f"`{path}` holds {path.stat().st_size:,} bytes and would grow to {size:,}.",
            hint="if it is no bomb, raise `max_ratio` or `max_bytes`",
        )
    for item in members:
        where = PurePosixPath(item.filename.replace("\\", "/"))
        if where.is_absolute() or ".." in where.parts or ":" in where.parts[0]:
            raise UserError(
                "collection.archive_name",
                f"`{path}` has a member named `{item.filename}`, which would climb out of its folder.",
                hint="such an archive is made to do harm or by mistake; pack the files anew",
            )


def _extract(archive: zipfile.ZipFile, item: zipfile.ZipInfo, root: Path, path: Path) -> None:
    target = root / PurePosixPath(item.filename.replace("\\", "/"))
    target.parent.mkdir(parents=True, exist_ok=True)
    left = item.file_size
    with archive.open(item) as source, target.open("wb") as file:
        while chunk := source.read(CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                raise UserError(
                    "collection.archive_size", f"`{path}`: `{item.filename}` is larger than the zip says.",
                    hint="do not trust the file",
                )  # fmt: skip
            file.write(chunk)
