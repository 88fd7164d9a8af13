"""The same thing twice: rows of two tables, rows of one, and documents that nearly repeat."""

from modelwright.cleaning.matching.base import Matches, MatchSpec, match

__all__ = ["MatchSpec", "Matches", "match"]
