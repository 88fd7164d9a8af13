"""Collection: sources in, one raw table out.

A source is a file, a pattern, a folder, an http(s) address, a database address or a frame in memory. What is
found by looking (format, delimiter, encoding, header) is told in `Dataset.origin` with its reason, and so is
every repair. Text files give the raw text of each cell; cleaning decides what it means.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from modelwright.collection.databases.spec import ApiSpec
from modelwright.collection.streams.spec import StreamSpec
from modelwright.collection.web.base import WebSpec
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from modelwright.core.data import Dataset
    from modelwright.core.store import Store
    from modelwright.core.values import Watch

Format = Literal["auto", "csv", "json", "jsonl", "parquet", "arrow", "excel"]

MIB = 2**20


class SourceSpec(Spec):
    """One source and, where looking is not enough, what it is like.

    >>> SourceSpec(source="sales/*.csv", delimiter=";").delimiter
    ';'
    """

    model_config = ConfigDict(coerce_numbers_to_str=True)  # a sheet named 2020 is a number in YAML

    source: str = Field(
        min_length=1,
        description="path, pattern, folder, http(s) address, sqlite:/// or postgresql:// address, dataset:NAME@3, "
        "hf:NAME:train, openml:61",
    )
    format: Format = Field("auto", description="what the file is; auto looks at its first bytes")
    delimiter: str | None = Field(None, min_length=1, max_length=1, description="one character between cells")
    quote: str | None = Field(None, max_length=1, description='one character around cells; "" for none')
    encoding: str | None = Field(None, description="name of the text encoding, such as utf-8 or cp1252")
    header: Literal["auto", "yes", "no"] = Field("auto", description="whether the first row names the columns")
    columns: tuple[str, ...] = Field((), description="names of the columns, in order, in place of the file's")
    sheet: str | None = Field(None, description="name of the sheet of a workbook; the first one otherwise")
    member: str = Field("*", description="pattern of the members of a zip that are read")
    table: str | None = Field(None, description="table of the database")
    query: str | None = Field(None, description="SQL query, in place of a table")
    sha256: str | None = Field(None, description="what the bytes must hash to")
    cursor: str | None = Field(
        None,
        min_length=1,
        description="column that grows (a key, a time), from whose last value `wright collect` goes on",
    )
    api: ApiSpec | None = Field(None, description="how the pages of a JSON API are asked for")
    crawl: WebSpec | None = Field(None, description="how a web site is walked: `source: crawl:https://example.org/`")
    stream: StreamSpec | None = Field(None, description="how a stream is listened to, and when a version is made of it")

    @field_validator("header", mode="before")
    @classmethod
    def _yes_or_no(cls, header: Any) -> Any:
        return {True: "yes", False: "no"}[header] if isinstance(header, bool) else header  # YAML's yes and no

    @field_validator("delimiter", mode="before")
    @classmethod
    def _tab(cls, delimiter: Any) -> Any:
        return "\t" if delimiter in ("tab", "\\t") else delimiter  # as people write it in a shell

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str | None) -> str | None:
        import codecs

        if encoding is not None:
            try:
                if not codecs.lookup(encoding)._is_text_encoding:
                    raise ValueError(f"{encoding!r} is no text encoding; write utf-8 or cp1252, say")
            except LookupError:
                raise ValueError(f"{encoding!r} is not a known encoding; write utf-8 or cp1252, say") from None
        return encoding

    @field_validator("columns")
    @classmethod
    def _distinct(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(columns)) < len(columns):
            raise ValueError("each column needs a name of its own")
        return columns

    @model_validator(mode="after")
    def _one_way_in(self) -> SourceSpec:
        if self.table and self.query:
            raise ValueError("give `table` or `query`, not both")
        return self


class CollectSpec(Spec):
    """The sources and how they become one table. A plain text or path is the short form of one source.

    >>> CollectSpec(sources="people.csv").sources[0].source
    'people.csv'
    >>> CollectSpec(sources=["a.csv", "b.csv"]).combine
    'stack'
    """

    sources: tuple[SourceSpec, ...] = Field(min_length=1, description="where the rows come from")
    combine: Literal["stack", "join"] = Field("stack", description="below each other, or side by side")
    on: tuple[str, ...] = Field((), description="columns that say which rows belong together (join)")
    how: Literal["left", "inner", "full"] = Field("left", description="which rows a join keeps")
    max_bytes: int = Field(16 * 1024 * MIB, gt=0, description="most bytes that a download or an archive may give")
    max_ratio: float = Field(
        200.0, gt=1, description="most times that an archive of more than 64 MiB may grow when it is opened"
    )
    timeout_s: float = Field(30.0, gt=0, description="longest silence of a server, in seconds")

    @field_validator("sources", mode="before")
    @classmethod
    def _short_forms(cls, sources: Any) -> Any:
        if isinstance(sources, (str, Path, Mapping, SourceSpec)):
            sources = (sources,)
        if not isinstance(sources, (list, tuple)):
            return sources
        return tuple({"source": str(one)} if isinstance(one, (str, Path)) else one for one in sources)

    @model_validator(mode="after")
    def _join_has_keys(self) -> CollectSpec:
        if self.combine == "join" and not self.on:
            raise ValueError("a join needs `on`: the columns that say which rows belong together")
        return self


def collect(
    spec: CollectSpec | SourceSpec | str | Path | list[str] | pl.DataFrame | pl.LazyFrame | pd.DataFrame | pa.Table,
    *,
    seed: int = 0,
    keep: Path | str | None = None,
    watch: Watch | None = None,
    store: Store | None = None,
) -> Dataset:
    """Read the sources into one raw table: `ROW_ID` (uint64) first, then one `raw` column per name.

    Text files (CSV and its like) give String columns with each cell's text exactly; "" stays "". Typed sources
    (JSON, Parquet, Arrow, Excel, databases, frames) give whole numbers, Float64, Boolean, Date, Datetime("us")
    or String. `spec` may be a path, an address, a list of them, a frame, or a spec. `keep` is a folder in which
    the raw bytes of every file are kept under their sha256. `store` is where `dataset:NAME` lies; a version that is the
    only source keeps its row ids. `seed` changes nothing here. A regular UTF-8 CSV
    larger than 64 MiB is scanned lazily from where it lies (or from `keep`), never loaded.

    `origin` is JSON-able: `sources` (per file: name, bytes, sha256, format, compression, delimiter, quote,
    encoding, header and why, n_rows, first_row), `repairs` and `decisions`.

    Raises `UserError` with a code `collection.*` that names file, line or column and the way out.

    Reference: van den Burg, Nazábal and Sutton (2019), "Wrangling messy CSV files by detecting row and type
    patterns", Data Mining and Knowledge Discovery 33.

    >>> import polars as pl
    >>> data = collect(pl.DataFrame({"age": [31, 45], "city": ["Oslo", "Bergen"]}))
    >>> data.n_rows, data.schema.names, data.frame["__row__"].to_list()
    (2, ('age', 'city'), [0, 1])
    """
    from modelwright.collection.combine import combine
    from modelwright.collection.frames import is_frame, read_frame
    from modelwright.collection.reader import Surroundings, read_source

    if is_frame(spec):
        return combine([read_frame(spec)], CollectSpec(sources="memory"))
    full = spec if isinstance(spec, CollectSpec) else CollectSpec(sources=spec)
    if store is not None and len(full.sources) == 1 and full.sources[0].source.startswith("dataset:"):
        from modelwright.collection.versions import open_version

        return open_version(store, full.sources[0].source)
    around = Surroundings.of(full, keep=keep, watch=watch, store=store)
    return combine([piece for source in full.sources for piece in read_source(source, around)], full)
