"""The commands of a served model: serve, watch, status, feedback, monitor, retrain, challenge, promote, rollback."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError, nearest

if TYPE_CHECKING:
    from modelwright.monitoring import MonitorSpec
    from modelwright.operating.place import Place
    from modelwright.terminal import Terminal

Parser = Callable[..., argparse.ArgumentParser]
BY = "command line"


def serve(arguments: list[str], terminal: Terminal, parser: Parser) -> None:
    """`wright serve`."""
    from modelwright_runtime.__main__ import add_serving, limits_of, setup_of, token_of

    options_of = parser(
        "serve", "Answer over HTTP until Ctrl-C: POST /predict, POST /v2/models/NAME/infer (Open Inference Protocol), "
        "a page at /, OpenAPI at /docs, /metrics, /status. A name is deployed: its predictions are logged, and "
        "promotions take effect at once. A .wright file is served as it is, without a log.",
        "wright serve income", "wright serve income --workers 4", "wright serve income --challenger 2 --canary 10%",
        "wright serve income.wright --port 0", "WRIGHT_TOKEN=... wright serve income --host 0.0.0.0",
    )  # fmt: skip
    options_of.add_argument("name", help="a run's name or a .wright file")
    options_of.add_argument("--host", default="127.0.0.1", help="another than loopback needs a token in WRIGHT_TOKEN")
    options_of.add_argument("--port", type=int, default=8000, help="0 takes a free one [8000]")
    options_of.add_argument("--no-log", action="store_true", help="keep no rows: nothing can be monitored then")
    _add_challenger(options_of)
    add_serving(options_of)
    options = options_of.parse_args(arguments)
    served: Any
    if options.name.endswith(".wright") or Path(options.name).is_file():
        served = options.name
    else:
        from modelwright.operating.place import deploy

        place = deploy(options.store, options.name)
        set_log(place, keep=not options.no_log)
        if options.challenger is not None:
            _challenge(place, options, terminal)
        served = str(place.folder)
    serve_path(served, terminal, host=options.host, port=options.port, token=token_of(os.environ),
               limits=limits_of(options), setup=setup_of(options))  # fmt: skip


def serve_path(path: str, terminal: Terminal, **how: Any) -> None:
    """Serve a package or a deployment folder until a signal."""
    from modelwright_runtime.deployment import package_path, read
    from modelwright_runtime.model import load
    from modelwright_runtime.server import opened, serve

    if "setup" in how and how["setup"].workers > 1:  # nothing is loaded before the processes part

        def ready(address: str) -> None:
            folder = Path(path)
            file = folder
            if folder.is_dir():
                state = read(folder)
                file = package_path(folder, state.version(state.champion))
            terminal.serving(load(file), address)

        serve([path], ready=ready, **how)
    else:
        one: Any = opened(path)
        model = getattr(one, "model", one)
        serve([one], ready=lambda address: terminal.serving(model, address), **how)
    terminal.note("stopped; the same command serves again")


def set_log(place: Place, *, keep: bool = True) -> None:
    """What is kept of the rows that are asked: as the champion's recipe says, or nothing."""
    from dataclasses import replace

    from modelwright_runtime.deployment import LogSettings, change

    log = LogSettings(**spec_of(place).log.model_dump())
    columns = place.model(place.state().champion).columns
    for name in (*log.leave_out, *log.hash):
        if name not in columns:
            raise UserError(
                "operating.log_column", f"`monitor.log` names {name!r}, which {place.name!r} does not take.",
                hint=nearest(name, columns),
            )  # fmt: skip
    log = log if keep else replace(log, share=0.0)
    if log != place.state().log:
        change(place.folder, lambda state: replace(state, log=log))


def _add_challenger(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--challenger", metavar="N", help="a version, a run's name or a .wright file beside the champion"
    )
    _add_ways(parser)


def _add_ways(parser: argparse.ArgumentParser) -> None:
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--shadow", action="store_true", help="it is asked and logged, never answered from [this]")
    way.add_argument("--canary", metavar="SHARE", help="it answers this share of the requests, such as 10%%")
    way.add_argument("--ab", metavar="SHARE", nargs="?", const="50%", help="it answers this share of the callers, told "
                     "apart by the header X-Wright-Key [50%%]")  # fmt: skip


