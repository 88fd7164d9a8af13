"""Labels in and out. Every format is one file with `write(labelled, project) -> {file name: bytes}` and `read(files,
project) -> [(row, person, value)]`; what is written is read back as it was."""

from __future__ import annotations

import importlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError, nearest

if TYPE_CHECKING:
    from modelwright.labelling.store import Project

FORMS = {
    "csv": "table", "jsonl": "lines", "history": "history", "label-studio": "label_studio", "coco": "coco",
    "yolo": "yolo", "voc": "voc", "spacy": "spacy",
}  # fmt: skip
_OF_PICTURES = ("coco", "yolo", "voc")
_MOST_BYTES = 2 * 2**30
_MOST_FILES = 2_000_000
_ENDINGS = (".json", ".jsonl", ".csv", ".xml", ".txt", ".yaml", ".yml")


def _module(form: str) -> Any:
    if form not in FORMS:
        raise UserError("labelling.format", f"there is no format {form!r}.", hint=nearest(form, FORMS))
    return importlib.import_module(f"{__name__}.{FORMS[form]}")


def write(project: Project, form: str, *, with_pictures: bool = False) -> dict[str, bytes]:
    """The files of a format, by name: one label a row (`history` and `label-studio`: all that anybody said).

    `with_pictures` adds the pictures themselves, so that the folder can be trained on. Raises
    `UserError("labelling.format")` for a kind that the format cannot say.
    """
    from modelwright.labelling.formats.common import labelled_rows, picture_files

    files: dict[str, bytes] = _module(form).write(labelled_rows(project), project)
    if with_pictures and form in _OF_PICTURES:
        files |= picture_files(project, "images/" if form == "yolo" else "JPEGImages/" if form == "voc" else "")
    return files


def exported(project: Project, form: str) -> tuple[bytes, str, str]:
    """A format as one file: its bytes, its type and a name; several files as a zip."""
    files = write(project, form)
    if len(files) == 1:
        ((name, data),) = files.items()
        kind = "text/csv; charset=utf-8" if name.endswith(".csv") else "application/json"
        return data, kind, f"{project.name}-{name}"
    return zipped(files), "application/zip", f"{project.name}-{form}.zip"


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Files as a zip with the same bytes every time."""
    with io.BytesIO() as made:
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name in sorted(files):
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), files[name])
        return made.getvalue()


def read(project: Project, form: str, path: Path) -> list[tuple[int, str, Any]]:
    """Labels `(row, person, value)` of a file, a zip or a folder; rows are known by id, else by name.

    Raises `UserError` `labelling.import` for a file that cannot be read so, and names the row it cannot place.
    """
    files = _files(path)
    labels: list[tuple[int, str, Any]] = _module(form).read(files, project)
    return labels


def _files(path: Path) -> dict[str, bytes]:
    if path.is_dir():
        found = [one for one in sorted(path.rglob("*")) if one.is_file() and not one.is_symlink()]
        kept = [one for one in found if one.suffix.lower() in _ENDINGS]
        return {one.relative_to(path).as_posix(): one.read_bytes() for one in kept}
    if not path.is_file():
        raise UserError("labelling.import", f"there is no file {str(path)!r}.")
    if not zipfile.is_zipfile(path):
        return {path.name: path.read_bytes()}
    with zipfile.ZipFile(path) as archive:
        members = [one for one in archive.infolist() if not one.is_dir()]
        size = sum(one.file_size for one in members)
        if size > _MOST_BYTES or len(members) > _MOST_FILES or size > 64 * 2**20 and size > 200 * path.stat().st_size:
            raise UserError("labelling.import", f"{path} unpacks to {len(members):,} files of {size:,} bytes.")
        return {one.filename: archive.read(one) for one in members}
