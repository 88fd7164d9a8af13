"""Labels that networks contradict which have not seen their rows: how many there are, and which; and what helps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from modelwright.core.data import ROW_ID, Dataset, Decision
from modelwright.core.use import Use
from modelwright.training.doctor.after import label_errors

if TYPE_CHECKING:
    import numpy as np

    from modelwright.training.network.answers import Answers
    from modelwright.training.network.spec import DeepSpec
    from modelwright_runtime.signature import Task

N_SHOWN = 8
SURE = 0.5  # that there are wrong labels at all
SKILL = 0.6  # of the labels are told by networks that may be heard unasked: weak ones contradict right labels too
MIXED = Use(method="mixup", settings={"alpha": 1.0})
"""What `wrong_labels: many` adds to the augmentation: a label that no other row speaks for is never seen by itself.

Reference: Zhang, Cisse, Dauphin and Lopez-Paz (2018), "mixup: beyond empirical risk minimization", section 3.4.
"""


def told_of_labels(
    rows: Dataset, deep: DeepSpec, task: Task, answers: Sequence[Answers],
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
) -> list[Decision]:  # fmt: skip
    """How many labels look wrong, and the first of them by row; nothing where they are few, and nothing where the
    networks tell too few of all labels, unless it was said that many are wrong.

    `answers` are those of the networks that each of `pairs` (fitted, validated) has validated.
    """
    import numpy as np

    if not task.is_classification:
        return []
    positions = np.concatenate([valid for _, valid in pairs])
    labels, said = (np.concatenate([getattr(one, part)[0] for one in answers]) for part in ("truth", "given"))
    right = float((said.argmax(axis=1) == labels).mean())
    suspected, verdict = label_errors(said, labels)
    if verdict is None or verdict.confidence < SURE or (right < SKILL and deep.wrong_labels == "few"):
        return []
    ids = rows.frame[ROW_ID].gather(positions[suspected[:N_SHOWN]]).to_list()
    reason = (
        f"networks that had not seen them, and tell {right:.0%} of all, say otherwise, most surely of rows "
        f"{', '.join(map(str, ids))}"
    )
    hint = "" if deep.wrong_labels == "many" else "; correct them, or set `wrong_labels: many` in `network`"
    choice = f"{len(suspected):,} of {len(positions):,} are suspected to be wrong"
    return [Decision("training", "labels", choice, reason + hint)]
