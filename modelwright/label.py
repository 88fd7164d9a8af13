"""`wright label`: where collected rows, a labelling project and a model meet, as in `lifecycle.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError

if TYPE_CHECKING:
    import argparse

    from modelwright.core.data import Dataset
    from modelwright.labelling import LabelSpec, Person, Project
    from modelwright.operating.commands import Parser
    from modelwright.terminal import Terminal

FORMS = ("csv", "jsonl", "history", "label-studio", "coco", "yolo", "voc", "spacy")
_ENDINGS = {".csv": "csv", ".jsonl": "jsonl", ".json": "label-studio", ".zip": "coco"}
_ORDERS = ("random", "given", "teaching", "uncertain")


def label(arguments: list[str], terminal: Terminal, parser: Parser) -> None:
    """`wright label`."""
    options = _options(parser).parse_args(arguments)
    from modelwright.labelling import open_project
    from modelwright.labelling.store import projects

    name = options.name or _name_of(options.data)
    is_new = name not in projects(options.store)
    if not is_new and options.kind and Path(options.data).exists() and not options.name:
        terminal.note(f"{name!r} is there already: going on with it (--name begins another)")
    if is_new and options.kind is None and (options.export or options.import_ or options.status):
        open_project(options.store, name)  # tells which projects there are
    project = _create(options, name, terminal) if is_new else open_project(options.store, name)
    try:
        _act(options, project, terminal, is_new=is_new)
    finally:
        project.close()


def _options(parser: Parser) -> argparse.ArgumentParser:
    from modelwright.labelling.base import KINDS

    made = parser(
        "label", "Label rows in the browser, alone or as a team, or in the terminal. DATA begins a project; its "
        "name goes on with it. Labels flow back by row id: `labels: NAME` in a recipe trains on them.",
        "wright label mails.csv --as text --classes spam,ham", "wright label photos/ --as boxes --classes cat,dog",
        "wright label mails --team people.yaml --overlap 2", "wright label mails --export labels.csv",
        "wright run mails.csv --labels mails",
    )  # fmt: skip
    made.add_argument("data", metavar="DATA", help="any source that `run` takes, or the name of a project")
    made.add_argument("--as", dest="kind", choices=KINDS, help="what a row is and what is asked of it")
    made.add_argument("--classes", metavar="A,B,C", help="the classes, in the order of their keys; or a file of lines")
    made.add_argument("--name", help="names the project [the file's stem]")
    made.add_argument("--target", metavar="COLUMN", help="the column that the labels give [label]")
    made.add_argument("--columns", metavar="A,B", help="what is labelled (two for pairs) [found by looking]")
    made.add_argument("--show", metavar="A,B", help="what else is shown of a row [every short column]")
    made.add_argument("--guidelines", metavar="FILE.md", help="what annotators read beside the task")
    made.add_argument("--gold", metavar="FILE", help="rows whose label is known (.csv: row or file, label): mixed in")
    made.add_argument("--overlap", type=int, metavar="N", help="how many people label each row [1]")
    made.add_argument(
        "--order", choices=_ORDERS,
        help="which rows come first; teaching: those that teach a model most, as labels come; uncertain: those that "
        "the model of --suggest is least sure of [random]",
    )  # fmt: skip
    made.add_argument(
        "--suggest", metavar="MODEL", help="a package's name or file, whose answer is shown as a suggestion"
    )
    made.add_argument("--team", metavar="FILE.yaml", help="people and roles: `ada: owner`, `ben: annotator`")
    made.add_argument("--host", default="127.0.0.1", help="another than loopback is reached by other machines")
    made.add_argument("--port", type=int, default=0, help="0 takes a free one [0]")
    made.add_argument("--terminal", action="store_true", help="label texts and tables here, without a browser")
    made.add_argument("--status", action="store_true", help="how far it is, who did what, how well people agree")
    made.add_argument("--export", metavar="FILE", help="write the labels; a folder gets the pictures too")
    made.add_argument("--import", dest="import_", metavar="FILE", help="take in labels, as their people's words")
    made.add_argument("--format", choices=FORMS, help="of --export and --import [by the file's ending]")
    return made


def _act(options: argparse.Namespace, project: Project, terminal: Terminal, *, is_new: bool) -> None:
    if options.suggest:
        _suggest(options, project, terminal)
    if options.import_:
        from modelwright.labelling.formats import read
        from modelwright.labelling.tasks import keep_labels

        given = read(project, _form(options, options.import_), Path(options.import_))
        n_new = keep_labels(project, given, origin=Path(options.import_).name)
        _tell(terminal, f"{n_new:,} labels taken in, {len(given) - n_new:,} were there", kept=n_new, read=len(given))
    elif options.export:
        _export(options, project, terminal)
    elif options.status:
        _status(project, terminal)
    elif options.terminal:
        from modelwright.labelling.by_terminal import label_here

        n_labels = label_here(project, _people(options)[0].name)
        _tell(terminal, f"{n_labels:,} labels kept; next: wright label {project.name} --status", kept=n_labels)
    else:
        _serve(options, project, terminal)


def _name_of(source: str) -> str:
    from modelwright.recipe import data_of, name_of

    return name_of(data_of(source))


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text else ()


# Beginning ------------------------------------------------------------------------------------------------------


def _create(options: argparse.Namespace, name: str, terminal: Terminal) -> Project:
    from modelwright.labelling import create

    if options.kind is None:
        from modelwright.labelling.store import projects

        known = projects(options.store)
        hint = f"projects: {', '.join(known)}" if known else "wright label mails.csv --as text --classes spam,ham"
        raise UserError(
            "labelling.kind", f"what is asked of each row of {options.data!r}? Say it with --as.", hint=hint
        )
    data = _collected(options.data)
    spec = _spec(options)
    project = create(
        data, spec, store=options.store, name=name, gold=_gold(options.gold, data, spec), watch=terminal.watch
    )
    from modelwright.core.store import write_atomically

    write_atomically(project.folder / "source.json", json.dumps({"source": options.data}).encode())
    shown = ", ".join(project.spec.columns) or "every column"
    terminal.note(f"{name}: {project.n_rows:,} rows to label, of which {shown} is shown; kept in {project.folder}")
    return project


def _collected(source: str) -> Dataset:
    from modelwright.collection.base import collect
    from modelwright.recipe import data_of

    return collect(data_of(source))


def _spec(options: argparse.Namespace) -> LabelSpec:
    from modelwright.labelling import LabelSpec

    given: dict[str, Any] = {"kind": options.kind, "classes": _classes(options.classes)}
    for setting in ("target", "overlap", "order"):
        if getattr(options, setting) is not None:
            given[setting] = getattr(options, setting)
    if options.columns:
        given["columns"] = _listed(options.columns)
    if options.show is not None:
        given["show"] = _listed(options.show)
    if options.guidelines:
        given["guidelines"] = _read(options.guidelines)
    return LabelSpec.parse(given, where="label")


def _classes(given: str | None) -> tuple[str, ...]:
    """Classes with commas between, or the lines of a file that is named so."""
    if given and given.endswith(".txt") and Path(given).is_file():
        return tuple(line.strip() for line in _read(given).splitlines() if line.strip())
    return _listed(given)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise UserError("labelling.file", f"{path} cannot be read: {problem}.", hint="a text file in UTF-8") from None


def _gold(path: str | None, data: Dataset, spec: LabelSpec) -> dict[int, Any]:
    """Known labels by row id, from a table with `row` (or a column of the data that names each row) and the label."""
    if path is None:
        return {}
    from modelwright.core.data import ROW_ID
    from modelwright.labelling.base import ONE_CLASS

    frame = _collected(path).frame.drop(ROW_ID)
    target = next((one for one in (spec.target, "label", "value") if one in frame.columns), None)
    keys = [one for one in frame.columns if one == "row" or (one in data.schema and one != target)]
    key = "row" if "row" in keys else next(iter(keys), None)
    if target is None or key is None:
        raise UserError(
            "labelling.gold", f"{path} needs the label (`{spec.target}`) and `row`, or a column that the data has too.",
            hint=f"its columns are {', '.join(frame.columns[:20])}",
        )  # fmt: skip
    ids = {} if key == "row" else dict(zip(map(str, data.column(key)), data.row_ids.tolist(), strict=True))
    made: dict[int, Any] = {}
    for named, value in frame.select(key, target).iter_rows():
        row = int(named) if key == "row" and str(named).isdecimal() else ids.get(str(named))
        if row is None:
            raise UserError("labelling.gold", f"{path}: no row is called {str(named)[:80]!r}.")
        made[row] = str(value) if spec.kind in ONE_CLASS else json.loads(str(value))
    return made


def _suggest(options: argparse.Namespace, project: Project, terminal: Terminal) -> None:
    from modelwright.core.store import Store
    from modelwright.labelling.suggest import keep_suggestions
    from modelwright_runtime import load

    path = Path(options.suggest)
    if not path.is_file():
        store = Store.open(options.store)
        named = store.named("packages", options.suggest)
        if named is None:
            raise UserError("cli.package", f"there is no package {options.suggest!r} in {options.store}.")
        path = store.path(named["file"])
    source = json.loads((project.folder / "source.json").read_text())["source"]
    data = _collected(source)
    order = options.order or project.spec.order
    n_rows = keep_suggestions(project, data, load(path), name=options.suggest, uncertain_first=order == "uncertain")
    terminal.note(f"{n_rows:,} rows have a suggestion of {options.suggest}")


# Serving ----------------------------------------------------------------------------------------------------------


def _people(options: argparse.Namespace) -> tuple[Person, ...]:
    import getpass

    from modelwright.labelling import Person, read_team

    if options.team:
        return read_team(Path(options.team))
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in a container
        name = "me"
    return (Person(name, "owner"),)


def _serve(options: argparse.Namespace, project: Project, terminal: Terminal) -> None:
    from modelwright.labelling.server import address_of, serve_labelling

    people = _people(options)

    def ready(address: str) -> None:
        opened = [
            {"person": one.name, "role": one.role, "address": address_of(project, one, address)} for one in people
        ]
        if terminal.as_json:
            terminal.emit({"stage": "labelling", "event": "ready", "address": address, "people": opened})
            return
        for one in opened:
            terminal.text(f"{one['person']} ({one['role']})   {one['address']}")
        terminal.note("the address is the key: give each person their own. Ctrl-C stops; labels are kept as they come")
        if not options.team and options.host == "127.0.0.1":
            _show(opened[0]["address"])

    serve_labelling(project, people, host=options.host, port=options.port, ready=ready)
    terminal.note(f"stopped; next: wright label {project.name} --status   |   in a recipe: labels: {project.name}")


def _show(address: str) -> None:
    """Open the page, where there is a desktop to open it on."""
    import os
    import sys
    import webbrowser

    if sys.stdout.isatty() and (os.environ.get("DISPLAY") or sys.platform in ("darwin", "win32")):
        webbrowser.open(address)


def target_of(store: str, name: str) -> str:
    """The column that a project's labels give."""
    from modelwright.labelling import open_project

    project = open_project(store, name)
    project.close()
    return project.spec.target


