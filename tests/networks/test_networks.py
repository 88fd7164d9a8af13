"""Whole networks: defaults, seeds, units, several inputs and targets, weights of others, own modules, graphs."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from modelwright.core.errors import UserError
from modelwright.networks import (
    NetworkSpec,
    adopt,
    build,
    default_encoder,
    export,
    load_matching,
    n_parameters,
    plan,
    read_weights,
    weights,
)
from modelwright.testing.networks import check_network, sample_array, sample_input
from modelwright_runtime.engine import open_session
from modelwright_runtime.signature import ArrayForm, ArrayInput, Task

FORMS: tuple[ArrayForm, ...] = ("numbers", "codes", "tokens", "image", "audio", "series")
YES = Task(kind="binary", target="said", classes=("no", "yes"))
PRICE = Task(kind="regression", target="price")
LOAD = Task(kind="forecast", target="y", horizon=6)


def arrays(inputs: tuple[ArrayInput, ...], n_rows: int = 5) -> tuple[Any, ...]:
    return tuple(sample_array(input, n_rows, seed=index) for index, input in enumerate(inputs))


def answers(network: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    with torch.no_grad():
        return tuple(network.eval().answers(network(*inputs)))


def test_all_forms_and_several_targets_in_one_network() -> None:
    inputs = tuple(sample_input(form) for form in FORMS)
    tasks = (YES, PRICE, Task(kind="multilabel", target="tags", classes=("a", "b", "c")), LOAD)
    check_network(NetworkSpec(width=24), inputs, tasks, n_steps=40)


def test_torch_is_imported_only_when_a_network_is_built() -> None:
    code = """if True:
        import sys
        from modelwright.core import registry
        from modelwright.networks import NetworkSpec, plan
        for stage in ("encoders", "trunks", "heads"):
            for name, method in registry.methods(stage).items():
                method.spec.model_json_schema()
        assert not {"torch", "transformers", "numpy", "polars", "onnx"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("form", FORMS)
def test_defaults_are_told_with_reasons(form: ArrayForm) -> None:
    for n_rows in (None, 100, 100_000):
        use, reason = default_encoder(sample_input(form), n_rows)
        assert use.method and len(reason) > 10
        encoders, trunk, _, decisions = plan(NetworkSpec(), (sample_input(form),), (YES,), n_rows)
        assert encoders[0].method == use.method
        assert trunk.method == ("mlp" if form in ("numbers", "codes") else "none")
        assert {one.about.split(" of ")[0] for one in decisions} == {"encoder", "trunk", "head"}


def test_what_is_said_of_one_part_weighs_more_than_what_is_said_of_all() -> None:
    spec = NetworkSpec(width=48, dropout=0.25, encoders={"text": {"text_transformer": {"width": 32}}})
    inputs = (sample_input("tokens"), sample_input("numbers"))
    encoders, trunk, heads, _ = plan(spec, inputs, (YES,))
    assert (encoders[0].settings["width"], encoders[0].settings["dropout"]) == (32, 0.25)
    assert (trunk.settings["width"], trunk.settings["dropout"], heads[0].settings["dropout"]) == (48, 0.25, 0.25)


def test_a_column_is_named_before_its_form() -> None:
    spec = NetworkSpec(encoders={"text": "text_recurrent", "title": "text_transformer"})
    title = ArrayInput(form="tokens", columns=("title",), settings=sample_input("tokens").settings)
    encoders, *_ = plan(spec, (title, sample_input("tokens")), (YES,))
    assert [use.method for use in encoders] == ["text_transformer", "text_recurrent"]


@pytest.mark.parametrize(
    ("spec", "code", "message"),
    [
        ({"encoders": {"image": "image_cnn"}}, "networks.unused", "'image'"),
        ({"heads": {"z": "class"}}, "networks.unused", "'z'"),
        ({"freeze": ("photo",)}, "networks.unused", "'photo'"),
        ({"encoders": {"text": "image_cnn"}}, "networks.encoder", "does not take 'tokens'"),
        ({"heads": {"said": "number"}}, "networks.head", "does not answer the task of 'said', binary"),
        ({"encoders": {"text": "text_cm"}}, "registry.name", "text_cnn"),
        ({"encoders": {"text": {"text_cnn": {"filter": 3}}}}, "spec.unknown", "filters"),
        ({"encoders": {"text": {"text_transformer": {"heads": 3}}}}, "spec.value", "must divide"),
        ({"trunk": {"attention": {"heads": 3}}}, "spec.value", "must divide"),
        ({"heads": {"said": "sequence"}, "encoders": {"text": "pretrained"}}, "spec.missing", "model"),
    ],
)
def test_wrong_specs_are_told(spec: dict[str, Any], code: str, message: str) -> None:
    with pytest.raises(UserError) as told:
        build(NetworkSpec(**spec), (sample_input("tokens"),), (YES,))
    assert told.value.code == code
    assert message in str(told.value)


def test_a_map_that_nobody_gives() -> None:
    masks = Task(kind="segmentation", target="mask", classes=("out", "in"))
    with pytest.raises(UserError, match="no encoder gives one"):
        build(NetworkSpec(), (sample_input("tokens"),), (masks,))
    with pytest.raises(UserError, match="at least one"):
        build(NetworkSpec(), (), (YES,))


def test_another_head_leaves_the_encoders_as_they_are() -> None:
    inputs = (sample_input("tokens"), sample_input("numbers"))
    one = build(NetworkSpec(), inputs, (YES,), seed=5).state_dict()
    two = build(NetworkSpec(), inputs, (PRICE, YES), seed=5).state_dict()
    for name, values in one.items():
        if not name.startswith("heads."):
            assert torch.equal(values, two[name]), name


def test_answers_are_in_the_targets_unit() -> None:
    inputs = (sample_input("numbers"),)
    network = build(NetworkSpec(), inputs, (PRICE,))
    given = arrays(inputs)
    before = answers(network, given)[0]
    network.set_scale("price", 1e9, 0.5)
    after = answers(network, given)[0]
    assert after.dtype == torch.float64
    assert torch.allclose(after, 1e9 + 0.5 * before, rtol=0, atol=1e-6)
    for target, scale in (("prize", 1.0), ("price", 0.0), ("price", float("nan"))):
        with pytest.raises(UserError, match="scale|no head"):
            network.set_scale(target, 0.0, scale)


@pytest.mark.parametrize("encoder", ["series_linear", "series_tcn", "series_patch", "series_recurrent"])
def test_a_forecast_follows_the_level_of_its_row(encoder: str) -> None:
    """A past that is moved and stretched gives a forecast that is moved and stretched, far from any training row."""
    input = ArrayInput(
        form="series", columns=("y_past",), settings={"length": 32, "fit": "pad_left", "mean": [5.0], "scale": [2.0]}
    )
    network = build(NetworkSpec(encoders={"series": encoder}), (input,), (LOAD,))
    network.set_scale("y", 5.0, 2.0)
    past = 5.0 + torch.randn(4, 1, 32, generator=torch.Generator().manual_seed(0)).cumsum(-1)
    forecast = answers(network, (past,))[0]
    moved = answers(network, (past * 3.0 + 700.0,))[0]
    assert forecast.shape == (4, 6)
    assert torch.allclose(moved, forecast * 3.0 + 700.0, atol=0.05)


def test_a_linear_forecast_is_a_linear_map_and_nothing_else() -> None:
    input = ArrayInput(form="series", columns=("y_past",), settings={"length": 32, "mean": [0.0], "scale": [1.0]})
    network = build(NetworkSpec(), (input,), (LOAD,), n_rows=10_000)
    assert {name for name, _ in network.named_parameters()} == {"heads.0.past.weight", "heads.0.past.bias"}
    assert network.trunk is None


def test_a_trunk_makes_more_of_a_linear_past() -> None:
    input = ArrayInput(form="series", columns=("y_past",), settings={"length": 32, "mean": [0.0], "scale": [1.0]})
    network = build(NetworkSpec(trunk="mlp"), (input,), (LOAD,))
    names = {name.rpartition(".")[0] for name, _ in network.named_parameters()}
    assert {"heads.0.past", "heads.0.linear"} <= names and network.trunk is not None
    check_network(NetworkSpec(trunk="mlp"), (input,), (LOAD,))


def test_a_small_series_among_large_ones_is_forecast_as_finely() -> None:
    """A past a hundred thousand times smaller than its column's deviation still decides the forecast."""
    input = ArrayInput(form="series", columns=("y_past",), settings={"length": 32, "mean": [7e3], "scale": [3e4]})
    network = build(NetworkSpec(), (input,), (LOAD,))
    network.set_scale("y", 0.0, 3e4)
    past = torch.randn(4, 1, 32, generator=torch.Generator().manual_seed(0)).cumsum(-1)
    large, small = (answers(network, (past * size + 20 * size,))[0] / size for size in (1e4, 1.0))
    assert torch.allclose(large, small, atol=1e-2)


def test_quantiles_of_a_forecast_never_cross() -> None:
    task = Task(kind="forecast", target="y", horizon=6, quantiles=(0.1, 0.5, 0.9))
    inputs = (sample_input("series"),)
    network = build(NetworkSpec(), inputs, (task,))
    answer = answers(network, arrays(inputs))[0]
    assert answer.shape == (5, 6, 3)
    assert (answer.diff(dim=-1) > 0).all()
    check_network(NetworkSpec(), inputs, (task,), exports=False)


def test_the_past_is_the_column_that_is_called_most_like_the_target() -> None:
    columns = ("humidity", "load_past", "wind")
    settings = {"length": 8, "mean": [0.0, 100.0, 0.0], "scale": [1.0, 1.0, 1.0]}
    task = Task(kind="forecast", target="load", horizon=2)
    input = ArrayInput(form="series", columns=columns, settings=settings)
    network = build(NetworkSpec(), (input,), (task,))
    network.set_scale("load", 100.0, 1.0)
    past = torch.zeros(1, 3, 8)
    past[0, 1] = torch.linspace(104.0, 106.0, 8)
    assert answers(network, (past,))[0].mean().item() == pytest.approx(105.0, abs=2.0)


def test_a_gap_says_nothing_where_training_saw_none() -> None:
    """The missing cell counts as the column's mean, not as noise of an untrained indicator."""
    input = ArrayInput(form="numbers", columns=("a", "b"), settings={"mean": [3.0, -1.0], "scale": [2.0, 1.0]})
    for embedding in ("plain", "periodic"):
        network = build(NetworkSpec(encoders={"number": {"number": {"embedding": embedding}}}), (input,), (PRICE,))
        encoder = network.encoder(0)
        gap, whole = (encoder(torch.tensor([[value, 0.5]])) for value in (float("nan"), 3.0))
        n_first = 1 if embedding == "plain" else encoder.width // 2
        first = gap[:, :n_first]
        assert torch.allclose(first, whole[:, :n_first] if embedding == "plain" else torch.zeros_like(first))
        assert torch.allclose(gap[:, n_first : 2 * n_first], whole[:, n_first : 2 * n_first])


def test_extreme_numbers_stay_finite() -> None:
    inputs = (sample_input("numbers"),)
    network = build(NetworkSpec(encoders={"number": {"number": {"embedding": "periodic"}}}), inputs, (PRICE,))
    extreme = torch.tensor([[3.4e38] * 3, [-3.4e38] * 3, [float("inf")] * 3, [1e-45] * 3])
    assert torch.isfinite(answers(network, (extreme,))[0]).all()


@pytest.mark.parametrize(
    "settings",
    [{"height": 23, "width": 37, "channels": 1}, {"height": 8, "width": 8, "channels": 3},
     {"height": 130, "width": 101, "channels": 3}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("encoder", ["image_cnn", "image_resnet", "image_vit", "image_unet"])
def test_pictures_of_any_size(encoder: str, settings: dict[str, int]) -> None:
    input = ArrayInput(form="image", columns=("p",), settings=settings)
    network = build(NetworkSpec(encoders={"image": encoder}), (input,), (YES,)).eval()
    module, pictures = network.encoder(0), sample_array(input, 2)
    map = module.map(pictures)
    assert tuple(map.shape) == (2, module.map_channels, *module.map_size)
    assert torch.allclose(module.pool(map, pictures), module(pictures), atol=1e-5)
    network.train()(pictures[:1])  # a batch of one row


@pytest.mark.parametrize("fit", ["pad_right", "pad_left"])
@pytest.mark.parametrize(
    ("encoder", "settings"),
    [
        ("series_tcn", {"layers": 2}),
        ("series_inception", {"layers": 3, "kernels": (3, 9)}),
        ("series_recurrent", {"cell": "lstm", "bidirectional": True}),
        ("series_rocket", {"kernels": 40}),
    ],
)
def test_padding_of_series_changes_nothing(encoder: str, settings: dict[str, Any], fit: str) -> None:
    """The same steps in an array of another length, same weights."""
    steps = torch.randn(1, 2, 15, generator=torch.Generator().manual_seed(1)) * 3.0
    modules, vectors = [], []
    for length in (20, 32):
        learned = {"length": length, "fit": fit, "mean": [2.0, 5.0], "scale": [1.0, 3.0]}
        input = ArrayInput(form="series", columns=("a", "b"), settings=learned)
        network = build(NetworkSpec(encoders={"series": {encoder: settings}}), (input,), (YES,), seed=2).eval()
        modules.append(network.encoder(0))
        if encoder == "series_rocket":  # which kernels there are follows the length
            modules[-1].groups = modules[0].groups
        modules[-1].load_state_dict(modules[0].state_dict())
        x = torch.tensor([2.0, 5.0])[None, :, None].repeat(1, 1, length)
        x[:, :, slice(0, 15) if fit == "pad_right" else slice(length - 15, length)] = steps
        with torch.no_grad():
            vectors.append(modules[-1](x))
    assert vectors[0].std() > 0.01
    assert torch.allclose(vectors[0], vectors[1], atol=1e-4)


def test_weights_start_another_network() -> None:
    inputs = (sample_input("image"), sample_input("numbers"))
    old = build(NetworkSpec(), inputs, (YES,), seed=1)
    new = build(NetworkSpec(freeze=("image",), rates={"number": 0.1}), inputs, (PRICE,), seed=2)
    told = load_matching(new, read_weights(weights(old)))
    taken = {one.name for one in told if one.taken}
    assert taken == {name for name in new.state_dict() if not name.startswith("heads.")}
    assert all(torch.equal(old.state_dict()[name], new.state_dict()[name]) for name in taken)
    assert {one.reason for one in told if not one.taken} == {"heads answer other tasks"}
    assert new.rate_factors() == {"encoders.1": 0.1}
    learned = {name.split(".")[1] for name, p in new.named_parameters() if p.requires_grad and "encoders" in name}
    assert learned == {"1"}
    before = {name: values.clone() for name, values in new.encoder(0).state_dict().items()}
    new.train()(*arrays(inputs))
    assert all(torch.equal(before[name], values) for name, values in new.encoder(0).state_dict().items())


def test_weights_that_do_not_fit_are_told() -> None:
    numbers, words = (sample_input("numbers"),), (sample_input("tokens"),)
    old = build(NetworkSpec(), numbers, (YES,)).state_dict()
    wider = load_matching(build(NetworkSpec(width=65), numbers, (YES,)), old)
    assert "its shape is (64, 6), here (65, 6)" in {one.reason for one in wider}
    with pytest.raises(UserError, match="no weight of the other network fits"):
        load_matching(build(NetworkSpec(), words, (YES,)), old)
    with pytest.raises(UserError, match="no weights"):
        read_weights(b"nothing")


def test_a_module_of_the_users_own_is_a_network() -> None:
    class Own(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.classes, self.value = torch.nn.Linear(3, 2), torch.nn.Linear(3, 1)

        def forward(self, x: Any) -> tuple[Any, Any]:
            x = torch.nan_to_num(x)
            return self.classes(x), self.value(x).squeeze(-1)

    input = ArrayInput(form="numbers", columns=("a", "b", "c"))
    network = adopt(Own(), (YES, PRICE))
    network.set_scale("price", 10.0, 2.0)
    x = torch.randn(4, 3)
    said = answers(network, (x,))
    assert said[0].sum(dim=1).tolist() == pytest.approx([1.0] * 4)
    assert torch.allclose(said[1], 10.0 + 2.0 * network.module(x)[1].double())
    session = open_session(export(network, (input,), (YES, PRICE)), n_threads=1)
    assert [one.name for one in session.get_outputs()] == ["probabilities_0", "values_1"]
    for graph, expected in zip(session.run(None, {"array_0": x.numpy()}), said, strict=True):
        assert np.abs(graph - expected.detach().numpy()).max() < 1e-5


def test_a_module_that_cannot_be_a_graph_is_told() -> None:
    class Stubborn(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x[:, :1] if x.sum().item() > 0 else x[:, 1:2]

    with pytest.raises(UserError, match="torch cannot write this network") as told:
        export(adopt(Stubborn(), (PRICE,)), (ArrayInput(form="numbers", columns=("a", "b")),), (PRICE,))
    assert told.value.code == "networks.export"


def test_export_leaves_the_network_as_it_was_and_repeats_itself() -> None:
    inputs = (sample_input("numbers"), sample_input("codes"))
    network = build(NetworkSpec(), inputs, (YES,)).train()
    before = weights(network)
    first, second = export(network, inputs, (YES,)), export(network, inputs, (YES,))
    assert first == second
    assert network.training
    assert n_parameters(network) > 0
    assert weights(network) == before
    assert open_session(first).run(None, {"array_0": np.zeros((0, 3), np.float32), "array_1": np.zeros((0, 2), int)})[
        0
    ].shape == (0, 2)
