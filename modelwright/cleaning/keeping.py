"""A history in the store: the raw table once, the changes as columns, what is in force as one bit each.

A change costs a few bytes: row ids are kept as the gap to the one before, texts and reasons by dictionary, confidence
in thousandths; `before` is in the raw table. Taking back and putting again writes the bits anew and nothing else. All
is written aside, synced and renamed by the store, and the name is moved last: a kill at any moment leaves the history
as it was or as it became.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelwright.cleaning.history import Group, History
from modelwright.core.codec import decode, encode, plain_of
from modelwright.core.data import ROW_ID
from modelwright.core.errors import UserError, nearest
from modelwright.core.store import Store, canonical

if TYPE_CHECKING:
    import polars as pl

    from modelwright.cleaning.mend import Mended

KIND = "cleanings"
"""The kind of the store's names under which histories lie: one for each table that was mended."""


def keep(store: Store, history: History) -> dict[str, Any]:
    """Write a history; plain data that names its blobs. What is there already is not written again.

    >>> import tempfile
    >>> import polars as pl
    >>> from modelwright.cleaning.mend import mend
    >>> from modelwright.core.data import Dataset
    >>> table = Dataset.from_frame(pl.DataFrame({"wood": ["oak", "oak", "oak", "oak "]}))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = Store.open(folder)
    ...     read(store, keep(store, mend(table).history)).data.frame["wood"].to_list()
    ['oak', 'oak', 'oak', 'oak']
    """
    return {
        "raw": encode(store, history.raw),
        "groups": store.put(canonical(plain_of(history.groups))),
        "changes": _put_changes(store, history),
        "files": _put_files(store, history.files),
        "state": _put_state(store, history),
    }


def keep_mended(store: Store, mended: Mended) -> dict[str, Any]:
    """A mended table as the store keeps a dataset, with its history and what to tell of it beside."""
    history = mended.history
    facts = {
        "told": told(history), "decisions": mended.decisions, "summary": summary(history),
        "n_changed": history.n_active() - history.removed.height, "n_removed": history.removed.height,
    }  # fmt: skip
    return {**encode(store, mended.data), "history": keep(store, history), "facts": plain_of(facts)}


def told(history: History) -> str:
    """One line on what was done and what was only offered."""
    n_rows = sum(history.n_active(group.number) for group in history.groups if group.kind == "rows")
    n_open = sum(group.n - history.n_active(group.number) for group in history.groups)
    offered = f", {n_open:,} more changes offered" if n_open else ""
    return f"{history.n_active() - n_rows:,} cells mended, {n_rows:,} rows removed{offered}"


def summary(history: History) -> list[dict[str, Any]]:
    """One line for each group that is in force, as `modelwright.cleaning.summary` tells of cleaning."""
    lines = []
    for group in history.groups:
        if n_active := history.n_active(group.number):
            row, before, after, _ = group.examples[0]
            shown = f"row {row}" if group.kind == "rows" else f"{(before or '')[:60]!r} -> {(after or '')[:60]!r}"
            column = group.column or "(rows removed)"
            lines.append({"column": column, "step": f"mended: {group.method}", "n_changed": n_active, "example": shown})
    return lines


def keep_state(store: Store, plain: Mapping[str, Any], history: History) -> dict[str, Any]:
    """What `keep` gave, with what is in force now."""
    return {**plain, "state": _put_state(store, history)}


def read(store: Store, plain: Mapping[str, Any]) -> History:
    """The inverse of `keep`, its bytes verified."""
    import numpy as np

    groups = tuple(_group(one) for one in json.loads(store.get(plain["groups"])))
    bits = np.unpackbits(np.frombuffer(zlib.decompress(store.get(plain["state"])), np.uint8)).astype(bool)
    n_changes = sum(group.n for group in groups)
    parts = (_get_changes(store, plain["changes"], groups),) if plain["changes"] else ()
    return History(
        decode(store, plain["raw"]), groups, parts, bits[:n_changes], _get_files(store, plain["files"])
    )  # fmt: skip


def point(store: Store, name: str, plain: Mapping[str, Any], facts: Mapping[str, Any] | None = None) -> None:
    """Let a name stand for a history, with facts to tell of it."""
    store.point(KIND, name, {"history": dict(plain), **(facts or {})})


def named(store: Store, name: str) -> dict[str, Any]:
    """What `point` wrote under a name. Raises UserError `mend.history`."""
    found = store.named(KIND, name)
    if found is None:
        raise UserError(
            "mend.history", f"nothing named {name!r} was cleaned in {store.root}.",
            hint=nearest(name, store.names(KIND)) if store.names(KIND) else "`wright clean DATA` comes first",
        )  # fmt: skip
    return found


def _group(plain: Mapping[str, Any]) -> Group:
    names = {item.name for item in dataclasses.fields(Group)}
    settings = {name: value for name, value in plain.items() if name in names}
    return Group(**{**settings, "examples": tuple(tuple(one) for one in plain["examples"])})


