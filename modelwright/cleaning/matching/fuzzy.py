"""Rows of one table that are the same thing written twice: groups by the matching of a table with itself.

Meant to be trusted: a row is proposed for removal only if nothing that names things (codes, numbers, the target) speaks
against it and the texts are nearly equal; what is merely likely is flagged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.cleaning.findings import Findings
from modelwright.cleaning.mend import Method
from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.spec import Spec
from modelwright.core.values import Watch

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.cleaning.matching.base import Prepared

MOST_ROWS, MOST_COLUMNS = 30_000, 40
N_BEST = 5
MOST_LISTED = 300_000_000  # entries of inverted lists: some 3 s
LEAST_ROWS = 40
LEAST_WORDS = 3.0  # of a row on average: rows of less text are alike by chance
NEARLY_EQUAL, SIMILAR = 0.85, 0.7  # likeness of the letters of the whole row
LIKELY = 0.5  # chance from which a pair is flagged
MOST_FLAGS = 0.2  # of the rows: with more, rows of this table are like that
ONE_WORD = 0.6  # likeness of two spellings of one word
MOST_SURE = 0.94  # below what the gentle mode applies: whether two rows are one thing is for a person to say


class FuzzySpec(Spec):
    """What is proposed."""

    columns: tuple[str, ...] = Field((), description="columns to compare; by default all that are texts or numbers")
    least: float = Field(0.8, ge=0.5, le=1, description="least chance from which a row is proposed for removal")


def propose(data: Dataset, spec: FuzzySpec, *, seed: int = 0, watch: Watch | None = None) -> Findings:
    """Rows that repeat an earlier one but for how it is written, with `twin_of`; doubtful ones as flags.

    >>> import polars as pl
    >>> names = [f"{a} {b} {n}" for n, (a, b) in enumerate((a, b) for a in "oak ash elm fir yew".split()
    ...          for b in "table chair shelf bench chest stool rack desk".split())]
    >>> wood = pl.DataFrame({"name": [*names, "Oak-table 0"], "maker": [*["Miller and Sons"] * 40, "Miller & Sons"]})
    >>> propose(Dataset.from_frame(wood), FuzzySpec()).n_found <= 1
    True
    """
    import numpy as np

    from modelwright.cleaning.matching.base import decided
    from modelwright.cleaning.matching.clusters import groups

    columns = _columns(data, spec)
    if not LEAST_ROWS <= data.n_rows <= MOST_ROWS or not 0 < len(columns) <= MOST_COLUMNS:
        return Findings.of()
    prepared, targets = _prepared(data, columns)
    if prepared is None or not len(prepared.compared.left):
        return Findings.of()
    matches = decided(prepared, same=True, decisions=(), seed=seed)
    chance = _chance_by_score(matches.pairs, prepared)
    whole, agreed = _agreement(prepared, targets)
    unequal = np.array(_texts_differ(prepared))
    pairs = np.column_stack([prepared.compared.left, prepared.compared.right])
    is_twin = (chance >= spec.least) & (whole >= NEARLY_EQUAL) & agreed & unequal
    is_twin[is_twin] = [same_words(prepared, i, j) for i, j in pairs[is_twin].tolist()]
    is_doubt = ~is_twin & (chance >= LIKELY) & (whole >= SIMILAR) & agreed & unequal
    if is_doubt.sum() > MOST_FLAGS * data.n_rows:
        is_doubt[:] = False
    group = groups(pairs[is_twin], chance[is_twin], data.n_rows)
    return Findings.of(
        rows=_rows(prepared, group, pairs, chance), flags=_flags(prepared, pairs[is_doubt], chance[is_doubt], group)
    )


def _columns(data: Dataset, spec: FuzzySpec) -> dict[str, str]:
    """Columns that are compared: not the target, no runs of row numbers, nothing that is no text or number."""
    import polars as pl

    from modelwright.cleaning.matching.base import counts_rows

    types = data.table.collect_schema()
    named = spec.columns or data.schema.names
    return {
        name: name for name in named
        if name != data.schema.target and not types[name].is_nested() and types[name] != pl.Binary
        and not counts_rows(data, name)
    }  # fmt: skip


def _prepared(data: Dataset, columns: dict[str, str]) -> tuple[Prepared | None, list[str] | None]:
    """What is compared, rows in the order of their ids; None where rows have too little text. And the targets.

    Rows are brought together by the letters of the whole row alone: without likeness there, nothing is proposed.
    """
    import polars as pl

    from modelwright.cleaning.matching.base import Prepared
    from modelwright.cleaning.matching.candidates import candidates
    from modelwright.cleaning.matching.similarity import WHOLE, compare, texts_of, views_of

    frame = data.frame.sort(ROW_ID)
    texts = texts_of(frame, tuple(columns))
    whole = WHOLE if WHOLE in texts else next(iter(texts))
    if _words_of(texts[whole]) < LEAST_WORDS:
        return None, None
    views = views_of(texts, None, ("letters",))
    pairs, _ = candidates(
        [view for view in views if view.column == whole], N_BEST, same=True, most_listed=MOST_LISTED
    )  # fmt: skip
    ids = frame[ROW_ID].to_numpy()
    target = data.schema.target
    targets = None if target is None else frame[target].cast(pl.String).to_list()
    return Prepared(texts, texts, ids, ids, compare(views, texts, texts, pairs), ()), targets


def _words_of(rows: list[str]) -> float:
    """How many words a row has on average, numbers left out."""
    from modelwright.cleaning.matching.similarity import words_of

    return sum(len([word for word in words_of(row) if not word.isdigit()]) for row in rows) / len(rows)


def _chance_by_score(pairs: pl.DataFrame, prepared: Prepared) -> np.ndarray:
    """The chance of every compared pair, from its learned likeness: what pairs of that likeness had.

    A row with two twins has only one best partner; the others are judged by this.
    """
    import numpy as np
    from sklearn.isotonic import IsotonicRegression

    compared = prepared.compared
    keys = {pair: at for at, pair in enumerate(zip(compared.left.tolist(), compared.right.tolist(), strict=True))}
    place = {int(row): at for at, row in enumerate(prepared.left_ids)}
    at = np.array([keys[place[a], place[b]] for a, b in pairs.select("left", "right").rows()])
    whole = _whole(prepared)
    rising = IsotonicRegression(out_of_bounds="clip").fit(whole[at], pairs["confidence"].to_numpy())
    chance: np.ndarray = np.minimum(rising.predict(whole), MOST_SURE)
    chance[at] = np.minimum(pairs["confidence"].to_numpy(), MOST_SURE)
    return chance


def _whole(prepared: Prepared) -> np.ndarray:
    from modelwright.cleaning.matching.similarity import WHOLE

    column = WHOLE if WHOLE in prepared.left else next(iter(prepared.left))
    likeness: np.ndarray = prepared.compared.likeness[:, prepared.compared.features.index((column, "letters"))]
    return likeness


def _agreement(prepared: Prepared, targets: list[str] | None) -> tuple[np.ndarray, np.ndarray]:
    """The likeness of the whole rows; and whether numbers, codes and targets that both rows have are the same."""
    import numpy as np

    from modelwright.cleaning.matching.similarity import WHOLE, codes_of, number_of

    compared = prepared.compared
    agreed = np.ones(len(compared.left), dtype=bool)
    cells = {name: texts for name, texts in prepared.left.items() if name != WHOLE}
    telling = {
        name: [_naming(text, codes_of(text), number_of(text)) for text in texts] for name, texts in cells.items()
    }
    for at, (i, j) in enumerate(zip(compared.left.tolist(), compared.right.tolist(), strict=True)):
        agreed[at] = all(
            names[i] == names[j] or not cells[name][i] or not cells[name][j] for name, names in telling.items()
        ) and (targets is None or targets[i] == targets[j])
    return _whole(prepared), agreed


def same_words(prepared: Prepared, i: int, j: int) -> bool:
    """Whether no word of one row stands where the other has another one: "green collar" is not "yellow collar".

    Words that only one row has may be there or not; where both have such words in a column, each of the fewer must be a
    spelling of one of the others.
    """
    from difflib import SequenceMatcher

    from modelwright.cleaning.matching.similarity import WHOLE, words_of

    for name, texts in prepared.left.items():
        mine, theirs = set(words_of(texts[i])), set(words_of(texts[j]))
        few, many = sorted((sorted(mine - theirs), sorted(theirs - mine)), key=len)
        if name == WHOLE or not few:
            continue
        joined = "".join(many)
        for word in few:
            alike = max(SequenceMatcher(None, word, other).ratio() for other in many)
            if alike < ONE_WORD and word not in joined:
                return False
    return True


def _naming(text: str, codes: list[str], number: float) -> frozenset[str]:
    """What in a cell names a thing: its codes, and all its digits."""
    digits = [part for part in text.split() if part.isdigit()]
    return frozenset([*codes, *digits, *([str(number)] if number == number and not codes else [])])


def _texts_differ(prepared: Prepared) -> list[bool]:
    """Whether the rows of each pair differ at all: equal ones are cleaning's own matter."""
    cells = list(prepared.left.values())
    return [
        any(column[i] != column[j] for column in cells)
        for i, j in zip(prepared.compared.left.tolist(), prepared.compared.right.tolist(), strict=True)
    ]


