"""One loop per peer over the same network, rows and AdamW; run in the peers' own environment.

python peers.py NAME NETWORK N_STEPS   prints the processor time of fitting so many steps, in seconds
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import tempfile
import time
import warnings

os.environ["KERAS_BACKEND"] = "torch"
warnings.filterwarnings("ignore")
import torch
from torch import nn

BATCH, RATE = 32, 1e-3


def mlp() -> tuple[nn.Module, tuple[int, ...]]:
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)), (64,)


def cnn() -> tuple[nn.Module, tuple[int, ...]]:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
    ), (1, 28, 28)  # fmt: skip


class Reader(nn.Module):
    """Four layers of a Transformer over 32 vectors."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True, dropout=0.0)
        self.body, self.head = nn.TransformerEncoder(layer, 4), nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x).mean(1))


def transformer() -> tuple[nn.Module, tuple[int, ...]]:
    return Reader(), (32, 64)


NETWORKS = {"mlp": mlp, "cnn": cnn, "transformer": transformer}


def made(name: str, n_rows: int = 32 * 256) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """The network and the rows, the same for everybody."""
    torch.manual_seed(0)
    network, shape = NETWORKS[name]()
    return network, torch.randn(n_rows, *shape), torch.randint(0, 10, (n_rows,))


def hand(name: str, n_steps: int) -> None:
    """The loop of an expert: indexed tensors, fused AdamW, nothing else."""
    network, x, y = made(name)
    optimizer = torch.optim.AdamW(network.parameters(), RATE, fused=True)
    done = 0
    while done < n_steps:
        order = torch.randperm(len(x))
        for start in range(0, len(x), BATCH):
            rows = order[start : start + BATCH]
            loss = nn.functional.cross_entropy(network(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            done += 1
            if done == n_steps:
                return


def common(name: str, n_steps: int) -> None:
    """The loop that people write: DataLoader and AdamW as they come."""
    network, x, y = made(name)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), BATCH, shuffle=True)
    optimizer, done = torch.optim.AdamW(network.parameters(), RATE), 0
    while done < n_steps:
        for rows, targets in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(rows), targets)
            loss.backward()
            optimizer.step()
            done += 1
            if done == n_steps:
                return


def lightning(name: str, n_steps: int) -> None:
    """Lightning's Trainer as it comes: logging, bar, checkpoint."""
    import lightning as L

    for logger in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    network, x, y = made(name)

    class Module(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
            loss = nn.functional.cross_entropy(self.network(batch[0]), batch[1])
            self.log("loss", loss)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.parameters(), RATE)

    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), BATCH, shuffle=True)
    with tempfile.TemporaryDirectory() as folder:
        L.Trainer(max_steps=n_steps, max_epochs=-1, accelerator="cpu", default_root_dir=folder).fit(Module(), loader)


def hugging_face(name: str, n_steps: int) -> None:
    """The Trainer of transformers, logging every 50 steps."""
    import transformers

    transformers.logging.set_verbosity_error()
    network, x, y = made(name)

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"loss": nn.functional.cross_entropy(self.network(x), labels)}

    rows = [{"x": a, "labels": b} for a, b in zip(x, y, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        settings = transformers.TrainingArguments(
            folder, max_steps=n_steps, per_device_train_batch_size=BATCH, learning_rate=RATE, logging_steps=50,
            report_to=[], use_cpu=True, disable_tqdm=True, save_strategy="steps", save_steps=10_000,
        )  # fmt: skip
        transformers.Trainer(Wrapped(), settings, train_dataset=rows).train()


def keras(name: str, n_steps: int) -> None:
    """Keras 3 on torch; networks of its own layers, so only the MLP."""
    import keras as K

    if name != "mlp":
        raise SystemExit(3)
    _, x, y = made(name)
    network = K.Sequential([K.layers.Input((64,)), K.layers.Dense(32, "relu"), K.layers.Dense(10)])
    network.compile(K.optimizers.AdamW(RATE), K.losses.SparseCategoricalCrossentropy(from_logits=True))
    per_epoch = len(x) // BATCH
    rows, targets = x.numpy(), y.numpy()
    for start in range(0, n_steps, per_epoch):
        some = min(per_epoch, n_steps - start) * BATCH
        network.fit(rows[:some], targets[:some], batch_size=BATCH, epochs=1, verbose=0)


def skorch(name: str, n_steps: int) -> None:
    """skorch as it comes, its log swallowed."""
    from skorch import NeuralNetClassifier

    network, x, y = made(name)
    per_epoch = len(x) // BATCH
    net = NeuralNetClassifier(
        network, criterion=nn.CrossEntropyLoss, optimizer=torch.optim.AdamW, lr=RATE, batch_size=BATCH,
        max_epochs=1, train_split=None, iterator_train__shuffle=True, verbose=0,
    )  # fmt: skip
    net.initialize()
    for start in range(0, n_steps, per_epoch):
        some = min(per_epoch, n_steps - start) * BATCH
        net.partial_fit(x[:some], y[:some])


PEERS = {"hand": hand, "common": common, "lightning": lightning, "hugging_face": hugging_face, "keras": keras,
         "skorch": skorch}  # fmt: skip

if __name__ == "__main__":
    torch.set_num_threads(1)
    peer, network, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
    began = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        PEERS[peer](network, steps)
    print(time.process_time() - began)
