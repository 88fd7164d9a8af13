"""Reports of what was learned without a target: what rows that were not learned on say of it, and labels where known.

What needs the learned space itself (how far halves of the rows agree, silhouettes, trust) was measured when it was
learned and lies in the model's history; here it gets its interval and its baseline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelwright.core.data import ROW_ID, Dataset, Decision
from modelwright.core.errors import UserError
from modelwright.core.rng import stream
from modelwright.core.values import Metric, Report, Trained
from modelwright.evaluation.bootstrap import interval
from modelwright.evaluation.names import EVERY
from modelwright.evaluation.text import figure, percent, short

if TYPE_CHECKING:
    import numpy as np

    from modelwright.evaluation.base import EvaluateSpec

KINDS = ("anomaly", "clusters", "embedding")
MOST_DRAWN, MOST_DRAWS = 2_000, 400
N_ODDEST = 12
MOST_SHOWN = 8
Found = tuple[Metric, Metric | None, "np.ndarray"]
"""A metric, its baseline, and by how much draws of it are better."""


def report_unlabelled(trained: Trained, data: Dataset, spec: EvaluateSpec, *, seed: int = 0) -> Report:
    """The report of a model without a target on held-out rows.

    Raises `evaluation.rows` when no row is held out, `evaluation.target` when the column of labels is not there.
    """
    import numpy as np

    if not data.n_rows:
        raise UserError("evaluation.rows", "no row is held out to look at.", hint="hold some out with `split: {size:}`")
    kind = trained.task.kind
    facts = next(one["facts"] for one in trained.history if one.get("event") == "facts")
    answers = trained.predict(data)
    rng = stream(seed, "evaluation", "unlabelled")
    labels, told = _labels(data, spec.labels)
    made: dict[str, Callable[..., list[Found]]] = {
        "anomaly": _of_anomalies, "clusters": _of_clusters, "embedding": _of_coordinates,
    }  # fmt: skip
    found = made[kind](facts, answers, labels, rng, spec)
    gain = found[0][2]
    base = found[0][1]
    tail = (1 - spec.confidence) / 2
    curves = {
        "facts": facts, "headline": _headline(kind, facts, answers, trained, found),
        "confidence": spec.confidence, "baseline_name": _BASELINES[kind],
        "gain": {"value": float(found[0][0].value - base.value), "low": float(np.quantile(gain, tail)),
                 "high": float(np.quantile(gain, 1 - tail))} if base else None,
        **({"oddest": _oddest(trained, data, answers)} if kind == "anomaly" else {}),
        **_verdict(kind, facts, found),
    }  # fmt: skip
    return Report(
        task=kind, n_rows=data.n_rows, primary=found[0][0].name, metrics=tuple(one for one, _, _ in found),
        baseline=tuple(one for _, one, _ in found if one), slices=(), curves=curves, decisions=tuple(told),
        importance=dict(trained.importance), target=trained.task.target,
    )  # fmt: skip


NOT_CLEAR = (
    "No clear groups: halves of the rows, learned apart, do not agree on them, or one cloud explains them all. What is "
    "numbered are slices of a continuum."
)
_BASELINES = {
    "anomaly": "rows in any order", "clusters": "the same method on shuffled columns",
    "embedding": "as many random directions",
}  # fmt: skip


def _verdict(kind: str, facts: Mapping[str, Any], found: Sequence[Found]) -> dict[str, Any]:
    """What is to be thought of it, where a baseline cannot say."""
    first = found[0][0]
    if kind == "clusters" and not facts["clear"]:
        return {"verdict": ("unclear", NOT_CLEAR)}
    if first.name != "rank_agreement":
        return {}
    rank = f"detectors of two halves of the rows order other rows alike (rank correlation {figure(first.value)})"
    if first.low <= 0:
        return {"verdict": ("unclear", f"Not shown that {rank}: the order may be an accident.")}
    return {"verdict": ("better", f"The order is no accident: {rank}. Whether what is odd matters, only labels tell.")}


def _labels(data: Dataset, name: str) -> tuple[np.ndarray | None, list[Decision]]:
    """The known truth as texts, None where it is missing."""
    import numpy as np
    import polars as pl

    if not name:
        return None, []
    if name not in data.schema:
        raise UserError(
            "evaluation.target", f"there is no column {name!r} with labels.", hint="check `evaluate.labels`"
        )
    values = data.column(name).cast(pl.String).to_list()
    return np.array(values, dtype=object), [
        Decision("evaluation", "labels", name, "answers are held against it; nothing was learned from it")
    ]


# Anomalies ----------------------------------------------------------------------------------------------------


def _of_anomalies(
    facts: Mapping[str, Any], answers: np.ndarray, labels: np.ndarray | None, rng: np.random.Generator,
    spec: EvaluateSpec,
) -> list[Found]:  # fmt: skip
    import numpy as np
    from scipy.stats import spearmanr

    score = answers[:, 0]
    halves = np.array(facts["halves"])
    found = [
        _metric("rank_agreement", lambda rows: float(spearmanr(halves[0][rows], halves[1][rows]).statistic),
                halves.shape[1], rng, spec, base=0.0),
        _metric("uniformity_gap", lambda rows: _uniformity(score[rows]), len(score), rng, spec),
    ]  # fmt: skip
    if labels is None:
        return found
    known = np.array([label is not None for label in labels])
    truth, score = _odd_of(labels[known]), score[known]
    return [*_against_labels(truth, score, facts["threshold"], rng, spec), *found]


def _uniformity(score: np.ndarray) -> float:
    """How far the scores of rows not learned on are from an even spread over 0..1, which they are to have."""
    import numpy as np

    ordered, n = np.sort(score), len(score)
    steps = np.arange(n)
    return float(max((ordered - steps / n).max(), ((steps + 1) / n - ordered).max()))


_YES = {"1", "1.0", "true", "yes", "anomaly", "outlier", "odd", "fraud", "o"}
_NO = {"0", "0.0", "false", "no", "normal", "usual", "inlier", "ok", "n"}


def _odd_of(labels: np.ndarray) -> np.ndarray:
    """Which rows are labelled as anomalies: by the word, else the rarer of two labels."""
    import numpy as np

    words = [str(label).strip().lower() for label in labels]
    known = sorted(set(words))
    if len(known) != 2:
        raise UserError(
            "evaluation.labels", f"labels of anomalies have two values; got {len(known)}: {', '.join(known[:5])}.",
            hint="give a column of yes and no",
        )  # fmt: skip
    counts = {word: words.count(word) for word in known}
    odd = next((word for word in known if word in _YES), None)
    odd = odd or next((word for word in known if {*known} - {word} <= _NO), min(known, key=lambda word: counts[word]))
    return np.array([word == odd for word in words])


def _against_labels(
    truth: np.ndarray, score: np.ndarray, threshold: float, rng: np.random.Generator, spec: EvaluateSpec
) -> list[Found]:
    import numpy as np
    from sklearn.metrics import average_precision_score, roc_auc_score

    flagged = score >= threshold
    n, odd = len(truth), float(truth.mean())

    def both(measure: Callable[[np.ndarray], float]) -> Callable[[np.ndarray], float]:
        return lambda rows: measure(rows) if 0 < truth[rows].sum() < len(rows) else float("nan")

    def precise(rows: np.ndarray) -> float:
        return float(average_precision_score(truth[rows], score[rows]))

    def share(of: np.ndarray, rows: np.ndarray) -> float:
        found = int(of[rows].sum())
        return float((truth & flagged)[rows].sum() / found) if found else float("nan")

    return [
        _metric("roc_auc", both(lambda rows: float(roc_auc_score(truth[rows], score[rows]))), n, rng, spec, base=0.5),
        _metric("average_precision", both(precise), n, rng, spec, base=odd),
        _metric("precision", lambda rows: share(flagged, rows), n, rng, spec, base=odd, n_errorless=int(flagged.sum())),
        _metric("recall", lambda rows: share(truth, rows), n, rng, spec, base=float(np.mean(flagged)),
                n_errorless=int(truth.sum())),
    ]  # fmt: skip


def _oddest(trained: Trained, data: Dataset, answers: np.ndarray) -> list[dict[str, Any]]:
    """The oddest held-out rows, with their values in the columns that make them so."""
    import numpy as np

    from modelwright_runtime.unlabelled import named

    (_, odd), (_, scores), (_, reasons) = named(trained.task, answers, -1.0)
    made = []
    for place in np.argsort(-answers[:, 0], kind="stable")[:N_ODDEST].tolist():
        row = data.frame.row(place, named=True)
        values = {name: _cell(row[name]) for name in reasons[place]}
        made.append({
            "row": int(row[ROW_ID]), "score": float(scores[place]), "reasons": values,
            "flagged": bool(scores[place] >= trained.signature.threshold),
        })  # fmt: skip
    return made


def _cell(value: Any) -> str:
    if value is None:
        return "empty"
    return figure(value) if isinstance(value, float) else short(str(value))


# Clusters -----------------------------------------------------------------------------------------------------


def _of_clusters(
    facts: Mapping[str, Any], answers: np.ndarray, labels: np.ndarray | None, rng: np.random.Generator,
    spec: EvaluateSpec,
) -> list[Found]:  # fmt: skip
    import numpy as np
    from sklearn.metrics import adjusted_rand_score

    agreements, shuffled = np.array(facts["agreements"]), facts["shuffled"]
    found = [
        _metric("agreement", lambda rows: float(agreements[rows].mean()), len(agreements), rng, spec,
                base=float(np.mean(shuffled)) if shuffled else 0.0),
    ]  # fmt: skip
    if facts["silhouettes"]:
        inside = np.array(facts["silhouettes"])
        found.append(_metric("silhouette", lambda rows: float(inside[rows].mean()), len(inside), rng, spec))
    if labels is None:
        return found
    known = np.array([label is not None for label in labels])
    own = np.where(answers.max(axis=1) > 0, answers.argmax(axis=1), -1)[known]
    truth = np.unique(labels[known].astype(str), return_inverse=True)[1]

    def paired(rows: np.ndarray) -> float:
        return float(adjusted_rand_score(truth[rows], own[rows]))

    return [*found, _metric("adjusted_rand", paired, len(own), rng, spec, base=0.0)]


# Coordinates --------------------------------------------------------------------------------------------------


def _of_coordinates(
    facts: Mapping[str, Any], answers: np.ndarray, labels: np.ndarray | None, rng: np.random.Generator,
    spec: EvaluateSpec,
) -> list[Found]:  # fmt: skip
    import numpy as np

    trust, random = np.array(facts["trust"]), np.array(facts["random"])
    found = [
        _metric("trustworthiness", lambda rows: float(trust[rows].mean()), len(trust), rng, spec,
                base=lambda rows: float(random[rows].mean()))
    ]  # fmt: skip
    if "left" in facts:
        left, whole = np.array(facts["left"]), np.array(facts["whole"])
        found.append(
            _metric("explained_variance", lambda rows: 1 - float(left[rows].sum() / max(whole[rows].sum(), 1e-300)),
                    len(left), rng, spec)
        )  # fmt: skip
    if labels is None:
        return found
    known = np.array([label is not None for label in labels])
    right = _neighbours_agree(answers[known], labels[known].astype(str))
    counts = np.unique(labels[known].astype(str), return_counts=True)[1]
    base = float((counts * (counts - 1)).sum() / max(counts.sum() * (counts.sum() - 1), 1))
    return [
        *found,
        _metric("label_neighbours", lambda rows: float(right[rows].mean()), len(right), rng, spec, base=base),
    ]


def _neighbours_agree(places: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Of each row the share of its ten nearest rows on the map that have its label."""
    import numpy as np
    from sklearn.neighbors import NearestNeighbors

    n = min(10, len(places) - 1)
    near = NearestNeighbors(n_neighbors=n).fit(places).kneighbors(return_distance=False)
    return np.asarray((labels[near] == labels[:, None]).mean(axis=1))


