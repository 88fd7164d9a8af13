"""The conformance suite of networks: `check_encoder`, `check_trunk` and `check_head` raise AssertionError where a
method breaks a rule, and so does `check_network` for any choice of parts.

What it asks: the same seed gives the same bytes and torch's own generator is left alone; a row's answer does not
depend on the rows beside it, nor on how much padding follows it; gaps, padding, empty rows and extreme values give
finite answers; the gradient reaches every parameter; 16 rows are learned by heart; evaluation is repeatable; the
exported graph holds standard operators, has the same bytes twice, and agrees with the module within 1e-4 on one row and
on several.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

    from modelwright.networks.base import Encoder, Head, Trunk
    from modelwright.networks.network import Network
    from modelwright.networks.spec import NetworkSpec
    from modelwright_runtime.signature import ArrayForm, ArrayInput, Task

TOLERANCE = 1e-4
"""Largest difference between graph and module: of a probability, or of a value in the target's deviations."""


def sample_input(form: ArrayForm) -> ArrayInput:
    """A small array of that form, with what is learned from training rows in its settings.

    >>> sample_input("tokens").settings["length"]
    12
    """
    from modelwright_runtime.signature import ArrayInput

    columns = {"numbers": ("a", "b", "c"), "codes": ("d", "e"), "series": ("y", "z")}.get(form, (form,))
    settings: dict[ArrayForm, dict[str, Any]] = {
        "image": {"height": 24, "width": 16, "channels": 3, "mean": [0.5] * 3, "scale": [0.3] * 3},
        "audio": {"rate_hz": 4_000, "n_samples": 2_000},
        "series": {"length": 32, "fit": "pad_right", "mean": [100.0, -1.0], "scale": [10.0, 0.1]},
        "tokens": {"length": 12, "vocabulary": [f"word{index}" for index in range(20)]},
        "codes": {"levels": [["red", "green", "blue"], [str(index) for index in range(30)]]},
        "numbers": {"mean": [0.0, 1e6, -3.0], "scale": [1.0, 1e3, 0.01]},
    }
    return ArrayInput(form=form, columns=columns, settings=settings[form])


def sample_array(input: ArrayInput, n_rows: int, seed: int = 0) -> Tensor:
    """Rows for that array: random ones, with gaps and padding of every length; the last row has nothing in it.

    >>> sample_array(sample_input("codes"), 4)[-1].tolist()
    [0, 0]
    """
    import torch

    rng = torch.Generator().manual_seed(seed)
    settings, n_columns = input.settings, len(input.columns)
    if input.form == "image":
        shape = (n_rows, settings["height"], settings["width"], settings["channels"])
        pictures = torch.randint(0, 256, shape, generator=rng, dtype=torch.uint8)
        pictures[-1] = 0
        return pictures
    if input.form == "audio":
        sound = torch.rand(n_rows, settings["n_samples"], generator=rng) * 2.0 - 1.0
        sound[-1] = 0.0
        return sound
    if input.form == "codes":
        codes = torch.randint(0, 5, (n_rows, n_columns), generator=rng)
        codes[-1] = 0
        return codes
    if input.form == "numbers":
        values = torch.randn(n_rows, n_columns, generator=rng)
        values = values * torch.tensor(settings["scale"]) + torch.tensor(settings["mean"])
        values[torch.rand(values.shape, generator=rng) < 0.1] = math.nan
        values[-1] = math.nan
        return values
    length = int(settings["length"])
    ends = torch.randint(1, length + 1, (n_rows, 1), generator=rng)
    if n_rows > 1:
        ends[0], ends[-1] = length, 0
    kept = torch.arange(length) < ends
    if input.form == "tokens":
        return torch.where(kept, torch.randint(1, 20, (n_rows, length), generator=rng), 0)
    steps = torch.randn(n_rows, n_columns, length, generator=rng).cumsum(-1) * 0.3
    steps = steps * torch.tensor(settings["scale"])[:, None] + torch.tensor(settings["mean"])[:, None]
    steps[torch.rand(steps.shape, generator=rng) < 0.05] = math.nan
    return torch.where(kept[:, None], steps, math.nan)


