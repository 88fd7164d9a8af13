"""Made-up data, small and seeded, of the same form as the real sets: enough to see every step work in a minute.

A score on it says that the parts fit together, and nothing of how well a real task would be learned.
"""

from __future__ import annotations

import csv
import json
import math
import random
import wave
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

SEED = 20240229
SHAPES = ("circle", "cross", "square", "triangle")
MORE_SHAPES = (*SHAPES, "arrow", "half", "hexagon", "star")


def write_table(path: Path, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A CSV file with a header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)


# Texts: what customers write, by what they want. Words of other kinds stand in most of them, so that no word decides.

OPENINGS = ("Hello,", "Hi there,", "Good morning,", "To whom it may concern:", "Once more:", "Please help.", "")
WANTS = {
    "refund": ("I want my money back for the {thing}", "when will you pay back the price of my {thing}?",
               "the {thing} was returned, but nothing was paid to my account", "please refund the {thing}"),
    "delivery": ("where is my {thing}?", "the parcel with the {thing} never came",
                 "the tracking of my {thing} has not moved since {day}", "when does the {thing} arrive?"),
    "fault": ("the {thing} stopped working on {day}", "my {thing} does not switch on any more",
              "the {thing} makes a noise and gets hot", "the screen of the {thing} is broken"),
    "praise": ("the {thing} is wonderful", "thank you, the {thing} is just what I wanted",
               "I am very happy with the {thing}", "best {thing} that I ever had"),
}  # fmt: skip
ASIDES = (
    "The parcel came on {day}.", "I paid for it on {day}.", "It worked well before.", "My last {thing} was wonderful.",
    "I do not want my money back.", "The box was not broken.", "Thank you.", "It is for my {who}.", "Order of {day}.",
)  # fmt: skip
THINGS = ("kettle", "lamp", "radio", "toaster", "printer", "camera", "headset", "scale", "heater", "clock")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PEOPLE = ("mother", "son", "neighbour", "office", "daughter")


def texts(folder: Path, n: int = 800) -> None:
    """Messages of customers and what they want; one in twenty is filed under the wrong kind."""
    dice = random.Random(SEED)
    rows = []
    for _ in range(n):
        kind = dice.choice(tuple(WANTS))
        parts = [dice.choice(WANTS[kind]), *dice.sample(ASIDES, dice.randint(1, 2))]
        dice.shuffle(parts)
        said = " ".join((dice.choice(OPENINGS), *parts)).strip()
        said = said.format(thing=dice.choice(THINGS), day=dice.choice(DAYS), who=dice.choice(PEOPLE))
        rows.append((said, dice.choice(tuple(WANTS)) if dice.random() < 0.05 else kind))
    write_table(folder / "texts.csv", ("text", "kind"), rows)


# Pictures


def _corners(shape: str, size: float, turn: float) -> list[tuple[float, float]]:
    """The corners of a shape about (0, 0), turned by an angle."""
    if shape == "cross":
        arm = [(1, 0.3), (0.3, 0.3), (0.3, 1)]
        around = [point for step in range(4) for point in [_turned(x, y, step * math.pi / 2) for x, y in arm]]
    elif shape == "arrow":
        around = [(1, 0), (0, 0.8), (0, 0.3), (-1, 0.3), (-1, -0.3), (0, -0.3), (0, -0.8)]
    elif shape == "half":
        around = [(math.cos(math.pi * k / 12), math.sin(math.pi * k / 12) - 0.4) for k in range(13)]
    elif shape == "star":
        reach = [(1.0, 0.4)[k % 2] for k in range(10)]
        around = [(r * math.cos(math.pi * k / 5), r * math.sin(math.pi * k / 5)) for k, r in enumerate(reach)]
    else:
        n = {"circle": 24, "square": 4, "triangle": 3, "hexagon": 6}[shape]
        around = [(math.cos(2 * math.pi * k / n), math.sin(2 * math.pi * k / n)) for k in range(n)]
    return [_turned(x * size, y * size, turn) for x, y in around]


def _turned(x: float, y: float, turn: float) -> tuple[float, float]:
    return x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)


def _noisy(picture: Any, rng: np.random.Generator, strength: float) -> Any:
    from PIL import Image

    pixels = np.asarray(picture, dtype=np.float32)
    return Image.fromarray(np.clip(pixels + rng.normal(0, strength, pixels.shape), 0, 255).astype(np.uint8))


