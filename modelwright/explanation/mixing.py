"""A package asked about rows that are mixed of two others: some columns of one, the rest of another.

Rows are read once, as the package reads them; what is mixed are the inputs of its graph, so that every kind of column
(numbers, categories, texts, pictures, series) is taken from one row or the other as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError, nearest

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.data import Dataset
    from modelwright_runtime.model import Model
    from modelwright_runtime.signature import Signature, Task

MOST_BYTES = 2**26
"""Of mixed rows so many bytes are held at once."""
MOST_CELLS_COMPARED = 64
"""Inputs with more numbers a column are not compared: two pictures differ."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows as the graph takes them (`feeds`), their cells as people see them, by column, and from which probability on
    they are told the second of two classes: one threshold, or one for each row."""

    feeds: Mapping[str, np.ndarray]
    cells: Mapping[str, Sequence[Any]]
    n_rows: int
    threshold: float | np.ndarray = 0.5

    def take(self, places: np.ndarray) -> Sample:
        """Some rows, by position."""
        feeds = {name: value[places] for name, value in self.feeds.items()}
        cells = {name: [column[place] for place in places.tolist()] for name, column in self.cells.items()}
        return Sample(feeds, cells, len(places), self.threshold_at(places))

    def threshold_at(self, places: Any) -> Any:
        """The threshold of some rows, by position."""
        return self.threshold if isinstance(self.threshold, float) else self.threshold[places]


@dataclass(frozen=True, eq=False)
class Mixer:
    """A loaded package, and which of its inputs belong to which column.

    `columns` are the names that feed the graph. `owners` says for each input of the graph which column each place of
    its second axis belongs to (int64), or the one column that it is as a whole (int). `output` is the place of the
    target that is asked about.
    """

    model: Model
    columns: tuple[str, ...]
    owners: Mapping[str, np.ndarray | int]
    output: int = 0

    @property
    def task(self) -> Task:
        """What the answers are about: one of the package's targets."""
        return self.model.signature.tasks[self.output]

    def read(self, rows: Any) -> Sample:
        """Raw rows, in any form that `Model.predict` takes."""
        if isinstance(getattr(rows, "ndim", None), int) and rows.ndim == 2 and not hasattr(rows, "columns"):
            rows = {name: rows[:, place] for place, name in enumerate(self.model.columns)}
        feeds = self.model.feeds(rows)
        cells = {name: cells_of(rows, name, self.model) for name in self.columns}
        one = self.model.signature.threshold_at(self.output)
        threshold = self.model.thresholds(rows) if self.output == 0 else one
        return Sample(feeds, cells, len(next(iter(feeds.values()))), threshold)

    def typed(self, data: Dataset) -> Sample:
        """Typed rows, as training has them."""
        from modelwright.core.inputs import feeds

        cells = {name: data.frame[name].to_list() for name in self.columns}
        signature, frame = self.model.signature, data.frame
        groups = signature.group_thresholds
        values = {name: frame[name].to_list() for name in (groups.names if groups else ())}
        threshold = signature.threshold_of(values) if self.output == 0 else signature.threshold_at(self.output)
        return Sample(feeds(signature, frame), cells, data.n_rows, threshold)

    def answers(self, sample: Sample) -> np.ndarray:
        """What the package answers to rows as they are (see `Task`)."""
        return self.model.answer_feeds(dict(sample.feeds))[self.output]

    def said(self, answers: np.ndarray, threshold: float | np.ndarray) -> np.ndarray:
        """What the package says in words (objects), or its values."""
        from modelwright_runtime.predictions import decide_task

        return decide_task(answers, self.task, threshold)

    def mixed(self, one: Sample, other: Sample, places: tuple[np.ndarray, np.ndarray], taken: np.ndarray) -> np.ndarray:
        """The answers to rows whose columns `taken` come from `one` and whose others come from `other`.

        `places` are positions in both, each (k,); `taken` is bool (k, n_columns).
        """
        import numpy as np

        n_rows = len(taken)
        n_bytes = sum(value[:1].nbytes for value in other.feeds.values())
        step = max(1, min(n_rows, MOST_BYTES // max(1, n_bytes)))
        parts = []
        for start in range(0, max(1, n_rows), step):
            now = slice(start, start + step)
            feeds = {
                name: np.where(
                    _spread(taken[now], self.owners[name], other.feeds[name].ndim),
                    one.feeds[name][places[0][now]], other.feeds[name][places[1][now]],
                )
                for name in other.feeds
            }  # fmt: skip
            parts.append(self.model.answer_feeds(feeds)[self.output])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def values(self, sample: Sample, place: int) -> np.ndarray | None:
        """A column's values as the graph takes them, (n_rows,): float64, objects (texts), or codes (int64); None for
        what has no single values, such as texts, pictures and series."""
        import numpy as np

        for name, owner in self.owners.items():
            feed = sample.feeds[name]
            if isinstance(owner, np.ndarray) and feed.ndim == 2 and (owner == place).any():
                column = feed[:, int(np.argmax(owner == place))]
                return column.astype(np.float64) if column.dtype.kind == "f" else column
        return None

    def differs(self, one: Sample, place: int, other: Sample) -> np.ndarray:
        """Where a row differs from each row of another sample, bool (n_rows, n_columns). What is large counts so."""
        import numpy as np

        found = np.zeros((other.n_rows, len(self.columns)), dtype=bool)
        for name, owner in self.owners.items():
            values, own = other.feeds[name], one.feeds[name][place]
            if own.size > MOST_CELLS_COMPARED * max(1, np.size(owner)):
                found[:, owner] = True
                continue
            unlike = values != own
            if values.dtype.kind == "f":
                unlike &= ~(np.isnan(values) & np.isnan(own))
            unlike = unlike.reshape(other.n_rows, *unlike.shape[1:2], -1).any(axis=-1)
            if isinstance(owner, int):
                found[:, owner] |= unlike.reshape(other.n_rows, -1).any(axis=1)
            else:
                np.logical_or.at(found, (slice(None), owner), unlike)  # type: ignore[arg-type]  # a column may be twice
        return found


def mixer_of(model: Model, target: str | None = None) -> Mixer:
    """What mixes the rows of a package; `target` names one of several targets, else the first.

    Raises `UserError` `explain.target` for one that it has not, `explain.task` for boxes, masks and coordinates.
    """
    import numpy as np

    signature = model.signature
    targets = [task.target for task in signature.tasks]
    if target is not None and target not in targets:
        raise UserError("explain.target", f"the package does not answer {target!r}.", hint=nearest(target, targets))
    output = 0 if target is None else targets.index(target)
    kind = signature.tasks[output].kind
    if kind in ("detection", "segmentation", "embedding"):
        raise UserError(
            "explain.task", f"columns do not explain {kind}: there is no one number to share out.",
            hint="one chance, value or score is explained; the report of a run has what else can be shown",
        )  # fmt: skip
    columns = tuple(name for name in model.columns if name in _inputs(signature))
    place = {name: index for index, name in enumerate(columns)}
    owners: dict[str, np.ndarray | int] = {}
    for name, owned in (("numbers", signature.numbers), ("categories", signature.categories)):
        if owned:
            owners[name] = np.array([place[one] for one in owned])
    for index, text in enumerate(signature.texts):
        owners[f"text_{index}"] = place[text.column]
    for index, array in enumerate(signature.arrays):
        alone = array.form not in ("codes", "numbers", "series")
        owned_by = [place[one] for one in array.columns]
        owners[f"array_{index}"] = owned_by[0] if alone else np.array(owned_by)
    return Mixer(model, columns, owners, output)


def _inputs(signature: Signature) -> set[str]:
    """Columns that feed the graph: others only say which group a row is of."""
    of_arrays = {name for array in signature.arrays for name in array.columns}
    return {*signature.numbers, *signature.categories, *(text.column for text in signature.texts), *of_arrays}


def _spread(taken: np.ndarray, owner: np.ndarray | int, n_axes: int) -> np.ndarray:
    """Which cells of an input are taken: the choice of columns laid over the input's axes."""
    chosen = taken[:, [owner]] if isinstance(owner, int) else taken[:, owner]
    return chosen.reshape(*chosen.shape, *(1,) * (n_axes - 2))


def cells_of(rows: Any, name: str, model: Model) -> list[Any]:
    """One column of raw rows in any form, as a list.

    >>> from modelwright.testing.packages import tiny_graph, tiny_signature
    >>> from modelwright_runtime.model import Model
    >>> cells_of([{"age": "31"}, {"age": None}], "age", Model(tiny_graph(), tiny_signature()))
    ['31', None]
    """
    from modelwright_runtime.cells import is_table

    lists = frozenset(column for column, kind in model.kinds.items() if kind == "series")
    if is_table(rows, lists):
        return list(rows[name])
    return [row[name] for row in ([rows] if isinstance(rows, Mapping) else rows)]
