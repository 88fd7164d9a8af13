"""What learning without a target would do, without doing it: scales, methods and rules, with their reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.core.data import Decision
from modelwright.core.use import Use
from modelwright.unsupervised.clusters import AUTO as CLUSTERINGS
from modelwright.unsupervised.joint import AUTO as DETECTORS
from modelwright.unsupervised.space import Purpose, Space, learn_space, training_rows
from modelwright.unsupervised.spec import AnomalySpec, ClustersSpec, spec_of

if TYPE_CHECKING:
    from modelwright.core.data import Dataset
    from modelwright.core.values import Splits


def written_out(data: Dataset, splits: Splits, task: Use, *, seed: int = 0) -> tuple[Use, tuple[Decision, ...]]:
    """The task with what can be decided before learning written out, and every decision with its reason.

    The number of clusters and the line between usual and odd rows follow from what is learned: their rules are told.

    >>> import polars as pl
    >>> from modelwright.core.data import Column, Dataset, Schema
    >>> from modelwright.core.values import Splits
    >>> frame = pl.DataFrame({"x": [float(i % 7) for i in range(60)]})
    >>> data = Dataset.from_frame(frame, Schema((Column("x", "number"),)))
    >>> splits = Splits(train=data.row_ids, test=data.row_ids[:0], folds=data.row_ids % 5, kind="random")
    >>> task, decisions = written_out(data, splits, Use(method="anomaly"))
    >>> [use["method"] for use in task.settings["detectors"]][:2], decisions[-1].about
    (['isolation_forest', 'ecod'], 'share')
    """
    spec = spec_of(task)
    purpose: Purpose = task.method  # type: ignore[assignment]
    rows, told = training_rows(data, splits.train, seed)
    space = learn_space(rows, purpose, seed=seed, reduce=purpose == "clusters")
    told = [*told, *space.decisions]
    if isinstance(spec, AnomalySpec):
        spec, more = _of_anomalies(spec)
    elif isinstance(spec, ClustersSpec):
        more = _of_clusters(spec, space)
    else:
        more = [Decision("unsupervised", "method", spec.method.method, "straight directions can be told in words"
                         if spec.method.method == "pca" else "asked for")]  # fmt: skip
        if isinstance(spec.n, str):
            more.append(Decision("unsupervised", "coordinates", "those beyond shuffled columns", "parallel analysis"))
    return Use(method=task.method, settings=spec.to_plain()), (*told, *more)


def _of_anomalies(spec: AnomalySpec) -> tuple[AnomalySpec, list[Decision]]:
    told = []
    if isinstance(spec.detectors, str):
        spec = spec.but(detectors=tuple(Use(method=name) for name in DETECTORS))
        reason = "two schools: what is odd beside all rows, and beside rows like it; the surer one is heard"
        told.append(Decision("unsupervised", "detectors", ", ".join(DETECTORS), reason))
    if isinstance(spec.share, str):
        reason = "one and a half middle halves of the scores above their upper quarter (Tukey); say `share:` if known"
        told.append(Decision("unsupervised", "share", "by the scores", reason))
    return spec, told


def _of_clusters(spec: ClustersSpec, space: Space) -> list[Decision]:
    told = []
    if isinstance(spec.method, str):
        names = CLUSTERINGS[1:] if space.has_flags else CLUSTERINGS
        reason = "the one whose groups halves of the rows bear out, the finer one of two" if len(names) > 1 else (
            "groups of any shape; clouds would shrink onto columns of few values"
        )  # fmt: skip
        told.append(Decision("unsupervised", "method", " or ".join(names), reason))
    if isinstance(spec.n, str):
        reason = "each method's own rule, and then what halves of the rows, learned apart, agree upon"
        told.append(Decision("unsupervised", "clusters", f"2 to {spec.most}", reason))
    return told
