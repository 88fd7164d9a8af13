"""Mergeable sketches: one pass over served rows leaves counts, and the counts of many windows add up to one.

A `Sketch` is a frozen value of some 30 kB for 20 columns, whatever the rows. `merge` is associative and commutative,
so windows may be counted by several processes and joined later. Its rows are sampled by the least hashes of their
ids (bottom-k), which keeps a merged sample what one pass would have drawn.

Reference: Cohen and Kaplan (2007), "Summarizing data using bottom-k sketches".
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError
from modelwright.monitoring.reference import N_SAMPLE, Reference, View, codes_of, decoded, encoded

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright_runtime.signature import Signature

BLOCK = 16_384
"""Numbers counted at once: they stay in the processor's nearest memory while every cut is compared."""
HOUR_S = 3600.0
MOST_HOURS = 800
LATENCY_MS = tuple(0.0625 * 2.0**k for k in range(18))
"""Upper ends of the latency bins: 0.06 ms to 8 s."""
MOST_EXAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What was counted of one view: rows by bin as in `View.counts`, then the oddities."""

    counts: tuple[int, ...]
    n_rows: int = 0
    n_missing: int = 0
    n_unreadable: int = 0
    n_unseen: int = 0
    n_below: int = 0
    n_above: int = 0
    total: float = 0.0
    squares: float = 0.0
    low: float | None = None
    high: float | None = None
    examples: tuple[str, ...] = ()

    def merge(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(
            counts=tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
            n_rows=self.n_rows + other.n_rows,
            n_missing=self.n_missing + other.n_missing,
            n_unreadable=self.n_unreadable + other.n_unreadable,
            n_unseen=self.n_unseen + other.n_unseen,
            n_below=self.n_below + other.n_below,
            n_above=self.n_above + other.n_above,
            total=self.total + other.total,
            squares=self.squares + other.squares,
            low=_of(min, self.low, other.low),
            high=_of(max, self.high, other.high),
            examples=tuple(sorted({*self.examples, *other.examples})[:MOST_EXAMPLES]),
        )


def _of(choose: Any, a: float | None, b: float | None) -> float | None:
    known = [value for value in (a, b) if value is not None]
    return choose(known) if known else None


@dataclass(frozen=True, kw_only=True)
class Hour:
    """Traffic of one hour: rows, and rows by latency bin (the last bin has no upper end)."""

    n_rows: int
    latency: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Sketch:
    """A window of served rows as counts. `answers` counts scores by `Reference.answers.cuts`, `said` the classes.

    >>> from modelwright.testing.monitoring import tiny_reference, tiny_signature, tiny_window
    >>> reference, window = tiny_reference(), tiny_window(300)
    >>> halves = [sketch_of(reference, tiny_signature(), part) for part in (window[:150], window[150:])]
    >>> halves[0].merge(halves[1]).counts == sketch_of(reference, tiny_signature(), window).counts
    True
    """

    model: str
    n_rows: int
    columns: Mapping[str, Counts]
    answers: tuple[int, ...] = ()
    said: Mapping[str, int] = field(default_factory=dict)
    first_s: float | None = None
    last_s: float | None = None
    hours: Mapping[str, Hour] = field(default_factory=dict)
    sample: Mapping[str, str] = field(default_factory=dict)
    keys: str = ""

    @property
    def counts(self) -> dict[str, tuple[int, ...]]:
        """Rows by bin of every view."""
        return {name: one.counts for name, one in self.columns.items()}

    def merge(self, other: Sketch) -> Sketch:
        """Both windows as one. Raises `UserError("monitoring.merge")` when they are not of one reference."""
        alike = {name: len(one.counts) for name, one in self.columns.items()}
        if self.model != other.model or alike != {name: len(one.counts) for name, one in other.columns.items()}:
            raise UserError(
                "monitoring.merge",
                f"sketches of {self.model!r} and {other.model!r} count other bins.",
                hint="make both with the reference of one package",
            )
        keys, sample = _merged_sample(self, other)
        hours = {hour: _both(self.hours.get(hour), other.hours.get(hour)) for hour in {*self.hours, *other.hours}}
        answers = self.answers or other.answers
        if self.answers and other.answers:
            answers = tuple(a + b for a, b in zip(self.answers, other.answers, strict=True))
        return Sketch(
            model=self.model,
            n_rows=self.n_rows + other.n_rows,
            columns={name: one.merge(other.columns[name]) for name, one in self.columns.items()},
            answers=answers,
            said={name: self.said.get(name, 0) + other.said.get(name, 0) for name in sorted({*self.said, *other.said})},
            first_s=_of(min, self.first_s, other.first_s),
            last_s=_of(max, self.last_s, other.last_s),
            hours={hour: hours[hour] for hour in sorted(hours, key=float)[-MOST_HOURS:]},
            sample=sample,
            keys=keys,
        )

    def to_plain(self) -> dict[str, Any]:
        """JSON-able form."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Sketch:
        """The inverse of `to_plain`, also after a round through JSON."""
        columns = {
            name: Counts(**{**one, "counts": tuple(one["counts"]), "examples": tuple(one["examples"])})
            for name, one in plain["columns"].items()
        }
        hours = {
            hour: Hour(n_rows=one["n_rows"], latency=tuple(one["latency"])) for hour, one in plain["hours"].items()
        }
        return cls(**{**plain, "columns": columns, "hours": hours, "answers": tuple(plain["answers"])})


