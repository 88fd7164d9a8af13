"""Maps of what the answers of some examples hang on, made small enough for a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.evaluation.media import MAX_LINES, outline, picture_uri, thinned
from modelwright.evaluation.saliency import GRID, N_STRETCHES, cover, saliency

if TYPE_CHECKING:
    from modelwright.core.data import Dataset
    from modelwright.core.values import Trained
    from modelwright.evaluation.metrics import Floats

NOTHING = 1e-6
"""An answer that no part changes by more than this hangs on none of them alone."""


def add_maps(
    made: list[dict[str, Any]], trained: Trained, rows: Dataset, *, output: int = 0, network: Any = None
) -> None:
    """Put a map beside the first picture, sound, text or series of each example: `map` or, of a text, `weights`.

    With a `network` pictures, sounds and series are explained by its integrated gradients; texts, and all
    without one, by covering.
    """
    from modelwright.evaluation.examples import rows_at

    for index, example in enumerate(made):
        row = rows_at(rows, np.array([index]))
        for medium in example["media"][:1]:
            found = _by_gradients(network, trained, row, medium, output) if network is not None else None
            found = _by_covering(trained, row, medium, output) if found is None else found
            largest = float(np.abs(found).max(initial=0.0))
            if largest > NOTHING:
                _put(medium, found / largest)
                _show_what_is_seen(medium, trained, row)


def _put(medium: dict[str, Any], values: Floats) -> None:
    """Whole hundredths, -100 to 100."""
    whole = np.round(values * 100).astype(int)
    if medium["form"] == "text":
        medium["weights"] = whole[: len(medium["words"])].tolist()
    else:
        medium["map"] = whole.tolist()


def _show_what_is_seen(medium: dict[str, Any], trained: Trained, row: Dataset) -> None:
    """A map lies over what the network is given: cut, padded or resampled. Where that is not what the cell
    holds, the example shows it too."""
    from modelwright.core.inputs import array

    if medium["form"] == "text":
        return
    columns = _columns(trained, row, medium["form"])
    source = next(one for one in trained.signature.arrays if columns[0] in one.columns)
    given = array(row.frame, source)[0]
    if medium["form"] == "audio":
        medium |= {**outline(given), "seconds": round(len(given) / float(source.settings["rate_hz"]), 3)}
    elif medium["form"] == "series":
        shown = [given[source.columns.index(name)] for name in columns[:MAX_LINES] if name in source.columns]
        medium["lines"] = [{"name": name, "values": thinned(line)} for name, line in zip(columns, shown, strict=False)]
    elif source.settings.get("fit", "stretch") != "stretch":
        pixels = given if given.shape[2] == 3 else np.repeat(given, 3, axis=2)
        medium["seen"] = {"uri": picture_uri(pixels), "width": given.shape[1], "height": given.shape[0], "tiny": True}


def _columns(trained: Trained, row: Dataset, form: str) -> list[str]:
    from modelwright.evaluation.examples import shown_columns

    return shown_columns(trained, row)[form]


def _by_covering(trained: Trained, row: Dataset, medium: dict[str, Any], output: int) -> Floats:
    columns = _columns(trained, row, medium["form"])
    if medium["form"] == "series":
        return np.concatenate([cover(trained, row, name, output=output).values for name in columns[:MAX_LINES]])
    return cover(trained, row, columns[0], output=output).values


def _by_gradients(network: Any, trained: Trained, row: Dataset, medium: dict[str, Any], output: int) -> Floats | None:
    """Integrated gradients of the row's array, summed over the cells that covering has."""
    if medium["form"] == "text":
        return None
    import torch

    from modelwright.core.inputs import array

    arrays = trained.signature.arrays
    column = _columns(trained, row, medium["form"])[0]
    index = next(index for index, one in enumerate(arrays) if column in one.columns)
    inputs = tuple(torch.from_numpy(np.ascontiguousarray(array(row.frame, one))) for one in arrays)
    values = saliency(network, inputs, output=output)[index]
    if values is None:
        return None
    if medium["form"] == "image":
        return _in_cells(values[0], GRID * 2)
    lines = values[0][None] if values[0].ndim == 1 else values[0][:MAX_LINES]
    parts = np.array_split(np.arange(lines.shape[1]), min(N_STRETCHES, lines.shape[1]))
    return np.stack([lines[:, part].sum(axis=1) for part in parts], axis=1)


def _in_cells(values: Floats, n: int) -> Floats:
    """Sums over a grid of n by n cells."""
    for axis in (0, 1):
        parts = np.array_split(values, min(n, values.shape[axis]), axis=axis)
        values = np.stack([part.sum(axis=axis) for part in parts], axis=axis)
    return values
