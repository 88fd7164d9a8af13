"""A float32 matrix and a target in, a fitted function out: in the library's own words and as ONNX nodes."""

from modelwright.models._trees import Tree, emit_trees
from modelwright.models.base import Held, Model

__all__ = ["Held", "Model", "Tree", "emit_trees"]
