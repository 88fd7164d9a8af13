"""The model that the recipe starts from: a small ResNet that learns the classes of `data/many`.

    python examples/deep/transfer/teach.py

It stands for a model from the hub, and is written as such: `data/model/` holds what `save_pretrained` writes, the
weights as safetensors. Any `nn.Module` goes through the same loop: `adopt` says what its outputs answer.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
import transformers

import modelwright as mw
from modelwright.core.inputs import array
from modelwright.features import ArraysSpec, learn_arrays
from modelwright.networks import adopt
from modelwright.training.loop.examples import Examples
from modelwright.training.loop.fit import fit
from modelwright.training.loop.spec import LoopSpec
from modelwright.training.objectives import make_objective
from modelwright_runtime.signature import Task

SIDE = 32  # pixels
SMALL = transformers.ResNetConfig(
    embedding_size=16, hidden_sizes=[16, 32, 64], depths=[1, 1, 1], layer_type="basic", hidden_act="relu"
)


class Classifier(torch.nn.Module):
    """Pixels (n, height, width, 3) of 0..255 to logits (n, n_classes)."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.model = transformers.AutoModel.from_config(SMALL)
        self.head = torch.nn.Linear(SMALL.hidden_sizes[-1], n_classes)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        shown = (pixels.permute(0, 3, 1, 2) / 255.0 - 0.5) / 0.5
        return self.head(self.model(pixel_values=shown).last_hidden_state.mean(dim=(2, 3)))


def main(folder: Path, *, n_steps: int = 400) -> None:
    """Learn `folder/many`, write `folder/model`."""
    data = mw.collect(str(folder / "many"))
    pictures = mw.clean(data, mw.CleanSpec(target="folder")).kept
    names = sorted(set(pictures.column("folder").to_list()))
    sizes = ArraysSpec(image_size=SIDE, channels=3)
    (pixels,) = learn_arrays(pictures, ["image"], sizes, rng=np.random.default_rng(0))
    classes = torch.tensor([names.index(name) for name in pictures.column("folder").to_list()])
    task = Task(kind="multiclass" if len(names) > 2 else "binary", target="folder", classes=tuple(names))
    torch.manual_seed(1)
    network = adopt(Classifier(len(names)), (task,))
    spec = LoopSpec(max_steps=n_steps, batch_size=32, optimizer={"adamw": {"learning_rate": 0.003}})
    rows = Examples((torch.from_numpy(array(pictures.frame, pixels)),), (classes,))
    done = fit(network, rows, spec, objective=make_objective((None,), (task,), complete=True), seed=4)
    network.module.model.save_pretrained(folder / "model")
    config = '{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "size": {"height": %d, "width": %d}}'
    (folder / "model" / "preprocessor_config.json").write_text(config % (SIDE, SIDE))
    print(f"learned {', '.join(names)} from {pictures.n_rows:,} pictures in {done.n_steps} steps: {folder / 'model'}")


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))  # small steps are slower on several
    main(Path(__file__).parent / "data")
