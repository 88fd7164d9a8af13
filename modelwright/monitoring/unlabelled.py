"""How good the answers are, without labels: from the model's own confidence, corrected on held-out rows.

Each score stands for the share of right answers that held-out rows of the same score had. That tells what a change of
the rows does to the metric. It cannot see that the same row now means something else (concept drift), nor that cells
are wrong: a model is often surest about rubbish. `Unlabelled.words` says so, always.

References: Guillory et al. (2021), "Predicting with confidence on unseen distributions"; NannyML's CBPE, of which this
is the binned form: the estimate for a million rows takes no more time than for a hundred.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.monitoring.reference import Reference

N_DRAWS = 400
BLIND = "Seen from confidence alone: what the rows mean may have changed without a trace here (concept drift)."


@dataclass(frozen=True, kw_only=True)
class Unlabelled:
    """The expected metric of a window. `drop` is how much worse than on the reference, with its 95 % interval.

    `metric` is None where nothing can be told; then `words` says why.
    """

    metric: str | None
    value: float | None
    low: float | None
    high: float | None
    reference: float | None
    drop: float | None
    drop_low: float | None
    drop_high: float | None
    words: str


def score_of_window(reference: Reference, window: pl.DataFrame) -> np.ndarray | None:
    """The score that answers are binned by, from a window's columns; None where they are not there."""
    import polars as pl

    names = [f"_probability_{name}" for name in reference.classes]
    if reference.task == "binary" and names[1] in window.columns:
        return window[names[1]].cast(pl.Float64).to_numpy()
    if reference.task == "multiclass" and set(names) <= set(window.columns):
        return window.select(pl.max_horizontal(names).cast(pl.Float64)).to_series().to_numpy()
    if reference.task == "regression" and "_prediction" in window.columns:
        return window["_prediction"].cast(pl.Float64).to_numpy()
    return None


def expect(reference: Reference, answers: tuple[int, ...], rng: np.random.Generator) -> Unlabelled:
    """The metric that these scores let one expect, against the same reckoning for the reference.

    >>> from modelwright.testing.monitoring import tiny_reference
    >>> import numpy as np
    >>> reference = tiny_reference()
    >>> found = expect(reference, reference.answers.counts, np.random.default_rng(0))
    >>> round(found.drop, 6)
    0.0
    """
    import numpy as np

    held = reference.answers
    if reference.task == "regression":
        return _nothing("A value comes without a confidence: the error cannot be told without labels.")
    if held is None or not answers or sum(answers) == 0:
        return _nothing("The package holds no answers to held-out rows, or the window no probabilities.")
    metric = _metric_of(reference)
    counts, right = np.array(held.counts, dtype=float), np.array(held.right, dtype=float)
    score, now = np.array(held.score), np.array(answers, dtype=float)
    rates = _rates(counts, right, score)
    base = _value(metric, reference, counts, rates, score)
    value = _value(metric, reference, now, rates, score)
    drawn_rates = _drawn_rates(counts, rates, rng)
    drawn = _value(metric, reference, _drawn_counts(now, rng), drawn_rates, score)
    drawn_base = _value(metric, reference, counts[None], drawn_rates, score)
    sign = 1.0 if metric in ("roc_auc", "accuracy") else -1.0
    low, high = np.quantile(drawn, [0.025, 0.975])
    drop_low, drop_high = np.quantile(sign * (drawn_base - drawn), [0.025, 0.975])
    drop = sign * (base - value)
    shift = (reference.score - base) if metric == reference.primary and reference.score is not None else 0.0
    return Unlabelled(
        metric=metric,
        value=float(value + shift),
        low=float(low + shift),
        high=float(high + shift),
        reference=float(base + shift),
        drop=float(drop),
        drop_low=float(min(drop_low, drop)),
        drop_high=float(max(drop_high, drop)),
        words=BLIND,
    )


def _nothing(words: str) -> Unlabelled:
    return Unlabelled(
        metric=None,
        value=None,
        low=None,
        high=None,
        reference=None,
        drop=None,
        drop_low=None,
        drop_high=None,
        words=words,
    )


def _metric_of(reference: Reference) -> str:
    if reference.task == "multiclass":
        return "accuracy"
    return reference.primary if reference.primary in ("accuracy", "log_loss", "brier") else "roc_auc"


def _rates(counts: np.ndarray, right: np.ndarray, score: np.ndarray) -> np.ndarray:
    """The share of right (or positive) rows by bin, never falling as the score rises (isotonic)."""
    import numpy as np
    from sklearn.isotonic import IsotonicRegression

    raw = (right + score) / (counts + 1.0)  # one row of the model's own opinion: an empty bin has that alone
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0).fit_transform(score, raw, sample_weight=counts + 1.0)
    return np.asarray(np.clip(fitted, 1e-6, 1 - 1e-6))


def _drawn_rates(counts: np.ndarray, rates: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    sure = counts + 1.0
    return rng.beta(rates * sure + 1e-3, (1 - rates) * sure + 1e-3, size=(N_DRAWS, len(counts)))


def _drawn_counts(now: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.multinomial(int(now.sum()), now / now.sum(), size=N_DRAWS).astype(float)


def _value(metric: str, reference: Reference, counts: Any, rates: Any, score: Any) -> Any:
    """The metric expected of rows of these counts by bin, over leading axes."""
    import numpy as np

    n = counts.sum(axis=-1)
    if metric == "accuracy":
        hits = rates if reference.task == "multiclass" else np.where(score >= reference.threshold, rates, 1 - rates)
        return (counts * hits).sum(axis=-1) / n
    told = np.clip(score, 1e-6, 1 - 1e-6)
    if metric == "log_loss":
        return -(counts * (rates * np.log(told) + (1 - rates) * np.log(1 - told))).sum(axis=-1) / n
    if metric == "brier":
        return (counts * (rates * (1 - told) ** 2 + (1 - rates) * told**2)).sum(axis=-1) / n
    positive, negative = counts * rates, counts * (1 - rates)
    below = np.cumsum(negative, axis=-1) - 0.5 * negative
    pairs = positive.sum(axis=-1) * negative.sum(axis=-1)
    return (positive * below).sum(axis=-1) / np.maximum(pairs, 1e-12)
