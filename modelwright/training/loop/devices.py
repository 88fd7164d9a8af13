"""Where a network is trained, in which precision, and with how many processes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from modelwright.training.loop.spec import LoopSpec


@dataclass(frozen=True)
class World:
    """The processes that train one network together: this one's number, and how many there are."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @classmethod
    def join(cls) -> World:
        """The world that `torchrun` has set up, or this process alone."""
        import torch

        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls()
        if not torch.distributed.is_initialized():
            torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        return cls(int(os.environ["RANK"]), size, int(os.environ.get("LOCAL_RANK", "0")))

    def own(self, rows: torch.Tensor) -> torch.Tensor:
        """This process's rows of a batch. A few rows that do not divide evenly are left out."""
        if self.size == 1 or len(rows) < self.size:
            return rows
        return rows[: len(rows) // self.size * self.size][self.rank :: self.size]


def choose_device(asked: str, world: World) -> torch.device:
    """The device to train on. Raises `train.device` when CUDA is asked for and not there."""
    import torch

    if asked == "cuda" and not torch.cuda.is_available():
        raise UserError("train.device", "`device` is cuda, and there is no CUDA device.", hint="write `device: auto`")
    if asked == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", world.local_rank)


def choose_precision(asked: str, device: torch.device) -> str:
    """fp32, bf16 or fp16. On a CPU without AMX bf16 is three times slower than fp32, so auto avoids it."""
    import torch

    if asked == "fp16" and device.type != "cuda":
        raise UserError("train.precision", "fp16 needs a CUDA device.", hint="write `precision: auto`")
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    return "bf16" if torch.cpu._is_amx_tile_supported() else "fp32"


def casting(precision: str, device: torch.device) -> Callable[[], AbstractContextManager[Any]]:
    """What to compute a forward pass in."""
    import torch

    if precision == "fp32":
        return contextlib.nullcontext
    kind = torch.bfloat16 if precision == "bf16" else torch.float16
    return lambda: torch.autocast(device.type, dtype=kind)


def spread(network: nn.Module, spec: LoopSpec, world: World, device: torch.device) -> nn.Module:
    """The network as several processes train it: with FSDP2 its weights are shared out, with DDP copied."""
    import torch

    if world.size == 1:
        return network
    if spec.share == "fsdp":
        from torch.distributed.fsdp import fully_shard

        shared: nn.Module = fully_shard(network)  # type: ignore[assignment]
        return shared
    return torch.nn.parallel.DistributedDataParallel(network, device_ids=[device] if device.type == "cuda" else None)
