"""Annotations beside images: boxes of COCO, Pascal VOC and YOLO, and masks in folders of their own.

Each gives one row an image: `file`, `image`, and `boxes` (x, y, width, height in pixels from the top left, and a
label) or `mask`; `split` where the annotations say it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from modelwright.collection.media import ABOUT_FILE, binary_table, piece_of, places
from modelwright.collection.tree import SPLITS, Found, Tree
from modelwright.core.data import Column

if TYPE_CHECKING:
    import polars as pl

    from modelwright.collection.media import Reader
    from modelwright.collection.piece import Notes, Piece

IMAGE_FOLDERS = {"image", "images", "img", "imgs", "input", "inputs", "pictures", "photos"}
MASK_FOLDERS = {
    "label",
    "labels",
    "mask",
    "masks",
    "annotation",
    "annotations",
    "segmentation",
    "gt",
    "target",
    "targets",
}
MASK_SUFFIXES = ("_mask", "-mask", "_label", "_seg")
Box = dict[str, Any]


@dataclass
class Annotated:
    """Images with their boxes (None where no annotation speaks of the image) and the split, if one is told."""

    form: str
    files: list[str] = field(default_factory=list)
    images: list[Found | None] = field(default_factory=list)
    boxes: list[list[Box] | None] = field(default_factory=list)
    splits: list[str | None] = field(default_factory=list)

    def add(self, file: str, image: Found | None, boxes: list[Box] | None, split: str | None = None) -> None:
        """One more image."""
        self.files.append(file)
        self.images.append(image)
        self.boxes.append(boxes)
        self.splits.append(split)


def read_annotated(tree: Tree, reader: Reader, notes: Notes) -> Piece | None:
    """The images of a tree with their boxes or masks; None when there are none."""
    from modelwright.collection.coco import read_coco
    from modelwright.collection.voc import read_voc
    from modelwright.collection.yolo import read_yolo

    for read in (read_voc, read_coco, read_yolo):
        found = read(tree, reader, notes)
        if found is not None:
            return boxes_piece(found, reader, notes)
    return _read_masks(tree, reader, notes)


def natural_annotation(tree: Tree) -> str | None:
    """`boxes` or `mask` when a tree's images are annotated so, from names and first bytes alone."""
    from modelwright.collection.coco import coco_files
    from modelwright.collection.voc import voc_files
    from modelwright.collection.yolo import yolo_labels

    if voc_files(tree) or coco_files(tree) or yolo_labels(tree):
        return "boxes"
    return "mask" if mask_pairs(tree) else None


def boxes_piece(found: Annotated, reader: Reader, notes: Notes) -> Piece:
    """The piece of images and boxes; what was not found is told."""
    import polars as pl

    lost = [file for file, image in zip(found.files, found.images, strict=True) if image is None]
    for file in lost:
        notes.repair("image_absent", why="an annotation names an image that is not there; null", detail=file)
    unknown = sum(boxes is None for boxes in found.boxes)
    if unknown:
        notes.repair("boxes_absent", why="no annotation speaks of the image; null", count=unknown)
    counts = Counter(box["label"] for boxes in found.boxes for box in boxes or ())
    told = ", ".join(f"{label} {count:,}" for label, count in counts.most_common(8))
    notes.decide("boxes", found.form, f"{counts.total():,} boxes on {len(found.files):,} images: {told}")
    rows: dict[str, Any] = {"file": found.files}
    table = binary_table(rows, {"image": found.images}, reader)
    more = [_boxes_column(found.boxes)]
    splits = {split for split in found.splits if split}
    if len(splits) > 1:
        more.append(pl.Series("split", found.splits, dtype=pl.String))
    known = (
        Column("file", "category", "id", why=ABOUT_FILE),
        Column("split", "category", "split", why="the annotations say which images are held out"),
    )
    table = pl.concat([table, pl.DataFrame(more).lazy()], how="horizontal")
    return piece_of(table, len(found.files), found.form, reader, known)


def _boxes_column(boxes: Sequence[list[Box] | None]) -> pl.Series:
    import polars as pl

    numbers = {name: pl.Float64() for name in ("x", "y", "width", "height")}
    return pl.Series("boxes", boxes, dtype=pl.List(pl.Struct({**numbers, "label": pl.String()})))


def by_name(tree: Tree) -> dict[str, Found]:
    """The images of a tree by path, by name and by stem: annotations name them in each of these ways."""
    known: dict[str, Found] = {}
    images = [found for found in tree.files if found.form == "image"]
    for found in images:
        known.setdefault(found.stem, found)
    for found in images:
        known.setdefault(PurePosixPath(found.name).name, found)
    known.update({found.name: found for found in images})
    return known


def split_of(name: str) -> str | None:
    """Which set the words of a path speak of, if any.

    >>> split_of("annotations/instances_val2017.json"), split_of("boxes.json")
    ('validation', None)
    """
    import re

    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word]
    return next((SPLITS[word] for word in reversed(words) if word in SPLITS), None)


# Masks --------------------------------------------------------------------------------------------------------


def mask_pairs(tree: Tree) -> list[tuple[Found, Found]]:
    """Images and their masks: of one stem in folders such as image/ and label/, or `1.jpg` and `1_mask.png`."""
    images = [found for found in tree.files if found.form == "image"]
    masks = {_key(found): found for found in images if _is_mask(found)}
    if not masks:
        return []
    pairs = [(found, masks[_key(found)]) for found in images if not _is_mask(found) and _key(found) in masks]
    return pairs if 2 * len(pairs) > len(images) - len(pairs) else []


def _is_mask(found: Found) -> bool:
    in_folder = any(name.lower() in MASK_FOLDERS for name in found.folders)
    return in_folder or found.stem.lower().endswith(MASK_SUFFIXES)


def _key(found: Found) -> tuple[object, ...]:
    """What an image and its mask share: the stem, and the folders that are not of images or masks."""
    folders = tuple(name for name in found.folders if name.lower() not in IMAGE_FOLDERS | MASK_FOLDERS)
    stem = found.stem
    for suffix in MASK_SUFFIXES:
        stem = stem[: -len(suffix)] if stem.lower().endswith(suffix) else stem
    return (*folders, stem)


def _read_masks(tree: Tree, reader: Reader, notes: Notes) -> Piece | None:
    pairs = mask_pairs(tree)
    if not pairs:
        return None
    used = {found.name for pair in pairs for found in pair}
    alone = [found.name for found in tree.media() if found.name not in used]
    for name in alone:
        notes.repair("file_skipped", why="an image without a mask, or a mask without an image", detail=name)
    images = [image for image, _ in pairs]
    columns, known = places(images, notes)
    kept: Mapping[str, Any] = {name: columns[name] for name in columns if name in ("file", "split")}
    notes.decide("masks", f"{len(pairs):,} pairs", f"such as {images[0].name} with {pairs[0][1].name}")
    table = binary_table(kept, {"image": images, "mask": [mask for _, mask in pairs]}, reader)
    return piece_of(table, len(pairs), "masks", reader, known)
