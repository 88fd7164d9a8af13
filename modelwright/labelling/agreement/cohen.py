"""Cohen's kappa: agreement of two people on classes, against the chance that their own habits give."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.labelling.truth import Answers


def cohen(first: np.ndarray, second: np.ndarray) -> float:
    """Kappa of two people's answers to the same tasks (equal lengths, any classes). NaN where it is not defined.

    Reference: Cohen (1960), "A coefficient of agreement for nominal scales".

    >>> import numpy as np
    >>> cohen(np.array(["yes", "yes", "no", "no"]), np.array(["yes", "no", "no", "no"]))
    0.5
    """
    import numpy as np

    if not len(first):
        return float("nan")
    classes, codes = np.unique(np.concatenate([first, second]), return_inverse=True)
    one, other = codes[: len(first)], codes[len(first) :]
    shares = [np.bincount(person, minlength=len(classes)) / len(first) for person in (one, other)]
    return _kappa(float((one == other).mean()), float(shares[0] @ shares[1]))


def _kappa(agreed: float, chance: float) -> float:
    return (agreed - chance) / (1 - chance) if chance < 1 else float("nan")


def per_pair(answers: Answers) -> pl.DataFrame:
    """Every pair of people with a common task: `first`, `second`, `n_common`, `agreement`, `kappa`, most common first.

    Of several answers of one person to one task the last counts. Cost: answers times answers to the same task.

    >>> from modelwright.labelling.truth import answers_of
    >>> answers = answers_of([1, 1, 2, 2, 3], ["a", "b", "a", "b", "c"], ["x", "x", "y", "y", "y"])
    >>> per_pair(answers).rows()
    [('a', 'b', 2, 1.0, 1.0)]
    """
    import polars as pl

    said = pl.DataFrame({"task": answers.task, "worker": answers.worker, "label": answers.label})
    said = said.unique(["task", "worker"], keep="last", maintain_order=True)
    both = said.join(said, on="task", suffix="_2").filter(pl.col("worker") < pl.col("worker_2"))
    pair = ["worker", "worker_2"]
    counts = both.group_by(*pair).agg(n=pl.len(), agreed=(pl.col("label") == pl.col("label_2")).mean())
    shares = [
        both.group_by(*pair, pl.col(label).alias("label")).len(name)
        for label, name in (("label", "n_1"), ("label_2", "n_2"))
    ]
    chance = shares[0].join(shares[1], on=[*pair, "label"]).group_by(*pair).agg(
        chance=(pl.col("n_1").cast(pl.Float64) * pl.col("n_2")).sum()
    )  # fmt: skip
    table = counts.join(chance, on=pair, how="left").with_columns(
        chance=pl.col("chance").fill_null(0) / pl.col("n") ** 2
    )
    kappa = pl.when(pl.col("chance") < 1).then((pl.col("agreed") - pl.col("chance")) / (1 - pl.col("chance")))
    names = {name: answers.workers.gather(table[code]) for name, code in (("first", "worker"), ("second", "worker_2"))}
    return (
        table.with_columns(kappa=kappa.otherwise(float("nan")), n_common=pl.col("n").cast(pl.Int64), **names)
        .sort(["n_common", *pair], descending=[True, False, False])
        .select("first", "second", "n_common", agreement="agreed", kappa="kappa")
    )
