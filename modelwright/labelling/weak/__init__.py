"""Weak supervision: labels from rules that people write, weighed by how far each can be trusted; and self-training."""

from modelwright.labelling.weak.apply import Applied, apply, pattern
from modelwright.labelling.weak.base import LabellingFunction, labelling_function
from modelwright.labelling.weak.model import SoftLabels, WeakSpec, combine
from modelwright.labelling.weak.selftrain import SelfTrained, SelfTrainSpec, self_train

__all__ = [
    "Applied",
    "LabellingFunction",
    "SelfTrainSpec",
    "SelfTrained",
    "SoftLabels",
    "WeakSpec",
    "apply",
    "combine",
    "labelling_function",
    "pattern",
    "self_train",
]
