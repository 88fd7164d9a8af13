"""The commands of datasets: collect, datasets, diff, trace, forget."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError
from modelwright.core.store import Store

if TYPE_CHECKING:
    from modelwright.collection.base import CollectSpec
    from modelwright.collection.gathering import Came, Gathered
    from modelwright.collection.versions import Difference, Version
    from modelwright.terminal import Terminal

Parser = Callable[..., argparse.ArgumentParser]
MOST_LISTED = 30


def collect(arguments: list[str], terminal: Terminal, parser: Parser) -> None:
    """`wright collect`."""
    options_of = parser(
        "collect", "Gather what is new in the sources into the next version of a dataset. What is known is passed "
        "over, and told; nothing new makes no version. Broken off, the same command goes on from there. Streams run "
        "until Ctrl-C, or as long as --for or --rows say. What the recipe's `requirements` ask for is held against the "
        "newest version; exit code 2 where what must be met is not, and what came is kept.",
        "wright collect recipe.yaml", "wright collect 'sales/*.csv.gz' --as sales",
        "wright collect postgresql://ann@host/shop --table orders --cursor updated_at --as orders",
        "wright collect mqtt://host/plant/+/temperature --as plant --for 60s",
        "wright collect openml:61 --as iris", "wright collect hf:stanfordnlp/imdb:train --as reviews",
    )  # fmt: skip
    options_of.add_argument("source", metavar="SOURCE", help="a recipe (.yaml), or a source as `wright run` takes it")
    options_of.add_argument(
        "--as", dest="name", metavar="NAME", help="name of the dataset [the recipe's, or the file's]"
    )
    options_of.add_argument("--for", dest="time", metavar="TIME", help="how long streams are listened to, such as 60s")
    options_of.add_argument("--rows", type=int, metavar="N", help="stop after so many rows of a stream")
    for field, about in _source_settings().items():
        options_of.add_argument(f"--{field}", metavar="VALUE", dest=f"source.{field}", help=about.replace("%", "%%"))
    options = options_of.parse_args(arguments)
    spec, name = _asked(options)
    store = Store.open(options.store)
    began = time.perf_counter()
    gathered = _gathered(spec, name, store, options, terminal)
    seconds = round(time.perf_counter() - began, 3)
    terminal.watch({"stage": "collection", "event": "end", "cached": not gathered.is_new, "seconds": seconds})
    _tell_gathered(gathered, terminal, seconds)
    if options.source.endswith((".yaml", ".yml")):
        _tell_required(gathered.version, _read(Path(options.source)), store, terminal)


def _tell_required(version: Version, recipe: dict[str, Any], store: Store, terminal: Terminal) -> None:
    """What the recipe requires, held against the newest version; an error where what must be met is not."""
    from modelwright.required import met_by, required_of

    spec = required_of(recipe)
    if spec is None:
        return
    found = met_by(store, version, spec, recipe, terminal.watch)
    if terminal.as_json:
        label = version.label if version.number else None
        terminal.emit({"stage": "profiling", "event": "requirements", "version": label, **found.to_plain()})
    else:
        terminal.text(f"required  {found.told()}")
        terminal.table(["requirement", "is", "required", "found"], found.table())
        for line in found.lines():
            terminal.text(f"          {line}")
    found.check()


def _gathered(
    spec: CollectSpec, name: str, store: Store, options: argparse.Namespace, terminal: Terminal
) -> Gathered:  # fmt: skip
    from modelwright.collection.gathering import Gathered, gather
    from modelwright.collection.locate import scheme_of

    keep = store.root / "raw"
    live = tuple(source for source in spec.sources if scheme_of(source.source) == "stream")
    if not live:
        return gather(spec, name, store=store, watch=terminal.watch, keep=keep)
    from modelwright.collection.streams.listening import listen
    from modelwright.collection.streams.spec import duration_s

    rest = tuple(source for source in spec.sources if source not in live)
    before = gather(spec.but(sources=rest), name, store=store, watch=terminal.watch, keep=keep) if rest else None
    seconds = None if options.time is None else duration_s(options.time)
    after = listen(spec.but(sources=live), name, store=store, seconds=seconds, rows=options.rows, watch=terminal.watch,
                   keep=keep)  # fmt: skip
    if before is None:
        return after
    return Gathered(version=after.version, is_new=before.is_new or after.is_new, sources=before.sources + after.sources)


def _source_settings() -> dict[str, str]:
    from modelwright.collection.base import SourceSpec

    return {
        name: info.description or ""
        for name, info in SourceSpec.model_fields.items()
        if name not in ("source", "sha256")
    }


def _asked(options: argparse.Namespace) -> tuple[CollectSpec, str]:
    """The sources and the dataset's name that the arguments say."""
    from modelwright.recipe import data_of, name_of

    given = {
        name.removeprefix("source."): _setting(name.removeprefix("source."), text)
        for name, text in vars(options).items()
        if name.startswith("source.") and text is not None
    }
    if not options.source.endswith((".yaml", ".yml")):
        spec = data_of({"source": options.source, **given})
        return spec, options.name or name_of(spec)
    path = Path(options.source)
    plain = _read(path)
    spec = data_of(plain["data"])
    if given:
        spec = spec.but(sources=tuple(source.but(**given) for source in spec.sources))
    from modelwright.collection.fingerprint import relative_to

    return relative_to(spec, path.parent), options.name or str(plain.get("name", path.stem))


