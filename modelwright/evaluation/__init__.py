"""Evaluation: every metric has a name, an interval and slices; the report and the model card say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.evaluation.background import Background, backgrounds, constant_answer
from modelwright.evaluation.base import EvaluateSpec, evaluate

if TYPE_CHECKING:
    from modelwright.evaluation.card import model_card
    from modelwright.evaluation.report import report_page
    from modelwright.evaluation.text import headline, summary_table

__all__ = [
    "Background",
    "EvaluateSpec",
    "backgrounds",
    "constant_answer",
    "evaluate",
    "headline",
    "model_card",
    "report_page",
    "summary_table",
]

_LAZY = {"model_card": "card", "report_page": "report", "headline": "text", "summary_table": "text"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"modelwright.evaluation has no {name!r}")
    import importlib

    return getattr(importlib.import_module(f"modelwright.evaluation.{_LAZY[name]}"), name)
