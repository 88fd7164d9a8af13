"""Files, folders and addresses as channels: what is new or changed, known by its bytes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.collection.gathering import Step, Task
from modelwright.collection.scratch import digest, forget, keep_bytes
from modelwright.collection.tree import Found, Tree, tree_of
from modelwright.collection.versions import ledger
from modelwright.collection.versions.commit import Arrival, Gone, Origin
from modelwright.collection.versions.writing import Written, batches_of, parts_of, together
from modelwright.core.store import digest_of

if TYPE_CHECKING:
    from modelwright.collection.piece import Piece

KNOWN = "known by their bytes"
COPIES = "the same bytes as a file that is there already"


@dataclass(frozen=True)
class _Known:
    """The files that a version has: by name those of this source, and by digest and name those of all."""

    mine: Mapping[str, list[dict[str, Any]]]
    digests: frozenset[str]
    named: frozenset[tuple[str, str]]

    def is_same(self, found: Found) -> bool:
        """Whether size and time of change are those of the file that was read."""
        lines = self.mine.get(found.name)
        return lines is not None and _mark(lines[0]) == (found.n_bytes, found.changed_ns)

    def has(self, name: str, sha256: str) -> bool:
        """Whether the file of that name has been read with these bytes."""
        return any(line["sha256"] == sha256 for line in self.mine.get(name, ()))


def _mark(line: Mapping[str, Any]) -> tuple[int, int]:
    import json

    where = json.loads(line["where"])
    return int(where.get("file_bytes", line["n_bytes"])), int(where.get("changed_ns", 0))


def _known(task: Task) -> _Known:
    every = ledger.files_of(task.store, task.base)
    lines = [(name, line["sha256"]) for (_, name), some in every.items() for line in some if line["sha256"]]
    mine = {name: some for (source, name), some in every.items() if source == task.key}
    return _Known(mine, frozenset(sha256 for _, sha256 in lines), frozenset(lines))


def read_new_files(task: Task) -> Iterator[Step]:
    """The new and changed files of a path, folder or pattern: tables file by file, media a part at a time."""
    from modelwright.collection.media import _is_table_folder

    known = _known(task)
    done = {origin.name for step in task.done for arrival in step.arrivals for origin in arrival.origins}
    tree = tree_of(task.source.source, task.around.max_bytes, task.around.max_ratio)
    if task.source.format == "auto" and tree is not None and tree.files and _is_media(tree):
        if _is_plain_media(tree) and not _is_table_folder(tree):
            yield from _media(task, tree, known, done)
            return
        yield from _whole(task, tree, known)
        return
    yield from _tables(task, known, done)


def _is_media(tree: Tree) -> bool:
    from modelwright.collection.media import _is_table_folder
    from modelwright.collection.tree import OTHER_FILES

    special = any(OTHER_FILES.search(found.name) for found in tree.files)
    return special or (bool(tree.media()) and not _is_table_folder(tree))


def _is_plain_media(tree: Tree) -> bool:
    """Whether every file stands for itself: no boxes, masks or labels lie beside them."""
    from modelwright.collection.annotations import natural_annotation
    from modelwright.collection.tree import OTHER_FILES

    return natural_annotation(tree) is None and not any(OTHER_FILES.search(found.name) for found in tree.files)


# Tables -----------------------------------------------------------------------------------------------------------


def _tables(task: Task, known: _Known, done: set[str]) -> Iterator[Step]:
    from modelwright.collection.locate import locate

    paths = locate(task.source.source)
    skipped: Counter[str] = Counter()
    digests = set(known.digests)
    root = Path(task.source.source).expanduser()
    for number, path in enumerate(paths, start=1):
        name = path.relative_to(root).as_posix() if root.is_dir() else path.name
        stat = path.stat()
        found = Found(name, path, stat.st_size, stat.st_mtime_ns)
        task.around.tell("progress", done=number - 1, total=len(paths), text=name)
        if name in done:
            continue
        if known.is_same(found):
            skipped[KNOWN] += 1
            continue
        sha256, _ = digest(path)
        if known.has(name, sha256):
            skipped[KNOWN] += 1
        elif sha256 in digests:
            skipped[COPIES] += 1
        else:
            digests.add(sha256)
            yield _table(task, found, sha256, known)
    yield Step(told=_absent(known, {_name(path, root) for path in paths}), skipped=dict(skipped))


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if root.is_dir() else path.name


def _table(task: Task, found: Found, sha256: str, known: _Known) -> Step:
    from modelwright.collection.beside import with_media
    from modelwright.collection.reader import read_path

    arrivals, told = [], []
    for piece in read_path(found.path, str(found.path), task.source, task.around):
        full = _named(with_media(piece, found.path.parent, task.around), task)
        origin = Origin(
            name=found.name, n_rows=full.n_rows, sha256=sha256, n_bytes=found.n_bytes,
            where={"changed_ns": found.changed_ns, **_member(full)},
        )  # fmt: skip
        written = together(one for one, _ in parts_of(task.store, batches_of(full.table)))
        arrivals.append(Arrival(source=task.key, origins=(origin,), written=written, known=full.known))
        told += [f"{found.name}: {repair['why']} ({repair['count']:,} times)" for repair in full.repairs]
    gone = _gone(task, known.mine.get(found.name, ()))
    if gone:
        told.append(f"{found.name} has changed: its {sum(one.n_rows for one in gone):,} rows are replaced")
    return Step(arrivals=tuple(arrivals), gone=gone, state={}, told=tuple(told))


def _member(piece: Piece) -> dict[str, str]:
    return {"member": str(piece.about["member"])} if "member" in piece.about else {}


def _named(piece: Piece, task: Task) -> Piece:
    """A table without a header, as others of this dataset, gets their names where the widths agree."""
    names = task.base.schema.names
    if piece.about.get("header", True) or len(names) != len(piece.names) or task.source.columns:
        return piece
    return replace(piece, table=piece.table.rename(dict(zip(piece.names, names, strict=True))), names=names)


def _gone(task: Task, lines: list[dict[str, Any]] | tuple[()]) -> tuple[Gone, ...]:
    return tuple(
        Gone(source=task.key, name=line["name"], first_row=line["first_row"], n_rows=line["n_rows"]) for line in lines
    )


def _absent(known: _Known, there: set[str]) -> tuple[str, ...]:
    absent = [name for name in known.mine if name not in there]
    if not absent:
        return ()
    return (f"{len(absent):,} files are no longer there, such as {absent[0]}: their rows stay",)


# Media ------------------------------------------------------------------------------------------------------------


def _media(task: Task, tree: Tree, known: _Known, done: set[str]) -> Iterator[Step]:
    """Images or sounds: rows of the files that are new, part by part; a changed file replaces its row."""
    from modelwright.collection.media import Reader, _read_tree
    from modelwright.collection.piece import Notes

    media = tree.media()
    waiting = [found for found in media if found.name not in done and not known.is_same(found)]
    skipped = Counter({KNOWN: len(media) - len(waiting) - len(done)})
    reader = Reader(task.around, task.source.source)
    for group in _groups(waiting):
        reader.wanted = frozenset(found.name for found in group)
        piece = _read_tree(tree, reader, Notes(task.source.source))
        yield _pictures(task, piece, {found.name: found for found in group}, known, skipped)
    told = [f"{count:,} files were left out: {why}" for why, count in sorted(tree.skipped.items())]
    yield Step(told=(*told, *_absent(known, {found.name for found in media})), skipped={
        why: count for why, count in skipped.items() if count > 0})  # fmt: skip


def _groups(files: list[Found]) -> Iterator[list[Found]]:
    """Files in groups of about one part each."""
    from modelwright.collection.versions.writing import PART_BYTES

    group: list[Found] = []
    size = 0
    for found in files:
        group.append(found)
        size += found.n_bytes
        if size >= PART_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _pictures(
    task: Task, piece: Piece, files: Mapping[str, Found], known: _Known, skipped: Counter[str]
) -> Step:  # fmt: skip
    import polars as pl

    frame = piece.table.collect()
    form = next(name for name, kind in frame.schema.items() if kind == pl.Binary)
    digests = [hashlib.sha256(cell).hexdigest() for cell in frame[form]]
    names = frame["file"].to_list()
    fresh = [(name, sha256) not in known.named for name, sha256 in zip(names, digests, strict=True)]
    skipped[KNOWN] += fresh.count(False)
    frame = frame.filter(pl.Series(fresh))
    origins, gone = [], list[Gone]()
    for name, sha256, is_fresh in zip(names, digests, fresh, strict=True):
        if is_fresh:
            where = {"changed_ns": files[name].changed_ns}
            origins.append(Origin(name=name, n_rows=1, sha256=sha256, n_bytes=files[name].n_bytes, where=where))
            gone += _gone(task, known.mine.get(name, ()))
    written = together(one for one, _ in parts_of(task.store, [frame]))
    arrival = Arrival(source=task.key, origins=tuple(origins), written=written, known=piece.known)
    return Step(arrivals=(arrival,) if origins else (), gone=tuple(gone), state={})


# What is read whole -------------------------------------------------------------------------------------------------


def _whole(task: Task, tree: Tree, known: _Known) -> Iterator[Step]:
    """Annotated images, IDX, series: their files belong together, so one that changes has all of them read again."""
    from modelwright.collection.media import read_media

    mark = digest_of([[found.name, found.n_bytes, found.changed_ns] for found in tree.files])
    if task.state.get("mark") == mark:
        yield Step(skipped={"no file has changed": len(tree.files)})
        return
    piece = read_media(task.source, task.around)
    if piece is None:
        return
    written = together(one for one, _ in parts_of(task.store, batches_of(piece.table)))
    yield replaced(task, written, {"mark": mark}, piece)


def replaced(task: Task, written: Written, state: Mapping[str, Any], piece: Piece) -> Step:
    """A step in which a source that was read whole takes the place of what it gave before; none if it is the same."""
    before = [line for lines in _known(task).mine.values() for line in lines]
    content = [part.digest for part in written.parts]
    if before and task.state.get("content") == content:
        return Step(skipped={"the same rows as before": written.n_rows})
    sha256, n_bytes = str(piece.about.get("sha256", "")), int(piece.about.get("bytes", 0) or 0)
    name = str(piece.about.get("name", task.key))
    where = piece.about.get("where", {})
    origin = Origin(name=name, n_rows=written.n_rows, sha256=sha256, n_bytes=n_bytes, where=where)
    arrival = Arrival(source=task.key, origins=(origin,), written=written, known=piece.known)
    told = (f"read whole again, and it has changed: {sum(line['n_rows'] for line in before):,} rows are replaced",)
    return Step(arrivals=(arrival,), gone=_gone(task, before), state={**state, "content": content},
                told=told if before else ())  # fmt: skip


def read_new_address(task: Task) -> Iterator[Step]:
    """One http(s) address of a file: fetched, and if its bytes are others than last time, its rows are replaced."""
    from modelwright.collection.fetch import fetch, name_of
    from modelwright.collection.reader import read_path

    around = task.around
    path = fetch(task.source.source, max_bytes=around.max_bytes, timeout_s=around.timeout_s, tell=around.tell)
    sha256, _ = digest(path)
    if task.state.get("sha256") == sha256:
        forget(path)
        yield Step(skipped={"the address has the same bytes as before": 1})
        return
    if around.keep is not None:
        path = keep_bytes(path, sha256, around.keep)
    pieces = list(read_path(path, name_of(task.source.source), task.source, around))
    written = [together(one for one, _ in parts_of(task.store, batches_of(piece.table))) for piece in pieces]
    yield replaced(task, together(written), {"sha256": sha256}, pieces[0])
