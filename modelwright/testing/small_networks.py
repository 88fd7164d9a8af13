"""Models of pictures, series and labels whose graphs are written by hand: small, exact, made without training."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from modelwright.core.data import Dataset
    from modelwright.core.values import Trained
    from modelwright.graph import Graph
    from modelwright_runtime.signature import ArrayInput, Task

SIDE = 32
"""Pixels of a picture's side, in the network."""


def png(pixels: np.ndarray) -> bytes:
    """Grey (height, width) or coloured (height, width, 3) uint8 pixels as the bytes of a PNG file.

    >>> import numpy as np
    >>> png(np.zeros((2, 3), dtype=np.uint8))[1:4]
    b'PNG'
    """
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def trained_of(
    graph: Graph, tasks: Sequence[Task], arrays: Sequence[ArrayInput], *, history: Sequence[Any] = (), **more: Any
) -> Trained:
    """A graph and what it takes and gives, as a `Trained`."""
    import numpy as np

    from modelwright.core.values import Trained
    from modelwright_runtime.reading import Reading
    from modelwright_runtime.signature import Signature

    kinds = {"image": "image", "audio": "audio", "series": "series", "tokens": "text"}
    readings = tuple(
        Reading(column=name, kind=kinds.get(array.form, "number"))  # type: ignore[arg-type]
        for array in arrays
        for name in array.columns
    )
    return Trained(
        graph=graph.to_bytes(),
        signature=Signature(
            task=tasks[0], more_tasks=tuple(tasks[1:]), arrays=tuple(arrays), readings=readings, **more
        ),
        leaderboard=(),
        validation=np.zeros(0),
        importance={},
        decisions=(),
        parity=0.0,
        history=tuple(history),
    )


def dataset(columns: dict[str, Any], kinds: dict[str, str], *targets: str, **roles: str) -> Dataset:
    """Typed columns as a Dataset; `kinds` says what each is, the rest are categories or numbers."""
    import polars as pl

    from modelwright.core.data import Column, Dataset, Schema

    frame = pl.DataFrame(columns)
    made = []
    for name in frame.columns:
        kind = kinds.get(name, "number" if frame[name].dtype.is_numeric() else "category")
        role = "target" if name in targets else roles.get(name, "feature")
        made.append(Column(name, kind, role))  # type: ignore[arg-type]
    return Dataset.from_frame(frame, Schema(tuple(made)))


def image_input(channels: int = 1) -> ArrayInput:
    """Pictures of `SIDE` pixels, in the column `photo`."""
    from modelwright_runtime.signature import ArrayInput

    settings = {"height": SIDE, "width": SIDE, "channels": channels, "fit": "stretch"}
    return ArrayInput(form="image", columns=("photo",), settings=settings)


def _brightness(graph: Graph, grid: int) -> str:
    """Mean brightness, 0 to 1, of each cell of a grid over the picture: (n, grid * grid, 1)."""
    x = graph.node("Cast", graph.input("array_0", "uint8", (None, SIDE, SIDE, 1)), to=1)
    cell = SIDE // grid
    cut = graph.node("Reshape", x, graph.constant([-1, grid, cell, grid, cell], "int64"))
    mean = graph.node("ReduceMean", cut, graph.constant([2, 4], "int64"), keepdims=0)
    flat = graph.node("Reshape", mean, graph.constant([-1, grid * grid, 1], "int64"))
    return graph.node("Div", flat, graph.constant(255.0, "float32"))


def box_finder(*, grid: int = 4) -> Trained:
    """Finds bright (white) and dim (grey) squares on black, one in each cell of a grid over the picture.

    >>> trained, data = box_finder(), pictures_with_boxes(n_rows=3)
    >>> trained.predict(data).shape
    (3, 16, 6)
    """
    import numpy as np

    from modelwright.graph import Graph
    from modelwright_runtime.signature import Task

    graph = Graph()
    light = _brightness(graph, grid)
    white = graph.node("Sub", graph.node("Mul", light, graph.constant(2.0, "float32")), graph.constant(1.0, "float32"))
    off = graph.node("Abs", graph.node("Sub", light, graph.constant(0.4, "float32")))
    grey = graph.node("Sub", graph.constant(1.0, "float32"), graph.node("Mul", off, graph.constant(6.0, "float32")))
    edges = np.stack(np.meshgrid(np.arange(grid), np.arange(grid)), axis=-1).reshape(1, -1, 2) / grid
    corners = np.concatenate([edges, edges + 1 / grid], axis=-1)
    nothing = graph.node("Mul", light, graph.constant(0.0, "float32"))
    parts = [graph.node("Add", nothing, graph.constant(corners, "float32"))]
    parts += [graph.node("Relu", one) for one in (white, grey)]
    graph.output("raw", graph.node("Concat", *parts, axis=2), "float32", (None, grid * grid, 6))
    task = Task(kind="detection", target="boxes", classes=("bright", "dim"))
    return trained_of(graph, [task], [image_input()])


