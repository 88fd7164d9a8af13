"""Where tuning and training meet: the loss of a model's settings on a recipe's rows, and what follows from the best."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from modelwright.core import registry
from modelwright.core.codec import decode, plain_of
from modelwright.core.data import Decision
from modelwright.core.errors import UserError, nearest
from modelwright.core.store import Store, digest_of
from modelwright.tuning.base import StudySpec, TuneSpec
from modelwright.tuning.space import Settings, Space, first_settings

if TYPE_CHECKING:
    from modelwright.core.spec import Spec
    from modelwright.core.values import Watch
    from modelwright.recipe import Recipe
    from modelwright.training.base import ModelUse, TrainSpec
    from modelwright.training.scoring import Scoring
    from modelwright.tuning.study import Study
    from modelwright.tuning.tuner import Trial

LOG = "log of the target"
"""A parameter of every model, where the target is a skewed number: whether its logarithm is learned."""

MOST_CURVES = 4
STUDIES = "studies"

NETWORK_SPACE: Mapping[str, Any] = {
    "loop.optimizer.adamw.learning_rate": {"low": 2e-4, "high": 2e-2, "log": True},
    "loop.optimizer.adamw.weight_decay": {"low": 1e-4, "high": 0.3, "log": True},
    "network.dropout": {"low": 0.0, "high": 0.5},
}
NETWORK_KNOWN = ({"loop.optimizer.adamw.learning_rate": 2e-3, "loop.optimizer.adamw.weight_decay": 1e-2,
                  "network.dropout": 0.1},)  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class Rows:
    """The rows that settings are tried on, by their place in a store: another process can find them too.

    `train` has the settings of training that losses follow from; `dataset` and `splits` are plain forms.
    """

    root: str
    dataset: Mapping[str, Any]
    splits: Mapping[str, Any]
    train: Mapping[str, Any]
    seed: int

    @classmethod
    def of(cls, store: Store, prepared: tuple[Mapping[str, Any], Mapping[str, Any]], recipe: Recipe) -> Rows:
        """The rows of a recipe; `prepared` are the plain forms of what was cleaned and of its splits."""
        cleaned, splits = prepared
        aside = _NO_MATTER if recipe.tune and "network" in recipe.tune.model else (*_NO_MATTER, "budget")
        train = {name: value for name, value in recipe.train.to_plain().items() if name not in aside}
        return cls(root=str(store.root), dataset=cleaned["kept"], splits=splits, train=train, seed=recipe.seed)

    @property
    def spec(self) -> TrainSpec:
        """The settings of training."""
        from modelwright.training.base import TrainSpec

        return TrainSpec.parse(self.train, where="train")

    def read(self) -> tuple[Any, Any]:
        """The typed rows, and how they are split."""
        store = Store.open(self.root)
        return decode(store, self.dataset), decode(store, self.splits)


_NO_MATTER = ("models", "race", "ensemble", "threshold")
"""Settings of training that change no candidate's loss. (Its budget says how long a network learns.)"""


@lru_cache(maxsize=1)
def _scoring(rows: Rows) -> Scoring:
    """Features are learned once for all trials of a process."""
    from modelwright.training.scoring import Scoring

    return Scoring.of(*rows.read(), rows.spec, seed=rows.seed)


@lru_cache(maxsize=1)
def _may_log(rows: Rows) -> bool:
    """Whether the target is skewed so that its logarithm is worth a try."""
    from modelwright.training.portfolio import has_log_shape
    from modelwright.training.problem import read_problem

    return has_log_shape(read_problem(*rows.read(), rows.spec, seed=rows.seed))


@lru_cache(maxsize=1)
def _table(rows: Rows) -> tuple[Any, Any]:
    return rows.read()


@dataclass(frozen=True, eq=False)
class ModelLoss:
    """The cross-validated loss of a model's settings on the training rows, told after each fold."""

    rows: Rows
    model: str
    settings: Mapping[str, Any]

    def __call__(self, trial: Trial) -> float:
        return _scoring(self.rows).loss_of(self.use(trial, tuned_name(self.model)), trial.report)

    def use(self, settings: Mapping[str, Any], name: str) -> ModelUse:
        """The candidate that settings of a trial stand for."""
        from modelwright.training.base import ModelUse

        own = {**self.settings, **without_log(settings)}
        return ModelUse(model=self.model, settings=own, log=bool(settings.get(LOG, False)), name=name)