def check_encoder(
    encoder: Encoder, settings: Mapping[str, Any] | None = None, *, n_steps: int = 80, exports: bool = True
) -> None:
    """Raise AssertionError, with the rule that is broken, if an encoder does not keep the contract.

    It must be in the registry (or a plug-in). `n_steps` of Adam must be enough to learn 16 rows by heart.

    >>> from modelwright.networks.encoders.category import ENCODER
    >>> check_encoder(ENCODER, exports=False)
    """
    from modelwright.networks.spec import NetworkSpec
    from modelwright_runtime.signature import Task

    task = Task(kind="multiclass", target="class", classes=("a", "b", "c"))
    for form in encoder.forms:
        use = {_name("encoders", encoder): dict(settings or {})}
        spec = NetworkSpec(encoders={form: use}, trunk={"mlp": {"layers": 1, "width": 64}})
        check_network(spec, (sample_input(form),), (task,), n_steps=n_steps, exports=exports)


def check_trunk(trunk: Trunk, settings: Mapping[str, Any] | None = None, *, exports: bool = True) -> None:
    """The same for a trunk, over numbers, categories and a text.

    >>> from modelwright.networks.trunks.mlp import TRUNK
    >>> check_trunk(TRUNK, {"layers": 1, "width": 16}, exports=False)
    """
    from modelwright.networks.spec import NetworkSpec
    from modelwright_runtime.signature import Task

    inputs = (sample_input("numbers"), sample_input("codes"), sample_input("tokens"))
    spec = NetworkSpec(trunk={_name("trunks", trunk): dict(settings or {})})
    check_network(spec, inputs, (Task(kind="regression", target="value"),), exports=exports)


def check_head(
    head: Head, settings: Mapping[str, Any] | None = None, *, n_steps: int = 80, exports: bool = True
) -> None:
    """The same for a head, on each kind of task that it answers.

    >>> from modelwright.networks.heads.labels import HEAD
    >>> check_head(HEAD, exports=False)
    """
    from modelwright.networks.spec import NetworkSpec
    from modelwright_runtime.signature import Task

    for kind in head.kinds:
        classes = {"regression": (), "forecast": (), "binary": ("a", "b")}.get(kind, ("a", "b", "c"))
        task = Task(kind=kind, target="y", classes=classes, horizon=5 if kind == "forecast" else 0)
        form: ArrayForm = "numbers" if head.reads == "vector" else "series" if head.reads == "history" else "image"
        if head.reads == "map" and kind not in ("detection", "segmentation"):
            form = "tokens"
        spec = NetworkSpec(heads={"y": {_name("heads", head): dict(settings or {})}})
        check_network(spec, (sample_input(form),), (task,), n_steps=n_steps, exports=exports)


def check_network(
    spec: NetworkSpec,
    inputs: tuple[ArrayInput, ...],
    tasks: tuple[Task, ...],
    *,
    n_steps: int = 80,
    exports: bool = True,
) -> None:
    """The same for a whole network.

    >>> from modelwright.networks import NetworkSpec
    >>> from modelwright_runtime.signature import Task
    >>> check_network(NetworkSpec(), (sample_input("numbers"),), (Task(kind="regression", target="value"),),
    ...     exports=False)
    """
    import torch

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        _check_seed(spec, inputs, tasks)
        network = _built(spec, inputs, tasks)
        arrays = tuple(sample_array(input, 7, seed=index) for index, input in enumerate(inputs))
        _check_gradients(_built(spec, inputs, tasks), inputs)
        _settle(network, arrays)
        _check_rows(network, arrays, tasks)
        _check_padding(network, inputs, arrays)
        if exports:
            _check_graph(network, inputs, tasks, arrays)
        _check_learns(_built(spec, inputs, tasks), inputs, tasks, n_steps)
    finally:
        torch.set_num_threads(n_threads)


