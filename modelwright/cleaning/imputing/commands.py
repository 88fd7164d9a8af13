"""`wright impute`: the gaps of a table filled, once or in several draws, with what was guessed and how surely."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from modelwright.cleaning.base import CleanSpec, clean
from modelwright.cleaning.imputing.base import Imputed, ImputeSpec, impute
from modelwright.core import registry
from modelwright.core.errors import UserError
from modelwright.core.store import write_atomically

if TYPE_CHECKING:
    from modelwright.terminal import Terminal

Parser = Callable[..., argparse.ArgumentParser]
ENDINGS = ("csv", "parquet")


def impute_command(arguments: list[str], terminal: Terminal, parser: Parser) -> None:
    """`wright impute`."""
    options_of = parser(
        "impute", "Fill the gaps of a table from what its other columns say. With several draws each is a whole table, "
        "and they differ as much as is not known: find an estimate on each and pool them. Writes the tables, a list of "
        "what was guessed with how surely, which cells were gaps, and what was learned.",
        "wright impute patients.csv", "wright impute patients.csv --draws 10 --out patients/",
        "wright impute patients.csv --method median --out filled/", usage="wright impute DATA [options]",
    )  # fmt: skip
    _add_options(options_of)
    options = options_of.parse_args(arguments)
    asked = {"method": options.method, "draws": options.draws, "target": options.with_target}
    spec = ImputeSpec.parse({**asked, "columns": _names(options.columns)}, where="impute")
    data = registry.get("collection", "collect")(options.source, watch=terminal.watch)
    typed = clean(data, CleanSpec(target=options.target, skip=("duplicates",)), watch=terminal.watch).kept
    imputed = impute(typed, spec, seed=options.seed, watch=terminal.watch)
    _lay_out(imputed, options, terminal)


def _add_options(parser: argparse.ArgumentParser) -> None:
    fields = ImputeSpec.model_fields
    parser.add_argument("source", metavar="DATA", help="a file, pattern, folder, address, database or dataset:NAME")
    parser.add_argument("--draws", type=int, default=1, help=f"{fields['draws'].description} [1]")
    parser.add_argument("--method", default="chained", help=f"{fields['method'].description} [chained]")
    parser.add_argument("--columns", metavar="A,B", default="", help=f"{fields['columns'].description}")
    parser.add_argument("--target", metavar="COLUMN", help="the column to be predicted: it is never guessed")
    parser.add_argument("--with-target", action="store_true", help="let the target help, for analysis")
    parser.add_argument("--out", metavar="FOLDER", default="imputed", help="where everything is written [imputed]")
    parser.add_argument("--format", choices=ENDINGS, default="csv", help="of the tables [csv]")
    parser.add_argument("--seed", type=int, default=0, help="every random choice follows from it [0]")


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _lay_out(imputed: Imputed, options: argparse.Namespace, terminal: Terminal) -> None:
    from modelwright.cleaning.writing import write_table

    out = Path(options.out)
    if out.exists() and not out.is_dir():
        raise UserError("impute.output", f"`--out` is {str(out)!r}, which is a file.", hint="name a folder")
    names = []
    for number, draw in enumerate(imputed.draws, start=1):
        name = f"draw_{number:02d}" if len(imputed.draws) > 1 else "filled"
        names.append(str(out / f"{name}.{options.format}"))
        write_table(draw, Path(names[-1]))
    write_atomically(out / "guessed.csv", imputed.guessed.write_csv().encode())
    write_atomically(out / "missing.csv", imputed.missing.write_csv().encode())
    write_atomically(out / "imputer.json", json.dumps(imputed.state).encode())
    n, n_sure = imputed.guessed.height, int(imputed.guessed["sure"].sum())
    if terminal.as_json:
        terminal.emit({"event": "imputed", "n_gaps": n, "n_sure": n_sure, "draws": names, "out": str(out)})
        return
    if n == 0:
        terminal.note("no gap that can be guessed")
    for decision in imputed.decisions:
        terminal.text(f"{decision.about}: {decision.choice}, {decision.reason}")
    for name in [*names, str(out / "guessed.csv")]:
        terminal.text(name)
