"""Matching with known pairs: a boosted model over likenesses, and over how far a pair stands out from its rivals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.core.data import Decision
from modelwright.core.errors import UserError
from modelwright.core.rng import stream, stream_seed

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.cleaning.matching.base import Matches, Prepared
    from modelwright.cleaning.matching.similarity import Compared

N_MODELS = 5
N_FOLDS, N_MODELS_OF_A_FOLD = 5, 2
MANY_KNOWN = 1_000  # known pairs from which leaves may be larger


def positions_of(known: pl.DataFrame, left_ids: np.ndarray, right_ids: np.ndarray) -> np.ndarray:
    """Known pairs as positions, (n_known, 2). Raises UserError `match.known`."""
    import numpy as np

    if not {"left", "right", "same"} <= set(known.columns):
        raise UserError("match.known", f"known pairs need the columns left, right and same; got {known.columns}.")
    sides = []
    for name, ids in (("left", left_ids), ("right", right_ids)):
        order = np.argsort(ids)
        wanted = known[name].to_numpy()
        at = order[np.clip(np.searchsorted(ids[order], wanted), 0, len(ids) - 1)]
        if (ids[at] != wanted).any():
            first = int(wanted[ids[at] != wanted][0])
            raise UserError("match.known", f"the {name} table has no row {first}, which a known pair names.")
        sides.append(at)
    return np.column_stack(sides)


def learn(prepared: Prepared, known: pl.DataFrame, *, decisions: tuple[Decision, ...], seed: int) -> Matches:
    """Every compared pair with the chance that a model of the known ones gives it.

    Reference: Konda et al. (2016), "Magellan: toward building entity matching management systems", PVLDB 9(12).
    """
    import numpy as np

    from modelwright.cleaning.matching.base import Matches, table_of
    from modelwright.cleaning.matching.deciding import best_threshold

    compared = prepared.compared
    same = known["same"].cast(bool).to_numpy()
    if not same.any():
        raise UserError("match.known", "no known pair is the same: nothing can be learned from that.")
    seen = evidence(prepared)
    at = _find(compared, positions_of(known, prepared.left_ids, prepared.right_ids))
    if same.all():
        at, same = _with_others(compared, at)
        known = known.head(0)
    is_valid = (
        known["part"].to_numpy() == "valid"
        if "part" in known.columns and known.height
        else np.zeros(len(same), dtype=bool)
    )
    if is_valid.any() and same[is_valid].any():
        fitted = _fit(seen[at[~is_valid]], same[~is_valid], seed)
        held_out, truth = _asked(fitted, seen[at[is_valid]]), same[is_valid]
        said = "the valid pairs"
    else:
        held_out, truth, said = _out_of_fold(seen[at], same, compared.left[at], seed), same, "folds of the known pairs"
        fitted = _fit(seen[at], same, seed)
    threshold, found = best_known_threshold(held_out, truth)
    chance = _asked(fitted, seen)
    share = _explained(fitted, seen, prepared)
    kept = np.flatnonzero(chance >= min(0.05, threshold))
    pairs = table_of(prepared, kept, chance[kept], chance[kept], threshold, share)
    told = Decision(
        "matching", "pairs",
        f"{int((chance >= threshold).sum()):,} pairs are the same, from confidence {threshold:.2f}",
        f"learned from {len(same):,} known pairs; F1 {found:.3f} on {said}, where the threshold was chosen",
    )  # fmt: skip
    return Matches(
        pairs=pairs, threshold=threshold, expected_f1=best_threshold(chance[kept])[1] if len(kept) else float("nan"),
        decisions=(*decisions, told),
    )  # fmt: skip


def _with_others(compared: Compared, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Known pairs that are all the same, and as the others every compared pair of the same records."""
    import numpy as np

    touched = np.isin(compared.left, compared.left[at]) | np.isin(compared.right, compared.right[at])
    touched[at] = False
    others = np.flatnonzero(touched)
    if not len(others):
        raise UserError("match.known", "the known pairs are all the same, and no other pair is like them.")
    return np.concatenate([at, others]), np.arange(len(at) + len(others)) < len(at)


def evidence(prepared: Prepared) -> np.ndarray:
    """What the model sees of each compared pair, float32: likenesses, how far each stands out, and what is too much.

    For each likeness also its lead over the best rival pair of either record; for each column also the share of the
    shorter text's words in the longer, the lengths, and the codes that both, only one or only the other has.
    """
    import numpy as np

    compared = prepared.compared
    parts = [compared.likeness]
    for index, (_, shape) in enumerate(compared.features):
        if shape in ("letters", "words", "codes"):
            parts.append(_leads(compared, compared.likeness[:, index]))
    for column in prepared.left:
        parts.append(_overlaps(prepared, column))
    made: np.ndarray = np.hstack(parts).astype(np.float32)
    return made


