"""Folders, patterns, zips and tables of media become rows with the files' bytes."""

from __future__ import annotations

import gzip
import os
import struct
import zipfile
from pathlib import Path

import polars as pl
import pytest

from modelwright.collection import CollectSpec, collect
from modelwright.collection import media as media_module
from modelwright.collection.fingerprint import fingerprint
from modelwright.collection.media import natural_target
from modelwright.core.errors import UserError
from tests.collection.media_files import class_folders, picture, sound, write


def _roles(data: object) -> dict[str, str]:
    return {column.name: column.role for column in data.schema.columns}  # type: ignore[attr-defined]


def _code(call: object) -> str:
    with pytest.raises(UserError) as caught:
        call()  # type: ignore[operator]
    return caught.value.code


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "photos", n_each=12)
    write(root / ".DS_Store", b"x")
    write(root / "Thumbs.db", b"x")
    write(root / "notes.md", "words")
    data = collect(root)
    assert data.schema.names == ("file", "folder", "image")
    assert _roles(data) == {"file": "id", "folder": "ignored", "image": "feature"}
    files = data.frame["file"].to_list()
    assert files[:3] == ["cat/0.png", "cat/1.png", "cat/2.png"]
    assert files[10] == "cat/10.png", "numbers sort as numbers"
    assert data.frame["folder"].value_counts().sort("folder").rows() == [("cat", 12), ("dog", 12)]
    for name, cell in data.frame.select("file", "image").iter_rows():
        assert cell == (root / name).read_bytes()
    reasons = {repair["why"]: repair["count"] for repair in data.origin["repairs"]}
    assert reasons == {
        "hidden": 1, "litter of an operating system": 1, "neither image nor sound, such as notes.md": 1,
    }  # fmt: skip
    assert natural_target(str(root)) == "folder"


def test_the_parent_of_the_class_folders_gives_the_same_classes(tmp_path: Path) -> None:
    class_folders(tmp_path / "outer" / "photos", n_each=3)
    data = collect(tmp_path / "outer")
    assert data.frame["folder"].unique().sort().to_list() == ["cat", "dog"]
    assert data.frame["file"][0] == "photos/cat/0.png"


def test_levels_named_train_and_test_are_the_split(tmp_path: Path) -> None:
    class_folders(tmp_path / "set" / "train", n_each=4)
    class_folders(tmp_path / "set" / "val", n_each=2)
    data = collect(tmp_path / "set")
    assert data.frame.select("folder", "split").unique().sort("folder", "split").rows() == [
        ("cat", "train"), ("cat", "validation"), ("dog", "train"), ("dog", "validation"),
    ]  # fmt: skip
    assert _roles(data)["split"] == "split"


def test_only_train_is_no_split(tmp_path: Path) -> None:
    class_folders(tmp_path / "set" / "train", n_each=2)
    assert "split" not in collect(tmp_path / "set").schema


def test_deeper_folders_have_a_column_each(tmp_path: Path) -> None:
    for place in ("a/x/1.png", "a/y/1.png", "b/x/1.png"):
        write(tmp_path / "deep" / place, picture(len(place) + ord(place[0])))
    frame = collect(tmp_path / "deep").frame
    assert frame.select("folder", "folder_1", "folder_2").row(1) == ("a/y", "a", "y")


def test_fields_of_names(tmp_path: Path) -> None:
    for name in ("7_anna_0", "7_bert_1", "1_anna_12"):
        write(tmp_path / "recordings" / f"{name}.wav", sound(len(name)))
    data = collect(tmp_path / "recordings")
    assert data.schema.names == ("file", "name_1", "name_2", "name_3", "audio")
    assert data.frame["name_1"].to_list() == ["1", "7", "7"]
    assert data.schema["name_1"].kind == "category", "the digits of a name are a class, not a number"


def test_a_flat_folder_of_any_names_has_no_fields(tmp_path: Path) -> None:
    for index in range(3):
        write(tmp_path / "flat" / f"photo{index}{'_x' * index}.png", picture(index))
    data = collect(tmp_path / "flat")
    assert data.schema.names == ("file", "image")
    assert natural_target(str(tmp_path / "flat")) is None


