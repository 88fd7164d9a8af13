"""Monitoring: what is served is held against what the model was made for; an alarm means harm, not change."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from modelwright.monitoring.base import compare
from modelwright.monitoring.decide import Action, History, decide
from modelwright.monitoring.judge import Judgement, judge, watch
from modelwright.monitoring.reference import Reference, reference_of
from modelwright.monitoring.relabel import relabel_queue
from modelwright.monitoring.spec import MonitorSpec

if TYPE_CHECKING:
    from modelwright.monitoring.page import report_page
    from modelwright.monitoring.sketch import Sketch, merged, sketch_of
    from modelwright.monitoring.values import MonitorReport

__all__ = [
    "Action",
    "History",
    "Judgement",
    "MonitorReport",
    "MonitorSpec",
    "Reference",
    "Sketch",
    "compare",
    "decide",
    "judge",
    "merged",
    "reference_of",
    "relabel_queue",
    "report_page",
    "sketch_of",
    "watch",
]

_LAZY = {
    "Sketch": "sketch",
    "merged": "sketch",
    "sketch_of": "sketch",
    "MonitorReport": "values",
    "report_page": "page",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"modelwright.monitoring has no {name!r}")
    return getattr(importlib.import_module(f"modelwright.monitoring.{_LAZY[name]}"), name)
