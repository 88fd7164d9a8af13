"""`wright`: the verbs on the command line. Thin: it reads arguments, calls the verbs and prints what they return.

Options of the stages are generated from their Specs (`--train.metric mae`), so that nothing is declared twice.
Exit codes: 0 done, 1 the system's fault, 2 the user's.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import SystemFault, UserError, WrightError, nearest

if TYPE_CHECKING:
    from modelwright.recipe import Recipe
    from modelwright.terminal import Terminal

OVERVIEW = """usage: wright COMMAND [options]

From a raw table to a served model that stays healthy.

  wright up data.csv --target price      train, write the report, package, and serve on 127.0.0.1
  wright run data.csv --target price     the same without serving; also: wright run recipe.yaml
  wright run photos/                     pictures or sounds in a folder for each class
  wright run load.csv --target y --time t --horizon 24    forecast the next 24 values
  wright run data.csv --task anomaly     no target: odd rows; also --task clusters, --task embedding
  wright label data.csv --as text --classes a,b    a page to label rows on, for one or a team
  wright collect recipe.yaml             what is new in files, databases, APIs, streams: a dataset's next version
  wright datasets                        datasets and their versions; also: wright diff data@3 data@4 | trace | forget
  wright plan data.csv --target price    what would be done, what is there already, and every decision's reason
  wright predict NAME rows.csv -o out.csv    answer rows: .csv, .parquet, .jsonl, or - for the terminal
  wright serve NAME                      answer over HTTP: POST /predict, a page at /, OpenAPI at /docs
  wright status NAME                     who answers, and every decision with its reason
  wright feedback NAME truth.csv         what turned out to be true, by prediction id
  wright monitor NAME                    score, drift and faults since the last look; --every 1h goes on
  wright watch NAME                      the loop: look, retrain, promote, roll back (wright up --watch has it too)
  wright retrain | challenge | promote | rollback NAME     the same by hand
  wright export NAME --target embedded   for other places: C, .ort, docker, systemd, MLflow, layers; also: wright import
  wright list                            runs, packages and what they scored
  wright show NAME                       a run, model or package as a page; --changes for what was cleaned
  wright clean data.csv                  find and mend wrong cells, with a report; every change can be taken back
  wright explain NAME rows.csv           why each row was answered so, by column; what matters over all, as a page
  wright audit NAME --protected sex,race how groups are treated: rates, gaps, intervals; what a remedy wins and costs
  wright profile data.csv --target y     what the data is like before training: columns, leaks, repeats, what to do
  wright match left.csv right.csv        the rows that are the same thing, doubtful ones on a page
  wright impute data.csv --draws 10      gaps filled from the other columns, with how surely; draws to pool
  wright undo NAME -o raw.csv            the raw table back, cell for cell
  wright gc                              free what nothing names

Every command takes --store DIR (default .wright), --json (one JSON line per event) and --help.
NAME is a run's name (--name, else the file's stem) or the path of a .wright file.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point: run one command and leave with its exit code."""
    sys.exit(command(list(sys.argv[1:] if arguments is None else arguments)))


def command(arguments: list[str]) -> int:
    """Run one command; its exit code."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(OVERVIEW, end="")
        return 0
    if arguments[0] in ("-V", "--version"):
        from importlib.metadata import version

        print(f"wright {version('modelwright')}")
        return 0
    import warnings

    from modelwright.terminal import Terminal

    # what the fitting libraries warn of is told in our own words, as decisions and candidates' notes
    warnings.filterwarnings("ignore", module="sklearn|lightgbm")
    terminal = Terminal(as_json="--json" in arguments)
    try:
        if arguments[0] not in COMMANDS:
            raise UserError(
                "cli.command", f"there is no command {arguments[0]!r}.", hint=nearest(arguments[0], COMMANDS)
            )
        COMMANDS[arguments[0]](arguments[1:], terminal)
    except WrightError as error:
        terminal.error(error)
        return error.exit_code
    except KeyboardInterrupt:
        terminal.note("stopped; what was finished is kept, and the same command goes on from there")
        return 130
    except BrokenPipeError:
        return 1
    except MemoryError:
        terminal.error(SystemFault("system.memory", "the machine's memory is used up.", hint="close other programs"))
        return 1
    except Exception as problem:  # noqa: BLE001  the edge: a person never sees a traceback, and we never lose one
        terminal.error(_unexpected(problem))
        return 1
    return 0


