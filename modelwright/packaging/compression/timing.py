"""CPU time of several callables, taken in turns so that what the machine does besides falls on all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

N_ROUNDS = 25
BLOCK_S = 0.004


def cpu_seconds(calls: Sequence[Callable[[], object]], *, n_rounds: int = N_ROUNDS) -> np.ndarray:
    """CPU seconds of this thread per call: (n_rounds, n_calls). Each round asks all, in an order of its own.

    >>> cpu_seconds([lambda: sum(range(2000)), lambda: sum(range(20_000))], n_rounds=3).shape
    (3, 2)
    """
    import numpy as np

    repeats = [_repeats(call) for call in calls]
    taken = np.empty((n_rounds, len(calls)))
    rng = np.random.Generator(np.random.PCG64(0))
    for turn in range(n_rounds):
        for which in rng.permutation(len(calls)):
            call, n_calls = calls[which], repeats[which]
            call()  # what the one before left in the caches is not this one's doing
            began = time.thread_time()
            for _ in range(n_calls):
                call()
            taken[turn, which] = (time.thread_time() - began) / n_calls
    return taken


def _repeats(call: Callable[[], object]) -> int:
    for _ in range(3):
        call()
    began = time.thread_time()
    call()
    return max(1, min(200, int(BLOCK_S / max(time.thread_time() - began, 1e-6))))


def fastest(taken: np.ndarray, n_sessions: int) -> tuple[np.ndarray, np.ndarray]:
    """CPU seconds a call, and how many times faster than the first, of callables that stand `n_sessions` times each.

    Of the sessions of one graph the one with the least median counts; what is told is the median of the rounds' ratios.

    >>> import numpy as np
    >>> seconds, faster = fastest(np.array([[2.0, 4.0, 1.0, 3.0]]), 2)
    >>> seconds.tolist(), faster.tolist()
    ([2.0, 1.0], [1.0, 2.0])
    """
    import numpy as np

    medians = np.median(taken, axis=0).reshape(-1, n_sessions)
    best = taken[:, np.arange(len(medians)) * n_sessions + medians.argmin(axis=1)]
    return np.median(best, axis=0), np.median(best[:, :1] / best, axis=0)
