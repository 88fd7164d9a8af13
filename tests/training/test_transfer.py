"""Models of others end to end: from a recipe to a package that answers raw rows as the network did."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

from modelwright import lifecycle
from modelwright.core.store import Store
from modelwright.recipe import Recipe
from modelwright_runtime.model import load

GOOD = ("a fine sunny day", "we liked it", "a very good meal")
BAD = ("rain and cold again", "we left early", "bad meal")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def reviews(path: Path, n: int = 160) -> Path:
    dice = np.random.default_rng(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["review", "mood"])
        for row in range(n):
            mood, words = (("good", GOOD), ("bad", BAD))[row % 2]
            writer.writerow([f"{dice.choice(words)} on day {row}, {dice.choice(words)}", mood])
    return path


def bert(folder: Path, texts: list[str]) -> Path:
    letters = sorted({letter for text in texts for letter in text.lower() if letter != " "})
    words = sorted({word for text in texts for word in text.lower().replace(",", "").split() if word.isalpha()})
    # listed, not learnt: which of equally frequent pieces a trainer takes differs from run to run
    pieces = dict.fromkeys(
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{x}" for x in letters), *words]
    )
    tokens = tokenizers.BertWordPieceTokenizer(vocab={piece: k for k, piece in enumerate(pieces)}, lowercase=True)
    marks = [("[SEP]", tokens.token_to_id("[SEP]")), ("[CLS]", tokens.token_to_id("[CLS]"))]
    tokens._tokenizer.post_processor = tokenizers.processors.BertProcessing(*marks)
    config = transformers.BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, vocab_size=200,
        max_position_embeddings=64, pad_token_id=0,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformers.AutoModel.from_config(config).save_pretrained(folder)
    tokens._tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def resnet(folder: Path) -> Path:
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_channels=3
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformers.AutoModel.from_config(config).save_pretrained(folder)
    told = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"height": 24, "width": 24}}
    (folder / "preprocessor_config.json").write_text(json.dumps(told))
    return folder


def recipe(name: str, target: str, data: Path, encoder: dict[str, object], form: str) -> Recipe:
    return Recipe.from_plain({
        "name": name, "target": target, "data": str(data), "split": {"folds": 1},
        "clean": {"kinds": {"review": "text"}} if form == "text" else {},
        "evaluate": {"n_bootstrap": 50},
        "train": {"network": {"network": {"encoders": {form: {"pretrained": encoder}}}, "augment": "off",
                              "doctor": "off", "loop": {"max_steps": 60, "optimizer": {"adamw": {
                                  "learning_rate": 0.01}}}}},
    })  # fmt: skip


def test_a_language_model_is_tuned_by_adapters_and_served_without_torch(tmp_path: Path) -> None:
    data = reviews(tmp_path / "reviews.csv")
    rows = list(csv.DictReader(data.open()))
    model = bert(tmp_path / "bert", [row["review"] for row in rows])
    asked = recipe("mood", "mood", data, {"model": str(model), "train": "lora", "rank": 4}, "text")
    store = Store.open(tmp_path / "store")
    record = lifecycle.run(asked, store=store)
    trained = lifecycle.value_of(store, "mood", "training/train")
    (tokens,) = trained.signature.arrays
    assert tokens.settings["level"] == "wordpiece"  # the model's own vocabulary, not one that was learned here
    assert lifecycle.value_of(store, "mood", "evaluation/evaluate")["accuracy"].value > 0.9
    answers = load(record.facts["package"]).predict([{"review": "a very good meal"}, {"review": "rain, bad meal"}])
    assert answers.prediction.tolist() == ["good", "bad"]


def test_a_network_for_pictures_brings_its_size_and_its_means(tmp_path: Path) -> None:
    from PIL import Image

    dice = np.random.default_rng(0)
    for row in range(60):
        bright = row % 2
        folder = tmp_path / "photos" / ("day" if bright else "night")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = dice.integers(0, 120, (30, 40, 3)) + 120 * bright
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{row}.png")
    model = resnet(tmp_path / "resnet")
    asked = recipe(
        "light", "folder", tmp_path / "photos", {"model": str(model), "train": "last", "last_layers": 1}, "image"
    )
    store = Store.open(tmp_path / "store")
    lifecycle.run(asked, store=store)
    trained = lifecycle.value_of(store, "light", "training/train")
    assert trained.signature.arrays[0].settings["height"] == 24
    assert trained.parity < 1e-4
    assert lifecycle.value_of(store, "light", "evaluation/evaluate")["accuracy"].value > 0.9
