"""Pictures with injected damage among untouched and flat ones: how well each score tells them apart.

Pictures: every fourth of BCCD's blood smears, serial sections of a membrane, and tiles cut from scikit-learn's two
photographs. Each is encoded as it is and damaged (a disc of 2.5 to 6 pixels, a movement of 10 to 22, light taken or
given); the untouched ones and sixty drawings of flat colours are the negatives. The score is the method's own, of one
picture by itself; the area under the ROC curve is told set by set, because microscopes are softer than cameras. The
shares flagged are those in a column of the set's untouched pictures with one damaged in ten. Thresholds were set with
these pictures in sight, under other random damage.
"""

from __future__ import annotations

import io
import time
import zipfile

from benchmarks.common import SHARED, bar

KINDS = ("defocus", "motion", "dark", "over-exposed")
GOAL = 0.97
EVERY = 4


def pictures():  # type: ignore[no-untyped-def]
    """(set, picture) of all."""
    from PIL import Image
    from sklearn.datasets import load_sample_images

    for pixels in load_sample_images().images:
        for top in range(0, 427 - 192, 78):
            for left in range(0, 640 - 192, 112):
                yield "photographs", Image.fromarray(pixels[top : top + 192, left : left + 192])
    for name, path, every in (
        ("blood smears", "object_detection/bccd/bccd_voc.zip", EVERY),
        ("sections", "segmentation/membrane/membrane.zip", 1),
    ):  # fmt: skip
        with zipfile.ZipFile(SHARED / path) as archive:
            files = [
                file for file in sorted(archive.namelist()) if file.endswith((".jpg", ".png")) and "label" not in file
            ]
            for file in files[::every]:
                yield name, Image.open(io.BytesIO(archive.read(file))).convert("RGB")


def damaged(image, kind: str, rng):  # type: ignore[no-untyped-def]
    """One picture with one damage, as pixels (float)."""
    import numpy as np
    from scipy.ndimage import convolve

    pixels = np.asarray(image, np.float32)
    if kind == "defocus":
        radius = rng.uniform(2.5, 6)
        reach = int(np.ceil(radius))
        y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    elif kind == "motion":
        length, angle = 2 * int(rng.uniform(5, 11)) + 1, rng.uniform(0, np.pi)
        kernel = np.zeros((length, length))
        for along in np.linspace(-(length - 1) / 2, (length - 1) / 2, 4 * length):
            middle = (length - 1) / 2
            kernel[round(middle + along * np.sin(angle)), round(middle + along * np.cos(angle))] = 1
    elif kind == "dark":
        return pixels * rng.uniform(0.05, 0.15) + rng.normal(0, 1.5, pixels.shape)
    elif kind == "over-exposed":
        return pixels * rng.uniform(3, 5) + 60 + rng.normal(0, 1.5, pixels.shape)
    else:
        return pixels
    blurred = [convolve(pixels[..., channel], kernel / kernel.sum(), mode="nearest") for channel in range(3)]
    return np.stack(blurred, axis=-1) + rng.normal(0, 1.5, pixels.shape)


def flat_ones(rng, n: int = 60):  # type: ignore[no-untyped-def]
    """Drawings of few colours: plain, graded, with noise, with a box or a disc."""
    import numpy as np

    for place in range(n):
        pixels = np.ones((240, 320, 3)) * rng.uniform(60, 200, 3)
        y, x = np.mgrid[:240, :320]
        if place % 6 == 1:
            pixels += np.linspace(-40, 40, 320)[None, :, None]
        elif place % 6 == 2:
            pixels += rng.normal(0, 3, pixels.shape)
        elif place % 6 == 3:
            pixels[60:180, 80:240] = rng.uniform(0, 255, 3)
        elif place % 6 == 4:
            pixels += np.linspace(-30, 30, 240)[:, None, None] + rng.normal(0, 1, pixels.shape)
        elif place % 6 == 5:
            pixels[np.hypot(y - 120, x - 160) < 70] = rng.uniform(0, 255, 3)
        yield pixels


