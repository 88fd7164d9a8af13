"""Which columns must be looked at, and for what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelwright.core.data import Kind
from modelwright.core.errors import UserError
from modelwright.profiling.requirements.spec import RequirementsSpec

if TYPE_CHECKING:
    from modelwright.core.data import Dataset


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a pass over the table counts. Columns that the table lacks are in none of the fields but in a need."""

    kinds: dict[str, Kind]
    cells: tuple[str, ...] = ()
    limits: dict[str, tuple[float, float]] = field(default_factory=dict)
    counted: tuple[str, ...] = ()
    unique: tuple[str, ...] = ()
    times: dict[str, float] = field(default_factory=dict)
    classes: str = ""
    languages: str = ""
    span: str = ""
    fresh: str = ""
    media: str = ""

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns of the table that are read."""
        named = (*self.cells, *self.counted, *self.unique, *self.times, self.languages, self.media)
        return tuple(dict.fromkeys(name for name in named if name in self.kinds))


def plan_of(data: Dataset, spec: RequirementsSpec, target: str | None) -> Plan:
    """What is to be counted. Raises `UserError("requirements.column")`."""
    kinds = {column.name: column.kind for column in data.schema.columns}
    classes = (spec.classes.column or target or data.schema.target or "") if spec.classes else ""
    if spec.classes and not classes:
        raise UserError(
            "requirements.column", "`requirements.classes` needs a target, and none is known.",
            hint="say `target: ...` in the recipe, or `classes: {column: ..., least: 100}`",
        )  # fmt: skip
    times: dict[str, float] = {}
    span = _one(spec.time_span.column, kinds, ("datetime",), "time_span") if spec.time_span else ""
    fresh = _one(spec.fresh.column, kinds, ("datetime",), "fresh") if spec.fresh else ""
    for name, gap in ((fresh, None), (span, spec.time_span.gap if spec.time_span else None)):
        if name:
            times[name] = gap or times.get(name, 0.0)
    valued = [name for name, need in spec.columns.items() if need.values]
    limits = {
        name: (-math.inf if need.min is None else need.min, math.inf if need.max is None else need.max)
        for name, need in spec.columns.items() if need.min is not None or need.max is not None
    }  # fmt: skip
    media = _one(spec.media.column, kinds, ("image", "audio"), "media") if spec.media else ""
    return Plan(
        kinds=kinds, limits=limits, cells=tuple({**spec.columns, media: None} if media else spec.columns),
        counted=tuple(dict.fromkeys(name for name in (classes, *spec.groups, *valued) if name)),
        unique=tuple(name for name, need in spec.columns.items() if need.unique), times=times, classes=classes,
        languages=_one(spec.languages.column, kinds, ("text",), "languages") if spec.languages else "",
        span=span, fresh=fresh, media=media,
    )  # fmt: skip


def _one(given: str, kinds: dict[str, Kind], wanted: Sequence[Kind], need: str) -> str:
    """The column that a requirement speaks of: the one that it names, or the only one of that kind."""
    if given:
        return given
    fitting = [name for name, kind in kinds.items() if kind in wanted]
    if len(fitting) == 1 or (not fitting and not kinds):
        return fitting[0] if fitting else ""
    kind = " or ".join(wanted)
    found = f"several would fit: {', '.join(fitting[:8])}" if fitting else f"there is none of the kind {kind}"
    raise UserError(
        "requirements.column", f"`requirements.{need}` does not say of which column, and {found}.",
        hint=f"say `{need}: {{column: ...}}`" + ("" if fitting else f", or `clean: {{kinds: {{NAME: {wanted[0]}}}}}`"),
    )  # fmt: skip
