"""What the formats share: the rows that have a label, their names, and rows found by name."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError

if TYPE_CHECKING:
    from modelwright.labelling.base import Kind
    from modelwright.labelling.store import Project

_ENDINGS = ((b"\x89PNG", ".png"), (b"\xff\xd8\xff", ".jpg"), (b"GIF8", ".gif"), (b"BM", ".bmp"), (b"II*\x00", ".tif"),
            (b"MM\x00*", ".tif"), (b"RIFF", ".webp"))  # fmt: skip
IMPORTED = "imported"
"""Who said what a file says, where the file names nobody."""


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """One row and its label; `size` is a picture's width and height, `file` a name for it that no other row has."""

    row: int
    name: str
    file: str
    value: Any
    confidence: float
    who: str
    size: tuple[int, int] | None


def labelled_rows(project: Project) -> list[Labelled]:
    """Every row that has a label, by row id."""
    from modelwright.labelling.settle import labels

    files, facts = file_names(project), _facts(project)
    return [
        Labelled(row=row, name=facts[row][0], file=files[row], value=json.loads(value), confidence=confidence, who=who,
                 size=facts[row][1])
        for row, value, confidence, who in labels(project).table.iter_rows()
    ]  # fmt: skip


def _facts(project: Project) -> dict[int, tuple[str, tuple[int, int] | None]]:
    rows = project.rows.execute("SELECT row, name, width, height FROM names")
    return {row: (name, (width, height) if width else None) for row, name, width, height in rows}


def file_names(project: Project) -> dict[int, str]:
    """A file name for each row: its own where that is a plain one which no other row has, else `row_12.png`.

    No name leads out of a folder: what is not a letter, a digit, `.`, `_`, `-` or a space never becomes a part of it.
    """
    names = dict(project.rows.execute("SELECT row, name FROM names").fetchall())
    lasts = {row: name.replace("\\", "/").rsplit("/", 1)[-1] for row, name in names.items()}
    stems = Counter(_stem(last) for last in lasts.values())
    heads = project.rows.execute("SELECT row, substr(data, 1, 8) FROM media WHERE place = 0")
    endings = {row: _ending(bytes(head)) for row, head in heads}
    is_plain = re.compile(r"\w[\w .-]{0,150}\.\w{1,5}").fullmatch
    return {
        row: last if is_plain(last) and stems[_stem(last)] == 1 else f"row_{row}{endings.get(row, '')}"
        for row, last in lasts.items()
    }


def _stem(last: str) -> str:
    return last.rpartition(".")[0].casefold() or last.casefold()


def _ending(head: bytes) -> str:
    return next((ending for start, ending in _ENDINGS if head.startswith(start)), ".png")


def picture_files(project: Project, folder: str) -> dict[str, bytes]:
    """The pictures of all rows that have a label."""
    files = file_names(project)
    rows = [one.row for one in labelled_rows(project)]
    return {f"{folder}{files[row]}": data for row in rows if (data := project.media(row, 0)) is not None}


class Places:
    """Rows by id, by name and by file name; which one a file means."""

    def __init__(self, project: Project) -> None:
        names = project.rows.execute("SELECT row, name, width, height FROM names").fetchall()
        self.project = project
        self.sizes = {row: (width, height) if width else None for row, _, width, height in names}
        self._by_name: dict[str, int | None] = {}
        for row, file in file_names(project).items():
            self._note(file, row)
            self._note(PurePosixPath(file).stem, row)
        for row, name, _, _ in names:
            self._note(name, row)
            self._note(name.replace("\\", "/").rsplit("/", 1)[-1], row)
            self._note(PurePosixPath(name.replace("\\", "/")).stem, row)

    def _note(self, name: str, row: int) -> None:
        known = self._by_name.setdefault(name, row)
        if known != row:
            self._by_name[name] = None  # two rows are called so: neither is meant

    def row(self, given: Any = None, name: str = "") -> int:
        """The row of an id, or of a name; raises `UserError("labelling.import")` when there is none."""
        if isinstance(given, int) and not isinstance(given, bool) and given in self.sizes:
            return given
        for one in (name, name.replace("\\", "/").rsplit("/", 1)[-1], PurePosixPath(name.replace("\\", "/")).stem):
            if (found := self._by_name.get(one)) is not None:
                return found
        told = repr(name[:100]) if name else str(given)[:40]
        raise UserError(
            "labelling.import", f"{told} is no row of {self.project.name}, or several are called so.",
            hint="give row ids, as the project's own exports do",
        )  # fmt: skip

    def size(self, row: int) -> tuple[int, int]:
        """Width and height of a row's picture."""
        found = self.sizes[row]
        if found is None:
            raise UserError("labelling.import", f"the picture of row {row} cannot be read, so its size is not known.")
        return found


def need_kind(project: Project, form: str, *kinds: Kind) -> None:
    """Refuse a kind that a format has no words for."""
    if project.spec.kind not in kinds:
        raise UserError(
            "labelling.format", f"{form} has no words for {project.spec.kind}; it says {', '.join(kinds)}.",
            hint="csv, jsonl and history say everything",
        )  # fmt: skip


def json_of(data: bytes, name: str) -> Any:
    """The JSON of a file; raises `UserError("labelling.import")`."""
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as problem:
        raise UserError("labelling.import", f"{name} is no JSON: {problem}.") from None


def only(files: Mapping[str, bytes], *endings: str) -> tuple[str, bytes]:
    """The one file with one of these endings."""
    found = [(name, data) for name, data in files.items() if name.lower().endswith(endings)]
    if len(found) != 1:
        raise UserError("labelling.import", f"one file {' or '.join(endings)} is needed; there are {len(found)}.")
    return found[0]


def wrong(name: str, why: object) -> UserError:
    """A file that is not what its format says."""
    told = f"`{why.args[0]}` is missing" if isinstance(why, KeyError) and why.args else str(why)
    return UserError("labelling.import", f"{name}: {told[:200]}.", hint="export it again")


def plain_json(value: Any) -> bytes:
    """JSON as it is written: any text, one line."""
    return json.dumps(value, ensure_ascii=True).encode()


def area_of(points: Sequence[Sequence[float]]) -> float:
    """The area of a polygon (the shoelace formula).

    >>> area_of([[0, 0], [4, 0], [4, 3]])
    6.0
    """
    turned = zip(points, [*points[1:], points[0]], strict=True)
    return abs(sum(x * b - a * y for (x, y), (a, b) in turned)) / 2
