"""`package`: a trained model becomes one file that answers raw rows, and proves it before it is handed over."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
import platform
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.values import Cleaned, Report, Trained
    from modelwright_runtime.signature import Signature

ENVIRONMENT = (
    "modelwright", "modelwright-runtime", "numpy", "scipy", "scikit-learn", "lightgbm", "polars", "onnx",
    "onnxruntime",
)  # fmt: skip
NETWORK_ENVIRONMENT = ("torch", "pillow", "soundfile", "tokenizers")
N_PROFILED = 1000
"""Of columns of files, so many training rows are profiled: pictures are opened for it."""
N_ANSWERED = 20_000
"""Rows not trained on that are answered for monitoring's reference, at the most."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """A written and proven package file. `largest_difference` is between the training path and the runtime
    over the golden rows: absolute for probabilities, relative (to at least 1) for values."""

    path: Path
    name: str
    digest: str
    size_bytes: int
    largest_difference: float
    n_golden: int


def package(
    trained: Trained,
    cleaned: Cleaned,
    *,
    path: str | Path,
    name: str,
    report: Report | None = None,
    card: str = "",
    facts: Mapping[str, Any] | None = None,
    train_rows: np.ndarray | None = None,
) -> Package:
    """Write `path` (by convention `NAME.wright`), open it with the runtime, replay its golden rows, say the difference.

    `train_rows` are the uint64 ids of the rows trained on (all kept rows when None): golden rows and the
    reference profile come from them alone. `card` is the model card in Markdown. `facts` are further JSON-able
    facts for `data.json`; `raw`, `cleaned` and `splits` in it are digests already known, so that they need not be
    computed. The file is written aside and renamed, so a reader never sees a part, and the same inputs give the
    same bytes. Nothing in it is code.

    Raises `UserError("package.golden")`, and leaves no file, when the runtime does not answer as training did;
    `package.name`, `package.rows` and `package.signature` for what cannot be packaged. Cost: one load of the
    file, and one pass over the training rows.
    Reference: Breck et al. (2017), "The ML Test Score" (test for training/serving skew).

    >>> from modelwright.testing.packages import tiny_training
    >>> import tempfile
    >>> trained, cleaned = tiny_training()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = package(trained, cleaned, path=f"{folder}/tiny.wright", name="tiny")
    >>> made.name, made.n_golden >= 48, made.largest_difference < 1e-6
    ('tiny', True, True)
    """
    from modelwright.packaging.archive import archive_bytes
    from modelwright_runtime.graphcheck import check_graph
    from modelwright_runtime.model import Model

    if not name or not name.isprintable() or len(name) > 120:
        raise UserError("package.name", f"`name` must be 1 to 120 printable characters; got {name!r}.")
    check_graph(trained.graph)
    row_ids = cleaned.kept.row_ids if train_rows is None else train_rows
    trained = dataclasses.replace(trained, signature=_with_readings(trained.signature, cleaned))
    model = Model(trained.graph, trained.signature, name=name)
    members = _members(trained, cleaned, report, row_ids, model)
    members["data.json"] = _json(_data_facts(cleaned, row_ids, trained.signature.task.target, facts or {}))
    members["card.md"] = (card or f"# {name}\n\nNo model card was written.\n").encode()
    data = archive_bytes(members, name=name)
    return write_proved(Path(path), data)


def _with_readings(signature: Signature, cleaned: Cleaned) -> Signature:
    """The signature of typed rows as one of raw rows: training knows kinds, cleaning knows how cells are read."""
    how = {reading.column: reading for reading in cleaned.readings}
    readings = tuple(how.get(reading.column, reading) for reading in signature.readings)
    return dataclasses.replace(signature, readings=readings)


def _members(
    trained: Trained, cleaned: Cleaned, report: Report | None, row_ids: np.ndarray, model: Any
) -> dict[str, bytes]:
    from modelwright.packaging.golden import golden_rows

    signature = trained.signature
    targets = [task.target for task in (signature.task, *signature.more_tasks)]
    decisions = [*cleaned.decisions, *trained.decisions, *(report.decisions if report else ())]
    return {
        "model.onnx": trained.graph,
        "signature.json": _json(trained.signature.to_plain()),
        "metrics.json": _json(_metrics(trained, report) | {"reference": _reference(trained, cleaned, row_ids)}),
        "profile.json": _json(_profile(cleaned, row_ids, model.columns, targets)),
        "environment.json": _json(_environment(trained.signature)),
        "decisions.json": _json(decisions),
        "golden.json": _json(golden_rows(trained, cleaned, row_ids, model)),
    }


def _json(value: Any) -> bytes:
    from modelwright.packaging.archive import plain_json

    return plain_json(_plain(value))


def _plain(value: Any) -> Any:
    """Dataclasses, mappings and arrays as JSON-able data; numbers that are not finite become null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (str, int, float)) else str(value)


