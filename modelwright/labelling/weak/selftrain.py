"""Self-training: a model's surest answers become labels, for as long as held-out labels say that this helps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.core.data import Decision
from modelwright.core.errors import UserError
from modelwright.core.rng import stream
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import numpy as np

LEAST_HELD = 20


class SelfTrainSpec(Spec):
    """When an answer becomes a label."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="probability from which an answer is taken over")
    rounds: int = Field(default=5, ge=1, le=100, description="most rounds of learning and answering")
    held: float = Field(default=0.25, gt=0, lt=1, description="share of the given labels that only judges")


@dataclass(frozen=True, eq=False, kw_only=True)
class SelfTrained:
    """`labels` int64 (n_rows,): given ones and those taken over, -1 for none; `confidence` (n_rows,), 1 for given ones,
    0 for none. `losses` are the log losses on held-out labels: with the given labels alone, then after each round kept.
    """

    labels: np.ndarray
    confidence: np.ndarray
    losses: tuple[float, ...]
    decisions: tuple[Decision, ...]

    @property
    def kept(self) -> bool:
        """Whether any answer was taken over."""
        return len(self.losses) > 1


def self_train(
    x: Any, labels: np.ndarray, fit: Callable[[Any, np.ndarray], Callable[[Any], np.ndarray]],
    spec: SelfTrainSpec = SelfTrainSpec(), *, seed: int = 0,  # noqa: B008
) -> SelfTrained:  # fmt: skip
    """Label more rows by the model's own surest answers. `x` has n_rows rows (an array, or sparse); `labels` int64
    (n_rows,), -1 where there is none; `fit(x, labels)` returns what gives probabilities (n, n_classes) of rows.

    A quarter of the given labels only judges. A round is kept when its log loss there is lower by more than one
    standard error of the difference; the first that is not ends it, and when none is, nothing is taken over. Every
    class grows by the same factor at most, so that the sure class does not swallow the others.

    Raises `UserError("weak.labels")` with fewer than 40 labels, or a class with fewer than four.

    References: Yarowsky (1995), "Unsupervised word sense disambiguation rivaling supervised methods"; Triguero et al.
    (2015), "Self-labeled techniques for semi-supervised learning".

    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> rng = np.random.default_rng(0)
    >>> true = np.arange(600) % 2
    >>> x = rng.normal(size=(600, 5)) + true[:, None]
    >>> labels = np.where(np.arange(600) < 60, true, -1)
    >>> found = self_train(x, labels, lambda x, y: LogisticRegression().fit(x, y).predict_proba)
    >>> bool((found.labels[:60] == true[:60]).all()), found.kept == bool((found.labels[60:] >= 0).any())
    (True, True)
    """
    import numpy as np

    labels = np.asarray(labels, dtype=np.int64)
    given = np.flatnonzero(labels >= 0)
    counts = np.bincount(labels[given]) if len(given) else np.zeros(0, dtype=np.int64)
    if len(given) < 2 * LEAST_HELD or (counts > 0).sum() < 2 or counts.min() < 4:
        raise UserError("weak.labels", f"self-training needs 40 labels and 4 of each class; got {counts.tolist()}.",
                        hint="label more rows first")  # fmt: skip
    held = _held(labels, given, spec, seed)
    taken = labels.copy()
    taken[held] = -1
    sure = np.where(taken >= 0, 1.0, 0.0)
    predict = fit(x[np.flatnonzero(taken >= 0)], taken[taken >= 0])
    losses = _losses(predict(x[held]), labels[held])
    course, reason = [float(losses.mean())], f"all {spec.rounds} rounds helped"
    for number in range(spec.rounds):
        more, confidence = _more(predict, x, taken, held, spec)
        if not len(more):
            reason = f"after {number} rounds no further answer is sure enough"
            break
        tried = taken.copy()
        tried[more] = np.argmax(confidence, axis=1)
        predict = fit(x[np.flatnonzero(tried >= 0)], tried[tried >= 0])
        now = _losses(predict(x[held]), labels[held])
        better = losses - now
        if better.mean() <= better.std(ddof=1) / np.sqrt(len(held)):
            reason = f"round {number + 1} did not help on {len(held)} held-out labels: log loss {now.mean():.4f}"
            break
        taken, losses = tried, now
        sure[more] = confidence.max(axis=1)
        course.append(float(now.mean()))
    taken[held], sure[held] = labels[held], 1.0
    n_more = int((taken >= 0).sum() - len(given))
    told = Decision("labelling", "self-training", f"{n_more:,} answers taken over", reason)
    return SelfTrained(labels=taken, confidence=sure, losses=tuple(course), decisions=(told,))


def _held(labels: np.ndarray, given: np.ndarray, spec: SelfTrainSpec, seed: int) -> np.ndarray:
    """Rows whose labels only judge: the same share of each class."""
    import numpy as np

    rng = stream(seed, "labelling", "self_train")
    parts = []
    for code in np.unique(labels[given]):
        own = rng.permutation(given[labels[given] == code])
        parts.append(own[: max(1, round(spec.held * len(own)))])
    return np.sort(np.concatenate(parts))


def _losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    import numpy as np

    own: np.ndarray = -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-6))
    return own


def _more(
    predict: Callable[[Any], np.ndarray], x: Any, taken: np.ndarray, held: np.ndarray, spec: SelfTrainSpec
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to take over and their probabilities: the surest of each class, by the same factor for every class."""
    import numpy as np

    open_rows = np.setdiff1d(np.flatnonzero(taken < 0), held)
    if not len(open_rows):
        return open_rows, np.zeros((0, 0))
    confidence = predict(x[open_rows])
    best, top = confidence.argmax(axis=1), confidence.max(axis=1)
    has = np.bincount(taken[taken >= 0], minlength=confidence.shape[1])
    found = np.bincount(best[top >= spec.confidence], minlength=confidence.shape[1])
    there = has > 0
    factor = (found[there] / has[there]).min() if there.any() else 0.0
    factor = max(factor, 1.0)  # a class of which nothing is sure does not hold back doubling the others
    chosen = []
    for code in np.flatnonzero(found):
        own = np.flatnonzero((best == code) & (top >= spec.confidence))
        chosen.append(own[np.argsort(-top[own], kind="stable")][: max(1, int(factor * has[code]))])
    places = np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, dtype=np.int64)
    return open_rows[places], confidence[places]
