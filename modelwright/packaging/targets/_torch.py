"""A package's graph as a module of torch, for one row: what `torch.export` reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from modelwright.core.errors import UserError

if TYPE_CHECKING:
    from modelwright.packaging.targets._plan import Plan, Step

_PAIRS: dict[str, Callable[..., Tensor]] = {
    "Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "Pow": torch.pow, "Less": torch.lt,
    "LessOrEqual": torch.le, "Greater": torch.gt, "GreaterOrEqual": torch.ge, "Equal": torch.eq,
    "And": torch.logical_and, "Or": torch.logical_or, "Where": torch.where, "MatMul": torch.matmul,
}  # fmt: skip
_SINGLE: dict[str, Callable[[Tensor], Tensor]] = {
    "Not": torch.logical_not, "Neg": torch.neg, "Abs": torch.abs, "Floor": torch.floor, "Exp": torch.exp,
    "Log": torch.log, "Sqrt": torch.sqrt, "Erf": torch.erf, "Sigmoid": torch.sigmoid, "Tanh": torch.tanh,
    "Relu": torch.relu, "IsNaN": torch.isnan, "Reciprocal": torch.reciprocal, "Sin": torch.sin, "Cos": torch.cos,
}  # fmt: skip
_SAME = ("Identity", "Dropout", "Reshape", "Squeeze", "Unsqueeze", "Flatten")
_REDUCTIONS: dict[str, Callable[..., Tensor]] = {
    "ReduceMax": torch.amax, "ReduceMin": torch.amin, "ReduceMean": torch.mean, "ReduceSum": torch.sum,
}  # fmt: skip
# the inputs after the first say how, not what: they are read when the module is made
_FIXED = (*_SAME, *_REDUCTIONS, "Expand", "Slice", "Split", "Clip", "Pad", "Resize")


class GraphModule(nn.Module):
    """The steps of a plan; takes the arrays of one row in the order of `plan.inputs`, gives the plan's outputs.

    Raises `UserError("target.operator")` for a step, or a form of one, that has no counterpart here.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan
        self._buffer_names: dict[str, str] = {}
        for step in plan.steps:
            _check_step(plan, step)
            for name in step.inputs[:1] if step.operator in _FIXED else step.inputs:
                self._keep(name)

    def _keep(self, name: str) -> None:
        constant = self._plan.values[name].constant if name else None
        if constant is not None and name not in self._buffer_names:
            self._buffer_names[name] = f"constant_{len(self._buffer_names)}"
            self.register_buffer(self._buffer_names[name], torch.from_numpy(constant.copy()))

    def forward(self, *arrays: Tensor) -> tuple[Tensor, ...]:
        """The answers to one row."""
        known = dict(zip(self._plan.inputs, arrays, strict=True))
        known.update({name: self.get_buffer(kept) for name, kept in self._buffer_names.items()})
        for step in self._plan.steps:
            given = [known.get(name) for name in step.inputs]
            known.update(zip(step.outputs, _run(self._plan, step, given), strict=False))
        return tuple(known[name] for name in self._plan.outputs)


def _check_step(plan: Plan, step: Step) -> None:
    """Refuse an operator that is not known, and texts."""
    if step.operator not in OPERATORS and step.operator not in (*_PAIRS, *_SINGLE, *_SAME, *_REDUCTIONS):
        raise _unsupported(step.operator)
    for name in (*step.inputs, *step.outputs):
        if name and plan.values[name].dtype.kind not in "fiub":
            raise _unsupported(step.operator, "over texts")
    if step.operator in _FIXED and any(plan.values[name].constant is None for name in step.inputs[1:] if name):
        raise _unsupported(step.operator, "whose form depends on the row")


def _unsupported(operator: str, why: str = "") -> UserError:
    about = f"{operator} {why}".strip()
    return UserError("target.operator", f"the target `executorch` has no operator for {about}.",
                     hint="take the target `mobile`, whose .ort has every operator")  # fmt: skip


