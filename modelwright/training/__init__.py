"""Training: candidates compared by cross-validation, the best ones joined, one graph out."""

from modelwright.training.base import ModelUse, TrainSpec, train

__all__ = ["ModelUse", "TrainSpec", "train"]
