"""What every page of ours shows cells and names with: nothing runs, nothing is fetched, nothing is hidden from the eye.

A page is one file: a template, a style sheet and a script of the same stem, the policy allows these two by their hashes
and nothing else. Every value is escaped; blanks and controls at which the eye would stumble are shown by signs.
"""

from __future__ import annotations

import base64
import hashlib
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

MOST_LETTERS = 90


def page_of(template: Path, **values: Any) -> str:
    """A page from a template: with `shown.css` and `shown.js`, and what lies beside it in `.css` and `.js` of its stem.

    The template gets `style`, `script` and their hashes for its policy besides the values.
    """
    from markupsafe import Markup

    style, script = (_both(template.with_suffix(ending)) for ending in (".css", ".js"))
    hashes = {"style_hash": _hash(style), "script_hash": _hash(script)}
    page = environment(template.parent).get_template(template.name)
    return page.render(style=Markup(style), script=Markup(script), **hashes, **values)


def _both(own: Path) -> str:
    """What all pages share, and what one adds."""
    common = Path(__file__).with_suffix(own.suffix).read_text(encoding="utf-8")
    return common + (own.read_text(encoding="utf-8") if own.exists() else "")


@cache
def environment(folder: Path) -> Environment:
    """Templates of a folder: every value is escaped, a name that was not given is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def short(text: str, most: int = MOST_LETTERS) -> str:
    """A text cut to a length, with a sign that it was."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def percent(share: float) -> str:
    """A confidence in whole per cent, never rounded up to certainty.

    >>> percent(0.999), percent(1.0)
    ('99%', '100%')
    """
    return f"{int(100 * share + 1e-4)}%"


def count(n: int, one: str, many: str = "") -> str:
    """A number with its noun.

    >>> count(1, "row"), count(2000, "row"), count(2, "is", "are")
    ('1 row', '2,000 rows', '2 are')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


# What the eye would miss --------------------------------------------------------------------------------------

_SIGNS = {" ": "␣", "\u00a0": "⍽", "\t": "⇥", "\n": "⏎", "\r": "␍", "\u200b": "∅", "\ufeff": "∅", "\u2060": "∅"}


def pieces(cell: str | None, other: str | None = None) -> list[tuple[str, str]]:
    """A cell in pieces: `same` (as in the other cell), `diff`, and `sign` for blanks that matter and controls.

    >>> pieces("Bergxn", "Bergen"), pieces("oak ")
    ([('same', 'Berg'), ('diff', 'x'), ('same', 'n')], [('same', 'oak'), ('sign', '␣')])
    """
    if cell is None or cell == "":
        return [("none", "nothing" if cell is None else "empty")]
    start = _start(cell, other)
    cut = short(("…" if start else "") + cell[start:])
    differs = _differing(cut, short(("…" if start else "") + other[start:])) if other else set()
    made: list[tuple[str, str]] = []
    for place, letter in enumerate(cut):
        edge = letter == " " and (place in (0, len(cut) - 1) or cut[place - 1] == " " or cut[place + 1] == " ")
        sign = _sign(letter) if letter != " " or edge else ""
        kind = "sign" if sign else "diff" if place in differs else "same"
        if made and made[-1][0] == kind:
            made[-1] = (kind, made[-1][1] + (sign or letter))
        else:
            made.append((kind, sign or letter))
    return made


def _start(cell: str, other: str | None) -> int:
    """Where to begin to show a long cell, so that what differs is seen: some letters before the first that does."""
    if other is None or max(len(cell), len(other)) <= MOST_LETTERS:
        return 0
    pairs = enumerate(zip(cell, other, strict=False))
    first = next((place for place, (one, two) in pairs if one != two), min(len(cell), len(other)))
    return first - 30 if first > MOST_LETTERS // 2 else 0


def _sign(letter: str) -> str:
    """What stands for a letter that is not seen or that turns its neighbours round."""
    code = ord(letter)
    if letter in _SIGNS:
        return _SIGNS[letter]
    if code < 32:
        return chr(0x2400 + code)
    turns = 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069 or code in (0x200E, 0x200F, 0x061C)
    blank = letter.isspace() or 0x7F <= code < 0xA0 or code in (0x2028, 0x2029)
    return f"⟨{code:04X}⟩" if turns or blank else ""


def _differing(text: str, other: str) -> set[int]:
    """The places of a text that the other has not."""
    matched = SequenceMatcher(None, text, other, autojunk=False).get_matching_blocks()
    return set(range(len(text))) - {place for block in matched for place in range(block.a, block.a + block.size)}
