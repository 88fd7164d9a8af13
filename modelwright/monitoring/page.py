"""The report as one page: score over time, what moved and whether it matters, what to do. No script."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelwright.monitoring.decide import Action
    from modelwright.monitoring.values import MonitorReport

MOST_COLUMNS = 40
WIDTH, HEIGHT, EDGE = 720, 220, 46
NAMES = {"nothing": "Nothing to do", "alert": "Alert", "retrain": "Retrain", "relabel": "Label some rows"}


def report_page(
    report: MonitorReport, *, action: Action | None = None, earlier: Sequence[MonitorReport] = (), title: str = ""
) -> str:
    """One self-contained HTML page. `earlier` are the reports before this one, oldest first: the score over time.

    Every value is escaped; the page has no script and its policy forbids any, and all requests.

    >>> from modelwright.testing.monitoring import tiny_model, tiny_window
    >>> from modelwright.monitoring.base import compare
    >>> page = report_page(compare(tiny_model(), tiny_window(300)), title="<b>")
    >>> page[:15], "<b>" in page, "<script" in page
    ('<!doctype html>', False, False)
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    shown = [one for one in report.columns if one.moved > 0 or one.at_risk > 0] or list(report.columns[:10])
    shown = shown[:MOST_COLUMNS]
    told = [*earlier, report]
    return environment.get_template("page.html").render(
        title=_short(title or report.model, 80),
        words=report.words,
        action=None if action is None else {"kind": action.kind, "name": NAMES[action.kind], "words": action.words},
        tiles=_tiles(report),
        course=Markup(_course(told)),
        course_words=_course_words(report),
        faults=[_short(fault.words, 300) for fault in report.faults],
        together=_together(report),
        columns=[_column(one) for one in shown],
        n_more=len(report.columns) - len(shown),
        slices=[_slice(one) for one in report.slices[:20]],
        traffic=Markup(_traffic(report)),
        traffic_words=_traffic_words(report),
        blind=_blind(report),
    )


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if abs(value) < 100 else f"{value:,.0f}"


def _tiles(report: MonitorReport) -> list[dict[str, str]]:
    from modelwright.monitoring.labelled import said

    score, guess = report.measured, report.unlabelled
    tiles = []
    if score is not None:
        told = f"{_figure(score.low)} to {_figure(score.high)}, on {score.n_rows:,} labelled rows"
        tiles.append({"name": f"{said(score.metric)}, measured", "value": _figure(score.value), "note": told})
    if guess.metric is not None:
        told = f"{_figure(guess.low)} to {_figure(guess.high)}, from confidence alone"
        tiles.append({"name": f"{said(guess.metric)}, expected", "value": _figure(guess.value), "note": told})
    before = score.reference if score is not None else guess.reference
    if before is not None:
        tiles.append({"name": "Made with", "value": _figure(before), "note": "on held-out rows"})
    state = "alarm" if report.alarm else "changed" if report.noticed else "as before"
    tiles.append({"name": "Rows", "value": f"{report.n_rows:,}", "note": f"{state}; p {max(report.p, 1e-9):.2g}"})
    harm = "–" if report.harm is None else f"{max(0.0, report.harm):.3f}"
    tiles.append({"name": "Cost of the change", "value": harm, "note": report.harm_how})
    return tiles


def _points(reports: Sequence[MonitorReport]) -> list[tuple[float, float, float, bool]]:
    """(value, low, high, alarm) of every report that has a score."""
    found = []
    for one in reports:
        score: Any = one.measured or one.unlabelled
        if score.value is not None:
            found.append((score.value, score.low, score.high, one.alarm))
    return found


