"""`wright match`: the same thing in two tables, as a table of pairs and a page on which a person can decide."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from modelwright.cleaning.matching.base import Matches, MatchSpec, match, match_within
from modelwright.core import registry
from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.errors import UserError, nearest
from modelwright.core.store import write_atomically

if TYPE_CHECKING:
    import polars as pl

    from modelwright.terminal import Terminal

Parser = Callable[..., argparse.ArgumentParser]
MOST_SHOWN = 12


def match_command(arguments: list[str], terminal: Terminal, parser: Parser) -> None:
    """`wright match`."""
    options_of = parser(
        "match", "Find the rows of two tables that are the same thing (or, with one table, the rows that are there "
        "twice). Needs no examples; with known pairs it learns from them. Writes the pairs, and a page with the "
        "doubtful ones first.",
        "wright match abt.csv buy.csv", "wright match abt.csv buy.csv --columns name=title,price --out pairs.csv",
        "wright match abt.csv buy.csv --pairs known.csv --id id", "wright match customers.csv",
        usage="wright match LEFT [RIGHT] [options]",
    )  # fmt: skip
    _add_options(options_of)
    options = options_of.parse_args(arguments)
    collect = registry.get("collection", "collect")
    left = collect(options.left, watch=terminal.watch)
    right = collect(options.right, watch=terminal.watch) if options.right else None
    spec = MatchSpec(columns=_columns(options.columns), ignore=_names(options.ignore))
    if right is None:
        if options.pairs:
            raise UserError("match.known", "known pairs need two tables.", hint="wright match LEFT RIGHT --pairs FILE")
        found, right = match_within(left, spec, seed=options.seed, watch=terminal.watch), left
    else:
        known = _known(options, left, right, collect)
        found = match(left, right, spec, known=known, seed=options.seed, watch=terminal.watch)
    _lay_out(options, found, left, right, terminal)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("left", metavar="LEFT", help="a file, pattern, address, database or dataset:NAME")
    parser.add_argument("right", metavar="RIGHT", nargs="?", help="the other table; without it LEFT beside itself")
    parser.add_argument(
        "--columns", metavar="A=B,C", default="", help="columns that belong together [those named alike]"
    )
    parser.add_argument("--ignore", metavar="A,B", default="", help="columns that say nothing of what a row is")
    parser.add_argument(
        "--pairs", metavar="FILE", help="known pairs: left, right and, if both kinds are listed, same (1, 0)"
    )
    parser.add_argument(
        "--id", metavar="A=B", help="the columns by which pairs are named, in both tables [row numbers]"
    )
    parser.add_argument(
        "--out", metavar="FILE", help="where the pairs go, .csv or .parquet [pairs.csv]", default="pairs.csv"
    )
    parser.add_argument("--report", metavar="FILE", help="the page [beside the pairs, .html]")
    parser.add_argument("--seed", type=int, default=0, help="every random choice follows from it [0]")


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _columns(text: str) -> dict[str, str]:
    """ "name=title,price" as {"name": "title", "price": "price"}."""
    pairs = [part.partition("=") for part in _names(text)]
    return {mine.strip(): (theirs or mine).strip() for mine, _, theirs in pairs}


def _id_columns(options: argparse.Namespace, left: Dataset, right: Dataset) -> tuple[str, str]:
    if not options.id:
        return ROW_ID, ROW_ID
    mine, _, theirs = options.id.partition("=")
    for name, data in ((mine, left), (theirs or mine, right)):
        if name not in data.schema:
            raise UserError("match.columns", f"there is no column {name!r}.", hint=nearest(name, data.schema.names))
    return mine, theirs or mine


def _known(
    options: argparse.Namespace, left: Dataset, right: Dataset, collect: Callable[..., Dataset]
) -> pl.DataFrame | None:
    """The known pairs as row ids. Raises UserError `match.known`."""
    import polars as pl

    if not options.pairs:
        return None
    frame = collect(options.pairs).frame.drop(ROW_ID)
    if not {"left", "right"} <= set(frame.columns):
        raise UserError("match.known", f"known pairs need the columns left and right; got {frame.columns}.")
    made = {}
    for side, name, data in zip(("left", "right"), _id_columns(options, left, right), (left, right), strict=True):
        ids = data.frame.select(pl.col(name).cast(pl.String).alias("said"), pl.col(ROW_ID).alias("row")).unique("said")
        asked = frame.select(said=pl.col(side).cast(pl.String).str.strip_chars())
        rows = asked.join(ids, on="said", how="left", maintain_order="left")
        if rows["row"].null_count():
            first = rows.filter(pl.col("row").is_null())["said"][0]
            raise UserError("match.known", f"the {side} table has no row {first!r}, which a known pair names.")
        made[side] = rows["row"]
    if "same" in frame.columns:
        made["same"] = frame["same"].cast(pl.String).str.to_lowercase().is_in(["1", "1.0", "true", "yes", "same"])
    else:
        made["same"] = pl.Series([True] * frame.height)
    if "part" in frame.columns:
        made["part"] = frame["part"]
    return pl.DataFrame(made)


def _lay_out(options: argparse.Namespace, found: Matches, left: Dataset, right: Dataset, terminal: Terminal) -> None:
    from modelwright.cleaning.matching.page import matches_page

    columns = _columns(options.columns) or {
        name: name for name in left.schema.names if name in right.schema and name not in _names(options.ignore)
    }
    out = Path(options.out)
    if out.suffix not in (".csv", ".parquet"):
        raise UserError("match.output", f"pairs go into a .csv or .parquet file; got {out.name!r}.")
    report = Path(options.report) if options.report else out.with_suffix(".html")
    mine, theirs = _id_columns(options, left, right)
    table = beside(found.pairs, left, right, columns, ids=(mine, theirs))
    if table.height == 0:
        terminal.note("no two rows are alike")
    body = table.write_csv().encode() if out.suffix == ".csv" else _parquet(table)
    write_atomically(out, body)
    page = matches_page(found, left, right, columns, title=f"{options.left} and {options.right or 'itself'}")
    write_atomically(report, page.encode())
    n_same = int(found.pairs["same"].sum())
    if terminal.as_json:
        terminal.emit({"event": "matched", "n_same": n_same, "n_pairs": table.height, "threshold": found.threshold,
                       "out": str(out), "report": str(report)})  # fmt: skip
        return
    for decision in found.decisions:
        terminal.text(f"{decision.about}: {decision.choice}, for {decision.reason}")
    shown = table.head(MOST_SHOWN)
    terminal.table(
        ["left", "right", "confidence", "same", "for", "against"],
        [[str(cell) for cell in row[:6]] for row in shown.rows()], title=f"{n_same:,} pairs are the same",
    )  # fmt: skip
    terminal.text(str(out))
    terminal.text(str(report))


def _parquet(table: pl.DataFrame) -> bytes:
    import io

    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()


def beside(
    pairs: pl.DataFrame, left: Dataset, right: Dataset, columns: dict[str, str], *, ids: tuple[str, str]
) -> pl.DataFrame:
    """The pairs, named by the columns `ids`, with the compared cells of both rows side by side."""
    import polars as pl

    shown = pairs.select("left", "right", pl.col("confidence").round(3), "same", "speaks_for", "speaks_against")
    sides = (("left", left, list(columns), ids[0]), ("right", right, list(columns.values()), ids[1]))
    for side, data, names, key in sides:
        cells = data.frame.select(
            pl.col(ROW_ID).alias(side), pl.col(key).alias(f"{side}_id"),
            *[pl.col(name).alias(f"{side}.{name}") for name in names if not data.frame[name].dtype.is_nested()],
        )  # fmt: skip
        shown = shown.join(cells, on=side, how="left", maintain_order="left")
    first = [pl.col("left_id").alias("left"), pl.col("right_id").alias("right")]
    named = [f"{side}.{name}" for pair in columns.items() for side, name in zip(("left", "right"), pair, strict=True)]
    return shown.select(
        *first, "confidence", "same", "speaks_for", "speaks_against", *[name for name in named if name in shown.columns]
    )
