"""Windows of sessions: rows are steps whose target stays the same for long; one case a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.core.data import ROW_ID, Decision
from modelwright.core.errors import UserError
from modelwright.sequences.layout import Layout
from modelwright.sequences.rows import TIME, Steps, by_group, find_steps, free_name, lists, step_frame

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.core.data import Dataset
    from modelwright.core.values import Cleaned
    from modelwright.sequences.base import WindowSpec

LEAST_ROWS = 20
LEAST_STRETCH = 16
LONGEST_WINDOW = 128


def are_steps(data: Dataset) -> str:
    """Why the rows are steps of sessions; or "no: " and why they are not."""
    import numpy as np

    steps = find_steps(data)
    if not steps.group:
        return "no: no column says which rows belong together"
    if not steps.numbers or steps.told or steps.static:
        left = [name for name in data.schema.features if name not in (*steps.numbers, steps.time)]
        return f"no: not all features are numbers ({', '.join(left[:3]) or 'there is none'})"
    frame = step_frame(data, steps, steps.target)
    sizes = frame.group_by(steps.group).len()["len"].to_numpy()
    size = float(np.median(sizes)) if len(sizes) else 0.0
    if size < LEAST_ROWS:
        return f"no: the groups of `{steps.group}` have {size:g} rows in the middle, steps have more"
    if not data.schema.of_role("time") and not _lie_together(frame, steps.group):
        return f"no: the rows of a group of `{steps.group}` do not lie together, and no time orders them"
    stretches = np.concatenate([_stretches(rows, steps) for _, rows in by_group(frame, steps.group)])
    usual = float(np.median(np.repeat(stretches, stretches)))
    if usual < LEAST_STRETCH:
        return f"no: `{steps.target}` stays the same for {usual:g} rows in the middle, too few for windows"
    return (
        f"`{steps.group}` has {len(sizes)} groups of {size:g} rows in the middle, and `{steps.target}` "
        f"stays the same for {usual:g} rows in the middle; say `sequences: off` for a table"
    )


def _lie_together(frame: pl.DataFrame, group: str) -> bool:
    n_runs = 1 + int((frame[group] != frame[group].shift()).sum() or 0)
    return n_runs <= frame[group].n_unique() + 1


def _ordered(rows: pl.DataFrame) -> pl.DataFrame:
    return rows if rows[TIME].is_sorted() else rows.sort(TIME, maintain_order=True)


def _stretches(rows: pl.DataFrame, steps: Steps) -> np.ndarray:
    """Lengths of the stretches of one target, in the order of time."""
    import numpy as np

    return np.diff(_edges(_ordered(rows), steps))


def _edges(rows: pl.DataFrame, steps: Steps) -> np.ndarray:
    """Where stretches of one target, on one side of the split, begin, and the end: int64."""
    import numpy as np

    changes = np.zeros(rows.height, dtype=bool)
    for values in (rows[name] for name in (steps.target, steps.part) if name):
        changes |= values.ne_missing(values.shift()).to_numpy()
    inner = np.flatnonzero(changes[1:]) + 1
    return np.concatenate([[0], inner, [rows.height]]).astype(np.int64)


def window_cases(cleaned: Cleaned, spec: WindowSpec, reason: str) -> Cleaned:
    """The windows of a cleaned table of steps, as a cleaned table of cases."""
    import numpy as np
    import polars as pl

    from modelwright.sequences.forecast import as_cleaned

    data = cleaned.kept
    steps = find_steps(data)
    _check(steps)
    frame = step_frame(data, steps, steps.target)
    groups = [(key, _ordered(rows)) for key, rows in by_group(frame, steps.group)]
    lengths = np.concatenate([np.diff(_edges(rows, steps)) for _, rows in groups])
    length, stride, about = _choose(lengths, spec, len(steps.numbers))
    layout = _layout(cleaned, steps, length, stride)
    parts = []
    for key, rows in groups:
        edges = _edges(rows, steps)
        starts = [np.arange(a, b - length + 1, stride) for a, b in zip(edges, edges[1:], strict=False)]
        parts.append(windows_of(rows, key, np.concatenate(starts), layout))
    parts = [part for part in parts if part.height]
    if not parts:
        raise UserError(
            "sequences.short",
            f"no stretch of one `{steps.target}` has {length} rows.",
            hint="ask for a smaller `length`",
        )
    table = pl.concat(parts).sort(ROW_ID)
    short = int(lengths[lengths < length].sum())
    choice = f"{table.height:,} windows of {frame.height:,} rows"
    told = [Decision("sequences", "rows", choice, reason), *about, *steps.told]
    if short:
        why = f"their stretches of one `{steps.target}` have fewer than {length}"
        told.append(Decision("sequences", "rows", f"{short:,} rows left out", why))
    return as_cleaned(cleaned, table, layout, told)


def _check(steps: Steps) -> None:
    if not steps.target or not steps.numbers:
        lacking = "a target" if not steps.target else "columns of numbers"
        raise UserError("sequences.target", f"windows need {lacking}.", hint="say `sequences: off` for a plain table")


def _choose(lengths: np.ndarray, spec: WindowSpec, n_inputs: int) -> tuple[int, int, list[Decision]]:
    """Length and stride of the windows."""
    import numpy as np

    long = lengths[lengths >= min(LEAST_STRETCH, lengths.max())]
    short = int(np.quantile(long, 0.1))
    length = spec.length or min(LONGEST_WINDOW, short)
    why = "asked for" if spec.length else f"nine tenths of the stretches have {short} rows or more"
    stride = spec.stride or max(1, length // 2)
    n_cells = int(np.maximum(0, (lengths - length) // stride + 1).sum()) * length * n_inputs
    if not spec.stride and n_cells > spec.most_cells:
        stride = stride * -(-n_cells // spec.most_cells)
    return length, stride, [
        Decision("sequences", "length", f"{length} rows", why),
        Decision("sequences", "stride", f"every {stride} rows", "asked for" if spec.stride else "half a window"),
    ]  # fmt: skip


def _layout(cleaned: Cleaned, steps: Steps, length: int, stride: int) -> Layout:
    names = cleaned.kept.schema.names
    used = {steps.target, steps.group, steps.time, *steps.numbers}
    time_column = steps.time or free_name("step", names)
    is_moment = bool(steps.time) and cleaned.kept.schema[steps.time].kind == "datetime"
    return Layout(
        kind="windows", target=steps.target, length=length, stride=stride, group=steps.group, time=steps.time,
        time_column=time_column, until="" if steps.group else free_name(f"{time_column}_until", names),
        moments=is_moment, part=steps.part, inputs={name: name for name in steps.numbers},
        readings=tuple(one for one in cleaned.readings if one.column in used),
    )  # fmt: skip


def windows_of(rows: pl.DataFrame, group: object, starts: np.ndarray, layout: Layout) -> pl.DataFrame:
    """The windows of one group's ordered rows that begin at `starts`: row id, group, time, series, target."""
    import numpy as np
    import polars as pl

    ends = starts + layout.length - 1
    columns = [rows[ROW_ID].gather(ends)]
    if layout.group:
        columns.append(rows[layout.group].gather(ends))
    dtype = pl.Datetime("us") if layout.moments else pl.Float64
    columns.append(rows[TIME].gather(ends).alias(layout.time_column).cast(dtype))
    if layout.until:  # a window as long after this one as it is long: windows in between share rows with it
        after = np.minimum(ends + layout.length - 1, rows.height - 1)
        columns.append(rows[TIME].gather(after).alias(layout.until).cast(dtype))
    for name, made in layout.inputs.items():
        values = rows[name].fill_null(float("nan")).to_numpy()
        if len(starts):
            matrix = np.lib.stride_tricks.sliding_window_view(values, layout.length)[starts]
        else:
            matrix = np.empty((0, layout.length))
        columns.append(lists(matrix, made))
    if layout.part in rows.columns:
        columns.append(rows[layout.part].gather(ends))
    if layout.target in rows.columns:
        columns.append(rows[layout.target].gather(ends))
    return pl.DataFrame(columns)
