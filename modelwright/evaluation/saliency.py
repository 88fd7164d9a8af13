"""What in a row an answer hangs on: by covering parts of it (any graph), or by gradients (a torch network).

`cover` needs nothing but the packaged graph: a part is hidden, and the answer is asked again. `saliency` needs
the network: integrated gradients, Grad-CAM or plain gradients, some dozen passes in place of some dozen copies.
Both say what the model looked at, not what is so.

References: Zeiler and Fergus (2014), "Visualizing and understanding convolutional networks"; Sundararajan, Taly
and Yan (2017), "Axiomatic attribution for deep networks"; Selvaraju et al. (2017), "Grad-CAM".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from modelwright.core.errors import UserError
from modelwright.evaluation.media import MAX_WORDS, words_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from modelwright.core.data import Dataset
    from modelwright.core.values import Trained
    from modelwright.evaluation.metrics import Floats

GRID = 8
"""Cells a side that a picture is covered by, two by two."""
N_STRETCHES = 24
"""Stretches that a sound or a series is covered by, one after another."""
N_WORDS = 60
"""Words that are left out, one at a time: the first."""

Method = Literal["integrated_gradients", "grad_cam", "gradient"]


@dataclass(frozen=True, eq=False)
class Map:
    """How much each part of a cell speaks for the answer (below 0: against it), in the answer's own unit.

    `values` is (rows, columns) over a picture, (n_words,) over a text, (n_columns, n_stretches) over series,
    (1, n_stretches) over a sound.
    """

    form: str
    column: str
    values: Floats


def cover(trained: Trained, row: Dataset, column: str, *, output: int = 0, of: int | None = None) -> Map:
    """Hide part after part of one cell and see how far the answer falls.

    `row` has one row, `column` is a picture, a sound, a text or a series that the model is given. `of` is the
    class looked at, by position; None takes the likeliest; of a forecast, the step, or the mean of all. A picture is
    covered by its mean colour in windows of a quarter of each side, a sound by silence, a series by its mean;
    words are left out. Raises `evaluation.map` for a column that cannot be covered.

    Cost: 50 answers for a picture, 25 for a sound, 60 for a text.

    >>> from modelwright.testing.small_networks import corner_looker, corners
    >>> data = corners(n_rows=1)
    >>> map = cover(corner_looker(), data, "photo")
    >>> map.values.shape, bool(map.values[:4, :4].any()), bool(map.values[5:, 5:].any())
    ((8, 8), True, False)
    """
    signature = trained.signature
    if column in (text.column for text in signature.texts):
        return _without_words(trained, row, column, output, of)
    found = [(index, array) for index, array in enumerate(signature.arrays) if column in array.columns]
    if not found or found[0][1].form not in ("image", "audio", "series", "tokens"):
        raise UserError(
            "evaluation.map",
            f"{column!r} is no picture, sound, text or series that the model is given.",
            hint="name a column of the package's arrays or texts",
        )
    index, array = found[0]
    if array.form == "tokens":
        return _without_words(trained, row, column, output, of)
    from modelwright.core.inputs import feeds

    given = feeds(signature, row.frame)
    cell = given[f"array_{index}"]
    if array.form == "image":
        hidden, places = _windows(cell[0])
    else:
        channel = array.columns.index(column) if array.form == "series" else 0
        hidden, places = _stretches(cell[0], channel if array.form == "series" else None)
    falls = _falls(trained, {**given, f"array_{index}": np.concatenate([cell, hidden])}, output, of)
    return Map(array.form, column, _spread(falls, places))


def _windows(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Copies of a picture with one window each covered, and per copy the cells covered, (n, GRID, GRID)."""
    height, width = picture.shape[:2]
    rows, columns = (np.linspace(0, size, GRID + 1).round().astype(int) for size in (height, width))
    mean = picture.reshape(-1, picture.shape[2]).mean(axis=0).round().astype(picture.dtype)
    hidden = np.repeat(picture[None], (GRID - 1) ** 2, axis=0)
    places = np.zeros((len(hidden), GRID, GRID))
    for copy, (down, across) in enumerate(np.ndindex(GRID - 1, GRID - 1)):
        hidden[copy, rows[down] : rows[down + 2], columns[across] : columns[across + 2]] = mean
        places[copy, down : down + 2, across : across + 2] = 1.0
    return hidden, places


