"""Misspelt words of English prose, against the column's own words and a dictionary.

A word is doubted when the dictionary does not have it, the column hardly has it, it is written small, and a known word
is one slip away (a letter too many, too few, another, or two exchanged). Names, codes and addresses are passed over.
What stands for it is chosen by how common it is, here and in English, and by the words beside it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pydantic import Field

from modelwright.cleaning.findings import Findings
from modelwright.cleaning.mend import Method
from modelwright.cleaning.texts.columns import Change, batches, changed_cells, prose_columns
from modelwright.cleaning.texts.languages import language_of_column
from modelwright.core.data import Dataset
from modelwright.core.optional import need_later
from modelwright.core.spec import Spec
from modelwright.core.values import Watch

NAME = "spelling"
MOST_TIMES = 3  # that the column may hold a word that is doubted
LEAST_LETTERS = 4
SUREST = 0.94  # below what is done unasked: a word that no dictionary has may be meant
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_TOKEN = re.compile(r"[^\s]+")
_PLAIN = re.compile(r"^([(\[\"'“‘]*)([a-z]+)('s|’s)?([.,;:!?)\]\"'”’…]*)$")
_AMERICAN = (("or", "our"), ("er", "re"), ("iz", "is"), ("yz", "ys"), ("ow", "ough"), ("og", "ogue"), ("el", "ell"),
             ("e", "ae"), ("sk", "sc"), ("mold", "mould"), ("ense", "ence"))  # fmt: skip
_WITHOUT_MARKS = (
    "dont cant wont isnt wasnt arent werent hasnt havent hadnt doesnt didnt shouldnt couldnt wouldnt shouldn couldn "
    "wouldn hadn weren aren hasn haven doesn didn wasn isn thats whats theres youre theyre gonna wanna gotta"
)
_SHORTENED = frozenset(_WITHOUT_MARKS.split())
_ENDINGS = ("s", "ed", "ing", "ers", "ly", "ness", "less", "like", "able", "ish")
_ENDS = re.compile(r"[.!?…]$")


class SpellingSpec(Spec):
    """What spelling leaves alone."""

    known: tuple[str, ...] = Field((), description="further words that are right, such as a trade's own")


@dataclass(frozen=True, eq=False)
class Words:
    """What is known of words: how often English has them, how often the column, and pairs of neighbours in English."""

    english: dict[str, int]
    pairs: dict[str, int]
    here: Counter[str]

    def share(self, word: str) -> float:
        """How common a word is, in the column and in English."""
        return (self.here[word] + 0.1) / (self.here.total() + 1e4) + self.english.get(word, 0) / 1e12

    def beside(self, first: str, second: str) -> float:
        """How much more often two words stand together than by chance (a factor, 1 where nothing is known)."""
        n = self.pairs.get(f"{first} {second}", 0)
        if not n:
            return 1.0
        return max(1.0, n * 1e12 / max(1, self.english.get(first, 1)) / max(1, self.english.get(second, 1)) / 40)


def propose(data: Dataset, spec: SpellingSpec, *, seed: int = 0, watch: Watch | None = None) -> Findings:
    """Propose the texts of English prose columns with their misspelt words put right.

    No proposal is surer than 0.94, so that none is done unasked. One reading of a column counts its words, a second
    one changes those that are doubted.

    >>> import polars as pl
    >>> said = ["We have recieved the parcel, and it was fine."] + ["They received it, and that was all there is."] * 5
    >>> found = propose(Dataset.from_frame(pl.DataFrame({"said": said})), SpellingSpec())
    >>> found.cells.select("after", "reason").row(0)
    ('We have received the parcel, and it was fine.', "'recieved' is no English word; 'received' is near")

    Raises UserError `optional.missing` without symspellpy, whose dictionary is read.

    Reference: Norvig (2007), "How to write a spelling corrector"; Garbe (2012), SymSpell, for dictionary and pairs.
    """
    import polars as pl

    parts = []
    for name, sample in prose_columns(data).items():
        if language_of_column(sample) != "en":
            continue
        english, pairs = _english()
        words = Words({**english, **dict.fromkeys(spec.known, 1_000_000)}, pairs, _counted(data, name))
        doubted = doubted_words(words)
        if not doubted:
            continue

        def change(text: str, words: Words = words, doubted: frozenset[str] = doubted) -> Change | None:
            return _change(text, words, doubted)

        found = changed_cells(data, [name], NAME, change, pl.col("before").str.contains_any(sorted(doubted)))
        parts += [] if found is None else [found]
    return Findings.of(cells=pl.concat(parts) if parts else None)


@cache
def _english() -> tuple[dict[str, int], dict[str, int]]:
    """Words of English and pairs of neighbours, each with a count."""
    need_later("symspellpy", extra="clean", why="spelling")
    folder = files("symspellpy")
    words = dict(_rows((folder / "frequency_dictionary_en_82_765.txt").read_text("utf-8-sig")))
    pairs = dict(_rows((folder / "frequency_bigramdictionary_en_243_342.txt").read_text("utf-8-sig")))
    return words, pairs


def _rows(text: str) -> Iterator[tuple[str, int]]:
    for line in text.splitlines():
        words, _, count = line.rpartition(" ")
        yield words, int(count)


def _counted(data: Dataset, name: str) -> Counter[str]:
    """The plain words of a column in small letters, with counts."""
    counts: Counter[str] = Counter()
    for rows in batches(data, name):
        for text in rows["before"].to_list():
            for token in text.lower().split():
                plain = _PLAIN.match(token)
                if plain:
                    counts[plain[2]] += 1
    return counts


def doubted_words(words: Words) -> frozenset[str]:
    """Words of the column that the dictionary has not and the column hardly has, with a known one near."""
    found = set()
    for word, n in words.here.items():
        if n <= MOST_TIMES and len(word) >= LEAST_LETTERS and word not in words.english and not _is_form(word, words):
            near = _near(word, words)
            if near and (n == 1 or words.here[near[0]] >= n):
                found.add(word)
    return frozenset(found)


def _is_form(word: str, words: Words) -> bool:
    """Whether it is a known word with an ending or a beginning, written as in America, or two known words in one."""
    if word in _SHORTENED or any(
        word.replace(here, there) in words.english for here, there in _AMERICAN if here in word
    ):
        return True
    for end in _ENDINGS:
        stem = word.removesuffix(end)
        stems = (stem, stem + "e") if end[0] in "aei" else (stem,)
        if stem != word and len(stem) > 3 and any(_common(one, words, 0 if end == "s" else 1_000_000) for one in stems):
            return True
    for start in ("un", "re", "non", "pre", "anti", "over", "under", "co", "mid", "multi", "super", "micro", "cyber"):
        if word.startswith(start) and word[len(start) :] in words.english and len(word) - len(start) > 3:
            return True
    halves = ((word[:cut], word[cut:]) for cut in range(4, len(word) - 3))
    return any(_common(left, words, 5_000_000) and _common(right, words, 5_000_000) for left, right in halves)


def _common(word: str, words: Words, least: int) -> bool:
    return words.english.get(word, 0) > least


@cache
def _slips(word: str) -> tuple[str, ...]:
    """Every text one slip away."""
    parts = [(word[:cut], word[cut:]) for cut in range(len(word) + 1)]
    fewer = [left + right[1:] for left, right in parts if right]
    exchanged = [left + right[1] + right[0] + right[2:] for left, right in parts if len(right) > 1]
    others = [left + letter + right[1:] for left, right in parts if right for letter in _LETTERS]
    more = [left + letter + right for left, right in parts for letter in _LETTERS]
    return tuple(sorted({*fewer, *exchanged, *others, *more} - {word}))


def _near(word: str, words: Words) -> list[str]:
    """Known words one slip away, the commonest first; a first letter that differs is rarely a slip."""
    least = 2 if len(word) > 5 else 20
    known = [near for near in _slips(word) if near in words.english and words.english[near] > 50_000 * least]
    return sorted(known, key=lambda near: (-_weight(word, near, words), near))


def _weight(word: str, near: str, words: Words) -> float:
    """How much speaks for `near`, but for the words beside it."""
    slip = 0.05 if near[0] != word[0] else 1.0
    if sorted(near) == sorted(word):
        slip *= 4.0  # exchanged neighbours
    elif len(set(near) ^ set(word)) == 0:
        slip *= 3.0  # a letter doubled or not
    return slip * words.share(near)


def _change(text: str, words: Words, doubted: frozenset[str]) -> Change | None:
    said, made, surest = [], [], SUREST
    place, previous = 0, ""
    tokens = list(_TOKEN.finditer(text))
    for index, token in enumerate(tokens):
        plain = _PLAIN.match(token.group())
        if plain and plain[2] in doubted:
            after = tokens[index + 1].group().strip(".,;:!?").lower() if index + 1 < len(tokens) else ""
            right, sure = _chosen(plain[2], previous, after, words)
            made += [text[place : token.start()], plain[1], right, plain[3] or "", plain[4]]
            place, surest = token.end(), min(surest, sure)
            said.append(f"'{plain[2]}' is no English word; '{right}' is near")
        previous = "" if _ENDS.search(token.group()) else token.group().strip(",;:\"'()").lower()
    if not said:
        return None
    reason = said[0] if len(said) == 1 else f"{said[0]}, and {len(said) - 1} more"
    return "".join(made) + text[place:], reason, surest


def _chosen(word: str, before: str, after: str, words: Words) -> tuple[str, float]:
    """The known word that stands for a misspelt one between two others, and how sure that is."""
    weights = {}
    for near in _near(word, words):
        weights[near] = _weight(word, near, words) * words.beside(before, near) * words.beside(near, after)
    best = max(weights, key=lambda near: weights[near])
    share = weights[best] / sum(weights.values())
    length = 1 - math.exp(-len(word) / 2.5)  # a short word has many others near it by chance
    return best, min(SUREST, round(share * length, 4))


MEND = Method(name=NAME, about="Misspelt words of English prose.", propose=propose, kinds=("text",), spec=SpellingSpec)