def pictures_with_boxes(*, n_rows: int, grid: int = 4, wobble: float = 0.0, seed: int = 0) -> Dataset:
    """Pictures of squares in a grid, and the boxes drawn around them, off by up to `wobble` of their size.

    >>> pictures_with_boxes(n_rows=2).schema.target
    'boxes'
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    cells, boxes, places = [], [], []
    for row in range(n_rows):
        width, height = (2 * SIDE, 3 * SIDE) if row % 2 else (SIDE, SIDE)
        picture, drawn = np.zeros((height, width), dtype=np.uint8), []
        for x, y in np.argwhere(rng.random((grid, grid)) < 0.25):
            label = ("bright", "dim")[int(rng.random() < 0.4)]
            left, top, wide, tall = x * width // grid, y * height // grid, width // grid, height // grid
            level = 255 if label == "bright" else 102
            picture[top : top + tall, left : left + wide] = level - rng.integers(0, 30)
            off = rng.uniform(-wobble, wobble, size=2) * (wide, tall)
            drawn.append(
                {"x": left + off[0], "y": top + off[1], "width": float(wide), "height": float(tall), "label": label}
            )
        cells.append(png(picture))
        boxes.append(drawn)
        places.append("tall" if row % 2 else "square")
    import polars as pl

    numbers = dict.fromkeys(("x", "y", "width", "height"), pl.Float64)
    column = pl.Series(boxes, dtype=pl.List(pl.Struct({**numbers, "label": pl.String})))
    kinds = {"photo": "image", "boxes": "boxes"}
    return dataset({"photo": cells, "shape": places, "boxes": column}, kinds, "boxes")


def mask_maker() -> Trained:
    """Says of each pixel whether it is brighter than half, more or less surely.

    >>> mask_maker().predict(pictures_with_masks(n_rows=2)).shape
    (2, 2, 32, 32)
    """
    from modelwright.graph import Graph
    from modelwright_runtime.signature import Task

    graph = Graph()
    x = graph.node("Cast", graph.input("array_0", "uint8", (None, SIDE, SIDE, 1)), to=1)
    light = graph.node("Reshape", x, graph.constant([-1, 1, SIDE, SIDE], "int64"))
    scaled = graph.node(
        "Sub", graph.node("Div", light, graph.constant(16.0, "float32")), graph.constant(8.0, "float32")
    )
    chance = graph.node("Sigmoid", scaled)
    other = graph.node("Sub", graph.constant(1.0, "float32"), chance)
    graph.output("mask", graph.node("Concat", other, chance, axis=1), "float32", (None, 2, SIDE, SIDE))
    return trained_of(graph, [Task(kind="segmentation", target="mask", classes=("0", "255"))], [image_input()])


def pictures_with_masks(*, n_rows: int, noise: float = 60.0, seed: int = 0) -> Dataset:
    """Noisy pictures of a bright disc, twice the network's size, with the disc's mask.

    >>> pictures_with_masks(n_rows=2).n_rows
    2
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    side = 2 * SIDE
    down, across = np.mgrid[:side, :side]
    photos, masks = [], []
    for _ in range(n_rows):
        middle, radius = rng.uniform(16, side - 16, size=2), rng.uniform(6, 16)
        disc = (down - middle[0]) ** 2 + (across - middle[1]) ** 2 < radius**2
        shown = np.where(disc, 190.0, 70.0) + rng.normal(scale=noise, size=disc.shape)
        photos.append(png(np.clip(shown, 0, 255).astype(np.uint8)))
        masks.append(png(np.where(disc, 255, 0).astype(np.uint8)))
    return dataset({"photo": photos, "mask": masks}, {"photo": "image", "mask": "mask"}, "mask")


