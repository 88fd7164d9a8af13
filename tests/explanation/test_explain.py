"""Explanations of packages: every kind of column and of task, and what is said of all rows together."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from modelwright.core.errors import UserError
from modelwright.explanation import ExplainSpec, explain
from modelwright.explanation.mixing import mixer_of
from modelwright.explanation.outcome import outcome_of
from modelwright.explanation.page import explanation_page
from modelwright.explanation.partial import partial
from modelwright.explanation.permuted import shuffled
from modelwright.explanation.shapley import exact_shares
from modelwright.explanation.tables import long_table, plain
from modelwright.graph import Graph
from modelwright.testing.packages import raw_rows, tiny_graph, tiny_signature, tiny_training
from modelwright_runtime.model import Model
from modelwright_runtime.reading import Reading
from modelwright_runtime.signature import ArrayInput, Signature, Task

N_COLUMNS = 12
SERIES = {"length": 4, "mean": [0.0, 0.0], "scale": [1.0, 1.0]}


def linear_model(kind: str = "binary", *, weights: np.ndarray | None = None) -> tuple[Model, np.ndarray]:
    """A model of twelve numbers: log-odds (or a value) that are a weighted sum."""
    weights = np.linspace(-1, 1, N_COLUMNS) if weights is None else weights
    names = tuple(f"x{index}" for index in range(N_COLUMNS))
    graph = Graph()
    total = graph.node("MatMul", graph.input("numbers", "float64", (None, N_COLUMNS)),
                       graph.constant(weights[:, None], "float64"))  # fmt: skip
    if kind == "regression":
        graph.output("values", graph.node("Reshape", total, graph.constant([-1], "int64")), "float64", (None,))
    else:
        yes = graph.node("Sigmoid", total)
        no = graph.node("Sub", graph.constant([[1.0]], "float64"), yes)
        both = graph.node("Cast", graph.node("Concat", no, yes, axis=1), to=1)
        graph.output("probabilities", both, "float32", (None, 2))
    task = Task(kind=kind, target="y", classes=() if kind == "regression" else ("no", "yes"))  # type: ignore[arg-type]
    readings = tuple(Reading(column=name, kind="number") for name in names)
    return Model(graph.to_bytes(), Signature(task=task, readings=readings, numbers=names)), weights


def numbers(n_rows: int, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(rng.normal(size=(n_rows, N_COLUMNS)), schema=[f"x{index}" for index in range(N_COLUMNS)])


def test_a_linear_model_has_the_closed_form_in_log_odds() -> None:
    model, weights = linear_model()
    rows, background = numbers(6), numbers(80, seed=1)
    found = explain(model, rows, background=background, spec=ExplainSpec(scale="log_odds"))
    due = weights * (rows.to_numpy() - background.to_numpy().mean(axis=0))
    assert not found.exact and found.n_background == 80
    np.testing.assert_allclose(found.values, due, atol=2e-5)  # the graph answers in float32
    np.testing.assert_allclose(found.values.sum(axis=1), found.answers - found.base, atol=1e-12)
    assert [one.column for one in found.weights[-2:]] == ["x5", "x6"] or found.weights[-1].column in ("x5", "x6")


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_every_task_is_explained_and_adds_up(kind: Any) -> None:
    model = Model(tiny_graph(kind), tiny_signature(kind), name="tiny")
    rows = raw_rows(45)
    found = explain(model, rows[:5], background=rows[5:])
    assert found.exact and found.columns == ("age", "price", "member", "city")
    np.testing.assert_allclose(found.values.sum(axis=1), found.answers - found.base, atol=1e-12)
    answers = model.answers(rows)[0].astype(float)
    if kind == "regression":
        np.testing.assert_allclose(found.answers, answers[:5])
        np.testing.assert_allclose(found.base, answers[5:].mean())
    elif kind == "multiclass":
        assert list(found.classes) == [model.signature.task.classes[one] for one in answers[:5].argmax(axis=1)]
        named = explain(model, rows[:5], background=rows[5:], spec=ExplainSpec(of_class="mid"))
        assert set(named.classes) == {"mid"}
        np.testing.assert_allclose(named.answers, answers[:5, 2])
    told = json.loads(json.dumps(plain(found)))
    assert len(told["rows"]) == 5 and set(told["rows"][0]["values"]) == set(found.columns)
    table = long_table(found)
    assert table.height == 20
    sums = table.group_by("row", maintain_order=True).agg(pl.col("shapley_value").sum())["shapley_value"]
    np.testing.assert_allclose(sums.to_numpy(), found.answers - found.base, atol=1e-12)
    page = explanation_page(found, title="tiny")
    assert "http" not in page.replace("http-equiv", "") and page.count('<article class="row"') == 5


def test_the_same_call_gives_the_same_bytes_and_threads_do_not_matter() -> None:
    model, _ = linear_model()
    rows, background = numbers(4), numbers(300, seed=1)
    made = [plain(explain(model, rows, background=background, seed=seed)) for seed in (0, 0, 1)]
    assert json.dumps(made[0]) == json.dumps(made[1]) != json.dumps(made[2])


def test_typed_rows_and_golden_rows_serve_as_background() -> None:
    trained, cleaned = tiny_training()
    model = Model(trained.graph, trained.signature, name="tiny")
    rows = raw_rows(60)
    of_raw = explain(model, rows[:3], background=rows)
    of_typed = explain(model, rows[:3], background=cleaned.kept)
    np.testing.assert_allclose(of_typed.values, of_raw.values, atol=1e-9)
    carried = Model(trained.graph, trained.signature, facts={
        "golden": {"rows": rows[:20] + [dict.fromkeys(rows[0])], "kinds": ["training"] * 20 + ["missing"]}
    })  # fmt: skip
    found = explain(carried, rows[:3])
    assert found.n_background == 20 and "package carries" in found.background
    with pytest.raises(UserError) as caught:
        explain(model, rows[:3])
    assert caught.value.code == "explain.background"
    with pytest.raises(UserError) as caught:
        explain(model, [], background=rows)
    assert caught.value.code == "explain.rows"


@pytest.mark.parametrize(
    ("spec", "code"), [({"of_class": "may be"}, "explain.class"), ({"target": "z"}, "explain.target")]
)
def test_what_the_package_does_not_answer_is_refused(spec: dict[str, Any], code: str) -> None:
    with pytest.raises(UserError) as caught:
        explain(Model(tiny_graph(), tiny_signature()), raw_rows(2), background=raw_rows(9), spec=ExplainSpec(**spec))
    assert caught.value.code == code and caught.value.hint


def test_mixed_rows_take_columns_whole() -> None:
    model = Model(tiny_graph(), tiny_signature())
    mixer, rows = mixer_of(model), raw_rows(30)
    sample = mixer.read(rows)
    taken = np.array([[True, False, True, False], [False, True, False, True]])
    mixed = mixer.mixed(sample, sample, (np.array([3, 4]), np.array([10, 11])), taken)
    by_hand = [
        {name: rows[one if take else other][name] for name, take in zip(mixer.columns, row, strict=True)}
        for one, other, row in zip([3, 4], [10, 11], taken.tolist(), strict=True)
    ]
    np.testing.assert_array_equal(mixed, model.answers(by_hand)[0])
    unlike = mixer.differs(sample, 0, sample)
    assert not unlike[0].any() and unlike[7:].any()
    both_missing = mixer.read([{**rows[0], "age": "?", "city": ""}, {**rows[0], "age": None, "city": None}])
    assert not mixer.differs(both_missing, 0, both_missing).any()


def test_a_curve_is_the_mean_answer_with_that_value() -> None:
    model, weights = linear_model("regression")
    mixer = mixer_of(model)
    pool, rows = mixer.read(numbers(500, seed=2)), mixer.read(numbers(40, seed=3))
    outcome = outcome_of(mixer.task, mixer.answers(rows), scale="probability", asked_class=None)
    curve = partial(mixer, outcome, 0, pool, rows)
    assert curve is not None and curve.kind == "number" and 10 <= len(curve.at) <= 20
    rest = mixer.answers(rows).mean() - weights[0] * numbers(40, seed=3)["x0"].mean()  # type: ignore[operator]
    np.testing.assert_allclose(curve.mean, weights[0] * curve.at + rest, atol=1e-9)
    assert curve.edges is not None and len(curve.shares) == len(curve.edges) - 1
    assert 0.97 < curve.shares.sum() <= 1.0


def test_a_curve_of_levels_has_the_commonest_first_and_names_gaps() -> None:
    model = Model(tiny_graph(), tiny_signature())
    mixer = mixer_of(model)
    pool = mixer.read(raw_rows(60))
    outcome = outcome_of(mixer.task, mixer.answers(pool), scale="probability", asked_class=None)
    curve = partial(mixer, outcome, 3, pool, pool)
    assert curve is not None and curve.kind == "level"
    assert set(curve.labels) >= {"Oslo", "Bergen", "(missing)"} and list(curve.shares) == sorted(curve.shares)[::-1]
    same = mixer.read([raw_rows(1)[0]] * 3)
    assert partial(mixer, outcome, 3, same, same) is None


def test_shuffling_hurts_by_what_a_column_weighs() -> None:
    weights = np.zeros(N_COLUMNS)
    weights[[0, 1]] = [2.0, 0.5]
    model, _ = linear_model("regression", weights=weights)
    mixer, rows = mixer_of(model), numbers(2000, seed=4)
    truth = rows.to_numpy() @ weights + np.random.default_rng(5).normal(size=2000)
    found = shuffled(mixer, mixer.read(rows), truth, np.random.default_rng(6))
    assert found.measure == "root mean squared error" and found.n_rows == 500
    due = np.sqrt(1 + 2 * weights**2) - 1  # the variance of a difference of two draws is twice theirs
    assert (np.abs(found.growth[:2] - due[:2]) < 4 * found.errors[:2]).all()
    assert not found.growth[2:].any()
    without = shuffled(mixer, mixer.read(rows), None, np.random.default_rng(6))
    assert without.measure == "change of the answer" and without.base == 0.0
    assert without.growth[0] == pytest.approx(2 * 2 / np.sqrt(np.pi), rel=0.15)


def test_columns_that_work_together_are_told() -> None:
    def product(x: np.ndarray) -> np.ndarray:
        return np.asarray(3 * x[:, 0] * x[:, 1] + x[:, 2])

    names, graph = ("a", "b", "c"), Graph()
    x = graph.input("numbers", "float64", (None, 3))
    one, two, three = (graph.node("Gather", x, graph.constant([k], "int64"), axis=1) for k in range(3))
    both = graph.node("Mul", graph.node("Mul", one, two), graph.constant([[3.0]], "float64"))
    flat = graph.node("Reshape", graph.node("Add", both, three), graph.constant([-1], "int64"))
    graph.output("values", flat, "float64", (None,))
    signature = Signature(task=Task(kind="regression", target="y"), numbers=names,
                          readings=tuple(Reading(column=name, kind="number") for name in names))  # fmt: skip
    model, rng = Model(graph.to_bytes(), signature), np.random.default_rng(0)
    background = rng.normal(size=(80, 3))
    found = explain(model, rng.normal(size=(5, 3)), background=pl.DataFrame(background, schema=list(names)))
    first = found.together[0]
    assert set(first.columns) == {"a", "b"} and first.share > 0.5
    assert all(one.share < 0.05 for one in found.together[1:] if "c" in one.columns)
    row = np.array([1.0, 2.0, 3.0])
    alone = explain(model, {"a": 1.0, "b": 2.0, "c": 3.0}, background=pl.DataFrame(background, schema=list(names)))
    due = exact_shares(lambda at, taken: product(np.where(taken, row, background[at])), row != background,
                       float(product(row[None])[0]), product(background))  # fmt: skip
    np.testing.assert_allclose(alone.values[0], due.values, atol=1e-9)


def test_hints_change_the_answer_and_nothing_more_than_they_must() -> None:
    weights = np.zeros(N_COLUMNS)
    weights[[0, 1]] = [4.0, 0.2]
    model, _ = linear_model(weights=weights)
    rows, background = numbers(30, seed=7), numbers(400, seed=8)
    found = explain(model, rows, background=background)
    for place, hint in enumerate(found.hints):
        assert hint is not None and hint.said != found.said[place]
        changed = {**rows.row(place, named=True), **{name: after for name, _, after in hint.changes}}
        assert model.predict(changed).prediction[0] == hint.said
        for name, before, _ in hint.changes:
            assert model.predict({**changed, name: before}).prediction[0] == found.said[place]
    assert np.mean([[name for name, _, _ in hint.changes] == ["x0"] for hint in found.hints if hint]) > 0.9


def test_what_nobody_can_change_is_given_back_first() -> None:
    names = ("sex", "income")
    graph = Graph()
    total = graph.node(
        "ReduceSum", graph.input("numbers", "float64", (None, 2)), graph.constant([1], "int64"), keepdims=1
    )
    yes = graph.node("Sigmoid", total)
    both = graph.node("Concat", graph.node("Sub", graph.constant([[1.0]], "float64"), yes), yes, axis=1)
    graph.output("probabilities", graph.node("Cast", both, to=1), "float32", (None, 2))
    signature = Signature(
        task=Task(kind="binary", target="y", classes=("no", "yes")), numbers=names,
        readings=tuple(Reading(column=name, kind="number") for name in names),
    )  # fmt: skip
    background = [{"sex": 1.0, "income": 1.0}, {"sex": 1.0, "income": 1.1}]
    found = explain(Model(graph.to_bytes(), signature), {"sex": -0.5, "income": -0.4}, background=background)
    assert found.hints[0] is not None and [name for name, _, _ in found.hints[0].changes] == ["income"]


def test_series_and_codes_are_columns_as_a_whole() -> None:
    """A network's inputs: two series in one array, and two categories as codes in another."""
    graph = Graph()
    series = graph.input("array_0", "float32", (None, 2, 4))
    codes = graph.input("array_1", "int64", (None, 2))
    level = graph.node("ReduceMean", series, graph.constant([1, 2], "int64"), keepdims=0)
    of_code = graph.node("ReduceSum", graph.node("Cast", codes, to=1), graph.constant([1], "int64"), keepdims=0)
    graph.output("values", graph.node("Cast", graph.node("Mul", level, of_code), to=11), "float64", (None,))
    levels = {"one": ("a", "b"), "two": ("c", "d")}
    signature = Signature(
        task=Task(kind="regression", target="y"), levels=levels,
        readings=(*(Reading(column=name, kind="series") for name in ("left", "right")),
                  *(Reading(column=name, kind="category") for name in levels)),
        arrays=(ArrayInput(form="series", columns=("left", "right"), settings=SERIES),
                ArrayInput(form="codes", columns=("one", "two"), settings={"levels": [["a", "b"], ["c", "d"]]})),
    )  # fmt: skip
    rng = np.random.default_rng(0)

    def rows(n: int) -> list[dict[str, Any]]:
        return [{"left": rng.normal(size=4).tolist(), "right": rng.normal(size=4).tolist(),
                 "one": str(rng.choice(["a", "b"])), "two": str(rng.choice(["c", "d"]))} for _ in range(n)]  # fmt: skip

    model, some, background = Model(graph.to_bytes(), signature), rows(3), rows(12)
    found = explain(model, some, background=background)
    assert found.columns == ("left", "right", "one", "two") and found.exact
    np.testing.assert_allclose(found.values.sum(axis=1), found.answers - found.base, atol=1e-6)
    for place, row in enumerate(some):
        due = []
        for other in background:
            taken = {**other, "left": row["left"]}
            due.append(model.answers([taken])[0][0] - model.answers([other])[0][0])
        first = mixer_of(model)
        alone = first.mixed(first.read([row]), first.read(background), (np.zeros(12, int), np.arange(12)),
                            np.tile([True, False, False, False], (12, 1)))  # fmt: skip
        np.testing.assert_allclose(alone - first.answers(first.read(background)), due, atol=1e-6)
        assert explanation_page(found, title="x").count("4 values") >= 1 and place < 3
    assert {one.column for one in found.curves} == {"one", "two"}
