"""The `.ts` files of the UCR and UEA archive: one case a line, its dimensions parted by colons, the class last."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.collection.media import piece_of
from modelwright.collection.scratch import file_errors
from modelwright.core.data import Column
from modelwright.core.errors import UserError

if TYPE_CHECKING:
    from modelwright.collection.media import Reader
    from modelwright.collection.piece import Notes, Piece
    from modelwright.collection.tree import Found, Tree

_NAME = re.compile(r"\.ts(\.gz)?$")
_SPLIT = re.compile(r"[_-](train|test)\.ts(\.gz)?$", re.IGNORECASE)
_TIMED = re.compile(r"\(([^,()]+),([^()]*)\)")


def read_ts(tree: Tree, reader: Reader, notes: Notes) -> Piece | None:
    """Rows of `dim_0`, `dim_1`, ... (lists of numbers, NaN where a step is missing) and `label`; of a pair of files
    named _TRAIN and _TEST also `split`. None when the tree has no `.ts` file.

    Raises `collection.ts` with file and line. Reference: the format of the aeon and sktime libraries, of Bagnall et
    al. (2018), "The UEA multivariate time series classification archive".
    """
    import polars as pl

    found = [one for one in tree.files if _NAME.search(one.name)]
    if not found or not any("\n@" in f"\n{_text(one.path, one.name, reader)[:65536]}" for one in found[:2]):
        return None  # films and programs end in .ts too
    reader.n_bytes = 0
    reader.check(found)
    frames = []
    for one in found:
        frame = _read_file(one, reader, notes)
        said = _SPLIT.search(one.name)
        frames.append(frame.with_columns(pl.lit(said.group(1).lower() if said else None, pl.String).alias("split")))
    if len({frame.width for frame in frames}) > 1:
        raise UserError(
            "collection.ts", f"the .ts files of `{reader.name}` have different numbers of dimensions.",
            hint="name the files of one problem by a pattern, such as 'GunPoint_*.ts'",
        )  # fmt: skip
    whole = pl.concat(frames, how="diagonal")
    splits = set(whole["split"].to_list())
    if None in splits or len(splits) < 2:
        whole = whole.drop("split")
    known = (
        Column("label", "category"),
        Column("split", "category", "split", why="the files are named TRAIN and TEST"),
    )
    return piece_of(whole.lazy(), whole.height, "ts", reader, known)


def _read_file(found: Found, reader: Reader, notes: Notes) -> Any:
    import polars as pl

    header: dict[str, str] = {}
    rows: list[list[list[float]]] = []
    labels: list[str | None] = []
    in_data = False
    for number, raw in enumerate(_text(found.path, found.name, reader).splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith(("#", "%")):
            continue
        if line.startswith("@") and not in_data:
            word, _, value = line[1:].partition(" ")
            header[word.lower()] = value.strip().lower()
            in_data = word.lower() == "data"
            continue
        if not in_data:
            raise _wrong(found.name, number, "it has no header that begins with @")
        parts = line.split(":") if "(" not in line else _timed_parts(line)
        if header.get("classlabel", "false").startswith("true") or header.get("targetlabel", "").startswith("true"):
            labels.append(parts.pop().strip())
        rows.append([_numbers(part, found.name, number) for part in parts])
        if len(rows[-1]) != len(rows[0]):
            raise _wrong(found.name, number, f"{len(rows[-1])} dimensions where the first line has {len(rows[0])}")
    if not rows:
        raise _wrong(found.name, 0, "it holds no case")
    columns = {
        f"dim_{index}": pl.Series([row[index] for row in rows], dtype=pl.List(pl.Float64))
        for index in range(len(rows[0]))
    }
    if labels:
        columns["label"] = pl.Series(labels, dtype=pl.String)
    return pl.DataFrame(columns)


def _wrong(name: str, line: int, why: str) -> UserError:
    where = f", line {line:,}" if line else ""
    return UserError("collection.ts", f"`{name}`{where}: {why}.", hint="fetch it again, or mend that line")


def _timed_parts(line: str) -> list[str]:
    """The dimensions of a line whose steps are written (time,value): the values alone, in the order of the line.

    >>> _timed_parts("(0,1.5),(1,2.5):walk")
    ['1.5,2.5', 'walk']
    """
    parts = []
    for part in re.split(r":(?![^()]*\))", line):
        steps = _TIMED.findall(part)
        parts.append(",".join(value for _, value in steps) if steps else part)
    return parts


def _numbers(text: str, name: str, line: int) -> list[float]:
    try:
        return [float("nan") if cell.strip() in ("?", "") else float(cell) for cell in text.split(",")]
    except ValueError as problem:
        raise _wrong(name, line, str(problem)) from None


def _text(path: Path, name: str, reader: Reader) -> str:
    with file_errors(path):
        raw = path.read_bytes()
    reader.n_bytes += len(raw)
    if raw.startswith(b"\x1f\x8b"):
        try:
            with gzip.open(path) as file:
                raw = file.read(reader.around.max_bytes + 1)
        except (gzip.BadGzipFile, EOFError, zlib.error) as problem:
            raise UserError(
                "collection.archive", f"`{name}` cannot be opened to its end: {problem}.", hint="fetch it again"
            ) from problem
        if len(raw) > reader.around.max_bytes:
            raise UserError(
                "collection.archive_size", f"`{name}` grows beyond {reader.around.max_bytes:,} bytes.",
                hint="raise `max_bytes`",
            )  # fmt: skip
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
