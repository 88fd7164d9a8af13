"""What a target asks for: splitting and training agree here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from modelwright.core.data import Kind
    from modelwright_runtime.signature import TaskKind

OF_KINDS: dict[str, tuple[TaskKind, str]] = {
    "boxes": ("detection", "holds boxes with labels"),
    "mask": ("segmentation", "is a mask: a class for each pixel"),
    "labels": ("multilabel", "holds any number of labels a row"),
    "series": ("forecast", "is a series of values to come"),
}


def recognise(target: pl.Series, kind: Kind) -> tuple[TaskKind, str]:
    """The task that a target column asks for, and the reason.

    Texts and booleans are classes; a number is a value to be estimated unless it has at most two distinct
    values. Grades such as 3..8 are numbers: their order is information that classes would lose. Boxes are to be
    detected, a mask to be drawn, labels to be told apart one by one, a series to be forecast.

    >>> import polars as pl
    >>> recognise(pl.Series("quality", [3.0, 5.0, 8.0]), "number")
    ('regression', '`quality` is a number with 3 distinct values')
    """
    import polars as pl

    if kind in OF_KINDS:
        task, reason = OF_KINDS[kind]
        return task, f"`{target.name}` {reason}"
    n_distinct = target.drop_nulls().n_unique()
    numeric = target.dtype.is_numeric() or kind == "number"
    if n_distinct <= 2:
        return "binary", f"`{target.name}` has {n_distinct} distinct values"
    if numeric and target.dtype != pl.Boolean:
        return "regression", f"`{target.name}` is a number with {n_distinct} distinct values"
    return "multiclass", f"`{target.name}` is a {kind} with {n_distinct} distinct values"