def test_a_pattern_a_zip_and_one_file(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "photos")
    by_pattern = collect(str(root / "*" / "1.png")).frame
    assert by_pattern["file"].to_list() == ["cat/1.png", "dog/1.png"]
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for path in sorted(root.rglob("*.png")):
            archive.write(path, path.relative_to(root))
    from_zip = collect(tmp_path / "photos.zip").frame
    assert from_zip.equals(collect(root).frame)
    assert collect(root / "cat" / "1.png").frame["image"].to_list() == [(root / "cat" / "1.png").read_bytes()]


def test_images_and_sounds_together_are_refused(tmp_path: Path) -> None:
    class_folders(tmp_path / "mixed", n_each=2)
    write(tmp_path / "mixed" / "dog" / "bark.wav", sound())
    with pytest.raises(UserError, match="4 images .such as cat/0.png. and 1 sounds .such as dog/bark.wav.") as caught:
        collect(tmp_path / "mixed")
    assert caught.value.code == "collection.mixed"
    assert collect(str(tmp_path / "mixed" / "*" / "*.png")).n_rows == 4, "the way out that the hint names"


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert _code(lambda: collect(tmp_path / "empty")) == "collection.missing"


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "secret" / "s.png", picture(5))
    root = class_folders(tmp_path / "photos", n_each=2)
    (root / "cat" / "link.png").symlink_to(tmp_path / "secret" / "s.png")
    (root / "linked").symlink_to(tmp_path / "secret")
    data = collect(root)
    assert data.n_rows == 4
    (repair,) = data.origin["repairs"]
    assert repair["count"] == 2 and "link" in repair["why"]


def test_bytes_are_counted_against_the_limit(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "photos")
    assert _code(lambda: collect(CollectSpec(sources=str(root), max_bytes=1000))) == "collection.size"


def test_a_zip_that_climbs_out_or_lies_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../../evil.png", picture())
    assert _code(lambda: collect(tmp_path / "evil.zip")) == "collection.archive_name"
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", picture())
        archive.writestr("zeros.png", bytes(80 * 2**20))
    assert _code(lambda: collect(tmp_path / "bomb.zip")) == "collection.archive_size"


def test_large_folders_lie_in_scratch_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = class_folders(tmp_path / "photos", n_each=10)
    whole = collect(root).frame
    monkeypatch.setattr(media_module, "SMALL_BYTES", 2000)
    assert collect(root).frame.equals(whole)


def test_progress_is_told(tmp_path: Path) -> None:
    events: list[dict[str, object]] = []
    collect(class_folders(tmp_path / "photos"), watch=lambda event: events.append(dict(event)))
    done = [event["done"] for event in events if event["event"] == "progress"]
    assert done == list(range(1, 17))


def test_a_fingerprint_follows_names_sizes_and_times(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "photos", n_each=3)
    spec = CollectSpec(sources=str(root))
    seen: list[Path] = []

    def mark() -> str | None:
        return fingerprint(spec, lambda path: seen.append(path) or "x")  # type: ignore[func-returns-value]

    first = mark()
    assert mark() == first
    (root / "cat" / "0.png").write_bytes(picture(77))
    os.utime(root / "cat" / "0.png", ns=(1, 1))
    second = mark()
    assert second != first
    (root / "cat" / "0.png").rename(root / "dog" / "9.png")
    assert mark() not in (first, second)
    assert not seen, "the bytes of media are read once, when they are collected"


# Tables that name media -----------------------------------------------------------------------------------------


def test_a_table_that_names_pictures(tmp_path: Path) -> None:
    root = class_folders(tmp_path, n_each=3)
    lines = ["photo,age", *(f"{name}/{index}.png,{index}" for name in ("cat", "dog") for index in range(3))]
    table = write(root / "list.csv", "\n".join([*lines, "cat/none.png,4", "../elsewhere.png,5"]))
    data = collect(table)
    assert data.schema.names == ("photo", "age", "image")
    assert data.schema["photo"].role == "id"
    assert data.frame["image"][1] == (root / "cat" / "1.png").read_bytes()
    assert data.frame["image"][6:].to_list() == [None, None]
    assert [repair["count"] for repair in data.origin["repairs"]] == [2]
    assert collect(tmp_path).schema.names == data.schema.names, "the folder is read by its table"


