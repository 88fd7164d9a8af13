"""Settings tried in turn, the next ones chosen by what the last ones came to: ask and tell over any function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator, model_validator

from modelwright.core import registry
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    from pathlib import Path

    from modelwright.core.values import Watch
    from modelwright.tuning.space import Settings, Space
    from modelwright.tuning.study import Study, Tried
    from modelwright.tuning.tuner import Trial

Objective = Callable[["Trial"], float]
"""A trial (the mapping of its settings, with `report`) in, a loss out: the lower the better."""


MOST_OF_GP = 300


class StudySpec(Spec):
    """How much is tried, and how the next settings are chosen."""

    search: str = Field(
        "auto",
        description="how settings are chosen: gp, tpe, cmaes, qmc, random, grid; auto: gp up to 300 trials, then tpe",
    )
    trials: int = Field(40, ge=1, le=100_000, description="how many settings are tried; counted, never timed")
    prune: str = Field(
        "median",
        description="when a trial is stopped early: median, halving, hyperband; none lets all run to their end",
    )
    start: tuple[dict[str, Any], ...] = Field((), description="settings that are tried first, such as known good ones")
    workers: int = Field(1, ge=1, le=256, description="processes that try settings at once")
    lag: int | None = Field(
        None, ge=1, le=512,
        description="a trial's settings follow from the results of those so many before it and earlier; the order in "
        "which workers finish then changes nothing; unset: 1 for one worker, twice their number for several",
    )  # fmt: skip

    @field_validator("search")
    @classmethod
    def _known_search(cls, name: str) -> str:
        return name if name == "auto" else _known("searches", name)

    @field_validator("prune")
    @classmethod
    def _known_pruner(cls, name: str) -> str:
        return name if name == "none" else _known("pruners", name)

    @property
    def searcher(self) -> str:
        """The search in force: a Gaussian process finds the better settings until its thinking costs too much."""
        return self.search if self.search != "auto" else "gp" if self.trials <= MOST_OF_GP else "tpe"

    @property
    def behind(self) -> int:
        """The lag in force."""
        return self.lag or (1 if self.workers == 1 else 2 * self.workers)


def _known(kind: str, name: str) -> str:
    known = registry.entries(kind)
    if name not in known:
        raise ValueError(f"there is no {name!r}; known: {', '.join(sorted(known))}")
    return name


class TuneSpec(StudySpec):
    """What a recipe says of tuning. In YAML: `tune: boosting`, or the settings below.

    >>> TuneSpec.model_validate({"model": "boosting", "trials": 20}).model
    ('boosting',)
    """

    model: tuple[str, ...] = Field(
        ("boosting",),
        description="the model whose settings are tuned; a list of them, each with so many trials; or network",
    )
    space: dict[str, Any] = Field(
        {}, description="parameter: {low, high, log, integer, step} or [choices], with `when` for conditions; of "
        "several models: model: space; unset: the model's own",
    )  # fmt: skip
    settings: dict[str, Any] = Field({}, description="settings of the model that stay as they are")
    known: bool = Field(True, description="try the model's known good settings first")
    keep: int = Field(3, ge=1, le=20, description="how many of the best settings training compares with its candidates")
    journal: str = Field(
        "file", description="where trials are written down: file (in the store), or a shared postgresql:// address"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        return {"model": given} if isinstance(given, str | list | tuple) else given

    @field_validator("model", mode="before")
    @classmethod
    def _one_or_more(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given

    @field_validator("journal")
    @classmethod
    def _file_or_database(cls, given: str) -> str:
        if given != "file" and not given.startswith(("postgresql://", "postgres://")):
            raise ValueError("journal is `file` or an address that begins with postgresql://")
        return given

    @model_validator(mode="after")
    def _parts_fit(self) -> TuneSpec:
        if not self.model or len(set(self.model)) < len(self.model):
            raise ValueError("model names one or more different models")
        if "network" in self.model and len(self.model) > 1:
            raise ValueError("network stands alone: training goes by models or by a network")
        if len(self.model) > 1:
            for part in ("space", "settings"):
                unknown = set(getattr(self, part)) - set(self.model)
                if unknown:
                    raise ValueError(f"of several models, {part} is by model: {sorted(unknown)[0]!r} is none of them")
        return self

    def of(self, part: str, model: str) -> dict[str, Any]:
        """What `space` or `settings` says of one model."""
        said: dict[str, Any] = getattr(self, part)
        return dict(said.get(model, {})) if len(self.model) > 1 else said


@dataclass(frozen=True, kw_only=True)
class Search:
    """A way to choose the next settings.

    `suggest(space, tried, number, *, seed, trials)` is a pure function: the same trials, number and seed give the
    same settings. `tried` are the trials before `number`, in order; those whose result is not to be looked at have
    the state "running". `size(space, trials)` says how many trials there are to be.
    """

    name: str
    suggest: Callable[..., Settings]
    size: Callable[[Space, int], int] = lambda space, trials: min(trials, space.n_points or trials)
    starts: bool = True  # whether known settings may come first


@dataclass(frozen=True, kw_only=True)
class Pruner:
    """A rule that stops trials. `stop(number, reports, others)` is a pure function of a trial's number, the losses that
    it has reported so far (at least one), and earlier trials with their own reports; True ends it."""

    name: str
    stop: Callable[[int, Sequence[float], Sequence[Tried]], bool]


def tune(
    objective: Objective,
    space: Space | Mapping[str, Any],
    budget: int | StudySpec = StudySpec(),  # noqa: B008
    *,
    seed: int = 0,
    journal: str | Path | None = None,
    name: str = "",
    watch: Watch | None = None,
) -> Study:
    """Look for the settings with the least loss: ask for some, try them, tell what they came to, and again.

    `objective(trial)` gets the mapping of its settings and returns a loss. Where it works in steps it may ask
    `trial.report(loss_so_far)` after each but the last, and end early when that is True. A loss that is no finite
    number, or a `UserError`, counts as a failed trial; any other exception ends the study.

    With a `journal` (a file, or a postgresql:// address) every finished trial is on disk before the next one begins:
    the same call goes on after any end, several calls share the work, and a larger budget adds trials. With several
    `workers`, `objective` must be a function of a module, since each process imports it. `name` says what else the
    losses follow from, such as the data: a journal that has another name in it is refused.

    The same space, budget, seed and lag give the same trials, whatever the number of workers or the order in which
    they finish. Cost beside the objective: about 1 ms a trial for random, grid and qmc, 5 to 15 ms for TPE and CMA-ES,
    30 to 500 ms for GP (the more trials, the more).

    Raises `UserError`: `tune.space`, `tune.grid`, `tune.start`, `tune.objective`, `tune.journal`, `tune.failed`,
    `optional.missing`; `SystemFault`: `tune.worker`, `tune.database`.

    References: Bergstra et al. (2011), "Algorithms for hyper-parameter optimization"; Akiba et al. (2019), "Optuna: a
    next-generation hyperparameter optimization framework".

    >>> spec = StudySpec(search="qmc", trials=64)
    >>> study = tune(lambda trial: (trial["x"] - 1) ** 2, {"x": {"low": -5, "high": 5}}, spec)
    >>> abs(study.best.settings["x"] - 1) < 0.1
    True
    """
    from modelwright.tuning.running import run

    spec = StudySpec(trials=budget) if isinstance(budget, int) else budget
    return run(objective, space, spec, seed=seed, journal=(journal, name), watch=watch or (lambda event: None))
