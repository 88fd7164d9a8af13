"""Forecasting: one case an origin, its past as inputs, the next `horizon` values as its target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from modelwright.core.data import ROW_ID, Column, Dataset, Decision, Kind, Schema
from modelwright.core.errors import UserError
from modelwright.sequences.grid import Repairs, Series, Step, choose_step, interpolated, merged, on_grid
from modelwright.sequences.layout import Layout
from modelwright.sequences.rows import TIME, Steps, by_group, find_steps, free_name, lists, step_frame

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.core.values import Cleaned
    from modelwright.sequences.base import WindowSpec

LONGEST_CONTEXT = 512
MOST_SEASONS = 14
DAY_US = 86_400_000_000


def forecast_cases(cleaned: Cleaned, spec: WindowSpec) -> Cleaned:
    """The cases of a cleaned table of steps, as a cleaned table."""
    data, horizon = cleaned.kept, spec.horizon or 1
    steps = find_steps(data)
    _check_target(data, steps)
    repairs = Repairs()
    series, step = read_series(data, steps, repairs)
    season, about_season = find_season(series, spec)
    length, about_length = choose_length(series, horizon, spec, season, about_season)
    stride, about_stride = _choose_stride(series, length, horizon, spec, 1 + len(steps.numbers))
    layout = replace(_layout(cleaned, steps, step, length, stride, horizon), season=season)
    layout = replace(layout, calendar=tuple(part for part in layout.calendar if _varies(series, part)))
    made = [cases_of(one, layout, training=True) for one in series]
    left_out = sum((Counter(dropped) for _, dropped in made), Counter())
    table = join_cases([cases for cases, _ in made if len(cases["origin"])], layout, _statics(data, steps))
    if table is None:
        longest = max((len(one.times) for one in series), default=0)
        parts = f", all on one side of `{steps.part}`" if steps.part else ""
        raise UserError(
            "sequences.short",
            f"no series is long enough for a case: the longest has {longest:,} steps, and a case needs more than "
            f"`horizon` ({horizon}) with known values{parts}.",
            hint="ask for a smaller `horizon`",
        )
    told = [
        *steps.told, *_about_repairs(repairs, step, len(series)), *about_length, *about_stride,
        Decision("sequences", "rows", f"{table.height:,} cases", f"one for each origin; each sees {length} steps and "
                 f"answers the next {horizon} of `{steps.target}`"),
    ]  # fmt: skip
    told += [Decision("sequences", "rows", f"{n:,} origins left out", why) for why, n in left_out.items() if n]
    return as_cleaned(cleaned, table, layout, told)


def _check_target(data: Dataset, steps: Steps) -> None:
    if not steps.target or data.schema[steps.target].kind != "number":
        told = f"`{steps.target}` is a {data.schema[steps.target].kind}" if steps.target else "no target is named"
        raise UserError(
            "sequences.target", f"a forecast needs a target that is a number; {told}.",
            hint="name a column of numbers as the target, or leave `horizon` out",
        )  # fmt: skip


def read_series(data: Dataset, steps: Steps, repairs: Repairs) -> tuple[list[Series], Step]:
    """Each group's steps on a regular grid; short gaps of the target are filled by straight lines."""
    numbers = (steps.target, *steps.numbers)
    groups = []
    for key, rows in by_group(step_frame(data, steps, steps.target), steps.group):
        groups.append((key, merged(rows, TIME, numbers, repairs)))
    times = [rows[TIME].to_numpy() for _, rows in groups]
    is_moment = bool(steps.time) and data.schema[steps.time].kind == "datetime"
    step = choose_step(times, is_moment=is_moment) if steps.time else Step("row", 1.0, "no column says the time")
    series = []
    for (key, rows), moments in zip(groups, times, strict=True):
        one = on_grid(rows, key, moments, numbers, step, steps.part)
        repairs.n_missing += int((one.ids < 0).sum())
        one.values[:, 0], n_filled = interpolated(one.values[:, 0])
        repairs.n_interpolated += n_filled
        series.append(one)
    return series, step


