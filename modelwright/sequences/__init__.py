"""Sequences: long rows, one for each step, become cases with series in their cells."""

from modelwright.sequences.base import WindowSpec, window
from modelwright.sequences.layout import Layout
from modelwright.sequences.serving import cases_to_answer

__all__ = ["Layout", "WindowSpec", "cases_to_answer", "window"]
