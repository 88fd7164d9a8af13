"""The data of the deep examples: from a path of yours, or a small generated stand-in.

    python examples/deep/make.py NAME [SOURCE]

fills `examples/deep/NAME/data`, which the recipe beside it reads. Without SOURCE the stand-in of `stand_in.py` is
drawn, the same bytes every time. With it, what was there before is replaced.
"""

from __future__ import annotations

import gzip
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import stand_in

HERE = Path(__file__).parent
MOST_PICTURES = {"train": 6_000, "t10k": 2_000}
"""Of MNIST so many are taken: two cores then need a few minutes."""
PICTURES_EACH = 10
"""Of a class that is learned from few pictures."""


def make(name: str, source: str | Path | None = None, folder: Path | None = None) -> Path:
    """Fill the folder of one example (by default the one its recipe reads) and give it back."""
    if name not in EXAMPLES:
        raise SystemExit(f"there is no example {name!r}; there are {', '.join(EXAMPLES)}")
    folder = folder or HERE / name / "data"
    draw, take = EXAMPLES[name]
    source = None if source is None else Path(source).expanduser()
    if source is not None and not source.exists():
        raise SystemExit(f"there is nothing at {source}")
    shutil.rmtree(folder, ignore_errors=True)
    unfinished = folder.with_name(folder.name + ".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    if source is None:
        draw(unfinished)
    else:
        take(source, unfinished)
    if not any(unfinished.iterdir()):
        unfinished.rmdir()
        raise SystemExit(f"nothing in {source} is what the example {name!r} reads: see examples/deep/README.md")
    unfinished.rename(folder)
    return folder


def take_questions(source: Path, folder: Path) -> None:
    """TREC's `train` and `test` (a number, then the question on each line) as one table."""
    rows = []
    for path in sorted(source.iterdir()) if source.is_dir() else [source]:
        split = "test" if "test" in path.name else "train"
        if ".txt" in path.name or ".all" in path.name:
            for line in read(path).decode("latin-1").splitlines():
                kind, _, question = line.partition(" ")
                rows.append((question, KINDS_OF_QUESTION.get(kind, kind), split))
    if rows:
        stand_in.write_table(folder / "texts.csv", ("text", "kind", "split"), rows)


KINDS_OF_QUESTION = {"0": "description", "1": "entity", "2": "abbreviation", "3": "person", "4": "place", "5": "number"}


def take_pictures(source: Path, folder: Path) -> None:
    """IDX files (MNIST and its like) as `train/3/00017.png`; of a folder of folders of pictures, a copy."""
    from PIL import Image

    found = sorted(source.glob("*images*idx3-ubyte*"))
    for path in found:
        pixels = read(path)
        labels = read(next(source.glob(path.name.replace("images", "labels").replace("idx3", "idx1"))))[8:]
        height, width = (int.from_bytes(pixels[at : at + 4], "big") for at in (8, 12))
        part = "t10k" if path.name.startswith(("t10k", "test")) else "train"
        for index, label in enumerate(labels[: MOST_PICTURES[part]]):
            start = 16 + index * height * width
            picture = Image.frombytes("L", (width, height), pixels[start : start + height * width])
            place = folder / ("test" if part == "t10k" else "train") / str(label)
            place.mkdir(parents=True, exist_ok=True)
            picture.save(place / f"{index:05}.png")
    if not found:
        copy(source, folder)


def take_some_pictures(source: Path, folder: Path) -> None:
    """Half of the classes as `many/`; of the others ten pictures each as `few/train/`, the rest as `few/test/`."""
    take_pictures(source, folder / "all")
    part_pictures(folder)


def part_pictures(folder: Path) -> None:
    """Part the pictures of `all/`, folders of folders by class, into `many/` and `few/`."""
    by_class: dict[str, list[Path]] = {}
    for path in sorted((folder / "all").rglob("*.png")):
        by_class.setdefault(path.parent.name, []).append(path)
    names = sorted(by_class)
    for name in names:
        for index, path in enumerate(by_class[name]):
            known = name in names[: len(names) // 2]
            place = "many" if known else "few/train" if index < PICTURES_EACH else "few/test"
            (folder / place / name).mkdir(parents=True, exist_ok=True)
            path.rename(folder / place / name / f"{path.parent.parent.name}-{path.name}")
    shutil.rmtree(folder / "all")


def draw_some_pictures(folder: Path) -> None:
    """Eight shapes: four with many pictures, four with few."""
    (folder / "all").mkdir()
    stand_in.pictures(folder / "all", n=1_600, shapes=stand_in.MORE_SHAPES)
    part_pictures(folder)


def take_steps(source: Path, folder: Path) -> None:
    """`.ts` files of the UCR and UEA archive, one session a case, as a long table: one row a step."""
    rows: list[tuple[str, ...]] = []
    n_sessions, n_dimensions = 0, 0
    for path in sorted(source.glob("*.ts*")) if source.is_dir() else [source]:
        lines = [line for line in read(path).decode().splitlines() if line and line[0] not in "@#"]
        for line in lines:
            *dimensions, label = line.split(":")
            n_dimensions, n_sessions = len(dimensions), n_sessions + 1
            steps = zip(*(dimension.split(",") for dimension in dimensions), strict=True)
            rows += [(f"s{n_sessions}", str(step), *values, label) for step, values in enumerate(steps)]
    if rows:
        names = ("session", "step", *(f"sensor_{index + 1}" for index in range(n_dimensions)), "activity")
        stand_in.write_table(folder / "steps.csv", names, rows)


def take_load(source: Path, folder: Path) -> None:
    """ETTh1 or a table of yours with the columns `date` and `OT`, as it is."""
    path = next(iter(sorted(source.glob("*.csv*"))), source) if source.is_dir() else source
    (folder / "load.csv").write_bytes(read(path))


def copy(source: Path, folder: Path) -> None:
    """A folder, what a zip holds (plain files below the folder only), or one file."""
    path = next(iter(source.glob("*.zip")), source) if source.is_dir() else source
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
    elif path.is_dir():
        shutil.copytree(path, folder, dirs_exist_ok=True)
    else:
        shutil.copy(path, folder)


def take_sounds(source: Path, folder: Path) -> None:
    """The sounds of a folder or zip, side by side: their names say what and who (`7_anna_3.wav`)."""
    copy(source, folder / "all")
    for path in sorted((folder / "all").rglob("*.wav")):
        path.rename(folder / path.name)
    shutil.rmtree(folder / "all")


def read(path: Path) -> bytes:
    """The bytes of a file, plain or gzipped."""
    found = path.read_bytes()
    return gzip.decompress(found) if found.startswith(b"\x1f\x8b") else found


EXAMPLES: dict[str, tuple[Callable[[Path], None], Callable[[Path, Path], None]]] = {
    "text": (stand_in.texts, take_questions),
    "image": (stand_in.pictures, take_pictures),
    "audio": (stand_in.sounds, take_sounds),
    "forecast": (stand_in.load, take_load),
    "sensor": (stand_in.steps, take_steps),
    "detection": (stand_in.scenes, copy),
    "several": (stand_in.homes, copy),
    "transfer": (draw_some_pictures, take_some_pictures),
}


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit(f"usage: python {sys.argv[0]} {{{','.join(EXAMPLES)}}} [SOURCE]")
    print(f"made {make(*sys.argv[1:])}")
