"""The values that flow between stages: `Dataset`, `Schema`, `Decision`.

A `Dataset` is an immutable table with a schema, stable row ids and a digest. Its table is lazy: it may be a
frame in memory or a scan of a file larger than memory, and stages that can stream should.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

from modelwright.core.errors import UserError, nearest

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

Kind = Literal[
    "number", "category", "boolean", "datetime", "text", "image", "audio", "series", "boxes", "mask", "labels", "raw"
]
Role = Literal["feature", "target", "weight", "group", "time", "id", "protected", "split", "ignored"]

ROW_ID = "__row__"
"""The reserved first column of every table: uint64, the row's number in the collected table, for ever."""

GIVES_AWAY = "it would give the target away"
"""How the `why` of a column begins that cleaning left out as a leak; profiling tells of it first."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One automatic choice, told with its reason: printed, kept in the record, shown in the report."""

    stage: str
    about: str
    choice: str
    reason: str


@dataclass(frozen=True, slots=True)
class Column:
    """What one column is. `kind` is `raw` before cleaning; `why` says why its role is not `feature`."""

    name: str
    kind: Kind = "raw"
    role: Role = "feature"
    unit: str = ""
    why: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise UserError("schema.kind", f"unknown kind {self.kind!r}.", hint=nearest(self.kind, get_args(Kind)))
        if self.role not in get_args(Role):
            raise UserError("schema.role", f"unknown role {self.role!r}.", hint=nearest(self.role, get_args(Role)))


@dataclass(frozen=True)
class Schema:
    """The columns of a table, in order.

    >>> schema = Schema((Column("age", "number"), Column("paid", "category", "target")))
    >>> schema.features, schema.target
    (('age',), 'paid')
    """

    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns."""
        return tuple(column.name for column in self.columns)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns that a model may see (`feature` and `protected`)."""
        return tuple(column.name for column in self.columns if column.role in ("feature", "protected"))

    @property
    def target(self) -> str | None:
        """Name of the target column, if there is one."""
        return next(iter(self.of_role("target")), None)

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in reversed(self.columns)}

    def __getitem__(self, name: str) -> Column:
        if name not in self._by_name:
            raise UserError("schema.column", f"there is no column {name!r}.", hint=nearest(name, self.names))
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def of_role(self, role: Role) -> tuple[str, ...]:
        """Names of the columns with that role; a target that was given its role comes after the one named as such."""
        found = [column for column in self.columns if column.role == role]
        return tuple(c.name for c in (sorted(found, key=lambda c: bool(c.why)) if role == "target" else found))

    def with_column(self, name: str, **changes: Any) -> Schema:
        """The same schema with one column changed, e.g. `with_column("id", role="id", why="...")`."""
        changed = replace(self[name], **changes)
        return Schema(tuple(changed if column.name == name else column for column in self.columns))

    def to_plain(self) -> list[dict[str, str]]:
        """JSON-able form."""
        return [{"name": c.name, "kind": c.kind, "role": c.role, "unit": c.unit, "why": c.why} for c in self.columns]

    @classmethod
    def from_plain(cls, plain: Iterable[Mapping[str, Any]]) -> Schema:
        """The inverse of `to_plain`."""
        return cls(tuple(Column(**column) for column in plain))


@dataclass(frozen=True, eq=False)
class Dataset:
    """An immutable table: `table` has `ROW_ID` first and then the schema's columns, in order.

    After cleaning, numbers are Float64, categories and texts String, booleans Boolean, datetimes
    Datetime("us"); images, masks and audio Binary (the encoded file), series List(Float64), labels
    List(String), boxes List(Struct(x, y, width, height: Float64 pixels from the top left; label: String));
    missing is null. Before cleaning a column is whatever its source gave (String for text files). `origin` is
    JSON-able: where the rows came from. `known_digest` is set when the table's bytes are already named (by the
    store); otherwise `digest` is computed once, when asked for.

    >>> import polars as pl
    >>> data = Dataset.from_frame(pl.DataFrame({"x": [3, 1]}))
    >>> data.n_rows, data.frame[ROW_ID].to_list(), data.take([1]).frame["x"].to_list()
    (2, [0, 1], [1])
    """

    table: pl.LazyFrame
    schema: Schema
    n_rows: int
    origin: Mapping[str, Any] = field(default_factory=dict)
    known_digest: str = ""

    @classmethod
    def from_frame(
        cls, frame: pl.DataFrame, schema: Schema | None = None, *, origin: Mapping[str, Any] | None = None
    ) -> Dataset:
        """Wrap a Polars frame; row ids are its positions unless it brings a `ROW_ID` column."""
        import polars as pl

        if ROW_ID not in frame.columns:
            ids = pl.Series(ROW_ID, range(frame.height), dtype=pl.UInt64)
            frame = frame.clone().insert_column(0, ids)  # `select` would read a name such as ^x$ as a pattern
        names = tuple(name for name in frame.columns if name != ROW_ID)
        schema = schema or Schema(tuple(Column(name) for name in names))
        if schema.names != names:
            raise UserError("schema.columns", f"the schema names {schema.names}, the table has {names}.")
        return cls(frame.lazy(), schema, frame.height, dict(origin or {}))

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The whole table in memory, `ROW_ID` included."""
        return self.table.collect()

    @cached_property
    def digest(self) -> str:
        """sha256 of the schema and the table's bytes: what this dataset is."""
        if self.known_digest:
            return self.known_digest
        buffer = io.BytesIO()
        self.frame.rechunk().write_ipc(buffer, compression="uncompressed")
        return hashlib.sha256(repr(self.schema.to_plain()).encode() + buffer.getvalue()).hexdigest()

    @property
    def row_ids(self) -> np.ndarray:
        """Row ids, uint64 of shape (n_rows,), in table order."""
        import polars as pl

        ids: np.ndarray = self.table.select(pl.col(ROW_ID)).collect()[ROW_ID].to_numpy()
        return ids

    def column(self, name: str) -> pl.Series:
        """One column in memory; an unknown name lists the nearest."""
        _ = self.schema[name]
        return self.table.select(name).collect()[name]

    def take(self, row_ids: Iterable[int] | np.ndarray) -> Dataset:
        """The rows with these ids, in this table's order."""
        import polars as pl

        wanted = pl.Series(ROW_ID, row_ids, dtype=pl.UInt64)
        frame = self.frame.filter(pl.col(ROW_ID).is_in(wanted.implode()))
        return Dataset(frame.lazy(), self.schema, frame.height, self.origin)

    def with_schema(self, schema: Schema) -> Dataset:
        """The same table read with another schema (roles, units); the digest changes with it."""
        if schema.names != self.schema.names:
            raise UserError("schema.columns", f"the schema names {schema.names}, the table has {self.schema.names}.")
        digest = ""
        if self.known_digest:
            digest = hashlib.sha256(f"{self.known_digest}{schema.to_plain()!r}".encode()).hexdigest()
        return Dataset(self.table, schema, self.n_rows, self.origin, digest)
