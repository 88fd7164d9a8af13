"""Repairs of pictures: noise taken off, a soft lens undone, a lost block drawn anew. Pixels are float64, 0..255."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.core.optional import need

if TYPE_CHECKING:
    import numpy as np

_WAVELET = "db4"
_FINE = "db2"  # short, so that edges reach few of the coefficients in which noise is measured
LEAST_EVEN = 0.6
N_SHIFTS = 3
DEPTH = 4


def noise_of(levels: np.ndarray) -> float:
    """The deviation of white noise in one channel (h, w), in grey levels, from its finest diagonal wavelets.

    The median of blocks of 16 x 16 coefficients, and of them the first quintile: texture is not everywhere. Where a
    tenth of the blocks have less than 0.6 of that, it is texture, and 0.0 is said.

    >>> import numpy as np
    >>> noisy = 100 + 10 * np.random.default_rng(0).normal(size=(256, 256))
    >>> 9 < noise_of(noisy) < 11
    True

    Reference: Donoho and Johnstone (1994), Biometrika 81(3).
    """
    import numpy as np

    if min(levels.shape) < 32:
        return 0.0
    fine = np.abs(need("pywt", extra="clean", why="wavelets").dwt2(np.array(levels, float), _FINE)[1][2])
    rows, columns = fine.shape[0] // 16 * 16, fine.shape[1] // 16 * 16
    blocks = fine[:rows, :columns].reshape(rows // 16, 16, -1, 16).swapaxes(1, 2).reshape(-1, 256)
    calm, quiet, usual = np.quantile(np.median(blocks, axis=1), [0.1, 0.2, 0.4])
    return float(quiet) / 0.6745 if calm >= LEAST_EVEN * usual else 0.0


def without_noise(levels: np.ndarray, sigma: float, strength: float = 1.0) -> np.ndarray:
    """One channel (h, w) with its small wavelet coefficients shrunk by BayesShrink, averaged over three shifts.

    >>> import numpy as np
    >>> truth = np.repeat(np.repeat(np.array([[50.0, 200.0]]), 64, 0), 64, 1)
    >>> noisy = truth + 12 * np.random.default_rng(0).normal(size=truth.shape)
    >>> bool(np.std(without_noise(noisy, 12.0) - truth) < 6)
    True

    Reference: Chang, Yu and Vetterli (2000), IEEE TIP 9(9).
    """
    import numpy as np

    pywt = need("pywt", extra="clean", why="wavelets")
    depth = max(1, min(DEPTH, pywt.dwt_max_level(min(levels.shape), _WAVELET)))
    total = np.zeros(levels.shape)
    for shift in range(N_SHIFTS):
        turned = np.pad(levels, ((shift, 0), (shift, 0)), mode="reflect")
        parts = pywt.wavedec2(turned, _WAVELET, mode="symmetric", level=depth)
        shrunk = [parts[0], *(tuple(_shrunk(part, sigma, strength) for part in level) for level in parts[1:])]
        back = pywt.waverec2(shrunk, _WAVELET, mode="symmetric")
        total += back[shift : shift + levels.shape[0], shift : shift + levels.shape[1]]
    return total / N_SHIFTS


def _shrunk(part: np.ndarray, sigma: float, strength: float) -> np.ndarray:
    import numpy as np

    signal = max(float(np.mean(part**2)) - sigma**2, 0.0) ** 0.5
    limit = strength * sigma**2 / signal if signal > 1e-9 else float(np.abs(part).max(initial=0.0))
    made: np.ndarray = np.sign(part) * np.maximum(np.abs(part) - limit, 0.0)
    return made


def noise_gain_db(levels: np.ndarray, sigma: float, strength: float, probe: np.ndarray) -> float:
    """The gain that Stein's unbiased estimate of the risk expects of `without_noise`; `probe` is +1 and -1 at random.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> noisy = 100 + 15 * rng.normal(size=(128, 128))
    >>> noise_gain_db(noisy, 15.0, 1.0, rng.choice([-1.0, 1.0], (128, 128))) > 6
    True

    Reference: Ramani, Blu and Unser (2008), "Monte-Carlo SURE", IEEE TIP 17(9).
    """
    import numpy as np

    made, step = without_noise(levels, sigma, strength), 0.1 * sigma
    through = float(np.mean(probe * (without_noise(levels + step * probe, sigma, strength) - made))) / step
    risk = float(np.mean((made - levels) ** 2)) - sigma**2 + 2 * sigma**2 * through
    return float(10 * np.log10(sigma**2 / max(risk, 1e-2 * sigma**2)))


# A soft lens ----------------------------------------------------------------------------------------------------


def blurred(levels: np.ndarray, width: float) -> np.ndarray:
    """One channel through a Gaussian lens of this deviation, in pixels."""
    from scipy.ndimage import gaussian_filter

    made: np.ndarray = gaussian_filter(levels, width, mode="reflect")
    return made


def deblurred(levels: np.ndarray, width: float, noise: float) -> np.ndarray:
    """One channel with a Gaussian lens of deviation `width` undone as far as noise of `noise` grey levels lets it.

    Wiener's filter, for a picture whose power falls with the square of the frequency; edges are reflected.

    >>> import numpy as np
    >>> truth = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((16, 16))) * 150.0
    >>> soft = blurred(truth, 2.0)
    >>> bool(np.mean((deblurred(soft, 2.0, 0.5) - truth) ** 2) < 0.6 * np.mean((soft - truth) ** 2))
    True

    Reference: Wiener (1949); Hansen, Nagy and O'Leary (2006), Deblurring Images, for reflected edges.
    """
    import numpy as np
    from scipy.fft import dctn, idctn

    middle = float(levels.mean())
    across = np.pi * np.arange(levels.shape[1]) / levels.shape[1]
    down = np.pi * np.arange(levels.shape[0]) / levels.shape[0]
    squared = down[:, None] ** 2 + across[None] ** 2
    lens = np.exp(-0.5 * width**2 * squared)
    # natural pictures: power over frequency to the second, of the same variance as this one
    shape = 1.0 / np.maximum(squared, squared[squared > 0].min())
    power = shape * float(levels.var()) * levels.size / max(float((shape * lens**2).sum()), 1e-12)
    wiener = lens * power / (lens**2 * power + noise**2)
    made: np.ndarray = idctn(dctn(levels - middle, norm="ortho") * wiener, norm="ortho") + middle
    return made


def deblurring_gain_db(levels: np.ndarray, width: float, noise: float, rng: np.random.Generator) -> float:
    """What undoing the lens gains where the truth is known: this picture, softened once more by the same lens.

    >>> import numpy as np
    >>> truth = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((16, 16))) * 150.0
    >>> deblurring_gain_db(truth, 2.0, 0.5, np.random.default_rng(0)) > 2
    True
    """
    import numpy as np

    noise = max(noise, 0.5)
    soft = blurred(levels, width) + noise * rng.normal(size=levels.shape)
    back = np.clip(deblurred(soft, width, noise), 0, 255)
    return float(10 * np.log10(np.mean((soft - levels) ** 2) / max(float(np.mean((back - levels) ** 2)), 1e-9)))


# Lost blocks ----------------------------------------------------------------------------------------------------


def lost_blocks(pixels: np.ndarray) -> list[tuple[slice, slice]]:
    """Upright rectangles of exactly one colour in a picture (h, w, c) that has none elsewhere: blocks that were lost.

    At least 8 x 8 pixels and at most a quarter of the picture, cut out sharply on every side that has a neighbour. A
    picture with more than half of even surface elsewhere, or more than 16 such blocks, is a drawing and has none.

    >>> import numpy as np
    >>> picture = np.random.default_rng(0).integers(60, 200, (64, 64, 3)).astype(float)
    >>> picture[16:32, 8:40] = 128
    >>> lost_blocks(picture)
    [(slice(16, 32, None), slice(8, 40, None))]
    """
    import numpy as np
    from scipy.ndimage import find_objects, label

    h, w = pixels.shape[:2]
    same = np.zeros((h, w), bool)
    across = (np.diff(pixels, axis=1) == 0).all(axis=-1)
    down = (np.diff(pixels, axis=0) == 0).all(axis=-1)
    even = across[:-1] & across[1:] & down[:, :-1] & down[:, 1:]  # 2 x 2 of one colour
    for top in (0, 1):
        for left in (0, 1):
            same[top : h - 1 + top, left : w - 1 + left] |= even
    areas, n = label(same)
    found, covered = [], 0
    for number, place in enumerate(find_objects(areas), start=1):
        inside = areas[place] == number
        height, width = inside.shape
        if (
            min(height, width) >= 8
            and inside.mean() > 0.98
            and height * width <= 0.25 * h * w
            and _cut_out(pixels, place)
        ):
            found.append(place)
            covered += height * width
    elsewhere = (int(same.sum()) - covered) / (h * w)
    return found if found and len(found) <= 16 and elsewhere < 0.5 else []


def _cut_out(pixels: np.ndarray, place: tuple[slice, slice]) -> bool:
    """Whether a rectangle differs sharply from what lies beyond each of its sides."""
    import numpy as np

    rows, columns = place
    colour = pixels[rows.start, columns.start]
    beyond = []
    if rows.start > 0:
        beyond.append(pixels[rows.start - 1, columns])
    if rows.stop < pixels.shape[0]:
        beyond.append(pixels[rows.stop, columns])
    if columns.start > 0:
        beyond.append(pixels[rows, columns.start - 1])
    if columns.stop < pixels.shape[1]:
        beyond.append(pixels[rows, columns.stop])
    return bool(beyond) and all(float(np.abs(side - colour).mean()) > 8 for side in beyond)


def inpainted(pixels: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """A picture (h, w, c) with the pixels of `hole` (bool, (h, w)) drawn anew from what surrounds them, smoothly.

    The surface that bends least through the pixels around it (biharmonic), one sparse system for all of the hole.

    >>> import numpy as np
    >>> ramp = np.add.outer(np.arange(20.0), 2 * np.arange(20.0))[..., None]
    >>> hole = np.zeros((20, 20), bool)
    >>> hole[6:12, 7:13] = True
    >>> bool(np.allclose(inpainted(np.where(hole[..., None], 0, ramp), hole), ramp))
    True

    Reference: Damelin and Hoang (2018), "On surface completion and image inpainting by biharmonic functions".
    """
    import numpy as np
    from scipy.ndimage import binary_dilation, find_objects, label

    made = pixels.copy()
    areas, _ = label(binary_dilation(hole, iterations=2))
    for number, place in enumerate(find_objects(areas), start=1):
        rows, columns = (slice(max(0, part.start - 2), part.stop + 2) for part in place)
        here = hole[rows, columns] & (areas[rows, columns] == number)
        made[rows, columns] = _filled(made[rows, columns], here)
    clipped: np.ndarray = np.clip(made, 0, 255)
    return clipped


def _filled(pixels: np.ndarray, hole: np.ndarray) -> np.ndarray:
    import numpy as np
    from scipy.sparse import coo_matrix, identity, kron
    from scipy.sparse.linalg import spsolve

    def second(n: int):  # type: ignore[no-untyped-def]
        inner = np.arange(n)
        rows = np.r_[inner, inner[1:], inner[:-1]]
        columns = np.r_[inner, inner[:-1], inner[1:]]
        weights = np.r_[np.where((inner == 0) | (inner == n - 1), -1.0, -2.0), np.ones(2 * (n - 1))]
        return coo_matrix((weights, (rows, columns)), shape=(n, n)).tocsr()

    h, w = hole.shape
    bend = kron(second(h), identity(w)) + kron(identity(h), second(w))
    stiff = (bend @ bend).tocsr()
    unknown, known = np.flatnonzero(hole), np.flatnonzero(~hole)
    flat = pixels.reshape(h * w, -1).astype(float)
    right = -stiff[unknown][:, known] @ flat[known]
    flat[unknown] = np.asarray(spsolve(stiff[unknown][:, unknown].tocsc(), right)).reshape(len(unknown), -1)
    return flat.reshape(pixels.shape)


def inpainting_psnr_db(pixels: np.ndarray, block: tuple[slice, slice], rng: np.random.Generator) -> float:
    """How well blocks of the same size elsewhere in the picture, whose truth is known, are drawn anew (PSNR, middle of
    five); 0.0 where there is no room."""
    import numpy as np

    height, width = block[0].stop - block[0].start, block[1].stop - block[1].start
    h, w = pixels.shape[:2]
    lost = np.zeros((h, w), bool)
    lost[block] = True
    if h <= height + 4 or w <= width + 4:
        return 0.0
    scores = []
    for _ in range(20):
        top, left = int(rng.integers(2, h - height - 1)), int(rng.integers(2, w - width - 1))
        place = (slice(top, top + height), slice(left, left + width))
        if lost[max(0, top - 3) : top + height + 3, max(0, left - 3) : left + width + 3].any():
            continue
        hole = np.zeros((h, w), bool)
        hole[place] = True
        error = float(np.mean((inpainted(pixels, hole)[place] - pixels[place]) ** 2))
        scores.append(10 * np.log10(255**2 / max(error, 1e-6)))
        if len(scores) == 5:
            break
    return float(np.median(scores)) if scores else 0.0
