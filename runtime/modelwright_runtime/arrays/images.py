"""Encoded pictures to pixels: uint8 (n, height, width, channels).

Settings: `height`, `width` (pixels), `channels` (1 grey or 3 red, green, blue), `fit`: `stretch` to the size, `pad`
(the whole picture in the middle, black around it) or `crop` (the middle of the picture fills the size).

A picture is turned as its EXIF orientation says; what is transparent shows white; 16-bit samples are divided by 257.
It is resized by Pillow's bilinear filter with support (`reducing_gap=2`); a JPEG far larger than its size is
decoded at 1/2, 1/4 or 1/8. Of an animation the first frame is taken. At most `MAX_PIXELS` pixels are decoded: the
size stands in a file's first bytes and is looked at before. Reference: Exif 2.32, tag 0x0112; Pillow's handbook.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from modelwright_runtime.errors import UserError
from modelwright_runtime.reading import CellError
from modelwright_runtime.signature import ArrayInput

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 50_000_000
FORMATS = {"PNG": "Png", "JPEG": "Jpeg", "GIF": "Gif", "BMP": "Bmp", "TIFF": "Tiff", "WEBP": "WebP", "PPM": "Ppm"}
"""What is opened, and the module of Pillow's that reads it."""
_BROKEN = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, struct.error,
    zlib.error, OverflowError, ZeroDivisionError, MemoryError, NotImplementedError, RuntimeError, AssertionError,
    UserWarning,
)  # fmt: skip
"""What Pillow's decoders raise over damaged files; they share no base of their own."""
_ORIENTATION = 0x0112
_WIDE = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")


def row_shape(input: ArrayInput) -> tuple[int, ...]:
    """(height, width, channels)."""
    settings = input.settings
    return (int(settings["height"]), int(settings["width"]), int(settings["channels"]))


def make(input: ArrayInput, columns: Mapping[str, Sequence[Any]], unreadable: Any) -> np.ndarray:
    """Pixels of one column; black where missing."""
    column = input.columns[0]
    cells = columns[column]
    made = np.zeros((len(cells), *row_shape(input)), dtype=np.uint8)
    for row, cell in enumerate(cells):
        if cell is None:
            continue
        try:
            made[row] = pixels(cell, input.settings)
        except CellError as problem:
            unreadable(row, column, str(problem))
    return made


def pixels(data: bytes, settings: Mapping[str, Any]) -> np.ndarray:
    """One picture as uint8 (height, width, channels). Raises `CellError` when it is broken or too large."""
    height, width, channels = int(settings["height"]), int(settings["width"]), int(settings["channels"])
    image = opened(data)
    turn = _orientation(image)
    size = (height, width) if turn >= 5 else (width, height)
    try:
        image = _resized(image, size, str(settings.get("fit", "stretch")), channels)
        image = _turned(image, turn)
        if image.size != (width, height):
            image = _padded(image, (width, height))
        return np.asarray(image).reshape(height, width, channels)
    except _BROKEN as problem:
        raise CellError(f"the picture is broken: {_reason(problem)}") from None


