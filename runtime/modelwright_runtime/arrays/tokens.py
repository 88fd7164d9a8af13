"""Texts to int64 tokens (n, length): 0 is padding, 1 a token that is not in the vocabulary.

Settings: `level`, `casefold`, `length` (the first tokens are kept), `vocabulary` (its first token is 2), and for
sub-words `merges`, pairs in the order in which they are joined, and `pieces: gpt2` where a pretrained model wants
texts cut as GPT-2 does. Levels: `word` (words, and marks one by one),
`character`, `subword` (byte-level: every text can be told, so nothing is unknown), `wordpiece` (the longest pieces
of each word that the vocabulary has, as pretrained models of the BERT family want them).

At most 32 characters per token are looked at. Reference: Sennrich, Haddow and Birch (2016), "Neural Machine
Translation of Rare Words with Subword Units"; Radford et al. (2019) for bytes as characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelwright_runtime.arrays._prepared import prepared
from modelwright_runtime.signature import ArrayInput

FIRST = 2
"""The token of the vocabulary's first entry."""
_WORDS = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
_PIECES = re.compile(r" ?[^\W\d_]{1,64}| ?\d{1,3}| ?[^\w\s]{1,64}| ?_{1,64}|\s{1,64}(?!\S)|\s")
_GPT2_PIECES = re.compile(r"'(?:[stmd]|re|ve|ll)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")
_LOOKED_AT = 32
_MAX_KNOWN = 100_000


def row_shape(input: ArrayInput) -> tuple[int, ...]:
    """(length,)."""
    return (int(input.settings["length"]),)


def make(input: ArrayInput, columns: Mapping[str, Sequence[Any]], unreadable: Any) -> np.ndarray:
    """Tokens of one column; all padding where missing."""
    cells = columns[input.columns[0]]
    length = int(input.settings["length"])
    encode = prepared(input.settings, "tokens", encoder)
    made = np.zeros((len(cells), length), dtype=np.int64)
    for row, cell in enumerate(cells):
        if cell:
            found = encode(cell)[:length]
            made[row, : len(found)] = found
    return made


def normal(text: str, *, casefold: bool) -> str:
    """The text as its tokens are looked for: composed characters, and case-folded if so.

    >>> normal("Cafe\u0301", casefold=True)
    'café'
    """
    text = text if text.isascii() else unicodedata.normalize("NFC", text)
    return text.casefold() if casefold else text


def words_of(text: str, end: int | None = None) -> list[str]:
    """Words (an apostrophe inside stays) and marks, in order, of the first `end` characters.

    >>> words_of("Don't stop: 3.5!")
    ["Don't", 'stop', ':', '3', '.', '5', '!']
    """
    return _WORDS.findall(text, 0, len(text) if end is None else end)


def pieces_of(text: str, end: int | None = None) -> list[str]:
    """The pieces within which sub-words are joined; together they are the whole text.

    >>> pieces_of("a  big dog, 1234")
    ['a', ' ', ' big', ' dog', ',', ' 123', '4']
    """
    return _PIECES.findall(text, 0, len(text) if end is None else end)