def test_two_columns_of_media_have_names_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "a.png", picture(1))
    write(tmp_path / "b.wav", sound(1))
    table = write(tmp_path / "list.csv", "seen,heard\na.png,b.wav\na.png,b.wav\n")
    data = collect(table)
    assert data.schema.names == ("seen", "heard", "seen_image", "heard_audio")


def test_a_table_beside_a_secret_reads_only_its_folder(tmp_path: Path) -> None:
    secret = write(tmp_path / "secret.png", picture(3))
    table = write(tmp_path / "set" / "list.csv", f"photo,y\n{secret},1\n../secret.png,2\n")
    assert collect(table).schema.names == ("photo", "y")


def test_the_fingerprint_of_a_table_follows_its_pictures(tmp_path: Path) -> None:
    root = class_folders(tmp_path, n_each=2)
    table = write(root / "list.csv", "photo,age\ncat/0.png,1\ndog/1.png,2\n")
    spec = CollectSpec(sources=str(table))
    first = fingerprint(spec, lambda path: "same")
    (root / "cat" / "1.png").write_bytes(picture(50))
    assert fingerprint(spec, lambda path: "same") == first, "not named by the table"
    (root / "dog" / "1.png").write_bytes(picture(50, size=(30, 30)))
    assert fingerprint(spec, lambda path: "same") != first


# IDX ------------------------------------------------------------------------------------------------------------


def _idx(values: list[list[list[int]]] | list[int]) -> bytes:
    shape, inner = [], values
    while isinstance(inner, list):
        shape.append(len(inner))
        inner = inner[0]  # type: ignore[assignment]
    flat = values if len(shape) == 1 else [cell for image in values for row in image for cell in row]  # type: ignore[union-attr]
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + bytes(flat)  # type: ignore[arg-type]


def test_idx_images_are_the_same_pixels(tmp_path: Path) -> None:
    from io import BytesIO

    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 3)).tolist()
    write(tmp_path / "train-images-idx3-ubyte.gz", gzip.compress(_idx(pixels)))
    write(tmp_path / "train-labels-idx1-ubyte.gz", gzip.compress(_idx([3, 1, 4, 1, 5])))
    write(tmp_path / "t10k-images-idx3-ubyte", _idx(pixels[:2]))
    write(tmp_path / "t10k-labels-idx1-ubyte", _idx([9, 2]))
    data = collect(tmp_path)
    frame = data.frame.sort("split", descending=True, maintain_order=True)
    assert frame["label"].to_list() == ["3", "1", "4", "1", "5", "9", "2"]
    assert data.schema["label"].kind == "category"
    assert np.asarray(Image.open(BytesIO(frame["image"][4]))).tolist() == pixels[4]
    alone = collect(tmp_path / "train-images-idx3-ubyte.gz")
    assert alone.schema.names == ("image", "label") and alone.n_rows == 5
    assert natural_target(str(tmp_path)) == "label"


@pytest.mark.parametrize("data", [b"", b"\0\0\x08\x03", _idx([[[1, 2], [3, 4]]])[:-1], b"\0\0\x0d\x03" + bytes(20)])
def test_a_broken_idx_file_is_named(tmp_path: Path, data: bytes) -> None:
    write(tmp_path / "train-images-idx3-ubyte", data)
    assert _code(lambda: collect(tmp_path)) == "collection.idx"


def test_labels_and_images_of_other_numbers_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "images-idx3-ubyte", _idx([[[1, 2], [3, 4]]]))
    write(tmp_path / "labels-idx1-ubyte", _idx([1, 2]))
    assert _code(lambda: collect(tmp_path)) == "collection.idx"


# Real data ------------------------------------------------------------------------------------------------------


def test_mnist_and_spoken_digits(shared_data: Path) -> None:
    digits = collect(shared_data / "image" / "mnist" / "t10k-images-idx3-ubyte.gz")
    assert digits.n_rows == 10_000 and digits.frame["label"].n_unique() == 10
    spoken = collect(shared_data / "audio" / "free_spoken_digit" / "recordings.zip")
    counts = spoken.frame.select(pl.col("name_1", "name_2", "name_3").n_unique()).row(0)
    assert (spoken.n_rows, counts) == (1200, (10, 6, 20))
