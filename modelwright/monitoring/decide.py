"""What to do about a report: nothing, tell someone, retrain, or ask for labels. A pure function, told in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from modelwright.monitoring.base import BROKEN
from modelwright.monitoring.spec import MonitorSpec

if TYPE_CHECKING:
    from modelwright.monitoring.values import Fault, Measured, MonitorReport

Kind = Literal["nothing", "alert", "retrain", "relabel"]
LEAST_LABELLED = 30


@dataclass(frozen=True, kw_only=True)
class History:
    """What is known besides the window: moments in seconds since 1970, rows labelled since the model was trained,
    and whether a challenger is being made or judged already."""

    now_s: float
    trained_s: float
    n_new_labelled: int = 0
    challenger_under_way: bool = False


@dataclass(frozen=True, kw_only=True)
class Action:
    """What is to be done, why, and the figures that it rests on."""

    kind: Kind
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    words: str = ""

    def to_plain(self) -> dict[str, Any]:
        """JSON-able form."""
        return asdict(self)


def decide(report: MonitorReport, history: History, spec: MonitorSpec | None = None) -> Action:
    """What follows from a report.

    In this order: a measured score that has surely dropped by `retrain_when.score_drop`; a broken column (someone must
    mend the source: a model made of broken cells would be worse); the alarm of a detector; a change that harms; a
    change as such, where the user asked for that; age and new rows. What would be retrained without labels becomes a
    request for labels; while a challenger is under way nothing further is begun.

    >>> from modelwright.testing.monitoring import tiny_model, tiny_window
    >>> from modelwright.monitoring.base import compare
    >>> report = compare(tiny_model(), tiny_window(500))
    >>> decide(report, History(now_s=2.0, trained_s=1.0)).kind
    'nothing'
    """
    spec = spec or MonitorSpec()
    when = spec.retrain_when
    evidence = _evidence(report)
    score = report.measured
    broken = [fault for fault in report.faults if fault.kind in BROKEN and fault.share - fault.reference >= 0.05]
    if broken and report.alarm:
        return _told("alert", "broken data", {**evidence, "columns": [fault.column for fault in broken]}, _mend(broken))
    dropped = score is not None and score.drop is not None and score.p is not None
    if dropped and score is not None and score.drop is not None and score.p is not None:
        dropped = score.drop >= when.score_drop and score.p <= min(0.05, max(report.alpha, 1e-3))
    if dropped and score is not None:
        return _retrain("score", f"{_dropped(score)}; {when.score_drop:g} is borne", evidence, history)
    if report.rise is not None:
        return _retrain("detector", report.rise.words.removesuffix("."), evidence, history)
    if report.alarm:
        words = f"a change that costs about {report.harm or 0.0:.3f} ({report.harm_how})"
        if when.drift == "never":
            return _told("alert", "harmful drift", evidence, f"There is {words}.")
        return _retrain("harmful drift", f"there is {words}", evidence, history)
    if report.noticed and when.drift == "any":
        return _retrain("drift", f"the rows have changed (p {report.p:.2g})", evidence, history)
    age_s = history.now_s - history.trained_s
    if when.age_s is not None and age_s >= when.age_s:
        return _retrain("age", f"the model is {age_s / 86_400:.0f} days old, {when.age} is the most", evidence, history)
    if when.new_rows is not None and history.n_new_labelled >= when.new_rows:
        return _retrain("new rows", f"{history.n_new_labelled:,} new labelled rows have come", evidence, history)
    if report.noticed:
        return _told("nothing", "harmless drift", evidence, "The rows have changed, and no harm is expected of it.")
    return _told("nothing", "no change", evidence, "No change beyond chance.")


def _retrain(reason: str, words: str, evidence: Mapping[str, Any], history: History) -> Action:
    if history.challenger_under_way:
        return _told("alert", reason, evidence, f"{words}; a challenger is under way already.")
    if history.n_new_labelled < LEAST_LABELLED and reason != "age":
        return _told("relabel", reason, evidence, f"{words}; labels of new rows are needed to learn from.")
    return _told("retrain", reason, evidence, f"{words}; a new model is to be trained.")


def _dropped(score: Measured) -> str:
    """How much of the score is lost: in points of a share, else in shares of its value."""
    from modelwright.monitoring.labelled import SHARES, is_lower, said

    way = "risen" if is_lower(score.metric) else "fallen"
    was = "" if score.reference is None else f" from {score.reference:.4g}"
    by = f"{score.drop:.3f}" if score.metric in SHARES else f"{score.drop:.0%} of it"
    return f"{said(score.metric)} has {way}{was} to {score.value:.4g}, by {by}"


def _told(kind: Kind, reason: str, evidence: Mapping[str, Any], words: str) -> Action:
    return Action(kind=kind, reason=reason, evidence=evidence, words=words[:1].upper() + words[1:])


def _mend(broken: list[Fault]) -> str:
    return "mend the source first: " + "; ".join(fault.words for fault in broken[:3]) + "."


def _evidence(report: MonitorReport) -> dict[str, Any]:
    """The figures that a decision rests on."""
    score = report.measured
    return {
        "p": report.p,
        "alpha": report.alpha,
        "noticed": report.noticed,
        "alarm": report.alarm,
        "harm": report.harm,
        "harm_how": report.harm_how,
        "n_rows": report.n_rows,
        "n_labelled": report.n_labelled,
        "score": None if score is None else score.value,
        "reference": None if score is None else score.reference,
        "drop": None if score is None else score.drop,
        "moved": [one.name for one in report.columns if one.moved > 0.01][:5],
        "faults": [fault.words for fault in report.faults[:5]],
        "rise": None if report.rise is None else report.rise.words,
    }
