"""Chained equations: each incomplete column is guessed from all the others, in turn, again and again.

A column's guess is a smooth curve and boosted trees, weighed by what each tells rows that it has not seen. Their errors
on such rows say how far a guess may be off, and draws are made with them. In a row with several gaps the answer is the
mean of what is told for several draws of the other gaps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelwright.cleaning.imputing import smooth, trees
from modelwright.cleaning.imputing.coding import Coding
from modelwright.core.rng import stream, stream_seed

if TYPE_CHECKING:
    import numpy as np

Model = dict[str, Any]
LEAST_ROWS = 30  # known values, below which a column is guessed without the others
MOST_ROWS = 20_000  # known values that a column's models are fitted on
MOST_FOR_TREES = 12  # levels; with more, the curve guesses alone
MOST_DONORS = 2_000
N_NEAR = 40  # rows with the most like guesses, whose errors a draw is made with
N_MATCHES = 5  # of which the values are lent, where a column's own values are to be kept
CLEARLY = 0.95
FAR_OUT = 5.0  # deviations, beyond which an input of the curve says no more
N_COPIES = 8  # of a row with several gaps, over which its answers are averaged
N_ROUNDS, N_KEPT = 4, 2  # of draws in the copies, and how many of the last are averaged
MOST_COPIED = 5_000  # rows copied at a time


def learn_chain(
    coded: np.ndarray, codings: Sequence[Coding], *, learned: Sequence[int], draws: bool, sweeps: int, seed: int
) -> dict[str, Any]:
    """Fit one chain on a coded table (n, d): JSON-able state for `apply_chain`.

    `learned` are the places of the columns to guess, in turn. With `draws` the rows are a bootstrap sample and what is
    filled in on the way is drawn, so that chains of several seeds differ as much as what is known allows.

    Reference: van Buuren and Groothuis-Oudshoorn (2011), "mice: multivariate imputation by chained equations in R",
    J. Stat. Softw. 45(3).
    """
    import numpy as np

    rng = stream(seed, "imputing", "chain")
    gaps = np.isnan(coded)
    weights = np.bincount(rng.integers(len(coded), size=len(coded)), minlength=len(coded)) if draws else None
    start = [_start(coded[:, place], coding) for place, coding in enumerate(codings)]
    filled = _started(coded, start, codings, rng if draws else None)
    models: list[Model] = []
    plain: dict[int, bool] = {}  # columns that trees do not help, as a first sweep found
    for sweep in range(sweeps):
        models = []
        for place in learned:
            known = _known(coded[:, place], codings[place], weights, rng)
            counts = np.ones(len(known)) if weights is None else weights[known].astype(np.float64)
            own = stream_seed(seed, "imputing", sweep, place)
            bent = not plain.get(place, False)
            model = learn_column(filled, codings, place, (known, counts), draws=draws, bent=bent, seed=own)
            plain[place] = draws and not model.get("trees")
            models.append(model)
            rows = np.flatnonzero(gaps[:, place])
            if len(rows):
                filled[rows, place] = guess(model, filled[rows], codings, rng if draws else None)[0]
    plain_models = [_as_plain(model) for model in models]
    return {"start": start, "models": plain_models, "passes": max(1, min(sweeps, 2)), "draws": draws}


def _as_plain(model: Model) -> Model:
    """The model with its trees as texts."""
    return model | {"trees": trees.as_texts(model["trees"])} if model.get("trees") else model


def _loaded(plain: Model) -> Model:
    """The inverse of `_as_plain`."""
    return plain | {"trees": trees.from_texts(plain["trees"])} if plain.get("trees") else plain


def _known(
    values: np.ndarray, coding: Coding, weights: np.ndarray | None, rng: np.random.Generator
) -> np.ndarray:  # fmt: skip
    """The rows that a column is learned on: in the sample, with a value, and not with one of the rarest levels."""
    import numpy as np

    usable = ~np.isnan(values)
    if coding.levels:
        usable &= values < coding.n_levels
    if weights is not None:
        usable &= weights > 0
    rows = np.flatnonzero(usable)
    return np.sort(rng.choice(rows, size=MOST_ROWS, replace=False)) if len(rows) > MOST_ROWS else rows


def _start(values: np.ndarray, coding: Coding) -> float:
    import numpy as np

    if coding.levels:
        return 0.0  # the most frequent level
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else 0.0


def _started(
    coded: np.ndarray, start: Sequence[float], codings: Sequence[Coding], rng: np.random.Generator | None
) -> np.ndarray:
    """The table with every gap filled plainly: the middle, or any of the column's own values."""
    import numpy as np

    filled = coded.copy()
    for place in range(coded.shape[1]):
        gaps = np.isnan(coded[:, place])
        known = coded[~gaps, place]
        if rng is not None and len(known):
            most = codings[place].n_levels - 1 if codings[place].levels else np.inf
            filled[gaps, place] = np.minimum(rng.choice(known, size=int(gaps.sum())), most)
        else:
            filled[gaps, place] = start[place]
    return filled


