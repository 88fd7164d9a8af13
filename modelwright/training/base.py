"""Candidates compared by cross-validation, the best ones joined, one graph out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from modelwright.core.spec import Spec

if TYPE_CHECKING:
    from modelwright.core.data import Dataset
    from modelwright.core.values import Splits, Trained, Watch


class ModelUse(Spec):
    """A model to try. In YAML: `boosting`, or `boosting: {n_leaves: 15}`."""

    model: str = Field(description="name of a method of the models stage")
    settings: dict[str, Any] = Field(default={}, description="the model's own settings")
    features: str = Field(default="auto", description="feature preset: plain, scaled, or auto for what suits the model")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"model": given}
        if isinstance(given, Mapping) and "model" not in given and len(given) == 1:
            ((model, settings),) = given.items()
            return {"model": model, "settings": settings or {}}
        return given


class TrainSpec(Spec):
    """How models are chosen. Every automatic choice is told with its reason in `Trained.decisions`."""

    task: Literal["auto", "binary", "multiclass", "regression"] = Field(
        default="auto", description="what is predicted; auto reads it from the target"
    )
    metric: Literal["auto", "log_loss", "roc_auc", "accuracy", "rmse", "mae"] = Field(
        default="auto", description="what candidates are compared by: log_loss for classes, rmse for numbers"
    )
    models: tuple[ModelUse, ...] | None = Field(
        default=None, description="models to try; by default those that suit the table"
    )
    budget: Literal["quick", "standard", "thorough"] = Field(
        default="standard", description="how much work is done, counted in fits and trees and never in seconds"
    )
    class_weight: Literal["none", "balanced"] | dict[str, float] = Field(
        default="none", description="weight of each class's rows: none, balanced, or class: weight"
    )
    ensemble: bool = Field(default=True, description="join several models by a weighted mean where that is better")
    threshold: Literal["auto"] | float = Field(
        default="auto",
        description="probability at which a binary model says yes; auto is 0.5, or the best F1 of a rare class",
    )

    @model_validator(mode="after")
    def _threshold_is_a_probability(self) -> TrainSpec:
        if not isinstance(self.threshold, str) and not 0 < self.threshold < 1:
            raise ValueError(f"threshold must lie between 0 and 1; got {self.threshold}")
        return self


def train(
    data: Dataset,
    splits: Splits,
    spec: TrainSpec = TrainSpec(),
    *,
    seed: int = 0,
    watch: Watch | None = None,  # noqa: B008
) -> Trained:
    """TODO."""
    raise NotImplementedError
