"""Optuna as a pure function: a study is made anew from the trials each time, and asked once."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from modelwright.core.optional import need
from modelwright.core.rng import stream_seed
from modelwright.tuning.space import Parameter, Settings, Space
from modelwright.tuning.study import Tried


@contextlib.contextmanager
def study_of(
    sampler: str, space: Space, tried: Sequence[Tried], number: int, seed: int, **settings: Any
) -> Iterator[Any]:
    """An Optuna study in memory that has seen these trials; its random numbers follow from seed and number."""
    optuna = need("optuna", extra="tune", why=f"the search by {sampler}")
    integer = stream_seed(seed, "tuning", sampler, number) % 2**32
    before = optuna.logging.get_verbosity()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a part is experimental: the version is held, and results are tested
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            made = getattr(optuna.samplers, sampler)(seed=integer, **settings)
            study = optuna.create_study(sampler=made, pruner=optuna.pruners.NopPruner())
            study.add_trials([_frozen(optuna, space, one) for one in tried if one.state != "failed"])
            yield study
        finally:
            optuna.logging.set_verbosity(before)


def suggested(study: Any, space: Space) -> Settings:
    """The settings that the study asks for; parameters that are not in force are not asked for."""
    trial = study.ask()
    settings: Settings = {}
    for name, one in space.parameters.items():
        if space.is_active(name, settings):
            settings[name] = one.nearest(_asked(trial, name, one))
    return settings


def _asked(trial: Any, name: str, one: Parameter) -> Any:
    if one.choices is not None:
        return one.choices[trial.suggest_categorical(name, range(len(one.choices)))]
    low, high, step = one.low or 0.0, one.high or 0.0, one.step
    if one.integer:
        return trial.suggest_int(name, int(low), int(high), log=one.log, step=int(step or 1))
    return trial.suggest_float(name, low, high, log=one.log, step=step)


def _distribution(one: Parameter) -> Any:
    """As Optuna says it; choices by their place, for they may be of any kind."""
    import optuna

    if one.choices is not None:
        return optuna.distributions.CategoricalDistribution(range(len(one.choices)))
    low, high, step = one.low or 0.0, one.high or 0.0, one.step
    if one.integer:
        return optuna.distributions.IntDistribution(int(low), int(high), log=one.log, step=int(step or 1))
    return optuna.distributions.FloatDistribution(low, high, log=one.log, step=step)


def _frozen(optuna: Any, space: Space, one: Tried) -> Any:
    """A trial as Optuna keeps it."""
    states = optuna.trial.TrialState
    params: dict[str, Any] = {}
    for name, value in one.settings.items():
        choices = space.parameters[name].choices
        params[name] = value if choices is None else choices.index(value)
    return optuna.create_trial(
        params=params, distributions={name: _distribution(space.parameters[name]) for name in params},
        state={"done": states.COMPLETE, "stopped": states.PRUNED, "running": states.RUNNING}[one.state],
        value=one.loss if one.state == "done" else None,
        intermediate_values=dict(enumerate(one.reports)) if one.state != "running" else {},
    )  # fmt: skip
