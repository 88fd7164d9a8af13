"""`wright explain`: where packages, the store's training rows and explanation meet."""

from __future__ import annotations

import argparse
import json
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.asked import open_package, rows_of_run
from modelwright.core.errors import UserError
from modelwright.core.store import Store, write_atomically

if TYPE_CHECKING:
    from modelwright.core.data import Dataset
    from modelwright.explanation import Explanation
    from modelwright.terminal import Terminal
    from modelwright_runtime.model import Model

Parser = Callable[..., argparse.ArgumentParser]
MOST_TOLD, MOST_COLUMNS, MOST_LETTERS = 10, 12, 90
ENDINGS = (".html", ".htm", ".csv", ".json")


def explain_command(arguments: list[str], terminal: Terminal, parser: Parser) -> None:
    """`wright explain`."""
    options = _parser(parser).parse_args(arguments)
    out = _output(options)
    began = time.perf_counter()
    store = Store.open(options.store)
    found = explain_rows(options, store, terminal)
    _write(found, out, options.rows)
    seconds = round(time.perf_counter() - began, 3)
    terminal.watch({"stage": "explanation", "event": "end", "cached": False, "seconds": seconds})
    if terminal.as_json:
        from modelwright.explanation.tables import plain

        terminal.emit({"stage": "explanation", "event": "finished", "output": str(out), "seconds": seconds,
                       "explanation": plain(found)})  # fmt: skip
        return
    _tell(found, out, seconds, terminal)


def _parser(parser: Parser) -> argparse.ArgumentParser:
    from modelwright.explanation.base import ExplainSpec

    fields = ExplainSpec.model_fields
    made = parser(
        "explain", "Why a package answers rows as it does: what each column added to each answer (Shapley values), "
        "what matters over all rows, what the answer would be with other values, and what would have to change for "
        "another "
        "answer. Answers are held against training rows: those of the run, if NAME is one.",
        "wright explain income rows.csv", "wright explain income rows.csv -o reasons.csv",
        "wright explain income.wright rows.csv --background train.csv --scale log_odds -o why.json",
        usage="wright explain NAME ROWS [options]",
    )  # fmt: skip
    made.add_argument("name", metavar="NAME", help="a run's name or a .wright file")
    made.add_argument("rows", metavar="ROWS", help="a file of rows, in any format that `run` takes")
    made.add_argument(
        "-o", "--output", metavar="FILE",
        help=".html: a page; .csv: a line for each row and column; .json: all [ROWS.explain.html]",
    )  # fmt: skip
    made.add_argument("--background", metavar="DATA", help="rows that answers are held against [the training rows]")
    made.add_argument("--class", dest="of_class", metavar="CLASS", help=f"{fields['of_class'].description}")
    made.add_argument("--of", dest="target", metavar="TARGET", help=f"{fields['target'].description}")
    made.add_argument("--scale", default="probability", metavar="SCALE",
                      help=f"{fields['scale'].description}: probability or log_odds [probability]")  # fmt: skip
    made.add_argument("--limit", type=int, default=100, metavar="N", help="explain the first N rows [100]")
    made.add_argument("--evaluations", type=int, default=fields["evaluations"].default, metavar="N",
                      help=f"{fields['evaluations'].description} [{fields['evaluations'].default}]")  # fmt: skip
    made.add_argument("--seed", type=int, default=0, help="every random choice follows from it [0]")
    return made


def _output(options: argparse.Namespace) -> Path:
    given = Path(options.output) if options.output else Path(f"{Path(options.rows).name.split('.')[0]}.explain.html")
    if given.suffix not in ENDINGS:
        raise UserError(
            "explain.output", f"`--output` must end in .html, .csv or .json; got {str(given)!r}.",
            hint="for example -o reasons.csv",
        )  # fmt: skip
    if given.exists() and Path(options.rows).exists() and given.samefile(options.rows):
        raise UserError("explain.output", f"`--output` would write over the rows, {options.rows}.")
    if options.limit < 1:
        raise UserError("explain.rows", f"`--limit` must be 1 or more; got {options.limit}.")
    return given