def learn_column(
    filled: np.ndarray, codings: Sequence[Coding], place: int, learned: tuple[np.ndarray, np.ndarray], *, draws: bool,
    bent: bool, seed: int,
) -> Model:  # fmt: skip
    """How one column is guessed from the others: learned on the rows `learned`, with how often each counts.

    For `draws` trees have a say only where they tell clearly more than the curve: what they smooth away weakens what
    columns have to do with each other. Without `bent` they are not asked.
    """
    import numpy as np

    coding, rng = codings[place], stream(seed, "imputing", "column")
    known, counts = learned
    values = filled[known, place]
    plain = _plain_target(values, coding)
    folds = rng.permutation(len(known)) % trees.N_FOLDS
    mean = np.average(plain, axis=0, weights=counts) if len(known) else np.zeros(plain.shape[1])
    constant = coding.scale == 0 or (len(known) and len(np.unique(values)) == 1)
    if len(known) < LEAST_ROWS or len(codings) < 2 or constant:
        model: Model = {"column": place, "mean": mean.tolist(), "share": None}
        return model | _donors(np.tile(mean, (len(known), 1)), values, plain, counts, coding, rng)
    curve, told = smooth.fit(_inputs(filled[known], codings, place), plain, counts, rng)
    told = _within(told, coding)
    model = {"column": place, "mean": mean.tolist(), "curve": curve, "share": 1.0, "trees": []}
    if bent and coding.n_levels <= MOST_FOR_TREES and _is_spread(values, folds, coding):
        others = [other for other in range(len(codings)) if other != place]
        categories = [at for at, other in enumerate(others) if codings[other].levels]
        boosted, by_trees = trees.fit(
            filled[known][:, others], values if coding.levels else plain[:, 0], counts, n_levels=coding.n_levels,
            categories=categories, folds=folds, seed=seed,
        )  # fmt: skip
        share, both = _weighed(plain, told, by_trees, counts)
        if not draws or _error(plain, both, counts) < CLEARLY * _error(plain, told, counts):
            told, model = both, model | {"share": share, "trees": boosted}
    return model | _donors(told, values, plain, counts, coding, rng)


def _within(told: np.ndarray, coding: Coding) -> np.ndarray:
    """What the curve tells of a number, within what was seen of it: far from all known rows it would be wild."""
    import numpy as np

    if coding.levels:
        return told
    low, high = ((end - coding.centre) / (coding.scale or 1.0) for end in (coding.low, coding.high))
    return np.asarray(np.clip(told, low, high))


def _weighed(
    target: np.ndarray, curve: np.ndarray, by_trees: np.ndarray, counts: np.ndarray
) -> tuple[float, np.ndarray]:  # fmt: skip
    """The share of the curve with which both together have the least error, and what they tell then."""
    import numpy as np

    apart = curve - by_trees
    weighed = counts[:, None] * apart
    share = float(np.clip((weighed * (target - by_trees)).sum() / max((weighed * apart).sum(), 1e-12), 0, 1))
    return share, share * curve + (1 - share) * by_trees


def _error(target: np.ndarray, told: np.ndarray, counts: np.ndarray) -> float:
    return float((counts[:, None] * (target - told) ** 2).sum())


def _plain_target(values: np.ndarray, coding: Coding) -> np.ndarray:
    """What the models learn: the number standardised (n, 1), or a share for each level (n, n_levels)."""
    import numpy as np

    if coding.levels:
        return np.asarray(np.eye(coding.n_levels)[values.astype(int)])
    return ((values - coding.centre) / (coding.scale or 1.0))[:, None]


def _is_spread(values: np.ndarray, folds: np.ndarray, coding: Coding) -> bool:
    """Whether each level is in at least two folds, so that every part of the trees knows all of them."""
    import numpy as np

    if not coding.levels:
        return True
    return all(len(np.unique(folds[values == level])) >= 2 for level in range(coding.n_levels))


