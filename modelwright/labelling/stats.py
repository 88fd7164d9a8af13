"""How far a project is, how well its people agree, and on which rows they differ."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from itertools import combinations
from typing import Any

from modelwright.labelling.agreement import agreement
from modelwright.labelling.base import ONE_CLASS
from modelwright.labelling.settle import answers_table
from modelwright.labelling.shapes import likeness
from modelwright.labelling.store import Project
from modelwright.labelling.truth import answers_of

ALIKE = 0.8
"""Shapes less alike than this differ; classes differ when they are not the same."""
MOST_PAIRS = 200_000


def progress(project: Project, person: str = "") -> dict[str, int]:
    """How many rows there are, have as many labels as wished, have any; and what the person did."""
    labels, spec = project.labels, project.spec
    n_gold, n_any, n_done = labels.execute(
        "SELECT count(*) FILTER (WHERE gold IS NOT NULL), count(*) FILTER (WHERE n_labels > 0), "
        "count(*) FILTER (WHERE gold IS NULL AND n_labels >= ?) FROM tasks", (spec.overlap,)
    ).fetchone()  # fmt: skip
    told = {"rows": project.n_rows, "gold": n_gold, "labelled": n_any, "done": n_done}
    if person:
        told["mine"], told["skipped"] = labels.execute(
            "SELECT count(*) FILTER (WHERE what = 'label'), count(*) FILTER (WHERE what = 'skip') "
            "FROM current WHERE person = ?", (person,)
        ).fetchone()  # fmt: skip
    return told


def people_table(project: Project) -> list[dict[str, Any]]:
    """For each person: labels, skips, rightness on gold questions, likeness to others, seconds a label (median)."""
    spec, answers = project.spec, answers_table(project)
    gold = dict(project.labels.execute("SELECT row, gold FROM tasks WHERE gold IS NOT NULL").fetchall())
    skips = dict(project.labels.execute(
        "SELECT person, count(*) FROM current WHERE what = 'skip' GROUP BY person").fetchall())  # fmt: skip
    said: dict[int, list[tuple[str, str]]] = defaultdict(list)
    right: dict[str, list[float]] = defaultdict(list)
    seconds: dict[str, list[float]] = defaultdict(list)
    n_labels: dict[str, int] = defaultdict(int)
    for row, person, value, took_s in answers.select("__row__", "person", "value", "took_s").iter_rows():
        said[row].append((person, value))
        n_labels[person] += 1
        if row in gold:
            right[person].append(_alike(value, gold[row], spec.kind))
        if took_s is not None:
            seconds[person].append(took_s)
    alike = _likeness_of_people(said, spec.kind)
    return [
        {
            "person": person, "labels": n_labels[person], "skipped": skips.get(person, 0),
            "gold": _mean(right[person]), "n_gold": len(right[person]),
            "agrees": _mean(alike[person]), "n_shared": len(alike[person]), "median_s": _median(seconds[person]),
        }
        for person in sorted({*n_labels, *skips})
    ]  # fmt: skip


def _likeness_of_people(said: dict[int, list[tuple[str, str]]], kind: Any) -> dict[str, list[float]]:
    alike: dict[str, list[float]] = defaultdict(list)
    n_pairs = 0
    for voices in said.values():
        for (one, a), (other, b) in combinations(voices, 2):
            n_pairs += 1
            if n_pairs > MOST_PAIRS:
                return alike
            share = _alike(a, b, kind)
            alike[one].append(share)
            alike[other].append(share)
    return alike


def _alike(a: str, b: str, kind: Any) -> float:
    if a == b:
        return 1.0
    return 0.0 if kind in ONE_CLASS else likeness(json.loads(a), json.loads(b), kind)


def _mean(values: list[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None


def _median(values: list[float]) -> float | None:
    from statistics import median

    return round(median(values), 2) if values else None


def agreement_told(project: Project) -> dict[str, Any]:
    """How well people agree on rows that several labelled: the share of pairs alike, and of classes Krippendorff's
    alpha with its interval, and Fleiss' and Cohen's kappa (`agreement`); None where one is not defined."""
    kind, table = project.spec.kind, answers_table(project)
    said: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for row, person, value in table.select("__row__", "person", "value").iter_rows():
        said[row].append((person, value))
    shared = {row: voices for row, voices in said.items() if len(voices) > 1}
    pairs = [_alike(a, b, kind) for voices in shared.values() for (_, a), (_, b) in combinations(voices, 2)]
    told: dict[str, Any] = {"shared_rows": len(shared), "alike": _mean(pairs[:MOST_PAIRS])}
    told |= dict.fromkeys(("alpha", "low", "high", "fleiss", "cohen"))
    if kind in ONE_CLASS and shared:
        voices = [(row, person, value) for row, of_row in shared.items() for person, value in of_row]
        rows, people, values = zip(*voices, strict=True)
        found = agreement(answers_of(rows, people, values))
        told |= {name: _known(getattr(found, name)) for name in ("alpha", "low", "high", "fleiss", "cohen")}
    return told


def _known(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def differing(project: Project, *, after: int = -1, limit: int = 50) -> list[dict[str, Any]]:
    """The adjudication queue: rows on which people differ and that no reviewer has settled, by row id from `after` on.

    Each has `row` and `answers`, a list of `{person, value}`.
    """
    kind = project.spec.kind
    labels = project.labels
    made: list[dict[str, Any]] = []
    last = after
    while len(made) < limit:
        rows = [row for (row,) in labels.execute(
            "SELECT row FROM tasks WHERE row > ? AND n_labels > 1 AND row NOT IN (SELECT row FROM verdicts) "
            "ORDER BY row LIMIT 1000", (last,))]  # fmt: skip
        if not rows:
            break
        last = rows[-1]
        marks = ",".join("?" * len(rows))
        said: dict[int, list[tuple[str, str]]] = {row: [] for row in rows}
        for row, person, value in labels.execute(
            "SELECT current.row, current.person, value FROM current JOIN answers ON answers.id = answer "
            f"WHERE current.what = 'label' AND current.row IN ({marks}) ORDER BY current.row, answer", rows,
        ):  # fmt: skip
            said[row].append((person, value))
        made += [
            {"row": row, "answers": [{"person": person, "value": json.loads(value)} for person, value in voices]}
            for row, voices in said.items()
            if _differ([value for _, value in voices], kind)
        ]
    return made[:limit]


def _differ(values: list[str], kind: Any) -> bool:
    if len(set(values)) < 2:
        return False
    return kind in ONE_CLASS or min(_alike(a, b, kind) for a, b in combinations(set(values), 2)) < ALIKE
