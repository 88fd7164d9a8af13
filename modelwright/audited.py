"""`wright audit`: where packages, the rows of their runs, files of decisions and fairness meet."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from modelwright.asked import open_package, rows_of_run, typed_answers
from modelwright.core.errors import UserError, nearest
from modelwright.core.store import Store, write_atomically

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright.core.data import Dataset
    from modelwright.fairness import Audit
    from modelwright.fairness.rates import Judged
    from modelwright.terminal import Terminal
    from modelwright_runtime.model import Model
    from modelwright_runtime.signature import Task

Parser = Callable[..., argparse.ArgumentParser]
ENDINGS = (".html", ".htm", ".json", ".csv")


def audit_command(arguments: list[str], terminal: Terminal, parser: Parser) -> None:
    """`wright audit`."""
    options = _parser(parser).parse_args(arguments)
    out = _output(options)
    began = time.perf_counter()
    found = audit_of(options, Store.open(options.store), terminal)
    _write(found, out)
    seconds = round(time.perf_counter() - began, 3)
    terminal.watch({"stage": "fairness", "event": "end", "cached": False, "seconds": seconds})
    if terminal.as_json:
        from modelwright.fairness.tables import plain

        terminal.emit({"stage": "fairness", "event": "finished", "output": str(out), "seconds": seconds,
                       "audit": plain(found)})  # fmt: skip
        return
    _tell(found, out, seconds, terminal, remedy=not options.truth)


def _parser(parser: Parser) -> argparse.ArgumentParser:
    from modelwright.fairness.base import AuditSpec

    fields = AuditSpec.model_fields
    made = parser(
        "audit", "How a model treats groups, and how sure that is: what is predicted for whom, how often rightly, how "
        "far groups are apart. On the rows that the run held out, or on ROWS with their target; also of decisions that "
        "another system made, with --truth. A column need not be one that the model sees.",
        "wright audit income --protected sex,race", "wright audit income rows.csv --protected sex -o audit.json",
        "wright audit income --protected sex --against income-plain    what a remedy wins, and costs",
        "wright audit scores.csv --truth reoffended --score decile --threshold 5 --protected race",
        usage="wright audit NAME [ROWS] [options]",
    )  # fmt: skip
    made.add_argument("name", metavar="NAME", help="a run's name, a .wright file, or with --truth a file of decisions")
    made.add_argument("rows", metavar="ROWS", nargs="?", help="rows with their target [those that the run held out]")
    made.add_argument("--protected", metavar="A,B", help="columns that make groups; each two are crossed as well "
                      "[role protected, and those named like sex, race, age]")  # fmt: skip
    made.add_argument(
        "--favourable", metavar="CLASS", help="the class whose prediction is looked at [the second of two]"
    )
    made.add_argument("--against", metavar="NAME", help="another package that answered the same rows before")
    made.add_argument("--truth", metavar="COLUMN", help="of a file of decisions: what turned out to be true")
    made.add_argument("--decision", metavar="COLUMN", help="of a file of decisions: what was decided")
    made.add_argument("--score", metavar="COLUMN", help="of a file of decisions: the score that was decided by")
    made.add_argument("--threshold", type=float, metavar="X", help="a score of X or more is the decision")
    for name, kind in (("least_rows", int), ("tolerance", float)):
        default = fields[name].default
        made.add_argument(f"--{name.replace('_', '-')}", type=kind, default=default, metavar="N",
                          help=f"{fields[name].description} [{default}]")  # fmt: skip
    made.add_argument("-o", "--output", metavar="FILE", help=".html, .json, or .csv [NAME.audit.html]")
    made.add_argument("--seed", type=int, default=0, help="every random choice follows from it [0]")
    return made


def _output(options: argparse.Namespace) -> Path:
    given = Path(options.output) if options.output else Path(f"{Path(options.name).name.split('.')[0]}.audit.html")
    if given.suffix not in ENDINGS:
        raise UserError("audit.output", f"`--output` must end in .html, .json or .csv; got {str(given)!r}.")
    for source in (options.name, options.rows):
        if source and given.exists() and Path(source).exists() and given.samefile(source):
            raise UserError("audit.output", f"`--output` would write over {source}.")
    return given


@dataclass(frozen=True, eq=False)
class _Asked:
    """Rows with what is true and what they are told, the columns that make groups, and where they are from in words.
    `others` answer the same rows in another way."""

    judged: Judged
    data: Dataset
    source: str
    about: str
    before: Judged | None = None
    told_before: str = ""


def audit_of(options: argparse.Namespace, store: Store, terminal: Terminal) -> Audit:
    """The audit that the arguments ask for."""
    from modelwright.fairness import AuditSpec, audit

    asked = _decisions(options, store, terminal) if options.truth else _answers(options, store, terminal)
    by = _protected(options, asked.data)
    spec = AuditSpec.parse({"least_rows": options.least_rows, "tolerance": options.tolerance}, where="audit")
    words = {"about": asked.about, "source": asked.source, "before": asked.told_before}
    return audit(asked.judged, asked.data, by, before=asked.before, spec=spec, words=words, seed=options.seed)


def _protected(options: argparse.Namespace, data: Dataset) -> list[str]:
    """The columns that make groups: named, or of the role `protected` or named like sex, race and age."""
    from modelwright.groups import proposed

    if options.protected:
        named = [one.strip() for one in options.protected.split(",") if one.strip()]
        for name in named:
            if name not in data.schema:
                raise UserError("audit.groups", f"the rows have no column {name!r}.",
                                hint=nearest(name, data.schema.names))  # fmt: skip
        return named
    return list(dict.fromkeys([*data.schema.of_role("protected"), *proposed(data)]))


# Answers of a package -------------------------------------------------------------------------------------------------


def _answers(options: argparse.Namespace, store: Store, terminal: Terminal) -> _Asked:
    model, run = open_package(options.name, store)
    task = model.signature.task
    if task.kind not in ("binary", "multiclass", "regression"):
        raise UserError("audit.task", f"answers of the kind {task.kind} are not audited.",
                        hint="binary, multiclass and regression are")  # fmt: skip
    if options.rows:
        data, raw = _read(options.rows, task.target, store, terminal)
        told = model.predict(raw)
        answers = told.prediction if told.probabilities is None else told.probabilities
        said, source = told.prediction, f"the rows of {options.rows}"
    elif run is not None:
        data, raw = rows_of_run(store, run)[1], None
        data = _with_truth(data, task.target)
        answers, said = typed_answers(model, data)
        source = f"the rows that the run of {model.name} held out"
    else:
        raise UserError("audit.rows", f"the store has no run that made {options.name}, so there are no held-out rows.",
                        hint=f"wright audit {options.name} ROWS, with their {task.target}")  # fmt: skip
    favourable = _favourable(options, task)
    judged = _judged(task, data.column(task.target), answers, said, favourable)
    asked = _Asked(judged, data, source, model.name)
    if options.against:
        return _against(asked, options, store, raw, favourable)
    return _one_threshold(asked, model, answers, favourable)


def _against(
    asked: _Asked, options: argparse.Namespace, store: Store, raw: pl.DataFrame | None, favourable: str | None
) -> _Asked:
    """The same rows answered by another package."""
    other, _ = open_package(options.against, store)
    task = other.signature.task
    if raw is not None:
        told = other.predict(raw)
        answers, said = (told.prediction if told.probabilities is None else told.probabilities), told.prediction
    else:
        answers, said = typed_answers(other, asked.data)
    before = _judged(task, asked.data.column(task.target), answers, said, favourable)
    return replace(asked, before=before, told_before=other.name)


def _one_threshold(asked: _Asked, model: Model, answers: np.ndarray, favourable: str | None) -> _Asked:
    """Of a package with thresholds by group: the same answers with its one threshold for all."""
    from modelwright_runtime.predictions import decide_task

    signature = model.signature
    if signature.group_thresholds is None:
        return asked
    said = decide_task(answers, signature.task, signature.threshold)
    before = replace(asked.judged, told=said == favourable)
    return replace(asked, before=before, told_before=f"one threshold of {signature.threshold:.3g} for all")


def _favourable(options: argparse.Namespace, task: Task) -> str | None:
    """The class whose prediction is looked at."""
    if task.kind == "regression":
        return None
    if options.favourable is not None and options.favourable not in task.classes:
        raise UserError("audit.favourable", f"`{task.target}` has no class {options.favourable!r}.",
                        hint=nearest(options.favourable, task.classes))  # fmt: skip
    if options.favourable is None and task.kind == "multiclass":
        n_classes = len(task.classes)
        raise UserError("audit.favourable", f"`{task.target}` has {n_classes} classes: which of them is looked at?",
                        hint=f"--favourable with one of {', '.join(task.classes[:12])}")  # fmt: skip
    return options.favourable if options.favourable is not None else task.classes[1]


def _judged(task: Task, target: pl.Series, answers: np.ndarray, said: np.ndarray, favourable: str | None) -> Judged:
    import numpy as np

    from modelwright.fairness.rates import Judged
    from modelwright_runtime.reading import as_text

    if favourable is None:
        return Judged(outcome=task.target, truth=target.cast(float).to_numpy().astype(np.float64),
                      told=said.astype(np.float64))  # fmt: skip
    truth = np.array([as_text(cell).strip() for cell in target.to_list()], dtype=object) == favourable
    score = answers.astype(np.float64)[:, task.classes.index(favourable)]
    return Judged(outcome=f"{task.target} = {favourable}", truth=truth, told=said == favourable, score=score)


def _read(source: str, target: str, store: Store, terminal: Terminal) -> tuple[Dataset, pl.DataFrame]:
    """A file of rows twice, in one order: as cleaning reads it, for truth and groups, and raw, for the package."""
    import polars as pl

    from modelwright.cleaning.base import CleanSpec, clean
    from modelwright.core import registry
    from modelwright.core.data import ROW_ID

    data = registry.get("collection", "collect")(source, store=store, watch=terminal.watch)
    if target not in data.schema:
        raise UserError("audit.rows", f"{source} has no column {target!r}, so nothing can be held against the truth.",
                        hint=nearest(target, data.schema.names))  # fmt: skip
    kept = clean(data, CleanSpec(target=target, skip=("duplicates",)), watch=terminal.watch).kept
    kept = _with_truth(kept, target)
    wanted = pl.Series(ROW_ID, kept.row_ids, dtype=pl.UInt64)
    raw = data.frame.filter(pl.col(ROW_ID).is_in(wanted.implode())).sort(ROW_ID).drop(ROW_ID)
    frame = kept.frame.sort(ROW_ID)
    return replace(kept, table=frame.lazy(), n_rows=frame.height), raw


def _with_truth(data: Dataset, target: str) -> Dataset:
    """The rows whose target is known."""
    import polars as pl

    if target not in data.schema or not data.column(target).is_not_null().any():
        raise UserError("audit.rows", f"no row has a value in {target!r}.", hint="give rows with their truth")
    frame = data.frame.filter(pl.col(target).is_not_null())
    return replace(data, table=frame.lazy(), n_rows=frame.height, known_digest="")


# Decisions of others --------------------------------------------------------------------------------------------------


def _decisions(options: argparse.Namespace, store: Store, terminal: Terminal) -> _Asked:
    """Decisions that some other system made, from a file with the truth beside them."""
    import numpy as np

    from modelwright.fairness.rates import Judged

    if bool(options.decision) == bool(options.score) or (options.score and options.threshold is None):
        raise UserError("audit.decision", "with --truth, say what was decided: `--decision COLUMN`, or `--score "
                        "COLUMN` with `--threshold X`.", hint="--score decile_score --threshold 5")  # fmt: skip
    data, _ = _read(options.name, options.truth, store, terminal)
    column = options.decision or options.score
    if column not in data.schema:
        raise UserError("audit.decision", f"{options.name} has no column {column!r}.",
                        hint=nearest(column, data.schema.names))  # fmt: skip
    truth, outcome = _is_so(data.column(options.truth), options.favourable)
    if options.decision:
        told, _ = _is_so(data.column(column), outcome)
        about = f"{column} of {options.name}"
    else:
        scores = data.column(column)
        if not scores.dtype.is_numeric():
            raise UserError("audit.decision", f"the score {column!r} is no number.", hint="name a column of numbers")
        told = scores.cast(float).fill_null(-np.inf).to_numpy() >= options.threshold
        about = f"{column} of at least {options.threshold:g} in {options.name}"
    judged = Judged(outcome=f"{options.truth} = {outcome}", truth=truth, told=told)
    return _Asked(judged, data, f"the rows of {options.name}", about)


def _is_so(values: pl.Series, favourable: str | None) -> tuple[np.ndarray, str]:
    """Whether each value is the one that is looked at, and which that is: of two the one that means yes, or the
    rarer."""
    from modelwright.groups import texts_of
    from modelwright.training.classes import class_order

    texts = texts_of(values).fill_null("")
    levels: Sequence[str] = class_order(texts)
    if favourable is None and len(levels) != 2:
        raise UserError("audit.favourable", f"`{values.name}` has {len(levels)} values: which of them is looked at?",
                        hint=f"--favourable with one of {', '.join(levels[:12])}")  # fmt: skip
    if favourable is not None and favourable not in levels:
        raise UserError("audit.favourable", f"`{values.name}` has no value {favourable!r}.",
                        hint=nearest(favourable, levels))  # fmt: skip
    wanted = favourable if favourable is not None else levels[1]
    return (texts == wanted).to_numpy(), wanted


def _write(found: Audit, out: Path) -> None:
    if out.suffix == ".json":
        from modelwright.fairness.tables import plain

        write_atomically(out, json.dumps(plain(found), ensure_ascii=False, indent=1).encode())
        return
    if out.suffix == ".csv":
        from modelwright.answers import write_table
        from modelwright.fairness.tables import long_table

        write_table(long_table(found), str(out))
        return
    from modelwright.fairness.page import audit_page

    write_atomically(out, audit_page(found, title=found.about).encode("utf-8", "replace"))


# What is told -------------------------------------------------------------------------------------------------------


def _tell(found: Audit, out: Path, seconds: float, terminal: Terminal, *, remedy: bool) -> None:
    from modelwright.fairness import words

    terminal.text(f"audits    {found.about}: {words.looked_at(found)}")
    for grouping in found.groupings:
        if len(grouping.columns) == 1:
            terminal.table(words.table_head(found, grouping), words.table_rows(found, grouping))
    for line in words.verdict(found):
        terminal.text(f"- {line}")
    if found.before:
        terminal.text(f"before    {found.before}, on the same rows")
    for line in words.change_lines(found):
        terminal.text(f"  {line}")
    if words.trade_off(found):
        terminal.text(words.trade_off(found))
    terminal.text(f"{words.caution(found)}   {seconds:.1f} s")
    what = {".csv": "table", ".json": "data"}.get(out.suffix, "page")
    terminal.text(f"{what:<9} {out}")
    differs = [gap for one in found.groupings for gap in one.gaps if gap.standing == "differs"]
    if differs and remedy and not found.before and not found.of_values:
        by = found.groupings[0].columns[0]
        line = f"wright run ... --train.fair '{{by: [{by}], method: thresholds}}'"
        terminal.text(f"next      {line}   a remedy: docs/fairness.md")
