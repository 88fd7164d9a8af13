"""What can be known before the first step: of the rows, of the network as it is built, of the two together."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from modelwright.core.rng import stream
from modelwright.training.doctor import probe
from modelwright.training.doctor.describe import describe

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    from modelwright.training.loop.batch import Batch
    from modelwright.training.loop.examples import Examples
    from modelwright.training.loop.fit import Objective

PROBE_ROWS = 400
SCAN_ROWS = 200_000
OVERLAP_ROWS = 20_000
BATCH_ROWS = 64
FIT_STEPS = 40
FIT_RATE = 0.12  # largest change of a weight in a step, in shares of its length


def examine(
    network: nn.Module,
    train: Examples,
    objective: Objective,
    *,
    validation: Examples | None = None,
    batch_size: int = 32,
    seed: int = 0,
) -> dict[str, Any]:
    """Facts for the symptoms, JSON-able. The network is worked on as a copy; nothing is changed.

    Costs some 45 forward and backward passes of 64 rows, and simple learners on 400 rows.
    """
    rng = stream(seed, "doctor", "examine")
    facts: dict[str, Any] = {"n_rows": train.n_rows, "batch_size": batch_size}
    facts |= _of_rows(train, rng)
    facts |= _of_network(network, train, objective, BATCH_ROWS, rng, facts["bad_rows"])
    if validation is not None:
        facts["overlap"] = _overlap(train, validation)
    return facts


# Rows -----------------------------------------------------------------------------------------------------------------


def _of_rows(train: Examples, rng: np.random.Generator) -> dict[str, Any]:
    import numpy as np

    facts = _not_finite(train)
    rows = np.sort(rng.permutation(train.n_rows)[:PROBE_ROWS])
    inputs, y = _arrays(train, rows), np.asarray(_taken(train.targets[0], rows))
    if y.ndim != 1:
        return facts
    classes = np.issubdtype(y.dtype, np.integer)
    known = y >= 0 if classes else np.isfinite(y)
    inputs, y = tuple(array[known] for array in inputs), y[known].astype(np.int64 if classes else np.float64)
    if classes:
        whole = np.asarray(_taken(train.targets[0], np.arange(min(train.n_rows, SCAN_ROWS))))
        weights = None if train.weights is None else train.weights[: len(whole)].cpu().numpy()[whole >= 0]
        facts["class_counts"] = np.bincount(whole[whole >= 0].astype(np.int64), weights).tolist()
    else:
        centre = float(np.median(y)) if len(y) else 0.0
        deviation = 1.4826 * float(np.median(np.abs(y - centre))) if len(y) else 0.0
        facts |= {"target_centre": centre, "target_deviation": deviation}
    if len(np.unique(y)) < 2 or len(y) < 30:
        return facts
    if not classes:
        y = np.argsort(np.argsort(y, kind="stable"), kind="stable").astype(np.float64)  # ranks: no row is wild
    return facts | _information(inputs, y, rng) | _contradictions(inputs, y)


def _information(inputs: tuple[np.ndarray, ...], y: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    """What simple learners can tell of the targets, together and by one input alone."""
    import numpy as np

    table = describe(inputs)
    x = probe.standardised(table)
    if not x.shape[1]:
        return {"probe": {"skill": 0.0, "sigmas": 0.0}}
    near, line = probe.neighbours(x, y, rng), probe.ridge(x, y, rng)
    facts: dict[str, Any] = {"probe": {"skill": max(near.skill, line.skill), "sigmas": max(near.sigmas, line.sigmas),
                                       "neighbours": near.skill, "line": line.skill, "n": len(y)}}  # fmt: skip
    flat = np.concatenate([array.reshape(len(array), -1) for array in inputs], 1).astype(np.float64)
    best = _strongest(np.nan_to_num(flat, posinf=0.0, neginf=0.0), y)
    alone = probe.single_skills(flat[:, best], y)
    order = np.argsort(-alone, kind="stable")
    first = int(best[order[0]])
    rest = 0.0
    if alone[order[0]] > 0.8 and flat.shape[1] > 1:
        others = probe.standardised(describe(_without(inputs, first)))
        rest = max(probe.neighbours(others, y, rng).skill, probe.ridge(others, y, rng).skill) if others.size else 0.0
    facts["single"] = {"column": first, "skill": float(alone[order[0]]), "rest": rest,
                       "second": float(alone[order[1]]) if len(order) > 1 else 0.0}  # fmt: skip
    return facts


def _strongest(flat: np.ndarray, y: np.ndarray, n: int = 8) -> np.ndarray:
    """The columns that go most with the targets: by the share of variance between classes, or by correlation."""
    import numpy as np

    centred = flat - flat.mean(0)
    scale = np.sqrt((centred**2).sum(0))
    unit = centred / np.where(scale > 0, scale, 1.0)
    targets = probe.targets_of(y)
    sizes = np.sqrt((targets**2).sum(0))
    share = ((unit.T @ (targets / np.maximum(sizes, 1e-12))) ** 2).sum(1)
    return np.argsort(-share, kind="stable")[:n]


def _without(inputs: tuple[np.ndarray, ...], column: int) -> tuple[np.ndarray, ...]:
    """The inputs with one of their numbers, counted over all of them, set to 0."""
    made = []
    for array in inputs:
        width = array[0].size
        if 0 <= column < width:
            array = array.copy()
            array.reshape(len(array), -1)[:, column] = 0
        column -= width
        made.append(array)
    return tuple(made)


def _contradictions(inputs: tuple[np.ndarray, ...], y: np.ndarray) -> dict[str, Any]:
    """Rows that repeat another's inputs, and how many of those have another target."""
    import numpy as np

    flat = np.concatenate([np.ascontiguousarray(array.reshape(len(array), -1)).view(np.uint8)
                           for array in inputs], 1)  # fmt: skip
    keys: dict[bytes, int] = {}
    twins = differing = 0
    for index, row in enumerate(flat):
        first = keys.setdefault(row.tobytes(), index)
        if first != index:
            twins += 1
            differing += bool(y[first] != y[index])
    return {"twins": twins, "contradictions": differing, "twin_rows": len(y)}


