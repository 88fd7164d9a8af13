"""One look at a picture: how large, how light, how sharp in each direction, and what it would be recognised by.

A picture is judged at about 640 to 1,280 pixels on its longer side: a large JPEG is decoded at 1/2, 1/4 or 1/8, which
costs a fraction, and blur that is gone at that size harms no model.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.cleaning.media import image_faults
from modelwright.core.optional import need

if TYPE_CHECKING:
    import numpy as np

SIDE = 640  # pixels that the longer side keeps at least
REACH, TOP = 15, 10  # pixels over which an edge may rise; within which it is the steepest place
LEAST_RISE, LEAST_EDGES = 40, 30  # grey levels of an edge that counts; places of them
SHARPER_THAN = 0.95  # of the edges: a picture is as sharp as its sharpest parts, so that a soft background is no blur
WHITE = 250
THUMB = 24


@dataclass(frozen=True, eq=False, slots=True)
class Looks:
    """What one picture looks like; grey levels are 0..255.

    `high` is the 95 % quantile of its grey levels, `spread` the distance of the 1 and 99 % ones, `clipped` the share of
    it that is white (250 and above). `across` and `down` are the share of an edge's height that its steepest pixel
    takes, of edges met going across and down: 1 is a step, 0.3 is soft; NaN where there are no edges. `turned` is its
    EXIF orientation (1 is upright). `mark` are 16 bytes alike for pictures alike, `thumb` the picture as 24 x 24 grey
    pixels.
    """

    width: int
    height: int
    high: float
    spread: float
    clipped: float
    across: float
    down: float
    turned: int
    mark: bytes
    thumb: np.ndarray

    @property
    def sharpness(self) -> float:
        """Of the direction in which the picture is softest; NaN for a picture without edges, which says nothing."""
        import math

        known = [value for value in (self.across, self.down) if not math.isnan(value)]
        return min(known) if known else math.nan

    @property
    def one_way(self) -> float:
        """How many times sharper the picture is in one direction than in the other: movement smears one."""
        import math

        if math.isnan(self.across) or math.isnan(self.down):
            return 1.0
        return max(self.across, self.down) / min(self.across, self.down)


def look(data: bytes) -> Looks | None:
    """Look at an encoded picture; None for one that cannot be opened.

    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("L", (64, 48), 200).save(file, "PNG")
    >>> seen = look(file.getvalue())
    >>> seen.width, seen.height, seen.spread, seen.sharpness
    (64, 48, 0.0, nan)

    Raises UserError `optional.missing` without Pillow.

    Reference: Marziliano et al. (2002), "A no-reference perceptual blur metric", ICIP: the width of edges.
    """
    if image_faults([data])[0][0]:
        return None
    opened = open_grey(data)
    return None if opened is None else _looks(*opened)


def open_grey(data: bytes) -> tuple[Any, tuple[int, int], int] | None:
    """A picture in grey at the size at which it is judged, its full size and its orientation; None when broken."""
    import struct
    import zlib

    picture = need("PIL.Image", extra="deep", why="reading pictures")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with picture.open(io.BytesIO(data)) as image:
                size = image.size
                turned = int(image.getexif().get(0x0112, 1) or 1)
                image.draft("L", (min(size[0], SIDE), min(size[1], SIDE)))
                if image.mode not in ("L", "RGB"):
                    image = _over_white(image)
                grey = image.convert("L")
    except (OSError, ValueError, SyntaxError, struct.error, zlib.error, EOFError, IndexError, KeyError, TypeError):
        return None
    times = max(grey.size) // SIDE
    return (grey.reduce(times) if times > 1 else grey), size, turned if 1 <= turned <= 8 else 1


def _over_white(image: Any) -> Any:
    picture = need("PIL.Image", extra="deep", why="reading pictures")
    if image.mode.startswith(("I", "F")):
        low, high = image.convert("F").getextrema()
        return image.convert("F").point(lambda level: (level - low) * (255 / max(high - low, 1e-9))).convert("L")
    whole = image.convert("RGBA")
    return picture.alpha_composite(picture.new("RGBA", whole.size, "white"), whole).convert("RGB")


def _looks(grey: Any, size: tuple[int, int], turned: int) -> Looks:
    import numpy as np

    levels = np.asarray(grey)
    counts = np.cumsum(np.bincount(levels.ravel(), minlength=256))
    first, high, last = (float(np.searchsorted(counts, share * counts[-1])) for share in (0.01, 0.95, 0.99))
    clipped = 1 - float(counts[WHITE - 1]) / levels.size
    thumb = np.asarray(grey.resize((THUMB, THUMB), 4))  # 4 is Pillow's box filter: the mean of each cell
    across, down = edge_steepness(levels), edge_steepness(np.ascontiguousarray(levels.T))
    return Looks(*size, high, last - first, clipped, across, down, turned, mark_of(grey), thumb)


def edge_steepness(levels: np.ndarray) -> float:
    """The share of an edge's height that its steepest pixel takes, going along the second axis of uint8 (h, w).

    Of all places that are the steepest of their surroundings and belong to an edge of 40 grey levels, the value that
    19 of 20 stay below; NaN for fewer than 30 such places.

    >>> import numpy as np
    >>> step = np.repeat(np.array([[0] * 30 + [200] * 30], np.uint8), 40, axis=0)
    >>> ramp = np.repeat(np.clip(np.arange(60) - 25, 0, 10)[None].astype(np.uint8) * 20, 40, axis=0)
    >>> edge_steepness(step), edge_steepness(ramp) < 0.2
    (1.0, True)
    """
    import numpy as np

    n = levels.shape[1]
    if n < REACH + TOP + 2:
        return float("nan")
    steep = running(levels, 2, np.maximum) - running(levels, 2, np.minimum)  # of pixels i and i + 1
    rise = running(levels, REACH + 1, np.maximum) - running(levels, REACH + 1, np.minimum)
    start = REACH // 2
    middle = steep[:, start : start + rise.shape[1]]
    top = np.zeros_like(middle)
    around = running(steep, TOP + 1, np.maximum)
    left = TOP // 2
    first, last = max(0, left - start), min(middle.shape[1], around.shape[1] + left - start)
    top[:, first:last] = around[:, start - left + first : start - left + last]
    places = (rise >= LEAST_RISE) & (middle == top) & (middle > 0)
    if int(places.sum()) < LEAST_EDGES:
        return float("nan")
    return float(np.quantile(middle[places] / rise[places].astype(np.float32), SHARPER_THAN))


def running(levels: np.ndarray, width: int, best: np.ufunc) -> np.ndarray:
    """The largest (or smallest) of each `width` neighbours along the second axis: shape (h, w - width + 1).

    >>> import numpy as np
    >>> running(np.array([[3, 1, 2, 5]]), 3, np.maximum).tolist()
    [[3, 5]]
    """
    made, have = levels, 1
    while 2 * have <= width:
        made = best(made[:, :-have], made[:, have:])
        have *= 2
    return best(made[:, : made.shape[1] - (width - have)], made[:, width - have :]) if have < width else made


def mark_of(grey: Any) -> bytes:
    """Sixteen bytes that pictures alike have nearly in common: which of two neighbouring fields is lighter.

    >>> from PIL import Image
    >>> one = Image.radial_gradient("L")
    >>> bits = int.from_bytes(mark_of(one)) ^ int.from_bytes(mark_of(one.resize((90, 90))))
    >>> bits.bit_count() < 8
    True

    Reference: Zauner (2010), "Implementation and benchmarking of perceptual image hash functions".
    """
    import numpy as np

    across = np.asarray(grey.resize((9, 8), 4), dtype=np.int16)
    down = np.asarray(grey.resize((8, 9), 4), dtype=np.int16)
    bits = np.concatenate([(across[:, 1:] > across[:, :-1]).ravel(), (down[1:] > down[:-1]).ravel()])
    return np.packbits(bits).tobytes()
