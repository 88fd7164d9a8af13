"""What the command line shows: events as a calm log with a progress bar, results as tables, or JSON lines.

It only prints. Every method takes a value that the verbs returned.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.codec import plain_of
from modelwright.core.errors import WrightError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from modelwright.core.record import Run
    from modelwright.lifecycle import Plan

_WORDS = {
    "collection": "collect", "cleaning": "clean", "sequences": "window", "splitting": "split", "tuning": "tune",
    "unsupervised": "learn", "training": "train", "evaluation": "evaluate", "packaging": "package",
    "explanation": "explain", "fairness": "audit",
}  # fmt: skip

_LOOP = ("step", "validation", "resumed", "verdict")


class Terminal:
    """Prints to stdout; notes and errors go to stderr, so that `wright predict ... -o - | ...` stays clean."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._progress: Progress | None = None
        self._task: Any = None
        self._console: Console | None = None

    @property
    def console(self) -> Console:
        """The terminal, opened when something is first shown."""
        if self._console is None:
            from rich.console import Console

            is_terminal = sys.stdout.isatty()
            self._console = Console(highlight=False, soft_wrap=not is_terminal, width=None if is_terminal else 120)
        return self._console

    def emit(self, event: Mapping[str, Any]) -> None:
        """One JSON line."""
        print(json.dumps(plain_of(event), ensure_ascii=False), flush=True)

    # Work in progress ---------------------------------------------------------------------------------------

    def watch(self, event: Mapping[str, Any]) -> None:
        """Follow a run: one line per finished stage, one per candidate, a bar in between."""
        if self.as_json:
            self.emit(event)
            return
        word = "mend" if event.get("method") == "mend" else _WORDS.get(event["stage"], event["stage"])
        if event["event"] == "end":
            self._close_bar()
            if event.get("told"):
                self._line(word, event)
        elif event["event"] == "progress":
            self._bar(word, event)
        elif event["event"] == "candidate":
            name, score = event.get("name", ""), event.get("score")
            if event.get("sought") and not event.get("best"):  # of a long search only what is better is worth a line
                return
            better = "  [green]best so far[/]" if event.get("best") else ""
            self.console.print(f"    [dim]{name:<34}[/] {event.get('metric', '')} {score:.4f}{better}")
        elif event["event"] in ("decision", "note"):
            self.console.print(f"    [dim]{_escaped(event.get('text', ''))}[/]")
        elif event["event"] in _LOOP:
            self._loop(word, event)

    def _loop(self, word: str, event: Mapping[str, Any]) -> None:
        """A network in training: a bar with loss, score and rate; a line for each new best and each verdict."""
        if event["event"] == "step":
            score = "" if event["score"] is None else f"  best {event['score']:.4f}"
            text = f"loss {event['loss']:.4f}{score}  {event['rows_per_s']:,.0f} rows/s"
            self._bar(word, {"done": event["step"], "total": event["n_steps"], "text": text})
        elif event["event"] == "validation" and event.get("best"):
            told = f"epoch {event['epoch']:<6g} loss {event['loss'] or 0.0:.4f}"
            told += f"   held-out loss {event['validation_loss']:.4f}"
            named = f"   {event['score_name']} {event['score']:.4f}" if event.get("score_name") else ""
            self.console.print(f"    [dim]{told}{named}[/]")
        elif event["event"] == "resumed":
            self.console.print(f"    going on from step {event['step']:,} of {event['n_steps']:,}")
        elif event["event"] == "verdict":
            self.console.print(f"    [yellow]{_escaped(str(event['words']))}[/]")

    def _line(self, word: str, event: Mapping[str, Any]) -> None:
        told = "there already" if event["cached"] else f"{event['seconds']:.1f} s"
        self.console.print(f"[bold]{word:<9}[/] {_escaped(str(event.get('told', ''))):<58} [dim]{told}[/]")
        for sentence in _sentences(event.get("decisions", ())):
            self.console.print(f"          [dim]{_escaped(sentence)}[/]")

    def _bar(self, word: str, event: Mapping[str, Any]) -> None:
        if not self.console.is_terminal:
            return
        if self._progress is None:
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._progress = Progress(
                TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"),
                TimeRemainingColumn(), console=self.console, transient=True,
            )  # fmt: skip
            self._progress.start()
            self._task = self._progress.add_task(word, total=None)
        text = f"{word} {event.get('text', '')}"
        self._progress.update(self._task, completed=event["done"], total=event["total"], description=text)

    def _close_bar(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    # Results ------------------------------------------------------------------------------------------------

    def finished(self, record: Run) -> None:
        """What a run came to, and what to do next."""
        self._close_bar()
        if self.as_json:
            self.emit({"stage": "run", "event": "finished", "run": record.id, "name": record.name, **record.facts})
            return
        facts = record.facts
        self.console.print()
        self.console.print(f"[bold]{_escaped(str(facts['headline']))}[/]\n{_escaped(str(facts['verdict']))}")
        self.table(["metric", "value", "95 % interval", "baseline"], facts["metrics"])
        folder = Path(facts["folder"])
        self.console.print(f"report    {folder / 'report.html'}\ncard      {folder / 'card.md'}")
        self.console.print(f"package   {facts['package']}")
        for line in facts.get("track", ()):
            self.console.print(f"tracked   {_escaped(line)}")
        self.console.print(f"[dim]next      wright serve {record.name}   |   wright show {record.name} --changes   |   "
                           f"wright predict {record.name} rows.csv -o answers.csv[/]")  # fmt: skip

    def planned(self, plan: Plan, *, written: str | None) -> None:
        """Every stage, whether it is there, and every decision with its reason."""
        self._close_bar()
        if self.as_json:
            self.emit({"stage": "plan", "event": "planned", "stages": plan.stages, "decisions": plan.decisions,
                       "recipe": plan.recipe.to_plain()})  # fmt: skip
            return
        self.table(["stage", "state", "what"], [[row["stage"], row["state"], row["told"]] for row in plan.stages])
        rows = [[_WORDS.get(d["stage"], d["stage"]), d["about"], d["choice"], d["reason"]] for d in plan.decisions]
        self.table(["stage", "about", "choice", "because"], rows)
        if written:
            self.console.print(f"recipe    {written}   [dim]next: wright run {written}[/]")

    def predicted(self, n_rows: int, output: str, warnings: Sequence[str]) -> None:
        """How many rows were answered, and what was odd about them."""
        for warning in warnings[:10]:
            self.note(f"warning: {warning}")
        if len(warnings) > 10:
            self.note(f"... and {len(warnings) - 10} more warnings")
        if self.as_json and output != "-":
            self.emit(
                {"stage": "predict", "event": "finished", "n_rows": n_rows, "output": output, "warnings": warnings}
            )
        elif output != "-":
            self.note(f"{n_rows} rows answered in {output}")

    def serving(self, model: Any, address: str) -> None:
        """Where the model answers, with a curl line from a real row."""
        from modelwright_runtime.server import curl_line

        line = curl_line(model, address)
        if self.as_json:
            self.emit({"stage": "serve", "event": "ready", "address": address, "curl": line})
            return
        self.console.print(f"\n[bold]serving[/]   {address}   [dim]page at /, OpenAPI at /docs, Ctrl-C stops[/]")
        print(f"try it:\n{line}", flush=True)

    def listed(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Runs, newest first."""
        if self.as_json:
            for row in rows:
                self.emit(row)
            return
        if not rows:
            self.note("nothing here yet; begin with `wright run data.csv --target COLUMN`")
            return
        columns = list(rows[0])
        self.table(columns, [[row[column] for column in columns] for row in rows])

    def freed(self, n_files: int, n_bytes: int) -> None:
        """What the garbage collector freed."""
        if self.as_json:
            self.emit({"stage": "gc", "event": "finished", "n_files": n_files, "n_bytes": n_bytes})
        else:
            self.note(f"{n_files} files and {n_bytes / 1e6:.1f} MB freed")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str = "") -> None:
        """A plain table."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table(*columns, box=SIMPLE_HEAD, pad_edge=False, title=title or None, title_justify="left")
        for row in rows:
            table.add_row(*(Text(_cell(value)) for value in row))
        self.console.print(table)

    def text(self, text: str) -> None:
        """One line as it is."""
        self.console.print(_escaped(text))

    def note(self, text: str) -> None:
        """A word beside the results."""
        if not self.as_json:
            print(text, file=sys.stderr, flush=True)

    def error(self, error: WrightError) -> None:
        """One sentence, one hint, one code."""
        self._close_bar()
        if self.as_json:
            self.emit({"event": "error", **error.as_plain(), "exit_code": error.exit_code})
        else:
            print(f"wright: {error}", file=sys.stderr, flush=True)


KINDS = ("number", "category", "boolean", "datetime", "text")
MOST_DECISIONS, MOST_LETTERS = 12, 160


def _sentences(decisions: Sequence[Mapping[str, Any]]) -> list[str]:
    """Decisions as lines: the kinds of columns counted in one, the rest one by one, the longest list cut."""
    kinds = [decision["choice"] for decision in decisions if decision["choice"] in KINDS]
    counts = [f"{kinds.count(kind)} {kind}" for kind in KINDS if kind in kinds]
    rest = [
        _cut(f"{decision['about']}: {decision['choice']}, because {decision['reason']}")
        for decision in decisions
        if decision["choice"] not in KINDS
    ]
    n_more = len(rest) - MOST_DECISIONS
    more = [f"... and {n_more} more decisions: `wright show NAME` tells them all"] if n_more > 0 else []
    return [*([f"columns: {', '.join(counts)}"] if counts else []), *rest[:MOST_DECISIONS], *more]


def _cut(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 4]} ..."


def _escaped(text: str) -> str:
    """Text from the data may hold what rich would read as markup."""
    from rich.markup import escape

    return escape(text)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)
