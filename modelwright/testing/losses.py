"""The conformance suite of losses: `check_loss(LOSS)` raises AssertionError where a loss breaks a rule.

What it asks, on a few rows of a task that the loss suits: a scalar whose gradient is that of finite differences;
a row without a target, or of weight 0, counts as absent; weights matter by their ratios; where no row has a
target the loss is 0 with a gradient of 0; and the promise that no target is missing changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from modelwright.training.objectives.base import Loss

if TYPE_CHECKING:
    from torch import Tensor

Example = tuple["Tensor", "Tensor"]
N_ROWS = 6


def check_loss(
    loss: Loss,
    settings: Mapping[str, Any] | None = None,
    *,
    example: Callable[[], Example] | None = None,
    rows_alone: bool = True,
    has_missing: bool = True,
    has_whole_gradient: bool = True,
) -> None:
    """Raise AssertionError, with the rule that is broken, if a loss does not keep the contract.

    `example()` gives outputs (float64) and targets of six rows; without it they follow from the loss's first
    kind. `rows_alone=False` is for losses that compare rows with each other, `has_missing=False` for those whose
    targets cannot be missing, `has_whole_gradient=False` for those that hold a part of themselves fast.

    >>> from modelwright.training.objectives.mse import LOSS
    >>> check_loss(LOSS)
    """
    import torch

    spec = loss.spec.parse(dict(settings or {}), where=loss.name)
    output, target = (example or (lambda: _example(loss, spec)))()
    assert loss.fits(tuple(output.shape), tuple(target.shape), spec), "it does not fit what it says it takes"
    function = loss.make(spec, False)
    value = function(output, target, None)
    assert value.ndim == 0 and bool(torch.isfinite(value)), f"it is no finite scalar: {value}"
    if has_whole_gradient:
        _check_gradient(function, output, target)
    assert torch.allclose(loss.make(spec, True)(output, target, None), value), "`complete` changes the loss"
    _check_weights(function, output, target, rows_alone=rows_alone)
    if has_missing:
        _check_missing(function, output, target)


def _example(loss: Loss, spec: Any) -> Example:
    """Outputs and targets of the loss's first kind: the first form that fits."""
    import torch

    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    def classes(*shape: int) -> Tensor:
        return torch.randint(0, 3, shape, generator=generator)

    forms: dict[str, list[Example]] = {
        "binary": [(normal(N_ROWS, 3), classes(N_ROWS))],
        "multiclass": [(normal(N_ROWS, 3), classes(N_ROWS))],
        "multilabel": [(normal(N_ROWS, 3), classes(N_ROWS, 3).clamp(max=1).double())],
        "segmentation": [(normal(N_ROWS, 3, 4, 5), classes(N_ROWS, 4, 5))],
        "sequence": [(normal(N_ROWS, 7, 4), 1 + classes(N_ROWS, 3))],
        "detection": [_boxes(generator)],
        "regression": [(normal(N_ROWS), normal(N_ROWS))],
        "forecast": [(normal(N_ROWS, 4), normal(N_ROWS, 4))],
    }
    forms["regression"] += [(normal(N_ROWS, n), normal(N_ROWS)) for n in range(1, 8)]
    fitting = [pair for pair in forms[loss.kinds[0]] if loss.fits(tuple(pair[0].shape), tuple(pair[1].shape), spec)]
    assert fitting, f"no form of a {loss.kinds[0]} task fits: give an `example`"
    return fitting[0]


def _boxes(generator: Any) -> Example:
    import torch

    low = torch.rand(N_ROWS, 16, 2, generator=generator, dtype=torch.float64) * 0.6
    boxes = torch.cat([low, low + 0.2 + 0.2 * torch.rand(N_ROWS, 16, 2, generator=generator)], dim=2)
    logits = torch.randn(N_ROWS, 16, 3, generator=generator, dtype=torch.float64)
    kinds = torch.randint(0, 3, (N_ROWS, 2, 1), generator=generator)
    truth = torch.cat([kinds, boxes[:, 3:5] + 0.03], dim=2)
    return torch.cat([boxes, logits], dim=2), torch.cat([truth, -torch.ones(N_ROWS, 1, 5)], dim=1)


def _check_gradient(function: Any, output: Tensor, target: Tensor) -> None:
    import torch

    grounds = output.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda given: function(given, target, None), (grounds,)), "gradient is wrong"


def _check_weights(function: Any, output: Tensor, target: Tensor, *, rows_alone: bool) -> None:
    import torch

    plain = function(output, target, None)
    twos = torch.full((N_ROWS,), 2.0)
    assert torch.allclose(function(output, target, twos), plain), "twice the weights is another loss"
    none = function(output.requires_grad_(True), target, torch.zeros(N_ROWS))
    assert float(none.detach()) == 0.0, "rows of weight 0 have a loss"
    output.requires_grad_(False)
    weights = torch.tensor([1.0, 1, 1, 1, 0, 0])
    if rows_alone:
        absent = function(output[:4], target[:4], None)
        assert torch.allclose(function(output, target, weights), absent), "rows of weight 0 count"
        repeated = function(torch.cat([output, output[:1]]), torch.cat([target, target[:1]]), None)
        weights = torch.tensor([2.0, 1, 1, 1, 1, 1])
        assert torch.allclose(function(output, target, weights), repeated), "weight 2 is not a row twice"


def _check_missing(function: Any, output: Tensor, target: Tensor) -> None:
    import torch

    missing = float("nan") if target.is_floating_point() else -1
    some = target.clone()
    some[4:] = missing
    absent = function(output[:4], target[:4], None)
    assert torch.allclose(function(output, some, None), absent), "rows without a target count"
    grounds = output.clone().requires_grad_(True)
    for weights in (None, torch.ones(N_ROWS)):
        grounds.grad = None
        nothing = function(grounds, torch.full_like(target, missing), weights)
        nothing.backward()
        assert float(nothing.detach()) == 0.0, "where no row has a target the loss is not 0"
        assert grounds.grad is not None and float(grounds.grad.abs().max()) == 0.0, "it moves the network there"