def _stretches(line: np.ndarray, channel: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Copies of a sound (n_samples,) or of series (n_columns, length) with one stretch each covered."""
    length = line.shape[-1]
    edges = np.linspace(0, length, min(N_STRETCHES, length) + 1).round().astype(int)
    hidden = np.repeat(line[None], edges.size - 1, axis=0)
    for copy, (start, end) in enumerate(zip(edges, edges[1:], strict=False)):
        if channel is None:
            hidden[copy, start:end] = 0.0
        else:
            known = line[channel][np.isfinite(line[channel])]
            hidden[copy, channel, start:end] = known.mean() if known.size else 0.0
    return hidden, np.eye(edges.size - 1)[:, None, :]


def _spread(falls: Floats, places: np.ndarray) -> Floats:
    """Of each cell the mean fall of the copies in which it was covered."""
    total = np.tensordot(falls, places, axes=1)
    spread: Floats = total / np.maximum(places.sum(axis=0), 1.0)
    return spread


def _falls(trained: Trained, fed: dict[str, np.ndarray], output: int, of: int | None) -> Floats:
    """How far the answer to each copy lies below that to the first row."""
    from modelwright_runtime.engine import open_session

    n = max(len(array) for array in fed.values())
    whole = {name: array if len(array) == n else np.repeat(array[:1], n, axis=0) for name, array in fed.items()}
    size = max(1, trained.signature.n_rows_at_once)
    session = open_session(trained.graph)
    parts = [
        session.run(None, {name: array[start : start + size] for name, array in whole.items()})[output]
        for start in range(0, n, size)
    ]
    return _below_first(trained, np.concatenate(parts), output, of)


def _below_first(trained: Trained, answers: np.ndarray, output: int, of: int | None) -> Floats:
    """Of the class (or the step) `of`; without one, of the likeliest class, or of the mean over steps."""
    task = (trained.task, *trained.signature.more_tasks)[output]
    told = answers.reshape(len(answers), -1).astype(np.float64)
    if of is None and task.classes:
        of = int(told[0].argmax())
    looked_at = told.mean(axis=1) if of is None else told[:, of]
    falls: Floats = looked_at[0] - looked_at[1:]
    return falls


def _without_words(trained: Trained, row: Dataset, column: str, output: int, of: int | None) -> Map:
    import polars as pl

    from modelwright.core.data import Dataset
    from modelwright.core.inputs import graph_outputs

    words = words_of(row.column(column)[0])
    n_words = min(len(words), N_WORDS)
    texts = [" ".join(words), *(" ".join(words[:k] + words[k + 1 :]) for k in range(n_words))]
    frame = pl.concat([row.frame] * len(texts)).with_columns(pl.Series(column, texts))
    answers = graph_outputs(trained.graph, trained.signature, Dataset(frame.lazy(), row.schema, len(texts)))[output]
    values = np.zeros(min(len(words), MAX_WORDS))
    values[:n_words] = _below_first(trained, answers, output, of)
    return Map("text", column, values)


# By gradients ------------------------------------------------------------------------------------------------------


def saliency(
    network: nn.Module,
    inputs: tuple[Tensor, ...],
    *,
    method: Method = "integrated_gradients",
    output: int = 0,
    of: Tensor | None = None,
    layer: nn.Module | None = None,
    n_steps: int = 32,
) -> tuple[Floats | None, ...]:
    """Of every input, how much each of its values speaks for the output, per row.

    `inputs` are the network's arrays. `of` (n,) are the classes looked at; None takes the likeliest (of a single
    number: itself). Answers one array for each input: images (n, height, width), summed over channels; tokens
    (n, length), summed over their vectors; others in the input's own shape; None for an input that the output
    does not depend on. `grad_cam` answers maps of the last convolution (or of `layer`), brought to the picture's
    size, for images alone. The network is left as it was, gradients of its weights are not kept.

    `integrated_gradients` runs from a baseline (black, silence, zeros, padding) in `n_steps` steps by the
    midpoint rule; its values add up to the difference in output between row and baseline.

    Cost: `n_steps` forward and backward passes; one for the others.

    >>> import torch
    >>> network = torch.nn.Linear(3, 1)
    >>> x = torch.randn(2, 3)
    >>> (values,) = saliency(network, (x,))
    >>> np.allclose(values, (network.weight * x).detach().numpy(), atol=1e-5)
    True
    """
    with _at_rest(network):
        if method == "grad_cam":
            return _grad_cam(network, inputs, output, of, layer)
        return _integrated(network, inputs, output, of, n_steps if method == "integrated_gradients" else 0)


@contextmanager
def _at_rest(network: nn.Module) -> Iterator[None]:
    """In evaluation, and with the gradients of its weights as they were."""
    import torch

    training = network.training
    wanted = [parameter.requires_grad for parameter in network.parameters()]
    network.eval()
    for parameter in network.parameters():
        parameter.requires_grad = False
    try:
        with torch.enable_grad():
            yield
    finally:
        network.train(training)
        for parameter, was in zip(network.parameters(), wanted, strict=True):
            parameter.requires_grad = was


def _looked_at(network: nn.Module, inputs: tuple[Tensor, ...], output: int, of: Tensor | None) -> Tensor:
    """Of each row the number that is explained."""
    import torch

    outputs = network(*inputs)
    told = (outputs if isinstance(outputs, tuple) else (outputs,))[output]
    told = told.reshape(len(told), -1)
    if told.shape[1] == 1:
        number: Tensor = told[:, 0]
        return number
    chosen = told.argmax(dim=1) if of is None else of
    number = told.gather(1, chosen.reshape(-1, 1))[:, 0]
    assert isinstance(number, torch.Tensor)
    return number


def _integrated(
    network: nn.Module, inputs: tuple[Tensor, ...], output: int, of: Tensor | None, n_steps: int
) -> tuple[Floats | None, ...]:
    """Integrated gradients over every input at once; plain gradients times nothing for `n_steps` 0."""
    import torch

    tables = _embeddings(network, inputs)
    if of is None:
        with torch.no_grad():
            outputs = network(*inputs)
        told = (outputs if isinstance(outputs, tuple) else (outputs,))[output]
        of = told.reshape(len(told), -1).argmax(dim=1)
    leaves = [_leaf(value, tables.get(index)) for index, value in enumerate(inputs)]
    shares = [(step + 0.5) / n_steps for step in range(n_steps)] or [1.0]
    totals: list[Tensor | None] = [None] * len(leaves)
    for share in shares:
        points = [None if leaf is None else (leaf * share).detach().requires_grad_() for leaf in leaves]
        with _in_place(tables, points):
            given = tuple(
                value if point is None or index in tables else point
                for index, (value, point) in enumerate(zip(inputs, points, strict=True))
            )
            number = _looked_at(network, given, output, of).sum()
        some = [point for point in points if point is not None]
        grads = iter(torch.autograd.grad(number, some, allow_unused=True))
        for index, point in enumerate(points):
            grad = None if point is None else next(grads)
            if grad is not None:
                before = totals[index]
                totals[index] = grad if before is None else before + grad
    return tuple(
        None if total is None or leaf is None
        else _summed(total / len(shares) * (leaf if n_steps else 1.0), value, index in tables)
        for index, (total, leaf, value) in enumerate(zip(totals, leaves, inputs, strict=True))
    )  # fmt: skip


def _leaf(value: Tensor, table: nn.Module | None) -> Tensor | None:
    """Where gradients are taken: at the values, or at the vectors of tokens; None for codes."""
    import torch

    if table is not None:
        with torch.no_grad():
            vectors: Tensor = table(value.clamp(max=table.num_embeddings - 1)).detach()  # type: ignore[operator]
        return vectors
    if value.dtype in (torch.int64, torch.int32, torch.bool):
        return None
    return torch.nan_to_num(value.detach().float())


def _embeddings(network: nn.Module, inputs: tuple[Tensor, ...]) -> dict[int, nn.Module]:
    """The embedding that reads each input of tokens (n, length), by the input's index."""
    import torch

    seen: list[tuple[nn.Module, Tensor]] = []

    def keep(module: nn.Module, given: tuple[Any, ...]) -> None:
        seen.append((module, given[0]))

    tables = [module for module in network.modules() if isinstance(module, torch.nn.Embedding)]
    hooks = [table.register_forward_pre_hook(keep) for table in tables]
    try:
        with torch.no_grad():
            network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    found: dict[int, nn.Module] = {}
    for index, value in enumerate(inputs):
        if value.dtype == torch.int64 and value.ndim == 2:
            for module, given in seen:
                width = given.shape[-1]
                if given.ndim == 2 and width <= value.shape[1] and torch.equal(given, value[:, :width]):
                    found[index] = module
                    break
    return found