def repeater(*, season: int = 4, length: int = 24, horizon: int = 6, quantiles: tuple[float, ...] = ()) -> Trained:
    """Forecasts the last season again, quantiles as far apart as their levels.

    >>> repeater().predict(daily(n_rows=2)).shape
    (2, 6)
    """
    import numpy as np

    from modelwright.graph import Graph
    from modelwright_runtime.signature import ArrayInput, Task

    graph = Graph()
    x = graph.input("array_0", "float32", (None, 1, length))
    places = length - season + np.arange(horizon) % season
    told = graph.node(
        "Gather", graph.node("Squeeze", x, graph.constant([1], "int64")), graph.constant(places, "int64"), axis=1
    )
    told = graph.node("Cast", told, to=11)
    shape: tuple[int | None, ...] = (None, horizon)
    if quantiles:
        told = graph.node("Unsqueeze", told, graph.constant([2], "int64"))
        told = graph.node("Add", told, graph.constant((np.array(quantiles) - 0.5) * 4.0, "float64"))
        shape = (*shape, len(quantiles))
    graph.output("future", told, "float64", shape)
    task = Task(kind="forecast", target="load next", horizon=horizon, quantiles=quantiles)
    series = ArrayInput(form="series", columns=("load",), settings={"length": length, "fit": "pad_left"})
    return trained_of(graph, [task], [series])


def daily(
    *, n_rows: int, length: int = 24, horizon: int = 6, n_series: int = 1, noise: float = 1.0, seed: int = 0
) -> Dataset:
    """Windows, one step apart, of series with a season of 4 steps; the column `meter` says which series.

    >>> daily(n_rows=3, n_series=2).n_rows
    6
    """
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(seed)
    past, future, meters = [], [], []
    for meter in range(n_series):
        steps = np.arange(n_rows + length + horizon)
        values = 20.0 + 5.0 * np.sin(steps * np.pi / 2) + noise * rng.normal(size=steps.size)
        for start in range(n_rows):
            past.append(values[start : start + length].tolist())
            future.append(values[start + length : start + length + horizon].tolist())
            meters.append(f"meter {meter}")
    lists = pl.List(pl.Float64)
    columns = {"load": pl.Series(past, dtype=lists), "load next": pl.Series(future, dtype=lists), "meter": meters}
    return dataset(columns, {"load": "series", "load next": "series"}, "load next", meter="group")


def corner_looker(*, n_classes: int = 3) -> Trained:
    """Answers two targets from a picture's upper left quarter: its `shade` (a class) and its `light` (a number).

    >>> trained, data = corner_looker(), corners(n_rows=2)
    >>> trained.predict(data).shape, trained.signature.more_tasks[0].target
    ((2, 3), 'light')
    """
    import numpy as np

    from modelwright.graph import Graph
    from modelwright_runtime.signature import Task

    graph = Graph()
    light = _brightness(graph, 2)
    corner = graph.node("Gather", light, graph.constant([0], "int64"), axis=1)
    value = graph.node("Reshape", corner, graph.constant([-1, 1], "int64"))
    centres = (np.arange(n_classes) + 0.5) / n_classes
    far = graph.node("Sub", value, graph.constant(centres[None, :], "float32"))
    near = graph.node("Mul", graph.node("Mul", far, far), graph.constant(-40.0, "float32"))
    graph.output("shade", graph.node("Softmax", near, axis=1), "float32", (None, n_classes))
    number = graph.node("Cast", graph.node("Squeeze", value, graph.constant([1], "int64")), to=11)
    graph.output("light", number, "float64", (None,))
    classes = tuple(f"shade {index}" for index in range(n_classes))
    tasks = [Task(kind="multiclass", target="shade", classes=classes), Task(kind="regression", target="light")]
    return trained_of(graph, tasks, [image_input()])