def encoded(pixels, quality: int = 85) -> bytes:  # type: ignore[no-untyped-def]
    """As a JPEG file."""
    import numpy as np
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.clip(np.asarray(pixels) + 0.5, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return file.getvalue()


def score(looks, kind: str) -> float:  # type: ignore[no-untyped-def]
    """The score of one damage: larger is odder; a picture without edges is not blurred."""
    if kind == "dark":
        return 1 - looks.high / 255
    if kind == "over-exposed":
        return float(looks.clipped)
    return 0.0 if looks.sharpness != looks.sharpness else 1 - looks.sharpness


def flagged(untouched: list[bytes], hurt: list[bytes], kind: str) -> tuple[float, float]:
    """Shares of the damaged and of the untouched pictures that are flagged for it, one damaged in ten."""
    import polars as pl

    from modelwright.cleaning.mend import NoSettings
    from modelwright.cleaning.pictures.screening import propose
    from modelwright.core.data import Dataset

    words = {"dark": "is dark", "over-exposed": "is over-exposed|one colour"}.get(kind, "out of focus|smeared")
    n = max(1, len(untouched) // 9)
    hits = 0
    false: set[int] = set()
    for start in range(0, len(hurt), n):
        part = hurt[start : start + n]
        data = Dataset.from_frame(pl.DataFrame({"photo": [*untouched, *part]}))
        flags = propose(data, NoSettings()).flags.filter(pl.col("reason").str.contains(words))
        rows = set(flags["__row__"].to_list())
        hits += sum(row >= len(untouched) for row in rows)
        false |= {row for row in rows if row < len(untouched)}
    return hits / len(hurt), len(false) / len(untouched)


def measure() -> tuple[list[str], list[str]]:
    """The area under the curve for each set and damage, what is flagged, and pictures a second."""
    import numpy as np
    from sklearn.metrics import roc_auc_score

    from modelwright.cleaning.pictures.looking import look

    rng = np.random.default_rng(2)
    sets: dict[str, dict[str, list[bytes]]] = {}
    for name, image in pictures():
        for kind in ("none", *KINDS):
            sets.setdefault(name, {}).setdefault(kind, []).append(encoded(damaged(image, kind, rng)))
    flat = [look(encoded(pixels)) for pixels in flat_ones(rng)]
    lines = [
        "| pictures | n | damage | AUROC | flagged of the damaged | of the untouched |",
        "|---|---|---|---|---|---|",
    ]
    areas: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for name, kinds in sets.items():
        untouched = [look(data) for data in kinds["none"]]
        for kind in KINDS:
            good = [score(looks, kind) for looks in (*untouched, *flat)]
            bad = [score(look(data), kind) for data in kinds[kind]]
            area = roc_auc_score([0] * len(good) + [1] * len(bad), good + bad)
            areas[kind].append(area)
            hit, false = flagged(kinds["none"], kinds[kind], kind)
            lines.append(f"| {name} | {len(untouched)} | {kind} | {area:.3f} | {hit:.0%} | {false:.1%} |")
    files = sets["blood smears"]["none"]
    began = time.process_time()
    for data in files:
        look(data)
    per_s = len(files) / (time.process_time() - began)
    lines += ["", f"{per_s:.0f} pictures of 640 x 480 a second and core, decoding included."]
    blur = [*areas["defocus"], *areas["motion"]]
    return lines, [
        bar("screening, AUROC on blur with flat negatives, sets' mean", float(np.mean(blur)), GOAL, at_least=True),
        bar("screening, AUROC on blur with flat negatives, worst set", float(np.min(blur)), GOAL, at_least=True),
        bar("screening, AUROC on dark and over-exposed, worst set",
            float(np.min([*areas["dark"], *areas["over-exposed"]])), GOAL, at_least=True),
    ]  # fmt: skip
