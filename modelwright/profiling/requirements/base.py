"""Requirements: what the task needs of its data, held against what is there.

Each requirement is met, missing (nothing of it is there), thin (there is some, and not enough) or unrepresentative
(what is there has other values or shares than the task knows).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from modelwright.core.errors import UserError
from modelwright.profiling.requirements.spec import RequirementsSpec

if TYPE_CHECKING:
    from modelwright.core.data import Dataset
    from modelwright.core.values import Watch

Status = Literal["met", "missing", "thin", "unrepresentative"]
MOST_NAMED = 12


@dataclass(frozen=True, slots=True)
class SourceRows:
    """`n_rows` rows from the row id `first_row` on came from `name`."""

    name: str
    first_row: int
    n_rows: int


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One requirement and what is there. `need` is its place in the recipe (`columns.age.missing`); `text` says it to
    a person and `todo` what to do ("" where it is met). `by_source` counts what `found` counts, by source."""

    need: str
    status: Status
    required: str
    found: str
    text: str
    todo: str = ""
    must: bool = False
    by_source: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Met:
    """What is met and what is not: `findings` in the order of the spec; `sources` has the rows of each source."""

    findings: tuple[Finding, ...]
    n_rows: int
    sources: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_met(self) -> bool:
        """Whether every requirement is met."""
        return all(one.status == "met" for one in self.findings)

    @property
    def unmet_musts(self) -> tuple[Finding, ...]:
        """The requirements that must be met and are not."""
        return tuple(one for one in self.findings if one.must and one.status != "met")

    def told(self) -> str:
        """The whole in one line.

        >>> Met(findings=(), n_rows=3).told()
        'nothing is required'
        """
        if not self.findings:
            return "nothing is required"
        n_met = sum(one.status == "met" for one in self.findings)
        parts = [f"{n_met} of {len(self.findings)} requirements met"]
        for status in ("missing", "thin", "unrepresentative"):
            count = sum(one.status == status for one in self.findings)
            parts += [f"{count} {status}"] if count else []
        return ", ".join(parts)

    def table(self) -> list[list[str]]:
        """Rows of `requirement`, `is`, `required`, `found`, with what each source has; what is not met comes first."""
        ranked = sorted(self.findings, key=lambda one: one.status == "met")
        return [[one.need, one.status + (" !" if one.must and one.status != "met" else ""), one.required,
                 one.found + by_source_told(one.by_source)] for one in ranked]  # fmt: skip

    def lines(self) -> list[str]:
        """What is not met, a sentence each, with what to do."""
        return [f"{one.text} To do: {one.todo}." for one in self.findings if one.status != "met"]

    def check(self) -> None:
        """Raise `UserError("requirements.unmet")` where a requirement that must be met is not."""
        if not self.unmet_musts:
            return
        first, n_more = self.unmet_musts[0], len(self.unmet_musts) - 1
        more = f" And {n_more} more." if n_more else ""
        raise UserError(
            "requirements.unmet", f"the data does not meet what must be met: `{first.need}` is {first.status}. "
            f"{first.text}{more}", hint=f"{first.todo}; or take `must` from it to go on all the same",
        )  # fmt: skip

    def to_plain(self) -> dict[str, Any]:
        """JSON-able form."""
        return {"told": self.told(), "is_met": self.is_met, "n_rows": self.n_rows, "sources": dict(self.sources),
                "findings": [asdict(one) for one in self.findings]}  # fmt: skip

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Met:
        """The inverse of `to_plain`."""
        findings = tuple(Finding(**one) for one in plain["findings"])
        return cls(findings=findings, n_rows=plain["n_rows"], sources=plain["sources"])


def by_source_told(counts: Mapping[str, int]) -> str:
    """Counts of sources in brackets; nothing of a single one.

    >>> by_source_told({"a.csv": 1200, "b.csv": 3})
    ' (a.csv: 1,200; b.csv: 3)'
    """
    if len(counts) < 2:
        return ""
    shown = [f"{name}: {count:,}" for name, count in list(counts.items())[:MOST_NAMED]]
    return f" ({'; '.join(shown)}{'; ...' if len(counts) > MOST_NAMED else ''})"


def met(
    data: Dataset, spec: RequirementsSpec, *, target: str | None = None, sources: Sequence[SourceRows] | None = None,
    now: datetime | None = None, watch: Watch | None = None,
) -> Met:  # fmt: skip
    """Hold a typed table against what is required of it; changes nothing.

    One pass, batch by batch: memory grows with the number of distinct classes, groups and gaps, and 8 bytes a row for
    each column that must be unique. Languages and sizes of files are looked at in a sample of 20,000 rows, spread over
    the table, and that is said. `sources` say which rows came from where (else `data.origin` does); counts are told
    together and by source. `now` is what `fresh` is measured from (UTC without a zone).

    Raises `UserError`: `requirements.column` (a requirement does not say of which column it speaks, and several or
    none would fit), `requirements.values` (a column of groups has more than 100,000 values).

    >>> import polars as pl
    >>> from modelwright.core.data import Column, Dataset, Schema
    >>> data = Dataset.from_frame(pl.DataFrame({"paid": ["yes", "no", "no"]}), Schema((Column("paid", "category"),)))
    >>> found = met(data, RequirementsSpec(rows=3, classes={"yes": 2}), target="paid")
    >>> found.told(), found.findings[1].text
    ('1 of 2 requirements met, 1 thin', 'There is 1 row with `paid` = yes where 2 are needed: 1 short.')
    """
    from modelwright.profiling.requirements.judging import judge
    from modelwright.profiling.requirements.plan import plan_of
    from modelwright.profiling.requirements.tally import tally

    plan = plan_of(data, spec, target)
    found = tally(data, plan, _sources_of(data) if sources is None else tuple(sources), watch)
    return judge(found, plan, spec, now)


def _sources_of(data: Dataset) -> tuple[SourceRows, ...]:
    """The sources that collection wrote down; none where rows of several were joined side by side."""
    sources = data.origin.get("sources", ())
    if not all("first_row" in one and "n_rows" in one for one in sources):
        return ()
    return tuple(SourceRows(str(one["name"]), int(one["first_row"]), int(one["n_rows"])) for one in sources)
