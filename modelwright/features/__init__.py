"""Typed columns in, one float32 matrix out: learned once, then the same in NumPy and in ONNX."""

from modelwright.features.arrays import ArraysSpec, array_decisions, learn_arrays
from modelwright.features.base import (
    Block,
    FeatureState,
    Inputs,
    Step,
    apply,
    emit,
    learn,
    learn_apply,
    seen,
    shared_inputs,
)
from modelwright.features.spec import FeatureSpec, Use, preset

__all__ = [
    "ArraysSpec",
    "Block",
    "FeatureSpec",
    "FeatureState",
    "Inputs",
    "Step",
    "Use",
    "apply",
    "array_decisions",
    "emit",
    "learn",
    "learn_apply",
    "learn_arrays",
    "preset",
    "seen",
    "shared_inputs",
]
