"""All that the rest of a training depends on: taken out for a checkpoint or a fork, and put back to the same bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelwright.training.loop.checkpoint import Saved

if TYPE_CHECKING:
    from torch import Tensor, device

    from modelwright.training.loop.fit import Loop


@dataclass
class Progress:
    """Where a training stands: what a checkpoint writes as JSON."""

    step: int = 0
    best_step: int = 0
    best_score: float | None = None
    n_without_gain: int = 0
    stopped: str = ""
    scores: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)


def saved(loop: Loop) -> Saved:
    """Weights, optimizer, best weights, random numbers and progress of a loop. The tensors are copies."""
    import torch

    from modelwright.training.optimizers.base import state_tensors

    of_optimizer, plain = state_tensors(loop.optimizer)
    parts: dict[str, Mapping[str, Tensor]] = {
        "network": loop.network.state_dict(),
        "optimizer": of_optimizer,
        "best": loop.best,
        "average": loop.average.tensors() if loop.average else {},
        "objective": loop.objective.state_dict() if isinstance(loop.objective, torch.nn.Module) else {},
        "random": chance(loop.device),
        "recent": {"losses": torch.stack(loop.since)} if loop.since else {},
    }
    told = {
        "identity": loop.identity,
        "progress": _deep(vars(loop.progress)),
        "optimizer": plain,
        "average": loop.average.n_updates if loop.average else 0,
        "scaler": loop.scaler.state_dict() if loop.scaler else None,
        "observers": [observer.state() for observer in loop.observers],
    }
    tensors = {f"{part}/{name}": tensor.detach().clone() for part, named in parts.items()
               for name, tensor in named.items()}  # fmt: skip
    return Saved(loop.progress.step, tensors, told)


def restore(loop: Loop, kept: Saved) -> None:
    """The inverse of `saved`, in place."""
    import torch

    from modelwright.training.optimizers.base import load_state

    def part(name: str) -> dict[str, Tensor]:
        return {key.partition("/")[2]: t for key, t in kept.tensors.items() if key.startswith(f"{name}/")}

    loop.network.load_state_dict(part("network"))
    load_state(loop.optimizer, part("optimizer"), kept.state["optimizer"])
    loop.best = {name: tensor.to(loop.device) for name, tensor in part("best").items()}
    if loop.average is not None:
        loop.average.load(part("average"), kept.state["average"])
    if isinstance(loop.objective, torch.nn.Module):
        loop.objective.load_state_dict(part("objective"))
    if loop.scaler is not None:
        loop.scaler.load_state_dict(kept.state["scaler"])
    set_chance(loop.device, part("random"))
    loop.since = list(part("recent").get("losses", torch.zeros(0)).to(loop.device).unbind())
    loop.progress = Progress(**_deep(kept.state["progress"]))
    for observer, state in zip(loop.observers, kept.state["observers"], strict=True):
        observer.load(state)


def chance(where: device) -> dict[str, Tensor]:
    """The state of the random numbers that dropout draws from."""
    import torch

    cuda = {"cuda": torch.cuda.get_rng_state(where)} if where.type == "cuda" else {}
    return {"cpu": torch.get_rng_state(), **cuda}


def set_chance(where: device, state: Mapping[str, Tensor]) -> None:
    """The inverse of `chance`."""
    import torch

    torch.set_rng_state(state["cpu"])
    if where.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], where)


def _deep(plain: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of JSON-able state that later changes do not reach."""
    return {name: [*value] if isinstance(value, list) else value for name, value in plain.items()}