def opened(data: bytes) -> Image.Image:
    """The picture with its head read and nothing decoded; refuses what is no picture, or one of too many pixels."""
    pillow = pillow_module()
    try:
        image = pillow.open(io.BytesIO(data), formats=tuple(FORMATS))
    except pillow.UnidentifiedImageError:
        raise CellError(f"no picture that can be opened ({', '.join(FORMATS)}), or a broken one") from None
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning):
        raise CellError(f"a picture of more than {MAX_PIXELS:,} pixels") from None
    except _BROKEN as problem:
        raise CellError(f"the picture is broken: {_reason(problem)}") from None
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise CellError(f"a picture of {width:,} x {height:,} pixels; at most {MAX_PIXELS:,} are opened")
    if not width * height:
        raise CellError("a picture without pixels")
    return cast("Image.Image", image)


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height in pixels as it is shown (turned by its EXIF orientation), without decoding it.

    Raises `CellError` for what is no picture.
    """
    image = opened(data)
    width, height = image.size
    return (height, width) if _orientation(image) >= 5 else (width, height)


def is_grey(data: bytes) -> bool:
    """Whether a picture has no colour: by its mode, or because all its pixels are grey."""
    image = opened(data)
    if image.mode in ("1", "L", "LA", *_WIDE):
        return True
    if image.mode == "CMYK":
        return False
    shown = pixels(data, {"height": 32, "width": 32, "channels": 3})
    return bool((shown.max(axis=2) - shown.min(axis=2)).max() <= 2)  # JPEG rounds


def decode_mask(data: bytes, size: tuple[int, int], fit: str = "stretch") -> np.ndarray:
    """A mask's grey values (of a palette: its numbers) at (height, width), uint8, each the nearest of the original.

    It goes the way of the picture it belongs to; what `pad` puts around it is 0. Raises `CellError`.
    """
    image = opened(data)
    turn = _orientation(image)
    try:
        image.load()
        if image.mode != "P":
            image = _eight_bits(image).convert("L")
        image = _turned(image, turn)
        left, top, wide, high = placed(image.size, {"height": size[0], "width": size[1], "fit": fit})
        across, down = image.size[0] / wide, image.size[1] / high
        rows = np.floor((np.arange(size[0]) + 0.5 - top) * down).astype(int)
        columns = np.floor((np.arange(size[1]) + 0.5 - left) * across).astype(int)
        values = np.asarray(image)
    except _BROKEN as problem:
        raise CellError(f"the mask is broken: {_reason(problem)}") from None
    inside = (rows >= 0) & (rows < values.shape[0]), (columns >= 0) & (columns < values.shape[1])
    made: np.ndarray = values[np.clip(rows, 0, values.shape[0] - 1)][:, np.clip(columns, 0, values.shape[1] - 1)]
    return np.where(inside[0][:, None] & inside[1][None, :], made, 0).astype(np.uint8)


def placed(size: tuple[int, int], settings: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """Where a picture of (width, height) lies in the network's own: left, top, width, height in its pixels.

    Boxes and masks go the same way as the picture: x in the network is `left + x * width_there / width_of_picture`.

    >>> placed((200, 100), {"width": 32, "height": 32, "fit": "pad"})
    (0.0, 8.0, 32.0, 16.0)
    >>> placed((200, 100), {"width": 32, "height": 32, "fit": "crop"})
    (-16.0, 0.0, 64.0, 32.0)
    """
    width, height = int(settings["width"]), int(settings["height"])
    fit = settings.get("fit", "stretch")
    if fit == "stretch":
        return 0.0, 0.0, float(width), float(height)
    if fit == "pad":
        inner_width, inner_height = _inside(size, (width, height))
        return (
            float((width - inner_width) // 2), float((height - inner_height) // 2),
            float(inner_width), float(inner_height),
        )  # fmt: skip
    scale = max(width / size[0], height / size[1])
    whole = size[0] * scale, size[1] * scale
    return (width - whole[0]) / 2, (height - whole[1]) / 2, whole[0], whole[1]


def _inside(size: tuple[int, int], frame: tuple[int, int]) -> tuple[int, int]:
    """The largest size of the same shape within a frame."""
    scale = min(frame[0] / size[0], frame[1] / size[1])
    return max(1, min(frame[0], round(size[0] * scale))), max(1, min(frame[1], round(size[1] * scale)))


def _resized(image: Image.Image, frame: tuple[int, int], fit: str, channels: int) -> Image.Image:
    """The picture at the size it takes in the frame, as `L` or `RGB`; not turned yet, not padded."""
    pillow = pillow_module()
    size = _inside(image.size, frame) if fit == "pad" else frame
    whole = image.size
    box = (0.0, 0.0, float(whole[0]), float(whole[1]))
    if fit == "crop":
        scale = max(frame[0] / whole[0], frame[1] / whole[1])
        wide, high = frame[0] / scale, frame[1] / scale
        left, top = max(0.0, (whole[0] - wide) / 2), max(0.0, (whole[1] - high) / 2)
        box = (left, top, min(whole[0], left + wide), min(whole[1], top + high))
    share = max(size[0] / (box[2] - box[0]), size[1] / (box[3] - box[1]))
    image.draft("L" if channels == 1 else None, (int(whole[0] * share * 2) + 1, int(whole[1] * share * 2) + 1))
    image.load()
    across, down = image.size[0] / whole[0], image.size[1] / whole[1]  # after a draft the picture is smaller
    image = _eight_bits(image)
    box = (box[0] * across, box[1] * down, min(image.size[0], box[2] * across), min(image.size[1], box[3] * down))
    if size != image.size or box != (0.0, 0.0, *image.size):
        image = image.resize(size, pillow.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    if image.mode in ("LA", "RGBA"):
        ground = pillow.new("RGB", image.size, (255, 255, 255))
        ground.paste(image, mask=image.getchannel("A"))
        image = ground
    mode = "L" if channels == 1 else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Any mode as `L`, `LA`, `RGB` or `RGBA`."""
    if image.mode in ("L", "LA", "RGB", "RGBA"):
        return image
    if image.mode in _WIDE:
        narrow = _scaled(np.asarray(image).astype(np.float64), image.mode == "F")
        return cast("Image.Image", pillow_module().fromarray(narrow))
    if image.mode == "1":
        return image.convert("L")
    has_alpha = image.mode in ("PA", "La", "RGBa") or "transparency" in image.info
    return image.convert("RGBA" if has_alpha else "RGB")


