"""What many methods do: draw numbers per row, and change the chosen rows of the inputs of one form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from modelwright.training.loop.batch import Batch
    from modelwright_runtime.signature import ArrayForm, ArrayInput

SHARE = "share of rows that are changed"


def uniform(n_rows: int, low: float, high: float, rng: torch.Generator) -> Tensor:
    """float64 (n_rows,), evenly drawn between `low` and `high`, where the generator is."""
    import torch

    return torch.rand(n_rows, generator=rng, device=rng.device, dtype=torch.float64) * (high - low) + low


def chosen(n_rows: int, share: float, rng: torch.Generator) -> Tensor:
    """bool (n_rows,): each row by itself, with probability `share`."""
    import torch

    return torch.rand(n_rows, generator=rng, device=rng.device, dtype=torch.float64) < share


def on_device(rng: torch.Generator, device: torch.device) -> torch.Generator:
    """A generator for large draws where the data lies; on the CPU it is `rng` itself."""
    import torch

    if device.type == "cpu":
        return rng
    seed = int(torch.randint(2**62, (1,), generator=rng))
    return torch.Generator(device).manual_seed(seed)


def put(out: Tensor, rows: Tensor, values: Tensor) -> None:
    """`out[rows] = values`, in place; large rows one by one, since indexing copies value by value."""
    if out.device.type == "cpu" and values.numel() > 8192 * len(rows):
        for row, value in zip(rows.tolist(), values, strict=True):
            out[row] = value
    else:
        out[rows.to(out.device)] = values


def change(
    batch: Batch,
    inputs: Sequence[ArrayInput],
    forms: Sequence[ArrayForm],
    rows: Tensor,
    how: Callable[[Tensor, ArrayInput], Tensor],
) -> Batch:
    """The batch with `how(some rows of an input, that input)` in place of the chosen rows, for inputs of `forms`."""
    if not bool(rows.any()):
        return batch
    everything = bool(rows.all())
    changed = []
    for x, array in zip(batch.inputs, inputs, strict=True):
        if array.form not in forms:
            changed.append(x)
        elif everything:
            changed.append(how(x, array))
        else:
            where = rows.nonzero().squeeze(1)
            out = x.clone()
            put(out, where, how(x.index_select(0, where.to(x.device)), array))
            changed.append(out)
    return replace(batch, inputs=tuple(changed))
