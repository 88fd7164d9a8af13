"""Cleaning of pictures, sounds, masks, boxes, series and labels: broken ones go by name, what is mended is told."""

from __future__ import annotations

import io
import json
import struct
import zlib
from typing import Any

import polars as pl
import pytest

from modelwright.cleaning import CleanSpec, clean
from modelwright.cleaning.log import summary
from modelwright.core.data import ROW_ID, Column, Dataset, Schema
from modelwright.core.errors import UserError
from modelwright.core.task import recognise
from modelwright.testing.cleaning import check_cleaned
from tests.collection.media_files import picture, sound

BOX = pl.List(pl.Struct({**dict.fromkeys(("x", "y", "width", "height"), pl.Float64), "label": pl.String}))


def _data(**columns: Any) -> Dataset:
    frame = pl.DataFrame(columns)
    known = {"file": Column("file", "category", "id", why="the file's name")}
    return Dataset.from_frame(frame, Schema(tuple(known.get(name, Column(name)) for name in frame.columns)))


def _reasons(cleaned: Any) -> dict[int, str]:
    return dict(cleaned.removed.select(ROW_ID, "reason").iter_rows())


def _bomb() -> bytes:
    """A PNG whose header says 20,000 x 20,000 pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    return picture()[:8] + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head)) + picture()[33:]


BROKEN = {
    "empty": (b"", "is empty"),
    "text": (b"hello, world", "is no picture"),
    "cut png": (picture(1, size=(60, 60))[:-3000], "cannot be opened"),
    "cut jpeg": (picture(1, size=(60, 60), form="JPEG")[:-900], "cannot be opened"),
    "flipped png": (picture(1)[:60] + bytes([picture(1)[60] ^ 255]) + picture(1)[61:], "cannot be opened"),
    "bomb": (_bomb(), "pixels: a bomb|pixels, more than 100,000,000: a bomb"),
    "header only": (b"\x89PNG\r\n\x1a\n", "cannot be opened"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_picture_is_removed_by_name(name: str) -> None:
    data, told = BROKEN[name]
    cells = [picture(seed) for seed in range(6)]
    table = _data(file=[f"{seed}.png" for seed in range(7)], y=["a", "b"] * 3 + ["a"], image=[*cells, data])
    cleaned = clean(table, CleanSpec(target="y"))
    check_cleaned(table, cleaned)
    ((row, reason),) = _reasons(cleaned).items()
    assert row == 6 and reason.startswith("the image of `6.png` ")
    assert any(part in reason for part in told.split("|")), reason
    assert cleaned.kept.schema["image"].kind == "image"
    assert cleaned.kept.frame["image"].to_list() == cells


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM"])
def test_every_form_of_picture_is_kept(form: str) -> None:
    table = _data(y=["a", "b"] * 3, image=[picture(seed, form=form) for seed in range(6)])
    cleaned = clean(table, CleanSpec(target="y"))
    assert cleaned.kept.schema["image"].kind == "image" and cleaned.kept.n_rows == 6, _reasons(cleaned)


def _flac() -> bytes:
    import numpy as np
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.random.default_rng(0).normal(0, 0.1, 4000), 8000, format="FLAC")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is empty"),
        (sound(n_samples=0), "has no samples"),
        (sound(9)[:-200], "is cut short"),
        (b"RIFFxxxxWAVEfmt ", "is cut short"),
        (_flac()[:200], "cannot be opened"),
        (picture(), "is no sound"),
    ],
    ids=["empty", "no samples", "cut wave", "header only", "cut flac", "picture"],
)
def test_a_broken_sound_is_removed_by_name(data: bytes, told: str) -> None:
    table = _data(
        file=[f"{seed}.wav" for seed in range(7)], y=["a", "b"] * 3 + ["a"], audio=[*map(sound, range(6)), data]
    )
    cleaned = clean(table, CleanSpec(target="y"))
    ((row, reason),) = _reasons(cleaned).items()
    assert row == 6 and told in reason and "`6.wav`" in reason
    assert cleaned.kept.schema["audio"].kind == "audio"


def test_silence_is_kept_and_told() -> None:
    import numpy as np
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(100), 8000, format="WAV")
    table = _data(y=["a", "b"] * 3, audio=[*map(sound, range(5)), buffer.getvalue()])
    cleaned = clean(table, CleanSpec(target="y"))
    assert cleaned.kept.n_rows == 6
    assert [told.choice for told in cleaned.decisions if "silent" in told.choice] == ["1 silent sounds kept"]


def test_twins_by_bytes_follow_the_rule_of_repeated_rows() -> None:
    cells = [*map(picture, range(8)), picture(0), picture(1)]
    labels = ["a", "b"] * 4 + ["a", "a"]  # the last one is picture 1 under another label
    table = _data(file=[f"{index}.png" for index in range(10)], y=labels, image=cells)
    cleaned = clean(table, CleanSpec(target="y"))
    check_cleaned(table, cleaned)
    assert cleaned.removed.rows() == [(8, "equal to an earlier row in every column but file", 0)]


def test_undo_gives_the_raw_bytes_back() -> None:
    table = _data(y=["a", "b", "a", "b"], image=[picture(1), b"broken", None, picture(2)])
    cleaned = clean(table, CleanSpec(target="y"))
    assert cleaned.kept.n_rows == 2
    assert _reasons(cleaned)[2] == "the image image is missing"
    assert cleaned.undo().frame.equals(table.frame)


def test_a_missing_picture_beside_other_features_stays_missing() -> None:
    table = _data(y=["a", "b"] * 3, age=[1, 2, 3, 4, 5, 6], image=[*map(picture, range(5)), None])
    cleaned = clean(table, CleanSpec(target="y"))
    assert cleaned.kept.n_rows == 6 and cleaned.kept.frame["image"].null_count() == 1


def test_a_mask_of_another_size_is_removed() -> None:
    images, masks = [*map(picture, range(5))], [*(picture(seed + 9) for seed in range(4)), picture(99, size=(9, 9))]
    table = _data(file=list("abcde"), image=images, mask=masks)
    cleaned = clean(table, CleanSpec(target="mask"))
    assert _reasons(cleaned) == {4: "the mask of `e` has 9 x 9 pixels, its picture 12 x 10"}
    assert recognise(cleaned.kept.column("mask"), cleaned.kept.schema["mask"].kind)[0] == "segmentation"


def test_bytes_of_no_known_kind_are_left_out_of_the_model() -> None:
    cleaned = clean(_data(y=["a", "b"] * 3, x=[b"\x00\x01"] * 6, z=range(6)), CleanSpec(target="y"))
    assert cleaned.kept.schema["x"].role == "ignored"


# Boxes ----------------------------------------------------------------------------------------------------------


def _box(*numbers: float, label: str | None = "cat") -> dict[str, Any]:
    return {**dict(zip(("x", "y", "width", "height"), numbers, strict=True)), "label": label}


def test_boxes_are_clipped_to_their_picture_and_told() -> None:
    boxes = [
        [_box(1.0, 1.0, 4.0, 4.0)],
        [_box(-3.0, 2.0, 6.0, 100.0), _box(5.0, 5.0, 0.0, 3.0), _box(40.0, 40.0, 5.0, 5.0), _box(0.0, 0.0, 2.0, 2.0)],
        [],
        None,
        [_box(0.0, 0.0, float("nan"), 1.0), _box(0.0, 0.0, 1.0, 1.0, label=" ")],
    ]
    table = _data(file=list("abcde"), image=[*map(picture, range(5))], boxes=pl.Series(boxes, dtype=BOX))
    cleaned = clean(table, CleanSpec(target="boxes"))
    kept = dict(cleaned.kept.frame.select("file", "boxes").iter_rows())
    assert kept == {
        "a": [_box(1.0, 1.0, 4.0, 4.0)], "b": [_box(0.0, 2.0, 3.0, 8.0), _box(0.0, 0.0, 2.0, 2.0)], "c": [], "e": [],
    }  # fmt: skip
    assert _reasons(cleaned) == {3: "the target 'boxes' is missing"}
    changes = {
        row: (json.loads(after), reason) for row, _, _, after, _, reason in cleaned.changes.collect().iter_rows()
    }
    assert changes[1][1] == "boxes: 1 clipped to the picture of 12 x 10, 2 dropped without area in the picture"
    assert changes[1][0] == [["cat", 0.0, 2.0, 3.0, 8.0], ["cat", 0.0, 0.0, 2.0, 2.0]]
    assert changes[4][1] == "boxes: 1 dropped without area in the picture, 1 dropped without a label"
    assert set(changes) == {1, 4}
    assert {line["column"] for line in summary(cleaned)} == {"boxes", "(rows removed)"}
    assert recognise(cleaned.kept.column("boxes"), "boxes")[0] == "detection"
    assert cleaned.undo().frame.equals(table.frame)


def test_boxes_that_are_not_the_target_are_no_input() -> None:
    table = _data(y=["a", "b"] * 2, image=[*map(picture, range(4))], boxes=pl.Series([[]] * 4, dtype=BOX))
    cleaned = clean(table, CleanSpec(target="y"))
    assert cleaned.kept.schema.features == ("image",)


# Series and labels ----------------------------------------------------------------------------------------------


def test_series_as_lists_and_as_texts_are_the_same() -> None:
    lists = [[1.0, 2.0, None], [float("inf"), 4.0], [5.0], [], None, [None]]
    texts = ["[1, 2, null]", "[NaN, 4]", "[5.0, 5.5]", "[]", None, "[null, null]"]
    for column in (lists, texts):
        table = _data(y=["a", "b"] * 3, s=column)
        cleaned = clean(table, CleanSpec(target="y", kinds={"s": "series"}))
        assert cleaned.kept.schema["s"].kind == "series" and cleaned.kept.frame["s"].dtype == pl.List(pl.Float64)
        cells = cleaned.kept.frame["s"].to_list()
        assert [cell[:1] for cell in cells[::2]] == [[1.0], [5.0]]
        assert cells[0][2] != cells[0][2] and cells[1][0] != cells[1][0], "steps without a number are NaN"
        assert set(_reasons(cleaned).values()) == {"the series s has no number"}
        assert cleaned.kept.n_rows == 3


def test_texts_of_lists_are_series_without_being_asked() -> None:
    table = _data(y=["a", "b"] * 3, s=[f"[{index}, 2, 3]" for index in range(6)], c=["[x]", "[y]"] * 3)
    cleaned = clean(table, CleanSpec(target="y"))
    assert cleaned.kept.schema["s"].kind == "series"
    assert cleaned.kept.schema["c"].kind == "category"


def test_labels_only_when_asked() -> None:
    texts = ["war|love", "love", "", "war | war", None, "drama"]
    table = _data(x=range(6), genres=texts)
    plain = clean(table)
    assert plain.kept.schema["genres"].kind == "category"
    cleaned = clean(table, CleanSpec(target="genres", kinds={"genres": "labels"}))
    assert cleaned.kept.frame["genres"].to_list() == [["war", "love"], ["love"], ["war"], ["drama"]]
    assert recognise(cleaned.kept.column("genres"), "labels")[0] == "multilabel"


def test_a_wide_table_of_numbers_stays_a_table() -> None:
    columns = {f"x{index}": [float(index * row) for row in range(30)] for index in range(200)}
    cleaned = clean(_data(**columns, y=["a", "b"] * 15), CleanSpec(target="y"))
    assert {column.kind for column in cleaned.kept.schema.columns} == {"number", "category"}


def test_a_kind_that_the_cells_cannot_have_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        clean(_data(x=[1, 2, 3], y=["a", "b", "a"]), CleanSpec(target="y", kinds={"x": "image"}))
    assert caught.value.code == "clean.kind"