def _byte_letters() -> tuple[str, ...]:
    """One printable character for each byte, as in GPT-2's vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return tuple(chr(byte) if byte in plain else chr(next(others)) for byte in range(256))


BYTE_LETTERS = _byte_letters()


def in_letters(piece: str) -> str:
    """The UTF-8 bytes of a piece as printable characters.

    >>> in_letters(" é")
    'ĠÃ©'
    """
    return "".join([BYTE_LETTERS[byte] for byte in piece.encode("utf-8", "replace")])


def encoder(settings: Mapping[str, Any]) -> Any:
    """A function from a text to its tokens, a list of int; at most `length` are needed, more may come."""
    level, casefold, length = settings["level"], bool(settings.get("casefold", True)), int(settings["length"])
    position = {token: index for index, token in enumerate(settings["vocabulary"], start=FIRST)}
    known = position.get
    end = length * _LOOKED_AT

    def by_word(text: str) -> list[int]:
        return [known(word, 1) for word in _WORDS.findall(normal(text[:end], casefold=casefold))[:length]]

    def by_character(text: str) -> list[int]:
        return [known(letter, 1) for letter in normal(text[:end], casefold=casefold)[:length]]

    if level == "subword":
        return _by_subword(settings, position, casefold=casefold, end=end)
    if level == "wordpiece":
        return _by_wordpiece(position, lower=casefold, end=end, length=length)
    return by_word if level == "word" else by_character


def _by_wordpiece(position: dict[str, int], *, lower: bool, end: int, length: int) -> Any:
    """Wu et al. (2016), "Google's Neural Machine Translation System"; words as in BERT's reference tokeniser."""
    marks = "".join(re.escape(chr(code)) for code in range(0x10000) if _is_mark(chr(code)))
    alone = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"  # characters that are words by themselves
    words = re.compile(f"[{marks}{alone}]|[^\\s{marks}{alone}]+")
    seen: dict[str, list[int]] = {}

    def encode(text: str) -> list[int]:
        text = text[:end]
        if lower:
            text = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
        found: list[int] = []
        for word in words.findall(text):
            tokens = seen.get(word)
            if tokens is None:
                tokens = pieces_in(word, position)
                if len(seen) < _MAX_KNOWN:
                    seen[word] = tokens
            found += tokens
            if len(found) >= length:
                break
        return found

    return encode


def _is_mark(character: str) -> bool:
    plain = character.isascii() and character.isprintable() and not character.isalnum() and character != " "
    return plain or unicodedata.category(character).startswith("P")


def pieces_in(word: str, position: Mapping[str, int]) -> list[int]:
    """The longest piece that the word begins with, then the longest of what is left ("##" before it), and so on.

    >>> pieces_in("playing", {"play": 2, "##ing": 3}), pieces_in("xylo", {"play": 2})
    ([2, 3], [1])
    """
    found, start = [], 0
    while start < len(word) and len(word) <= 100:
        stop = len(word)
        while stop > start and ("##" if start else "") + word[start:stop] not in position:
            stop -= 1
        if stop == start:
            return [1]
        found.append(position[("##" if start else "") + word[start:stop]])
        start = stop
    return found or [1]


def _by_subword(settings: Mapping[str, Any], position: dict[str, int], *, casefold: bool, end: int) -> Any:
    ranks = {(first, second): rank for rank, (first, second) in enumerate(settings["merges"])}
    length = int(settings["length"])
    cut = _GPT2_PIECES if settings.get("pieces") == "gpt2" else _PIECES
    seen: dict[str, list[int]] = {}

    def encode(text: str) -> list[int]:
        found: list[int] = []
        for piece in cut.findall(normal(text[:end], casefold=casefold)):
            tokens = seen.get(piece)
            if tokens is None:
                tokens = [position.get(part, 1) for part in joined(in_letters(piece), ranks)]
                if len(seen) < _MAX_KNOWN:
                    seen[piece] = tokens
            found += tokens
            if len(found) >= length:
                break
        return found

    return encode


def joined(letters: str, ranks: Mapping[tuple[str, str], int]) -> list[str]:
    """The sub-words of a piece: the pair learned first is joined first, until none is left.

    >>> joined("lower", {("l", "o"): 0, ("e", "r"): 1, ("lo", "w"): 2})
    ['low', 'er']
    """
    parts = list(letters)
    while len(parts) > 1:
        pairs = list(zip(parts, parts[1:], strict=False))
        best = min(pairs, key=lambda pair: ranks.get(pair, 1 << 60))
        if best not in ranks:
            break
        merged, place = [], 0
        while place < len(parts):
            if place + 1 < len(parts) and (parts[place], parts[place + 1]) == best:
                merged.append(parts[place] + parts[place + 1])
                place += 2
            else:
                merged.append(parts[place])
                place += 1
        parts = merged
    return parts