@dataclass(frozen=True, eq=False)
class NetworkLoss:
    """The loss of a network on the rows that training would validate it on. Parameters are paths in `train.network`."""

    rows: Rows
    settings: Mapping[str, Any]

    def __call__(self, trial: Trial) -> float:
        from modelwright.training.scoring import network_loss

        spec = with_network(self.rows.spec, {**self.settings, **trial})
        return network_loss(*_table(self.rows), spec, seed=self.rows.seed, report=trial.report)


def tuned_name(model: str, rank: int = 0) -> str:
    """What training calls a candidate with tuned settings; its random choices follow from the name."""
    return f"{model} tuned" if rank == 0 else f"{model} tuned {rank + 1}"


# What is tried --------------------------------------------------------------------------------------------------------


def space_of(spec: TuneSpec, model: str, *, may_log: bool = False) -> Space:
    """The space of a model: as the recipe says it, else its own. Parameters are settings of the model, and the ends of
    ranges are values that it takes."""
    where, given = f"tune.space of {model}", spec.of("space", model)
    if model == "network":
        space = Space.parse(given or NETWORK_SPACE, where=where)
        _check_ends(space, lambda settings: with_network(None, settings))
        return space
    method = registry.get("models", model)
    if not given and not method.space:
        tunable = sorted(name for name, one in registry.methods("models").items() if one.space)
        raise UserError(
            "tune.model", f"`{model}` has no space of its own.",
            hint=f"write `space`, or tune one of {', '.join(tunable)}",
        )  # fmt: skip
    space = Space.parse(given or method.space, where=where)
    for name in space.parameters:
        if name not in method.spec.model_fields and name != LOG:
            raise UserError(
                "tune.space", f"`{model}` has no setting `{name}`.", hint=nearest(name, method.spec.model_fields)
            )
    fixed = spec.of("settings", model)
    _check_ends(space, lambda settings: method.spec.parse({**fixed, **without_log(settings)}, where=where))
    return Space.parse({**space.to_plain(), LOG: [False, True]}, where=where) if may_log and not given else space


