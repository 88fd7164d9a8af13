"""Drift between sources: how far the rows of one source look unlike those of the others, and by which columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwright.core.data import ROW_ID, Column, Dataset, Schema
from modelwright.core.errors import UserError, nearest
from modelwright.core.rng import stream, stream_seed
from modelwright.groups import SAFE, by_frequency, columns_of, texts_of
from modelwright.proportions import false_discoveries

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

SOURCE = "_source"
MOST_SOURCES, MOST_BINS, LEAST_ROWS = 12, 20, 30
MOST_ROWS = 10_000
MOST_COLUMNS, MOST_LOOKED = 100, 200_000
WHOLE = ("image", "audio", "series", "boxes", "mask", "labels")


@dataclass(frozen=True, kw_only=True)
class ColumnDrift:
    """One column by source. `psi` is the largest population stability index of one source (`source`) against the
    others, `js` the largest Jensen-Shannon divergence (bits, 0..1). `p` is of chi-squared, `q` and `found` as ever."""

    column: str
    source: str
    psi: float
    js: float
    p: float
    q: float = 1.0
    found: bool = False


@dataclass(frozen=True, kw_only=True)
class Drift:
    """`rows` by source; every column, the most different first; and whether values tell a row's source.

    `auc` is that of a small tree model on rows it has not seen (0.5: not at all, 1: always), `low` the lower end of its
    95 % interval, `by` the columns that it goes by most, with the loss of AUC when they are shuffled; `n_rows` were
    used.
    """

    column: str
    rows: Mapping[str, int]
    columns: tuple[ColumnDrift, ...]
    auc: float | None
    low: float | None
    by: tuple[tuple[str, float], ...]
    n_rows: int

    @property
    def told(self) -> bool:
        """Whether a row's source can be told better than by chance."""
        return self.low is not None and self.low > 0.5


def together(parts: Mapping[str, Dataset], *, name: str = SOURCE) -> Dataset:
    """Tables one under the other, with a column that says which a row came from: two versions of a dataset, say.

    Columns that not all have are empty elsewhere; row ids begin anew. Raises `UserError("coverage.source")` where a
    table has a column `name` already or columns of different kinds under one name.

    >>> import polars as pl
    >>> old, new = (Dataset.from_frame(pl.DataFrame({"x": [1.0, value]})) for value in (2.0, 3.0))
    >>> together({"v1": old, "v2": new}).frame["_source"].to_list()
    ['v1', 'v1', 'v2', 'v2']
    """
    import polars as pl

    columns: dict[str, Column] = {}
    types: dict[str, pl.DataType] = {}
    for label, data in parts.items():
        for column in data.schema.columns:
            dtype = data.frame[column.name].dtype
            if column.name == name or types.setdefault(column.name, dtype) != dtype:
                rule = f"has a column {name!r} already" if column.name == name else f"reads `{column.name}` differently"
                raise UserError("coverage.source", f"the tables cannot be laid together: {label} {rule}.",
                                hint="clean both with the same spec")  # fmt: skip
            columns.setdefault(column.name, column)
    frames = [data.frame.drop(ROW_ID).with_columns(pl.lit(label).alias(name)) for label, data in parts.items()]
    frame = pl.concat(frames, how="diagonal")
    schema = Schema((*columns.values(), Column(name, "category", "ignored", why="where the row came from")))
    return Dataset.from_frame(frame.select(schema.names), schema)


def drift(data: Dataset, source: str, *, target: str | None = None, seed: int = 0) -> Drift:
    """How rows differ by source, column by column, and whether a model tells a row's source from its values.

    Numbers and dates are cut at the deciles of all rows, other columns at their 20 most frequent levels; texts are
    compared by length. All columns' tests together are held to 5 % false discoveries. Only columns that a model may see
    are looked at, the target not; of more than 200,000 rows so many, spread over the table. Raises
    `UserError("coverage.source")` for fewer than two sources of 30 rows.

    References: Lin (1991) on the Jensen-Shannon divergence; Lopez-Paz & Oquab (2017), "Revisiting classifier two-sample
    tests".

    >>> import numpy as np, polars as pl
    >>> x = np.random.default_rng(0).normal(size=(2, 400))
    >>> frame = pl.DataFrame({"site": ["a", "b"] * 200, "warm": x[0] + np.tile([0, 2], 200), "same": x[1]})
    >>> found = drift(Dataset.from_frame(frame), "site")
    >>> [(one.column, one.found) for one in found.columns], found.auc > 0.85, found.by[0][0]
    ([('warm', True), ('same', False)], True, 'warm')
    """
    import numpy as np

    if source not in data.schema:
        raise UserError("coverage.source", f"there is no column {source!r} that says where a row came from.",
                        hint=nearest(source, data.schema.names))  # fmt: skip
    wanted = [name for name in data.schema.features if name not in (source, target)]
    wanted = [name for name in wanted if data.schema[name].kind not in WHOLE][:MOST_COLUMNS]
    frame = columns_of(_at_most(data, MOST_LOOKED), [source, *wanted])
    names, codes = _sources(frame[source])
    looked = [name for name in wanted if _binnable(frame[name])]
    tables = {name: _table(_bins(frame[name]), codes, len(names)) for name in looked}
    found = [_column(name, table, names) for name, table in tables.items()]
    q = false_discoveries([one.p for one in found])
    columns = tuple(
        ColumnDrift(**{**vars(one), "q": float(level), "found": bool(level <= 0.05)})
        for one, level in zip(found, q, strict=True)
    )
    rows = dict(zip(names, np.bincount(codes[codes >= 0], minlength=len(names)).tolist(), strict=True))
    auc, low, by, n = _told_apart(frame, looked, codes, seed) if looked else (None, None, (), 0)
    ordered = tuple(sorted(columns, key=lambda one: (not one.found, -one.psi)))
    return Drift(column=source, rows=rows, columns=ordered, auc=auc, low=low, by=by, n_rows=n)


