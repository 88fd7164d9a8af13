"""Models of others as encoders: tiny ones with random weights, made and saved here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

from modelwright.core.errors import UserError
from modelwright.networks import NetworkSpec, build, export, n_parameters, wanted_inputs
from modelwright.networks.lora import Adapted, merge
from modelwright_runtime.arrays import make_array
from modelwright_runtime.engine import open_session
from modelwright_runtime.signature import ArrayInput, Task

TEXTS = ["The cat sat on the mat.", "Un café, s'il vous plaît!", "12 dogs — they're BARKING", "", "x" * 150 + " mat"]
TASK = Task(kind="binary", target="y", classes=("no", "yes"))
SMALL = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64}


def save(folder: Path, config: Any, tokens: Any = None) -> str:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformers.AutoModel.from_config(config).save_pretrained(folder)
    if tokens is not None:
        tokens.save(str(folder / "tokenizer.json"))
    return str(folder)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    tokens = tokenizers.BertWordPieceTokenizer(lowercase=True)
    tokens.train_from_iterator(TEXTS * 5, vocab_size=120, min_frequency=1, show_progress=False)
    marks = [("[SEP]", tokens.token_to_id("[SEP]")), ("[CLS]", tokens.token_to_id("[CLS]"))]
    tokens._tokenizer.post_processor = tokenizers.processors.BertProcessing(*marks)
    config = transformers.BertConfig(**SMALL, vocab_size=120, max_position_embeddings=40, pad_token_id=0)
    return save(tmp_path_factory.mktemp("bert"), config, tokens._tokenizer)


@pytest.fixture(scope="module")
def gpt(tmp_path_factory: pytest.TempPathFactory) -> str:
    tokens = tokenizers.ByteLevelBPETokenizer()
    tokens.train_from_iterator(TEXTS * 5, vocab_size=300, min_frequency=1, show_progress=False)
    config = transformers.GPT2Config(
        n_embd=32, n_layer=2, n_head=2, vocab_size=300, n_positions=40, bos_token_id=0, eos_token_id=0
    )
    return save(tmp_path_factory.mktemp("gpt"), config, tokens._tokenizer)


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = save(tmp_path_factory.mktemp("vit"), transformers.ViTConfig(**SMALL, image_size=16, patch_size=8))
    told = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.2, 0.2], "size": {"height": 16, "width": 16}}
    (Path(folder) / "preprocessor_config.json").write_text(json.dumps(told))
    return folder


def made(model: str, **settings: Any) -> tuple[Any, tuple[ArrayInput, ...]]:
    spec = NetworkSpec(encoders={"text": {"pretrained": {"model": model, **settings}}})
    inputs = (ArrayInput(form="tokens", columns=("t",), settings={"length": 24, "level": "word", "vocabulary": []}),)
    inputs = wanted_inputs(spec, inputs)
    return build(spec, inputs, (TASK,), seed=1), inputs


def tokens_of(inputs: tuple[ArrayInput, ...]) -> Any:
    return torch.from_numpy(make_array(inputs[0], {"t": TEXTS}))


@pytest.mark.parametrize("name", ["bert", "gpt"])
def test_says_what_the_model_says(name: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(name)
    network, inputs = made(folder)
    network.eval()
    model = transformers.AutoModel.from_pretrained(folder).eval()
    own = tokenizers.Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    with torch.no_grad():
        vectors = network.encoder(0)(tokens_of(inputs))
        for text, vector in zip(TEXTS, vectors, strict=True):
            ids = own.encode(text).ids
            if len(ids) > 24 or not ids:
                continue
            expected = model(input_ids=torch.tensor([ids])).last_hidden_state.mean(dim=1)
            assert torch.allclose(vector, expected[0], atol=1e-5), text


@pytest.mark.parametrize(("name", "train"), [("bert", "lora"), ("gpt", "all")])
def test_graph_answers_as_the_network_does(name: str, train: str, request: pytest.FixtureRequest) -> None:
    network, inputs = made(request.getfixturevalue(name), train=train)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape), alpha=0.05)
    network.eval()
    graph = export(network, inputs, (TASK,))
    said = open_session(graph, n_threads=1).run(None, {"array_0": tokens_of(inputs).numpy()})[0]
    with torch.no_grad():
        expected = network.answers(network(tokens_of(inputs)))[0].numpy()
    assert np.abs(said - expected).max() < 1e-4
    assert any(isinstance(layer, Adapted) for layer in network.modules()) == (train == "lora")


def test_lora_starts_as_nothing_learns_and_merges(gpt: str) -> None:
    whole, inputs = made(gpt)
    network, _ = made(gpt, train="lora", rank=4)
    tokens = tokens_of(inputs)
    whole.eval(), network.eval()
    with torch.no_grad():
        assert torch.allclose(whole(tokens)[0], network(tokens)[0], atol=1e-5)
    learned = [name for name, p in network.encoder(0).named_parameters() if p.requires_grad]
    assert learned
    assert all(name.endswith((".up", ".down")) for name in learned)
    assert n_parameters(network) < n_parameters(whole) / 3
    before = {name: p.detach().clone() for name, p in network.named_parameters() if not p.requires_grad}
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=0.01)
    for _ in range(15):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(tokens)[0], torch.tensor([0, 1, 0, 1, 0]))
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3
    assert all(torch.equal(values, dict(network.named_parameters())[name]) for name, values in before.items())
    with torch.no_grad():
        adapted = network(tokens)[0]
        merged = merge(network)(tokens)[0]
    assert torch.allclose(adapted, merged, atol=1e-5)


@pytest.mark.parametrize(
    ("train", "learned"),
    [
        ("nothing", set()),
        ("last", {"encoder.layer.2"}),
        ("all", {"embeddings", "encoder.layer.0", "encoder.layer.1", "encoder.layer.2"}),
    ],
)
def test_what_is_trained(bert: str, train: str, learned: set[str]) -> None:
    network, _ = made(bert, train=train, last_layers=1)
    names = [name for name, p in network.encoder(0).model.named_parameters() if p.requires_grad]
    assert {name.split(".")[0] if "layer." not in name else ".".join(name.split(".")[:3]) for name in names} == learned
    network.train()
    assert network.encoder(0).model.training == (train != "nothing")


def test_rates_fall_from_layer_to_layer(bert: str) -> None:
    network, _ = made(bert, layer_decay=0.5)
    factors = network.rate_factors()
    names = [name for name, _ in network.named_parameters()]
    assert all(any(name.startswith(f"{prefix}.") for name in names) for prefix in factors)

    def factor(name: str) -> float:
        return next((value for prefix, value in factors.items() if name.startswith(f"{prefix}.")), 1.0)

    by_layer = [factor(f"encoders.0.model.encoder.layer.{index}.output.dense.weight") for index in range(3)]
    assert by_layer == [0.25, 0.5, 1.0]
    assert factor("encoders.0.model.embeddings.word_embeddings.weight") == 0.125
    assert factor("heads.0.linear.weight") == 1.0


def test_padding_changes_nothing(bert: str) -> None:
    network, inputs = made(bert)
    network.eval()
    tokens = tokens_of(inputs)
    with torch.no_grad():
        together = network(tokens)[0]
        for row in range(len(tokens)):
            assert torch.allclose(network(tokens[row : row + 1])[0], together[row : row + 1], atol=1e-5)


def test_pictures(vit: str) -> None:
    spec = NetworkSpec(encoders={"image": {"pretrained": {"model": vit, "train": "last"}}})
    inputs = (ArrayInput(form="image", columns=("p",), settings={"height": 9, "width": 9, "channels": 1}),)
    inputs = wanted_inputs(spec, inputs)
    assert inputs[0].settings["height"] == 16
    network = build(spec, inputs, (TASK,), seed=1).eval()
    pictures = torch.randint(0, 256, (3, 16, 16, 3), dtype=torch.uint8)
    model = transformers.AutoModel.from_pretrained(vit).eval()
    shown = (pictures / 255.0 - torch.tensor([0.4, 0.5, 0.6])) / 0.2
    with torch.no_grad():
        expected = model(pixel_values=shown.permute(0, 3, 1, 2)).last_hidden_state.mean(dim=1)
        assert torch.allclose(network.encoder(0)(pictures), expected, atol=1e-5)
    graph = export(network, inputs, (TASK,))
    said = open_session(graph, n_threads=1).run(None, {"array_0": pictures.numpy()})[0]
    assert np.abs(said - network.answers(network(pictures))[0].detach().numpy()).max() < 1e-4


def test_a_folder_that_holds_no_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read") as told:
        made(str(tmp_path))
    assert told.value.code == "networks.pretrained"


def test_a_vocabulary_that_serving_cannot_make(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": {"type": "Unigram", "vocab": []}}))
    with pytest.raises(UserError, match="cannot be made in serving"):
        made(str(tmp_path))