def _put_changes(store: Store, history: History) -> list[str]:
    """Two blobs: the changes; and, for groups in which what a cell becomes settles the reason, each reason once."""
    import polars as pl

    if not history.changes.height:
        return []
    reasons, said, parts = history.changes["reason"], [], []
    after = history.changes["after"].cast(pl.Categorical)  # each text is looked up once, here and in the file
    codes = after.to_physical()
    for group in history.groups:
        span = slice(history.starts[group.number], history.starts[group.number] + group.n)
        known = _settled(history.changes[span], codes[span], group)
        parts.append(reasons[span] if known is None else pl.repeat(None, group.n, dtype=pl.Categorical(), eager=True))
        if known is not None:
            said.append(known.with_columns(pl.lit(group.number, pl.Int64).alias("group")))
    packed = history.changes.select(_gaps(), after, pl.concat(parts).alias("reason"), "thousandths")
    schema = {"after": pl.String, "reason": pl.String, "group": pl.Int64}
    return [_put(store, packed), _put(store, pl.concat(said) if said else pl.DataFrame(schema=schema))]


def _put(store: Store, table: pl.DataFrame) -> str:
    with store.scratch(".parquet") as path:
        table.write_parquet(path, compression="zstd", compression_level=1, statistics=False)
        return store.adopt(path)


def _settled(part: pl.DataFrame, codes: pl.Series, group: Group) -> pl.DataFrame | None:
    """`after` and `reason`, each pair once, if no `after` comes with two reasons; None if one does.

    Where the whole group has one reason, it is told once for an `after` of null.
    """
    import numpy as np
    import polars as pl

    reason = part["reason"].to_physical().to_numpy()
    if part["reason"][0] == group.reason and (reason == reason[0]).all():
        return pl.DataFrame({"after": [None], "reason": [group.reason]}, schema_overrides={"after": pl.String})
    texts = codes.fill_null(2**32 - 1).to_numpy() if codes.null_count() else codes.to_numpy()
    texts = texts - texts.min()
    n_codes = int(texts.max()) + 1
    if n_codes > 8 * len(texts) + 100_000:
        return None
    place = np.full(n_codes, -1, np.int32)
    place[texts] = np.arange(len(texts), dtype=np.int32)
    if not (reason[place[texts]] == reason).all():
        return None
    return part[pl.Series(place[place >= 0])].select("after", pl.col("reason").cast(pl.String))


def _gaps() -> pl.Expr:
    """Row ids as the difference to the one before; they wrap around where a group begins again, and back when added."""
    import polars as pl

    ids = pl.col(ROW_ID).reinterpret(signed=True)
    return ids.diff().fill_null(ids.first()).alias("gap")


def _get_changes(store: Store, digests: Sequence[str], groups: tuple[Group, ...]) -> pl.DataFrame:
    import numpy as np
    import polars as pl

    packed, said = (pl.read_parquet(store.path(digest)) for digest in digests)
    packed = packed.with_columns(pl.col("after", "reason").cast(pl.String))
    number = np.repeat([group.number for group in groups], [group.n for group in groups])
    known = packed.select("after", group=pl.Series(number)).join(
        said, on=["group", "after"], how="left", nulls_equal=True, maintain_order="left"
    )
    whole = said.filter(pl.col("after").is_null()).select("group", whole="reason")
    known = known.join(whole, on="group", how="left", maintain_order="left")
    return packed.select(
        pl.col("gap").cum_sum().reinterpret(signed=False).alias(ROW_ID), "after",
        pl.col("reason").fill_null(known["reason"]).fill_null(known["whole"]).cast(pl.Categorical), "thousandths",
    )  # fmt: skip


def _put_files(store: Store, files: Mapping[str, bytes]) -> str:
    import polars as pl

    if not files:
        return ""
    table = pl.DataFrame({"name": list(files), "content": list(files.values())}).sort("name")
    with store.scratch(".parquet") as path:
        table.write_parquet(path, compression="uncompressed", statistics=False)
        return store.adopt(path)


def _get_files(store: Store, digest: str) -> dict[str, bytes]:
    import polars as pl

    return dict(pl.read_parquet(store.path(digest)).iter_rows()) if digest else {}


def keep_flags(store: Store, flags: pl.DataFrame) -> str:
    """Keep what is only worth a look; the name of the blob, or nothing."""
    return _put(store, flags) if flags.height else ""


def read_flags(store: Store, digest: str) -> pl.DataFrame:
    """The inverse of `keep_flags`."""
    import polars as pl

    from modelwright.cleaning.findings import Findings

    return pl.read_parquet(store.path(digest)) if digest else Findings.of().flags


def _put_state(store: Store, history: History) -> str:
    import numpy as np

    return store.put(zlib.compress(np.packbits(history.bits).tobytes(), 1))
