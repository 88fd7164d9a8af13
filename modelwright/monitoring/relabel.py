"""The re-label queue: the rows whose label would teach most, with the reason, ready for a person and for `collect`.

Reference: Settles (2009), "Active learning literature survey" (uncertainty and disagreement); half of the queue goes to
each reason, so that one kind of row does not crowd out the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright_runtime.model import Model

REASONS = ("least sure", "most wrong", "unlike what was learned")


def relabel_queue(model: Model, window: pl.DataFrame, n_rows: int = 100) -> pl.DataFrame:
    """At most `n_rows` rows of a window: `_id`, `reason`, `score` (0..1, larger is more pressing) and the row's cells.

    Least sure: the answer's probability is near to that of another class, among rows without a label. Most wrong: the
    label that came was given the least probability (it may be the label that is wrong), or for values the largest
    error. Unlike what was learned: the share of the model's columns, weighed by importance, that are missing, unseen
    or out of range. No row is told twice.

    >>> from modelwright.testing.monitoring import tiny_model, tiny_window
    >>> queue = relabel_queue(tiny_model(), tiny_window(200), 10)
    >>> queue.columns[:3], queue.height
    (['_id', 'reason', 'score'], 10)
    """
    import numpy as np
    import polars as pl

    from modelwright.monitoring.reference import reference_of

    reference = reference_of(model)
    names = [f"_probability_{name}" for name in reference.classes]
    has_truth = (
        window["_truth"].is_not_null().to_numpy() if "_truth" in window.columns else np.zeros(window.height, bool)
    )
    scores = {"unlike what was learned": np.where(has_truth, 0.0, _strange(model, window))}
    if names and set(names) <= set(window.columns):
        shares = window.select(names).cast(pl.Float64).to_numpy()
        order = np.sort(shares, axis=1)
        scores["least sure"] = np.where(has_truth, 0.0, 1.0 - (order[:, -1] - order[:, -2]))
        place = {name: index for index, name in enumerate(reference.classes)}
        truth = window["_truth"].cast(pl.String).to_list() if has_truth.any() else []
        given = [1 - shares[row, place[name]] if name in place else 0.0 for row, name in enumerate(truth)]
        scores["most wrong"] = np.where(np.array(given) > 0.5, given, 0.0) if given else np.zeros(window.height)
    elif has_truth.any() and reference.task == "regression":
        errors = np.abs(
            window["_truth"].cast(pl.Float64).to_numpy() - window["_prediction"].cast(pl.Float64).to_numpy()
        )
        errors = np.nan_to_num(errors)
        scores["most wrong"] = errors / max(errors.max(), 1e-300)
    return _queue(model, window, scores, n_rows)


def _queue(model: Model, window: pl.DataFrame, scores: dict[str, np.ndarray], n_rows: int) -> pl.DataFrame:
    """Rows by reason in turn, the most pressing first."""
    import numpy as np
    import polars as pl

    orders = {
        reason: [int(row) for row in np.argsort(-scores[reason], kind="stable") if scores[reason][row] > 0]
        for reason in REASONS
        if reason in scores
    }
    taken: dict[int, tuple[str, float]] = {}
    while len(taken) < n_rows and any(orders.values()):
        for reason, order in orders.items():
            while order and order[0] in taken:
                order.pop(0)
            if order and len(taken) < n_rows:
                row = order.pop(0)
                taken[row] = (reason, float(scores[reason][row]))
    cells = [name for name in model.columns if name in window.columns]
    kept = window[list(taken)].select(["_id", *cells, *[n for n in ("_prediction", "_truth") if n in window.columns]])
    told = pl.DataFrame(
        {"reason": [reason for reason, _ in taken.values()], "score": [score for _, score in taken.values()]},
        schema={"reason": pl.String, "score": pl.Float64},
    )
    return pl.concat([kept.select("_id"), told, kept.drop("_id")], how="horizontal")


def _strange(model: Model, window: pl.DataFrame) -> np.ndarray:
    """For each row the weighed share of columns that hold what training did not."""
    import numpy as np
    import polars as pl

    from modelwright.monitoring.cells import read_column
    from modelwright.monitoring.reference import codes_of, reference_of

    reference = reference_of(model)
    readings = {reading.column: reading for reading in model.signature.readings}
    strange = np.zeros(window.height)
    for view in reference.views:
        if view.of not in ("number", "category") or view.column not in window.columns:
            continue
        values = read_column(window[view.column], readings[view.column]).values
        if view.is_number == isinstance(values, pl.Series):
            continue
        if isinstance(values, np.ndarray):
            odd = (values < (view.low or -np.inf)) | (values > (view.high or np.inf))
            if view.n_missing == 0:
                odd |= np.isnan(values)
        else:
            odd = codes_of(view, values) == 254
        strange += reference.importance.get(view.column, 0.0) * odd
    return strange
