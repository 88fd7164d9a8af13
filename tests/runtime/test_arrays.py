"""Cells to arrays: every kind of picture and sound, hostile ones included, and texts, series, codes and numbers."""

from __future__ import annotations

import io
import json
import struct
import warnings
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from modelwright.testing.media import png, wav
from modelwright_runtime.arrays import make_array, n_cells_at_work, row_shape, rows_at_once
from modelwright_runtime.arrays.audio import MAX_SAMPLES, read, resample
from modelwright_runtime.arrays.images import MAX_PIXELS, decode_mask, is_grey, pixels, placed, size_of
from modelwright_runtime.arrays.series import fitted
from modelwright_runtime.arrays.tokens import encoder, in_letters, pieces_of
from modelwright_runtime.errors import UserError
from modelwright_runtime.reading import CellError
from modelwright_runtime.signature import ArrayInput, Signature, Task

RNG = np.random.default_rng(0)
SIZE = {"height": 16, "width": 16, "channels": 3}


def photo(width: int = 40, height: int = 24) -> Image.Image:
    """A smooth picture without any symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [x * 255 / width, y * 255 / height, (x + 2 * y) * 255 / (width + 2 * height)]
    return Image.fromarray(np.stack(planes, axis=2).astype(np.uint8))


def encoded(image: Image.Image, form: str = "PNG", **how: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **how)
    return buffer.getvalue()


# Pictures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_every_format_gives_the_same_picture(form: str) -> None:
    shown = pixels(encoded(photo(), form, **({"quality": 95} if form in ("JPEG", "WEBP") else {})), SIZE)
    assert shown.shape == (16, 16, 3) and shown.dtype == np.uint8
    near = pixels(encoded(photo()), SIZE).astype(int)
    assert np.abs(shown.astype(int) - near).mean() < (16 if form == "GIF" else 4)


def test_a_picture_of_its_own_size_is_left_alone() -> None:
    values = RNG.integers(0, 255, (16, 16, 3), dtype=np.uint8)
    np.testing.assert_array_equal(pixels(png(values), SIZE), values)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
def test_exif_orientation_is_followed(turn: int, fit: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    data = encoded(photo(), exif=exif)
    upright = encoded(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    how = {"height": 12, "width": 20, "channels": 3, "fit": fit}
    assert size_of(data) == size_of(upright) == ((40, 24) if turn < 5 else (24, 40))
    assert np.abs(pixels(data, how).astype(int) - pixels(upright, how).astype(int)).max() <= 3


def test_what_is_transparent_shows_white() -> None:
    clear = np.zeros((8, 8, 4), dtype=np.uint8)
    clear[:, :4] = (255, 0, 0, 255)
    for data in (
        png(clear),
        encoded(Image.fromarray(clear).quantize(), "PNG"),
        encoded(Image.fromarray(clear), "WEBP", lossless=True),
    ):
        shown = pixels(data, {"height": 8, "width": 8, "channels": 3})
        assert shown[:, 6:].min() == 255 and shown[0, 0].tolist() == [255, 0, 0]
    grey = np.zeros((8, 8, 2), dtype=np.uint8)
    assert pixels(encoded(Image.fromarray(grey, "LA")), {"height": 8, "width": 8, "channels": 1}).min() == 255


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.fromarray(np.full((8, 8), 257 * 200, dtype=np.uint16)), 200),
        (Image.fromarray(np.full((8, 8), 200, dtype=np.uint8)), 200),
        (Image.fromarray(np.full((8, 8), 0.5, dtype=np.float32)), 128),
        (Image.fromarray(np.full((8, 8), 80.0, dtype=np.float32)), 80),
        (Image.fromarray(np.full((8, 8), True)), 255),
    ],
)
def test_samples_of_any_depth_become_eight_bits(image: Image.Image, expected: int) -> None:
    data = encoded(image, "TIFF")
    for channels in (1, 3):
        shown = pixels(data, {"height": 4, "width": 4, "channels": channels})
        assert shown.shape == (4, 4, channels) and (shown == expected).all()


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 255, 0))]
    for form in ("GIF", "WEBP"):
        data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
        assert pixels(data, SIZE)[0, 0, 0] > 240


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("size", [(40, 24), (24, 40), (1, 1), (3, 200)])
def test_placed_says_where_the_picture_lies(fit: str, size: tuple[int, int]) -> None:
    """A white picture with one black half: the border is where `placed` says."""
    values = np.full((size[1], size[0]), 255, dtype=np.uint8)
    how = {"height": 32, "width": 48, "channels": 1, "fit": fit}
    shown = pixels(png(values), how)[:, :, 0] > 127
    left, top, width, height = placed(size, how)
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    assert rows[0] == max(0, round(top)) and rows[-1] + 1 == min(32, round(top + height))
    assert columns[0] == max(0, round(left)) and columns[-1] + 1 == min(48, round(left + width))


def test_large_jpegs_are_decoded_small_and_look_the_same() -> None:
    large = photo(1600, 1200)
    small = pixels(encoded(large, "JPEG", quality=95), SIZE)
    assert np.abs(small.astype(int) - pixels(encoded(large), SIZE).astype(int)).max() <= 6


def test_bombs_are_refused_before_they_are_decoded() -> None:
    side = int(MAX_PIXELS**0.5) + 100
    head = struct.pack(">II", side, side) + b"\x08\x00\x00\x00\x00"
    import zlib

    chunk = b"IHDR" + head
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    body = b"IDAT" + zlib.compress(b"\0" * 10)
    data += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    with pytest.raises(CellError, match="at most 50,000,000"):
        pixels(data, SIZE)
    huge = data.replace(struct.pack(">II", side, side), struct.pack(">II", 60_000, 60_000))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CellError, match="picture"):
            pixels(huge, SIZE)


def test_what_is_no_picture_is_refused() -> None:
    for data in (b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"<svg></svg>", b"\x89PNG\r\n\x1a\n", b"GIF89a", b""):
        with pytest.raises(CellError, match="picture"):
            pixels(data, SIZE)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
def test_cut_and_damaged_pictures_are_told_never_a_traceback(form: str) -> None:
    data = encoded(photo(), form)
    n_refused = 0
    for end in range(0, len(data), max(1, len(data) // 60)):
        n_refused += refused_or_right(data[:end])
    rng = np.random.default_rng(1)
    for _ in range(60):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), 4):
            damaged[place] = rng.integers(0, 256)
        refused_or_right(bytes(damaged))
    assert n_refused > 40


def refused_or_right(data: bytes) -> bool:
    try:
        shown = pixels(data, SIZE)
        size_of(data)
        is_grey(data)
    except CellError as problem:
        assert str(problem) and "\n" not in str(problem)
        return True
    assert shown.shape == (16, 16, 3)
    return False


def test_masks_keep_their_values() -> None:
    mask = np.zeros((20, 30), dtype=np.uint8)
    mask[5:15, 10:20] = 200
    assert set(np.unique(decode_mask(png(mask), (8, 8)))) == {0, 200}
    np.testing.assert_array_equal(decode_mask(png(mask), (20, 30)), mask)
    labelled = Image.fromarray((mask // 100).astype(np.uint8))
    labelled.putpalette([0, 0, 0, 9, 9, 9, 255, 0, 0])
    np.testing.assert_array_equal(decode_mask(encoded(labelled), (20, 30)), mask // 100)
    padded = decode_mask(png(np.full((10, 30), 7, np.uint8)), (30, 30), "pad")
    assert (padded[:9] == 0).all() and (padded[12:18] == 7).all()


# Sound -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "bits"), [(1, 8), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64)])
def test_every_plain_wav_is_read(code: int, bits: int) -> None:
    tone = np.sin(np.arange(1000) / 10) * 0.7
    samples, rate_hz = read(wav(tone, 8000, code=code, bits=bits))
    assert rate_hz == 8000 and samples.dtype == np.float32
    np.testing.assert_allclose(samples, tone, atol=2.0 ** (2 - min(bits, 24)))
    both = np.stack([tone, -0.5 * tone], axis=1)
    np.testing.assert_allclose(read(wav(both, code=code, bits=bits))[0], tone * 0.25, atol=2.0 ** (2 - min(bits, 24)))


def test_our_reader_agrees_with_soundfile() -> None:
    soundfile = pytest.importorskip("soundfile")
    tone = (np.sin(np.arange(4000) / 7) * 0.6).astype(np.float32)
    for form, subtype, most in (
        ("WAV", "PCM_24", 1e-6),
        ("FLAC", "PCM_16", 1e-4),
        ("OGG", "VORBIS", 0.05),
        ("WAV", "ULAW", 0.05),
    ):
        buffer = io.BytesIO()
        soundfile.write(buffer, tone, 16_000, format=form, subtype=subtype)
        samples, rate_hz = read(buffer.getvalue())
        assert rate_hz == 16_000 and np.abs(samples[:4000] - tone).max() < most


def test_resampling_keeps_tones_and_removes_what_the_rate_cannot_hold() -> None:
    signal = pytest.importorskip("scipy.signal")
    time = np.arange(44_100) / 44_100
    low, high = np.sin(2 * np.pi * 440 * time), np.sin(2 * np.pi * 12_000 * time)
    for to_hz in (8000, 16_000, 22_050, 48_000, 7_919):
        made = resample(low.astype(np.float32), 44_100, to_hz)
        wanted = np.sin(2 * np.pi * 440 * np.arange(len(made)) / to_hz)
        assert len(made) == -(-44_100 * to_hz // 44_100) or abs(len(made) - to_hz) <= 8
        assert np.abs(made - wanted)[300:-300].max() < (0.02 if to_hz == 7_919 else 2e-3)
    assert np.abs(resample(high.astype(np.float32), 44_100, 8000))[200:-200].max() < 1e-3
    theirs = signal.resample_poly(low, 160, 441)
    assert np.abs(resample(low.astype(np.float32), 44_100, 16_000) - theirs)[300:-300].max() < 5e-3


def test_sound_is_cut_to_its_loudest_stretch_or_stands_in_silence() -> None:
    input = ArrayInput(form="audio", columns=("a",), settings={"rate_hz": 8000, "n_samples": 400})
    loud = np.zeros(2000)
    loud[1200:1500] = 0.5
    cut, padded, missing = make_array(input, {"a": [wav(loud), wav(np.full(100, 0.5)), None]})
    assert (cut > 0.4).sum() == 300
    assert (padded > 0.4).nonzero()[0].tolist() == list(range(150, 250)) and not missing.any()


def test_broken_and_empty_sound_is_told() -> None:
    for data, reason in (
        (wav(np.zeros(0)), "no samples"),
        (wav(np.zeros(100))[:80], "cut off"),
        (b"RIFF\0\0\0\0WAVE", "no samples"),
        (b"hello", "no sound"),
        (b"", "no sound"),
        (wav(np.zeros(10), 3), "3 Hz"),
    ):
        with pytest.raises(CellError, match=reason):
            read(data)


def test_compressed_silence_of_hours_is_refused() -> None:
    soundfile = pytest.importorskip("soundfile")
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", 44_100, 1, format="FLAC") as file:
        for _ in range(MAX_SAMPLES // 2**20 + 1):
            file.write(np.zeros(2**20, dtype=np.int16))
    assert len(buffer.getvalue()) < 2_000_000
    with pytest.raises(CellError, match="at most"):
        read(buffer.getvalue())


def test_cut_and_damaged_sound_is_told_never_a_traceback() -> None:
    soundfile = pytest.importorskip("soundfile")
    tone = np.sin(np.arange(800) / 9) * 0.5
    files = [wav(tone), wav(tone, code=3, bits=32)]
    for form in ("FLAC", "OGG", "MP3"):
        buffer = io.BytesIO()
        soundfile.write(buffer, tone, 16_000, format=form)
        files.append(buffer.getvalue())
    rng = np.random.default_rng(2)
    for data in files:
        damaged = [data[:end] for end in range(0, len(data), max(1, len(data) // 40))]
        for _ in range(40):
            copy = bytearray(data)
            for place in rng.integers(0, min(len(data), 120), 3):
                copy[place] = rng.integers(0, 256)
            damaged.append(bytes(copy))
        for one in damaged:
            try:
                samples, _ = read(one)
            except CellError as problem:
                assert str(problem)
                continue
            assert samples.ndim == 1 and np.isfinite(samples).all() and np.abs(samples).max(initial=0) <= 1


# Series, texts, codes, numbers -------------------------------------------------------------------------------


@settings(max_examples=80)
@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), max_size=30),
    st.integers(1, 20),
    st.sampled_from(["pad_left", "pad_right", "resample"]),
)
def test_a_series_is_finite_and_of_its_length(values: list[float], length: int, fit: str) -> None:
    input = ArrayInput(form="series", columns=("s",), settings={"length": length, "fit": fit, "mean": [0.5]})
    one = make_array(input, {"s": [values]})
    assert one.shape == (1, 1, length) and one.dtype == np.float32 and np.isfinite(one).all()
    both = make_array(input, {"s": [values, None]})
    np.testing.assert_array_equal(both[0], one[0])
    assert (both[1] == 0.5).all()
    if not any(np.isfinite(values)):
        assert (one == 0.5).all()


def test_gaps_are_filled_from_both_sides() -> None:
    nan = float("nan")
    assert fitted([nan, 2.0, nan, nan, 5.0, nan], 6, "pad_right").tolist() == [2, 2, 3, 4, 5, 5]
    assert fitted([1.0, 2.0], 4, "pad_left", 9.0).tolist() == [9, 9, 1, 2]
    assert fitted(np.arange(100.0), 3, "resample").tolist() == [0.0, 49.5, 99.0]


def test_what_is_no_series_is_told_with_its_row() -> None:
    input = ArrayInput(form="series", columns=("s",), settings={"length": 3})
    with pytest.raises(UserError, match="row 1, column 's'") as caught:
        make_array(input, {"s": [[1.0, 2.0], [[1.0], [2.0]]]})
    assert caught.value.code == "rows.cell"


BPE = {"level": "subword", "casefold": False, "length": 2000}
BPE["vocabulary"] = [*(in_letters(chr(code)) for code in range(128)), "Ġt", "Ġth", "Ġthe", "er"]
BPE["merges"] = [["Ġ", "t"], ["Ġt", "h"], ["Ġth", "e"], ["e", "r"]]


@settings(max_examples=80)
@given(st.text(max_size=60))
def test_pieces_are_the_whole_text(text: str) -> None:
    assert "".join(pieces_of(text)) == text
    tokens = encoder(BPE)(text)
    if text.isascii():
        assert "".join(BPE["vocabulary"][token - 2] for token in tokens) == "".join(map(in_letters, pieces_of(text)))


def test_subwords_are_joined_in_their_order() -> None:
    vocabulary = BPE["vocabulary"]
    assert [vocabulary[token - 2] for token in encoder(BPE)("the other")] == ["t", "h", "e", "Ġ", "o", "t", "h", "er"]
    assert [vocabulary[token - 2] for token in encoder(BPE)("a theater")][:2] == ["a", "Ġthe"]


def test_long_and_odd_texts_take_no_time() -> None:
    import time

    for level in ("word", "character", "subword"):
        input = ArrayInput(form="tokens", columns=("t",), settings=BPE | {"level": level, "length": 64})
        start = time.perf_counter()
        made = make_array(input, {"t": ["x" * 5_000_000, "é" * 100_000, " " * 1_000_000, "a b " * 500_000, "\ud800"]})
        assert time.perf_counter() - start < 2.0 and made.shape == (5, 64)


def test_codes_know_levels_missing_and_unseen() -> None:
    input = ArrayInput(form="codes", columns=("c", "b"), settings={"levels": [["red", "blue"], ["0", "1"]]})
    cells = {"c": ["blue", "red", "", None, "pink"], "b": [True, 0.0, None, float("nan"), 1]}
    for given_cells in (cells, {name: np.array(column, dtype=object) for name, column in cells.items()}):
        assert make_array(input, given_cells).tolist() == [[3, 3], [2, 2], [0, 0], [0, 0], [1, 3]]


def test_numbers_far_from_zero_keep_their_differences() -> None:
    values = 1.7e9 + np.arange(5) / 8
    plain = ArrayInput(form="numbers", columns=("x",), settings={"mean": [0.0], "scale": [1.0], "shift": [1.7e9]})
    assert make_array(plain, {"x": values})[:, 0].tolist() == [0, 0.125, 0.25, 0.375, 0.5]
    dates = ArrayInput(
        form="numbers", columns=("at", "at", "x"),
        settings={"parts": ["weekday", "days elapsed", None], "origins": [0.0, 86_400.0, 0.0]},
    )  # fmt: skip
    noon = (datetime(1970, 1, 3, 12) - datetime(1970, 1, 1)).total_seconds()
    made = make_array(dates, {"at": [noon, None], "x": [1e300, None]})
    assert made[0, :2].tolist() == [5.0, 1.5] and np.isfinite(made[0, 2]) and np.isnan(made[1]).all()


def test_settings_survive_json() -> None:
    """What a package carries makes the same arrays."""
    input = ArrayInput(form="tokens", columns=("t",), settings=BPE)
    signature = Signature(task=Task(kind="regression", target="y"), readings=(), arrays=(input,))
    again = Signature.from_plain(json.loads(json.dumps(signature.to_plain()))).arrays[0]
    cells = {"t": ["The other theater", None, "x"]}
    np.testing.assert_array_equal(make_array(again, cells), make_array(input, cells))


def test_rows_at_once_fall_with_their_size() -> None:
    signature = Signature(task=Task(kind="regression", target="y"), readings=())
    assert rows_at_once(signature) == 65_536
    for side in (32, 512, 4096):
        image = ArrayInput(form="image", columns=("p",), settings={"height": side, "width": side, "channels": 3})
        big = Signature(task=signature.task, readings=(), arrays=(image,))
        assert rows_at_once(big) == max(1, 2**25 // (side * side * 3 * 16))
        assert row_shape(image) == (side, side, 3) and n_cells_at_work(image) == side * side * 48
    with pytest.raises(UserError, match="unknown form"):
        row_shape(ArrayInput(form="smell", columns=("p",)))  # type: ignore[arg-type]
