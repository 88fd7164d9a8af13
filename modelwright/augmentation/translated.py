"""Back-translation: texts said another way, by any two translators given. Made once, before tokens are.

Made rows are for training only: give this the training rows, after they were split.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError

if TYPE_CHECKING:
    from modelwright.core.data import Dataset

Translate = Callable[[list[str]], Sequence[str]]
MADE_OF = "made_of"
"""The column of a table with made rows: the row id that a made row comes from, null for the others."""


@dataclass(frozen=True, slots=True)
class Made:
    """A text that was made: `of` is the place of the text that it comes from."""

    of: int
    text: str


def back_translate(texts: Sequence[str], forth: Translate, back: Translate, *, n_at_once: int = 32) -> tuple[Made, ...]:
    """Each text there and back; those that come back empty or as they were (but for case and blanks) are left out.

    `forth` and `back` take a list of texts and give as many. Raises `augment.translate` if they do not.
    Reference: Sennrich, Haddow and Birch (2016), "Improving neural machine translation models with monolingual
    data"; as augmentation, Xie et al. (2020), "Unsupervised data augmentation for consistency training".

    >>> there = {"a big dog": "ein großer hund", "yes": "ja"}
    >>> again = {"ein großer hund": "a large dog", "ja": "yes"}
    >>> back_translate(["a big dog", "yes"], lambda t: [there[x] for x in t], lambda t: [again[x] for x in t])
    (Made(of=0, text='a large dog'),)
    """
    made = []
    for first in range(0, len(texts), n_at_once):
        part = list(texts[first : first + n_at_once])
        for place, text in enumerate(_translated(_translated(part, forth), back)):
            if text.strip() and _plain(text) != _plain(part[place]):
                made.append(Made(first + place, text))
    return tuple(made)


def _translated(texts: list[str], translate: Translate) -> list[str]:
    found = list(translate(texts))
    if len(found) != len(texts) or not all(isinstance(text, str) for text in found):
        raise UserError(
            "augment.translate",
            f"the translator gave {len(found)} answers for {len(texts)} texts, or answers that are no texts.",
            hint="give a callable of a list of texts that returns a list of as many",
        )
    return found


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def with_made_rows(data: Dataset, column: str, made: Sequence[Made]) -> Dataset:
    """The table with a row added for each text that was made, everything else as in the row that it comes from.

    Added rows have new ids, above all others, and the id that they come from in the column `made_of`.

    >>> import polars as pl
    >>> from modelwright.core.data import Dataset
    >>> data = Dataset.from_frame(pl.DataFrame({"text": ["a big dog", "yes"], "label": ["x", "y"]}))
    >>> with_made_rows(data, "text", [Made(0, "a large dog")]).frame.rows()
    [(0, 'a big dog', 'x', None), (1, 'yes', 'y', None), (2, 'a large dog', 'x', 0)]
    """
    import polars as pl

    from modelwright.core.data import ROW_ID, Column, Dataset, Schema

    _ = data.schema[column]
    frame = data.frame
    added = frame[[one.of for one in made]]
    first = int(frame[ROW_ID].max() or 0) + 1  # type: ignore[arg-type]
    added = added.with_columns(
        pl.col(ROW_ID).alias(MADE_OF),
        pl.Series(ROW_ID, range(first, first + len(made)), dtype=pl.UInt64),
        pl.Series(column, [one.text for one in made], dtype=pl.String),
    )
    own = frame.with_columns(pl.lit(None, dtype=pl.UInt64).alias(MADE_OF))
    schema = Schema((*data.schema.columns, Column(MADE_OF, "number", "ignored", why="which row a made row comes from")))
    whole = pl.concat([own, added.select(own.columns)])
    return Dataset(whole.lazy(), schema, whole.height, {**data.origin, "made_rows": len(made)})


def translator(model: Any, tokenizer: Any, *, max_tokens: int = 256) -> Translate:
    """A translator from a sequence-to-sequence model and tokenizer of the transformers library (Marian, say).

    Greedy, so that the same texts come back every time.
    """
    import torch

    def translate(texts: list[str]) -> list[str]:
        words = tokenizer(texts, return_tensors="pt", padding=True, truncation=True, max_length=max_tokens)
        with torch.inference_mode():
            answers = model.generate(**words, max_new_tokens=max_tokens, do_sample=False, num_beams=1)
        return list(tokenizer.batch_decode(answers, skip_special_tokens=True))

    return translate
