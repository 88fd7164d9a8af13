"""Groups, populations and sources in `wright profile`: its options, what is read for them, what is told and written."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError
from modelwright.core.store import Store, write_atomically

if TYPE_CHECKING:
    from modelwright.core.data import Dataset
    from modelwright.core.values import Cleaned
    from modelwright.profiling.coverage import Coverage
    from modelwright.profiling.page import Section
    from modelwright.terminal import Terminal

MOST_TOLD = 14


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of groups."""
    parser.add_argument(
        "--groups", metavar="A,B", help="columns that make groups: their rows, and where they differ; `none` for none "
        "[those named like sex, race, age, religion, disability, nationality]",
    )  # fmt: skip
    parser.add_argument(
        "--reference", metavar="FILE", help="the population: shares in YAML or JSON ({sex: {female: 0.51, "
        "male: 0.49}}), a table of column, level, share, or a second table of rows",
    )  # fmt: skip
    parser.add_argument(
        "--source", dest="by_source", metavar="COLUMN", help="the column that says where a row came from"
    )
    parser.add_argument("--least-rows", type=int, default=30, metavar="N", help="fewer are too few for a group [30]")
    parser.add_argument(
        "--weighted", metavar="FILE", help="write the rows with weights that give the population's shares"
    )


def look(cleaned: Cleaned, options: argparse.Namespace, store: Store, terminal: Terminal) -> Coverage | None:
    """The coverage that was asked for, or that names of columns propose; None where there is nothing to look at."""
    from modelwright.groups import proposed
    from modelwright.profiling.coverage import coverage

    data = cleaned.kept
    groups = None if options.groups is None else [one.strip() for one in options.groups.split(",") if one.strip()]
    groups = [] if groups == ["none"] else groups
    wanted = groups or options.by_source or options.reference
    if not wanted and (groups is not None or not (proposed(data) or data.schema.of_role("protected"))):
        return None
    if options.least_rows < 1:
        raise UserError("coverage.size", f"`--least-rows` must be 1 or more; got {options.least_rows}.")
    reference = _reference(options.reference, cleaned, store, terminal) if options.reference else None
    if groups is None and isinstance(reference, dict):
        groups = list(dict.fromkeys([*proposed(data), *reference]))
    found = coverage(
        data, groups, target=options.target, reference=reference, source=options.by_source,
        least_rows=options.least_rows, seed=options.seed,
    )  # fmt: skip
    if options.weighted:
        _write_weighted(data, found, Path(options.weighted))
    return found


def _reference(name: str, cleaned: Cleaned, store: Store, terminal: Terminal) -> Any:
    """Stated shares, or a table of rows read as the data is."""
    from modelwright.cleaning.base import CleanSpec, clean
    from modelwright.core import registry
    from modelwright.recipe import read_yaml

    if name.endswith((".yaml", ".yml", ".json")):
        return _plain(name, read_yaml)
    data = registry.get("collection", "collect")(name, store=store, watch=terminal.watch)
    if {"column", "level", "share"} == {column.casefold() for column in data.schema.names}:
        return _listed(data)
    kinds = {
        column.name: column.kind for column in cleaned.kept.schema.columns
        if column.name in data.schema and column.kind in ("number", "category", "boolean", "datetime")
    }  # fmt: skip
    return clean(data, CleanSpec(kinds=kinds, skip=("duplicates",)), watch=terminal.watch).kept


def _plain(name: str, read: Any) -> Mapping[str, Any]:
    import yaml

    try:
        plain = read(Path(name).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        told = " ".join(str(problem).split())
        raise UserError("coverage.shares", f"the population {name!r} cannot be read: {told}.") from problem
    if not isinstance(plain, dict):
        raise UserError("coverage.shares", f"{name} must hold shares by column; got {type(plain).__name__}.",
                        hint="sex: {female: 0.51, male: 0.49}")  # fmt: skip
    return plain


def _listed(data: Dataset) -> dict[str, dict[str, float]]:
    """Shares that a table lists, one a line."""
    named = {column.casefold(): column for column in data.schema.names}
    made: dict[str, dict[str, float]] = {}
    rows = zip(*(data.frame[named[one]].to_list() for one in ("column", "level", "share")), strict=True)
    for column, level, share in rows:
        try:
            made.setdefault(str(column).strip(), {})[str(level).strip()] = float(str(share).rstrip("% "))
        except ValueError:
            raise UserError(
                "coverage.shares", f"the share of {column} {level} must be a number; got {share!r}."
            ) from None
    return made


def _write_weighted(data: Dataset, found: Coverage, path: Path) -> None:
    """The rows with their weights; `clean: {roles: {weight: weight}}` in a recipe makes training heed them."""
    from modelwright.cleaning.writing import write_table
    from modelwright.profiling.coverage import weighted

    if found.weights is None or path.suffix not in (".csv", ".parquet"):
        rule = "ends in .csv or .parquet" if found.weights is not None else "needs `--reference`, the population"
        raise UserError("coverage.weights", f"`--weighted {path}` {rule}.")
    name = "weight" if "weight" not in data.schema else "population_weight"
    write_table(weighted(data, found.weights, name), path)


def write(found: Coverage | None, page: Path) -> tuple[Section, ...]:
    """Its sections of the page; what to collect is written as CSV beside it."""
    if found is None:
        return ()
    from modelwright.profiling.coverage import to_csv
    from modelwright.profiling.coverage.section import sections

    out = page.with_name(f"{page.stem.removesuffix('.profile')}.collect.csv")
    if found.collect:
        write_atomically(out, to_csv(found.collect).encode("utf-8", "replace"))
    return sections(found, collect_file=out.name)


def tell(found: Coverage, terminal: Terminal) -> None:
    """The most important in a few lines."""
    from modelwright.profiling.coverage import sentences

    named = [f"{one.column} ({one.why})" for one in found.groupings]
    if named:
        terminal.text(f"groups    {', '.join(named)}")
    for line in sentences(found)[:MOST_TOLD]:
        terminal.text(f"          {line}")
    if found.collect:
        terminal.text(f"collect   {len(found.collect):,} lines to send to whoever collects, on the page and as CSV")
