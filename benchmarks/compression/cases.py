"""The packages that are compressed: networks, forests, boosting, joined ensembles and linear models, on real data.

Trainings are small (few rows, few passes): what is measured is what compression does to a model, not how good it is.
Rows held out are many, so that a hundredth can be seen.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.common import SHARED
from benchmarks.quality.tables import TABLES, read
from benchmarks.training.quality import digits_folder, sms_rows, trec_rows, write_table

MOST_TRAIN, MOST_TEST = 5000, 5000


@dataclass(frozen=True)
class Case:
    """A package to compress: `data` writes its file and gives its path, the target and further recipe settings."""

    name: str
    kind: str
    data: Callable[[Path], dict[str, Any]]
    train: dict[str, Any]

    @property
    def is_network(self) -> bool:
        return "network" in self.train


def _parts(n_rows: int, n_train: int = MOST_TRAIN) -> list[str]:
    """Which rows train and which are held out; "" for rows that are left out."""
    rng = np.random.default_rng(0)
    n_train = min(n_train, int(n_rows * 0.6))
    parts = np.full(n_rows, "", dtype=object)
    order = rng.permutation(n_rows)
    parts[order[:n_train]], parts[order[n_train : n_train + MOST_TEST]] = "train", "test"
    return parts.tolist()


def table(name: str, folder: Path) -> dict[str, Any]:
    raw = read(next(one for one in TABLES if one.name == name))
    frame = raw.frame.drop(raw.table.free_text).with_columns(part=pl.Series(_parts(raw.frame.height)))
    frame = frame.filter(pl.col("part") != "")
    path = folder / f"{name}.csv"
    frame.write_csv(path)
    return {"data": str(path), "target": raw.target}


def digits8(folder: Path) -> dict[str, Any]:
    """scikit-learn's digits of 8 x 8 pixels, as 64 numbers."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    names = [f"p{k}" for k in range(x.shape[1])]
    frame = pl.DataFrame(x, schema=names).with_columns(
        y=pl.Series([f"digit {k}" for k in y]), part=pl.Series(_parts(len(x)))
    )
    frame.write_csv(folder / "digits8.csv")
    return {"data": str(folder / "digits8.csv"), "target": "y"}


def cancer(folder: Path) -> dict[str, Any]:
    """scikit-learn's breast cancer."""
    from sklearn.datasets import load_breast_cancer

    made = load_breast_cancer()
    frame = pl.DataFrame(made.data, schema=[str(name) for name in made.feature_names])
    frame = frame.with_columns(
        y=pl.Series([str(made.target_names[k]) for k in made.target]), part=pl.Series(_parts(frame.height))
    )
    frame.write_csv(folder / "cancer.csv")
    return {"data": str(folder / "cancer.csv"), "target": "y"}


def mnist(n_train: int, n_test: int, folder: Path) -> dict[str, Any]:
    from modelwright.testing.small_networks import png

    def idx(name: str, head: int, size: int, n: int) -> np.ndarray:
        data = gzip.decompress((SHARED / "image" / "mnist" / name).read_bytes())
        return np.frombuffer(data, np.uint8, n * size, head).reshape(n, size)

    rows: list[tuple[str, str, str]] = []
    (folder / "pictures").mkdir(exist_ok=True)
    for part, stem, n in (("train", "train", n_train), ("test", "t10k", n_test)):
        pixels = idx(f"{stem}-images-idx3-ubyte.gz", 16, 784, n)
        labels = idx(f"{stem}-labels-idx1-ubyte.gz", 8, 1, n)
        for k in range(n):
            name = f"pictures/{part}{k}.png"
            (folder / name).write_bytes(png(pixels[k].reshape(28, 28)))
            rows.append((name, f"digit {labels[k, 0]}", part))
    path = write_table(folder / "mnist.csv", ["picture", "digit", "part"], rows)
    return {"data": path, "target": "digit", "clean": {"kinds": {"digit": "category"}}}


def spoken(folder: Path) -> dict[str, Any]:
    sounds = digits_folder(folder)
    names = sorted(path.name for path in sounds.iterdir())
    rows = [
        (f"sounds/{name}", f"digit {name[0]}", "test" if int(name.split("_")[2][:-4]) < 8 else "train")
        for name in names
    ]
    path = write_table(folder / "spoken.csv", ["sound", "digit", "part"], rows)
    return {"data": path, "target": "digit", "clean": {"kinds": {"digit": "category"}}}


def _texts(name: str, rows: Sequence[tuple[str, str, str]], folder: Path) -> dict[str, Any]:
    path = write_table(folder / f"{name}.csv", ["part", "text", "kind"], rows)
    return {"data": path, "target": "kind",
            "clean": {"kinds": {"text": "text", "kind": "category"}, "skip": ["duplicates"]}}  # fmt: skip


def trec(folder: Path) -> dict[str, Any]:
    return _texts("trec", trec_rows(), folder)


def sms(folder: Path) -> dict[str, Any]:
    rows = [(part, text, label) for part, text, label in sms_rows()]
    parts = _parts(len(rows), 2500)
    return _texts("sms", [(p, text, label) for p, (_, text, label) in zip(parts, rows, strict=True) if p], folder)


