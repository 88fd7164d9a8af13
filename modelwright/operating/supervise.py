"""The supervisor: at each turn it reads what was served, decides by `turn`, does it, and keeps the decision."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import WrightError
from modelwright.core.values import Watch
from modelwright.monitoring import MonitorSpec
from modelwright.operating.alerts import send
from modelwright.operating.place import Place, Progress, deploy
from modelwright.operating.turns import Situation, Turn, earned, turn
from modelwright.operating.window import served_rows
from modelwright_runtime.deployment import Deployment, challenged, change, promoted, rolled_back, unchallenged

if TYPE_CHECKING:
    import polars as pl

    from modelwright.operating.retraining import Retrained

LOG = logging.getLogger("modelwright.operating")
BY = "supervisor"
MOST_LOOKS = 200  # on the page


def step(place: Place, spec: MonitorSpec, *, now_s: float | None = None, watch: Watch | None = None) -> Turn:
    """One turn: look, decide, act. What was decided is in `place.decisions()`; the last report is on the pages.

    A kill between two of its writes leaves the deployment as it was or as it is to be: the state is one file, and the
    next turn goes on from what is there.
    """
    moment = time.time() if now_s is None else now_s
    progress = place.progress()
    seen = situation(place, progress, moment)
    told = turn(seen, spec)
    if told.report is not None:
        _show(place, told)
        _ask_for_labels(place, seen, spec.relabel)
    after = _act(place, told, progress, (seen, spec), watch)
    if told.report is not None:
        after = replace(after, seen_s=_newest(seen.rows, "_time", after.seen_s),
                        labels_s=_newest(seen.labelled, "_truth_time", after.labels_s))  # fmt: skip
    place.keep_progress(after)
    if told.kind != "nothing":
        send(spec, place.name, told)
    return told


def look(place: Place, spec: MonitorSpec, progress: Progress | None = None) -> Turn:
    """What a turn would decide now, without doing it; the report is laid out on the pages."""
    seen = situation(place, progress or place.progress(), time.time())
    told = turn(seen, spec)
    if told.report is not None:
        _show(place, told)
        _ask_for_labels(place, seen, spec.relabel)
    return told


def situation(place: Place, progress: Progress, now_s: float) -> Situation:
    """What is known now, read from the deployment folder."""
    import polars as pl

    state = place.state()
    rows = served_rows(place.folder)
    challenger = state.challenger
    own = rows.filter(pl.col("_version") == state.champion) if rows.height else rows
    versus = watched = None
    if challenger is not None:
        since = progress.promoted_s or progress.challenged_s
        other = _since(rows.filter(pl.col("_version") == challenger.version) if rows.height else rows, since)
        pair = (_since(own, since), other)
        if progress.promoted_s:
            watched = pair
        else:
            versus = pair
    known = _since(rows, progress.trained_s).filter(pl.col("_truth").is_not_null()) if rows.height else rows
    n_new = known["_id"].n_unique() if known.height else 0  # champion and challenger have both answered it
    labelled = own.filter(pl.col("_truth_time") > progress.labels_s) if own.height else own
    return Situation(
        now_s=now_s, trained_s=progress.trained_s, model=place.model(state.champion),
        rows=_since(own, progress.seen_s), labelled=labelled,
        n_new_labelled=n_new, n_learned=int(state.version(state.champion).about.get("n_learned", 0)),
        versus=versus, watched=watched, promoted_s=progress.promoted_s, seed=state.revision,
    )  # fmt: skip


def _newest(rows: pl.DataFrame, column: str, before: float) -> float:
    return max(before, float(rows[column].max())) if rows.height else before  # type: ignore[arg-type]


def _since(rows: pl.DataFrame, since_s: float) -> pl.DataFrame:
    import polars as pl

    return rows.filter(pl.col("_time") > since_s) if rows.height else rows


def _act(
    place: Place, told: Turn, progress: Progress, by_what: tuple[Situation, MonitorSpec], watch: Watch | None
) -> Progress:
    """Do what was decided; how far it came."""
    seen, spec = by_what
    if told.kind == "nothing":
        return progress
    if told.kind == "retrain":
        return _retrain(place, told, progress, by_what, watch)
    after = progress
    state = place.state()
    if told.kind == "promote" and state.challenger is not None:
        return _promoted(place, state.challenger.version, told, seen.now_s)
    if told.kind == "roll back":
        rollback(place, told.words, told.evidence, by=BY, now_s=seen.now_s)
        return replace(after, promoted_s=0.0, challenged_s=0.0, seen_s=seen.now_s, labels_s=seen.now_s)
    if told.kind in ("drop", "settle"):
        change(place.folder, unchallenged)
        after = replace(after, promoted_s=0.0, challenged_s=0.0)
    place.record(told.kind, told.words, told.evidence, by=BY, now_s=seen.now_s)
    return after


def _promoted(place: Place, number: int, told: Turn, now_s: float) -> Progress:
    promote(place, number, told.words, told.evidence, by=BY, now_s=now_s)
    return replace(place.progress(), promoted_s=now_s, challenged_s=0.0, seen_s=now_s, labels_s=now_s)


def _retrain(
    place: Place, told: Turn, progress: Progress, by_what: tuple[Situation, MonitorSpec], watch: Watch | None
) -> Progress:
    from modelwright.operating.retraining import retrain

    seen, spec = by_what

    try:
        made = retrain(place, watch=watch)
    except WrightError as problem:  # the champion answers on; why there is no newer one is on record
        place.record("alert", f"A retraining was called for and failed: {problem.message}", told.evidence, by=BY,
                     now_s=seen.now_s)  # fmt: skip
        return progress
    number = enter(place, made, told.words, told.evidence, by=BY, now_s=seen.now_s)
    after = replace(place.progress(), trained_s=seen.now_s)
    early = earned(seen.model, made.trial, spec, seed=seen.seed)
    if early is None or number == place.state().champion:
        return after
    place.keep_progress(after)
    send(spec, place.name, early)
    return _promoted(place, number, early, seen.now_s)


def enter(
    place: Place, made: Retrained, words: str, evidence: Mapping[str, Any], *, by: str, now_s: float,
    challenges: bool = True,
) -> int:  # fmt: skip
    """Add what was made as a version, and let it run in the champion's shadow; its number, and why, on record."""
    deploy(place.store, place.name, made.package, run=made.run, n_learned=made.n_learned)
    number = place.number_of(made.package)
    if challenges and number != place.state().champion:
        change(place.folder, lambda state: challenged(state, number))
        place.keep_progress(replace(place.progress(), challenged_s=now_s, trained_s=now_s, promoted_s=0.0))
    more = {"version": number, "way": made.way, "why": made.reason, "n_new_rows": made.n_new_rows}
    place.record("retrain", words, {**evidence, **more}, by=by, now_s=now_s)
    return number


