"""`Batch`: some rows as tensors, the value that flows through augmentation, network and loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows as tensors: one input per array of the signature, one target per task.

    Shapes and types are those of `modelwright_runtime.signature.ArrayInput` for inputs. Targets, for n rows:
    classes int64 (n,), -1 where missing, or float32 (n, K) shares after mixing; labels float32 (n, K);
    values float32 (n,) or (n, horizon); boxes float32 (n, M, 5) of class (-1 is padding), left, top, right
    and bottom as shares of the image; masks int64 (n, height, width), -1 where nothing is known. `weights`
    is float32 (n,).
    """

    inputs: tuple[Tensor, ...]
    targets: tuple[Tensor, ...]
    weights: Tensor | None = None