def _leads(compared: Compared, score: np.ndarray) -> np.ndarray:
    """By how much each pair is more alike than the best other pair of its left, and of its right record."""
    import numpy as np

    leads = np.empty((len(score), 2), dtype=np.float32)
    for side, ends in enumerate((compared.left, compared.right)):
        order = np.lexsort((-score, ends))
        first = np.r_[True, ends[order][1:] != ends[order][:-1]]
        group = np.cumsum(first) - 1
        begins = np.flatnonzero(first)
        sizes = np.diff(np.r_[begins, len(order)])
        best = score[order][begins]
        next_best = np.where(sizes > 1, score[order][np.minimum(begins + 1, len(order) - 1)], 0.0)
        rival = np.where(first, next_best[group], best[group])
        leads[order, side] = score[order] - rival
    return leads


def _overlaps(prepared: Prepared, column: str) -> np.ndarray:
    import numpy as np

    from modelwright.cleaning.matching.similarity import codes_of, words_of

    left, right = prepared.left[column], prepared.right[column]
    sides = [([set(words_of(text)) for text in side], [set(codes_of(text)) for text in side]) for side in (left, right)]
    made = np.full((len(prepared.compared.left), 8), np.nan, dtype=np.float32)
    for row, (i, j) in enumerate(zip(prepared.compared.left.tolist(), prepared.compared.right.tolist(), strict=True)):
        if not left[i] or not right[j]:
            continue
        (words, codes), (their_words, their_codes) = (sides[0][0][i], sides[0][1][i]), (sides[1][0][j], sides[1][1][j])
        both = len(words & their_words)
        made[row] = (
            both / max(1, min(len(words), len(their_words))), both / max(1, len(words | their_words)),
            len(words) - len(their_words), len(left[i]), len(left[i]) - len(right[j]),
            len(codes & their_codes), len(codes - their_codes), len(their_codes - codes),
        )  # fmt: skip
    return made


def _find(compared: Compared, wanted: np.ndarray) -> np.ndarray:
    """Where known pairs lie among the compared ones; all do, for they were added."""
    import numpy as np

    width = int(max(compared.right.max(), wanted[:, 1].max())) + 1
    keys = compared.left * width + compared.right  # sorted, as pairs are
    places: np.ndarray = np.searchsorted(keys, wanted[:, 0] * width + wanted[:, 1])
    return places


def _fit(seen: np.ndarray, same: np.ndarray, seed: int, n_models: int = N_MODELS) -> list[Any]:
    from lightgbm import LGBMClassifier

    models = []
    for number in range(n_models):
        model = LGBMClassifier(
            n_estimators=300, learning_rate=0.03, num_leaves=15, min_child_samples=10 if len(same) > MANY_KNOWN else 5,
            colsample_bytree=0.5, subsample=0.8, subsample_freq=1, verbose=-1, n_jobs=1, deterministic=True,
            force_row_wise=True, random_state=stream_seed(seed, "matching", number) % 2**31,
        )  # fmt: skip
        models.append(model.fit(seen, same))
    return models


def _asked(models: list[Any], seen: np.ndarray) -> np.ndarray:
    import numpy as np

    answers = [model.booster_.predict(seen, num_threads=1) for model in models]
    mean: np.ndarray = np.mean(answers, axis=0)
    return mean


def _out_of_fold(seen: np.ndarray, same: np.ndarray, left: np.ndarray, seed: int) -> np.ndarray:
    """Chances of the known pairs by models that saw no pair of the same left record."""
    import numpy as np

    fold = stream(seed, "matching", "folds").integers(N_FOLDS, size=int(left.max()) + 1)[left]
    chance = np.zeros(len(same))
    for k in range(N_FOLDS):
        inside = fold == k
        if inside.any() and same[~inside].any() and not same[~inside].all():
            chance[inside] = _asked(_fit(seen[~inside], same[~inside], seed, N_MODELS_OF_A_FOLD), seen[inside])
    return chance


def best_known_threshold(chance: np.ndarray, same: np.ndarray) -> tuple[float, float]:
    """The threshold with the largest F1 on pairs whose truth is known, and that F1.

    >>> import numpy as np
    >>> threshold, f1 = best_known_threshold(np.array([0.9, 0.2, 0.6]), np.array([True, False, True]))
    >>> round(threshold, 2), f1
    (0.4, 1.0)
    """
    import numpy as np

    order = np.argsort(-chance, kind="stable")
    ranked = chance[order]
    f1 = 2 * np.cumsum(same[order]) / (np.arange(1, len(order) + 1) + same.sum())
    last = np.r_[ranked[1:] < ranked[:-1], True]
    at = int(np.where(last, f1, -1).argmax())
    below = ranked[at + 1] if at + 1 < len(ranked) else 0.0
    return float((ranked[at] + below) / 2), float(f1[at])


def _explained(models: list[Any], seen: np.ndarray, prepared: Prepared) -> np.ndarray:
    """What each likeness adds to a pair's chance, by Shapley values of the first model; leads count to their column."""
    import numpy as np

    features = prepared.compared.features
    told = models[0].booster_.predict(seen, pred_contrib=True, num_threads=1)[:, :-1]
    share: np.ndarray = told[:, : len(features)].astype(np.float64)
    at = len(features)
    for index, (_, shape) in enumerate(features):
        if shape in ("letters", "words", "codes"):
            share[:, index] += told[:, at : at + 2].sum(axis=1)
            at += 2
    return share
