"""What is wrong in the course of a series: gaps, times that repeat, clocks that jump, stuck sensors, spikes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelwright.cleaning.findings import Findings
from modelwright.cleaning.mend import Method, NoSettings
from modelwright.cleaning.signals.filters import oddness, short_runs
from modelwright.cleaning.signals.timelines import Timeline, timelines
from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.values import Watch

if TYPE_CHECKING:
    import numpy as np

NAME = "signals"
GAP = 1.5  # times the usual step
LEAST_STUCK, STUCK_TIMES = 8, 5  # readings; and times the longest usual run
LEAST_DISTINCT = 12  # values of a column that measures
SPIKE, IMPOSSIBLE = 12.0, 1.0  # times the usual; share of the range of all others beyond it
LEAST_VALUES = 16


@dataclass(eq=False)
class _Said:
    """What is said, as rows of the tables of `Findings`; filled while a table is looked at."""

    cells: list[tuple[object, ...]] = field(default_factory=list)
    rows: list[tuple[object, ...]] = field(default_factory=list)
    flags: list[tuple[object, ...]] = field(default_factory=list)

    def flag(self, row: int, column: str, reason: str, score: float) -> None:
        self.flags.append((int(row), column, NAME, reason, float(score)))

    def findings(self) -> Findings:
        import polars as pl

        empty = Findings.of()
        made = {}
        for kind in ("cells", "rows", "flags"):
            schema = getattr(empty, kind).schema
            keys = [name for name in (ROW_ID, "column", "reason") if name in schema]
            made[kind] = pl.DataFrame(getattr(self, kind), schema=schema, orient="row").sort(keys)
        return Findings.of(**made)


def propose(data: Dataset, spec: NoSettings, *, seed: int = 0, watch: Watch | None = None) -> Findings:
    """Look at the rows of a typed table in the order of time, and at each cell that is a series.

    A gap is flagged at the reading after it, a time that repeats at the later row, a jump of the clock at the row where
    it jumps in the table's own order, a stuck sensor at the first of the readings that are the same. A row that repeats
    another one and its time is proposed to go. A spike is flagged; one far beyond the range of all other readings is
    proposed to become nothing, which gentle mending does not do unasked.

    >>> import polars as pl
    >>> from datetime import datetime, timedelta
    >>> times = [datetime(2024, 1, 1) + timedelta(hours=n + 5 * (n > 20)) for n in range(40)]
    >>> table = pl.DataFrame({"at": times, "x": [n % 13 + 0.1 * n for n in range(40)]})
    >>> propose(Dataset.from_frame(table), NoSettings()).flags["reason"].to_list()
    ['a gap of 6 h before it: about 5 readings are missing']

    Reference: Vos et al. (2022) and ISO 8000-8 for sorts of faults; Hampel (1974), JASA 69(346), for spikes.
    """
    said = _Said()
    for line in timelines(data):
        _gaps(line, said)
        _repeats(line, data, said)
        _jumps(line, said)
        for column in data.schema.columns:
            if column.kind == "number" and column.role not in ("id", "ignored", "weight"):
                _values(line, column.name, column.role == "target", said)
    for column in data.schema.columns:
        if column.kind == "series" and column.role != "target":
            _series(data, column.name, said)
    return said.findings()


# Times --------------------------------------------------------------------------------------------------------


def _gaps(line: Timeline, said: _Said) -> None:
    import numpy as np

    steps = np.diff(line.times_s)
    for place in np.flatnonzero(steps > GAP * line.step_s):
        n = round(steps[place] / line.step_s) - 1
        many = f"about {n:,} readings are" if n > 1 else "about one reading is"
        reason = f"a gap of {duration(steps[place])} before it: {many} missing"
        said.flag(line.rows[place + 1], line.time, reason, n)


def _repeats(line: Timeline, data: Dataset, said: _Said) -> None:
    import numpy as np

    same = np.flatnonzero(np.diff(line.times_s) == 0) + 1
    if not len(same):
        return
    names = [column.name for column in data.schema.columns if column.role != "id" and column.kind not in ("boxes",)]
    shown = line.frame.select(names)
    for place in same.tolist():
        row, twin = int(line.rows[place]), int(line.rows[place - 1])
        if shown.row(place) == shown.row(place - 1):
            said.rows.append((row, twin, NAME, "repeats a reading and its time", 0.9))
        else:
            said.flag(row, line.time, f"has the time of row {twin}, and other values", 1.0)


def _jumps(line: Timeline, said: _Said) -> None:
    """Where the clock goes back in the order in which the rows came; a step ahead before it is told with it."""
    import numpy as np

    order = np.argsort(line.rows)
    steps = np.diff(line.times_s[order])
    back = np.flatnonzero(steps < 0)
    if not len(back) or len(back) > max(3, 0.05 * len(steps)):  # rows in no order of time
        return
    for place in back:
        reason = f"the clock goes back by {duration(line.step_s - steps[place])} here"
        ahead = np.flatnonzero(np.abs(steps[:place] + steps[place] - 2 * line.step_s) <= line.step_s)
        if len(ahead):
            start = int(line.rows[order[ahead[-1] + 1]])
            reason = (
                f"the clock ran {duration(line.step_s - steps[place])} ahead from row {start} to the one before this"
            )
        said.flag(line.rows[order[place + 1]], line.time, reason, -steps[place] / line.step_s)


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(5400), duration(90), duration(0.25), duration(3 * 86400)
    ('1.5 h', '1.5 min', '0.25 s', '3 days')
    """
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size * (2 if unit == "days" else 1):
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


