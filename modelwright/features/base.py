"""Features: typed columns in, one float32 matrix out; learned once, then the same in NumPy and in ONNX.

A *step* (`Step`, one file each) works on a block of columns at once. A *chain* of steps makes a block of the
matrix: `["impute", "standardise"]`. A `FeatureSpec` says which chains each kind of column goes through; the
blocks lie side by side in the matrix. All is computed in float64 and cast to float32 at the very end, so that
a number reaches a tree's threshold as the same float32 in training and in serving.

`learn_apply` gives the training rows with out-of-fold encodings; `apply` and `emit` are for every other row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from modelwright.core.errors import UserError
from modelwright.core.registry import get
from modelwright.features.spec import FeatureSpec, Kind, preset

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.data import Dataset, Schema
    from modelwright.core.spec import Spec
    from modelwright.graph import Graph
    from modelwright_runtime.signature import Task, TextInput

__all__ = [
    "Block",
    "FeatureSpec",
    "FeatureState",
    "Inputs",
    "Step",
    "apply",
    "emit",
    "learn",
    "learn_apply",
    "preset",
    "seen",
    "shared_inputs",
]

Accepts = Literal["numbers", "categories", "texts"]
State = Mapping[str, Any]
"""What a step learned: a flat mapping of arrays and JSON-able values."""

LARGEST = 3.4028234663852886e38
"""The largest float32; larger numbers are brought down to it, for scikit-learn refuses infinities."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One method of the features stage, as four functions over a block of columns.

    `x` is float64 of shape (n, k), NaN where missing (`accepts="numbers"`); str objects of shape (n, k), ""
    where missing (`"categories"`); or a list of n texts (`"texts"`). `learn(x, *, spec, target, task, rng)`
    sees training rows only; `target` is class indices or values, shape (n,). `apply(state, x)` gives float64
    of shape (n, d), `emit(state, graph, x)` the name of the same tensor, and `names(state, columns)` for each
    of the d columns its name and the position of the column it comes from. `learn_apply`, where a step has
    one, gives the state and a matrix for the training rows themselves in which no row sees its own target.
    """

    name: str
    accepts: Accepts
    spec: type[Spec]
    learn: Callable[..., State]
    apply: Callable[[State, Any], np.ndarray]
    names: Callable[[State, Sequence[str]], list[tuple[str, int]]]
    emit: Callable[[State, Graph, str], str]
    learn_apply: Callable[..., tuple[State, np.ndarray]] | None = None


@dataclass(frozen=True, eq=False)
class Block:
    """Some columns and the chain that they go through: pairs of a step's name and what it learned."""

    accepts: Accepts
    columns: tuple[str, ...]
    steps: tuple[tuple[str, State], ...]

    def names(self) -> list[tuple[str, str]]:
        """For each column of the block's matrix: its name, and the input column that it comes from."""
        made = [(name, name) for name in self.columns]
        for name, state in self.steps:
            step: Step = get("features", name)
            given = [label for label, _ in made]
            made = [(label, made[index][1]) for label, index in step.names(state, given)]
        return made

    def text(self) -> TextInput:
        """The text input that the block reads."""
        from modelwright_runtime.signature import TextInput

        state = self.steps[0][1]
        weights = tuple(float(weight) for weight in state["idf"])
        return TextInput(column=self.columns[0], vocabulary=tuple(state["vocabulary"]), idf=weights)


