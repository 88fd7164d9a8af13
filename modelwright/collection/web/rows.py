"""Pages to rows: the main text of each, once for each content; near duplicates and empty ones dropped with reason."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.collection.web.alike import first_alike, sketch
from modelwright.collection.web.base import Crawled
from modelwright.collection.web.links import charset_of
from modelwright.collection.web.text import VERSION, Page, extract
from modelwright.collection.web.warc import read_body
from modelwright.language import language_of

if TYPE_CHECKING:
    import polars as pl

COLUMNS = ("url", "title", "text", "author", "date", "language", "kind", "status", "fetched_s", "digest")
BATCH = 50
_PAGES = (
    "SELECT id, url, digest, type, file, place, length, status, fetched_s, reason FROM addresses"
    " WHERE rank=2 AND digest IS NOT NULL AND state='done' AND round=? ORDER BY id"
)


def read_pages(folder: Path, tell: Callable[..., None]) -> None:
    """Extract what was not extracted yet. What is done is kept in batches, so a kill costs one batch of work."""
    with closing(sqlite3.connect(folder / "walk.db", timeout=10)) as base:
        known = {row[0] for row in base.execute("SELECT digest FROM texts WHERE version=?", (VERSION,))}
        pages = base.execute(_PAGES, (_round(base),)).fetchall()
        waiting = {page[2]: page for page in pages if page[2] not in known and page[4] is not None}
        for number, (digest, page) in enumerate(waiting.items(), 1):
            read = json.dumps(_read(folder, page))
            base.execute("INSERT OR REPLACE INTO texts VALUES (?, ?, ?)", (digest, VERSION, read))
            if number % BATCH == 0 or number == len(waiting):
                base.commit()
                tell("texts", n_done=number, n_all=len(waiting))
        tell("read", n_pages=len(pages))


def rows(folder: Path, last: Mapping[str, Any], *, keep_near_duplicates: bool) -> Crawled:
    """The table of a finished round, and what is not in it."""
    import polars as pl

    with closing(sqlite3.connect(folder / "walk.db", timeout=10)) as base:
        now = _round(base)
        pages = base.execute(_PAGES, (now,)).fetchall()
        texts = {digest: json.loads(page) for digest, page in base.execute("SELECT digest, page FROM texts")}
        told = _told(base, now)
    kept, dropped = _sort(pages, texts, keep_near=keep_near_duplicates)
    strings = dict.fromkeys(COLUMNS, pl.String)
    schema = {**strings, "status": pl.Int64, "fetched_s": pl.Float64}
    frame = pl.DataFrame(kept, schema=schema, orient="row")
    others = pl.DataFrame(dropped, schema=dict.fromkeys(("url", "reason", "other"), pl.String), orient="row")
    told = {**told, "rows": frame.height, "dropped": _counts(others)}
    return Crawled(pages=frame, dropped=others, told=told, folder=folder)


def _sort(
    pages: list[tuple[Any, ...]], texts: Mapping[str, Mapping[str, Any]], *, keep_near: bool
) -> tuple[list[tuple[Any, ...]], list[tuple[str, str, str]]]:
    kept: list[tuple[Any, ...]] = []
    dropped: list[tuple[str, str, str]] = []
    by_digest: dict[str, str] = {}
    fresh: list[tuple[str, int, str]] = []
    for _, url, digest, _, _, _, _, status, fetched_s, reason in pages:
        page = texts.get(digest)
        if reason == "noindex":
            dropped.append((url, "noindex", ""))
        elif page is None or not page["text"].strip():
            dropped.append((url, "no_text", ""))
        elif digest in by_digest:
            dropped.append((url, "duplicate", by_digest[digest]))
        else:
            by_digest[digest] = url
            fresh.append((url, int(page["sketch"], 16), page["text"]))
            names = ("title", "text", "author", "date", "language", "kind")
            kept.append((url, *(page[name] or None for name in names), status, fetched_s, digest))
    if keep_near:
        return kept, dropped
    others = first_alike([one[1] for one in fresh], [one[2] for one in fresh])
    dropped += [(fresh[at][0], "near_duplicate", fresh[of][0]) for at, of in others.items()]
    return [row for at, row in enumerate(kept) if at not in others], dropped


def _read(folder: Path, page: tuple[Any, ...]) -> dict[str, Any]:
    _, url, _, kind, file, place, length, *_ = page
    body = read_body(folder / file, place, length)
    charset = charset_of({"content-type": kind or ""})
    if (kind or "").startswith("text/plain"):
        text = body.decode(charset or "utf-8", "replace")
        read = {"title": "", "text": text, "author": "", "date": "", "kind": "text", "language": language_of(text)[0]}
    else:
        found = _extracted(body.decode(charset, "replace") if charset else body, url)
        names = ("title", "text", "author", "date", "kind", "language")
        read = {name: getattr(found, name) for name in names}
    return {**read, "sketch": f"{sketch(read['text']):016x}"}


def _extracted(content: str | bytes, url: str) -> Page:
    """The main text; a page on which a parser stumbles has none, and does not end the walk."""
    from lxml import etree

    try:
        return extract(content, url)
    except (
        etree.LxmlError,
        AssertionError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as problem:
        return Page(text="", kind=type(problem).__name__, url=url)


def _told(base: sqlite3.Connection, now: int) -> dict[str, Any]:
    query = "SELECT state || CASE WHEN reason='' THEN '' ELSE ': ' || reason END, count(*) FROM addresses"
    outcomes = dict(base.execute(f"{query} WHERE round=? AND rank=2 GROUP BY 1", (now,)))
    refusals = base.execute("SELECT reason, count, example FROM refusals WHERE round=?", (now,))
    return {
        "round": now,
        "outcomes": outcomes,
        "not_followed": {reason: {"links": count, "example": example} for reason, count, example in refusals},
    }


def _counts(dropped: pl.DataFrame) -> dict[str, int]:
    reasons = dropped["reason"].to_list()
    return {reason: reasons.count(reason) for reason in sorted(set(reasons))}


def _round(base: sqlite3.Connection) -> int:
    row = base.execute("SELECT value FROM facts WHERE name='round'").fetchone()
    return int(row[0]) if row else 0
