"""Detectors heard together: two schools, each the mean of its detectors, and the surer one speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright import oddness
from modelwright.core.rng import stream_seed

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.use import Use
    from modelwright.core.values import Fitted
    from modelwright.graph import Graph, Tensor
    from modelwright.unsupervised.base import Detector

AUTO = ("isolation_forest", "ecod", "spread", "histogram", "distance", "ellipse", "lof")
"""The global school is that of cleaning; the local one has what did best on tables that were made for it, with planted
rows of four kinds (benchmarks/tabular/unsupervised.py)."""
Scale = tuple[float, float]


@dataclass(frozen=True, eq=False, kw_only=True)
class Member:
    """A fitted detector and the middle and spread of its scores on the training rows."""

    name: str
    school: str
    fitted: Fitted
    scale: Scale


@dataclass(frozen=True, eq=False, kw_only=True)
class Joint:
    """Detectors that were fitted on the same rows, as one: `raw` is how odd a row is, in middle deviations.

    `schools` has the middle and spread of each school's mean; the local one is weighed by `agreement`.
    """

    members: tuple[Member, ...]
    schools: Mapping[str, Scale]
    agreement: float

    def raw(self, points: np.ndarray) -> np.ndarray:
        """How odd rows are, float64 (n,)."""
        return self.heard(self.scores(points))

    def scores(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """What each detector says, in its own middle deviations."""
        return {one.name: _unified(one.fitted.predict(points), one.scale) for one in self.members}

    def heard(self, scores: Mapping[str, np.ndarray]) -> np.ndarray:
        """The surer school."""
        import numpy as np

        voices = [
            _unified(_mean(scores, self.members, school), scale) * self._weight(school)
            for school, scale in self.schools.items()
        ]
        return np.asarray(np.max(voices, axis=0))

    def _weight(self, school: str) -> float:
        return self.agreement if school == "local" and len(self.schools) > 1 else 1.0

    def emit(self, graph: Graph, x: str) -> str:
        """`raw` as a column of nodes, (n, 1)."""
        said = {one.name: _emit_unified(graph.tensor(one.fitted.emit(graph, x)), one.scale) for one in self.members}
        voices = []
        for school, scale in self.schools.items():
            own = [said[one.name] for one in self.members if one.school == school]
            total = own[0]
            for more in own[1:]:
                total = total + more
            voices.append(_emit_unified(total * (1 / len(own)), scale) * self._weight(school))
        return voices[0].name if len(voices) == 1 else graph.node("Max", *(voice.name for voice in voices))


def join(points: np.ndarray, uses: Sequence[tuple[Detector, Any]], *, seed: int) -> Joint:
    """Fit detectors on the same points and put them on one scale.

    A detector's scores are told in deviations from their middle and averaged within its school: what is odd beside
    all rows, and what is odd beside rows like it. The local school is weighed by how far it agrees with the global one
    in the order of all rows: where neighbours say something else altogether, odd rows lie together, or the table is
    too wide for distances. Of the two the larger one counts.

    Reference: Kriegel et al. (2011), "Interpreting and unifying outlier scores", SDM; Aggarwal and Sathe (2015),
    "Theoretical foundations and algorithms for outlier ensembles", SIGKDD Explorations 17(1).
    """
    members, scores = [], {}
    for detector, spec in uses:
        fitted = detector.fit(points, spec=spec, seed=stream_seed(seed, "unsupervised", detector.name))
        own = fitted.predict(points)
        scale = oddness.middle_of(own)
        members.append(Member(name=detector.name, school=detector.school, fitted=fitted, scale=scale))
        scores[detector.name] = _unified(own, scale)
    names = [name for name in ("global", "local") if any(one.school == name for one in members)]
    means = {name: _mean(scores, members, name) for name in names}
    schools = {name: oddness.middle_of(mean) for name, mean in means.items()}
    agreed = oddness.agreement(means["global"], means["local"]) if len(names) == 2 else 1.0
    return Joint(members=tuple(members), schools=schools, agreement=agreed)


def _mean(scores: Mapping[str, np.ndarray], members: Sequence[Member], school: str) -> np.ndarray:
    import numpy as np

    return np.asarray(np.mean([scores[one.name] for one in members if one.school == school], axis=0))


def _unified(scores: np.ndarray, scale: Scale) -> np.ndarray:
    import numpy as np

    return np.asarray(np.maximum((scores - scale[0]) / scale[1], oddness.MOST_USUAL))


def _emit_unified(scores: Tensor, scale: Scale) -> Tensor:
    import numpy as np

    return ((scores - scale[0]) / scale[1]).clip(oddness.MOST_USUAL, np.inf)


def uses_of(given: Any) -> list[tuple[Detector, Any]]:
    """Detectors by name with their checked settings."""
    from modelwright.core import registry
    from modelwright.core.use import Use
    from modelwright.unsupervised.base import settings_of

    named: Sequence[Use] = [Use(method=name) for name in AUTO] if given == "auto" else given
    found = {use.method: (registry.get("detectors", use.method), use.settings) for use in named}
    return [(detector, settings_of(detector, settings)) for detector, settings in found.values()]
