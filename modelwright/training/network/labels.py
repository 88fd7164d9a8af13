"""Labels that networks contradict which have not seen their rows: which they are, and what to learn in their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from modelwright.core.data import ROW_ID, Dataset, Decision
from modelwright.core.errors import UserError
from modelwright.training.doctor.after import label_errors

if TYPE_CHECKING:
    import numpy as np

    from modelwright.training.base import TrainSpec
    from modelwright.training.loop.examples import Examples
    from modelwright.training.network.answers import Answers
    from modelwright.training.network.arrays import Prepared
    from modelwright.training.network.spec import DeepSpec

Judged = tuple["np.ndarray", "np.ndarray", "np.ndarray"]
"""Of one fold: positions of its rows (n,), logits (n, K) of the network that had not seen them, labels (n,)."""

N_SHOWN = 8
SURE = 0.5  # that there are wrong labels at all
TRUST = 0.3  # in a label, against what is said of its row by networks that have not seen it


def doubted(
    rows: Dataset, spec: TrainSpec, deep: DeepSpec, prepared: Prepared, answers: Sequence[Answers],
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray | None, list[Decision]]:  # fmt: skip
    """What to learn in place of the first target's classes, or None where labels are trusted; and what is told.

    `answers` are those of the networks that each of `pairs` (fitted, validated) has validated. Raises `UserError`
    `train.wrong_labels` when labels are to be softened and there are no classes.
    """
    import numpy as np

    from modelwright.training.network.targets import read_aim

    aim = prepared.tasks[0]
    if not aim.is_classification:
        if deep.wrong_labels == "soften":
            message = f"`wrong_labels: soften` doubts classes, and `{aim.target}` is a task of kind {aim.kind}."
            raise UserError("train.wrong_labels", message, hint="leave `wrong_labels` out")
        return None, []
    judged = [(valid, one.raw[0], one.truth[0]) for one, (_, valid) in zip(answers, pairs, strict=True)]
    said = np.concatenate([one.given[0] for one in answers])
    told = told_of_labels(rows, judged, said)
    if deep.wrong_labels == "trust":
        return None, told
    labels = read_aim(rows, aim.target, spec, prepared.inputs)[0].values
    why = f"asked for: {TRUST:.0%} of each label, the rest as folds say that have not seen it"
    return softened(judged, labels), [*told, Decision("training", "wrong labels", "softened", why)]


def told_of_labels(rows: Dataset, judged: Sequence[Judged], probabilities: np.ndarray) -> list[Decision]:
    """How many labels look wrong, and the first of them by row; nothing where they are few."""
    import numpy as np

    positions = np.concatenate([places for places, _, _ in judged])
    suspected, verdict = label_errors(probabilities, np.concatenate([labels for _, _, labels in judged]))
    if verdict is None or verdict.confidence < SURE:
        return []
    ids = rows.frame[ROW_ID].gather(positions[suspected[:N_SHOWN]]).to_list()
    choice = f"{len(suspected):,} of {len(positions):,} are suspected to be wrong"
    reason = (
        f"networks that had not seen them say otherwise, most surely of rows {', '.join(map(str, ids))}; "
        "`wrong_labels: soften` listens to both"
    )
    return [Decision("training", "labels", choice, reason)]


def softened(judged: Sequence[Judged], labels: np.ndarray) -> np.ndarray:
    """What to learn in place of labels, float32 (n, K): each row's label, and what is said by networks that have not
    seen the row, in shares. A row that nobody judged keeps its label. `labels` int (n,) are those of all rows.

    The logits are tempered first, so that what is said is as sure as it was right about the labels. A label that
    nothing speaks for is mostly left behind, and rows that are alike are told alike, which cannot be learned by heart.

    Reference: Li, Yang, Song, Cao, Luo and Li (2017), "Learning from noisy labels with distillation".

    >>> import numpy as np
    >>> logits = np.log(np.array([[0.9, 0.1]] * 10 + [[0.1, 0.9]] * 10))
    >>> labels = np.array([0] * 9 + [1] * 11)
    >>> softened([(np.arange(20), logits, labels)], labels)[[0, 9], 0].round(1).tolist()
    [1.0, 0.699...]
    """
    import numpy as np
    from scipy.special import softmax

    from modelwright.training.network.answers import best_temperature

    learned: np.ndarray = np.eye(judged[0][1].shape[1], dtype=np.float32)[labels]
    logits = np.concatenate([raw for _, raw, _ in judged]).astype(np.float64)
    truth = np.concatenate([given for _, _, given in judged])
    said = softmax(logits / best_temperature(logits, truth), axis=1)
    at = np.concatenate([places for places, _, _ in judged])
    learned[at] = TRUST * learned[at] + (1.0 - TRUST) * said
    return learned


def with_shares(rows: Examples, shares: np.ndarray) -> Examples:
    """The same rows with shares of classes (n, K) as the first target."""
    import torch

    return replace(rows, targets=(torch.from_numpy(shares), *rows.targets[1:]))
