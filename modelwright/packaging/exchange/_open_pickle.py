"""A program of its own, never imported: opens one pickled estimator and writes it as an ONNX graph.

    python -I _open_pickle.py FILE FOLDER

A pickle runs whatever its maker wrote, so this runs as little as it can beside it: the parent takes away the network,
its own environment and most of its means, and believes nothing that comes back but a graph that it checks. FOLDER has
`x.npy` (float32 rows) and `names.json` (their columns); `model.onnx`, `answers.npy` and `about.json` are added.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

MAX_MEMORY_BYTES = 8 * 2**30
MAX_CPU_S = 600
MAX_FILE_BYTES = 2**31 - 1


def main(file: str, place: str) -> None:
    """Open, convert, answer the rows, write."""
    for kind, most in (
        (resource.RLIMIT_AS, MAX_MEMORY_BYTES), (resource.RLIMIT_CPU, MAX_CPU_S),
        (resource.RLIMIT_FSIZE, MAX_FILE_BYTES), (resource.RLIMIT_CORE, 0),
    ):  # fmt: skip
        resource.setrlimit(kind, (most, most))
    import joblib  # type: ignore[import-untyped]
    import numpy as np

    folder = Path(place)
    x = np.load(folder / "x.npy", allow_pickle=False)
    names = json.loads((folder / "names.json").read_text())
    model = joblib.load(file)  # what the user asked for in so many words
    columns = _columns(model, names)
    x = x[:, [names.index(name) for name in columns]]
    is_classifier = hasattr(model, "predict_proba")
    answers = model.predict_proba(x) if is_classifier else model.predict(x)
    (folder / "model.onnx").write_bytes(_convert(model, x.shape[1], is_classifier=is_classifier))
    np.save(folder / "answers.npy", np.asarray(answers, dtype=np.float64), allow_pickle=False)
    about = {
        "columns": columns, "estimator": type(model).__name__,
        "classes": [str(value) for value in getattr(model, "classes_", ())] if is_classifier else [],
    }  # fmt: skip
    (folder / "about.json").write_text(json.dumps(about))


def _columns(model: Any, names: list[str]) -> list[str]:
    """The columns that the estimator was fitted on, by their names, or the first so many."""
    known = getattr(model, "feature_names_in_", None)
    if known is not None and set(map(str, known)) <= set(names):
        return [str(name) for name in known]
    n_columns = int(getattr(model, "n_features_in_", len(names)))
    if n_columns != len(names):
        sys.exit(f"it was fitted on {n_columns} columns; the rows have {len(names)}: {', '.join(names)[:300]}")
    return names


def _convert(model: Any, n_columns: int, *, is_classifier: bool) -> bytes:
    if type(model).__module__.startswith("lightgbm"):
        from onnxmltools import convert_lightgbm  # type: ignore[import-untyped]
        from onnxmltools.convert.common.data_types import FloatTensorType  # type: ignore[import-untyped]

        made = convert_lightgbm(model, initial_types=[("x", FloatTensorType([None, n_columns]))], zipmap=False)
    else:
        from skl2onnx import to_onnx  # type: ignore[import-untyped]
        from skl2onnx.common.data_types import FloatTensorType  # type: ignore[import-untyped]

        options = {id(model): {"zipmap": False}} if is_classifier else None
        made = to_onnx(model, initial_types=[("x", FloatTensorType([None, n_columns]))], options=options)
    data: bytes = made.SerializeToString()
    return data


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
