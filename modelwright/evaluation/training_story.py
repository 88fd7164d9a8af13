"""How a training went, for the report: curves of loss, score and rate, and what the doctor found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from modelwright.evaluation import text
from modelwright.evaluation.example_pictures import course_picture

MAX_POINTS, MAX_VERDICTS = 400, 30
_CURVES = (
    ("Loss", (("loss", "training rows"), ("validation_loss", "validation rows"))),
    ("Score", (("score", "validation rows"),)),
    ("Learning rate, in thousandths", (("learning_rate", "learning rate"),)),
)
_TIMES = {"learning_rate": 1000.0}  # ticks such as 5.0e-04 have no room
_OUTCOMES = {"True": ("tried, better: kept", "better"), "False": ("tried, no better: not kept", "worse")}


def story(history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Pictures and verdicts of a `Trained.history`; {} when nothing was trained in steps.

    Entries with the event `validation` or `epoch` are points: `step`, `loss`, and where known `score`,
    `validation_loss`, `learning_rate`. Those with the event `verdict` are the doctor's. Of several trainings
    (another `fit`, or steps that begin again) the first is drawn.

    >>> told = story([{"event": "epoch", "step": 10, "loss": 0.5}, {"event": "epoch", "step": 20, "loss": 0.3}])
    >>> [one["title"] for one in told["figures"]], told["verdicts"]
    (['Loss'], [])
    """
    runs = _runs([one for one in history if one.get("event") in ("validation", "epoch") and _number(one, "step")])
    verdicts = [one for one in history if one.get("event") == "verdict"]
    if not runs and not verdicts:
        return {}
    points = _thinned(runs[0]) if runs else []
    last = max([float(one["step"]) for one in points], default=1.0)
    told = [_verdict(number, one) for number, one in enumerate(verdicts[:MAX_VERDICTS], start=1)]
    drawn = points[0].get("fit") if points else None
    marks = [
        (float(one["step"]), str(number))
        for number, one in enumerate(verdicts[:MAX_VERDICTS], start=1)
        if _number(one, "step") and one.get("fit") == drawn
    ]
    stopped = next((one for one in history if one.get("event") == "stopped"), None)
    return {
        "figures": [
            figure for title, keys in _CURVES for figure in _figure(points, _named(title, points), keys, marks, last)
        ],
        "verdicts": told,
        "n_more_verdicts": max(0, len(verdicts) - MAX_VERDICTS),
        "n_steps": f"{int(last):,}" if points else "",
        "n_more_runs": len(runs) - 1 if runs else 0,
        "stopped": text.short(str(stopped.get("why", "")), 60) if stopped else "",
    }


def _named(title: str, points: Sequence[Mapping[str, Any]]) -> str:
    """The title, or in place of "Score" which score it is."""
    name = str(points[0].get("score_name") or title) if points and title == "Score" else title
    return name[:1].upper() + name[1:]


def _number(one: Mapping[str, Any], key: str) -> bool:
    value = one.get(key)
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


def _runs(points: list[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    runs: list[list[Mapping[str, Any]]] = []
    for one in points:
        if not runs or one["step"] <= runs[-1][-1]["step"] or one.get("fit") != runs[-1][-1].get("fit"):
            runs.append([])
        runs[-1].append(one)
    return runs


def _thinned(points: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """At most `MAX_POINTS`, evenly, the last one included."""
    every = -(-len(points) // MAX_POINTS)
    return points[::-1][::every][::-1]


def _figure(
    points: Sequence[Mapping[str, Any]],
    title: str,
    keys: Sequence[tuple[str, str]],
    marks: Sequence[tuple[float, str]],
    last: float,
) -> list[dict[str, Any]]:
    lines = [
        (name, [(float(one["step"]), _TIMES.get(key, 1.0) * one[key]) for one in points if _number(one, key)])
        for key, name in keys
    ]
    lines = [(name, line) for name, line in lines if line]
    if not lines:
        return []
    legend = [name for name, _ in lines] if len(keys) > 1 else []
    return [{"title": title, "picture": course_picture(lines, title, marks, last), "legend": legend}]


def _verdict(number: int, one: Mapping[str, Any]) -> dict[str, Any]:
    outcome = _OUTCOMES.get(str(one.get("healed")), ("proposed", ""))
    evidence = one.get("evidence")
    known = list(evidence.items())[:8] if isinstance(evidence, Mapping) else []
    return {
        "number": number,
        "fault": text.short(str(one.get("fault", "")).replace("_", " "), 60),
        "step": "before the first step"
        if not _number(one, "step") or one["step"] < 0
        else f"step {int(one['step']):,}",
        "confidence": text.percent(float(one["confidence"])) if _number(one, "confidence") else "",
        "words": text.short(str(one.get("words", "")), 500),
        "evidence": text.short(", ".join(f"{key.replace('_', ' ')} {_plain(value)}" for key, value in known), 300),
        "change": text.short(_change(one.get("change")), 160),
        "healed": outcome[0],
        "mark": outcome[1],
    }


def _when(one: Mapping[str, Any]) -> str:
    began = not _number(one, "step") or one["step"] < 0
    told = "before the first step" if began else f"step {int(one['step']):,}"
    return f"{told} ({text.short(str(one['fit']), 30)})" if one.get("fit") else told


def _change(change: Any) -> str:
    if not isinstance(change, Mapping):
        return ""
    rest = [f"{key} {_plain(value)}" for key, value in change.items() if key != "what"]
    return " ".join([str(change.get("what", "")).replace("_", " "), *rest]).strip()


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return text.figure(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(item) for item in value[:6])
    return text.short(str(value), 60)
