"""How a text came to be another one by mistake: which mistakes a table has, learned from the table.

A mistake is one letter put for another (everywhere in the cell, or once), left out, put in, or two changed places. How
likely "birminghxm" is where "birmingham" was meant depends on who makes the mistakes: a scanner that reads every l as
1, a hand beside the key. `Channel` starts with all letters alike and is fitted on the pairs that the rest of the table
is sure of. Against it stands chance: in a column of codes (al_ami-2, al_ami-3) nearly every text is one letter from
another.

Reference: Kernighan, Church and Gale (1990), "A spelling correction program based on a noisy channel model", COLING.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from modelwright.cleaning.tables.coded import Coded, is_number, shape_of

if TYPE_CHECKING:
    import numpy as np

KINDS = {"replaced": 0.55, "left out": 0.2, "put in": 0.15, "changed places": 0.1}
N_LETTERS = 40  # from which a mistaken letter comes, before anything is known
BELIEF = 10.0  # mistakes seen that weigh as much as what is assumed at first
LONGEST = 400  # letters of a text that is looked at
MOST_RARE, MOST_FREQUENT = 5000, 3000
MOST_ASKED = 300  # frequent texts whose neighbours are counted
MOST_TRIED, MOST_MEANT = 300, 20  # frequent texts for one rare text: compared letter by letter, and kept
NUMBERS = 0.9
ABOUT = 20  # times as frequent is not about as frequent
REPEATED = 0.1  # of the mistakes are made again and again, or copied
LEAST_FREQUENT = 3
OFF_SHAPE = 0.05  # how much rarer a right text is that has the shape of no frequent one

Edit = tuple[str, str]  # kind and the letter that came in ("" when none did)


@dataclass(frozen=True)
class Channel:
    """How likely each kind of mistake is, and each letter that comes in by it."""

    kinds: Mapping[str, float] = field(default_factory=lambda: dict(KINDS))
    letters: Mapping[str, float] = field(default_factory=dict)
    other: float = 1 / N_LETTERS

    def chance(self, edits: tuple[Edit, ...], text: str) -> float:
        """The chance that a mistake in `text` is this one.

        >>> Channel().chance((("replaced", "x"),), "rome") > Channel().chance((("replaced", "x"),), "birmingham")
        True
        """
        found = 0.85 if len(edits) == 1 else 0.15
        places = max(1, len(set(text)))
        for kind, letter in edits:
            known = self.letters.get(letter, self.other) if letter else 1.0
            found *= self.kinds[kind] * known / places
        return found


def learn(pairs: Iterable[tuple[tuple[Edit, ...], float]]) -> Channel:
    """The channel that made these mistakes, each with the weight (0..1) of how sure it is one.

    >>> learn([((("replaced", "x"),), 1.0)] * 200).letters["x"] > 0.9
    True
    """
    kinds = {kind: share * BELIEF for kind, share in KINDS.items()}
    letters: dict[str, float] = {}
    for edits, weight in pairs:
        for kind, letter in edits:
            kinds[kind] += weight
            if letter:
                letters[letter] = letters.get(letter, 0.0) + weight
    n_kinds, n_letters = sum(kinds.values()), sum(letters.values()) + BELIEF
    first = BELIEF / N_LETTERS
    return Channel(
        {kind: count / n_kinds for kind, count in kinds.items()},
        {letter: (count + first) / n_letters for letter, count in sorted(letters.items())},
        first / n_letters,
    )


def edits(seen: str, meant: str) -> tuple[Edit, ...]:
    """The one or two mistakes that made `seen` of `meant`; () when they are equal or further apart.

    One letter put for another wherever it occurs is one mistake.

    >>> edits("xivexview", "riverview"), edits("centr", "centre"), edits("teh", "the")
    ((('replaced', 'x'),), (('left out', ''),), (('changed places', ''),))
    """
    if seen == meant or abs(len(seen) - len(meant)) > 1 or max(len(seen), len(meant)) > LONGEST:
        return ()
    if len(seen) == len(meant):
        differ = [place for place in range(len(seen)) if seen[place] != meant[place]]
        if len(differ) == 2 and differ[1] == differ[0] + 1 and seen[differ[0]] == meant[differ[1]] \
                and seen[differ[1]] == meant[differ[0]]:  # fmt: skip
            return (("changed places", ""),)
        kinds = {(meant[place], seen[place]) for place in differ}
        if len(kinds) > 2 or (len(kinds) == 2 and len(seen) < 6) or 2 * len(differ) > max(2, len(seen)):
            return ()
        return tuple(("replaced", letter) for _, letter in sorted(kinds))
    longer, shorter = (seen, meant) if len(seen) > len(meant) else (meant, seen)
    place = next((place for place, letter in enumerate(shorter) if longer[place] != letter), len(shorter))
    if longer[:place] + longer[place + 1 :] != shorter:
        return ()
    return (("put in", longer[place]),) if len(seen) > len(meant) else (("left out", ""),)


@dataclass(frozen=True, eq=False)
class Near:
    """Frequent texts of a column near its rare ones: `of[rare]` are codes; `by_chance` is the share of the frequent
    texts that have another frequent one so near, which is what nearness is worth in this column."""

    of: Mapping[int, tuple[int, ...]]
    by_chance: float
    shapes: frozenset[str]

    def chance_of(self, text: str) -> float:
        """The chance that a right text which is new to the column lies so near a frequent one."""
        return self.by_chance * (1.0 if shape_of(text) in self.shapes else OFF_SHAPE)


def near(column: Coded) -> Near:
    """The frequent texts of a column near its rare ones, by at most two mistakes.

    >>> import polars as pl
    >>> from modelwright.cleaning.tables.coded import code
    >>> dict(near(code(pl.Series("city", ["Rome"] * 9 + ["Oslo"] * 9 + ["Rxme"]))).of)
    {2: (1,)}
    """
    import numpy as np

    frequent = np.flatnonzero(column.counts >= LEAST_FREQUENT)
    frequent = frequent[np.argsort(-column.counts[frequent], kind="stable")][:MOST_FREQUENT]
    most = int(column.counts[frequent].max()) if len(frequent) else 0
    rare = np.flatnonzero(column.counts * LEAST_FREQUENT <= most)
    rare = rare[np.argsort(column.counts[rare], kind="stable")][:MOST_RARE]
    index = _Index([column.values[place] for place in frequent])
    shapes: dict[str, int] = {}
    for place in frequent.tolist():
        shape = shape_of(column.values[place])
        shapes[shape] = shapes.get(shape, 0) + int(column.counts[place])
    found = {}
    for place in rare.tolist():
        if column.numeric >= NUMBERS and is_number(column.values[place]):
            continue  # among numbers a neighbour is a neighbour, and no sign of a mistake
        close = [int(frequent[one]) for one in index.near(column.values[place])]
        close = [one for one in close if column.counts[one] >= LEAST_FREQUENT * column.counts[place]]
        if close:
            found[place] = tuple(close)
    if not found:
        return Near({}, 0.5, frozenset(shapes))
    asked = index.texts[: len(frequent) : max(1, len(frequent) // MOST_ASKED)]
    wanted, counts = set(asked), column.counts[frequent].tolist()
    n_near = sum(1 for place, text in enumerate(index.texts) if text in wanted and _has_equal(index, place, counts))
    return Near(found, (n_near + 0.5) / (len(asked) + 4), frozenset(shapes))


def _has_equal(index: _Index, place: int, counts: list[int]) -> bool:
    """Whether a frequent text has a neighbour about as frequent: a mistake that is made often is no such."""
    near_by = index.near(index.texts[place], most=1)
    return any(max(counts[one], counts[place]) < ABOUT * min(counts[one], counts[place]) for one in near_by)


def junk(column: Coded, close: Near, channel: Channel, wrong: float, prior: float) -> np.ndarray:
    """The chance of each distinct text that it is no text of the column at all but a mistake, float64 of shape (k,).

    A mistake may repeat: one scanner writes "xl" for "al" sixteen times. For it speaks how much likelier the channel
    writes it than chance puts a right text there; against it, that it is more frequent than `wrong` (errors a cell)
    would make it. `prior` is the share of mistakes among the rare texts near frequent ones.

    >>> import polars as pl
    >>> from modelwright.cleaning.tables.coded import code
    >>> column = code(pl.Series("city", ["Birmingham"] * 90 + ["Montgomery"] * 90 + ["Birminghxm"]))
    >>> [round(float(chance), 1) for chance in junk(column, near(column), Channel(), 0.01, 0.3)]
    [0.0, 1.0, 0.0]
    """
    import numpy as np

    found = np.zeros(len(column.values))
    plain = Channel()
    spread = np.log(max(3, column.n_present))
    for rare, frequent in close.of.items():
        text, count = column.values[rare], int(column.counts[rare])
        meant = [(edits(text, column.values[one]), column.values[one], int(column.counts[one])) for one in frequent]
        expected = sum(wrong * n * channel.chance(edit, one) for edit, one, n in meant)
        likelier = max(channel.chance(edit, one) / plain.chance(edit, one) for edit, one, _ in meant)
        more = expected / (1 + expected)
        by_count = max((1 - more) * max(more, 1e-9) ** (count - 1), REPEATED / count**2) * count * spread
        odds = prior / (1 - prior) * likelier / close.chance_of(text) * by_count
        found[rare] = odds / (1 + odds)
    return found


class _Index:
    """Texts by length, and by what is left of them without one letter."""

    def __init__(self, texts: list[str]) -> None:
        import numpy as np

        self.texts = texts
        self.by_length: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.whole: dict[str, int] = {}
        self.shorter: dict[str, list[int]] = {}
        lengths: dict[int, list[int]] = {}
        for place, text in enumerate(texts):
            if 0 < len(text) <= LONGEST:
                self.whole[text] = place
            if 1 < len(text) <= LONGEST:
                lengths.setdefault(len(text), []).append(place)
                for gap in range(len(text) if len(text) <= 64 else 0):
                    left = text[:gap] + text[gap + 1 :]
                    self.shorter.setdefault(left, []).append(place)
        for length, places in lengths.items():
            letters = np.array([[ord(letter) for letter in texts[place]] for place in places], np.uint32)
            self.by_length[length] = np.array(places), letters

    def near(self, text: str, *, most: int = 2) -> list[int]:
        """Places of the texts that `text` may have been meant to be."""
        import numpy as np

        found: set[int] = set()
        if len(text) in self.by_length:
            places, letters = self.by_length[len(text)]
            own = np.array([ord(letter) for letter in text], np.uint32)
            differ = (letters != own).sum(axis=1)
            found |= set(places[(differ > 0) & (differ <= max(2, len(text) // 2))].tolist())
        if 1 < len(text) <= 65:
            found |= set(self.shorter.get(text, ()))
            for gap in range(len(text)):
                left = text[:gap] + text[gap + 1 :]
                if left in self.whole:
                    found.add(self.whole[left])
        close = (one for one in sorted(found)[:MOST_TRIED] if 0 < len(edits(text, self.texts[one])) <= most)
        return list(islice(close, MOST_MEANT))
