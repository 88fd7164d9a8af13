"""Whole feature states: two presets in one graph, round trips, errors, and parts checked against known truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.data import Column, Dataset, Kind, Schema
from modelwright.core.errors import UserError
from modelwright.core.inputs import feeds
from modelwright.core.rng import stream
from modelwright.features import (
    FeatureSpec,
    FeatureState,
    apply,
    dates,
    emit,
    learn,
    learn_apply,
    preset,
    seen,
    shared_inputs,
)
from modelwright.graph import Graph
from modelwright_runtime.engine import open_session
from modelwright_runtime.signature import Signature, Task

REGRESSION = Task(kind="regression", target="y")
CLASSES = Task(kind="multiclass", target="y", classes=("a", "b", "c"))
KINDS: dict[str, Kind] = {
    "size": "number",
    "empty": "number",
    "flag": "boolean",
    "at": "datetime",
    "colour": "category",
    "town": "category",
    "note": "text",
}
COLUMNS = tuple(KINDS)


def table(n_rows: int, seed: int, *, new: int = 0) -> Dataset:
    """A mixed table with gaps; with `new`, some towns and words that other tables do not have."""
    rng = np.random.default_rng(seed)

    def gaps(values: Sequence[object]) -> list[object]:
        return [None if gap else value for value, gap in zip(values, rng.random(n_rows) < 0.1, strict=True)]

    frame = pl.DataFrame(
        {
            "size": gaps((rng.normal(size=n_rows) * 1e3).tolist()),
            "empty": pl.Series([None] * n_rows, dtype=pl.Float64),
            "flag": pl.Series(gaps((rng.random(n_rows) < 0.5).tolist()), dtype=pl.Boolean),
            "at": pl.Series(
                gaps([datetime(1990, 1, 1) + timedelta(hours=int(h)) for h in rng.integers(0, 300_000, n_rows)]),
                dtype=pl.Datetime("us"),
            ),
            "colour": gaps(rng.choice(["red", "blue", "grün"], n_rows).tolist()),
            "town": gaps([f"town {number}" for number in rng.integers(0, 40 + new, n_rows)]),
            "note": gaps([" ".join(rng.choice(["good", "bad", "food"], 3)) for _ in range(n_rows)]),
        }
    )
    return Dataset.from_frame(frame, Schema(tuple(Column(name, kind) for name, kind in KINDS.items())))


def learned(data: Dataset, spec: FeatureSpec, task: Task = CLASSES) -> tuple[FeatureState, np.ndarray]:
    target = stream(3, "target").integers(0, 3, data.n_rows)
    return learn_apply(data, COLUMNS, spec, target, task=task, rng=stream(0, "features"))


def test_two_presets_share_one_graph_and_give_the_bits_of_apply() -> None:
    states = [learned(table(300, 0), preset(name))[0] for name in ("plain", "scaled")]
    inputs, graph = shared_inputs(states), Graph()
    inputs.declare(graph)
    for index, state in enumerate(states):
        graph.output(f"x{index}", emit(state, graph, inputs), "float32", (None, len(state.names)))
    signature = Signature(
        task=CLASSES,
        readings=(),
        numbers=inputs.numbers,
        categories=inputs.categories,
        texts=inputs.texts,
    )
    session = open_session(graph.to_bytes(), n_threads=1)
    for data in (table(200, 1, new=20), table(1, 2)):
        for answer, state in zip(session.run(None, feeds(signature, data.frame)), states, strict=True):
            assert answer.dtype == np.float32
            assert np.array_equal(answer, apply(state, data), equal_nan=True)
    assert len(inputs.texts) == 1, "the same vocabulary is one input"


@pytest.mark.parametrize("name", ["plain", "scaled"])
def test_presets_keep_their_promises(name: str) -> None:
    state, x = learned(table(300, 0), preset(name))
    other = apply(state, table(100, 5, new=9))
    assert x.dtype == other.dtype == np.float32
    assert x.shape[1] == other.shape[1] == len(state.names) == len(set(state.names))
    assert set(state.sources) <= set(COLUMNS)
    if name == "scaled":
        assert np.isfinite(x).all() and np.isfinite(other).all()
        assert np.abs(x).max() <= 10 and np.abs(other).max() <= 10
    else:
        size = table(100, 5, new=9).frame["size"].cast(pl.Float32).to_numpy()
        assert np.array_equal(other[:, state.names.index("size")], size, equal_nan=True)


def test_a_state_survives_json_and_arrays() -> None:
    state, _ = learned(table(200, 0), preset("scaled"))
    plain, arrays = state.to_plain()
    read = FeatureState.from_plain(json.loads(json.dumps(plain)), arrays)
    assert (read.names, read.sources) == (state.names, state.sources)
    assert np.array_equal(apply(read, table(50, 1)), apply(state, table(50, 1)))


def test_training_rows_are_encoded_out_of_fold_and_others_are_not() -> None:
    """A town seen once says nothing of its own row; `apply` would repeat that row's target."""
    n_rows = 200
    frame = pl.DataFrame({"town": [f"town {row}" for row in range(n_rows)]})
    data = Dataset.from_frame(frame, Schema((Column("town", "category"),)))
    target = stream(1, "target").normal(size=n_rows)
    spec = FeatureSpec(many=[["target"]])
    state, x = learn_apply(data, ["town"], spec, target, task=REGRESSION, rng=stream(0, "features"))
    assert abs(np.corrcoef(x[:, 0], target)[0, 1]) < 0.3
    assert np.corrcoef(apply(state, data)[:, 0], target)[0, 1] > 0.99


