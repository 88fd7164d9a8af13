"""Labelling in the terminal: a text or the cells of a row, and one key and Enter for its class."""

from __future__ import annotations

import sys
import time
import uuid
from typing import TextIO

from modelwright.core.errors import UserError
from modelwright.labelling.lessons import Pupil, follow, is_due
from modelwright.labelling.stats import progress
from modelwright.labelling.store import Project
from modelwright.labelling.tasks import Desk

_MOST_LETTERS = 4_000


def label_here(project: Project, person: str, *, read: TextIO = sys.stdin, write: TextIO = sys.stdout) -> int:
    """Ask about rows until there are none, or `q`, or the input ends; how many labels were kept.

    Raises `UserError("labelling.terminal")` for kinds that need a picture, a sound or a mouse.
    """
    if project.spec.kind not in ("text", "pairs"):
        raise UserError(
            "labelling.terminal", f"the terminal shows texts, pairs and tables, not {project.spec.kind}.",
            hint="leave out --terminal: the page shows it",
        )  # fmt: skip
    desk, past, n_kept = Desk(project), list[int](), 0
    pupil = Pupil(project) if project.spec.order == "teaching" else None
    n_known = -1
    row: int | None = None
    _line(write, "number or name of the class and Enter; s skips, z takes back, q ends")
    try:
        while True:
            if row is None:
                if pupil is not None and is_due(project, n_known):
                    lesson = pupil.learn()
                    follow(desk, lesson)
                    n_known = lesson.n_labels
                with project.transaction():
                    row = next(iter(desk.give(person, 1)), None)
            if row is None:
                _line(write, "nothing is left to label")
                break
            began = time.monotonic()
            said = _asked(project, row, person, read, write)
            if said is None or said == "q":
                break
            took_s = round(time.monotonic() - began, 2)
            value = _class(project, said)
            with project.transaction():
                if said == "z":
                    if past:
                        row = past.pop()
                        n_kept -= desk.undo(person, row, key=uuid.uuid4().hex) is not None
                elif said == "s":
                    desk.skip(person, row, key=uuid.uuid4().hex, took_s=took_s)
                    past.append(row)
                    row = None
                elif value is None:
                    _line(write, f"{said!r} is no class")
                else:
                    desk.label(person, row, value, key=uuid.uuid4().hex, took_s=took_s)
                    past.append(row)
                    row, n_kept = None, n_kept + 1
    finally:
        with project.transaction():
            desk.free(time.time(), person=person)
    return n_kept


def _asked(project: Project, row: int, person: str, read: TextIO, write: TextIO) -> str | None:
    task, told = project.payload(row), progress(project, person)
    _line(write, f"\n-- row {row}, {told['mine'] + 1} of {told['rows'] - told['gold']} " + "-" * 40)
    for cell in task["main"]:
        _line(write, _safe("" if cell is None else str(cell)))
    for name, text in task["more"]:
        _line(write, f"   {_safe(name)}: {_safe(text)}")
    classes = "   ".join(f"{number} {_safe(name)}" for number, name in enumerate(project.spec.classes, start=1))
    write.write(f"{classes} > ")
    write.flush()
    line = read.readline()
    return line.strip() if line else None


def _class(project: Project, said: str) -> str | None:
    classes = project.spec.classes
    if said in classes:
        return said
    return classes[int(said) - 1] if said.isdecimal() and 0 < int(said) <= len(classes) else None


def _line(write: TextIO, text: str) -> None:
    write.write(f"{text}\n")


def _safe(text: str) -> str:
    """Text without what a terminal would obey: escape sequences and other control characters."""
    shown = "".join(
        letter if letter.isprintable() or letter in "\n\t" else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    return shown if len(shown) <= _MOST_LETTERS else f"{shown[:_MOST_LETTERS]} ... ({len(text):,} letters)"