def _about_repairs(repairs: Repairs, step: Step, n_series: int) -> list[Decision]:
    told = [Decision("sequences", "step", step.told(), step.reason)]
    if n_series > 1:
        told.append(Decision("sequences", "series", f"{n_series:,} series", "one for each group"))
    if repairs.n_unsorted:
        told.append(Decision("sequences", "time", "sorted", f"{repairs.n_unsorted:,} rows lay before an earlier one"))
    if repairs.n_repeated:
        choice = f"{repairs.n_repeated:,} rows merged"
        told.append(Decision("sequences", "time", choice, "their time repeats; numbers are averaged"))
    if repairs.n_missing:
        choice = f"{repairs.n_missing:,} steps added"
        told.append(Decision("sequences", "time", choice, "no row has their time; their values are unknown"))
    if repairs.n_interpolated:
        choice = f"{repairs.n_interpolated:,} values interpolated"
        told.append(Decision("sequences", "target", choice, "gaps of at most 3 steps, by straight lines"))
    return told


# How much a case sees ---------------------------------------------------------------------------------------


def find_season(series: Sequence[Series], spec: WindowSpec) -> tuple[int, str]:
    """How many steps a season of the target has (1: none), by the longest series, and why."""
    import numpy as np

    from modelwright.sequences.season import guess_season

    if spec.season:
        return spec.season, "asked for"
    longest = sorted(series, key=lambda one: -len(one.times))[:9]
    guesses = [guess_season(one.values[:, 0]) for one in longest]
    season = int(np.median([guess for guess, _ in guesses])) if guesses else 1
    echo = float(np.median([found for _, found in guesses])) if guesses else 0.0
    return season, f"its changes repeat after {season} steps, correlation {echo:.2f}"


