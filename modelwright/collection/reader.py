"""One source to its pieces: locate, fetch, keep, open, recognise, read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.collection.base import CollectSpec, SourceSpec
from modelwright.collection.piece import Notes, Piece
from modelwright.collection.scratch import digest, file_errors, forget, is_scratch, keep_bytes
from modelwright.core.errors import UserError
from modelwright.core.values import Watch

if TYPE_CHECKING:
    from modelwright.core.store import Store


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What every reader may need besides its source: limits, where raw bytes are kept, who follows."""

    max_bytes: int
    max_ratio: float
    timeout_s: float
    keep: Path | None = None
    watch: Watch | None = None
    store: Store | None = None

    @classmethod
    def of(
        cls, spec: CollectSpec, *, keep: Path | str | None, watch: Watch | None, store: Store | None = None
    ) -> Surroundings:  # fmt: skip
        """The limits of a spec."""
        return cls(
            max_bytes=spec.max_bytes,
            max_ratio=spec.max_ratio,
            timeout_s=spec.timeout_s,
            keep=Path(keep) if keep is not None else None,
            watch=watch,
            store=store,
        )

    def tell(self, event: str, **what: Any) -> None:
        """Tell the watcher, if there is one."""
        if self.watch is not None:
            self.watch({"stage": "collection", "event": event, **what})


def read_source(source: SourceSpec, around: Surroundings) -> Iterator[Piece]:
    """Every table that one source gives."""
    from modelwright.collection.locate import scheme_of

    scheme = scheme_of(source.source)
    if scheme == "stream":
        raise UserError(
            "collection.gather",
            f"`{source.source}` is a stream: it has no end at which it would be a table.",
            hint="`wright collect SOURCE --as NAME` makes versions of it; then read dataset:NAME",
        )
    if scheme == "dataset":
        yield _of_version(source, around)
        return
    if scheme == "crawl":
        from modelwright.collection.web.piece import crawl_once

        yield crawl_once(source, around)
        return
    if scheme == "hub":
        from modelwright.collection.hubs import read_hub

        yield read_hub(source, around)
        return
    if scheme == "database":
        from modelwright.collection.sql import read_database

        around.tell("read", name=source.table or "query")
        yield read_database(source)
        return
    if source.table or source.query:
        raise UserError(
            "collection.database",
            f"`table` and `query` are for databases; `{source.source}` is not one.",
            hint="write sqlite:///path/to/file.db or postgresql://user@host/name",
        )
    if scheme == "web":
        from modelwright.collection.fetch import fetch, name_of

        path = fetch(source.source, max_bytes=around.max_bytes, timeout_s=around.timeout_s, tell=around.tell)
        yield from read_path(path, name_of(source.source), source, around)
        return
    from modelwright.collection.beside import with_media
    from modelwright.collection.locate import locate
    from modelwright.collection.media import read_media

    media = read_media(source, around)
    if media is not None:
        yield media
        return
    for path in locate(source.source):
        for piece in read_path(path, str(path), source, around):
            yield with_media(piece, path.parent, around)


def _of_version(source: SourceSpec, around: Surroundings) -> Piece:
    """A version of a dataset among other sources: its rows get new ids, as theirs do."""
    from modelwright.collection.versions import open_version
    from modelwright.core.data import ROW_ID

    if around.store is None:
        raise UserError(
            "collection.store",
            f"`{source.source}` is a dataset of a store, and no store was given.",
            hint="`wright` gives its --store; in Python: collect(spec, store=Store.open('.wright'))",
        )
    data = open_version(around.store, source.source)
    about = {**data.origin["sources"][0]}
    columns = tuple(column for column in data.schema.columns if (column.kind, column.role) != ("raw", "feature"))
    piece = Piece(
        table=data.table.drop(ROW_ID), names=data.schema.names, n_rows=data.n_rows, about=about, known=columns
    )
    return rename_columns(piece, source.columns, source.source)


def read_path(path: Path, name: str, source: SourceSpec, around: Surroundings) -> Iterator[Piece]:
    """Every table in one local file: one, unless it is a zip of several."""
    from modelwright.collection.unpack import unpack

    around.tell("read", name=name)
    with file_errors(name):
        sha256, size = digest(path)
        if source.sha256 and source.sha256.lower() != sha256:
            raise UserError(
                "collection.checksum",
                f"`{name}` does not have the sha256 asked for: it has {sha256}.",
                hint="the file is another one or is damaged; fetch it again or correct `sha256`",
            )
        if around.keep is not None:
            kept = keep_bytes(path, sha256, around.keep)
            forget(path)
            path = kept
        for inner in unpack(path, name, source.member, around.max_bytes, around.max_ratio):
            about = {"name": name, "bytes": size, "sha256": sha256, "compression": inner.compression}
            if inner.member:
                about["member"] = inner.member
            yield _read_plain(inner.path, inner.name, source, about)


def _read_plain(path: Path, name: str, source: SourceSpec, about: dict[str, Any]) -> Piece:
    from modelwright.collection.sniff import recognise

    notes = Notes(name)
    form = source.format if source.format != "auto" else recognise(path, name, source.encoding)
    piece = _reader(form)(path, name, source, notes)
    if is_scratch(path) and not piece.about.get("lazy"):
        forget(path)
    told = {**about, "format": form, **{key: value for key, value in piece.about.items() if key != "lazy"}}
    return replace(
        rename_columns(piece, source.columns, name),
        about={**told, "n_rows": piece.n_rows},
        repairs=notes.repairs(),
        decisions=tuple(notes.decisions),
    )


def _reader(form: str) -> Any:
    if form == "csv":
        from modelwright.collection.delimited import read_delimited

        return read_delimited
    if form in ("json", "jsonl"):
        from modelwright.collection.records import read_json, read_json_lines

        return read_json if form == "json" else read_json_lines
    if form in ("parquet", "arrow"):
        from modelwright.collection.columnar import read_arrow, read_parquet

        return read_parquet if form == "parquet" else read_arrow
    from modelwright.collection.excel import read_excel

    return read_excel


def rename_columns(piece: Piece, columns: tuple[str, ...], name: str) -> Piece:
    """The piece with the given names, if any are given."""
    if not columns:
        return piece
    if len(columns) != len(piece.names):
        raise UserError(
            "collection.columns",
            f"`columns` has {len(columns)} names, `{name}` has {len(piece.names)} columns "
            f"({', '.join(piece.names[:8])}{', ...' if len(piece.names) > 8 else ''}).",
            hint="give one name for each column",
        )
    table = piece.table.rename(dict(zip(piece.names, columns, strict=True)))
    return replace(piece, table=table, names=columns)
