"""The state of an optimizer as tensors by name and plain data: what a checkpoint can hold without pickle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import SystemFault

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer


def state_tensors(optimizer: Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The state as named tensors (for safetensors) and JSON-able data that says where each belongs.

    The tensors are the optimizer's own, not copies: write or copy them before the next step. Numbers go
    through JSON without loss (Python writes floats so that they read back the same).

    >>> import torch
    >>> from modelwright.core.use import Use
    >>> from modelwright.training.optimizers import make_optimizer
    >>> network = torch.nn.Linear(2, 1)
    >>> optimizer = make_optimizer(Use(method="sgd"), network)
    >>> network(torch.ones(1, 2)).sum().backward()
    >>> optimizer.step()
    >>> tensors, plain = state_tensors(optimizer)
    >>> sorted(tensors)
    ['state.0.momentum_buffer', 'state.1.momentum_buffer']
    >>> load_state(make_optimizer(Use(method="sgd"), network), tensors, plain)
    """
    tensors: dict[str, Tensor] = {}
    seen: set[int] = set()
    whole = optimizer.state_dict()
    plain = {
        "state": _plain(whole["state"], "state", tensors, seen),
        "groups": _plain(whole["param_groups"], "groups", tensors, seen),
    }
    return tensors, plain


def load_state(optimizer: Optimizer, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
    """Put a state back, exactly; `optimizer` is one made as the first was. The tensors are copied.

    Error: `SystemFault` `checkpoint.optimizer` where the state is of another optimizer or network.
    """
    try:
        state = {int(key): value for key, value in _whole(plain["state"], tensors).items()}
        groups = _whole(plain["groups"], tensors)
        _fits(optimizer, state, groups)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise SystemFault(
            "checkpoint.optimizer",
            f"the optimizer's state does not fit: {problem}.",
            hint="go on with the recipe and the network that the checkpoint was made with, or train anew",
        ) from problem
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _fits(optimizer: Optimizer, state: Mapping[int, Any], groups: list[dict[str, Any]]) -> None:
    sizes = [len(group["params"]) for group in groups]
    own = [len(group["params"]) for group in optimizer.param_groups]
    if sizes != own:
        raise ValueError(f"groups of {sizes} parameters for groups of {own}")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for index, held in state.items():
        for name in ("exp_avg", "momentum_buffer", "square_avg", "sum"):
            tensor = held.get(name)
            if tensor is not None and tensor.shape != parameters[index].shape:
                raise ValueError(f"{name} {index} has another shape than its parameter")


def _plain(value: Any, path: str, tensors: dict[str, Tensor], seen: set[int]) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        # safetensors refuses tensors that share memory, as some of L-BFGS's do
        shares = value.untyped_storage().data_ptr() in seen
        seen.add(value.untyped_storage().data_ptr())
        strides = value.stride()
        order = sorted(range(value.ndim), key=lambda axis: -strides[axis])
        value = value.detach().permute(order)
        tensors[path] = value.contiguous() if not shares else value.clone(memory_format=torch.contiguous_format)
        return {"tensor": [path, order]}
    if isinstance(value, Mapping):
        return {"map": {str(key): _plain(inner, f"{path}.{key}", tensors, seen) for key, inner in value.items()}}
    if isinstance(value, (list, tuple)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_plain(inner, f"{path}.{index}", tensors, seen) for index, inner in enumerate(value)]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise SystemFault("checkpoint.optimizer", f"{path} is a {type(value).__name__}, which a checkpoint cannot hold.")


def _whole(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, Mapping):
        return value
    ((kind, inner),) = value.items()
    if kind == "tensor":
        name, order = inner
        # A copy with the order of axes and the alignment of memory that the first had: sums depend on both.
        copy = tensors[name].clone()
        return copy.permute([order.index(axis) for axis in range(len(order))])
    if kind == "map":
        return {key: _whole(part, tensors) for key, part in inner.items()}
    parts = [_whole(part, tensors) for part in inner]
    return tuple(parts) if kind == "tuple" else parts
