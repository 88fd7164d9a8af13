"""A package's model for other places: ONNX Runtime mobile, and C99 without heap or libraries."""

from modelwright.packaging.targets.base import TOLERANCE, Target, TargetFile, write_targets

__all__ = ["TOLERANCE", "Target", "TargetFile", "write_targets"]