def _at_most(data: Dataset, n_rows: int) -> Dataset:
    """The table, or of a larger one about so many rows that are spread over it, the same ones every time."""
    import polars as pl

    if data.n_rows <= n_rows:
        return data
    spread = (pl.col(ROW_ID) * 2_654_435_761) % 2**32  # Knuth's multiplicative hash: no period that rows may have
    return Dataset(data.table.filter(spread < int(2**32 * n_rows / data.n_rows)), data.schema, n_rows)


def _sources(values: pl.Series) -> tuple[list[str], np.ndarray]:
    """The sources with enough rows, most rows first, and each row's place among them (-1: of none)."""
    import polars as pl

    source, texts = values.name, texts_of(values)
    counted = texts.drop_nulls().value_counts(sort=True).sort(["count", SAFE], descending=[True, False])
    names: list[str] = counted.filter(counted["count"] >= LEAST_ROWS)[SAFE].to_list()[:MOST_SOURCES]
    if len(names) < 2:
        raise UserError(
            "coverage.source", f"`{source}` has {len(names)} sources of {LEAST_ROWS} rows or more; two are needed.",
            hint="name the column that says where a row came from",
        )  # fmt: skip
    places = {name: place for place, name in enumerate(names)}
    coded = texts.replace_strict(places, default=-1, return_dtype=pl.Int64).fill_null(-1)
    return names, coded.to_numpy()


def _binnable(values: pl.Series) -> bool:
    import polars as pl

    return not (values.dtype.is_nested() or values.dtype == pl.Binary)


