"""`wright impute`: the gaps of a table filled, once or in several draws, with what was guessed and how surely; and what
was learned, applied to other rows."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.cleaning.base import CleanSpec, clean
from modelwright.cleaning.imputing.base import Imputed, ImputeSpec, apply, impute
from modelwright.core import registry
from modelwright.core.errors import UserError
from modelwright.core.store import write_atomically

if TYPE_CHECKING:
    from modelwright.terminal import Terminal

Parser = Callable[..., argparse.ArgumentParser]
ENDINGS = ("csv", "parquet")
STATE = "imputer.json"


def impute_command(arguments: list[str], terminal: Terminal, parser: Parser) -> None:
    """`wright impute`."""
    options_of = parser(
        "impute", "Fill the gaps of a table from what its other columns say. With several draws each is a whole table, "
        "and they differ as much as is not known: find an estimate on each and pool them. Writes the tables, a list of "
        "what was guessed with how surely, which cells were gaps, and what was learned (imputer.json), which `--apply` "
        "fills other rows with.",
        "wright impute patients.csv", "wright impute patients.csv --draws 10 --out patients/",
        "wright impute patients.csv --out filled.csv --with-spread",
        "wright impute new.csv --apply patients/imputer.json --out new_filled.csv",
        usage="wright impute DATA [options]",
    )  # fmt: skip
    _add_options(options_of)
    options = options_of.parse_args(arguments)
    asked = {"method": options.method, "draws": options.draws, "target": options.with_target}
    spec = ImputeSpec.parse({**asked, "columns": _names(options.columns)}, where="impute")
    _check_out(options)
    known = _read_state(Path(options.apply)) if options.apply else None
    data = registry.get("collection", "collect")(options.source, watch=terminal.watch)
    kinds = {one["name"]: one["kind"] for one in known["columns"] if one["name"] in data.schema} if known else {}
    cleaning = CleanSpec(target=options.target, kinds=kinds, skip=("duplicates",))
    typed = clean(data, cleaning, watch=terminal.watch).kept
    if known:
        imputed = apply(known, typed, seed=options.seed)
    else:
        imputed = impute(typed, spec, seed=options.seed, watch=terminal.watch)
    _lay_out(imputed, options, terminal)


def _check_out(options: argparse.Namespace) -> None:
    """Where to write is a folder, or one table's file that is not the table itself."""
    out = Path(options.out)
    if _is_table(out):
        if out.exists() and Path(options.source).exists() and out.samefile(options.source):
            raise UserError("impute.output", f"`--out` is the table {str(out)!r} itself.", hint="name another file")
    elif out.exists() and not out.is_dir():
        raise UserError("impute.output", f"`--out` is {str(out)!r}, which is a file.", hint="name a folder")


def _is_table(out: Path) -> bool:
    return out.suffix[1:] in ENDINGS and not out.is_dir()


def _read_state(path: Path) -> dict[str, Any]:
    try:
        state = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            "impute.state", f"{str(path)!r} cannot be read as what was learned: {error}.",
            hint="name the imputer.json that `wright impute` wrote",
        ) from error  # fmt: skip
    if not isinstance(state, dict) or state.get("version") != 1 or "columns" not in state:
        raise UserError(
            "impute.state", f"{str(path)!r} is not what `wright impute` learned.",
            hint="name the imputer.json that `wright impute` wrote",
        )  # fmt: skip
    return state


def _add_options(parser: argparse.ArgumentParser) -> None:
    fields = ImputeSpec.model_fields
    parser.add_argument("source", metavar="DATA", help="a file, pattern, folder, address, database or dataset:NAME")
    parser.add_argument("--draws", type=int, default=1, help=f"{fields['draws'].description} [1]")
    parser.add_argument("--method", default="chained", help=f"{fields['method'].description} [chained]")
    parser.add_argument("--columns", metavar="A,B", default="", help=f"{fields['columns'].description}")
    parser.add_argument("--target", metavar="COLUMN", help="the column to be predicted: it is never guessed")
    parser.add_argument("--with-target", action="store_true", help="let the target help, for analysis")
    parser.add_argument("--apply", metavar="FILE", help="fill with what was learned before (its imputer.json)")
    parser.add_argument(
        "--with-spread", action="store_true", help="columns beside those with gaps: NAME_low and NAME_high, between "
        "which a number lies nine times of ten, or NAME_certainty of a level",
    )  # fmt: skip
    parser.add_argument(
        "--out", "-o", metavar="FOLDER", default="imputed", help="where everything is written; NAME.csv or "
        "NAME.parquet: the one filled table alone [imputed]",
    )  # fmt: skip
    parser.add_argument("--format", choices=ENDINGS, default="csv", help="of the tables [csv]")
    parser.add_argument("--seed", type=int, default=0, help="every random choice follows from it [0]")


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _lay_out(imputed: Imputed, options: argparse.Namespace, terminal: Terminal) -> None:
    names = _write(imputed, options)
    n, n_sure = imputed.guessed.height, int(imputed.guessed["sure"].sum())
    if terminal.as_json:
        terminal.emit({"event": "imputed", "n_gaps": n, "n_sure": n_sure, "draws": names, "out": options.out})
        return
    if n == 0:
        terminal.note("no gap that can be guessed")
    for decision in imputed.decisions:
        terminal.text(f"{decision.about}: {decision.choice}, {decision.reason}")
    for name in names if _is_table(Path(options.out)) else [*names, str(Path(options.out) / "guessed.csv")]:
        terminal.text(name)


def _write(imputed: Imputed, options: argparse.Namespace) -> list[str]:
    """The tables, and beside them what was guessed and learned unless one file was asked for; the tables' names."""
    from modelwright.cleaning.writing import write_table

    out, several = Path(options.out), len(imputed.draws) > 1
    if _is_table(out):
        if several:
            raise UserError(
                "impute.output", f"{len(imputed.draws)} draws do not fit into {str(out)!r}.", hint="name a folder"
            )
        paths = [out]
    else:
        paths = [
            out / f"{f'draw_{number:02d}' if several else 'filled'}.{options.format}"
            for number in range(1, len(imputed.draws) + 1)
        ]
    for place, path in enumerate(paths):
        write_table(imputed.with_spread(place) if options.with_spread else imputed.draws[place], path)
    if not _is_table(out):
        write_atomically(out / "guessed.csv", imputed.guessed.write_csv().encode())
        write_atomically(out / "missing.csv", imputed.missing.write_csv().encode())
        write_atomically(out / STATE, json.dumps(imputed.state).encode())
    return [str(path) for path in paths]
