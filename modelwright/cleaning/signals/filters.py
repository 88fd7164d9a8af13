"""Filters of one evenly sampled series: float64 of shape (n,) in, the same out; no value is missing.

Each is the plain method under its name; which one fits a series is decided in `denoise.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.core.optional import need

if TYPE_CHECKING:
    import numpy as np

N_SHIFTS = 4  # of the wavelet's grid, averaged: without them edges ring
N_PART = 64  # coefficients of a part in which noise is measured
QUIETER = 0.4
LEAST_EVEN = 0.3  # quiet parts over loud ones
MOST_SPREAD = 2.0  # 80 % quantile over median, 1.90 of Gaussian noise; six over the root of n more for chance
_WAVELET = "sym8"


def median(values: np.ndarray, width: int = 5) -> np.ndarray:
    """The middle of each window of `width` samples (odd): single odd ones go, edges stay.

    >>> import numpy as np
    >>> median(np.array([1.0, 1.0, 9.0, 1.0, 1.0]), 3).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]

    Reference: Tukey (1977), Exploratory Data Analysis.
    """
    from scipy.ndimage import median_filter

    made: np.ndarray = median_filter(values, size=width, mode="nearest")
    return made


def savitzky_golay(values: np.ndarray, width: int = 11, degree: int = 3) -> np.ndarray:
    """A polynomial of `degree` fitted to each window of `width` samples (odd), the middle taken: peaks stay high.

    >>> import numpy as np
    >>> line = np.arange(20.0)
    >>> bool(np.allclose(savitzky_golay(line), line))
    True

    Reference: Savitzky and Golay (1964), Analytical Chemistry 36(8).
    """
    from scipy.signal import savgol_filter

    width = min(width, len(values) - 1 + len(values) % 2)
    if width <= degree:
        return values.copy()
    made: np.ndarray = savgol_filter(values, width, degree, mode="interp")
    return made


def wavelet(values: np.ndarray, sigma: float, strength: float = 1.0) -> np.ndarray:
    """Small wavelet coefficients shrunk: each level by `strength` times BayesShrink's threshold for noise of `sigma`.

    Symlets of 8 moments, averaged over four shifts. Smooth stretches become smooth, jumps and bursts stay.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> slow = np.sin(np.arange(512) / 40)
    >>> noisy = slow + 0.3 * rng.normal(size=512)
    >>> bool(np.std(wavelet(noisy, 0.3) - slow) < 0.4 * np.std(noisy - slow))
    True

    Reference: Chang, Yu and Vetterli (2000), "Adaptive wavelet thresholding", IEEE TIP 9(9); Coifman and Donoho (1995).
    """
    import numpy as np

    pywt = need("pywt", extra="clean", why="wavelets")
    depth = max(1, min(8, pywt.dwt_max_level(len(values), _WAVELET)))
    total = np.zeros(len(values))
    for shift in range(N_SHIFTS):
        turned = np.pad(values, (shift, 0), mode="edge")
        parts = pywt.wavedec(turned, _WAVELET, mode="symmetric", level=depth)
        shrunk = [parts[0], *(_shrunk(part, sigma, strength) for part in parts[1:])]
        total += pywt.waverec(shrunk, _WAVELET, mode="symmetric")[shift : shift + len(values)]
    return total / N_SHIFTS


def _shrunk(part: np.ndarray, sigma: float, strength: float) -> np.ndarray:
    import numpy as np

    signal = max(float(np.mean(part**2)) - sigma**2, 0.0) ** 0.5
    most = float(np.abs(part).max(initial=0.0))
    limit = strength * sigma**2 / signal if signal > 1e-12 * max(most, 1e-300) else most
    made: np.ndarray = np.sign(part) * np.maximum(np.abs(part) - limit, 0.0)
    return made


def kalman(values: np.ndarray, ratio: float = 100.0, order: int = 1) -> np.ndarray:
    """Kalman's smoother of a wandering level (`order` 1) or slope (2) seen through white noise.

    `ratio` is the variance of the noise over that of the wandering's steps. For a model of one parameter and an
    unknown start the smoother's mean is the solution of one banded system, which is solved here.

    >>> import numpy as np
    >>> kalman(np.array([0.0, 1.0, 0.0, 1.0]), ratio=1e6).round(3).tolist()
    [0.5, 0.5, 0.5, 0.5]

    Reference: Rauch, Tung and Striebel (1965), AIAA Journal 3(8); Kitagawa and Gersch (1984) for the banded form.
    """
    import numpy as np
    from scipy.linalg import solveh_banded

    n = len(values)
    if n <= order + 1:
        return values.copy()
    steps = np.array([-1.0, 1.0]) if order == 1 else np.array([1.0, -2.0, 1.0])
    banded = np.zeros((order + 1, n))
    for lag in range(order + 1):
        for place in range(order + 1 - lag):
            banded[order - lag, place + lag : n - order + place + lag] += steps[place] * steps[place + lag]
    banded *= ratio
    banded[order] += 1.0
    made: np.ndarray = solveh_banded(banded, values)
    return made


# Noise of a known form ------------------------------------------------------------------------------------------


def oddness(values: np.ndarray) -> np.ndarray:
    """How far each sample stands out by itself: float64 of shape (n,), 1 is usual.

    A sample is held against the median of its window of seven without it, in units of how much its neighbourhood moves
    from sample to sample.

    >>> import numpy as np
    >>> int(np.argmax(oddness(np.r_[np.sin(np.arange(40) / 5), 9.0, np.sin(np.arange(41, 80) / 5)])))
    40

    Reference: Hampel (1974), JASA 69(346); Pearson (2002) for series.
    """
    import numpy as np
    from scipy.ndimage import median_filter

    around = np.array([1, 1, 1, 0, 1, 1, 1], bool)
    off = np.abs(values - median_filter(values, footprint=around, mode="nearest"))
    moves = np.abs(np.diff(values, prepend=values[:1]))
    local = median_filter(moves, size=61, mode="nearest") * 1.4826 / 2**0.5
    floor = 0.3 * 1.4826 * float(np.median(off)) + 1e-12 * float(np.ptp(values)) + 1e-300
    made: np.ndarray = off / np.maximum(local, floor)
    return made


def short_runs(odd: np.ndarray, longest: int = 2) -> np.ndarray:
    """The odd samples (bool) but for those that stand in a row of more than `longest`.

    >>> import numpy as np
    >>> short_runs(np.array([1, 0, 1, 1, 1, 0, 1], bool)).astype(int).tolist()
    [1, 0, 0, 0, 0, 0, 1]
    """
    import numpy as np
    from scipy.ndimage import label

    runs, n = label(odd)
    if not n:
        return odd.copy()
    long = np.flatnonzero(np.bincount(runs.ravel())[1:] > longest) + 1
    made: np.ndarray = odd & ~np.isin(runs, long)
    return made


def without(values: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """The series with the samples of `holes` drawn anew from their neighbours, along a curve that keeps their shape.

    >>> import numpy as np
    >>> without(np.array([0.0, 1.0, 50.0, 3.0, 4.0]), np.array([0, 0, 1, 0, 0], bool)).round(6).tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0]

    Reference: Fritsch and Butland (1984), SIAM J. Sci. Stat. Comput. 5(2).
    """
    import numpy as np
    from scipy.interpolate import PchipInterpolator

    there = np.flatnonzero(~holes)
    if not holes.any() or len(there) < 2:
        return values.copy()
    made = values.copy()
    places = np.flatnonzero(holes)
    inner = (places > there[0]) & (places < there[-1])
    made[places[inner]] = PchipInterpolator(there, values[there])(places[inner])
    made[places[places < there[0]]] = values[there[0]]
    made[places[places > there[-1]]] = values[there[-1]]
    return made


def without_hum(values: np.ndarray, lines: list[float]) -> np.ndarray:
    """The series without sinusoids of these frequencies (cycles a sample), each fitted over the whole of it.

    >>> import numpy as np
    >>> hum = np.sin(2 * np.pi * 0.21 * np.arange(400) + 1)
    >>> bool(np.abs(without_hum(hum, [0.21])).max() < 1e-9)
    True

    Reference: Thomson (1982), "Spectrum estimation and harmonic analysis", Proc. IEEE 70(9).
    """
    import numpy as np

    if not lines:
        return values.copy()
    angles = 2 * np.pi * np.outer(np.arange(len(values)), lines)
    design = np.hstack([np.cos(angles), np.sin(angles)])
    made: np.ndarray = values - design @ np.linalg.lstsq(design, values - values.mean(), rcond=None)[0]
    return made


def without_drift(values: np.ndarray, cut: float) -> np.ndarray:
    """The series without what moves slower than `cut` (cycles a sample): a wandering slope fitted to it, taken off.

    >>> import numpy as np
    >>> t = np.arange(1000)
    >>> tone = np.sin(2 * np.pi * 0.1 * t)
    >>> bool(np.abs(without_drift(tone + t / 100, 0.01) - tone)[50:-50].max() < 0.05)
    True

    Reference: Tarvainen, Ranta-aho and Karjalainen (2002), IEEE Trans. Biomed. Eng. 49(2).
    """
    import numpy as np

    ratio = 1.0 / (2 * np.sin(np.pi * cut)) ** 4
    made: np.ndarray = values - kalman(values, min(ratio, 1e12), order=2)
    return made


def spread_of(values: np.ndarray) -> float:
    """The deviation of white noise in a series, from its finest wavelet coefficients.

    White noise is everywhere: where most parts of the series are quieter than the whole, the quieter ones count (the
    second quintile of the parts), so that bursts and restless stretches are not taken for noise.

    >>> import numpy as np
    >>> round(spread_of(np.random.default_rng(0).normal(size=4000)), 1)
    1.0

    Reference: Donoho and Johnstone (1994), Biometrika 81(3).
    """
    import numpy as np

    if len(values) < 4:
        return 0.0
    parts = _fine_parts(values)
    middles = [np.median(part) for part in parts]
    return float(min(np.median(np.concatenate(parts)), np.quantile(middles, QUIETER))) / 0.6745


def is_white(values: np.ndarray) -> bool:
    """Whether the finest movement of a series is noise of one strength all along, and Gaussian in each part.

    What comes and goes, what is mostly still, and what has large steps among small ones is the series itself.

    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(size=4000)
    >>> is_white(noise), is_white(noise * np.linspace(0, 1, 4000) ** 3), is_white(noise**3)
    (True, False, False)
    """
    import numpy as np

    if len(values) < 4:
        return False
    middles, outer = np.array([np.quantile(part, [0.5, 0.8]) for part in _fine_parts(values)]).T
    quiet, loud = np.quantile(middles, [0.2, 0.8])
    calm = (middles <= np.quantile(middles, 0.7)) & (middles > 0)
    if not calm.any() or quiet < LEAST_EVEN * loud:
        return False
    n = sum(map(len, _fine_parts(values)))
    return bool(np.median(outer[calm] / middles[calm]) <= MOST_SPREAD + 6 / n**0.5)


def _fine_parts(values: np.ndarray) -> list[np.ndarray]:
    """The sizes of the finest wavelet coefficients, part by part."""
    import numpy as np

    fine = np.abs(need("pywt", extra="clean", why="wavelets").dwt(np.array(values), "db4", mode="periodization")[1])
    parts: list[np.ndarray] = np.array_split(fine, max(1, len(fine) // N_PART))
    return parts
