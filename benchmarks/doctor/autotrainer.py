"""AutoTrainer's published rules as an observer of our loop, for comparison.

Zhang et al. (2021), "AutoTrainer: an automatic DNN training problem detection and repair system", with the
thresholds of its code: looked at once an epoch, by norms of gradients and by training and validation accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from modelwright.training.loop.batch import Batch
from modelwright.training.loop.fit import Loop

MEANS = {
    "vanishing": {"vanishing_gradients"},
    "exploding": {"exploding_gradients", "learning_rate_high", "not_finite", "unscaled_inputs", "loss_spikes"},
    "dying": {"dead_units"},
    "oscillating": {"learning_rate_high", "loss_spikes"},
    "slow": {"learning_rate_low", "underfitting", "saturated_units", "class_collapse", "shuffled_labels"},
    "overfitting": {"overfitting", "shuffled_labels"},
}
"""What each of its names may mean here; where it has no name of its own, the nearest counts as right."""


class AutoTrainer:
    """Its six rules; `found` holds (step, name) of the first time each fired."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.found: list[tuple[int, str]] = []
        self.train: list[float] = []
        self.held: list[float] = []

    def due(self, step: int) -> int:
        """The last step of each epoch."""
        return ((step + 1) // self.every + 1) * self.every - 1

    def before(self, loop: Loop) -> None:
        """Nothing."""

    def after(self, loop: Loop, batch: Batch, loss: torch.Tensor) -> None:
        """Gradients of the epoch's last step."""
        gradients = [p.grad for p in loop.network.parameters() if p.grad is not None and p.ndim > 1]
        norms = [float(gradient.norm()) for gradient in gradients]
        value = float(loss)
        step = loop.progress.step
        weights_finite = all(bool(torch.isfinite(p).all()) for p in loop.network.parameters())
        if not math.isfinite(value) or not all(map(math.isfinite, norms)) or not weights_finite or value > 1e5:
            self._find(step, "exploding")
            return
        ratio = norms[0] / max(norms[-1], 1e-30)
        converged = bool(self.train) and self.train[-1] > 0.7
        if ratio < 1e-3 and norms[0] < 1e-4 and not converged:
            self._find(step, "vanishing")
        if ratio > 70:
            self._find(step, "exploding")
        zero = [float((gradient == 0).float().mean()) for gradient in gradients]
        if max(zero) >= 0.7 and not converged:
            self._find(step, "dying")

    def validated(self, loop: Loop, event: Mapping[str, Any]) -> None:
        """Accuracies of the epoch."""
        if loop.score is None or loop.train.targets[0].is_floating_point():
            return
        rows = loop.train.rows(torch.arange(min(256, loop.train.n_rows)))
        loop.network.eval()
        with torch.no_grad():
            output = loop.network(*rows.inputs)
        loop.network.train()
        self.train.append(float((output.argmax(1) == rows.targets[0]).float().mean()))
        self.held.append(float(event["score"]))
        step, train, held = loop.progress.step - 1, self.train, self.held
        steps = [b - a for a, b in zip(train, train[1:], strict=False)]
        if len(steps) >= 3 and sum(change <= -0.03 for change in steps) >= 0.2 * len(steps):
            self._find(step, "oscillating")
        if len(steps) >= 2 and max(steps) < 0.01 and train[-1] < 0.9:
            self._find(step, "slow")
        if len(train) >= 2 and train[-1] - held[-1] > (0.07 if train[-1] > 0.9 else 0.1):
            self._find(step, "overfitting")

    def state(self) -> dict[str, Any]:
        """Nothing is kept over a break."""
        return {}

    def load(self, state: Mapping[str, Any]) -> None:
        """Nothing."""

    def _find(self, step: int, name: str) -> None:
        if all(name != other for _, other in self.found):
            self.found.append((step, name))
