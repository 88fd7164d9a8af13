"""Which rows belong together: how many groups, how surely other rows would give them, and what each is like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from modelwright.core import registry
from modelwright.core.data import Dataset, Decision
from modelwright.core.errors import UserError
from modelwright.core.rng import stream_seed
from modelwright.core.use import Use
from modelwright.core.values import Candidate, Splits, Trained, Watch
from modelwright.unsupervised.base import settings_of
from modelwright.unsupervised.choose import (
    LEAST_AGREEMENT,
    MOST_HALVED,
    Trial,
    best_of,
    drawn,
    judged,
    numbers_of,
    tell,
)
from modelwright.unsupervised.clusters_told import facts_of_held_out, shuffled_trial, told_of_groups
from modelwright.unsupervised.finish import Learned, free_name, trained_of
from modelwright.unsupervised.space import Space, learn_space, training_rows
from modelwright.unsupervised.spec import ClustersSpec

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph
    from modelwright.unsupervised.base import Clustering, Grouping

AUTO = ("mixture", "communities")
"""Methods that are compared by themselves. k-means halves any long cloud, and halves of the rows agree on that; it is
the mixture of equal round clouds at its limit. HDBSCAN leaves rows in no group. Both are for the asking."""
LEAST_ROWS_A_GROUP = 10


@dataclass(frozen=True, eq=False, kw_only=True)
class Chosen:
    """A method with its settings, how many groups it gives, and everything that was tried on the way."""

    method: Clustering
    spec: Any
    trial: Trial
    trials: tuple[Trial, ...]
    clear: bool
    decisions: tuple[Decision, ...]


def clusters(
    data: Dataset, splits: Splits, spec: ClustersSpec = ClustersSpec(), *, seed: int = 0, watch: Watch | None = None  # noqa: B008
) -> Trained:  # fmt: skip
    """Divide rows into groups, and say of new rows which one they are in.

    `auto` hears two methods, a Gaussian mixture and communities of neighbours. Each says how many groups it finds; both
    are then learned on halves of the rows, apart, and judged by how far the halves agree about all rows. Of proposals
    that halves bear out the one with more groups is taken. Clouds are for numbers: where columns are flags,
    communities alone are heard. Where halves do not agree, that is said:
    the rows are then a continuum, and groups are slices of it. Groups are numbered from "1" by their size.

    Linear algebra runs on one thread. Cost: about 10 s for 2,000 rows of 20 columns, 30 s for 100,000. Raises UserError
    `unsupervised.rows`, `unsupervised.columns`, `unsupervised.groups`.

    >>> import numpy as np, polars as pl
    >>> from modelwright.core.data import Column, Schema
    >>> x = np.random.default_rng(0).normal(size=(150, 2)) + np.repeat([[0, 0], [8, 0], [0, 8]], [70, 50, 30], axis=0)
    >>> data = Dataset.from_frame(pl.DataFrame(x, ["a", "b"]), Schema((Column("a", "number"), Column("b", "number"))))
    >>> ids = data.row_ids
    >>> splits = Splits(train=ids[::2], test=ids[1::2], folds=np.zeros(75, dtype=int), kind="random")
    >>> trained = clusters(data, splits)
    >>> trained.task.classes, trained.predict(data.take([0, 149])).argmax(axis=1).tolist()
    (('1', '2', '3'), [0, 2])
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return _clusters(data, splits, spec, seed, watch or (lambda event: None))


def _clusters(data: Dataset, splits: Splits, spec: ClustersSpec, seed: int, watch: Watch) -> Trained:
    import numpy as np

    rows, told = training_rows(data, splits.train, seed)
    space = learn_space(rows, "clusters", seed=seed, reduce=True)
    points = space.points(rows)
    chosen = choose(points, spec, has_flags=space.has_flags, seed=seed, watch=watch)
    found = _final(points, chosen, seed)
    order = _order(found, points)
    grouping = _by_size(found, order)
    shares = grouping.predict(points)
    groups = np.where(shares.max(axis=1) > 0, shares.argmax(axis=1), -1)
    tell(watch, 1, 2, "what each group is like")
    stability = tuple(chosen.trial.stability[place] for place in order.tolist())
    facts = {
        **told_of_groups(rows, space, points, shares, stability),
        **facts_of_held_out(data, splits, space, points, groups, grouping, seed),
        **_about_choice(rows, space, chosen, seed),
        "told": f"{grouping.n} clusters by {chosen.trial.method}, halves of the rows agree at "
        f"{chosen.trial.agreement:.2f}{'' if chosen.clear else ': no clear groups'}",
    }
    learned = Learned(
        task=_task(data, grouping.n), space=space, decisions=(*told, *space.decisions, *chosen.decisions), facts=facts,
        emit=lambda graph, inputs: grouping.emit(graph, space.emit(graph, inputs)),
        answer=lambda some: grouping.predict(space.points(some)), leaderboard=_leaderboard(chosen), validation=shares,
        importance=_importance(space, rows, groups), n_cells_per_row=grouping.n_cells_per_row,
    )  # fmt: skip
    return trained_of(learned, rows, data, splits)