def without_log(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are the model's own."""
    return {name: value for name, value in settings.items() if name != LOG}


def _check_ends(space: Space, parse: Callable[[Settings], Any]) -> None:
    for share in (0.0, 1.0):
        parse(space.at([share] * len(space)))


def known_of(spec: TuneSpec, model: str, space: Space) -> tuple[Settings, ...]:
    """Settings that are tried first: those that the recipe names, then the model's known good ones."""
    known: tuple[Mapping[str, Any], ...] = ()
    if spec.known and model == "network":
        known = NETWORK_KNOWN
    elif spec.known:
        method = registry.get("models", model)
        known = tuple(_whole(method.spec, variant) for variant in method.variants)
    mine = [{name: one[name] for name in one if name in space.parameters} for one in known]
    named = [dict(one) for one in spec.start if len(spec.model) == 1 or set(one) <= set(space.parameters)]
    return tuple(first_settings(space, (*named, *mine)))


def _whole(kind: type[Spec], settings: Mapping[str, Any]) -> dict[str, Any]:
    return dict(kind(**settings))


def with_network(spec: TrainSpec | None, settings: Mapping[str, Any]) -> TrainSpec:
    """The settings of training with some paths of its network changed.

    >>> with_network(None, {"loop.optimizer.adamw.learning_rate": 0.01}).network.loop
    {'optimizer': {'adamw': {'learning_rate': 0.01}}}
    """
    from modelwright.training.base import TrainSpec
    from modelwright.training.network.spec import DeepSpec

    given = (spec or TrainSpec()).network
    plain = given.model_dump(mode="json", exclude_unset=True) if isinstance(given, DeepSpec) else {}
    for path, value in settings.items():
        plain = _changed(plain, path.split("."), value)
    return (spec or TrainSpec()).but(network=DeepSpec.parse(plain, where="train.network"))


def _changed(plain: Any, path: Sequence[str], value: Any) -> Any:
    """Plain data with one place of it changed; a method in its short form (`adamw`) gives way to one with settings."""
    if not path:
        return value
    inner = plain if isinstance(plain, Mapping) else {}
    if set(inner) == {"method", "settings"} and path[0] not in inner:  # a method and its settings, written out
        inner = {inner["method"]: inner["settings"]} if inner["method"] == path[0] else {}
    return {**inner, path[0]: _changed(inner.get(path[0]), path[1:], value)}


# The stage ------------------------------------------------------------------------------------------------------------


def deciding(spec: TuneSpec) -> TuneSpec:
    """The settings that the outcome follows from: neither the number of processes nor where they write."""
    return spec.but(workers=1, lag=spec.behind, journal="file")


def inputs_of(rows: Rows) -> list[str]:
    """What else losses follow from: settings of training, versions of what learns."""
    return [digest_of([rows.train, _versions()])]


def tune_models(
    tune: Callable[..., Study], spec: TuneSpec, rows: Rows, *, store: Store, watch: Watch
) -> dict[str, Any]:
    """Tune each model that the recipe names, one after the other; all that is worth keeping, as plain data."""
    from modelwright.training.scoring import metric_of

    data, splits = rows.read()
    _check_way(data, spec, rows.spec)
    metric = metric_of(data, splits, rows.spec)
    with _written_down(store):
        return {"models": [_tuned(tune, spec, model, rows, (store, watch), metric) for model in spec.model]}


def _check_way(data: Any, spec: TuneSpec, train: TrainSpec) -> None:
    """Refuse to tune a model for rows that only a network learns."""
    from modelwright.training.route import route

    way, reason = route(data, train)
    if way == "network" and "network" not in spec.model:
        raise UserError(
            "tune.model",
            f"`{spec.model[0]}` cannot be tuned here: {reason}.",
            hint="`model: network` tunes the network",
        )


def _tuned(
    tune: Callable[..., Study], spec: TuneSpec, model: str, rows: Rows, place: tuple[Store, Watch], metric: str
) -> dict[str, Any]:
    from modelwright.training.scoring import is_higher_better

    store, watch = place
    is_network = model == "network"
    space = space_of(spec, model, may_log=not is_network and _may_log(rows))
    fixed = spec.of("settings", model)
    objective = NetworkLoss(rows, fixed) if is_network else ModelLoss(rows, model, fixed)
    kept = {name: getattr(spec, name) for name in StudySpec.model_fields}
    budget = StudySpec(**{**kept, "start": known_of(spec, model, space), "lag": spec.behind})
    name = digest_of([model, fixed, _versions(), plain_of(rows.dataset), plain_of(rows.splits), rows.train, rows.seed])
    journal = spec.journal if spec.journal != "file" else store.root / STUDIES / f"{_study(budget, space, name)}.jsonl"
    higher = is_higher_better(metric)
    study = tune(
        objective, space, budget, seed=rows.seed, journal=journal, name=name,
        watch=_Heard(watch, model, metric, higher=higher),
    )  # fmt: skip
    told = _told(study, spec, model, metric, higher=higher)
    return {**told, "study": _study(budget, space, name), "fixed": dict(fixed)}


def _study(budget: StudySpec, space: Space, name: str) -> str:
    """The name of a journal: the same for a larger number of trials, which then goes on from there. Half a digest: a
    whole one would be taken for a value that the store has to have."""
    counted = budget.trials if budget.searcher == "grid" else 0
    return digest_of(
        [budget.but(trials=1, workers=1, search=budget.searcher).to_plain(), counted, space.to_plain(), name]
    )[:32]


def _versions() -> list[Any]:
    """The versions of what a loss is computed with."""
    return [registry.entry("training", "train").version, registry.versions("models"), registry.versions("features")]


def _told(study: Study, spec: TuneSpec, model: str, metric: str, *, higher: bool) -> dict[str, Any]:
    """A study as plain data: trials, the best settings, what mattered."""
    from modelwright.tuning.surface import curve, importance_on, plane, surface_of

    def score(loss: float | None) -> float | None:
        return None if loss is None else 1.0 - loss if higher else loss

    n_known = len(known_of(spec, model, study.space))
    known = [one.loss for one in study.done if one.number < n_known and one.loss is not None]
    surface = surface_of(study.space, study.trials)
    shares = {} if surface is None else importance_on(surface)
    drawn = list(shares)[:MOST_CURVES]
    curves = [] if surface is None else [
        {"name": name, "points": [[value, score(loss)] for value, loss in curve(surface, name)]} for name in drawn
    ]  # fmt: skip
    plan = {} if surface is None or len(drawn) < 2 else plane(surface, *drawn[:2])
    return {
        "model": model, "search": spec.searcher, "prune": spec.prune, "metric": metric, "higher": higher,
        "n_trials": study.n_trials, "space": study.space.to_plain(),
        "trials": [{**one, "score": score(one["loss"])} for one in study.to_plain()],
        "best": [
            {"number": one.number, "settings": dict(one.settings), "score": score(one.loss)}
            for one in study.best_apart(spec.keep)
        ],
        "known": score(min(known)) if known else None,
        "importance": shares, "curves": curves,
        "plane": {**plan, "names": drawn[:2], "loss": [list(map(score, row)) for row in plan["loss"]]} if plan else {},
    }  # fmt: skip


class _Heard:
    """A study's events as the terminal and trackers hear them: progress, and each new best."""

    def __init__(self, watch: Watch, model: str, metric: str, *, higher: bool) -> None:
        self.watch, self.model, self.metric, self.higher = watch, model, metric, higher

    def __call__(self, event: Mapping[str, Any]) -> None:
        self.watch({**event, "model": self.model})
        best = event["best_loss"]
        score = None if best is None else 1.0 - best if self.higher else best
        if event["best"]:
            name = f"{self.model}, trial {event['number']}"
            self.watch({"stage": "tuning", "event": "candidate", "name": name, "model": self.model,
                        "metric": self.metric, "score": score, "best": True})  # fmt: skip
        text = self.model if score is None else f"{self.model}: best {self.metric} {score:.4f}"
        self.watch({"stage": "tuning", "event": "progress", "done": event["done"], "total": event["total"],
                    "text": text})  # fmt: skip


def shown(settings: Mapping[str, Any]) -> str:
    """Settings in a line, numbers with three figures.

    >>> shown({"learning_rate": 0.0312847, "leaves": 31, "extra": True})
    'learning_rate 0.0313, leaves 31, extra True'
    """
    short = {name.rpartition(".")[2]: value for name, value in settings.items()}
    told = short if len(short) == len(settings) else settings
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in told.items()
    )