def _not_finite(train: Examples) -> dict[str, Any]:
    """Which rows have inputs that are no numbers, and how many targets are infinite."""
    import numpy as np

    rows = np.arange(min(train.n_rows, SCAN_ROWS))
    bad = np.zeros(len(rows), dtype=bool)
    wild = np.zeros(len(rows), dtype=bool)
    for source in train.inputs:
        array = np.asarray(_taken(source, rows))
        if np.issubdtype(array.dtype, np.floating):
            flat = array.reshape(len(rows), -1)
            bad |= ~np.isfinite(flat).all(1)
            wild |= _wild(flat)
    target = np.asarray(_taken(train.targets[0], rows))
    numbers = np.issubdtype(target.dtype, np.floating)
    infinite = np.isinf(target).reshape(len(rows), -1).any(1) if numbers else np.zeros(len(rows), dtype=bool)
    if numbers:
        wild |= _wild(target.reshape(len(rows), -1) - np.median(target[~infinite]) if (~infinite).any() else target)
    return {"bad_rows": np.flatnonzero(bad)[:1000].tolist(), "n_bad_rows": int(bad.sum()),
            "infinite_targets": np.flatnonzero(infinite)[:1000].tolist(), "n_wild_rows": int(wild.sum()),
            "wild_rows": np.flatnonzero(wild)[:1000].tolist()}  # fmt: skip


