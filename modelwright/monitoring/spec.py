"""`MonitorSpec`: how often one looks, how many false alarms are bearable, and what follows from what is seen."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from modelwright.core.spec import Spec

UNITS_S = {
    "s": 1,
    "second": 1,
    "m": 60,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86_400,
    "day": 86_400,
    "w": 604_800,
    "week": 604_800,
    "month": 2_592_000,
    "year": 31_536_000,
}
_SPAN = re.compile(r"\s*(\d+(?:\.\d+)?)?\s*([a-z]+?)s?\s*\Z", re.IGNORECASE)
_RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:per|/|a|an|every)\s+(.+)\Z", re.IGNORECASE)


def seconds_of(text: str) -> float:
    """A span of time in seconds. Raises ValueError that names the ways to write one.

    >>> seconds_of("1h"), seconds_of("30 days"), seconds_of("month")
    (3600.0, 2592000.0, 2592000.0)
    """
    found = _SPAN.match(text)
    unit = found.group(2).lower() if found else ""
    if found is None or (unit not in UNITS_S and unit != ""):
        raise ValueError("a span of time is written as 30s, 15min, 1h, 30d, 2w, 1 month")
    span_s = float(found.group(1) or 1) * UNITS_S[unit]
    if span_s <= 0:
        raise ValueError("a span of time is longer than 0 s")
    return span_s


def rate_of(text: str) -> float:
    """Alarms a second. Raises ValueError.

    >>> round(1 / rate_of("1 per month"))
    2592000
    """
    found = _RATE.match(text)
    if found is None or float(found.group(1)) <= 0:
        raise ValueError("a budget is written as `1 per month` or `2 per 7d`")
    return float(found.group(1)) / seconds_of(found.group(2))


class RetrainWhen(Spec):
    """What calls for a new model. Any one of them is enough."""

    score_drop: float = Field(
        0.02, gt=0, description="surely lost of the primary metric: points of a share, else a share of its value"
    )
    drift: Literal["harmful", "any", "never"] = Field(
        "harmful", description="retrain at change that is expected to harm, at any change beyond the budget, or never"
    )
    age: str | None = Field(None, description="retrain a model older than this, such as 30d; left out, never by age")
    new_rows: int | None = Field(None, ge=1, description="retrain when so many new labelled rows have come")

    grown: float | None = Field(
        4.0,
        gt=1,
        description="retrain a model that was made of few rows after a change, when so many times as many have"
        " come since; null, never",
    )

    @field_validator("age")
    @classmethod
    def _span(cls, text: str | None) -> str | None:
        return text if text is None or seconds_of(text) else None

    @property
    def age_s(self) -> float | None:
        """`age` in seconds."""
        return None if self.age is None else seconds_of(self.age)


class PromoteWhen(Spec):
    """What a challenger must show on the same later rows."""

    gain: float = Field(0.005, ge=0, description="least gain of the primary metric, as `score_drop` counts")
    confidence: float = Field(0.95, ge=0.5, le=0.999, description="how sure one must be that there is that gain")
    least_rows: int = Field(200, ge=10, description="labelled rows that both have answered, at the least")
    held_back: bool = Field(
        False,
        description="promote at once a model that shows the gain on the newest labelled rows, held back from it;"
        " the former one watches from the shadow",
    )


class Alert(Spec):
    """One way to tell people of a decision; a webhook, an e-mail or a command of theirs.

    >>> Alert.parse({"webhook": "https://chat.example/hook"}, where="alert").smtp
    'localhost:25'
    """

    webhook: str | None = Field(
        None, pattern=r"https?://[^\s]+", description="address that gets a JSON body of the decision"
    )
    email: str | None = Field(None, pattern=r"[^@\s]+@[^@\s]+", description="who gets a mail")
    smtp: str = Field("localhost:25", description="host:port of the mail server")
    command: tuple[str, ...] = Field((), description="program and arguments; it gets the decision as JSON on its input")


class LogSpec(Spec):
    """What is kept of the rows that are asked. A column that is left out or hashed cannot be watched, nor learned from.

    >>> LogSpec.parse({"leave_out": ["name"], "hash": ["email"]}, where="log").share
    1.0
    """

    share: float = Field(1.0, ge=0, le=1, description="share of the requests that is kept; 0 keeps none")
    leave_out: tuple[str, ...] = Field((), description="columns that are never written")
    hash: tuple[str, ...] = Field((), description="columns of which only a salted hash is written")
    keep_days: float = Field(90.0, gt=0, description="days after which a segment of the log is removed")
    keep_bytes: int = Field(10_000_000_000, gt=0, description="bytes beyond which the oldest segments are removed")


class MonitorSpec(Spec):
    """How a served model is watched.

    `every` is the length of a window and the time between two looks. `false_alarms` is the budget: how often, where
    nothing has changed, a change may be told. `keep_watch` is how long a promoted model can be rolled back by itself.

    >>> spec = MonitorSpec.parse({"every": "1h", "false_alarms": "1 per month"}, where="monitor")
    >>> round(1 / spec.alarm_rate)
    720
    >>> MonitorSpec.parse({"every": "soon"}, where="monitor")
    Traceback (most recent call last):
    modelwright_runtime.errors.UserError: `monitor.every`: a span of time is written as 30s, ... [spec.value]
    """

    every: str = Field("1h", description="time between two looks: 15min, 1h, 1d")
    false_alarms: str = Field("1 per month", description="bearable false alarms: 1 per month")
    least_harm: float = Field(
        0.01, ge=0, description="a change is an alarm when it costs, or is expected to cost, at least this much"
    )
    retrain_when: RetrainWhen = Field(default_factory=RetrainWhen, description="what calls for a new model")
    promote_when: PromoteWhen = Field(default_factory=PromoteWhen, description="what a challenger must show")
    keep_watch: str = Field("1h", description="how long a promoted model is watched for a rollback")
    detector: Literal["adwin", "page_hinkley"] | None = Field(
        None,
        description="a detector over the labelled errors of a window, one by one, whose alarm calls for a new model",
    )
    log: LogSpec = Field(default_factory=LogSpec, description="what is kept of the rows that are asked")
    alerts: tuple[Alert, ...] = Field((), description="who is told of decisions, besides the log")
    relabel: int = Field(100, ge=0, description="rows of a window that are asked to be labelled, at the most")

    @field_validator("every", "keep_watch")
    @classmethod
    def _span(cls, text: str) -> str:
        seconds_of(text)
        return text

    @field_validator("false_alarms")
    @classmethod
    def _rate(cls, text: str) -> str:
        rate_of(text)
        return text

    @property
    def every_s(self) -> float:
        """`every` in seconds."""
        return seconds_of(self.every)

    @property
    def keep_watch_s(self) -> float:
        """`keep_watch` in seconds."""
        return seconds_of(self.keep_watch)

    @property
    def alarm_rate(self) -> float:
        """The budget for one look: the chance that a look without any change tells one, at most 0.5."""
        return min(0.5, rate_of(self.false_alarms) * self.every_s)
