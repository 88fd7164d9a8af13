"""Fairness: how a model, or any decision, treats groups, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.core.errors import UserError
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.data import Dataset
    from modelwright.fairness.comparison import Change
    from modelwright.fairness.gaps import Gap
    from modelwright.fairness.rates import Figure, Judged
    from modelwright.groups import Crossed, Grouping

MOST_GROUPS = 200


class AuditSpec(Spec):
    """How groups are held against each other."""

    least_rows: int = Field(30, ge=1, description="fewer rows in a denominator are shown, and not compared")
    tolerance: float = Field(
        0.05, ge=0, le=1, description="differences up to this are called slight; of values, a share of their spread"
    )


@dataclass(frozen=True, kw_only=True)
class GroupFigures:
    """One group: its name in words, its levels by column, its rows and its measures. `few`: too few rows to compare."""

    name: str
    levels: Mapping[str, str]
    n_rows: int
    figures: Mapping[str, Figure]
    few: bool


@dataclass(frozen=True, kw_only=True)
class Grouped:
    """All groups of one column, or of two crossed, their gaps, and what changes against another way of answering."""

    columns: tuple[str, ...]
    how: str
    groups: tuple[GroupFigures, ...]
    gaps: tuple[Gap, ...]
    changes: tuple[Change, ...] = ()

    @property
    def name(self) -> str:
        """`sex`, or `sex and race`."""
        return " and ".join(self.columns)

    def gap(self, measure: str) -> Gap | None:
        """The gap of one measure, if groups have it."""
        return next((gap for gap in self.gaps if gap.measure == measure), None)


@dataclass(frozen=True, kw_only=True)
class Audit:
    """How `outcome` is told to groups: every grouping with its gaps. `about` and `before` say in words what answers,
    and what it is held against; `n_tests` differences were tested, and of those found 5 % are expected to be
    chance."""

    about: str
    outcome: str
    source: str
    n_rows: int
    overall: Mapping[str, Figure]
    groupings: tuple[Grouped, ...]
    n_tests: int
    spec: AuditSpec
    before: str = ""
    notes: tuple[str, ...] = ()

    @property
    def of_values(self) -> bool:
        """Whether numbers are answered, and not classes."""
        return "mae" in self.overall


def audit(
    judged: Judged,
    data: Dataset,
    by: Sequence[str],
    *,
    before: Judged | None = None,
    spec: AuditSpec | None = None,
    words: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Audit:
    """Measure how groups are treated, and how far they are apart.

    `data` has the same rows as `judged`, in its order, with the columns `by` that make groups: categories as they
    are, numbers and dates in ranges (see `modelwright.groups`); each two columns are crossed as well. `before` is
    another way of answering the same rows (one threshold for all, another model): what changes is told with paired
    intervals. `words` are `about`, `source` and `before` in words. Small groups are shown and not compared. Cost: 0.2
    s for 10,000 rows and 30 groups. Raises `UserError` `audit.groups`, `audit.rows`, `coverage.group`.

    References: Hardt, Price and Srebro (2016), "Equality of opportunity in supervised learning"; Chouldechova (2017),
    "Fair prediction with disparate impact"; Kleinberg, Mullainathan and Raghavan (2017), "Inherent trade-offs in the
    fair determination of risk scores" (why not all gaps can close at once where true shares differ).

    >>> import numpy as np, polars as pl
    >>> from modelwright.core.data import Dataset
    >>> from modelwright.fairness.rates import Judged
    >>> sex = np.repeat(["f", "m"], 200)
    >>> truth, told = np.tile([True, False], 200), np.arange(400) % np.where(sex == "f", 5, 2) == 0
    >>> rows = Dataset.from_frame(pl.DataFrame({"sex": sex}))
    >>> found = audit(Judged(outcome="hired", truth=truth, told=told), rows, ["sex"])
    >>> gap = found.groupings[0].gap("selection")
    >>> gap.lowest, round(gap.difference, 2), gap.standing
    ('f', 0.3, 'differs')
    """
    from modelwright.core.rng import stream
    from modelwright.fairness.comparison import changes
    from modelwright.fairness.gaps import decide, gaps_of, is_judged
    from modelwright.fairness.rates import figures_of
    from modelwright.groups import cross, group

    spec, words = spec or AuditSpec(), words or {}
    if not by or any(name not in data.schema for name in by):
        raise UserError("audit.groups", f"there is no column to make groups by: {', '.join(by) or 'none was named'}.",
                        hint=f"--protected with some of {', '.join(data.schema.names[:20])}")  # fmt: skip
    if len(judged.truth) != data.n_rows or not data.n_rows:
        raise UserError("audit.rows", f"{len(judged.truth)} answers, and {data.n_rows} rows to make groups of.")
    crossed = cross(data, [group(data.column(name)) for name in dict.fromkeys(by)])
    places: list[tuple[int, ...]] = [(place,) for place in range(len(crossed.groupings))]
    places += list(combinations(range(len(crossed.groupings)), 2))
    parts = [_groups(judged, crossed, one, spec) for one in places]
    gaps = decide(
        [gaps_of({one.name: one.figures for one in groups if _is_compared(one)}, least_rows=spec.least_rows)
         for groups, _ in parts],
        tolerance=spec.tolerance, scale=float(judged.truth.std()) if judged.of_values else 1.0,
    )  # fmt: skip
    made = []
    for place, (groups, numbers), own in zip(places, parts, gaps, strict=True):
        columns = tuple(crossed.groupings[one].column for one in place)
        told: tuple[Change, ...] = ()
        if before is not None and not judged.of_values:
            compared = _compared(groups, before, numbers, spec)
            told = changes(before, judged, numbers, compared, stream(seed, "fairness", *columns))
        how = "; ".join(crossed.groupings[one].how for one in place if crossed.groupings[one].how)
        made.append(Grouped(columns=columns, how=how, groups=groups, gaps=tuple(own), changes=told))
    n_tests = sum(is_judged(gap.measure) and gap.measure != "equalised_odds" for own in gaps for gap in own)
    return Audit(
        about=words.get("about", "the decision"), outcome=judged.outcome, source=words.get("source", "the rows given"),
        n_rows=data.n_rows, overall=figures_of(judged), groupings=tuple(made), n_tests=n_tests, spec=spec,
        before=words.get("before", "") if before is not None else "",
    )  # fmt: skip


def _compared(
    groups: Sequence[GroupFigures], before: Judged, numbers: np.ndarray, spec: AuditSpec
) -> dict[str, np.ndarray]:
    """For each measure, which groups have enough rows in its denominator, before and after."""
    import numpy as np

    from modelwright.fairness.comparison import COMPARED
    from modelwright.fairness.rates import figures_of

    was = [figures_of(before.take(numbers == place)) for place in range(len(groups))]

    def enough(measure: str, figures: Mapping[str, Figure]) -> bool:
        return measure in figures and figures[measure].n >= spec.least_rows

    return {
        measure: np.array([
            _is_compared(now) and enough(measure, now.figures) and enough(measure, old)
            for now, old in zip(groups, was, strict=True)
        ])
        for measure in COMPARED
    }  # fmt: skip


def _is_compared(group: GroupFigures) -> bool:
    """Rows that are several groups, or say none, are shown and not compared."""
    from modelwright.groups import NOT_STATED, OTHER

    return not {NOT_STATED, OTHER} & set(group.levels.values())


def _groups(
    judged: Judged, crossed: Crossed, places: tuple[int, ...], spec: AuditSpec
) -> tuple[tuple[GroupFigures, ...], np.ndarray]:
    """The groups of some groupings crossed, the largest first, and the number of each row's group."""
    import numpy as np

    from modelwright.fairness.rates import figures_of

    keys, key_of_cell = np.unique(crossed.codes[:, list(places)], axis=0, return_inverse=True)
    of_row = key_of_cell.reshape(-1)[crossed.cell]
    counts = np.bincount(of_row, minlength=len(keys))
    order = np.argsort(-counts, kind="stable")
    if len(order) > MOST_GROUPS:
        names = " and ".join(crossed.groupings[place].column for place in places)
        raise UserError("audit.groups", f"{names} make {len(order)} groups; at most {MOST_GROUPS} are looked at.",
                        hint="name columns with fewer values")  # fmt: skip
    number = np.empty(len(keys), dtype=np.int64)
    number[order] = np.arange(len(order))
    made = []
    for place in order.tolist():
        levels = {
            crossed.groupings[one].column: _level(crossed.groupings[one], int(code))
            for one, code in zip(places, keys[place], strict=True)
        }
        figures = figures_of(judged.take(of_row == place))
        made.append(GroupFigures(name=", ".join(levels.values()), levels=levels, n_rows=int(counts[place]),
                                 figures=figures, few=bool(counts[place] < spec.least_rows)))  # fmt: skip
    return tuple(made), number[of_row]


def _level(grouping: Grouping, code: int) -> str:
    from modelwright.groups import NOT_STATED

    return grouping.levels[code] if code < len(grouping.levels) else NOT_STATED
