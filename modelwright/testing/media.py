"""Tiny packages over pictures, sound, series and texts: a graph written by hand, for tests of what serves them."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

    from modelwright.core.data import Dataset
    from modelwright.core.values import Cleaned, Trained
    from modelwright_runtime.signature import ArrayInput, Task

MediaKind = Literal["image", "audio", "series", "text", "number", "category", "boolean", "datetime"]
WIDTH = 8


def png(pixels: np.ndarray, form: str = "PNG", **settings: Any) -> bytes:
    """An encoded picture of uint8 pixels (height, width) or (height, width, channels)."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **settings)
    return buffer.getvalue()


def wav(samples: np.ndarray, rate_hz: int = 8000, *, code: int = 1, bits: int = 16) -> bytes:
    """A WAV of samples in -1..1, (n,) or (n, channels): PCM of 8 to 32 bits (code 1) or float of 32 or 64 (code 3)."""
    import numpy as np

    flat = np.asarray(samples, dtype=np.float64)
    channels = 1 if flat.ndim == 1 else flat.shape[1]
    flat = np.clip(flat, -1, 1).ravel()
    if code == 3:
        raw = flat.astype(f"<f{bits // 8}").tobytes()
    elif bits == 8:
        raw = np.clip(np.rint(flat * 128 + 128), 0, 255).astype(np.uint8).tobytes()
    else:
        whole = np.clip(np.rint(flat * 2 ** (bits - 1)), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1).astype("<i8")
        raw = np.ascontiguousarray(whole.view(np.uint8).reshape(-1, 8)[:, : bits // 8]).tobytes()
    block = channels * bits // 8
    head = struct.pack("<IHHIIHH", 16, code, channels, rate_hz, rate_hz * block, block, bits)
    body = b"WAVEfmt " + head + b"data" + struct.pack("<I", len(raw)) + raw + b"\0" * (len(raw) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def media_cells(kind: MediaKind, n_rows: int, *, seed: int = 0) -> list[Any]:
    """Cells of a kind, the same each time: pictures of 12 x 10 in colour, tones of 0.1 s, series of 20 values."""
    from datetime import datetime, timedelta

    import numpy as np

    rng = np.random.Generator(np.random.PCG64(seed))
    makers: dict[str, Any] = {
        "image": lambda row: png(rng.integers(0, 255, (10, 12, 3), dtype=np.uint8)),
        "audio": lambda row: wav(np.sin(np.arange(800) * (0.1 + row % 7 / 10)) * 0.5),
        "series": lambda row: np.round(rng.normal(row % 3, 1, 20), 4).tolist(),
        "text": lambda row: f"a {'good' if row % 2 else 'bad'} film, number {row % 5}",
        "number": lambda row: round(float(rng.normal(10, 3)), 4),
        "category": lambda row: ("red", "green", "blue")[row % 3],
        "boolean": lambda row: bool(row % 2),
        "datetime": lambda row: datetime(2024, 1, 1) + timedelta(hours=7 * row),
    }
    return [makers[kind](row) for row in range(n_rows)]


def media_data(kinds: Sequence[MediaKind], n_rows: int = 40) -> Dataset:
    """A typed table with one column per kind, named after it (`image`, `series_2` for the second of a kind)."""
    import polars as pl

    from modelwright.core.data import Column, Dataset, Schema

    types: dict[str, Any] = {"image": pl.Binary, "audio": pl.Binary, "series": pl.List(pl.Float64), "text": pl.String}
    types |= {"number": pl.Float64, "category": pl.String, "boolean": pl.Boolean, "datetime": pl.Datetime("us")}
    columns, cells = [], {}
    for index, kind in enumerate(kinds):
        n_before = list(kinds[:index]).count(kind)
        name = kind if not n_before else f"{kind}_{n_before + 1}"
        columns.append(Column(name, kind))
        cells[name] = pl.Series(media_cells(kind, n_rows, seed=index), dtype=types[kind])
    return Dataset.from_frame(pl.DataFrame(cells), Schema(tuple(columns)))


def media_graph(inputs: Sequence[ArrayInput], tasks: Sequence[Task]) -> bytes:
    """Every array flattened and multiplied by fixed numbers; a head of the right shape for each task."""
    import numpy as np

    from modelwright.graph import Graph
    from modelwright_runtime.arrays import row_shape

    graph, rng = Graph(), np.random.Generator(np.random.PCG64(3))
    types = {"image": "uint8", "tokens": "int64", "codes": "int64"}
    parts = []
    for index, array in enumerate(inputs):
        shape = row_shape(array)
        given = graph.input(f"array_{index}", types.get(array.form, "float32"), (None, *shape))
        wide = graph.node("Cast", given, to=1)
        known = graph.node("Where", graph.node("IsNaN", wide), graph.constant(0.0, "float32"), wide)
        size = int(np.prod(shape))
        scale = {"image": 100.0, "tokens": 5.0, "audio": 0.2}.get(array.form, 3.0)
        weights = rng.normal(size=(size, WIDTH)) / (scale * np.sqrt(size))
        flat = graph.node("Reshape", known, graph.constant([-1, size], "int64"))
        parts.append(graph.node("MatMul", flat, graph.constant(weights, "float32")))
    hidden = graph.node("Tanh", graph.node("Sum", *parts))
    for index, task in enumerate(tasks):
        _add_head(graph, hidden, task, rng, f"answer_{index}")
    return graph.to_bytes()


def _add_head(graph: Any, hidden: str, task: Task, rng: np.random.Generator, name: str) -> None:
    import numpy as np

    n_classes = len(task.classes)
    shapes: dict[str, tuple[int, ...]] = {
        "regression": (1,), "forecast": (task.horizon, *((len(task.quantiles),) if task.quantiles else ())),
        "detection": (6, 4 + n_classes), "segmentation": (n_classes, 4, 4),
    }  # fmt: skip
    shape = shapes.get(task.kind, (n_classes,))
    weights = graph.constant(rng.normal(size=(WIDTH, int(np.prod(shape)))) * 2, "float32")
    told = graph.node("Reshape", graph.node("MatMul", hidden, weights), graph.constant([-1, *shape], "int64"))
    if task.kind in ("regression", "forecast"):
        due = () if task.kind == "regression" else shape
        values = graph.node("Reshape", graph.node("Cast", told, to=11), graph.constant([-1, *due], "int64"))
        graph.output(name, values, "float64", (None, *due))
        return
    if task.kind == "detection":  # left and top in the first half, right and bottom in the second
        scale = graph.constant([0.5, 0.5, 0.5, 0.5] + [1.0] * n_classes, "float32")
        shift = graph.constant([0.0, 0.0, 0.5, 0.5] + [0.0] * n_classes, "float32")
        told = graph.node("Add", graph.node("Mul", graph.node("Sigmoid", told), scale), shift)
    elif task.kind == "multilabel":
        told = graph.node("Sigmoid", told)
    else:
        told = graph.node("Softmax", told, axis=1)
    graph.output(name, told, "float32", (None, *shape))


def media_training(
    kinds: Sequence[MediaKind], tasks: Sequence[Task], *, n_rows: int = 40, **arrays: Any
) -> tuple[Trained, Cleaned]:
    """A `Trained` and a `Cleaned` over such a table, as training and cleaning would hand them over.

    Raw rows are the typed ones; `arrays` are settings of `ArraysSpec`.
    """
    import numpy as np
    import polars as pl

    from modelwright.core.data import ROW_ID
    from modelwright.core.values import Candidate, Cleaned, Trained
    from modelwright.features.arrays import ArraysSpec, learn_arrays
    from modelwright_runtime.reading import Reading
    from modelwright_runtime.signature import Signature

    data = media_data(kinds, n_rows)
    names = data.schema.names
    inputs = learn_arrays(data, names, ArraysSpec(**arrays), rng=np.random.default_rng(0))
    spelled = {"boolean": {"true": ("true",), "false": ("false",)}}
    plain = ({"column": one.name, "kind": one.kind, **spelled.get(one.kind, {})} for one in data.schema.columns)
    readings = tuple(map(Reading.from_plain, plain))
    signature = Signature(
        task=tasks[0], more_tasks=tuple(tasks[1:]), readings=readings, arrays=inputs,
        ranges={name: (0.0, 20.0) for name in names if data.schema[name].kind == "number"},
    )  # fmt: skip
    cleaned = Cleaned(
        kept=data,
        removed=pl.DataFrame(schema={ROW_ID: pl.UInt64, "reason": pl.String, "twin_of": pl.UInt64}),
        changes=pl.LazyFrame(schema={ROW_ID: pl.UInt64, "column": pl.String}),
        readings=readings, decisions=(), raw=data,
    )  # fmt: skip
    trained = Trained(
        graph=media_graph(inputs, tasks), signature=signature,
        leaderboard=(Candidate(name="network", model="network", settings={}, metric="log_loss", score=0.1),),
        validation=np.zeros(n_rows), importance=dict.fromkeys(names, 1.0), decisions=(), parity=0.0,
    )  # fmt: skip
    return trained, cleaned
