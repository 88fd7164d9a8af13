"""Several pieces to one table: below each other by name, or side by side by key."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from modelwright.collection.base import CollectSpec
from modelwright.collection.piece import Notes, Piece
from modelwright.core.data import ROW_ID, Column, Dataset, Schema
from modelwright.core.errors import UserError, nearest

if TYPE_CHECKING:
    import polars as pl


def combine(pieces: list[Piece], spec: CollectSpec) -> Dataset:
    """One dataset with fresh row ids; a single piece is taken as it is."""
    import polars as pl

    whole = _join(pieces, spec) if spec.combine == "join" else _stack(pieces)
    table = whole.table.with_row_index(ROW_ID).with_columns(pl.col(ROW_ID).cast(pl.UInt64))
    first_row, sources = 0, []
    for piece in pieces:
        where = {"first_row": first_row} if spec.combine == "stack" else {}
        sources.append({**piece.about, **where})
        first_row += piece.n_rows
    every = [*pieces, whole] if len(pieces) > 1 else [whole]
    origin: dict[str, Any] = {
        "sources": sources,
        "repairs": [dict(repair) for piece in every for repair in piece.repairs],
        "decisions": [dict(decision) for piece in every for decision in piece.decisions],
    }
    known = {column.name: column for piece in pieces for column in piece.known}
    schema = Schema(tuple(known.get(name, Column(name)) for name in whole.names))
    return Dataset(table, schema, whole.n_rows, origin)


def _stack(pieces: list[Piece]) -> Piece:
    import polars as pl

    if len(pieces) == 1:
        return pieces[0]
    notes = Notes("stack")
    pieces = _share_header(pieces, notes)
    names = list(dict.fromkeys(name for piece in pieces for name in piece.names))
    for piece in pieces:
        lacking = [name for name in names if name not in piece.names]
        if len(lacking) > len(names) / 2:
            raise UserError(
                "collection.stack",
                f"`{piece.about['name']}` has {len(piece.names)} columns ({', '.join(piece.names[:5])}, ...) and "
                f"lacks {len(lacking)} of the {len(names)} of all sources ({', '.join(lacking[:5])}, ...).",
                hint="stack files that have the same columns, or join them: `combine: join`",
            )
        if lacking:
            notes.repair("column_absent", why=f"not in {piece.about['name']}; null there", detail=lacking)
    tables = _same_types(pieces, names, notes)
    return Piece(
        table=pl.concat([table.select(names) for table in tables]),
        names=tuple(names),
        n_rows=sum(piece.n_rows for piece in pieces),
        about={},
        repairs=notes.repairs(),
        decisions=tuple(notes.decisions),
    )


def _share_header(pieces: list[Piece], notes: Notes) -> list[Piece]:
    """Files without a header take the names of the first that has one, where the widths agree."""
    named = next((piece for piece in pieces if piece.about.get("header", True)), None)
    if named is None:
        return pieces
    made = []
    for piece in pieces:
        if not piece.about.get("header", True) and len(piece.names) == len(named.names):
            table = piece.table.rename(dict(zip(piece.names, named.names, strict=True)))
            notes.decide("names", str(piece.about["name"]), f"no header: the names are those of {named.about['name']}")
            piece = replace(piece, table=table, names=named.names)
        made.append(piece)
    return made


def _same_types(pieces: list[Piece], names: list[str], notes: Notes) -> list[pl.LazyFrame]:
    """Each table with every column, absent ones null, and the same type in all: text where types differ."""
    import polars as pl

    schemas = [piece.table.collect_schema() for piece in pieces]
    wanted: dict[str, Any] = {}
    for name in names:
        kinds = {schema[name] for schema in schemas if name in schema}
        kinds -= {pl.Null} if len(kinds) > 1 else set()
        if len(kinds) > 1:
            numeric = all(kind.is_numeric() for kind in kinds)
            whole = all(kind.is_integer() for kind in kinds)
            wanted[name] = (pl.Int64 if whole else pl.Float64) if numeric else pl.String
            notes.repair("type", why=f"types differ between sources; all read as {wanted[name]}", detail=name)
        else:
            wanted[name] = kinds.pop()
    return [
        piece.table.select(
            (pl.col(name).cast(wanted[name]) if name in schema else pl.lit(None, wanted[name])).alias(name)
            for name in names
        )
        for piece, schema in zip(pieces, schemas, strict=True)
    ]


def _join(pieces: list[Piece], spec: CollectSpec) -> Piece:
    """The first table with the others beside it; each row of the first meets at most one of each other."""
    notes = Notes("join")
    for piece in pieces:
        for key in spec.on:
            if key not in piece.names:
                raise UserError(
                    "collection.join_column",
                    f"`{piece.about['name']}` has no column `{key}` to join on.",
                    hint=nearest(key, piece.names),
                )
    whole = pieces[0]
    for piece in pieces[1:]:
        whole = _join_two(whole, piece, spec, notes)
    return replace(whole, repairs=notes.repairs(), decisions=tuple(notes.decisions))


def _join_two(left: Piece, right: Piece, spec: CollectSpec, notes: Notes) -> Piece:
    import polars as pl

    keys, name = list(spec.on), str(right.about["name"])
    right_frame = right.table.collect()
    twins = right_frame.filter(pl.struct(keys).is_duplicated()).height
    if twins:
        example = right_frame.filter(pl.struct(keys).is_duplicated()).select(keys).row(0)
        raise UserError(
            "collection.join_keys",
            f"`{name}` has {twins:,} rows whose {', '.join(keys)} repeats (such as {example}); a join would "
            "multiply rows.",
            hint="join on more columns, or make the keys of that source unique first",
        )
    clash = [column for column in right.names if column in left.names and column not in keys]
    renamed = {column: _free(column, {*left.names, *right.names}) for column in clash}
    for before, after in renamed.items():
        notes.repair("name", why=f"in both tables; the one of {name} is renamed", detail=[before, after])
    right_frame = right_frame.rename(renamed)
    left_schema = left.table.collect_schema()
    odd = [key for key in keys if left_schema[key] != right_frame.schema[key]]
    as_text = [pl.col(key).cast(pl.String) for key in odd]
    for key in odd:
        notes.repair("type", why="the keys' types differ; compared as text", detail=key)
    joined = left.table.with_columns(as_text).join(
        right_frame.with_columns(as_text).lazy(), on=keys, how=spec.how, coalesce=True, maintain_order="left_right"
    )
    frame = joined.collect()
    if frame.height == 0:
        raise UserError(
            "collection.join_keys",
            f"no {', '.join(keys)} is both in `{left.about['name']}` and in `{name}`.",
            hint="check that the keys are written alike, or join with `how: left`",
        )
    return replace(left, table=frame.lazy(), names=tuple(frame.columns), n_rows=frame.height)


def _free(name: str, taken: set[str]) -> str:
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"
