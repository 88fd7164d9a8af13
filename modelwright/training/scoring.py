"""One candidate's loss, fold by fold, for whoever may want to stop before the last one: what tuning asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.training.losses import HIGHER_IS_BETTER

if TYPE_CHECKING:
    from modelwright.core.data import Dataset
    from modelwright.core.values import Splits
    from modelwright.training.base import ModelUse, TrainSpec
    from modelwright.training.cross import Folds
    from modelwright.training.losses import Loss

Report = Callable[[float], bool]
"""Hears the loss so far, after every step but the last; True says that nobody wants the rest."""

OF_KINDS = {"boxes": "map50", "mask": "dice", "labels": "log_loss", "series": "rmse"}
"""What networks with such targets are compared by."""


def is_higher_better(metric: str) -> bool:
    """Whether a metric's loss is one minus its value."""
    return metric in (*HIGHER_IS_BETTER, "map50", "dice")


def metric_of(data: Dataset, splits: Splits, spec: TrainSpec) -> str:
    """What candidates for a table's target are compared by."""
    from modelwright.training.losses import choose_metric
    from modelwright.training.problem import read_problem

    target = data.schema.target
    kind = data.schema[target].kind if target is not None else ""
    return OF_KINDS[kind] if kind in OF_KINDS else choose_metric(spec.metric, read_problem(data, splits, spec).task)[0]


@dataclass(frozen=True, eq=False)
class Scoring:
    """The folds of a table, with features learned once for all candidates.

    >>> from modelwright.splitting import split
    >>> from modelwright.testing.training import made_table
    >>> from modelwright.training import ModelUse, TrainSpec
    >>> data = made_table(120, "binary")
    >>> scoring = Scoring.of(data, split(data), TrainSpec(), seed=0)
    >>> heard = []
    >>> scoring.loss_of(ModelUse(model="linear"), heard.append) < 0.69, len(heard)
    (True, 4)
    """

    folds: Folds
    loss: Loss
    metric: str

    @classmethod
    def of(cls, data: Dataset, splits: Splits, spec: TrainSpec, *, seed: int) -> Scoring:
        """Read the training rows; raises what training raises of them."""
        from modelwright.training.cross import Folds
        from modelwright.training.losses import choose_metric
        from modelwright.training.problem import read_problem

        problem = read_problem(data, splits, spec, seed=seed)
        metric, loss, _ = choose_metric(spec.metric, problem.task)
        return cls(Folds(problem, seed), loss, metric)

    def loss_of(self, use: ModelUse, report: Report = lambda loss: False) -> float:
        """The loss that training would find of this candidate. `report` hears that of the rows judged so far after each
        fold but the last, and may end it.

        Of few rows, boosting's folds are fitted again in the end with their mean number of rounds, as training does.
        """
        import numpy as np
        from threadpoolctl import threadpool_limits

        from modelwright.training.cross import SMALL, _fit_fold, _mean_rounds, stops_early

        problem, trial = self.folds.problem, self._trial(use)
        predicted, judged, fitted = np.full(problem.shape, np.nan), np.zeros(len(problem.y), dtype=bool), []

        def fit(number: int, spec: Any, *, early: bool) -> float:
            with threadpool_limits(1, user_api="blas"):
                valid, matrix = problem.pairs[number][1], self.folds.matrix(number, trial.preset)
                fitted.append(_fit_fold(self.folds, trial, spec, number, early))
                predicted[valid] = fitted[-1].predict(matrix.x_valid)
            judged[valid] = True
            return self.loss(problem.y[judged], predicted[judged], problem.weights[judged])

        n_folds, found = len(problem.pairs), float("nan")
        for number in range(n_folds):
            found = fit(number, trial.spec, early=True)
            if number + 1 < n_folds and report(found):
                return found
        rounds = _mean_rounds(fitted)
        if rounds is not None and len(problem.y) <= SMALL and stops_early(trial.spec):
            fixed = trial.spec.but(rounds=max(1, round(rounds)))
            for number in range(n_folds):
                found = fit(number, fixed, early=False)
        return found

    def _trial(self, use: ModelUse) -> Any:
        """The candidate as training would try it."""
        from dataclasses import replace

        from modelwright.training.portfolio import _asked, fit_for_width

        trial = _asked(use)
        if use.features == "auto" and trial.model.words and self.folds.problem.is_texts:
            trial = replace(trial, preset="words")
        width = self.folds.matrix(0, trial.preset).x_fit.shape[1]
        return replace(trial, spec=fit_for_width(trial.spec, width))


def beside(uses: tuple[ModelUse, ...], data: Dataset, splits: Splits, spec: TrainSpec, *, seed: int) -> TrainSpec:
    """The settings of training with further candidates before those that it would try anyway."""
    from modelwright.training.planning import written_out

    if spec.models is not None:
        return spec.but(models=(*uses, *spec.models))
    named = spec.budget if spec.budget in ("quick", "standard", "thorough") else "standard"
    explicit, _ = written_out(data, splits, spec.but(network="off", budget=named), seed=seed)
    return spec.but(models=(*uses, *(explicit.models or ())), race=explicit.race)


def network_loss(data: Dataset, splits: Splits, spec: TrainSpec, *, seed: int, report: Report) -> float:
    """The loss of `spec.network` on the rows that training would validate it on; see `network/scoring.py`."""
    from modelwright.core.optional import need
    from modelwright.training.network.scoring import loss_of

    need("torch", extra="deep", why="tuning a network")
    return loss_of(data, splits, spec, seed=seed, report=report)
