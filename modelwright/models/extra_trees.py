"""Extra trees: deep trees that cut at random, every one on all rows, averaged."""

from __future__ import annotations

from pydantic import Field

from modelwright.models.base import Model
from modelwright.models.forest import ForestSpec, fit, units


class ExtraTreesSpec(ForestSpec):
    """Number, size and randomness of the trees."""

    extra: bool = Field(True, description="random thresholds, every tree sees all rows")
    min_leaf: int = Field(1, ge=1, description="fewest rows in a leaf")


MODEL = Model(
    name="extra_trees",
    fit=fit,
    spec=ExtraTreesSpec,
    preset="plain",
    order=6,
    variants=({}, {"min_leaf": 3, "column_share": 0.7}),
    space={
        "min_leaf": {"low": 1, "high": 20, "integer": True, "log": True},
        "column_share": {"low": 0.1, "high": 1.0},
    },
    suits=lambda task, n_rows, n_columns: n_rows <= 1_000_000,
    units=units,
)
