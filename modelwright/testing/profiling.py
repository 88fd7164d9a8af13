"""A small profile for examples and tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelwright.profiling.values import Profile


def tiny_profile() -> Profile:
    """A profile of 60 rows with two numbers and a target of two classes.

    >>> tiny_profile().target.classes
    (('yes', 40), ('no', 20))
    """
    import polars as pl

    from modelwright.core.data import Column, Dataset, Schema
    from modelwright.profiling.base import profile

    frame = pl.DataFrame({
        "age": [float(row % 30) for row in range(60)], "size": [row / 2 if row % 7 else None for row in range(60)],
        "paid": ["no" if row % 3 == 0 else "yes" for row in range(60)],
    })  # fmt: skip
    schema = Schema((Column("age", "number"), Column("size", "number"), Column("paid", "category", "target")))
    return profile(Dataset.from_frame(frame, schema))
