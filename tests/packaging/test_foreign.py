"""Models of others become packages; pickles only when asked for, apart, and never by their own word."""

from __future__ import annotations

import socket
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from modelwright.cli import command
from modelwright.core.errors import UserError
from modelwright.foreign import package_foreign
from modelwright.graph import Graph
from modelwright_runtime import load


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(400, 3)).round(4)
    kind = np.where(x[:, 0] + x[:, 1] > 0, "yes", "no")
    columns = {"b": x[:, 1], "a": x[:, 0], "c": x[:, 2], "kind": kind, "value": 3 * x[:, 0] - x[:, 2]}
    frame = pl.DataFrame(columns)
    frame.write_csv(tmp_path / "rows.csv")
    return tmp_path / "rows.csv"


def table(rows: Path, target: str) -> Path:
    other = "value" if target == "kind" else "kind"
    path = rows.with_name(f"{target}.csv")
    pl.read_csv(rows).drop(other).write_csv(path)
    return path


def estimator(name: str) -> Any:
    import lightgbm
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return {
        "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
        "boosting": lambda: GradientBoostingClassifier(n_estimators=10),
        "forest": lambda: RandomForestRegressor(n_estimators=10),
        "lightgbm": lambda: lightgbm.LGBMClassifier(n_estimators=10, verbose=-1),
        "lightgbm values": lambda: lightgbm.LGBMRegressor(n_estimators=10, verbose=-1),
    }[name]()


@pytest.mark.parametrize("name", ["pipeline", "boosting", "forest", "lightgbm", "lightgbm values"])
def test_pickled_estimators_become_packages(tmp_path: Path, rows: Path, name: str) -> None:
    pytest.importorskip("skl2onnx")
    pytest.importorskip("onnxmltools")
    import joblib
    import pandas

    target = "value" if name in ("forest", "lightgbm values") else "kind"
    frame = pl.read_csv(rows)
    x = frame.select("a", "b", "c")
    fitted = estimator(name).fit(pandas.DataFrame(x.to_dict(as_series=False)), frame[target].to_numpy())
    joblib.dump(fitted, tmp_path / "model.joblib")
    made = package_foreign(
        tmp_path / "model.joblib", str(table(rows, target)), target, tmp_path / "x.wright", unsafe_pickle=True
    )
    model = load(made)
    assert model.columns == ("a", "b", "c") or name.startswith("lightgbm")
    answers = model.predict(frame.to_dicts())
    single = x.to_numpy().astype(np.float32)
    if target == "kind":
        np.testing.assert_allclose(answers.probabilities, fitted.predict_proba(single), atol=1e-5)
        assert answers.classes == ("no", "yes")
    else:
        np.testing.assert_allclose(answers.prediction, fitted.predict(single), atol=1e-4)


def plain_onnx(path: Path, n_columns: int = 3) -> Path:
    graph = Graph()
    x = graph.input("x", "float32", (None, n_columns))
    weights = graph.constant(np.arange(1, n_columns + 1, dtype=np.float32)[:, None], "float32")
    graph.output("y", graph.node("MatMul", x, weights), "float32", (None, 1))
    path.write_bytes(graph.to_bytes())
    return path


def test_an_onnx_file_becomes_a_package_through_the_command(tmp_path: Path, rows: Path, capsys: Any) -> None:
    place, out = plain_onnx(tmp_path / "m.onnx"), tmp_path / "y.wright"
    arguments = ["import", str(place), "--rows", str(table(rows, "value")), "--target", "value", "-o", str(out)]
    assert command(arguments) == 0, capsys.readouterr().err
    model = load(out)
    assert model.predict({"b": 1.0, "a": 2.0, "c": "3"}).prediction.tolist() == [14.0]
    (tmp_path / "m.joblib").write_bytes(b"no pickle")
    assert command(["import", "gone", "-o", str(out)]) == 2
    assert command(["import", str(tmp_path / "m.joblib"), "--rows", str(rows), "--target", "v", "-o", str(out)]) == 2
    told = capsys.readouterr().err
    assert "exchange.missing" in told and "exchange.pickle" in told and "--unsafe-pickle" in told


