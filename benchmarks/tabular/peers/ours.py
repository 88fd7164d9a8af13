"""Modelwright on the raw text of the same rows, answered through the package: `python ours.py FOLDER`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "runtime")]

import numpy as np
import polars as pl

from modelwright.cleaning import CleanSpec, clean
from modelwright.core.data import Dataset
from modelwright.packaging import package
from modelwright.splitting import SplitSpec, split
from modelwright.training import TrainSpec, train

LEAST_TEST = 0.0005
TOLD = ("budget", "spent", "ended before", "refit", "model")
BEGAN = time.monotonic()


def main() -> None:
    """Clean, fold, train within the budget, package, answer raw rows."""
    from modelwright_runtime import load

    folder = Path(sys.argv[1])
    asked = json.loads((folder / "asked.json").read_text())
    rows = pl.read_csv(folder / "raw.csv", infer_schema=False)
    test = pl.read_csv(folder / "raw_test.csv", infer_schema=False)
    began = time.monotonic()
    cleaned = clean(Dataset.from_frame(rows), CleanSpec(target=asked["target"]))
    # nearly all rows train: those that are held out are in another file
    splits = split(cleaned.kept, SplitSpec(size=LEAST_TEST))
    spec = TrainSpec(
        budget=asked["budget"], task="multiclass" if asked["task"] == "multiclass" else "auto", **asked["train"]
    )
    started = time.monotonic()
    trained = train(cleaned.kept, splits, spec, watch=_printing)
    done = time.monotonic()
    path = folder / "model.wright"
    made = package(trained, cleaned, path=path, name="model", train_rows=splits.train)
    packed = time.monotonic()
    answered = load(path).predict(test)
    answers = answered.prediction.astype(float) if answered.probabilities is None else answered.probabilities
    if asked["classes"]:
        answers = answers[:, [trained.task.classes.index(text) for text in _as_ours(asked["classes"], trained)]]
    told = {
        "seconds": done - started,
        "cleaning_s": started - began,
        "package_s": packed - done,
        "bytes": made.size_bytes,
        "members": {one.name: round(one.weight, 3) for one in trained.leaderboard if one.weight > 0},
        "candidates": len(trained.leaderboard),
        "decisions": [f"{one.about}: {one.choice}, {one.reason}" for one in trained.decisions if one.about in TOLD],
    }
    np.save(folder / "answers.npy", np.asarray(answers, dtype=np.float64))
    (folder / "told.json").write_text(json.dumps(told))


def _printing(event: dict) -> None:
    if event.get("event") == "candidate":
        print(f"{time.monotonic() - BEGAN:7.1f} s  {event['name']:24s} {event['score']:.5f}", flush=True)


def _as_ours(classes: list[str], trained) -> list[str]:
    """The classes as cleaning spells them: "1" for "1.0" or " 1"."""
    known = set(trained.task.classes)
    return [text if text in known else f"{float(text):g}" if _is_number(text) else text.strip() for text in classes]


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).replace("-", "", 1).isdigit()


main()
