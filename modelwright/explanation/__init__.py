"""Explanation: why a package answers rows as it does."""

from __future__ import annotations

from modelwright.explanation.base import ExplainSpec, Explanation, explain

__all__ = ["ExplainSpec", "Explanation", "explain"]
