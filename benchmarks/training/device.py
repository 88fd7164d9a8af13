"""Rows, images and tokens a second on this machine's device, beside a hand-tuned loop, and the share of its peak.

Where there is a CUDA device the networks are of a size that keeps it busy and are multiplied in bf16; on a processor
they are small. Wall time between two synchronised points, warm; ours and by hand take turns.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PEAKS = {  # dense bf16 (T4: fp16) operations a second, as the makers' data sheets say
    "H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "A10": 125e12, "RTX 4090": 165e12,
    "T4": 65e12,
}  # fmt: skip
ROUNDS = 3


@dataclass(frozen=True)
class Case:
    """A network, its rows, and what people count."""

    name: str
    counted: str
    make: Callable[[], Any]
    shape: tuple[int, ...]
    batch_size: int
    per_row: int = 1


def cases(*, large: bool) -> tuple[Case, ...]:
    """Three kinds of networks, of a size for a GPU or for a processor."""
    from torch import nn

    width, images, (model, length) = (4096, 64, (1024, 512)) if large else (64, 8, (64, 32))

    def mlp() -> Any:
        return nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, 10)
        )

    def cnn() -> Any:
        body: list[Any] = []
        for before, after in ((3, images), (images, 2 * images), (2 * images, 4 * images)):
            body += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
        return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * images, 10))

    def transformer() -> Any:
        layer = nn.TransformerEncoderLayer(model, max(2, model // 64), 4 * model, batch_first=True, dropout=0.0)
        return nn.Sequential(
            nn.TransformerEncoder(layer, 12 if large else 4, enable_nested_tensor=False),
            nn.Flatten(),
            nn.Linear(model * length, 10),
        )

    return (
        Case("mlp", "rows", mlp, (width,), 4096 if large else 64),
        Case("cnn", "images", cnn, (3, 32, 32), 1024 if large else 32),
        Case("transformer", "tokens", transformer, (length, model), 32 if large else 16, per_row=length),
    )


def by_hand(case: Case, n_steps: int, device: Any) -> float:
    """Seconds of the loop that an expert writes."""
    import torch

    network, x, y = _made(case, device)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, fused=True)
    cuda = device.type == "cuda" and torch.cuda.is_bf16_supported()
    casting = torch.autocast("cuda", torch.bfloat16) if cuda else contextlib.nullcontext()
    began = _now(device)
    for step in range(n_steps):
        if step == n_steps // 4:
            began = _now(device)
        rows = torch.randint(0, len(x), (case.batch_size,), device=device)
        with casting:
            loss = torch.nn.functional.cross_entropy(network(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return (_now(device) - began) / (n_steps - n_steps // 4)


def by_us(case: Case, n_steps: int, device: Any) -> float:
    """Seconds of a step of ours, with the doctor, logs and checkpoints."""
    import tempfile

    from modelwright.training.doctor.observer import Doctor
    from modelwright.training.loop.examples import Examples
    from modelwright.training.loop.fit import Loop
    from modelwright.training.loop.spec import LoopSpec
    from modelwright.training.objectives.base import make_objective
    from modelwright_runtime.signature import Task

    network, x, y = _made(case, device)
    task = Task(kind="multiclass", target="y", classes=tuple("0123456789"))
    spec = LoopSpec(max_steps=n_steps, batch_size=case.batch_size, schedule="constant", checkpoint_every_s=5.0,
                    device=device.type)  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        loop = Loop(network, Examples((x,), (y,)), spec, objective=make_objective([None], [task], complete=True),
                    observers=(Doctor(),), watch=lambda event: None)  # fmt: skip
        from pathlib import Path

        loop.keep_in(Path(folder))
        loop.run(n_steps // 4)
        began = _now(device)
        loop.run()
        return (_now(device) - began) / (n_steps - n_steps // 4)


def _made(case: Case, device: Any) -> tuple[Any, Any, Any]:
    import torch

    torch.manual_seed(0)
    n_rows = 16 * case.batch_size
    return (
        case.make().to(device),
        torch.randn(n_rows, *case.shape).to(device),
        torch.randint(0, 10, (n_rows,)).to(device),
    )


def _now(device: Any) -> float:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def measure() -> tuple[list[str], list[str]]:
    """Lines of the table; no bars: the issue sets none for a device."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    name = torch.cuda.get_device_name(device) if cuda else "the processor; no CUDA device is here"
    peak = next((value for key, value in PEAKS.items() if key in name), None) if cuda else None
    n_steps = 200 if cuda else 120
    table = [
        f"device: {name}",
        "",
        "| network | counted | ours a second | by hand | ours over by hand | TFLOP/s | of the peak |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in cases(large=cuda):
        counter = FlopCounterMode(display=False)
        network, x, _ = _made(case, torch.device("cpu"))
        with counter, torch.no_grad():
            network(x[:2])
        work = 3.0 * counter.get_total_flops() / 2 * case.batch_size  # a backward pass costs two forward ones
        pairs = [(by_us(case, n_steps, device), by_hand(case, n_steps, device)) for _ in range(ROUNDS)]
        ours, hand = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        counted = case.batch_size * case.per_row
        share = f"{work / ours / peak:.0%}" if peak else "not known"
        table.append(f"| {case.name} | {case.counted} | {counted / ours:,.0f} | {counted / hand:,.0f} | {ratio:.2f} | "
                     f"{work / ours / 1e12:.3g} | {share} |")  # fmt: skip
    return table, []
