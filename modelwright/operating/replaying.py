"""What the loop would have done: a stream of labelled rows lived through in memory, batch by batch.

Each batch is answered first and learned from later, when its labels have come. Decisions are made by `turn`, as the
supervisor makes them, so a recipe's thresholds can be tried on last year's data before they decide anything.
Reference: Gama et al. (2013), "On evaluating stream learning algorithms" (test, then train).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelwright.monitoring import MonitorSpec
from modelwright.operating.turns import Situation, Turn, earned, turn
from modelwright.operating.window import answered_rows

if TYPE_CHECKING:
    import polars as pl

    from modelwright.operating.retraining import Trial
    from modelwright_runtime.model import Model


@dataclass(frozen=True, kw_only=True)
class Learned:
    """A new model; of how many rows it was made, where those were only the newest (else 0); how it did on rows that
    were held back from it."""

    model: Model
    n_learned: int = 0
    trial: Trial | None = None


Learn = Callable[["pl.DataFrame", "Model"], Learned]
"""Labelled rows that have come since the beginning, the oldest first, and the champion, to a new model; what was there
before it knows."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One batch: how well the champion, and the very first model, answered it, who was champion, what was decided."""

    number: int
    n_rows: int
    score: float
    first_score: float
    champion: int
    kind: str
    words: str


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """All batches. `score` is the champions' mean over rows, `first_score` that of the model never retrained; both are
    the share of right answers, or of values minus the mean absolute error."""

    batches: tuple[Batch, ...]
    n_retrainings: int

    @property
    def score(self) -> float:
        """Over all rows, prequential."""
        return self._mean([batch.score for batch in self.batches])

    @property
    def first_score(self) -> float:
        """Of the model that was never retrained."""
        return self._mean([batch.first_score for batch in self.batches])

    def _mean(self, scores: Sequence[float]) -> float:
        n_rows = sum(batch.n_rows for batch in self.batches)
        return sum(s * b.n_rows for s, b in zip(scores, self.batches, strict=True)) / max(1, n_rows)

    @property
    def decisions(self) -> tuple[Batch, ...]:
        """The batches after which something was done."""
        return tuple(batch for batch in self.batches if batch.kind != "nothing")


@dataclass
class _Life:
    """Who answers and what has been seen, while the stream goes on. Versions count from 1."""

    models: list[Model]
    champion: int = 1
    beside: int = 0
    since: int = 0
    promoted: int = 0
    previous: list[int] = field(default_factory=list)
    looked: int = 0
    labelled: int = 0
    trained: int = 0
    answered: dict[int, list[pl.DataFrame]] = field(default_factory=dict)
    learned: dict[int, int] = field(default_factory=dict)
    n_retrainings: int = 0


def replay(
    first: Model, stream: pl.DataFrame, learn: Learn, spec: MonitorSpec, *, batch_rows: int, delay: int = 0,
    sabotage: Callable[[int, Model], Model | None] | None = None, tell: Callable[[Batch], None] | None = None,
) -> Replayed:  # fmt: skip
    """Live through `stream`: raw rows with their target, in the order of time. `monitor.every` is one batch.

    The labels of a batch come `delay` batches after it. `learn` makes a challenger when the loop asks for one.
    `sabotage(batch, champion)` may put another model in the champion's place (to try the rollback). `tell` hears of
    each batch. Cost: the retrainings, and about 0.5 s a batch.
    """
    life = _Life(models=[first])
    batches: list[Batch] = []
    for number in range(math.ceil(stream.height / batch_rows)):
        rows = stream[number * batch_rows : (number + 1) * batch_rows]
        scores = _answer(life, rows, number, spec)
        seen = _situation(life, number, delay, spec)
        told = turn(seen, spec)
        champion = life.champion
        known = stream[: max(0, (number + 1 - delay)) * batch_rows]
        words = _act(life, told, known, (number, delay), learn, spec)
        batches.append(Batch(number=number, n_rows=rows.height, score=scores[0], first_score=scores[1],
                             champion=champion, kind=told.kind, words=words))  # fmt: skip
        if tell is not None:
            tell(batches[-1])
        if sabotage is not None and (other := sabotage(number, life.models[life.champion - 1])) is not None:
            _put(life, other, number)
    return Replayed(batches=tuple(batches), n_retrainings=life.n_retrainings)