def corners(*, n_rows: int, n_classes: int = 3, noise: float = 0.08, seed: int = 0) -> Dataset:
    """Pictures of noise whose upper left quarter has a brightness, told as class and number, not quite rightly.

    >>> corners(n_rows=2).schema.of_role("target")
    ('shade', 'light')
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    photos, shades, lights = [], [], []
    for _ in range(n_rows):
        picture = rng.integers(0, 255, size=(SIDE, SIDE))
        level = rng.random()
        picture[: SIDE // 2, : SIDE // 2] = level * 255
        photos.append(png(picture.astype(np.uint8)))
        seen = float(np.clip(level + noise * rng.normal(), 0, 0.999))
        shades.append(f"shade {int(seen * n_classes)}")
        lights.append(seen)
    return dataset({"photo": photos, "shade": shades, "light": lights}, {"photo": "image"}, "shade", "light")


def labeller(n_labels: int = 3) -> Trained:
    """Gives the label `k` where the number `x<k>` is above 0, with the chance that a logistic curve says.

    >>> labeller().predict(labelled(n_rows=2)).shape
    (2, 3)
    """
    from modelwright.graph import Graph
    from modelwright_runtime.signature import ArrayInput, Task

    graph = Graph()
    x = graph.input("array_0", "float32", (None, n_labels))
    graph.output("labels", graph.node("Sigmoid", x), "float32", (None, n_labels))
    columns = tuple(f"x{index}" for index in range(n_labels))
    task = Task(kind="multilabel", target="tags", classes=tuple(f"tag {index}" for index in range(n_labels)))
    return trained_of(graph, [task], [ArrayInput(form="numbers", columns=columns)])


def labelled(*, n_rows: int, n_labels: int = 3, seed: int = 0) -> Dataset:
    """Numbers, and the labels that follow from them but for chance.

    >>> labelled(n_rows=2).schema["tags"].kind
    'labels'
    """
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_rows, n_labels)) * 2.0 - 0.5
    has = rng.random(x.shape) < 1.0 / (1.0 + np.exp(-x))
    tags = [[f"tag {index}" for index in np.flatnonzero(row)] for row in has]
    columns = {f"x{index}": x[:, index] for index in range(n_labels)}
    return dataset({**columns, "tags": pl.Series(tags, dtype=pl.List(pl.String))}, {"tags": "labels"}, "tags")


def word_weigher() -> Trained:
    """Says `good` or `bad` of a text by its words `fine` and `poor`, known to it as tokens.

    >>> word_weigher().predict(reviews(["a fine film", "poor"])).argmax(axis=1).tolist()
    [0, 1]
    """
    import numpy as np

    from modelwright.graph import Graph
    from modelwright_runtime.signature import ArrayInput, Task

    vocabulary = ["a", "fine", "poor", "film"]
    weights = np.array([[0, 0], [0, 0], [0, 0], [4, 0], [0, 4], [0, 0]])
    graph = Graph()
    tokens = graph.input("array_0", "int64", (None, 8))
    each = graph.node("Gather", graph.constant(weights, "float32"), tokens, axis=0)
    summed = graph.node("ReduceSum", each, graph.constant([1], "int64"), keepdims=0)
    graph.output("said", graph.node("Softmax", summed, axis=1), "float32", (None, 2))
    settings = {"level": "word", "casefold": True, "length": 8, "vocabulary": vocabulary}
    task = Task(kind="binary", target="said", classes=("good", "bad"))
    return trained_of(graph, [task], [ArrayInput(form="tokens", columns=("review",), settings=settings)])


def reviews(texts: Sequence[str | None], said: Sequence[str] | None = None) -> Dataset:
    """Texts and what is said of them: `bad` where they hold `poor`, unless given.

    >>> reviews(["poor"]).column("said")[0]
    'bad'
    """
    told = said or ["bad" if "poor" in (text or "") else "good" for text in texts]
    return dataset({"review": list(texts), "said": list(told)}, {"review": "text"}, "said")


def loudness_meter(*, n_samples: int = 800) -> Trained:
    """Says how loud a sound is: its mean square, times ten.

    >>> loudness_meter().predict(tones(n_rows=2)).shape
    (2,)
    """
    from modelwright.graph import Graph
    from modelwright_runtime.signature import ArrayInput, Task

    graph = Graph()
    x = graph.input("array_0", "float32", (None, n_samples))
    mean = graph.node("ReduceMean", graph.node("Mul", x, x), graph.constant([1], "int64"), keepdims=0)
    loud = graph.node("Mul", mean, graph.constant(10.0, "float32"))
    graph.output("loud", graph.node("Cast", loud, to=11), "float64", (None,))
    sound = ArrayInput(form="audio", columns=("sound",), settings={"rate_hz": 8000, "n_samples": n_samples})
    return trained_of(graph, [Task(kind="regression", target="loud")], [sound])


def tones(*, n_rows: int, seconds: float = 0.1, rate_hz: int = 8000, seed: int = 0) -> Dataset:
    """Tones of some loudness as WAV files, and their loudness, not quite rightly told.

    >>> tones(n_rows=2).schema["sound"].kind
    'audio'
    """
    import wave

    import numpy as np

    rng = np.random.default_rng(seed)
    sounds, loud = [], []
    for _ in range(n_rows):
        level, steps = rng.random(), np.arange(int(seconds * rate_hz))
        samples = level * np.sin(steps * rng.uniform(0.1, 0.5))
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate_hz)
            file.writeframes((samples * 32_000).astype("<i2").tobytes())
        sounds.append(buffer.getvalue())
        loud.append(float(10 * (samples**2).mean() + 0.2 * rng.normal()))
    return dataset({"sound": sounds, "loud": loud}, {"sound": "audio"}, "loud")
