"""Public hubs of datasets as sources: `hf:NAME` and `openml:ID`."""

from modelwright.collection.hubs.base import read_hub, read_new_hub

__all__ = ["read_hub", "read_new_hub"]