def pictures(folder: Path, n: int = 1_200, side: int = 32, shapes: Sequence[str] = SHAPES) -> None:
    """Grey pictures of shapes, turned, of several sizes and places, behind noise: `circle/0001.png`, ..."""
    from PIL import Image, ImageDraw

    dice, rng = random.Random(SEED), np.random.default_rng(SEED)
    for index in range(n):
        shape = shapes[index % len(shapes)]
        picture = Image.new("L", (side, side), dice.randrange(40, 120))
        x, y, size = dice.uniform(10, side - 10), dice.uniform(10, side - 10), dice.uniform(5, 10)
        points = [(x + dx, y + dy) for dx, dy in _corners(shape, size, dice.uniform(0, 2 * math.pi))]
        ImageDraw.Draw(picture).polygon(points, fill=dice.randrange(130, 220))
        (folder / shape).mkdir(exist_ok=True)
        _noisy(picture, rng, 25).save(folder / shape / f"{index:04}.png")


def scenes(folder: Path, n: int = 240, side: int = 96) -> None:
    """Coloured pictures with one to five shapes each, and their boxes as `annotations.json` (COCO)."""
    from PIL import Image, ImageDraw

    dice, rng = random.Random(SEED), np.random.default_rng(SEED)
    names = SHAPES[:1] + SHAPES[2:]
    told: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": [], "categories": []}
    told["categories"] = [{"id": number + 1, "name": name} for number, name in enumerate(names)]
    (folder / "images").mkdir()
    for index in range(n):
        file = f"{index:04}.png"
        picture = Image.new("RGB", (side, side), tuple(dice.randrange(60, 120) for _ in range(3)))
        taken: list[tuple[float, float, float]] = []
        for _ in range(dice.randint(1, 5)):
            size = dice.uniform(8, 16)
            x, y = dice.uniform(size, side - size), dice.uniform(size, side - size)
            if any(math.hypot(x - a, y - b) < size + c for a, b, c in taken):
                continue
            taken.append((x, y, size))
            number = dice.randrange(len(names))
            points = [(x + dx, y + dy) for dx, dy in _corners(names[number], size, dice.uniform(0, 2 * math.pi))]
            ImageDraw.Draw(picture).polygon(points, fill=tuple(dice.randrange(130, 250) for _ in range(3)))
            left, top = (min(point[axis] for point in points) for axis in (0, 1))
            right, bottom = (max(point[axis] for point in points) for axis in (0, 1))
            box = [round(value, 1) for value in (left, top, right - left, bottom - top)]
            told["annotations"].append(
                {"id": len(told["annotations"]) + 1, "image_id": index, "category_id": number + 1, "bbox": box}
            )
        _noisy(picture, rng, 12).save(folder / "images" / file)
        told["images"].append({"id": index, "file_name": file, "width": side, "height": side})
    (folder / "annotations.json").write_text(json.dumps(told), encoding="utf-8")


# Sounds

RATE_HZ = 8_000
VOICES = {"ada": 220.0, "ben": 300.0, "cleo": 260.0, "dan": 180.0, "eva": 340.0, "finn": 200.0}
TONES = ("fall", "knock", "rise", "steady", "trill")


def sounds(folder: Path, n_each: int = 14) -> None:
    """Half a second each of five tones by six makers of different pitch, in noise: `rise_ada_3.wav`."""
    rng = np.random.default_rng(SEED)
    for tone in TONES:
        for voice, pitch in VOICES.items():
            for take in range(n_each):
                _write_sound(folder / f"{tone}_{voice}_{take}.wav", _tone(tone, pitch * rng.uniform(0.9, 1.1), rng))


def _tone(kind: str, pitch_hz: float, rng: np.random.Generator) -> np.ndarray:
    n = int(RATE_HZ * rng.uniform(0.4, 0.6))
    t = np.arange(n) / RATE_HZ
    bend = {"rise": 0.6, "fall": -0.6}.get(kind, 0.0) * t / t[-1]
    if kind == "trill":
        bend = 0.25 * np.sign(np.sin(2 * np.pi * rng.uniform(9, 13) * t))
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + bend)) / RATE_HZ
    loud = np.exp(-25 * (t % rng.uniform(0.1, 0.14))) if kind == "knock" else np.ones(n)
    values = sum(np.sin(k * phase) / k for k in (1, 2, 3)) * loud * np.abs(np.sin(np.pi * t / t[-1])) ** 0.3
    return rng.uniform(0.1, 0.5) * values + rng.normal(0, 0.08, n)


