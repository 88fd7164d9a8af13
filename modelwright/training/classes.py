"""A target's classes as texts, and their order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

POSITIVE_WORDS = ("true", "yes", "y", "t", "positive", "pos", "+")
"""Spellings of a class that people mean when they say "positive"; otherwise the rarer class is."""


def class_texts(target: pl.Series) -> pl.Series:
    """A target's classes as the texts of `Task.classes`: 1.0 is "1", true is "true"; null stays null.

    >>> import polars as pl
    >>> class_texts(pl.Series("y", [0.0, 1.0, None])).to_list()
    ['0', '1', None]
    """
    import polars as pl

    from modelwright_runtime.reading import as_text

    if target.dtype == pl.String:
        return target
    values = target.unique(maintain_order=True).drop_nulls()
    texts = [as_text(value) for value in values.to_list()]
    return target.replace_strict(values, pl.Series(texts, dtype=pl.String), default=None, return_dtype=pl.String)


def class_order(texts: pl.Series) -> tuple[str, ...]:
    """The classes in the order of the probabilities; of two, the positive one is last.

    Numbers ascend, texts follow the alphabet. Of two classes the one whose word means "yes" is positive, or
    the 1 beside a 0 or a -1, and otherwise the rarer one.

    >>> import polars as pl
    >>> class_order(pl.Series(["g", "b", "g"])), class_order(pl.Series(["yes", "no", "yes"]))
    (('g', 'b'), ('no', 'yes'))
    """
    present = texts.drop_nulls()
    counts = {str(text): int(count) for text, count in present.value_counts().iter_rows()}
    classes = sorted(counts, key=_natural)
    if len(classes) != 2:
        return tuple(classes)
    positive = [text for text in classes if text.strip().casefold() in POSITIVE_WORDS]
    if set(classes) in ({"0", "1"}, {"-1", "1"}):
        positive = ["1"]
    if len(positive) != 1:
        positive = [min(reversed(classes), key=lambda text: counts[text])]
    return tuple(text for text in classes if text != positive[0]) + (positive[0],)


def _natural(text: str) -> tuple[int, float, str]:
    try:
        number = float(text)
    except ValueError:
        return (1, 0.0, text)
    return (0, number, text) if math.isfinite(number) else (1, 0.0, text)
