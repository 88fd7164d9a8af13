"""One column at a time: counts, quantiles, histograms, top values, examples. Everything is of all rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from modelwright.profiling.values import QUANTILES, ColumnProfile, Histogram, Lengths, Numbers
from modelwright.shown import short

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.core.data import Column

N_BINS, N_TOP, N_EXAMPLES, LETTERS = 24, 10, 4, 60
FAR = 5.0  # interquartile ranges beyond the quartiles, where a histogram ends


def column_profile(values: pl.Series, column: Column) -> ColumnProfile:
    """Profile one typed column.

    >>> import polars as pl
    >>> from modelwright.core.data import Column
    >>> found = column_profile(pl.Series("x", [1.0, 2.0, 2.0, None]), Column("x", "number"))
    >>> found.n_missing, found.n_distinct, found.top[0], found.numbers.quantiles[4]
    (1, 2, ('2', 2), 2.0)
    """
    values = values.alias("cell")
    if values.dtype.is_float():
        values = values.fill_nan(None)
    present = values.drop_nulls()  # a name such as ^x$ would be read as a pattern
    facts: dict[str, Any] = {"n_distinct": None}
    if column.kind in ("number", "datetime"):
        facts = _ordered(present, column.kind)
    elif column.kind in ("category", "text", "boolean"):
        facts = _texts(present)
    elif len(present):
        facts |= {"examples": _sizes(present, column.kind)}
    return ColumnProfile(
        name=column.name, kind=column.kind, role=column.role, n_rows=len(values), unit=column.unit, why=column.why,
        n_missing=len(values) - len(present), **facts,
    )  # fmt: skip


def plainly(value: float) -> str:
    """A number as a person writes it.

    >>> plainly(3.0), plainly(0.1), plainly(1234567.891), plainly(1e-9)
    ('3', '0.1', '1234567.891', '1e-09')
    """
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:.10g}"


def moment(seconds: float) -> str:
    """Seconds since 1970 as a date, with the time of day where it has one.

    >>> moment(0.0), moment(86400.5)
    ('1970-01-01', '1970-01-02 00:00:00')
    """
    from datetime import datetime, timedelta

    told = datetime(1970, 1, 1) + timedelta(seconds=seconds)
    return f"{told:%Y-%m-%d}" if told.time() == datetime.min.time() else f"{told:%Y-%m-%d %H:%M:%S}"


# Numbers and dates --------------------------------------------------------------------------------------------


def _ordered(present: pl.Series, kind: str) -> dict[str, Any]:
    """Numbers, and dates as seconds: all from one sort."""
    import numpy as np
    import polars as pl

    told: Callable[[float], str] = plainly
    if kind == "datetime":
        present, told = present.dt.timestamp("us").cast(pl.Float64) / 1e6, moment
    values = present.to_numpy()
    if not len(values):
        return {"n_distinct": 0}
    ordered = present.sort().to_numpy()
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    counts = np.diff(starts, append=len(ordered))
    top = _commonest(counts)
    examples = dict.fromkeys(told(float(value)) for value in values[:200])
    return {
        "n_distinct": len(starts),
        "numbers": _numbers(values, ordered),
        "top": tuple((told(float(ordered[starts[at]])), int(counts[at])) for at in top),
        "examples": tuple(examples)[:N_EXAMPLES],
    }


def _commonest(counts: np.ndarray) -> np.ndarray:
    """Places of the largest counts, largest first and among equals in order."""
    import numpy as np

    most = min(N_TOP, len(counts))
    if len(counts) > 50 * N_TOP:
        least = np.partition(counts, len(counts) - most)[len(counts) - most]
        places = np.concatenate([np.flatnonzero(counts > least), np.flatnonzero(counts == least)[:most]])
    else:
        places = np.arange(len(counts))
    return places[np.argsort(-counts[places], kind="stable")][:most]


def _numbers(values: np.ndarray, ordered: np.ndarray) -> Numbers:
    import numpy as np

    n = len(values)
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers near 1e308 these are infinite, and told as none
        mean = float(values.mean())
        apart = values - mean
        squares = apart * apart
        second = float(squares.mean())
        third = float((squares * apart).mean())
    places = np.array(QUANTILES) * (n - 1)
    low = np.floor(places).astype(int)
    high = np.minimum(low + 1, n - 1)
    quantiles = ordered[low] + (ordered[high] - ordered[low]) * (places - low)
    head = values[:10_000]
    is_whole = bool((head == np.round(head)).all() and (ordered == np.round(ordered)).all())
    return Numbers(
        mean=mean, sd=(second * n / (n - 1)) ** 0.5 if n > 1 else 0.0,
        skew=_skew(second, third),
        quantiles=tuple(map(float, quantiles)),
        n_zero=int(np.searchsorted(ordered, 0.0, "right") - np.searchsorted(ordered, 0.0, "left")),
        n_negative=int(np.searchsorted(ordered, 0.0, "left")),
        is_whole=is_whole,
        histogram=histogram(ordered, quantiles[3], quantiles[5], whole=is_whole),
    )  # fmt: skip


def _skew(second: float, third: float) -> float:
    """The third central moment over the second to 3/2 (Fisher's g1); 0 for a constant."""
    scale = second**0.75
    return third / scale / scale if scale > 1e-150 and third == third else 0.0


def histogram(ordered: np.ndarray, lower: float, upper: float, *, whole: bool = False) -> Histogram:
    """Counts in equal bins over sorted values, but for what lies far beyond the quartiles `lower` and `upper`.

    Bins of whole numbers hold as many numbers each, so that none is empty by arithmetic alone.

    >>> import numpy as np
    >>> histogram(np.array([0.0, 1, 2, 3, 1000]), 1.0, 3.0).n_above
    1
    >>> histogram(np.array([1.0, 2, 2, 4]), 1.5, 3.0, whole=True).counts
    (1, 2, 0, 1)
    """
    import numpy as np

    low, high = float(ordered[0]), float(ordered[-1])
    reach = FAR * (float(upper) - float(lower))
    if reach > 0:
        low, high = max(low, float(lower) - reach), min(high, float(upper) + reach)
    if not np.isfinite(high - low) or high <= low:
        return Histogram((low, high), (len(ordered),))
    if whole and high - low < 2**52:
        low, high = np.ceil(low), np.floor(high)
        width = max(1.0, np.ceil((high - low + 1) / N_BINS))
        edges = low - 0.5 + width * np.arange(int(np.ceil((high - low + 1) / width)) + 1)
    else:
        edges = np.linspace(low, high, N_BINS + 1)
    below = np.searchsorted(ordered, edges, "left")
    below[-1] = np.searchsorted(ordered, edges[-1], "right")
    return Histogram(
        tuple(map(float, edges)), tuple(map(int, np.diff(below))), int(below[0]), int(len(ordered) - below[-1])
    )


# Words --------------------------------------------------------------------------------------------------------


def _texts(present: pl.Series) -> dict[str, Any]:
    import polars as pl

    counts = present.value_counts(name="n")
    # ties in the order of the words, so that every run tells the same
    least = counts["n"].top_k(N_TOP).min() if counts.height else 0
    top = counts.filter(pl.col("n") >= least)
    top = top.sort("n", "cell", descending=[True, False]).head(N_TOP)
    examples = present.head(200).unique(maintain_order=True).head(N_EXAMPLES).to_list()
    facts: dict[str, Any] = {
        "n_distinct": counts.height,
        "top": tuple((short(_word(value), LETTERS), int(n)) for value, n in top.iter_rows()),
        "examples": tuple(short(_word(value), LETTERS) for value in examples),
    }
    if present.dtype == pl.String and counts.height:
        sizes = counts.select(pl.col("cell").str.len_chars().alias("size"), "n")
        least, most, total = sizes.select(
            pl.col("size").min(), pl.col("size").max().alias("most"),
            (pl.col("size").cast(pl.Int64) * pl.col("n")).sum().alias("total"),
        ).row(0)  # fmt: skip
        facts["lengths"] = Lengths(int(least), total / len(present), int(most))
    return facts


def _word(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _sizes(present: pl.Series, kind: str) -> tuple[str, ...]:
    """Files by their size, lists by their length."""
    import polars as pl

    cells = present.head(N_EXAMPLES).to_list()
    if present.dtype == pl.Binary:
        return tuple(f"{kind}, {len(cell) / 1000:,.1f} kB" for cell in cells)
    return tuple(f"{len(cell)} {'steps' if kind == 'series' else kind}" for cell in cells)
