"""The season of a series, guessed from how the target's changes repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

LEAST_ECHO = 0.1
LEAST_SIGMAS = 6  # of the correlation of changes that do not repeat, 1 / sqrt(n), times 1.2 for noise's changes
MOST_LAG = 2000
NEARLY_BEST = 0.85


def guess_season(values: np.ndarray) -> tuple[int, float]:
    """The lag after which the changes of a series repeat most (1 when none does), and their correlation there.

    The smallest lag whose peak of the autocorrelation is nearly the highest. Reference: Box and Jenkins (1970),
    "Time series analysis" (the autocorrelation of differences).

    >>> import numpy as np
    >>> guess_season(np.sin(np.arange(480) * 2 * np.pi / 24))[0]
    24
    """
    import numpy as np

    known = np.flatnonzero(np.isfinite(values))
    if len(known) < 12:
        return 1, 0.0
    filled = np.interp(np.arange(known[0], known[-1] + 1), known, values[known])
    changes = np.diff(filled)
    changes = changes - changes.mean()
    size = len(changes)
    most = min(size // 3, MOST_LAG)
    power = np.abs(np.fft.rfft(changes, 2 * size)) ** 2
    echo = np.fft.irfft(power)[: most + 1]
    if echo[0] <= 0 or most < 4:
        return 1, 0.0
    echo = echo / echo[0] * size / (size - np.arange(most + 1))
    lags = np.arange(2, most)
    peaks = lags[(echo[2:most] > echo[1 : most - 1]) & (echo[2:most] >= echo[3 : most + 1])]
    peaks = peaks[echo[peaks] >= np.maximum(LEAST_ECHO, LEAST_SIGMAS / np.sqrt(size - peaks))]
    if not len(peaks):
        return 1, 0.0
    first = peaks[echo[peaks] >= NEARLY_BEST * echo[peaks].max()][0]
    return int(first), float(echo[first])
