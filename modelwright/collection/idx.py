"""IDX files (MNIST and its like): images as small PNG files, labels beside them."""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.collection.scratch import file_errors
from modelwright.core.data import Column
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from modelwright.collection.media import Reader
    from modelwright.collection.piece import Notes, Piece
    from modelwright.collection.tree import Found, Tree

IMAGES = re.compile(r"images?[-.]idx3-ubyte(\.gz)?$")
_PNG = b"\x89PNG\r\n\x1a\n"


def is_idx(name: str) -> bool:
    """Whether a file's name is that of IDX images.

    >>> is_idx("train-images-idx3-ubyte.gz"), is_idx("train-labels-idx1-ubyte")
    (True, False)
    """
    return bool(IMAGES.search(name))


def read_idx(tree: Tree, reader: Reader, notes: Notes) -> Piece | None:
    """Rows of `image` (PNG), `label` and, of files named train and t10k or test, `split`; None without IDX files.

    Each image is wrapped as an uncompressed-filter PNG, bit for bit; 70,000 of 28 x 28 pixels take about 3 s.
    Reference: LeCun, Cortes and Burges, "The MNIST database of handwritten digits" (the IDX format).
    """
    import polars as pl

    from modelwright.collection.media import piece_of

    found = [one for one in tree.files if is_idx(one.name)]
    if not found:
        return None
    reader.check(found)
    frames = []
    for one in found:
        pixels = _array(one, reader, n_dimensions=3)
        columns: dict[str, Any] = {"image": pl.Series([png(image) for image in pixels], dtype=pl.Binary)}
        labels = _labels(one, tree, reader, len(pixels))
        if labels is not None:
            columns["label"] = pl.Series(labels).cast(pl.String)
        split = _split_of(one.stem)
        columns["split"] = pl.repeat(split, len(pixels), dtype=pl.String, eager=True)
        frames.append(pl.DataFrame(columns))
    frame = pl.concat(frames, how="diagonal")
    splits = set(frame["split"].unique().to_list())
    if None in splits or len(splits) < 2:
        frame = frame.drop("split")
    notes.decide("images", "PNG", "IDX files hold bare pixels; each is wrapped as a PNG, bit for bit")
    known = (
        Column("label", "category"),
        Column("split", "category", "split", why="the files are named train and test"),
    )
    return piece_of(frame.lazy(), frame.height, "idx", reader, known)


def _split_of(stem: str) -> str | None:
    if stem.startswith("train"):
        return "train"
    return "test" if stem.startswith(("t10k", "test")) else None


def _labels(images: Found, tree: Tree, reader: Reader, n_images: int) -> np.ndarray | None:
    """The labels whose file is named like the images', if there is one."""
    wanted = images.name.replace("images", "labels").replace("image", "label").replace("idx3", "idx1")
    plain = wanted.removesuffix(".gz")
    found = next((one for one in tree.files if one.name.removesuffix(".gz") == plain), None)
    if found is None:
        return None
    labels = _array(found, reader, n_dimensions=1)
    if len(labels) != n_images:
        raise UserError(
            "collection.idx", f"`{found.name}` has {len(labels):,} labels for {n_images:,} images.",
            hint="take both files from one source",
        )  # fmt: skip
    return labels


def _array(found: Found, reader: Reader, n_dimensions: int) -> np.ndarray:
    import numpy as np

    data = _plain_bytes(found.path, reader.around.max_bytes)
    reader.n_bytes += found.n_bytes
    magic = data[:4]
    if len(data) < 4 + 4 * n_dimensions or magic[:3] != b"\0\0\x08" or magic[3] != n_dimensions:
        raise UserError(
            "collection.idx", f"`{found.name}` is no IDX file of bytes in {n_dimensions} dimensions.",
            hint="fetch it again",
        )  # fmt: skip
    shape = struct.unpack(f">{n_dimensions}I", data[4 : 4 + 4 * n_dimensions])
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * n_dimensions)
    if len(values) != np.prod(shape, dtype=np.int64) or not len(values):
        raise UserError(
            "collection.idx", f"`{found.name}` says {shape} and holds {len(values):,} values.",
            hint="it was cut short; fetch it again",
        )  # fmt: skip
    return values.reshape(shape)


def _plain_bytes(path: Path, max_bytes: int) -> bytes:
    with file_errors(path):
        raw = path.read_bytes()
    if not raw.startswith(b"\x1f\x8b"):
        return raw
    try:
        with gzip.open(path) as file:
            data = file.read(max_bytes + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as problem:
        raise UserError(
            "collection.archive", f"`{path}` cannot be opened to its end: {problem}.", hint="fetch it again"
        ) from problem
    if len(data) > max_bytes:
        raise UserError(
            "collection.archive_size", f"`{path}` grows beyond {max_bytes:,} bytes.", hint="raise `max_bytes`"
        )
    return data


def png(pixels: np.ndarray) -> bytes:
    """A grey PNG of uint8 pixels (height, width).

    >>> import numpy as np
    >>> png(np.zeros((2, 3), np.uint8))[:8]
    b'\\x89PNG\\r\\n\\x1a\\n'
    """
    import numpy as np

    height, width = pixels.shape
    lines = np.zeros((height, width + 1), np.uint8)  # each line begins with its filter: 0, none
    lines[:, 1:] = pixels
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return _PNG + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(lines.tobytes(), 6)) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