def tell_tuned(plain: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of the stage, and kept beside its value."""
    told, decisions = [], []
    for one in plain["models"]:
        best, metric, states = one["best"][0], one["metric"], [trial["state"] for trial in one["trials"]]
        ends = {"stopped early": states.count("stopped"), "failed": states.count("failed")}
        counts = [f"{len(states)} trials", *(f"{n} {word}" for word, n in ends.items() if n)]
        told.append(f"{one['model']}: {', '.join(counts)}; {metric} {best['score']:.4f}")
        reason = f"the best {metric} of {len(one['trials'])} trials by {one['search']}, {best['score']:.4g}"
        if one["known"] is not None:
            reason += f"; the best known settings have {one['known']:.4g}"
        decisions.append(Decision("tuning", one["model"], shown(best["settings"]), reason))
        if one["importance"]:
            shares = sorted(one["importance"].items(), key=lambda pair: -pair[1])[:3]
            matter = ", ".join(f"{name} {share:.0%}" for name, share in shares)
            decisions.append(
                Decision("tuning", f"what matters to {one['model']}", matter, "share of the loss's variation")
            )
    return {"told": "; ".join(told), "decisions": decisions, "studies": [one["study"] for one in plain["models"]]}


# What training and plans make of it -----------------------------------------------------------------------------------


def with_tuned(spec: TrainSpec, plain: Mapping[str, Any], *, data: Any, splits: Any, seed: int) -> TrainSpec:
    """The settings of training with the best of tuning: as further candidates, or as the network's settings."""
    models = plain["models"]
    if models[0]["model"] == "network":
        return with_network(spec, {**models[0]["fixed"], **models[0]["best"][0]["settings"]})
    from modelwright.training.scoring import beside

    return beside(tuned_uses(plain), data, splits, spec, seed=seed)


def tuned_uses(plain: Mapping[str, Any]) -> tuple[ModelUse, ...]:
    """The best settings of every tuned model, as candidates. They come first: training passes over further settings of
    a model whose first ones were poor, and these are not poor."""
    return tuple(
        ModelLoss(Rows(root="", dataset={}, splits={}, train={}, seed=0), one["model"], one["fixed"]).use(
            best["settings"], tuned_name(one["model"], rank)
        )
        for one in plain["models"]
        for rank, best in enumerate(one["best"])
    )


def plan_of(spec: TuneSpec, rows: Rows) -> tuple[str, list[Decision], TuneSpec]:
    """What would be tuned in a line, the decisions with their reasons, and the settings with spaces written out."""
    told, decisions, spaces = [], [], {}
    for model in spec.model:
        space = space_of(spec, model, may_log=model != "network" and _may_log(rows))
        spaces[model] = space.to_plain()
        n_known = len(known_of(spec, model, space)) if registry.get("searches", spec.searcher).starts else 0
        n_trials = registry.get("searches", spec.searcher).size(space, spec.trials)
        told.append(f"{model}: {n_trials} trials by {spec.searcher} over {len(space)} parameters")
        reason = "asked for" if spec.of("space", model) else "the model's own range"
        decisions += [
            Decision("tuning", f"{model}: {name}", told_of(one), reason) for name, one in spaces[model].items()
        ]
        if n_known:
            decisions.append(
                Decision("tuning", f"{model}: first", f"{n_known} settings", "known to be good on many tables")
            )
    if spec.prune != "none":
        decisions.append(Decision("tuning", "early ends", spec.prune, "a trial may stop after any fold but the last"))
    if spec.workers > 1:
        why = (
            f"a trial's settings follow from results at least {spec.behind} trials back, so their order changes nothing"
        )
        decisions.append(Decision("tuning", "workers", f"{spec.workers} processes", why))
    space_part = spaces if len(spec.model) > 1 else spaces[spec.model[0]]
    return "; ".join(told), decisions, spec.but(space=space_part)


def told_of(one: Mapping[str, Any]) -> str:
    """A parameter in words.

    >>> told_of({"low": 0.01, "high": 0.3, "log": True, "when": {"booster": "tree"}})
    '0.01 to 0.3, by factors, when booster is tree'
    """
    if "choices" in one:
        told = ", ".join(map(str, one["choices"]))
    else:
        told = f"{one['low']:g} to {one['high']:g}" + (", whole" if one.get("integer") else "")
        told += ", by factors" if one.get("log") else ""
    conditions = [
        f"{name} is {' or '.join(map(str, value)) if isinstance(value, list | tuple) else value}"
        for name, value in one.get("when", {}).items()
    ]
    return told + (f", when {' and '.join(conditions)}" if conditions else "")


# Journals in the store ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _written_down(store: Store) -> Iterator[None]:
    """What the processes of a study learned of its rows goes when it is done."""
    try:
        yield
    finally:
        for remembered in (_scoring, _table, _may_log):
            remembered.cache_clear()


def forget_studies(store: Store, keep: set[str], *, grace_s: float) -> tuple[int, int]:
    """Remove the journals of studies that no latest run names and that nobody wrote to for `grace_s` seconds: how many
    files and bytes."""
    oldest, n_files, n_bytes = time.time() - grace_s, 0, 0
    folder = store.root / STUDIES
    for journal in sorted(folder.glob("*.jsonl")) if folder.is_dir() else []:
        if journal.stem in keep or journal.stat().st_mtime > oldest:
            continue
        for file in folder.glob(f"{journal.name}*"):
            n_files, n_bytes = n_files + 1, n_bytes + file.stat().st_size
            file.unlink(missing_ok=True)
    return n_files, n_bytes
