"""How much each column matters to all answers: what is lost when its cells are shuffled among the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

    from modelwright.explanation.mixing import Mixer, Sample

MOST_ROWS = 500
N_SHUFFLES = 3
Measure = Literal["log loss", "root mean squared error", "change of the answer"]


@dataclass(frozen=True, eq=False)
class Shuffled:
    """By how much `measure` grows when a column is shuffled: `growth` and its standard error over shuffles and rows,
    both float64 (n_columns,). `n_rows` were looked at; `base` is the measure of the rows as they are."""

    measure: Measure
    growth: np.ndarray
    errors: np.ndarray
    base: float
    n_rows: int


def shuffled(mixer: Mixer, sample: Sample, truth: np.ndarray | None, rng: np.random.Generator) -> Shuffled:
    """Shuffle each column in turn among at most 500 rows, three times, and compare the answers.

    `truth` (n_rows,) holds class numbers or values: then it is the loss that grows. Without it, how far answers move is
    told: the mean over rows of half the change of all probabilities, or of the change of the value. Columns that go
    together lend each other importance: shuffling one leaves the other, and makes rows that do not occur.

    Reference: Breiman (2001), "Random forests"; Fisher, Rudin and Dominici (2019), "All models are wrong".
    """
    import numpy as np

    if sample.n_rows > MOST_ROWS:
        chosen = np.sort(rng.permutation(sample.n_rows)[:MOST_ROWS])
        sample, truth = sample.take(chosen), None if truth is None else truth[chosen]
    n_rows, n_columns = sample.n_rows, len(mixer.columns)
    answers = _of_task(mixer, mixer.answers(sample))
    measure: Measure = "change of the answer"
    if truth is not None and mixer.task.kind in ("binary", "multiclass", "regression"):
        measure = "root mean squared error" if mixer.task.kind == "regression" else "log loss"
    of_rows = _losses(measure, answers, answers, truth)
    grown = np.zeros((n_columns, n_rows))
    everything = np.arange(n_rows)
    for place in range(n_columns):
        taken = np.zeros((n_rows * N_SHUFFLES, n_columns), dtype=bool)
        taken[:, place] = True
        lent = np.concatenate([rng.permutation(n_rows) for _ in range(N_SHUFFLES)])
        moved = _of_task(mixer, mixer.mixed(sample, sample, (lent, np.tile(everything, N_SHUFFLES)), taken))
        losses = _losses(measure, np.tile(answers.T, N_SHUFFLES).T, moved, _tiled(truth))
        grown[place] = losses.reshape(N_SHUFFLES, n_rows).mean(axis=0) - of_rows
    base, growth = float(of_rows.mean()), grown.mean(axis=1)
    errors = grown.std(axis=1, ddof=1) / np.sqrt(n_rows) if n_rows > 1 else np.zeros(n_columns)
    if measure == "root mean squared error":  # the root of the mean, and its error by the chain rule
        worse = np.sqrt(np.maximum(base + growth, 0.0))
        base = float(np.sqrt(base))
        growth, errors = worse - base, errors / np.maximum(2 * worse, 1e-300)
    return Shuffled(measure, growth, errors, base, n_rows)


def _of_task(mixer: Mixer, answers: np.ndarray) -> np.ndarray:
    """Answers as float64; of how odd rows are the score alone, without what each column makes of it."""
    wide: np.ndarray = answers.astype("float64")
    return wide[:, :1] if mixer.task.kind == "anomaly" else wide


def _tiled(truth: np.ndarray | None) -> np.ndarray | None:
    import numpy as np

    return None if truth is None else np.tile(truth, N_SHUFFLES)


def _losses(measure: Measure, answers: np.ndarray, moved: np.ndarray, truth: np.ndarray | None) -> np.ndarray:
    """The loss of each row, (n,)."""
    import numpy as np

    if truth is not None and measure == "log loss":
        chances = moved[np.arange(len(moved)), truth]
        return np.asarray(-np.log(np.clip(chances, 1e-7, 1.0)))
    if truth is not None and measure == "root mean squared error":
        return np.asarray((moved - truth) ** 2)
    change = np.abs(moved - answers).reshape(len(moved), -1)
    of_classes = moved.ndim == 2 and moved.shape[1] > 1
    return np.asarray(change.sum(axis=1) / 2 if of_classes else change.mean(axis=1))
