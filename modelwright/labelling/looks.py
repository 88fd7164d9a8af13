"""What rows look like to a quick model: numbers of what is shown of them, whatever it is."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError
from modelwright.labelling.store import Project
from modelwright_runtime.arrays import images
from modelwright_runtime.reading import CellError

if TYPE_CHECKING:
    import numpy as np

PICTURE = {"height": 24, "width": 24, "channels": 3}
MOST_LETTERS = 5_000
MOST_WORDS = 50_000
NUMBERS = 0.9
"""A column is one of numbers when so many of its cells are."""
N_DENSE = 50


def looks_of(project: Project, rows: Sequence[int]) -> tuple[Any, np.ndarray]:
    """Features of rows, (n_rows, n_features), sparse where words are among them, and their main components, dense
    (n_rows, at most 50): cells of numbers as they are, texts by TF-IDF, pictures by their pixels made small.

    Raises `UserError("labelling.order")` where nothing of a row can be learnt from.
    """
    import numpy as np
    import scipy.sparse as sp

    columns = _columns(project, rows)
    parts = [part for cells in columns if (part := _part(cells)) is not None]
    if not parts:
        raise UserError(
            "labelling.order", "nothing that is shown of these rows can be learnt from.",
            hint="show more of them (--show), or take another --order",
        )  # fmt: skip
    features: Any = sp.hstack(parts, format="csr") if any(map(sp.issparse, parts)) else np.hstack(parts)
    return features, _main_components(features)


def _columns(project: Project, rows: Sequence[int]) -> list[list[Any]]:
    """Cells of every column that is shown: texts, numbers, None, or the bytes of a picture."""
    columns: dict[Any, list[Any]] = {}
    for place, row in enumerate(rows):
        (plain,) = project.rows.execute("SELECT plain FROM payloads WHERE row = ?", (row,)).fetchone()
        shown = json.loads(plain)
        for name, cell in itertools.chain(enumerate(shown["main"]), shown["more"]):
            if isinstance(cell, dict) and "media" in cell:
                cell = project.media(row, cell["media"])
            columns.setdefault(name, [None] * len(rows))[place] = cell
    return list(columns.values())


def _part(cells: list[Any]) -> Any:
    if any(isinstance(cell, bytes) for cell in cells):
        return _pixels(cells)
    numbers = _numbers(cells)
    return _words(cells) if numbers is None else numbers


def _pixels(cells: list[Any]) -> np.ndarray:
    """Main components of the pixels; a picture that cannot be opened is black."""
    import numpy as np

    made = np.zeros((len(cells), PICTURE["height"] * PICTURE["width"] * PICTURE["channels"]), dtype=np.float32)
    for place, cell in enumerate(cells):
        try:
            made[place] = images.pixels(cell or b"", PICTURE).ravel() / 255.0
        except CellError:
            continue
    return _main_components(made)


def _numbers(cells: list[Any]) -> np.ndarray | None:
    """Standardised numbers, the mean where there is none; None of a column that has too few."""
    import numpy as np

    found = np.array([_number(cell) for cell in cells])
    is_there = np.isfinite(found)
    n_told = sum(cell not in (None, "") for cell in cells)
    if not n_told or is_there.sum() < NUMBERS * n_told:
        return None
    mean, spread = found[is_there].mean(), found[is_there].std()
    return np.where(is_there, (found - mean) / (spread or 1.0), 0.0)[:, None]


def _number(cell: Any) -> float:
    try:
        return float(cell) if isinstance(cell, (int, float, str)) else float("nan")
    except ValueError:
        return float("nan")


def _words(cells: list[Any]) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = ["" if cell is None else str(cell)[:MOST_LETTERS] for cell in cells]
    least = 2 if len(texts) >= 200 else 1
    reader = TfidfVectorizer(min_df=least, sublinear_tf=True, max_features=MOST_WORDS, token_pattern=r"(?u)\w+")
    try:
        return reader.fit_transform(texts)
    except ValueError:  # no word at all, or none that two rows share
        return None


def _main_components(features: Any) -> np.ndarray:
    """As few columns as tell rows apart, for comparing them.

    Reference: Halko, Martinsson and Tropp (2011), "Finding structure with randomness".
    """
    import numpy as np
    import scipy.sparse as sp
    from sklearn.decomposition import TruncatedSVD

    if not sp.issparse(features):
        features = features - features.mean(axis=0)
    if min(features.shape) <= N_DENSE:
        return np.asarray(features.toarray() if sp.issparse(features) else features)
    return np.asarray(TruncatedSVD(N_DENSE, random_state=0).fit_transform(features))
