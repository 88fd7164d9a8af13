"""Spaces: what may be tried. Every parameter has a range or choices, and may depend on what another one is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import Field, model_validator

from modelwright.core.errors import UserError, nearest
from modelwright.core.spec import Spec

Settings = dict[str, Any]
"""A value for each parameter that is active, parents before what depends on them."""

FIGURES = 6
"""Significant figures of a drawn number: more would say nothing, and could not be read."""


class Parameter(Spec):
    """A range of numbers, or choices. In YAML: `{low: 0.01, high: 0.3, log: true}`, or `[a, b]` for choices.

    >>> Parameter(low=4, high=128, integer=True, log=True).at(0.5)
    21
    >>> Parameter.model_validate(["a", "b"]).choices
    ('a', 'b')
    """

    low: float | None = Field(default=None, description="least value of a number")
    high: float | None = Field(default=None, description="largest value of a number, included")
    log: bool = Field(default=False, description="steps are factors: 0.01, 0.1 and 1 are equally far apart")
    integer: bool = Field(default=False, description="whole numbers only")
    step: float | None = Field(default=None, gt=0, description="only low, low + step, low + 2 steps, ...")
    choices: tuple[Any, ...] | None = Field(default=None, description="the values themselves, of any kind")
    when: dict[str, Any] = Field(
        default={}, description="only when another parameter, one of choices, has this value, or one of these"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        return {"choices": given} if isinstance(given, list | tuple) else given

    @model_validator(mode="after")
    def _range_or_choices(self) -> Parameter:
        if self.choices is not None:
            if (self.low, self.high, self.step) != (None, None, None) or self.log or self.integer:
                raise ValueError("choices have no low, high, log, integer or step")
            if not self.choices or any(one in self.choices[:at] for at, one in enumerate(self.choices)):
                raise ValueError("choices must be one or more different values")
            return self
        if self.low is None or self.high is None:
            raise ValueError("give low and high, or choices")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError("low must be below high, both finite")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log needs low above 0 and no step")
        if self.integer and any(
            value is not None and value != int(value) for value in (self.low, self.high, self.step)
        ):
            raise ValueError("the ends and the step of whole numbers must be whole")
        return self

    @property
    def n_values(self) -> int | None:
        """How many values there are; None where they cannot be counted."""
        if self.choices is not None:
            return len(self.choices)
        low, high = self._ends
        step = self._step
        return None if step is None else int((high - low) / step + 1e-9) + 1

    @property
    def _ends(self) -> tuple[float, float]:
        assert self.low is not None and self.high is not None
        return self.low, self.high

    @property
    def logarithms(self) -> tuple[float, float]:
        """Where a range of factors begins and ends; of whole numbers half a step outside, so that the ends are as
        likely as the others."""
        low, high = self._ends
        margin = 0.5 if self.integer else 0.0
        return math.log(max(low - margin, low / 2)), math.log(high + margin)

    @property
    def _step(self) -> float | None:
        return self.step if self.step is not None else 1.0 if self.integer else None

    def at(self, share: float) -> Any:
        """The value at a share of the way, 0 to 1. Equal parts of the way are equally likely values."""
        share = min(1.0, max(0.0, share))
        n_values = self.n_values
        if self.choices is not None:
            return self.choices[min(len(self.choices) - 1, int(share * len(self.choices)))]
        low, high = self._ends
        if self.log:
            first, last = self.logarithms
            value = math.exp(first + share * (last - first))
            return int(min(high, max(low, round(value)))) if self.integer else self._tidy(value)
        if n_values is not None:
            value = low + min(n_values - 1, int(share * n_values)) * (self._step or 0.0)
            return int(value) if self.integer else self._tidy(value)
        return self._tidy(low + share * (high - low))

    def share(self, value: Any) -> float:
        """The share of the way at which a value lies: the middle of those for which `at` gives it."""
        n_values = self.n_values
        if self.choices is not None:
            return float((self.choices.index(value) + 0.5) / len(self.choices))
        low, high = self._ends
        if self.log:
            first, last = self.logarithms
            return float((math.log(value) - first) / (last - first))
        if n_values is not None:
            return float((round((value - low) / (self._step or 1.0)) + 0.5) / n_values)
        return float((value - low) / (high - low))

    def holds(self, value: Any) -> bool:
        """Whether a value may be taken."""
        if self.choices is not None:
            return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in self.choices)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return False
        low, high = self._ends
        steps = 0.0 if self._step is None or self.log else (value - low) / self._step
        whole = not self.integer or value == int(value)
        return bool(low <= value <= high and whole and abs(steps - round(steps)) < 1e-6)

    def nearest(self, value: Any) -> Any:
        """The allowed value that is nearest to one; of choices the first, of a range the middle, where none is near."""
        if self.holds(value):
            return value
        if self.choices is not None:
            return self.choices[0]
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return self.at(0.5)
        low, high = self._ends
        return self.at(self.share(min(high, max(low, value))))

    def values(self, n: int) -> tuple[Any, ...]:
        """All values, or of a range that has more the `n` that are evenly apart, its ends included."""
        if self.choices is not None:
            return self.choices
        (low, high), n_values = self._ends, self.n_values
        if n_values is not None and n_values <= n:
            steps = (low + place * (self._step or 1.0) for place in range(n_values))
            return tuple(int(value) if self.integer else self._tidy(value) for value in steps)
        if n == 1:
            return (self.at(0.5),)
        first, last = self.share(low), self.share(high)
        return tuple(dict.fromkeys(self.at(first + (last - first) * place / (n - 1)) for place in range(n)))

    def _tidy(self, value: float) -> float:
        for end in self._ends:
            if math.isclose(value, end, rel_tol=1e-9, abs_tol=1e-12):
                return end
        low, high = self._ends
        return min(high, max(low, float(f"{value:.{FIGURES}g}")))


@dataclass(frozen=True)
class Space:
    """Parameters by name, parents before what depends on them.

    >>> space = Space.parse({"kernel": ["linear", "rbf"], "width": {"low": 0.1, "high": 10, "log": True,
    ...                      "when": {"kernel": "rbf"}}})
    >>> space.at([0.1, 0.5]), space.at([0.9, 0.5])
    ({'kernel': 'linear'}, {'kernel': 'rbf', 'width': 1.0})
    """

    parameters: Mapping[str, Parameter]

    @classmethod
    def parse(cls, given: Mapping[str, Any], *, where: str = "space") -> Space:
        """Check plain settings of parameters by name; `where` names them in an error.

        Raises `UserError`: `spec.value` and others of one parameter, `tune.space` where they do not go together.
        """
        if not given:
            raise UserError(
                "tune.space", f"`{where}` names no parameter.", hint="`learning_rate: {low: 0.01, high: 0.3}`"
            )
        made = {}
        for name, one in given.items():
            plain = {"choices": one} if isinstance(one, list | tuple) else one
            if not isinstance(plain, Mapping | Parameter):
                raise UserError(
                    "tune.space", f"`{where}.{name}` is a range or a list of choices; got {one!r}.",
                    hint="for one value that never changes write it under `settings`",
                )  # fmt: skip
            made[name] = plain if isinstance(plain, Parameter) else Parameter.parse(plain, where=f"{where}.{name}")
        return cls(_in_order(made, where))

    def __len__(self) -> int:
        return len(self.parameters)

    @cached_property
    def is_conditional(self) -> bool:
        """Whether any parameter depends on another."""
        return any(one.when for one in self.parameters.values())

    def to_plain(self) -> dict[str, dict[str, Any]]:
        """JSON-able form, which `parse` reads: only what is set."""
        return {name: one.model_dump(mode="json", exclude_defaults=True) for name, one in self.parameters.items()}

    def is_active(self, name: str, settings: Mapping[str, Any]) -> bool:
        """Whether a parameter is in force beside the settings of those before it."""
        for parent, wanted in self.parameters[name].when.items():
            if parent not in settings or settings[parent] not in _alternatives(wanted):
                return False
        return True

    def conditions(self, name: str) -> dict[str, list[int]]:
        """The parents of a parameter, and at which of their choices, by place, it is in force."""
        return {
            parent: [place for place, choice in enumerate(self.parameters[parent].choices or ())
                     if choice in _alternatives(wanted)]
            for parent, wanted in self.parameters[name].when.items()
        }  # fmt: skip

    def at(self, point: Sequence[float]) -> Settings:
        """Settings at a point of the unit cube, one share for each parameter, those that are not in force too."""
        settings: Settings = {}
        for (name, one), share in zip(self.parameters.items(), point, strict=True):
            if self.is_active(name, settings):
                settings[name] = one.at(float(share))
        return settings

    def place(self, settings: Mapping[str, Any]) -> list[float]:
        """The point of the unit cube at which settings lie; parameters that are not in force stand in the middle."""
        return [one.share(settings[name]) if name in settings else 0.5 for name, one in self.parameters.items()]

    def nearest(self, settings: Mapping[str, Any]) -> Settings:
        """Settings of this space that are as near as may be to others."""
        found: Settings = {}
        for name, one in self.parameters.items():
            if self.is_active(name, found):
                found[name] = one.nearest(settings.get(name))
        return found

    def holds(self, settings: Mapping[str, Any]) -> bool:
        """Whether settings are of this space: every parameter in force, and no other, with a value it may have."""
        active = [name for name in self.parameters if self.is_active(name, settings)]
        return set(active) == set(settings) and all(self.parameters[name].holds(settings[name]) for name in active)

    @cached_property
    def n_points(self) -> int | None:
        """How many different settings there are, or None where they cannot be counted."""
        if any(one.n_values is None for one in self.parameters.values()):
            return None
        most = math.prod(one.n_values or 1 for one in self.parameters.values())
        return most if not self.is_conditional else len(self.grid(0)) if most <= 100_000 else None

    def grid(self, resolution: int) -> list[Settings]:
        """All combinations, of ranges that cannot be counted or have more than `resolution` values that many.

        A `resolution` of 0 takes every value of whatever can be counted.
        """
        return list(self._combinations(resolution))

    def _combinations(self, resolution: int) -> Iterator[Settings]:
        axes = [one.values(resolution or one.n_values or 1) for one in self.parameters.values()]
        seen: set[str] = set()
        for values in itertools.product(*axes):
            settings: Settings = {}
            for name, value in zip(self.parameters, values, strict=True):
                if self.is_active(name, settings):
                    settings[name] = value
            if not self.is_conditional or (mark := repr(settings)) not in seen:
                seen |= {mark} if self.is_conditional else set()
                yield settings


def first_settings(space: Space, given: Sequence[Mapping[str, Any]]) -> list[Settings]:
    """Settings of the space that are nearest to those given, each once. Raises `tune.start` for an unknown name."""
    found: list[Settings] = []
    for one in given:
        unknown = [name for name in one if name not in space.parameters]
        if unknown:
            raise UserError(
                "tune.start", f"`start` names {unknown[0]!r}, which is no parameter of the space.",
                hint=nearest(unknown[0], space.parameters),
            )  # fmt: skip
        settings = space.nearest(one)
        if settings not in found:
            found.append(settings)
    return found


def _alternatives(wanted: Any) -> Sequence[Any]:
    return wanted if isinstance(wanted, list | tuple) else (wanted,)


def _in_order(given: dict[str, Parameter], where: str) -> dict[str, Parameter]:
    """Parents before what depends on them, otherwise by name; what a condition names must be there."""
    for name, one in given.items():
        for parent, wanted in one.when.items():
            if parent not in given:
                raise UserError(
                    "tune.space", f"`{where}.{name}` depends on `{parent}`, which is no parameter.",
                    hint=nearest(parent, given),
                )  # fmt: skip
            known = given[parent].choices
            if known is None:
                raise UserError(
                    "tune.space", f"`{where}.{name}` depends on `{parent}`, which is a range.",
                    hint="a condition names one of choices",
                )  # fmt: skip
            for value in _alternatives(wanted):
                if not given[parent].holds(value):
                    raise UserError(
                        "tune.space", f"`{where}.{name}` waits for `{parent}` to be {value!r}, which it never is.",
                        hint=f"its choices are {', '.join(map(str, known))}",
                    )  # fmt: skip
    ordered: dict[str, Parameter] = {}
    while len(ordered) < len(given):
        ready = [name for name in sorted(given) if name not in ordered and set(given[name].when) <= set(ordered)]
        if not ready:
            circle = ", ".join(sorted(set(given) - set(ordered)))
            raise UserError("tune.space", f"in `{where}` these depend on each other in a circle: {circle}.")
        ordered |= {name: given[name] for name in ready}
    return ordered
