"""What the report shows of groups: their words, typical rows, a picture, and figures that rows not learned on give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.core.rng import stream
from modelwright.unsupervised.choose import Trial, judged
from modelwright.unsupervised.describe import described
from modelwright.unsupervised.finish import sample
from modelwright.unsupervised.space import principal

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.data import Dataset
    from modelwright.core.values import Splits
    from modelwright.unsupervised.base import Clustering, Grouping
    from modelwright.unsupervised.space import Space

N_PICTURE, N_JUDGED, N_BESIDE, N_SHUFFLED = 800, 1_000, 1_500, 2_000


def told_of_groups(
    rows: Dataset, space: Space, points: np.ndarray, shares: np.ndarray, stability: tuple[float, ...]
) -> dict[str, Any]:
    """Words, sizes, typical rows and stability of each group, and the rows on the two main axes."""
    import numpy as np

    most = shares.max(axis=1)
    groups = np.where(most > 0, shares.argmax(axis=1), -1)
    told = described(rows.frame, rows.schema, space.columns, groups, most)
    for one, stable in zip(told, stability, strict=False):
        one["stability"] = stable
    centred = points - points.mean(axis=0)
    axes, variances = principal(centred, 0)
    shown = sample(len(points), N_PICTURE)
    flat = centred[shown] @ axes[:, :2]
    held = variances[: flat.shape[1]].sum() / max(variances.sum(), 1e-300)
    picture = {"x": np.round(flat[:, 0], 4).tolist(), "y": np.round(flat[:, -1], 4).tolist(),
               "group": groups[shown].tolist(), "held": float(held)}  # fmt: skip
    return {"groups": told, "picture": picture, "n_in_none": int((groups < 0).sum()), "n_rows": rows.n_rows}


def silhouettes(
    held_out: np.ndarray, own: np.ndarray, points: np.ndarray, groups: np.ndarray, seed: int
) -> list[float]:
    """Of each held-out row how much nearer it is to its group than to the next one, -1..1; its distances are those to
    the training rows. Reference: Rousseeuw (1987), "Silhouettes"."""
    import numpy as np
    from scipy.spatial.distance import cdist

    inside = np.flatnonzero(groups >= 0)
    beside = np.sort(stream(seed, "unsupervised", "beside").permutation(inside)[:N_BESIDE])
    judged_rows = sample(len(held_out), N_JUDGED)
    judged_rows = judged_rows[own[judged_rows] >= 0]
    far = cdist(held_out[judged_rows], points[beside])
    known = np.unique(groups[beside])
    means = np.column_stack([far[:, groups[beside] == group].mean(axis=1) for group in known])
    made = []
    for distances, group in zip(means, own[judged_rows], strict=True):
        at = np.flatnonzero(known == group)
        others = np.delete(distances, at)
        if not len(at) or not len(others):
            continue
        near, next_one = distances[at[0]], others.min()
        made.append(float((next_one - near) / max(near, next_one, 1e-12)))
    return made


def shuffled_trial(rows: Dataset, space: Space, method: Clustering, spec: Any, n: int, seed: int) -> Trial | None:
    """What halves agree upon when each column is shuffled by itself, so that no row's values go together."""
    import numpy as np

    wide = space.wide(rows)
    wide = wide[sample(len(wide), N_SHUFFLED)]
    sources = np.array(space.sources)
    for name in space.columns:
        order = stream(seed, "unsupervised", "shuffled", name).permutation(len(wide))
        wide[:, sources == name] = wide[order][:, sources == name]
    points = wide if space.axes is None else wide @ space.axes
    found = judged(points, method, spec, [n], seed=seed, n_halvings=3)
    return next((one for one in found if one.agreements), None)


def facts_of_held_out(
    data: Dataset, splits: Splits, space: Space, points: np.ndarray, groups: np.ndarray, grouping: Grouping, seed: int
) -> dict[str, Any]:  # fmt: skip
    """Silhouettes of rows that groups were not learned on."""
    import numpy as np

    held_out = data.take(splits.test)
    if not held_out.n_rows:
        return {"silhouettes": [], "in_none": 0.0}
    new = space.points(held_out)
    shares = grouping.predict(new)
    own = np.where(shares.max(axis=1) > 0, shares.argmax(axis=1), -1)
    made = silhouettes(new, own, points, groups, seed)
    return {"silhouettes": [round(one, 5) for one in made], "in_none": float((own < 0).mean())}
