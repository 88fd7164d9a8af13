"""What a recipe says of how answers are told: what they cost, which goal they meet, how sure they are. Light."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from modelwright.core.spec import Spec

Costs = dict[str, dict[str, float]]
"""The class that is true, the class that is answered, and what that costs."""


def read_costs(given: Any) -> Any:
    """A cost matrix as people write it: classes may be numbers or booleans.

    >>> read_costs({1: {2: 1}, False: {"no": 5}})
    {'1': {'2': 1}, 'false': {'no': 5}}
    """
    from modelwright_runtime.reading import as_text

    if not isinstance(given, Mapping):
        return given
    return {
        as_text(truth): {as_text(answer): cost for answer, cost in row.items()} if isinstance(row, Mapping) else row
        for truth, row in given.items()
    }


class GoalSpec(Spec):
    """What the threshold of two classes is chosen for, one of: in YAML `goal: {precision: 0.9}`."""

    precision: float | None = Field(
        None, gt=0, lt=1, description="of the rows told the class, at least this share is of it"
    )
    recall: float | None = Field(None, gt=0, lt=1, description="of the rows of the class, at least this share is found")
    top: float | None = Field(
        None, gt=0, description="so many of as many rows as were trained on are told the class; below 1 their share"
    )
    cost: Costs | None = Field(
        None, description="what each answer costs, by true class: the threshold that cost least on validation rows"
    )
    confidence: float = Field(
        0.95, ge=0.5, lt=1, description="how sure it is that precision or recall holds on new rows"
    )

    @field_validator("cost", mode="before")
    @classmethod
    def _classes_are_texts(cls, given: Any) -> Any:
        return read_costs(given)

    @model_validator(mode="after")
    def _one_goal(self) -> GoalSpec:
        said = [name for name in ("precision", "recall", "top", "cost") if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError("a goal is one of precision, recall, top, cost")
        return self


class AsymmetricSpec(Spec):
    """What a unit too much and a unit too little cost. Only how they stand to each other counts."""

    over: float = Field(1.0, gt=0, description="cost of a unit by which the answer is too high")
    under: float = Field(1.0, gt=0, description="cost of a unit by which the answer is too low")

    @property
    def level(self) -> float:
        """The quantile whose answer costs least."""
        return self.under / (self.under + self.over)


class ObjectiveSpec(Spec):
    """What a number is answered by, in place of its mean, one of: `{quantile: [0.1, 0.5, 0.9]}`,
    `{asymmetric: {over: 1, under: 3}}`."""

    quantile: tuple[float, ...] | None = Field(
        None, min_length=1, max_length=20, description="levels between 0 and 1, told as q10, q50, ..."
    )
    asymmetric: AsymmetricSpec | None = Field(None, description="what too high and too low cost")

    @field_validator("quantile", mode="before")
    @classmethod
    def _one_or_more(cls, given: Any) -> Any:
        return (given,) if isinstance(given, int | float) else given

    @field_validator("quantile")
    @classmethod
    def _levels(cls, levels: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if levels is None:
            return None
        if any(not 0.001 <= level <= 0.999 for level in levels):
            raise ValueError("levels lie between 0.001 and 0.999")
        return tuple(sorted(set(levels)))

    @model_validator(mode="after")
    def _one_objective(self) -> ObjectiveSpec:
        if (self.quantile is None) == (self.asymmetric is None):
            raise ValueError("an objective is one of quantile, asymmetric")
        return self


class ConformalSpec(Spec):
    """How sure answers are, as intervals of numbers or sets of classes. In YAML: `conformal: 0.9`."""

    coverage: float = Field(gt=0.5, lt=1, description="share of new rows whose truth is within")
    method: Literal["auto", "plain", "scaled", "lac", "aps"] = Field(
        "auto",
        description="of numbers plain (one width for all), scaled (a width for each row) or auto, the better one; of "
        "classes lac (the smallest sets, and auto) or aps (sets that follow how hard a row is)",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        return {"coverage": given} if isinstance(given, int | float) else given
