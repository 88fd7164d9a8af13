"""Which noise a series has, and which filter takes it off: decided by what can be measured without the truth.

In order: impulses, hum, drift, white noise. Each step is taken only where its own criterion speaks for it, and the gain
that it is expected to bring is told; a series in which nothing is found comes back as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from modelwright.cleaning.signals import filters
from modelwright.core.rng import stream

if TYPE_CHECKING:
    import numpy as np

Filter = Callable[["np.ndarray"], "np.ndarray"]
NoiseKind = Literal["impulses", "hum", "drift", "white"]
LEAST_SAMPLES = 32
LEAST_GAIN_DB = 0.5
LEAST_NOISE = 0.005  # of the series' own deviation: less harms nobody
LEAST_IMPULSES, MOST_IMPULSES = 0.002, 0.06  # share of the samples
ODD, CLEARLY_ODD = 6.0, 12.0  # times what is usual
MOST_EVENTS = 0.02
LEAST_SIDE = 0.15  # of impulses up and down: those that go to one side only may be events
LINE_OVER_FLOOR = 60.0  # power of a line over that of its neighbourhood
DAY_S, MAINS_STEP_S = 86_400.0, 1 / 200


@dataclass(frozen=True, slots=True)
class Step:
    """One filter that was applied: against which noise, by which filter; the power (mean square) that it took off, and
    the power of the same noise that is expected to be left, or of the signal lost with it."""

    kind: NoiseKind
    method: str
    taken: float
    left: float

    @property
    def gain_db(self) -> float:
        """The gain in signal to noise that is expected of it, against noise of its kind."""
        return _decibels(self.taken, self.left)


@dataclass(frozen=True, eq=False)
class Denoised:
    """`values` without what was found; `steps` say what was done. Without steps `values` are the input's."""

    values: np.ndarray
    steps: tuple[Step, ...]

    @property
    def gain_db(self) -> float:
        """The gain expected of all steps together."""
        return _decibels(sum(step.taken for step in self.steps), sum(step.left for step in self.steps))


def _decibels(taken: float, left: float) -> float:
    import math

    return round(10 * math.log10((taken + left) / left), 2) if taken > 0 and left > 0 else 0.0


def denoise(values: np.ndarray, *, step_s: float | None = None, seed: int = 0) -> Denoised:
    """Take off the noise that a series shows: impulses, hum, drift and white noise, in that order.

    `values` float64 of shape (n,), evenly sampled, `step_s` seconds apart where that is known; without missing values
    and at least 32 of them, else nothing is done. White noise is judged by Stein's unbiased estimate of the risk, with
    the noise's deviation from the finest wavelets; the filter and its strength are those of the smallest risk.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> slow = np.sin(np.arange(2000) / 60)
    >>> found = denoise(slow + 0.3 * rng.normal(size=2000))
    >>> [step.kind for step in found.steps], bool(np.std(found.values - slow) < 0.08)
    (['white'], True)

    Reference: Stein (1981), Annals of Statistics 9(6); Ramani, Blu and Unser (2008), IEEE TIP
    17(9), for Monte-Carlo SURE.
    """
    import numpy as np

    steps: list[Step] = []
    if len(values) < LEAST_SAMPLES or not np.isfinite(values).all() or np.ptp(values) <= 0:
        return Denoised(values, ())
    for against in (_impulses, _hum, _drift, _white):
        found = against(values, step_s, seed)
        if found is not None:
            values, step = found
            steps.append(step)
    return Denoised(values, tuple(steps))


def _power(before: np.ndarray, after: np.ndarray) -> float:
    import numpy as np

    return float(np.mean((before - after) ** 2))


# Impulses -----------------------------------------------------------------------------------------------------


def _impulses(values: np.ndarray, step_s: float | None, seed: int) -> tuple[np.ndarray, Step] | None:
    """Impulses: a population of its own, to both sides; events go to one, and restless series have all sizes."""
    import numpy as np

    odd = filters.oddness(values)
    holes = filters.short_runs(odd > ODD)
    n_clear = int((holes & (odd > CLEARLY_ODD)).sum())
    n_between = int((holes & (odd <= CLEARLY_ODD)).sum())
    share = float(holes.mean())
    if not LEAST_IMPULSES <= share <= MOST_IMPULSES or n_clear <= n_between:
        return None
    after = filters.without(values, holes)
    up = float(((values - after)[holes] > 0).mean())
    if min(up, 1 - up) < LEAST_SIDE:
        return None
    hidden = filters.short_runs(filters.oddness(after) > ODD) & ~holes  # by larger ones beside them
    after = filters.without(values, holes | hidden)
    others = np.roll(holes | hidden, 4) & ~holes & ~hidden  # what drawing a sample anew costs, where nothing was wrong
    again = filters.without(after, others)
    left = float(np.mean((again - after)[others] ** 2)) * share if others.any() else 0.0
    return after, Step("impulses", "median", _power(values, after), max(left, _least(values)))


