"""The record of a run: which stage took what, gave what, how long it took and what was decided.

A record is one JSON file in the store, written anew after each stage, so that a run that was killed says
how far it came.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from modelwright.core.codec import plain_of
from modelwright.core.store import Store, canonical, write_atomically


@dataclass(frozen=True, kw_only=True)
class StageRecord:
    """One stage of a run. `cached` says that its value was there already and nothing was computed."""

    stage: str
    key: str
    digest: str
    cached: bool
    seconds: float
    value: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict)
    peak_memory_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one run did. `facts` is for people: metrics, package, paths."""

    id: str
    name: str
    recipe: Mapping[str, Any]
    started: str
    status: Literal["running", "done", "failed"] = "running"
    stages: tuple[StageRecord, ...] = ()
    machine: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def save(self, store: Store) -> Run:
        """Write the record, and let its name stand for it."""
        write_atomically(store.root / "runs" / f"{self.id}.json", canonical(plain_of(self)))
        store.point("runs", self.name, {"run": self.id})
        return self

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Run:
        """A record as it was saved."""
        stages = tuple(StageRecord(**stage) for stage in plain["stages"])
        return cls(**{**plain, "stages": stages})


def machine() -> dict[str, Any]:
    """Where a run runs: system, processor count, Python."""
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "n_processors": os.cpu_count() or 1,
        "python": platform.python_version(),
    }


def peak_memory_bytes() -> int:
    """The most memory this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
