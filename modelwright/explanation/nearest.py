"""What would have to change for another answer: the nearest row that has it, with no more changes than it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from modelwright.explanation.mixing import Mixer, Sample


@dataclass(frozen=True)
class Hint:
    """Changes (column, cell of the row, cell of a row of the background) after which the package says `said`."""

    said: str
    changes: tuple[tuple[str, Any, Any], ...]


def hints(
    mixer: Mixer, sample: Sample, said: np.ndarray, pool: Sample, pool_said: np.ndarray, *, last: frozenset[str]
) -> tuple[Hint | None, ...]:
    """For each row the cells to change for another answer; None where the pool has no other, or too much would change.

    The nearest row (Gower's distance: numbers by their range, else equal or not) of which the package says something
    else is taken, and then every column of it that is not needed is given back, those named in `last` first (what
    nobody can change, such as sex), then those that differ most. `said` and `pool_said` are answers in words. What
    the package would say is told, and nothing of what would come of it in the world.

    Reference: Gower (1971), "A general coefficient of similarity"; Keane and Smyth (2020), "Good counterfactuals and
    where to find them".
    """
    import numpy as np

    ranges = [_range(mixer.values(pool, place)) for place in range(len(mixer.columns))]
    made: list[Hint | None] = []
    for place in range(sample.n_rows):
        unlike = pool_said != said[place]
        if not unlike.any():
            made.append(None)
            continue
        apart = _apart(mixer, sample, place, pool, ranges)
        nearest = int(np.argmin(np.where(unlike, apart.sum(axis=1), np.inf)))
        kept, now_said = _needed(mixer, sample, place, pool, nearest, apart[nearest], last)
        if now_said == said[place]:  # its own threshold says otherwise of the other's columns
            made.append(None)
            continue
        names = [mixer.columns[one] for one in kept]
        changes = tuple((name, sample.cells[name][place], pool.cells[name][nearest]) for name in names)
        made.append(Hint(str(now_said), changes))
    return tuple(made)


def _range(values: np.ndarray | None) -> float:
    """The span of the middle 98 % of a column's numbers; 0 for what is equal or not."""
    import numpy as np

    if values is None or values.dtype.kind != "f" or not np.isfinite(values).any():
        return 0.0
    low, high = np.quantile(values[np.isfinite(values)], [0.01, 0.99])
    return float(high - low)


def _apart(mixer: Mixer, sample: Sample, place: int, others: Sample, ranges: list[float]) -> np.ndarray:
    """How far each column of each other row is, 0 to 1."""
    import numpy as np

    found = mixer.differs(sample, place, others).astype(np.float64)
    for column, span in enumerate(ranges):
        values, own = mixer.values(others, column), mixer.values(sample, column)
        if span > 0 and values is not None and own is not None:
            gap = np.abs(values - own[place]) / span
            found[:, column] = np.where(np.isnan(gap), found[:, column], np.minimum(gap, 1.0))
    return found


def _needed(
    mixer: Mixer, sample: Sample, place: int, pool: Sample, other: int, apart: np.ndarray, last: frozenset[str]
) -> tuple[list[int], Any]:
    """Columns of the other row without which the answer would be the old one, in the table's order, and what is
    said."""
    import numpy as np

    def say(columns: set[int]) -> Any:
        taken = np.zeros((1, len(mixer.columns)), dtype=bool)
        taken[0, list(columns)] = True
        answer = mixer.mixed(pool, sample, (np.array([other]), np.array([place])), taken)
        return mixer.said(answer, sample.threshold_at([place]))[0]

    differing = np.flatnonzero(apart > 0).tolist()
    kept, before = set(differing), say(set())
    now = say(kept)
    for one in sorted(differing, key=lambda one: (mixer.columns[one] not in last, -apart[one])):
        without = say(kept - {one})
        if without != before:
            kept, now = kept - {one}, without
    return sorted(kept), now