def _both(one: Hour | None, other: Hour | None) -> Hour:
    if one is None or other is None:
        return one or other or Hour(n_rows=0, latency=())
    latency = tuple(a + b for a, b in zip(one.latency, other.latency, strict=True))
    return Hour(n_rows=one.n_rows + other.n_rows, latency=latency)


def _merged_sample(one: Sketch, other: Sketch) -> tuple[str, dict[str, str]]:
    """The rows with the least hashes of both."""
    import numpy as np

    keys = np.concatenate([_keys(one), _keys(other)])
    order = np.argsort(keys, kind="stable")[:N_SAMPLE]
    first, second = decoded(one.sample), decoded(other.sample)
    sample = {name: np.concatenate([first[name], second[name]])[order] for name in first}
    return base64.b64encode(keys[order].tobytes()).decode(), encoded(sample)


def _keys(sketch: Sketch) -> np.ndarray:
    import numpy as np

    return np.frombuffer(base64.b64decode(sketch.keys), dtype=np.uint64)


def merged(sketches: Iterable[Sketch]) -> Sketch:
    """All windows as one. Raises `UserError("monitoring.rows")` when there is none."""
    whole: Sketch | None = None
    for one in sketches:
        whole = one if whole is None else whole.merge(one)
    if whole is None:
        raise UserError("monitoring.rows", "there is no window to look at.", hint="serve some rows first")
    return whole


def sketch_of(reference: Reference, signature: Signature, window: pl.DataFrame) -> Sketch:
    """Count a window of served rows in one pass.

    `window` has the model's raw columns, and where there are `_id`, `_time` (seconds since 1970), `_latency_ms`,
    `_prediction` and `_probability_<class>`; a column that the reference knows and the window lacks counts as
    missing throughout. Cost: about 10 ns a number, 60 ns a text.
    """
    import numpy as np

    keys, places = _sampled(window)
    columns: dict[str, Counts] = {}
    sample: dict[str, np.ndarray] = {}
    for view, values, n_unreadable, examples in _views(reference, signature, window):
        counted = _numbers(view, values) if isinstance(values, np.ndarray) else _levels(view, values)
        if n_unreadable:
            counted = replace(counted, n_unreadable=n_unreadable, examples=examples or counted.examples)
        columns[view.name] = counted
        some = values[places] if isinstance(values, np.ndarray) else values.gather(places)
        sample[view.name] = codes_of(view, some)
    first_s, last_s, hours = _traffic(window)
    return Sketch(
        model=reference.name,
        n_rows=window.height,
        columns=columns,
        answers=_answers(reference, window),
        said=_said(reference, window),
        first_s=first_s,
        last_s=last_s,
        hours=hours,
        sample=encoded(sample),
        keys=base64.b64encode(keys.tobytes()).decode(),
    )


def _views(
    reference: Reference, signature: Signature, window: pl.DataFrame
) -> Iterable[tuple[View, Any, int, tuple[str, ...]]]:
    """Each view with its values; a column is read once however many views it has."""
    import numpy as np
    import polars as pl

    from modelwright.monitoring.cells import made_of, read_column

    readings = {reading.column: reading for reading in signature.readings}
    by_column: dict[str, list[View]] = {}
    for view in reference.views:
        by_column.setdefault(view.column, []).append(view)
    for column, views in by_column.items():
        cells = window[column] if column in window.columns else pl.Series(column, [None] * window.height)
        read = read_column(cells, readings[column])
        made = {view.of for view in views} - {"number", "category", "presence"}
        parts = made_of(read.values, readings[column].kind) if made else {}
        for view in views:
            values: Any = parts.get(view.of, read.values)
            if view.of == "presence":
                is_there = values.is_not_null().to_numpy() if isinstance(values, pl.Series) else np.isfinite(values)
                values = np.where(is_there, 0.0, np.nan)
            if view.is_number == isinstance(values, pl.Series):  # booleans are categories to an old profile
                values = _as_other(values)
            yield view, values, read.n_unreadable, read.examples