def _write_sound(path: Path, values: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((np.clip(values, -1, 1) * 32_767).astype("<i2").tobytes())


# Series


def load(folder: Path, n_days: int = 150) -> None:
    """Hourly: the load of a transformer, the air, and the temperature of its oil `OT`, which follows both slowly."""
    rng = np.random.default_rng(SEED)
    hours = np.arange(24 * n_days)
    weather = np.cumsum(rng.normal(0, 0.35, len(hours)))
    weather -= np.convolve(weather, np.ones(240) / 240, mode="same")
    air = 14 + 5 * np.sin(2 * np.pi * (hours - 9) / 24) + weather
    weekend = (hours // 24) % 7 >= 5
    demand = 10 + 4 * np.sin(2 * np.pi * (hours - 7) / 24) + 2 * np.sin(4 * np.pi * hours / 24) - 3 * weekend
    demand += rng.normal(0, 0.8, len(hours))
    oil = np.empty(len(hours))
    oil[0] = 25.0
    for hour in hours[1:]:
        oil[hour] = oil[hour - 1] + 0.15 * (0.8 * air[hour] + 1.5 * demand[hour] - oil[hour - 1]) + rng.normal(0, 0.2)
    start = datetime(2016, 7, 1)
    rows = (
        (start + timedelta(hours=int(hour)), round(demand[hour], 3), round(air[hour], 2), round(oil[hour], 3))
        for hour in hours
    )
    write_table(folder / "load.csv", ("date", "demand", "air", "OT"), rows)


ACTIVITIES = {"stand": (0.0, 0.05), "walk": (1.8, 0.5), "run": (2.8, 1.1), "stairs": (1.5, 0.6)}


def steps(folder: Path, n_people: int = 12, n_steps: int = 300) -> None:
    """25 rows a second from a sensor at the hip: twelve people, four activities each, one after the other."""
    rng = np.random.default_rng(SEED)
    rows = []
    for person in range(n_people):
        pace, vigour, number = rng.uniform(0.85, 1.15), rng.uniform(0.8, 1.2), 0
        for activity in rng.permutation(list(ACTIVITIES)):
            rate_hz, strength = ACTIVITIES[str(activity)]
            t = np.arange(n_steps) / 25
            swing = 2 * np.pi * rate_hz * pace * t + rng.uniform(0, 2 * np.pi)
            lean = 0.25 * np.sin(swing / 2) if activity == "stairs" else 0 * t
            x = strength * vigour * np.sin(swing) + lean
            y = 0.5 * strength * vigour * np.sin(swing / 2)
            z = 9.8 + 1.5 * strength * vigour * np.abs(np.sin(swing)) + lean
            signal = np.stack([x, y, z], axis=1) + rng.normal(0, 0.3, (n_steps, 3))
            for values in signal.round(3).tolist():
                rows.append((f"person {person + 1}", number, *values, activity))
                number += 1
    write_table(folder / "steps.csv", ("session", "step", "x", "y", "z", "activity"), rows)


# Several inputs, several targets

STREETS = ("quiet", "busy", "leafy", "noisy")
WORDS = {
    "new": ("renovated last year", "everything is new", "modern kitchen", "new windows"),
    "worn": ("needs some love", "ideal for people who like to build", "a roof that wants repair", "original bathroom"),
    "usual": ("well kept", "ready to move in", "tidy rooms", "solid walls"),
}
WORTH = {"new": 60.0, "usual": 0.0, "worn": -50.0}
DISTRICTS = {"North": 1.0, "Harbour": 1.35, "Old Town": 1.6, "Mill Side": 0.8}


def homes(folder: Path, n: int = 500) -> None:
    """Homes with a photo, a description, an area and a district; what they cost, and in which state they are.

    The number of lit windows in the photo tells of the storeys, which only the price knows of otherwise.
    """
    dice, rng = random.Random(SEED), np.random.default_rng(SEED)
    (folder / "photos").mkdir()
    rows = []
    for index in range(n):
        storeys, area = dice.randint(1, 4), round(dice.uniform(40, 180))
        state, district = dice.choice(tuple(WORDS)), dice.choice(tuple(DISTRICTS))
        said = f"{dice.choice(WORDS[state])}, {dice.choice(STREETS)} street, {dice.choice(WORDS[state])}"
        price = (1.8 * area + WORTH[state] + 30 * storeys) * DISTRICTS[district] + dice.gauss(0, 12)
        photo = f"photos/{index:04}.png"
        _noisy(_house(storeys, dice), rng, 12).save(folder / photo)
        rows.append((photo, said, area, district, round(price, 1), state))
    write_table(folder / "homes.csv", ("photo", "description", "area_m2", "district", "price", "state"), rows)


def _house(storeys: int, dice: random.Random) -> Any:
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (32, 32), (120, 160, dice.randrange(180, 230)))
    draw = ImageDraw.Draw(picture)
    left, right, top = dice.randrange(4, 9), dice.randrange(22, 28), 31 - 6 * storeys
    draw.rectangle((left, top, right, 31), fill=(dice.randrange(90, 170), 80, 60))
    for storey in range(storeys):
        for x in range(left + 2, right - 3, 6):
            draw.rectangle((x, top + 2 + 6 * storey, x + 2, top + 4 + 6 * storey), fill=(240, 230, 150))
    return picture
