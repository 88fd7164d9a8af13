"""Rules over rows: who says what of which row, and a table of it that a person can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.errors import UserError, nearest
from modelwright.labelling.weak.base import LabellingFunction

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

AT_ONCE = 50_000


@dataclass(frozen=True, kw_only=True)
class Pattern(LabellingFunction):
    """A rule made of a regular expression (see `pattern`), which whole columns are asked for at once."""

    expression: str
    says: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Applied:
    """What rules said: `votes` int64 (n_rows, n_functions), codes into `classes`, -1 where a rule said nothing;
    `row_ids` uint64 (n_rows,).
    """

    row_ids: np.ndarray
    votes: np.ndarray
    functions: tuple[str, ...]
    classes: tuple[str, ...]

    def table(self, known: np.ndarray | None = None) -> pl.DataFrame:
        """One line a rule: `function`, `says` (its classes), `coverage` (share of rows of which it says something),
        `overlaps` (of which another one does too), `conflicts` (and says otherwise), and where `known` truths are
        given (int64 (n_rows,), -1 unknown) `n_known` and `accuracy` on them (NaN without any).
        """
        import numpy as np
        import polars as pl

        voted, n_rows = self.votes >= 0, max(len(self.votes), 1)
        n_votes = voted.sum(axis=1)
        rows = []
        for place, name in enumerate(self.functions):
            own, said = voted[:, place], self.votes[:, place]
            others = own & (n_votes > 1)
            differs = (voted & (self.votes != said[:, None])).any(axis=1)
            judged = own & (known >= 0) if known is not None else np.zeros_like(own)
            right = float((said[judged] == known[judged]).mean()) if known is not None and judged.any() else np.nan
            shares = [float(rows_of.sum() / n_rows) for rows_of in (own, others, others & differs)]
            says = ", ".join(self.classes[code] for code in np.unique(said[own]))
            rows.append((name, says, *shares, int(judged.sum()), right))
        columns = ("function", "says", "coverage", "overlaps", "conflicts", "n_known", "accuracy")
        return pl.DataFrame(rows, schema=columns, orient="row")


def pattern(column: str, expression: str, says: str, *, name: str | None = None) -> LabellingFunction:
    """A rule that says a class where a column's text holds a regular expression. Letters count alike, large or small.

    Expressions are those of the Rust library `regex`: they are matched in time linear in the text, so none can hang;
    look-around and references back are not in it. Raises `UserError("weak.pattern")` for what it does not read.

    >>> pattern("text", r"free|win(ner)?", "spam").name
    'text ~ free|win(ner)?'
    >>> pattern("text", "(", "spam")
    Traceback (most recent call last):
    modelwright_runtime.errors.UserError: the pattern '(' cannot be read: ... [weak.pattern]
    """
    import polars as pl

    whole = f"(?i){expression}"

    def say(row: Mapping[str, Any]) -> str | None:
        cell = row.get(column)
        return says if cell is not None and pl.Series([str(cell)]).str.contains(whole)[0] else None

    try:
        pl.Series([""]).str.contains(whole)
    except pl.exceptions.ComputeError as problem:
        reason = " ".join(str(problem).split())
        raise UserError("weak.pattern", f"the pattern {expression!r} cannot be read: {reason}.") from None
    return Pattern(
        name=name or f"{column} ~ {expression}", say=say, columns=(column,), expression=whole, says=says
    )  # fmt: skip


def apply(functions: Sequence[LabellingFunction], data: Dataset, *, classes: Sequence[str] | None = None) -> Applied:
    """Ask every rule about every row. `classes` gives the classes and their order; by default all that were said.

    Patterns are asked column by column, functions row by row. Raises `UserError`: `weak.name` (two rules of one name,
    or none), `weak.function` (a function failed: which, on which row), `weak.class` (an answer is none of the classes).

    >>> import polars as pl
    >>> data = Dataset.from_frame(pl.DataFrame({"text": ["you are a WINNER", "see you", None]}))
    >>> said = apply([pattern("text", "winner", "spam"), pattern("text", "see you", "ham")], data)
    >>> said.classes, said.votes.tolist()
    (('ham', 'spam'), [[1, -1], [-1, 0], [-1, -1]])
    """
    import numpy as np

    names = [function.name for function in functions]
    if not names or len(set(names)) < len(names):
        raise UserError("weak.name", f"rules need names of their own, at least one rule; got {names}.")
    said = {function.name: _said(function, data) for function in functions}
    told = sorted({answer for answers in said.values() for answer in answers if answer is not None})
    order = tuple(told if classes is None else classes)
    for name, answers in said.items():
        unknown = next((answer for answer in answers if answer is not None and answer not in order), None)
        if unknown is not None:
            raise UserError(
                "weak.class",
                f"rule {name!r} said {unknown!r}, which is none of the classes.",
                hint=nearest(unknown, order),
            )
    codes: dict[str | None, int] = {None: -1, **{name: code for code, name in enumerate(order)}}
    votes = np.array([[codes[answer] for answer in said[name]] for name in names], dtype=np.int64)
    return Applied(
        row_ids=data.row_ids, votes=votes.reshape(len(names), -1).T, functions=tuple(names), classes=order
    )  # fmt: skip


def _said(function: LabellingFunction, data: Dataset) -> list[str | None]:
    import polars as pl

    columns = function.columns or data.schema.names
    for column in columns:
        _ = data.schema[column]
    if isinstance(function, Pattern):
        found = data.column(columns[0]).cast(pl.String).str.contains(function.expression).fill_null(False)
        return [function.says if one else None for one in found.to_list()]
    answers: list[str | None] = []
    frame = data.table.select(ROW_ID, *columns).collect()
    for start in range(0, frame.height, AT_ONCE):
        for row in frame.slice(start, AT_ONCE).iter_rows(named=True):
            answers.append(_asked(function, row))
    return answers


def _asked(function: LabellingFunction, row: dict[str, Any]) -> str | None:
    number = row.pop(ROW_ID)
    try:
        answer = function.say(row)
    except Exception as problem:  # a person's own code may raise anything: it is told by its name and row
        message = f"rule {function.name!r} failed on row {number}: {type(problem).__name__}: {problem}."
        hint = 'a missing cell is None: `row["text"] or ""`'
        raise UserError("weak.function", message, hint=hint) from problem
    return None if answer is None else str(answer)