def _scaled(values: np.ndarray, is_float: bool) -> np.ndarray:  # noqa: FBT001
    """Samples of more than 8 bits as uint8. 16 bits are divided by 257, larger ones by their own range; fractions
    are taken for 0..1, then for 0..255."""
    values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    largest = float(values.max(initial=0.0))
    if is_float:
        factor = 255.0 if largest <= 1.0 else min(1.0, 255.0 / largest)
    else:
        factor = 1.0 / 257.0 if largest <= 65_535 else 255.0 / largest
    return np.clip(np.rint(values * factor), 0, 255).astype(np.uint8)


def _orientation(image: Image.Image) -> int:
    """1 to 8; 1 where nothing is said, or nonsense."""
    try:
        turn = image.getexif().get(_ORIENTATION, 1)
    except _BROKEN:
        return 1
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def _turned(image: Image.Image, turn: int) -> Image.Image:
    if turn == 1:
        return image
    how = pillow_module().Transpose
    steps = {
        2: how.FLIP_LEFT_RIGHT, 3: how.ROTATE_180, 4: how.FLIP_TOP_BOTTOM, 5: how.TRANSPOSE,
        6: how.ROTATE_270, 7: how.TRANSVERSE, 8: how.ROTATE_90,
    }  # fmt: skip
    return image.transpose(steps[turn])


def _padded(image: Image.Image, frame: tuple[int, int]) -> Image.Image:
    ground = cast("Image.Image", pillow_module().new(image.mode, frame))
    ground.paste(image, ((frame[0] - image.size[0]) // 2, (frame[1] - image.size[1]) // 2))
    return ground


def _reason(problem: BaseException) -> str:
    words = str(problem).strip().splitlines()
    return (words[0][:120].rstrip(".") if words else "") or type(problem).__name__


@cache
def pillow_module() -> Any:
    """Pillow with the readers of FORMATS, and no others: some start programs of their own."""
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise UserError(
            "rows.media", "pictures need the package `pillow`, which is not installed.",
            hint='pip install "modelwright-runtime[media]"',
        ) from None  # fmt: skip
    for reader in FORMATS.values():
        import_module(f"PIL.{reader}ImagePlugin")
    return Image
