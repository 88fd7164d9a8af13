"""`compress`: smaller and faster forms of a model, each measured; one is kept only where it is no worse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from modelwright.core import registry
from modelwright.core.data import ROW_ID, Dataset, Decision
from modelwright.packaging.spec import CompressSpec

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Splits, Trained, Watch
    from modelwright.packaging.compression.case import Case, Compression, Variant
    from modelwright.packaging.compression.judge import Verdict

FASTER, SMALLER = 1.1, 1.75
"""A form is chosen if it is so many times faster, or so many times smaller and not slower."""
SLOWER = 0.98
"""What counts as slower: a model measured against itself comes out between 0.98 and 1.02."""
ROUGHLY = 0.85
"""Where each form is measured by one session only, this is near enough to be measured again."""
WORTH = 1.1
"""What storing a form otherwise must save."""
N_SESSIONS = 3
"""Two sessions of one graph can differ by a tenth, by where they lie in memory: of each, the fastest counts."""
ENOUGH = 10.0
"""A form that is ten times smaller wins no more by being smaller still."""
CONFIRMED = 4
"""So many of the best forms are measured a second time before one is chosen."""


@dataclass(frozen=True, kw_only=True)
class Compressed:
    """The model in its chosen form, and the table of all forms: name, state (`chosen`, `original`, `left`), why, bytes,
    size (times smaller), microseconds (CPU, a call of `batch_size` rows), speed (times faster), score, loss, error,
    calibration, difference. `chosen` is "original" when nothing was better."""

    trained: Trained
    chosen: str
    table: tuple[dict[str, Any], ...]

    def to_plain(self) -> dict[str, Any]:
        """JSON-able form: what was chosen, why, and the table."""
        return {"chosen": self.chosen, "told": self.trained.decisions[-1].reason, "table": list(self.table)}


@dataclass(frozen=True, eq=False, kw_only=True)
class _Form:
    """A variant with its verdict."""

    variant: Variant
    verdict: Verdict


def compress(
    trained: Trained,
    data: Dataset,
    splits: Splits,
    spec: CompressSpec = CompressSpec(),  # noqa: B008
    *,
    seed: int = 0,
    watch: Watch | None = None,
) -> Compressed:
    """Try every form that suits the model and keep the best that is measured to be no worse.

    `data` has the typed rows of training; held-out rows are never read. A form is out when its score (see `score.py`)
    falls by more than `spec.tolerance`, a standard error added (two for a student), or beyond two on a slice; when its
    calibration error rises by more; or when it is slower than the original at `spec.batch_size` rows a call, by CPU
    time measured here in turns. Of those that are left, the one with the best product of speed and root of size (ten
    times smaller counts as much as more) is chosen, if it is 1.1 times faster or 1.75 times smaller. The preprocessing
    stays as it is; a student has its own.

    What is chosen depends on measured time, so it may differ between machines and runs; each form itself does not.
    Cost: 5 to 60 s. Raises what the methods raise; a plug-in that is none is `registry.name`.

    Reference: Gholami et al. (2021), "A survey of quantization methods for efficient neural network inference".

    >>> from modelwright.testing.compression import small_forest
    >>> trained, data, splits = small_forest()
    >>> done = compress(trained, data, splits, CompressSpec(methods=("lean_trees", "smaller_forest")))
    >>> done.table[0]["name"], done.chosen in [row["name"] for row in done.table]
    ('original', True)
    """
    tell = watch or (lambda event: None)
    case = _case(trained, data, splits, seed)
    names = spec.methods if spec.methods is not None else tuple(registry.entries("compression"))
    methods = {name: registry.get("compression", name) for name in names}
    forms, left = _forms(case, methods, spec, tell)
    taken = _timed(case, forms, spec.batch_size)
    rows = [_row(case, form, spec, times) for form, times in zip(forms, taken, strict=True)]
    chosen = _choose(case, forms, rows)
    for row in rows:
        row["state"] = "chosen" if row["name"] == chosen else row["state"]
    form = next(form for form in forms if form.variant.name == chosen)
    decision = Decision("packaging", "compression", chosen, _reason(rows, chosen, spec))
    kept = replace(
        trained, graph=form.variant.graph, signature=form.variant.signature,
        decisions=(*trained.decisions, decision),
    )  # fmt: skip
    tell({"stage": "packaging", "event": "compressed", "chosen": chosen, "why": decision.reason})
    return Compressed(trained=kept, chosen=chosen, table=(*rows, *left))


def _case(trained: Trained, data: Dataset, splits: Splits, seed: int) -> Case:
    """Training rows, folds and cross-validated answers in one order: ascending ids."""
    import numpy as np

    from modelwright.packaging.compression.case import Case

    order = np.argsort(splits.train, kind="stable")
    frame = data.take(splits.train).frame.sort(ROW_ID)
    rows = Dataset(frame.lazy(), data.schema, frame.height, data.origin)
    validation = np.asarray(trained.validation, dtype=np.float64)
    fits = validation.ndim in (1, 2) and len(validation) == len(order) and bool(np.isfinite(validation).any())
    if fits and trained.task.classes:
        fits = validation.ndim == 2 and validation.shape[1] == len(trained.task.classes)
    return Case(
        trained=trained, rows=rows, seed=seed, validation=validation[order] if fits else None,
        splits=replace(splits, train=splits.train[order], folds=splits.folds[order]),
    )  # fmt: skip


def _forms(
    case: Case, methods: dict[str, Compression], spec: CompressSpec, tell: Callable[[dict[str, Any]], None]
) -> tuple[list[_Form], list[dict[str, Any]]]:
    """The original, every form by itself, and the storage of the best ones; and what could not be tried."""
    from modelwright.packaging.compression.case import Variant
    from modelwright.packaging.compression.judge import judge_of

    judge = judge_of(case)
    original = Variant(name="original", graph=case.trained.graph, signature=case.trained.signature)
    forms = [_Form(variant=original, verdict=judge.verdict(original, spec.tolerance))]
    left = []

    def take(variant: Variant, verdict: Verdict) -> None:
        forms.append(_Form(variant=variant, verdict=verdict))
        event = {"stage": "packaging", "event": "form", "name": variant.name, "loss": verdict.loss}
        tell({**event, "bytes": len(variant.graph), "why_not": verdict.why_not})

    for name, method in methods.items():
        why = method.suits(case)
        if why:
            left.append({"name": name, "state": "left", "why": why})
        for variant in () if why else method.make(case):
            take(variant, judge.verdict(variant, spec.tolerance))
    storages = {name: method for name, method in methods.items() if method.storage}
    for form in [one for one in forms[1:] if not one.verdict.why_not and one.variant.name not in storages]:
        for variant, verdict in _stored_otherwise(case, form, storages.values(), spec):
            take(variant, verdict)
    return forms, left


def _stored_otherwise(
    case: Case, form: _Form, storages: Iterable[Compression], spec: CompressSpec
) -> Iterator[tuple[Variant, Verdict]]:
    """A form that is good enough, its numbers stored in another way: what both cost adds up."""
    from modelwright.packaging.compression.judge import judge_of

    over = case.over(form.variant)
    if form.variant.honest is not None:  # a student is judged by its own answers to rows that it had not seen
        over = replace(over, validation=form.variant.honest)
    fitting = [method for method in storages if not method.suits(over)]
    judge = judge_of(over) if fitting else None
    for method in fitting:
        assert judge is not None
        (made,) = method.make(over)
        if len(form.variant.graph) < WORTH * len(made.graph):
            continue
        verdict = judge.verdict(made, spec.tolerance)
        yield (
            replace(made, name=f"{form.variant.name} + {made.name}"),
            _added(form.verdict, verdict, spec.tolerance),
        )


def _added(first: Verdict, second: Verdict, tolerance: float) -> Verdict:
    """Two changes, one after the other: what they cost adds up."""
    loss, error = first.loss + second.loss, (first.error**2 + second.error**2) ** 0.5
    why = second.why_not
    if not why and loss + error > tolerance:
        why = f"together the score falls by {loss:.4f} ± {error:.4f}"
    if not why and second.calibration > tolerance / 10 and first.calibration + second.calibration > tolerance:
        why = f"together the calibration error rises by {first.calibration + second.calibration:.4f}"
    return replace(
        second, loss=loss, error=error, calibration=first.calibration + second.calibration,
        difference=first.difference + second.difference, why_not=why,
    )  # fmt: skip


def _timed(case: Case, forms: Sequence[_Form], batch_size: int, n_sessions: int = 1) -> np.ndarray:
    """Per form CPU seconds a call, and how many times faster than the original it is: (n_forms, 2).

    A form that takes other inputs is timed with its reading of the rows, and so is the original beside it.
    """
    import numpy as np

    from modelwright.packaging.compression.timing import cpu_seconds, fastest

    original, signature = forms[0].variant, case.trained.signature
    found = np.empty((len(forms), 2))
    for whole in (False, True):
        some = [i for i, form in enumerate(forms) if (form.variant.signature != signature) == whole]
        if not some:
            continue
        variants = [original, *(forms[i].variant for i in some)]
        asked = [_asking(case, variant, batch_size, whole=whole) for variant in variants for _ in range(n_sessions)]
        seconds, faster = fastest(cpu_seconds(asked), n_sessions)
        found[some, 0], found[some, 1] = seconds[1:], faster[1:]
    found[0, 1] = 1.0
    return found


def _asking(case: Case, variant: Variant, batch_size: int, *, whole: bool) -> Callable[[], object]:
    """A call of the form with so many rows, in a session of its own; `whole`: from the rows' cells."""
    import numpy as np

    positions = np.arange(batch_size) % case.rows.n_rows
    if whole:
        rows = [_cells(row) for row in case.rows.frame[positions].to_dicts()]
        return _asks_model(variant.graph, variant.signature, rows)
    return _asks_graph(variant.graph, case.feeds(positions))


