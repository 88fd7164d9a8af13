"""Wrong labels found: average precision beside cleanlab's on the same out-of-fold probabilities.

CIFAR-10N (4,000 pictures, the worst of three people's labels, 41.6 % wrong): five-fold probabilities of a logistic
regression on k-means patch features (Coates et al. 2011, 100 patches), neighbours by the 64 main components of the same
features. 20 Newsgroups: probabilities as published, no features; 93 candidates that people checked, 82 wrong. Planted:
labels of clean sets changed at random, probabilities by `out_of_fold`. cleanlab 2.9 has the better of its three scores
on each row (chosen with the truth, in its favour). It lies in an environment of its own: benchmarks/.peers/data-labels.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.common import ROOT, SHARED, bar, process
from modelwright.cleaning import CleanSpec, clean
from modelwright.cleaning.labels import label_errors
from modelwright.cleaning.labels.folds import class_texts, out_of_fold
from modelwright.core.data import Dataset

PEER = ROOT / "benchmarks" / ".peers" / "data-labels" / "bin" / "python"
CLEANLAB = """
import json, sys
import numpy as np
from cleanlab.rank import get_label_quality_scores
given = np.load(sys.argv[1])
scores = {}
for method in ("self_confidence", "normalized_margin", "confidence_weighted_entropy"):
    scores[method] = (-get_label_quality_scores(given["labels"], given["probabilities"], method=method)).tolist()
