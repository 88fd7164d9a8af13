"""How good the texts of a corpus are: length, symbols, small words, repetition, and rude words; told by flags."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from modelwright.cleaning.findings import Findings
from modelwright.cleaning.mend import Method
from modelwright.cleaning.texts.columns import flagged_cells, prose_columns
from modelwright.core.data import Dataset
from modelwright.core.spec import Spec
from modelwright.core.values import Watch

NAME = "text_quality"
LONG = 50  # words: from here on a text is a document, and the rules of documents hold
LONGEST = 200_000  # characters looked at
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_SMALL = "the be to of and that have with a in is it for on as at this by from or an are was not you"
_STOP = frozenset(_SMALL.split())
_OTHER_SCRIPT = re.compile(
    r"[\u0400-\u04ff\u0590-\u06ff\u0900-\u0dff\u0e00-\u0e7f\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]"
)
_RUDE_WORDS = (
    "arse arsehole ass asshole bastard bitch bitches bollocks bullshit cock cocksucker cunt dick dickhead faggot fag "
    "fuck fucked fucker fuckers fuckin fucking fucks goddamn idiot idiots moron morons motherfucker nigger niggers "
    "nigga piss prick pussy retard retarded scum shit shits shitty slut sluts stupid twat wanker whore whores"
)
_RUDE = frozenset(_RUDE_WORDS.split())
_THREAT = re.compile(
    r"\b(?:i(?:'ll| will| am going to|'m gonna)? (?:kill|hurt|rape|shoot) you|kill yourself|kys|hope you die|"
    r"(?:all|those|these|you) \w+ (?:should|must|deserve to) (?:die|be killed|be shot))\b"
)


class QualitySpec(Spec):
    """From where on a text is flagged."""

    rude: float = Field(0.1, ge=0, le=1, description="share of rude words in a text")
    rude_words: tuple[str, ...] = Field((), description="further words that are rude here")


@dataclass(frozen=True, slots=True)
class Quality:
    """Measures of one text. Shares are 0..1; `n_stop` counts distinct small English words."""

    n_words: int
    mean_length: float
    symbols: float
    wordless: float
    bullets: float
    ellipses: float
    n_stop: int
    same_lines: float
    same_phrases: float


def propose(data: Dataset, spec: QualitySpec, *, seed: int = 0, watch: Watch | None = None) -> Findings:
    """Flag the texts of prose columns that rules of corpora would leave out, and those that are rude.

    Documents (50 words and more) follow Gopher's rules of quality and repetition and a few of C4's; shorter texts only
    those that need no length. Rude is a tenth of rude English words, or a threat: a short list finds plain insults in
    English and nothing else; it misses irony, slurs that it has not, and other languages, and it flags quotations,
    dialects and those who speak of insults. It is a help for a look, not a judgement.

    >>> import polars as pl
    >>> said = ["It was a fine day at the sea for all of us."] * 9 + ["$$$ ### buy *** @@@ now # $$$ this one"]
    >>> propose(Dataset.from_frame(pl.DataFrame({"said": said})), QualitySpec()).flags["reason"].to_list()
    ['more symbols than a text has: 4.0 for each word']

    Reference: Rae et al. (2021), "Scaling language models", table A1; Raffel et al. (2020), C4, section 2.2.
    """
    rude = _RUDE | {word.lower() for word in spec.rude_words}

    def judge(text: str) -> list[tuple[str, float]]:
        text = text[:LONGEST]
        return [*complaints(text), *rude_ones(text, rude, spec.rude)]

    return Findings.of(flags=flagged_cells(data, list(prose_columns(data)), NAME, judge))


def measures(text: str) -> Quality:
    """The measures of one text.

    >>> measures("the cat and the dog")
    Quality(n_words=5, mean_length=3.0, symbols=0.0, wordless=0.0, bullets=0.0, ellipses=0.0, n_stop=2,
            same_lines=0.0, same_phrases=0.0)
    """
    words = _WORD.findall(text.lower())
    tokens = text.split()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    n_lines, n_words = max(1, len(lines)), max(1, len(words))
    n_symbols = sum(text.count(mark) for mark in "#$%*^~|<>{}=_\\@") + text.count("...") + text.count("…")
    return Quality(
        n_words=len(words),
        mean_length=sum(map(len, words)) / n_words,
        symbols=n_symbols / n_words,
        wordless=sum(not any(map(str.isalpha, token)) for token in tokens) / max(1, len(tokens)),
        bullets=sum(line[0] in "•-*‣▪●" for line in lines) / n_lines,
        ellipses=sum(line.endswith(("...", "…")) for line in lines) / n_lines,
        n_stop=len(_STOP.intersection(words)),
        same_lines=1 - len(set(lines)) / n_lines if lines else 0.0,
        same_phrases=_same_phrases(words),
    )


def _same_phrases(words: list[str], n: int = 3) -> float:
    """The share of a text that its most frequent phrase of three words covers, when it comes again."""
    if len(words) < 2 * n:
        return 0.0
    counts = Counter(zip(*(words[start:] for start in range(n)), strict=False))
    k = max(counts.values())
    return min(1.0, n * k / len(words)) if k > 2 else 0.0


def complaints(text: str) -> list[tuple[str, float]]:
    """What the rules say against a text: reasons, each with how far it is beyond its rule (1 is just beyond)."""
    found = measures(text)
    if not found.n_words:
        return []
    said: list[tuple[str, float]] = []
    if found.symbols > 0.5 or (found.n_words >= LONG and found.symbols > 0.1):
        said.append((f"more symbols than a text has: {found.symbols:.1f} for each word", found.symbols / 0.1))
    if found.same_phrases > 0.5 or (found.n_words >= LONG and found.same_phrases > 0.2):
        said.append((f"one phrase makes up {found.same_phrases:.0%} of it", found.same_phrases / 0.2))
    if found.n_words >= LONG:
        said += _of_document(text, found)
    return said


def _of_document(text: str, found: Quality) -> list[tuple[str, float]]:
    rules: Mapping[str, tuple[bool, float]] = {
        f"its words have {found.mean_length:.1f} letters on average": (
            not 3 <= found.mean_length <= 10 and not _OTHER_SCRIPT.search(text), abs(found.mean_length - 6.5) / 3.5,
        ),
        f"{found.wordless:.0%} of its parts have no letter": (found.wordless > 0.2, found.wordless / 0.2),
        f"{found.bullets:.0%} of its lines are bullets": (found.bullets > 0.9, found.bullets / 0.9),
        f"{found.ellipses:.0%} of its lines break off": (found.ellipses > 0.3, found.ellipses / 0.3),
        "has hardly any of the small words that sentences have": (
            found.n_stop < 2 and text.isascii(), 2.0 - found.n_stop,
        ),
        f"{found.same_lines:.0%} of its lines are repeated": (found.same_lines > 0.3, found.same_lines / 0.3),
        "is filler text": ("lorem ipsum" in text.lower(), 1.0),
        "is code, not prose": (text.count("{") + text.count("}") + text.count(";\n") > 0.1 * found.n_words, 1.0),
    }  # fmt: skip
    return [(reason, score) for reason, (broken, score) in rules.items() if broken]


def rude_ones(text: str, rude: frozenset[str], most: float) -> list[tuple[str, float]]:
    """Whether a text is rude: its share of rude words, or a threat.

    >>> rude_ones("you stupid idiot", frozenset({"stupid", "idiot"}), 0.1)
    [('may be rude: 2 of 3 words are', 0.666...)]
    """
    small = text.lower()
    words = _WORD.findall(small)
    n_rude = sum(word in rude for word in words)
    share = n_rude / max(1, len(words))
    if n_rude and share >= most:
        return [(f"may be rude: {n_rude} of {len(words)} words are", share)]
    return [("may be a threat", 1.0)] if _THREAT.search(small) else []


MEND = Method(
    name=NAME, about="Texts that rules of corpora would leave out, and rude ones.", propose=propose, kinds=("text",),
    spec=QualitySpec,
)  # fmt: skip
