"""Explanation: why a package answers rows as it does, by column, one by one and all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from modelwright.core.errors import UserError
from modelwright.core.spec import Spec

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.data import Dataset
    from modelwright.core.values import Watch
    from modelwright.explanation.interaction import Together
    from modelwright.explanation.mixing import Mixer, Sample
    from modelwright.explanation.nearest import Hint
    from modelwright.explanation.outcome import Outcome
    from modelwright.explanation.partial import Partial
    from modelwright.explanation.permuted import Measure
    from modelwright_runtime.model import Model

MOST_POOL = 2_000
LEAST_BACKGROUND = 16
MOST_CURVES = 6
MOST_TOGETHER = 4
MOST_HINTS = 200


class ExplainSpec(Spec):
    """What is explained, and how carefully."""

    scale: Literal["probability", "log_odds"] = Field(
        "probability", description="classes are explained in points of probability, or in log-odds"
    )
    of_class: str | None = Field(
        None, description="the class to explain; unset: the second of two, the answered one of more"
    )
    target: str | None = Field(None, description="which of several targets; unset: the first")
    n_background: int = Field(
        100, ge=2, le=2_000, description="background rows that each row is held against, at the most"
    )
    evaluations: int = Field(
        150_000,
        ge=1_000,
        description="answers that Shapley values may cost, about; more rows have fewer background rows",
    )


@dataclass(frozen=True, kw_only=True)
class Weight:
    """How much a column matters: the mean size of its Shapley values over the rows that were explained, and by how much
    shuffling it makes what `Explanation.measured` names worse, with its standard error."""

    column: str
    mean_size: float
    shuffled: float
    shuffled_error: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Explanation:
    """Why a package answers n rows as it does, by each of m columns.

    `values` (n, m) are Shapley values, `errors` (n, m) their standard errors; a row's `values` sum to `answers` less
    `base`, both float64 (n,), all in the unit of `scale`. `said` (n,) is what the package says, `classes` (n,) the
    class that is explained ("" for values). `cells` are the rows as they were given, `ranks` (n, m) where a number
    stands among the background's (0 to 1; NaN without order). `exact`: every set of columns was asked for. `weights`
    has the heaviest column first, `measured` says what shuffling was measured by. Everything rests on `background`,
    told in words.
    """

    name: str
    target: str
    task: str
    scale: Literal["probability", "log_odds", "value"]
    columns: tuple[str, ...]
    said: np.ndarray
    classes: tuple[str, ...]
    answers: np.ndarray
    base: np.ndarray
    values: np.ndarray
    errors: np.ndarray
    cells: Mapping[str, Sequence[Any]]
    ranks: np.ndarray
    weights: tuple[Weight, ...]
    measured: Measure
    n_measured: int
    curves: tuple[Partial, ...]
    curve_class: str
    together: tuple[Together, ...]
    hints: tuple[Hint | None, ...]
    exact: bool
    background: str
    n_background: int
    n_asked: int

    @property
    def n_rows(self) -> int:
        """Number of rows that were explained."""
        return len(self.answers)

    def reasons(self, row: int) -> list[int]:
        """Columns of one row, the largest Shapley value first, without those that did nothing."""
        import numpy as np

        order = np.argsort(-np.abs(self.values[row]), kind="stable")
        return [int(one) for one in order if self.values[row, one] != 0.0]


def explain(
    package: str | Path | Model,
    rows: Any,
    *,
    background: Any = None,
    truth: tuple[Dataset, str] | None = None,
    spec: ExplainSpec | None = None,
    told_background: str = "",
    seed: int = 0,
    watch: Watch | None = None,
) -> Explanation:
    """Explain the answers of a package to raw rows, one by one and as a whole.

    `rows` are raw rows as `Model.predict` takes them. `background` are rows that answers are held against: raw ones,
    or a typed `Dataset` (best: training rows; 2,000 of them are looked at); None takes the training rows among the
    package's golden rows. `truth` are typed rows not trained on and their target, on which shuffled columns are
    measured.

    Columns are taken from the row or from the background whatever goes together in the world: what the model does
    with a column is explained, and nothing is said of causes. Cost: about `spec.evaluations` answers of the package
    (5 s for 100 rows of 14 columns and 1,000 small trees on one core), and a third as many for all that is global.

    Raises `UserError` `explain.rows`, `explain.background`, `explain.class`, `explain.target`, `explain.task`.
    References: see `shapley.py`, `permuted.py`, `partial.py`, `interaction.py`, `nearest.py`.

    >>> from modelwright.testing.packages import raw_rows, tiny_graph, tiny_signature
    >>> from modelwright_runtime.model import Model
    >>> found = explain(Model(tiny_graph(), tiny_signature()), raw_rows(3), background=raw_rows(20))
    >>> found.columns, found.exact
    (('age', 'price', 'member', 'city'), True)
    >>> bool(abs(found.values.sum(axis=1) - (found.answers - found.base)).max() < 1e-12)
    True
    """
    import numpy as np

    from modelwright.core.rng import stream
    from modelwright.explanation.mixing import mixer_of
    from modelwright.explanation.outcome import outcome_of

    spec, watch = spec or ExplainSpec(), watch or (lambda event: None)
    model = _opened(package)
    mixer = mixer_of(model, spec.target)
    sample = mixer.read(rows)
    if not sample.n_rows:
        raise UserError("explain.rows", "there is no row to explain.", hint="give a file with at least one row")
    pool, told = _pool(mixer, background, told_background, stream(seed, "explanation", "pool"))
    answers, pool_answers = mixer.answers(sample), mixer.answers(pool)
    outcome = outcome_of(mixer.task, answers, scale=spec.scale, asked_class=spec.of_class)
    ground = _along_answers(outcome, pool, pool_answers, _n_background(spec, mixer, sample), seed)
    case = _Case(mixer, outcome, sample, outcome.of(answers, np.arange(sample.n_rows)), pool, ground)
    found = _shares(case, spec, seed, watch)
    watch({"stage": "explanation", "event": "progress", "done": 1, "total": 1, "text": "all rows together"})
    said, pool_said = mixer.said(answers, sample.threshold), mixer.said(pool_answers, pool.threshold)
    return Explanation(
        name=model.name, target=mixer.task.target, task=mixer.task.kind, scale=outcome.scale, columns=mixer.columns,
        said=said, classes=_class_names(outcome, sample.n_rows), answers=case.own, cells=sample.cells,
        hints=_hints(case, said, pool_said), background=told, n_background=ground.n_rows,
        **found, **_whole(case, found["values"], truth, seed),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Case:
    """What is explained: rows with the number that each is about (`own`), the pool of rows that the world is known by,
    and the background rows among them."""

    mixer: Mixer
    outcome: Outcome
    sample: Sample
    own: np.ndarray
    pool: Sample
    ground: Sample

    @property
    def common(self) -> Outcome:
        """What is said of all rows together: of one class, the commonest of those explained."""
        return _common(self.outcome)


def _opened(package: str | Path | Model) -> Model:
    from modelwright_runtime import load

    return load(package) if isinstance(package, str | Path) else package


def _pool(mixer: Mixer, background: Any, told: str, rng: np.random.Generator) -> tuple[Sample, str]:
    """The rows that answers are held against, and what they are in words."""
    import numpy as np

    from modelwright.core.data import Dataset

    if background is None:
        golden = mixer.model.facts.get("golden", {})
        pairs = zip(golden.get("rows", ()), golden.get("kinds", ()), strict=True)
        background = [row for row, kind in pairs if kind == "training"]
        told = told or f"the {len(background)} training rows that the package carries"
    if isinstance(background, Dataset):
        if background.n_rows > MOST_POOL:
            chosen = np.sort(rng.permutation(background.n_rows)[:MOST_POOL])
            background = background.take(background.row_ids[chosen])
        pool = mixer.typed(background)
    else:
        pool = mixer.read(background)
        if pool.n_rows > MOST_POOL:
            pool = pool.take(np.sort(rng.permutation(pool.n_rows)[:MOST_POOL]))
    if pool.n_rows < 2:
        raise UserError(
            "explain.background", f"answers are held against other rows, and there are {pool.n_rows}.",
            hint="give rows like those of the training: `--background FILE`",
        )  # fmt: skip
    return pool, told or "the rows given as background"


def _n_background(spec: ExplainSpec, mixer: Mixer, sample: Sample) -> int:
    """How many background rows the wished-for number of answers affords."""
    of_one = 2 * max(1, len(mixer.columns) - 1)
    affordable = spec.evaluations // (sample.n_rows * of_one)
    return min(spec.n_background, max(LEAST_BACKGROUND, affordable))


def _common(outcome: Outcome) -> Outcome:
    import numpy as np

    classes = outcome.classes[outcome.classes >= 0]
    return outcome.alike(int(np.bincount(classes, minlength=1).argmax()) if len(classes) else -1)


def _along_answers(outcome: Outcome, pool: Sample, answers: np.ndarray, n: int, seed: int) -> Sample:
    """Some rows of the pool, evenly along what the package answers to them: their mean is that of the pool, nearly."""
    import numpy as np

    from modelwright.core.rng import stream

    if pool.n_rows <= n:
        return pool
    order = np.argsort(_common(outcome).of(answers, 0), kind="stable")
    start = stream(seed, "explanation", "background").random()
    return pool.take(np.sort(order[((np.arange(n) + start) * pool.n_rows / n).astype(int)]))


def _shares(case: _Case, spec: ExplainSpec, seed: int, watch: Watch) -> dict[str, Any]:
    """Shapley values of every row, their errors, what they start from, and what they cost."""
    import numpy as np

    from modelwright.core.rng import stream
    from modelwright.explanation.shapley import MOST_EXACT_COLUMNS, exact_shares, n_exact, sampled_shares

    mixer, outcome, sample, ground = case.mixer, case.outcome, case.sample, case.ground
    rng, n, m = stream(seed, "explanation", "orders"), sample.n_rows, len(mixer.columns)
    ground_answers = mixer.answers(ground)
    base, values, errors, n_asked = np.empty(n), np.empty((n, m)), np.empty((n, m)), 0
    in_play = [mixer.differs(sample, place, ground) for place in range(n)]
    exact = m <= MOST_EXACT_COLUMNS and sum(map(n_exact, in_play)) <= spec.evaluations // 2
    for place in range(n):

        def value(places: np.ndarray, taken: np.ndarray, row: int = place) -> np.ndarray:
            return outcome.of(mixer.mixed(sample, ground, (np.full(len(places), row), places), taken), row)

        own, level = float(case.own[place]), outcome.of(ground_answers, place)
        if exact:
            shares = exact_shares(value, in_play[place], own, level)
        else:
            shares = sampled_shares(value, in_play[place], own, level, rng)
        base[place], values[place], errors[place] = level.mean(), shares.values, shares.errors
        n_asked += shares.n_asked
        watch({"stage": "explanation", "event": "progress", "done": place + 1, "total": n, "text": f"row {place + 1}"})
    ranks = _ranks(mixer, sample, case.pool)
    return {"base": base, "values": values, "errors": errors, "n_asked": n_asked, "exact": exact, "ranks": ranks}


def _whole(case: _Case, values: np.ndarray, truth: tuple[Dataset, str] | None, seed: int) -> dict[str, Any]:
    """What is said of all rows together: weights, curves, what works together."""
    import numpy as np

    from modelwright.core.rng import stream
    from modelwright.explanation.interaction import together
    from modelwright.explanation.partial import partial
    from modelwright.explanation.permuted import shuffled

    mixer, common = case.mixer, case.common
    judged, known = (case.pool, None) if truth is None else _with_truth(mixer, *truth)
    found = shuffled(mixer, judged, known, stream(seed, "explanation", "shuffled"))
    sizes = np.abs(values).mean(axis=0)
    order = [int(one) for one in np.argsort(-sizes, kind="stable")]
    weights = tuple(
        Weight(column=mixer.columns[one], mean_size=float(sizes[one]), shuffled=float(found.growth[one]),
               shuffled_error=float(found.errors[one]))
        for one in order
    )  # fmt: skip
    at_work = [one for one in order if sizes[one] > 0]
    curves = [partial(mixer, common, one, case.pool, case.ground) for one in at_work[: MOST_CURVES + 4]]
    return {
        "weights": weights, "measured": found.measure, "n_measured": found.n_rows,
        "curves": tuple(one for one in curves if one is not None)[:MOST_CURVES],
        "curve_class": _class_names(common, 1)[0],
        "together": together(mixer, common, at_work[:MOST_TOGETHER], case.ground),
    }  # fmt: skip


def _with_truth(mixer: Mixer, data: Dataset, target: str) -> tuple[Sample, np.ndarray | None]:
    """Typed rows and their truth as class numbers or values; rows without one, or of a class unknown, are left out."""
    import numpy as np

    from modelwright_runtime.reading import as_text

    task = mixer.task
    if task.kind not in ("binary", "multiclass", "regression"):
        return mixer.typed(data), None
    place = {name: float(index) for index, name in enumerate(task.classes)}
    cells = data.column(target).to_list()
    if task.classes:
        values = np.array([np.nan if cell is None else place.get(as_text(cell), np.nan) for cell in cells])
    else:
        values = np.array([np.nan if cell is None else float(cell) for cell in cells])
    known = np.isfinite(values)
    sample = mixer.typed(data).take(np.flatnonzero(known))
    return sample, values[known].astype(np.int64) if task.classes else values[known]


def _class_names(outcome: Outcome, n_rows: int) -> tuple[str, ...]:
    if outcome.scale == "value":
        return ("",) * n_rows
    places = outcome.classes if len(outcome.classes) > 1 else outcome.classes.repeat(n_rows)
    return tuple(outcome.task.classes[place] for place in places.tolist())


def _ranks(mixer: Mixer, sample: Sample, pool: Sample) -> np.ndarray:
    """Where each number stands among the background's, 0 to 1; NaN for what has no order."""
    import numpy as np

    found = np.full((sample.n_rows, len(mixer.columns)), np.nan)
    for place in range(len(mixer.columns)):
        values, others = mixer.values(sample, place), mixer.values(pool, place)
        if values is None or others is None or values.dtype.kind != "f":
            continue
        others = np.sort(others[np.isfinite(others)])
        if len(others):
            sides = [np.searchsorted(others, values, side=side) for side in ("left", "right")]
            found[:, place] = np.where(np.isnan(values), np.nan, (sides[0] + sides[1]) / (2 * len(others)))
    return found


def _hints(case: _Case, said: np.ndarray, pool_said: np.ndarray) -> tuple[Hint | None, ...]:
    """What would have to change, for answers that are classes."""
    import numpy as np

    from modelwright.explanation.nearest import hints
    from modelwright.groups import trait_of

    n, mixer = case.sample.n_rows, case.mixer
    if not mixer.task.is_classification:
        return (None,) * n
    some = case.sample.take(np.arange(min(n, MOST_HINTS)))
    last = frozenset(name for name in mixer.columns if trait_of(name))
    made = hints(mixer, some, said[: some.n_rows], case.pool, pool_said, last=last)
    return (*made, *(None,) * (n - some.n_rows))