# Hum ----------------------------------------------------------------------------------------------------------


def _hum(values: np.ndarray, step_s: float | None, seed: int) -> tuple[np.ndarray, Step] | None:
    lines = hum_lines(values, step_s)
    if not lines:
        return None
    after = filters.without_hum(values, lines)
    left = sum(_beside(after, line) for line in lines)  # as much of the series itself goes with each
    return after, Step("hum", "sinusoid", _power(values, after), max(left, _least(values)))


def _beside(values: np.ndarray, line: float) -> float:
    """The power of what is beside a line, for the width of a line."""
    import numpy as np

    n = len(values)
    power = np.abs(np.fft.rfft(values - values.mean())) ** 2
    place = round(line * n)
    beside = np.r_[power[max(1, place - 8) : max(1, place - 1)], power[place + 2 : place + 9]]
    return 2 * float(np.median(beside)) / n**2 if len(beside) else 0.0


def _least(values: np.ndarray) -> float:
    """No step is told to gain more than forty decibels of what moves."""
    import numpy as np

    return 1e-4 * float(np.var(values))


def hum_lines(values: np.ndarray, step_s: float | None = None) -> list[float]:
    """Frequencies (cycles a sample) of steady tones that are no part of what is measured.

    A tone is a line of the spectrum that stands far out of its neighbourhood and is as strong in each quarter of the
    series. Above 200 samples a second those at multiples of 50 and 60 Hz are hum; below, a tone faster than a tenth of
    the sampling is, unless it fits into a day or belongs to a family of harmonics, which a machine or a habit has.

    >>> import numpy as np
    >>> walk = np.cumsum(np.random.default_rng(0).normal(size=1024))
    >>> [round(line, 3) for line in hum_lines(walk + 5 * np.sin(1.7 * np.arange(1024)))]
    [0.271]
    """
    n = len(values)
    if n < 128:
        return []
    slowest = 25 * step_s if step_s and step_s <= MAINS_STEP_S else 0.03
    trend = values - filters.without_drift(values, slowest)
    found = []
    left = values - trend
    for _ in range(6):
        line = _strongest_line(left)
        if line is None:
            break
        found.append(line)
        left = filters.without_hum(left, [line])
    return [line for line in found if _is_hum(line, found, n, step_s) and _is_steady(values - trend, line)]


