"""Noise put into real series: the filter that is chosen for each, without the truth, against the best fixed one.

Series of three sources (NAB's measured ones, ETT's seven columns in parts, spoken digits) get four kinds of noise each.
The score is the gain in signal to noise, against the series as they were; fixed filters are the same for every series
of a source and kind, and the best of them is picked with the truth in hand. Thresholds were set while looking at
injected noise in NAB, ETT and the digits names[::30]; the digits scored here are others. NAB's and ETT's own noise
counts as truth, so taking it off counts against the chosen filter.
"""

from __future__ import annotations

import csv
import gzip
import io
import time
import zipfile
from collections.abc import Iterator

from benchmarks.common import SHARED, bar

N_SAMPLES = 4000
KINDS = ("white", "impulse", "drift", "hum")
TOLERANCE_DB = 0.05  # what counts as the same


def series():  # type: ignore[no-untyped-def]
    """(source, seconds between samples, values) of every series."""
    yield from _nab()
    yield from _ett()
    yield from _digits()


def _nab():  # type: ignore[no-untyped-def]
    import numpy as np

    with zipfile.ZipFile(SHARED / "anomaly" / "nab_public" / "nab_public.zip") as archive:
        for name in sorted(archive.namelist()):
            if "/real" in name and name.endswith(".csv"):
                rows = list(csv.reader(io.TextIOWrapper(archive.open(name))))[1:]
                times = np.array([np.datetime64(row[0], "s") for row in rows]).astype(float)
                values = np.array([float(row[1]) for row in rows])[:N_SAMPLES]
                if values.std() > 0:
                    yield "NAB", float(np.median(np.diff(times))), values


def _ett():  # type: ignore[no-untyped-def]
    import numpy as np

    with gzip.open(SHARED / "time_series" / "etth1" / "ETTh1.csv.gz", "rt") as file:
        table = np.array([[float(cell) for cell in row[1:]] for row in list(csv.reader(file))[1:]])
    for start in range(0, 3 * N_SAMPLES, N_SAMPLES):
        for column in table[start : start + N_SAMPLES].T:
            yield "ETT", 3600.0, column


def _digits():  # type: ignore[no-untyped-def]
    import soundfile

    with zipfile.ZipFile(SHARED / "audio" / "free_spoken_digit" / "recordings.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".wav"))
        for name in names[15::30]:
            values, rate = soundfile.read(io.BytesIO(archive.read(name)))
            yield "digits", 1 / rate, values


def noisy(values, kind: str, step_s: float, rng):  # type: ignore[no-untyped-def]
    """The series with noise of one kind: half to the same power as what moves in it."""
    import numpy as np

    n, spread = len(values), values.std()
    t = np.arange(n)
    if kind == "white":
        return values + 0.3 * spread * rng.normal(size=n)
    if kind == "impulse":
        hit = rng.random(n) < 0.02
        return values + hit * rng.choice([-1, 1], n) * spread * rng.uniform(3, 6, n)
    if kind == "drift":
        turns, phase = rng.uniform(0.5, 1.5), rng.uniform(0, 2 * np.pi)
        return values + spread * (np.sin(2 * np.pi * turns * t / n + phase) + rng.choice([-1, 1]) * t / n)
    line = 50 * step_s if step_s < 1 else rng.uniform(0.15, 0.45)
    return values + 0.7 * spread * np.sin(2 * np.pi * line * t + rng.uniform(0, 2 * np.pi))


def fixed():  # type: ignore[no-untyped-def]
    """Filters as they are used without a look at the series."""
    from modelwright.cleaning.signals import filters

    return {
        "nothing": lambda values: values,
        "median 5": lambda values: filters.median(values, 5),
        "median 11": lambda values: filters.median(values, 11),
        "Savitzky-Golay 11": lambda values: filters.savitzky_golay(values, 11, 3),
        "Savitzky-Golay 31": lambda values: filters.savitzky_golay(values, 31, 3),
        "wavelet": lambda values: filters.wavelet(values, filters.spread_of(values)),
        "Kalman level": lambda values: filters.kalman(values, 10.0, 1),
        "Kalman slope": lambda values: filters.kalman(values, 1000.0, 2),
    }


def gain_db(truth, before, after) -> float:  # type: ignore[no-untyped-def]
    """Signal to noise after over before."""
    import numpy as np

    left = max(float(np.mean((after - truth) ** 2)), 1e-6 * float(np.mean((before - truth) ** 2)))
    return float(10 * np.log10(np.mean((before - truth) ** 2) / left))


def gains() -> Iterator[tuple[str, str, dict[str, float], float, float]]:
    """For each series and kind: gains of the fixed filters and of the chosen one, seconds taken, the gain told."""
    import numpy as np

    from modelwright.cleaning.signals.denoise import denoise

    for index, (source, step_s, values) in enumerate(series()):
        for kind in KINDS:
            rng = np.random.default_rng([index, KINDS.index(kind)])
            before = noisy(values, kind, step_s, rng)
            found = {name: gain_db(values, before, filter_(before)) for name, filter_ in fixed().items()}
            began = time.process_time()
            made = denoise(before, step_s=step_s)
            took_s = time.process_time() - began
            found["chosen"] = gain_db(values, before, made.values)
            yield source, kind, found, took_s, made.gain_db


def measure() -> tuple[list[str], list[str]]:
    """Mean gain of the filter chosen, and of the best fixed one, for each source and kind."""
    import numpy as np

    rows = list(gains())
    lines = [
        "| source | noise | chosen | best fixed one, with the truth in hand | of the series, at least its equal |",
        "|---|---|---|---|---|",
    ]
    n_won = 0
    cells = [(source, kind) for source in dict.fromkeys(row[0] for row in rows) for kind in KINDS]
    for source, kind in cells:
        here = [row[2] for row in rows if row[:2] == (source, kind)]
        means = {name: float(np.mean([one[name] for one in here])) for name in here[0]}
        best = max((name for name in means if name != "chosen"), key=lambda name: means[name])
        equal = np.mean([one["chosen"] >= one[best] - TOLERANCE_DB for one in here])
        n_won += means["chosen"] >= means[best] - TOLERANCE_DB
        lines.append(f"| {source} | {kind} | {means['chosen']:+.2f} dB | {best}: {means[best]:+.2f} dB | {equal:.0%} |")
    took = sum(row[3] for row in rows) / len(rows)
    apart = np.median([abs(row[4] - row[2]["chosen"]) for row in rows if row[4] > 0])
    lines += ["", f"The gain that is told and the true one are {apart:.1f} dB apart in the median."]
    lines += ["", f"{len(rows)} noisy series; {took * 1000:.0f} ms of CPU for each decision and its filters."]
    return lines, [
        bar("denoising, share of source x noise at least the best fixed filter", n_won / len(cells), 0.9, at_least=True)
    ]