def test_equal_rows_in_any_order_give_the_same_features() -> None:
    data = table(100, 0)
    state, _ = learned(data, preset("plain"))
    turned = Dataset.from_frame(data.frame.reverse(), data.schema)
    assert np.array_equal(apply(state, turned), apply(state, data)[::-1], equal_nan=True)


@settings(deadline=None, max_examples=60)
@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9998, 12, 30)))
def test_dates_are_the_calendars(moment: datetime) -> None:
    seconds = (moment - datetime(1970, 1, 1)).total_seconds()
    got = [float(part[0, 0]) for part in dates.parts_of(np.array([[seconds]]), np.zeros(1), np.floor)]
    # a float64 second far from 1970 is rounded: read the very number back
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=np.floor(seconds))
    day_of_year = moment.timetuple().tm_yday
    assert got[:6] == [moment.year, moment.month, moment.day, moment.weekday(), moment.hour, day_of_year]


def test_importance_is_summed_per_input_column() -> None:
    state, x = learned(table(200, 0), preset("scaled"))
    totals = state.by_source(np.ones(x.shape[1]))
    assert sum(totals.values()) == x.shape[1]
    assert totals["colour"] == 4  # three colours and missing


def test_levels_and_ranges_are_those_of_the_rows() -> None:
    levels, ranges = seen(table(300, 0), COLUMNS)
    assert levels["colour"] == ("blue", "grün", "red")
    assert ranges["flag"] == (0.0, 1.0) and "empty" not in ranges and "note" not in ranges


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(UserError, match="plain") as problem:
        preset("plane")
    assert problem.value.code == "features.preset"


@pytest.mark.parametrize(
    "wrong",
    [
        {"numbers": [["imputte"]]},
        {"numbers": [[{"impute": {"bye": "mean"}}]]},
        {"numbers": [["onehot"]]},
        {"few": [[]]},
        {"few": [["onehot", "ordinal"]]},
    ],
)
def test_a_chain_that_does_not_fit_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UserError, match="features"):
        FeatureSpec.parse(wrong, where="features")


def test_a_raw_column_and_an_empty_table_of_columns_are_refused() -> None:
    data = table(20, 0)
    raw = data.with_schema(data.schema.with_column("size", kind="raw"))
    for some, columns, code in ((raw, ["size"], "features.kind"), (data, [], "features.none")):
        with pytest.raises(UserError) as problem:
            learn(some, columns, preset("plain"), np.zeros(20), task=REGRESSION, rng=stream(0))
        assert problem.value.code == code


def test_a_spec_survives_yaml_like_data() -> None:
    spec = preset("scaled")
    assert FeatureSpec.parse(json.loads(json.dumps(spec.to_plain())), where="features") == spec


def test_many_columns_of_many_levels_get_encoders_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from modelwright.features import _levels
    from modelwright.features.ordinal import STEP
    from modelwright.testing.features import check_step

    monkeypatch.setattr(_levels, "LARGEST_TABLE", 0)
    check_step(STEP)
