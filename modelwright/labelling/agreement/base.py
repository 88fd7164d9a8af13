"""Answers of several people in; how far they agree beyond chance, with an interval, per class and per pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from modelwright.core.errors import UserError
from modelwright.core.rng import stream
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.labelling.truth import Answers

Level = Literal["nominal", "ordinal", "interval"]


class AgreementSpec(Spec):
    """How agreement is measured."""

    level: Level = Field(
        default="nominal",
        description="nominal: classes without order; ordinal: classes in their order; interval: numbers, by distance",
    )
    n_resamples: int = Field(default=1000, ge=0, le=100_000, description="bootstrap draws of the tasks; 0: no interval")
    coverage: float = Field(default=0.95, gt=0, lt=1, description="how often the interval should hold the value")


@dataclass(frozen=True, eq=False, kw_only=True)
class Agreement:
    """What was measured; 1 is full agreement, 0 is what chance gives, below 0 is systematic disagreement.

    `alpha` is Krippendorff's, with the bootstrap interval `low` to `high` (NaN without draws). `fleiss` and `cohen`
    (the mean over pairs of people, weighted by common tasks) are for comparison. `classes` has `class`, `n_answers`,
    `alpha` (this class against all others); `pairs` has `first`, `second`, `n_common`, `agreement` (share of equal
    answers), `kappa`. A value is NaN where it is not defined: nobody answered the same task, say.
    """

    level: Level
    alpha: float
    low: float
    high: float
    fleiss: float
    cohen: float
    n_tasks: int
    n_answers: int
    classes: pl.DataFrame
    pairs: pl.DataFrame


def agreement(answers: Answers, spec: AgreementSpec = AgreementSpec(), *, seed: int = 0) -> Agreement:  # noqa: B008
    """Measure the agreement of people. Tasks with one answer say nothing and are left out; gaps are no problem.

    For `interval` the classes must be numbers; for `ordinal` they count in the order of `answers.classes`. Cost: about
    0.3 s for 25,000 answers with 1,000 draws. Raises `UserError("agreement.numbers")`.

    References: Krippendorff (2011), "Computing Krippendorff's alpha-reliability"; Fleiss (1971), "Measuring nominal
    scale agreement among many raters"; Cohen (1960), "A coefficient of agreement for nominal scales".

    >>> from modelwright.labelling.truth import answers_of
    >>> answers = answers_of([1, 1, 2, 2, 3, 3], ["a", "b"] * 3, ["x", "x", "y", "y", "x", "y"])
    >>> found = agreement(answers)
    >>> round(found.alpha, 3), found.pairs["n_common"].to_list()
    (0.444, [3])
    """
    import numpy as np
    import polars as pl

    from modelwright.labelling.agreement.cohen import per_pair
    from modelwright.labelling.agreement.fleiss import fleiss
    from modelwright.labelling.agreement.krippendorff import alpha, alpha_interval

    votes, values = answers.votes, _values(answers, spec.level)
    low, high = alpha_interval(
        votes, spec.level, values, n_resamples=spec.n_resamples, coverage=spec.coverage,
        rng=stream(seed, "labelling", "agreement"),
    )  # fmt: skip
    pairs = per_pair(answers)
    told = pairs.filter(pl.col("kappa").is_not_nan())
    alone = [np.stack([votes[:, code], votes.sum(axis=1) - votes[:, code]], axis=1) for code in range(votes.shape[1])]
    classes = pl.DataFrame({
        "class": answers.classes, "n_answers": votes.sum(axis=0).astype(np.int64),
        "alpha": [alpha(table, "nominal") for table in alone],
    })  # fmt: skip
    return Agreement(
        level=spec.level, alpha=alpha(votes, spec.level, values), low=low, high=high, fleiss=fleiss(votes),
        cohen=float(np.average(told["kappa"], weights=told["n_common"])) if told.height else float("nan"),
        n_tasks=int((votes.sum(axis=1) > 1).sum()), n_answers=len(answers.task), classes=classes, pairs=pairs,
    )  # fmt: skip


def _values(answers: Answers, level: Level) -> np.ndarray | None:
    if level != "interval":
        return None
    if not answers.classes.dtype.is_numeric():
        raise UserError(
            "agreement.numbers",
            f"`interval` needs answers that are numbers; the first class is {answers.classes[0]!r}.",
            hint="use `ordinal` for classes in an order, `nominal` otherwise",
        )
    import polars as pl

    numbers: np.ndarray = answers.classes.cast(pl.Float64).to_numpy()
    return numbers


def reading(alpha: float) -> str:
    """A word for an alpha, by Krippendorff's own customary limits (0.8 and 0.667).

    >>> reading(0.9), reading(0.7), reading(0.2)
    ('reliable', 'for tentative conclusions only', 'not reliable: write clearer guidelines or join classes')
    """
    if alpha != alpha:
        return "not defined: no task has two answers, or all answers are one class"
    if alpha >= 0.8:
        return "reliable"
    return (
        "for tentative conclusions only" if alpha >= 0.667
        else "not reliable: write clearer guidelines or join classes"
    )  # fmt: skip