def _run(plan: Plan, step: Step, given: Sequence[Any]) -> tuple[Tensor, ...]:
    """One step over tensors."""
    operator = step.operator
    if operator in _PAIRS:
        return (_PAIRS[operator](*given),)
    if operator in _SINGLE:
        return (_SINGLE[operator](given[0]),)
    if operator in _SAME:
        return (given[0].reshape(_shape(plan, step)),)
    if operator in _REDUCTIONS:
        return (_reduce(plan, step, given[0]),)
    made = OPERATORS[operator](plan, step, given)
    return made if isinstance(made, tuple) else (made,)


def _shape(plan: Plan, step: Step) -> tuple[int, ...]:
    return plan.values[step.outputs[0]].shape


def _fixed(plan: Plan, step: Step, place: int) -> list[Any] | None:
    """An input that is the same for every row, as plain numbers; None where it was left out."""
    if len(step.inputs) <= place or not step.inputs[place]:
        return None
    constant = plan.values[step.inputs[place]].constant
    assert constant is not None
    return list(constant.reshape(-1).tolist())


def _reduce(plan: Plan, step: Step, x: Tensor) -> Tensor:
    axes = _fixed(plan, step, 1) or step.attributes.get("axes")
    if not axes:
        if step.attributes.get("noop_with_empty_axes"):
            return x
        axes = range(x.dim())
    return _REDUCTIONS[step.operator](x, dim=list(axes), keepdim=bool(step.attributes.get("keepdims", 1)))


def _cast(plan: Plan, step: Step, given: Sequence[Any]) -> Tensor:
    dtype = plan.values[step.outputs[0]].dtype
    return given[0].to(getattr(torch, dtype.name))  # type: ignore[no-any-return]


def _divide(plan: Plan, step: Step, given: Sequence[Any]) -> Tensor:
    """Of whole numbers, the whole part."""
    whole = plan.values[step.outputs[0]].dtype.kind in "iu"
    return torch.div(*given, rounding_mode="trunc" if whole else None)


def _remainder(plan: Plan, step: Step, given: Sequence[Any]) -> Tensor:
    return torch.fmod(*given) if step.attributes.get("fmod") else torch.remainder(*given)


def _is_infinite(plan: Plan, step: Step, given: Sequence[Any]) -> Tensor:
    high, low = (step.attributes.get(f"detect_{name}", 1) for name in ("positive", "negative"))
    if not (high and low):
        raise _unsupported("IsInf", "of one sign")
    return torch.isinf(given[0])


def _largest(plan: Plan, step: Step, given: Sequence[Any]) -> Tensor:
    made: Tensor = given[0]
    for other in given[1:]:
        made = torch.maximum(made, other) if step.operator == "Max" else torch.minimum(made, other)
    return made


def _sum(plan: Plan, step: Step, given: Sequence[Any]) -> Tensor:
    made: Tensor = given[0]
    for other in given[1:]:
        made = made + other
    return made


def _clip(plan: Plan, step: Step, given: Sequence[Any]) -> Tensor:
    low, high = ((_fixed(plan, step, place) or [None])[0] for place in (1, 2))
    return torch.clamp(given[0], min=low, max=high) if (low, high) != (None, None) else given[0]


def _concat(plan: Plan, step: Step, given: Sequence[Any]) -> Tensor:
    return torch.cat(list(given), dim=step.attributes["axis"])


def _transpose(plan: Plan, step: Step, given: Sequence[Any]) -> Tensor:
    order = step.attributes.get("perm") or range(given[0].dim())[::-1]
    return given[0].permute(list(order))  # type: ignore[no-any-return]


def _expand(plan: Plan, step: Step, given: Sequence[Any]) -> Tensor:
    return given[0].expand(_shape(plan, step))  # type: ignore[no-any-return]


