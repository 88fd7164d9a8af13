"""Fairness: how a model, or any decision, treats groups."""

from __future__ import annotations

from modelwright.fairness.base import Audit, AuditSpec, audit
from modelwright.fairness.rates import Judged
from modelwright.fairness.words import change_pairs

__all__ = ["Audit", "AuditSpec", "Judged", "audit", "change_pairs"]