def _unexpected(problem: Exception) -> SystemFault:
    """A fault of ours: the traceback goes to a file that the user can send."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="wright-fault-", suffix=".txt", delete=False) as file:
        traceback.print_exception(problem, file=file)
    told = f"{type(problem).__name__}: {problem}".splitlines()[0][:200]
    return SystemFault(
        "system.unexpected", f"something failed that should not have: {told}", hint=f"please report it with {file.name}"
    )


class _Parser(argparse.ArgumentParser):
    """argparse that raises our error in place of leaving the process."""

    def error(self, message: str) -> Any:
        raise UserError("cli.option", f"{self.prog}: {message}.", hint=f"`{self.prog} --help` lists the options")


class _Help(argparse.RawDescriptionHelpFormatter):
    """Options on the left, what they mean on the right, as wide as a page."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=110)


def _parser(name: str, about: str, *examples: str, usage: str | None = None) -> _Parser:
    parser = _Parser(
        prog=f"wright {name}", usage=usage, description=about, epilog="examples:\n  " + "\n  ".join(examples),
        formatter_class=_Help, allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("--store", default=".wright", metavar="DIR", help="where everything is kept [.wright]")
    parser.add_argument("--json", action="store_true", help="one JSON line per event, for machines")
    return parser


# A run ------------------------------------------------------------------------------------------------------


def _run_parser(name: str, about: str, *examples: str) -> _Parser:
    from modelwright.recipe import STAGES, Recipe

    parser = _parser(name, about, *examples, usage=f"wright {name} SOURCE --target COLUMN | --task TASK [options]")
    parser.add_argument(
        "source", metavar="SOURCE", help="a file, pattern, folder, address or database, or a recipe (.yaml)"
    )
    parser.add_argument(
        "--budget", help="quick, standard, thorough, or a time such as 90s, 5m, 1h: of training [standard]"
    )
    parser.add_argument("--target", metavar="COLUMN", help="the column to predict; of pictures with boxes, say, found")
    parser.add_argument("--task", metavar="TASK", help="learn without a target: anomaly, clusters or embedding")
    parser.add_argument("--time", metavar="COLUMN", help="the column that orders the rows in time")
    parser.add_argument("--group", metavar="COLUMN", help="the column whose rows belong together: a session, a series")
    parser.add_argument("--horizon", type=int, metavar="STEPS", help="forecast so many steps of the target")
    parser.add_argument("--labels", metavar="NAME", help="the labelling project whose labels are the target")
    parser.add_argument("--name", help="names the run and its package [the file's stem]")
    parser.add_argument("--seed", type=int, help="every random choice follows from it [0]")
    parser.add_argument("--mend", nargs="?", const="gentle", metavar="MODE",
                        help="put wrong cells right first: gentle or strict [off]")  # fmt: skip
    parser.add_argument("--tune", metavar="MODEL", help="search for this model's best settings first, or of [several]")
    parser.add_argument("--track", metavar="TRACKER", help=f"{Recipe.model_fields['track'].description} [none]")
    for part, verb in STAGES.items():
        group = parser.add_argument_group(f"{verb}: {Recipe.model_fields[part].description}")
        for field, info in _settings(part).items():
            default = "" if info.is_required() else f" [{_told(info.get_default(call_default_factory=True))}]"
            about = f"{(info.description or '').replace('%', '%%')}{default}"
            group.add_argument(f"--{part}.{field}", metavar="VALUE", dest=f"{part}.{field}", help=about)
    return parser


def _settings(part: str) -> dict[str, Any]:
    """The settings of a part of a recipe that are options; those of the one source are `data`'s too."""
    from modelwright.collection.base import SourceSpec

    spec = _spec_of(part)
    if part == "data":
        return {
            name: info
            for name, info in {**SourceSpec.model_fields, **spec.model_fields}.items()
            if name not in ("source", "sources")
        }
    return {name: info for name, info in spec.model_fields.items() if name != "target"}  # --target says it


def _spec_of(part: str) -> Any:
    """The Spec of a part of a recipe, also of one that may be absent."""
    from typing import get_args

    from modelwright.recipe import Recipe

    annotation: Any = Recipe.model_fields[part].annotation
    return next((kind for kind in get_args(annotation) if kind is not type(None)), annotation)


def _told(default: Any) -> str:
    return str(default).replace("%", "%%") if default not in (None, (), {}, "") else "none"


def _recipe(options: argparse.Namespace) -> Recipe:
    """The recipe that the arguments say: a recipe file or a source, with the options laid over it."""
    from modelwright.recipe import Recipe

    changes: dict[str, Any] = {}
    for name, text in vars(options).items():
        part, dot, field = name.partition(".")
        if dot and text is not None:
            changes.setdefault(part, {})[field] = _value(text)
    if options.budget is not None:
        changes.setdefault("train", {})["budget"] = options.budget
    if options.mend is not None:
        changes.setdefault("mend", {})["mode"] = options.mend
    if options.tune is not None:
        changes.setdefault("tune", {})["model"] = _value(options.tune)
    if options.horizon is not None:
        changes.setdefault("sequences", {})["horizon"] = options.horizon
    roles = {name: role for role in ("time", "group") if (name := getattr(options, role)) is not None}
    named = ("target", "name", "seed", "labels")
    if (options.target or "").startswith("["):
        options.target = _value(options.target)
    top = {name: getattr(options, name) for name in named if getattr(options, name) is not None}
    if options.labels is not None and options.target is None:
        from modelwright.label import target_of

        top["target"] = target_of(options.store, options.labels)
    if options.task is not None:
        top["task"] = _value(options.task)
    if options.track is not None:
        top["track"] = _value(options.track)
    if options.source.endswith((".yaml", ".yml")):
        recipe = Recipe.from_yaml(Path(options.source))
        if roles:
            given = changes.setdefault("clean", {}).get("roles", recipe.clean.roles)
            changes["clean"]["roles"] = {**given, **roles}
        parts = {part: (getattr(recipe, part) or _spec_of(part)()).but(**new) for part, new in changes.items()}
        return recipe.but(**top, **parts)
    if roles:
        clean = changes.setdefault("clean", {})
        clean["roles"] = {**clean.get("roles", {}), **roles}
    if "target" not in top and "task" not in top:
        top["target"] = _natural_target(options.source)
    if top.get("target", "") is None:
        raise UserError(
            "cli.target", f"--target is needed (or --task): which column of {options.source} is to be predicted?",
            hint=_columns_hint(options.source, options.store),
        )  # fmt: skip
    return Recipe.from_plain({**changes, **top, "data": _data(options.source, changes.pop("data", {}))})


def _natural_target(source: str) -> str | None:
    """The column that boxes, masks or folders of media ask to be predicted; None for a table."""
    from modelwright.collection.media import natural_target

    if source.startswith("openml:"):
        from modelwright.collection.hubs.openml import default_target

        return default_target(source)
    return natural_target(source)


def _value(text: str) -> Any:
    """An option's text as YAML would read it (`5`, `true`, `[a, b]`, `{zip: category}`), or as it is (`,`)."""
    import yaml

    from modelwright.recipe import read_yaml

    try:
        value = read_yaml(text)
    except yaml.YAMLError:
        return text
    if isinstance(value, str) or (value is None and text not in ("null", "~")):
        return text
    return value


def _data(source: str, settings: dict[str, Any]) -> Any:
    """The data part of a recipe from one source and the options about it."""
    from modelwright.collection.base import SourceSpec
    from modelwright.recipe import data_of

    about_source = {name: settings.pop(name) for name in list(settings) if name in SourceSpec.model_fields}
    return data_of({"sources": {"source": source, **about_source}, **settings})


def _columns_hint(source: str, store: str) -> str:
    """The columns to choose a target from, if they can be read quickly."""
    from modelwright.collection.base import collect
    from modelwright.core.store import Store

    names = collect(source, store=Store.open(store) if source.startswith("dataset:") else None).schema.names
    return f"its columns are {', '.join(names[:30])}{' ...' if len(names) > 30 else ''}"


def _run(arguments: list[str], terminal: Terminal) -> None:
    parser = _run_parser(
        "run", "Collect, clean, split, train, evaluate and package. What is already there is not computed again.",
        "wright run homes.csv --target price", "wright run recipe.yaml --budget 5m", "wright run openml:61",
        "wright run 'logs/*.csv.gz' --target churned --budget quick --name churn",
    )  # fmt: skip
    recipe = _recipe(parser.parse_args(arguments))
    options = parser.parse_args(arguments)
    from modelwright.lifecycle import run

    record = run(recipe, store=options.store, watch=terminal.watch)
    terminal.finished(record)


def _up(arguments: list[str], terminal: Terminal) -> None:
    parser = _run_parser(
        "up", "As `wright run`, and then serve on 127.0.0.1. The same command again serves at once.",
        "wright up homes.csv --target price", "wright up homes.csv --target price --port 8100",
        "wright up recipe.yaml --watch",
    )  # fmt: skip
    parser.add_argument("--port", type=int, default=8000, help="the port to serve on; 0 takes a free one [8000]")
    parser.add_argument("--watch", action="store_true", help="and run the loop: look, retrain, promote, roll back")
    options = parser.parse_args(arguments)
    from modelwright.lifecycle import run
    from modelwright.operating.commands import serve_path, set_log, watched
    from modelwright.operating.place import deploy

    recipe = _recipe(options)
    record = run(recipe, store=options.store, watch=terminal.watch)
    terminal.finished(record)
    place = deploy(options.store, recipe.name)
    set_log(place)
    loop = watched(recipe.name, options.store) if options.watch else contextlib.nullcontext()
    with loop:
        serve_path(str(place.folder), terminal, host="127.0.0.1", port=options.port, token=None)


def _plan(arguments: list[str], terminal: Terminal) -> None:
    parser = _run_parser(
        "plan", "What would be done, what is there already, and every automatic decision with its reason.",
        "wright plan homes.csv --target price", "wright plan homes.csv --target price --write recipe.yaml",
    )  # fmt: skip
    parser.add_argument(
        "--write", metavar="RECIPE", help="write every decision out as a recipe that gives the same run"
    )
    options = parser.parse_args(arguments)
    from modelwright.lifecycle import plan

    planned = plan(_recipe(options), store=options.store, watch=terminal.watch)
    if options.write:
        from modelwright.core.store import write_atomically

        write_atomically(Path(options.write), planned.recipe.to_yaml().encode())
    terminal.planned(planned, written=options.write)


# Answers ------------------------------------------------------------------------------------------------------


def _predict(arguments: list[str], terminal: Terminal) -> None:
    parser = _parser(
        "predict", "Answer rows: one line per input row, in its order; of models of series one per window, or one "
        "per series with all values of its forecast.",
        "wright predict income rows.csv -o answers.csv", "wright predict income.wright rows.parquet -o -",
    )  # fmt: skip
    parser.add_argument("name", help="a run's name or a .wright file")
    parser.add_argument("rows", help="a file of rows, in any format that `run` takes")
    parser.add_argument(
        "-o", "--output", default="-", metavar="FILE", help=".csv, .parquet or .jsonl; - prints CSV [-]"
    )
    options = parser.parse_args(arguments)
    from modelwright.answers import predict_file

    n_rows, warnings = predict_file(_package_path(options), options.rows, options.output)
    terminal.predicted(n_rows, options.output, warnings)


def _datasets(name: str) -> Callable[[list[str], Terminal], None]:
    """A command of datasets; they live in `modelwright/datasets.py`."""

    def run(arguments: list[str], terminal: Terminal) -> None:
        from modelwright import datasets

        getattr(datasets, name)(arguments, terminal, _parser)

    return run


def _operate(name: str) -> Callable[[list[str], Terminal], None]:
    """A command of a served model; they live in `modelwright/operating/commands.py`."""

    def run(arguments: list[str], terminal: Terminal) -> None:
        from modelwright.operating import commands

        getattr(commands, name)(arguments, terminal, _parser)

    return run


def _clean(arguments: list[str], terminal: Terminal) -> None:
    from modelwright.cleaning.commands import clean

    clean(arguments, terminal, _parser)


def _match(arguments: list[str], terminal: Terminal) -> None:
    from modelwright.cleaning.matching.commands import match_command

    match_command(arguments, terminal, _parser)


def _impute(arguments: list[str], terminal: Terminal) -> None:
    from modelwright.cleaning.imputing.commands import impute_command

    impute_command(arguments, terminal, _parser)


def _profile(arguments: list[str], terminal: Terminal) -> None:
    from modelwright.profiled import profile_command

    profile_command(arguments, terminal, _parser)


def _explain(arguments: list[str], terminal: Terminal) -> None:
    from modelwright.explained import explain_command

    explain_command(arguments, terminal, _parser)


def _audit(arguments: list[str], terminal: Terminal) -> None:
    from modelwright.audited import audit_command

    audit_command(arguments, terminal, _parser)


def _package_path(options: argparse.Namespace) -> Path:
    """The file of a package: a path as it is, a name through the store."""
    if options.name.endswith(".wright") or Path(options.name).is_file():
        return Path(options.name)
    from modelwright.core.store import Store

    store = Store.open(options.store)
    named = store.named("packages", options.name)
    if named is None:
        raise UserError(
            "cli.package", f"there is no package {options.name!r} in {options.store}.",
            hint=nearest(options.name, store.names("packages")),
        )  # fmt: skip
    return store.path(named["file"])


# Looking ------------------------------------------------------------------------------------------------------


def _list(arguments: list[str], terminal: Terminal) -> None:
    parser = _parser("list", "Runs and packages, the newest first.", "wright list", "wright list --json")
    options = parser.parse_args(arguments)
    from modelwright.core.store import Store
    from modelwright.lifecycle import runs

    terminal.listed(runs(Store.open(options.store)))


def _show(arguments: list[str], terminal: Terminal) -> None:
    parser = _parser(
        "show", "A run, model, dataset or package as a readable page.",
        "wright show income", "wright show income --changes", "wright show income.wright",
    )  # fmt: skip
    parser.add_argument("name", help="a run's name, a .wright file, or a file of data")
    parser.add_argument(
        "--changes", action="store_true", help="every cell that cleaning changed: before, after, reason"
    )
    parser.add_argument("--limit", type=int, default=50, help="how many changed cells to show [50]")
    options = parser.parse_args(arguments)
    from modelwright import pages

    pages.show(options.name, store=options.store, terminal=terminal, changes=options.changes, limit=options.limit)


def _undo(arguments: list[str], terminal: Terminal) -> None:
    parser = _parser("undo", "Give the raw table back, cell for cell, as it came.", "wright undo income -o raw.csv")
    parser.add_argument("name", help="a run's name")
    parser.add_argument(
        "-o", "--output", default="-", metavar="FILE", help=".csv, .parquet or .jsonl; - prints CSV [-]"
    )
    options = parser.parse_args(arguments)
    from modelwright.answers import write_table
    from modelwright.core.store import Store
    from modelwright.lifecycle import value_of

    raw = value_of(Store.open(options.store), options.name, "collection/collect")  # before mending, too
    write_table(raw.frame.drop("__row__"), options.output)


def _gc(arguments: list[str], terminal: Terminal) -> None:
    parser = _parser("gc", "Free what no run and no package names.", "wright gc", "wright gc --grace 0")
    parser.add_argument("--grace", type=float, default=3600, metavar="SECONDS", help="keep what is younger [3600]")
    options = parser.parse_args(arguments)
    from modelwright.core.store import Store
    from modelwright.lifecycle import collect_garbage

    terminal.freed(*collect_garbage(Store.open(options.store), grace_s=options.grace))


def _export(arguments: list[str], terminal: Terminal) -> None:
    from modelwright.export import export

    export(arguments, terminal)


def _import(arguments: list[str], terminal: Terminal) -> None:
    from modelwright.export import import_

    import_(arguments, terminal)


def _label(arguments: list[str], terminal: Terminal) -> None:
    from modelwright.label import label

    label(arguments, terminal, _parser)


COMMANDS: dict[str, Callable[[list[str], Terminal], None]] = {
    "up": _up,
    "run": _run,
    "plan": _plan,
    "profile": _profile,
    "clean": _clean,
    "impute": _impute,
    "match": _match,
    "predict": _predict,
    "explain": _explain,
    "audit": _audit,
    **{
        name: _operate(name)
        for name in (
            "serve",
            "status",
            "feedback",
            "monitor",
            "watch",
            "retrain",
            "challenge",
            "promote",
            "rollback",
        )
    },
    "label": _label,
    **{name: _datasets(name) for name in ("collect", "datasets", "diff", "trace", "forget")},
    "export": _export,
    "import": _import,
    "list": _list,
    "show": _show,
    "undo": _undo,
    "gc": _gc,
}
