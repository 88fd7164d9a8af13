"""The process that walks: Scrapy's downloader, asked by `Walk`. `python -m modelwright.collection.web.child FOLDER`.

A process of its own, for Twisted's reactor cannot be started twice. It reads the spec as one line of JSON and
writes events as lines of JSON; it ends, keeping what it has, when the line that feeds it is closed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import scrapy
from scrapy.crawler import AsyncCrawlerProcess

from modelwright.collection.web.asking import Asker, settings_of
from modelwright.collection.web.base import WebSpec
from modelwright.collection.web.frontier import Frontier
from modelwright.collection.web.rows import read_pages
from modelwright.collection.web.walk import Walk
from modelwright.core.errors import UserError


class Walker(scrapy.Spider):
    """A spider that gives no requests of its own: `Walk` asks through the engine."""

    name = "modelwright"

    async def start(self) -> AsyncIterator[Any]:
        """The whole walk."""
        plan: Plan = self.crawler.settings["MODELWRIGHT_PLAN"]
        asker = Asker(plan.spec, self.crawler)
        walk = Walk(plan.spec, plan.frontier, asker.ask, tell)
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _fed, walk)
        try:
            await walk.run()
        finally:
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        return
        yield


class Plan:
    """What the spider is given, for Scrapy copies its settings."""

    def __init__(self, spec: WebSpec, frontier: Frontier) -> None:
        self.spec, self.frontier = spec, frontier

    def __deepcopy__(self, memory: dict[int, Any]) -> Plan:
        return self


def tell(event: str, **what: Any) -> None:
    """One event to the process that waits for it."""
    sys.stdout.write(json.dumps({"event": event, **what}) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Walk, and say how it ended."""
    spec = WebSpec.parse(json.loads(sys.stdin.readline()), where="crawl")
    folder = Path(sys.argv[1])
    try:
        frontier = Frontier(folder, spec.agent)
    except sqlite3.OperationalError:
        tell("error", code="crawl.busy")
        return 2
    try:
        process = AsyncCrawlerProcess(settings_of(spec, Plan(spec, frontier)))
        process.crawl(Walker)
        process.start()
    except UserError as problem:
        tell("error", code=problem.code, message=problem.message, hint=problem.hint)
        return 2
    finally:
        frontier.close()
    read_pages(folder, tell)
    return 0


def _fed(walk: Walk) -> None:
    """The line that feeds this process was closed: the one who waits is gone."""
    if not os.read(sys.stdin.fileno(), 1):
        walk.stop()
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())


if __name__ == "__main__":
    sys.exit(main())
