"""What tuning tried, as the report shows it: its course, what mattered, and how the score runs along the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from math import floor, isfinite, log10
from typing import Any

from modelwright.drawing import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    axis,
    dot,
    frame,
    path,
    stroke,
    svg,
    tick_text,
)
from modelwright.evaluation import text
from modelwright.evaluation.figures import drawn

MAX_MODELS, MAX_BEST, MAX_PARAMETERS, MAX_TRIALS = 8, 5, 12, 2_000
MAX_LEVELS = 8


def tunings(told: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each tuned model a sentence, pictures, bars of importance and the best settings.

    >>> tunings([])
    []
    """
    return [_story(one) for one in told[:MAX_MODELS]]


def _story(one: Mapping[str, Any]) -> dict[str, Any]:
    trials = one["trials"][:MAX_TRIALS]
    metric = text.label(str(one["metric"]))
    states = [trial["state"] for trial in one["trials"]]
    lead = (
        f"{len(states):,} settings were tried by {one['search']}, each judged by cross-validation on the training rows."
    )
    stopped, failed = states.count("stopped"), states.count("failed")
    lead += f" {stopped:,} were stopped early, for they were behind the others." if stopped else ""
    lead += f" {failed:,} failed." if failed else ""
    if one.get("known") is not None:
        best = text.figure(one["best"][0]["score"], like=one["known"])
        lead += (
            f" The best settings known beforehand have {metric} {text.figure(one['known'])}; the best found, {best}."
        )
    shares = sorted(one["importance"].items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_PARAMETERS]
    return {
        "name": text.short(str(one["model"]), 40),
        "lead": lead,
        "metric": metric,
        "figures": _figures(one, trials, metric),
        "bars": [
            {"name": text.short(_last(name), 60), "width": round(100 * min(1.0, share), 1),
             "share": text.percent(share)}
            for name, share in shares
        ],
        "best": [
            {"score": text.figure(best["score"]), "settings": text.short(_shown(best["settings"]), 300)}
            for best in one["best"][:MAX_BEST]
        ],
    }  # fmt: skip


def _figures(one: Mapping[str, Any], trials: Sequence[Mapping[str, Any]], metric: str) -> list[dict[str, Any]]:
    made = [("Best so far", course_picture(trials, metric, higher=bool(one["higher"])))]
    for curve in one["curves"][:2]:
        title = f"{metric} along {text.short(_last(curve['name']), 40)}"
        space = one["space"][curve["name"]]
        made.append((title, slice_picture(curve, space, trials, metric, higher=bool(one["higher"]))))
    if one.get("plane"):
        names = [text.short(_last(name), 40) for name in one["plane"]["names"]]
        title = f"{metric} over {' and '.join(names)}"
        made.append((title, plane_picture(one["plane"], one["space"], trials, higher=bool(one["higher"]))))
    return [{"title": title, "picture": drawn(picture)} for title, picture in made if picture]


def course_picture(trials: Sequence[Mapping[str, Any]], metric: str, *, higher: bool) -> str:
    """The score of each trial by its number, and the best so far as a line; stopped ones as ticks on the axis."""
    done = [(trial["number"], trial["score"]) for trial in trials if _is_known(trial)]
    if not done:
        return ""
    x = axis([0.0, float(max(trial["number"] for trial in trials))], "Trial")
    body, across, up = frame(x, axis(_seen([score for _, score in done], higher=higher), metric))
    for trial in trials:
        if trial["state"] != "done":
            place = across(trial["number"])
            body.append(stroke(place, HEIGHT - BOTTOM, place, HEIGHT - BOTTOM - 6, "mark"))
    best: list[tuple[float, float]] = []
    for number, score in done:
        last = best[-1][1] if best else score
        better = max(last, score) if higher else min(last, score)
        best += [(number, last), (number, better)]
    best.append((trials[-1]["number"], best[-1][1]))
    body.append(path([(across(number), up(score)) for number, score in best], "curve c0"))
    body += [dot(across(n), up(score), 3, f"trial {n}: {text.figure(score)}") for n, score in done]
    return svg(WIDTH, HEIGHT, f"{metric} of each trial, and the best so far", body)


def slice_picture(
    curve: Mapping[str, Any], parameter: Mapping[str, Any], trials: Sequence[Mapping[str, Any]], metric: str, *,
    higher: bool,
) -> str:  # fmt: skip
    """The mean score along one parameter as a line, and the trials around it."""
    name = str(curve["name"])
    x, place = _scale(parameter, _last(name))
    line = [(value, score) for value, score in curve["points"] if score is not None]
    around = [(one["settings"][name], one["score"]) for one in trials if _is_known(one) and name in one["settings"]]
    if not line:
        return ""
    seen = [*(score for _, score in line), *_seen([score for _, score in around], higher=higher)]
    body, across, up = frame(x, axis(seen, metric))
    body += [
        dot(across(place(value)), up(score), 3, f"{_value(value)}: {text.figure(score)}") for value, score in around
    ]
    body.append(path([(across(place(value)), up(score)) for value, score in line], "curve c1"))
    return svg(WIDTH, HEIGHT, f"{metric} along {_last(name)}: the mean over the other settings", body)