def _challenge(place: Place, options: argparse.Namespace, terminal: Terminal) -> None:
    from modelwright_runtime.deployment import challenged, change

    mode = "canary" if options.canary else "ab" if options.ab else "shadow"
    share = _share(options.canary or options.ab or "10%")
    number = _version_of(place, options.challenger)
    change(place.folder, lambda state: challenged(state, number, mode=mode, share=share))  # type: ignore[arg-type]
    from dataclasses import replace

    place.keep_progress(replace(place.progress(), challenged_s=time.time(), promoted_s=0.0))
    told = f"Version {number} runs beside the champion ({mode}{'' if mode == 'shadow' else f', {share:.0%}'})."
    place.record("challenge", told, {"version": number, "mode": mode, "share": share}, by=BY)
    terminal.note(told)


def _version_of(place: Place, given: str) -> int:
    """A number as it is; a package or a run's package becomes a version first."""
    from modelwright.operating.place import deploy

    if given.isdecimal():
        return place.state().version(int(given)).number
    package, run = Path(given), ""
    if not given.endswith(".wright"):
        named = place.store.named("packages", given)
        if named is None:
            raise UserError(
                "operating.version", f"{given!r} is no version, run or .wright file.", hint="`wright status`"
            )
        package, run = place.store.path(named["file"]), str(named.get("run", ""))
    deploy(place.store, place.name, package, run=run)
    return place.number_of(package)


def _share(text: str) -> float:
    try:
        share = float(text.rstrip("%")) / (100.0 if text.endswith("%") else 1.0)
    except ValueError:
        share = -1.0
    if not 0.0 < share < 1.0:
        raise UserError("operating.share", f"a share lies between 0 and 1; got {text!r}.", hint="write 10% or 0.1")
    return share


def challenge(arguments: list[str], terminal: Terminal, parser: Parser) -> None:
    """`wright challenge`."""
    options_of = parser(
        "challenge", "Let another version run beside the champion, or (with --stop) no longer.",
        "wright challenge income income-2", "wright challenge income 3 --canary 5%", "wright challenge income --stop",
    )  # fmt: skip
    options_of.add_argument("name", help="a served name")
    options_of.add_argument("challenger", nargs="?", help="a version, a run's name or a .wright file")
    options_of.add_argument("--stop", action="store_true", help="let no challenger run")
    _add_ways(options_of)
    options = options_of.parse_args(arguments)
    place = _place(options)
    if options.stop:
        from modelwright_runtime.deployment import change, unchallenged

        change(place.folder, unchallenged)
        place.record("challenge", "No challenger runs any more.", {}, by=BY)
        terminal.note("no challenger runs any more")
        return
    if options.challenger is None:
        raise UserError("operating.version", "which version is to challenge the champion?", hint="`wright status NAME`")
    _challenge(place, options, terminal)


def status(arguments: list[str], terminal: Terminal, parser: Parser) -> None:
    """`wright status`."""
    options_of = parser("status", "Who answers, what was decided, and how much was asked.", "wright status income",
                        "wright status income --json")  # fmt: skip
    options_of.add_argument("name", help="a served name")
    options_of.add_argument("--limit", type=int, default=15, help="how many decisions to show [15]")
    options = options_of.parse_args(arguments)
    place = _place(options)
    state, decisions = place.state(), place.decisions()
    roles = {state.champion: "champion"}
    if state.challenger:
        challenger = state.challenger
        share = "" if challenger.mode == "shadow" else f" {challenger.share:.0%}"
        roles[challenger.version] = f"challenger ({challenger.mode}{share})"
    roles = {**dict.fromkeys(state.previous, "former"), **roles}
    rows = [[version.number, roles.get(version.number, ""), version.made, str(version.about.get("run", "")),
             version.file[:12]] for version in state.versions]  # fmt: skip
    if options.json:
        import msgspec

        terminal.emit({"stage": "status", "deployment": msgspec.to_builtins(state), "decisions": decisions})
        return
    terminal.table(
        ["version", "role", "added", "run", "sha256"], rows, title=f"{state.name}, revision {state.revision}"
    )
    shown = [[time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one["time_s"])), one["kind"], one["by"], one["words"]]
             for one in decisions[-options.limit :]]  # fmt: skip
    terminal.table(["when", "decision", "by", "why"], shown)


