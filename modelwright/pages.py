"""`wright show`: a run, a package or a file of data as a page in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.store import Store
from modelwright.lifecycle import load_run, value_of

if TYPE_CHECKING:
    import polars as pl

    from modelwright.core.record import Run
    from modelwright.terminal import Terminal


def show(name: str, *, store: str, terminal: Terminal, changes: bool, limit: int) -> None:
    """Print the page of whatever `name` is: a `.wright` file, a file of data, or a run in the store."""
    if name.endswith(".wright"):
        _show_package(Path(name), terminal)
    elif changes:
        _show_changes(name, Store.open(store), terminal, limit)
    elif Path(name).is_file() or (name.endswith("/") and Path(name).is_dir()):  # `photos` is a run, `photos/` a folder
        _show_data(name, terminal)
    else:
        opened = Store.open(store)
        _show_run(load_run(opened, name), terminal)


def _show_run(record: Run, terminal: Terminal) -> None:
    if terminal.as_json:
        terminal.emit({"event": "run", "record": record})
        return
    told = record.facts.get("headline", "not finished: the same command goes on from where it stopped")
    terminal.text(f"{record.name}   {record.status}   {record.started}   run {record.id}")
    terminal.text(str(told))
    rows = [
        [stage.stage, stage.facts.get("told", ""), "there already" if stage.cached else f"{stage.seconds:.2f} s"]
        for stage in record.stages
    ]
    terminal.table(["stage", "what came of it", "took"], rows, title="stages")
    if record.facts.get("metrics"):
        terminal.table(["metric", "value", "95 % interval", "baseline"], record.facts["metrics"], title="held-out rows")
    facts = {stage.stage: stage.facts for stage in record.stages}
    candidates = facts.get("training/train", {}).get("leaderboard", ())
    rows = [[c["name"], c["metric"], c["score"], c["weight"]] for c in candidates]
    terminal.table(["candidate", "metric", "validated", "weight"], rows, title="candidates")
    decisions = [decision for stage in record.stages for decision in stage.facts.get("decisions", ())]
    rows = [[d["stage"], d["about"], d["choice"], d["reason"]] for d in decisions]
    terminal.table(["stage", "about", "choice", "because"], rows, title="decisions")
    columns = facts.get("cleaning/clean", {}).get("schema", ())
    rows = [[c["name"], c["kind"], c["role"], c["unit"], c["why"]] for c in columns]
    terminal.table(["column", "kind", "role", "unit", "why"], rows, title="columns")
    for file in ("report.html", "card.md"):
        if record.facts.get("folder"):
            terminal.text(str(Path(record.facts["folder"]) / file))


def _show_changes(name: str, store: Store, terminal: Terminal, limit: int) -> None:
    """The cleaning log: a summary, then the changed cells and the removed rows."""
    cleaned = value_of(store, name, "cleaning/clean")
    frame = cleaned.changes.collect()
    if terminal.as_json:
        for row in frame.iter_rows(named=True):
            terminal.emit({"event": "change", **row})
        for row in cleaned.removed.iter_rows(named=True):
            terminal.emit({"event": "removed", **row})
        return
    from modelwright.cleaning import summary

    lines = summary(cleaned)
    if lines:
        columns = list(lines[0])
        terminal.table(columns, [[line[column] for column in columns] for line in lines], title="what was cleaned")
    terminal.table(frame.columns, frame.head(limit).rows(), title=f"changed cells ({frame.height:,})")
    removed = cleaned.removed
    terminal.table(removed.columns, removed.head(limit).rows(), title=f"removed rows ({removed.height:,})")
    more = max(frame.height, removed.height) - limit
    if more > 0:
        terminal.text(
            f"... {more:,} more; --limit shows more, --json gives all; `wright undo {name}` gives the raw table"
        )


def _show_package(path: Path, terminal: Terminal) -> None:
    from modelwright_runtime import load
    from modelwright_runtime.unlabelled import KINDS, words_of

    model = load(path)
    if terminal.as_json:
        terminal.emit({"event": "package", "name": model.name, "signature": model.signature.to_plain()})
        return
    task = model.signature.task
    what = words_of(task) if task.kind in KINDS else f"{task.target} ({task.kind})"
    terminal.text(f"{model.name}   predicts {what}")
    rows = [_column_line(reading.column, reading.kind, model.signature) for reading in model.signature.readings]
    terminal.table(["column", "kind", "seen in training"], rows, title="what it takes")
    terminal.text(model.facts["card"])


def _column_line(name: str, kind: str, signature: Any) -> list[str]:
    if name in signature.levels:
        levels = signature.levels[name]
        return [name, kind, ", ".join(levels[:8]) + (f" and {len(levels) - 8} more" if len(levels) > 8 else "")]
    if name in signature.ranges:
        low, high = signature.ranges[name]
        return [name, kind, f"{low:g} to {high:g}"]
    return [name, kind, ""]


def _show_data(name: str, terminal: Terminal) -> None:
    """A file of data: its columns as cleaning would read them."""
    from modelwright.cleaning.base import clean
    from modelwright.collection.base import collect

    cleaned = clean(collect(name))
    frame = cleaned.kept.frame
    if terminal.as_json:
        terminal.emit({"event": "data", "n_rows": cleaned.raw.n_rows, "schema": cleaned.kept.schema.to_plain()})
        return
    rows = []
    for column in cleaned.kept.schema.columns:
        series = frame[column.name]
        examples = _examples(series, column.kind)
        rows.append(
            [column.name, column.kind, column.role, f"{series.null_count() / max(len(series), 1):.1%}", examples]
        )
    terminal.table(["column", "kind", "role", "missing", "for example"], rows, title=f"{name}: {frame.height:,} rows")


def _examples(series: pl.Series, kind: str) -> str:
    """Some values of a column in words; files by their size, lists by their length."""
    import polars as pl

    if series.dtype == pl.Binary:
        sizes = (f"{kind}, {len(cell) / 1000:,.1f} kB" for cell in series.drop_nulls().head(3).to_list())
        return "; ".join(sizes)
    if series.dtype.is_nested():
        lengths = (
            f"{len(cell)} {'steps' if kind == 'series' else kind}" for cell in series.drop_nulls().head(3).to_list()
        )
        return ", ".join(lengths)
    return ", ".join(str(value) for value in series.drop_nulls().unique(maintain_order=True).head(4))
