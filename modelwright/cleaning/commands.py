"""`wright clean`: a table mended beside the one that was given, a page on what was done, and the way back."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.cleaning import keeping
from modelwright.cleaning.base import CleanSpec
from modelwright.cleaning.base import clean as clean_table
from modelwright.cleaning.mend import MendSpec, mend
from modelwright.core import registry
from modelwright.core.codec import decode, encode
from modelwright.core.errors import UserError
from modelwright.core.store import Store, write_atomically

if TYPE_CHECKING:
    from modelwright.cleaning.history import Group, History
    from modelwright.terminal import Terminal

Parser = Callable[..., argparse.ArgumentParser]
ENDINGS = (".csv", ".parquet")
MOST_LISTED, MOST_LETTERS = 30, 110


def clean(arguments: list[str], terminal: Terminal, parser: Parser) -> None:
    """`wright clean`."""
    options_of = parser(
        "clean", "Find what is wrong in a table, put right what is sure, and tell the rest. Writes the mended table "
        "beside the one that was given (never over it), and a page that shows every change with its reason. Each "
        "can be taken back.",
        "wright clean hospital.csv", "wright clean hospital.csv --ask", "wright clean hospital.csv --undo 3 7",
        "wright clean hospital.csv --redo 3", "wright clean hospital.csv --log", usage="wright clean DATA [options]",
    )  # fmt: skip
    _add_options(options_of)
    options = options_of.parse_args(arguments)
    store = Store.open(options.store)
    name = options.name or name_of(options.source)
    if options.undo is not None or options.redo is not None or options.log:
        _look_back(store, name, options, terminal)
    else:
        _clean(store, name, options, terminal)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="DATA", help="a file, pattern, folder, address, database or dataset:NAME")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--gentle", dest="mode", action="store_const", const="gentle", help="do what is sure [this]")
    how.add_argument("--strict", dest="mode", action="store_const", const="strict",
                     help="do what is likely, and remove rows that repeat or are broken")  # fmt: skip
    how.add_argument("--ask", dest="mode", action="store_const", const="ask", help="ask about each group of changes")
    parser.add_argument("--target", metavar="COLUMN", help="the column to be predicted: it is never changed")
    parser.add_argument("--methods", metavar="A,B", default="", help="only these methods [all that fit the table]")
    parser.add_argument("--skip", metavar="A,B", default="", help="leave these methods out")
    parser.add_argument("--out", metavar="FILE", help="the mended table, .csv or .parquet [NAME.clean.csv beside DATA]")
    parser.add_argument("--report", metavar="FILE", help="the page [NAME.clean.html beside the table]")
    parser.add_argument("--name", help="under what name it is remembered [the file's stem]")
    parser.add_argument("--seed", type=int, default=0, help="every random choice follows from it [0]")
    parser.add_argument("--undo", nargs="+", metavar="GROUP", help="take groups of changes back, by number; or all")
    parser.add_argument("--redo", nargs="+", metavar="GROUP", help="put them again, or do what was only offered")
    parser.add_argument("--log", action="store_true", help="list the groups of changes; with --json every change")


def name_of(source: str) -> str:
    """A name made from a source.

    >>> name_of("some/Ames Housing.csv.gz"), name_of("dataset:sales@3")
    ('Ames-Housing', 'dataset-sales-3')
    """
    last = source.rstrip("/").replace("\\", "/").split("/")[-1].split("?")[0]
    stem = last.split(".")[0] if not last.startswith(".") else last.strip(".")
    cleaned = "".join(letter if letter.isalnum() and letter.isascii() or letter in "_-" else "-" for letter in stem)
    return cleaned.strip("-") or "data"


# Cleaning -----------------------------------------------------------------------------------------------------


def _clean(store: Store, name: str, options: argparse.Namespace, terminal: Terminal) -> None:
    collected = registry.get("collection", "collect")(options.source, store=store, watch=terminal.watch)
    out = _output(options, name, collected)
    raw = decode(store, encode(store, collected))
    spec = MendSpec(
        mode=options.mode or "gentle", methods=_names(options.methods), skip=_names(options.skip)
    )  # fmt: skip
    cleaning = CleanSpec(target=options.target)
    asked = _Asked(terminal) if spec.mode == "ask" else None
    mended = mend(raw, spec, cleaning=cleaning, ask=asked, seed=options.seed, watch=terminal.watch)
    plain = {**keeping.keep(store, mended.history), "flags": keeping.keep_flags(store, mended.findings.flags)}
    facts = {
        "source": options.source, "name": name, "out": str(out), "target": options.target, "mode": spec.mode,
        "report": str(Path(options.report) if options.report else out.with_suffix(".html")),
    }  # fmt: skip
    _lay_out(store, name, plain, facts, mended.history, terminal)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _output(options: argparse.Namespace, name: str, collected: Any) -> Path:
    """Where the mended table goes: beside the source, and never over a file that it was read from."""
    sources = [Path(source["name"]) for source in collected.origin.get("sources", ()) if source.get("name")]
    here = [path for path in sources if path.exists()]
    if options.out:
        out = Path(options.out)
    else:
        folder = here[0].parent if here else Path()
        plain = all(
            not dtype.is_nested() and str(dtype) != "Binary" for dtype in collected.table.collect_schema().dtypes()
        )
        text = plain and not any(path.suffix in (".parquet", ".arrow", ".feather") for path in here)
        out = folder / f"{name}.clean{'.csv' if text else '.parquet'}"
    if out.suffix not in ENDINGS:
        raise UserError("mend.output", f"`--out` must end in {' or '.join(ENDINGS)}; got {str(out)!r}.")
    if any(path.resolve() == out.resolve() for path in here):
        raise UserError(
            "mend.output", f"`--out` is {str(out)!r}, which is the table itself: it is never written over.",
            hint=f"for example --out {name}.clean.csv",
        )  # fmt: skip
    return out


def _lay_out(
    store: Store, name: str, plain: dict[str, Any], facts: dict[str, Any], history: History, terminal: Terminal
) -> None:  # fmt: skip
    """Write the table and the page, let the name stand for the history, and tell what was done."""
    from modelwright.cleaning.clean_report import report_page
    from modelwright.cleaning.writing import write_table

    keeping.point(store, name, plain, facts)  # first: what is written below can be made again from it
    out, report = Path(facts["out"]), Path(facts["report"])
    write_table(history.data, out)
    cleaned = clean_table(history.data, CleanSpec(target=facts["target"]))
    flags = keeping.read_flags(store, plain.get("flags", ""))
    page = report_page(history, cleaned, flags=flags, title=name, command=_command(facts), facts=facts)
    write_atomically(report, page.encode())
    _tell(history, flags.height, facts, terminal)


def _command(facts: Mapping[str, Any]) -> str:
    """The line that looks back on this cleaning, as a shell takes it."""
    named = f" --name {shlex.quote(facts['name'])}" if facts["name"] != name_of(facts["source"]) else ""
    return f"wright clean {shlex.quote(facts['source'])}{named}"


def _tell(history: History, n_flags: int, facts: dict[str, Any], terminal: Terminal) -> None:
    if terminal.as_json:
        terminal.emit({
            "stage": "clean", "event": "finished", "n_rows": history.data.n_rows, "n_changed": history.n_active(),
            "n_flags": n_flags, "groups": [_line(history, group) for group in history.groups], **facts,
        })  # fmt: skip
        return
    list_groups(history, terminal)
    flagged = f", {n_flags:,} worth a look" if n_flags else ""
    terminal.text(f"{keeping.told(history)}{flagged}")
    terminal.text(f"table     {facts['out']}")
    terminal.text(f"report    {facts['report']}")
    undo = f"{_command(facts)} --undo 1   |   " if history.groups else ""
    run = f"wright run {shlex.quote(facts['out'])} --target {shlex.quote(facts['target'] or 'COLUMN')}"
    terminal.text(f"next      {undo}{run}")


def _line(history: History, group: Group) -> dict[str, Any]:
    """One group as a plain line."""
    row, before, after, why = group.examples[0]
    return {
        "group": group.number, "column": group.column, "kind": group.kind, "method": group.method, "n": group.n,
        "in_force": history.n_active(group.number), "reason": group.reason, "confidence": [group.low, group.high],
        "example": {"row": row, "before": before, "after": after, "reason": why},
    }  # fmt: skip


def list_groups(history: History, terminal: Terminal) -> None:
    """The groups as a table: number, column, how many, why, an example, how sure, whether in force."""
    rows = []
    for group in history.groups[:MOST_LISTED]:
        rows.append(
            [group.number, group.column or "(rows)", f"{group.n:,}", _cut(f"{group.method}: {group.reason}"),
             _example(group), _sure(group), _state(history, group)]
        )  # fmt: skip
    if rows:
        terminal.table(["group", "column", "n", "what", "example", "sure", "state"], rows)
    if len(history.groups) > MOST_LISTED:
        terminal.text(f"... and {len(history.groups) - MOST_LISTED} more groups: the report has them all")


def _sure(group: Group) -> str:
    from modelwright.shown import percent

    low, high = percent(group.low), percent(group.high)
    return low if low == high else f"{low} to {high}"


def _state(history: History, group: Group) -> str:
    n_active = history.n_active(group.number)
    if n_active == group.n:
        return "removed" if group.kind == "rows" else "mended"
    if n_active:
        return f"{n_active:,} of {group.n:,}"
    return "taken back" if group.applied else "offered"


def _example(group: Group, place: int = 0) -> str:
    row, before, after, _ = group.examples[place]
    if group.kind == "rows":
        return f"row {row}" + (f" repeats row {after}" if after else "")
    if group.kind == "media":
        return f"row {row}"
    return f"{_shown(before)} -> {_shown(after)}"


def _cut(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"


def _shown(cell: str | None) -> str:
    return "nothing" if cell is None else repr(cell if len(cell) <= 40 else f"{cell[:39]}…")


# Looking back -------------------------------------------------------------------------------------------------


def _look_back(store: Store, name: str, options: argparse.Namespace, terminal: Terminal) -> None:
    """List, take back or put again what the last cleaning of a name did."""
    found = keeping.named(store, name)
    plain, facts = found["history"], {key: value for key, value in found.items() if key != "history"}
    history = keeping.read(store, plain)
    if options.undo is None and options.redo is None:
        _list(history, terminal)
        return
    history = history.undo(*_numbers(options.undo or (), history)).redo(*_numbers(options.redo or (), history))
    if options.out:
        facts["out"] = options.out
    if options.report:
        facts["report"] = options.report
    _lay_out(store, name, keeping.keep_state(store, plain, history), facts, history, terminal)


def _list(history: History, terminal: Terminal) -> None:
    if not terminal.as_json:
        list_groups(history, terminal)
        terminal.text(keeping.told(history))
        return
    for group in history.groups:
        for row in history.log(group.number).iter_rows(named=True):
            terminal.emit({"event": "change", **row})


def _numbers(words: Sequence[str], history: History) -> list[int]:
    """Numbers of groups from words: `3`, `2-5`, `all`, or the name of a method or a column."""
    numbers: list[int] = []
    for word in words:
        first, dash, last = word.partition("-")
        named = [group.number for group in history.groups if word in (group.method, group.column)]
        if word == "all":
            numbers += [group.number for group in history.groups]
        elif first.isdecimal() and (last.isdecimal() or not dash):
            numbers += [history.group(number).number for number in range(int(first), int(last or first) + 1)]
        elif named:
            numbers += named
        else:
            raise UserError(
                "mend.group", f"there is no group {word!r} of changes.",
                hint="give numbers, a method, a column or `all`; `wright clean DATA --log` lists them",
            )  # fmt: skip
    return numbers


# Asking -------------------------------------------------------------------------------------------------------


class _Asked:
    """Asks a person about each group; after `all` or `quit` it asks no more."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.answer_for_all: bool | None = None

    def __call__(self, group: Group) -> bool:
        if self.answer_for_all is not None:
            return self.answer_for_all
        say = self.terminal.note
        what = {"cells": "cells", "media": "files", "rows": "whole rows"}[group.kind]
        say(f"\n{group.n:,} {what} of {group.column!r}" if group.column else f"\n{group.n:,} {what} would be removed")
        say(f"  {group.method}: {group.reason}   (sure: {_sure(group)})")
        n_shown = self._show(group, 0, 3)
        while True:
            say("  do it?  yes / no / more / all / quit")
            answer = sys.stdin.readline()
            word = answer.strip().lower()[:1]
            if word == "m":
                n_shown = self._show(group, n_shown, n_shown + 3)
            elif word in ("y", "n"):
                return word == "y"
            elif word in ("a", "q") or not answer:
                self.answer_for_all = word == "a"
                return self.answer_for_all

    def _show(self, group: Group, first: int, last: int) -> int:
        for place in range(first, min(last, len(group.examples))):
            row, _, _, why = group.examples[place]
            self.terminal.note(f"    row {row}: {_example(group, place)}   {why}")
        if first >= len(group.examples):
            self.terminal.note("    the report shows the rest")
        return min(last, len(group.examples))
