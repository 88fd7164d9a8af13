"""Histograms, bars and the matrix of a profile as inline SVG: shapes and numbers only, no text of the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from modelwright.profiling.values import Histogram

if TYPE_CHECKING:
    from markupsafe import Markup

WIDTH, HEIGHT = 240, 56
BLOCKS = "▁▂▃▄▅▆▇█"


def histogram_svg(histogram: Histogram) -> Markup:
    """Bars of a histogram, as wide as its place.

    >>> str(histogram_svg(Histogram((0.0, 1.0, 2.0), (1, 3)))).count("<rect")
    2
    """
    from markupsafe import Markup

    counts = histogram.counts
    most, step = max(counts, default=0) or 1, WIDTH / max(1, len(counts))
    bars = []
    for place, count in enumerate(counts):
        tall = max(1.5, HEIGHT * count / most) if count else 0
        if tall:
            bars.append(
                f'<rect class="bar" x="{place * step + 0.5:.1f}" y="{HEIGHT - tall:.1f}" '
                f'width="{max(0.5, step - 1):.1f}" height="{tall:.1f}"/>'
            )
    line = f'<path class="ground" d="M0 {HEIGHT}H{WIDTH}"/>'
    return Markup(
        f'<svg class="histogram" viewBox="0 0 {WIDTH} {HEIGHT + 1}" preserveAspectRatio="none" aria-hidden="true">'
        f"{''.join(bars)}{line}</svg>"
    )  # fmt: skip


def bar_svg(share: float, kind: str = "bar") -> Markup:
    """One bar of a share of 0 to 1; `kind` is a class of the style sheet."""
    from markupsafe import Markup

    return Markup(
        '<svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="track" '
        f'width="100" height="8"/><rect class="{kind}" width="{100 * min(1.0, max(0.0, share)):.1f}" height="8"/></svg>'
    )  # fmt: skip


def matrix_svg(matrix: Sequence[Sequence[float | None]]) -> Markup:
    """A square for each two columns: the fuller the stronger, in one colour for more and another for less."""
    from markupsafe import Markup

    size = 12
    cells = []
    for row, values in enumerate(matrix):
        for place, value in enumerate(values):
            if value is None or row == place or abs(value) < 0.05:
                continue
            kind = "up" if value > 0 else "down"
            cells.append(
                f'<rect class="{kind}" x="{place * size}" y="{row * size}" fill-opacity="{abs(value):.2f}" '
                f'width="{size - 1}" height="{size - 1}"/>'
            )
    whole = size * len(matrix)
    return Markup(
        f'<svg class="matrix" viewBox="0 0 {whole} {whole}" role="img" aria-label="How strongly each two columns go '
        f'together; the table beside has the strongest"><rect class="track" width="{whole}" height="{whole}"/>'
        f"{''.join(cells)}</svg>"
    )  # fmt: skip


def spark(counts: Sequence[int], width: int = 12) -> str:
    """Counts as a line of blocks for the terminal.

    >>> spark([0, 1, 4, 8], 4)
    ' ▁▄█'
    """
    if not counts:
        return ""
    step = -(-len(counts) // width)
    sums = [sum(counts[at : at + step]) for at in range(0, len(counts), step)]
    most = max(sums) or 1
    return "".join(" " if not count else BLOCKS[max(0, -(-count * len(BLOCKS) // most) - 1)] for count in sums)
