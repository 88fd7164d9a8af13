"""What happened over time, as one page: the score of who answered, beside the model never retrained, and each decision.

The page is self-contained, has no script, and its policy forbids any and all requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 1000, 300, 60, 16, 16, 40
COLOURS = {
    "retrain": "#b04a00", "promote": "#0a6b52", "roll back": "#c22", "alert": "#8a6500", "relabel": "#8a6500",
    "drop": "#79818c", "settle": "#79818c", "challenge": "#0b62a4", "sabotage": "#c22",
}  # fmt: skip
_STYLE = """
:root { color-scheme: light dark; --ink: #1b2330; --soft: #57606d; --rule: #e5e1d9; --model: #0b62a4 }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaef; --soft: #a2acb9; --rule: #29313c; --model: #6cb4f2; } }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 1060px; margin: 0 auto; padding: 48px 32px; }
body { color: var(--ink); }
h1 { font-size: 2.4rem; margin: 0 0 8px; } .soft, svg text { color: var(--soft); fill: var(--soft); font-size: 13px; }
table { border-collapse: collapse; width: 100%; margin-top: 8px; }
td:nth-child(2) { white-space: nowrap; }
td, th { text-align: left; padding: 6px 14px 6px 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
.mark { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 6px; }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


@dataclass(frozen=True, kw_only=True)
class Point:
    """One batch or look: the score of who answered, that of the first model (None if unknown), who answered, and what
    was decided after it, in words."""

    score: float | None
    first_score: float | None = None
    version: int = 1
    kind: str = "nothing"
    words: str = ""


def story_page(title: str, points: Sequence[Point], *, words: str, score_name: str = "share of right answers") -> str:
    """The page. Every value is escaped.

    >>> page = story_page("<b>", [Point(score=0.9), Point(score=0.8, kind="retrain", words="dropped")], words="Two.")
    >>> page[:15], "<b>" in page, "retrain" in page
    ('<!doctype html>', False, True)
    """
    events = [(index, point) for index, point in enumerate(points) if point.kind != "nothing"]
    rows = "".join(
        f'<tr><td>{index + 1}<td><span class="mark" style="background:{COLOURS.get(point.kind, "#555")}"></span>'
        f"{escape(point.kind)}<td>{point.version}<td>{'' if point.score is None else f'{point.score:.3f}'}"
        f"<td>{escape(point.words)}</tr>"
        for index, point in events
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f"<h1>{escape(title)}</h1><p>{escape(words)}</p>{picture(points, score_name=score_name)}"
        f'<p class="soft">Blue: who answered; grey: the first model, never retrained. Each dot is a decision.</p>'
        f"<h2>Decisions</h2><table><tr><th>batch<th>decision<th>version<th>score<th>why</tr>{rows}</table></html>"
    )


def picture(points: Sequence[Point], *, score_name: str) -> str:
    """The scores over time as SVG, with a mark at each decision and a band for each version."""
    known = [s for point in points for s in (point.score, point.first_score) if s is not None]
    if not known:
        return "<p>Nothing was scored yet.</p>"
    low, high = min(known), max(known)
    pad = 0.06 * (high - low or 1.0)
    low, high = low - pad, high + pad

    def x(index: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (index / max(1, len(points) - 1))

    def y(score: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - score) / (high - low)

    def line(values: Sequence[float | None], colour: str, width: float) -> str:
        at = " ".join(f"{x(i):.1f},{y(value):.1f}" for i, value in enumerate(values) if value is not None)
        return f'<polyline points="{at}" fill="none" stroke="{colour}" stroke-width="{width}"/>'

    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = low + pad + share * (high - low - 2 * pad)
        parts.append(f'<line x1="{LEFT}" x2="{right}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="var(--rule)"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.2f}</text>')
    parts.append(line([point.first_score for point in points], "#99a", 1.5))
    parts.append(line([point.score for point in points], "var(--model)", 2.5))
    for index, point in enumerate(points):
        if point.kind != "nothing" and point.score is not None:
            colour = COLOURS.get(point.kind, "#555")
            about = escape(f"{index + 1}: {point.kind}. {point.words}")
            across = f'x1="{x(index):.1f}" x2="{x(index):.1f}" y1="{TOP}" y2="{floor}"'
            parts.append(f'<line {across} stroke="{colour}" stroke-opacity=".25"/>')
            dot = f'cx="{x(index):.1f}" cy="{y(point.score):.1f}" r="5" fill="{colour}"'
            parts.append(f"<circle {dot}><title>{about}</title></circle>")
        if index == 0 or point.version != points[index - 1].version:
            parts.append(f'<text x="{x(index) + 3:.1f}" y="{HEIGHT - BOTTOM + 16}">v{point.version}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">batches; {escape(score_name)}</text>')
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="scores over time">{"".join(parts)}</svg>'
