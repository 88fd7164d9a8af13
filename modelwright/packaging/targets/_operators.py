"""Each operator of a graph as C: elementwise ones as expressions, which join into one loop, the others as loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from modelwright.packaging.targets._literals import c_type
from modelwright.packaging.targets._writer import Read, Writer, as_axis, broadcast, unsupported

if TYPE_CHECKING:
    import numpy as np

    from modelwright.packaging.targets._plan import Step

_PAIRS = {
    "Add": "({a} + {b})", "Sub": "({a} - {b})", "Mul": "({a} * {b})", "Div": "({a} / {b})",
    "Less": "({a} < {b})", "LessOrEqual": "({a} <= {b})", "Greater": "({a} > {b})",
    "GreaterOrEqual": "({a} >= {b})", "Equal": "({a} == {b})", "And": "({a} && {b})", "Or": "({a} || {b})",
}  # fmt: skip
_SINGLE = {
    "Not": "(!{a})", "Neg": "(-{a})",
    "Floor": "({t})mw_floor({a})", "Exp": "({t})mw_exp({a})", "Sqrt": "({t})mw_sqrt({a})", "Erf": "({t})mw_erf({a})",
    "Sigmoid": "({t})mw_sigmoid({a})", "Tanh": "({t})mw_tanh({a})", "IsNaN": "mw_is_nan({a})",
    "Relu": "({t})mw_relu({a})", "Abs": "({t})mw_abs({a})", "IsInf": "mw_is_infinite({a})",
    "Reciprocal": "(({t})1 / {a})", "Log": "({t})mw_log({a})", "Sin": "({t})mw_sin({a})", "Cos": "({t})mw_cos({a})",
}  # fmt: skip
_SAME = ("Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Dropout")


def write_step(writer: Writer, step: Step) -> None:
    """Write one step. Raises `UserError("target.operator")` for one that has no C here."""
    if step.operator in _SAME:
        writer.alias(step.outputs[0], step.inputs[0])
    elif step.operator in _PAIRS:
        _pair(writer, step)
    elif step.operator in _SINGLE:
        _single(writer, step)
    elif step.operator in WRITERS:
        WRITERS[step.operator](writer, step)
    else:
        raise unsupported(step.operator)


def helper(writer: Writer, text: str) -> str:
    """The same text; the functions of ours that it calls are noted."""
    from modelwright.packaging.targets._support import FUNCTIONS

    writer.helpers.update(name for name in FUNCTIONS if f"mw_{name}(" in text)
    return text


def _pair(writer: Writer, step: Step) -> None:
    out = writer.value(step.outputs[0])
    left, right = (broadcast(writer, name, out.shape) for name in step.inputs)
    form = _PAIRS[step.operator]
    writer.define(out.name, lambda index: form.format(a=left(index), b=right(index)))


def _single(writer: Writer, step: Step) -> None:
    out = writer.value(step.outputs[0])
    read, kind = writer.read(step.inputs[0]), c_type(out.dtype)
    form = helper(writer, _SINGLE[step.operator])
    writer.define(out.name, lambda index: form.format(a=read(index), t=kind))


def _cast(writer: Writer, step: Step) -> None:
    source, out = writer.value(step.inputs[0]), writer.value(step.outputs[0])
    if source.dtype == out.dtype:
        writer.alias(out.name, source.name)
        return
    if source.dtype.kind in "OU" or out.dtype.kind in "OU":
        raise unsupported("Cast", "between texts and numbers")
    read, kind = writer.read(source.name), c_type(out.dtype)
    if out.dtype.kind == "b":
        writer.define(out.name, lambda index: f"({read(index)} != 0)")
    else:
        writer.define(out.name, lambda index: f"({kind}){read(index)}")


def _where(writer: Writer, step: Step) -> None:
    out = writer.value(step.outputs[0])
    test, yes, no = (broadcast(writer, name, out.shape) for name in step.inputs)
    writer.define(out.name, lambda index: f"({test(index)} ? {yes(index)} : {no(index)})")


def _clip(writer: Writer, step: Step) -> None:
    """`NaN` stays, as neither comparison is true of it."""
    source, out = step.inputs[0], writer.value(step.outputs[0])
    source_array, kind = writer.buffer(source), c_type(out.dtype)
    bounds = [writer.read(name)("0") if name else "" for name in (*step.inputs[1:], "", "")[:2]]
    made = writer.room(out.name)
    low = f"if (one < {bounds[0]}) one = {bounds[0]};" if bounds[0] else ""
    high = f"if (one > {bounds[1]}) one = {bounds[1]};" if bounds[1] else ""
    writer.text(f"for (i = 0; i < {out.size}; ++i) {{ {kind} one = {source_array}[i]; {low} {high} {made}[i] = one; }}")


def _least_or_most(writer: Writer, step: Step) -> None:
    if len(step.inputs) != 2:
        raise unsupported(step.operator, "of other than two tensors")
    out, sign = writer.value(step.outputs[0]), "<" if step.operator == "Min" else ">"
    for name in step.inputs:
        if writer.value(name).constant is None:
            writer.buffer(name)  # each is read twice
    a, b = (broadcast(writer, name, out.shape) for name in step.inputs)
    writer.define(
        out.name, lambda index: f"({a(index)} {sign} {b(index)} || {a(index)} != {a(index)} ? {a(index)} : {b(index)})"
    )


def _pow(writer: Writer, step: Step) -> None:
    out, power = writer.value(step.outputs[0]), writer.value(step.inputs[1]).constant
    if power is None or power.size != 1 or float(power.ravel()[0]) not in (2.0, 0.5):
        raise unsupported("Pow", "with a power other than 2 and 0.5")
    if float(power.ravel()[0]) == 0.5:
        read, kind = writer.read(step.inputs[0]), c_type(out.dtype)
        writer.helpers.add("sqrt")
        writer.define(out.name, lambda index: f"({kind})mw_sqrt({read(index)})")
        return
    writer.buffer(step.inputs[0])
    twice = writer.read(step.inputs[0])
    writer.define(out.name, lambda index: f"({twice(index)} * {twice(index)})")


def _moved(writer: Writer, step: Step) -> None:
    """Elements moved by a rule that does not depend on the row."""
    import numpy as np

    source, out = writer.value(step.inputs[0]), writer.value(step.outputs[0])
    places = np.arange(source.size).reshape(source.shape)
    others = [writer.value(name).constant if name else None for name in step.inputs[1:]]
    if any(name and other is None for name, other in zip(step.inputs[1:], others, strict=True)):
        raise unsupported(step.operator, "at places that depend on the row")
    if step.operator == "Transpose":
        moved = places.transpose(step.attributes.get("perm"))
    elif step.operator == "Expand":
        moved = np.broadcast_to(places, out.shape)
    elif step.operator == "Gather":
        moved = np.take(places, np.asarray(others[0]), axis=as_axis(step.attributes.get("axis", 0), places.ndim))
    elif step.operator == "GatherND":
        if step.attributes.get("batch_dims"):
            raise unsupported("GatherND", "with batch_dims")
        moved = places[tuple(np.moveaxis(np.asarray(others[0]), -1, 0))]
    else:
        moved = _sliced(places, [np.asarray(other) for other in others if other is not None])
    writer.define(out.name, writer.at(source.name, np.asarray(moved).ravel()))


def _sliced(places: np.ndarray, about: list[np.ndarray]) -> np.ndarray:
    starts, ends = about[0].tolist(), about[1].tolist()
    axes = about[2].tolist() if len(about) > 2 else list(range(len(starts)))
    steps = about[3].tolist() if len(about) > 3 else [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        cut: list[Any] = [slice(None)] * places.ndim
        cut[axis] = slice(start, end if end > -(2**62) else None, step)
        places = places[tuple(cut)]
    return places


def _gather(writer: Writer, step: Step) -> None:
    places = writer.value(step.inputs[1])
    if places.constant is not None:
        _moved(writer, step)
        return
    source, out = writer.value(step.inputs[0]), writer.value(step.outputs[0])
    axis = as_axis(step.attributes.get("axis", 0), len(source.shape))
    inner = _product(source.shape[axis + 1 :])
    outer_size = inner * places.size
    if source.constant is None:
        writer.buffer(source.name)
    array, where = writer.read(source.name), writer.read(places.name)
    length = source.shape[axis]

    def read(index: str) -> str:
        if inner == 1 and outer_size == out.size:
            return array(where(index))
        row = where(f"(({index}) / {inner} % {places.size})")
        return array(f"((({index}) / {outer_size} * {length} + {row}) * {inner} + ({index}) % {inner})")

    writer.define(out.name, read)


def _concat(writer: Writer, step: Step) -> None:
    out = writer.value(step.outputs[0])
    axis = as_axis(step.attributes["axis"], len(out.shape))
    inner_out = _product(out.shape[axis:])
    reads = []
    for name in step.inputs:
        if writer.value(name).constant is None and writer.plan.uses[name] > 1:
            writer.buffer(name)
        reads.append((writer.value(name), writer.read(name)))
    made, start = writer.room(out.name), 0
    for value, read in reads:
        inner = _product(value.shape[axis:])
        place = "i" if value.size == inner else f"i / {inner} * {inner_out} + i % {inner}"
        writer.text(f"for (i = 0; i < {value.size}; ++i) {made}[{start} + {place}] = {read('i')};")
        start += inner


def _product(lengths: tuple[int, ...]) -> int:
    made = 1
    for length in lengths:
        made *= length
    return made


def _matmul(writer: Writer, step: Step) -> None:
    left, right = (writer.value(name) for name in step.inputs)
    if len(left.shape) != 2 or len(right.shape) != 2:
        raise unsupported("MatMul", "of more than two dimensions")
    _product_of(writer, step.outputs[0], left.name, right.name, None)


def _gemm(writer: Writer, step: Step) -> None:
    if step.attributes.get("transA") or step.attributes.get("alpha", 1.0) != 1.0:
        raise unsupported("Gemm", "with alpha or transA")
    if step.attributes.get("beta", 1.0) != 1.0:
        raise unsupported("Gemm", "with beta")
    right = step.inputs[1]
    turned = bool(step.attributes.get("transB"))
    bias = step.inputs[2] if len(step.inputs) > 2 and step.inputs[2] else None
    _product_of(writer, step.outputs[0], step.inputs[0], right, bias, turned=turned)


def _product_of(
    writer: Writer, out_name: str, left: str, right: str, bias: str | None, *, turned: bool = False
) -> None:
    """Rows times columns; sums are kept in the type of the tensors."""
    out, kind = writer.value(out_name), c_type(writer.value(out_name).dtype)
    n_rows, n_columns = out.shape
    n_terms = writer.value(left).shape[1]
    a, b = writer.buffer(left), writer.buffer(right)
    start = broadcast(writer, bias, out.shape) if bias else (lambda index: "0")
    made = writer.room(out_name)
    rows, row = (f"for (r = 0; r < {n_rows}; ++r) ", "r") if n_rows > 1 else ("", "0")
    here = f"{row} * {n_columns} + j" if n_rows > 1 else "j"
    from_left = f"{row} * {n_terms} + k" if n_rows > 1 else "k"
    from_right = f"j * {n_terms} + k" if turned else f"k * {n_columns} + j"
    writer.text(f"{rows}for (j = 0; j < {n_columns}; ++j) {{")
    writer.text(f"  {kind} sum = {start(f'({here})')};")
    writer.text(f"  for (k = 0; k < {n_terms}; ++k) sum += {a}[{from_left}] * {b}[{from_right}];")
    writer.text(f"  {made}[{here}] = sum;")
    writer.text("}")


def _einsum(writer: Writer, step: Step) -> None:
    """Sums of products over the letters that the result does not have."""
    equation = step.attributes["equation"].replace(" ", "")
    sides, _, result = equation.partition("->")
    letters = sides.split(",")
    if "->" not in equation or "." in equation or any(len(set(side)) < len(side) for side in letters):
        raise unsupported("Einsum", f"of {equation!r}")
    inputs = [writer.value(name) for name in step.inputs]
    lengths = {letter: length for side, value in zip(letters, inputs, strict=True)
               for letter, length in zip(side, value.shape, strict=True)}  # fmt: skip
    summed = "".join(letter for letter in lengths if letter not in result)
    where = {**_digits("j", result, lengths), **_digits("k", summed, lengths)}
    terms = [
        f"{writer.buffer(value.name)}[{_place(side, lengths, where)}]"
        for side, value in zip(letters, inputs, strict=True)
    ]
    out = writer.value(step.outputs[0])
    made = writer.room(out.name)
    writer.text(f"for (j = 0; j < {out.size}; ++j) {{")
    writer.text(f"  {c_type(out.dtype)} sum = 0;")
    n_terms = _product(tuple(lengths[letter] for letter in summed))
    writer.text(f"  for (k = 0; k < {n_terms}; ++k) sum += {' * '.join(terms)};")
    writer.text(f"  {made}[j] = sum;")
    writer.text("}")


def _digits(index: str, letters: str, lengths: dict[str, int]) -> dict[str, str]:
    """C for each letter's place within an index that runs over all of them."""
    made = {}
    for place, letter in enumerate(letters):
        inner = _product(tuple(lengths[other] for other in letters[place + 1 :]))
        digit = index if inner == 1 else f"{index} / {inner}"
        made[letter] = "0" if lengths[letter] == 1 else digit if place == 0 else f"{digit} % {lengths[letter]}"
    return made


