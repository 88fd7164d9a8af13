"""`RequirementsSpec`: what the task needs of its data, in the words of a recipe."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from modelwright.core.spec import Spec

_UNITS_S = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0, "y": 365.25 * 86400.0}
_WORDS = {"second": "s", "minute": "min", "hour": "h", "day": "d", "week": "w", "year": "y"}
_TIME = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)")
_SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")
_COUNT = re.compile(r"([0-9][0-9_,]*)(?:\s*rows?)?")


def amount_of(given: Any) -> Any:
    """Rows as a whole number, a share as a number with a point: `200`, `200 rows`, `5 %`, `0.05`.

    >>> amount_of("5 %"), amount_of("at least 1,200 rows"), amount_of(0.4), amount_of(30)
    (0.05, 1200, 0.4, 30)
    """
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ValueError("write a number of rows (200) or a share (5 %)")
    if isinstance(given, str):
        text = re.sub(r"^(at least|at most|least|most)\s+", "", given.strip().lower())
        share, count = _SHARE.fullmatch(text), _COUNT.fullmatch(text)
        if share:
            given = float(share.group(1)) / 100
        elif count:
            given = int(count.group(1).replace(",", "").replace("_", ""))
        else:
            raise ValueError("write a number of rows (200) or a share (5 %)")
    if isinstance(given, float) and not 0 <= given <= 1:
        raise ValueError("a share lies between 0 % and 100 %; a number of rows has no point")
    if given < 0:
        raise ValueError("a number of rows is not negative")
    return given


def seconds_of(given: Any) -> Any:
    """A time such as `7d`, `36h` or `2 weeks` in seconds.

    >>> seconds_of("7d"), seconds_of("1.5 hours"), seconds_of(90)
    (604800.0, 5400.0, 90)
    """
    if isinstance(given, bool):
        raise ValueError("write a time such as 7d, 36h or 30min")
    if not isinstance(given, str):
        return given
    match = _TIME.fullmatch(given.strip().lower())
    unit = match.group(2) if match else ""
    unit = _WORDS.get(unit.removesuffix("s"), unit)
    if match is None or unit not in _UNITS_S:
        raise ValueError("write a time such as 7d, 36h or 30min")
    return float(match.group(1)) * _UNITS_S[unit]


def moment_of(given: Any) -> Any:
    """A day or a moment as ISO text; a year alone is its first day.

    >>> moment_of(2020), moment_of("2021-03"), moment_of(date(2022, 5, 1)), moment_of("2022-05-01 12:30")
    ('2020-01-01', '2021-03-01', '2022-05-01', '2022-05-01T12:30:00')
    """
    if isinstance(given, datetime | date):
        return given.isoformat()
    text = str(given).strip()
    text += {4: "-01-01", 7: "-01"}.get(len(text), "")
    try:
        return date.fromisoformat(text).isoformat() if len(text) == 10 else datetime.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError("write a day such as 2024-12-31, or a moment such as 2024-12-31T18:00") from None


Amount = Annotated[int | float, BeforeValidator(amount_of)]
"""Rows (a whole number) or a share of the rows (a number with a point)."""
Amounts = Annotated[int | float | dict[str, int | float], BeforeValidator(lambda given: _amounts(given))]
"""One amount for each value, or the amount by value."""
Seconds = Annotated[float, BeforeValidator(seconds_of), Field(gt=0)]
Moment = Annotated[str, BeforeValidator(moment_of)]
Word = Annotated[str, BeforeValidator(lambda given: _word(given))]
NeededKind = Literal["number", "category", "boolean", "datetime", "text", "image", "audio", "series", "boxes", "mask",
                     "labels"]  # fmt: skip


def _word(given: Any) -> Any:
    """A value of YAML, which may be a number or a truth, as the text that a table would hold."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, float) and given.is_integer():
        return str(int(given))
    return str(given) if isinstance(given, int | float) else given


