"""Weights stored in half precision and reckoned with in single: half the size, the same time, hardly a change.

Reckoning in half precision is slower on processors than in single (onnxruntime casts back and forth), so that is not
even tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.packaging.compression.case import Compression, Variant
from modelwright.packaging.compression.int8_weights import suits_weights

if TYPE_CHECKING:
    from modelwright.packaging.compression.case import Case

LARGEST = 65_504.0


def _make(case: Case) -> list[Variant]:
    """Reference: IEEE 754-2008, binary16."""
    import numpy as np
    from onnx import helper, numpy_helper

    from modelwright.packaging.compression import edit

    model = edit.read(case.trained.graph)
    for weight in list(edit.weights(model)):
        if np.abs(weight.values).max() > LARGEST:
            continue
        half = numpy_helper.from_array(weight.values.astype(np.float16), f"{weight.name}.half")
        kind = helper.np_dtype_to_tensor_dtype(weight.values.dtype)
        cast = helper.make_node("Cast", [half.name], [weight.name], to=int(kind))
        edit.replace_stored(model, weight.name, [half], [cast])
    return [Variant(name="float16", graph=edit.written(model), signature=case.trained.signature)]


COMPRESSION = Compression(name="float16", suits=suits_weights, make=_make, storage=True)