def _asks_graph(graph: bytes, feeds: dict[str, np.ndarray]) -> Callable[[], object]:
    from modelwright_runtime.engine import open_session

    session = open_session(graph, n_threads=1)
    asked = {one.name: feeds[one.name] for one in session.get_inputs()}
    return lambda: session.run(None, asked)


def _asks_model(graph: bytes, signature: Any, rows: list[dict[str, Any]]) -> Callable[[], object]:
    from modelwright_runtime.model import Model

    model = Model(graph, signature)
    return lambda: model.answers(rows)


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    return {name: cell.isoformat() if hasattr(cell, "isoformat") else cell for name, cell in row.items()}


def _row(case: Case, form: _Form, spec: CompressSpec, times: np.ndarray) -> dict[str, Any]:
    """One line of the table."""
    verdict, n_bytes = form.verdict, len(form.variant.graph)
    size, speed = len(case.trained.graph) / n_bytes, float(times[1])
    is_original = form.variant.name == "original"
    why = "" if is_original else verdict.why_not
    if not why and not is_original and speed < ROUGHLY:
        why = f"it is slower: {speed:.2f} times as fast"
    if not why and size < 1.0:
        why = f"it is larger: {1 / size:.1f} times"
    if not why and not is_original and speed < FASTER and size < SMALLER:
        why = f"it wins too little: {speed:.2f} times faster, {size:.2f} times smaller"
    return {
        "name": form.variant.name, "state": "original" if is_original else "left", "why": why, "bytes": n_bytes,
        "size": size, "microseconds": float(times[0]) * 1e6, "speed": speed, "batch_size": spec.batch_size,
        "score": verdict.score, "loss": verdict.loss, "error": verdict.error, "calibration": verdict.calibration,
        "worst_slice": verdict.worst_slice, "slice_loss": verdict.slice_loss, "difference": verdict.difference,
    }  # fmt: skip


