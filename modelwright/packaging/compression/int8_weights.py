"""Weights stored as whole numbers of 8 bits, one scale a channel; reckoned with in floats, so never slower."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.packaging.compression.case import Compression, Variant

if TYPE_CHECKING:
    import numpy as np

    from modelwright.packaging.compression.case import Case

LEVELS = 127


def rounded(values: np.ndarray, axis: int, levels: int = LEVELS) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers in -levels..levels (int8) and the scales that give the values back, broadcastable.

    >>> import numpy as np
    >>> whole, scale = rounded(np.array([[1.0, -2.0], [0.5, 0.25]]), axis=0)
    >>> whole.tolist(), (whole * scale).round(2).tolist()
    ([[64, -127], [127, 64]], [[1.01, -2.0], [0.5, 0.25]])
    """
    import numpy as np

    others = tuple(place for place in range(values.ndim) if place != axis)
    largest = np.abs(values).max(axis=others, keepdims=True)
    scale = np.where(largest > 0, largest / levels, 1.0).astype(values.dtype)
    return np.clip(np.round(values / scale), -levels, levels).astype(np.int8), scale


def _make(case: Case) -> list[Variant]:
    """Reference: Jacob et al. (2018), "Quantization and training of neural networks for efficient inference"."""
    from onnx import helper, numpy_helper

    from modelwright.packaging.compression import edit

    model = edit.read(case.trained.graph)
    for weight in list(edit.weights(model)):
        whole, scale = rounded(weight.values, weight.axis)
        names = [f"{weight.name}.{part}" for part in ("whole", "scale", "cast")]
        kind = helper.np_dtype_to_tensor_dtype(weight.values.dtype)
        edit.replace_stored(
            model,
            weight.name,
            [numpy_helper.from_array(whole, names[0]), numpy_helper.from_array(scale, names[1])],
            [
                helper.make_node("Cast", [names[0]], [names[2]], to=int(kind)),
                helper.make_node("Mul", [names[2], names[1]], [weight.name]),
            ],
        )
    return [Variant(name="int8_weights", graph=edit.written(model), signature=case.trained.signature)]


def suits_weights(case: Case) -> str:
    """Whether there are matrices to store otherwise."""
    from modelwright.packaging.compression import edit

    found = next(edit.weights(edit.read(case.trained.graph)), None)
    return "" if found else "the graph holds no larger matrices"


COMPRESSION = Compression(name="int8_weights", suits=suits_weights, make=_make, storage=True)