def _course(reports: Sequence[MonitorReport]) -> str:
    points = _points(reports)
    if len(points) < 2:
        return ""
    last: Any = reports[-1].measured or reports[-1].unlabelled
    levels = [edge for _, low, high, _ in points for edge in (low, high)] + [last.reference or points[0][0]]
    bottom, top = min(levels), max(levels)
    span = (top - bottom) or 1.0

    def y(value: float) -> float:
        return float(round(HEIGHT - 24 - (value - bottom) / span * (HEIGHT - 44), 1))

    step = (WIDTH - EDGE - 14) / max(1, len(points) - 1)
    xs = [round(EDGE + index * step, 1) for index in range(len(points))]
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>The score of {len(points)} windows</title>',
        *(f'<line class="grid" x1="{EDGE}" x2="{WIDTH - 10}" y1="{y(v)}" y2="{y(v)}"/>'
          f'<text class="tick" x="0" y="{y(v) + 4}">{_figure(v)}</text>' for v in (bottom, (bottom + top) / 2, top)),
    ]  # fmt: skip
    if last.reference is not None:
        parts.append(
            f'<line class="ref" x1="{EDGE}" x2="{WIDTH - 10}" y1="{y(last.reference)}" y2="{y(last.reference)}"/>'
        )
    for x, (_, low, high, _) in zip(xs, points, strict=True):
        parts.append(f'<line class="whisker" x1="{x}" x2="{x}" y1="{y(low)}" y2="{y(high)}"/>')
    path = " ".join(f"{x},{y(point[0])}" for x, point in zip(xs, points, strict=True))
    parts.append(f'<polyline class="line" points="{path}"/>')
    for x, (value, _, _, bad) in zip(xs, points, strict=True):
        parts.append(f'<circle class="dot{" bad" if bad else ""}" cx="{x}" cy="{y(value)}" r="4"/>')
    return "".join([*parts, "</svg>"])


def _course_words(report: MonitorReport) -> str:
    how = "measured on labelled rows" if report.measured else "expected from confidence"
    return f"One dot a window, {how}, with its interval; the dashed line is what the model was made with."


def _together(report: MonitorReport) -> str:
    found = report.together
    if found is None:
        return "The package holds no sample of rows: columns are looked at one by one only."
    told = f"All columns at once, window and reference are parted with an AUC of {found['auc']:.2f} (0.5: not at all)"
    return told + (f", most by {', '.join(found['columns'])}." if found["auc"] > 0.55 and found["columns"] else ".")


def _column(one: Any) -> dict[str, Any]:
    missing = f"{one.missing_reference:.1%} → {one.missing:.1%}"
    return {
        "name": _short(one.name, 60), "risk": _figure(one.at_risk), "matters": one.at_risk >= 0.01,
        "moved": f"{one.moved:.0%}", "importance": f"{one.importance:.0%}", "psi": _figure(one.psi),
        "js": _figure(one.jensen_shannon), "w": _figure(one.wasserstein), "missing": missing,
        "words": _short(one.words, 160),
    }  # fmt: skip


def _slice(one: Any) -> dict[str, Any]:
    return {
        "name": _short(f"{one.column} = {one.level}", 80), "n": f"{one.n_rows:,}", "value": _figure(one.value),
        "range": f"{_figure(one.low)} to {_figure(one.high)}", "before": _figure(one.reference), "worse": one.worse,
    }  # fmt: skip


def _traffic(report: MonitorReport) -> str:
    """Rows an hour as blocks."""
    hours = report.traffic[-72:]
    if len(hours) < 2:
        return ""
    most = max(one.n_rows for one in hours)
    width = (WIDTH - EDGE - 14) / len(hours)
    parts = [f'<svg viewBox="0 0 {WIDTH} 120" role="img"><title>Rows by the hour</title>',
             f'<text class="tick" x="0" y="16">{most:,}</text>']  # fmt: skip
    for index, one in enumerate(hours):
        tall = 100 * one.n_rows / most
        when = datetime.fromtimestamp(one.start_s, UTC).strftime("%d %b %H:00")
        parts.append(
            f'<rect class="block" x="{EDGE + index * width:.1f}" y="{110 - tall:.1f}" '
            f'width="{max(1.0, width - 1):.1f}" '
            f'height="{tall:.1f}"><title>{escape(when)}: {one.n_rows:,} rows</title></rect>'
        )
    return "".join([*parts, "</svg>"])


def _traffic_words(report: MonitorReport) -> str:
    known = [one for one in report.traffic if one.p95_ms is not None]
    told = "Rows by the hour."
    if known:
        last = known[-1]
        told += f" In the last hour half were answered within {last.p50_ms:g} ms, 95 of 100 within {last.p95_ms:g} ms."
    return told


def _blind(report: MonitorReport) -> list[str]:
    told = [report.unlabelled.words] if report.measured is None else []
    if report.measured is not None and report.n_labelled < report.n_rows:
        told.append(f"Only {report.n_labelled:,} of {report.n_rows:,} rows have their label: smaller losses than the "
                    "interval shows would not be seen.")  # fmt: skip
    return [*told, *(f"{one[:1].upper()}{one[1:]}." for one in report.cautions)]
