"""Yes and no, in the words of a few languages."""

from __future__ import annotations

from collections.abc import Mapping

PAIRS = (
    ("yes", "no"), ("y", "n"), ("true", "false"), ("t", "f"), ("on", "off"), ("ja", "nein"), ("oui", "non"),
    ("si", "no"), ("sí", "no"), ("sim", "não"), ("tak", "nie"), ("da", "nu"), ("vrai", "faux"), ("wahr", "falsch"),
)  # fmt: skip
TRUE = tuple(dict.fromkeys([*(yes for yes, _ in PAIRS), "1", "1.0"]))
FALSE = tuple(dict.fromkeys([*(no for _, no in PAIRS), "0", "0.0"]))
LEAST_READABLE = 0.99
MOST_SLIPS = 2


def is_boolean(counts: Mapping[str, int], n_ones_and_zeros: int, n_other_numbers: int) -> bool:
    """Whether the non-missing cells (stripped words and their counts) are yes and no.

    A word of one letter counts only when its partner is there too: a column of `t` alone is a category. Any other
    word must be a rare slip; one that comes back ("partly") is a level, and the column a category.

    >>> is_boolean({"Yes": 10, "no": 8, "NO": 1}, 0, 0), is_boolean({"f": 10, "m": 8}, 0, 0)
    (True, False)
    """
    said: dict[str, int] = {}
    for word, count in counts.items():
        said[word.casefold()] = said.get(word.casefold(), 0) + count
    pairs = [pair for pair in PAIRS if _present(pair, said)]
    known = {word for pair in pairs for word in pair}
    if any(count > MOST_SLIPS for word, count in said.items() if word not in known):
        return False
    n_known = sum(count for word, count in said.items() if word in known)
    n_all = sum(said.values()) + n_ones_and_zeros + n_other_numbers
    return n_known > 0 and n_known + n_ones_and_zeros >= LEAST_READABLE * n_all


def _present(pair: tuple[str, str], said: Mapping[str, int]) -> bool:
    both = all(word in said for word in pair)
    return both or (all(len(word) > 1 for word in pair) and any(word in said for word in pair))
