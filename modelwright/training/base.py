"""Candidates compared by cross-validation, the best ones joined, one graph out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator, model_validator

from modelwright.core.spec import Spec
from modelwright.training.answering.spec import ConformalSpec, Costs, GoalSpec, ObjectiveSpec, read_costs
from modelwright.training.budget import check_budget
from modelwright.training.fair.spec import FairSpec
from modelwright.training.network.spec import DeepSpec

if TYPE_CHECKING:
    from pathlib import Path

    from modelwright.core.data import Dataset
    from modelwright.core.values import Splits, Trained, Watch


class ModelUse(Spec):
    """A model to try. In YAML: `boosting`, or `boosting: {n_leaves: 15}`."""

    model: str = Field(description="name of a method of the models stage")
    settings: dict[str, Any] = Field(default={}, description="the model's own settings")
    features: str = Field(
        default="auto", description="feature preset: plain, pairs, scaled, words, or auto for what suits the model"
    )
    log: bool = Field(default=False, description="learn log(1 + target), for a positive, skewed number")
    name: str | None = Field(default=None, description="name on the leaderboard; random choices follow from it")

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
    metric: Literal["auto", "log_loss", "roc_auc", "accuracy", "cost", "rmse", "mae", "pinball"] = Field(
        default="auto",
        description="what candidates are compared by: log_loss for classes, rmse for numbers, pinball for quantiles; "
        "cost where `costs` are stated",
    )
    models: tuple[ModelUse, ...] | None = Field(
        default=None, description="models to try; by default those that suit the table"
    )
    budget: str = Field(
        default="standard",
        description="how much work is done: quick, standard, thorough, a time such as 90s, 5m or 1h (made into units "
        "of work at the machine's measured speed), or as many `units`",
    )
    race: bool | None = Field(
        default=None,
        description="leave out further settings of a model whose first ones are far behind; unset: only when the"
        " models are chosen automatically",
    )
    class_weight: Literal["none", "balanced"] | dict[str, float] = Field(
        default="none", description="weight of each class's rows: none, balanced, or class: weight"
    )
    ensemble: bool = Field(default=True, description="join several models by a weighted mean where that is better")
    network: Literal["auto", "on", "off"] | DeepSpec = Field(
        default="auto",
        description="learn by a network; auto does so for images, sounds, series and texts (needs modelwright[deep])",
    )
    threshold: Literal["auto"] | float = Field(
        default="auto",
        description="probability at which a binary model says yes, or score from which boxes are told; auto is 0.5, or "
        "the best F1 of a rare class or of boxes",
    )
    calibration: Literal["auto", "none", "temperature", "platt", "isotonic"] = Field(
        default="auto",
        description="make probabilities come true; auto takes a temperature where it clearly lowers the log loss",
    )
    goal: GoalSpec | None = Field(
        default=None,
        description="choose the threshold for {precision: 0.9}, {recall: 0.95}, {top: 100} or {cost: ...}",
    )
    costs: Costs | None = Field(
        default=None, description="what each answer costs, {true class: {answer: cost}}: the cheapest is said"
    )
    objective: ObjectiveSpec | None = Field(
        default=None,
        description="answer a number by {quantile: [0.1, 0.5, 0.9]} or {asymmetric: {over: 1, under: 3}}, not its mean",
    )
    conformal: ConformalSpec | None = Field(
        default=None, description="tell intervals or sets that hold the truth of this share of rows, such as 0.9"
    )
    chain: Literal["auto", "off"] = Field(
        default="auto",
        description="of several targets, let each see the answers for those before it where that is better",
    )
    fair: FairSpec | None = Field(
        default=None, description="treat groups alike: {by: [sex], method: weights}, or thresholds with a goal"
    )

    def compared(self) -> TrainSpec:
        """These settings with the defaults for all that a single candidate's score does not depend on."""
        free = ["budget", "models", "race", "ensemble", "threshold", "network", "calibration", "goal", "chain"]
        free += ["conformal"] if self.objective is None else []  # quantiles are learned for the ends of an interval
        return self.but(**{name: TrainSpec.model_fields[name].default for name in free})

    @field_validator("costs", mode="before")
    @classmethod
    def _classes_are_texts(cls, given: Any) -> Any:
        return read_costs(given)

    @field_validator("budget")
    @classmethod
    def _budget_is_said(cls, given: str) -> str:
        return check_budget(given)

    @model_validator(mode="after")
    def _threshold_is_a_probability(self) -> TrainSpec:
        if not isinstance(self.threshold, str) and not 0 < self.threshold < 1:
            raise ValueError(f"threshold must lie between 0 and 1; got {self.threshold}")
        said = [name for name in ("goal", "costs") if getattr(self, name) is not None]
        said += ["fair"] if self.fair is not None and self.fair.method == "thresholds" else []
        said += [] if isinstance(self.threshold, str) else ["threshold"]
        if len(said) > 1:
            raise ValueError(f"{' and '.join(said)} each say which class is told: state one of them")
        if self.metric == "cost" and self.costs is None:
            raise ValueError("the metric cost needs `costs`, such as {yes: {no: 5}}")
        if self.metric == "pinball" and self.objective is None:
            raise ValueError("the metric pinball needs an `objective`, such as {quantile: [0.1, 0.5, 0.9]}")
        return self


def train(
    data: Dataset,
    splits: Splits,
    spec: TrainSpec = TrainSpec(),  # noqa: B008
    *,
    seed: int = 0,
    watch: Watch | None = None,
    folder: Path | None = None,
    kept: Path | None = None,
) -> Trained:
    """Compare candidates by cross-validation, join the best, fit them on all training rows, write one graph.

    Images, sounds, series and texts are learned by a network (see `training/network`), whose checkpoints lie in
    `folder`: a training that was broken off goes on from there. Finished candidates are kept in `kept`, for a call that
    was broken off or has a larger budget; they depend on the rows, the seed and `spec.compared()`.

    The constant baseline comes first and a linear model second, so `watch` hears of them within seconds. Held
    out rows are read once, without their target, to measure `parity`. All that learns (features too) learns
    inside the folds. The result depends on the rows, the spec and the seed, not on threads or time: the same
    bytes twice. Cost with the standard budget: about 10 s for 1,000 rows of 20 columns on two cores.

    Raises `UserError`: `train.target`, `train.task`, `train.single_class`, `train.identifier`,
    `train.features`, `train.weight`, `train.class_weight`, `train.metric`, `train.costs`, `train.goal`,
    `train.objective`, `train.conformal`, `train.fair`; and those of features and models.

    Reference: Caruana et al. (2004), "Ensemble selection from libraries of models".

    >>> import numpy as np, polars as pl
    >>> from modelwright.core.data import Column, Dataset, Schema
    >>> from modelwright.core.values import Splits
    >>> frame = pl.DataFrame({"x": np.arange(60.0), "y": ["low"] * 30 + ["high"] * 30})
    >>> data = Dataset.from_frame(frame, Schema((Column("x", "number"), Column("y", "category", "target"))))
    >>> ids = np.arange(60, dtype=np.uint64)
    >>> splits = Splits(train=ids[ids % 5 > 0], test=ids[ids % 5 == 0], folds=np.arange(48) % 3, kind="random")
    >>> trained = train(data, splits, TrainSpec(budget="quick"))
    >>> trained.task.classes, trained.predict(data.take([0, 55])).round().tolist()
    (('high', 'low'), [[0.0, 1.0], [1.0, 0.0]])
    """
    from modelwright.training.fair.base import train_fair

    return train_fair(data, splits, spec, seed=seed, watch=watch or (lambda event: None), folder=folder, kept=kept)
