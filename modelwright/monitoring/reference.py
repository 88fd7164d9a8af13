"""What a model was made for: the rows and answers that a window of served rows is compared with.

A `Reference` is read from a package. New packages hold it as counts over fine bins, the answers to held-out rows and
a sample of rows as bin numbers (`facts["metrics"]["reference"]`, written by `profile`); of an older package the
ten-bin profile is used, and what then cannot be told is said.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.core.data import Dataset
    from modelwright_runtime.model import Model
    from modelwright_runtime.signature import Signature

N_BINS = 10
N_DISTINCT = 20
N_LEVELS = 30
N_ANSWER_BINS = 50
N_SAMPLE = 600
N_WORDS = 16
EACH = 4
MOST_RARE = 5_000
MOST_FILES = 1_000
UNLOGGED = ("cost", "pinball")
FILES = ("image", "audio", "mask")


@dataclass(frozen=True, kw_only=True)
class View:
    """One thing that is counted of a column: its values, or a number or class made of a text, picture or series.

    `counts` has one entry for each bin (`cuts` parts numbers, a bin beginning at its cut) or for each of `levels` and
    then one for all other levels; of the present values three in four are counted (see `learn_view`), while `n_missing`
    are the missing ones of all `n_rows`. `n_once` levels were seen once: as many rows hold levels that no sample saw.
    """

    name: str
    column: str
    of: str  # "number", "category", or what is made: "length", "words", "bytes", ...
    cuts: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()
    rare: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    n_rows: int = 0
    n_missing: int = 0
    n_once: int = 0
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    std: float | None = None

    @property
    def is_number(self) -> bool:
        """Whether it is parted by cuts."""
        return self.of not in ("category", "words")


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The model's answers to rows that it was not trained on, with the truth.

    `cuts` part the score (the probability of the second class of two; of more classes that of the answer; a value);
    per bin `counts` of rows, `right` the rows of the second class (or answered right), `score` the mean score.
    """

    cuts: tuple[float, ...]
    counts: tuple[int, ...]
    right: tuple[int, ...]
    score: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What a window is compared with. `sample` has a text of base64 bytes, one bin number a row, for each view."""

    name: str
    task: str
    target: str
    classes: tuple[str, ...]
    threshold: float
    primary: str
    better: str
    score: float | None
    score_low: float | None
    score_high: float | None
    baseline: float | None
    views: tuple[View, ...]
    importance: Mapping[str, float]
    answers: Answers | None = None
    sample: Mapping[str, str] = field(default_factory=dict)
    slices: tuple[Mapping[str, Any], ...] = ()
    cautions: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """Rows that the reference counted."""
        return max((view.n_rows for view in self.views), default=0)

    def codes(self) -> dict[str, np.ndarray]:
        """The sampled rows: bin numbers (uint8) by view; 255 is missing."""
        return decoded(self.sample)


def decoded(sample: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Base64 texts to uint8 arrays."""
    import numpy as np

    return {name: np.frombuffer(base64.b64decode(text), dtype=np.uint8) for name, text in sample.items()}


def encoded(codes: Mapping[str, np.ndarray]) -> dict[str, str]:
    """The inverse of `decoded`."""
    return {name: base64.b64encode(array.tobytes()).decode() for name, array in codes.items()}


def reference_of(model: Model) -> Reference:
    """The reference that a loaded package holds.

    >>> from modelwright.testing.monitoring import tiny_model
    >>> reference = reference_of(tiny_model())
    >>> reference.task, [view.name for view in reference.views][:2]
    ('binary', ['age', 'price'])
    """
    metrics = model.facts.get("metrics", {})
    kept = metrics.get("reference") or {}
    primary, reading = _watched(str(metrics.get("primary") or ""), metrics), {}
    for one in metrics.get("metrics", ()):
        if one["name"] == primary:
            reading = one
    base = next((one["value"] for one in metrics.get("baseline", ()) if one["name"] == primary), None)
    cautions = []
    if not kept:
        cautions.append("the package is an older one: no answers to held-out rows, and ten bins a column")
    if not reading:
        cautions.append("the package holds no score on held-out rows")
    views = [_view(plain) for plain in kept.get("views", ())] or _of_profile(model)
    task = model.signature.task
    return Reference(
        name=model.name,
        task=task.kind,
        target=task.target,
        classes=task.classes,
        threshold=model.signature.threshold,
        primary=primary,
        better=reading.get("better", "higher"),
        score=reading.get("value"),
        score_low=reading.get("low"),
        score_high=reading.get("high"),
        baseline=base,
        views=tuple(views),
        importance=_importance(metrics, model.columns),
        answers=Answers(**{key: tuple(value) for key, value in kept["answers"].items()})
        if kept.get("answers")
        else None,
        sample=dict(kept.get("sample", {})),
        slices=tuple(metrics.get("slices", ())),
        cautions=tuple(cautions),
    )


