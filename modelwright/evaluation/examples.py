"""Held-out rows to look at: those that were answered worst, and pairs of classes that are taken for each other.

Everything is made small (`media.py`) and JSON-able, so that it lies in the report's record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.core.data import ROW_ID, Dataset
from modelwright.evaluation import media
from modelwright.evaluation.answers import Answers
from modelwright.evaluation.curves import plain
from modelwright.evaluation.text import figure, short

if TYPE_CHECKING:
    from modelwright.core.values import Trained
    from modelwright.evaluation.asking import Asked
    from modelwright.evaluation.metrics import Ints

N_EXAMPLES, N_TYPICAL = 12, 2
N_OF_PICTURES = 6
"""Examples of boxes, masks and forecasts, which need room: the hardest, and `N_TYPICAL` from the middle."""
N_MAPPED = 8
"""Examples of which a map is made."""
SIDE, LARGE_SIDE, SMALL_SIDE = 200, 420, 96
N_PAIRS, N_PER_PAIR = 6, 4
MEDIA = ("image", "audio", "text", "series")


def examples(trained: Trained, asked: Asked, *, output: int = 0, network: Any = None) -> list[dict[str, Any]]:
    """The rows that were answered worst, hardest first: row id, loss, truth, answer, and what the model was given.

    Tables have no examples: there is nothing to look at. Of boxes, masks and forecasts the last ones are usual
    rows, to compare with.
    """
    columns = shown_columns(trained, asked.rows)
    if not any(columns.values()):
        return []
    pictures = asked.task.kind in ("detection", "segmentation", "forecast")
    places = _chosen(asked, N_OF_PICTURES if pictures else N_EXAMPLES, N_TYPICAL if pictures else 0)
    rows = rows_at(asked.rows, places)
    told = _answers(trained, asked, places, rows, output)
    side = LARGE_SIDE if asked.task.kind == "detection" else SIDE
    made = []
    for index, place in enumerate(places):
        row = rows_at(rows, np.array([index]))
        one = {
            "row": int(row.row_ids[0]),
            "loss": float(f"{asked.losses[place]:.6g}"),
            "usual": index >= len(places) - N_TYPICAL and pictures and len(places) > N_TYPICAL,
            **told[index],
            "media": _media(row, columns, side),
        }
        made.append(one)
    if not pictures:
        from modelwright.evaluation.maps import add_maps

        add_maps(made[:N_MAPPED], trained, rows, output=output, network=network)
    return made


def shown_columns(trained: Trained, rows: Dataset) -> dict[str, list[str]]:
    """Columns that can be looked at and that the model is given, by kind."""
    signature = trained.signature
    given = [name for array in signature.arrays for name in array.columns]
    given += [text.column for text in signature.texts]
    found: dict[str, list[str]] = {kind: [] for kind in MEDIA}
    for name in dict.fromkeys(given):
        if name in rows.schema and rows.schema[name].kind in found:
            found[rows.schema[name].kind].append(name)
    return found


def rows_at(data: Dataset, places: Ints) -> Dataset:
    """Some rows by position, in that order."""
    frame = data.frame[places.tolist()]
    return Dataset(frame.lazy(), data.schema, frame.height, data.origin)


def _chosen(asked: Asked, n_hardest: int, n_usual: int) -> Ints:
    """Positions of the rows with the greatest loss, then of some in the middle. Equals: the lower row id first."""
    order = np.lexsort((asked.rows.frame[ROW_ID].to_numpy(), -asked.losses))
    hardest = order[:n_hardest]
    rest = order[n_hardest:]
    middle = rest[len(rest) // 2 : len(rest) // 2 + n_usual]
    if len(rest) < n_usual:
        return hardest
    return np.concatenate([hardest, middle])


def _media(row: Dataset, columns: dict[str, list[str]], side: int) -> list[dict[str, Any]]:
    cells = row.frame.row(0, named=True)
    made = [media.thumbnail(cells[name], side) for name in columns["image"][:1]]
    made += [media.sound(cells[name]) for name in columns["audio"][:1]]
    made += [media.text(cells[name]) for name in columns["text"][:2]]
    if columns["series"]:
        made.append(media.lines({name: cells[name] for name in columns["series"]}))
    return [one for one in made if one is not None]


def _answers(trained: Trained, asked: Asked, places: Ints, rows: Dataset, output: int) -> list[dict[str, Any]]:
    """Truth and answer of each chosen row, as texts or as what is drawn."""
    if isinstance(asked.model, Answers):
        return [_plain_answer(asked.model, int(place)) for place in places]
    from modelwright.core.inputs import graph_outputs
    from modelwright.evaluation import overlays

    raw = graph_outputs(trained.graph, trained.signature, rows)[output]
    if asked.task.kind == "detection":
        return overlays.box_overlays(trained, asked, rows, raw)
    if asked.task.kind == "segmentation":
        return overlays.mask_overlays(trained, asked, rows, raw)
    return overlays.futures(trained, asked, rows, raw)


def _plain_answer(answers: Answers, place: int) -> dict[str, Any]:
    truth, given = answers.truth[place], answers.predicted[place]
    if answers.probabilities is None:
        return {"truth": figure(float(truth)), "answer": figure(float(given)), "right": None}
    chances = answers.probabilities[place]
    if answers.truth.ndim > 1:
        names = [[answers.classes[k] for k in np.flatnonzero(one)] for one in (truth, given)]
        told = [short(", ".join(one), 80) or "(none)" for one in names]
        return {"truth": told[0], "answer": told[1], "right": bool((truth == given).all())}
    return {
        "truth": short(answers.classes[truth]),
        "answer": short(answers.classes[given]),
        "right": bool(truth == given),
        "chance": plain(chances[[given]])[0],
        "chance_of_truth": plain(chances[[truth]])[0],
    }


def confused(trained: Trained, asked: Asked) -> list[dict[str, Any]]:
    """The classes most often taken for each other, with pictures of rows where it happened, the surest first."""
    answers, columns = asked.model, shown_columns(trained, asked.rows)["image"]
    if not columns or not isinstance(answers, Answers) or answers.probabilities is None or answers.truth.ndim > 1:
        return []
    wrong = np.flatnonzero(answers.truth != answers.predicted)
    pairs, counts = np.unique(
        np.stack([answers.truth[wrong], answers.predicted[wrong]], axis=1), axis=0, return_counts=True
    )
    made = []
    for index in np.argsort(-counts, kind="stable")[:N_PAIRS]:
        truth, given = pairs[index]
        rows = wrong[(answers.truth[wrong] == truth) & (answers.predicted[wrong] == given)]
        surest = rows[np.argsort(-answers.probabilities[rows, given], kind="stable")][:N_PER_PAIR]
        cells = asked.rows.column(columns[0])
        shown = [media.thumbnail(cells[int(row)], SMALL_SIDE) for row in surest]
        made.append(
            {
                "truth": short(answers.classes[truth]),
                "answer": short(answers.classes[given]),
                "n": int(counts[index]),
                "media": [one for one in shown if one is not None],
            }
        )
    return made
