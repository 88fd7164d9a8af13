"""Collection: sources in, one raw table out."""

from modelwright.collection.base import CollectSpec, SourceSpec, collect

__all__ = ["CollectSpec", "SourceSpec", "collect"]
