"""The truth while answers come in: one answer more costs microseconds, so that the queue can look at it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from modelwright.labelling.truth.base import Answers, TruthSpec, truth

if TYPE_CHECKING:
    import numpy as np

SMOOTHING = 0.01


class Running:
    """A Dawid-Skene truth that takes one answer after the other (incremental EM, one task a step).

    The answered task's posterior is found anew under everybody's present confusions, and its share in those
    confusions is put right; other tasks move at the next `settle`, which is a whole `truth(...)`. Cost of an
    answer: its task's earlier answers times the square of the classes, whatever the number of tasks.

    Reference: Neal and Hinton (1998), "A view of the EM algorithm that justifies incremental, sparse, and other
    variants".

    >>> from modelwright.labelling.truth import answers_of
    >>> said = ["x", "x", "y", "y", "x", "x"]
    >>> running = Running(answers_of([0, 0, 1, 1, 2, 2], ["a", "b"] * 3, said))
    >>> running.answer(2, 0, 0).round(2).tolist()
    [1.0, 0.0]
    """

    def __init__(self, answers: Answers, *, spec: TruthSpec = TruthSpec(), known: np.ndarray | None = None) -> None:  # noqa: B008
        import numpy as np

        self._known, self._spec, self._names = known, spec, answers
        order = np.argsort(answers.task, kind="stable")
        ends = np.searchsorted(answers.task[order], np.arange(answers.n_tasks + 1))
        pairs = np.stack([answers.worker[order], answers.label[order]], axis=1).tolist()
        self._said = [pairs[ends[task] : ends[task + 1]] for task in range(answers.n_tasks)]
        self._take(answers)

    def _take(self, answers: Answers) -> None:
        self.posterior = truth(answers, self._spec, known=self._known).posterior.copy()
        self._n_of_class = self.posterior.sum(axis=0) + 1
        shape = (answers.n_workers, answers.n_classes, answers.n_classes)  # worker, answer, truth
        self._counts = (answers.by_worker_and_label.T @ self.posterior).reshape(shape) + SMOOTHING

    def settle(self) -> None:
        """Find the whole truth anew from all answers so far."""
        import numpy as np
        import polars as pl

        triples = [(task, worker, label) for task, said in enumerate(self._said) for worker, label in said]
        codes = np.array(triples, dtype=np.int64).T
        workers = pl.int_range(len(self._counts), eager=True)
        self._take(replace(self._names, task=codes[0], worker=codes[1], label=codes[2], workers=workers))

    def answer(self, task: int, worker: int, label: int) -> np.ndarray:
        """Take one answer (codes); returns the task's posterior, float64 of shape (n_classes,).

        A person whose code is new (the next number) is taken in as average.
        """
        import numpy as np

        if worker == len(self._counts):
            average = self._counts.mean(axis=0)
            self._counts = np.concatenate([self._counts, (average / average.sum(axis=0))[None]])
        said = self._said[task]
        for who, what in said:
            self._counts[who, what] -= self.posterior[task]
        self._n_of_class -= self.posterior[task]
        said.append([worker, label])
        if self._known is None or self._known[task] < 0:
            self.posterior[task] = self._posterior(said)
        for who, what in said:
            self._counts[who, what] += self.posterior[task]
        self._n_of_class += self.posterior[task]
        found: np.ndarray = self.posterior[task].copy()
        return found

    def _posterior(self, said: list[list[int]]) -> np.ndarray:
        import numpy as np

        who, what = np.array(said).T
        mine = self._counts[who]
        log = np.log(np.maximum(mine[np.arange(len(who)), what], 1e-12)) - np.log(mine.sum(axis=1))
        total = log.sum(axis=0) + np.log(self._n_of_class)
        weights = np.exp(total - total.max())
        shares: np.ndarray = weights / weights.sum()
        return shares
