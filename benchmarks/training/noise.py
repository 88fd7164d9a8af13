"""Wrong labels through the public `run`: CIFAR-10N's worst labels, with and without `wrong_labels: soften`.

4,000 pictures, of whose labels 42 % are wrong. Every fourth is held out and judged by its true class; training and its
validation see the wrong labels only. Both ways have the same network, augmentation and length of a fit; softening fits
every fold for what it says of labels, and so takes as many fits more as there are folds.
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
WAYS = ("trust", "soften")
NETWORK = {"encoders": {"image": {"image_cnn": {"channels": 16}}}}


def noise() -> Lines:
    table = ["| seed | plain | softened | seconds | seconds softened |", "|---|---|---|---|---|"]
    gains = []
    with scratch() as folder:
        file = labels_file(folder)
        for seed in SEEDS:
            plain, softened = (accuracy(file, folder, seed, way) for way in WAYS)
            gains.append(100 * (softened[0] - plain[0]))
            table.append(f"| {seed} | {plain[0]:.4f} | {softened[0]:.4f} | {plain[1]:.0f} | {softened[1]:.0f} |")
            print(table[-1], flush=True)
    told = ", ".join(f"{gain:+.1f}" for gain in gains)
    table.append(f"\nSoftened over plain: {told} points; mean {statistics.mean(gains):+.1f}.")
    return table, [bar("cifar10n_points_over_plain", statistics.mean(gains), 4.0, at_least=True)]


def accuracy(file: str, folder: Path, seed: int, way: str) -> tuple[float, float]:
    """Share of the held-out pictures whose true class is told, and the seconds of the whole run."""
    recipe: dict[str, Any] = {
        "name": f"noise-{way}-{seed}", "target": "label", "data": file, "seed": seed,
        "clean": {"kinds": {"label": "category"}}, "split": {"kind": "given", "column": "part"},
        "train": {"network": {"wrong_labels": way, "network": NETWORK}},
        "evaluate": {"n_bootstrap": 200},
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


PARTS = {"noise": noise}