def _about_choice(rows: Dataset, space: Space, chosen: Chosen, seed: int) -> dict[str, Any]:
    """What was tried, and what the same method finds where there is nothing to be found."""
    shuffled = shuffled_trial(rows, space, chosen.method, chosen.spec, chosen.trial.n, seed)
    curve = [
        {"method": one.method, "n": one.n, "agreement": one.agreement if one.agreements else None,
         "strength": one.strength if one.strengths else None, "criterion": one.criterion}
        for one in sorted(chosen.trials, key=lambda one: (one.method, one.n))
    ]  # fmt: skip
    return {
        "method": chosen.trial.method, "n": chosen.trial.n, "clear": chosen.clear, "curve": curve,
        "agreements": list(chosen.trial.agreements), "rule": chosen.method.rule,
        "shuffled": list(shuffled.agreements) if shuffled else [],
    }  # fmt: skip


def choose(points: np.ndarray, spec: ClustersSpec, *, has_flags: bool, seed: int, watch: Watch) -> Chosen:
    """The method and the number of groups, by what halves of the rows agree upon."""
    auto = AUTO[1:] if has_flags else AUTO  # a cloud would shrink onto each level of a category
    uses = [Use(method=name) for name in auto] if isinstance(spec.method, str) else [spec.method]
    proposals: list[tuple[Clustering, Any, Trial, int, str]] = []
    trials: list[Trial] = []
    for done, use in enumerate(uses):
        method: Clustering = registry.get("clusterings", use.method)
        settings = settings_of(method, use.settings)
        tell(watch, done, len(uses) + 1, f"{method.name}: halves of the rows")
        own, found, rule = _proposed(points, method, settings, spec, seed)
        trials += own
        at_found = [one for one in own if one.n == found and one.agreements]
        several = at_found or sorted((one for one in own if one.agreements), key=lambda one: -one.agreement)[:1]
        proposals += [(method, settings, one, found, rule) for one in several]
    if not proposals:
        raise UserError(
            "unsupervised.groups", f"{', '.join(use.method for use in uses)} cannot divide these rows into "
            f"{spec.n if not isinstance(spec.n, str) else 'two or more'} groups.",
            hint="ask for fewer groups, or another method",
        )  # fmt: skip
    clear = [one for one in proposals if one[3] > 1 and one[2].agreement >= LEAST_AGREEMENT]
    best = best_of([trial for _, _, trial, _, _ in clear or proposals])
    method, settings, trial, _, rule = next(one for one in proposals if one[2] is best)
    decisions = _about(spec, uses, proposals, trial, rule, is_clear=bool(clear))
    return Chosen(
        method=method, spec=settings, trial=trial, trials=tuple(trials), clear=bool(clear), decisions=decisions
    )