def choose_length(
    series: Sequence[Series], horizon: int, spec: WindowSpec, season: int, about_season: str
) -> tuple[int, list[Decision]]:
    """How many steps a case sees: some seasons of the target, at most half of the usual series."""
    import numpy as np

    if spec.length:
        return spec.length, [Decision("sequences", "length", str(spec.length), "asked for")]
    usual = int(np.median([len(one.times) for one in series])) if series else 0
    most = max(2, (usual - horizon) // 2)
    if season > 1:
        wanted = season * max(2, min(MOST_SEASONS, LONGEST_CONTEXT // season))
        while wanted > most and wanted > season:
            wanted -= season
        why = f"whole seasons of {season} steps ({about_season})"
    else:
        wanted, why = min(max(4 * horizon, 16), LONGEST_CONTEXT), "four horizons; no season was found in the target"
    length = max(2, min(wanted, most))
    return length, [Decision("sequences", "length", f"{length} steps", why)]


def _choose_stride(
    series: Sequence[Series], length: int, horizon: int, spec: WindowSpec, n_inputs: int
) -> tuple[int, list[Decision]]:
    if spec.stride:
        return spec.stride, []
    n_cases = sum(max(0, len(one.times) - horizon) for one in series)
    n_cells = n_cases * (length * n_inputs + horizon)
    stride = max(1, -(-n_cells // spec.most_cells))
    if stride == 1:
        return 1, []
    reason = f"a case at every step would make {n_cells:,} numbers; `most_cells` is {spec.most_cells:,}"
    return stride, [Decision("sequences", "stride", f"every {stride} steps", reason)]


def _layout(cleaned: Cleaned, steps: Steps, step: Step, length: int, stride: int, horizon: int) -> Layout:
    names = cleaned.kept.schema.names
    time_column = steps.time or free_name("step", names)
    past = free_name(f"{steps.target}_past", names)
    calendar = []
    if steps.time and cleaned.kept.schema[steps.time].kind == "datetime":
        is_part = {
            "hour": step.unit == "row" or (step.unit == "us" and step.size % DAY_US != 0),
            "weekday": step.unit != "month" and (step.unit != "us" or step.size % (7 * DAY_US) != 0),
            "month": True,
        }
        calendar = [part for part, varies in is_part.items() if varies]
    used = {steps.target, steps.group, steps.time, *steps.numbers, *steps.static}
    return Layout(
        kind="forecast", target=steps.target, length=length, stride=stride, horizon=horizon, group=steps.group,
        time=steps.time, time_column=time_column, until=free_name(f"{time_column}_until", names),
        moments=bool(calendar), step_unit=step.unit, step_size=step.size,
        inputs={steps.target: past, **{name: name for name in steps.numbers}}, static=steps.static,
        part=steps.part, calendar=tuple(calendar),
        readings=tuple(one for one in cleaned.readings if one.column in used),
    )  # fmt: skip


def _varies(series: Sequence[Series], part: str) -> bool:
    """Whether rows lie at several times of the day; other parts always vary enough."""
    return part != "hour" or any(len(set((one.times[:1000] % DAY_US).tolist())) > 1 for one in series)


# Cases --------------------------------------------------------------------------------------------------------


MISSING = "values that they are to forecast are missing"
BETWEEN = "the values that they are to forecast lie on both sides of the split"


def cases_of(series: Series, layout: Layout, *, training: bool) -> tuple[dict[str, Any], Mapping[str, int]]:
    """One series' cases as arrays, and how many origins were left out, by reason.

    In training an origin every `stride` steps, counted from the last one that has `horizon` steps ahead; otherwise
    the last step alone, which has no target yet. A past shorter than `length` is NaN at its beginning. Where rows say
    which of them are held out, a case is on the side on which all that it is to forecast lies.
    """
    import numpy as np

    length, horizon, n_steps = layout.length, layout.horizon, len(series.times)
    left_out = {MISSING: 0, BETWEEN: 0}
    if training:
        origins, sides, left_out[BETWEEN] = training_origins(series, layout)
    else:
        origins = np.arange(max(0, n_steps - 1), n_steps)
        sides = np.full(len(origins), None, dtype=object)
    targets = np.empty((0, horizon))
    if training and len(origins):
        ahead = np.lib.stride_tricks.sliding_window_view(series.values[:, 0], horizon)[origins + 1]
        usable = np.isfinite(ahead).all(axis=1)
        left_out[MISSING] = int((~usable).sum())
        usable &= series.ids[origins] >= 0
        origins, targets, sides = origins[usable], ahead[usable], sides[usable]
    padded = np.vstack([np.full((length - 1, series.values.shape[1]), np.nan), series.values])
    past = np.lib.stride_tricks.sliding_window_view(padded, length, axis=0)[origins]  # (n, columns, length)
    seen = np.isfinite(past[:, 0]).any(axis=1) if training else np.ones(len(origins), dtype=bool)
    origins = origins[seen]
    return {
        "group": series.group, "origin": series.times[origins], "id": series.ids[origins], "past": past[seen],
        "until": series.times[origins + horizon] if training else series.times[origins],
        "target": targets[seen] if training else None, "side": sides[seen],
    }, left_out  # fmt: skip


def training_origins(series: Series, layout: Layout) -> tuple[np.ndarray, np.ndarray, int]:
    """Places to forecast from, int64 (n,), the side of the split that each forecasts, and how many have no one side.

    Every `stride` steps, counted from the last one on each side.
    """
    import numpy as np

    last = len(series.times) - layout.horizon - 1
    first = layout.length - 1 if last >= layout.length - 1 else max(1, last // 2)
    if series.parts is None or last < first:
        origins = np.arange(last, first - 1, -layout.stride)[::-1]
        return origins, np.full(len(origins), None, dtype=object), 0
    origins = np.arange(first, last + 1)
    sides = side_ahead(series.parts, origins, layout.horizon)
    words = {side for side in sides.tolist() if side is not None}
    places = [np.flatnonzero(sides == word)[:: -layout.stride] for word in sorted(words)]
    kept = np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *places]))
    return origins[kept], sides[kept], int((sides == None).sum())  # noqa: E711 - cell by cell


def side_ahead(parts: np.ndarray, origins: np.ndarray, horizon: int) -> np.ndarray:
    """The word that all known steps after each origin have in common, object (n,); None where they have several.

    >>> import numpy as np
    >>> side_ahead(np.array(["train", "train", "test", "test"], dtype=object), np.arange(2), 2).tolist()
    [None, 'test']
    """
    import numpy as np

    found = np.full(len(origins), None, dtype=object)
    ahead = np.lib.stride_tricks.sliding_window_view(parts, horizon)[origins + 1]
    for word in {part for part in parts.tolist() if part is not None}:
        is_word = ahead == word
        found[is_word.any(axis=1) & (is_word | (ahead == None)).all(axis=1)] = word  # noqa: E711
    return found


def join_cases(
    parts: Sequence[Mapping[str, Any]], layout: Layout, statics: Mapping[object, Mapping[str, Any]]
) -> pl.DataFrame | None:
    """The cases of all series as one table, in the order of their row ids; None when there is none."""
    import numpy as np
    import polars as pl

    if not parts:
        return None
    sizes = [len(part["origin"]) for part in parts]
    columns: list[pl.Series] = [pl.Series(ROW_ID, np.concatenate([part["id"] for part in parts])).cast(pl.UInt64)]
    if layout.group:
        keys = [part["group"] for part, size in zip(parts, sizes, strict=True) for _ in range(size)]
        columns.append(pl.Series(layout.group, keys))
    origin = pl.Series(layout.time_column, np.concatenate([part["origin"] for part in parts]))
    until = pl.Series(layout.until, np.concatenate([part["until"] for part in parts]))
    columns += [one.cast(pl.Datetime("us") if layout.moments else pl.Float64) for one in (origin, until)]
    for index, name in enumerate(layout.inputs.values()):
        columns.append(lists(np.concatenate([part["past"][:, index] for part in parts]), name))
    columns += [calendar_part(columns[-len(layout.inputs) - 2], layout, part) for part in layout.calendar]
    for name in layout.static:
        cells = [statics[part["group"]][name] for part, size in zip(parts, sizes, strict=True) for _ in range(size)]
        columns.append(pl.Series(name, cells, dtype=pl.String))
    if parts[0]["target"] is not None:
        if layout.part:
            sides = np.concatenate([part["side"] for part in parts]).tolist()
            columns.append(pl.Series(layout.part, sides, dtype=pl.String))
        columns.append(lists(np.concatenate([part["target"] for part in parts]), layout.target))
    return pl.DataFrame(columns).sort(ROW_ID, maintain_order=True)


def calendar_part(moments: pl.Series, layout: Layout, part: str) -> pl.Series:
    """A part of the origin's time as a number: hour 0 to 24, weekday 1 to 7, month 1 to 13, with fractions."""
    import polars as pl

    time = pl.col(moments.name)
    parts = {
        "hour": time.dt.hour() + time.dt.minute() / 60,
        "weekday": time.dt.weekday(),
        "month": time.dt.month() + (time.dt.day() - 1) / 31,
    }
    made = moments.to_frame().select(parts[part].cast(pl.Float64).alias(f"{layout.time_column}_{part}"))
    return made.to_series()


def _statics(data: Dataset, steps: Steps) -> dict[object, dict[str, Any]]:
    if not steps.static:
        return {}
    found = data.table.select(steps.group, *steps.static).unique(steps.group, keep="first", maintain_order=True)
    return {row[steps.group]: row for row in found.collect().iter_rows(named=True)}


def as_cleaned(cleaned: Cleaned, table: pl.DataFrame, layout: Layout, told: Sequence[Decision]) -> Cleaned:
    """The table of cases as a cleaned table of its own: raw and kept are the same rows."""
    import polars as pl

    from modelwright.core.values import Cleaned as Made
    from modelwright_runtime.reading import Reading

    schema = Schema(tuple(_column(name, cleaned.kept.schema, layout) for name in table.columns if name != ROW_ID))
    origin = {**cleaned.kept.origin, "sequences": layout.to_plain()}
    cases = Dataset(table.lazy(), schema, table.height, origin)
    known = {reading.column: reading for reading in cleaned.readings}
    readings = tuple(
        known[column.name] if column.kind in ("category", "boolean") and column.name in known
        else Reading(column=column.name, kind=column.kind)  # type: ignore[arg-type]
        for column in schema.columns
    )  # fmt: skip
    nothing = pl.DataFrame(schema={ROW_ID: pl.UInt64, "reason": pl.String, "twin_of": pl.UInt64})
    texts = dict.fromkeys(("column", "before", "after", "step", "reason"), pl.String)
    return Made(
        kept=cases, raw=cases, removed=nothing, changes=pl.LazyFrame(schema={ROW_ID: pl.UInt64, **texts}),
        readings=readings, decisions=(*cleaned.decisions, *told),
    )  # fmt: skip


def _column(name: str, schema: Schema, layout: Layout) -> Column:
    if name == layout.target:
        given = schema[name]
        return Column(name, "series" if layout.horizon else given.kind, "target", unit=given.unit)
    if name == layout.group:
        return Column(name, schema[name].kind, "group", why=schema[name].why)
    if name == layout.part:
        return Column(name, "category", "split", why=schema[name].why)
    if name in (layout.time_column, layout.until):
        kind: Kind = "datetime" if layout.moments else "number"
        if name == layout.until:
            return Column(name, kind, "ignored", why="until when the case reaches: what a split must keep apart")
        if layout.kind == "windows" and layout.group:
            return Column(name, kind, "ignored", why="windows are divided by group, not by time")
        return Column(name, kind, "time", why="the last step that the case sees")
    if name in layout.inputs.values():
        source = next(one for one, made in layout.inputs.items() if made == name)
        return Column(name, "series", unit=schema[source].unit)
    return Column(name, "category" if name in layout.static else "number")
