"""Long rows, one for each step of time, become cases: a window of steps as series, and what is to be said of it.

Two kinds. *Windows*: rows of sessions whose target stays the same for long; one case a window. *Forecasts*: with a
horizon, one case an origin; its inputs are the past, its target the next `horizon` values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from modelwright.core.data import Decision
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    from modelwright.core.values import Cleaned, Watch


class WindowSpec(Spec):
    """Whether and how rows become cases. In YAML also `off`, `auto`, or `{length: 128, stride: 64}`.

    >>> WindowSpec.model_validate("off").use, WindowSpec(horizon=24).horizon
    ('off', 24)
    """

    use: Literal["auto", "off"] = Field("auto", description="auto looks whether rows are steps of sessions")
    horizon: int | None = Field(None, ge=1, description="how many steps ahead are forecast")
    length: int | None = Field(None, ge=2, le=1_000_000, description="steps that one case sees; by default by season")
    stride: int | None = Field(None, ge=1, description="steps from one case to the next")
    season: int | None = Field(None, ge=1, description="steps of one season; guessed from the target otherwise")
    most_cells: int = Field(30_000_000, ge=1000, description="most numbers in all cases; above it the stride grows")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        return {"use": given} if isinstance(given, str) else given


def window(cleaned: Cleaned, spec: WindowSpec = WindowSpec(), *, watch: Watch | None = None) -> Cleaned:  # noqa: B008
    """Turn a cleaned table of steps into a cleaned table of cases; a table that is none comes back as it is.

    With `horizon`, each case has the series of the target's past (`<target>_past`) and of every other number, the
    calendar parts of its origin, and as target the list of the next `horizon` values. Without, and when the rows
    are steps of groups (a column of role `group`) in which the target stays the same for long, each case is a
    window within one stretch of one target. Row ids of cases are those of their last rows. `kept` and `raw` are
    both the table of cases, so a case replays as any other row; what was merged, sorted or dropped is told in
    `decisions`. How it was done stands in `kept.origin["sequences"]`.

    Raises UserError `sequences.target` (no number to forecast), `sequences.short` (no case fits). Costs about a
    second and 16 bytes a number for 30 million numbers.

    Reference: Dietterich (2002), "Machine learning for sequential data: a review" (sliding windows).

    >>> import polars as pl
    >>> from modelwright.core.data import Dataset
    >>> from modelwright.core.values import Cleaned
    >>> from modelwright.core.data import Column, Schema
    >>> rows = Dataset.from_frame(
    ...     pl.DataFrame({"t": range(30), "y": [float(step % 5) for step in range(30)]}).cast(pl.Float64),
    ...     Schema((Column("t", "number", "time"), Column("y", "number", "target"))),
    ... )
    >>> table = Cleaned(kept=rows, raw=rows, removed=pl.DataFrame(), changes=pl.LazyFrame(), readings=(), decisions=())
    >>> cases = window(table, WindowSpec(horizon=2, length=5)).kept.frame
    >>> cases.select("t", "y_past", "y").row(0)
    (4.0, [0.0, 1.0, 2.0, 3.0, 4.0], [0.0, 1.0])
    """
    if spec.use == "off":
        return cleaned
    if spec.horizon is not None:
        from modelwright.sequences.forecast import forecast_cases

        return forecast_cases(cleaned, spec)
    from modelwright.sequences.windows import are_steps, window_cases

    reason = "asked for" if spec.length else are_steps(cleaned.kept)
    if reason.startswith("no: "):
        told = Decision("sequences", "rows", "stay a table", reason.removeprefix("no: "))
        return replace(cleaned, decisions=(*cleaned.decisions, told))
    return window_cases(cleaned, spec, reason)


def may_be_sequences(spec: WindowSpec, schema: list[Mapping[str, str]]) -> bool:
    """Whether it is worth looking at the rows: a horizon or length was asked for, or groups are known.

    >>> may_be_sequences(WindowSpec(), [{"name": "x", "role": "feature"}])
    False
    """
    if spec.use == "off":
        return False
    return bool(spec.horizon or spec.length) or any(
        column["role"] == "group" and column.get("why") == "asked for" for column in schema
    )
