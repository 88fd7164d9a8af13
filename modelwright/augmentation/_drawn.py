"""Previews as SVG that stands alone: sound, series, texts and tables, before in grey and after in colour.

Every text is escaped: column names, classes and words are not to be trusted.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from modelwright.augmentation.spectral import window

if TYPE_CHECKING:
    from torch import Tensor

    from modelwright_runtime.signature import ArrayInput

_WIDE, _MARGIN, _LINE = 760, 16, 22
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#222}.small{font-size:11px;fill:#777}.title{font-weight:600}"
    ".before{stroke:#999;fill:none;stroke-width:2.5}.after{fill:none;stroke-width:1.2;stroke:#d9480f}"
    ".a1{stroke:#1c7ed6}.a2{stroke:#2b8a3e}.a3{stroke:#862e9c}.a4{stroke:#e67700}"
    ".wave{fill:#1c7ed6}.old{fill:#999}.new{fill:#d9480f;font-weight:600}.rule{stroke:#ddd}"
)
N_COLUMNS, N_LETTERS = 6, 96
_MAX_POINTS = 300


def _svg(title: str, height: float, body: Iterable[str]) -> str:
    name = escape(title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {height:.0f}" width="{_WIDE}" '
        f'height="{height:.0f}" role="img" aria-label="{name}"><title>{name}</title><style>{_STYLE}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/>'
        f'<text x="{_MARGIN}" y="24" class="title">{name}</text>{"".join(body)}</svg>'
    )


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(text)}</text>'


def _path(xs: Sequence[float], ys: Sequence[float], kind: str) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
    return f'<polyline points="{points}" class="{kind}"/>'


def series(title: str, xs: list[Tensor], array: ArrayInput, told: list[list[str]]) -> str:
    """Each row and column a panel: the line before, wide and grey, and those after."""
    body, top, tall = [], 40.0, 70.0
    n_columns = min(3, xs[0].shape[1])
    wide = _WIDE - 2 * _MARGIN
    for row in range(len(xs[0])):
        for column in range(n_columns):
            lines = [_thinned(x[row, column].tolist()) for x in xs]
            low = min(value for line in lines for value in line)
            span = max(value for line in lines for value in line) - low or 1.0
            name = f"{array.columns[column]} {told[0][row]}".strip()
            body.append(_text(_MARGIN, top + 11, name, "small"))
            for number, line in reversed(list(enumerate(lines))):
                across = [_MARGIN + wide * place / max(1, len(line) - 1) for place in range(len(line))]
                up = [top + 16 + tall - tall * (value - low) / span for value in line]
                body.append(_path(across, up, "before" if number == 0 else f"after a{number - 1}"))
            top += tall + 26
    return _svg(title, top + 6, body)


def _thinned(values: list[float]) -> list[float]:
    step = -(-len(values) // _MAX_POINTS)
    return values[::step]


def sound(title: str, xs: list[Tensor], array: ArrayInput, told: list[list[str]]) -> str:
    """Each row a line: waveform and spectrogram before, and once after."""
    body, top, tall = [], 40.0, 92.0
    half = (_WIDE - 3 * _MARGIN) / 2
    for row in range(len(xs[0])):
        for place, x in enumerate(xs[:2]):
            left = _MARGIN + place * (half + _MARGIN)
            name = f"{'after' if place else 'before'} {told[place][row]}".strip()
            body.append(_text(left, top + 11, name, "small"))
            body.append(_wave(x[row], left, top + 16, half))
            body.append(_spectrogram(x[row], window(array), left, top + 62, half))
        top += tall + 44
    return _svg(title, top + 6, body)


def _wave(x: Tensor, left: float, top: float, wide: float) -> str:
    """The reach of the samples in each of 200 steps."""
    step = -(-len(x) // 200)
    parts = x[: len(x) // step * step].view(-1, step) if len(x) >= step else x[None]
    high, low = parts.amax(1).clamp(-1, 1).tolist(), parts.amin(1).clamp(-1, 1).tolist()
    across = [left + wide * place / max(1, len(high) - 1) for place in range(len(high))]
    points = [*zip(across, high, strict=True), *reversed(list(zip(across, low, strict=True)))]
    drawn = " ".join(f"{x:.1f},{top + 20 - 20 * y:.1f}" for x, y in points)
    return f'<polygon points="{drawn}" class="wave"/>'


def _spectrogram(x: Tensor, n_window: int, left: float, top: float, wide: float) -> str:
    """Loud is dark; 80 dB from white to black, low notes below."""
    import numpy as np
    import torch
    from PIL import Image

    waves = torch.stft(
        x, n_window, n_window // 4, window=torch.hann_window(n_window), pad_mode="constant", return_complex=True
    )
    level_db = 20 * torch.log10(waves.abs() / (n_window / 4) + 1e-6)
    dark = ((level_db + 80) / 80).clamp(0, 1).flip(0)
    shown = Image.fromarray((255 - dark * 255).numpy().astype(np.uint8)).resize((340, 64), Image.Resampling.BOX)
    buffer = io.BytesIO()
    shown.save(buffer, "PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<image x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="64" preserveAspectRatio="none" '
        f'href="data:image/png;base64,{data}"/>'
    )


def texts(title: str, xs: list[Tensor], array: ArrayInput, told: list[list[str]]) -> str:
    """Each row before, and three times after; what is new stands out."""
    body, top = [], 52.0
    vocabulary = ["", "□", *array.settings.get("vocabulary", ())]
    between = "" if array.settings.get("level") == "character" else " "
    for row in range(len(xs[0])):
        before = [token for token in xs[0][row].tolist() if token]
        for number, x in enumerate(xs[:4]):
            after = [token for token in x[row].tolist() if token]
            kept = _kept(before, after)
            body.append(_text(_MARGIN, top, "before" if number == 0 else "after", "small"))
            body.append(_words([vocabulary[token] for token in after], kept, between, top))
            top += _LINE
        if told[0][row]:
            body.append(_text(_MARGIN, top - 4, told[0][row], "small"))
            top += 14
        top += 10
    return _svg(title, top, body)


def _kept(before: list[int], after: list[int]) -> list[bool]:
    """For each token after, whether it stood there before: by the longest common parts."""
    import difflib

    kept = [False] * len(after)
    for block in difflib.SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
        kept[block.b : block.b + block.size] = [True] * block.size
    return kept


def _words(words: list[str], kept: list[bool], between: str, y: float) -> str:
    parts, n_letters = [], 0
    for word, same in zip(words, kept, strict=True):
        shown = word.replace("Ġ", " ")
        n_letters += len(shown) + len(between)
        if n_letters > N_LETTERS:
            parts.append("…")
            break
        parts.append(escape(shown + between) if same else f'<tspan class="new">{escape(shown)}</tspan>{between}')
    return f'<text x="72" y="{y:.1f}" xml:space="preserve">{"".join(parts)}</text>'


def table(title: str, xs: list[Tensor], array: ArrayInput, told: list[list[str]]) -> str:
    """The first columns of each row before, and three times after; cells that moved stand out."""
    columns = array.columns[:N_COLUMNS]
    wide = (_WIDE - _MARGIN - 72) / max(1, len(columns))
    body = [_text(72 + wide * place, 48, name[:14], "small") for place, name in enumerate(columns)]
    top = 70.0
    for row in range(len(xs[0])):
        for number, x in enumerate(xs[:4]):
            label = "before" if number == 0 else "after"
            body.append(_text(_MARGIN, top, label, "small"))
            for place in range(len(columns)):
                value, given = x[row, place].item(), xs[0][row, place].item()
                same = value == given or (value != value and given != given)
                kind = "old" if same and number else "" if same else "new"
                body.append(_text(72 + wide * place, top, _cell(value, array, place), kind))
            top += _LINE - 3
        body.append(f'<line x1="{_MARGIN}" x2="{_WIDE - _MARGIN}" y1="{top - 8}" y2="{top - 8}" class="rule"/>')
        top += 14
    return _svg(title, top, body)


def _cell(value: float, array: ArrayInput, place: int) -> str:
    if array.form == "numbers":
        return "missing" if value != value else f"{value:.4g}"
    levels = array.settings.get("levels")
    names = ["missing", "unseen", *(levels[place] if levels else ())]
    return str(names[int(value)])[:14] if int(value) < len(names) else str(int(value))
