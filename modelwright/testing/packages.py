"""Tiny packages without training: a small graph written by hand over three columns, for tests of what leaves
the house and of what serves it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from modelwright.core.values import Cleaned, Trained
    from modelwright.packaging.base import Package
    from modelwright_runtime.signature import Signature

Kind = Literal["binary", "multiclass", "regression"]
CITIES = ("Bergen", "New York", "Oslo")
CLASSES = {"binary": ("no", "yes"), "multiclass": ("high", "low", "mid"), "regression": ()}


def tiny_signature(kind: Kind = "binary") -> Signature:
    """Columns `age` (number, `?` is missing), `price` (money), `member` (boolean), `city` (category)."""
    from modelwright_runtime.reading import Reading
    from modelwright_runtime.signature import Signature, Task

    return Signature(
        task=Task(kind=kind, target="paid", classes=CLASSES[kind]),
        readings=(
            Reading(column="age", kind="number", missing=("?",), sentinels=(-999.0,), low=0.0, high=130.0),
            Reading(column="price", kind="number", thousands=","),
            Reading(column="member", kind="boolean", true=("yes", "true"), false=("no", "false")),
            Reading(column="city", kind="category", variants={"new york": "New York"}),
        ),
        numbers=("age", "price", "member"),
        categories=("city",),
        threshold=0.4,
        levels={"city": CITIES},
        ranges={"age": (18.0, 90.0), "price": (0.0, 5000.0), "member": (0.0, 1.0)},
    )


def tiny_graph(kind: Kind = "binary") -> bytes:
    """Impute, scale, one-hot, and a linear model: every part of a real graph, in a few nodes."""
    import numpy as np

    from modelwright.graph import ML, Graph

    graph = Graph()
    numbers = graph.input("numbers", "float64", (None, 3))
    categories = graph.input("categories", "str", (None, 1))
    means = graph.constant([[45.0, 800.0, 0.5]], "float64")
    filled = graph.node("Where", graph.node("IsNaN", numbers), means, numbers)
    scale = graph.constant([[20.0, 900.0, 0.5]], "float64")
    scaled = graph.node("Cast", graph.node("Div", graph.node("Sub", filled, means), scale), to=1)
    hot = graph.node("OneHotEncoder", categories, domain=ML, cats_strings=list(CITIES), zeros=1)
    flat = graph.node("Reshape", hot, graph.constant([-1, len(CITIES)], "int64"))
    matrix = graph.node("Concat", scaled, flat, axis=1)
    n_outputs = max(1, len(CLASSES[kind]))
    weights = np.random.Generator(np.random.PCG64(1)).normal(size=(6, n_outputs))
    scores = graph.node("MatMul", matrix, graph.constant(weights, "float32"))
    if kind == "regression":
        values = graph.node("Reshape", graph.node("Cast", scores, to=11), graph.constant([-1], "int64"))
        graph.output("values", values, "float64", (None,))
    else:
        graph.output("probabilities", graph.node("Softmax", scores, axis=1), "float32", (None, n_outputs))
    return graph.to_bytes()


def tiny_training(kind: Kind = "binary", *, n_rows: int = 60) -> tuple[Trained, Cleaned]:
    """A `Trained` and a `Cleaned` of messy raw rows, as training and cleaning would hand them over."""
    import numpy as np
    import polars as pl

    from modelwright.core.data import ROW_ID, Column, Dataset, Decision, Schema
    from modelwright.core.values import Candidate, Cleaned, Trained
    from modelwright_runtime.reading import read_cell

    signature = tiny_signature(kind)
    raw = Dataset.from_frame(pl.DataFrame(raw_rows(n_rows)), origin={"source": "tiny rows made by hand"})
    kinds = {reading.column: reading.kind for reading in signature.readings}
    readings = {reading.column: reading for reading in signature.readings}
    types: dict[str, Any] = {"number": pl.Float64, "boolean": pl.Boolean, "category": pl.String}
    typed = {
        name: pl.Series([read_cell(cell, readings[name]) for cell in raw.frame[name].to_list()], dtype=pl.Float64).cast(
            types[kinds[name]]
        )
        if kinds[name] != "category"
        else pl.Series([read_cell(cell, readings[name]) for cell in raw.frame[name].to_list()], dtype=pl.String)
        for name in kinds
    }
    schema = Schema(tuple(Column(name, kinds[name]) for name in kinds))
    cleaned = Cleaned(
        kept=Dataset.from_frame(pl.DataFrame(typed), schema),
        removed=pl.DataFrame(schema={ROW_ID: pl.UInt64, "reason": pl.String, "twin_of": pl.UInt64}),
        changes=pl.LazyFrame(schema={ROW_ID: pl.UInt64, "column": pl.String}),
        readings=signature.readings,
        decisions=(Decision("cleaning", "age", "? is missing", "seen in the column"),),
        raw=raw,
    )
    metric = "neg_rmse" if kind == "regression" else "roc_auc"
    trained = Trained(
        graph=tiny_graph(kind),
        signature=signature,
        leaderboard=(Candidate(name="linear", model="linear", settings={}, metric=metric, score=0.8),),
        validation=np.zeros(n_rows),
        importance={"age": 1.0, "price": 0.5, "member": 0.1, "city": 0.2},
        decisions=(Decision("training", "model", "linear", "made by hand"),),
        parity=0.0,
    )
    return trained, cleaned


def raw_rows(n_rows: int) -> list[dict[str, Any]]:
    """Raw text rows with markers, money, blanks and spelling variants, the same each time."""
    ages = ["31", " 44 ", "?", "67.5", "-999", "", "200"]
    prices = ["1,234.50", "$80", "0", "", "4999"]
    members = ["yes", "NO", "", "true"]
    cities = ["Oslo", " New  York", "new york", "", "Bergen"]
    return [
        {
            "age": ages[index % 7],
            "price": prices[index % 5],
            "member": members[index % 4],
            "city": cities[(index * 3) % 5],
        }
        for index in range(n_rows)
    ]


def tiny_package(folder: Path, kind: Kind = "binary", *, name: str = "tiny") -> Package:
    """Write `folder/NAME.wright` and return it."""
    from modelwright.packaging.base import package

    trained, cleaned = tiny_training(kind)
    return package(trained, cleaned, path=folder / f"{name}.wright", name=name, card="# Tiny\n")
