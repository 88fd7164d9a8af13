"""Small problems for the fault suite, made by script or shipped with scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from modelwright.core.rng import stream, stream_seed


@dataclass(frozen=True)
class Problem:
    """Rows to train on, to validate on and to be judged on, inputs of one array, near unit scale."""

    name: str
    x: torch.Tensor
    y: torch.Tensor
    x_valid: torch.Tensor
    y_valid: torch.Tensor
    x_test: torch.Tensor
    y_test: torch.Tensor
    n_classes: int  # 0: a number


N_TRAIN = 800


def _cut(name: str, x: np.ndarray, y: np.ndarray, seed: int, n_train: int = N_TRAIN) -> Problem:
    order = stream(seed, "suite", "cut", name).permutation(len(x))
    n_rest = len(x) - min(n_train, int(0.6 * len(x)))
    n_valid = n_rest // 2
    classes = np.issubdtype(y.dtype, np.integer)
    train, rest = order[: len(x) - n_rest], order[len(x) - n_rest :]
    if not classes:
        y = (y - y[train].mean()) / y[train].std()
    inputs = torch.from_numpy(x) if np.issubdtype(x.dtype, np.integer) else torch.from_numpy(x.astype(np.float32))
    targets = torch.from_numpy(y.astype(np.int64 if classes else np.float32))
    parts = [train, rest[:n_valid], rest[n_valid:]]
    cut = [part for rows in parts for part in (inputs[rows], targets[rows])]
    return Problem(name, *cut, n_classes=int(y.max()) + 1 if classes else 0)


def _scaled(x: np.ndarray) -> np.ndarray:
    deviation = x.std(0)
    return ((x - x.mean(0)) / np.where(deviation > 0, deviation, 1.0)).astype(np.float32)


@cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    pictures, y = load_digits(return_X_y=True)
    return pictures / 16.0, y.astype(np.int64)


def digits_table(seed: int) -> Problem:
    x, y = _digits()
    return _cut("digits_table", _scaled(x), y, seed)


def digits_pictures(seed: int) -> Problem:
    x, y = _digits()
    return _cut("digits_pictures", ((x - x.mean()) / x.std()).reshape(-1, 1, 8, 8), y, seed)


def digits_rows(seed: int) -> Problem:
    x, y = _digits()
    return _cut("digits_rows", ((x - x.mean()) / x.std()).reshape(-1, 8, 8), y, seed)


def clusters(seed: int) -> Problem:
    """Six classes of three Gaussian clusters each, in 16 dimensions."""
    rng = stream(seed, "suite", "clusters")
    centres = rng.normal(size=(18, 16)) * 1.6
    which = rng.integers(18, size=1600)
    return _cut("clusters", _scaled(centres[which] + rng.normal(size=(1600, 16))), which % 6, seed)


def cancer(seed: int) -> Problem:
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    return _cut("cancer", _scaled(x), y.astype(np.int64), seed)


def wine(seed: int) -> Problem:
    from sklearn.datasets import load_wine

    x, y = load_wine(return_X_y=True)
    return _cut("wine", _scaled(x), y.astype(np.int64), seed)


def friedman(seed: int) -> Problem:
    """Ten numbers, five of which matter, and noise (Friedman 1991)."""
    rng = stream(seed, "suite", "friedman")
    x = rng.random((1600, 10))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return _cut("friedman", _scaled(x), y + rng.normal(size=1600), seed)


def saddle(seed: int) -> Problem:
    """Eight numbers: a plane, a product and a wave of one of them, with little noise."""
    rng = stream(seed, "suite", "saddle")
    x = rng.normal(size=(1600, 8))
    y = x @ np.array([1.0, -0.5, 0.5, 0.3, 0, 0, 0, 0]) + 0.7 * x[:, 4] * x[:, 5] + np.sin(1.5 * x[:, 6])
    return _cut("saddle", x, y + 0.2 * rng.normal(size=1600), seed)


def shapes(seed: int) -> Problem:
    """Pictures of 10x10 with a bar, a cross, a square or a diagonal somewhere, and noise."""
    rng = stream(seed, "suite", "shapes")
    x, y = rng.normal(size=(1600, 1, 10, 10)) * 0.5, rng.integers(5, size=1600)
    for picture, kind in zip(x[:, 0], y, strict=True):
        row, column = rng.integers(0, 6, size=2)
        patch = picture[row : row + 5, column : column + 5]
        if kind == 0:
            patch[2, :] += 1.8
        elif kind == 1:
            patch[:, 2] += 1.8
        elif kind == 2:
            patch[2, :] += 1.8
            patch[:, 2] += 1.8
        elif kind == 3:
            patch[[0, 4], :] += 1.8
            patch[:, [0, 4]] += 1.8
        else:
            patch[np.arange(5), np.arange(5)] += 1.8
    return _cut("shapes", x, y.astype(np.int64), seed)


def waves(seed: int, *, length: int = 16) -> Problem:
    """Two channels of 16 moments: which of six frequencies, and whether the second follows or leads."""
    rng = stream(seed, "suite", "waves", length)
    y = rng.integers(6, size=1600)
    moments = np.arange(length)[None, :]
    phase = rng.random((1600, 1)) * 2 * np.pi
    frequency = (0.5 + 0.45 * (y[:, None] // 2)) * 16 / length
    lag = np.where(y % 2 == 0, 1.0, -1.0)[:, None]
    signal = np.stack([np.sin(frequency * moments + phase), np.sin(frequency * moments + phase + lag)], 2)
    return _cut("waves", signal * 1.3 + rng.normal(size=(1600, length, 2)) * 0.25, y.astype(np.int64), seed)


def long_waves(seed: int) -> Problem:
    return waves(seed, length=40)


def words(seed: int) -> Problem:
    """Rows of 12 word ids out of 60: the class is told by two of its own words, in any place."""
    rng = stream(seed, "suite", "words")
    y = rng.integers(4, size=1600)
    x = rng.integers(14, 60, size=(1600, 12))
    for row, kind in zip(x, y, strict=True):
        row[rng.permutation(12)[:2]] = 2 + 3 * kind + rng.integers(3, size=2)
    return _cut("words", x.astype(np.int64), y.astype(np.int64), seed)


PROBLEMS: dict[str, tuple[Callable[[int], Problem], ...]] = {
    "mlp": (digits_table, clusters, friedman, cancer, wine, saddle),
    "cnn": (digits_pictures, shapes),
    "lstm": (digits_rows, waves, words),
    "transformer": (digits_rows, words),
}


@cache
def problem(name: str, seed: int) -> Problem:
    """One problem with one cut of its rows."""
    made = next(make for makes in PROBLEMS.values() for make in (*makes, long_waves) if make.__name__ == name)
    return made(seed)


def torch_generator(seed: int, *names: str | int) -> torch.Generator:
    """Random numbers of a named stream."""
    return torch.Generator().manual_seed(stream_seed(seed, "suite", *names))
