"""Events in, notes out: the one place that knows what of a run is a number, a text or a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Scalar:
    """One point of a curve. `fit` is the training it belongs to ("fold-0", "all"), or "" for the run itself."""

    fit: str
    name: str
    value: float
    step: int
    at_s: float
    """Seconds since 1970, when it was told."""


@dataclass(frozen=True, slots=True)
class Text:
    """Words, in Markdown."""

    fit: str
    name: str
    text: str
    step: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Settings:
    """What the run was asked for: plain nested data."""

    values: Mapping[str, Any]
    at_s: float


@dataclass(frozen=True, slots=True)
class File:
    """A file to keep with the run."""

    path: Path


Note = Scalar | Text | Settings | File

_OF_STEP = {"loss": "loss", "score": "best_score", "rows_per_s": "rows_per_s"}
_OF_VALIDATION = {
    "loss": "loss_mean", "validation_loss": "validation_loss", "score": "score", "learning_rate": "learning_rate",
    "epoch": "epoch",
}  # fmt: skip
_USER = re.compile(r"(?<=://)[^/\s@]*@")
_QUERY = re.compile(r"(://[^\s?#\"']+)[?#][^\s\"']*")
_NO_NAME = re.compile(r"[^A-Za-z0-9_./ -]+")
_SAID = {"verdict": "doctor", "stopped": "stopped", "resumed": "resumed", "note": "notes"}


def notes_of(event: Mapping[str, Any], *, at_s: float) -> list[Note]:
    """What a tracker keeps of an event of `watch`; nothing of one that it does not know.

    Steps and validations of the loop give points of curves by fit; candidates, stages and final metrics points
    at step 0; decisions, verdicts and what a stage tells are texts.

    >>> event = {"stage": "training", "event": "step", "fit": "all", "step": 7, "n_steps": 9, "loss": 0.5,
    ...          "score": None, "rows_per_s": 800.0, "seconds_left": 1.0}
    >>> [(note.fit, note.name, note.value, note.step) for note in notes_of(event, at_s=0.0)]
    [('all', 'loss', 0.5, 7), ('all', 'rows_per_s', 800.0, 7)]
    """
    kind = event.get("event")
    fit, step = str(event.get("fit", "")), int(event.get("step", 0))
    if kind in ("step", "validation"):
        names = _OF_STEP if kind == "step" else _OF_VALIDATION
        return [Scalar(fit, name, float(event[key]), step, at_s) for key, name in names.items()
                if event.get(key) is not None]  # fmt: skip
    if kind == "candidate" and event.get("score") is not None:
        name = plain_name(f"candidates/{event.get('metric', 'score')}/{event.get('name', '')}")
        return [Scalar("", name, float(event["score"]), 0, at_s)]
    if kind in _SAID:
        return [Text(fit, _SAID[kind], _words(event), step, at_s)]
    return list(_of_stage(event, at_s)) if kind == "end" else []


def _words(event: Mapping[str, Any]) -> str:
    if event["event"] == "verdict":
        return f"step {event.get('step', 0)}: {event.get('words', event.get('fault', ''))}"
    if event["event"] == "stopped":
        return f"stopped at step {event['step']}: {event['why']}"
    if event["event"] == "resumed":
        return f"went on from step {event['step']} of {event['n_steps']}"
    return str(event.get("text", ""))


def _of_stage(event: Mapping[str, Any], at_s: float) -> Iterator[Note]:
    """How long a stage took, what it told, and what was decided and measured in it."""
    stage = f"{event['stage']}/{event.get('method', '')}".rstrip("/")
    yield Scalar("", f"seconds/{stage}", float(event.get("seconds", 0.0)), 0, at_s)
    told = str(event.get("told", "there already" if event.get("cached") else ""))
    if told:
        yield Text("", f"stages/{stage}", told, 0, at_s)
    decisions = [f"- {one['about']}: {one['choice']}, because {one['reason']}" for one in event.get("decisions", ())]
    if decisions:
        yield Text("", f"decisions/{stage}", "\n".join(decisions), 0, at_s)
    if event.get("headline"):
        yield Text("", "result", f"{event['headline']}\n\n{event.get('verdict', '')}", 0, at_s)
    yield from _of_metrics(event.get("metrics", ()), at_s)


def _of_metrics(rows: Any, at_s: float) -> Iterator[Note]:
    """The final metrics: a table as text, and each that is a number as one point."""
    if not rows:
        return
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    head = "| metric | value | 95 % interval | baseline |\n|---|---|---|---|\n"
    yield Text("", "metrics", head + "\n".join(lines), 0, at_s)
    for row in rows:
        value = _number(str(row[1]))
        if value is not None:
            yield Scalar("", plain_name(f"metrics/{row[0]}"), value, 0, at_s)


def _number(text: str) -> float | None:
    """A figure as it stands in a table, as a number.

    >>> _number("1,234.5"), _number("82.1 %"), _number("–")
    (1234.5, 0.821, None)
    """
    figure = text.replace(",", "").replace("\N{MINUS SIGN}", "-").strip()
    try:
        return round(float(figure[:-1]) / 100, 12) if figure.endswith("%") else float(figure)
    except ValueError:
        return None


def plain_name(name: str) -> str:
    """A name that every tracker takes: other letters become `_`.

    >>> plain_name("metrics/F1 (mean of classes) @ 0.5")
    'metrics/F1 _mean of classes_ _ 0.5'
    """
    return _NO_NAME.sub("_", name)[:200]


def without_secrets(plain: Any) -> Any:
    """Nested data as it may be shown elsewhere: addresses without user, password and query.

    >>> without_secrets({"source": ["postgresql://me:secret@host/shop?password=x", "homes.csv"]})
    {'source': ['postgresql://host/shop', 'homes.csv']}
    """
    if isinstance(plain, str):
        return _QUERY.sub(r"\1", _USER.sub("", plain))
    if isinstance(plain, Mapping):
        return {name: without_secrets(value) for name, value in plain.items()}
    return [without_secrets(value) for value in plain] if isinstance(plain, list | tuple) else plain


def as_markdown(note: Text) -> str:
    """A text with its heading."""
    return f"## {f'{note.fit}: ' if note.fit else ''}{note.name}\n\n{note.text}\n"