def _watched(primary: str, metrics: Mapping[str, Any]) -> str:
    """The metric that is watched: the package's primary one, or of one that the log cannot be measured by (costs and
    quantiles are not in it) the first of the others that can."""
    if primary not in UNLOGGED:
        return primary
    told = [str(one["name"]) for one in metrics.get("metrics", ())]
    return next((name for name in ("log_loss", "mae", "rmse", "accuracy") if name in told), "")


def _view(plain: Mapping[str, Any]) -> View:
    settings: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in plain.items()}
    return View(**settings)


def _importance(metrics: Mapping[str, Any], columns: Sequence[str]) -> dict[str, float]:
    """Shares that add up to 1; where the package has none every column counts alike."""
    known = {name: float(metrics.get("importance", {}).get(name) or 0.0) for name in columns}
    total = sum(known.values())
    return {name: value / total if total > 0 else 1.0 / len(columns) for name, value in known.items()}


def _of_profile(model: Model) -> list[View]:
    """Views of an older package's profile: bins of numbers, levels of categories, presence of all else."""
    views = []
    for name in model.columns:
        plain = model.facts.get("profile", {}).get(name)
        if plain is None:
            continue
        n_missing = round(plain["missing"] * plain["n"])
        base = {"name": name, "column": name, "n_rows": plain["n"], "n_missing": n_missing}
        n_present = plain["n"] - n_missing
        if plain.get("edges"):
            edges, shares = plain["edges"], plain["shares"]
            views.append(
                View(
                    **base,
                    of="number",
                    cuts=tuple(edges[1:-1]),
                    low=edges[0],
                    high=edges[-1],
                    counts=tuple(round(share * n_present) for share in shares),
                    mean=plain["mean"],
                    std=plain["std"],
                )
            )
        elif "levels" in plain and plain["kind"] in ("category", "boolean"):
            levels = tuple(list(plain["levels"])[:N_LEVELS])
            counts = [round(plain["levels"][level] * n_present) for level in levels]
            seen = model.signature.levels.get(name, ())
            rare = tuple(level for level in seen if level not in levels)
            views.append(
                View(**base, of="category", levels=levels, rare=rare, counts=(*counts, max(0, n_present - sum(counts))))
            )
        else:
            views.append(View(**base, of="presence"))
    return views


def profile(
    data: Dataset, row_ids: np.ndarray, held_out: Dataset | None, signature: Signature, answers: np.ndarray | None
) -> dict[str, Any]:
    """The reference as JSON-able facts for a package.

    `data` has the typed rows and `row_ids` those trained on; `held_out` other rows with their truth, of which
    `answers` are the model's, (n, n_classes) or (n,). Cost: one pass, 10 ns a cell and cut.

    >>> from modelwright.testing.packages import tiny_training
    >>> trained, cleaned = tiny_training()
    >>> facts = profile(cleaned.kept, cleaned.kept.row_ids, None, trained.signature, None)
    >>> [view["name"] for view in facts["views"]]
    ['age', 'price', 'member', 'city']
    """
    import numpy as np
    import polars as pl

    from modelwright.core.data import ROW_ID
    from modelwright.monitoring.cells import typed_views

    wanted = pl.Series(ROW_ID, row_ids, dtype=pl.UInt64)
    columns = [reading.column for reading in signature.readings if reading.column in data.schema]
    used = [name for name in columns if name in _inputs(signature)]
    if any(data.schema[name].kind in FILES for name in used):  # files are opened for it
        row_ids = np.sort(row_ids)[_places(len(row_ids), MOST_FILES)]
        wanted = pl.Series(ROW_ID, row_ids, dtype=pl.UInt64)
    frame = data.table.filter(pl.col(ROW_ID).is_in(wanted.implode())).select(ROW_ID, *used).collect()
    kinds: dict[str, str] = {name: data.schema[name].kind for name in used}
    made = list(typed_views(frame.drop(ROW_ID), kinds))
    views = [learn_view(name, column, of, values) for name, column, of, values in made]
    places = _places(frame.height)
    sample = {view.name: codes_of(view, values)[places] for view, (*_, values) in zip(views, made, strict=True)}
    told: dict[str, Any] = {"views": [asdict(view) for view in views], "sample": encoded(sample)}
    if held_out is not None and answers is not None and held_out.n_rows:
        truth = held_out.frame[signature.task.target]
        learned = learn_answers(signature, answers, truth)
        told["answers"] = asdict(learned) if learned else None
    return told


def _inputs(signature: Signature) -> set[str]:
    return {
        *signature.numbers,
        *signature.categories,
        *(text.column for text in signature.texts),
        *(name for array in signature.arrays for name in array.columns),
    }


def _places(n_rows: int, most: int = N_SAMPLE) -> np.ndarray:
    """Spread evenly over the rows, the same each time."""
    import numpy as np

    return np.unique(np.linspace(0, max(n_rows - 1, 0), min(n_rows, most)).astype(np.int64))


