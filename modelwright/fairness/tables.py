"""An audit for machines: a long table, and plain data."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from modelwright.fairness.words import CRITERIA, headline, verdict

if TYPE_CHECKING:
    import polars as pl

    from modelwright.fairness.base import Audit
    from modelwright.fairness.rates import Figure


def long_table(found: Audit) -> pl.DataFrame:
    """One line for each group and measure: `by`, `group`, `group_rows`, `measure`, `value`, `low`, `high`, `n`,
    `compared`.

    >>> from modelwright.testing.fairness import tiny_audit
    >>> long_table(tiny_audit()).columns[:4]
    ['by', 'group', 'group_rows', 'measure']
    """
    import polars as pl

    return pl.DataFrame(
        [
            {"by": grouping.name, "group": one.name, "group_rows": one.n_rows, **_figure(figure),
             "compared": figure.n >= found.spec.least_rows}
            for grouping in found.groupings for one in grouping.groups for figure in one.figures.values()
        ],
        infer_schema_length=None,
    )  # fmt: skip


def _figure(one: Figure) -> dict[str, Any]:
    return {"measure": one.measure, "value": one.value, "low": one.low, "high": one.high, "n": one.n}


def plain(found: Audit) -> dict[str, Any]:
    """Everything as JSON-able data.

    >>> from modelwright.testing.fairness import tiny_audit
    >>> list(plain(tiny_audit()))[:4]
    ['about', 'outcome', 'source', 'n_rows']
    """
    return {
        "about": found.about, "outcome": found.outcome, "source": found.source, "n_rows": found.n_rows,
        "headline": headline(found), "verdict": verdict(found)[1:], "n_tests": found.n_tests,
        "spec": found.spec.to_plain(), "overall": [_figure(one) for one in found.overall.values()],
        "groupings": [
            {
                "by": list(grouping.columns),
                "groups": [
                    {"levels": dict(one.levels), "n_rows": one.n_rows, "few": one.few,
                     "figures": [_figure(figure) for figure in one.figures.values()]}
                    for one in grouping.groups
                ],
                "gaps": [
                    {**asdict(gap), "found": gap.found, "criterion": CRITERIA.get(gap.measure, "")}
                    for gap in grouping.gaps
                ],
                "changes": [asdict(change) for change in grouping.changes],
            }
            for grouping in found.groupings
        ],
        "before": found.before,
    }  # fmt: skip