def _donors(
    told: np.ndarray,
    values: np.ndarray,
    plain: np.ndarray,
    counts: np.ndarray,
    coding: Coding,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """For a number: guesses of known rows, in order, with their errors and values; for a category how good they are."""
    import numpy as np

    if coding.levels:
        return {}
    rows = np.repeat(np.arange(len(values)), counts.astype(int))
    if len(rows) > MOST_DONORS:
        rows = rng.choice(rows, size=MOST_DONORS, replace=False)
    rows = rows[np.argsort(told[rows, 0], kind="stable")]
    return {
        "told": told[rows, 0].tolist(), "errors": (plain - told)[rows, 0].tolist(), "values": values[rows].tolist(),
        "matches": bool(coding.whole or len(np.unique(values)) < 0.5 * len(values)),
    }  # fmt: skip


def _inputs(filled: np.ndarray, codings: Sequence[Coding], place: int) -> np.ndarray:
    """Inputs of the curve for one column: the others, standardised, a category's levels each for itself."""
    import numpy as np

    parts = []
    for other, coding in enumerate(codings):
        if other == place or (coding.scale == 0 and not coding.levels):
            continue
        if coding.levels:
            parts.append(np.eye(coding.n_levels + 1)[filled[:, other].astype(int)][:, : coding.n_levels])
        else:
            standard = (filled[:, other] - coding.centre) / coding.scale
            parts.append(np.clip(standard, -FAR_OUT, FAR_OUT)[:, None])
    return np.hstack(parts) if parts else np.zeros((len(filled), 1))


def guess(
    model: Model, filled: np.ndarray, codings: Sequence[Coding], rng: np.random.Generator | None
) -> tuple[np.ndarray, np.ndarray]:
    """Guess a column in rows whose other columns are filled: codes (n,) and how far each may be off (n,).

    Without `rng` the expected number or the likeliest level; with it a draw. How far off: the deviation of a number in
    its own units, the chance that a level is another one.
    """
    coding = codings[model["column"]]
    told = _told(model, filled, codings)
    expected, off = _expected(model, told, coding)
    if rng is None:
        return expected, off
    return _drawn(model, told, coding, rng.random(len(filled))), off


def _expected(model: Model, told: np.ndarray, coding: Coding) -> tuple[np.ndarray, np.ndarray]:
    """The expected number or the likeliest level of each row, and how far it may be off."""
    import numpy as np

    if coding.levels:
        shares = _shares(told)
        return shares.argmax(axis=1).astype(np.float64), 1 - shares.max(axis=1)
    donors, errors = np.asarray(model["told"]), np.asarray(model["errors"])
    if not len(donors):
        return np.full(len(told), coding.centre), np.full(len(told), coding.scale)
    near = _near(donors, told[:, 0], min(N_NEAR, len(donors)))
    return told[:, 0] * coding.scale + coding.centre, errors[near].std(axis=1) * coding.scale


def _drawn(model: Model, told: np.ndarray, coding: Coding, chance: np.ndarray) -> np.ndarray:
    """A draw for each row: the level, like row's error or like row's value at its `chance` (n,), 0 to 1."""
    import numpy as np

    if coding.levels:
        places = (_shares(told).cumsum(axis=1) < chance[:, None]).sum(axis=1)
        return np.asarray(places.clip(0, coding.n_levels - 1).astype(np.float64))
    donors, rows = np.asarray(model["told"]), np.arange(len(told))
    if not len(donors):
        return np.full(len(told), coding.centre)
    near = _near(donors, told[:, 0], min(N_MATCHES if model["matches"] else N_NEAR, len(donors)))
    one = near[rows, (chance * near.shape[1]).astype(int)]
    if model["matches"]:
        return np.asarray(np.asarray(model["values"])[one])
    return np.asarray((told[:, 0] + np.asarray(model["errors"])[one]) * coding.scale + coding.centre)


def _shares(told: np.ndarray) -> np.ndarray:
    import numpy as np

    shares = np.maximum(told, 1e-6)
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))


def _told(model: Model, filled: np.ndarray, codings: Sequence[Coding]) -> np.ndarray:
    import numpy as np

    place, share = model["column"], model["share"]
    if share is None:
        return np.tile(np.asarray(model["mean"]), (len(filled), 1))
    told = share * _within(smooth.predict(model["curve"], _inputs(filled, codings, place)), codings[place])
    if model["trees"] and share < 1:
        others = [other for other in range(len(codings)) if other != place]
        told = told + (1 - share) * trees.predict(model["trees"], filled[:, others], n_levels=codings[place].n_levels)
    return np.asarray(told)


