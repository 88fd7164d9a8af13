"""Does the label survive? Each method is shown to a trained network, which must not change its mind too often."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwright.augmentation.base import Step, augment, prepare
from modelwright.core.data import Decision
from modelwright.core.errors import UserError
from modelwright.core.use import Use

if TYPE_CHECKING:
    from torch import Tensor

    from modelwright.training.loop.batch import Batch
    from modelwright_runtime.signature import ArrayInput, Task

MOST_CHANGED = 0.15
_Z = 1.96  # 95 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Survival:
    """What one method did to the answers: of `n_right` rows answered rightly before, `changed` is the share answered
    otherwise after, and at least `low` of all such rows (95 %). `pairs` are the commonest changes, most often first.
    `mixes` says that the method changes targets itself, so that there is nothing to check."""

    name: str
    n_right: int
    changed: float
    low: float
    pairs: tuple[tuple[str, str], ...] = ()
    mixes: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """The steps that may stay, what was seen of each, and what was decided."""

    steps: tuple[Step, ...]
    seen: tuple[Survival, ...]
    decisions: tuple[Decision, ...]


def check(
    predict: Callable[..., Tensor],
    batch: Batch,
    inputs: tuple[ArrayInput, ...],
    tasks: tuple[Task, ...],
    uses: Sequence[Use | Step],
    *,
    most_changed: float = MOST_CHANGED,
    n_draws: int = 3,
    seed: int = 0,
) -> Checked:
    """Show each method by itself, on every row, to a trained network; leave out those that change right answers.

    `predict(*inputs)` gives the class probabilities (n, K) of the first task that is a classification, and must
    have seen rows like those of `batch`; rows that it was not trained on tell most. A method is left out when more
    than `most_changed` of the right answers change, beyond chance (95 %, Wilson); it is told as a warning when the
    share seen is above half of that. A network that is merely not used to a change errs too, so the check is
    strict; one that was trained with the method, and still changes its mind, says that labels do change.

    Raises `augment.check` when no task is a classification or no answer is right.

    Reference: Wilson (1927), "Probable inference, the law of succession, and statistical inference".

    >>> import torch
    >>> from modelwright.training.loop.batch import Batch
    >>> from modelwright_runtime.signature import ArrayInput, Task
    >>> x = torch.zeros(200, 1, 2, 1, dtype=torch.uint8)
    >>> x[:100, 0, 0], x[100:, 0, 1] = 255, 255  # class 0 is light on the left, class 1 on the right
    >>> batch = Batch((x,), (torch.arange(200) // 100,))
    >>> def predict(x): return (x[:, 0, :, 0] > 128).float()
    >>> checked = check(predict, batch, (ArrayInput(form="image", columns=("p",)),),
    ...     (Task(kind="binary", target="side", classes=("left", "right")),), [Use(method="flip"), Use(method="noise")])
    >>> [step.name for step in checked.steps], checked.decisions[0].reason
    (['noise'], '100 % of 600 right answers change (left becomes right, right becomes left), and 15 % may')
    """
    steps = prepare(uses, inputs, tasks)
    position = next((index for index, task in enumerate(tasks) if task.is_classification), None)
    if position is None:
        raise UserError("augment.check", "there is no classification, by whose answers labels could be checked.")
    classes, right = _answers(predict, batch), batch.targets[position]
    if right.is_floating_point():
        raise UserError("augment.check", "the targets are shares already.", hint="give a batch before mixing")
    rows = (classes == right).nonzero().squeeze(1)
    if not len(rows):
        raise UserError("augment.check", "no answer is right before augmentation.", hint="train the network first")
    known = _rows(batch, rows)
    seen = tuple(_survival(predict, known, inputs, tasks, step, position, (n_draws, seed)) for step in steps)
    kept = tuple(step for step, one in zip(steps, seen, strict=True) if one.mixes or one.low <= most_changed)
    return Checked(kept, seen, tuple(_told(one, most_changed) for one in seen))


def _survival(
    predict: Callable[..., Tensor],
    known: Batch,
    inputs: tuple[ArrayInput, ...],
    tasks: tuple[Task, ...],
    step: Step,
    position: int,
    draws: tuple[int, int],
) -> Survival:
    """`known` holds rows that are answered rightly."""
    import torch

    n_draws, seed = draws
    always = Step(step.name, step.method, step.spec.but(share=1.0) if hasattr(step.spec, "share") else step.spec)
    right, names = known.targets[position], tasks[position].classes
    changes: Counter[tuple[str, str]] = Counter()
    n_changed = 0
    for draw in range(n_draws):
        made = augment(known, inputs, tasks, [always], seed=seed, epoch=0, step=draw)
        if made.targets[position].shape != right.shape or not torch.equal(made.targets[position], right):
            return Survival(name=step.name, n_right=len(right), changed=0.0, low=0.0, mixes=True)
        found = _answers(predict, made)
        moved = (found != right).nonzero().squeeze(1)
        n_changed += len(moved)
        changes.update((names[right[row]], names[found[row]]) for row in moved.tolist())
    n_right = len(right) * n_draws
    low = least_share(n_changed, n_right)
    pairs = tuple(pair for pair, _ in sorted(changes.items(), key=lambda item: (-item[1], item[0]))[:2])
    return Survival(name=step.name, n_right=n_right, changed=n_changed / n_right, low=low, pairs=pairs)


def least_share(n_hits: int, n: int) -> float:
    """The lower end of Wilson's interval.

    >>> round(least_share(10, 100), 3), least_share(0, 100)
    (0.055, 0.0)
    """
    share = n_hits / n
    middle = share + _Z**2 / (2 * n)
    reach = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return max(0.0, (middle - reach) / (1 + _Z**2 / n))


def _told(one: Survival, most_changed: float) -> Decision:
    if one.mixes:
        return Decision("augmentation", one.name, "kept", "it mixes targets with what it mixes")
    pairs = ", ".join(f"{before} becomes {after}" for before, after in one.pairs)
    seen = f"{one.changed:.0%} of {one.n_right:,} right answers change".replace("%", " %")
    seen += f" ({pairs})" if pairs else ""
    allowed = f"{most_changed:.0%}".replace("%", " %")
    if one.low > most_changed:
        return Decision("augmentation", one.name, "left out", f"{seen}, and {allowed} may")
    if one.changed > most_changed / 2:
        return Decision("augmentation", one.name, "kept, with a warning", f"{seen}; {allowed} may: look at its preview")
    return Decision("augmentation", one.name, "kept", seen)


def _answers(predict: Callable[..., Tensor], batch: Batch) -> Tensor:
    """The classes told, int64 (n,)."""
    import torch

    with torch.no_grad():
        return torch.cat(
            [predict(*(x[first : first + 256] for x in batch.inputs)).argmax(1)
             for first in range(0, batch.inputs[0].shape[0], 256)]
        )  # fmt: skip


def _rows(batch: Batch, rows: Tensor) -> Batch:
    from dataclasses import replace

    return replace(
        batch, inputs=tuple(x[rows] for x in batch.inputs), targets=tuple(y[rows] for y in batch.targets), weights=None
    )
