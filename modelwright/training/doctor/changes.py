"""The changes a verdict may ask for, and what each is applied to: settings of the loop, rows, or the network.

| `what` | further keys | applied to |
|---|---|---|
| `learning_rate` | `times` | optimizer |
| `clip_norm` | `value` | loop |
| `warm_up` | `share` of the run | schedule |
| `batch_size` | `times` | loop |
| `stop_early` | `patience` in validations | loop |
| `skip` | `steps`, first and last | the steps themselves |
| `regularise` | `dropout`, `weight_decay` | network (`dropout`) and optimizer |
| `drop_rows` | `rows` of the training set | rows |
| `drop_shared_rows` | | rows to validate on |
| `class_weights` | `weights` by class | rows |
| `initialise`, `normalise`, `standardise`, `standardise_targets` | | network |
| `activation` | `to` | network |
| `capacity` | `times` the width | network |
| `drop_inputs` | `inputs`, counted over all arrays | network |
| `stop`, `review_labels`, `more_rows` | | a person |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from modelwright.core import registry
from modelwright.core.errors import UserError
from modelwright.training.loop.examples import Examples
from modelwright.training.loop.spec import LoopSpec

if TYPE_CHECKING:
    import torch
    from torch import nn

Change = Mapping[str, Any]
Build = Callable[[tuple[Change, ...]], "nn.Module | None"]
"""Changes to a network, all of them so far, to the network that has them; None where one cannot be made."""

OF_NETWORK = {
    "initialise", "normalise", "standardise", "standardise_targets", "activation", "capacity", "drop_inputs",
}  # fmt: skip
FOR_PEOPLE = {"stop", "review_labels", "more_rows"}
INSTEAD: dict[str, Change] = {
    "initialise": {"what": "clip_norm", "value": 1.0},
    "activation": {"what": "learning_rate", "times": 0.316},
}
"""What is tried where a network cannot be built anew."""


@dataclass(frozen=True)
class Setup:
    """All that a change can be made to."""

    spec: LoopSpec
    train: Examples
    validation: Examples | None
    network_changes: tuple[Change, ...] = ()


def changed(setup: Setup, change: Change) -> Setup | None:
    """A setup with one change made; None where that is for a person to do.

    >>> import torch
    >>> rows = Examples((torch.zeros(4, 2),), (torch.tensor([0, 0, 1, 1]),))
    >>> setup = Setup(LoopSpec(optimizer={"adamw": {"learning_rate": 0.1}}), rows, None)
    >>> changed(setup, {"what": "learning_rate", "times": 0.1}).spec.optimizer.settings["learning_rate"]
    0.01
    >>> changed(setup, {"what": "class_weights", "weights": [0.5, 2.0]}).train.weights
    tensor([0.5000, 0.5000, 2.0000, 2.0000])
    """
    what = change["what"]
    if what in OF_NETWORK:
        return replace(setup, network_changes=(*setup.network_changes, change))
    made = {
        "learning_rate": _learning_rate, "clip_norm": _clip_norm, "warm_up": _warm_up, "batch_size": _batch_size,
        "stop_early": _stop_early, "skip": lambda setup, _: setup, "regularise": _regularise, "drop_rows": _drop_rows,
        "drop_shared_rows": _drop_shared_rows, "class_weights": _class_weights,
    }.get(what)  # fmt: skip
    try:
        return made(setup, change) if made is not None else None
    except UserError:  # a setting beyond what its method allows
        return None


def from_start(change: Change) -> bool:
    """Whether a training with this change must begin anew: its network or its rows are others."""
    return change["what"] in OF_NETWORK | {"regularise", "drop_rows", "class_weights", "batch_size"}


def _learning_rate(setup: Setup, change: Change) -> Setup:
    use = setup.spec.optimizer
    fields = registry.get("optimizers", use.method).spec.model_fields
    rate = float(use.settings.get("learning_rate", fields["learning_rate"].default)) * change["times"]
    return _with_optimizer(setup, learning_rate=float(f"{rate:.6g}"))


def _with_optimizer(setup: Setup, **settings: Any) -> Setup:
    use = setup.spec.optimizer
    made = {**use.settings, **settings}
    registry.get("optimizers", use.method).spec.parse(made, where=use.method)
    return replace(setup, spec=setup.spec.but(optimizer={use.method: made}))


def _clip_norm(setup: Setup, change: Change) -> Setup:
    return replace(setup, spec=setup.spec.but(clip_norm=change["value"]))


def _warm_up(setup: Setup, change: Change) -> Setup:
    use = setup.spec.schedule
    return replace(setup, spec=setup.spec.but(schedule={use.method: {**use.settings, "warmup": change["share"]}}))


def _batch_size(setup: Setup, change: Change) -> Setup:
    size = max(setup.spec.accumulate, round(setup.spec.batch_size * change["times"]))
    return replace(setup, spec=setup.spec.but(batch_size=size))


def _stop_early(setup: Setup, change: Change) -> Setup:
    return replace(setup, spec=setup.spec.but(patience=change["patience"]))


def _regularise(setup: Setup, change: Change) -> Setup:
    fields = registry.get("optimizers", setup.spec.optimizer.method).spec.model_fields
    if "weight_decay" in fields:
        setup = _with_optimizer(setup, weight_decay=change["weight_decay"])
    dropout = {"what": "dropout", "value": change["dropout"]}
    return replace(setup, network_changes=(*setup.network_changes, dropout))


def _drop_rows(setup: Setup, change: Change) -> Setup | None:
    import torch

    kept = torch.ones(setup.train.n_rows, dtype=torch.bool)
    kept[torch.tensor(change["rows"], dtype=torch.int64)] = False
    return replace(setup, train=_rows_of(setup.train, kept)) if bool(kept.any()) else None


def _drop_shared_rows(setup: Setup, change: Change) -> Setup | None:
    import torch

    from modelwright.training.doctor.rows import shared_rows

    if setup.validation is None:
        return None
    kept = ~torch.from_numpy(shared_rows(setup.train, setup.validation))
    return replace(setup, validation=_rows_of(setup.validation, kept)) if int(kept.sum()) >= 10 else None


def _class_weights(setup: Setup, change: Change) -> Setup:
    import torch

    target = setup.train.targets[0]
    target = target if isinstance(target, torch.Tensor) else torch.as_tensor(target[:])
    of_class = torch.tensor(change["weights"], dtype=torch.float32)
    weights = of_class[target.clamp(min=0)]
    if setup.train.weights is not None:
        weights = weights * setup.train.weights
    return replace(setup, train=Examples(setup.train.inputs, setup.train.targets, weights))


def _rows_of(examples: Examples, kept: torch.Tensor) -> Examples:
    rows = kept.nonzero().flatten()
    batch = examples.rows(rows)
    return Examples(batch.inputs, batch.targets, batch.weights)
