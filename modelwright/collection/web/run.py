"""A walk from outside: the process that walks, and the table of what it found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from modelwright.collection.web.base import Crawled, WebSpec
from modelwright.core.errors import SystemFault, UserError
from modelwright.core.optional import need_later
from modelwright.core.values import Watch


def run(spec: WebSpec, folder: Path, watch: Watch | None) -> Crawled:
    """Walk in a process of its own, then read its memory. See `crawl`."""
    if not spec.start:
        raise UserError(
            "crawl.start",
            "a crawl needs an address to begin with.",
            hint="write `source: crawl:https://example.org/` or `start:`",
        )
    for package in ("scrapy", "trafilatura"):
        need_later(package, extra="collect", why="crawling")
    from modelwright.collection.web.proxies import Proxies

    _ = Proxies(spec)  # a variable that holds no proxy is told before anything is asked
    folder.mkdir(parents=True, exist_ok=True)
    last = _walk(spec, folder, watch)
    from modelwright.collection.web.rows import rows

    return rows(folder, last, keep_near_duplicates=spec.near_duplicates)


def _walk(spec: WebSpec, folder: Path, watch: Watch | None) -> dict[str, Any]:
    command = [sys.executable, "-m", "modelwright.collection.web.child", str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    last: dict[str, Any] = {}
    complaints = folder / "walk.err"
    with (
        complaints.open("w") as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment, text=True
        ) as child,
    ):
        assert child.stdin is not None and child.stdout is not None
        try:
            child.stdin.write(json.dumps(spec.to_plain()) + "\n")
            child.stdin.flush()
            for line in child.stdout:
                last = json.loads(line)
                if watch is not None:
                    watch({"stage": "collection", **last})
        except BrokenPipeError:  # it ended before it read; its exit tells why
            pass
        finally:
            child.stdin.close()
    if last.get("event") == "error":
        raise _refused(last, folder)
    if child.returncode or last.get("event") != "read":
        lines = complaints.read_text(errors="replace").strip().splitlines() or ["nothing was said"]
        raise SystemFault(
            "crawl.ended",
            f"the crawl in `{folder}` ended with code {child.returncode}: {lines[-1]}.",
            hint="run it again: it goes on where it was",
        )
    complaints.unlink(missing_ok=True)
    return last


def _refused(last: dict[str, Any], folder: Path) -> UserError:
    if last["code"] == "crawl.busy":
        return UserError(
            "crawl.busy", f"another crawl is at work in `{folder}`.", hint="wait for it, or give another folder"
        )
    return UserError(last["code"], last["message"], hint=last["hint"] or "")
