"""Which candidates are tried, in which order, within a budget of work."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.core import registry
from modelwright.core.data import Decision
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    from modelwright.core.spec import Spec
    from modelwright.training.base import ModelUse, TrainSpec
    from modelwright.training.budget import Budget
    from modelwright.training.problem import Problem

FIRST = ("constant", "linear", "boosting")
"""Always tried, in this order: a baseline within a second, a good model soon after."""

PAIRED = ("boosting", "catboost", "extra_trees")
"""Models that are tried a second time with ratios, products, sums and differences of numbers."""

MOST_SEEN_COLUMNS = 1_000
MOST_WORDS_OF_A_TEXT = 100

EARLY_STOP_WORK = 1.2
"""A model that stops early goes on for about so many times the rounds of its spec."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One candidate: a model with settings, on a preset of features; `log` learns log(1 + target)."""

    name: str
    model: Any
    spec: Spec
    preset: str
    log: bool = False


def choose_trials(
    problem: Problem, spec: TrainSpec, n_columns: dict[str, int], budget: Budget
) -> tuple[list[Trial], list[Decision]]:
    """The known configurations, in the order in which they are tried; `n_columns` is the matrix's width per preset.

    Each model's first variant comes before any second one. What would go beyond the budget is left out, and
    so is a model that does not suit the table, is not installed or would not fit in memory.
    """
    if spec.models is not None:
        asked = [_asked(use) for use in spec.models]
        _check_quantiles(asked, problem)
        return [_baseline(), *(trial for trial in asked if trial.model.name != "constant")], []
    ranked, told = _ranked(problem, n_columns)
    if budget.goes_on:  # what is left for each is known when those before it are done
        return ranked, told
    most = len(FIRST) if spec.budget == "quick" else len(ranked)
    kept: list[Trial] = []
    left_out: list[str] = []
    spent = 0.0
    for trial in ranked:
        cost = work(trial, problem, n_columns)
        required = trial.name in FIRST
        if not required and (spent + cost > budget.units or len(kept) >= most):
            left_out.append(trial.name)
            continue
        kept.append(trial)
        spent += cost
    reason = f"budget {spec.budget}: {spent / 1e6:.1f} of {budget.units / 1e6:.1f} million units"
    told.append(Decision("training", "candidates", ", ".join(trial.name for trial in kept), reason))
    if left_out:
        told.append(Decision("training", "left out", ", ".join(left_out), "they would go beyond the budget"))
    return kept, told


def work(trial: Trial, problem: Problem, n_columns: dict[str, int]) -> float:
    """Units of comparing a candidate: its fits over all folds."""
    sizes = [len(fit) for fit, _ in problem.pairs]
    width = seen_columns(trial, n_columns[trial.preset])
    units = sum(trial.model.units(trial.spec, problem.task, size, width) for size in sizes)
    return float(units) * (EARLY_STOP_WORK if hasattr(trial.spec, "patience") else 1.0)


def seen_columns(trial: Trial, width: int) -> int:
    """Columns that a fit looks at: of a boosting those of a tree, of thousands of words those of a text."""
    if trial.preset == "words":
        return min(width, MOST_WORDS_OF_A_TEXT)
    spec: Any = trial.spec
    return math.ceil(width * spec.column_share) if hasattr(spec, "patience") else width


def fit_for_width(spec: Any, width: int) -> Any:
    """Of thousands of columns each tree of a boosting sees `MOST_SEEN_COLUMNS`: the work no longer grows with them."""
    if hasattr(spec, "patience") and width * spec.column_share > MOST_SEEN_COLUMNS:
        return spec.but(column_share=MOST_SEEN_COLUMNS / width)
    return spec


def _baseline() -> Trial:
    model = registry.get("models", "constant")
    return Trial(name="constant", model=model, spec=model.spec(), preset=model.preset)


def _asked(use: ModelUse) -> Trial:
    model = registry.get("models", use.model)
    spec = model.spec.parse(use.settings, where=use.model)
    preset = model.preset if use.features == "auto" else use.features
    shown = ", ".join(f"{name}={value}" for name, value in use.settings.items())
    name = use.name or (f"{use.model} ({shown})" if shown else use.model)
    return Trial(name=name, model=model, spec=spec, preset=preset, log=use.log)


def _check_quantiles(trials: list[Trial], problem: Problem) -> None:
    """Refuse a model that was asked for quantiles and has none."""
    for trial in trials if problem.task.quantiles else ():
        if not trial.model.quantiles:
            able = sorted(name for name, model in registry.methods("models").items() if model.quantiles)
            told = f"`{trial.model.name}` does not answer quantiles, which `objective` asks for."
            raise UserError("model.task", told, hint=f"these do: {', '.join(able)}")


def as_uses(trials: list[Trial]) -> tuple[ModelUse, ...]:
    """Candidates as a recipe says them: `_asked` gives the same trials again."""
    from modelwright.training.base import ModelUse

    return tuple(
        ModelUse(
            model=trial.model.name,
            settings=trial.spec.to_plain(),
            features=trial.preset,
            log=trial.log,
            name=trial.name,
        )
        for trial in trials
        if trial.model.name != "constant"
    )


def _ranked(problem: Problem, n_columns: dict[str, int]) -> tuple[list[Trial], list[Decision]]:
    """Every variant of every model that suits the table, first variants first; and what was left out at once."""
    known = sorted(registry.methods("models").values(), key=lambda model: (model.order, model.name))
    n_rows = min(len(fit) for fit, _ in problem.pairs)
    known = [model for model in known if model.quantiles or not problem.task.quantiles]
    suiting = [model for model in known if model.suits(problem.task, n_rows, n_columns[model.preset])]
    models = [model for model in suiting if model.is_installed]
    absent = [model for model in suiting if not model.is_installed]
    told = [
        Decision("training", "left out", model.name, f'not installed: pip install "modelwright[{model.needs[1]}]"')
        for model in absent
    ]
    skewed = has_log_shape(problem)
    ranked: list[tuple[float, Trial]] = []
    for model in models:
        preset = "words" if model.words and problem.is_texts else model.preset
        for rank, settings in enumerate(model.words if preset == "words" else model.variants):
            name = model.name if rank == 0 else f"{model.name} {rank + 1}"
            own = fit_for_width(model.spec(**settings), n_columns[preset])
            trial = Trial(name=name, model=model, spec=own, preset=preset)
            ranked.append((rank, trial))
            if rank == 0 and model.name in PAIRED and _may_pair(problem):
                paired = Trial(name=f"{name} on pairs", model=model, spec=own, preset="pairs")
                ranked.append((0.5, paired))
            if skewed and rank == 0 and model.name != "constant":
                logged = Trial(name=f"{name} of log", model=model, spec=trial.spec, preset=trial.preset, log=True)
                ranked.append((1, logged))
    return [trial for _, trial in sorted(ranked, key=lambda pair: pair[0])], told


def _may_pair(problem: Problem) -> bool:
    """Whether there are two numbers to make pairs of."""
    return sum(problem.data.schema[name].kind == "number" for name in problem.columns) >= 2


def has_log_shape(problem: Problem) -> bool:
    """Whether a positive target is skewed, and its logarithm clearly less so."""
    import numpy as np

    if problem.task.is_classification or problem.y.min() < 0:
        return False
    raw, logged = _skew(problem.y), _skew(np.log1p(problem.y))
    return raw > 1.0 and abs(logged) < raw / 2


def _skew(values: Any) -> float:

    centred = values - values.mean()
    deviation = centred.std()
    return float((centred**3).mean() / deviation**3) if deviation > 0 else 0.0
