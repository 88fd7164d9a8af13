"""Texts as tokens: dropped, deleted, swapped, doubled, replaced, misspelled. 0 is padding, 1 an unknown token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.augmentation._draw import SHARE
from modelwright.augmentation.base import WITHOUT_PLACES, row_by_row
from modelwright.core.errors import UserError
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from modelwright_runtime.signature import ArrayInput

_UNKNOWN = 1
_HOW_MANY = "share of a text's tokens that are changed"


class WordSpec(Spec):
    """How many tokens of how many texts are changed."""

    tokens: float = Field(0.1, gt=0, lt=1, description=_HOW_MANY)
    share: float = Field(0.5, gt=0, le=1, description=SHARE)


class ReplaceSpec(Spec):
    """How many tokens are replaced, and by what."""

    tokens: float = Field(0.1, gt=0, lt=1, description=_HOW_MANY)
    synonyms: str | None = Field(
        None,
        description="a JSON file, {word: [words]}; else words of the vocabulary with the same ending and a like "
        "frequency stand in",
    )
    share: float = Field(0.5, gt=0, le=1, description=SHARE)


class SpellingSpec(Spec):
    """How many letters are mistyped; for inputs of characters."""

    letters: float = Field(0.03, gt=0, lt=1, description="share of a text's letters that are mistyped")
    share: float = Field(0.5, gt=0, le=1, description=SHARE)


def _drawn(x: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """bool, as `x`: tokens that are to be changed; padding never is."""
    import torch

    return (torch.rand(x.shape, generator=rng, device=x.device) < share) & (x != 0)


def dropped(x: Tensor, array: ArrayInput, spec: WordSpec, rng: torch.Generator) -> Tensor:
    """Tokens become unknown ones, so that no answer hangs on one word.

    Reference: Iyyer et al. (2015), "Deep unordered composition rivals syntactic methods", section 3.1.

    >>> import torch
    >>> dropped(torch.arange(2, 22)[None], None, WordSpec(tokens=0.5), torch.Generator().manual_seed(0)).eq(1).sum()
    tensor(13)
    """
    return x.masked_fill(_drawn(x, spec.tokens, rng), _UNKNOWN)


def deleted(x: Tensor, array: ArrayInput, spec: WordSpec, rng: torch.Generator) -> Tensor:
    """Tokens are taken out and the rest closes up; a text keeps at least one.

    Reference for deletion, swap and insertion: Wei and Zou (2019), "EDA: easy data augmentation techniques for
    boosting performance on text classification tasks".

    >>> import torch
    >>> deleted(torch.tensor([[5, 6, 7, 8, 0]]), None, WordSpec(tokens=0.5), torch.Generator().manual_seed(0))
    tensor([[6, 0, 0, 0, 0]])
    """
    import torch

    gone = _drawn(x, spec.tokens, rng)
    first = (x != 0).int().argmax(1)
    rows = torch.arange(len(x), device=x.device)
    gone[rows, first] &= ((x != 0) & ~gone).any(1)
    return closed_up(x.masked_fill(gone, 0), x.shape[1])


def swapped(x: Tensor, array: ArrayInput, spec: WordSpec, rng: torch.Generator) -> Tensor:
    """Pairs of tokens change places.

    >>> import torch
    >>> swapped(torch.tensor([[5, 6, 7, 0]]), None, WordSpec(tokens=0.5), torch.Generator().manual_seed(1)).tolist()
    [[7, 6, 5, 0]]
    """
    import torch

    out = x.clone()
    lengths = (x != 0).sum(1)
    n_pairs = (lengths * spec.tokens / 2).ceil().long()
    rows = torch.arange(len(x), device=x.device)
    for number in range(int(n_pairs.max()) if len(x) else 0):
        places = (torch.rand(2, len(x), generator=rng, device=x.device) * lengths).long()
        one, other = places.masked_fill(number >= n_pairs, 0)
        out[rows, one], out[rows, other] = out[rows, other], out[rows, one]
    return out


def inserted(x: Tensor, array: ArrayInput, spec: ReplaceSpec, rng: torch.Generator) -> Tensor:
    """After some tokens comes one that could stand in their place; what no longer fits at the end is cut.

    >>> import torch
    >>> from modelwright_runtime.signature import ArrayInput
    >>> array = ArrayInput(form="tokens", columns=("t",), settings={"level": "word", "vocabulary": ["old", "cold"]})
    >>> inserted(torch.tensor([[2, 0, 0, 0]]), array, ReplaceSpec(tokens=0.99), torch.Generator().manual_seed(0))
    tensor([[2, 3, 0, 0]])
    """
    import torch

    others = _stand_ins(x, array, spec, rng)
    extra = torch.where(_drawn(x, spec.tokens, rng) & (others != x), others, 0)
    return closed_up(torch.stack([x, extra], dim=2).flatten(1), x.shape[1])


def replaced(x: Tensor, array: ArrayInput, spec: ReplaceSpec, rng: torch.Generator) -> Tensor:
    """Tokens give way to synonyms, or to words of the vocabulary with the same ending and a like frequency.

    >>> import torch
    >>> from modelwright_runtime.signature import ArrayInput
    >>> array = ArrayInput(form="tokens", columns=("t",), settings={"level": "word", "vocabulary": ["old", "cold"]})
    >>> replaced(torch.tensor([[2, 3, 1, 0]]), array, ReplaceSpec(tokens=0.99), torch.Generator().manual_seed(0))
    tensor([[3, 2, 1, 0]])
    """
    import torch

    return torch.where(_drawn(x, spec.tokens, rng), _stand_ins(x, array, spec, rng), x)


def misspelled(x: Tensor, array: ArrayInput, spec: SpellingSpec, rng: torch.Generator) -> Tensor:
    """Letters are left out, doubled, exchanged with the next or hit beside on the keyboard, all as likely.

    Reference: Belinkov and Bisk (2018), "Synthetic and natural noise both break neural machine translation".

    >>> import torch
    >>> from modelwright_runtime.signature import ArrayInput
    >>> array = ArrayInput(form="tokens", columns=("t",), settings={"level": "character", "vocabulary": list("abcs")})
    >>> misspelled(torch.tensor([[2, 3, 4, 0]]), array, SpellingSpec(letters=0.9), torch.Generator().manual_seed(2))
    tensor([[3, 2, 4, 0]])
    """
    import torch

    from modelwright.augmentation._words import pick, prepared_keys

    if array.settings["level"] != "character":
        raise UserError(
            "augment.level",
            f"`spelling` changes characters, and the tokens of {array.columns[0]!r} are {array.settings['level']}s.",
            hint="use word_dropout: a misspelled word is an unknown one",
        )
    hit = _drawn(x, spec.letters, rng)
    way = torch.randint(4, x.shape, generator=rng, device=x.device)
    out = torch.where(hit & (way == 3), pick(prepared_keys(array.settings), x, rng), x)
    swap = hit & (way == 2)
    swap[:, -1] = False
    swap[:, :-1] &= x[:, 1:] != 0
    swap[:, 1:] &= ~swap[:, :-1]  # a letter is exchanged once
    moved = torch.where(swap, out.roll(-1, 1), out)
    moved[:, 1:] = torch.where(swap[:, :-1], out[:, :-1], moved[:, 1:])
    doubled = torch.where(hit & (way == 1), moved, 0)
    left_out = hit & (way == 0) & ((x != 0).sum(1, keepdim=True) > 1)
    left_out[:, 0] = False  # so that something is left
    return closed_up(torch.stack([moved.masked_fill(left_out, 0), doubled], dim=2).flatten(1), x.shape[1])


def closed_up(x: Tensor, length: int) -> Tensor:
    """Tokens (n, any) with the paddings between them taken out, cut or padded to `length`.

    >>> import torch
    >>> closed_up(torch.tensor([[0, 4, 0, 5]]), 3).tolist()
    [[4, 5, 0]]
    """
    order = (x == 0).int().argsort(dim=1, stable=True)[:, :length]
    return x.gather(1, order)


def _stand_ins(x: Tensor, array: ArrayInput, spec: ReplaceSpec, rng: torch.Generator) -> Tensor:
    from modelwright.augmentation._words import pick, prepared_neighbours, prepared_synonyms

    if spec.synonyms is None:
        return pick(prepared_neighbours(array.settings), x, rng)
    return pick(prepared_synonyms(array.settings, spec.synonyms), x, rng)


DROPOUT = row_by_row("tokens", WordSpec, dropped, WITHOUT_PLACES)
DELETION = row_by_row("tokens", WordSpec, deleted, WITHOUT_PLACES)
SWAP = row_by_row("tokens", WordSpec, swapped, WITHOUT_PLACES)
INSERTION = row_by_row("tokens", ReplaceSpec, inserted, WITHOUT_PLACES)
REPLACEMENT = row_by_row("tokens", ReplaceSpec, replaced, WITHOUT_PLACES)
SPELLING = row_by_row("tokens", SpellingSpec, misspelled, WITHOUT_PLACES)