def promote(
    place: Place, number: int, words: str, evidence: object = None, *, by: str, now_s: float | None = None
) -> None:
    """Make a version the champion; the former one goes on in its shadow, so that the two can be held together."""
    former = place.state().champion

    def swapped(state: Deployment) -> Deployment:
        after = promoted(state, number)
        return challenged(after, former) if former != number else after

    change(place.folder, swapped)
    moment = time.time() if now_s is None else now_s
    place.keep_progress(replace(place.progress(), promoted_s=moment, challenged_s=0.0))
    found = dict(evidence) if isinstance(evidence, dict) else {}
    place.record("promote", words, {**found, "version": number, "former": former}, by=by, now_s=now_s)


def rollback(place: Place, words: str, evidence: object = None, *, by: str, now_s: float | None = None) -> None:
    """Go back to the champion before this one."""
    former = place.state().champion
    after = change(place.folder, rolled_back)
    place.keep_progress(replace(place.progress(), promoted_s=0.0, challenged_s=0.0))
    found = dict(evidence) if isinstance(evidence, dict) else {}
    place.record("roll back", words, {**found, "version": after.champion, "former": former}, by=by, now_s=now_s)


def _ask_for_labels(place: Place, seen: Situation, n_rows: int) -> None:
    """Lay out the rows whose label would teach most, with a blank column for it: `wright feedback NAME relabel.csv`."""
    import polars as pl

    from modelwright.core.store import write_atomically
    from modelwright.monitoring import relabel_queue

    if not n_rows or not seen.rows.height or seen.model.signature.arrays:  # files are not in the log
        return
    queue = relabel_queue(seen.model, seen.rows, n_rows)
    if "_truth" not in queue.columns:
        queue = queue.with_columns(_truth=pl.lit(None, dtype=pl.String))
    write_atomically(place.folder / "relabel.csv", queue.write_csv().encode())


def _show(place: Place, told: Turn) -> None:
    """The last report, for the served page and for people; the figures of all looks, for the picture over time."""
    import json

    from modelwright.core.store import write_atomically
    from modelwright.monitoring import report_page
    from modelwright.operating.place import as_json

    assert told.report is not None
    plain = told.report.to_plain()
    write_atomically(place.folder / "monitor.json", as_json({"words": told.words, "kind": told.kind, "report": plain}))
    looks = place.folder / "looks"
    moment = told.report.last_s or time.time()
    write_atomically(looks / f"{int(moment * 1000):015d}.json", as_json(plain))
    from modelwright.monitoring.values import MonitorReport

    kept = sorted(looks.glob("[!.]*.json"))[-MOST_LOOKS:-1]
    earlier = [MonitorReport.from_plain(json.loads(path.read_bytes())) for path in kept]
    page = report_page(told.report, earlier=earlier, title=place.name)
    write_atomically(place.folder / "monitor.html", page.encode())


def supervise(
    place: Place, spec: MonitorSpec, *, stop: Callable[[float], bool], every_s: float | None = None,
    tell: Callable[[Turn], object] = lambda told: None,
) -> None:  # fmt: skip
    """Turn after turn, `spec.every` apart, until `stop(seconds)` (which waits so long) says so.

    What fails in a turn is told and kept; the loop goes on, for the model that answers needs watching all the more.
    """
    while not stop(spec.every_s if every_s is None else every_s):
        try:
            tell(step(place, spec))
        except WrightError as problem:
            LOG.error("a turn of the loop failed: %s", problem)
            place.record("alert", f"A turn of the loop failed: {problem.message}", {"code": problem.code}, by=BY)
