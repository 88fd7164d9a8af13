"""What answers are held against: learned from the training rows, one `Background` for each target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from os.path import commonprefix
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.core.data import Dataset
    from modelwright.core.values import Trained
    from modelwright_runtime.signature import Signature, Task

N_MASKS = 200
"""Masks looked at for the shares of their classes."""
N_SERIES = 50
"""Series looked at for their season: the longest."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Background:
    """What the training rows say of one target.

    `answer` is what the constant baseline answers: shares of the classes (of rows, of labels, of pixels), or the
    mean, shape (1,); None for boxes, whose baseline is no box. `quantiles` are those of the levels that a task tells.
    `season` (steps) and `scales` are for forecasts: MASE's scale of each series, by the level of the column with the
    role `group`.
    """

    answer: np.ndarray | None = None
    season: int = 1
    scales: Mapping[str, float] = field(default_factory=dict)
    quantiles: tuple[float, ...] = ()


def backgrounds(trained: Trained, train: Dataset) -> dict[str, Background]:
    """The background of every target of a model, by target, from its training rows: give it to `evaluate`.

    Cost: a pass over the target columns; of masks, 200 are opened.

    >>> from modelwright.testing.evaluation import straight_line
    >>> trained, data = straight_line(n_rows=3)
    >>> backgrounds(trained, data)["y"].answer.shape
    (1,)
    """
    tasks = (trained.task, *trained.signature.more_tasks)
    return {task.target: _background(task, trained.signature, train) for task in tasks if task.target in train.schema}


def _background(task: Task, signature: Signature, train: Dataset) -> Background:
    target = train.column(task.target)
    if task.kind == "detection":
        return Background()
    if task.kind == "forecast":
        return _of_forecast(task, signature, train)
    if task.kind == "multilabel":
        return Background(answer=label_shares(task.classes, target))
    if task.kind == "segmentation":
        return Background(answer=pixel_shares(task.classes, target))
    levels = task.quantiles if task.kind == "regression" else ()
    known = target.drop_nulls().cast(float) if levels else target
    return Background(
        answer=constant_answer(task.classes, target),
        quantiles=tuple(float(known.quantile(level, "linear") or 0.0) for level in levels),
    )


def constant_answer(task_classes: tuple[str, ...], target: Any) -> np.ndarray:
    """What the constant baseline answers: class shares, shape (n_classes,), or the mean, shape (1,).

    `target` is the target column of the training rows (a Polars Series); missing values are left out.

    >>> import polars as pl
    >>> constant_answer(("no", "yes"), pl.Series(["no", "no", "no", "yes"])).tolist()
    [0.75, 0.25]
    >>> constant_answer((), pl.Series([1.0, None, 3.0])).tolist()
    [2.0]
    """
    import numpy as np

    from modelwright_runtime.reading import as_text

    known = target.drop_nulls()
    if not task_classes:
        return np.array([float(known.cast(float).mean() or 0.0)])
    seen = Counter(as_text(value) for value in known.to_list())
    counts = np.array([seen[name] for name in task_classes], dtype=np.float64)
    shares: np.ndarray = counts / max(counts.sum(), 1.0)
    return shares


def label_shares(classes: tuple[str, ...], target: pl.Series) -> np.ndarray:
    """Of each label, the share of the rows that have it.

    >>> import polars as pl
    >>> label_shares(("a", "b"), pl.Series([["a"], ["a", "b"], [], None])).round(2).tolist()
    [0.67, 0.33]
    """
    import numpy as np

    rows = target.drop_nulls().to_list()
    seen = Counter(label for labels in rows for label in set(labels))
    return np.array([seen[name] for name in classes]) / max(len(rows), 1)


def pixel_shares(classes: tuple[str, ...], target: pl.Series) -> np.ndarray:
    """Of each class, the share of the pixels, over `N_MASKS` masks spread over the rows."""
    import numpy as np

    from modelwright.evaluation.pixels import read_mask

    known = target.drop_nulls()
    chosen = np.unique(np.linspace(0, max(len(known) - 1, 0), min(N_MASKS, len(known))).astype(int))
    counts = np.zeros(len(classes))
    for row in chosen:
        mask, _ = read_mask(known[int(row)], classes)
        counts += np.bincount(mask[mask >= 0], minlength=len(classes))
    shares: np.ndarray = counts / max(counts.sum(), 1.0)
    return shares


def history_column(task: Task, signature: Signature) -> str | None:
    """The column with the past of what is forecast: of the series that the model is given, the one whose name
    begins most like the target's; None when it is given no series."""
    series = [name for array in signature.arrays if array.form == "series" for name in array.columns]
    return max(series, key=lambda name: len(commonprefix([name, task.target])), default=None)


def group_column(data: Dataset) -> str | None:
    """The column that says which series a row is of."""
    return next(iter(data.schema.of_role("group")), None)


def _of_forecast(task: Task, signature: Signature, train: Dataset) -> Background:
    import numpy as np

    from modelwright.core.inputs import series
    from modelwright.evaluation.forecasts import season_of

    mean = np.nanmean([value for values in series(train.frame, task.target) if values is not None for value in values])
    column = history_column(task, signature)
    if column is None:
        return Background(answer=np.array([mean]))
    histories = [values if values is not None else np.zeros(0) for values in series(train.frame, column)]
    longest = sorted(histories, key=len, reverse=True)[:N_SERIES]
    seasons = [season_of(values) for values in longest]
    season = Counter(seasons).most_common(1)[0][0] if seasons else 1
    return Background(answer=np.array([mean]), season=season, scales=_scales(histories, season, train))


def _scales(histories: list[np.ndarray], season: int, train: Dataset) -> dict[str, float]:
    """Mean absolute change over a season, within all windows of each series: MASE's scale."""
    import numpy as np

    group = group_column(train)
    if group is None:
        return {}
    found: dict[str, list[np.ndarray]] = {}
    for level, values in zip(train.column(group).cast(str).to_list(), histories, strict=True):
        if level is not None and values.size > season:
            changes = np.abs(values[season:] - values[:-season])
            found.setdefault(level, []).append(changes[np.isfinite(changes)])
    means = {level: np.concatenate(parts) for level, parts in found.items()}
    return {level: float(parts.mean()) for level, parts in means.items() if parts.size and parts.mean() > 0}