def _strongest_line(values: np.ndarray) -> float | None:
    import numpy as np
    from scipy.ndimage import median_filter

    n = len(values)
    window = np.hanning(n)
    power = np.abs(np.fft.rfft(values * window)) ** 2
    floor = median_filter(power, size=max(15, len(power) // 40) | 1, mode="nearest")
    over = power / np.maximum(floor, 1e-12 * power.max() + 1e-300)
    over[: max(3, int(0.002 * n))] = 0
    top = int(np.argmax(over * (power > 0.01 * power.max())))
    if over[top] < LINE_OVER_FLOOR or not 2 <= top < len(power) - 2:
        return None
    return _finest(values, top / n)


def _finest(values: np.ndarray, line: float) -> float:
    """The frequency near `line` at which the series has most power, far finer than its spectrum's grid."""
    import numpy as np
    from scipy.optimize import minimize_scalar

    t, n = np.arange(len(values)), len(values)
    weighed = values * np.hanning(n)

    def power(frequency: float) -> float:
        return -float(np.abs(np.exp(-2j * np.pi * frequency * t) @ weighed))

    return float(
        minimize_scalar(power, bounds=(line - 1 / n, line + 1 / n), method="bounded", options={"xatol": 1e-3 / n}).x
    )


def _is_hum(line: float, found: Sequence[float], n: int, step_s: float | None) -> bool:
    near = 1.5 / n
    if step_s and step_s <= MAINS_STEP_S:
        hertz = line / step_s
        return any(
            abs(hertz - round(hertz / mains) * mains) <= max(0.6, near / step_s) for mains in (50, 60) if hertz > 40
        )
    if line < 0.1:
        return False
    if step_s and abs(line * DAY_S / step_s - round(line * DAY_S / step_s)) <= near * DAY_S / step_s:
        return False
    family = [other for other in found if other != line]
    return not any(
        abs(line * times - other) <= times * near or abs(other * times - line) <= times * near
        for other in family for times in (2, 3, 4)
    )  # fmt: skip


def _is_steady(values: np.ndarray, line: float) -> bool:
    """Whether the tone is as strong, and in step, in each quarter of the series."""
    import numpy as np

    t = np.arange(len(values))
    parts = np.array_split(values * np.exp(-2j * np.pi * line * t), 4)
    means = np.array([part.mean() for part in parts])
    together = abs(means.mean())
    return bool((np.abs(means) > 0.5 * together).all() and (np.abs(means - means.mean()) < 0.5 * together).all())


# Drift --------------------------------------------------------------------------------------------------------


def _drift(values: np.ndarray, step_s: float | None, seed: int) -> tuple[np.ndarray, Step] | None:
    """What moves slowly, where a wide and empty band lies between it and what is measured."""
    import numpy as np

    n = len(values)
    if n < 256:
        return None
    power = np.abs(np.fft.rfft((values - values.mean()) * np.hanning(n))) ** 2
    edges = np.unique(np.geomspace(1, len(power), 24).astype(int))
    spans = list(zip(edges[:-1], edges[1:], strict=True))
    band = np.array([power[low:high].sum() for low, high in spans])
    dense = np.array([power[low:high].mean() for low, high in spans])
    for place in range(2, len(band) - 3):
        slow, fast = band[: place - 1].sum(), band[place + 1 :].sum()
        both = min(slow, fast) > 0.02 * band.sum()
        empty = band[place - 1 : place + 1].sum() < 0.003 * min(slow, fast)
        hollow = dense[place] < 0.03 * dense[place + 1 :].max()  # white noise fills every band alike
        if both and empty and hollow:
            after = filters.without_drift(values, spans[place][0] / n)
            left = 2 * dense[place] * spans[place][1] / (n**2 * 0.375)  # the series itself, below the band between
            return after, Step("drift", "wandering slope", _power(values, after), max(float(left), _least(values)))
    return None


# White noise --------------------------------------------------------------------------------------------------


def _white(values: np.ndarray, step_s: float | None, seed: int) -> tuple[np.ndarray, Step] | None:
    import numpy as np

    sigma = filters.spread_of(values)
    if sigma < LEAST_NOISE * float(np.std(values)) or not filters.is_white(values):
        return None
    events = filters.short_runs(filters.oddness(values) > CLEARLY_ODD)
    if events.mean() <= MOST_EVENTS:  # they stay, and do not hide the noise around them
        values, whole = filters.without(values, events), values
    else:
        whole, events = values, np.zeros(len(values), bool)
    rng = stream(seed, "denoise")
    probe = rng.choice(np.array([-1.0, 1.0]), size=len(values))
    risks = {name: risk(values, filter_, sigma, probe) for name, filter_ in candidates(sigma)}
    best = min(risks, key=lambda name: risks[name])
    left = max(risks[best], 1e-2 * sigma**2)
    step = Step("white", best, sigma**2 - left, left)
    if step.gain_db < LEAST_GAIN_DB:
        return None
    after = np.where(events, whole, dict(candidates(sigma))[best](values))
    return after, step


def candidates(sigma: float) -> Iterator[tuple[str, Filter]]:
    """The filters that are weighed against white noise, by name."""
    for width in (3, 5, 7):
        yield f"median {width}", partial(filters.median, width=width)
    for width, degree in ((5, 2), (7, 2), (9, 2), (11, 3), (15, 3), (21, 3), (31, 3), (51, 3)):
        yield f"Savitzky-Golay {width}, degree {degree}", partial(filters.savitzky_golay, width=width, degree=degree)
    for strength in (0.5, 0.75, 1.0, 1.5, 2.0):
        yield f"wavelet x {strength}", partial(filters.wavelet, sigma=sigma, strength=strength)
    for ratio in (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0):
        yield f"Kalman level {ratio:g}", partial(filters.kalman, ratio=ratio, order=1)
    for ratio in (0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6):
        yield f"Kalman slope {ratio:g}", partial(filters.kalman, ratio=ratio, order=2)


def risk(values: np.ndarray, filter_: Filter, sigma: float, probe: np.ndarray) -> float:
    """Stein's unbiased estimate of a filter's mean squared error, with white noise of `sigma` in the series.

    `probe` is +1 and -1 at random; the filter's answer to it says how much of the noise it lets through.

    >>> import numpy as np
    >>> noise, probe = np.random.default_rng(0).normal(size=4000), np.ones(4000)
    >>> round(risk(noise, lambda x: x, 1.0, probe), 1), abs(round(risk(noise, lambda x: 0 * x, 1.0, probe), 1))
    (1.0, 0.0)
    """
    import numpy as np

    made, epsilon = filter_(values), 0.1 * sigma
    through = float(np.mean(probe * (filter_(values + epsilon * probe) - made))) / epsilon
    return float(np.mean((made - values) ** 2)) - sigma**2 + 2 * sigma**2 * through
