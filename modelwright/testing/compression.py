"""The suite that every compression passes, and a small trained forest to compress."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelwright.core.data import Dataset
    from modelwright.core.values import Splits, Trained
    from modelwright.packaging.compression.case import Case, Compression

APART = 1e-3
"""Largest difference of a row's answer alone and among others, for forms that reckon in whole numbers."""


def small_forest(kind: str = "binary", *, n_rows: int = 600) -> tuple[Trained, Dataset, Splits]:
    """A forest and a boosting, joined, over numbers with gaps and a category; typed rows and their splits."""
    import numpy as np
    import polars as pl

    from modelwright.core.data import Column, Dataset, Schema
    from modelwright.core.values import Splits
    from modelwright.training import TrainSpec, train

    rng = np.random.Generator(np.random.PCG64(3))
    x = rng.normal(size=(n_rows, 4))
    city = rng.choice(["Bergen", "Oslo", "Rome"], n_rows)
    signal = x[:, 0] + x[:, 1] * (city == "Oslo") - 0.5 * x[:, 2] + rng.normal(size=n_rows) * 0.4
    x[rng.random(x.shape) < 0.05] = np.nan
    if kind == "regression":
        target = pl.Series("y", 10 + 3 * signal)
    else:
        bounds = [0.0] if kind == "binary" else [-0.6, 0.6]
        target = pl.Series("y", np.array(["low", "mid", "high"])[np.digitize(signal, bounds)].tolist())
    columns = {f"x{k}": pl.Series(x[:, k]).fill_nan(None) for k in range(4)}
    frame = pl.DataFrame({**columns, "city": city.tolist(), "y": target})
    aim = Column("y", "number" if kind == "regression" else "category", "target")
    schema = Schema((*(Column(f"x{k}", "number") for k in range(4)), Column("city", "category"), aim))
    data = Dataset.from_frame(frame, schema)
    ids = np.arange(n_rows, dtype=np.uint64)
    train_ids = ids[ids % 5 > 0]
    splits = Splits(train=train_ids, test=ids[ids % 5 == 0], folds=(train_ids % 3).astype(np.int8), kind="random")
    spec = TrainSpec(models=({"forest": {"trees": 40}}, {"boosting": {"rounds": 60}}), budget="quick")
    return train(data, splits, spec), data, splits


def small_network(*, n_rows: int = 400, width: int = 96) -> tuple[Trained, Dataset, Splits]:
    """A network over four numbers that answers as its rows are labelled; its weights are drawn, not learned."""
    import numpy as np
    import polars as pl

    from modelwright.core.data import Column, Dataset, Schema
    from modelwright.core.values import Splits
    from modelwright.graph import Graph
    from modelwright.testing.small_networks import trained_of
    from modelwright_runtime.signature import ArrayInput, Task

    rng = np.random.Generator(np.random.PCG64(5))
    names = tuple(f"x{k}" for k in range(4))
    graph = Graph()
    x = graph.input("array_0", "float32", (None, 4))
    for n_in, n_out in ((4, width), (width, width), (width, 2)):
        drawn = rng.normal(size=(n_in, n_out)) / n_in**0.5
        x = graph.node("Add", graph.node("MatMul", x, graph.constant(drawn, "float32")),
                       graph.constant(rng.normal(size=n_out) * 0.1, "float32"))  # fmt: skip
        x = graph.node("Relu", x) if n_out > 2 else x
    x = graph.node("Mul", x, graph.constant([4.0], "float32"))
    graph.output("probabilities", graph.node("Softmax", x, axis=1), "float32", (None, 2))
    task = Task(kind="binary", target="y", classes=("no", "yes"))
    trained = trained_of(graph, (task,), (ArrayInput(form="numbers", columns=names),))
    values = rng.normal(size=(n_rows, 4))
    schema = Schema((*(Column(name, "number") for name in names), Column("y", "category", "target")))
    frame = pl.DataFrame({name: values[:, k] for k, name in enumerate(names)})
    blank = Dataset.from_frame(frame.with_columns(y=pl.lit("no")), schema)
    yes = trained.predict(blank)[:, 1] > rng.random(n_rows)
    data = Dataset.from_frame(frame.with_columns(y=pl.Series(np.where(yes, "yes", "no"))), schema)
    ids = np.arange(n_rows, dtype=np.uint64)
    kept = ids[ids % 5 > 0]
    splits = Splits(train=kept, test=ids[ids % 5 == 0], folds=(kept % 3).astype(np.int8), kind="random")
    return trained, data, splits


def case_of(trained: Trained, data: Dataset, splits: Splits) -> Case:
    """What `compress` hands to its methods."""
    from modelwright.packaging.compression.base import _case

    return _case(trained, data, splits, 0)


def check_compression(method: Compression, case: Case) -> None:
    """Raise AssertionError, with the rule that is broken, if a compression does not keep the contract on this case.

    It says a reason or gives forms; the same case gives the same bytes; a form holds standard operators only, takes
    columns of the rows, answers in the original's shape and type, finite where the original is, and a row's answer is
    the same alone as among others; probabilities are such. A storage gives one form, smaller than the original's.

    >>> from modelwright.packaging.compression.float16 import COMPRESSION
    >>> check_compression(COMPRESSION, case_of(*small_forest()))
    """
    from modelwright_runtime.graphcheck import check_graph

    if method.suits(case):
        return
    forms, again = method.make(case), method.make(case)
    assert forms, "it suits and gives no form"
    assert len({form.name for form in forms}) == len(forms), "two forms of one name"
    assert [f.graph for f in forms] == [f.graph for f in again], "the same case gives other bytes"
    for form in forms:
        assert form.name.split()[0] == method.name, f"{form.name} does not begin with the method's name"
        check_graph(form.graph)
        _check_answers(form.graph, form.signature, case, form.name)
        if form.honest is not None:
            assert form.honest.shape[0] == case.rows.n_rows, "honest answers are not aligned with the rows"
    if method.storage:
        assert len(forms) == 1, "a storage gives one form"
        assert len(forms[0].graph) < len(case.trained.graph), "stored otherwise it is no smaller"


def _check_answers(graph: bytes, signature: object, case: Case, name: str) -> None:
    import numpy as np

    from modelwright.core.data import Dataset
    from modelwright.core.inputs import graph_outputs

    frame = case.rows.frame.head(20)

    def asked(some: object) -> tuple[np.ndarray, ...]:
        rows = Dataset(some.lazy(), case.rows.schema, some.height)  # type: ignore[attr-defined]
        return graph_outputs(graph, signature, rows)  # type: ignore[arg-type]

    original = graph_outputs(case.trained.graph, case.trained.signature, Dataset(frame.lazy(), case.rows.schema, 20))
    together, alone = asked(frame), asked(frame[7:8])
    for now, was, single in zip(together, original, alone, strict=True):
        assert now.shape == was.shape and now.dtype == was.dtype, f"{name}: {now.dtype}{now.shape}, not {was.dtype}"
        assert (np.isfinite(now) == np.isfinite(was)).all(), f"{name}: an answer is not finite"
        scale = max(1.0, float(np.abs(was).max()))
        assert np.allclose(now[7:8], single, atol=APART * scale), f"{name}: alone a row is answered otherwise"
    if case.trained.task.is_classification:
        assert np.allclose(together[0].sum(axis=1), 1, atol=1e-5), f"{name}: probabilities do not sum to 1"
