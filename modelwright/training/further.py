"""New settings to try once the known configurations are done: near the best ones of the best models, and far off."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from modelwright.training.cross import Result
    from modelwright.training.portfolio import Trial

FAMILIES = 3
"""New settings are sought for so many of the best models."""

MOST_OF_A_MODEL = 15
"""The best of many tries on few rows is best by luck."""

FAR = 0.35
"""Share of the tries that draw anew from the whole space; the others change the best settings so far."""

STEP = 0.2
"""How far a changed setting moves: standard deviation, as a share of its range."""


def next_trial(results: Sequence[Result], number: int, rng: np.random.Generator) -> Trial | None:
    """The next candidate, by what the earlier ones came to; None where no model has a space to search.

    The models take turns, the best ones first. Deterministic in the results and the random numbers, so that a search
    with more units begins as one with fewer.

    Reference: Bergstra and Bengio (2012), "Random search for hyper-parameter optimization"; the local half is a
    (1+1) evolution strategy per model.
    """
    best: dict[tuple[str, str, bool], Result] = {}
    for result in results:
        family = (result.trial.model.name, result.trial.preset, result.trial.log)
        if result.trial.model.space and (family not in best or result.loss < best[family].loss):
            best[family] = result
    tries: dict[str, int] = {}
    for result in results:
        tries[result.trial.model.name] = tries.get(result.trial.model.name, 0) + (" tried " in result.trial.name)
    left = [result for result in best.values() if tries[result.trial.model.name] < MOST_OF_A_MODEL]
    families = sorted(left, key=lambda result: result.loss)[:FAMILIES]
    if not families:
        return None
    parent = families[number % len(families)].trial
    far = rng.random() < FAR
    settings: dict[str, Any] = {}
    for name, given in parent.model.space.items():
        if isinstance(given, Mapping) and "low" in given and "when" not in given:
            now = getattr(parent.spec, name)
            settings[name] = _drawn(given, None if far or not isinstance(now, int | float) else float(now), rng)
    return replace(parent, name=f"{parent.model.name} tried {number + 1}", spec=parent.spec.but(**settings))


def _drawn(given: Mapping[str, Any], now: float | None, rng: np.random.Generator) -> float | int:
    """A value of the range: anywhere, or near `now`."""
    there, back = (math.log, math.exp) if given.get("log") else (float, float)
    low, high = there(given["low"]), there(given["high"])
    if now is None:
        at = rng.uniform(low, high)
    else:
        middle = min(max(there(max(now, given["low"])), low), high)
        at = min(max(rng.normal(middle, STEP * (high - low)), low), high)
    value = back(at)
    # three digits are enough, and can be read
    return round(value) if given.get("integer") else float(f"{value:.3g}")