def _amounts(given: Any) -> Any:
    if not isinstance(given, Mapping):
        return amount_of(given)
    amounts = {}
    for name, amount in given.items():
        try:
            amounts[_word(name)] = amount_of(amount)
        except ValueError as problem:
            raise ValueError(f"{name}: {problem}") from None
    if not amounts:
        raise ValueError("name at least one value, such as {yes: 200}")
    return amounts


def _least(given: Any) -> Any:
    """The short forms: an amount for each, or the amount of each by name."""
    if isinstance(given, Mapping) and not {"least", "must", "column"} & set(given):
        return {"least": given}
    return {"least": given} if isinstance(given, str | int | float) else given


def _column_need(given: Any) -> Any:
    """The short forms of a column's need: its kind, or the list of its values."""
    if given is None:
        return {}
    if isinstance(given, list | tuple):
        return {"values": given}
    return {"kind": given} if isinstance(given, str) else given


class ColumnNeed(Spec):
    """What a column must be like."""

    kind: NeededKind | None = Field(None, description="number, category, boolean, datetime, text, image, ...")
    min: float | None = Field(None, description="no number is smaller")
    max: float | None = Field(None, description="no number is larger")
    values: tuple[Word, ...] = Field((), description="the only values there may be")
    missing: Amount | None = Field(None, description="most cells without a value: 5 %, or a number of rows")
    unique: bool = Field(False, description="whether no value comes twice")
    must: bool = Field(False, description="whether nothing goes on where it is not met")

    @model_validator(mode="after")
    def _in_order(self) -> ColumnNeed:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"`min` ({self.min:g}) is larger than `max` ({self.max:g})")
        return self


class RowsNeed(Spec):
    """How many rows there must be."""

    least: int = Field(ge=1, description="rows that are needed at least")
    must: bool = Field(False, description="whether nothing goes on where it is not met")


class ClassesNeed(Spec):
    """How many rows each class of the target must have."""

    column: str = Field("", description="the column of the classes [the target]")
    least: Amounts = Field(description="rows or share of each class, or by class")
    must: bool = Field(False, description="whether nothing goes on where it is not met")


class GroupNeed(Spec):
    """How many rows each value of a column must have."""

    least: Amounts = Field(description="rows or share of each value, or by value")
    must: bool = Field(False, description="whether nothing goes on where it is not met")


class LanguagesNeed(Spec):
    """How much of the texts must be in which language."""

    column: str = Field("", description="the column of the texts [the only one of kind text]")
    least: dict[str, Amount] = Field(min_length=1, description="rows or share by language: {en: 60 %, de: 500}")
    must: bool = Field(False, description="whether nothing goes on where it is not met")

    @field_validator("least", mode="before")
    @classmethod
    def _codes(cls, given: Any) -> Any:
        for name in given if isinstance(given, Mapping) else ():
            if not re.fullmatch(r"[a-z]{2}", str(name)):
                raise ValueError(f"a language is two letters such as en or de (ISO 639-1), not {name!r}")
        return given


