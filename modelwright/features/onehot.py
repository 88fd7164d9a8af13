"""One column of 0 and 1 per level of a category."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from modelwright.core.spec import Spec
from modelwright.features._levels import by_frequency, codes, emit_codes
from modelwright.features.base import State, Step

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph


class OneHotSpec(Spec):
    """Which levels get a column."""

    min_count: int = Field(1, ge=1, description="a level seen in fewer training rows is rare")
    max_levels: int = Field(50, ge=1, description="levels beyond the most frequent ones are rare")
    other: Literal["column", "zeros"] = Field(
        "column",
        description="rare and unseen levels: a column of their own (made when training has rare ones), "
        "or zeros in every column",
    )


def learn(x: np.ndarray, *, spec: OneHotSpec, **_: Any) -> State:
    """The levels that get a column, most frequent first; missing ("") is a level when training has it.

    Reference: Suits (1957), "Use of dummy variables in regression equations".

    >>> import numpy as np
    >>> state = learn(np.array([["a"], ["b"], ["a"]], dtype=object), spec=OneHotSpec(min_count=2))
    >>> names(state, ["c"]), apply(state, np.array([["a"], ["z"]], dtype=object)).tolist()
    ([('c=a', 0), ('c other', 0)], [[1.0, 0.0], [0.0, 1.0]])
    """
    levels = by_frequency(x, min_count=spec.min_count, max_levels=spec.max_levels)
    rare = [
        spec.other == "column" and len(set(x[:, index].tolist())) > len(known) for index, known in enumerate(levels)
    ]
    return {"levels": levels, "other": rare}


def _slots(state: State) -> list[tuple[int, int]]:
    """For each column made: the position of its input column, and the code that it flags (-1: other)."""
    return [
        (index, code)
        for index, (known, other) in enumerate(zip(state["levels"], state["other"], strict=True))
        for code in [*range(len(known)), *([-1] if other else [])]
    ]


def apply(state: State, x: np.ndarray) -> np.ndarray:
    """The flags: float64 of shape (n, number of levels kept and of "other" columns)."""
    import numpy as np

    coded = codes(state["levels"], x)
    flags = np.empty((len(x), len(_slots(state))), dtype=np.float64)
    for made, (index, code) in enumerate(_slots(state)):
        flags[:, made] = coded[:, index] == code
    return flags


def names(state: State, columns: Sequence[str]) -> list[tuple[str, int]]:
    """`<column>=<level>` and `<column> other`."""
    return [
        (f"{columns[index]}={state['levels'][index][code]}" if code >= 0 else f"{columns[index]} other", index)
        for index, code in _slots(state)
    ]


def emit(state: State, graph: Graph, x: str) -> str:
    """`apply` as nodes."""
    import numpy as np

    slots = np.array(_slots(state), dtype=np.int64)
    coded = graph.node("Gather", emit_codes(state["levels"], graph, x), graph.constant(slots[:, 0], "int64"), axis=1)
    return graph.tensor(graph.node("Equal", coded, graph.constant(slots[None, :, 1], "int64"))).cast("float64")


STEP = Step(name="onehot", accepts="categories", spec=OneHotSpec, learn=learn, apply=apply, names=names, emit=emit)