def explain_rows(options: argparse.Namespace, store: Store, terminal: Terminal) -> Explanation:
    """The explanation of a file's first rows, against what is known of the package's training."""
    from modelwright.answers import read_rows
    from modelwright.explanation import ExplainSpec, explain

    model, run = open_package(options.name, store)
    table, _ = read_rows(model, options.rows)
    table = {name: cells[: options.limit] for name, cells in table.items()}
    background, truth, told = _known(model, run, store, options, table)
    given = {name: getattr(options, name) for name in ("scale", "of_class", "target", "evaluations")}
    return explain(
        model, table, background=background, truth=truth, spec=ExplainSpec.parse(given, where="explain"),
        told_background=told, seed=options.seed, watch=terminal.watch,
    )  # fmt: skip


def _known(
    model: Model, run: str | None, store: Store, options: argparse.Namespace, table: dict[str, list[Any]]
) -> tuple[Any, tuple[Dataset, str] | None, str]:
    """The background, the held-out rows with their target, and what the background is in words."""
    from modelwright.answers import read_rows

    target = options.target or model.signature.task.target
    train = test = None
    if run is not None:
        train, test = rows_of_run(store, run)
    truth = (test, target) if test is not None and test.n_rows >= 2 and target in test.schema else None
    if options.background:
        return read_rows(model, options.background)[0], truth, f"the rows of {options.background}"
    if train is not None:
        return train, truth, f"the training rows of {model.name}"
    n_golden = sum(kind == "training" for kind in model.facts.get("golden", {}).get("kinds", ()))
    if n_golden >= 2:
        return None, None, ""
    return table, None, "the rows that are explained"


def _write(found: Explanation, out: Path, rows: str) -> None:
    if out.suffix == ".csv":
        from modelwright.answers import write_table
        from modelwright.explanation.tables import long_table

        write_table(long_table(found), str(out))
        return
    if out.suffix == ".json":
        from modelwright.explanation.tables import plain

        write_atomically(out, json.dumps(plain(found), ensure_ascii=False, indent=1).encode())
        return
    from modelwright.explanation.page import explanation_page

    page = explanation_page(found, title=found.name, source=f"{Path(rows).name}, against {found.background}")
    write_atomically(out, page.encode("utf-8", "replace"))


# What is told -------------------------------------------------------------------------------------------------------


def _tell(found: Explanation, out: Path, seconds: float, terminal: Terminal) -> None:
    from modelwright.explanation import words
    from modelwright.explanation.tables import said_text
    from modelwright.told import figure, short

    terminal.text(f"explains  {words.about(found)}, in {words.unit(found)}")
    base = words.level(found, float(found.base.mean()))
    terminal.text(f"against   {found.n_background:,} of {found.background}: {base} on average")
    columns = [
        [short(one.column, 30), words.amount(found, one.mean_size)[1:],
         f"{figure(one.shuffled)} ± {figure(one.shuffled_error, like=one.shuffled or 0.001)}"]
        for one in found.weights[:MOST_COLUMNS]
    ]  # fmt: skip
    terminal.table(["column", f"mean size, {words.unit(found)}", f"shuffled: {found.measured} worse by"], columns)
    rows = [
        [str(row), short(said_text(found.said[row]), 20), words.level(found, float(found.answers[row])),
         " | ".join(words.reason(found, row, place) for place in found.reasons(row)[: words.N_REASONS])]
        for row in range(min(found.n_rows, MOST_TOLD))
    ]  # fmt: skip
    terminal.table(["row", "says", "is", "because, the strongest first"], rows)
    for row in range(min(found.n_rows, 3)):
        told = words.hint(found.hints[row])
        if told:
            terminal.text(f"row {row}     {told}")
    terminal.text(f"assumed   columns one by one, not what goes together in the world   {seconds:.1f} s")
    what = {".csv": "table", ".json": "data"}.get(out.suffix, "page")
    terminal.text(f"{what:<9} {out}   {found.n_rows:,} rows")
    if what == "page":
        terminal.text(f"next      -o {shlex.quote(str(out.with_suffix('.csv')))} has every value, for machines")