def _wild(flat: np.ndarray) -> np.ndarray:
    """Rows whose size is far beyond that of the rest: by its logarithm, in robust deviations, and by its ratio."""
    import numpy as np

    finite = np.isfinite(flat)
    flat = np.where(finite, flat, np.nan).astype(np.float64)
    kept = finite.any(0)
    if not kept.any():
        return np.zeros(len(flat), dtype=bool)
    with np.errstate(all="ignore"):
        far_off = np.nan_to_num((flat[:, kept] - np.nanmedian(flat[:, kept], axis=0)) ** 2)
        size = np.sqrt(far_off.sum(1) / np.maximum(finite[:, kept].sum(1), 1))
        logs = np.log(np.where(size > 0, size, np.nan))
        if not np.isfinite(logs).any():
            return np.zeros(len(flat), dtype=bool)
        middle = np.nanmedian(logs)
        spread = 1.4826 * np.nanmedian(np.abs(logs - middle))
    far: np.ndarray = (logs - middle > 8 * spread) & (logs - middle > np.log(12.0))
    far |= logs - middle > np.log(40.0)
    return far


def _overlap(train: Examples, validation: Examples) -> dict[str, int]:
    """How many validation rows are training rows too."""
    shared = shared_rows(train, validation)
    return {"rows": len(shared), "shared": int(shared.sum())}


def shared_rows(train: Examples, validation: Examples) -> np.ndarray:
    """Which validation rows have the inputs of a training row: bool (n,). Of large sets the first are looked at."""
    import numpy as np

    known = set(_keys(train, np.arange(min(train.n_rows, OVERLAP_ROWS))))
    keys = _keys(validation, np.arange(min(validation.n_rows, OVERLAP_ROWS)))
    shared = np.zeros(validation.n_rows, dtype=bool)
    shared[: len(keys)] = [key in known for key in keys]
    return shared


def _keys(examples: Examples, rows: np.ndarray) -> list[bytes]:
    import numpy as np

    parts = [np.ascontiguousarray(array.reshape(len(rows), -1)).view(np.uint8) for array in _arrays(examples, rows)]
    return [row.tobytes() for row in np.concatenate(parts, 1)]


def _arrays(examples: Examples, rows: np.ndarray) -> tuple[np.ndarray, ...]:
    import numpy as np

    return tuple(np.asarray(_taken(source, rows)) for source in examples.inputs)


def _taken(source: Any, rows: np.ndarray) -> Any:
    import torch

    if isinstance(source, torch.Tensor):
        return source[torch.from_numpy(rows).to(source.device)].cpu().numpy()
    return source[rows]


# Network --------------------------------------------------------------------------------------------------------------