def _near(ordered: np.ndarray, asked: np.ndarray, n: int) -> np.ndarray:
    """Places of the `n` values of an ordered array that lie around each asked one, (n_asked, n)."""
    import numpy as np

    first = np.clip(np.searchsorted(ordered, asked) - n // 2, 0, len(ordered) - n)
    near: np.ndarray = first[:, None] + np.arange(n)
    return near


def apply_chain(
    state: Mapping[str, Any], coded: np.ndarray, codings: Sequence[Coding], *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fill a coded table (n, d) with a learned chain: the filled table, and how far each guess may be off (n, d)."""
    import numpy as np

    rng = stream(seed, "imputing", "apply")
    models = [_loaded(model) for model in state["models"]]
    gaps = np.isnan(coded)
    filled, off = _started(coded, state["start"], codings, None), np.zeros(coded.shape)
    spread = np.array([coding.scale if not coding.levels else 1.0 for coding in codings])
    off[gaps] = np.broadcast_to(spread, coded.shape)[gaps]
    several = np.flatnonzero(gaps.sum(axis=1) > 1)
    for _ in range(state["passes"] if len(several) else 1):
        for model in models:
            place = model["column"]
            rows = np.flatnonzero(gaps[:, place])
            if len(rows):
                own = rng if state["draws"] else None
                filled[rows, place], off[rows, place] = guess(model, filled[rows], codings, own)
    if not state["draws"]:
        chances = rng.permuted(np.tile((np.arange(N_COPIES) + 0.5) / N_COPIES, (1 + N_ROUNDS, len(models), 1)), axis=2)
        for begin in range(0, len(several), MOST_COPIED):
            rows = several[begin : begin + MOST_COPIED]
            filled[rows], off[rows] = _averaged(models, filled[rows], off[rows], gaps[rows], codings, chances)
    return filled, off


def _averaged(
    models: Sequence[Model], filled: np.ndarray, off: np.ndarray, gaps: np.ndarray, codings: Sequence[Coding],
    chances: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Answers (n, d) averaged over copies of each row in which the other gaps are drawn, and how far they may be off.

    They begin as any of the column's values, so that two gaps do not bear out each other's first guess. The `chances`
    (1 + rounds, models, copies) of the draws are every row's: its answers do not depend on what other rows there are.
    """
    import numpy as np

    n_copies = chances.shape[2]
    copies = np.repeat(filled, n_copies, axis=0)
    filled, off = filled.copy(), off.copy()
    places = [np.flatnonzero(gaps[:, model["column"]]) for model in models]
    copied = [(rows[:, None] * n_copies + np.arange(n_copies)).ravel() for rows in places]
    for at, model in enumerate(models):
        begun = _any_value(model, codings[model["column"]], chances[0, at])
        copies[copied[at], model["column"]] = np.tile(begun, len(places[at]))
    kept: dict[int, list[np.ndarray]] = {}
    for turn in range(1, len(chances)):
        for at, model in enumerate(models):
            if not len(places[at]):
                continue
            told = _told(model, copies[copied[at]], codings)
            chance = np.tile(chances[turn, at], len(places[at]))
            copies[copied[at], model["column"]] = _drawn(model, told, codings[model["column"]], chance)
            if turn >= len(chances) - N_KEPT:
                kept.setdefault(at, []).append(told.reshape(len(places[at]), n_copies, -1))
    for at, tolds in kept.items():
        place, told = models[at]["column"], np.concatenate(tolds, axis=1)
        filled[places[at], place], off[places[at], place] = _mean_answer(models[at], told, codings[place])
    return filled, off


def _any_value(model: Model, coding: Coding, chance: np.ndarray) -> np.ndarray:
    """Values of the column as often as they are in it, one for each `chance`."""
    import numpy as np

    if coding.levels:
        return _drawn(model, np.tile(model["mean"], (len(chance), 1)), coding, chance)
    values = np.sort(np.asarray(model["values"]))
    return (
        np.asarray(values[(chance * len(values)).astype(int)]) if len(values) else np.full(len(chance), coding.centre)
    )


def _mean_answer(model: Model, told: np.ndarray, coding: Coding) -> tuple[np.ndarray, np.ndarray]:
    """The mean (a level: the likeliest of the mean shares) of what was told of each row (n, copies, k), and how far it
    may be off."""
    import numpy as np

    if coding.levels:
        shares = _shares(told).mean(axis=1)
        return shares.argmax(axis=1).astype(np.float64), 1 - shares.max(axis=1)
    expected, apart = (part.reshape(told.shape[:2]) for part in _expected(model, told.reshape(-1, 1), coding))
    return expected.mean(axis=1), np.sqrt((apart**2).mean(axis=1) + expected.var(axis=1))
