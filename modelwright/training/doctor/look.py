"""One look into a training step: gradients, weights, updates, activations and answers, as plain numbers.

Hooks are there only during the steps that are looked at. Activations are seen wherever they are computed, in
modules or in plain functions such as `torch.relu`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from torch import Tensor, nn

    from modelwright.training.loop.batch import Batch

SAMPLE = 64  # elements of each weight that updates and agreement are estimated from
MOST_LAYERS = 64
MOST_ROWS = 256  # of a batch whose classes are counted

_F = torch.nn.functional
KINDS: dict[Callable[..., Any], str] = {
    torch.relu: "relu", torch.relu_: "relu", _F.relu: "relu", torch.Tensor.relu: "relu", _F.relu6: "relu",
    _F.gelu: "gelu", _F.silu: "gelu",
    torch.tanh: "tanh", _F.tanh: "tanh", torch.Tensor.tanh: "tanh",
    torch.sigmoid: "sigmoid", _F.sigmoid: "sigmoid", torch.Tensor.sigmoid: "sigmoid",
}  # fmt: skip


class Watcher(TorchFunctionMode):
    """Measures what every layer and activation of one forward pass gives."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.owners = {
            name: module
            for name, module in network.named_modules()
            if next(module.parameters(recurse=False), None) is not None
        }
        self.network = network
        self.zero = torch.zeros((), device=next((p.device for p in network.parameters()), None))
        self.hooks = {name: self._layer(name) for name in self.owners}
        self.handles: list[Any] = []

    def open(self, *, thorough: bool = True) -> None:
        """Put the hooks in place, for one forward pass. Only a thorough look sees more than the answers."""
        if thorough:
            self.handles = [self.network.register_forward_pre_hook(self._begin)]
            self.handles += [module.register_forward_hook(self.hooks[name]) for name, module in self.owners.items()]
        self.handles.append(self.network.register_forward_hook(self._end, always_call=True))
        self.order: list[str] = []
        self.units: list[tuple[str, Tensor, Tensor]] = []
        self.given: list[Tensor] = []
        self.outputs: tuple[Tensor, ...] = ()
        self.last: tuple[str, Any] = ("", None)
        self.inside = self.done = False

    def close(self) -> None:
        """Take the hooks away."""
        for handle in self.handles:
            handle.remove()
        self.handles = []

    def _begin(self, *_: Any) -> None:
        if not self.done:
            self.inside = True
            self.__enter__()  # type: ignore[no-untyped-call]

    def _end(self, _module: Any, _inputs: Any, outputs: Any) -> None:
        if self.inside:
            self.inside = False
            self.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        if not self.done:
            self.done = True
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            self.outputs = tuple(output.detach() for output in outputs if isinstance(output, torch.Tensor))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = func(*args, **(kwargs or {}))
        kind = KINDS.get(func)
        if kind is not None and self.inside and len(self.units) < MOST_LAYERS:
            self._activation(kind, given.detach())
        return given

    def _activation(self, kind: str, given: Tensor) -> None:
        """Share of units that are silent on all rows, and share of values where the function is flat."""
        if given.ndim < 2 or not given.numel():
            return
        name, module = self.last
        unit = 1 if given.ndim == 4 or (given.ndim == 3 and "Conv1d" in type(module).__name__) else given.ndim - 1
        others = [axis for axis in range(given.ndim) if axis != unit]
        if kind == "relu":
            dead, flat = (given.amax(others) <= 0).float().mean(), self.zero
        elif kind == "gelu":
            dead, flat = (given.abs().amax(others) < 1e-3).float().mean(), self.zero
        else:
            far = given.abs() > 0.97 if kind == "tanh" else (given - 0.5).abs() > 0.485
            dead, flat = self.zero, far.float().mean()
        self.units.append((f"{kind} after {name}" if name else kind, dead, flat))

    def _gates(self, name: str, module: torch.nn.RNNBase, inputs: Any) -> None:
        """Where the gates of a recurrent layer are flat by their inputs alone."""
        x: Any = inputs[0]
        weight: Tensor = dict(module.named_parameters())["weight_ih_l0"].detach()
        if not isinstance(x, torch.Tensor) or x.shape[-1] != weight.shape[1]:
            return
        rows = x.detach().reshape(-1, weight.shape[1])[:256]
        flat = ((rows @ weight.T).abs() > 4.0).float().mean()
        self.units.append((f"gates of {name}", self.zero, flat))

    def _layer(self, name: str) -> Callable[..., None]:
        def measure(module: nn.Module, inputs: Any, given: Any) -> None:
            if self.done or not self.inside or name in self.order or len(self.order) >= MOST_LAYERS:
                return
            given = given[0] if isinstance(given, tuple) else given
            if not isinstance(given, torch.Tensor) or not given.is_floating_point():
                return
            self.order.append(name)
            self.last = (name, module)
            self.given.append(given.detach())
            if isinstance(module, torch.nn.RNNBase):
                self._gates(name, module, inputs)

        return measure

    def measured(self, *, is_finite: bool) -> dict[str, Any]:
        """Layers in the order in which they are used; units; where the loss is not finite, the first such layer."""
        if not self.order:
            return {}
        values = torch.stack([part for unit in self.units for part in unit[1:]]).tolist() if self.units else []
        seen: dict[str, Any] = {
            "order": list(self.order), "units": [name for name, _, _ in self.units],
            "dead": values[::2], "saturated": values[1::2],
        }  # fmt: skip
        if not is_finite:
            broken = [name for name, given in zip(self.order, self.given, strict=True)
                      if not bool(torch.isfinite(given).all())]  # fmt: skip
            seen["broken"] = broken[0] if broken else ""
        self.given = []
        return seen