def plane_picture(
    plane: Mapping[str, Any], space: Mapping[str, Any], trials: Sequence[Mapping[str, Any]], *, higher: bool
) -> str:
    """The mean score over two parameters, the better the darker, and the trials on it."""
    first, second = (str(name) for name in plane["names"])
    if first not in space or second not in space:
        return ""
    (x, across_of), (y, up_of) = (_scale(space[name], _last(name)) for name in (first, second))
    body, across, up = frame(x, y)
    rows = plane["loss"]
    flat = [score for row in rows for score in row]
    low, high = min(flat), max(flat)
    n_across, n_up = len(rows[0]), len(rows)
    wide, tall = (WIDTH - RIGHT - LEFT) / n_across, (HEIGHT - BOTTOM - TOP) / n_up
    cells = []
    for place_up, row in enumerate(rows):
        for place_across, score in enumerate(row):
            good = 0.5 if high == low else (score - low) / (high - low)
            good = good if higher else 1.0 - good
            left, top = LEFT + place_across * wide, HEIGHT - BOTTOM - (place_up + 1) * tall
            tip = f"{text.figure(score)}"
            cells.append(
                f'<rect x="{left:.1f}" y="{top:.1f}" width="{wide + 0.3:.1f}" height="{tall + 0.3:.1f}" class="bar"'
                f' style="fill-opacity:{0.04 + 0.8 * good:.2f}"><title>{escape(tip)}</title></rect>'
            )
    points = [
        dot(across(across_of(trial["settings"][first])), up(up_of(trial["settings"][second])), 3, _tip(trial))
        for trial in trials
        if first in trial["settings"] and second in trial["settings"]
    ]
    title = f"Mean score over {_last(first)} and {_last(second)}: the darker the better; a dot is a trial"
    return svg(WIDTH, HEIGHT, title, [*cells, *body, *points])


def _scale(parameter: Mapping[str, Any], name: str) -> tuple[Axis, Callable[[Any], float]]:
    """An axis from 0 to 1 along a parameter, as evenly as it was searched, and the place of a value on it."""
    if "choices" in parameter:
        choices = list(parameter["choices"])
        shares = [(place + 0.5) / len(choices) for place in range(len(choices))]
        every = -(-len(choices) // MAX_LEVELS)
        labels = tuple(text.short(str(choice), 12) for choice in choices[::every])
        return Axis(0.0, 1.0, text.short(name, 40), tuple(shares[::every]), labels), lambda value: shares[
            choices.index(value)
        ]
    low, high = float(parameter["low"]), float(parameter["high"])
    if parameter.get("log"):
        ticks = _log_ticks(low, high)
        span = log10(high) - log10(low)

        def place(value: Any) -> float:
            return (log10(float(value)) - log10(low)) / span

    else:
        ticks = tuple(tick for tick in axis([low, high], "").ticks if low <= tick <= high)

        def place(value: Any) -> float:
            return (float(value) - low) / (high - low)

    return Axis(
        0.0, 1.0, text.short(name, 40), tuple(place(tick) for tick in ticks), tuple(map(tick_text, ticks))
    ), place


def _log_ticks(low: float, high: float) -> tuple[float, ...]:
    """Round numbers that lie as far apart as factors do.

    >>> _log_ticks(0.01, 0.2)
    (0.01, 0.02, 0.05, 0.1, 0.2)
    >>> _log_ticks(1e-4, 1e3)
    (0.0001, 0.01, 1.0, 100.0)
    """
    first, last = floor(log10(low)), floor(log10(high)) + 1
    parts = (1, 2, 5) if last - first <= 3 else (1,)
    ticks = [float(f"{part}e{power}") for power in range(first, last + 1) for part in parts]
    inside = [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
    every = -(-len(inside) // 6)
    return tuple(inside[::every])


def _seen(scores: Sequence[float], *, higher: bool) -> list[float]:
    """The scores that the picture's axis holds: of many without the worst, so that the best can be told apart."""
    ordered = sorted(scores, reverse=higher)
    kept = ordered[: max(2, round(0.9 * len(ordered)))]
    return kept if len(ordered) > 10 else ordered


def _is_known(trial: Mapping[str, Any]) -> bool:
    return trial["state"] == "done" and trial["score"] is not None and isfinite(trial["score"])


def _tip(trial: Mapping[str, Any]) -> str:
    return f"trial {trial['number']}: {text.figure(trial['score']) if _is_known(trial) else trial['state']}"


def _shown(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{_last(name)} {_value(value)}" for name, value in settings.items())


def _last(name: str) -> str:
    """The end of a path, which says enough."""
    return name.rpartition(".")[2]


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
