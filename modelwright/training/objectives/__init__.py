"""Objectives: the losses of each task, and how several tasks are weighed."""

from modelwright.training.objectives.base import Loss, is_complete, make_loss, make_objective

__all__ = ["Loss", "is_complete", "make_loss", "make_objective"]