def _setting(name: str, text: str) -> Any:
    """An option's text as the setting takes it: names with commas between, settings as YAML, else as it is."""
    from modelwright.recipe import read_yaml

    if name == "columns":
        return [one.strip() for one in text.strip("[]").split(",")]
    return read_yaml(text) if name in ("api", "crawl", "stream") else text


def _read(path: Path) -> dict[str, Any]:
    """A recipe's plain settings; one that says what to predict is checked as a whole."""
    import yaml

    from modelwright.recipe import Recipe, read_yaml

    try:
        plain = read_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError("recipe.missing", f"there is no recipe {str(path)!r}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise UserError("recipe.yaml", f"{path} is not YAML: {problem}".replace("\n", " ")) from problem
    if not isinstance(plain, dict) or "data" not in plain:
        raise UserError(
            "recipe.shape", f"{path} has no `data`, which says what is collected.", hint="data: sales/*.csv"
        )
    if "target" in plain:
        Recipe.from_yaml(path)
    else:
        from modelwright.required import required_of

        required_of(plain)  # a misspelt requirement is told before anything is collected
    return plain


def _tell_gathered(gathered: Gathered, terminal: Terminal, seconds: float) -> None:
    version = gathered.version
    if terminal.as_json:
        terminal.emit({
            "stage": "collection", "event": "collected", "version": version.label if version.number else None,
            "is_new": gathered.is_new, "n_rows": version.n_rows, "seconds": seconds, "sources": list(gathered.sources),
        })  # fmt: skip
        return
    for came in gathered.sources:
        terminal.text(f"source    {came.source}")
        for line in _lines(came):
            terminal.text(f"          {line}")
    if not version.number:
        terminal.text("nothing   no source gave a row: there is no version yet")
        return
    if gathered.is_new:
        size = f"{version.n_rows:,} rows x {len(version.schema.names)} columns, {version.n_bytes / 1e6:,.1f} MB"
        terminal.text(f"version   {version.label}: {size}   {seconds:.1f} s")
        for line in version.changed.get("told", ())[:MOST_LISTED]:
            terminal.text(f"          {line}")
        before = f"   |   wright diff {version.name}@{version.parent} {version.label}" if version.parent else ""
        terminal.text(f"next      wright run dataset:{version.name} --target COLUMN{before}")
    else:
        terminal.text(f"version   {version.label} stays the newest: nothing new in {version.n_rows:,} rows")


def _lines(came: Came) -> list[str]:
    n_added, n_removed = f"{came.n_added:,} rows new", f", {came.n_removed:,} replaced" if came.n_removed else ""
    lines = [f"{n_added}{n_removed}"]
    lines += [f"{count:,} passed over: {why}" for why, count in came.skipped.items()]
    told = list(came.told[:MOST_LISTED])
    return lines + told + ([f"... and {len(came.told) - MOST_LISTED} more"] if len(came.told) > MOST_LISTED else [])


# Looking at datasets ------------------------------------------------------------------------------------------------


def datasets(arguments: list[str], terminal: Terminal, parser: Parser) -> None:
    """`wright datasets`."""
    options_of = parser(
        "datasets", "The datasets of the store; of one dataset its versions and what each changed; of one version its "
        "columns and parts.",
        "wright datasets", "wright datasets sales", "wright datasets sales@3 --call paper",
    )  # fmt: skip
    options_of.add_argument("name", nargs="?", metavar="NAME", help="a dataset, or a version such as sales@3")
    options_of.add_argument("--call", metavar="WORD", help="let sales@WORD stand for that version, and keep it")
    options_of.add_argument("--drop", action="store_true", help="let sales@WORD stand for nothing any more")
    options_of.add_argument("--limit", type=int, default=MOST_LISTED, help=f"how many versions [{MOST_LISTED}]")
    options = options_of.parse_args(arguments)
    from modelwright.collection import versions

    store = Store.open(options.store)
    if options.name is None:
        terminal.listed([_row(versions.newest(store, name)) for name in versions.names(store)])
    elif options.drop:
        versions.untag(store, options.name)
        terminal.note(f"{options.name} stands for nothing any more")
    elif options.call:
        version = versions.tag(store, options.name, options.call)
        terminal.note(f"{version.name}@{options.call} stands for {version.label}")
    elif "@" in options.name:
        _show_version(versions.find(store, options.name), terminal)
    else:
        _show_versions(store, options.name, options.limit, terminal)


def _row(version: Version) -> dict[str, Any]:
    return {
        "dataset": version.name, "newest": version.label, "rows": f"{version.n_rows:,}",
        "columns": len(version.schema.names), "MB": f"{version.n_bytes / 1e6:,.1f}", "made": version.created[:16],
    }  # fmt: skip


def _show_versions(store: Store, name: str, limit: int, terminal: Terminal) -> None:
    from modelwright.collection import versions

    versions.find(store, name)
    called = {number: word for word, number in versions.tags(store, name).items()}
    rows = []
    for version in versions.versions_of(store, name)[::-1][:limit]:
        changed = version.changed
        rows.append({
            "version": version.label, "called": called.get(version.number, ""), "made": version.created[:19],
            "rows": f"{version.n_rows:,}", "new": f"{changed.get('added', 0):,}",
            "left": f"{changed.get('removed', 0):,}",
            "what": "; ".join(map(str, changed.get("told", ())))[:90],
        })  # fmt: skip
    terminal.listed(rows)


def _show_version(version: Version, terminal: Terminal) -> None:
    if terminal.as_json:
        terminal.emit({"event": "version", **version.to_plain()})
        return
    terminal.text(
        f"{version.label}   {version.n_rows:,} rows   {version.n_bytes / 1e6:,.1f} MB   made {version.created}"
    )
    for line in version.changed.get("told", ()):
        terminal.text(f"  {line}")
    terminal.table(["column", "type", "kind", "role"],
                   [[c.name, version.types[c.name], c.kind, c.role] for c in version.schema.columns])  # fmt: skip
    reached = [[source, str(cursor["state"].get("since", ""))] for source, cursor in version.cursors.items()]
    terminal.table(["source", "read up to"], reached)
    terminal.table(["part", "form", "rows", "from row", "MB"],
                   [[part.digest[:12], part.form, part.n_rows, part.first_row, part.n_bytes / 1e6]
                    for part in version.parts[:MOST_LISTED]])  # fmt: skip


def diff(arguments: list[str], terminal: Terminal, parser: Parser) -> None:
    """`wright diff`."""
    options_of = parser(
        "diff", "Two versions side by side: rows that came and left, columns, and how far each column's values moved.",
        "wright diff sales@3 sales@4", "wright diff sales@paper sales",
    )  # fmt: skip
    options_of.add_argument("before", help="a version, such as sales@3")
    options_of.add_argument("after", help="another one, such as sales@4 or sales (the newest)")
    options = options_of.parse_args(arguments)
    from modelwright.collection import versions

    between = versions.diff(Store.open(options.store), options.before, options.after)
    if terminal.as_json:
        terminal.emit({"event": "diff", "between": between})
        return
    for line in _difference_lines(between):
        terminal.text(line)
    rows = [[s.column, s.words, s.psi, "" if s.ks is None else s.ks, f"{s.missing[0]:.1%}", f"{s.missing[1]:.1%}"]
            for s in between.shifts]  # fmt: skip
    if rows:
        terminal.table(["column", "its values are", "PSI", "KS", "empty before", "empty after"], rows)
        terminal.text(
            "PSI below 0.1: about the same; above 0.25: different. KS: largest gap between the distributions."
        )


def _difference_lines(between: Difference) -> list[str]:
    lines = [f"{between.before}: {between.n_before:,} rows   {between.after}: {between.n_after:,} rows",
             f"rows      {between.added:,} came, {between.removed:,} left"]  # fmt: skip
    lines += [f"column    `{name}` is new" for name in between.columns_added]
    lines += [f"column    `{name}` is gone" for name in between.columns_removed]
    lines += [f"column    `{name}` was {was} and is {now}" for name, was, now in between.columns_retyped]
    return lines + [f"told      {line}" for line in between.told[:MOST_LISTED]]


def trace(arguments: list[str], terminal: Terminal, parser: Parser) -> None:
    """`wright trace`."""
    options_of = parser(
        "trace", "Where a version's rows came from: source, file, time, and the sha256 of the bytes.",
        "wright trace sales", "wright trace sales@3 --row 17 --row 1204",
    )  # fmt: skip
    options_of.add_argument("name", help="a dataset or a version")
    options_of.add_argument("--row", type=int, action="append", metavar="ID", help="only this row; may be given again")
    options_of.add_argument("--limit", type=int, default=MOST_LISTED, help=f"how many lines [{MOST_LISTED}]")
    options = options_of.parse_args(arguments)
    from modelwright.collection import versions

    store = Store.open(options.store)
    found = versions.trace(store, versions.find(store, options.name), options.row)
    rows = found.drop("event").tail(options.limit).to_dicts()
    if terminal.as_json:
        for row in rows:
            terminal.emit({"event": "trace", **row})
        return
    shown = [{**row, "sha256": row["sha256"][:12]} for row in rows]
    if len(rows) < found.height:
        terminal.note(f"the last {len(rows)} of {found.height:,} arrivals; --limit shows more")
    terminal.listed(shown)


def forget(arguments: list[str], terminal: Terminal, parser: Parser) -> None:
    """`wright forget`."""
    options_of = parser(
        "forget", "Forget versions of a dataset; `wright gc` then frees what nothing else needs. The newest version "
        "and one that has a name are kept.",
        "wright forget sales@1", "wright forget sales@1..30", "wright forget sales --all",
    )  # fmt: skip
    options_of.add_argument("name", help="a version, or versions such as sales@1..30")
    options_of.add_argument("--all", action="store_true", help="the whole dataset, with its newest version")
    options = options_of.parse_args(arguments)
    from modelwright.collection import versions

    gone = versions.forget(Store.open(options.store), options.name, whole=options.all)
    if terminal.as_json:
        terminal.emit({"event": "forgotten", "name": options.name, "versions": gone})
    else:
        terminal.note(f"{len(gone)} versions of {options.name.partition('@')[0]} are forgotten; next: wright gc")