# Words and intervals ------------------------------------------------------------------------------------------


def _metric(
    name: str, measure: Callable[[np.ndarray], float], n: int, rng: np.random.Generator, spec: EvaluateSpec, *,
    base: float | Callable[[np.ndarray], float] | None = None, n_errorless: int = 0,
) -> Found:  # fmt: skip
    """A metric of n rows (or halvings) with its bootstrap interval, its baseline, and draws of how much better it is.

    Of more than 2,000 rows so many are drawn, and deviations shrink accordingly.
    """
    import numpy as np

    rows = np.arange(n)
    value = measure(rows)
    value = value if np.isfinite(value) else 0.0  # precision of a line that no row is beyond
    size, draws = min(n, MOST_DRAWN), min(spec.n_bootstrap, MOST_DRAWS)
    drawn = [rng.integers(n, size=size) for _ in range(draws)]
    told = np.array([measure(some) for some in drawn])
    told = np.where(np.isfinite(told), told, value)
    spread = (told - told.mean()) * np.sqrt(size / n)
    low, high = interval(name, value, spread, spec.confidence, n_errorless=n_errorless)
    better = EVERY[name].better
    metric = Metric(name=name, value=value, low=low, high=high, better=better)
    if base is None:
        return metric, None, spread
    under = base(rows) if callable(base) else base
    others = np.array([base(some) for some in drawn]) if callable(base) else np.full(draws, under)
    gains = value - under + (told - others - (told - others).mean()) * np.sqrt(size / n)
    return metric, Metric(name=name, value=under, low=under, high=under, better=better), gains


