"""What monitoring finds, as frozen values that JSON can hold and a person can read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from modelwright.monitoring.unlabelled import Unlabelled


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The primary metric on labelled rows. `drop` (positive is worse) is against the reference, with its interval;
    it counts points where the metric is a share, else the share of the reference's value. `p` is the chance of so
    large a drop when nothing has changed."""

    metric: str
    n_rows: int
    value: float
    low: float
    high: float
    reference: float | None
    drop: float | None
    drop_low: float | None
    drop_high: float | None
    p: float | None


@dataclass(frozen=True, kw_only=True)
class Slice:
    """The metric of the labelled rows of one level; `worse` when surely below what the reference had there."""

    column: str
    level: str
    n_rows: int
    value: float
    low: float
    high: float
    reference: float | None
    worse: bool


@dataclass(frozen=True, kw_only=True)
class Moved:
    """How far one view has moved from the reference. Shares are 0..1; `psi` and `jensen_shannon` (a distance, base 2)
    compare bins, `wasserstein` is in standard deviations of the reference. `moved` is the share of rows that would
    have to change back, beyond what sampling alone moves; `strange` the share of cells of a kind that training hardly
    had: newly missing, unseen or out of range. `at_risk` what that can cost at the most, in the primary
    metric: the column's importance times `moved`, times what the model is better than its baseline."""

    name: str
    column: str
    importance: float
    psi: float
    jensen_shannon: float
    wasserstein: float | None
    missing: float
    missing_reference: float
    unseen: float
    unreadable: float
    outside: float
    p: float | None
    p_missing: float | None
    moved: float
    strange: float
    at_risk: float
    words: str


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A defect of the data itself: `kind` is absent, missing, unreadable, unseen or range."""

    column: str
    kind: str
    share: float
    reference: float
    words: str


@dataclass(frozen=True, kw_only=True)
class Rise:
    """Where a detector saw the labelled errors rise: at `row` of `n_rows`, whose answer was given at `time_s`."""

    detector: str
    row: int
    n_rows: int
    time_s: float | None

    @property
    def words(self) -> str:
        """One sentence."""
        import time

        told = "" if self.time_s is None else time.strftime(", %Y-%m-%d %H:%M UTC", time.gmtime(self.time_s))
        return f"{self.detector}: the error has risen, seen at labelled row {self.row:,} of {self.n_rows:,}{told}."


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """One hour: rows, median and 95th percentile of the latency in ms (upper ends of the bins; None if unknown)."""

    start_s: float
    n_rows: int
    p50_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True, kw_only=True)
class MonitorReport:
    """What a window of served rows shows.

    `p` is the chance of so much change, over all columns, tests and the measured score together, when nothing has
    changed; `noticed` says that it is within the budget `alpha` of a look. `harm` is what the change costs (labels)
    or is expected to cost, in the primary metric; `alarm` is: noticed, and at least `least_harm`.
    """

    model: str
    n_rows: int
    n_labelled: int
    first_s: float | None
    last_s: float | None
    alpha: float
    p: float
    p_parts: Mapping[str, float]
    noticed: bool
    harm: float | None
    harm_how: str
    alarm: bool
    measured: Measured | None
    unlabelled: Unlabelled
    slices: tuple[Slice, ...]
    columns: tuple[Moved, ...]
    faults: tuple[Fault, ...]
    together: Mapping[str, Any] | None
    answers_moved: float | None
    said: Mapping[str, float]
    traffic: tuple[Traffic, ...]
    cautions: tuple[str, ...] = field(default=())
    rise: Rise | None = None
    words: str = ""

    def to_plain(self) -> dict[str, Any]:
        """JSON-able form."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> MonitorReport:
        """The inverse of `to_plain`, also after a round through JSON."""
        measured = plain["measured"]
        return cls(
            **{
                **plain,
                "measured": None if measured is None else Measured(**measured),
                "unlabelled": Unlabelled(**plain["unlabelled"]),
                "slices": tuple(Slice(**one) for one in plain["slices"]),
                "columns": tuple(Moved(**one) for one in plain["columns"]),
                "faults": tuple(Fault(**one) for one in plain["faults"]),
                "traffic": tuple(Traffic(**one) for one in plain["traffic"]),
                "cautions": tuple(plain["cautions"]),
                "rise": None if plain.get("rise") is None else Rise(**plain["rise"]),
            }
        )
