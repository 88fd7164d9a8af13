"""What can be known before the first step: of the rows, of the network as it is built, of the two together."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from modelwright.core.rng import stream
from modelwright.training.doctor.rows import facts_of_rows, far_off, shared_rows

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    from modelwright.training.loop.batch import Batch
    from modelwright.training.loop.examples import Examples
    from modelwright.training.loop.fit import Objective

BATCH_ROWS, FEWEST_ROWS = 64, 8
FEWEST_PICTURES = 2  # with boxes or masks: each has many answers, and costs as much as a thousand rows
BATCH_NUMBERS = 250_000  # of the inputs of a batch; large pictures come in smaller batches
FIT_STEPS = 40
FIT_RATES = (0.12, 0.04)  # largest change of a weight in a step, in shares of its length; the second if need be
FITTED = 0.3
FED_ROWS = 20_000
FED_NUMBERS = 20_000_000


def examine(
    network: nn.Module,
    train: Examples,
    objective: Objective,
    *,
    validation: Examples | None = None,
    batch_size: int = 32,
    seed: int = 0,
) -> dict[str, Any]:
    """Facts for the symptoms, JSON-able. Network and objective are worked on as copies; nothing is changed.

    Costs some 45 forward and backward passes of at most 64 rows (twice that where a batch is hard to learn), the
    first layer on at most 20,000 rows, and simple learners on 400 rows.
    """
    rng = stream(seed, "doctor", "examine")
    facts: dict[str, Any] = {"n_rows": train.n_rows, "batch_size": batch_size}
    facts |= facts_of_rows(train, rng)
    facts |= _of_network(network, train, copy.deepcopy(objective), rng, facts["bad_rows"])
    if validation is not None:
        shared = shared_rows(train, validation)
        facts["overlap"] = {"rows": len(shared), "shared": int(shared.sum())}
    return facts


def _of_network(
    network: nn.Module, train: Examples, objective: Objective, rng: np.random.Generator, bad_rows: list[int]
) -> dict[str, Any]:
    import torch

    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    with torch.random.fork_rng(devices=[] if device.type == "cpu" else [device]):
        torch.manual_seed(int(rng.integers(2**31)))
        trial = _copy_of(network)
        facts = _fed(trial, train, device)
        batch = _on(train.rows(_usual_rows(train, [*bad_rows, *facts["wild_rows"]], rng)), device)
        facts |= _start(trial, batch, objective) | _first_look(trial, batch, objective)
        if bad_rows:
            facts["copes_with_bad_rows"] = _copes(trial, train, bad_rows, device)
        if math.isfinite(facts.get("start_loss", math.nan)):
            facts |= _fit_batch(network, batch, objective)
    return facts


def _usual_rows(train: Examples, strange: list[int], rng: np.random.Generator) -> Tensor:
    """The rows that a network is looked at with: fewer where they are large, none that is strange."""
    import numpy as np
    import torch

    width = sum(math.prod(source.shape[1:]) for source in train.inputs)
    fewest = FEWEST_PICTURES if any(target.ndim > 2 for target in train.targets) else FEWEST_ROWS
    n_rows = max(fewest, min(BATCH_ROWS, BATCH_NUMBERS // max(width, 1)))
    usual = np.setdiff1d(rng.permutation(train.n_rows)[: 4 * n_rows], np.asarray(strange, dtype=np.int64))
    return torch.from_numpy(rng.permutation(usual)[:n_rows] if len(usual) else np.arange(min(n_rows, train.n_rows)))


def _copy_of(network: nn.Module) -> nn.Module:
    """A copy in training mode whose dropout does nothing."""
    import torch

    trial = copy.deepcopy(network).train()
    for module in trial.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.0
        elif isinstance(module, torch.nn.RNNBase):
            module.dropout = 0.0
    return trial


def _start(trial: nn.Module, batch: Batch, objective: Objective) -> dict[str, Any]:
    """Loss at the start, and loss of an answer that knows nothing."""
    import torch

    from modelwright.training.doctor.look import loss_of_nothing

    with torch.no_grad():
        outputs = _outputs(trial, batch)
        loss = float(objective(outputs, batch.targets, batch.weights))
    facts: dict[str, Any] = {"start_loss": loss}
    nothing = loss_of_nothing(objective, outputs, batch)
    if nothing is not None:
        facts["uninformed_loss"] = nothing
    first = outputs[0].double().flatten(1) if outputs[0].ndim > 1 else outputs[0].double()[:, None]
    power = float(first.square().mean())
    facts["start_distinct"] = float(first.var(0, correction=0).mean()) / power if power > 0 else 0.0
    return facts


def _first_look(trial: nn.Module, batch: Batch, objective: Objective) -> dict[str, Any]:
    """A look at gradients and activations of the network as it is built, as at the steps of a training."""
    from modelwright.training.doctor.look import Watcher, Weights, answers_of, layers_of

    watcher = Watcher(trial)
    watcher.open()
    loss = objective(_outputs(trial, batch), batch.targets, batch.weights)
    watcher.close()
    loss.backward()
    seen = watcher.measured(is_finite=True)
    layers = layers_of(trial, seen.get("order", []))
    weights = Weights(trial, layers)
    gradient, size = weights.norms(1.0)
    for parameter in trial.parameters():
        parameter.grad = None
    look = {"step": -1, "loss": float(loss.detach()), "factor": 1.0, "gradient": gradient, "weight": size,
            "update": [], **seen, **answers_of(watcher.outputs, batch)}  # fmt: skip
    return {"first_look": look, "layers": layers, "usual_weight": weights.usual()}


def _copes(trial: nn.Module, train: Examples, bad_rows: list[int], device: torch.device) -> bool:
    """Whether the network answers rows that hold what is no number, and learns from them: an infinite input can come
    out of a saturated gate as a number, and go back as none."""
    import torch

    batch = _on(train.rows(torch.tensor(bad_rows[:BATCH_ROWS])), device)
    with torch.no_grad():
        outputs = _outputs(trial.eval(), batch)
    learned = [parameter for parameter in trial.parameters() if parameter.requires_grad]
    sizes = [output.float().square().mean() for output in _outputs(trial.train(), batch) if output.requires_grad]
    gradients = torch.autograd.grad(torch.stack(sizes).sum(), learned, allow_unused=True) if sizes else ()
    return all(bool(torch.isfinite(part).all()) for part in (*outputs, *gradients) if part is not None)


# What the first learned layer is fed ---------------------------------------------------------------------------------


class _Enough(Exception):
    """The first learned layer has been reached: the rest of the pass is not needed."""


def _fed(trial: nn.Module, train: Examples, device: torch.device) -> dict[str, Any]:
    """Size of what the first learned layer is fed, how unequal its parts are (all should be near 1), and which
    rows, or which of their targets, are far larger than the rest."""
    import numpy as np
    import torch

    caught: list[Tensor] = []

    def catch(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if inputs and isinstance(inputs[0], torch.Tensor) and inputs[0].is_floating_point():
            caught.append(inputs[0].detach())
            raise _Enough

    learned = (torch.nn.Linear, torch.nn.modules.conv._ConvNd, torch.nn.RNNBase)
    width = sum(math.prod(source.shape[1:]) for source in train.inputs)
    rows = torch.arange(max(1, min(train.n_rows, FED_ROWS, FED_NUMBERS // max(width, 1))))
    handles = [module.register_forward_pre_hook(catch) for module in trial.modules() if isinstance(module, learned)]
    sizes, sample = [], None
    trial.eval()
    for part in rows.split(512):
        try:
            with torch.no_grad():
                trial(*_on(train.rows(part), device).inputs)
        except _Enough:
            fed = caught.pop()
            if len(fed) != len(part):  # rows were folded into one another: no longer one of them each
                break
            sample = fed if sample is None else sample
            sizes.append(fed.reshape(len(fed), -1).double().square().mean(1).sqrt().cpu().numpy())
    for handle in handles:
        handle.remove()
    trial.train()
    wild = set(np.flatnonzero(far_off(np.concatenate(sizes))).tolist()) if sizes else set()
    target = train.targets[0][: len(rows)]
    target = np.asarray(target.cpu() if isinstance(target, torch.Tensor) else target)
    if np.issubdtype(target.dtype, np.floating) and target.ndim == 1 and np.isfinite(target).any():
        wild |= set(np.flatnonzero(far_off(np.abs(target - np.median(target[np.isfinite(target)])))).tolist())
    facts: dict[str, Any] = {"n_wild_rows": len(wild), "wild_rows": sorted(wild)[:1000]}
    return facts if sample is None else facts | _scale_of(sample)


def _scale_of(fed: Tensor) -> dict[str, Any]:
    import torch

    fed = fed[torch.isfinite(fed).reshape(len(fed), -1).all(1)].double()
    usual = fed.reshape(len(fed), -1).square().mean(1)
    fed = fed[usual <= 30 * usual.median()] if len(fed) else fed  # wild rows are another matter
    if len(fed) < 2:
        return {}
    columns = fed.reshape(-1, fed.shape[-1]) if fed.ndim != 4 else fed.transpose(1, -1).reshape(-1, fed.shape[1])
    sizes, deviation = columns.square().mean(0).sqrt(), columns.std(0)
    alive = deviation > 0
    if not bool(alive.any()):
        return {}
    return {
        "fed_size": float(columns.square().mean().sqrt()),
        "fed_largest": float(sizes[alive].max()),
        "fed_spread": float(sizes[alive].max() / sizes[alive].median()),
        "fed_offset": float((columns.mean(0).abs() / deviation.clamp(min=1e-12))[alive].median()),
    }


# One batch by heart --------------------------------------------------------------------------------------------------


def _fit_batch(network: nn.Module, batch: Batch, objective: Objective) -> dict[str, float]:
    """How much of the loss of one batch is left after a few dozen steps on it alone, and how many rows are right.

    Steps are in shares of each weight's own length, so that no learning rate has to fit.

    Reference: You et al. (2020), "Large batch optimization for deep learning: training BERT in 76 minutes".
    """
    best: dict[str, float] = {}
    for rate in FIT_RATES:
        found = _fit_once(_copy_of(network), batch, objective, rate)
        if not best or found["batch_fit"] < best["batch_fit"]:
            best = found
        if best["batch_fit"] < FITTED:
            break
    return best


def _fit_once(trial: nn.Module, batch: Batch, objective: Objective, rate: float) -> dict[str, float]:
    import torch

    from modelwright.training.doctor.look import answers_of

    parameters = [parameter for parameter in trial.parameters() if parameter.requires_grad]
    means = [torch.zeros_like(parameter) for parameter in parameters]
    squares = [torch.zeros_like(parameter) for parameter in parameters]
    first = least = math.nan
    right = 0.0
    for step in range(FIT_STEPS):
        outputs = _outputs(trial, batch)
        loss = objective(outputs, batch.targets, batch.weights)
        value = float(loss.detach())
        if not math.isfinite(value):
            break
        first, least = (value, value) if step == 0 else (first, min(least, value))
        right = max(right, answers_of(tuple(output.detach() for output in outputs), batch).get("right", 0.0))
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        size = rate * (1.0 - step / FIT_STEPS)
        for parameter, mean, square, gradient in zip(parameters, means, squares, gradients, strict=True):
            if gradient is not None:
                _small_step(parameter, mean, square, gradient, size, step)
    return {"batch_fit": least / first if first > 0 else 0.0, "batch_right": right}


def _small_step(parameter: Any, mean: Tensor, square: Tensor, gradient: Tensor, rate: float, step: int) -> None:
    mean.lerp_(gradient, 0.2)
    square.lerp_(gradient.square(), 0.05)
    direction = (mean / (1 - 0.8 ** (step + 1))) / ((square / (1 - 0.95 ** (step + 1))).sqrt() + 1e-30)
    length = max(float(parameter.detach().norm()), 0.05 * math.sqrt(parameter.numel()))
    size = float(direction.norm())
    if size > 0:
        parameter.data.add_(direction, alpha=-rate * length / size)


def _outputs(network: nn.Module, batch: Batch) -> tuple[Tensor, ...]:
    given = network(*batch.inputs)
    return given if isinstance(given, tuple) else (given,)


def _on(batch: Batch, device: torch.device) -> Batch:
    def moved(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(tensor.to(device) for tensor in tensors)

    weights = None if batch.weights is None else batch.weights.to(device)
    return replace(batch, inputs=moved(batch.inputs), targets=moved(batch.targets), weights=weights)
