"""Compression that is never worse: smaller and faster forms of a model, each measured before one is kept."""

from modelwright.packaging.compression.base import Compressed, compress
from modelwright.packaging.compression.case import Case, Compression, Variant

__all__ = ["Case", "Compressed", "Compression", "Variant", "compress"]
