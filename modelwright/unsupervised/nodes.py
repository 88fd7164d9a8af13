"""Pieces of graphs that several methods share, each beside the NumPy that it must answer as."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph, Tensor

NOTHING = 1e-4
"""Distances below are none: of rows of length 100 the graph has squared distances to about 1e-11."""
BLOCK = 512
"""Rows whose distances are held in memory at once."""


def distances(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Euclidean distances (n, n_rows), 0 below `NOTHING`."""
    import numpy as np
    from scipy.spatial.distance import cdist

    far: np.ndarray = cdist(x, rows)
    far[far < NOTHING] = 0.0
    return np.asarray(far)


def emit_distances(graph: Graph, x: str, rows: np.ndarray) -> Tensor:
    """`distances` as nodes, by |x|^2 + |row|^2 - 2 x row."""
    import numpy as np

    wide = graph.tensor(x)
    lengths = graph.tensor(graph.node("ReduceSumSquare", x, graph.constant([1], "int64"), keepdims=1))
    squared = (wide @ (-2.0 * rows.T) + np.square(rows).sum(axis=1)[None] + lengths).clip(0.0, np.inf)
    far = squared.map("Sqrt")
    near = graph.node("Less", far.name, graph.constant(NOTHING, "float64"))
    return graph.tensor(graph.node("Where", near, graph.constant(0.0, "float64"), far.name))


def steps(x: np.ndarray, edges: np.ndarray, rises: np.ndarray) -> np.ndarray:
    """Step functions of the columns, (n, d): column j begins at `rises[j, 0]` and rises by `rises[j, k + 1]` from
    `edges[j, k]` on; edges that are infinite are never reached."""
    import numpy as np

    made = np.empty(x.shape)
    totals = np.cumsum(rises, axis=1)
    for column in range(x.shape[1]):
        made[:, column] = totals[column][np.searchsorted(edges[column], x[:, column], side="right")]
    return made


def emit_steps(graph: Graph, x: str, edges: np.ndarray, rises: np.ndarray) -> Tensor:
    """`steps` as nodes."""
    column = graph.node("Unsqueeze", x, graph.constant([2], "int64"))
    reached = graph.node("GreaterOrEqual", column, graph.constant(np_finite(edges)[None], "float64"))
    risen = graph.tensor(graph.tensor(reached).cast("float64")) * rises[None, :, 1:]
    total = graph.tensor(graph.node("ReduceSum", risen.name, graph.constant([2], "int64"), keepdims=0))
    stepped: Tensor = total + rises[None, :, 0]
    return stepped


def np_finite(values: np.ndarray) -> np.ndarray:
    """Infinite edges as the largest float64: a graph holds numbers."""
    import numpy as np

    finite: np.ndarray = np.nan_to_num(values, posinf=np.finfo(np.float64).max)
    return finite


def interpolated(x: np.ndarray, knots: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """A rising line through knots, 0 at the first: x (n,), knots (k,), slopes (k - 1,)."""
    import numpy as np

    parts = np.clip(x[:, None] - knots[:-1][None], 0.0, np.diff(knots)[None])
    return np.asarray(parts @ slopes)


def emit_interpolated(graph: Graph, x: str, knots: np.ndarray, slopes: np.ndarray) -> Tensor:
    """`interpolated` as nodes, from a column (n, 1) to a column (n, 1)."""
    import numpy as np

    above = (graph.tensor(x) - knots[:-1][None]).clip(0.0, np.inf)
    widths = graph.constant(np.diff(knots)[None], "float64")
    parts = graph.tensor(graph.node("Min", above.name, widths))
    return parts @ slopes[:, None]