def _slice(plan: Plan, step: Step, given: Sequence[Any]) -> Tensor:
    x: Tensor = given[0]
    starts, ends = _fixed(plan, step, 1) or [], _fixed(plan, step, 2) or []
    axes = _fixed(plan, step, 3) or list(range(len(starts)))
    steps = _fixed(plan, step, 4) or [1] * len(starts)
    for axis, start, end, stride in zip(axes, starts, ends, steps, strict=True):
        if stride < 1:
            raise _unsupported("Slice", "backwards")
        first, last, _ = slice(start, end, stride).indices(x.shape[axis])
        places = [slice(None)] * x.dim()
        places[axis] = slice(first, max(first, last), stride)
        x = x[tuple(places)]
    return x


def _split(plan: Plan, step: Step, given: Sequence[Any]) -> tuple[Tensor, ...]:
    axis = step.attributes.get("axis", 0)
    sizes = [plan.values[name].shape[axis] for name in step.outputs]
    return tuple(torch.split(given[0], sizes, dim=axis))


def _gather(plan: Plan, step: Step, given: Sequence[Any]) -> Tensor:
    x, places = given
    axis = step.attributes.get("axis", 0) % x.dim()
    known = plan.values[step.inputs[1]].constant
    if known is None or (known < 0).any():
        places = torch.where(places < 0, places + x.shape[axis], places)
    picked = torch.index_select(x, axis, places.reshape(-1).to(torch.int64))
    return picked.reshape(_shape(plan, step))


def _gather_elements(plan: Plan, step: Step, given: Sequence[Any]) -> Tensor:
    x, places = given
    axis = step.attributes.get("axis", 0) % x.dim()
    at: Tensor = torch.where(places < 0, places + x.shape[axis], places)
    return torch.gather(x, axis, at)


def _gemm(plan: Plan, step: Step, given: Sequence[Any]) -> Tensor:
    left, right, *rest = given
    said = step.attributes
    left = left.t() if said.get("transA") else left
    if said.get("alpha", 1.0) == 1.0 and said.get("beta", 1.0) == 1.0 and (not rest or rest[0].dim() == 1):
        return functional.linear(left, right if said.get("transB") else right.t(), *rest)
    made: Tensor = said.get("alpha", 1.0) * torch.matmul(left, right.t() if said.get("transB") else right)
    return made + said.get("beta", 1.0) * rest[0] if rest else made


def _padding(step: Step, x: Tensor, fill: float) -> tuple[Tensor, list[int]]:
    """The tensor, and how much torch is to pad on both sides; what differs by side is padded here."""
    if step.attributes.get("auto_pad", "NOTSET") != "NOTSET":
        raise _unsupported(step.operator, "with auto_pad")
    n_axes = x.dim() - 2
    pads = list(step.attributes.get("pads") or [0] * (2 * n_axes))
    if pads[:n_axes] == pads[n_axes:]:
        return x, pads[:n_axes]
    sides = [pads[side * n_axes + axis] for axis in reversed(range(n_axes)) for side in (0, 1)]
    return functional.pad(x, sides, value=fill), [0] * n_axes


def _conv(plan: Plan, step: Step, given: Sequence[Any]) -> Tensor:
    x, pads = _padding(step, given[0], 0.0)
    n_axes, said = x.dim() - 2, step.attributes
    if n_axes not in (1, 2):
        raise _unsupported("Conv", f"over {n_axes} axes")
    run = functional.conv1d if n_axes == 1 else functional.conv2d
    return run(
        x, given[1], given[2] if len(given) > 2 else None, stride=said.get("strides") or [1] * n_axes,
        padding=pads, dilation=said.get("dilations") or [1] * n_axes, groups=said.get("group", 1),
    )  # fmt: skip