def _place(letters: str, lengths: dict[str, int], where: dict[str, str]) -> str:
    place = "0"
    for letter in letters:
        place = where[letter] if place == "0" else f"({place}) * {lengths[letter]} + {where[letter]}"
    return place


def _softmax(writer: Writer, step: Step) -> None:
    out, kind = writer.value(step.outputs[0]), c_type(writer.value(step.outputs[0]).dtype)
    axis = as_axis(step.attributes.get("axis", -1), len(out.shape))
    if _product(out.shape[axis + 1 :]) != 1:
        raise unsupported("Softmax", "over an axis before the last")
    width = out.shape[axis]
    source = writer.buffer(step.inputs[0])
    made = writer.room(out.name)
    writer.helpers.add("exp")
    writer.text(f"for (r = 0; r < {out.size}; r += {width}) {{")
    writer.text(f"  {kind} most = {source}[r], sum = 0;")
    writer.text(f"  for (i = 1; i < {width}; ++i) if ({source}[r + i] > most) most = {source}[r + i];")
    writer.text(f"  for (i = 0; i < {width}; ++i) sum += {made}[r + i] = ({kind})mw_exp({source}[r + i] - most);")
    writer.text(f"  for (i = 0; i < {width}; ++i) {made}[r + i] /= sum;")
    writer.text("}")


