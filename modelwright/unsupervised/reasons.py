"""Which columns make a row odd: how far out each value lies, and how badly it goes with the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwright import oddness
from modelwright.unsupervised.detectors.ecod import tail_steps
from modelwright.unsupervised.nodes import emit_steps, steps

if TYPE_CHECKING:
    import numpy as np

    from modelwright.graph import Graph
    from modelwright.unsupervised.space import Space

MOST = 30.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Reasons:
    """Each input column's part in a row's oddness, in nats: `columns` in order, `members` (n_columns, k) the places
    of each one's features, repeated where it has fewer than k."""

    columns: tuple[str, ...]
    members: np.ndarray
    edges: np.ndarray
    rises: np.ndarray
    centre: np.ndarray
    precision: np.ndarray

    def parts(self, points: np.ndarray) -> np.ndarray:
        """Parts of the columns, (n, n_columns)."""
        import numpy as np

        apart = (points - self.centre) @ self._scaled()
        each = steps(points, self.edges, self.rises) + np.minimum(apart**2 / 2, MOST)
        return np.asarray(each[:, self.members].max(axis=2))

    def emit(self, graph: Graph, x: str) -> str:
        """`parts` as nodes."""
        apart = (graph.tensor(x) - self.centre[None]) @ self._scaled()
        each = emit_steps(graph, x, self.edges, self.rises) + (apart * apart * 0.5).clip(0.0, MOST)
        chosen = graph.node("Gather", each.name, graph.constant(self.members, "int64"), axis=1)
        return graph.node("ReduceMax", chosen, graph.constant([2], "int64"), keepdims=0)

    def _scaled(self) -> np.ndarray:
        import numpy as np

        return np.asarray(self.precision / np.sqrt(np.diag(self.precision))[None])


def learn_reasons(space: Space, points: np.ndarray) -> Reasons:
    """Learn what is usual, column by column and given the other columns.

    A column's part is minus the logarithm of the share of rows at least as far out in it, and half the square of how
    many deviations its value lies from what the other columns say it should be (a normal distribution's bound on the
    logarithm of its tail): both are nats, and add up where they are independent. Of a column with several features the
    largest counts.

    Reference: Rousseeuw and Van den Bossche (2018), "Detecting deviating data cells", Technometrics 60(2).
    """
    import numpy as np

    edges, rises = tail_steps(points, 0.1)
    centre, precision = oddness.trimmed(points)
    columns = space.columns
    groups = [[place for place, source in enumerate(space.sources) if source == name] for name in columns]
    width = max(len(group) for group in groups)
    members = np.array([[*group, *group[:1] * (width - len(group))] for group in groups], dtype=np.int64)
    return Reasons(columns=columns, members=members, edges=edges, rises=rises, centre=centre, precision=precision)
