"""A crawl as a source: `crawl:https://example.org/`, several addresses with blanks between them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from modelwright.collection.gathering import Step, Task
from modelwright.collection.newfiles import KNOWN
from modelwright.collection.piece import Piece
from modelwright.collection.versions import ledger
from modelwright.collection.versions.commit import Arrival, Gone, Origin
from modelwright.collection.versions.manifest import folder_of
from modelwright.collection.versions.writing import parts_of, together
from modelwright.collection.web.base import Crawled, WebSpec, crawl
from modelwright.core.store import digest_of

if TYPE_CHECKING:
    import polars as pl

    from modelwright.collection.base import SourceSpec
    from modelwright.collection.reader import Surroundings
    from modelwright.core.values import Watch

PREFIX = "crawl:"


def walk(source: SourceSpec, folder: Path, watch: Watch | None) -> Crawled:
    """Walk from the addresses of a source. `folder` holds the walk between calls: the next one goes on, or asks only
    for what has changed."""
    starts = tuple(source.source.removeprefix(PREFIX).split())
    spec = source.crawl or WebSpec()
    return crawl(spec.but(start=(*starts, *spec.start)), folder, watch=watch)


def crawl_once(source: SourceSpec, around: Surroundings) -> Piece:
    """A site as one raw table; what was dropped is in the piece's repairs, how requests ended in its origin."""
    with TemporaryDirectory(prefix="wright-crawl-") as folder:
        found = walk(source, Path(folder), around.watch)
    dropped = tuple(
        {"source": source.source, "what": "dropped", "why": reason, "count": count}
        for reason, count in found.told["dropped"].items()
    )
    about = {"name": source.source, "format": "crawl", "n_rows": found.pages.height, "crawl": dict(found.told)}
    names = tuple(found.pages.columns)
    return Piece(table=found.pages.lazy(), names=names, n_rows=found.pages.height, about=about, repairs=dropped)


def read_new_site(task: Task) -> Iterator[Step]:
    """The pages that are new or whose text has changed; a page that is gone leaves its row, and is told."""
    import polars as pl

    folder = folder_of(task.store, task.base.name) / "crawls" / digest_of(task.key)[:16]
    found = walk(task.source, folder, task.around.watch)
    known = _known(task)
    pages = found.pages
    is_new = [(known.get(url) or {}).get("sha256") != sha256 for url, sha256 in _texts(pages)]
    fresh = pages.filter(pl.Series(is_new, dtype=pl.Boolean))
    gone = [known[url] for url, _ in _texts(fresh) if url in known]
    told = [f"{count:,} pages were dropped: {why}" for why, count in found.told["dropped"].items()]
    there = set(pages["url"])
    absent = [url for url in known if url not in there]
    told += [f"{len(absent):,} pages are no longer there, such as {absent[0]}: their rows stay"] if absent else []
    arrivals: tuple[Arrival, ...] = ()
    if fresh.height:
        origins = tuple(
            Origin(name=url, n_rows=1, sha256=sha256, n_bytes=len(text.encode()))
            for (url, sha256), text in zip(_texts(fresh), fresh["text"], strict=True)
        )
        written = together(one for one, _ in parts_of(task.store, [fresh]))
        arrivals = (Arrival(source=task.key, origins=origins, written=written),)
    yield Step(
        arrivals=arrivals, state={}, told=tuple(told), skipped={KNOWN: pages.height - fresh.height},
        gone=tuple(Gone(source=task.key, name=line["name"], first_row=line["first_row"], n_rows=line["n_rows"])
                   for line in gone),
    )  # fmt: skip


def _texts(pages: pl.DataFrame) -> list[tuple[str, str]]:
    """Address and digest of what is read of each page: its bytes change with every clock on it."""
    told = zip(pages["url"], pages["title"], pages["text"], strict=True)
    return [(url, hashlib.sha256(f"{title}\n{text}".encode()).hexdigest()) for url, title, text in told]


def _known(task: Task) -> dict[str, Mapping[str, Any]]:
    """The last line of every page that the version has from this site."""
    every = ledger.files_of(task.store, task.base)
    return {name: lines[-1] for (source, name), lines in every.items() if source == task.key and lines}