def _reduced(writer: Writer, step: Step) -> None:
    source, out = writer.value(step.inputs[0]), writer.value(step.outputs[0])
    axes = _axes(writer, step, len(source.shape))
    if axes != list(range(axes[0], axes[-1] + 1)):
        raise unsupported(step.operator, "over axes that are not neighbours")
    n_terms = _product(source.shape[axes[0] : axes[-1] + 1])
    inner = _product(source.shape[axes[-1] + 1 :])
    array, kind = writer.buffer(source.name), c_type(out.dtype)
    made = writer.room(out.name)
    one = f"{array}[(j / {inner} * {n_terms} + k) * {inner} + j % {inner}]"
    start, term = {
        "ReduceMax": (one.replace("k)", "0)"), f"if ({one} > sum) sum = {one};"),
        "ReduceMin": (one.replace("k)", "0)"), f"if ({one} < sum) sum = {one};"),
        "ReduceSumSquare": ("0", f"sum += {one} * {one};"),
    }.get(step.operator, ("0", f"sum += {one};"))
    end = f" / {n_terms}" if step.operator == "ReduceMean" else ""
    writer.text(f"for (j = 0; j < {out.size}; ++j) {{")
    writer.text(f"  {kind} sum = {start};")
    writer.text(f"  for (k = 0; k < {n_terms}; ++k) {term}")
    writer.text(f"  {made}[j] = sum{end};")
    writer.text("}")


