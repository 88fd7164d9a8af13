"""The conformance suites of tuning: `check_search`, `check_pruner` and `check_journal` raise AssertionError where one
breaks a rule, and name the rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from modelwright.core.rng import stream
from modelwright.tuning.base import Pruner, Search
from modelwright.tuning.journal import Journal
from modelwright.tuning.space import Settings, Space
from modelwright.tuning.study import Tried

SPACES: dict[str, dict[str, Any]] = {
    "numbers": {"x": {"low": -2.0, "high": 2.0}, "y": {"low": 1e-4, "high": 1.0, "log": True}},
    "whole": {
        "n": {"low": 1, "high": 64, "integer": True, "log": True},
        "k": {"low": 0, "high": 8, "step": 2, "integer": True},
    },
    "mixed": {"kind": ["a", None, 3.5], "x": {"low": 0.0, "high": 1.0}, "on": [False, True]},
    "conditional": {
        "kernel": ["linear", "rbf", "poly"],
        "width": {"low": 0.01, "high": 10.0, "log": True, "when": {"kernel": ["rbf", "poly"]}},
        "degree": {"low": 2, "high": 5, "integer": True, "when": {"kernel": "poly"}},
        "cost": {"low": 0.1, "high": 100.0, "log": True},
    },
}  # fmt: skip
"""A space of each kind."""


def distance(space: Space, settings: Settings) -> float:
    """A smooth loss: how far settings are from a place in the unit cube."""
    return sum((share - 0.3) ** 2 for share in space.place(settings))


def told(space: Space, search: Search, n: int, *, seed: int, trials: int) -> list[Tried]:
    """The first trials that a search makes of `distance`, the next to last still running."""
    tried: list[Tried] = []
    for number in range(n):
        settings = search.suggest(space, tuple(tried), number, seed=seed, trials=trials)
        tried.append(Tried(number=number, settings=settings, state="done", loss=distance(space, settings)))
    return tried


def check_search(search: Search, *, learns: bool = True, n: int = 14) -> None:
    """Raise AssertionError, with the rule that is broken, if a search does not keep the contract.

    `learns` says that it is to come nearer to the best than chance does. Cost: `n` suggestions for each of four spaces.

    >>> from modelwright.tuning.searches.random import SEARCH
    >>> check_search(SEARCH, learns=False)
    """
    for name, plain in SPACES.items():
        space = Space.parse(plain)
        trials = search.size(space, 64)
        assert 1 <= trials <= 64, f"{name}: {trials} trials of 64"
        tried = told(space, search, min(n, trials), seed=1, trials=64)
        for one in tried:
            assert space.holds(one.settings), f"{name}: {dict(one.settings)} is not of the space"
        mixed = [*tried[:-3], *_ends(tried[-3:])]
        made = search.suggest(space, mixed, len(mixed), seed=1, trials=64) if len(mixed) < trials else None
        assert made is None or space.holds(made), f"{name}: after a stopped, a failed and a running trial {made}"
        if made is not None:
            again = search.suggest(space, list(mixed), len(mixed), seed=1, trials=64)
            assert again == made, f"{name}: the same trials, number and seed give other settings"
    if learns:
        _check_learns(search)


def _ends(tried: Sequence[Tried]) -> list[Tried]:
    """The same settings with the three other ends."""
    stopped, failed, running = tried
    return [
        Tried(number=stopped.number, settings=stopped.settings, state="stopped", reports=(1.0,)),
        Tried(number=failed.number, settings=failed.settings, state="failed", why="it broke"),
        Tried(number=running.number, settings=running.settings),
    ]


def _check_learns(search: Search) -> None:
    space = Space.parse({f"x{column}": {"low": 0.0, "high": 1.0} for column in range(3)})
    best = min(one.loss or 0.0 for one in told(space, search, 36, seed=0, trials=36))
    drawn = [distance(space, space.at(point)) for point in stream(0, "conformance").random((36 * 9, 3))]
    chance = sorted(min(drawn[36 * part : 36 * part + 36]) for part in range(9))[4]
    assert best < chance, f"the best of 36 trials is {best:.4f}, by chance it is {chance:.4f}"


def check_pruner(pruner: Pruner) -> None:
    """Raise AssertionError, with the rule that is broken, if a pruner does not keep the contract.

    >>> from modelwright.tuning.pruners.median import PRUNER
    >>> check_pruner(PRUNER)
    """
    assert not pruner.stop(0, [1.0], ()), "the first trial is stopped, with nothing to compare it with"
    others = [
        Tried(number=number, settings={}, state="done", loss=float(number), reports=(float(number),) * 9)
        for number in range(30)
    ]
    for number in range(30, 40):
        for step in range(1, 10):
            assert not pruner.stop(number, [-1.0] * step, others), f"the best trial so far is stopped at step {step}"
    ended = [any(pruner.stop(number, [99.0] * step, others) for step in range(1, 10)) for number in range(30, 60)]
    assert sum(ended) > 15, f"of 30 trials that are worse than all others {sum(ended)} are stopped"
    assert pruner.stop(31, [5.0, 4.0], others) == pruner.stop(31, [5.0, 4.0], list(others)), "it is not a pure function"
    running = Tried(number=30, settings={})
    failed = Tried(number=31, settings={}, state="failed")
    assert not pruner.stop(32, [-1.0], [*others, running, failed]), "trials without reports are not passed over"


def check_journal(opened: Callable[[], Journal]) -> None:
    """Raise AssertionError, with the rule that is broken, if a journal does not keep the contract.

    `opened` opens the same place anew each time, as another process would.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from modelwright.tuning.journal import FileJournal
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     check_journal(lambda: FileJournal(Path(folder) / "study.jsonl"))
    """
    one, two = opened(), opened()
    assert one.worker != two.worker, "two processes go by one name"
    events: list[dict[str, Any]] = [{"event": "a", "number": number, "x": 0.1 + number} for number in range(3)]
    with one.locked():
        assert one.read() == [], "a new journal is not empty"
        one.append(events[0])
        one.append(events[1])
        assert one.read() == events[:2], "what was written is not read"
    with two.locked():
        assert two.read() == events[:2], "another process does not read what was written"
        two.append(events[2])
        assert two.is_alive(one.worker) and two.is_alive(two.worker), "a process that is there is taken for gone"
    with one.locked():
        assert one.read() == events[2:], "events are not read once each, in order"
    two.close()
    with one.locked():
        assert not one.is_alive(two.worker) and not one.is_alive("nobody"), "a process that is gone is taken for there"
    one.close()
    three = opened()
    with three.locked():
        assert three.read() == events, "what was written did not stay"
    three.close()