def _proposed(
    points: np.ndarray, method: Clustering, settings: Any, spec: ClustersSpec, seed: int
) -> tuple[list[Trial], int, str]:
    """All that a method tried, the number of groups that it finds (1: none), and its rule."""
    if not isinstance(spec.n, str):
        return judged(points, method, settings, [spec.n], seed=seed), spec.n, "asked for"
    most = max(2, min(spec.most, len(points) // LEAST_ROWS_A_GROUP))
    if method.rule != "criterion":
        trials = judged(points, method, settings, list(range(2, most + 1)), seed=seed)
        found, rule = numbers_of(trials, method.rule) if trials else (1, "")
        return trials, found, rule
    some = drawn(points, MOST_HALVED, seed, "halved")
    whole = method.fit(
        some, list(range(1, most + 1)), spec=settings, seed=stream_seed(seed, "unsupervised", method.name, "whole")
    )
    tried = [Trial(method=method.name, n=n, criterion=one.criterion) for n, one in whole.items()]
    found, rule = numbers_of(tried, method.rule)
    several = max((one for one in tried if one.n > 1), key=lambda one: one.criterion or -float("inf"))
    looked_at = found if found > 1 else several.n
    halved = judged(points, method, settings, [looked_at], seed=seed)
    return [*(one for one in tried if one.n != looked_at), *halved], found, rule


def _about(
    spec: ClustersSpec, uses: Sequence[Use], proposals: Sequence[Any], trial: Trial, rule: str, *, is_clear: bool
) -> tuple[Decision, ...]:
    found = "; ".join(
        f"{method.name} {number if number > 1 else 'none'} (halves agree at {one.agreement:.2f})"
        for method, _, one, number, _ in proposals
    )
    alone = "groups of any shape; clouds would shrink onto the levels of the categories"
    why = ("asked for" if not isinstance(spec.method, str) else alone) if len(uses) == 1 else (
        f"of {found}, the most groups that halves of the rows bear out"
    )  # fmt: skip
    told = [Decision("unsupervised", "method", trial.method, why)]
    told.append(
        Decision("unsupervised", "clusters", f"{trial.n}", "asked for" if not isinstance(spec.n, str) else rule)
    )
    if not is_clear:
        reason = f"halves of the rows agree at {trial.agreement:.2f} only, or one cloud explains them: these are slices"
        told.append(Decision("unsupervised", "clear groups", "none", reason))
    return tuple(told)


def _final(points: np.ndarray, chosen: Chosen, seed: int) -> Grouping:
    """The division whose stability was looked at: the same rows and the same random numbers."""
    numbers = [chosen.trial.n] if chosen.method.rule != "own" else []
    some = drawn(points, MOST_HALVED, seed, "halved")
    chance = stream_seed(seed, "unsupervised", chosen.method.name, "whole")
    return chosen.method.fit(some, numbers, spec=chosen.spec, seed=chance)[chosen.trial.n]


def _order(grouping: Grouping, points: np.ndarray) -> np.ndarray:
    """The groups by their size, the largest first."""
    import numpy as np

    counts = np.bincount(np.maximum(grouping.groups(points), 0), minlength=grouping.n)
    return np.argsort(-counts, kind="stable")


def _by_size(grouping: Grouping, order: np.ndarray) -> Grouping:
    """The same division with its groups in another order."""

    def predict(points: np.ndarray) -> np.ndarray:
        return grouping.predict(points)[:, order]

    def emit(graph: Graph, x: str) -> str:
        return graph.node("Gather", grouping.emit(graph, x), graph.constant(order, "int64"), axis=1)

    return replace(grouping, predict=predict, emit=emit)


def _task(data: Dataset, n: int) -> Any:
    from modelwright_runtime.signature import Task

    names = tuple(str(number + 1) for number in range(n))
    return Task(kind="clusters", target=free_name("cluster", data.schema.names), classes=names)


def _leaderboard(chosen: Chosen) -> tuple[Candidate, ...]:
    made = [
        Candidate(name=f"{one.method}, {one.n}", model=one.method, settings={"groups": one.n}, metric="agreement",
                  score=one.agreement, weight=float(one is chosen.trial))
        for one in chosen.trials if one.agreements
    ]  # fmt: skip
    return tuple(sorted(made, key=lambda one: (-one.weight, -one.score, one.name)))


def _importance(space: Space, rows: Dataset, groups: np.ndarray) -> dict[str, float]:
    """How much of each column's variance lies between the groups."""
    import numpy as np

    wide = space.wide(rows)
    total = ((wide - wide.mean(axis=0)) ** 2).sum(axis=0)
    between = np.zeros(wide.shape[1])
    for group in np.unique(groups):
        own = wide[groups == group]
        between += len(own) * (own.mean(axis=0) - wide.mean(axis=0)) ** 2
    sources = np.array(space.sources)
    return {name: float(between[sources == name].sum() / max(total[sources == name].sum(), 1e-12))
            for name in space.columns}  # fmt: skip
