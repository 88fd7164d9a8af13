"""After a training: where it errs, which labels look wrong, and whether more rows or a larger network would help."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from modelwright.training.doctor.base import Verdict, sure, sure_below

if TYPE_CHECKING:
    import numpy as np

    from modelwright.training.doctor.changes import Build
    from modelwright.training.loop.examples import Examples
    from modelwright.training.loop.spec import LoopSpec

FEWEST_IN_SLICE = 20
N_CUTS = 4  # parts that a column of numbers is cut into
WRONG = 0.03  # share of labels that look wrong
SHARES = (0.25, 0.5, 1.0)


def weak_slice(errors: np.ndarray, columns: dict[str, np.ndarray]) -> Verdict | None:
    """The slice of rows with clearly more error than the rest. `errors` (n,) and every column (n,), of rows held back.

    Numbers are cut at their quartiles, other columns by value. The verdict is sure when the difference is far
    beyond what the best of so many slices would show by chance (Bonferroni), and a half more than the rest.

    Reference: Chung et al. (2019), "Slice finder: automated data slicing for model validation".

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> ward, age = rng.integers(4, size=800).astype(str), rng.normal(60, 9, size=800)
    >>> errors = (rng.random(800) < np.where(ward == "3", 0.4, 0.1)).astype(float)
    >>> found = weak_slice(errors, {"ward": ward, "age": age})
    >>> found.evidence["column"], found.evidence["slice"]
    ('ward', '3')
    """
    import numpy as np

    slices = [(name, told, rows) for name, column in columns.items() for told, rows in _slices(column)]
    best: tuple[float, Any] = (0.0, None)
    for name, told, rows in slices:
        inside, outside = errors[rows], errors[~rows]
        if len(inside) < FEWEST_IN_SLICE or len(outside) < FEWEST_IN_SLICE:
            continue
        spread = math.sqrt(inside.var() / len(inside) + outside.var() / len(outside))
        distance = float(inside.mean() - outside.mean()) / max(spread, 1e-12)
        best = max(best, (distance, (name, told, inside, outside)), key=lambda pair: pair[0])
    if best[1] is None:
        return None
    distance, (name, told, inside, outside) = best
    chance = math.sqrt(2 * math.log(max(len(slices), 2)))  # what the largest of so many would reach by chance
    ratio = float(inside.mean() / max(outside.mean(), 1e-12))
    return Verdict(
        "weak_slice", min(sure(distance, chance + 1.0, factor=1.3), sure(ratio, 1.5, factor=1.2)),
        {"column": name, "slice": told, "rows": len(inside), "error": float(inside.mean()),
         "error_of_rest": float(np.mean(outside)), "deviations": distance},
        f"Rows whose `{name}` is {told} have {ratio:.1f} times the error of the rest ({len(inside)} rows). Collect "
        "more of them, or look at how they were measured.",
        {"what": "more_rows"},
    )  # fmt: skip


def _slices(column: np.ndarray) -> list[tuple[str, np.ndarray]]:
    import numpy as np

    if np.issubdtype(column.dtype, np.number) and len(np.unique(column)) > 2 * N_CUTS:
        edges = np.nanquantile(column, np.linspace(0, 1, N_CUTS + 1))
        parts = zip(edges, edges[1:], strict=False)
        return [(f"{low:.4g} to {high:.4g}", (column >= low) & (column <= high)) for low, high in parts]
    values, counts = np.unique(column, return_counts=True)
    common = values[np.argsort(-counts, kind="stable")][:50]
    return [(str(value), column == value) for value in common]


def label_errors(probabilities: np.ndarray, truth: np.ndarray) -> tuple[list[int], Verdict | None]:
    """Rows whose label the network contradicts with confidence, the surest first; and a verdict when they are many.

    `probabilities` (n, K) must be of rows the network was not trained on; `truth` int (n,), below 0 where unknown.
    A row counts when another class has at least the probability that rows of that class have on average.

    Reference: Northcutt, Jiang and Chuang (2021), "Confident learning: estimating uncertainty in dataset labels".

    >>> import numpy as np
    >>> given = np.array([[0.9, 0.1]] * 10 + [[0.1, 0.9]] * 10)
    >>> label_errors(given, np.array([0] * 9 + [1] * 11))[0]
    [9]
    """
    import numpy as np

    known = truth >= 0
    classes = [kind for kind in range(probabilities.shape[1]) if bool((truth == kind).any())]
    if len(classes) < 2:
        return [], None
    usual = np.full(probabilities.shape[1], np.inf)
    for kind in classes:
        usual[kind] = probabilities[truth == kind, kind].mean()
    likely = np.where(probabilities >= usual - 1e-9, probabilities, -1.0)
    told = likely.argmax(1)
    against = known & (likely.max(1) >= 0) & (told != truth)
    own = probabilities[np.arange(len(truth)), np.maximum(truth, 0)]
    rows = np.flatnonzero(against)
    rows = rows[np.argsort(own[rows] - likely.max(1)[rows], kind="stable")]
    share = len(rows) / max(int(known.sum()), 1)
    verdict = Verdict(
        "label_errors", sure(share, WRONG, factor=1.5), {"rows": len(rows), "share": share},
        f"{len(rows)} of {int(known.sum()):,} labels are contradicted with confidence by a network that has not seen "
        "them. Look at the first of them: if they are wrong, correct them and train again.",
        {"what": "review_labels", "rows": rows[:100].tolist()},
    )  # fmt: skip
    return rows.tolist(), verdict if len(rows) else None


def rows_or_capacity(
    build: Build, train: Examples, spec: LoopSpec, *, validation: Examples, seed: int = 0, **more: Any
) -> Verdict:
    """Whether more rows or a larger network would help, from trainings on a quarter, half and all of the rows.

    Each takes the steps of `spec`, so the cost is three trainings. `more` is what `Loop` takes besides.

    Reference: Hestness et al. (2017), "Deep learning scaling is predictable, empirically".

    >>> import torch
    >>> from modelwright.training.loop.examples import Examples
    >>> from modelwright.training.loop.spec import LoopSpec
    >>> x = torch.randn(400, 6, generator=torch.Generator().manual_seed(0))
    >>> y = (x * x).sum(1, keepdim=True)
    >>> line = lambda changes: torch.nn.Linear(6, 1)
    >>> rows_or_capacity(line, Examples((x[:300],), (y[:300],)), LoopSpec(max_steps=60), objective=lambda o, t, w: (
    ...     (o[0] - t[0]) ** 2).mean(), validation=Examples((x[300:],), (y[300:],))).fault
    'needs_capacity'
    """
    import torch

    from modelwright.core.rng import stream_seed
    from modelwright.training.doctor.examine import examine
    from modelwright.training.loop.examples import Examples
    from modelwright.training.loop.fit import Loop
    from modelwright.training.loop.order import n_steps_of

    n_steps = n_steps_of(train.n_rows, spec.batch_size, spec.epochs, spec.max_steps)[1]
    order = torch.randperm(train.n_rows, generator=torch.Generator().manual_seed(stream_seed(seed, "doctor", "shares")))
    held, own = [], []
    for share in SHARES:
        rows = train.rows(order[: max(1, int(share * train.n_rows))])
        part = Examples(rows.inputs, rows.targets, rows.weights)
        network = build(())
        assert network is not None
        loop = Loop(network, part, spec.but(max_steps=n_steps), validation=validation, seed=seed, **more)
        loop.run()
        loop.finish()
        held.append(float(loop.evaluate(validation)["validation_loss"]))
        own.append(float(loop.evaluate(part)["validation_loss"]))
    network = build(())
    assert network is not None
    unit = examine(network, train, more["objective"], seed=seed).get("uninformed_loss", held[0])
    return _advice(held, own, max(float(unit), 1e-12))


def _advice(held: Sequence[float], own: Sequence[float], unit: float) -> Verdict:
    fall = (held[1] - held[2]) / max(held[1], 1e-12)
    gap = (held[2] - own[2]) / max(held[2], 1e-12)
    evidence = {"validation_losses": list(held), "training_losses": list(own), "shares": list(SHARES)}
    if fall > 0.05 and gap > 0.2:
        return Verdict(
            "needs_rows", min(sure(fall, 0.05), sure(gap, 0.2)), evidence,
            f"From half of the rows to all of them the loss on rows held back fell by {fall:.0%}, and it is well above "
            "that on training rows. Twice as many rows should help more than any change of the network.",
            {"what": "more_rows"},
        )  # fmt: skip
    if gap < 0.2 and own[2] / unit > 0.2:
        return Verdict(
            "needs_capacity", min(sure(own[2] / unit, 0.2), sure_below(max(gap, 1e-3), 0.2)), evidence,
            "The loss is high on training rows too, and half of the rows give the same: more rows would not help. A "
            "larger network, longer training or better inputs would.",
            {"what": "capacity", "times": 2},
        )  # fmt: skip
    return Verdict(
        "near_its_best", 0.7, evidence,
        f"Twice the rows bring {max(fall, 0.0):.0%} less loss, and the training loss is low: this network on such rows "
        "is near what it can do.",
        {"what": "stop"},
    )  # fmt: skip
