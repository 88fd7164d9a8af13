"""How alike two records are, column by column: texts as weighed characters, words and codes; numbers as numbers.

Rare parts weigh more than frequent ones (inverse document frequency over both tables), codes such as `EZXS-88W` are
compared on their own, without their marks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

WHOLE = "*"
"""The name of the view of all columns together."""
SHAPES = ("letters", "words", "codes")
_WORD = re.compile(r"[^\W_]+")
_MARKS = re.compile(r"[\W_]+")
_NUMBER = re.compile(r"[^0-9.+-]")
LEAST_CODE = 3  # letters and digits of what counts as a code
MOSTLY_NUMBERS = 0.8  # of the cells that are there: then a column is compared as numbers too
_AT_ONCE = 200_000  # pairs


@dataclass(frozen=True, eq=False)
class View:
    """One column (or all) in one shape: a weighed sparse row for each record of both sides, of length one or empty."""

    column: str
    shape: str
    left: Any
    right: Any


@dataclass(frozen=True, eq=False)
class Compared:
    """Pairs and how alike they are: `likeness` float32 (n_pairs, n_features), each 0 to 1 (`missing`: 1 where a cell
    lacks). `features` name its columns: (column, shape)."""

    left: np.ndarray
    right: np.ndarray
    likeness: np.ndarray
    features: tuple[tuple[str, str], ...]


def plain(text: str | None) -> str:
    """A cell as it is compared: compatible letters, lower case, single blanks.

    >>> plain("  ＳＯＮＹ  Turntable ")
    'sony turntable'
    """
    return " ".join(unicodedata.normalize("NFKC", text or "").lower().split())


def words_of(text: str) -> list[str]:
    """Runs of letters and digits."""
    return _WORD.findall(text)


def codes_of(text: str) -> list[str]:
    """Words with a digit, without their marks: what names a model, a part or an edition.

    >>> codes_of("belkin cable - f3h982-10 (6 ft)")
    ['f3h98210']
    """
    bare = (_MARKS.sub("", word) for word in text.split())
    return [word for word in bare if len(word) >= LEAST_CODE and any(letter.isdigit() for letter in word)]


def texts_of(frame: pl.DataFrame, columns: Sequence[str]) -> dict[str, list[str]]:
    """The cells of each column as they are compared, and all of a record together as `WHOLE`."""
    import polars as pl

    cells = {name: [plain(cell) for cell in frame[name].cast(pl.String).to_list()] for name in columns}
    if len(cells) > 1:
        cells[WHOLE] = [" ".join(filter(None, row)) for row in zip(*cells.values(), strict=True)]
    return cells


def views_of(
    left: Mapping[str, list[str]], right: Mapping[str, list[str]] | None, shapes: Sequence[str] = SHAPES
) -> tuple[View, ...]:
    """Every column in every one of the shapes that it has; `right` is None for one table beside itself."""
    return tuple(
        view for column in left for shape in shapes
        if (view := _view(column, shape, left[column], None if right is None else right[column])) is not None
    )  # fmt: skip


def _view(column: str, shape: str, left: list[str], right: list[str] | None) -> View | None:
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    how: dict[str, Any] = {"lowercase": False, "dtype": np.float32}
    if shape == "letters":
        weigh = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), sublinear_tf=True, **how)
    elif shape == "words":
        weigh = TfidfVectorizer(analyzer=words_of, sublinear_tf=True, **how)
    else:
        weigh = TfidfVectorizer(analyzer=codes_of, **how)
    parts = words_of if shape == "words" else codes_of
    texts = left if right is None else left + right
    if shape != "letters" and not any(parts(text) for text in texts) or not any(texts):
        return None
    matrix = weigh.fit_transform(texts)
    return View(column, shape, matrix[: len(left)], matrix if right is None else matrix[len(left) :])


def compare(
    views: Sequence[View], left: Mapping[str, list[str]], right: Mapping[str, list[str]], pairs: np.ndarray
) -> Compared:
    """How alike the records of each pair are; `pairs` are positions, (n_pairs, 2).

    >>> import numpy as np
    >>> left, right = {"name": ["sony ps-lx350h", "bose 161"]}, {"name": ["sony pslx350h turntable"]}
    >>> likeness = compare(views_of(left, right), left, right, np.array([[0, 0], [1, 0]]))
    >>> likeness.features[2], likeness.likeness[:, 2].round(2).tolist()
    (('name', 'codes'), [1.0, 0.0])
    """
    import numpy as np

    i, j = pairs[:, 0], pairs[:, 1]
    made: list[np.ndarray] = []
    names: list[tuple[str, str]] = []
    for view in views:
        made.append(cosines(view.left, view.right, i, j))
        names.append((view.column, view.shape))
    for column in left:
        there = [np.array([cell != "" for cell in side[column]]) for side in (left, right)]
        lacks = ~(there[0][i] & there[1][j])
        if lacks.any():
            made.append(lacks.astype(np.float32))
            names.append((column, "missing"))
        if column != WHOLE and (numbers := _numbers(left[column], right[column])) is not None:
            made.append(_closeness(numbers[0][i], numbers[1][j]))
            names.append((column, "number"))
    return Compared(i, j, np.column_stack(made).astype(np.float32), tuple(names))


def cosines(left: Any, right: Any, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Row by row products of two sparse matrices, float32 (n_pairs,)."""
    import numpy as np

    made = np.empty(len(i), dtype=np.float32)
    for start in range(0, len(i), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        made[part] = np.asarray(left[i[part]].multiply(right[j[part]]).sum(axis=1)).ravel()
    return made


def number_of(cell: str) -> float:
    """The number that a cell says, NaN where it says none."""
    try:
        return float(_NUMBER.sub("", cell))
    except ValueError:
        return float("nan")


def _numbers(left: list[str], right: list[str]) -> tuple[np.ndarray, np.ndarray] | None:
    import numpy as np

    sides = []
    for cells in (left, right):
        said = np.array([number_of(cell) if len(cell) < 30 else np.nan for cell in cells])
        n_there = sum(cell != "" for cell in cells)
        if not n_there or np.isfinite(said).sum() < MOSTLY_NUMBERS * n_there:
            return None
        sides.append(said)
    return sides[0], sides[1]


def _closeness(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """1 for equal numbers, 0 for numbers of which one is twice the other, and where one lacks."""
    import numpy as np

    largest = np.maximum(np.abs(a), np.abs(b))
    apart = np.divide(np.abs(a - b), largest, out=np.zeros_like(largest), where=largest > 0)
    close: np.ndarray = np.nan_to_num(np.clip(1 - 2 * apart, 0, 1), nan=0.0).astype(np.float32)
    return close
