"""Datetimes (seconds since 1970) taken apart: year, month, day, weekday, hour, day of year, days elapsed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from modelwright.core.spec import Spec
from modelwright.features.base import State, Step

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph

PARTS = ("year", "month", "day", "weekday", "hour", "day of year", "days elapsed")


class DatesSpec(Spec):
    """No settings: parts that do not vary in training are left out."""


def _parts(seconds: Any, origin: Any, floor: Callable[[Any], Any]) -> list[Any]:
    """The parts of PARTS, each of the shape of `seconds`; the same lines reckon with arrays and with nodes.

    Days to a civil date by eras of 400 years that begin on 1 March, so that leap days come last.
    Reference: Hinnant (2013), "chrono-Compatible Low-Level Date Algorithms". `hour` has no fraction, weekday
    is 0 on Mondays, day of year is 1 on 1 January, days elapsed count from `origin`, with fraction.
    """
    days = floor(seconds / 86400.0)
    hour = floor((seconds - days * 86400.0) / 3600.0)
    weekday = (days + 3.0) - floor((days + 3.0) / 7.0) * 7.0
    shifted = days + 719468.0
    era = floor(shifted / 146097.0)
    day_of_era = shifted - era * 146097.0
    leaps = floor(day_of_era / 1460.0) - floor(day_of_era / 36524.0) + floor(day_of_era / 146096.0)
    year_of_era = floor((day_of_era - leaps) / 365.0)
    leap_days = floor(year_of_era / 4.0) - floor(year_of_era / 100.0)
    from_march = day_of_era - (year_of_era * 365.0 + leap_days)
    month_from_march = floor((from_march * 5.0 + 2.0) / 153.0)
    day = from_march - floor((month_from_march * 153.0 + 2.0) / 5.0) + 1.0
    after_december = floor(month_from_march / 10.0)
    month = month_from_march + 3.0 - after_december * 12.0
    year = year_of_era + era * 400.0 + after_december
    before = year - 1.0
    first = before * 365.0 + floor(before / 4.0) - floor(before / 100.0) + floor(before / 400.0) - 719162.0
    return [year, month, day, weekday, hour, days - first + 1.0, (seconds - origin) / 86400.0]


def learn(x: np.ndarray, *, spec: DatesSpec, **_: Any) -> State:
    """The earliest moment of each column and the parts that vary, as positions in a matrix of all parts.

    >>> import numpy as np
    >>> moments = np.array([[0.0], [86400.0 * 366]])
    >>> state = learn(moments, spec=DatesSpec())
    >>> [name for name, _ in names(state, ["at"])]
    ['at year', 'at day', 'at weekday', 'at day of year', 'at days elapsed']
    >>> apply(state, moments).tolist()
    [[1970.0, 1.0, 3.0, 1.0, 0.0], [1971.0, 2.0, 5.0, 2.0, 366.0]]
    """
    import numpy as np

    origin = np.full(x.shape[1], 0.0)
    for index in range(x.shape[1]):
        known = x[~np.isnan(x[:, index]), index]
        origin[index] = known.min() if known.size else 0.0
    parts = np.concatenate(_parts(x, origin, np.floor), axis=1)
    some = ~np.isnan(parts).all(axis=0)
    varies = np.zeros(parts.shape[1], dtype=bool)
    varies[some] = np.nanmin(parts[:, some], axis=0) < np.nanmax(parts[:, some], axis=0)
    return {"origin": origin, "kept": np.flatnonzero(varies)}


def apply(state: State, x: np.ndarray) -> np.ndarray:
    """The parts that vary: float64 of shape (n, number of them), part by part; NaN where missing."""
    import numpy as np

    parts: np.ndarray = np.concatenate(_parts(x, state["origin"], np.floor), axis=1)[:, state["kept"]]
    return parts


def names(state: State, columns: Sequence[str]) -> list[tuple[str, int]]:
    """`<column> <part>`."""
    pairs = [(f"{name} {part}", index) for part in PARTS for index, name in enumerate(columns)]
    return [pairs[kept] for kept in state["kept"]]


def emit(state: State, graph: Graph, x: str) -> str:
    """`apply` as nodes."""
    parts = _parts(graph.tensor(x), state["origin"][None], lambda tensor: tensor.map("Floor"))
    joined = graph.node("Concat", *(part.name for part in parts), axis=1)
    return graph.node("Gather", joined, graph.constant(state["kept"], "int64"), axis=1)


STEP = Step(name="dates", accepts="numbers", spec=DatesSpec, learn=learn, apply=apply, names=names, emit=emit)
