"""Wrong labels through the public `run`: CIFAR-10N's worst labels, learned plainly, by default, and with care.

4,000 pictures, of whose labels 42 % are wrong. Every fourth is held out and judged by its true class; training and its
validation (a fifth) see the wrong labels only. The network and the passes planned are the same, and nothing is fitted
once more on all rows. *Plain* is cross-entropy for all its passes. *Default* is what `run` does by itself:
cross-entropy, for as many passes as served the validation rows best. *Handled* adds one line of a recipe,
`wrong_labels: many`: rows are mixed with other rows.
"""

from __future__ import annotations

import csv
import gzip
import statistics
import zipfile
from pathlib import Path
from typing import Any

from benchmarks.common import SHARED, bar
from benchmarks.training.quality import Lines, measured, scratch, write_table

SOURCE = SHARED / "label_noise" / "cifar10n_4000"
SEEDS = (0, 1, 2)
EPOCHS = 60
WAYS: dict[str, dict[str, Any]] = {
    "plain": {"loop": {"epochs": EPOCHS, "validations": 1}},
    "default": {"loop": {"epochs": EPOCHS}},
    "handled": {"loop": {"epochs": EPOCHS}, "wrong_labels": "many"},
}
NETWORK = {"encoders": {"image": {"image_cnn": {"channels": 16}}}}


def noise() -> Lines:
    table = [f"| seed | {' | '.join(WAYS)} | seconds |", f"|---|{'---|' * len(WAYS)}---|"]
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    with scratch() as folder:
        file = labels_file(folder)
        for seed in SEEDS:
            spent = []
            for way in WAYS:
                accuracy, seconds = accuracy_of(file, folder, seed, way)
                found[way].append(accuracy)
                spent.append(seconds)
                print(seed, way, accuracy, round(seconds), flush=True)
            scores = " | ".join(f"{found[way][-1]:.4f}" for way in WAYS)
            table.append(f"| {seed} | {scores} | {', '.join(f'{one:.0f}' for one in spent)} |")
    means = {way: statistics.mean(scores) for way, scores in found.items()}
    over = {way: 100 * (means["handled"] - means[way]) for way in ("plain", "default")}
    table += ["", f"Handled over plain: {over['plain']:+.1f} points; over the default: {over['default']:+.1f}."]
    return table, [bar("cifar10n_points_over_plain", over["plain"], 4.0, at_least=True)]


def accuracy_of(file: str, folder: Path, seed: int, way: str) -> tuple[float, float]:
    """Share of the held-out pictures whose true class is told, and the seconds of the whole run."""
    recipe: dict[str, Any] = {
        "name": f"noise-{way}-{seed}", "target": "label", "data": file, "seed": seed,
        "clean": {"kinds": {"label": "category"}}, "split": {"kind": "given", "column": "part"},
        "train": {"network": {"network": NETWORK, "refit": False, **WAYS[way]}}, "evaluate": {"n_bootstrap": 200},
    }  # fmt: skip
    report, seconds = measured(recipe, folder / recipe["name"])
    return report["accuracy"].value, seconds


def labels_file(folder: Path) -> str:
    """Pictures unpacked, and a table of file, label and part: worst labels to train on, true ones to test."""
    with zipfile.ZipFile(SOURCE / "images.zip") as archive:
        archive.extractall(folder / "images")
    with gzip.open(SOURCE / "labels.csv.gz", "rt", encoding="utf-8") as file:
        labels = list(csv.DictReader(file))
    names = (SOURCE / "classes.txt").read_text().split()
    rows = []
    for number, row in enumerate(labels):
        part, column = ("test", "clean_label") if number % 4 == 0 else ("train", "worse_label")
        rows.append((f"images/{row['file']}", names[int(row[column])], part))
    return write_table(folder / "labels.csv", ["image", "label", "part"], rows)