def _max_pool(plan: Plan, step: Step, given: Sequence[Any]) -> Tensor:
    n_axes, said = given[0].dim() - 2, step.attributes
    if n_axes not in (1, 2) or len(step.outputs) > 1:
        raise _unsupported("MaxPool", "of this form")
    x, pads = _padding(step, given[0], float("-inf"))
    settings = {name: list(said.get(name) or [1] * n_axes) for name in ("strides", "dilations")}
    run: Callable[..., Tensor] = functional.max_pool1d if n_axes == 1 else functional.max_pool2d
    return run(
        x, said["kernel_shape"], stride=settings["strides"], padding=pads, dilation=settings["dilations"],
        ceil_mode=bool(said.get("ceil_mode", 0)),
    )  # fmt: skip


def _batch_norm(plan: Plan, step: Step, given: Sequence[Any]) -> Tensor:
    x, scale, shift, mean, variance = given
    return functional.batch_norm(x, mean, variance, scale, shift, eps=step.attributes.get("epsilon", 1e-5))


def _layer_norm(plan: Plan, step: Step, given: Sequence[Any]) -> Tensor:
    axis = step.attributes.get("axis", -1) % given[0].dim()
    shape = list(given[0].shape[axis:])
    scale, shift = (*given[1:], None, None)[:2]
    return functional.layer_norm(given[0], shape, scale, shift, eps=step.attributes.get("epsilon", 1e-5))


def _softmax(plan: Plan, step: Step, given: Sequence[Any]) -> Tensor:
    return torch.softmax(given[0], dim=step.attributes.get("axis", -1))


def _pad(plan: Plan, step: Step, given: Sequence[Any]) -> Tensor:
    mode = step.attributes.get("mode", "constant")
    if mode not in ("constant", "edge", "reflect") or _fixed(plan, step, 3) is not None:
        raise _unsupported("Pad", f"of the mode {mode}")
    pads, rank = _fixed(plan, step, 1) or [], given[0].dim()
    sides = [int(pads[side * rank + axis]) for axis in reversed(range(rank)) for side in (0, 1)]
    if mode == "constant":
        return functional.pad(given[0], sides, value=(_fixed(plan, step, 2) or [0.0])[0])
    while sides and not any(sides[-2:]):  # torch repeats edges along the last axes alone
        sides = sides[:-2]
    return functional.pad(given[0], sides, mode="replicate" if mode == "edge" else "reflect")


def _resize(plan: Plan, step: Step, given: Sequence[Any]) -> Tensor:
    said, x, shape = step.attributes, given[0], _shape(plan, step)
    form = (said.get("mode", "nearest"), said.get("coordinate_transformation_mode", "half_pixel"))
    if x.dim() != 4 or tuple(x.shape[:2]) != shape[:2] or said.get("antialias"):
        raise _unsupported("Resize", "of this form")
    if form == ("nearest", "asymmetric") and said.get("nearest_mode") == "floor":
        return functional.interpolate(x, size=list(shape[2:]), mode="nearest")
    if form[0] == "linear" and form[1] in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        return functional.interpolate(
            x, size=list(shape[2:]), mode="bilinear", align_corners=form[1] == "align_corners"
        )
    raise _unsupported("Resize", f"of the mode {form[0]} {form[1]}")


OPERATORS: dict[str, Callable[[Any, Any, Sequence[Any]], Tensor | tuple[Tensor, ...]]] = {
    "Cast": _cast, "Div": _divide, "Mod": _remainder, "IsInf": _is_infinite, "Max": _largest, "Min": _largest,
    "Sum": _sum, "Clip": _clip, "Concat": _concat, "Transpose": _transpose, "Expand": _expand, "Slice": _slice,
    "Split": _split, "Gather": _gather, "GatherElements": _gather_elements, "Gemm": _gemm, "Conv": _conv,
    "MaxPool": _max_pool, "BatchNormalization": _batch_norm, "LayerNormalization": _layer_norm,
    "Softmax": _softmax, "Pad": _pad, "Resize": _resize,
}  # fmt: skip