def _metrics(trained: Trained, report: Report | None) -> dict[str, Any]:
    """What is known of the model's quality."""
    told: dict[str, Any] = {
        "task": trained.task,
        "threshold": trained.signature.threshold,
        "leaderboard": trained.leaderboard,
        "importance": trained.importance,
        "parity": trained.parity,
    }
    if report is not None:
        told |= {
            "n_rows": report.n_rows,
            "primary": report.primary,
            "metrics": report.metrics,
            "baseline": report.baseline,
            "slices": report.slices,
            **({"compression": report.curves["compression"]} if "compression" in report.curves else {}),
        }
    return told


def _profile(cleaned: Cleaned, row_ids: np.ndarray, columns: tuple[str, ...], targets: Sequence[str]) -> dict[str, Any]:
    import numpy as np
    import polars as pl

    from modelwright.core.data import ROW_ID
    from modelwright.packaging.profile import FILES, profile

    schema = cleaned.kept.schema
    names = [*columns, *(name for name in targets if name in schema and name not in columns)]
    kinds: dict[str, str] = {name: schema[name].kind for name in names}
    places = np.unique(np.linspace(0, len(row_ids) - 1, min(len(row_ids), N_PROFILED)).astype(int))
    spread = np.sort(row_ids)[places]
    told: dict[str, Any] = {}
    for ids, some in (
        (row_ids, [name for name in names if kinds[name] not in FILES]),
        (spread, [name for name in names if kinds[name] in FILES]),
    ):
        wanted = pl.Series(ROW_ID, ids, dtype=pl.UInt64)
        frame = cleaned.kept.table.filter(pl.col(ROW_ID).is_in(wanted.implode())).select(some).collect()
        told |= profile(frame, {name: kinds[name] for name in some})
    return {name: told[name] for name in names}


def _reference(trained: Trained, cleaned: Cleaned, row_ids: np.ndarray) -> dict[str, Any]:
    """What monitoring compares served rows with: bins of the training rows, and answers to rows not trained on."""
    import numpy as np
    import polars as pl

    from modelwright.core import registry
    from modelwright.core.data import ROW_ID

    kept = cleaned.kept
    others = np.setdiff1d(kept.row_ids, row_ids)
    most = N_PROFILED if trained.signature.arrays else N_ANSWERED
    places = np.unique(np.linspace(0, max(0, len(others) - 1), min(len(others), most)).astype(int))
    held_out = answers = None
    target = trained.task.target
    if len(places) and target in kept.schema and trained.task.kind in ("binary", "multiclass", "regression"):
        held_out = kept.take(others[places])
        known = held_out.frame.filter(pl.col(target).is_not_null())[ROW_ID].to_numpy()
        held_out = held_out.take(known)
        answers = trained.predict(held_out) if len(known) else None
    told: dict[str, Any] = registry.get("monitoring", "profile")(kept, row_ids, held_out, trained.signature, answers)
    return told


def _data_facts(cleaned: Cleaned, row_ids: np.ndarray, target: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Which rows made the model: digests, counts, source."""
    import numpy as np

    known = dict(facts)
    train_digest = hashlib.sha256(np.sort(row_ids).astype("<u8").tobytes()).hexdigest()
    return {
        "raw": {"digest": known.pop("raw", None) or cleaned.raw.digest, "n_rows": cleaned.raw.n_rows},
        "cleaned": {"digest": known.pop("cleaned", None) or cleaned.kept.digest, "n_rows": cleaned.kept.n_rows},
        "splits": {"digest": known.pop("splits", None), "train_digest": train_digest, "n_train": len(row_ids)},
        "target": target,
        "source": cleaned.raw.origin,
        "facts": known,
    }


def _environment(signature: Signature) -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in (*ENVIRONMENT, *(NETWORK_ENVIRONMENT if signature.arrays else ())):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write_proved(path: Path, data: bytes) -> Package:
    """Write a package's bytes: proved under another name, then renamed, so what stands at `path` was replayed.

    Raises what `load` raises, and leaves what was there before.
    """
    from modelwright.core.store import disk_faults
    from modelwright_runtime.model import load

    with disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
        try:
            with aside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            model = load(aside)
            aside.replace(path)
        except UserError as problem:
            message = problem.message.replace(str(aside), str(path))
            raise UserError(problem.code, message, hint=problem.hint) from None
        finally:
            aside.unlink(missing_ok=True)
    return Package(
        path=path,
        name=model.name,
        digest=model.facts["digest"],
        size_bytes=len(data),
        largest_difference=model.facts["largest_difference"],
        n_golden=len(model.facts["golden"]["rows"]),
    )