def code_of(path: Path, rows: Path, output: Path, **more: Any) -> tuple[str, str]:
    with pytest.raises(UserError) as caught:
        package_foreign(path, str(rows), "value", output, **more)
    return caught.value.code, str(caught.value)


def test_graphs_that_do_not_fit_are_refused(tmp_path: Path, rows: Path) -> None:
    out, few = tmp_path / "x.wright", table(rows, "value")
    assert code_of(plain_onnx(tmp_path / "wide.onnx", 4), few, out)[0] == "exchange.columns"
    (tmp_path / "junk.onnx").write_bytes(b"\xf2")
    assert code_of(tmp_path / "junk.onnx", few, out)[0] == "package.graph"
    assert code_of(tmp_path / "gone.onnx", few, out)[0] == "exchange.missing"
    graph = Graph()
    graph.output("y", graph.node("StringNormalizer", graph.input("x", "str", (None, 1))), "str", (None, 1))
    (tmp_path / "text.onnx").write_bytes(graph.to_bytes())
    assert code_of(tmp_path / "text.onnx", few, out)[0] == "exchange.graph"
    assert not out.exists()


def test_graphs_with_data_outside_are_refused_on_import(tmp_path: Path, rows: Path) -> None:
    import onnx

    model = onnx.load(str(plain_onnx(tmp_path / "m.onnx")))
    (tmp_path / "secret").write_bytes(b"x" * 12)
    for place in ("secret", "../secret", "/etc/passwd"):
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        del tensor.external_data[:]
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=place)
        (tmp_path / "out.onnx").write_bytes(model.SerializeToString())
        code, told = code_of(tmp_path / "out.onnx", table(rows, "value"), tmp_path / "x.wright")
        assert code == "package.graph" and "outside" in told


class Hostile:
    """What a pickle may do: run any expression when it is opened."""

    def __init__(self, expression: str) -> None:
        self.expression = expression

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return eval, (self.expression,)


def hostile(path: Path, expression: str) -> Path:
    import pickle

    path.write_bytes(pickle.dumps(Hostile(textwrap.dedent(expression))))
    return path


def test_a_hostile_pickle_is_opened_only_apart(tmp_path: Path, rows: Path) -> None:
    """Not at all without the word; with it, it has no network, none of our secrets, and its word is not believed."""
    few, out = table(rows, "value"), tmp_path / "x.wright"
    mark = tmp_path / "mark"
    path = hostile(tmp_path / "m.pkl", f"open({str(mark)!r}, 'w').write('ran')")
    assert code_of(path, few, out)[0] == "exchange.pickle"
    assert not mark.exists()
    assert code_of(path, few, out, unsafe_pickle=True)[0] == "exchange.convert"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0.2)
        port = listener.getsockname()[1]
        hostile(path, f"__import__('socket').create_connection(('127.0.0.1', {port}))")
        code, told = code_of(path, few, out, unsafe_pickle=True)
        assert code == "exchange.convert"
        if "unreachable" in told or "refused" in told:  # where the system can take the network away
            with pytest.raises(TimeoutError):
                listener.accept()
    hostile(path, "__import__('sys').exit(str(__import__('os').environ.get('SECRET_OF_OURS')))")
    import os

    os.environ["SECRET_OF_OURS"] = "hunter2"
    try:
        assert "hunter2" not in code_of(path, few, out, unsafe_pickle=True)[1]
    finally:
        del os.environ["SECRET_OF_OURS"]
    hostile(path, "[__import__('sys').stderr.write(chr(27) + '[2Jfalse'), __import__('os')._exit(3)]")
    assert "\x1b" not in code_of(path, few, out, unsafe_pickle=True)[1]
    hostile(path, "bytearray(2 ** 36)")
    assert code_of(path, few, out, unsafe_pickle=True)[0] == "exchange.convert"
    assert not out.exists()
