"""Two ways of answering the same rows: what one wins in fairness over the other, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from modelwright.fairness.rates import Judged

N_DRAWS = 2_000
COMPARED = ("selection", "true_positive_rate", "false_positive_rate", "precision")


@dataclass(frozen=True, kw_only=True)
class Change:
    """One figure before and after: the `accuracy` of all rows, or the largest gap of a measure between groups.

    `change` is after less before, with a 95 % interval from paired draws: both ways answer the same drawn rows.
    """

    of: str
    before: float
    after: float
    change: float
    low: float
    high: float


def changes(
    before: Judged, after: Judged, group: np.ndarray, compared: Mapping[str, np.ndarray], rng: np.random.Generator
) -> tuple[Change, ...]:
    """What changes in the accuracy over all rows and in the gap of every measure, between classes told twice.

    `group` (n,) is the number of each row's group; `compared` says for each measure which groups are held against each
    other. Rows fall into few cells (group, truth, told before, told after), so draws are draws of their counts.

    Reference: Efron and Tibshirani (1993), "An introduction to the bootstrap", chapter 13.

    >>> import numpy as np
    >>> from modelwright.fairness.rates import Judged
    >>> truth, group = np.tile([True, False], 500), np.repeat([0, 1], 500)
    >>> unfair = Judged(outcome="hired", truth=truth, told=truth & (group == 0))
    >>> fair = Judged(outcome="hired", truth=truth, told=truth)
    >>> both = dict.fromkeys(COMPARED, np.array([True, True]))
    >>> made = changes(unfair, fair, group, both, np.random.default_rng(0))
    >>> [(one.of, one.before, one.after) for one in made[:2]]
    [('accuracy', 0.75, 1.0), ('selection', 0.5, 0.0)]
    """
    import numpy as np

    n_groups = int(group.max()) + 1
    cell = ((group * 2 + after.truth) * 2 + before.told) * 2 + after.told
    counts = np.bincount(cell, minlength=8 * n_groups).astype(float)
    drawn = rng.multinomial(len(group), counts / counts.sum(), size=N_DRAWS).astype(float)
    tables = np.concatenate([counts[None], drawn]).reshape(-1, n_groups, 2, 2, 2)
    sides = tables.sum(axis=4), tables.sum(axis=3)  # (draw, group, truth, told): before and after
    found = {"accuracy": tuple(_accuracy(side) for side in sides)}
    for measure, groups in compared.items():
        if groups.sum() > 1:
            found[measure] = tuple(_gap(_rate(measure, side)[:, groups]) for side in sides)
    if {"true_positive_rate", "false_positive_rate"} <= found.keys():
        both = zip(found["true_positive_rate"], found["false_positive_rate"], strict=True)
        found["equalised_odds"] = tuple(np.maximum(one, two) for one, two in both)
    return tuple(_change(measure, was, now) for measure, (was, now) in found.items())


def _change(measure: str, before: np.ndarray, after: np.ndarray) -> Change:
    """Of a value (first) and its draws."""
    import numpy as np

    gain = after - before
    drawn = gain[1:][np.isfinite(gain[1:])]
    low, high = np.quantile(drawn - drawn.mean(), [0.025, 0.975]) + gain[0] if len(drawn) else (np.nan, np.nan)
    was, now, change = float(before[0]), float(after[0]), float(gain[0])
    return Change(of=measure, before=was, after=now, change=change, low=float(low), high=float(high))


def _accuracy(table: np.ndarray) -> np.ndarray:
    right = table[:, :, 0, 0] + table[:, :, 1, 1]
    return right.sum(axis=1) / table.sum(axis=(1, 2, 3))  # type: ignore[no-any-return]


def _gap(rates: np.ndarray) -> np.ndarray:
    """The largest less the smallest, (n_draws,); NaN where a draw leaves a group without its denominator."""
    return rates.max(axis=1) - rates.min(axis=1)  # type: ignore[no-any-return]


def _rate(measure: str, table: np.ndarray) -> np.ndarray:
    """A rate of each group, (n_draws, n_groups), of counts by truth and told; NaN where its denominator is empty."""
    import numpy as np

    told, true, both = table[..., 1].sum(axis=2), table[:, :, 1].sum(axis=2), table[:, :, 1, 1]
    all_rows = table.sum(axis=(2, 3))
    top, bottom = {
        "selection": (told, all_rows), "true_positive_rate": (both, true),
        "false_positive_rate": (table[:, :, 0, 1], all_rows - true), "precision": (both, told),
    }[measure]  # fmt: skip
    return np.asarray(np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0))
