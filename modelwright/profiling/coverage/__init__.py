"""Who is in the data and how many, where groups differ, and what to collect next."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from modelwright.profiling.coverage.base import Coverage, GroupRows, coverage

if TYPE_CHECKING:
    from modelwright.profiling.coverage.needs import Need, to_csv
    from modelwright.profiling.coverage.patterns import uncovered
    from modelwright.profiling.coverage.sources import drift, together
    from modelwright.profiling.coverage.weighting import rake, weighted
    from modelwright.profiling.coverage.words import sentences

__all__ = [
    "Coverage", "GroupRows", "Need", "coverage", "drift", "rake", "sentences", "to_csv", "together", "uncovered",
    "weighted",
]  # fmt: skip

_LAZY = {
    "Need": "needs", "to_csv": "needs", "uncovered": "patterns", "drift": "sources", "together": "sources",
    "rake": "weighting", "weighted": "weighting", "sentences": "words",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"modelwright.profiling.coverage has no {name!r}")
    return getattr(importlib.import_module(f"modelwright.profiling.coverage.{_LAZY[name]}"), name)
