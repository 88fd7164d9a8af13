"""What a compression is given and what it gives: a `Case` in, `Variant`s out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.data import Dataset
    from modelwright.core.values import Splits, Trained
    from modelwright_runtime.signature import Signature

N_CALIBRATION = 256
N_CALIBRATION_MEDIA = 64
MEDIA = ("image", "audio")


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """A trained model and the rows it may be looked at with: training rows, never held-out ones.

    `rows` are the training rows in ascending order of id; `splits.train`, `splits.folds` and `validation` (the
    cross-validated answers, None where there are none) are in the same order.
    """

    trained: Trained
    rows: Dataset
    splits: Splits
    validation: np.ndarray | None
    seed: int

    @property
    def has_media(self) -> bool:
        """Whether a row is dear to read."""
        return any(array.form in MEDIA for array in self.trained.signature.arrays)

    @cached_property
    def calibration(self) -> dict[str, np.ndarray]:
        """The graph's inputs for evenly spread training rows, as serving would make them."""
        import numpy as np

        n_rows = min(self.rows.n_rows, N_CALIBRATION_MEDIA if self.has_media else N_CALIBRATION)
        return self.feeds(np.unique(np.linspace(0, self.rows.n_rows - 1, n_rows).astype(int)))

    def feeds(self, positions: np.ndarray) -> dict[str, np.ndarray]:
        """The graph's inputs for training rows, by position."""
        from modelwright.core.inputs import feeds

        return feeds(self.trained.signature, self.rows.frame[positions])

    def over(self, variant: Variant) -> Case:
        """The same case with a variant in the model's place, so that a second compression is laid on it."""
        trained = replace(self.trained, graph=variant.graph, signature=variant.signature)
        return Case(trained=trained, rows=self.rows, splits=self.splits, validation=self.validation, seed=self.seed)


@dataclass(frozen=True, eq=False, kw_only=True)
class Variant:
    """A smaller or faster form of the model.

    `honest` are answers to the training rows (aligned with `Case.rows`, NaN where there is none), each by a fit that
    had not seen the row: for forms that are fitted anew. Without it the change of the graph's answers is judged.
    """

    name: str
    graph: bytes
    signature: Signature
    honest: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Compression:
    """One way to make a model smaller or faster.

    `suits(case)` gives the reason why it cannot be tried, "" when it can. `make(case)` gives the forms to measure.
    `storage` says that it only changes how numbers are stored, so that it can be laid on any other form.
    """

    name: str
    suits: Callable[[Case], str]
    make: Callable[[Case], Sequence[Variant]]
    storage: bool = False


Feeds = Mapping[str, "np.ndarray"]