def layers_of(network: nn.Module, order: list[str]) -> list[str]:
    """Names of the weight matrices and filters that learn, in the order in which they are used."""
    place = {name: index for index, name in enumerate(order)}
    names = [name for name, parameter in network.named_parameters() if parameter.requires_grad and parameter.ndim > 1]
    return sorted(names, key=lambda name: place.get(name.rpartition(".")[0], -1))[:MOST_LAYERS]


class Weights:
    """The weights that are looked at, and a sample of each."""

    def __init__(self, network: nn.Module, layers: list[str]) -> None:
        named = dict(network.named_parameters())
        self.parameters = [named[name] for name in layers]
        self.orders = [_memory_order(p) for p in self.parameters]
        self.views = [_some(p.detach(), order) for p, order in zip(self.parameters, self.orders, strict=True)]
        self.halves = [
            math.sqrt(len(view) / fan_in(p)) / 2 for view, p in zip(self.views, self.parameters, strict=True)
        ]

    def norms(self, scale: float) -> tuple[list[float], list[float]]:
        """Lengths of gradients and of weights. `scale` is what a GradScaler multiplied the loss by."""
        grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in self.parameters]
        if not grads:
            return [], []
        both = torch._foreach_norm([*grads, *(p.detach() for p in self.parameters)])
        values = torch.stack(both).double().tolist()
        return [value / scale for value in values[: len(grads)]], values[len(grads) :]

    def sample(self) -> list[Tensor]:
        """Some elements of every weight, as they are now."""
        return [view.clone() for view in self.views]

    def gradient_sample(self) -> Tensor:
        """The same elements of every gradient."""
        parts = [_some(p.grad if p.grad is not None else torch.zeros_like(p), order)
                 for p, order in zip(self.parameters, self.orders, strict=True)]  # fmt: skip
        return torch.cat(parts) if parts else torch.zeros(0)

    def relative_change(self, before: list[Tensor]) -> list[float]:
        """Length of the change of every weight, in shares of its own or of half its usual length, if that is more.

        The usual length is that of weights which keep the size of a signal: weights that start near zero may
        well double in a step.
        """
        if not before:
            return []
        both = torch._foreach_norm([*torch._foreach_sub(self.views, before), *before])
        values = torch.stack(both).double().tolist()
        n = len(before)
        return [m / max(s, half) if math.isfinite(m) else math.inf
                for m, s, half in zip(values[:n], values[n:], self.halves, strict=True)]  # fmt: skip

    def usual(self) -> list[float]:
        """The length that every weight would have if it kept the size of a signal."""
        return [math.sqrt(p.numel() / fan_in(p)) for p in self.parameters]


def fan_in(parameter: Tensor) -> float:
    """How many values each output of a layer is a sum of."""
    return max(1.0, parameter.numel() / max(1, parameter.shape[0]))


def _memory_order(parameter: Tensor) -> list[int]:
    """The axes as they lie in memory: flat in this order, also filters with channels last can be watched in place."""
    return sorted(range(parameter.ndim), key=parameter.stride, reverse=True)


def _some(tensor: Tensor, order: list[int]) -> Tensor:
    return tensor.permute(order).reshape(-1)[:: max(1, tensor.numel() // SAMPLE)]


def loss_of_nothing(objective: Any, outputs: tuple[Tensor, ...], batch: Batch) -> float | None:
    """The loss of an answer that knows nothing of the row; None where that is no positive number.

    The better of two: all zero (equal classes, the mean), and the network's mean answer to the rows, which counts
    where it begins with what is usual, as one that looks for boxes does: hardly anywhere is one.
    """
    blind = (
        tuple(map(torch.zeros_like, outputs)),
        tuple(
            o.mean(0, keepdim=True).expand_as(o).contiguous() if o.is_floating_point() and o.ndim else o
            for o in outputs
        ),
    )
    with torch.no_grad():
        losses = [float(objective(answer, batch.targets, batch.weights)) for answer in blind]
    return min((loss for loss in losses if math.isfinite(loss) and loss > 0), default=None)


def answers_of(outputs: tuple[Tensor, ...], batch: Batch) -> dict[str, Any]:
    """What the first answer looks like: share of the most frequent class told and true, share of right ones.

    For numbers: the deviation of the answers in shares of the targets'.
    """
    if not outputs or not batch.targets:
        return {}
    output, target = outputs[0], batch.targets[0]
    if target.is_floating_point():
        if output.shape != target.shape or target.ndim != 1 or len(target) < 2:
            return {}
        deviations = torch.stack((output.std(), target.std())).tolist()
        return {"spread": deviations[0] / deviations[1]} if deviations[1] > 0 else {}
    if target.ndim != 1 or output.ndim > 2:
        return {}
    target = target[:MOST_ROWS]
    if output.ndim == 2 and output.shape[1] > 1:
        told = output[:MOST_ROWS].argmax(1).tolist()
    else:
        told = (output.reshape(-1)[:MOST_ROWS] > 0).long().tolist()
    truth = target.tolist()
    if min(truth) < 0:
        told, truth = [a for a, b in zip(told, truth, strict=True) if b >= 0], [b for b in truth if b >= 0]
    n = len(truth)
    if not n:
        return {}
    right = sum(a == b for a, b in zip(told, truth, strict=True))
    return {"most": max(map(told.count, set(told))) / n, "true": max(map(truth.count, set(truth))) / n,
            "right": right / n}  # fmt: skip
