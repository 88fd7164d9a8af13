"""`wright profile`: where collecting, cleaning and profiling meet; what a table is like, at a glance and as a page."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright import covered
from modelwright.core.errors import UserError
from modelwright.core.store import Store, write_atomically

if TYPE_CHECKING:
    from modelwright.core.values import Cleaned
    from modelwright.profiling.coverage import Coverage
    from modelwright.profiling.values import Alert, Profile
    from modelwright.terminal import Terminal

Parser = Callable[..., argparse.ArgumentParser]
MOST_LISTED, MOST_ALERTS, MOST_ALIKE, MOST_LETTERS = 40, 6, 2, 60
SIGNS = {"act": "!", "look": "?", "know": "-"}


def profile_command(arguments: list[str], terminal: Terminal, parser: Parser) -> None:
    """`wright profile`."""
    options_of = parser(
        "profile", "Say what a table is like before anything is trained: each column, how columns go together, rows "
        "that repeat, what gives the target away, and what to do about it. Changes nothing; writes a page.",
        "wright profile homes.csv --target price", "wright profile dataset:sales@4 --json",
        "wright profile 'logs/*.csv.gz' --target churned --out churn.html", usage="wright profile DATA [options]",
    )  # fmt: skip
    _add_options(options_of)
    covered.add_options(options_of)
    options = options_of.parse_args(arguments)
    began = time.perf_counter()
    store = Store.open(options.store)
    cleaned = _typed(options, store, terminal)
    found = _profile(cleaned, options, terminal)
    groups = covered.look(cleaned, options, store, terminal)
    out = _page(found, options, cleaned, groups)
    seconds = round(time.perf_counter() - began, 3)
    terminal.watch({"stage": "profiling", "event": "end", "cached": False, "seconds": seconds})
    _tell(found, out, options, terminal, seconds, groups)


def _add_options(parser: argparse.ArgumentParser) -> None:
    from modelwright.profiling.base import ProfileSpec

    fields = ProfileSpec.model_fields
    parser.add_argument("source", metavar="DATA", help="a file, pattern, folder, address, database or dataset:NAME")
    parser.add_argument("--target", metavar="COLUMN", help="the column to be predicted: adds its classes, and leaks")
    parser.add_argument("--out", metavar="PAGE", help="where the page is written [NAME.profile.html beside DATA]")
    parser.add_argument(
        "--sample-rows", type=int, default=fields["sample_rows"].default, metavar="N",
        help=f"{fields['sample_rows'].description} [{fields['sample_rows'].default}]",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help=f"{fields['seed'].description} [0]")


def _typed(options: argparse.Namespace, store: Store, terminal: Terminal) -> Cleaned:
    """The table as cleaning reads it. Rows that repeat stay: how many there are is for the profile to say."""
    from modelwright.cleaning.base import CleanSpec, clean
    from modelwright.core import registry

    data = registry.get("collection", "collect")(options.source, store=store, watch=terminal.watch)
    return clean(data, CleanSpec(target=options.target, skip=("duplicates",)), watch=terminal.watch)


def _profile(cleaned: Cleaned, options: argparse.Namespace, terminal: Terminal) -> Profile:
    from modelwright.profiling.base import ProfileSpec, profile

    spec = ProfileSpec.parse({"sample_rows": options.sample_rows, "seed": options.seed}, where="profile")
    found = profile(cleaned, spec, watch=terminal.watch)
    line = f" {shlex.quote(options.source)}"
    return replace(found, alerts=tuple(replace(one, line=one.line.replace(" DATA", line)) for one in found.alerts))


def _page(found: Profile, options: argparse.Namespace, cleaned: Cleaned, groups: Coverage | None) -> Path:
    from modelwright.cleaning.commands import name_of
    from modelwright.profiling.page import profile_page

    name = name_of(options.source)
    here = [Path(one["name"]) for one in cleaned.raw.origin.get("sources", ()) if one.get("name")]
    folder = here[0].parent if len(here) == 1 and here[0].is_file() else Path()
    out = Path(options.out) if options.out else folder / f"{name}.profile.html"
    if any(path.exists() and path.resolve() == out.resolve() for path in here) or out.suffix not in (".html", ".htm"):
        raise UserError("profile.output", f"`--out` must be a page that ends in .html; got {str(out)!r}.")
    sections = covered.write(groups, out)
    page = profile_page(found, title=name, source=options.source, sections=sections)
    write_atomically(out, page.encode("utf-8", "replace"))
    return out


# What is told -------------------------------------------------------------------------------------------------------


def _tell(
    found: Profile, out: Path, options: argparse.Namespace, terminal: Terminal, seconds: float, groups: Coverage | None
) -> None:
    if terminal.as_json:
        terminal.emit({
            "stage": "profiling", "event": "finished", "profile": found, "page": str(out), "seconds": seconds,
            "coverage": groups.to_plain() if groups else None,
        })  # fmt: skip
        return
    from modelwright.profiling import words
    from modelwright.profiling.alerts import percent

    n_missing = sum(column.n_missing for column in found.columns)
    share = percent(n_missing / max(1, found.n_rows * len(found.columns)))
    terminal.text(f"table     {found.n_rows:,} rows x {len(found.columns):,} columns: {words.kinds(found)}")
    terminal.text(f"          {share} of cells missing, {found.n_repeated:,} rows repeat an earlier one")
    if found.target:
        terminal.text(f"target    {_plain(words.target_line(found))}")
    _columns(found, terminal)
    _alerts(found.alerts, terminal)
    if groups is not None:
        covered.tell(groups, terminal)
    terminal.text(f"{words.looked(found)}   {seconds:.1f} s")
    terminal.text(f"page      {out}")
    source = shlex.quote(options.source)
    more = f"wright run {source} --target {shlex.quote(found.target.column)}" if found.target else (
        f"wright profile {source} --target COLUMN   adds classes and leaks"
    )  # fmt: skip
    terminal.text(f"next      {more}")


def _columns(found: Profile, terminal: Terminal) -> None:
    from modelwright.profiling import words
    from modelwright.profiling.alerts import percent
    from modelwright.profiling.drawing import spark

    rows: list[list[Any]] = []
    for column in found.columns[:MOST_LISTED]:
        counts = column.numbers.histogram.counts if column.numbers else ()
        role = "" if column.role == "feature" else f" ({column.role})"
        rows.append([
            _cut(column.name, 30), f"{words.KINDS.get(column.kind, column.kind)}{role}",
            percent(column.missing) if column.n_missing else "",
            "" if column.n_distinct is None else f"{column.n_distinct:,}", spark(counts) if len(counts) > 1 else "",
            _cut(words.summary(column)),
        ])  # fmt: skip
    terminal.table(["column", "kind", "missing", "different", "spread", "what is in it"], rows)
    if len(found.columns) > MOST_LISTED:
        terminal.text(f"... and {len(found.columns) - MOST_LISTED:,} more columns: the page has them all")


def _alerts(alerts: tuple[Alert, ...], terminal: Terminal) -> None:
    told = [alert for alert in alerts if alert.level != "know"] or list(alerts)
    shown = [one for at, one in enumerate(told) if sum(other.code == one.code for other in told[:at]) < MOST_ALIKE]
    for alert in shown[:MOST_ALERTS]:
        terminal.text(_plain(f"{SIGNS[alert.level]} {alert.words}"))
        terminal.text(_plain(f"    {alert.todo}" + (f"   {alert.line}" if alert.line else "")))
    n_more = len(alerts) - len(shown[:MOST_ALERTS])
    if n_more:
        terminal.text(f"  ... and {n_more} more on the page")


def _cut(text: str, most: int = MOST_LETTERS) -> str:
    plain = _plain(" ".join(text.split()))
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def _plain(text: str) -> str:
    """Text without what would steer a terminal or turn its letters round."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
