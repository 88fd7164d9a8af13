"""Which tokens can stand for which: tables int64 (vocabulary + 2, k), a token itself where it has no other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from modelwright.core.errors import UserError
from modelwright_runtime.arrays._prepared import prepared
from modelwright_runtime.arrays.tokens import FIRST, normal

if TYPE_CHECKING:
    from torch import Tensor

N_CHOICES = 8
_ENDING = 2
_ROWS_OF_KEYS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")


def pick(table: Tensor, x: Tensor, rng: torch.Generator) -> Tensor:
    """For each token one of its stand-ins, all as likely."""
    choice = torch.randint(table.shape[1], x.shape, generator=rng, device=x.device)
    picked: Tensor = table.to(x.device)[x, choice]
    return picked


def prepared_neighbours(settings: Mapping[str, Any]) -> Tensor:
    """Made once per input: words of the same ending whose ranks in the vocabulary are nearest."""
    table: Tensor = prepared(settings, "augment neighbours", lambda s: neighbours(s["vocabulary"]))
    return table


def prepared_synonyms(settings: Mapping[str, Any], path: str) -> Tensor:
    """Made once per input and file."""
    table: Tensor = prepared(settings, f"augment synonyms {path}", lambda s: synonyms(s, path))
    return table


def prepared_keys(settings: Mapping[str, Any]) -> Tensor:
    """Made once per input: letters beside each other on the keyboard."""
    table: Tensor = prepared(settings, "augment keys", lambda s: keys(s["vocabulary"]))
    return table


def neighbours(vocabulary: Sequence[str]) -> Tensor:
    """Words of the same kind and ending, nearest in rank; the vocabulary is sorted by frequency.

    >>> table = neighbours(["the", "running", "a", "7", "walking", "12"])
    >>> table[2 + 1].unique().tolist(), table[2 + 3].unique().tolist(), table[2].unique().tolist()
    ([6], [7], [2])
    """
    groups: dict[str, list[int]] = {}
    for token, word in enumerate(vocabulary, start=FIRST):
        groups.setdefault(_shape(word), []).append(token)
    choices: dict[int, list[int]] = {}
    for members in groups.values():
        for place, token in enumerate(members):
            near = members[max(0, place - N_CHOICES // 2) : place + N_CHOICES // 2 + 1]
            choices[token] = [other for other in near if other != token]
    return _table(len(vocabulary), choices)


def _shape(word: str) -> str:
    """What two words must share: digits, marks, or the case of the first letter and the ending."""
    letters = word.strip("Ġ")
    if not any(letter.isalpha() for letter in letters):
        return "number" if any(letter.isdigit() for letter in letters) else f"mark {word}"  # marks stay
    start = ("blank " if word.startswith("Ġ") else "") + ("Upper" if letters[:1].isupper() else "lower")
    return f"{start} {letters[-_ENDING:].casefold() if len(letters) > _ENDING else word}"


def synonyms(settings: Mapping[str, Any], path: str) -> Tensor:
    """A table from a JSON file {word: [words]}; words outside the vocabulary are passed over.

    Raises `augment.synonyms` for a file that is absent or something else.
    """
    try:
        told = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise UserError(
            "augment.synonyms", f"the synonyms in {path!r} cannot be read: {problem}.", hint='{"big": ["large"]}'
        ) from problem
    if not isinstance(told, dict) or not all(isinstance(words, list) for words in told.values()):
        raise UserError("augment.synonyms", f"{path!r} is no object of lists.", hint='{"big": ["large"]}')
    casefold = bool(settings.get("casefold", True))
    position = {word: token for token, word in enumerate(settings["vocabulary"], start=FIRST)}
    choices: dict[int, list[int]] = {}
    for word, others in told.items():
        token = position.get(normal(word, casefold=casefold))
        known = [position.get(normal(str(other), casefold=casefold), 0) for other in others]
        if token is not None and any(known):
            choices[token] = [other for other in known if other]
    return _table(len(position), choices)


def keys(vocabulary: Sequence[str]) -> Tensor:
    """Letters whose keys touch, in the same case; others are left as they are.

    >>> table = keys(["q", "w", "s", "x"])
    >>> sorted(table[3].unique().tolist())
    [2, 4]
    """
    position = {letter: token for token, letter in enumerate(vocabulary, start=FIRST)}
    choices: dict[int, list[int]] = {}
    for line, row in enumerate(_ROWS_OF_KEYS):
        for place, key in enumerate(row):
            beside = [row[place - 1 : place], row[place + 1 : place + 2]]
            for other in (line - 1, line + 1):
                if 0 <= other < len(_ROWS_OF_KEYS):
                    beside.append(_ROWS_OF_KEYS[other][place : place + 1])
            for case in (str.lower, str.upper):
                known = [position[case(one)] for one in beside if case(one) in position]
                if case(key) in position and known:
                    choices[position[case(key)]] = known
    return _table(len(vocabulary), choices)


def _table(n_words: int, choices: Mapping[int, Sequence[int]]) -> Tensor:
    table = torch.arange(n_words + FIRST)[:, None].repeat(1, N_CHOICES)
    for token, others in choices.items():
        repeats = -(-N_CHOICES // len(others)) if others else 0
        if repeats:
            table[token] = torch.tensor((list(others) * repeats)[:N_CHOICES])
    return table