# Looking, in and out --------------------------------------------------------------------------------------------


def _tell(terminal: Terminal, words: str, **plain: Any) -> None:
    if terminal.as_json:
        terminal.emit({"stage": "labelling", **plain})
    else:
        terminal.text(words)


def _form(options: argparse.Namespace, file: str) -> str:
    if options.format:
        return str(options.format)
    ending = Path(file).suffix.lower()
    if ending not in _ENDINGS:
        raise UserError("labelling.format", f"which format is {file}?", hint=f"--format {', '.join(FORMS)}")
    return _ENDINGS[ending]


def _export(options: argparse.Namespace, project: Project, terminal: Terminal) -> None:
    from modelwright.core.store import write_atomically
    from modelwright.labelling.formats import write, zipped

    path, form = Path(options.export), _form(options, options.export)
    is_folder = path.is_dir() or options.export.endswith("/")
    files = write(project, form, with_pictures=is_folder)
    if is_folder:
        for name, data in files.items():
            write_atomically(path / name, data)
    else:
        packed = len(files) > 1 or path.suffix.lower() == ".zip"
        write_atomically(path, zipped(files) if packed else next(iter(files.values())))
    _tell(terminal, f"labels as {form} in {path}", format=form, path=str(path))


def _status(project: Project, terminal: Terminal) -> None:
    from modelwright.labelling.lessons import going_told
    from modelwright.labelling.stats import agreement_told, differing, people_table, progress

    going = going_told(project)
    told, people, agreed = progress(project), people_table(project), agreement_told(project)
    n_differ = len(differing(project, limit=10_000))
    if terminal.as_json:
        terminal.emit({"stage": "labelling", "event": "status", "project": project.name, "progress": told,
                       "people": people, "agreement": agreed, "to_settle": n_differ, "learning": going})  # fmt: skip
        return
    terminal.text(f"{project.name}: {told['done']:,} of {told['rows'] - told['gold']:,} rows have their "
                  f"{project.spec.overlap} label(s), {told['labelled']:,} have any")  # fmt: skip
    terminal.table(
        ["person", "labels", "skipped", "right on gold", "like the others", "median s"],
        [[one["person"], one["labels"], one["skipped"], one["gold"], one["agrees"], one["median_s"]] for one in people],
    )
    if agreed["shared_rows"]:
        terminal.text(f"{agreed['shared_rows']:,} rows by several people: {agreed['alike']:.1%} alike"
                      + (f", {_alpha(agreed)}" if agreed["alpha"] is not None else "")
                      + f"; {n_differ:,} to settle (Review, on the page of an owner or reviewer)")  # fmt: skip
    if going is not None:
        more = "further labels teach little" if going["stop"] else "labels still teach"
        terminal.text(f"learnt from {going['n_labels']:,} labels: {going['reason']}; {more}")


def _alpha(agreed: dict[str, Any]) -> str:
    told = f"Krippendorff's alpha {agreed['alpha']:.3f}"
    return told if agreed["low"] is None else f"{told} ({agreed['low']:.2f} to {agreed['high']:.2f})"
