"""Augmentation: training batches in, changed batches out, labels kept true."""

from modelwright.augmentation.base import Augmentation, AugmentSpec, Step, augment, prepare

__all__ = ["AugmentSpec", "Augmentation", "Step", "augment", "prepare"]
