"""No group, no future, no twin on both sides: which rows train, which are held out, and in which folds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from modelwright.core.spec import Spec

if TYPE_CHECKING:
    from modelwright.core.data import Dataset
    from modelwright.core.values import Splits


class SplitSpec(Spec):
    """How rows are divided. Every automatic choice is told with its reason in `Splits.decisions`."""

    kind: Literal["auto", "random", "stratified", "grouped", "time", "given"] = Field(
        default="auto", description="how to divide the rows; auto chooses from the data and says why"
    )
    size: float = Field(default=0.2, gt=0, lt=1, description="share of rows held out for the last test")
    folds: int | None = Field(
        default=None,
        ge=1,
        le=50,
        description="validation folds of the training rows; 1 is one held-out part; by default"
        " 5, fewer above 20,000 rows",
    )
    column: str | None = Field(default=None, description="column that says train, test or validation (kind: given)")
    group: str | None = Field(default=None, description="column whose equal values stay on one side (kind: grouped)")
    time: str | None = Field(default=None, description="column that orders the rows in time (kind: time)")


def split(data: Dataset, spec: SplitSpec = SplitSpec(), *, seed: int = 0) -> Splits:  # noqa: B008
    """Divide a cleaned table into training rows with validation folds and a held-out test.

    `auto` takes, in this order: a column with role `split`; a `time` column, or a date that orders the file
    when the target follows time; a group or identifier that repeats; classes in equal shares; chance. Rows
    that are equal in every feature (twins) are kept on one side and in one fold, whatever their target. Rows
    without a target are in neither set. The result depends on the seed and on the rows' ids, not on their
    order (a split by the order of a file's dates excepted). Cost: about one second and 200 MB for a million
    rows.

    Raises `UserError`: `split.rows` (too few), `split.target` (none), `split.single_class`, `split.column`,
    `split.given`, `split.groups`, `split.time`.

    Reference: Kaufman et al. (2012), "Leakage in data mining".

    >>> import polars as pl
    >>> from modelwright.core.data import Column, Dataset, Schema
    >>> frame = pl.DataFrame({"x": range(100), "y": ["a", "b"] * 50})
    >>> schema = Schema((Column("x", "number"), Column("y", "category", "target")))
    >>> splits = split(Dataset.from_frame(frame, schema), seed=1)
    >>> splits.kind, len(splits.train), len(splits.test), len(splits.pairs())
    ('stratified', 80, 20, 5)
    """
    from modelwright.splitting.choose import choose
    from modelwright.splitting.draw import draw_by_time, draw_given, draw_units
    from modelwright.splitting.rows import read_rows

    rows = read_rows(data)
    choice = choose(data, rows, spec)
    if choice.kind == "given":
        return draw_given(data, rows, choice, spec, seed)
    if choice.kind == "time":
        return draw_by_time(data, rows, choice, spec)
    return draw_units(data, rows, choice, spec, seed)
