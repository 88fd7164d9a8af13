"""How long, in which batches and how fast a network learns, when nobody says: from rows and work alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from modelwright.core.data import Decision
from modelwright.training.loop.spec import LoopSpec
from modelwright.training.network.spec import DeepSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

EPOCHS = {"quick": 10, "standard": 30, "thorough": 100}
EPOCHS_OF_TEXTS = {"quick": 5, "standard": 10, "thorough": 20}
"""Words that are rare are soon known by heart: on TREC the validation loss rises after some eight passes."""
EPOCHS_OF_PLACES = {"quick": 20, "standard": 60, "thorough": 150}
"""Where things are is learned slowly from few pictures, and hardly learned by heart: each row has many answers."""
LEAST_STEPS_OF_PLACES = {"quick": 200, "standard": 500, "thorough": 2_000}
LEARNING_RATE = {"places": 0.006}
"""For the others 0.002. Of few pictures steps are few, and a convolution sums its gradient over thousands of places."""
LEAST_STEPS = {"quick": 300, "standard": 1_000, "thorough": 3_000}
MOST_WORK = {"quick": 3e11, "standard": 3e12, "thorough": 3e13}
"""Floating-point operations of the whole training: some 20 s, 3 minutes, half an hour on two cores."""
PLACES_SHARE = 6
"""Where things are in a picture costs more than what it shows: so many times the work, and few rows a step."""
FORWARD_AND_BACK = 3  # a backward pass costs two forward ones


def plan_loop(
    spec: DeepSpec,
    n_rows: int,
    work_per_row: float,
    budget: str,
    *,
    patient: bool,
    about: Literal["", "texts", "places"] = "",
) -> tuple[LoopSpec, list[Decision]]:
    """The loop's settings, every one a function of rows, work and budget where the user says nothing.

    >>> plan_loop(DeepSpec(), 60_000, 1e6, "standard", patient=True)[0].batch_size
    128
    """
    usual = next(size for most, size in ((500, 16), (5_000, 32), (50_000, 64), (2**62, 128)) if n_rows < most)
    batch_size = int(spec.loop.get("batch_size", 0)) or (max(2, usual // 4) if about == "places" else usual)
    passes = {"texts": EPOCHS_OF_TEXTS, "places": EPOCHS_OF_PLACES}.get(about, EPOCHS)[budget]
    least = (LEAST_STEPS_OF_PLACES if about == "places" else LEAST_STEPS)[budget]
    wanted = max(passes * n_rows / batch_size, least)
    allowed = MOST_WORK[budget] * (PLACES_SHARE if about == "places" else 1)
    affordable = allowed / (FORWARD_AND_BACK * max(work_per_row, 1.0) * batch_size)
    n_steps = max(round(min(wanted, affordable)), min(round(wanted), -(-n_rows // batch_size)))
    epochs = n_steps * batch_size / n_rows
    chosen: dict[str, Any] = {
        "batch_size": batch_size,
        "epochs": round(epochs, 4),
        "optimizer": {"adamw": {"learning_rate": LEARNING_RATE.get(about, 0.002), "weight_decay": 0.01}},
        "schedule": "one_cycle",
        "clip_norm": 1.0,
        "patience": 12 if patient else None,
    }
    loop = LoopSpec.parse({**chosen, **spec.loop}, where="loop")
    told = []
    if "epochs" not in spec.loop and "max_steps" not in spec.loop:
        limit = "what the budget of work allows" if affordable < wanted else f"enough for {n_rows:,} rows"
        told.append(Decision("training", "epochs", f"{epochs:.3g} ({n_steps:,} steps of {batch_size} rows)", limit))
    return loop, told


def work_of(network: nn.Module, inputs: Sequence[Tensor]) -> float:
    """Floating-point operations of one row's forward pass; at least two a weight, where they cannot be counted."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    few = [array[:2] for array in inputs]
    counter = FlopCounterMode(display=False)
    network.eval()
    with torch.no_grad(), counter:
        network(*few)
    n_weights = sum(parameter.numel() for parameter in network.parameters())
    return float(max(counter.get_total_flops() / len(few[0]), 2 * n_weights))