def _choose(case: Case, forms: Sequence[_Form], rows: list[dict[str, Any]]) -> str:
    """The best form that is no worse, measured once more in new sessions: what won by luck does not win twice."""
    fit = [(row, form) for row, form in zip(rows[1:], forms[1:], strict=True) if not row["why"]]
    fit.sort(key=lambda pair: (-pair[0]["speed"] * min(pair[0]["size"], ENOUGH) ** 0.5, pair[0]["name"]))
    for row, _ in fit[CONFIRMED:]:
        row["why"] = "others did better"
    for place, (row, form) in enumerate(fit[:CONFIRMED]):
        again = float(_timed(case, [forms[0], form], row["batch_size"], N_SESSIONS)[1, 1])
        row["speed"] = min(row["speed"], again)
        if again >= SLOWER and (again >= FASTER or row["size"] >= SMALLER):
            for other, _ in fit[place + 1 : CONFIRMED]:
                other["why"] = "another did better"
            return str(row["name"])
        row["why"] = f"measured again it was {again:.2f} times as fast"
    return "original"


def _reason(rows: Sequence[dict[str, Any]], chosen: str, spec: CompressSpec) -> str:
    row = next(row for row in rows if row["name"] == chosen)
    if chosen == "original":
        return f"none of {len(rows) - 1} forms was measured faster or smaller within a tolerance of {spec.tolerance:g}"
    return (
        f"{row['speed']:.1f} times as fast at {spec.batch_size} rows, {row['size']:.1f} times smaller, the score "
        f"changes by {-row['loss']:+.4f}; measured on this machine against {len(rows) - 2} other forms"
    )
