"""Another network's weights as a start: learn some classes from many pictures, then others from ten each.

    python examples/deep/transfer/run.py

One half of the classes of `data/` has all its pictures, the other half ten each. The second is learned three
times over: from nothing, from the first network's weights, and with its encoder kept as it is.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import make
import numpy as np
import torch

import modelwright as mw
from modelwright.core.data import Dataset
from modelwright.core.inputs import array
from modelwright.features import learn_arrays
from modelwright.networks import NetworkSpec, build, freeze, load_matching, read_weights, weights
from modelwright.training.loop.examples import Examples
from modelwright.training.loop.fit import fit
from modelwright.training.loop.spec import LoopSpec
from modelwright.training.objectives import make_objective
from modelwright_runtime.signature import Task

FEW = 10  # pictures of each class of the small task
STEPS = {"large": 400, "small": 150}
NETWORK = NetworkSpec(encoders={"image": {"image_cnn": {"channels": 16}}})


def main() -> None:
    """Print the share of right answers on pictures that none of the networks has learned from."""
    folder = Path(__file__).parent / "data"
    data = mw.collect(str(folder if folder.is_dir() else make.make("transfer")))
    pictures = mw.clean(data, mw.CleanSpec(target="folder")).kept
    names = sorted(set(pictures.column("folder").to_list()))
    large, small = names[: len(names) // 2], names[len(names) // 2 :]
    many = rows_of(pictures, large)
    few, rest = parted(rows_of(pictures, small))
    inputs = learn_arrays(many, ["image"], rng=np.random.default_rng(0))

    first = taught(build(NETWORK, inputs, (aim(large),), seed=1), many, inputs, large, "large")
    with tempfile.TemporaryDirectory() as place:
        kept = Path(place) / "first.safetensors"
        kept.write_bytes(weights(first))
        known = read_weights(kept.read_bytes())
    print(f"learned {', '.join(large)} from {many.n_rows:,} pictures; now {', '.join(small)} from {few.n_rows}\n")

    for start in ("from nothing", "from its weights", "its encoder kept"):
        began = time.perf_counter()
        network = build(NETWORK, inputs, (aim(small),), seed=2)
        if start != "from nothing":
            load_matching(network, known)
        if start == "its encoder kept":
            freeze(network.encoder(0))
        taught(network, few, inputs, small, "small")
        right = share_right(network, rest, inputs, small)
        print(f"{start:18} {right:6.1%} of {rest.n_rows:,} right   {time.perf_counter() - began:.1f} s", flush=True)


def aim(classes: list[str]) -> Task:
    """What is to be answered: one of these classes."""
    return Task(kind="multiclass" if len(classes) > 2 else "binary", target="folder", classes=tuple(classes))


def rows_of(data: Dataset, classes: list[str]) -> Dataset:
    """The rows of some classes."""
    import polars as pl

    frame = data.frame.filter(pl.col("folder").is_in(classes))
    return Dataset.from_frame(frame, data.schema)


def parted(data: Dataset) -> tuple[Dataset, Dataset]:
    """A few rows of each class, drawn by a seed, and all others."""
    import polars as pl

    number = pl.int_range(pl.len()).shuffle(seed=3).over("folder")
    frame = data.frame.with_columns(number.alias("number"))
    few, rest = (frame.filter(keep).drop("number") for keep in (pl.col("number") < FEW, pl.col("number") >= FEW))
    return Dataset.from_frame(few, data.schema), Dataset.from_frame(rest, data.schema)


def examples(data: Dataset, inputs: Any, classes: list[str]) -> Examples:
    """Pixels and class numbers as tensors."""
    places = [classes.index(name) for name in data.column("folder").to_list()]
    return Examples((torch.from_numpy(array(data.frame, inputs[0])),), (torch.tensor(places),))


def taught(network: Any, data: Dataset, inputs: Any, classes: list[str], task: str) -> Any:
    """The network after so many steps of the loop."""
    spec = LoopSpec(max_steps=STEPS[task], batch_size=20, optimizer={"adamw": {"learning_rate": 0.002}})
    objective = make_objective((None,), (aim(classes),), complete=True)
    return fit(network, examples(data, inputs, classes), spec, objective=objective, seed=4).network


def share_right(network: Any, data: Dataset, inputs: Any, classes: list[str]) -> float:
    """The share of rows whose most probable class is the true one."""
    rows = examples(data, inputs, classes)
    network.eval()
    with torch.inference_mode():
        (answers,) = network.answers(network(*rows.inputs))
    return float((answers.argmax(1) == rows.targets[0]).float().mean())


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))  # small steps are slower on several
    main()
