"""A labelling function: a rule that looks at a row and says a class, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class LabellingFunction:
    """A named rule. `columns` are what it reads (none named: all); `say` takes one row as a mapping of those columns
    and returns a class as text, or None where it has nothing to say.
    """

    name: str
    say: Callable[[Mapping[str, Any]], str | None]
    columns: tuple[str, ...] = ()

    def __call__(self, row: Mapping[str, Any]) -> str | None:
        """What the rule says of one row."""
        return self.say(row)


def labelling_function(
    *columns: str, name: str | None = None
) -> Callable[[Callable[[Mapping[str, Any]], str | None]], LabellingFunction]:
    """Make a rule of a Python function of one row; name the columns that it reads, so that only those are fetched.

    >>> @labelling_function("text")
    ... def asks_for_money(row):
    ...     return "spam" if "send money" in row["text"] else None
    >>> asks_for_money.name, asks_for_money({"text": "please send money"}), asks_for_money({"text": "hello"})
    ('asks_for_money', 'spam', None)
    """

    def made(say: Callable[[Mapping[str, Any]], str | None]) -> LabellingFunction:
        return LabellingFunction(name=name or say.__name__, say=say, columns=columns)

    return made
