"""One pass over a table, batch by batch: what requirements are judged by."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelwright.core.data import ROW_ID
from modelwright.core.errors import UserError
from modelwright.language import language_of
from modelwright.profiling.requirements.plan import Plan

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.core.data import Dataset
    from modelwright.core.values import Watch
    from modelwright.profiling.requirements.base import SourceRows

ROWS_AT_ONCE = 1 << 16
FILES_AT_ONCE = 1 << 9
SAMPLE_ROWS = 20_000
MOST_VALUES = 100_000


@dataclass
class Cells:
    """What was counted of one column, by source: cells without a value, numbers beyond the limits; and the range."""

    missing: Counter[int] = field(default_factory=Counter)
    beyond: Counter[int] = field(default_factory=Counter)
    low: float | None = None
    high: float | None = None


@dataclass
class Times:
    """Moments in seconds since 1970. Of each stretch as long as the longest gap the first and the last are kept: no
    gap within a stretch is too long, so gaps between stretches are all that must be looked at."""

    gap_s: float
    low: float | None = None
    high: float | None = None
    stretches: dict[int, tuple[float, float]] = field(default_factory=dict)

    def longest_gap(self) -> tuple[float, float, float]:
        """The longest time without a row that is longer than `gap_s`: its length, begin and end; 0 where none is."""
        ends = [self.stretches[number] for number in sorted(self.stretches)]
        gaps = [(after[0] - before[1], before[1], after[0]) for before, after in zip(ends, ends[1:], strict=False)]
        longest = max(gaps, default=(0.0, 0.0, 0.0))
        return longest if longest[0] > self.gap_s else (0.0, 0.0, 0.0)

    def count_gaps(self) -> int:
        """How many gaps are too long."""
        ends = [self.stretches[number] for number in sorted(self.stretches)]
        return sum(after[0] - before[1] > self.gap_s for before, after in zip(ends, ends[1:], strict=False))


@dataclass
class Sampled:
    """What a sample of rows showed: how many were looked at, and counts by what was seen and by source."""

    n_seen: int = 0
    counts: Counter[tuple[str, int]] = field(default_factory=Counter)


@dataclass
class Tally:
    """All counts of a table. Sources are known by their number; -1 is unknown."""

    names: tuple[str, ...]
    n_rows: int = 0
    rows: Counter[int] = field(default_factory=Counter)
    cells: dict[str, Cells] = field(default_factory=dict)
    values: dict[str, Counter[tuple[str, int]]] = field(default_factory=dict)
    repeated: dict[str, int] = field(default_factory=dict)
    times: dict[str, Times] = field(default_factory=dict)
    languages: Sampled = field(default_factory=Sampled)
    files: Sampled = field(default_factory=Sampled)
    sizes: list[tuple[float, int]] = field(default_factory=list)

    def by_source(self, counts: Iterable[tuple[int, int]]) -> dict[str, int]:
        """Counts by the names of the sources, in their order; nothing where there is one source."""
        found = dict.fromkeys(self.names, 0)
        for number, count in counts:
            if number >= 0:
                found[self.names[number]] += count
        return found if len(self.names) > 1 else {}


def tally(data: Dataset, plan: Plan, sources: Sequence[SourceRows], watch: Watch | None = None) -> Tally:
    """Count what the plan asks for, in one pass."""
    import polars as pl

    ordered = sorted(sources, key=lambda one: one.first_row)
    names = tuple(dict.fromkeys(one.name for one in ordered))
    found = Tally(
        names, cells={name: Cells() for name in plan.cells if name in plan.kinds},
        values={name: Counter() for name in plan.counted if name in plan.kinds},
        times={name: Times(gap) for name, gap in plan.times.items() if name in plan.kinds},
    )  # fmt: skip
    hashes: dict[str, list[np.ndarray]] = {name: [] for name in plan.unique if name in plan.kinds}
    every = max(1, -(-data.n_rows // SAMPLE_ROWS))
    table = data.table.select(ROW_ID, *plan.needed)
    size = FILES_AT_ONCE if pl.Binary in table.collect_schema().values() else ROWS_AT_ONCE
    for batch in table.collect_batches(chunk_size=size, maintain_order=True):
        origin = _origins(batch[ROW_ID], ordered, names)
        _count(found, plan, batch, origin)
        _sample(found, plan, batch, origin, every)
        for name, parts in hashes.items():
            parts.append(batch[name].drop_nulls().hash().to_numpy())
        found.n_rows += batch.height
        if watch is not None:
            watch({"stage": "profiling", "event": "progress", "done": found.n_rows, "total": data.n_rows,
                   "text": "requirements"})  # fmt: skip
    found.repeated = {name: _repeated(parts) for name, parts in hashes.items()}
    return found


def _origins(ids: pl.Series, ordered: Sequence[SourceRows], names: tuple[str, ...]) -> np.ndarray:
    """The number of each row's source, -1 where none is known."""
    import numpy as np

    rows = ids.to_numpy()
    if not ordered:
        return np.full(len(rows), -1, dtype=np.int64)
    starts = np.array([one.first_row for one in ordered], dtype=np.uint64)
    ends = np.array([one.first_row + one.n_rows for one in ordered], dtype=np.uint64)
    numbers = np.array([names.index(one.name) for one in ordered], dtype=np.int64)
    place = np.searchsorted(starts, rows, side="right").astype(np.int64) - 1
    inside = (place >= 0) & (rows < ends[place])
    return np.where(inside, numbers[place], -1)


