"""What a recipe says of groups that are to be treated alike."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from modelwright.core.spec import Spec

Goal = Literal["equal_selection", "equal_opportunity", "equalised_odds"]


class FairSpec(Spec):
    """A remedy for groups that are treated differently. In YAML: `fair: {by: [sex], method: weights}`."""

    by: tuple[str, ...] = Field(min_length=1, description="columns that make the groups; no model need see them")
    method: Literal["weights", "thresholds"] = Field(
        "weights",
        description="weigh training rows until group and class are independent, or a threshold for each group",
    )
    goal: Goal | None = Field(
        None, description="of thresholds: equal_selection, equal_opportunity (the default) or equalised_odds"
    )
    least_rows: int = Field(30, ge=1, description="groups with fewer rows are left as they are")

    @field_validator("by", mode="before")
    @classmethod
    def _one_or_more(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given

    @model_validator(mode="after")
    def _goal_of_thresholds(self) -> FairSpec:
        if self.goal is not None and self.method != "thresholds":
            raise ValueError("goal is for `method: thresholds`; weights have one goal, independence")
        return self
