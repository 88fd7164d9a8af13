"""How a stream is listened to, and when what it brought becomes a version."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator

from modelwright.core.errors import UserError
from modelwright.core.spec import Spec

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def duration_s(text: str) -> float:
    """A time such as 60s in seconds. Raises `UserError("collection.time")`.

    >>> duration_s("1m"), duration_s("2.5")
    (60.0, 2.5)
    """
    found = seconds_of(text)
    try:
        return float(found)
    except ValueError:
        raise UserError("collection.time", f"{text!r} is no time.", hint="write 60s, 5m or 1h") from None


def seconds_of(text: Any) -> Any:
    """A time such as 10s, 5m or 250ms in seconds; a number is seconds already.

    >>> seconds_of("250ms"), seconds_of("5m"), seconds_of(3)
    (0.25, 300.0, 3)
    """
    match = re.fullmatch(r"\s*([0-9.]+)\s*(ms|s|min|m|h|d)\s*", text) if isinstance(text, str) else None
    return float(match.group(1)) * _UNITS[match.group(2)] if match else text


class StreamSpec(Spec):
    """What is done with the messages of a stream.

    >>> StreamSpec(every="1m", time="at", lateness="30s").every
    60.0
    """

    every: float = Field(10.0, gt=0, description="a version at most so often: seconds, or a time such as 1m")
    rows: int = Field(10_000, gt=0, description="and as soon as so many rows wait")
    format: Literal["auto", "json", "csv", "text"] = Field("auto", description="what a message holds")
    columns: tuple[str, ...] = Field((), description="names of the fields of a csv message")
    time: str | None = Field(None, description="column of the time at which a reading was taken")
    lateness: float = Field(60.0, ge=0, description="a reading older than the newest by more than this is marked late")
    id: str | None = Field(None, description="column that names a message: one that comes again is dropped")
    max_message_bytes: int = Field(1 << 20, gt=0, description="a longer message is kept as a row without its content")
    user: str | None = Field(None, description="name of the environment variable that holds the user's name")
    password: str | None = Field(None, description="name of the environment variable that holds the password")
    ca: str | None = Field(None, description="file of the certificates that the server's is held against")
    settings: dict[str, str] = Field({}, description="further settings of librdkafka, by name")

    @field_validator("every", "lateness", mode="before")
    @classmethod
    def _times(cls, text: Any) -> Any:
        return seconds_of(text)
