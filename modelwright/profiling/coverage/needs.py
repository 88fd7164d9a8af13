"""What to collect next: a table that can be sent to whoever collects. How many rows, of what, and why."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Literal

from modelwright.profiling.coverage.patterns import levels_of
from modelwright.proportions import rows_to_see

if TYPE_CHECKING:
    import numpy as np

    from modelwright.groups import Crossed
    from modelwright.profiling.coverage.patterns import Uncovered
    from modelwright.profiling.coverage.skews import Skew

GAP = 0.05
MOST_PLANNED = 1000
Reason = Literal["uncovered", "population", "thin class", "label gap"]


@dataclass(frozen=True, kw_only=True)
class Need:
    """Rows to collect: `need` more that match `pattern` (levels by column), of which there are `have`."""

    reason: Reason
    pattern: Mapping[str, str]
    have: int
    need: int
    why: str


def plan_of(found: Uncovered, crossed: Crossed) -> tuple[tuple[Need, ...], int]:
    """Rows that bring every minimal uncovered pattern to the threshold, as few as a greedy choice finds, and the number
    of rows that no plan can do without.

    Each step takes the pattern that lacks most rows, joins it with patterns that one row can match as well, and asks
    for as many such rows as one of them lacks. Of more than 1,000 patterns the first 1,000 are planned.
    Asudeh et al. (2019) do so pattern by pattern; the bound: patterns of the same columns exclude each other.

    >>> import polars as pl
    >>> from modelwright.core.data import Dataset
    >>> from modelwright.groups import cross, group
    >>> from modelwright.profiling.coverage.patterns import uncovered
    >>> frame = pl.DataFrame({"a": ["x"] * 60 + ["y"] * 5, "b": ["u"] * 55 + ["v"] * 10})
    >>> crossed = cross(Dataset.from_frame(frame), [group(frame["a"]), group(frame["b"])])
    >>> plan, least = plan_of(uncovered(crossed), crossed)
    >>> [(dict(one.pattern), one.need) for one in plan], least
    ([({'a': 'y', 'b': 'v'}, 20), ({'a': 'y'}, 5)], 25)
    """
    import numpy as np

    codes = found.codes[:MOST_PLANNED]
    lacking = np.array([pattern.need for pattern in found.patterns[:MOST_PLANNED]], dtype=np.int64)
    bound = _least(codes, lacking)
    made: dict[tuple[int, ...], tuple[int, set[int]]] = {}
    left = lacking.copy()
    while left.any():
        combination = _joined(codes, left)
        met = ((codes == -1) | (codes == combination)).all(axis=1) & (left > 0)
        n = int(left[met].max()) if met.sum() == 1 else int(left[met].min())
        left[met] -= n
        before, of = made.get(tuple(combination.tolist()), (0, set()))
        made[tuple(combination.tolist())] = before + n, of | set(np.flatnonzero(met).tolist())
    ordered = sorted(made.items(), key=lambda item: min(item[1][1]))
    return tuple(_need(crossed, np.array(key), n, of, found) for key, (n, of) in ordered), bound


def _joined(codes: np.ndarray, left: np.ndarray) -> np.ndarray:
    """The pattern that lacks most, joined with others that do not contradict it, those that lack most first."""
    import numpy as np

    combination: np.ndarray = codes[int(left.argmax())].copy()
    while True:
        open_ = codes == -1
        fits = (open_ | (combination == -1) | (codes == combination)).all(axis=1) & (left > 0)
        fits &= ~(open_ | (codes == combination)).all(axis=1)
        if not fits.any():
            return combination
        place = int(np.where(fits, left, -1).argmax())
        combination = np.where(codes[place] >= 0, codes[place], combination)


def _least(codes: np.ndarray, lacking: np.ndarray) -> int:
    """Rows that no plan does without: a row matches one pattern of the same columns at most."""
    sums: dict[bytes, int] = {}
    for code, n in zip(codes, lacking.tolist(), strict=True):
        key = (code >= 0).tobytes()
        sums[key] = sums.get(key, 0) + n
    return max(sums.values(), default=0)


def _need(crossed: Crossed, combination: np.ndarray, n: int, of: set[int], found: Uncovered) -> Need:
    pattern = levels_of(crossed, combination)
    match = ((combination == -1) | (crossed.codes == combination)).all(axis=1)
    first = min(of)
    example = " and ".join(found.patterns[first].levels.values())
    others = f" and {len(of) - 1} more groups" if len(of) > 2 else " and one more group" if len(of) == 2 else ""
    why = f"fewer than {found.least_rows} rows: {example}{others}"
    return Need(reason="uncovered", pattern=pattern, have=int(crossed.counts[match].sum()), need=n, why=why)


def population_needs(crossed: Crossed, skews: Iterable[Skew]) -> tuple[Need, ...]:
    """Rows that bring a group that is found short to its share, if nothing else were added."""
    from modelwright.profiling.coverage.words import percent

    made = []
    for skew in skews:
        if skew.kind != "population" or not skew.found or skew.difference >= 0 or len(skew.group) > 1:
            continue
        n = skew.n_rows / skew.rate if skew.rate else float(crossed.counts.sum())
        need = ceil((skew.other_rate * n - skew.n_rows) / max(1 - skew.other_rate, 1e-9))
        why = f"{percent(skew.rate)} of rows, {percent(skew.other_rate)} of the population"
        made.append(Need(reason="population", pattern=skew.group, have=skew.n_rows, need=need, why=why))
    return tuple(made)


def class_needs(classes: Mapping[str, int], target: str, *, least_rows: int) -> tuple[Need, ...]:
    """Rows for classes of the target that have fewer than `least_rows`."""
    return tuple(
        Need(reason="thin class", pattern={target: name}, have=n, need=least_rows - n,
             why=f"a class of fewer than {least_rows} rows can hardly be learned or measured")
        for name, n in classes.items() if n < least_rows
    )  # fmt: skip


def gap_needs(skews: Sequence[Skew]) -> tuple[Need, ...]:
    """Rows for groups too small for a difference of 5 points in the label's rate to be seen (4 times of 5)."""
    made: dict[str, Need] = {}
    for skew in skews:
        if skew.kind != "label" or len(skew.group) > 1:
            continue
        need = rows_to_see(GAP, skew.other_rate, skew.n_other)
        key = repr(skew.group)
        if need is not None and need > skew.n_rows and need - skew.n_rows > (made[key].need if key in made else 0):
            why = f"a difference of 5 points in `{skew.about}` would be seen 4 times of 5 from {need:,} rows on"
            made[key] = Need(reason="label gap", pattern=skew.group, have=skew.n_rows, need=need - skew.n_rows, why=why)
    return tuple(made.values())


def to_csv(needs: Iterable[Need]) -> str:
    """The table as CSV: pattern, have, need, why. A cell that a spreadsheet would run as a formula begins with '.

    >>> print(to_csv([Need(reason="uncovered", pattern={"sex": "f", "age": "65+"}, have=3, need=27, why="few")]))
    pattern,have,need,why
    sex = f; age = 65+,3,27,few
    <BLANKLINE>
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["pattern", "have", "need", "why"])
    for need in needs:
        writer.writerow([_safe(words(need.pattern)), need.have, need.need, _safe(need.why)])
    return file.getvalue()


def words(pattern: Mapping[str, str]) -> str:
    """A pattern as one line: `sex = f; age = 65+`."""
    return "; ".join(f"{column} = {level}" for column, level in pattern.items())


def _safe(text: str) -> str:
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
