"""Pictures: what is odd about each, which show the same, and repairs that help."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import polars as pl
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter, uniform_filter1d

from modelwright.cleaning.mend import MendSpec, NoSettings, mend
from modelwright.cleaning.pictures import restoring
from modelwright.cleaning.pictures.looking import look
from modelwright.cleaning.pictures.repairing import RepairSpec, repaired
from modelwright.cleaning.pictures.repairing import propose as repair
from modelwright.cleaning.pictures.screening import propose as screen
from modelwright.core import registry
from modelwright.core.data import ROW_ID, Dataset
from modelwright.testing.mending import check_mending


@cache
def photograph(number: int = 0) -> np.ndarray:
    """A tile of one of scikit-learn's two photographs."""
    from sklearn.datasets import load_sample_images

    top, left = 60 * (number % 3) + 40, 90 * (number % 5)
    tile = load_sample_images().images[number % 2][top : top + 224, left : left + 256]
    return np.asarray(tile, float)


def encoded(pixels: np.ndarray, form: str = "PNG", **settings: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.clip(np.asarray(pixels) + 0.5, 0, 255).astype(np.uint8)).save(file, form, **settings)
    return file.getvalue()


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), float)


def column(*files: bytes | None) -> Dataset:
    return Dataset.from_frame(pl.DataFrame({"photo": pl.Series(files, dtype=pl.Binary)}))


def reasons(*files: bytes | None) -> dict[int, str]:
    return dict(screen(column(*files), NoSettings()).flags.select(ROW_ID, "reason").iter_rows())


def usual() -> list[bytes]:
    return [encoded(photograph(number)) for number in range(12)]


def psnr(made: np.ndarray, truth: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((np.clip(made, 0, 255) - truth) ** 2)))


@pytest.mark.parametrize("name", ["pictures", "picture_repair"])
def test_the_suite_of_mending(name: str) -> None:
    noisy = photograph() + 25 * np.random.default_rng(0).normal(size=photograph().shape)
    turned = Image.Exif()
    turned[0x0112] = 6
    files = [*usual(), encoded(noisy), encoded(photograph(), "JPEG", exif=turned), usual()[3][:900], None, b"", b"text"]
    files += [encoded(photograph(5), "JPEG", quality=60), encoded(gaussian_filter(photograph(2), (3, 3, 0)))]
    frame = pl.DataFrame({"photo": pl.Series(files, dtype=pl.Binary), "n": range(len(files))})
    check_mending(registry.get("mending", name), [("pictures", frame)])


# Screening ------------------------------------------------------------------------------------------------------


def test_blurred_pictures_are_told_apart_by_how() -> None:
    defocused = encoded(gaussian_filter(photograph(1), (3, 3, 0)))
    smeared = encoded(uniform_filter1d(photograph(0), 19, axis=1))
    found = reasons(*usual(), defocused, smeared)
    assert found[12] == "is blurred: out of focus"
    assert found[13].startswith("is smeared in one direction")


def test_flat_pictures_and_drawings_are_not_blurred() -> None:
    shade = np.add.outer(np.linspace(60, 160, 200), np.zeros(200))[..., None].repeat(3, axis=2)
    box = np.full((200, 200, 3), 90.0)
    box[50:120, 60:150] = (240, 220, 40)
    noise = 120 + 3 * np.random.default_rng(0).normal(size=(200, 200, 3))
    found = reasons(*usual(), encoded(shade), encoded(box), encoded(noise), encoded(np.full((200, 200, 3), 77)))
    assert set(found) == {15} and found[15] == "shows one colour only"


def test_a_column_of_soft_pictures_is_not_flagged_as_a_whole() -> None:
    soft = [encoded(gaussian_filter(photograph(number), (2, 2, 0))) for number in range(12)]
    softer = encoded(gaussian_filter(photograph(4), (6, 6, 0)))
    found = reasons(*soft, softer)
    assert len(found) <= 2 and found[12].startswith("is blurred")


def test_dark_light_tiny_and_odd_shapes() -> None:
    first = photograph()
    found = reasons(
        *usual(), encoded(first * 0.1), encoded(first * 4 + 90), encoded(photograph(1)[100:112, 120:132]),
        encoded(first[:64]), encoded(np.rot90(photograph(3)).copy()),
    )  # fmt: skip
    assert [found[row].split(":")[0] for row in (12, 13, 14, 15, 16)] == [
        "is dark", "is over-exposed, or on white", "is tiny", "has an odd shape", "may be turned",
    ]  # fmt: skip
    assert len(found) == 5


