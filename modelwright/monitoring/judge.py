"""Champion against challenger on the same later rows: promote, keep, not enough yet; and roll back after it.

Reference: Efron and Tibshirani (1993), "An introduction to the bootstrap" (paired draws); the gain must exceed the
least gain with the stated confidence, and no slice may be clearly worse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from modelwright.monitoring.spec import MonitorSpec

if TYPE_CHECKING:
    import polars as pl

    from modelwright.monitoring.reference import Reference
    from modelwright_runtime.model import Model

N_SLICE = 60


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The answer, with the gain of the later model over the other (positive is better) and its interval.

    `low` and `high` bound the gain with the stated confidence on each side. `worse_slices` names levels where the
    later model is surely worse.
    """

    answer: Literal["promote", "keep", "not enough yet", "roll back"]
    metric: str
    n_rows: int
    gain: float | None
    low: float | None
    high: float | None
    worse_slices: tuple[Mapping[str, Any], ...] = field(default=())
    words: str = ""

    def to_plain(self) -> dict[str, Any]:
        """JSON-able form."""
        return asdict(self)


def judge(
    model: Model,
    champion_rows: pl.DataFrame,
    challenger_rows: pl.DataFrame,
    spec: MonitorSpec | None = None,
    *,
    seed: int = 0,
) -> Judgement:
    """Whether the challenger has earned its place. `model` is the champion: it says task, classes and metric.

    Both frames have `_id`, the answers and, where it has come, `_truth` (in either); rows that both answered are
    paired by `_id`. Promote when the gain is surely above 0 and by estimate at least `promote_when.gain`, and no slice
    of the five weightiest columns is surely worse by more than is borne: `retrain_when.score_drop`, or half of the
    gain.

    >>> from modelwright.testing.monitoring import labelled, tiny_model, tiny_rows, truth_of
    >>> model, rows = tiny_model(), tiny_rows(400)
    >>> window = labelled(model, rows, truth_of(model.answers(rows)[0]))
    >>> judge(model, window, window).answer
    'keep'
    """
    from modelwright.monitoring.labelled import said
    from modelwright.monitoring.reference import reference_of

    spec = spec or MonitorSpec()
    when = spec.promote_when
    reference = reference_of(model)
    one, other = aligned(reference, champion_rows, challenger_rows)
    metric, n = _metric(reference), one.height
    if n < when.least_rows:
        return _short(metric, n, f"{n:,} labelled rows that both have answered; {when.least_rows:,} are the least.")
    found = _gain(reference, one, other, metric, when.confidence, seed)
    if found is None:
        return _short(metric, n, f"{said(metric)} is not defined on these rows (one class only?).")
    gain, low, high = found
    borne = max(when.gain, spec.retrain_when.score_drop, gain / 2)  # a champion that fails is not kept for a slice
    worse = _worse_slices(reference, one, other, metric, (when.confidence, borne), seed)
    told = f"{said(metric)}: {gain:+.4f} ({low:+.4f} to {high:+.4f}) on the same {n:,} labelled rows"
    about: dict[str, Any] = {"metric": metric, "n_rows": n, "gain": gain, "low": low, "high": high}
    if gain >= when.gain and low > 0 and not worse:
        return Judgement(answer="promote", words=f"Promote: {told}.", **about)
    if worse and low > 0:
        names = ", ".join(f"{one['column']} = {one['level']}" for one in worse[:3])
        return Judgement(
            answer="keep", worse_slices=worse, words=f"Keep: {told}, but surely worse for {names}.", **about
        )
    if high >= when.gain and not worse and n < 50 * when.least_rows:
        return Judgement(answer="not enough yet" if gain > 0 else "keep", words=f"Not sure yet: {told}.", **about)
    return Judgement(answer="keep", worse_slices=worse, words=f"Keep: {told}.", **about)