def _headline(
    kind: str, facts: Mapping[str, Any], answers: np.ndarray, trained: Trained, found: Sequence[Found]
) -> str:
    """What it comes to, in one or two sentences that need no statistics."""
    n = len(answers)
    if kind == "anomaly":
        flagged = int((answers[:, 0] >= trained.signature.threshold).sum())
        first = (
            f"Of {n:,} rows it had never seen, {flagged:,} ({percent(flagged / n)}) are called anomalies; of those it "
        )
        first += f"learned from, {percent(facts['share'])}."
        named = {one.name: one for one, _, _ in found}
        if "roc_auc" not in named:
            return f"{first} Without labels nobody can say how many of them are of interest: look at the oddest ones."
        return f"{first} Held against the labels, {percent(named['precision'].value)} of them are right, and " \
               f"{percent(named['recall'].value)} of the labelled ones are found."  # fmt: skip
    if kind == "clusters":
        sizes = [one["n"] for one in facts["groups"]]
        some = ", ".join(f"{size:,}" for size in sizes[:8]) + (" ..." if len(sizes) > 8 else "")
        groups = f"{len(sizes)} groups of {some} rows"
        agreed = f"two halves of the rows, learned apart, agree about {percent(max(found[0][0].value, 0.0))} of it"
        return f"The rows fall into {groups}; {agreed}, beyond chance." if facts["clear"] else (
            f"No clear groups were found. {groups[:1].upper()}{groups[1:]} are slices of a continuum: {agreed} only."
        )  # fmt: skip
    kept = next((one.value for one, _, _ in found if one.name == "explained_variance"), None)
    first = f"{facts['n']} coordinates in place of {facts['n_columns']} columns"
    first += f" keep {percent(kept)} of what tells {n:,} unseen rows apart" if kept is not None else ""
    return (
        f"{first}. Rows that are near on the map are near in truth to {percent(found[0][0].value)} (trustworthiness)."
    )
