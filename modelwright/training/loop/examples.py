"""`Examples`: the rows of one set as arrays, in memory or on disk, and the batches that are cut from them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError
from modelwright.training.loop.batch import Batch

if TYPE_CHECKING:
    import torch

MOST_ROWS_AT_ONCE, MOST_NUMBERS_AT_ONCE = 512, 4_000_000

Source = Any
"""A torch.Tensor, or anything on disk with `shape` and `[rows: ndarray] -> ndarray`, such as a numpy.memmap."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Rows to learn from, or to be scored on: one source per input and per target, all of one length.

    >>> import torch
    >>> Examples((torch.zeros(5, 3),), (torch.zeros(5),)).n_rows
    5
    """

    inputs: tuple[Source, ...]
    targets: tuple[Source, ...]
    weights: torch.Tensor | None = None

    def __post_init__(self) -> None:
        lengths = {len(source) for source in self._sources()}
        if len(lengths) != 1:
            raise UserError("train.examples", f"inputs, targets and weights differ in length: {sorted(lengths)}.")
        if not self.n_rows:
            raise UserError("train.examples", "there is no row to train on.")

    def _sources(self) -> list[Source]:
        return [*self.inputs, *self.targets, *([] if self.weights is None else [self.weights])]

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(self.targets[0])

    @property
    def in_memory(self) -> bool:
        """Whether every source is a tensor."""
        import torch

        return all(isinstance(source, torch.Tensor) for source in self._sources())

    @property
    def size_bytes(self) -> int:
        """Bytes of all sources."""
        return sum(source.nbytes for source in self._sources())

    @property
    def at_once(self) -> int:
        """How many rows to ask a network about at once: fewer of large pictures."""
        numbers: int = sum(math.prod(source.shape[1:]) for source in self.inputs)
        return max(1, min(MOST_ROWS_AT_ONCE, MOST_NUMBERS_AT_ONCE // max(numbers, 1)))

    def to(self, device: torch.device) -> Examples:
        """The same rows on a device."""
        weights = None if self.weights is None else self.weights.to(device)
        return Examples(
            tuple(source.to(device) for source in self.inputs),
            tuple(source.to(device) for source in self.targets),
            weights,
        )

    def rows(self, rows: torch.Tensor) -> Batch:
        """The batch of these rows, int64 of shape (n,)."""
        weights = None if self.weights is None else self.weights[rows]
        return Batch(
            tuple(_take(source, rows) for source in self.inputs),
            tuple(_take(source, rows) for source in self.targets),
            weights,
        )

    def slices(self, size: int) -> Iterator[Batch]:
        """All rows in their order, `size` at a time."""
        import torch

        for start in range(0, self.n_rows, size):
            yield self.rows(torch.arange(start, min(start + size, self.n_rows)))


def _take(source: Source, rows: torch.Tensor) -> torch.Tensor:
    import torch

    if isinstance(source, torch.Tensor):
        return source[rows.to(source.device)]
    return torch.from_numpy(source[rows.numpy()])


def batches(examples: Examples, order: torch.Tensor, size: int, *, start: int, n_workers: int) -> Iterator[Batch]:
    """The batches of an epoch in a given order, from batch `start` on.

    Small sets in memory are put in order once and then only cut, which costs less than gathering 32 rows a
    step; large ones are gathered batch by batch; sets on disk are gathered ahead by threads. Which of them is
    taken changes no bit.
    """
    whole = examples.in_memory and examples.size_bytes <= _PUT_IN_ORDER_BYTES
    if whole:
        yield from _cut(examples.rows(order[start * size :]), size)
    elif examples.in_memory or not n_workers:
        for rows in order[start * size :].split(size):
            yield examples.rows(rows)
    else:
        yield from _ahead(examples, order[start * size :].split(size), n_workers)


_PUT_IN_ORDER_BYTES = 256 * 2**20


def _cut(rows: Batch, size: int) -> Iterator[Batch]:
    inputs = zip(*(source.split(size) for source in rows.inputs), strict=True)
    targets = zip(*(source.split(size) for source in rows.targets), strict=True)
    if rows.weights is None:
        yield from map(Batch, inputs, targets)
    else:
        yield from map(Batch, inputs, targets, rows.weights.split(size))


def _ahead(examples: Examples, parts: tuple[torch.Tensor, ...], n_workers: int) -> Iterator[Batch]:
    waiting: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(n_workers, thread_name_prefix="rows") as pool:
        for rows in parts:
            waiting.append(pool.submit(examples.rows, rows))
            if len(waiting) > 2 * n_workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
