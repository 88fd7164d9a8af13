"""How often each host is asked: its own delay, what it tells, and how long it takes to answer."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

MOST_DELAY_S = 60.0


@dataclass
class Pace:
    """One host. Times are seconds of the monotonic clock.

    The delay follows the time that answers take, as Scrapy's AutoThrottle has it: a slow host is asked less often.
    Errors never make it faster, and a host that says "too many" is asked half as often.

    >>> pace = Pace(least_s=0.5)
    >>> pace.began(now_s=10.0); pace.next_s
    10.5
    >>> pace.answered(now_s=14.0, latency_s=4.0, good=True); pace.delay_s, pace.next_s
    (4.0, 14.5)
    """

    least_s: float
    told_s: float = 0.0
    slow_s: float = 0.0
    next_s: float = 0.0
    closed: bool = False
    asked: set[int] = field(default_factory=set)

    @property
    def delay_s(self) -> float:
        """Seconds from one request to the next."""
        return max(self.least_s, self.told_s, self.slow_s)

    def began(self, now_s: float) -> None:
        """A request goes out."""
        self.next_s = now_s + self.delay_s

    def answered(self, *, now_s: float, latency_s: float, good: bool) -> None:
        """An answer came after that time. What the host or the user asks for counts from here: when a request left
        this machine is not known exactly."""
        self.next_s = max(self.next_s, now_s + max(self.least_s, self.told_s))
        slower = max(latency_s, (self.slow_s + latency_s) / 2)
        if good or slower > self.slow_s:
            self.slow_s = min(slower, MOST_DELAY_S)

    def pressed(self, wait_s: float) -> None:
        """The host asks to be left alone for a while."""
        self.slow_s = min(max(2 * self.delay_s, 0.1), MOST_DELAY_S)
        self.next_s = max(self.next_s, time.monotonic() + wait_s)
