"""Rows whose truth and answers are too large to hold: each summed up once, metrics made of the sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

    from modelwright.evaluation.metrics import Floats, Ints, Measure


class Held(Protocol):
    """Rows with their truth and their answers, as intervals and slices see them.

    `units` (n,) numbers what is drawn as a whole (a series, a run of overlapping windows); None: each row.
    `n_columns` is what one row costs in a draw, in cells.
    """

    @property
    def kind(self) -> str: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def weights(self) -> Floats: ...
    @property
    def units(self) -> Ints | None: ...
    @property
    def n_rows(self) -> int: ...
    @property
    def n_columns(self) -> int: ...

    def take(self, rows: Ints) -> Held:
        """The same for some rows, by position."""

    def measured(self, measure: Measure, weights: Floats | None = None) -> Floats:
        """The metric under `weights` of shape (..., n_rows); the rows' own when None."""

    def n_errorless(self, metric: str) -> int:
        """Rows that an errorless share can speak for."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Sums:
    """`rows` has arrays whose first axis is the rows: what each row adds. `plain` is the same for all rows.

    Metrics are functions of this value and of weights (..., n), so a thousand draws are one product.
    """

    kind: str
    classes: tuple[str, ...]
    weights: Floats
    rows: Mapping[str, np.ndarray]
    plain: Mapping[str, Any] = field(default_factory=dict)
    units: Ints | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows: pictures, or series."""
        return len(self.weights)

    @property
    def n_columns(self) -> int:
        """What one row costs in a draw."""
        return max(1, len(self.classes) ** 2 // 4)

    def take(self, rows: Ints) -> Sums:
        """The same for some rows, by position."""
        return replace(
            self,
            weights=self.weights[rows],
            rows={name: values[rows] for name, values in self.rows.items()},
            units=None if self.units is None else self.units[rows],
        )

    def measured(self, measure: Measure, weights: Floats | None = None) -> Floats:
        """The metric under `weights` of shape (..., n); the rows' own when None."""
        number: Floats = measure.function(self, self.weights if weights is None else weights)
        return number

    def n_errorless(self, metric: str) -> int:
        """Rows that an errorless share can speak for: all."""
        return self.n_rows
