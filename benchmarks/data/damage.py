"""Tables made wrong on purpose, with the truth kept aside: what people, scanners and exports do to real ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

LETTERS = list("abcdefghijklmnopqrstuvwxyz")
MARKERS = ("?", "N/A", "null", "-", "unknown")


def is_numeric(cells: pl.Series) -> bool:
    said = cells.drop_nulls().filter(~cells.drop_nulls().is_in(["", "NA", "?"]))
    return bool((said.cast(pl.Float64, strict=False).is_not_null().mean() or 0) > 0.9)


def misspelled(text: str, rng: np.random.Generator) -> str:
    """One letter replaced, left out, put in, or two changed places."""
    if not text:
        return text
    place, kind = int(rng.integers(len(text))), int(rng.integers(4))
    letter = str(rng.choice(LETTERS))
    if kind == 0:
        return text[:place] + letter + text[place + 1 :]
    if kind == 1 and len(text) > 2:
        return text[:place] + text[place + 1 :]
    if kind == 2 and place + 1 < len(text):
        return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    return text[:place] + letter + text[place:]


def typos(frame: pl.DataFrame, columns: Sequence[str], share: float, rng: np.random.Generator) -> pl.DataFrame:
    """`share` of the cells of these columns misspelled."""
    return _changed(frame, columns, share, rng, lambda text: misspelled(text, rng))


def markers(frame: pl.DataFrame, columns: Sequence[str], share: float, rng: np.random.Generator) -> pl.DataFrame:
    """`share` of the cells of these columns lost, each under some word for it."""
    return _changed(frame, columns, share, rng, lambda _: str(rng.choice(MARKERS)))


def thousandfold(frame: pl.DataFrame, columns: Sequence[str], share: float, rng: np.random.Generator) -> pl.DataFrame:
    """`share` of the numbers written in a unit a thousandth as large, with the unit: "1500 m" beside "2 km"."""
    return _changed(
        frame, columns, share, rng, lambda text: f"{float(text) * 1000:g} m", other=lambda text: f"{text} km"
    )


def _changed(frame, columns, share, rng, change, other=None):  # type: ignore[no-untyped-def]
    for name in columns:
        cells = frame[name].to_list()
        chosen = set(rng.choice(len(cells), int(share * len(cells)), replace=False).tolist())
        cells = [
            cell if not cell else change(cell) if row in chosen else other(cell) if other else cell
            for row, cell in enumerate(cells)
        ]
        frame = frame.with_columns(pl.Series(name, cells, dtype=pl.String))
    return frame


def swaps(frame: pl.DataFrame, pair: tuple[str, str], share: float, rng: np.random.Generator) -> pl.DataFrame:
    """In `share` of the rows two cells change places."""
    rows = np.sort(rng.choice(frame.height, int(share * frame.height), replace=False))
    left, right = frame[pair[0]], frame[pair[1]]
    from_left, from_right = left[rows], right[rows]  # first, for `scatter` writes into the series it is called on
    return frame.with_columns(left.scatter(rows, from_right), right.scatter(rows, from_left))


def copies(frame: pl.DataFrame, share: float, rng: np.random.Generator) -> pl.DataFrame:
    """`share` more rows, each a copy of one."""
    rows = rng.choice(frame.height, int(share * frame.height), replace=False)
    return pl.concat([frame, frame[np.sort(rows)]])


def wrong_labels(frame: pl.DataFrame, target: str, share: float, rng: np.random.Generator) -> pl.DataFrame:
    """`share` of the labels are another class; numbers are left alone."""
    labels = frame[target].to_list()
    classes = sorted(set(labels))
    if len(classes) > 20:
        return frame
    for row in rng.choice(len(labels), int(share * len(labels)), replace=False).tolist():
        labels[row] = str(rng.choice([one for one in classes if one != labels[row]]))
    return frame.with_columns(pl.Series(target, labels))