def _as_other(values: Any) -> Any:
    """Numbers as the texts that name them, or texts as numbers."""
    import numpy as np
    import polars as pl

    if isinstance(values, np.ndarray):
        return pl.Series(values).fill_nan(None).cast(pl.Boolean).cast(pl.String)
    return values.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()


def _numbers(view: View, values: np.ndarray) -> Counts:
    """Count by comparing with every cut, block by block: no search, no sort, no copy."""
    import numpy as np

    at_or_above = np.zeros(len(view.cuts), dtype=np.int64)
    n_missing = 0
    total = squares = 0.0
    low, high = np.inf, -np.inf
    n_below = n_above = 0
    for start in range(0, len(values), BLOCK):
        block = values[start : start + BLOCK]
        if np.isnan(block.min()):
            there = block == block
            n_missing += len(block) - int(np.count_nonzero(there))
            block = block[there]
            if not len(block):
                continue
        for index, cut in enumerate(view.cuts):
            at_or_above[index] += np.count_nonzero(block >= cut)
        least, most = float(block.min()), float(block.max())
        low, high = min(low, least), max(high, most)
        if view.low is not None and least < view.low:
            n_below += int(np.count_nonzero(block < view.low))
        if view.high is not None and most > view.high:
            n_above += int(np.count_nonzero(block > view.high))
        total += float(block.sum())
        squares += float(np.dot(block, block))
    n_present = len(values) - n_missing
    edges = [n_present, *at_or_above.tolist(), 0]
    return Counts(
        counts=tuple(a - b for a, b in zip(edges, edges[1:], strict=False)),
        n_rows=len(values),
        n_missing=n_missing,
        n_below=n_below,
        n_above=n_above,
        total=total,
        squares=squares,
        low=low if n_present else None,
        high=high if n_present else None,
    )


def _levels(view: View, values: pl.Series) -> Counts:
    """Count levels; those that the reference never saw are told by name."""
    n_missing = values.null_count()
    found = values.drop_nulls().rename("level").value_counts(name="n")
    counted = dict(zip(found["level"].to_list(), found["n"].to_list(), strict=True))
    known = [counted.pop(level, 0) for level in view.levels]
    n_rare = sum(counted.pop(level, 0) for level in view.rare) if counted and view.rare else 0
    return Counts(
        counts=(*known, n_rare),
        n_rows=len(values),
        n_missing=n_missing,
        n_unseen=sum(counted.values()),
        examples=tuple(
            str(level)[:60] for level in sorted(counted, key=lambda level: (-counted[level], level))[:MOST_EXAMPLES]
        ),
    )


def _sampled(window: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Hashes and places of the rows with the least hashes, hashes ascending."""
    import numpy as np

    if "_id" in window.columns:
        hashes = window["_id"].hash(seed=0).to_numpy()
    else:
        hashes = np.random.Generator(np.random.PCG64(window.height)).integers(
            2**63, size=window.height, dtype=np.uint64
        )
    places = np.arange(window.height)
    if window.height > N_SAMPLE:
        places = np.argpartition(hashes, N_SAMPLE)[:N_SAMPLE]
    places = places[np.argsort(hashes[places], kind="stable")]
    return hashes[places].astype(np.uint64), places


def _answers(reference: Reference, window: pl.DataFrame) -> tuple[int, ...]:
    from modelwright.monitoring.unlabelled import score_of_window

    if reference.answers is None or (score := score_of_window(reference, window)) is None:
        return ()
    view = View(name="score", column="score", of="number", cuts=reference.answers.cuts)
    return _numbers(view, score).counts


def _said(reference: Reference, window: pl.DataFrame) -> dict[str, int]:
    if "_prediction" not in window.columns or not reference.classes:
        return {}
    counted = dict(window["_prediction"].cast(str).value_counts(name="n").iter_rows())
    return {name: int(counted.get(name, 0)) for name in reference.classes}


def _traffic(window: pl.DataFrame) -> tuple[float | None, float | None, dict[str, Hour]]:
    """First and last moment, and rows and latencies by hour."""
    import numpy as np

    if "_time" not in window.columns or not window.height:
        return None, None, {}
    moments = window["_time"].to_numpy()
    hours = np.floor(moments / HOUR_S).astype(np.int64)
    bins = np.zeros(len(hours), dtype=np.int64)
    has_latency = "_latency_ms" in window.columns
    if has_latency:
        bins = np.searchsorted(LATENCY_MS, window["_latency_ms"].to_numpy())
    size = len(LATENCY_MS) + 1
    found = {}
    for hour in np.unique(hours)[-MOST_HOURS:]:
        own = hours == hour
        counted = np.bincount(bins[own], minlength=size) if has_latency else np.zeros(size, dtype=np.int64)
        found[str(int(hour * HOUR_S))] = Hour(n_rows=int(own.sum()), latency=tuple(counted.tolist()))
    return float(moments.min()), float(moments.max()), found