# Values -------------------------------------------------------------------------------------------------------


def _values(line: Timeline, name: str, is_target: bool, said: _Said) -> None:  # noqa: FBT001
    import numpy as np

    cells = line.frame[name]
    there = cells.is_not_null().to_numpy()
    values, rows = cells.drop_nulls().to_numpy().astype(np.float64), line.rows[there]
    for start, n in stuck(values):
        reason = f"is stuck at {values[start]:g} for {n:,} readings ({duration(n * line.step_s)})"
        said.flag(rows[start], name, reason, n)
    for place, score, impossible in spikes(values):
        reason = f"stands out by itself: {values[place]:g}, where its neighbours say {values[place - 1]:g}"
        if impossible and not is_target:
            reason = f"is far beyond the range of all other readings: {values[place]:g}"
            said.cells.append((int(rows[place]), name, f"{values[place]:g}", None, NAME, reason, impossible))
        else:
            said.flag(rows[place], name, reason, score)


def stuck(values: np.ndarray) -> Iterator[tuple[int, int]]:
    """Runs of the same value that are too long for the series: (first place, length).

    Too long is five times what all but one in a hundred of its runs are, and eight readings. A value at which the
    series often rests (zero, off, a limit) is no fault.

    >>> import numpy as np
    >>> moving = np.sin(np.arange(100.0))
    >>> list(stuck(np.r_[moving, np.full(20, 0.3), moving]))
    [(100, 20)]
    """
    import numpy as np

    if len(values) < LEAST_VALUES or len(np.unique(values)) < LEAST_DISTINCT:
        return
    starts = np.flatnonzero(np.r_[True, np.diff(values) != 0])
    lengths = np.diff(np.r_[starts, len(values)])
    usual = float(np.quantile(lengths, 0.99, method="lower"))
    for start, n in zip(starts.tolist(), lengths.tolist(), strict=True):
        if n >= max(LEAST_STUCK, STUCK_TIMES * usual):
            elsewhere = int((values == values[start]).sum()) - n
            if elsewhere <= 0.5 * n and not (lengths[values[starts] == values[start]] >= LEAST_STUCK).sum() > 2:
                yield start, n


def spikes(values: np.ndarray) -> Iterator[tuple[int, float, float]]:
    """Single readings far off their neighbours: (place, oddness, how sure it is that such a value cannot be).

    >>> import numpy as np
    >>> calm = np.random.default_rng(0).normal(size=200)
    >>> [place for place, odd, sure in spikes(np.r_[calm, 400.0, calm]) if sure > 0.5]
    [200]
    """
    import numpy as np

    if len(values) < LEAST_VALUES or len(np.unique(values)) < LEAST_DISTINCT:
        return
    odd = oddness(values)
    places = np.flatnonzero(short_runs(odd > SPIKE))
    if not len(places) or len(places) > 0.02 * len(values) + 1:  # a restless series
        return
    others = np.delete(values, places)
    low, high = float(others.min()), float(others.max())
    for place in places:
        beyond = max(low - values[place], values[place] - high) / max(high - low, 1e-300)
        sure = min(0.9, 0.6 + 0.1 * beyond) if beyond > IMPOSSIBLE else 0.0
        yield int(place), min(float(odd[place]), 1e6), sure


# Cells that are series ----------------------------------------------------------------------------------------


def _series(data: Dataset, name: str, said: _Said) -> None:
    """Each cell by itself: steps that are missing, stuck stretches, spikes."""
    import numpy as np

    from modelwright.core.inputs import series

    for batch in data.table.select(ROW_ID, name).collect_batches(chunk_size=4096):
        for row, values in zip(batch[ROW_ID].to_list(), series(batch, name), strict=True):
            if values is None or len(values) < LEAST_VALUES:
                continue
            missing = np.isnan(values)
            if missing.mean() > 0.05:
                said.flag(row, name, f"{missing.sum():,} of {len(values):,} steps are missing", missing.mean())
            whole = values[~missing]
            for start, n in stuck(whole):
                said.flag(row, name, f"is stuck at {whole[start]:g} for {n:,} of {len(values):,} steps", n)
            found = list(spikes(whole))
            if found:
                odd = max(score for _, score, _ in found)
                said.flag(row, name, f"has {len(found)} spikes, e.g. {whole[found[0][0]]:g}", odd)


MEND = Method(
    name=NAME, about="Gaps, repeated times, jumping clocks, stuck sensors and spikes in series.", propose=propose,
    on="typed", kinds=("datetime", "series"),
)  # fmt: skip
