"""Columns that are the target under another name. Conservative: a strong feature is not a leak.

A leak is a column whose values and the target's classes are one-to-one (the target in another coding), one
that names the target and says its class without exception, or a number that is the target up to scale.
"""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from modelwright.cleaning.columns import name_words
from modelwright.core.data import GIVES_AWAY, Decision, Schema

if TYPE_CHECKING:
    import polars as pl

LEAST_ROWS = 50
LEAST_COVERED = 0.5
MOST_LEVELS = 50
SAME_LINE = 0.9999
ALLOWED_SLIPS = 0.001


def mark_leaks(schema: Schema, sample: pl.DataFrame, open_columns: Container[str]) -> tuple[Schema, list[Decision]]:
    """The schema with leaking columns ignored, and what was decided. `sample` is typed.

    Only `open_columns` are judged: those whose role nobody asked for.
    """
    target = schema.target
    told: list[Decision] = []
    if target is None:
        return schema, told
    for column in schema.columns:
        if column.role not in ("feature", "id") or column.name not in open_columns:
            continue
        why = _leak(sample, column.name, target)
        if why:
            why = f"{GIVES_AWAY}: {why}; to keep it, ask for `roles: {{{column.name}: feature}}`"
            schema = schema.with_column(column.name, role="ignored", why=why)
            told.append(Decision("cleaning", column.name, "ignored", why))
    return schema, told


def _leak(sample: pl.DataFrame, name: str, target: str) -> str:
    import polars as pl

    both = sample.select(name, target).drop_nulls()
    n_target = sample[target].len() - sample[target].null_count()
    if both.height < max(LEAST_ROWS, LEAST_COVERED * n_target):
        return ""
    numeric = both[name].dtype == both[target].dtype == pl.Float64
    if numeric and both[target].n_unique() > 2:
        return _same_line(both, name, target)
    if both[target].n_unique() <= MOST_LEVELS and both[name].dtype != pl.Datetime("us"):
        return _same_classes(both, name, target)
    return ""


def _same_line(both: pl.DataFrame, name: str, target: str) -> str:
    import numpy as np

    x, y = both[name].to_numpy(), both[target].to_numpy()
    if x.std() == 0 or y.std() == 0:
        return ""
    correlation = float(np.corrcoef(x, y)[0, 1])
    if abs(correlation) <= SAME_LINE:
        return ""
    return f"it is `{target}` up to scale (correlation {correlation:.6f} in {both.height} rows)"


def _same_classes(both: pl.DataFrame, name: str, target: str) -> str:
    n_values, n_classes = both[name].n_unique(), both[target].n_unique()
    if n_classes < 2 or n_values < n_classes or n_values > MOST_LEVELS * n_classes:
        return ""
    pairs = both.group_by(name, target).len().sort("len", descending=True)
    allowed = ALLOWED_SLIPS * both.height if both.height >= 1000 else 0
    main = pairs.unique(name, keep="first", maintain_order=True)
    slips = both.height - int(main["len"].sum())
    if slips > allowed:
        return ""
    if n_values == n_classes and main[target].n_unique() == n_classes:
        return f"its {n_values} values and the {n_classes} classes of `{target}` are one-to-one in {both.height} rows"
    if _names(name, target) and n_values * 5 <= both.height:
        return (
            f"it is named after `{target}` and each of its {n_values} values goes with one class in {both.height} rows"
        )
    return ""


def _names(name: str, target: str) -> bool:
    words, wanted = set(name_words(name)), set(name_words(target))
    return bool(wanted) and max(map(len, wanted)) > 2 and wanted < words