def _by_number(numbers: np.ndarray) -> dict[int, int]:
    import numpy as np

    values, counts = np.unique(numbers, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _count(found: Tally, plan: Plan, batch: pl.DataFrame, origin: np.ndarray) -> None:
    found.rows.update(_by_number(origin))
    for name, cells in found.cells.items():
        cells.missing.update(_by_number(origin[batch[name].is_null().to_numpy()]))
        if plan.kinds[name] == "number":
            low, high = batch[name].min(), batch[name].max()
            cells.low = _of(min, cells.low, low)
            cells.high = _of(max, cells.high, high)
            if name in plan.limits:
                least, most = plan.limits[name]
                inside = batch[name].is_between(least, most).fill_null(value=True)  # a missing cell is counted as such
                cells.beyond.update(_by_number(origin[~inside.to_numpy()]))
    for name, counts in found.values.items():
        counts.update(_values(batch[name], origin))
        if len(counts) > MOST_VALUES:
            raise UserError(
                "requirements.values", f"`{name}` has more than {MOST_VALUES:,} values: it is no column of groups.",
                hint="require groups of a column with few values",
            )  # fmt: skip
    for name, times in found.times.items():
        _measure(times, batch[name])


def _of(choose: Any, one: float | None, other: Any) -> float | None:
    known = [float(value) for value in (one, other) if value is not None]
    return choose(known) if known else None


def _values(column: pl.Series, origin: np.ndarray) -> Counter[tuple[str, int]]:
    """Rows by value, as a text, and by source; each label of a list and each box's label counts once a row."""
    import polars as pl

    frame = pl.DataFrame([column.alias("value"), pl.Series("source", origin)])
    if isinstance(column.dtype, pl.List):
        frame = frame.with_row_index("row").explode("value", empty_as_null=True)
        if isinstance(frame.schema["value"], pl.Struct):
            frame = frame.with_columns(pl.col("value").struct.field("label"))
        frame = frame.unique(["row", "value"])
    counts = frame.drop_nulls("value").group_by("value", "source").len()
    found: Counter[tuple[str, int]] = Counter()
    for value, source, count in counts.iter_rows():
        found[as_word(value), source] += count
    return found


def as_word(value: Any) -> str:
    """A value as the text that a recipe would have: whole numbers without a point, truths in small letters.

    >>> as_word(3.0), as_word(True), as_word("x")
    ('3', 'true', 'x')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _measure(times: Times, column: pl.Series) -> None:
    import polars as pl

    if column.dtype != pl.Date and not isinstance(column.dtype, pl.Datetime):
        return
    moments = (column.drop_nulls().cast(pl.Datetime("us")).dt.timestamp("us").cast(pl.Float64) / 1e6).alias("moment")
    if not len(moments):
        return
    times.low, times.high = _of(min, times.low, moments.min()), _of(max, times.high, moments.max())
    if not times.gap_s:
        return
    stretch = (pl.col("moment") / times.gap_s).floor().cast(pl.Int64).alias("stretch")
    ends = moments.to_frame().group_by(stretch).agg(low=pl.col("moment").min(), high=pl.col("moment").max())
    for number, low, high in ends.iter_rows():
        before = times.stretches.get(number, (low, high))
        times.stretches[number] = min(low, before[0]), max(high, before[1])


def _repeated(parts: list[np.ndarray]) -> int:
    """Cells whose value was there already, by 64-bit hashes: two values of a billion rows hardly share one."""
    import numpy as np

    every = np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)
    return len(every) - len(np.unique(every))


# What is looked at in a sample --------------------------------------------------------------------------------------


def _sample(found: Tally, plan: Plan, batch: pl.DataFrame, origin: np.ndarray, every: int) -> None:
    first = -found.n_rows % every
    if plan.languages in plan.kinds:
        texts = batch[plan.languages].gather_every(every, first)
        for text, number in zip(texts.to_list(), origin[first::every].tolist(), strict=True):
            found.languages.n_seen += 1
            if text is not None:
                found.languages.counts[language_of(str(text))[0], number] += 1
    if plan.media in plan.kinds:
        kind = plan.kinds[plan.media]
        files = batch[plan.media].gather_every(every, first)
        for raw, number in zip(files.to_list(), origin[first::every].tolist(), strict=True):
            found.files.n_seen += 1
            if raw is not None:
                found.sizes.append((_shorter_side(raw) if kind == "image" else _seconds(raw), number))


def _shorter_side(raw: bytes) -> float:
    """Pixels of a picture's shorter side, from its head; 0 where it cannot be opened."""
    from modelwright.core.optional import need

    image: Any = need("PIL.Image", extra="deep", why="looking at the size of pictures")
    try:
        with image.open(io.BytesIO(raw)) as opened:
            return float(min(opened.size))
    except (OSError, ValueError, SyntaxError, image.DecompressionBombError):
        return 0.0


def _seconds(raw: bytes) -> float:
    """Length of a sound; 0 where it cannot be opened."""
    from modelwright.core.optional import need

    soundfile: Any = need("soundfile", extra="deep", why="looking at the length of sounds")
    try:
        return float(soundfile.info(io.BytesIO(raw)).duration)
    except (soundfile.LibsndfileError, RuntimeError):
        return 0.0
