"""What an answer would be if one column had another value: on average over rows, and row by row."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Literal

from modelwright.told import figure

if TYPE_CHECKING:
    import numpy as np

    from modelwright.explanation.mixing import Mixer, Sample
    from modelwright.explanation.outcome import Outcome

N_POINTS = 20
MOST_LEVELS = 12
MOST_LINES = 30
N_BINS = 24
FEW = 10
"""Numbers with so many values at most are shown value by value."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Partial:
    """One column's curve. `labels` (k,) are the values in words, `at` (k,) their places: numbers, or 0, 1, 2 ... of
    levels.

    `mean` (k,) is the mean answer when all rows have that value, `lines` (n_lines, k) the answers of single rows.
    `shares` are shares of the data: of each value, or of the bins between `edges` (n_bins + 1).
    """

    column: str
    kind: Literal["number", "datetime", "level"]
    labels: tuple[str, ...]
    at: np.ndarray
    mean: np.ndarray
    lines: np.ndarray
    shares: np.ndarray
    edges: np.ndarray | None = None


def partial(mixer: Mixer, outcome: Outcome, place: int, pool: Sample, rows: Sample) -> Partial | None:
    """The curve of one column over values that occur in `pool`, answered for `rows`; None where values have no order
    and no levels (texts, pictures, series) or there is but one.

    Numbers are shown at up to 20 quantiles of rows and of different values, without the outermost 1 %; levels as they
    are, the 12 most frequent. Where columns go together the mixed rows may be ones that do not occur. Cost: one
    answer for each row and value.

    Reference: Friedman (2001), "Greedy function approximation", section 8.2; Goldstein et al. (2015), "Peeking inside
    the black box: individual conditional expectation".
    """
    import numpy as np

    values = mixer.values(pool, place)
    if values is None:
        return None
    column = mixer.columns[place]
    is_number = values.dtype.kind == "f" and mixer.model.kinds[column] != "boolean"
    known = np.flatnonzero(np.isfinite(values)) if is_number else np.arange(len(values))
    if is_number and len(np.unique(values[known])) > FEW:
        lent, shares, edges = _of_numbers(values, known)
        kind: Literal["number", "datetime", "level"] = (
            "datetime" if mixer.model.kinds[column] == "datetime" else "number"
        )
        at, labels = values[lent], tuple(_told(one, kind) for one in values[lent].tolist())
    else:
        lent, shares = _of_levels(values, is_number=is_number)
        kind, at, edges = "level", np.arange(len(lent), dtype=np.float64), None
        labels = tuple(level_text(pool.cells[column][one]) for one in lent.tolist())
    if len(lent) < 2:
        return None
    n, k = rows.n_rows, len(lent)
    taken = np.zeros((n * k, len(mixer.columns)), dtype=bool)
    taken[:, place] = True
    answers = mixer.mixed(pool, rows, (np.tile(lent, n), np.repeat(np.arange(n), k)), taken)
    lines = outcome.of(answers, 0).reshape(n, k)
    return Partial(
        column=column, kind=kind, labels=labels, at=at, mean=lines.mean(axis=0), lines=lines[:MOST_LINES],
        shares=shares, edges=edges,
    )  # fmt: skip


def _of_numbers(values: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows at the quantiles, and a histogram of what lies between the outermost."""
    import numpy as np

    order = known[np.argsort(values[known], kind="stable")]
    _, first = np.unique(values[order], return_index=True)
    half = np.linspace(0.01, 0.99, N_POINTS // 2)
    of_rows, of_values = (np.round(half * (n - 1)).astype(int) for n in (len(order), len(first)))
    marks = np.concatenate([order[of_rows], order[first[of_values]]])  # many rows may share one value
    lent = marks[np.unique(values[marks], return_index=True)[1]]
    low, high = values[lent[0]], values[lent[-1]]
    if low == high:
        return lent[:1], np.ones(1), np.array([low, high])
    counts, edges = np.histogram(values[known], bins=N_BINS, range=(low, high))
    return lent, counts / max(1, len(known)), edges


def _of_levels(values: np.ndarray, *, is_number: bool) -> tuple[np.ndarray, np.ndarray]:
    """The first row of each level, the most frequent levels first (numbers in their order), and the levels' shares."""
    import numpy as np

    comparable = np.where(np.isnan(values), np.inf, values) if values.dtype.kind == "f" else values.astype(str)
    _, first, counts = np.unique(comparable, return_index=True, return_counts=True)
    most = np.argsort(-counts, kind="stable")[:MOST_LEVELS]
    chosen = np.sort(most) if is_number else most
    return first[chosen], counts[chosen] / len(values)


def level_text(cell: object) -> str:
    """A cell as a level's name.

    >>> level_text(" Oslo "), level_text(None), level_text(3.0), level_text(1 / 3), level_text(True)
    ('Oslo', '(missing)', '3', '0.333333', 'true')
    """
    from modelwright_runtime.reading import as_text

    if isinstance(cell, float) and isfinite(cell) and not cell.is_integer():
        return f"{cell:.6g}"
    text = "" if cell is None or cell != cell else as_text(cell).strip()
    return text or "(missing)"


def _told(value: float, kind: str) -> str:
    import numpy as np

    if kind == "datetime":
        return str(np.datetime64(int(value), "s").astype("datetime64[D]"))
    return f"{value:,.0f}" if value == int(value) else figure(value)