def _bins(values: pl.Series) -> np.ndarray:
    """A small number for each row; a missing one has its own."""
    import numpy as np
    import polars as pl

    values = values.alias(SAFE)
    if values.dtype.is_temporal():
        values = values.cast(pl.Int64)
    elif values.dtype in (pl.String, pl.Categorical) and values.n_unique() > max(1000, values.len() // 5):
        values = values.cast(pl.String).str.len_chars()
    if values.dtype.is_numeric():
        numbers = values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        there = numbers[~np.isnan(numbers)]
        edges = np.unique(np.quantile(there, np.arange(1, 10) / 10)) if len(there) else np.array([])
        return np.where(np.isnan(numbers), len(edges) + 1, np.searchsorted(edges, numbers, side="left"))
    texts = texts_of(values)
    known = {name: place for place, name in enumerate(by_frequency(texts)[:MOST_BINS])}
    missing = texts.is_null().to_numpy()
    coded = texts.replace_strict(known, default=MOST_BINS, return_dtype=pl.Int64).fill_null(0).to_numpy()
    return np.where(missing, MOST_BINS + 1, coded)


def _table(bins: np.ndarray, codes: np.ndarray, n_sources: int) -> np.ndarray:
    """Counts, (n_sources, n_bins), of bins that have rows."""
    import numpy as np

    kept = codes >= 0
    n_bins = int(bins.max(initial=0)) + 1
    flat = np.bincount(codes[kept] * n_bins + bins[kept], minlength=n_sources * n_bins)
    table = flat.reshape(n_sources, n_bins)
    return table[:, table.sum(axis=0) > 0]


def _column(name: str, table: np.ndarray, sources: list[str]) -> ColumnDrift:
    import numpy as np
    from scipy.stats import chi2_contingency

    rest = table.sum(axis=0) - table
    own, other = (one / np.maximum(one.sum(axis=1, keepdims=True), 1) for one in (table + 0.5, rest + 0.5))
    own, other = own / own.sum(axis=1, keepdims=True), other / other.sum(axis=1, keepdims=True)
    psi = ((own - other) * np.log(own / other)).sum(axis=1)
    middle = (own + other) / 2
    js = ((own * np.log2(own / middle) + other * np.log2(other / middle)) / 2).sum(axis=1)
    joined = _thick(table)
    p = float(chi2_contingency(joined, correction=False)[1]) if joined.shape[1] > 1 else 1.0
    most = int(psi.argmax())
    return ColumnDrift(column=name, source=sources[most], psi=float(psi[most]), js=float(js.max()), p=p)


def _thick(table: np.ndarray) -> np.ndarray:
    """The table with bins of few rows joined, so that every expected count is at least 5."""
    import numpy as np

    share = table.sum(axis=1).min() / table.sum()
    order = np.argsort(table.sum(axis=0), kind="stable")
    table = table[:, order]
    thin = np.flatnonzero(table.sum(axis=0) * share < 5)
    if not len(thin):
        return table
    joined = table[:, thin].sum(axis=1, keepdims=True)
    rest = np.delete(table, thin, axis=1)
    if joined.sum() * share < 5 and rest.shape[1]:
        rest[:, :1] += joined
        return rest
    return np.hstack([joined, rest])


def _told_apart(
    frame: pl.DataFrame, names: list[str], codes: np.ndarray, seed: int
) -> tuple[float | None, float | None, tuple[tuple[str, float], ...], int]:
    """AUC of a boosted tree model on held-out rows (one source against the rest, weighted by rows), and its columns."""
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold
    from threadpoolctl import threadpool_limits

    rng = stream(seed, "profiling", "sources")
    rows = np.sort(rng.permutation(np.flatnonzero(codes >= 0))[:MOST_ROWS])
    y = codes[rows]
    if np.bincount(y).min() < 10:
        return None, None, (), 0
    x = np.column_stack([_numbers(frame[name].alias(SAFE).gather(rows)) for name in names])
    model = HistGradientBoostingClassifier(
        max_iter=30, max_leaf_nodes=8, min_samples_leaf=10, learning_rate=0.2, early_stopping=False,
        random_state=stream_seed(seed, "profiling", "sources") % 2**31,
    )  # fmt: skip
    answers = np.zeros((len(rows), len(np.unique(y))))
    lost = np.zeros(len(names))
    folds = StratifiedKFold(2, shuffle=True, random_state=0).split(x, y)
    with threadpool_limits(1):  # little work: threads that wait for each other cost more than they bring
        for fold, (fit, valid) in enumerate(folds):
            model.fit(x[fit], y[fit])
            answers[valid] = model.predict_proba(x[valid])
            if fold == 0:
                lost = _lost(model, x[valid][:3000], y[valid][:3000], rng)
    auc, spread = _auc(y, answers)
    order = np.argsort(-lost, kind="stable")[:3]
    by = tuple((names[place], float(lost[place])) for place in order if lost[place] > 0.005)
    return auc, auc - 1.96 * spread, by, len(rows)


def _lost(model: object, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """AUC lost when a column is shuffled; (n_columns,)."""
    import numpy as np

    whole, _ = _auc(y, model.predict_proba(x))  # type: ignore[attr-defined]
    lost = np.zeros(x.shape[1])
    for place in range(x.shape[1]):
        shuffled = x.copy()
        shuffled[:, place] = rng.permutation(shuffled[:, place])
        lost[place] = whole - _auc(y, model.predict_proba(shuffled))[0]  # type: ignore[attr-defined]
    return lost


def _auc(y: np.ndarray, answers: np.ndarray) -> tuple[float, float]:
    """Mean AUC of each source against the rest, weighted by rows, and its standard error (Hanley & McNeil 1982)."""
    import numpy as np
    from scipy.stats import rankdata

    total = spread = 0.0
    places = range(1, 2) if answers.shape[1] == 2 else range(answers.shape[1])
    weights = np.array([(y == place).sum() for place in places]) / sum((y == place).sum() for place in places)
    for place, weight in zip(places, weights, strict=True):
        own = y == place
        n, m = int(own.sum()), int((~own).sum())
        if not n or not m:
            continue
        area = float((rankdata(answers[:, place])[own].sum() - n * (n + 1) / 2) / (n * m))
        one, two = area / (2 - area), 2 * area**2 / (1 + area)
        variance = (area * (1 - area) + (n - 1) * (one - area**2) + (m - 1) * (two - area**2)) / (n * m)
        total, spread = total + float(weight) * area, spread + float(weight) * max(variance, 0.0) ** 0.5
    return total, spread


def _numbers(values: pl.Series) -> np.ndarray:
    """A column as float64 for trees: numbers as they are, levels by their frequency's rank."""
    import numpy as np
    import polars as pl

    values = values.alias(SAFE)
    if values.dtype.is_temporal():
        values = values.cast(pl.Int64)
    if values.dtype.is_numeric():
        numbers: np.ndarray = values.cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64)
        return numbers
    bins = _bins(values).astype(np.float64)
    bins[values.is_null().to_numpy()] = np.nan
    return bins
