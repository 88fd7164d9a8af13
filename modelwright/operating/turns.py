"""One turn of the loop as a pure function: what is seen goes in, what should follow comes out.

The supervisor does what it says on disk, `replay` does it in memory: both decide by this function alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from modelwright.monitoring import History, MonitorSpec, compare, decide, judge, watch

if TYPE_CHECKING:
    import polars as pl

    from modelwright.monitoring import MonitorReport
    from modelwright.operating.retraining import Trial
    from modelwright_runtime.model import Model

Kind = Literal["nothing", "alert", "relabel", "retrain", "promote", "drop", "roll back", "settle"]
LEAST_ROWS = 50
PATIENCE = 20.0
"""A challenger that could not show a gain on so many times `promote_when.least_rows` rows is dropped."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What is known at one moment. Rows are frames as `served_rows` gives them.

    `rows` are the champion's since the last look, `labelled` those whose truth has come since then; `versus` those of
    champion and challenger since the challenge began (None without a challenger); `watched` those of promoted and
    former model since the promotion (None unless a promotion is being watched). `n_new_labelled` rows have come since
    the champion was trained, which was made of `n_learned` rows after a change (0: it was made of all there were).
    """

    now_s: float
    trained_s: float
    model: Model
    rows: pl.DataFrame
    labelled: pl.DataFrame
    n_new_labelled: int = 0
    n_learned: int = 0
    versus: tuple[pl.DataFrame, pl.DataFrame] | None = None
    watched: tuple[pl.DataFrame, pl.DataFrame] | None = None
    promoted_s: float = 0.0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What should follow, the words and figures for it, and the report that it rests on, if one was made."""

    kind: Kind
    words: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    report: MonitorReport | None = None


def turn(seen: Situation, spec: MonitorSpec) -> Turn:
    """Decide. In this order: whether a promotion must be taken back or has settled; whether a challenger has earned
    its place; else what the champion's own rows say. Only one thing is done at a time."""
    if seen.watched is not None:
        told = _after_promotion(seen, spec)
        if told is not None:
            return told
    if seen.versus is not None and seen.watched is None:
        told = _challenge(seen, spec)
        if told is not None:
            return told
    rows = seen.rows if seen.rows.height >= LEAST_ROWS else seen.labelled
    if rows.height < LEAST_ROWS:
        return Turn(kind="nothing", words=f"Only {seen.rows.height} rows since the last look; {LEAST_ROWS} are needed.")
    report = compare(seen.model, rows, spec, labelled=seen.labelled, seed=seen.seed)
    history = History(
        now_s=seen.now_s, trained_s=seen.trained_s, n_new_labelled=seen.n_new_labelled,
        challenger_under_way=seen.versus is not None or seen.watched is not None,
    )  # fmt: skip
    action = decide(report, history, spec)
    grown = spec.retrain_when.grown
    few = 0 < seen.n_learned * (grown or 0.0) <= seen.n_new_labelled and not history.challenger_under_way
    if action.kind == "nothing" and few:
        words = f"The model was made of {seen.n_learned:,} rows after a change; {seen.n_new_labelled:,} more have come."
        return Turn(kind="retrain", words=words, evidence={"reason": "grown", **action.evidence}, report=report)
    return Turn(
        kind=action.kind, words=action.words, evidence={"reason": action.reason, **action.evidence}, report=report
    )


def earned(model: Model, trial: Trial | None, spec: MonitorSpec, *, seed: int = 0) -> Turn | None:
    """Whether a model that was made just now is promoted at once: where `promote_when.held_back` asks for it, and the
    rows held back from it show the gain. It is the best of several ways on the very same rows, so the confidence must
    hold for all of them together (Bonferroni)."""
    when = spec.promote_when
    if not when.held_back or trial is None:
        return None
    surer = when.but(confidence=min(0.999, 1.0 - (1.0 - when.confidence) / trial.n_ways))
    found = judge(model, trial.champion, trial.challenger, spec.but(promote_when=surer), seed=seed)
    if found.answer != "promote":
        return None
    words = f"{found.words.removesuffix('.')}, held back from the new model."
    return Turn(kind="promote", words=words, evidence=found.to_plain())


def _after_promotion(seen: Situation, spec: MonitorSpec) -> Turn | None:
    assert seen.watched is not None
    promoted, former = seen.watched
    found = watch(seen.model, promoted, former, spec, seed=seen.seed)
    if found.answer == "roll back":
        return Turn(kind="roll back", words=found.words, evidence=found.to_plain())
    if seen.now_s - seen.promoted_s >= spec.keep_watch_s:
        words = f"The promoted model has kept its place for {spec.keep_watch}. {found.words}"
        return Turn(kind="settle", words=words, evidence=found.to_plain())
    return None


def _challenge(seen: Situation, spec: MonitorSpec) -> Turn | None:
    assert seen.versus is not None
    champion, challenger = seen.versus
    found = judge(seen.model, champion, challenger, spec, seed=seen.seed)
    if found.answer == "promote":
        return Turn(kind="promote", words=found.words, evidence=found.to_plain())
    enough = found.n_rows >= PATIENCE * spec.promote_when.least_rows
    if found.answer == "keep" or (enough and found.gain is not None):
        return Turn(kind="drop", words=f"The challenger is dropped. {found.words}", evidence=found.to_plain())
    return None