def _built(spec: NetworkSpec, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...]) -> Network:
    from modelwright.networks.network import build

    network = build(spec, inputs, tasks, seed=3)
    for task in tasks:
        if task.kind in ("regression", "forecast"):
            network.set_scale(task.target, 100.0, 10.0)
    return network


def _name(stage: str, method: Any) -> str:
    from modelwright.core import registry

    names = [name for name, found in registry.methods(stage).items() if found is method]
    assert names, f"the method is not among {stage} of the registry"
    return names[0]


def _settle(network: nn.Module, arrays: tuple[Tensor, ...]) -> None:
    """A few passes in training mode, so that running means are not those of an untouched layer."""
    import torch

    network.train()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape), alpha=0.02)  # zero branches must be seen to work
        for layer in network.modules():
            if isinstance(layer, torch.nn.Embedding) and layer.padding_idx is not None:
                layer.weight[layer.padding_idx] = 0.0  # as in training, where no gradient reaches it
        for _ in range(5):
            network(*arrays)
    network.eval()


def _answers(network: Any, arrays: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    import torch

    with torch.no_grad():
        answers: tuple[Tensor, ...] = network.answers(network(*arrays))
    return answers


def _check_seed(spec: NetworkSpec, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...]) -> None:
    import torch

    from modelwright.networks.network import build

    before = torch.get_rng_state()
    first, second, other = (build(spec, inputs, tasks, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state()), "building moved torch's global generator"
    assert list(first) == list(second), "the same seed gives other names"
    for name, values in first.items():
        assert torch.equal(values, second[name]), f"the same seed gives other bytes: {name}"
    assert any(not torch.equal(values, other[name]) for name, values in first.items()), "the seed does nothing"


def _check_rows(network: nn.Module, arrays: tuple[Tensor, ...], tasks: tuple[Task, ...]) -> None:
    import torch

    together = _answers(network, arrays)
    again = _answers(network, arrays)
    for task, answer, same in zip(tasks, together, again, strict=True):
        _check_form(task, answer, len(arrays[0]))
        assert torch.equal(answer, same), "evaluation is not repeatable: something random is on"
    for row in range(len(arrays[0])):
        alone = _answers(network, tuple(array[row : row + 1] for array in arrays))
        for answer, single in zip(together, alone, strict=True):
            largest = (answer[row] - single[0]).abs().max().item()
            assert largest < TOLERANCE, f"row {row} is answered otherwise beside others, by {largest:.1e}"


def _check_form(task: Task, answer: Tensor, n_rows: int) -> None:
    import torch

    assert torch.isfinite(answer).all(), "an answer is not a finite number: gaps or padding came through"
    wide = task.kind in ("regression", "forecast")
    assert answer.dtype == (torch.float64 if wide else torch.float32), f"answers are {answer.dtype}"
    n_classes = len(task.classes)
    quantiles = (len(task.quantiles),) if task.quantiles else ()
    shapes: dict[str, tuple[int, ...]] = {"regression": (n_rows,), "forecast": (n_rows, task.horizon, *quantiles)}
    if task.kind == "detection":
        assert answer.ndim == 3 and answer.shape[2] == 4 + n_classes, "boxes have another shape"
        assert answer.min() >= 0 and answer.max() <= 1, "boxes or scores lie outside 0..1"
    elif task.kind == "segmentation":
        assert answer.ndim == 4 and answer.shape[:2] == (n_rows, n_classes), "masks have another shape"
    elif answer.ndim == 2 or wide:
        shape = shapes.get(task.kind, (n_rows, n_classes))
        assert tuple(answer.shape) == shape, f"answers have the shape {tuple(answer.shape)}, not {shape}"
    if task.is_classification:
        assert (answer.sum(dim=-1) - 1.0).abs().max() < 1e-5, "probabilities do not sum to 1"


def _check_padding(network: Any, inputs: tuple[ArrayInput, ...], arrays: tuple[Tensor, ...]) -> None:
    """The same text or series with less padding behind it says the same."""
    import torch

    for index, input in enumerate(inputs):
        if input.form != "tokens" or str(index) not in network.encoders:
            continue
        short = arrays[index][1:].clone()
        short[:, 8:] = 0
        with torch.no_grad():
            long, brief = network.encoder(index)(short), network.encoder(index)(short[:, :8])
        assert (long - brief).abs().max() < TOLERANCE, "padding changes what a text says"


def _check_gradients(network: nn.Module, inputs: tuple[ArrayInput, ...]) -> None:
    import torch

    arrays = tuple(sample_array(input, 16, seed=10 + index) for index, input in enumerate(inputs))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
        for _ in range(3):  # a residual branch that starts at zero passes a gradient on from the second step
            optimizer.zero_grad()
            losses = [(raw.float() - torch.rand(raw.shape)).square().mean() for raw in network(*arrays)]
            torch.stack(losses).sum().backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
            optimizer.step()
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            reached = parameter.grad is not None and bool((parameter.grad != 0).any())
            assert reached, f"no gradient reaches {name}"


def _check_learns(network: Network, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...], n_steps: int) -> None:
    """Distances to random outputs shrink: 16 rows are learned by heart."""
    import torch

    arrays = tuple(sample_array(input, 17, seed=20 + index)[:-1] for index, input in enumerate(inputs))
    full = torch.randint(2, 20, (16, 12), generator=torch.Generator().manual_seed(0))  # padding is alike in all rows
    arrays = tuple(full if i.form == "tokens" else x for x, i in zip(arrays, inputs, strict=True))
    network.train()
    for layer in network.modules():
        if isinstance(layer, (torch.nn.Dropout, torch.nn.Dropout2d)):
            layer.p = 0.0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        targets = [torch.randn(raw.shape[0], *([1] * (raw.ndim - 1))) for raw in network(*arrays)]
        optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=0.005)
        losses = []
        for _ in range(n_steps):
            optimizer.zero_grad()
            outputs = [
                raw[..., 4:] if task.kind == "detection" else raw
                for raw, task in zip(network(*arrays), tasks, strict=True)
            ]
            loss = torch.stack([(raw - t).square().mean() for raw, t in zip(outputs, targets, strict=True)]).sum()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    best = sum(losses[-5:]) / 5
    assert best < 0.4 * losses[0], f"16 rows are not learned in {n_steps} steps: {losses[0]:.3f} to {best:.3f}"


def _check_graph(
    network: nn.Module, inputs: tuple[ArrayInput, ...], tasks: tuple[Task, ...], arrays: tuple[Tensor, ...]
) -> None:
    import numpy as np

    from modelwright.networks.onnx_graph import export
    from modelwright_runtime.engine import open_session

    graph = export(network, inputs, tasks)
    for word in (b"site-packages", b'File "', b"stack_trace"):
        assert word not in graph, f"the graph holds notes of torch: {word!r}"
    session = open_session(graph, n_threads=1)
    names = [given.name for given in session.get_inputs()]
    for rows in (slice(0, 1), slice(0, 7)):
        some = tuple(array[rows] for array in arrays)
        feeds = {f"array_{index}": array.numpy() for index, array in enumerate(some) if f"array_{index}" in names}
        for task, said, answer in zip(tasks, session.run(None, feeds), _answers(network, some), strict=True):
            _check_form(task, answer, len(some[0]))
            assert said.dtype == answer.numpy().dtype and said.shape == tuple(answer.shape), "the graph's form differs"
            largest = float(np.abs(said - answer.numpy()).max())
            assert largest < TOLERANCE, f"graph and module differ by {largest:.1e}"
