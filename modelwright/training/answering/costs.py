"""What answers cost: the matrix of a task, the threshold that follows from it, the mean cost of a row.

Reference: Elkan (2001), "The foundations of cost-sensitive learning", IJCAI.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.core.errors import UserError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from modelwright.training.answering.spec import Costs

Matrix = tuple[tuple[float, ...], ...]
YES, NO = ("true", "yes", "y", "t", "1", "on"), ("false", "no", "n", "f", "0", "off")


def matrix_of(costs: Costs, classes: Sequence[str], *, where: str = "costs") -> Matrix:
    """The costs as rows of true classes and columns of answers, in the order of `classes`.

    What is not said costs nothing where the answer is right, and 1 where it is wrong. Raises `UserError("train.costs")`
    for an unknown class, a cost that is no number of at least 0, and a wrong answer that costs less than the right one.

    >>> matrix_of({"yes": {"no": 5}}, ("no", "yes"))
    ((0.0, 1.0), (5.0, 0.0))
    """
    import math

    costs = in_words_of(costs, classes)
    for truth, row in costs.items():
        for name in (truth, *row):
            if name not in classes:
                hint = f"{nearest(name, classes)}; costs are `{{true class: {{answer: cost}}}}`"
                raise UserError(
                    "train.costs", f"`{where}` names the class {name!r}, which the target has not.", hint=hint
                )
        for answer, cost in row.items():
            if not (math.isfinite(cost) and cost >= 0):
                raise UserError(
                    "train.costs", f"`{where}`: answering {answer!r} for {truth!r} costs {cost}, no number of at least "
                    "0.", hint="what a right answer gains is a cost of the wrong ones",
                )  # fmt: skip
    made = [
        [float(costs.get(truth, {}).get(answer, 0.0 if truth == answer else 1.0)) for answer in classes]
        for truth in classes
    ]
    for place, (truth, own) in enumerate(zip(classes, made, strict=True)):
        cheaper = [answer for answer, cost in zip(classes, own, strict=True) if cost < own[place]]
        if cheaper or max(own) == own[place]:
            answer = cheaper[0] if cheaper else classes[place - 1]
            raise UserError(
                "train.costs", f"`{where}`: where {truth!r} is true, answering {answer!r} costs no more than the right "
                "answer.", hint="a wrong answer must cost more than the right one",
            )  # fmt: skip
    return tuple(tuple(row) for row in made)


def in_words_of(costs: Costs, classes: Sequence[str]) -> Costs:
    """The same costs with yes and no (y and n, 1 and 0, t and f) said as the true and false that such a column becomes.

    >>> in_words_of({"yes": {"No": 5}}, ("false", "true"))
    {'true': {'false': 5}}
    """
    if set(classes) != {"false", "true"}:
        return costs
    words = {**dict.fromkeys(YES, "true"), **dict.fromkeys(NO, "false")}
    known = {name: words.get(name.strip().casefold(), name) for truth, row in costs.items() for name in (truth, *row)}
    return {known[truth]: {known[answer]: cost for answer, cost in row.items()} for truth, row in costs.items()}


def names_of(costs: Costs, classes: Sequence[str]) -> set[str]:
    """The classes that costs name, in the words of these classes."""
    return {name for truth, row in in_words_of(costs, classes).items() for name in (truth, *row)}


def threshold_of(matrix: Matrix) -> float:
    """The probability of the second of two classes from which on answering it is expected to cost no more.

    >>> threshold_of(((0.0, 1.0), (5.0, 0.0)))
    0.16666666666666666
    """
    (right_no, false_yes), (false_no, right_yes) = matrix
    too_soon, too_late = false_yes - right_no, false_no - right_yes
    return too_soon / (too_soon + too_late)


def mean_cost(y: np.ndarray, predicted: np.ndarray, weights: np.ndarray, *, matrix: Matrix) -> float:
    """The mean cost of a row, each answered with the class that is expected to cost least."""
    import numpy as np

    from modelwright_runtime.beside import cheapest

    return float(np.average(np.array(matrix)[y, cheapest(predicted, matrix)], weights=weights))


def cheapest_constant(shares: np.ndarray, matrix: Matrix) -> tuple[int, float]:
    """The class that costs least where every row is answered alike, and what a row then costs."""
    import numpy as np

    expected = shares @ np.array(matrix)
    return int(expected.argmin()), float(expected.min())


def as_words(matrix: Matrix, classes: Sequence[str], *, most: int = 6) -> str:
    """What wrong answers cost, in a few words.

    >>> as_words(((0.0, 1.0), (5.0, 0.0)), ("no", "yes"))
    'no answered yes 1, yes answered no 5'
    """
    told = [
        f"{truth} answered {answer} {cost:g}"
        for truth, row in zip(classes, matrix, strict=True)
        for answer, cost in zip(classes, row, strict=True)
        if truth != answer or cost
    ]
    return ", ".join(told[:most]) + (f" and {len(told) - most} more" if len(told) > most else "")