def _rows(prepared: Prepared, group: np.ndarray, pairs: np.ndarray, chance: np.ndarray) -> pl.DataFrame:
    """Every row of a group but its first."""
    import numpy as np
    import polars as pl

    gone = np.flatnonzero(group != np.arange(len(group)))
    best = np.zeros(len(group))
    np.maximum.at(best, pairs.ravel(), np.repeat(chance, 2))
    ids, first = prepared.left_ids[gone], prepared.left_ids[group[gone]]
    sizes = np.bincount(group, minlength=len(group))
    reasons = [
        f"the same as row {twin} but for how it is written" + (f" ({n} rows in all)" if n > 2 else "")
        for twin, n in zip(first.tolist(), sizes[group[gone]].tolist(), strict=True)
    ]
    return pl.DataFrame(
        {ROW_ID: ids, "twin_of": first, "method": ["fuzzy_duplicates"] * len(ids), "reason": reasons,
         "confidence": best[gone]},
        schema_overrides={ROW_ID: pl.UInt64, "twin_of": pl.UInt64, "confidence": pl.Float64, "reason": pl.String,
                          "method": pl.String},
    )  # fmt: skip


def _flags(prepared: Prepared, pairs: np.ndarray, chance: np.ndarray, group: np.ndarray) -> pl.DataFrame:
    """The later row of each doubtful pair, once, with its likeliest twin."""
    import numpy as np
    import polars as pl

    order = np.argsort(-chance, kind="stable")
    _, first = np.unique(pairs[order, 1], return_index=True)
    chosen = order[first]
    chosen = chosen[group[pairs[chosen, 1]] == pairs[chosen, 1]]
    twins = prepared.left_ids[pairs[chosen, 0]].tolist()
    return pl.DataFrame(
        {ROW_ID: prepared.left_ids[pairs[chosen, 1]], "column": [None] * len(chosen),
         "method": ["fuzzy_duplicates"] * len(chosen),
         "reason": [f"may be the same as row {twin}" for twin in twins], "score": chance[chosen]},
        schema_overrides={ROW_ID: pl.UInt64, "column": pl.String, "method": pl.String, "reason": pl.String},
    )  # fmt: skip


MEND = Method(
    name="fuzzy_duplicates", about="Rows that are the same thing written twice.", propose=propose,
    kinds=("category", "text"), spec=FuzzySpec,
)  # fmt: skip