def _of_network(
    network: nn.Module, train: Examples, objective: Objective, n_rows: int, rng: np.random.Generator,
    bad_rows: list[int],
) -> dict[str, Any]:  # fmt: skip
    import numpy as np
    import torch

    good = np.setdiff1d(rng.permutation(train.n_rows)[: 4 * n_rows], np.asarray(bad_rows, dtype=np.int64))
    rows = torch.from_numpy(good[:n_rows] if len(good) else np.arange(min(n_rows, train.n_rows)))
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    batch = _on(train.rows(rows), device)
    with torch.random.fork_rng(devices=[] if device.type == "cpu" else [device]):
        torch.manual_seed(int(rng.integers(2**31)))
        trial = _copy_of(network)
        facts = _start(trial, batch, objective) | _first_look(trial, batch, objective)
        if bad_rows:
            facts["copes_with_bad_rows"] = _copes(trial, train, bad_rows, device)
        if math.isfinite(facts.get("start_loss", math.nan)):
            facts["batch_fit"] = _fit_batch(trial, batch, objective)
    return facts


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
    """Loss at the start, loss of an answer that knows nothing, and what the first learned layer is fed."""
    import torch

    from modelwright.training.doctor.look import loss_of_nothing

    fed: list[Tensor] = []

    def note(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if not fed and inputs and isinstance(inputs[0], torch.Tensor) and inputs[0].is_floating_point():
            fed.append(inputs[0].detach())

    learned = (torch.nn.Linear, torch.nn.modules.conv._ConvNd, torch.nn.RNNBase)
    handles = [module.register_forward_pre_hook(note) for module in trial.modules() if isinstance(module, learned)]
    with torch.no_grad():
        outputs = _outputs(trial, batch)
    for handle in handles:
        handle.remove()
    with torch.no_grad():
        loss = float(objective(outputs, batch.targets, batch.weights))
    facts: dict[str, Any] = {"start_loss": loss}
    nothing = loss_of_nothing(objective, outputs, batch)
    if nothing is not None:
        facts["uninformed_loss"] = nothing
    facts["finite_answers"] = all(bool(torch.isfinite(output).all()) for output in outputs)
    first = outputs[0].double().flatten(1) if outputs[0].ndim > 1 else outputs[0].double()[:, None]
    power = float(first.square().mean())
    facts["start_distinct"] = float(first.var(0, correction=0).mean()) / power if power > 0 else 0.0
    return facts | (_fed(fed[0]) if fed else {})


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
    """Whether the network answers rows that hold what is no number."""
    import torch

    with torch.no_grad():
        outputs = _outputs(trial.eval(), _on(train.rows(torch.tensor(bad_rows[:BATCH_ROWS])), device))
    trial.train()
    return all(bool(torch.isfinite(output).all()) for output in outputs)


def _fed(fed: Tensor) -> dict[str, Any]:
    """Size of what the first learned layer is fed, and how unequal its parts are: all should be near 1."""
    import torch

    fed = fed[torch.isfinite(fed).reshape(len(fed), -1).all(1)].double()
    usual = fed.reshape(len(fed), -1).square().mean(1)
    fed = fed[usual <= 30 * usual.median()] if len(fed) else fed  # wild rows are another matter
    if len(fed) < 2:
        return {}
    columns = fed.reshape(-1, fed.shape[-1]) if fed.ndim != 4 else fed.transpose(1, -1).reshape(-1, fed.shape[1])
    sizes = columns.square().mean(0).sqrt()
    deviation = columns.std(0)
    alive = deviation > 0
    if not bool(alive.any()):
        return {}
    offset = float((columns.mean(0).abs() / deviation.clamp(min=1e-12))[alive].median())
    return {"fed_size": float(columns.square().mean().sqrt()), "fed_offset": offset,
            "fed_spread": float(sizes[alive].max() / sizes[alive].median())}  # fmt: skip


def _fit_batch(trial: nn.Module, batch: Batch, objective: Objective) -> float:
    """How much of the loss of one batch is left after a few dozen steps on it alone.

    Steps are in shares of each weight's own length, so that no learning rate has to fit.

    Reference: You et al. (2020), "Large batch optimization for deep learning: training BERT in 76 minutes".
    """
    import torch

    parameters = [parameter for parameter in trial.parameters() if parameter.requires_grad]
    means = [torch.zeros_like(parameter) for parameter in parameters]
    squares = [torch.zeros_like(parameter) for parameter in parameters]
    loss = torch.zeros(())
    first = least = math.nan
    for step in range(FIT_STEPS):
        loss = objective(_outputs(trial, batch), batch.targets, batch.weights)
        value = float(loss.detach())
        if not math.isfinite(value):
            break
        first, least = (value, value) if step == 0 else (first, min(least, value))
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        rate = FIT_RATE * (1.0 - step / FIT_STEPS)
        for parameter, mean, square, gradient in zip(parameters, means, squares, gradients, strict=True):
            if gradient is not None:
                _small_step(parameter, mean, square, gradient, rate, step)
    return least / first if first > 0 else 0.0


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
    from dataclasses import replace

    def moved(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(tensor.to(device) for tensor in tensors)

    weights = None if batch.weights is None else batch.weights.to(device)
    return replace(batch, inputs=moved(batch.inputs), targets=moved(batch.targets), weights=weights)