def test_pictures_that_show_the_same_are_proposed_to_go() -> None:
    first = photograph(2)
    again = encoded(first, "JPEG", quality=55)
    image = Image.fromarray(first.astype(np.uint8))
    smaller = encoded(np.asarray(image.resize((180, 158))))
    brighter = encoded(first * 1.1 + 8)
    mirrored, shifted = encoded(first[:, ::-1]), encoded(photograph(3))
    files = [*usual(), again, smaller, brighter, mirrored, shifted, encoded(first)]
    found = screen(column(*files), NoSettings()).rows.select(ROW_ID, "twin_of").rows()
    assert found == [(12, 2), (13, 2), (14, 2)]  # 17 and 16 are the same files as 2 and 3: cleaning removes those


def test_large_pictures_are_judged_at_the_size_at_which_they_are_used() -> None:
    large = Image.fromarray(photograph().astype(np.uint8)).resize((2560, 2240), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    large.save(file, "JPEG", quality=90)
    seen = look(file.getvalue())
    assert seen is not None and (seen.width, seen.height) == (2560, 2240)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "I", "F"])
def test_pictures_of_every_mode_are_looked_at(mode: str) -> None:
    image = Image.radial_gradient("L")
    image = Image.new(mode, (256, 256)) if mode in ("I;16", "F", "CMYK") else image.convert(mode)
    file = io.BytesIO()
    image.save(file, "TIFF")
    assert look(file.getvalue()) is not None
    assert repaired(file.getvalue(), RepairSpec()) is None or mode in ("L", "1")


# Repairs --------------------------------------------------------------------------------------------------------


def test_a_turned_picture_is_stored_upright_unasked_and_comes_back() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    data = column(*usual()[:5], encoded(photograph(), "JPEG", quality=98, exif=turned))
    made = mend(data, MendSpec(methods=("picture_repair",)))
    upright = Image.open(io.BytesIO(made.data.frame["photo"][5]))
    assert upright.size == (224, 256) and upright.getexif().get(0x0112, 1) == 1
    assert psnr(np.rot90(np.asarray(upright, float), 1), photograph()) > 30
    assert made.data.frame["photo"][:5].equals(data.frame["photo"][:5])
    assert made.history.undo_all().data.frame.equals(data.frame)


def test_noise_is_taken_off_where_that_helps() -> None:
    rng = np.random.default_rng(1)
    for number in range(3):
        noisy = photograph(number) + 22 * rng.normal(size=photograph(number).shape)
        made = repaired(encoded(noisy), RepairSpec())
        assert made is not None and made.reason.startswith("has noise of") and made.confidence < 0.95
        assert psnr(decoded(made.data), photograph(number)) > psnr(noisy, photograph(number)) + 1.5
    assert repair(column(*usual()), RepairSpec()).n_found == 0


def test_lost_blocks_are_drawn_anew() -> None:
    smooth = gaussian_filter(np.random.default_rng(0).normal(size=(160, 160, 3)), (6, 6, 0))
    truth = np.clip(128 + 900 * smooth + np.random.default_rng(1).normal(size=smooth.shape), 0, 255)
    damaged = truth.copy()
    damaged[48:64, 80:112] = 128
    made = repaired(encoded(damaged), RepairSpec(deblur=False))
    assert made is not None and made.reason.startswith("has 1 lost blocks") and made.confidence < 0.95
    assert psnr(decoded(made.data), truth) > psnr(damaged, truth) + 6
    assert repaired(encoded(damaged), RepairSpec(deblur=False, inpaint=False)) is None


def test_boxes_of_a_drawing_are_not_lost() -> None:
    drawing = np.full((120, 160, 3), 240.0)
    drawing[20:50, 20:70], drawing[60:100, 90:140] = (200, 30, 30), (20, 20, 160)
    assert restoring.lost_blocks(drawing) == []


def test_a_soft_picture_gains_and_its_gain_is_measured_before() -> None:
    rng = np.random.default_rng(2)
    sharp = np.kron(rng.integers(0, 2, (16, 16)), np.ones((12, 12)))[..., None].repeat(3, axis=2) * 140 + 50
    soft = gaussian_filter(sharp, (2, 2, 0)) + rng.normal(size=sharp.shape)
    made = repaired(encoded(soft), RepairSpec())
    assert made is not None and "out of focus" in made.reason and made.confidence < 0.5  # may be meant to be soft
    assert psnr(decoded(made.data), sharp) > psnr(soft, sharp) + 1


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_broken_pictures_say_nothing(kept: float) -> None:
    whole = encoded(photograph())
    assert look(whole[: int(kept * len(whole))]) is None
    assert repaired(whole[: int(kept * len(whole))], RepairSpec()) is None
