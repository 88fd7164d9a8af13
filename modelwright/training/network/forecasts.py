"""What a forecast asks for: few series a linear map, learned gently; many series layers, and relative errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.core.data import Dataset, Decision
from modelwright.core.use import Use
from modelwright.training.network.spec import DeepSpec

if TYPE_CHECKING:
    import numpy as np

LEAST_SERIES = 10
LEAST_SPREAD = 10.0  # between the size of a large series and of a small one
MANY_SERIES = 100
TRUNK = {"mlp": {"layers": 2, "width": 256, "activation": "gelu", "dropout": 0.1}}
GENTLY = {"optimizer": {"adamw": {"learning_rate": 0.0005, "weight_decay": 0.01}}, "average": 0.999}


def suited(rows: Dataset, deep: DeepSpec) -> tuple[DeepSpec, list[Decision]]:
    """The spec with what follows from how many series there are, and how different in size; where nothing is asked.

    Ten series and more whose sizes differ tenfold are learned by relative error: squares would hear the largest
    alone. From a hundred series on, there is enough to learn from for layers beside the linear map of the past; below,
    layers learn the windows by heart, and a linear map does best with small steps and the mean of its last weights.

    References: Montero-Manso and Hyndman (2021), "Principles and algorithms for forecasting groups of time series";
    Zeng et al. (2023), "Are Transformers Effective for Time Series Forecasting?".
    """
    targets = [name for name in rows.schema.of_role("target") if rows.schema[name].kind == "series"]
    groups = rows.schema.of_role("group")
    if not targets:
        return deep, []
    told: list[Decision] = []
    n_series = 1
    for target in targets if groups else ():
        sizes = sizes_of(rows, target, groups[0])
        n_series, spread = len(sizes), _spread(sizes)
        if len(sizes) >= LEAST_SERIES and spread >= LEAST_SPREAD and target not in deep.losses:
            deep = deep.but(losses={**deep.losses, target: Use(method="relative")})
            reason = f"the sizes of {len(sizes):,} series differ {spread:,.0f}-fold: each counts by its own"
            told.append(Decision("training", f"loss of {target}", "relative", reason))
    if {"trunk", "encoders"} & set(deep.network):
        return deep, told
    if n_series >= MANY_SERIES:
        reason = f"{n_series:,} series: enough for layers beside the linear map of the past"
        return deep.but(network={**deep.network, "trunk": TRUNK}), [*told, Decision("training", "trunk", "mlp", reason)]
    told.append(Decision("training", "trunk", "none", "few series: layers would learn their windows by heart"))
    return deep.but(network={**deep.network, "trunk": "none"}, loop={**GENTLY, **deep.loop}), told


def sizes_of(rows: Dataset, target: str, group: str) -> np.ndarray:
    """The mean absolute target of each series, float64 (n_series,)."""
    import polars as pl

    size = pl.col(target).list.eval(pl.element().abs()).list.mean()
    means = rows.table.group_by(group).agg(size.mean().alias("size")).collect()
    return means["size"].drop_nulls().to_numpy()


def _spread(sizes: np.ndarray) -> float:
    """How many times as large a large series (the ninth tenth) is as a small one (the first)."""
    import numpy as np

    if not len(sizes):
        return 1.0
    small, large = np.quantile(sizes, [0.1, 0.9])
    return float(large / max(small, 1e-300))
