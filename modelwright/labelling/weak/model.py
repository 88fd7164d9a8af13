"""The label model: rules that disagree, weighed by how often each is right, as found from their agreement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from modelwright.core.data import ROW_ID, Decision
from modelwright.core.errors import UserError
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.labelling.weak.apply import Applied

PRIOR_ANSWERS, PRIOR_RIGHT = 10.0, 0.7
"""A rule is taken to be right in 7 of 10 answers before it is known: people write rules that are mostly right."""
LEAST_KNOWN = 20
"""Known truths below which they do not decide between the label model and the majority."""


class WeakSpec(Spec):
    """How rules are combined."""

    method: Literal["auto", "dawid_skene", "majority"] = Field(
        default="auto", description="dawid_skene weighs the rules; majority counts them; auto: the better one where "
        "truths are known, dawid_skene otherwise",
    )  # fmt: skip
    most_rounds: int = Field(default=200, ge=1, le=10_000, description="rounds after which the search stops")
    tolerance: float = Field(default=1e-5, gt=0, lt=1, description="it also stops when no probability moves by more")


@dataclass(frozen=True, eq=False, kw_only=True)
class SoftLabels:
    """Labels with their probability, by row id.

    `posterior` is float64 (n_rows, n_classes); `covered` (n_rows,) says which rows some rule spoke of: the others have
    the classes' shares and are no labels. `accuracy` (n_functions,) is the chance that a rule is right when it speaks.
    """

    row_ids: np.ndarray
    classes: tuple[str, ...]
    posterior: np.ndarray
    covered: np.ndarray
    accuracy: np.ndarray
    decisions: tuple[Decision, ...]

    def table(self) -> pl.DataFrame:
        """Covered rows: `__row__`, `label` (the likeliest class), `confidence`, and a column `p: CLASS` a class."""
        import numpy as np
        import polars as pl

        rows = np.flatnonzero(self.covered)
        own = self.posterior[rows]
        columns = {f"p: {name}": own[:, code] for code, name in enumerate(self.classes)}
        labels = [self.classes[code] for code in own.argmax(axis=1)]
        confidence = own.max(axis=1) if len(rows) else np.zeros(0)
        return pl.DataFrame(
            {ROW_ID: self.row_ids[rows], "label": labels, "confidence": confidence, **columns},
            schema_overrides={ROW_ID: pl.UInt64, "label": pl.String},
        )


def combine(applied: Applied, spec: WeakSpec = WeakSpec(), *, known: np.ndarray | None = None) -> SoftLabels:  # noqa: B008
    """Soft labels from what rules said. `known` (int64 (n_rows,), -1 unknown) are truths of some rows, where there are.

    The label model is Dawid and Skene's with one accuracy a rule and silence passed over: rules are few and partly say
    one class only, and whole confusions would be guesses. Known truths first judge (with 20 or more on rows that rules
    spoke of: where counting the rules is right more often than weighing them, they are counted), and are then kept as
    they are. Deterministic. Raises `UserError("weak.known")`.

    References: Dawid and Skene (1979); Ratner et al. (2017), "Snorkel: rapid training data creation with weak
    supervision"; Zhang et al. (2021), "WRENCH: a comprehensive benchmark for weak supervision".

    >>> import numpy as np
    >>> from modelwright.labelling.weak import Applied
    >>> votes = np.array([[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, -1, 0], [-1, -1, -1]] * 8)
    >>> said = Applied(row_ids=np.arange(40), votes=votes, functions=("a", "b", "c"), classes=("no", "yes"))
    >>> soft = combine(said)
    >>> soft.posterior[3].round(1).tolist(), soft.covered[:5].tolist(), bool(soft.accuracy[0] > soft.accuracy[2])
    ([0.1, 0.9], [True, True, True, True, False], True)
    """
    import numpy as np

    votes, n_classes = applied.votes, len(applied.classes)
    if known is not None and (
        known.shape != votes.shape[:1] or known.min(initial=-1) < -1 or known.max(initial=-1) >= n_classes
    ):
        raise UserError("weak.known", f"known truths must be {len(votes)} codes below {n_classes}, -1 where unknown.")
    covered: np.ndarray = np.any(votes >= 0, axis=1)
    counted = _counted(votes, n_classes)
    method, reason = spec.method, "asked for"
    if method == "auto":
        method, reason = "dawid_skene", "rules are weighed by their agreement"
        judged = np.flatnonzero(covered & (known >= 0)) if known is not None else np.array([], dtype=np.int64)
        if known is not None and len(judged) >= LEAST_KNOWN:
            weighed, _ = _weighed(votes, n_classes, spec, None)
            right = [float((_best(found)[judged] == known[judged]).mean()) for found in (weighed, counted)]
            method = "dawid_skene" if right[0] >= right[1] else "majority"
            reason = f"on {len(judged)} known rows weighing is right in {right[0]:.1%}, counting in {right[1]:.1%}"
    posterior, accuracy = _weighed(votes, n_classes, spec, known)
    if method == "majority":
        posterior = _kept(counted, known)
    told = Decision("labelling", "label model", method, reason)
    return SoftLabels(
        row_ids=applied.row_ids, classes=applied.classes, posterior=posterior, covered=covered, accuracy=accuracy,
        decisions=(told,),
    )  # fmt: skip


def _best(posterior: np.ndarray) -> np.ndarray:
    """The likeliest class; of equally likely ones the commoner."""
    import numpy as np

    best: np.ndarray = np.argmax(posterior + 1e-9 * posterior.mean(axis=0), axis=1)
    return best


def _counted(votes: np.ndarray, n_classes: int) -> np.ndarray:
    """Shares of the votes; of rows without any, the shares of all."""
    import numpy as np

    counts = np.stack([(votes == code).sum(axis=1) for code in range(n_classes)], axis=1).astype(np.float64)
    n_votes = counts.sum(axis=1, keepdims=True)
    shares: np.ndarray = np.divide(counts, n_votes, out=np.zeros_like(counts), where=n_votes > 0)
    shares[n_votes[:, 0] == 0] = (counts.sum(axis=0) + 1) / (counts.sum() + n_classes)
    return shares


def _kept(posterior: np.ndarray, known: np.ndarray | None) -> np.ndarray:
    import numpy as np

    if known is not None:
        rows = np.flatnonzero(known >= 0)
        posterior[rows] = 0
        posterior[rows, known[rows]] = 1
    return posterior


def _weighed(
    votes: np.ndarray, n_classes: int, spec: WeakSpec, known: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior and accuracies by EM from the counted votes."""
    import numpy as np

    posterior = _kept(_counted(votes, n_classes), known)
    covered = (votes >= 0).any(axis=1)
    rows, functions = np.nonzero(votes >= 0)
    said = votes[rows, functions]
    n_said = np.bincount(functions, minlength=votes.shape[1])
    moved, n_rounds = 1.0, 0
    accuracy = np.full(votes.shape[1], PRIOR_RIGHT)
    while moved > spec.tolerance and n_rounds < spec.most_rounds:
        right = np.bincount(functions, posterior[rows, said], votes.shape[1])
        accuracy = (right + PRIOR_ANSWERS * PRIOR_RIGHT) / (n_said + PRIOR_ANSWERS)
        prior = (posterior[covered].sum(axis=0) + 1) / (covered.sum() + n_classes)
        gain = np.log(accuracy) - np.log((1 - accuracy) / max(n_classes - 1, 1))
        log = np.bincount(rows * n_classes + said, gain[functions], len(votes) * n_classes).reshape(-1, n_classes)
        log = log + np.log(prior)
        weights = np.exp(log - log.max(axis=1, keepdims=True))
        was, posterior = posterior, _kept(weights / weights.sum(axis=1, keepdims=True), known)
        moved, n_rounds = float(np.abs(posterior - was).max(initial=0)), n_rounds + 1
    return posterior, accuracy