def _answer(life: _Life, rows: pl.DataFrame, number: int, spec: MonitorSpec) -> tuple[float, float]:
    """Champion and whoever runs beside it answer a batch; the champion's score and the first model's."""
    time_s, start = (number + 1) * spec.every_s, sum(part.height for part in life.answered.get(0, []))
    made = {}
    for version in dict.fromkeys((life.champion, life.beside, 1)):
        if version:
            role = "champion" if version == life.champion else "challenger"
            model = life.models[version - 1]
            made[version] = answered_rows(model, rows, time_s=time_s, version=version, role=role, first=start)
            if version in (life.champion, life.beside):
                life.answered.setdefault(version, []).append(made[version])
    life.answered.setdefault(0, []).append(rows[:, :1])
    return _score(made[life.champion], life.models[0]), _score(made[1], life.models[0])


def _score(rows: pl.DataFrame, model: Model) -> float:
    import polars as pl

    if model.signature.task.is_classification:
        return float((rows["_prediction"] == rows["_truth"]).mean() or 0.0)  # type: ignore[arg-type]
    return -float((rows["_prediction"] - rows["_truth"].cast(pl.Float64)).abs().mean() or 0.0)  # type: ignore[arg-type]


def _situation(life: _Life, number: int, delay: int, spec: MonitorSpec) -> Situation:
    import polars as pl

    known_s = (number + 1 - delay) * spec.every_s

    def since(version: int, batch: int) -> pl.DataFrame:
        parts = [part for part in life.answered.get(version, []) if part["_time"][0] > batch * spec.every_s]
        whole = pl.concat(parts, how="diagonal") if parts else life.answered[life.champion][-1].clear()
        return whole.with_columns(_truth=pl.when(pl.col("_time") <= known_s).then(pl.col("_truth")))

    pair = None
    if life.beside:
        pair = (since(life.champion, life.since), since(life.beside, life.since))
    n_rows = sum(part.height for part in life.answered[0][life.trained : max(life.trained, number + 1 - delay)])
    return Situation(
        now_s=(number + 1) * spec.every_s, trained_s=life.trained * spec.every_s, model=life.models[life.champion - 1],
        rows=since(life.champion, life.looked), labelled=since(life.champion, life.labelled).filter(
            pl.col("_truth").is_not_null()
        ), n_new_labelled=n_rows, n_learned=life.learned.get(life.champion, 0), versus=None if life.promoted else pair,
        watched=pair if life.promoted else None, promoted_s=life.promoted * spec.every_s, seed=number,
    )  # fmt: skip


def _act(life: _Life, told: Turn, known: pl.DataFrame, moment: tuple[int, int], learn: Learn, spec: MonitorSpec) -> str:
    """Do what was decided, at the batch and delay of `moment`; in words."""
    number, delay = moment
    words = told.words
    if told.report is not None:
        life.looked, life.labelled = number + 1, max(life.labelled, number + 1 - delay)
    if told.kind == "retrain":
        champion = life.models[life.champion - 1]
        made = learn(known, champion)
        life.models.append(made.model)
        life.learned[len(life.models)] = made.n_learned
        life.beside, life.since, life.trained = len(life.models), number + 1, number + 1
        life.n_retrainings += 1
        early = earned(champion, made.trial, spec, seed=number)
        if early is not None:
            words += f" {early.words}"
            _swap(life, life.beside, number)
    elif told.kind == "promote":
        _swap(life, life.beside, number)
    elif told.kind == "roll back" and life.previous:
        life.champion, life.beside, life.promoted = life.previous.pop(), 0, 0
        life.looked = life.labelled = number + 1
    elif told.kind in ("drop", "settle"):
        life.beside = life.promoted = 0
    return words


def _swap(life: _Life, version: int, number: int) -> None:
    life.previous.append(life.champion)
    life.beside, life.champion = life.champion, version
    life.since = life.promoted = life.looked = life.labelled = number + 1


def _put(life: _Life, model: Any, number: int) -> None:
    """Another model in the champion's place, as if somebody had promoted it by hand."""
    life.models.append(model)
    _swap(life, len(life.models), number)
