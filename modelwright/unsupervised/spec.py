"""What a recipe's `task` says: which question is asked of rows that have no target, and how."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from modelwright.core.errors import UserError, nearest
from modelwright.core.spec import Spec
from modelwright.core.use import Use


class AnomalySpec(Spec):
    """Which rows are odd."""

    detectors: Literal["auto"] | tuple[Use, ...] = Field(
        "auto", description="detectors whose scores are joined; auto hears two schools of them"
    )
    share: Literal["auto"] | float = Field(
        "auto", description="share of rows to be called anomalies; auto draws the line by the scores (Tukey's fence)"
    )

    @field_validator("share")
    @classmethod
    def _is_a_share(cls, share: str | float) -> str | float:
        if not isinstance(share, str) and not 0 < share <= 0.5:
            raise ValueError("must be above 0 and at most 0.5 (for 2 % of the rows write 0.02)")
        return share


class ClustersSpec(Spec):
    """Which rows belong together."""

    method: Literal["auto"] | Use = Field(
        "auto", description="kmeans, mixture, hdbscan or communities; auto takes of mixture and communities the finer"
        " one that other rows bear out"
    )  # fmt: skip
    n: Literal["auto"] | int = Field("auto", description="number of clusters; auto chooses it and says by which rule")
    most: int = Field(30, ge=2, le=100, description="most clusters that are tried")

    @field_validator("n")
    @classmethod
    def _is_a_number(cls, n: str | int) -> str | int:
        if not isinstance(n, str) and not 2 <= n <= 100:
            raise ValueError("must be 2 to 100 clusters")
        return n


class EmbeddingSpec(Spec):
    """Few coordinates in place of many columns."""

    method: Use = Field(Use(method="pca"), description="pca, or umap (an extra)")
    n: Literal["auto"] | int = Field(
        "auto", description="number of coordinates; auto keeps those that shuffled columns would not give"
    )

    @field_validator("n")
    @classmethod
    def _is_a_number(cls, n: str | int) -> str | int:
        if not isinstance(n, str) and not 1 <= n <= 100:
            raise ValueError("must be 1 to 100 coordinates")
        return n


SPECS: dict[str, type[Spec]] = {"anomaly": AnomalySpec, "clusters": ClustersSpec, "embedding": EmbeddingSpec}


def spec_of(task: Use) -> Any:
    """The checked settings of a task.

    >>> spec_of(Use.model_validate({"clusters": {"n": 4}})).n
    4
    """
    if task.method not in SPECS:
        raise UserError(
            "recipe.task", f"there is no task {task.method!r} without a target.", hint=nearest(task.method, SPECS)
        )
    return SPECS[task.method].parse(task.settings, where=f"task.{task.method}")
