"""A crawl as one source of `collect`: `crawl:https://example.org/`, several addresses with blanks between them."""

from __future__ import annotations

from pathlib import Path

from modelwright.collection.piece import Piece
from modelwright.collection.web.base import WebSpec, crawl
from modelwright.core.values import Watch

PREFIX = "crawl:"


def crawl_piece(source: str, spec: WebSpec | None, folder: Path, watch: Watch | None = None) -> Piece:
    """Walk from the addresses of a source, and give the pages as one raw table.

    `folder` holds the walk between calls: the next one goes on, or asks only for what changed. What was dropped
    is in the piece's repairs, what was not followed and how requests ended in its line of the origin.
    """
    starts = tuple(source.removeprefix(PREFIX).split())
    spec = (spec or WebSpec()).but(start=(*starts, *(spec.start if spec else ())))
    found = crawl(spec, folder, watch=watch)
    dropped = tuple(
        {"source": source, "what": "dropped", "why": reason, "count": count}
        for reason, count in found.told["dropped"].items()
    )
    about = {"name": source, "format": "crawl", "n_rows": found.pages.height, "crawl": dict(found.told)}
    return Piece(
        table=found.pages.lazy(),
        names=tuple(found.pages.columns),
        n_rows=found.pages.height,
        about=about,
        repairs=dropped,
    )