def watch(
    model: Model,
    promoted_rows: pl.DataFrame,
    former_rows: pl.DataFrame,
    spec: MonitorSpec | None = None,
    *,
    seed: int = 0,
) -> Judgement:
    """After a promotion: roll back when the promoted model is surely worse than the former one.

    The former one goes on in shadow: rows are paired by `_id`. Where fewer than 30 labelled rows are shared, the
    promoted model's rows are held against the former one's own earlier ones.

    >>> from modelwright.testing.monitoring import labelled, tiny_model, tiny_rows, truth_of
    >>> model, rows = tiny_model(), tiny_rows(400)
    >>> good = labelled(model, rows, truth_of(model.answers(rows)[0]))
    >>> bad = good.with_columns(_probability_yes=1 - good["_probability_yes"], _probability_no=good["_probability_yes"])
    >>> watch(model, bad, good).answer
    'roll back'
    """
    from modelwright.monitoring.labelled import LEAST_ROWS, known_rows, said
    from modelwright.monitoring.reference import reference_of

    spec = spec or MonitorSpec()
    reference = reference_of(model)
    metric, confidence = _metric(reference), spec.promote_when.confidence
    former, promoted = aligned(reference, former_rows, promoted_rows)
    n = promoted.height
    if n >= LEAST_ROWS:
        found = _gain(reference, former, promoted, metric, confidence, seed)
    else:
        former, promoted = known_rows(reference, former_rows), known_rows(reference, promoted_rows)
        n = promoted.height
        if min(n, former.height) < LEAST_ROWS:
            return _short(metric, n, f"{n:,} labelled answers of the promoted model; {LEAST_ROWS} are the least.")
        found = _apart(reference, former, promoted, metric, confidence, seed)
    if found is None:
        return _short(metric, n, f"{said(metric)} is not defined on these rows (one class only?).")
    gain, low, high = found
    told = f"{said(metric)}: {gain:+.4f} ({low:+.4f} to {high:+.4f}) on {n:,} labelled rows"
    answer: Literal["roll back", "keep"] = "roll back" if high < 0 else "keep"
    return Judgement(
        answer=answer,
        metric=metric,
        n_rows=n,
        gain=gain,
        low=low,
        high=high,
        words=f"{answer.capitalize()}: {told} since the promotion.",
    )


def aligned(reference: Reference, one: pl.DataFrame, other: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The labelled rows that both answered, in one order; the truth may be in either."""
    import polars as pl

    from modelwright.monitoring.labelled import known_rows

    frames = []
    truths = [frame.select("_id", "_truth") for frame in (one, other) if "_truth" in frame.columns]
    if not truths:
        return one.clear(), other.clear()
    truth = pl.concat([part.with_columns(pl.col("_truth").cast(pl.String)) for part in truths])
    truth = truth.filter(pl.col("_truth").is_not_null()).unique("_id", keep="first", maintain_order=True)
    shared = truth.select("_id").join(one.select("_id"), on="_id", how="semi")
    shared = shared.join(other.select("_id"), on="_id", how="semi")
    for frame in (one, other):
        rows = frame.drop("_truth", strict=False).unique("_id", keep="first").join(shared, on="_id", how="semi")
        frames.append(known_rows(reference, rows.join(truth, on="_id", how="left").sort("_id")))
    return frames[0], frames[1]


def _metric(reference: Reference) -> str:
    from modelwright.monitoring.labelled import metric_of

    return metric_of(reference)


def _short(metric: str, n: int, words: str) -> Judgement:
    return Judgement(answer="not enough yet", metric=metric, n_rows=n, gain=None, low=None, high=None, words=words)


def _gain(
    reference: Reference, one: pl.DataFrame, other: pl.DataFrame, metric: str, confidence: float, seed: int
) -> tuple[float, float, float] | None:
    """Gain of the other over the one with a one-sided bound on either side."""
    import numpy as np

    from modelwright.core.rng import stream
    from modelwright.monitoring.labelled import paired

    gain, spread = paired(reference, one, other, metric, stream(seed, "monitoring", "judge", one.height))
    if not np.isfinite(gain) or not len(spread):
        return None
    low, high = gain + np.quantile(spread, [1 - confidence, confidence])
    return float(gain), float(low), float(high)


def _apart(
    reference: Reference, one: pl.DataFrame, other: pl.DataFrame, metric: str, confidence: float, seed: int
) -> tuple[float, float, float] | None:
    """The same for rows that are not shared: the two spreads add up."""
    import numpy as np
    from scipy.special import ndtri

    from modelwright.core.rng import stream
    from modelwright.monitoring.labelled import Scored, is_lower, scale_of

    rng = stream(seed, "monitoring", "watch", one.height, other.height)
    before, after = Scored(reference, one, metric), Scored(reference, other, metric)
    sign = (-1.0 if is_lower(metric) else 1.0) / scale_of(metric, reference.score)
    gain = sign * (after.value() - before.value())
    if not np.isfinite(gain):
        return None
    reach = float(ndtri(confidence) * np.hypot(before.draws(rng).std(), after.draws(rng).std()) * abs(sign))
    return gain, gain - reach, gain + reach


def _worse_slices(
    reference: Reference, one: pl.DataFrame, other: pl.DataFrame, metric: str, bars: tuple[float, float], seed: int
) -> tuple[dict[str, Any], ...]:
    """Levels or ranges of the five weightiest columns where the other is surely worse: the confidence is shared out
    between all of them (Bonferroni), and a loss smaller than the least gain is borne."""
    from modelwright.monitoring.labelled import parts_of

    places = parts_of(reference, one)
    told = []
    for column, level, own in places:
        if own.sum() < N_SLICE:
            continue
        sure = 1 - (1 - bars[0]) / len(places)
        found = _gain(reference, one.filter(own), other.filter(own), metric, sure, seed)
        if found is not None and found[2] < -bars[1]:
            told.append(
                {"column": column, "level": level, "n_rows": int(own.sum()), "gain": found[0], "high": found[2]}
            )
    return tuple(told)
