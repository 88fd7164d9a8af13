"""The conformance suite of optimizers: `check_optimizer(METHOD)` raises AssertionError where one breaks a rule.

What it asks: an easy problem is solved better; the same start gives the same bits; parameters that are frozen or
have no gradient stay; only what is to be decayed is; a rate of nothing changes nothing; and a state that goes
through plain tensors and JSON in the middle of ten steps ends at the same bits as ten steps at a stretch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelwright.training.optimizers.base import OptimizerMethod, load_state, set_rate, state_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer


def check_optimizer(method: OptimizerMethod, settings: Mapping[str, Any] | None = None) -> None:
    """Raise AssertionError, with the rule that is broken, if an optimizer does not keep the contract.

    >>> from modelwright.training.optimizers.adamw import OPTIMIZER
    >>> check_optimizer(OPTIMIZER)
    """
    chosen = dict(settings or {})
    _check_learns(method, chosen)
    _check_what_stays(method, chosen)
    _check_decay(method, chosen)
    _check_state(method, chosen)


def _made(method: OptimizerMethod, settings: Mapping[str, Any], network: nn.Module) -> Optimizer:
    from modelwright.training.optimizers.grouping import as_groups, split

    spec: Any = method.spec.parse(settings, where=method.name)
    decay = getattr(spec, "weight_decay", 0.0)
    parts = split(network, {}, ())
    groups = as_groups(parts, learning_rate=spec.learning_rate, weight_decay=decay, hidden_apart=method.hidden_apart)
    return method.make(spec, groups)


def _network() -> nn.Module:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return torch.nn.Sequential(
            torch.nn.Linear(6, 16), torch.nn.Tanh(), torch.nn.Linear(16, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)
        )


def _rows() -> tuple[Tensor, Tensor]:
    import torch

    x = torch.randn(64, 6, generator=torch.Generator().manual_seed(1))
    return x, torch.sin(x[:, :1]) + 0.5 * x[:, 1:2]


def _steps(optimizer: Optimizer, network: nn.Module, n_steps: int) -> list[float]:
    """The losses on the way. All rows in each step."""
    from torch.nn.functional import mse_loss

    x, y = _rows()
    losses = []

    def closure() -> Any:
        optimizer.zero_grad()
        loss = mse_loss(network(x), y)
        loss.backward()
        return loss

    for _ in range(n_steps):
        losses.append(float(closure().detach()))
        optimizer.step(closure) if getattr(optimizer, "needs_closure", False) else optimizer.step()
    return losses


def _check_learns(method: OptimizerMethod, settings: Mapping[str, Any]) -> None:
    network, again = _network(), _network()
    optimizer = _made(method, settings, network)
    n_steps = 20 if getattr(optimizer, "needs_closure", False) else 200
    losses = _steps(optimizer, network, n_steps)
    assert losses[-1] < 0.8 * losses[0], f"the loss goes from {losses[0]:.3f} to {losses[-1]:.3f} only"
    assert _steps(_made(method, settings, again), again, n_steps) == losses, "the same start gives other losses"


def _check_what_stays(method: OptimizerMethod, settings: Mapping[str, Any]) -> None:
    network = _network()
    first = network[0]  # type: ignore[index]
    first.requires_grad_(False)
    before = first.weight.clone()
    optimizer = _made(method, settings, network)
    _steps(optimizer, network, 5)
    assert bool((first.weight == before).all()), "a frozen parameter moves"
    if getattr(optimizer, "needs_closure", False):
        return
    optimizer.zero_grad()
    before = _copy(network)
    optimizer.step()
    assert _equal(before, _copy(network)), "a parameter without a gradient moves"
    set_rate(optimizer, 0.0)
    _steps(optimizer, network, 2)
    assert _equal(before, _copy(network)), "a rate of 0 moves parameters"


def _check_decay(method: OptimizerMethod, settings: Mapping[str, Any]) -> None:
    import torch

    if "weight_decay" not in method.spec.model_fields:
        return
    network = _network()
    optimizer = _made(method, {**settings, "weight_decay": 0.1}, network)
    before = _copy(network)
    for _ in range(3):
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
    for name, parameter in network.named_parameters():
        shrinks = float(parameter.norm()) < float(before[name].norm())
        assert shrinks == (parameter.ndim >= 2), f"weight decay is wrong for {name}"


def _check_state(method: OptimizerMethod, settings: Mapping[str, Any]) -> None:
    network, resumed = _network(), _network()
    _steps(_made(method, settings, network), network, 10)
    _steps(half := _made(method, settings, resumed), resumed, 5)
    tensors, plain = state_tensors(half)
    kept = {name: tensor.clone() for name, tensor in tensors.items()}
    plain = json.loads(json.dumps(plain, allow_nan=True))
    fresh = _network()
    fresh.load_state_dict(resumed.state_dict())
    optimizer = _made(method, settings, fresh)
    load_state(optimizer, kept, plain)
    _steps(optimizer, fresh, 5)
    assert _equal(_copy(network), _copy(fresh)), "ten steps and five and five after a save differ"


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return all(bool((one[name] == other[name]).all()) for name in one)
