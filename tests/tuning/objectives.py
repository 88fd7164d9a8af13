"""Objectives that another process can import."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from modelwright.core.errors import SystemFault


def quick(trial: Any) -> float:
    return float(trial["x"]) ** 2 + (trial["kind"] == "b")


def broken(trial: Any) -> float:
    raise AssertionError("nothing was left to try")


def slow(trial: Any, *, seconds: float) -> float:
    time.sleep(seconds)
    return quick(trial)


def uneven(trial: Any) -> float:
    """Some take longer than others, so that they end in another order than they began."""
    time.sleep(0.05 * (trial.number % 3))
    return quick(trial)


def killed(trial: Any) -> float:
    if trial.number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return quick(trial)


def refused(trial: Any) -> float:
    """What a worker cannot get over is told by the first process."""
    raise SystemFault("system.memory", "no such kernel.")