@contextmanager
def _in_place(tables: dict[int, nn.Module], points: list[Tensor | None]) -> Iterator[None]:
    """The embeddings answer the given vectors, whatever tokens they are asked for."""
    hooks = []
    for index, table in tables.items():

        def answer(module: nn.Module, given: tuple[Any, ...], made: Tensor, index: int = index) -> Tensor:
            point = points[index]
            return made if point is None else point[:, : made.shape[1]]

        hooks.append(table.register_forward_hook(answer))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _summed(values: Tensor, given: Tensor, tokens: bool) -> Floats:  # noqa: FBT001
    """Over channels of a picture (n, h, w, c), or over the vector of a token."""
    summed = values.sum(dim=-1) if tokens or given.ndim == 4 else values
    array: Floats = summed.detach().cpu().double().numpy()
    return array


def _grad_cam(
    network: nn.Module, inputs: tuple[Tensor, ...], output: int, of: Tensor | None, layer: nn.Module | None
) -> tuple[Floats | None, ...]:
    """Maps of one layer, weighed by the mean of their gradients, what is below 0 left out."""
    import torch

    chosen = layer or _last_convolution(network)
    kept: list[Tensor] = []

    def keep(module: nn.Module, given: Any, made: Tensor) -> Tensor:
        kept.append(made.detach().requires_grad_())
        return kept[-1]

    hook = chosen.register_forward_hook(keep)
    try:
        number = _looked_at(network, inputs, output, of).sum()
    finally:
        hook.remove()
    (grad,) = torch.autograd.grad(number, kept[-1:])
    cam = (grad.mean(dim=(2, 3), keepdim=True) * kept[-1]).sum(dim=1, keepdim=True).clamp(min=0.0).detach()
    made: list[Floats | None] = []
    for value in inputs:
        if value.ndim != 4:
            made.append(None)
            continue
        wide = torch.nn.functional.interpolate(cam, size=tuple(value.shape[1:3]), mode="bilinear", align_corners=False)
        made.append(wide[:, 0].cpu().double().numpy())
    return tuple(made)


def _last_convolution(network: nn.Module) -> nn.Module:
    import torch

    found = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    if not found:
        raise UserError(
            "evaluation.map", "the network has no 2-d convolution for Grad-CAM.",
            hint="use method=\"integrated_gradients\", or name a layer",
        )  # fmt: skip
    return found[-1]
