"""Quality on real data through the public `run`, from files to a measured package: one function a data set.

python benchmarks/training/run.py --only mnist,text     parts by name; each leaves its lines in parts/<name>.json
"""

from __future__ import annotations

import csv
import gzip
import statistics
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.common import SHARED, bar

Lines = tuple[list[str], list[str]]


@contextmanager
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def measured(recipe: dict[str, Any], folder: Path) -> tuple[Any, float]:
    """The report of a run, and its seconds."""
    from modelwright import lifecycle
    from modelwright.core.store import Store
    from modelwright.recipe import Recipe

    began = time.perf_counter()
    made = Recipe.from_plain(recipe)
    store = Store.open(folder / "store")
    lifecycle.run(made, store=store)
    return lifecycle.value_of(store, made.name, "evaluation/evaluate"), time.perf_counter() - began


def write_table(path: Path, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)
    return str(path)


def mnist() -> Lines:
    with scratch() as folder:
        recipe = {
            "name": "mnist", "target": "label", "data": str(SHARED / "image" / "mnist"),
            "split": {"kind": "given", "column": "split"}, "evaluate": {"n_bootstrap": 200},
            "train": {"network": {"loop": {"epochs": 4}}},  # what fits in ten minutes; the standard budget takes one
        }  # fmt: skip
        report, seconds = measured(recipe, folder)
    accuracy = report["accuracy"]
    told = f"accuracy {accuracy.value:.4f} on {report.n_rows:,} in {seconds:.0f} s in all"
    table = [f"MNIST, 60,000 to train on, 4 epochs: {told}"]
    return table, [
        bar("mnist_accuracy", accuracy.value, 0.992, at_least=True),
        bar("mnist_seconds", seconds, 600),
    ]


def trec_rows() -> list[tuple[str, str, str]]:
    source = SHARED / "text" / "trec_questions"
    parts = {
        "train": gzip.decompress((source / "train.txt.gz").read_bytes()),
        "test": (source / "test.txt").read_bytes(),
    }
    return [(part, *_first_word(line)) for part, data in parts.items() for line in data.decode("latin-1").splitlines()]


def sst2_rows() -> list[tuple[str, str, str]]:
    source = SHARED / "text" / "sst2"
    return [
        (part, *_first_word(line))
        for part, name in (("train", "train"), ("validation", "dev"), ("test", "test"))
        for line in gzip.decompress((source / f"{name}.txt.gz").read_bytes()).decode("latin-1").splitlines()
    ]


def _first_word(line: str) -> tuple[str, str]:
    label, _, text = line.strip().partition(" ")
    return text, f"class {label}"


def linear_baseline(train: Sequence[tuple[str, str]], test: Sequence[tuple[str, str]]) -> float:
    """TF-IDF of words and pairs, logistic regression: scikit-learn's, the one to beat."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10, max_iter=1000)
    )
    model.fit([text for text, _ in train], [label for _, label in train])
    return float(model.score([text for text, _ in test], [label for _, label in test]))


def _given(name: str, rows: list[tuple[str, str, str]], folder: Path) -> tuple[float, float, float]:
    """Our accuracy, the linear baseline's, seconds."""
    sides = [("train" if part == "validation" else part, text, label) for part, text, label in rows]
    file = write_table(folder / f"{name}.csv", ["part", "text", "kind"], sides)
    recipe = {"name": name, "target": "kind", "data": file, "split": {"kind": "given", "column": "part"},
              "clean": {"kinds": {"text": "text", "kind": "category"}, "skip": ["duplicates"]}}  # fmt: skip
    report, seconds = measured(recipe, folder)
    train = [(text, label) for part, text, label in rows if part != "test"]
    test = [(text, label) for part, text, label in rows if part == "test"]
    return report["accuracy"].value, linear_baseline(train, test), seconds


def text() -> Lines:
    table = ["| texts | rows | ours | linear TF-IDF | seconds |", "|---|---|---|---|---|"]
    bars = []
    with scratch() as folder:
        for name, rows in (("trec", trec_rows()), ("sst2", sst2_rows()), ("sms", sms_rows())):
            ours, linear, seconds = _given(name, rows, folder)
            table.append(f"| {name} | {len(rows):,} | {ours:.4f} | {linear:.4f} | {seconds:.0f} |")
            bars.append(bar(f"{name}_accuracy_over_linear", ours - linear, 0.0, at_least=True))
            if name == "trec":
                bars.append(bar("trec_accuracy", ours, 0.89, at_least=True))
    return table, bars


def sms_rows() -> list[tuple[str, str, str]]:
    """Every fifth message is held out: the set has no official split."""
    with gzip.open(SHARED / "text" / "sms_spam" / "sms_spam.csv.gz", "rt", encoding="utf-8", errors="replace") as file:
        rows = list(csv.DictReader(file))
    return [("test" if number % 5 == 0 else "train", row["text"], row["type"]) for number, row in enumerate(rows)]


def ag_news(n_folds: int = 10) -> Lines:
    source = SHARED / "text" / "ag_news" / "ag_news_7600.csv.gz"
    with gzip.open(source, "rt", encoding="utf-8") as file:
        rows = [(f"{title} {body}", f"class {label}") for label, title, body in csv.reader(file) if label.isdigit()]
    ours, linear, spent = [], [], 0.0
    with scratch() as folder:
        for fold in range(n_folds):
            parts = [("test" if index % 10 == fold else "train", *row) for index, row in enumerate(rows)]
            one, other, seconds = _given(f"ag-{fold}", parts, folder)
            ours.append(one)
            linear.append(other)
            spent += seconds
    mean, base = statistics.mean(ours), statistics.mean(linear)
    table = [f"AG News, {len(rows):,} rows, {n_folds} of 10 folds: ours {mean:.4f}, linear {base:.4f}, {spent:.0f} s"]
    return table, [bar("ag_news_accuracy_over_linear", mean - base, 0.0, at_least=True)]