def _axes(writer: Writer, step: Step, rank: int) -> list[int]:
    given = step.attributes.get("axes")
    if given is None and len(step.inputs) > 1 and step.inputs[1]:
        constant = writer.value(step.inputs[1]).constant
        given = None if constant is None else constant.tolist()
    return sorted(as_axis(axis, rank) for axis in given) if given else list(range(rank))


def _batch_norm(writer: Writer, step: Step) -> None:
    import numpy as np

    source, out = writer.value(step.inputs[0]), writer.value(step.outputs[0])
    learned = [writer.value(name).constant for name in step.inputs[1:5]]
    if any(array is None for array in learned):
        raise unsupported("BatchNormalization", "that still learns")
    scale, shift, mean, variance = (np.asarray(array, dtype=np.float64) for array in learned)
    factor = scale / np.sqrt(variance + step.attributes.get("epsilon", 1e-5))
    times, plus = (writer.table(array.astype(np.float32)) for array in (factor, shift - mean * factor))
    inner, read = _product(source.shape[2:]), writer.read(source.name)
    n_channels = source.shape[1]

    def whole(index: str) -> str:
        channel = index if inner == 1 else f"(({index}) / {inner} % {n_channels})"
        return f"({read(index)} * {times}[{channel}] + {plus}[{channel}])"

    writer.define(out.name, whole)


