"""What hubs have in common: a dataset is found, its version is a mark, and its rows come in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from modelwright.collection.piece import SMALL_BYTES, Notes, Piece
from modelwright.core.data import Column
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import polars as pl

    from modelwright.collection.base import SourceSpec
    from modelwright.collection.gathering import Step, Task
    from modelwright.collection.reader import Surroundings

SAME = "rows of the same version as before"


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A dataset that is being read: columns whose kind or role the hub tells, and the rows in batches, which all have
    the same columns and types."""

    known: tuple[Column, ...]
    batches: Iterator[pl.DataFrame]


@dataclass(frozen=True, kw_only=True)
class Found:
    """A dataset of a hub. `mark` changes when its rows do; `about` is JSON-able (version, licence, citation, ...) and
    stays with the rows. `open` reads it, and may add to `about`."""

    name: str
    mark: str
    about: dict[str, Any] = field(default_factory=dict)
    open: Callable[[Notes], Opened]


def find(source: SourceSpec, around: Surroundings) -> Found:
    """Ask the hub for the dataset that a source names."""
    if source.table or source.query or source.api or source.cursor:
        raise UserError(
            "collection.hub", f"`{source.source}` is a dataset of a hub: `table`, `query`, `api` and `cursor` are not "
            "for it.", hint="leave them out",
        )  # fmt: skip
    if source.source.startswith("openml:"):
        from modelwright.collection.hubs.openml import find_openml

        return find_openml(source, around)
    from modelwright.collection.hubs.hf import find_hf

    return find_hf(source, around)


def read_hub(source: SourceSpec, around: Surroundings) -> Piece:
    """The rows of a hub's dataset as one raw table; a large one waits on the disk."""
    from modelwright.collection.reader import rename_columns

    found, notes = find(source, around), Notes(source.source)
    around.tell("read", name=found.name)
    opened = found.open(notes)
    table, n_rows = _held(opened.batches)
    if not n_rows:
        raise UserError("collection.no_rows", f"`{found.name}` has no rows.", hint="name another split or dataset")
    names = tuple(table.collect_schema().names())
    about = {"name": found.name, "n_rows": n_rows, **found.about}
    piece = Piece(
        table=table, names=names, n_rows=n_rows, about=about, repairs=notes.repairs(),
        decisions=tuple(notes.decisions), known=opened.known,
    )  # fmt: skip
    return rename_columns(piece, source.columns, found.name)


def _held(batches: Iterator[pl.DataFrame]) -> tuple[pl.LazyFrame, int]:
    """All batches as one table: what is more than 64 MiB is written to files that go with this process."""
    import polars as pl

    from modelwright.collection.scratch import scratch_path
    from modelwright.collection.versions.writing import storable

    tables: list[pl.LazyFrame] = []
    held: list[pl.DataFrame] = []
    n_rows = size = 0
    for batch in batches:
        held.append(storable(batch))
        n_rows += batch.height
        size += int(batch.estimated_size())
        if size > SMALL_BYTES:
            path = scratch_path(".arrow")
            pl.concat(held).write_ipc(path)
            tables.append(pl.scan_ipc(path))
            held, size = [], 0
    if held:
        tables.append(pl.concat(held).lazy())
    return pl.concat(tables) if tables else pl.LazyFrame(), n_rows


def read_new_hub(task: Task) -> Iterator[Step]:
    """A dataset whose version is another one than last time is read whole, and takes the place of its rows."""
    import polars as pl

    from modelwright.collection.gathering import Step
    from modelwright.collection.newfiles import replaced
    from modelwright.collection.versions.writing import parts_of, together

    found, notes = find(task.source, task.around), Notes(task.key)
    if task.state.get("mark") == found.mark:
        yield Step(skipped={SAME: int(task.state.get("n_rows", 0))})
        return
    opened = found.open(notes)
    written = together(one for one, _ in parts_of(task.store, _renamed(opened.batches, task.source.columns)))
    if not written.n_rows:
        raise UserError("collection.no_rows", f"`{found.name}` has no rows.", hint="name another split or dataset")
    names = tuple(written.types)
    about = {"name": found.name, "n_rows": written.n_rows, "where": _where(found.about), **found.about}
    piece = Piece(table=pl.LazyFrame(), names=names, n_rows=written.n_rows, about=about, known=opened.known)
    step = replaced(task, written, {"mark": found.mark, "n_rows": written.n_rows}, piece)
    told = tuple(f"{one['why']} ({one['count']:,} times)" for one in notes.repairs())
    said = tuple(f"{one['about']}: {one['choice']}, because {one['reason']}" for one in notes.decisions)
    yield replace(step, told=(*step.told, *told, *said))


def _where(about: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in about.items() if name not in ("sha256", "bytes")}


def _renamed(batches: Iterator[pl.DataFrame], columns: tuple[str, ...]) -> Iterator[pl.DataFrame]:
    for batch in batches:
        if columns and len(columns) != batch.width:
            raise UserError(
                "collection.columns", f"`columns` has {len(columns)} names, the dataset has {batch.width} columns.",
                hint="give one name for each column",
            )  # fmt: skip
        yield batch.rename(dict(zip(batch.columns, columns, strict=True))) if columns else batch


def bounded(
    batches: Iterator[pl.DataFrame], name: str, packed_bytes: int, around: Surroundings
) -> Iterator[pl.DataFrame]:
    """The batches, for as long as they stay within what `max_bytes` and `max_ratio` let files grow to."""
    from modelwright.collection.unpack import HARMLESS_BYTES

    most = around.max_bytes
    if packed_bytes:
        most = min(most, max(HARMLESS_BYTES, int(packed_bytes * around.max_ratio)))
    size = n_rows = 0
    for batch in batches:
        size += int(batch.estimated_size())
        n_rows += batch.height
        if size > most:
            raise UserError(
                "collection.archive_size",
                f"`{name}` holds {packed_bytes:,} bytes and grows beyond {most:,} when it is read.",
                hint="if it is no bomb, raise `max_ratio` or `max_bytes`",
            )  # fmt: skip
        around.tell("progress", done=n_rows, total=None, text=name)
        yield batch