def news(folder: Path) -> dict[str, Any]:
    with gzip.open(SHARED / "text" / "ag_news" / "ag_news_7600.csv.gz", "rt", encoding="utf-8") as file:
        rows = [(f"{title} {body}", f"class {label}") for label, title, body in csv.reader(file) if label.isdigit()]
    parts = _parts(len(rows), 4000)
    return _texts("news", [(part, *row) for part, row in zip(parts, rows, strict=True) if part], folder)


def power(folder: Path) -> dict[str, Any]:
    """ItalyPowerDemand, both parts joined and divided anew: its own training part has 67 rows."""
    rows = []
    for path in sorted((SHARED / "time_series_classification" / "italypowerdemand").glob("*.ts*")):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        body = data.decode().split("@data")[1]
        rows += [line.strip().split(":") for line in body.splitlines() if ":" in line]
    parts = _parts(len(rows), 500)
    made = [(f"[{values}]", f"class {label}", part) for (values, label), part in zip(rows, parts, strict=True) if part]
    path = write_table(folder / "power.csv", ["day", "kind", "part"], made)
    return {"data": path, "target": "kind", "clean": {"kinds": {"day": "series", "kind": "category"}}}


def _network(epochs: float, **network: Any) -> dict[str, Any]:
    return {"budget": "quick", "network": {"network": network, "loop": {"epochs": epochs}, "refit": False,
                                           "doctor": "off", "augment": "off"}}  # fmt: skip


def _models(*models: str) -> dict[str, Any]:
    return {"budget": "quick", "network": "off", "models": list(models)} if models else {}


QUICK = {"budget": "quick"}


def _mlp(layers: int, width: int, epochs: float = 5) -> dict[str, Any]:
    return _network(epochs, trunk={"mlp": {"layers": layers, "width": width}})


VIT = {"patch": 8, "width": 96, "layers": 3}
CASES = (
    Case("phoneme mlp 3x64", "network", partial(table, "phoneme"), _mlp(3, 64)),
    Case("adult mlp 3x256", "network", partial(table, "adult"), _mlp(3, 256)),
    Case("california mlp 4x512", "network", partial(table, "california_housing"), _mlp(4, 512)),
    Case("digits8 mlp 2x128", "network", digits8, _mlp(2, 128, 20)),
    Case("adult attention", "network", partial(table, "adult"), _network(2, trunk="attention")),
    Case("mnist cnn", "network", partial(mnist, 3000, 3000), _network(3, encoders={"image": "image_cnn"})),
    Case("mnist vit", "network", partial(mnist, 3000, 3000), _network(8, encoders={"image": {"image_vit": VIT}})),
    Case("mnist resnet", "network", partial(mnist, 1000, 2000), _network(4, encoders={"image": "image_resnet"})),
    Case("spoken cnn", "network", spoken, _network(3, encoders={"audio": "audio_cnn"})),
    Case("spoken transformer", "network", spoken, _network(2, encoders={"audio": "audio_transformer"})),
    Case("trec cnn", "network", trec, _network(3, encoders={"text": "text_cnn"})),
    Case("news transformer", "network", news, _network(2, encoders={"text": "text_transformer"})),
    Case("sms recurrent", "network", sms, _network(2, encoders={"text": "text_recurrent"})),
    Case("power tcn", "network", power, _network(20, encoders={"series": "series_tcn"})),
    Case("power inception", "network", power, _network(20, encoders={"series": "series_inception"})),
    Case("power patch", "network", power, _network(20, encoders={"series": "series_patch"})),
    Case("adult ensemble", "ensemble", partial(table, "adult"), QUICK),
    Case("california ensemble", "ensemble", partial(table, "california_housing"), QUICK),
    Case("taxis ensemble", "ensemble", partial(table, "nyc_taxis"), QUICK),
    Case("vehicle ensemble", "ensemble", partial(table, "vehicle"), QUICK),
    Case("bank forest", "forest", partial(table, "bank_marketing"), _models("forest")),
    Case("phoneme forest", "forest", partial(table, "phoneme"), _models("forest")),
    Case("digits8 forest", "forest", digits8, _models("forest")),
    Case("diamonds boosting", "boosting", partial(table, "diamonds"), _models("boosting")),
    Case("churn boosting", "boosting", partial(table, "bank_churn"), _models("boosting")),
    Case("mammography boosting", "boosting", partial(table, "mammography"), _models("boosting")),
    Case("news linear", "linear", news, _models("linear")),
    Case("cancer linear", "linear", cancer, _models("linear")),
)  # fmt: skip


def recipe_of(case: Case, folder: Path) -> dict[str, Any]:
    """The recipe, its data written."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {"name": case.name.replace(" ", "-"), "split": {"kind": "given", "column": "part"},
            "evaluate": {"n_bootstrap": 50}, "train": {**case.train}, **case.data(folder)}  # fmt: skip
    if case.train == QUICK:
        made["train"] = {**QUICK, "network": "off"}
    return made
