"""One message of a stream, whatever brought it, and what a receiver is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came. `mark` tells it from others (`""` where nothing does); `place` is where a stream that
    keeps its messages has it (partition and offset); `received_us` is microseconds since 1970."""

    topic: str
    payload: bytes
    received_us: int
    mark: str = ""
    place: tuple[str, int] | None = None
    token: Any = None
    """What the receiver acknowledges it by."""


class Receiver(Protocol):
    """Where messages come from. A receiver that does not keep its messages is acknowledged when they are written."""

    keeps: bool
    """Whether the other side keeps messages, so that they may be asked for again from a place on."""

    def poll(self, seconds: float) -> list[Message]:
        """What has come, after `seconds` at most."""

    def acknowledge(self, messages: list[Message]) -> None:
        """These are on the disk."""

    def is_known(self, message: Message, marks: Mapping[str, int]) -> bool:
        """Whether a message is one that is on the disk already, by the marks of the last ones there."""

    def told(self) -> list[str]:
        """What happened since the last call that is worth telling: a broker that went away, say."""

    def close(self) -> None:
        """Leave."""


def now_us() -> int:
    """The present, in microseconds since 1970."""
    return time.time_ns() // 1000
