"""The order of rows: a pure function of seed, epoch and step, so that a resume needs two integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.core.rng import stream_seed

if TYPE_CHECKING:
    import torch


def epoch_order(seed: int, epoch: int, n_rows: int) -> torch.Tensor:
    """The rows of one epoch in the order in which they are seen: int64 of shape (n_rows,).

    >>> epoch_order(0, 3, 5).tolist() == epoch_order(0, 3, 5).tolist()
    True
    """
    import torch

    chance = torch.Generator().manual_seed(stream_seed(seed, "order", epoch))
    return torch.randperm(n_rows, generator=chance)


def step_generator(seed: int, step: int) -> torch.Generator:
    """The random numbers of one step's augmentation; the same whether a run was broken off before or not."""
    import torch

    return torch.Generator().manual_seed(stream_seed(seed, "augment", step))


def n_steps_of(n_rows: int, batch_size: int, epochs: float, max_steps: int | None) -> tuple[int, int]:
    """Steps of one epoch, and of the whole run. The last batch of an epoch may be smaller.

    >>> n_steps_of(100, 32, 2.5, None)
    (4, 10)
    """
    per_epoch = -(-n_rows // batch_size)
    return per_epoch, max_steps or max(1, round(per_epoch * epochs))
