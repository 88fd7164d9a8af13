"""The picture of the doctor's page: one training of each fault, as it is, mended and healthy. Writes docs/doctor.svg.

`python benchmarks/doctor/picture.py` takes the first training of each fault of the development half: a minute.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.doctor.cases import FAULTS, Case, faulty_case
from benchmarks.doctor.running import care_of, plain_fit
from modelwright.training.loop.fit import Fit

COLUMNS, WIDTH, HEIGHT, GAP, HEAD = 5, 170, 96, 22, 34  # panels in a row, and their pixels
COLOURS = {"healthy": "#8a8f98", "as it is": "#d1495b", "in care": "#2a7f62"}
STYLES = {"healthy": 'stroke-width="4" opacity="0.55"', "as it is": 'stroke-width="1.8"',
          "in care": 'stroke-width="1.8" stroke-dasharray="5 2"'}  # fmt: skip


def curve(run: Fit, n_steps: int) -> list[tuple[float, float]]:
    """Share of the run and score on rows held back, 0..1 each, of all validations."""
    seen = [event for event in run.history if event["event"] == "validation"]
    return [(event["step"] / n_steps, min(1.0, max(0.0, float(event.get("score") or 0.0)))) for event in seen]


def first_told(run: Fit, n_steps: int) -> float:
    """When the doctor first spoke, as a share of the run."""
    steps = [event["step"] for event in run.history if event["event"] == "verdict"]
    return max(0, min(steps, default=0)) / n_steps


def panel(name: str, curves: dict[str, list[tuple[float, float]]], told: float) -> str:
    """One fault: three curves in a frame, and a mark where the doctor spoke."""
    body = [f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fbfbfa" stroke="#d8d8d4"/>',
            f'<text y="-7" font-weight="600">{escape(name.replace("_", " "))}</text>',
            f'<line x1="{told * WIDTH:.1f}" x2="{told * WIDTH:.1f}" y1="0" y2="{HEIGHT}" stroke="#e09f3e" '
            'stroke-width="3"/>']  # fmt: skip
    for kind, points in curves.items():
        places = " ".join(f"{x * WIDTH:.1f},{(1 - y) * (HEIGHT - 6) + 3:.1f}" for x, y in points)
        body.append(f'<polyline points="{places}" fill="none" stroke="{COLOURS[kind]}" {STYLES[kind]}/>')
    return "".join(body)


def legend() -> str:
    """What the lines are."""
    rows = [f'<line x1="0" x2="26" y1="{18 * n}" y2="{18 * n}" stroke="{COLOURS[kind]}" {STYLES[kind]}/>'
            f'<text x="34" y="{18 * n + 4}">{kind}</text>' for n, kind in enumerate(COLOURS)]  # fmt: skip
    told = ('<line x1="13" x2="13" y1="46" y2="62" stroke="#e09f3e" stroke-width="3"/>'
            '<text x="34" y="58">the doctor speaks</text>')  # fmt: skip
    return "".join(rows) + told


def picture(panels: Sequence[str]) -> str:
    """All panels as one SVG."""
    places = [(GAP + n % COLUMNS * (WIDTH + GAP), HEAD + n // COLUMNS * (HEIGHT + HEAD)) for n in range(len(panels))]
    width, height = GAP + COLUMNS * (WIDTH + GAP), max(y for _, y in places) + HEIGHT + GAP
    body = "\n".join(
        f'<g transform="translate({x},{y})">{made}</g>' for (x, y), made in zip(places, panels, strict=True)
    )
    title = "Score on rows held back during one training of each fault: as it is, in care, and healthy"
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" font-size="12" '
            f'font-family="system-ui, sans-serif"><title>{title}</title>'
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n{body}\n</svg>\n')  # fmt: skip


def panel_of(fault: str) -> str:
    """The panel of a fault's first training."""
    case = faulty_case(fault, "development", 0)
    assert isinstance(case.healthy, Case)
    runs = {"healthy": plain_fit(case.healthy), "as it is": plain_fit(case), "in care": care_of(case)}
    n_steps = case.spec.max_steps or 1
    curves = {kind: curve(run, n_steps) for kind, run in runs.items()}
    return panel(fault, curves, first_told(runs["in care"], n_steps))


def main() -> None:
    import torch

    torch.set_num_threads(1)
    panels = [panel_of(fault) for fault in FAULTS]
    (ROOT / "docs" / "doctor.svg").write_text(picture([*panels, legend()]))


if __name__ == "__main__":
    main()
