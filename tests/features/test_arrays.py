"""What networks' arrays learn from training rows: sizes, vocabularies, levels; and that it is those rows alone."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from modelwright.core.data import Column, Dataset, Schema
from modelwright.core.errors import UserError
from modelwright.core.inputs import array, graph_outputs
from modelwright.features.arrays import ArraysSpec, array_decisions, learn_arrays
from modelwright.testing.media import media_cells, media_data, media_training, png, wav
from modelwright_runtime.signature import ArrayInput, Task

KINDS: list[Any] = ["text", "number", "image", "category", "series", "audio", "boolean", "series", "datetime"]


def data_of(kind: Any, cells: list[Any], dtype: Any) -> Dataset:
    return Dataset.from_frame(pl.DataFrame({"c": pl.Series(cells, dtype=dtype)}), Schema((Column("c", kind),)))


def learned(kind: Any, cells: list[Any], dtype: Any, **spec: Any) -> ArrayInput:
    (only,) = learn_arrays(data_of(kind, cells, dtype), ["c"], ArraysSpec(**spec), rng=np.random.default_rng(0))
    return only


def test_columns_go_together_by_kind() -> None:
    data = media_data(KINDS)
    inputs = learn_arrays(data, data.schema.names, rng=np.random.default_rng(0))
    assert [input.form for input in inputs] == ["numbers", "codes", "series", "tokens", "image", "audio"]
    assert inputs[0].columns[0] == "number" and set(inputs[0].columns[1:]) == {"datetime"}
    assert [input.columns for input in inputs[1:3]] == [("category", "boolean"), ("series", "series_2")]
    made = [array(data.frame, input) for input in inputs]
    types = ["float32", "int64", "float32", "int64", "uint8", "float32"]
    assert [str(one.dtype) for one in made] == types and {len(one) for one in made} == {40}
    assert len(array_decisions(inputs)) == 6 and all(one.reason for one in array_decisions(inputs))
    assert json.loads(json.dumps([dict(input.settings) for input in inputs])) == [dict(i.settings) for i in inputs]


def test_the_same_rows_and_seed_learn_the_same() -> None:
    data = media_data(KINDS, 700)
    first, again = (learn_arrays(data, data.schema.names, rng=np.random.default_rng(5)) for _ in range(2))
    assert first == again


def test_numbers_are_standardised_by_training_rows() -> None:
    numbers = learned("number", [1.0, None, 3.0, 5.0], pl.Float64)
    assert numbers.settings == {"mean": [3.0], "scale": [pytest.approx(1.63299, abs=1e-4)], "gaps": [True]}
    assert learned("number", [None, None], pl.Float64).settings == {"mean": [0.0], "scale": [1.0], "gaps": [True]}
    far = learned("number", [1e9, 1e9 + 1], pl.Float64)
    made = array(data_of("number", [1e9, 1e9 + 1], pl.Float64).frame, far)
    z = (made - far.settings["mean"][0]) / far.settings["scale"][0]
    np.testing.assert_allclose(z[:, 0], [-1, 1], atol=1e-6)


def test_rare_levels_share_the_code_of_unseen_ones() -> None:
    cells = ["b", "a", "b", "a", "b", "once", None, ""]
    codes = learned("category", cells, pl.String)
    assert codes.settings["levels"] == [["b", "a"]]
    assert array(data_of("category", cells, pl.String).frame, codes)[:, 0].tolist() == [2, 3, 2, 3, 2, 1, 0, 0]
    assert learned("category", cells, pl.String, max_levels=1).settings["levels"] == [["b"]]


def test_vocabulary_and_length_of_words_and_characters() -> None:
    texts = ["Good film!", "good FILM", None, "", "bad film " * 50]
    words = learned("text", texts, pl.String)
    assert words.settings["vocabulary"] == ["film", "bad", "good"] and words.settings["length"] == 104
    made = array(data_of("text", texts, pl.String).frame, words)
    assert made[:4, :3].tolist() == [[4, 2, 1], [4, 2, 0], [0, 0, 0], [0, 0, 0]]
    assert learned("text", texts, pl.String, casefold=False).settings["vocabulary"] == ["film", "bad"]
    assert learned("text", texts, pl.String, text_length=5).settings["length"] == 5
    letters = learned("text", ["abc", "cab"] * 3, pl.String)
    assert letters.settings["level"] == "character" and letters.settings["vocabulary"] == ["a", "b", "c"]


def test_subwords_tell_every_text_and_are_repeatable() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    from modelwright_runtime.arrays.tokens import encoder, in_letters, pieces_of

    texts = [f"the lower {word} is newer than the {word}est of the widest" for word in ("low", "new", "wide", "é")] * 5
    first, again = (learned("text", texts, pl.String, text_level="subword", max_tokens=280) for _ in range(2))
    assert first == again and len(first.settings["vocabulary"]) == 280 and len(first.settings["merges"]) == 24
    encode, vocabulary = encoder({**first.settings, "length": 500}), first.settings["vocabulary"]
    model = tokenizers.models.BPE(
        {token: i for i, token in enumerate(vocabulary)}, [tuple(m) for m in first.settings["merges"]]
    )
    theirs = tokenizers.Tokenizer(model)
    for text in (*texts, "never seen: ŝtrange 漢字 \t\n", "x" * 200):
        ours = [vocabulary[token - 2] for token in encode(text)]
        folded = text.casefold()
        assert "".join(ours) == in_letters(folded)
        assert ours == [token for piece in pieces_of(folded) for token in theirs.encode(in_letters(piece)).tokens]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(28, 28)] * 3, (28, 28)),
        ([(30, 30)] * 3, (32, 32)),
        ([(500, 375)] * 3, (64, 48)),
        ([(20, 40), (24, 44), (22, 48)], (24, 48)),
        ([(3000, 10)] * 2, (64, 8)),
        ([(1, 1)] * 2, (8, 8)),
    ],
)
def test_image_size_is_the_usual_one_within_the_limit(sizes: list[tuple[int, int]], expected: tuple[int, int]) -> None:
    cells = [png(np.full((height, width), 90, np.uint8)) for width, height in sizes]
    settings = learned("image", [*cells, None], pl.Binary).settings
    assert (settings["width"], settings["height"]) == expected and settings["channels"] == 1
    assert settings["mean"] == [pytest.approx(90 / 255, abs=1e-5)] and settings["scale"] == [1.0]


def test_colours_are_seen_and_asked_sizes_obeyed() -> None:
    cells = media_cells("image", 5)
    assert learned("image", cells, pl.Binary).settings["channels"] == 3
    grey = io.BytesIO()
    Image.fromarray(np.stack([np.arange(64, dtype=np.uint8).reshape(8, 8)] * 3, axis=2)).save(grey, "JPEG", quality=80)
    assert learned("image", [grey.getvalue()], pl.Binary).settings["channels"] == 1
    asked = learned("image", cells, pl.Binary, image_size=(20, 30), channels=1, image_fit="pad").settings
    assert (asked["height"], asked["width"], asked["channels"], asked["fit"]) == (20, 30, 1, "pad")


def test_rate_and_length_of_sound() -> None:
    cells = [wav(np.ones(n) * 0.1, 8000) for n in (800, 800, 1000)] + [wav(np.ones(44_100) * 0.1, 44_100)]
    assert learned("audio", cells, pl.Binary).settings == {"rate_hz": 8000, "n_samples": 8192}
    assert learned("audio", cells[3:], pl.Binary).settings["rate_hz"] == 16_000
    assert learned("audio", cells, pl.Binary, audio_s=0.1, audio_rate_hz=4000).settings == {
        "rate_hz": 4000,
        "n_samples": 400,
    }


def test_length_and_fit_of_series() -> None:
    lists = pl.List(pl.Float64)
    alike = learned("series", [[1.0, 2.0, 3.0]] * 4 + [None, []], lists).settings
    assert (alike["length"], alike["fit"]) == (3, "pad_right") and alike["mean"] == [2.0]
    long = learned("series", [list(np.arange(500.0))] * 3, lists, max_series_length=100).settings
    assert (long["length"], long["fit"]) == (100, "resample")


def test_broken_files_do_not_decide_and_wholly_broken_columns_are_told() -> None:
    good = media_cells("image", 3)
    assert learned("image", [good[0], b"broken", good[1][:50]], pl.Binary).settings["width"] == 16
    for kind, cells in (("image", [b"x", None]), ("audio", [b"x"]), ("image", [None])):
        with pytest.raises(UserError) as caught:
            learned(kind, cells, pl.Binary)
        assert caught.value.code == "arrays.empty"
    with pytest.raises(UserError, match="text"):
        learned("text", ["", None], pl.String)
    with pytest.raises(UserError) as caught:
        learned("labels", [["a"]], pl.List(pl.String))
    assert caught.value.code == "arrays.kind"


def test_typed_rows_are_answered_in_parts_as_at_once() -> None:
    tasks = [Task(kind="multiclass", target="t", classes=("a", "b")), Task(kind="regression", target="y")]
    trained, cleaned = media_training(KINDS, tasks)
    whole = graph_outputs(trained.graph, trained.signature, cleaned.kept)
    import dataclasses

    parts = graph_outputs(trained.graph, dataclasses.replace(trained.signature, n_rows_at_once=7), cleaned.kept)
    assert [one.shape for one in whole] == [(40, 2), (40,)]
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_file_that_broke_after_learning_is_named() -> None:
    input = learned("image", media_cells("image", 3), pl.Binary)
    with pytest.raises(UserError, match="row 1, column 'c'"):
        array(data_of("image", [*media_cells("image", 1), b"broken"], pl.Binary).frame, input)
