"""Groups of rows in words: which columns set each apart, and rows that are typical of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.told import figure, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import polars as pl

    from modelwright.core.data import Schema

MOST_NAMED = 4
LEAST_EFFECT = 0.5
"""A medium effect: half a deviation, or as much of a share. Reference: Cohen (1988), "Statistical power analysis"."""
MOST_LEVELS = 50
N_TYPICAL = 3
N_PROFILE = 12


def described(
    frame: pl.DataFrame, schema: Schema, columns: Sequence[str], groups: np.ndarray, sureness: np.ndarray
) -> list[dict[str, Any]]:
    """For each group its size, what is high, low, frequent or rare in it beside all rows, and typical rows.

    `frame` has typed rows, `groups` int64 (n,) their group (-1: none), `sureness` (n,) how much each belongs to it.

    >>> import numpy as np, polars as pl
    >>> from modelwright.core.data import Column, Schema
    >>> frame = pl.DataFrame({"age": [20.0, 21.0, 60.0, 61.0], "pet": ["cat", "cat", "dog", "dog"]})
    >>> schema = Schema((Column("age", "number"), Column("pet", "category")))
    >>> told = described(frame, schema, ["age", "pet"], np.array([0, 0, 1, 1]), np.ones(4))
    >>> told[1]["words"]
    ['`pet` dog (100%, all rows 50%)', '`age` high (60.50, all rows 40.50)']
    """
    import numpy as np

    found = []
    for group in range(int(groups.max()) + 1):
        own = groups == group
        effects = sorted(
            (effect for name in columns for effect in _effects(frame[name], schema[name].kind, own)),
            key=lambda one: (-abs(one["effect"]), one["column"]),
        )
        told: list[str] = []
        named: set[str] = set()
        for effect in effects:
            if abs(effect["effect"]) >= LEAST_EFFECT and effect["column"] not in named and len(told) < MOST_NAMED:
                named.add(effect["column"])
                told.append(effect["words"])
        typical = np.argsort(-np.where(own, sureness, -1.0), kind="stable")[:N_TYPICAL]
        found.append(
            {
                "n": int(own.sum()), "share": float(own.mean()),
                "words": told or ["much like all rows"],
                "typical": [_row(frame, columns, int(place)) for place in typical if own[place]],
            }
        )  # fmt: skip
    return found


def _effects(values: pl.Series, kind: str, own: np.ndarray) -> list[dict[str, Any]]:
    """How far a group is from all rows in one column, as effects of Cohen's (d of numbers, h of shares)."""
    import polars as pl

    if kind in ("number", "datetime"):
        numbers = values if kind == "number" else values.dt.timestamp("ms").cast(pl.Float64)
        mean, spread, here = numbers.mean(), numbers.std(), numbers.filter(pl.Series(own)).mean()
        if not spread or here is None:
            return []
        effect = (float(here) - float(mean)) / float(spread)  # type: ignore[arg-type]
        side = "high" if effect > 0 else "low"
        shown = [_shown(kind, one) for one in (here, mean)]
        return [{"column": values.name, "effect": effect,
                 "words": f"`{values.name}` {side} ({shown[0]}, all rows {shown[1]})"}]  # fmt: skip
    if kind not in ("category", "boolean"):
        return []
    return _level_effects(values, own)


def _shown(kind: str, value: Any) -> str:
    if kind == "number":
        return figure(float(value))
    from datetime import UTC, datetime

    return datetime.fromtimestamp(float(value) / 1e3, tz=UTC).date().isoformat()


def _level_effects(values: pl.Series, own: np.ndarray) -> list[dict[str, Any]]:
    import polars as pl

    texts = values.cast(pl.String)
    here, made = texts.filter(pl.Series(own)).drop_nulls(), []
    every = texts.drop_nulls()
    if not len(here):
        return []
    counts = every.value_counts(sort=True).head(MOST_LEVELS)
    for level, n in counts.iter_rows():
        share, usual = float((here == level).mean() or 0.0), n / len(every)
        effect = 2 * (_arc(share) - _arc(usual))
        rare = effect < 0
        words = f"`{values.name}` {'not ' if rare else ''}{level} ({percent(share)}, all rows {percent(usual)})"
        made.append({"column": values.name, "effect": effect * (0.99 if rare else 1.0), "words": words})
    return made


def _arc(share: float) -> float:
    from math import asin, sqrt

    return asin(sqrt(min(max(share, 0.0), 1.0)))


def _row(frame: pl.DataFrame, columns: Sequence[str], place: int) -> dict[str, str]:
    """A typical row, short enough for a page."""
    shown = {}
    for name in list(columns)[:N_PROFILE]:
        value = frame[name][place]
        shown[name] = "" if value is None else figure(value) if isinstance(value, float) else str(value)[:40]
    return shown
