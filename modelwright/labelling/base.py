"""Labelling: rows in, what people say of them out; joined by row id, never by position.

A project is a folder: `labels.db` has who said what of which row, when, and how long it took; `rows.db` has what was
shown. A label is never changed: a correction is a new one, and the last word of each person counts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import polars as pl

Kind = Literal["text", "spans", "image", "boxes", "masks", "audio", "series", "pairs"]
Role = Literal["owner", "reviewer", "annotator"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ONE_CLASS = ("text", "image", "pairs")
"""Kinds whose label is one class; those of the others are lists of shapes."""
MOST_CLASSES = 500


class LabelSpec(Spec):
    """What is asked about each row, of how many people.

    >>> LabelSpec(kind="pairs").classes
    ('same', 'different')
    """

    kind: Kind = Field(description="what a row is and what is asked of it")
    classes: tuple[str, ...] = Field((), max_length=MOST_CLASSES, description="the classes, in the order of their keys")
    target: str = Field("label", min_length=1, description="name of the column that the labels give")
    columns: tuple[str, ...] = Field((), description="what is labelled (two for pairs); else found by looking")
    show: tuple[str, ...] | None = Field(None, description="what else is shown of a row; else every short column")
    overlap: int = Field(1, ge=1, le=100, description="how many people label each row")
    order: Literal["given", "random", "uncertain", "teaching"] = Field(
        "random", description="which rows come first; teaching: those a model would learn most from, as labels come"
    )
    guidelines: str = Field("", max_length=200_000, description="what annotators read, as Markdown")
    gold_every: int = Field(10, ge=2, description="one task in so many is a gold question, while there are any")
    lease_s: float = Field(600.0, gt=0, description="how long a task stays with a person who does nothing")
    seed: int = Field(0, ge=0, description="the random order follows from it")

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) < len(classes) or "" in classes:
            raise ValueError("each class needs a name of its own")
        return classes

    @model_validator(mode="before")
    @classmethod
    def _usual_classes(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("kind") == "pairs" and not given.get("classes"):
            return {**given, "classes": ("same", "different")}
        return given

    @model_validator(mode="after")
    def _fits(self) -> LabelSpec:
        if not self.classes:
            raise ValueError("`classes` are needed: what can be said of a row")
        if self.order == "teaching" and self.kind not in ONE_CLASS:
            raise ValueError(f"`order: teaching` is for {', '.join(ONE_CLASS)}; for {self.kind} take random")
        return self


@dataclass(frozen=True, eq=False, kw_only=True)
class Labels:
    """What was said of rows, one label a row: `table` has `__row__` (uint64), `value` (JSON), `confidence` (0 to 1)
    and `who`: one person, or a method and how many people it heard. `marks` tell what row was seen, by row id.

    >>> import polars as pl
    >>> table = pl.DataFrame({"__row__": [4], "value": ['"spam"'], "confidence": [1.0], "who": ["ada"]})
    >>> Labels(project="mails", kind="text", target="label", classes=("spam", "ham"), table=table).values()
    {4: 'spam'}
    """

    project: str
    kind: Kind
    target: str
    classes: tuple[str, ...]
    table: pl.DataFrame

    def values(self) -> dict[int, Any]:
        """The label of each row, by row id."""
        return {row: json.loads(value) for row, value in self.table.select("__row__", "value").iter_rows()}