def _find(writer: Writer, step: Step) -> None:
    """Texts to numbers: a sorted list of the texts, looked through by halves."""
    import numpy as np

    keys = step.attributes.get("keys_strings")
    values = step.attributes.get("values_int64s", step.attributes.get("values_floats"))
    if keys is None or values is None:
        raise unsupported("LabelEncoder", "of other than texts to numbers")
    default = step.attributes.get("default_int64", -1)
    if "values_floats" in step.attributes:
        default = step.attributes.get("default_float", 0.0)
    where, order = _texts(writer, keys)
    source, out = writer.value(step.inputs[0]), writer.value(step.outputs[0])
    table, read = writer.table(np.asarray(values)[order]), writer.read(source.name)
    writer.helpers.add("find")
    made = writer.room(out.name)
    writer.text(f"for (i = 0; i < {out.size}; ++i) {{")
    writer.text(f"  k = mw_find({where}, {read('i')});")
    writer.text(f"  {made}[i] = k < 0 ? {default} : {table}[k];")
    writer.text("}")


def _texts(writer: Writer, keys: Any) -> tuple[str, list[int]]:
    """The arguments that name a sorted list of texts, and in which order they are sorted."""
    import numpy as np

    plain = [key if isinstance(key, bytes) else str(key).encode() for key in keys]
    order = sorted(range(len(plain)), key=lambda place: plain[place])
    joined = b"".join(plain[place] + b"\0" for place in order)
    starts = np.cumsum([0, *(len(plain[place]) + 1 for place in order)])[:-1]
    blob = writer.table(np.frombuffer(joined, dtype=np.uint8), kind="uint8_t")
    return f"{blob}, {writer.table(starts.astype(np.uint32), kind='uint32_t')}, {len(plain)}", order


def _one_hot(writer: Writer, step: Step) -> None:
    import numpy as np

    out, kind = writer.value(step.outputs[0]), c_type(writer.value(step.outputs[0]).dtype)
    if "cats_strings" not in step.attributes:
        raise unsupported("OneHotEncoder", "of other than texts")
    n_levels = len(step.attributes["cats_strings"])
    where, order = _texts(writer, step.attributes["cats_strings"])
    table, read = writer.table(np.asarray(order)), writer.read(step.inputs[0])
    writer.helpers.add("find")
    made = writer.room(out.name)
    writer.text(f"for (i = 0; i < {out.size}; ++i) {made}[i] = 0;")
    writer.text(f"for (i = 0; i < {out.size // n_levels}; ++i) {{")
    writer.text(f"  k = mw_find({where}, {read('i')});")
    writer.text(f"  if (k >= 0) {made}[i * {n_levels} + {table}[k]] = ({kind})1;")
    writer.text("}")


def _trees(writer: Writer, step: Step) -> None:
    from modelwright.packaging.targets._trees import write_trees

    write_trees(writer, step)


WRITERS: dict[str, Callable[[Writer, Step], None]] = {
    "Cast": _cast, "Where": _where, "Clip": _clip, "Min": _least_or_most, "Max": _least_or_most, "Pow": _pow,
    "Transpose": _moved, "Expand": _moved, "Slice": _moved, "Gather": _gather, "GatherND": _moved,
    "Concat": _concat, "Einsum": _einsum,
    "MatMul": _matmul, "Gemm": _gemm, "Softmax": _softmax, "BatchNormalization": _batch_norm,
    "ReduceSum": _reduced, "ReduceMean": _reduced, "ReduceMax": _reduced, "ReduceMin": _reduced,
    "ReduceSumSquare": _reduced, "LabelEncoder": _find, "OneHotEncoder": _one_hot, "TreeEnsembleRegressor": _trees,
}  # fmt: skip

__all__ = ["Read", "write_step"]