def feedback(arguments: list[str], terminal: Terminal, parser: Parser) -> None:
    """`wright feedback`."""
    options_of = parser(
        "feedback", "Bring what turned out to be true: a table with the column `id` that came with the answers, and "
        "`truth` (or the target's name).", "wright feedback income truth.csv",
    )  # fmt: skip
    options_of.add_argument("name", help="a served name")
    options_of.add_argument("truths", help="a file of ids and truths, in any format that `run` takes")
    options = options_of.parse_args(arguments)
    from modelwright.collection.base import collect
    from modelwright_runtime.feedback import checked
    from modelwright_runtime.records import keep_truth
    from modelwright_runtime.refusals import RequestError

    place = _place(options)
    target = place.model(place.state().champion).signature.task.target
    rows = collect(options.truths).frame.drop("__row__").to_dicts()
    try:
        n_kept = keep_truth(place.folder / "labels", checked(rows, target))
    except RequestError as problem:
        raise UserError("operating.feedback", str(problem), hint=problem.plain["hint"]) from None
    n_joined = _n_joined(place, {str(row.get("id", row.get("_id"))) for row in rows})
    if options.json:
        terminal.emit({"stage": "feedback", "kept": n_kept, "joined": n_joined})
    else:
        terminal.note(f"{n_kept:,} truths kept; {n_joined:,} of them belong to predictions in the log")


def _n_joined(place: Place, ids: set[str]) -> int:
    from modelwright.operating.window import served_rows

    rows = served_rows(place.folder)
    return len(ids & set(rows["_id"].to_list())) if rows.height else 0


def monitor(arguments: list[str], terminal: Terminal, parser: Parser) -> None:
    """`wright monitor`."""
    options_of = parser(
        "monitor", "Look at what was served since the last look: score, drift, faults, and what should follow. With "
        "--act it is done too: retrain, promote, roll back. With --every it goes on until Ctrl-C.",
        "wright monitor income", "wright monitor income --every 1h", "wright monitor income --all",
    )  # fmt: skip
    options_of.add_argument("name", help="a served name")
    options_of.add_argument("--every", metavar="SPAN", help="look again and again: 15min, 1h, 1d")
    options_of.add_argument("--act", action="store_true", help="do what is decided (as `wright watch`)")
    options_of.add_argument("--all", action="store_true", help="look at the whole log, not only since the last look")
    options = options_of.parse_args(arguments)
    place = _place(options)
    spec = spec_of(place)
    if options.every is None:
        _look(place, spec, terminal, act=options.act, whole=options.all)
        return
    from modelwright.monitoring.spec import seconds_of

    try:
        every_s = seconds_of(options.every)
    except ValueError as problem:
        raise UserError("operating.every", f"`--every` {options.every!r}: {problem}.") from None
    with _stopping() as stop:
        while True:
            _look(place, spec, terminal, act=options.act, whole=False)
            if stop(every_s):
                return


def _look(place: Place, spec: MonitorSpec, terminal: Terminal, *, act: bool, whole: bool) -> None:
    from dataclasses import replace

    from modelwright.operating.supervise import look, step

    if act:
        told = step(place, spec, watch=terminal.watch)
    else:
        progress = replace(place.progress(), seen_s=0.0) if whole else place.progress()
        told = look(place, spec, progress)
    if terminal.as_json:
        report = None if told.report is None else told.report.to_plain()
        terminal.emit({"stage": "monitor", "kind": told.kind, "words": told.words, "report": report})
        return
    if told.report is not None:
        for line in told.report.words.splitlines():
            terminal.text(line)
        terminal.text(f"page      {place.folder / 'monitor.html'}")
        if (place.folder / "relabel.csv").exists():
            terminal.text(f"to label  {place.folder / 'relabel.csv'}: fill in `_truth`, then `wright feedback`")
    terminal.text(f"so        {told.kind}: {told.words}")


def watch(arguments: list[str], terminal: Terminal, parser: Parser) -> None:
    """`wright watch`."""
    options_of = parser(
        "watch", "Run the loop beside a server: look, retrain, promote, roll back, as the recipe's `monitor:` says. "
        "Every decision is kept with its evidence: `wright status NAME`.", "wright watch income",
        "wright watch income --every 5min",
    )  # fmt: skip
    options_of.add_argument("name", help="a served name")
    options_of.add_argument("--every", metavar="SPAN", help="time between two turns [the recipe's, else 1h]")
    options = options_of.parse_args(arguments)
    place = _place(options)
    spec = spec_of(place)
    from modelwright.monitoring.spec import seconds_of
    from modelwright.operating.supervise import supervise

    every_s = None if options.every is None else seconds_of(options.every)
    with _stopping() as stop:
        supervise(
            place, spec, every_s=every_s, stop=stop, tell=lambda told: terminal.note(f"{told.kind}: {told.words}")
        )


