"""Splitting: no group, no future, no twin on both sides."""

from modelwright.splitting.base import SplitSpec, split

__all__ = ["SplitSpec", "split"]
