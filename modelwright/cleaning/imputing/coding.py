"""A typed table as one matrix of numbers and codes, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.core.data import Dataset

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

GUESSABLE = ("number", "category", "boolean", "datetime")
MOST_LEVELS = 30
"""Rarer levels than the 30 most frequent are told apart neither as inputs nor as guesses."""


@dataclass(frozen=True, kw_only=True)
class Coding:
    """How one column becomes numbers: `levels` of a category or boolean, most frequent first (none: it is a number).

    `seen` says that it has values at all.
    `whole` says that every value is a whole number; `low` and `high` are the least and greatest value seen, `centre`
    and `scale` the mean and deviation.
    """

    name: str
    kind: str
    seen: bool = True
    levels: tuple[str, ...] = ()
    whole: bool = False
    low: float = 0.0
    high: float = 0.0
    centre: float = 0.0
    scale: float = 1.0

    @property
    def n_levels(self) -> int:
        """How many levels can be guessed; 0 for a number."""
        return len(self.levels)

    def to_plain(self) -> dict[str, Any]:
        """JSON-able form."""
        return {**vars(self), "levels": list(self.levels)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Coding:
        """The inverse of `to_plain`."""
        return cls(**{**plain, "levels": tuple(plain["levels"])})


def learn_codings(data: Dataset, names: Sequence[str]) -> tuple[Coding, ...]:
    """How each named column is coded, as seen in these rows.

    >>> import polars as pl
    >>> from modelwright.core.data import Column, Schema
    >>> frame = pl.DataFrame({"x": [1.0, None, 3.0], "wood": ["ash", "oak", "oak"]})
    >>> data = Dataset.from_frame(frame, Schema((Column("x", "number"), Column("wood", "category"))))
    >>> x, wood = learn_codings(data, ("x", "wood"))
    >>> x.whole, x.high, wood.levels
    (True, 3.0, ('oak', 'ash'))
    """
    return tuple(_coding(data.column(name), data.schema[name].kind) for name in names)


def _coding(values: pl.Series, kind: str) -> Coding:
    import numpy as np
    import polars as pl

    if not values.count():
        return Coding(name=values.name, kind=kind, seen=False)
    if kind in ("category", "boolean"):
        counts = values.drop_nulls().cast(pl.String).alias("level").value_counts()
        ordered = counts.sort("count", "level", descending=[True, False])
        return Coding(name=values.name, kind=kind, levels=tuple(ordered["level"].head(MOST_LEVELS).to_list()))
    numbers = _numbers(values, kind)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return Coding(name=values.name, kind=kind, seen=False)
    centre, scale = float(numbers.mean()), float(numbers.std())
    if scale <= 1e-9 * max(abs(centre), 1e-300):
        scale = 0.0
    whole = bool((numbers == np.floor(numbers)).all())
    return Coding(
        name=values.name, kind=kind, whole=whole, low=float(numbers.min()), high=float(numbers.max()), centre=centre,
        scale=scale,
    )  # fmt: skip


def _numbers(values: pl.Series, kind: str) -> np.ndarray:
    import numpy as np
    import polars as pl

    if kind == "datetime":
        values = values.cast(pl.Datetime("us")).dt.timestamp("us") / 1e6
    numbers: np.ndarray = values.cast(pl.Float64).to_numpy().astype(np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def matrix(data: Dataset, codings: Sequence[Coding]) -> np.ndarray:
    """The coded table, float64 (n_rows, n_columns): numbers, places of levels (`n_levels` for a level that is not
    among them), NaN where missing."""
    import numpy as np
    import polars as pl

    coded = np.full((data.n_rows, len(codings)), np.nan)
    for place, coding in enumerate(codings):
        values = data.frame[coding.name]
        if coding.kind not in ("category", "boolean"):
            coded[:, place] = _numbers(values, coding.kind)
            continue
        codes = {level: float(code) for code, level in enumerate(coding.levels)}
        texts = values.cast(pl.String)
        found = texts.replace_strict(codes, default=float(coding.n_levels), return_dtype=pl.Float64)
        coded[:, place] = pl.select(pl.when(texts.is_not_null()).then(found)).to_series().to_numpy()
    return coded


def values_of(coded: np.ndarray, coding: Coding) -> pl.Series:
    """Guessed codes as values of the column's type: numbers within what was seen, whole where all were whole.

    >>> import numpy as np
    >>> values_of(np.array([2.6, 99.0]), Coding(name="n", kind="number", whole=True, low=0, high=7)).to_list()
    [3.0, 7.0]
    """
    import numpy as np
    import polars as pl

    if coding.levels:
        texts = [coding.levels[int(code)] for code in coded]
        if coding.kind == "boolean":
            return pl.Series(coding.name, [text == "true" for text in texts], dtype=pl.Boolean)
        return pl.Series(coding.name, texts, dtype=pl.String)
    numbers = np.clip(coded, coding.low, coding.high)
    if coding.whole:
        numbers = np.round(numbers)
    if coding.kind == "datetime":
        return pl.Series(coding.name, np.round(numbers * 1e6).astype(np.int64)).cast(pl.Datetime("us"))
    return pl.Series(coding.name, numbers, dtype=pl.Float64)
