"""One label a row from what several people said of it: a verdict, a gold label, one person's word, or a method."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from modelwright.core.data import ROW_ID
from modelwright.labelling.base import ONE_CLASS, Kind, Labels
from modelwright.labelling.shapes import likeness
from modelwright.labelling.store import Project

if TYPE_CHECKING:
    import polars as pl

TruthMethod = Literal["auto", "majority", "dawid_skene", "glad", "mace"]


def answers_table(project: Project) -> pl.DataFrame:
    """The last word of each person on each row that they labelled: `__row__`, `person`, `value` (JSON), `at_s`,
    `took_s`, `is_gold`; by row and person."""
    import polars as pl

    with project.sql_faults():
        rows = project.labels.execute(
            "SELECT current.row, current.person, value, at_s, took_s, gold IS NOT NULL FROM current "
            "JOIN answers ON answers.id = answer JOIN tasks ON tasks.row = current.row "
            "WHERE current.what = 'label' ORDER BY current.row, current.person"
        ).fetchall()
    schema = {ROW_ID: pl.UInt64, "person": pl.String, "value": pl.String, "at_s": pl.Float64, "took_s": pl.Float64,
              "is_gold": pl.Int8}  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def labels(project: Project, *, method: TruthMethod = "auto") -> Labels:
    """One label a row: a reviewer's verdict first, a gold row's own label next, then what people say.

    Of classes, `auto` is Dawid and Skene's model where two or more people share at least 20 rows, else the majority
    (of equals the first class). Of shapes it is the answer most like the others. `confidence` is the method's: 1 for a
    verdict, gold and a single voice, the share or the probability for classes, the mean likeness for shapes.

    Reference: Dawid and Skene (1979), "Maximum likelihood estimation of observer error-rates using the EM algorithm".
    """
    import polars as pl

    spec = project.spec
    answers = answers_table(project)
    said: dict[int, list[tuple[str, str]]] = {}
    for row, person, value in answers.select(ROW_ID, "person", "value").iter_rows():
        said.setdefault(row, []).append((person, value))
    known = _known(project)
    method = _chosen(method, spec.kind, said)
    told = {row: _single(voices, spec.kind, spec.classes) for row, voices in said.items() if row not in known}
    if method not in ("auto", "majority") and spec.kind in ONE_CLASS and told:
        told |= _inferred({row: said[row] for row in told if len(said[row]) > 1}, said, known, spec.classes, method)
    told |= known
    rows = [(row, *told[row]) for row in sorted(told)]
    schema = {ROW_ID: pl.UInt64, "value": pl.String, "confidence": pl.Float64, "who": pl.String}
    table = pl.DataFrame(rows, schema=schema, orient="row")
    return Labels(project=project.name, kind=spec.kind, target=spec.target, classes=spec.classes, table=table)


def _known(project: Project) -> dict[int, tuple[str, float, str]]:
    """What needs no voices: gold labels, and verdicts over them."""
    found = {row: (gold, 1.0, "gold") for row, gold in project.labels.execute(
        "SELECT row, gold FROM tasks WHERE gold IS NOT NULL")}  # fmt: skip
    found |= {row: (value, 1.0, f"{person}'s verdict") for row, value, person in project.labels.execute(
        "SELECT verdicts.row, value, person FROM verdicts JOIN answers ON answers.id = answer")}  # fmt: skip
    return found


def _chosen(method: TruthMethod, kind: Kind, said: dict[int, list[tuple[str, str]]]) -> TruthMethod:
    if method != "auto" or kind not in ONE_CLASS:
        return method
    return "dawid_skene" if sum(len(voices) > 1 for voices in said.values()) >= 20 else "majority"


def _single(voices: Sequence[tuple[str, str]], kind: Kind, classes: Sequence[str]) -> tuple[str, float, str]:
    """The majority's class, or the shapes most like the others'."""
    if len(voices) == 1:
        return voices[0][1], 1.0, voices[0][0]
    who = f"majority of {len(voices)}"
    values = [json.loads(value) for _, value in voices]
    if kind in ONE_CLASS:
        best = max(classes, key=lambda name: (values.count(name), -classes.index(name)))
        return json.dumps(best), values.count(best) / len(values), who
    likes = [
        sum(likeness(one, other, kind) for k, other in enumerate(values) if k != i) / (len(values) - 1)
        for i, one in enumerate(values)
    ]
    best_index = max(range(len(values)), key=lambda i: likes[i])
    return voices[best_index][1], likes[best_index], f"most alike of {len(voices)}"


def _inferred(
    wanted: dict[int, Any], said: dict[int, list[tuple[str, str]]], known: dict[int, tuple[str, float, str]],
    classes: Sequence[str], method: TruthMethod,
) -> dict[int, tuple[str, float, str]]:  # fmt: skip
    """The likeliest class by a model of the people; every answer teaches it, and only rows of several are decided."""
    from modelwright.labelling.truth.base import TruthSpec, answers_of, known_of, truth

    triples = [(row, person, json.loads(value)) for row, voices in said.items() for person, value in voices]
    rows, people, values = (list(column) for column in zip(*triples, strict=True))
    answers = answers_of(rows, people, values, classes=classes)
    gold = {row: json.loads(value) for row, (value, _, _) in known.items()}
    found = truth(answers, TruthSpec(method=method), known=known_of(answers, gold))  # type: ignore[arg-type]
    sure, best = found.confidence, found.best
    named = answers.classes.to_list()
    return {
        row: (json.dumps(named[best[index]]), float(sure[index]), f"{method} of {len(said[row])}")
        for index, row in enumerate(answers.tasks.to_list())
        if row in wanted
    }