print(json.dumps(scores))
"""
PATCH, N_PATCHES = 6, 100
PLANTED = (("sms_spam", 0.03), ("ag_news", 0.1), ("trec_questions", 0.1), ("vehicle", 0.1), ("mushroom", 0.1))


def measure() -> tuple[list[str], list[str]]:
    table = [__doc__.partition("\n\n")[2].strip(), ""]
    head = ("labels", "wrong", "average precision", "cleanlab's best", "its score", "estimated", "told, truly wrong")
    table += [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    bars, right = [], []
    for name, labels, probabilities, features, wrong, judged in _sets():
        found = label_errors(labels, probabilities, features)
        own = _average_precision(wrong[judged], found.score[judged])
        peers = {
            method: _average_precision(wrong[judged], np.array(scores)[judged])
            for method, scores in _cleanlab(labels, probabilities).items()
        }
        best = max(peers, key=lambda method: peers[method])
        precise = f"{found.wrong.sum():,}, {wrong[found.wrong].mean():.0%}" if len(judged) == len(labels) else "-"
        table.append(
            f"| {name} | {wrong.sum():,} of {len(judged):,} | {own:.4f} | {peers[best]:.4f} | {best} | "
            f"{found.noise.n_errors:,.0f} | {precise} |"
        )
        right.append(own > peers[best])
        if not name.startswith("planted"):
            bars.append(bar(f"{name}: average precision beyond cleanlab's", own - peers[best], 1e-6, at_least=True))
    table += [
        "",
        f"Above cleanlab's best on {sum(right)} of {len(right)}.",
    ]
    return table, bars


def _sets() -> Any:
    yield _cifar()
    yield _newsgroups()
    for name, share in PLANTED:
        yield _planted(name, share)


def _average_precision(wrong: np.ndarray, score: np.ndarray) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(wrong, score))


def _cleanlab(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, list[float]]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "given.npz"
        np.savez(file, labels=labels, probabilities=probabilities)
        found: dict[str, list[float]] = json.loads(process([str(PEER), "-c", CLEANLAB, str(file)]).output)
        return found


def _newsgroups() -> tuple[str, np.ndarray, np.ndarray, None, np.ndarray, np.ndarray]:
    folder = SHARED / "label_noise" / "newsgroups20_test_label_errors"
    with np.load(folder / "labels_and_probs.npz") as arrays:
        labels, probabilities = arrays["original_labels"].astype(np.int64), arrays["pred_probs"].astype(np.float64)
    votes = json.loads((folder / "mturk.json").read_text())
    wrong = np.zeros(len(labels), dtype=bool)
    for vote in votes:
        wrong[vote["id"]] = vote["mturk"]["given"] < 3
    return "20 Newsgroups", labels, probabilities, None, wrong, np.array([vote["id"] for vote in votes])


def _cifar() -> tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    from PIL import Image
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.preprocessing import StandardScaler

    folder = SHARED / "label_noise" / "cifar10n_4000"
    told = pl.read_csv(folder / "labels.csv.gz")
    with zipfile.ZipFile(folder / "images.zip") as archive:
        pictures = [Image.open(io.BytesIO(archive.read(name))).convert("RGB") for name in told["file"]]
    features = StandardScaler().fit_transform(_patch_features(np.stack([np.asarray(p) for p in pictures])))
    labels, true = told["worse_label"].to_numpy(), told["clean_label"].to_numpy()
    probabilities = np.zeros((len(labels), 10))
    for fit, judged in StratifiedKFold(5, shuffle=True, random_state=0).split(features, labels):
        model = LogisticRegression(C=1e-3, max_iter=100).fit(features[fit], labels[fit])
        probabilities[judged] = model.predict_proba(features[judged])
    main = PCA(64, random_state=0).fit_transform(features)
    return "CIFAR-10N worst", labels, probabilities, main, labels != true, np.arange(len(labels))


def _patch_features(pictures: np.ndarray) -> np.ndarray:
    """How strongly each of 100 typical patches lies in each quarter of a picture: (n, 400)."""
    from sklearn.cluster import MiniBatchKMeans

    rng = np.random.default_rng(0)
    pictures = pictures.astype(np.float32)
    chosen = rng.integers(len(pictures), size=300)
    sample = _patches(pictures[chosen]).reshape(-1, PATCH * PATCH * 3)
    sample = sample[rng.permutation(len(sample))[:20_000]]
    mean = sample.mean(axis=0)
    axes, spread, _ = np.linalg.svd(np.cov((sample - mean).T))
    whiten = ((axes / np.sqrt(spread + 0.1)) @ axes.T).astype(np.float32)
    means = MiniBatchKMeans(N_PATCHES, random_state=0, n_init=1, batch_size=4_096, max_iter=30)
    centres = means.fit((sample - mean) @ whiten).cluster_centers_.astype(np.float32)
    side = pictures.shape[1] - PATCH + 1
    half = side // 2
    made = []
    for start in range(0, len(pictures), 100):
        patches = (_patches(pictures[start : start + 100]) - mean) @ whiten
        far = (patches**2).sum(axis=2)[:, :, None] - 2 * patches @ centres.T + (centres**2).sum(axis=1)
        distance = np.sqrt(np.maximum(far, 0))
        near = np.maximum(distance.mean(axis=2, keepdims=True) - distance, 0).reshape(-1, side, side, N_PATCHES)
        quarters = [near[:, rows, columns].sum(axis=(1, 2)) for rows in (slice(half), slice(half, None))
                    for columns in (slice(half), slice(half, None))]  # fmt: skip
        made.append(np.concatenate(quarters, axis=1))
    return np.concatenate(made).astype(np.float64)


def _patches(pictures: np.ndarray) -> np.ndarray:
    """All patches of each picture, each of mean 0 and contrast 1: (n, n_places, 108)."""
    windows = np.lib.stride_tricks.sliding_window_view(pictures, (PATCH, PATCH), axis=(1, 2))
    flat = windows.reshape(len(pictures), -1, PATCH * PATCH * 3)
    flat = flat - flat.mean(axis=2, keepdims=True)
    contrasted: np.ndarray = flat / np.sqrt(flat.var(axis=2, keepdims=True) + 10)
    return contrasted


def _planted(name: str, share: float) -> tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A clean table with some labels changed to any other class."""
    frame, target = _table(name)
    kept = clean(Dataset.from_frame(frame), CleanSpec(target=target)).kept
    true = class_texts(kept.column(target))
    classes = sorted(true.unique().to_list())
    codes = np.array([classes.index(value) for value in true])
    rng = np.random.default_rng(0)
    changed = rng.random(len(codes)) < share
    moved = np.where(changed, (codes + rng.integers(1, len(classes), size=len(codes))) % len(classes), codes)
    words = pl.Series(target, [f"class {classes[code]}" for code in moved])
    noisy = Dataset.from_frame(kept.frame.with_columns(words), kept.schema.with_column(target, kind="category"))
    judged = out_of_fold(noisy)
    assert judged is not None
    wrong = changed[judged.rows]
    where = f"planted: {name}, {share:.0%}"
    return where, judged.labels, judged.probabilities, judged.features, wrong, np.arange(len(wrong))


def _table(name: str) -> tuple[pl.DataFrame, str]:
    if name == "vehicle":
        return pl.read_csv(next((SHARED / "tabular" / name).glob("*.csv*")), infer_schema=False), "Class"
    if name == "mushroom":
        return pl.read_csv(next((SHARED / "tabular" / name).glob("*.csv*")), infer_schema=False).head(4_000), "type"
    if name == "sms_spam":
        return pl.read_csv(SHARED / "text" / name / "sms_spam.csv.gz", infer_schema=False), "type"
    if name == "ag_news":
        with gzip.open(SHARED / "text" / name / "ag_news_7600.csv.gz", "rt") as lines:
            rows = list(csv.reader(lines))[:3_000]
        return pl.DataFrame({"class": [row[0] for row in rows], "text": [" ".join(row[1:]) for row in rows]}), "class"
    with gzip.open(SHARED / "text" / name / "train.txt.gz", "rt", encoding="latin-1") as lines:
        pairs = [line.rstrip("\n").split(" ", 1) for line in lines]
    return pl.DataFrame(
        {"class": [f"topic {label}" for label, _ in pairs], "text": [text for _, text in pairs]}
    ), "class"


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print(*sum(measure(), []), sep="\n")
