"""Repairs of pictures, offered beside the original and only where a measured criterion says that they help."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from modelwright.cleaning.findings import Findings
from modelwright.cleaning.mend import Method
from modelwright.cleaning.pictures import restoring
from modelwright.cleaning.pictures.columns import cells_of, picture_columns
from modelwright.cleaning.pictures.looking import Looks, look
from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.optional import need
from modelwright.core.rng import stream
from modelwright.core.spec import Spec
from modelwright.core.values import Watch

if TYPE_CHECKING:
    import numpy as np

NAME = "picture_repair"
MOST_PIXELS = 4_000_000  # of a picture that is repaired; larger ones are turned only
LEAST_NOISE, LEAST_GAIN_DB = 6.0, 2.0  # grey levels; of denoising
SOFT, ONE_WAY = 0.36, 1.4
LEAST_DEBLURRING_DB = 1.0
LEAST_PSNR_DB = 20.0
QUALITY = 95


class RepairSpec(Spec):
    """Which repairs are offered."""

    turn: bool = Field(True, description="pictures that their EXIF orientation turns: stored upright")
    denoise: bool = Field(True, description="white noise of six grey levels and more")
    inpaint: bool = Field(True, description="lost blocks: rectangles of one colour in a photograph")
    deblur: bool = Field(True, description="pictures out of focus")


@dataclass(frozen=True, eq=False)
class Repaired:
    """The picture encoded anew, why, and how sure it is that this helps."""

    data: bytes
    reason: str
    confidence: float


def propose(data: Dataset, spec: RepairSpec, *, seed: int = 0, watch: Watch | None = None) -> Findings:
    """Propose pictures upright, without noise, with lost blocks drawn anew, in focus: one proposal for each picture.

    Each repair has its criterion: turning is exact; denoising gains 2 dB by Stein's estimate of the risk; blocks of the
    same size elsewhere in the picture are drawn anew with 20 dB; undoing the lens gains 1 dB on this picture softened
    once more. A picture that is turned is turned first and repaired another
    time. None but turning is surer than 0.85, so none other is done unasked; whether a soft picture was meant
    to be soft cannot be measured, so that undoing is offered with less than 0.5 and never done by a mode.

    >>> import io, numpy as np, polars as pl
    >>> from PIL import Image
    >>> noisy = 120 + 20 * np.random.default_rng(0).normal(size=(64, 64))
    >>> file = io.BytesIO()
    >>> Image.fromarray(noisy.astype(np.uint8)).save(file, "PNG")
    >>> found = propose(Dataset.from_frame(pl.DataFrame({"photo": [file.getvalue()]})), RepairSpec())
    >>> found.media["reason"][0].startswith("has noise of ")
    True

    Raises UserError `optional.missing` without Pillow or PyWavelets.

    Reference: see `restoring`.
    """
    import polars as pl

    said: list[tuple[object, ...]] = []
    for name in picture_columns(data):
        for row, cell in cells_of(data, name):
            found = repaired(cell, spec, seed)
            if found is not None:
                said.append((row, name, found.data, NAME, found.reason, found.confidence))
    media = pl.DataFrame(said, schema=Findings.of().media.schema, orient="row").sort("column", ROW_ID)
    return Findings.of(media=media)


def repaired(cell: bytes, spec: RepairSpec, seed: int = 0) -> Repaired | None:
    """One encoded picture with what helps it; None where nothing does, or it cannot be opened."""
    import numpy as np

    looks = look(cell)
    if looks is None:
        return None
    opened = _opened(cell)
    if opened is None:
        return None
    image, form = opened
    profile = image.info.get("icc_profile")
    reasons, sure = [], 1.0
    if spec.turn and looks.turned != 1:
        ops = need("PIL.ImageOps", extra="deep", why="reading pictures")
        image = ops.exif_transpose(image)
        reasons, sure = [f"is stored turned (EXIF orientation {looks.turned})"], 0.97
    elif image.mode in ("L", "RGB") and image.width * image.height <= MOST_PIXELS and min(image.size) >= 32:
        pixels, said, how = _restored(np.asarray(image, dtype=np.float64), looks, spec, seed)
        if said:
            picture = need("PIL.Image", extra="deep", why="reading pictures")
            image = picture.fromarray(np.clip(pixels + 0.5, 0, 255).astype(np.uint8).squeeze())
            reasons, sure = said, how
    if not reasons:
        return None
    return Repaired(_encoded(image, form, profile), "; ".join(reasons), sure)


def _opened(cell: bytes) -> tuple[Any, str] | None:
    picture = need("PIL.Image", extra="deep", why="reading pictures")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = picture.open(io.BytesIO(cell))
        if getattr(image, "n_frames", 1) > 1:
            return None
        image.load()
    return image, str(image.format)


def _encoded(image: Any, form: str, profile: bytes | None) -> bytes:
    """As a JPEG where it was one, else as PNG, which loses nothing; upright, so without its orientation."""
    file = io.BytesIO()
    if form == "JPEG":
        image.save(file, "JPEG", quality=QUALITY, subsampling=0, icc_profile=profile)
    else:
        image.save(file, "PNG", icc_profile=profile)
    return file.getvalue()


def _restored(pixels: np.ndarray, looks: Looks, spec: RepairSpec, seed: int) -> tuple[np.ndarray, list[str], float]:
    """The pixels with what helps, the reasons, and how sure the least sure of them is."""
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    reasons: list[str] = []
    sure = 1.0
    for asked, repair in ((spec.inpaint, _inpainted), (spec.denoise, _denoised), (spec.deblur, _deblurred)):
        made = repair(pixels, looks, seed) if asked else None
        if made is not None:
            pixels, reason, how = made
            reasons.append(reason)
            sure = min(sure, how)
    return pixels, reasons, sure


_Made = tuple["np.ndarray", str, float]


def _inpainted(pixels: np.ndarray, looks: Looks, seed: int) -> _Made | None:
    import numpy as np

    blocks = restoring.lost_blocks(pixels)
    if not blocks:
        return None
    rng = stream(seed, NAME, "inpaint")
    least = min(restoring.inpainting_psnr_db(pixels, block, rng) for block in blocks)
    if least < LEAST_PSNR_DB:
        return None
    hole = np.zeros(pixels.shape[:2], bool)
    for block in blocks:
        hole[block] = True
    reason = f"has {len(blocks)} lost blocks; such blocks elsewhere are drawn anew with {least:.0f} dB"
    return restoring.inpainted(pixels, hole), reason, min(0.85, 0.5 + (least - LEAST_PSNR_DB) / 50)


def _denoised(pixels: np.ndarray, looks: Looks, seed: int) -> _Made | None:
    import numpy as np

    grey = pixels.mean(axis=-1)
    sigmas = [restoring.noise_of(pixels[..., channel]) for channel in range(pixels.shape[-1])]
    sigma = restoring.noise_of(grey)
    if max(sigmas) < LEAST_NOISE or sigma <= 0 or min(sigmas) <= 0:
        return None
    probe = stream(seed, NAME, "probe").choice(np.array([-1.0, 1.0]), size=grey.shape)
    gains = {strength: restoring.noise_gain_db(grey, sigma, strength, probe) for strength in (0.6, 1.0, 1.5)}
    strength = max(gains, key=lambda strength: gains[strength])
    if gains[strength] < LEAST_GAIN_DB:
        return None
    channels = [restoring.without_noise(pixels[..., place], one, strength) for place, one in enumerate(sigmas)]
    reason = f"has noise of {max(sigmas):.0f} grey levels; taking it off gains about {gains[strength]:.1f} dB"
    return np.stack(channels, axis=-1), reason, min(0.85, 0.5 + gains[strength] / 30)


def _deblurred(pixels: np.ndarray, looks: Looks, seed: int) -> _Made | None:
    import numpy as np

    if not looks.sharpness < SOFT or looks.one_way >= ONE_WAY or max(looks.width, looks.height) >= 1280:
        return None
    width = 0.4 / looks.sharpness  # the steepest pixel of a step through a Gaussian lens takes 0.4 / width of it
    grey = pixels.mean(axis=-1)
    noise = max(restoring.noise_of(grey), 1.0)
    gain = restoring.deblurring_gain_db(grey, width, noise, stream(seed, NAME, "deblur"))
    if gain < LEAST_DEBLURRING_DB:
        return None
    channels = [restoring.deblurred(pixels[..., place], width, noise) for place in range(pixels.shape[-1])]
    reason = (
        f"is out of focus by about {width:.1f} pixels; undoing that gains {gain:.1f} dB on itself softened once more"
    )
    return np.stack(channels, axis=-1), reason, min(0.45, 0.3 + gain / 30)


MEND = Method(
    name=NAME, about="Pictures stored upright, without noise, with lost blocks drawn anew, in focus.", propose=propose,
    kinds=("image",), spec=RepairSpec,
)  # fmt: skip
