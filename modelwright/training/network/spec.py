"""`DeepSpec`: what a user may say of a network and of its training. Light: no torch here."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from modelwright.core import registry
from modelwright.core.spec import Spec
from modelwright.core.use import Use
from modelwright.training.loop.spec import LoopSpec


class DeepSpec(Spec):
    """A network and how it is trained. What is left out follows from the data, and is told with its reason.

    >>> DeepSpec(loop={"epochs": 5}, network={"encoders": {"image": "image_resnet"}}).loop
    {'epochs': 5}
    """

    network: dict[str, Any] = Field(default={}, description="encoders, trunk, heads: settings of NetworkSpec")
    arrays: dict[str, Any] = Field(default={}, description="sizes, rates and vocabularies: settings of ArraysSpec")
    loop: dict[str, Any] = Field(default={}, description="epochs, batch, optimizer, ...: settings of LoopSpec")
    augment: Literal["auto", "off"] | tuple[Use, ...] = Field(
        default="auto", description="changes made to training rows on the way: methods of the augmentation stage"
    )
    losses: dict[str, Use] = Field(default={}, description="loss by target; by default the one that fits the task")
    weighting: Literal["fixed", "uncertainty", "gradnorm"] = Field(
        default="fixed", description="how the losses of several targets are weighed against each other"
    )
    doctor: Literal["off", "advise", "heal"] = Field(
        default="advise", description="watch the training and say what is wrong; or also try the remedy"
    )
    wrong_labels: Literal["few", "many"] = Field(
        default="few",
        description="many: rows are mixed with other rows, targets too, so that no label is learned by heart; and those"
        " that look wrong are told even by a weak network",
    )
    refit: bool | None = Field(
        default=None, description="train once more on all rows after validation; unset: up to 20,000 rows"
    )

    @field_validator("network")
    @classmethod
    def _network(cls, given: dict[str, Any]) -> dict[str, Any]:
        registry.verbs("networks").NetworkSpec.model_validate(given)
        return given

    @field_validator("arrays")
    @classmethod
    def _arrays(cls, given: dict[str, Any]) -> dict[str, Any]:
        registry.verbs("features").ArraysSpec.model_validate(given)
        return given

    @field_validator("loop")
    @classmethod
    def _loop(cls, given: dict[str, Any]) -> dict[str, Any]:
        LoopSpec.model_validate(given)
        return given
