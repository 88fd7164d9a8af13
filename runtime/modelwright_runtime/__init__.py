"""Modelwright's small runtime: opens a package, answers raw rows, serves them. Nothing here trains.

`load(path)` gives a `Model`; `model.predict(rows)` gives `Predictions`; `serve(models)` answers over HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelwright_runtime.model import Model, load
    from modelwright_runtime.predictions import Predictions
    from modelwright_runtime.server import serve

__version__ = "0.1.0"
__all__ = ["Model", "Predictions", "load", "serve"]
_WHERE = {"Model": "model", "load": "model", "Predictions": "predictions", "serve": "server"}


def __getattr__(name: str) -> Any:
    """Import onnxruntime only when a model is asked for; training reads cells without it."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
