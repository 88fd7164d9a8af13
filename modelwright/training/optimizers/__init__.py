"""Optimizers: parameters split by kind, torch's fused kernels, states that are plain tensors and numbers."""

from modelwright.training.optimizers.base import (
    OptimizerMethod,
    load_state,
    make_optimizer,
    set_rate,
    state_tensors,
)

__all__ = ["OptimizerMethod", "load_state", "make_optimizer", "set_rate", "state_tensors"]