def learn_view(name: str, column: str, of: str, values: np.ndarray | pl.Series) -> View:
    """Bins from values: float64 with NaN where missing, or a series of texts with nulls.

    Each fourth value says where the bins lie, the others are counted: bins that are drawn around the values which
    they then count would count too evenly, and every level would have been seen. A number of at most 20 distinct
    values has a bin for each; others ten of equal mass. Levels are the 30 commonest.
    """
    import numpy as np

    if not isinstance(values, np.ndarray):
        return _learn_levels(name, column, of, values)
    present = values[np.isfinite(values)]
    base: dict[str, Any] = {"name": name, "column": column, "of": of, "n_rows": len(values)}
    base["n_missing"] = len(values) - len(present)
    if not len(present):
        return View(**base, counts=(0,))
    distinct = np.unique(present[::EACH])
    cuts = distinct[1:]
    if len(distinct) > N_DISTINCT:
        cuts = np.unique(np.quantile(present[::EACH], np.linspace(0, 1, N_BINS + 1)[1:-1]))
        cuts = cuts[cuts > distinct[0]]
    counted = np.delete(present, np.s_[::EACH])
    counts = np.bincount(np.searchsorted(cuts, counted, side="right"), minlength=len(cuts) + 1)
    return View(
        **base,
        cuts=tuple(cuts.tolist()),
        counts=tuple(counts.tolist()),
        low=float(present.min()),
        high=float(present.max()),
        mean=float(present.mean()),
        std=float(present.std()),
    )


def _learn_levels(name: str, column: str, of: str, values: pl.Series) -> View:
    import polars as pl

    present = values.drop_nulls().rename("level")
    some = present.gather_every(EACH).value_counts(name="n").sort(["n", "level"], descending=[True, False])
    levels = some["level"].to_list()[:N_LEVELS]
    every = present.value_counts(name="n").sort(["n", "level"], descending=[True, False])
    counted = (
        present.to_frame().with_row_index("place").filter(pl.col("place") % EACH != 0)["level"].value_counts(name="n")
    )
    tallied = dict(counted.iter_rows())
    known = [int(tallied.pop(level, 0)) for level in levels]
    chosen = set(levels)
    return View(
        name=name,
        column=column,
        of=of,
        levels=tuple(levels),
        rare=tuple(level for level in every["level"].to_list() if level not in chosen)[:MOST_RARE],
        counts=(*known, sum(tallied.values())),
        n_rows=len(values),
        n_missing=values.null_count(),
        n_once=int((every["n"] == 1).sum()),
    )


def codes_of(view: View, values: np.ndarray | pl.Series) -> np.ndarray:
    """Bin number of each row, uint8; 255 is missing, 254 a level that the reference never saw."""
    import numpy as np
    import polars as pl

    if isinstance(values, np.ndarray):
        codes = np.searchsorted(np.array(view.cuts), values, side="right").astype(np.uint8)
        return np.where(np.isfinite(values), codes, np.uint8(255))
    known = {level: index for index, level in enumerate(view.levels)}
    known |= dict.fromkeys(view.rare, len(view.levels))
    coded = values.replace_strict(known, default=254, return_dtype=pl.Int16) if known else values.cast(pl.Int16)
    return coded.set(values.is_null(), 255).to_numpy().astype(np.uint8)


def score_of(task: str, answers: np.ndarray) -> np.ndarray:
    """The number that answers are binned by: see `Answers`."""
    if task == "binary":
        return answers[:, 1]
    return answers.max(axis=1) if task == "multiclass" else answers


def learn_answers(signature: Signature, answers: np.ndarray, truth: pl.Series) -> Answers | None:
    """Answers and truth of held-out rows in bins of equal mass; None where the task has no single answer a row."""
    import numpy as np
    import polars as pl

    task = signature.task
    if task.kind not in ("binary", "multiclass", "regression"):
        return None
    known = truth.is_not_null().to_numpy()
    answers, truth = answers[known], truth.filter(pl.Series(known))
    score = score_of(task.kind, answers).astype(np.float64)
    if len(score) < 20:
        return None
    right = np.zeros(len(score), dtype=bool)
    if task.is_classification:
        names = np.array(truth.cast(pl.String).to_list(), dtype=object)
        said = np.array(task.classes, dtype=object)[answers.argmax(axis=1)]
        right = names == (task.classes[1] if task.kind == "binary" else said)
    n_bins = max(5, min(N_ANSWER_BINS, len(score) // 40))
    cuts = np.unique(np.quantile(score, np.linspace(0, 1, n_bins + 1)[1:-1]))
    bins, size = np.searchsorted(cuts, score, side="right"), len(cuts) + 1
    counts = np.bincount(bins, minlength=size)
    return Answers(
        cuts=tuple(cuts.tolist()),
        counts=tuple(counts.tolist()),
        right=tuple(np.bincount(bins, weights=right, minlength=size).astype(int).tolist()),
        score=tuple((np.bincount(bins, weights=score, minlength=size) / np.maximum(counts, 1)).tolist()),
    )