class TimeNeed(Spec):
    """Which time the rows must cover. `from` and `to` are spelled as in a recipe."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    column: str = Field("", description="the column of the time [the only one of kind datetime]")
    start: Moment | None = Field(None, alias="from", description="the rows begin then, or before")
    end: Moment | None = Field(None, alias="to", description="the rows go on until then, or longer")
    gap: Seconds | None = Field(None, description="longest time without a row: 31d")
    must: bool = Field(False, description="whether nothing goes on where it is not met")

    @model_validator(mode="after")
    def _in_order(self) -> TimeNeed:
        if self.start and self.end and datetime.fromisoformat(self.start) >= datetime.fromisoformat(self.end):
            raise ValueError(f"`from` ({self.start}) is not before `to` ({self.end})")
        if not (self.start or self.end or self.gap):
            raise ValueError("say `from`, `to` or `gap`")
        return self


class MediaNeed(Spec):
    """How many pictures or sounds there must be, and how large."""

    column: str = Field("", description="the column of the files [the only one of pictures or sounds]")
    least: int = Field(1, ge=1, description="files that are needed at least")
    side: int = Field(0, ge=0, description="least length of the shorter side of a picture, in pixels")
    seconds: float = Field(0.0, ge=0, description="least length of a sound, in seconds")
    must: bool = Field(False, description="whether nothing goes on where it is not met")


class FreshNeed(Spec):
    """How old the newest row may be."""

    column: str = Field("", description="the column of the time [the only one of kind datetime]")
    within: Seconds = Field(description="the newest row is at most so old: 7d")
    must: bool = Field(False, description="whether nothing goes on where it is not met")


class RequirementsSpec(Spec):
    """What the task needs of its data. Nothing is needed that is not said.

    >>> needs = RequirementsSpec.parse({"rows": 1000, "columns": {"age": {"min": 0, "missing": "5 %"}},
    ...     "groups": {"sex": {"female": "40 %"}}, "fresh": "7d"}, where="requirements")
    >>> needs.columns["age"].missing, needs.groups["sex"].least, needs.fresh.within
    (0.05, {'female': 0.4}, 604800.0)
    >>> RequirementsSpec.parse({"colums": ["age"]}, where="requirements")
    Traceback (most recent call last):
    modelwright_runtime.errors.UserError: `requirements` has no setting `colums`.
    Hint: did you mean `columns`? Known: classes, columns, fresh, groups, languages, media, must, rows, time_span
    [spec.unknown]
    """

    columns: dict[str, ColumnNeed] = Field({}, description="the columns, and what each must be like")
    rows: RowsNeed | None = Field(None, description="rows that are needed at least")
    classes: ClassesNeed | None = Field(None, description="rows or share of each class of the target, at least")
    groups: dict[str, GroupNeed] = Field({}, description="rows or share of each value of a column, at least")
    languages: LanguagesNeed | None = Field(None, description="rows or share of each language, at least")
    time_span: TimeNeed | None = Field(None, description="which time the rows cover: from, to, gap")
    media: MediaNeed | None = Field(None, description="pictures or sounds: how many, how large")
    fresh: FreshNeed | None = Field(None, description="how old the newest row may be: 7d")
    must: bool = Field(False, description="whether nothing goes on where any of them is not met")

    @field_validator("columns", mode="before")
    @classmethod
    def _names_alone(cls, given: Any) -> Any:
        if isinstance(given, list | tuple):
            given = dict.fromkeys(given)
        if not isinstance(given, Mapping):
            return given
        return {str(name): _column_need(need) for name, need in given.items()}

    @field_validator("rows", mode="before")
    @classmethod
    def _count_alone(cls, given: Any) -> Any:
        return {"least": amount_of(given)} if isinstance(given, str | int) and not isinstance(given, bool) else given

    @field_validator("classes", mode="before")
    @classmethod
    def _classes_alone(cls, given: Any) -> Any:
        return _least(given)

    @field_validator("languages", mode="before")
    @classmethod
    def _languages_alone(cls, given: Any) -> Any:
        return (
            dict.fromkeys(given, 1) and {"least": dict.fromkeys(given, 1)} if isinstance(given, list) else _least(given)
        )

    @field_validator("groups", mode="before")
    @classmethod
    def _groups_alone(cls, given: Any) -> Any:
        return {name: _least(need) for name, need in given.items()} if isinstance(given, Mapping) else given

    @field_validator("media", mode="before")
    @classmethod
    def _files_alone(cls, given: Any) -> Any:
        return {"least": given} if isinstance(given, int) and not isinstance(given, bool) else given

    @field_validator("fresh", mode="before")
    @classmethod
    def _age_alone(cls, given: Any) -> Any:
        return {"within": given} if isinstance(given, str | int | float) and not isinstance(given, bool) else given