@contextlib.contextmanager
def _stopping() -> Iterator[Callable[[float], bool]]:
    """A wait that a signal ends: true then."""
    event = threading.Event()
    before = {number: signal.signal(number, lambda *_: event.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event.wait
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def retrain(arguments: list[str], terminal: Terminal, parser: Parser) -> None:
    """`wright retrain`."""
    options_of = parser(
        "retrain", "Run the champion's recipe again with the served rows whose truth has come. The new version runs in "
        "shadow until it is promoted.", "wright retrain income", "wright retrain income --no-challenge",
    )  # fmt: skip
    options_of.add_argument("name", help="a served name")
    options_of.add_argument(
        "--no-challenge", action="store_true", help="only make the version; let it not run in shadow"
    )
    options = options_of.parse_args(arguments)
    from modelwright.operating.retraining import retrain as retrain_
    from modelwright.operating.supervise import enter

    place = _place(options)
    made = retrain_(place, watch=terminal.watch)
    words = f"A version was made of {made.way} rows."
    number = enter(place, made, words, {}, by=BY, now_s=time.time(), challenges=not options.no_challenge)
    terminal.note(
        f"version {number} of {place.name} is made ({made.way}; {made.reason}); `wright promote {place.name}`"
    )


def promote(arguments: list[str], terminal: Terminal, parser: Parser) -> None:
    """`wright promote`."""
    options_of = parser(
        "promote", "Make a version the champion: the challenger, or the one that is named. The former champion goes on "
        "in shadow, so that it can be seen whether that was right.", "wright promote income",
        "wright promote income --version 3",
    )  # fmt: skip
    options_of.add_argument("name", help="a served name")
    options_of.add_argument("--version", metavar="N", help="a version, a run's name or a .wright file [the challenger]")
    options = options_of.parse_args(arguments)
    from modelwright.operating.supervise import promote as promote_

    place = _place(options)
    state = place.state()
    if options.version is None and state.challenger is None:
        raise UserError(
            "operating.version", f"{place.name!r} has no challenger.", hint="say --version N: `wright status`"
        )
    number = _version_of(place, options.version) if options.version else state.challenger.version  # type: ignore[union-attr]
    if number == state.champion:
        raise UserError("operating.version", f"version {number} is the champion already.")
    promote_(place, number, f"Version {number} was promoted by hand.", by=BY)
    terminal.note(f"version {number} of {place.name} answers now; `wright rollback {place.name}` takes it back")


def rollback(arguments: list[str], terminal: Terminal, parser: Parser) -> None:
    """`wright rollback`."""
    options_of = parser("rollback", "Go back to the champion of before.", "wright rollback income")
    options_of.add_argument("name", help="a served name")
    options_of.add_argument("--why", default="It was taken back by hand.", help="the reason, for the record")
    options = options_of.parse_args(arguments)
    from modelwright.operating.supervise import rollback as rollback_

    place = _place(options)
    rollback_(place, options.why, by=BY)
    terminal.note(f"version {place.state().champion} of {place.name} answers now")


@contextlib.contextmanager
def watched(name: str, store: str, *, every: str | None = None) -> Iterator[None]:
    """The supervisor in a process of its own, as long as this one serves."""
    command = [sys.executable, "-m", "modelwright", "watch", name, "--store", store]
    process = subprocess.Popen([*command, *(["--every", every] if every else [])])
    try:
        yield
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=30)


def spec_of(place: Place) -> MonitorSpec:
    """How the champion is to be watched: as its recipe says, else the defaults."""
    from modelwright.monitoring import MonitorSpec
    from modelwright.operating.retraining import recipe_of

    try:
        return recipe_of(place).monitor
    except UserError:  # deployed from a file: there is no recipe
        return MonitorSpec()


def _place(options: argparse.Namespace) -> Place:
    from modelwright.operating.place import place_of

    return place_of(options.store, options.name)