@dataclass(frozen=True, eq=False)
class FeatureState:
    """What was learned from the training rows. `names` and `sources` are per column of the matrix: its name,
    and the input column that it comes from."""

    blocks: tuple[Block, ...]
    names: tuple[str, ...]
    sources: tuple[str, ...]

    def columns(self, accepts: Accepts) -> tuple[str, ...]:
        """Input columns of that kind that the matrix is made of, each once."""
        found = (name for block in self.blocks if block.accepts == accepts for name in block.columns)
        return tuple(dict.fromkeys(found))

    def by_source(self, importance: np.ndarray) -> dict[str, float]:
        """Importance per column of the matrix, shape (d,), summed per input column."""
        totals = dict.fromkeys(self.sources, 0.0)
        for source, value in zip(self.sources, importance, strict=True):
            totals[source] += float(value)
        return totals

    def to_plain(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """JSON-able data and the arrays that it names."""
        import numpy as np

        arrays: dict[str, np.ndarray] = {}

        def plain(value: Any) -> Any:
            if not isinstance(value, np.ndarray):
                return value
            arrays[f"array_{len(arrays)}"] = value
            return {"array": f"array_{len(arrays) - 1}"}

        blocks = [
            {
                "accepts": block.accepts,
                "columns": list(block.columns),
                "steps": [[name, {key: plain(state[key]) for key in sorted(state)}] for name, state in block.steps],
            }
            for block in self.blocks
        ]
        return {"blocks": blocks}, arrays

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> FeatureState:
        """The inverse of `to_plain`."""

        def value(item: Any) -> Any:
            return arrays[item["array"]] if isinstance(item, dict) and set(item) == {"array"} else item

        return _state(
            Block(
                block["accepts"],
                tuple(block["columns"]),
                tuple((name, {key: value(item) for key, item in state.items()}) for name, state in block["steps"]),
            )
            for block in plain["blocks"]
        )


def _state(blocks: Iterable[Block]) -> FeatureState:
    labelled = [(block, block.names()) for block in blocks]
    kept = [(block, names) for block, names in labelled if names]
    pairs = [pair for _, names in kept for pair in names]
    return FeatureState(
        tuple(block for block, _ in kept), tuple(name for name, _ in pairs), tuple(col for _, col in pairs)
    )


def learn(
    data: Dataset,
    columns: Sequence[str],
    spec: FeatureSpec,
    target: np.ndarray,
    *,
    task: Task,
    rng: np.random.Generator,
) -> FeatureState:
    """Learn features from training rows; see `learn_apply`, which gives their matrix as well."""
    return learn_apply(data, columns, spec, target, task=task, rng=rng)[0]


def learn_apply(
    data: Dataset,
    columns: Sequence[str],
    spec: FeatureSpec,
    target: np.ndarray,
    *,
    task: Task,
    rng: np.random.Generator,
) -> tuple[FeatureState, np.ndarray]:
    """Learn from training rows; the state and their float32 matrix (n, d), with out-of-fold encodings.

    `target` is int class indices or float values, shape (n,). Raises `features.kind` for a column that was
    not cleaned and `features.none` when nothing is left to learn from.

    Reference for out-of-fold encodings: Micci-Barreca (2001), "A preprocessing scheme for high-cardinality
    categorical attributes"; Pargent et al. (2022), "Regularized target encoding outperforms ...".

    >>> import numpy as np, polars as pl
    >>> from modelwright.core.data import Column, Dataset, Schema
    >>> from modelwright_runtime.signature import Task
    >>> frame = pl.DataFrame({"size": [1.0, None, 3.0], "colour": ["red", "blue", "red"]})
    >>> data = Dataset.from_frame(frame, Schema((Column("size", "number"), Column("colour", "category"))))
    >>> state, x = learn_apply(data, ["size", "colour"], preset("scaled"), np.array([1.0, 2.0, 3.0]),
    ...     task=Task(kind="regression", target="y"), rng=np.random.default_rng(0))
    >>> state.names
    ('size missing', 'size', 'colour=red', 'colour=blue')
    >>> x.round(1).tolist()
    [[0.0, -1.2..., 1.0, 0.0], [1.0, 0.0, 0.0, 1.0], [0.0, 1.2..., 1.0, 0.0]]
    """
    blocks, matrices = [], []
    for accepts, names, chain in _plan(data, columns, spec):
        x = _read(data, accepts, names)
        steps: list[tuple[str, State]] = []
        for use in chain:
            step: Step = get("features", use.step)
            settings = step.spec.parse(use.settings, where=use.step)
            state, x = _learn_step(step, x, spec=settings, target=target, task=task, rng=rng)
            steps.append((use.step, state))
        blocks.append(Block(accepts, names, tuple(steps)))
        matrices.append(x)
    learned = _state(blocks)
    if not learned.names:
        raise UserError(
            "features.none",
            f"the columns {list(columns)[:5]} hold nothing to learn from.",
            hint="check the columns' kinds and roles, and that they are not empty",
        )
    return learned, _join(matrices)


def _learn_step(step: Step, x: Any, **learning: Any) -> tuple[State, np.ndarray]:
    if step.learn_apply is not None:
        return step.learn_apply(x, **learning)
    state = step.learn(x, **learning)
    return state, step.apply(state, x)


def _join(matrices: Sequence[np.ndarray]) -> np.ndarray:
    import numpy as np

    return np.concatenate([x.clip(-LARGEST, LARGEST).astype(np.float32) for x in matrices], axis=1)


def apply(state: FeatureState, data: Dataset) -> np.ndarray:
    """The matrix of new rows: float32 of shape (n, len(state.names))."""
    matrices = []
    for block in state.blocks:
        x = _read(data, block.accepts, block.columns)
        for name, learned in block.steps:
            x = get("features", name).apply(learned, x)
        matrices.append(x)
    return _join(matrices)


def _read(data: Dataset, accepts: Accepts, columns: tuple[str, ...]) -> Any:
    from modelwright.core import inputs

    if accepts == "numbers":
        return inputs.numbers(data.frame, columns)
    if accepts == "categories":
        return inputs.categories(data.frame, columns)
    return inputs.texts(data.frame, columns[0])


def _plan(data: Dataset, columns: Sequence[str], spec: FeatureSpec) -> list[tuple[Accepts, Any, Any]]:
    """For each block: what it accepts, its columns and its chain."""
    groups: dict[Kind, list[str]] = {kind: [] for kind in ("numbers", "dates", "few", "many", "texts")}
    for name in columns:
        groups[_group(data, data.schema, name, spec)].append(name)
    plan: list[tuple[Accepts, Any, Any]] = []
    for kind, names in groups.items():
        for chain in getattr(spec, kind) if names else ():
            if kind == "texts":
                plan += [("texts", (name,), chain) for name in names]
            else:
                accepts: Accepts = "categories" if kind in ("few", "many") else "numbers"
                plan.append((accepts, tuple(names), chain))
    return plan


def _group(data: Dataset, schema: Schema, name: str, spec: FeatureSpec) -> Kind:
    kind = schema[name].kind
    if kind in ("number", "boolean"):
        return "numbers"
    if kind == "datetime":
        return "dates"
    if kind == "text":
        return "texts"
    if kind == "category":
        return "few" if data.frame[name].n_unique() <= spec.most_few else "many"
    raise UserError("features.kind", f"column {name!r} has the kind {kind!r}.", hint="clean the table first")


@dataclass(frozen=True)
class Inputs:
    """The inputs that all models of one graph share, in the order of the package's signature."""

    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    texts: tuple[TextInput, ...]

    def declare(self, graph: Graph) -> None:
        """Declare the graph inputs `numbers`, `categories` and `text_<i>`; those with no column are absent."""
        if self.numbers:
            graph.input("numbers", "float64", (None, len(self.numbers)))
        if self.categories:
            graph.input("categories", "str", (None, len(self.categories)))
        for index, text in enumerate(self.texts):
            graph.input(f"text_{index}", "float32", (None, len(text.vocabulary)))

    def select(self, graph: Graph, block: Block) -> str:
        """The tensor of a block's columns."""
        if block.accepts == "texts":
            return f"text_{self.texts.index(block.text())}"
        return select(graph, block.accepts, getattr(self, block.accepts), block.columns)


def select(graph: Graph, x: str, has: Sequence[Any], wanted: Sequence[Any]) -> str:
    """The columns `wanted` of a tensor whose columns are `has`."""
    if list(has) == list(wanted):
        return x
    positions = [list(has).index(item) for item in wanted]
    return graph.node("Gather", x, graph.constant(positions, "int64"), axis=1)


def shared_inputs(states: Sequence[FeatureState]) -> Inputs:
    """The inputs that feed all of these states: the union of their columns.

    A text column weighed in two ways (two vocabularies) is two inputs.
    """
    texts = (block.text() for state in states for block in state.blocks if block.accepts == "texts")
    return Inputs(
        tuple(dict.fromkeys(name for state in states for name in state.columns("numbers"))),
        tuple(dict.fromkeys(name for state in states for name in state.columns("categories"))),
        tuple(dict.fromkeys(texts)),
    )


def emit(state: FeatureState, graph: Graph, inputs: Inputs) -> str:
    """Write the features as nodes; the name of the float32 tensor (n, len(state.names)).

    `inputs` must have been declared in this graph.
    """
    tensors = []
    for block in state.blocks:
        x = inputs.select(graph, block)
        for name, learned in block.steps:
            x = get("features", name).emit(learned, graph, x)
        tensors.append(x)
    joined = tensors[0] if len(tensors) == 1 else graph.node("Concat", *tensors, axis=1)
    return graph.tensor(joined).clip(-LARGEST, LARGEST).cast("float32")


def seen(data: Dataset, columns: Sequence[str]) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[float, float]]]:
    """The levels of the category columns, sorted, and the ranges of the columns read as numbers, as seen in
    these rows: what a signature tells of them."""
    import numpy as np

    from modelwright.core.inputs import numbers

    kinds = {name: data.schema[name].kind for name in columns}
    levels = {
        name: tuple(sorted(data.frame[name].drop_nulls().unique().to_list()))
        for name in columns
        if kinds[name] == "category"
    }
    measured = [name for name in columns if kinds[name] in ("number", "boolean", "datetime")]
    x = numbers(data.frame, measured)
    low, high = np.fmin.reduce(x, axis=0), np.fmax.reduce(x, axis=0)  # NaN where all is missing
    found = zip(measured, low.tolist(), high.tolist(), strict=True)
    ranges = {name: (least, most) for name, least, most in found if least == least}
    return levels, ranges
