"""Missing values guessed from what the other columns say: once, or as several draws that differ as much as is unknown.

What is learned on some rows is plain data and fills the gaps of others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from modelwright.core.data import ROW_ID, Column, Dataset, Decision, Schema
from modelwright.core.errors import UserError, nearest
from modelwright.core.rng import stream_seed
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.cleaning.imputing.coding import Coding
    from modelwright.core.values import Watch

SURE = 0.9
"""From which certainty a guess is called sure."""
FLAG = "{}_missing"
Method = Literal["chained", "neighbours", "median", "mean", "most_frequent", "constant"]


class ImputeSpec(Spec):
    """How gaps are filled.

    >>> ImputeSpec(draws=10).method
    'chained'
    """

    method: Method = Field("chained", description="chained equations, nearest rows, or one value for a column")
    draws: int = Field(
        1, ge=1, le=100, description="1: the likeliest values; more: tables that differ by what is unknown"
    )
    columns: tuple[str, ...] = Field((), description="columns to learn; by default those with gaps")
    sweeps: int | None = Field(
        None, ge=1, le=20, description="how often the columns are gone through; by default 1 to 3"
    )
    constant: float = Field(0.0, allow_inf_nan=False, description="what `constant` fills numbers with")
    target: bool = Field(False, description="whether the target helps: for analysis, not for rows yet to be predicted")


@dataclass(frozen=True, eq=False, kw_only=True)
class Imputed:
    """Tables without gaps in the columns that were learned: one for each draw, of the input's rows and columns.

    `guessed` has a line for each gap that was filled: `__row__`, `column`, `value` (a text; of several draws the mean
    or most frequent one), `low` and `high` (between which a number lies nine times of ten; null for a level),
    `certainty` (0..1: the share of the column's variance that is known, or the chance of the level) and `sure`.
    `missing` has `__row__` and a Boolean for each column that has gaps: what was a gap stays known. `state` is what was
    learned, JSON-able.
    """

    draws: tuple[Dataset, ...]
    guessed: pl.DataFrame
    missing: pl.DataFrame
    state: Mapping[str, Any]
    decisions: tuple[Decision, ...]

    @property
    def data(self) -> Dataset:
        """The first table."""
        return self.draws[0]

    def flagged(self, draw: int = 0) -> Dataset:
        """A table with a Boolean column `NAME_missing` for each column that had gaps."""
        data = self.draws[draw]
        names = [name for name in self.missing.columns if name != ROW_ID]
        flags = self.missing.rename({name: _fresh(FLAG.format(name), data.schema) for name in names})
        more = tuple(
            Column(_fresh(FLAG.format(name), data.schema), "boolean", why=f"{name} was missing") for name in names
        )
        return _widened(data, flags, more)

    def with_spread(self, draw: int = 0) -> Dataset:
        """A table with `NAME_low` and `NAME_high` beside each number or moment that had gaps, `NAME_certainty` beside
        each level: what `guessed` says of the cell, null where it was known."""
        import polars as pl

        data, more = self.draws[draw], []
        spread = data.frame.select(ROW_ID)
        for (name,), own in self.guessed.group_by("column", maintain_order=True):
            kind = data.schema[str(name)].kind
            levels = kind in ("category", "boolean")
            for what in ("certainty",) if levels else ("low", "high"):
                fresh = _fresh(f"{name}_{what}", data.schema)
                values = pl.col(what)
                if kind == "datetime":
                    values = (values * 1e6).round().cast(pl.Int64).cast(pl.Datetime("us"))
                spread = spread.join(own.select(ROW_ID, values.alias(fresh)), on=ROW_ID, how="left")
                more.append(Column(fresh, "number" if levels else kind, why=f"of guesses of {name}"))
        return _widened(data, spread, tuple(more))


def _widened(data: Dataset, beside: pl.DataFrame, columns: tuple[Column, ...]) -> Dataset:
    frame = data.frame.join(beside, on=ROW_ID, maintain_order="left")
    return Dataset.from_frame(frame, Schema((*data.schema.columns, *columns)), origin=data.origin)


def _fresh(name: str, schema: Schema) -> str:
    while name in schema:
        name += "_"
    return name


def impute(
    data: Dataset, spec: ImputeSpec = ImputeSpec(), *, seed: int = 0, watch: Watch | None = None  # noqa: B008
) -> Imputed:  # fmt: skip
    """Fill the gaps of a typed table: `learn` on its rows and `apply` to them.

    Numbers, categories, booleans and moments are filled; texts and files are left as they are, and so is the target. A
    number stays within what was seen. Every draw is a whole table; an estimate found on each of them is pooled by
    `pool`.

    >>> import polars as pl
    >>> x = [float(i % 50) for i in range(200)]
    >>> frame = pl.DataFrame({"x": x, "y": [None if i == 7 else 2 * x[i] + 1 for i in range(200)]})
    >>> data = Dataset.from_frame(frame, Schema((Column("x", "number"), Column("y", "number"))))
    >>> imputed = impute(data)
    >>> imputed.data.frame["y"][7], imputed.guessed.select("column", "sure").row(0)
    (15.0, ('y', True))

    Reference: van Buuren (2018), "Flexible imputation of missing data", second edition.
    """
    return apply(learn(data, spec, seed=seed, watch=watch), data, seed=seed)


def learn(
    data: Dataset, spec: ImputeSpec = ImputeSpec(), *, seed: int = 0, watch: Watch | None = None  # noqa: B008
) -> dict[str, Any]:  # fmt: skip
    """Learn how gaps are filled from these rows: JSON-able state, trees as LightGBM's own text.

    Raises UserError `schema.column` for a column that is not there, `impute.kind` for one that cannot be guessed,
    `impute.draws` where a method has no draws.
    """
    import numpy as np

    from modelwright.cleaning.imputing import coding, simple

    if spec.draws > 1 and spec.method != "chained":
        raise UserError(
            "impute.draws", f"only chained equations give several draws; got {spec.draws} of {spec.method!r}.",
            hint="leave `method` out, or ask for one draw",
        )  # fmt: skip
    names = _names(data, spec)
    codings = coding.learn_codings(data, names)
    coded = coding.matrix(data, codings)
    gaps = np.isnan(coded)
    wanted = spec.columns or [name for name, any_gap in zip(names, gaps.any(axis=0), strict=True) if any_gap]
    closed = {data.schema.target}
    learned = [names.index(name) for name in wanted if name not in closed]
    learned = [place for place in learned if not gaps[:, place].all()]
    learned.sort(key=lambda place: int(gaps[:, place].sum()))
    state: dict[str, Any] = {
        "version": 1, "method": spec.method, "columns": [item.to_plain() for item in codings], "learned": learned,
    }  # fmt: skip
    if spec.method == "chained":
        sweeps = spec.sweeps or _sweeps(gaps, learned, several=spec.draws > 1)
        state["chains"] = _chains(coded, codings, learned, (spec.draws, sweeps), seed=seed, watch=watch)
    elif spec.method == "neighbours":
        state["fill"] = simple.learn_neighbours(coded, codings, seed=seed)
    else:
        state["fill"] = simple.learn_fill(coded, codings, method=spec.method, constant=spec.constant)
    return state


def _chains(
    coded: np.ndarray, codings: Sequence[Coding], learned: list[int], asked: tuple[int, int], *, seed: int,
    watch: Watch | None,
) -> list[dict[str, Any]]:  # fmt: skip
    """A chain for each draw; `asked` are the draws and sweeps."""
    from threadpoolctl import threadpool_limits

    from modelwright.cleaning.imputing import chain

    draws, sweeps = asked
    chains = []
    with threadpool_limits(1, user_api="blas"):  # small products: threads that spin for each other cost many times them
        for draw in range(draws):
            own = stream_seed(seed, "imputing", "draw", draw)
            chains.append(chain.learn_chain(coded, codings, learned=learned, draws=draws > 1, sweeps=sweeps, seed=own))
            if watch is not None:
                watch({"stage": "imputing", "event": "progress", "done": draw + 1, "of": draws})
    return chains


def _names(data: Dataset, spec: ImputeSpec) -> list[str]:
    """The columns that are guessed or help to."""
    from modelwright.cleaning.imputing.coding import GUESSABLE

    for name in spec.columns:
        if name not in data.schema:
            raise UserError("schema.column", f"there is no column {name!r}.", hint=nearest(name, data.schema.names))
        if data.schema[name].kind not in GUESSABLE:
            kind = data.schema[name].kind
            raise UserError(
                "impute.kind", f"the column {name!r} is a {kind}: only numbers, categories, booleans and moments can "
                "be guessed.", hint="clean the table first" if kind == "raw" else "leave it out",
            )  # fmt: skip
    roles = ("feature", "protected", "group", "time", "weight", *(("target",) if spec.target else ()))
    usable = {c.name for c in data.schema.columns if c.kind in GUESSABLE and c.role in roles}
    return [name for name in data.schema.names if name in usable or name in spec.columns]


def _sweeps(gaps: np.ndarray, learned: list[int], *, several: bool) -> int:
    """As few as the gaps allow: where hardly any row has two, what is filled in on the way says little."""
    if len(learned) <= 1:
        return 1
    share = float(gaps.mean())
    return max(3 if several else 1, 1 + (share > 0.05) + (share > 0.2))


def apply(state: Mapping[str, Any], data: Dataset, *, seed: int = 0) -> Imputed:
    """Fill the gaps of a table with what `learn` learned, here or elsewhere.

    A column that had no gap when learned is filled with its middle or most frequent value and never called sure; name
    it in `columns` to learn it. Raises UserError `impute.columns` if a learned column is not in the table.
    """
    import numpy as np
    from threadpoolctl import threadpool_limits

    from modelwright.cleaning.imputing import chain, coding, simple

    codings = [coding.Coding.from_plain(plain) for plain in state["columns"]]
    for one in codings:
        if one.name not in data.schema:
            raise UserError(
                "impute.columns", f"the table has no column {one.name!r}, from which gaps are guessed.",
                hint="add it, empty where nothing is known",
            )  # fmt: skip
    data = _typed(data, codings)
    coded = coding.matrix(data, codings)
    if "chains" in state:
        with threadpool_limits(1, user_api="blas"):
            done = [
                chain.apply_chain(one, coded, codings, seed=stream_seed(seed, "imputing", "draw", draw))
                for draw, one in enumerate(state["chains"])
            ]
    else:
        filling = simple.apply_neighbours if state["method"] == "neighbours" else simple.apply_fill
        done = [filling(state["fill"], coded, codings)]
    gaps = np.isnan(coded)
    for place, one in enumerate(codings):
        if one.name == data.schema.target or not one.seen:
            gaps[:, place] = False
    draws = tuple(_filled(data, filled, gaps, codings) for filled, _ in done)
    guessed = _guessed(data, done, gaps, codings)
    return Imputed(
        draws=draws, guessed=guessed, missing=_missing(data, gaps, codings), state=state,
        decisions=_told(guessed, state, len(draws)),
    )  # fmt: skip


def _typed(data: Dataset, codings: list[Coding]) -> Dataset:
    """Columns without any value are of the kind that was learned: nothing in them tells it."""
    import numpy as np

    from modelwright.cleaning.imputing.coding import values_of

    frame, schema = data.frame, data.schema
    for one in codings:
        if one.seen and one.kind != schema[one.name].kind and not frame[one.name].count():
            frame = frame.with_columns(frame[one.name].cast(values_of(np.empty(0), one).dtype))
            schema = schema.with_column(one.name, kind=one.kind)
    return data if schema is data.schema else Dataset.from_frame(frame, schema, origin=data.origin)


def _filled(data: Dataset, filled: np.ndarray, gaps: np.ndarray, codings: list[Coding]) -> Dataset:
    import numpy as np

    from modelwright.cleaning.imputing.coding import values_of

    frame = data.frame
    for place, coding in enumerate(codings):
        rows = np.flatnonzero(gaps[:, place])
        if len(rows):
            values = values_of(filled[rows, place], coding)
            column = frame[coding.name]
            frame = frame.with_columns(column.scatter(rows, values.cast(column.dtype)))
    return Dataset(frame.lazy(), data.schema, frame.height, data.origin)


def _guessed(
    data: Dataset, done: list[tuple[np.ndarray, np.ndarray]], gaps: np.ndarray, codings: list[Coding]
) -> pl.DataFrame:
    import numpy as np
    import polars as pl

    from modelwright.cleaning.imputing.coding import values_of

    parts = [pl.DataFrame(schema=_schema())]
    for place, coding in enumerate(codings):
        rows = np.flatnonzero(gaps[:, place])
        if not len(rows):
            continue
        drawn = np.array([filled[rows, place] for filled, _ in done])
        off = np.mean([far[rows, place] for _, far in done], axis=0)
        if coding.levels:
            votes = (drawn[:, :, None] == np.arange(coding.n_levels)).mean(axis=0)
            value, low, high = votes.argmax(axis=1).astype(float), None, None
            certainty = votes.max(axis=1) * (1 - off) if len(done) == 1 else np.minimum(votes.max(axis=1), 1 - off)
        else:
            value = np.clip(drawn.mean(axis=0), coding.low, coding.high)
            spread = np.sqrt(off**2 + (drawn.var(axis=0) if len(done) > 1 else 0))
            low, high = value - 1.645 * spread, value + 1.645 * spread
            certainty = np.clip(1 - (spread / coding.scale) ** 2, 0, 1) if coding.scale else np.ones(len(rows))
        parts.append(pl.DataFrame({
            ROW_ID: data.frame[ROW_ID].gather(rows), "column": [coding.name] * len(rows),
            "value": values_of(value, coding).cast(pl.String), "low": low, "high": high, "certainty": certainty,
            "sure": certainty >= SURE,
        }, schema_overrides=_schema()))  # fmt: skip
    return pl.concat(parts).sort("column", ROW_ID)


def _schema() -> dict[str, Any]:
    import polars as pl

    number = pl.Float64()
    return {
        ROW_ID: pl.UInt64(), "column": pl.String(), "value": pl.String(), "low": number, "high": number,
        "certainty": number, "sure": pl.Boolean(),
    }  # fmt: skip


def _missing(data: Dataset, gaps: np.ndarray, codings: list[Coding]) -> pl.DataFrame:
    import polars as pl

    flags = [pl.Series(coding.name, gaps[:, place]) for place, coding in enumerate(codings) if gaps[:, place].any()]
    return data.frame.select(ROW_ID).with_columns(flags)


def _told(guessed: pl.DataFrame, state: Mapping[str, Any], n_draws: int) -> tuple[Decision, ...]:
    """What is told of each column: how many gaps, how many surely guessed."""
    import polars as pl

    counts = guessed.group_by("column", maintain_order=True).agg(n=pl.len(), n_sure=pl.col("sure").sum())
    how = {"chained": "from all other columns", "neighbours": "from the five nearest rows"}
    reason = how.get(state["method"], f"with the {str(state['method']).replace('_', ' ')}")
    many = f", {n_draws} draws" if n_draws > 1 else ""
    return tuple(
        Decision("imputing", column, f"{n:,} gaps filled, {n_sure:,} of them surely", reason + many)
        for column, n, n_sure in counts.iter_rows()
    )