def digits_folder(folder: Path) -> Path:
    """The recordings unpacked."""
    target = folder / "sounds"
    with zipfile.ZipFile(SHARED / "audio" / "free_spoken_digit" / "recordings.zip") as archive:
        for name in archive.namelist():
            if name.endswith(".wav"):
                target.mkdir(exist_ok=True)
                (target / Path(name).name).write_bytes(archive.read(name))
    return target


def spoken() -> Lines:
    """Takes 0 to 4 held out (the official kind of split), and each speaker in turn."""
    with scratch() as folder:
        sounds = digits_folder(folder)
        names = sorted(path.name for path in sounds.iterdir())
        fields = [name.removesuffix(".wav").split("_") for name in names]
        accuracy, spent = {}, 0.0
        parts = {"official": [int(take) < 5 for _, _, take in fields]}
        for speaker in sorted({speaker for _, speaker, _ in fields}):
            parts[speaker] = [other == speaker for _, other, _ in fields]
        for part, held_out in parts.items():
            rows = [(f"sounds/{name}", digit[0], "test" if out else "train")
                    for name, digit, out in zip(names, fields, held_out, strict=True)]  # fmt: skip
            file = write_table(folder / f"{part}.csv", ["sound", "digit", "part"], rows)
            recipe = {"name": part, "target": "digit", "data": file, "split": {"kind": "given", "column": "part"},
                      "clean": {"kinds": {"digit": "category"}}}  # fmt: skip
            report, seconds = measured(recipe, folder)
            accuracy[part] = report["accuracy"].value
            spent += seconds
    others = [value for part, value in accuracy.items() if part != "official"]
    told = ", ".join(f"{part} {value:.3f}" for part, value in accuracy.items())
    table = [f"spoken digits, {len(names):,} recordings: {told}; {spent:.0f} s in all"]
    return table, [
        bar("spoken_digits_official", accuracy["official"], 0.98, at_least=True),
        bar("spoken_digits_unseen_speaker", statistics.mean(others), 0.85, at_least=True),
    ]


def series() -> Lines:
    """The archive's own split of three sets."""
    table, bars = [], []
    for name, limit in (("gunpoint", 0.98), ("italypowerdemand", 0.96), ("basicmotions", 0.97)):
        with scratch() as folder:
            for path in (SHARED / "time_series_classification" / name).glob("*.ts*"):
                data = path.read_bytes()
                plain = gzip.decompress(data) if path.suffix == ".gz" else data
                (folder / "data").mkdir(exist_ok=True)
                (folder / "data" / path.name.removesuffix(".gz")).write_bytes(plain)
            recipe = {"name": name, "target": "label", "data": str(folder / "data"),
                      "split": {"kind": "given", "column": "split"},
                      "clean": {"kinds": {"label": "category"}}}  # fmt: skip
            report, seconds = measured(recipe, folder)
        accuracy = report["accuracy"].value
        table.append(f"{name}: accuracy {accuracy:.4f} on {report.n_rows} in {seconds:.0f} s")
        bars.append(bar(f"{name}_accuracy", accuracy, limit, at_least=True))
    return table, bars


def unpacked(archive: Path, folder: Path) -> str:
    """The folder with what an archive holds."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder / "files")
    inner = list((folder / "files").iterdir())
    return str(inner[0] if len(inner) == 1 and inner[0].is_dir() else folder / "files")


def boxes() -> Lines:
    """Blood cells, the set's own split, from scratch."""
    with scratch() as folder:
        source = unpacked(SHARED / "object_detection" / "bccd" / "bccd_voc.zip", folder)
        recipe = {
            "name": "bccd",
            "target": "boxes",
            "data": source,
            "split": {"kind": "given", "column": "split"},
            "evaluate": {"n_bootstrap": 200},
        }
        report, seconds = measured(recipe, folder)
    names = [metric.name for metric in report.metrics]
    value = report["ap50"].value if "ap50" in names else report["map50"].value
    return [f"BCCD: AP50 {value:.4f} on {report.n_rows} pictures in {seconds:.0f} s"], [
        bar("bccd_ap50", value, 0.80, at_least=True)
    ]


def masks() -> Lines:
    """Membranes: a fifth of the pictures held out. Dice is that of the second class, white: what is no membrane; the
    first class is counted beside it, since it is the rarer and the harder one."""
    with scratch() as folder:
        source = unpacked(SHARED / "segmentation" / "membrane" / "membrane.zip", folder)
        recipe = {"name": "membrane", "target": "mask", "data": source, "evaluate": {"n_bootstrap": 200}}
        report, seconds = measured(recipe, folder)
    value, both = report["dice"].value, report["mean_dice"].value
    told = f"membrane: Dice {value:.4f} of the white, {2 * both - value:.4f} of the membranes, mean {both:.4f}; "
    told += f"{report['pixel_accuracy'].value:.4f} of the pixels right, on {report.n_rows} pictures in {seconds:.0f} s"
    return [told], [bar("membrane_dice", value, 0.90, at_least=True)]
