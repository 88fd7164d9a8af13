"""`Layout`: how long rows were made into cases, as plain data, so that new rows are made into cases alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from modelwright_runtime.reading import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How rows become cases. `season` is how many steps the target takes to repeat; 1 when it does not.

    `inputs` maps a column of the rows to the series column made of it; `static` columns say one thing a group and
    are taken over; `calendar` parts of the origin's time are columns `<time>_<part>`. A step is `step_size` times
    `step_unit`: microseconds, months, units of a number, or rows as they come. `moments` says that the time is a
    date. `until` names the column that says until when a case reaches: no later case's origin may lie before that
    on the other side of a split; `part` names the column that says on which side a step lies. `readings` say how the
    raw rows' cells are read.
    """

    kind: Literal["forecast", "windows"]
    target: str
    length: int
    stride: int
    horizon: int = 0
    season: int = 1
    group: str = ""
    time: str = ""
    time_column: str = ""
    until: str = ""
    moments: bool = False
    step_unit: Literal["us", "month", "number", "row"] = "row"
    step_size: float = 1.0
    inputs: Mapping[str, str] = field(default_factory=dict)
    static: tuple[str, ...] = ()
    calendar: tuple[str, ...] = ()
    part: str = ""
    readings: tuple[Reading, ...] = ()

    def to_plain(self) -> dict[str, Any]:
        """JSON-able form."""
        plain: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        return plain | {
            "inputs": dict(self.inputs), "static": list(self.static), "calendar": list(self.calendar),
            "readings": [reading.to_plain() for reading in self.readings],
        }  # fmt: skip

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Layout:
        """The inverse of `to_plain`.

        >>> layout = Layout(kind="windows", target="y", length=8, stride=4, inputs={"x": "x"})
        >>> Layout.from_plain(layout.to_plain()) == layout
        True
        """
        settings = {**plain, "static": tuple(plain["static"]), "calendar": tuple(plain["calendar"])}
        settings["readings"] = tuple(Reading.from_plain(reading) for reading in plain["readings"])
        return cls(**settings)
