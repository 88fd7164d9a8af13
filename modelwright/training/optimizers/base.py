"""Optimizers: the gradients of a network in, its next parameters out.

A method (`OptimizerMethod`, one file each) makes a `torch.optim.Optimizer` from groups of parameters. The split
into groups is the library's work: `make_optimizer` decays matrices and filters only, leaves out what is
frozen, and gives each layer its own rate where one is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from modelwright.core.optional import need
from modelwright.core.registry import get
from modelwright.training.optimizers.state import load_state, state_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from modelwright.core.spec import Spec
    from modelwright.core.use import Use


__all__ = ["Memory", "OptimizerMethod", "load_state", "make_optimizer", "set_rate", "state_tensors"]

Memory = Annotated[float, Field(ge=0, lt=1)]
"""How much of what was is kept at a step."""


@dataclass(frozen=True, kw_only=True)
class OptimizerMethod:
    """One method of stepping, as a function from settings and groups of parameters.

    `make(spec, groups)` gets groups as torch takes them: `params` (a list), `lr`, `initial_lr` and
    `weight_decay`; one group for each pair of rate and decay. `spec` has a `learning_rate` and, where the
    method decays, a `weight_decay`. With `hidden_apart` no group mixes hidden matrices and filters with the
    rest, and each says which it is under `hidden`. An optimizer whose attribute `needs_closure` is true is
    stepped by `step(closure)`, where `closure()` empties the gradients, computes the loss, goes backward and
    returns the loss; it is called several times a step, so it is to use the same rows each time.
    """

    name: str
    spec: type[Spec]
    make: Callable[[Any, list[dict[str, Any]]], Optimizer]
    hidden_apart: bool = False


def make_optimizer(
    use: Use,
    network: nn.Module,
    *,
    rates: Mapping[str, float] | None = None,
    more_parameters: Iterable[Tensor] = (),
) -> Optimizer:
    """The optimizer of a network. Weight decay is for matrices and filters only: not for biases, norms,
    embeddings and scalars.

    `rates` maps the start of a parameter's name to a factor (0 or more) of the learning rate; the longest
    start that fits counts, 1 where none fits. Parameters of factor 0 are frozen: their `requires_grad` is set
    to False, so that no gradient is computed for them. Those that need no gradient already are left out.
    `more_parameters` (those of a loss, say) have factor 1 and no decay. Errors: `registry.name` for an unknown
    method, `spec.*` for wrong settings, `optimizer.rates` for a start that no parameter has or a factor below
    0, `optimizer.frozen` where nothing is left to train.

    Reference: Loshchilov and Hutter (2019), "Decoupled weight decay regularization"; Howard and Ruder (2018),
    "Universal language model fine-tuning", for rates by layer.

    >>> from torch import nn
    >>> from modelwright.core.use import Use
    >>> network = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 2))
    >>> use = Use.model_validate({"adamw": {"weight_decay": 0.1}})
    >>> optimizer = make_optimizer(use, network, rates={"0.": 0.0})
    >>> [(len(group["params"]), group["weight_decay"]) for group in optimizer.param_groups]
    [(3, 0.0), (1, 0.1)]
    """
    need("torch", extra="deep", why="training a network")
    from modelwright.training.optimizers.grouping import as_groups, split

    method: OptimizerMethod = get("optimizers", use.method)
    spec: Any = method.spec.parse(use.settings, where=use.method)
    parts = split(network, rates or {}, tuple(more_parameters))
    groups = as_groups(
        parts,
        learning_rate=spec.learning_rate,
        weight_decay=getattr(spec, "weight_decay", 0.0),
        hidden_apart=method.hidden_apart,
    )
    return method.make(spec, groups)


def on_cuda(groups: list[dict[str, Any]]) -> bool:
    """Whether torch is to step whole lists of tensors at once (`foreach`): it saves launches on CUDA, and takes
    1.3 times as long as one tensor after the other on a CPU (64-32-10 MLP: RMSprop 108 to 82 us, NAdam 182 to
    134, Adadelta 154 to 127)."""
    return all(parameter.is_cuda for group in groups for parameter in group["params"])


def set_rate(optimizer: Optimizer, factor: float) -> None:
    """Every group at `factor` times its own learning rate: how a schedule reaches an optimizer.

    >>> import torch
    >>> from modelwright.core.use import Use
    >>> optimizer = make_optimizer(Use(method="sgd", settings={"learning_rate": 0.1}), torch.nn.Linear(2, 1))
    >>> set_rate(optimizer, 0.5)
    >>> optimizer.param_groups[0]["lr"]
    0.05
    """
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor
