"""Names that Specs share; no torch here."""

from __future__ import annotations

from typing import Literal

Activation = Literal["relu", "gelu", "silu", "tanh", "elu", "leaky_relu"]
Norm = Literal["layer", "batch", "none"]
MapNorm = Literal["batch", "group", "none"]
Normalise = Literal["column", "row", "last"]
