"""The whole life of a model on one screen: `run` reads top to bottom like the table of stages.

Each stage has a key: the digest of its name, method, implementation versions, spec, inputs and seed. A stage
whose key is known is not run again, and its value is not even read unless a later stage needs it.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from modelwright.core import registry
from modelwright.core.codec import decode, encode, plain_of
from modelwright.core.data import Decision
from modelwright.core.errors import UserError, nearest
from modelwright.core.record import Run, StageRecord, machine, peak_memory_bytes
from modelwright.core.store import Store, digest_of, digests_in, disk_faults
from modelwright.core.values import Cleaned, Report, Splits, Trained, Watch

if TYPE_CHECKING:
    from modelwright.cleaning.base import CleanSpec
    from modelwright.core.data import Dataset
    from modelwright.evaluation.background import Background
    from modelwright.recipe import Recipe
    from modelwright.sequences.base import WindowSpec
    from modelwright.tracking import Tracking
    from modelwright.training.base import TrainSpec
    from modelwright.tuned import Rows
    from modelwright.tuning.base import TuneSpec

BUILDS_ON = {
    "training": (
        "features", "models", "networks", "encoders", "trunks", "heads", "losses", "optimizers", "schedules",
        "augmentation", "doctor", "fairness",
    ),
    "tuning": ("searches", "pruners", "features", "models", "networks", "encoders", "trunks", "heads", "losses",
               "optimizers", "schedules", "augmentation"),
    "unsupervised": ("features", "models", "detectors", "clusterings", "embeddings"),
    "packaging": ("compression", "features", "models"),
}  # fmt: skip
"""Stages whose methods another stage calls by name: their versions are part of its keys."""


def run(recipe: Recipe, *, store: Store | str | Path = ".wright", watch: Watch | None = None) -> Run:
    """Take a recipe from raw rows to an evaluated, packaged model; the record says what was done.

    Raises UserError or SystemFault. What is already in the store is not computed again.
    """
    work = _Work.begin(recipe, store, watch)
    try:
        work.track(recipe)
        prepared = _tuned(recipe, work, prepare(recipe, work))
        trained = _trained(recipe, work, prepared) if recipe.task is None else _without_target(recipe, work, prepared)
        trained = _compressed(recipe, work, prepared, trained)
        report = work.stage(
            "evaluation", "evaluate", recipe.evaluate, [prepared.cleaned, prepared.splits, trained],
            lambda evaluate: evaluate(
                trained.value, prepared.test, recipe.evaluate, seed=recipe.seed,
                baseline=_backgrounds(trained, prepared),
            ),
            lambda report: _tell_report(report, recipe.target),
        )  # fmt: skip
        facts = finish(recipe, work, prepared, trained, report)
    except BaseException:
        work.end("failed", {})
        raise
    work.end("done", facts)
    return work.record


def _trained(recipe: Recipe, work: _Work, prepared: Prepared) -> Made:
    """A model of the target."""
    learned_from = prepared.learned_from
    with work.checkpoints("training", "train", recipe.train, learned_from) as folder:
        return work.stage(
            "training", "train", recipe.train, learned_from,
            lambda train: train(prepared.typed, prepared.sets, prepared.train_spec(recipe), seed=recipe.seed,
                                watch=work.watch, folder=folder,
                                kept=work.kept("training", "train", recipe.train.compared(), learned_from)),
            _tell_trained,
        )  # fmt: skip


def _without_target(recipe: Recipe, work: _Work, prepared: Prepared) -> Made:
    """What is learned from rows alone: which are odd, which belong together, few coordinates."""
    from modelwright.unsupervised.spec import spec_of

    assert recipe.task is not None
    spec = spec_of(recipe.task)
    return work.stage(
        "unsupervised", recipe.task.method, spec, [prepared.cleaned, prepared.splits],
        lambda learn: learn(prepared.typed, prepared.sets, spec, seed=recipe.seed, watch=work.watch), _tell_learned,
    )  # fmt: skip


def prepare(recipe: Recipe, work: _Work) -> Prepared:
    """Collect, clean and split: what training, and planning, begin with."""
    from modelwright.collection.fingerprint import fingerprint

    roles = {recipe.split.column: "split"} if recipe.split.column else {}  # it says where a row belongs: no feature
    roles |= {recipe.evaluate.labels: "ignored"} if recipe.evaluate.labels else {}
    clean_spec = recipe.clean.but(target=recipe.target or None, roles={**roles, **recipe.clean.roles})
    raw = work.stage(
        "collection", "collect", recipe.data, [fingerprint(recipe.data, work.store.seen, work.store)],
        lambda collect: collect(recipe.data, keep=work.store.root / "raw", watch=work.watch, store=work.store),
        _tell_collected,
    )  # fmt: skip
    raw = _labelled(recipe, work, raw) if recipe.labels else raw
    mended = _mended(recipe, work, raw, clean_spec)
    cleaned = work.stage(
        "cleaning", "clean", clean_spec, [mended or raw],
        lambda clean: clean((mended or raw).value, clean_spec, watch=work.watch), _tell_cleaned,
    )  # fmt: skip
    required = _required(recipe, work, cleaned)
    cases = _cases(recipe, work, cleaned) if recipe.task is None else cleaned
    splits = work.stage(
        "splitting", "split", recipe.split, [cases],
        lambda split: split(cases.value.kept, recipe.split, seed=recipe.seed), _tell_split,
    )  # fmt: skip
    return Prepared(raw, cases, splits, rows=cleaned, mended=mended, required=required)


def _required(recipe: Recipe, work: _Work, cleaned: Made) -> Made | None:
    """The cleaned rows held against what the recipe requires. A run stops here where what must be met is not."""
    spec = recipe.requirements
    if spec is None:
        return None
    from modelwright.profiling.requirements import Met

    now = datetime.now(UTC).replace(tzinfo=None)
    today = now.date().isoformat() if spec.fresh else ""  # the age of rows changes while they do not
    required = work.stage(
        "profiling", "requirements", spec, [cleaned, today, recipe.target],
        lambda met: met(cleaned.value.kept, spec, target=recipe.target or None, now=now, watch=work.watch).to_plain(),
        _tell_required, keep=lambda _, plain: plain,
    )  # fmt: skip
    if work.on_record:  # a plan only tells
        Met.from_plain(required.plain).check()
    return required


def _mended(recipe: Recipe, work: _Work, raw: Made, clean_spec: CleanSpec) -> Made | None:
    """The raw table with its wrong cells put right, where the recipe asks for it."""
    if recipe.mend.mode == "off":
        return None
    from modelwright.cleaning.keeping import keep_mended

    calls = [digest_of(clean_spec.to_plain()), digest_of(registry.versions("mending"))]
    return work.stage(
        "cleaning", "mend", recipe.mend, [raw, *calls],
        lambda mend: mend(raw.value, recipe.mend, cleaning=clean_spec, seed=recipe.seed, watch=work.watch),
        lambda plain: plain["facts"], keep=keep_mended,
    )  # fmt: skip


def _labelled(recipe: Recipe, work: _Work, raw: Made) -> Made:
    """The collected rows with what people said of them as the target column, joined by row id."""
    from modelwright.labelling import labels, open_project

    with contextlib.closing(open_project(work.store.root, recipe.labels)) as project:
        if project.spec.target != recipe.target:
            raise UserError(
                "labelling.join", f"{recipe.labels!r} labels {project.spec.target!r}, not {recipe.target!r}.",
                hint=f"target: {project.spec.target}",
            )  # fmt: skip
        said = labels(project)
        digest = digest_of([project.spec.to_plain(), said.table.to_dict(as_series=False)])
        return work.stage(
            "labelling", "join", None, [raw, digest], lambda join: join(raw.value, project, said), _tell_labelled
        )


def _cases(recipe: Recipe, work: _Work, cleaned: Made) -> Made:
    """Rows that are steps of time become cases of many steps; other tables are not even read again."""
    from modelwright.sequences.base import may_be_sequences

    if not may_be_sequences(recipe.sequences, cleaned.facts["schema"]):
        return cleaned
    return work.stage(
        "sequences", "window", recipe.sequences, [cleaned],
        lambda window: window(cleaned.value, recipe.sequences, watch=work.watch),
        lambda made: _tell_windowed(made, cleaned.facts),
    )  # fmt: skip


def _tuned(recipe: Recipe, work: _Work, prepared: Prepared) -> Prepared:
    """With the settings that tuning found best, where the recipe asks for it: training compares them with its own."""
    spec = recipe.tune
    if spec is None:
        return prepared
    from modelwright.tuned import deciding, tell_tuned, tune_models

    rows, inputs = _rows_of_tuning(recipe, work, prepared)
    made = work.stage(
        "tuning", "tune", deciding(spec), inputs,
        lambda tune: tune_models(tune, spec, rows, store=work.store, watch=work.watch), tell_tuned,
        keep=lambda _, plain: plain_of(plain),
    )  # fmt: skip
    return replace(prepared, tuned=made)


def _rows_of_tuning(recipe: Recipe, work: _Work, prepared: Prepared) -> tuple[Rows, list[Made | str | None]]:
    """Where trials find their rows, and what the stage's outcome follows from."""
    from modelwright.tuned import Rows, inputs_of

    rows = Rows.of(work.store, (prepared.cleaned.plain, prepared.splits.plain), recipe)
    return rows, [prepared.cleaned, prepared.splits, *inputs_of(rows)]


def _compressed(recipe: Recipe, work: _Work, prepared: Prepared, trained: Made) -> Made:
    """The model in a smaller or faster form, where the recipe asks for it: before evaluation, so that what is
    reported is measured on what is packed."""
    spec = recipe.package.compression()
    if spec is None:
        return trained
    return work.stage(
        "packaging", "compress", spec, [prepared.cleaned, prepared.splits, trained],
        lambda compress: compress(trained.value, prepared.typed, prepared.sets, spec, seed=recipe.seed,
                                  watch=work.watch),
        lambda plain: {"told": plain["compression"]["told"], "forms": plain["compression"]["table"]},
        keep=lambda store, made: {**encode(store, made.trained), "compression": plain_of(made.to_plain())},
    )  # fmt: skip


def _told_of(report: Made, trained: Made, tuned: Made | None) -> Report:
    """The report, and in it the table of the forms that were measured, and what tuning saw."""
    told: Report = report.value
    more = {"compression": trained.plain["compression"]} if "compression" in trained.plain else {}
    if tuned is not None:
        more["tuning"] = tuned.plain["models"]
    return replace(told, curves={**told.curves, **more}) if more else told


def finish(recipe: Recipe, work: _Work, prepared: Prepared, trained: Made, report: Made) -> dict[str, Any]:
    """Write the pages, pack the model, and lay both where people look: `<store>/out/<name>/`."""
    from modelwright.export import lay_out_targets

    inputs: list[Made | str | None] = [prepared.raw, prepared.cleaned, prepared.splits, trained, report, recipe.name]
    inputs += [made for made in (prepared.required, prepared.tuned) if made]
    card = work.stage(
        "evaluation", "card", None, inputs,
        lambda make: work.store.put(make(**_page_contents(recipe, prepared, trained, report)).encode()),
        keep=lambda _, digest: {"card": digest},
    )  # fmt: skip
    package = work.stage(
        "packaging", "package", None, [*inputs, card],
        lambda package: _pack(package, recipe, work.store, prepared, trained, report, card), _tell_package,
        keep=lambda _, plain: plain,
    )  # fmt: skip
    page = work.stage(
        "evaluation", "page", None, [*inputs, package],
        lambda make: work.store.put(
            make(**_page_contents(recipe, prepared, trained, report), curl=package.facts["curl"]).encode()
        ),
        keep=lambda _, digest: {"page": digest},
    )  # fmt: skip
    folder = work.store.root / "out" / recipe.name
    file = folder / f"{recipe.name}.wright"
    _lay_out(work.store, package.plain["file"], file)
    _lay_out(work.store, page.plain["page"], folder / "report.html")
    _lay_out(work.store, card.plain["card"], folder / "card.md")
    lay_out_targets(recipe, work, package, folder)
    work.store.point("packages", recipe.name, {"file": package.plain["file"], "run": work.record.id})
    return {**report.facts, "folder": str(folder), "package": str(file)}


@dataclass(frozen=True)
class Made:
    """A stage's output: its digest, plain form and facts at once, the value itself when asked for."""

    store: Store
    digest: str
    plain: Mapping[str, Any]
    facts: Mapping[str, Any]

    @cached_property
    def value(self) -> Any:
        """The value, read from the store and verified."""
        return decode(self.store, self.plain)


@dataclass(frozen=True)
class Prepared:
    """What training begins with: `cleaned` are the cases, which are the cleaned `rows` unless those are steps."""

    raw: Made
    cleaned: Made
    splits: Made
    rows: Made
    mended: Made | None = None
    required: Made | None = None
    tuned: Made | None = None

    @property
    def learned_from(self) -> list[Made | str | None]:
        """What training's outcome follows from, besides its settings."""
        return [self.cleaned, self.splits, *([self.tuned] if self.tuned else [])]

    def train_spec(self, recipe: Recipe) -> TrainSpec:
        """The settings of training, with what tuning found."""
        if self.tuned is None:
            return recipe.train
        from modelwright.tuned import with_tuned

        return with_tuned(recipe.train, self.tuned.plain, data=self.typed, splits=self.sets, seed=recipe.seed)

    @property
    def typed(self) -> Dataset:
        """The cleaned, typed rows."""
        cleaned: Cleaned = self.cleaned.value
        return cleaned.kept

    @property
    def sets(self) -> Splits:
        """Which rows train and which are held out."""
        splits: Splits = self.splits.value
        return splits

    @property
    def test(self) -> Dataset:
        """The held-out rows."""
        return self.typed.take(self.sets.test)


@dataclass
class _Work:
    """One run in progress: where values are kept and what the record says so far."""

    store: Store
    seed: int
    watch: Watch
    record: Run
    on_record: bool = True
    tracking: Tracking | None = None

    @classmethod
    def begin(cls, recipe: Recipe, store: Store | str | Path, watch: Watch | None, *, on_record: bool = True) -> _Work:
        opened = store if isinstance(store, Store) else Store.open(store)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        record = Run(
            id=f"{started[:19].replace(':', '').replace('-', '')}-{uuid.uuid4().hex[:8]}", name=recipe.name,
            recipe=recipe.to_plain(), started=started, machine=machine(),
        )  # fmt: skip
        work = cls(opened, recipe.seed, watch or (lambda event: None), record, on_record)
        work.save()
        return work

    def track(self, recipe: Recipe) -> None:
        """Let the recipe's trackers hear what is watched. They only listen: no key and no value depends on them."""
        from modelwright.tracking import track

        if recipe.track:
            settings = {name: value for name, value in recipe.to_plain().items() if name != "track"}
            self.watch = self.tracking = track(
                recipe.track, name=recipe.name, run=self.record.id, settings=settings, watch=self.watch,
                folder=self.store.root / "out" / recipe.name / "track",
            )  # fmt: skip

    def end(self, status: Literal["done", "failed"], facts: Mapping[str, Any]) -> None:
        """Write how the run ended, and where its trackers have it."""
        self.save(status=status, facts=facts)
        if self.tracking is not None:
            pages = [Path(facts["folder"]) / "report.html"] if facts else []
            self.save(facts={**facts, "track": list(self.tracking.close(status, pages))})

    def save(self, **changes: Any) -> None:
        """Change the record and write it, unless this is only a plan."""
        self.record = replace(self.record, **changes)
        if self.on_record:
            self.record.save(self.store)

    def known(self, stage: str, method: str, spec: Any, inputs: Sequence[Made | str | None]) -> dict[str, Any] | None:
        """What is filed for a stage, if it is there."""
        key = self._key(stage, method, spec, inputs)
        return self.store.find(key) if key else None

    def stage(
        self, stage: str, method: str, spec: Any, inputs: Sequence[Made | str | None], make: Callable[[Any], Any],
        tell: Callable[[Any], Mapping[str, Any]] = lambda value: {}, *,
        keep: Callable[[Store, Any], Mapping[str, Any]] = encode,
    ) -> Made:  # fmt: skip
        """Find a stage's value by its key, or make it, keep it and file it."""
        began = time.perf_counter()
        key = self._key(stage, method, spec, inputs)
        entry = self.store.find(key) if key else None
        cached = entry is not None
        self.watch({"stage": stage, "method": method, "event": "begin", "cached": cached})
        if entry is None:
            plain = keep(self.store, make(registry.get(stage, method)))
            key = key or digest_of([stage, method, plain])
            kept = decode(self.store, plain) if keep is encode else plain
            entry = self.store.file(key, plain, facts=plain_of(tell(kept)))
        made = Made(self.store, entry["digest"], entry["value"], entry["facts"])
        seconds = round(time.perf_counter() - began, 4)
        record = StageRecord(
            stage=f"{stage}/{method}", key=key, digest=made.digest, cached=cached, seconds=seconds,
            value=made.plain, facts=made.facts, peak_memory_bytes=peak_memory_bytes(),
        )  # fmt: skip
        self.save(stages=(*self.record.stages, record))
        end = {"stage": stage, "method": method, "event": "end", "seconds": seconds, "cached": cached}
        self.watch({**end, **made.facts})
        return made

    @contextlib.contextmanager
    def checkpoints(
        self, stage: str, method: str, spec: Any, inputs: Sequence[Made | str | None]
    ) -> Iterator[Path | None]:
        """A folder for work that is long: it stays when the work is broken off, and goes when it is done."""
        key = self._key(stage, method, spec, inputs)
        folder = self.store.root / "checkpoints" / key if key else None
        yield folder
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def kept(self, stage: str, method: str, spec: Any, inputs: Sequence[Made | str | None]) -> Path | None:
        """A folder for parts of the work that another call, with more budget, can use again: it stays."""
        key = self._key(stage, method, spec, inputs)
        return self.store.root / "candidates" / key if key else None

    def _key(self, stage: str, method: str, spec: Any, inputs: Sequence[Made | str | None]) -> str:
        """What a value is known by before it is made; "" when a source cannot be fingerprinted.

        A database or an address is read again each time; what follows is found again if its rows are the same.
        """
        digests = [item.digest if isinstance(item, Made) else item for item in inputs]
        if None in digests:
            return ""
        versions = {name: registry.versions(name) for name in BUILDS_ON.get(stage, ())}
        settings = spec.to_plain() if spec is not None else {}
        own = registry.entry(stage, method).version
        return digest_of([stage, method, own, versions, settings, digests, self.seed])


# What is told of each stage, kept beside its value so that a later run tells it without reading the value ----


def _tell_collected(data: Dataset) -> dict[str, Any]:
    return {"told": f"{data.n_rows:,} rows x {len(data.schema.names)} columns", "origin": plain_of(data.origin)}


def _tell_labelled(data: Dataset) -> dict[str, Any]:
    decision = data.origin["decisions"][-1]
    return {**_tell_collected(data), "told": f"{decision['choice']}, {decision['reason']}"}


def _tell_cleaned(cleaned: Cleaned) -> dict[str, Any]:
    import polars as pl

    from modelwright.cleaning import summary

    n_changed = cleaned.changes.select(pl.len()).collect().item()
    told = f"{cleaned.kept.n_rows:,} rows kept, {cleaned.removed.height:,} removed, {n_changed:,} cells changed"
    return {"told": told, "decisions": cleaned.decisions, "summary": summary(cleaned), "n_changed": n_changed,
            "schema": cleaned.kept.schema.to_plain()}  # fmt: skip


def _tell_required(plain: Mapping[str, Any]) -> dict[str, Any]:
    decisions = [
        Decision("profiling", one["need"], one["status"], f"{one['text']} To do: {one['todo']}.")
        for one in plain["findings"] if one["status"] != "met"
    ]  # fmt: skip
    return {"told": plain["told"], "decisions": decisions, "requirements": plain}


def _tell_windowed(made: Cleaned, before: Mapping[str, Any]) -> dict[str, Any]:
    decisions = [decision for decision in made.decisions if decision.stage == "sequences"]
    layout = made.kept.origin.get("sequences")
    told = f"{made.kept.n_rows:,} cases of {layout['length']} steps" if layout else "the rows stay a table"
    return {**before, "told": told, "decisions": decisions, "schema": made.kept.schema.to_plain(), "layout": layout}


def _tell_split(splits: Splits) -> dict[str, Any]:
    n_folds = len({int(fold) for fold in set(splits.folds.tolist()) if fold >= 0})
    folds = "1 fold" if n_folds == 1 else f"{n_folds} folds"
    told = f"{splits.kind}: {len(splits.train):,} rows to train on in {folds}, {len(splits.test):,} held out"
    return {"told": told, "decisions": splits.decisions, "kind": splits.kind}


def _tell_trained(trained: Trained) -> dict[str, Any]:
    members = [candidate for candidate in trained.leaderboard if candidate.weight > 0]
    mix = " + ".join(f"{candidate.weight:.2f} {candidate.name}" for candidate in members)
    mix = members[0].name if len(members) == 1 else mix
    told = f"{mix}; the graph answers as what was fitted, {trained.parity:.0e} apart at most"
    return {"told": told, "decisions": trained.decisions, "parity": trained.parity,
            "leaderboard": trained.leaderboard}  # fmt: skip


def _tell_learned(trained: Trained) -> dict[str, Any]:
    told = f"{trained.history[0]['facts']['told']}; the graph answers as what was fitted, {trained.parity:.0e} apart"
    return {"told": told, "decisions": trained.decisions, "parity": trained.parity,
            "leaderboard": trained.leaderboard}  # fmt: skip


def _tell_report(report: Report, target: str) -> dict[str, Any]:
    from modelwright.evaluation.text import headline, summary_table, verdict

    told = f"{len(report.metrics)} metrics on {report.n_rows:,} held-out rows"
    told += f", {len(report.slices)} slices" if len(report.slices) > 1 else ""
    return {
        "told": told, "headline": headline(report, target=target), "verdict": verdict(report)[1],
        "metrics": summary_table(report),
    }  # fmt: skip


def _tell_package(plain: Mapping[str, Any]) -> dict[str, Any]:
    told = f"{plain['size_bytes'] / 1000:,.0f} kB, {plain['n_golden']} golden rows replayed from raw cells"
    return {"told": f"{told}, {plain['largest_difference']:.0e} apart", "curl": plain["curl"]}


def _backgrounds(trained: Made, prepared: Prepared) -> dict[str, Background]:
    """What answers are held against, by target, from the training rows."""
    from modelwright.evaluation.background import backgrounds

    return backgrounds(trained.value, prepared.typed.take(prepared.sets.train))


# Pages and package --------------------------------------------------------------------------------------------


def _page_contents(recipe: Recipe, prepared: Prepared, trained: Made, report: Made) -> dict[str, Any]:
    """What the report and the model card are made of."""
    cleaned, sets, rows = prepared.cleaned.value, prepared.sets, prepared.rows.value
    mended = prepared.mended.facts if prepared.mended else {}
    required = prepared.required.facts if prepared.required else {}
    decisions: tuple[Decision, ...] = (
        *(Decision(**told) for told in mended.get("decisions", ())),
        *cleaned.decisions, *(Decision(**told) for told in required.get("decisions", ())),
        *sets.decisions, *(Decision(**told) for told in (prepared.tuned.facts["decisions"] if prepared.tuned else ())),
        *trained.value.decisions,
    )  # fmt: skip
    data_facts = {
        "rows collected": prepared.raw.value.n_rows,
        "rows kept": rows.kept.n_rows,
        "rows removed": rows.removed.height,
        **({"cells mended": mended["n_changed"], "rows mended away": mended["n_removed"]} if mended else {}),
        **({"requirements": prepared.required.facts["told"]} if prepared.required else {}),
        **({"cases made of them": cleaned.kept.n_rows} if rows is not cleaned else {}),
        "cells changed": prepared.cleaned.facts["n_changed"],
        "rows trained on": len(sets.train),
        "rows held out": len(sets.test),
        "split": sets.kind,
        "sources": [source["name"] for source in prepared.raw.value.origin.get("sources", ())],
    }
    run_facts = {
        "seed": recipe.seed,
        "data digest": prepared.raw.digest,
        "cleaned digest": prepared.cleaned.digest,
        "split digest": prepared.splits.digest,
        "model digest": trained.digest,
    }
    return {
        "report": _told_of(report, trained, prepared.tuned), "title": recipe.name, "trained": trained.value,
        "cleaning": [*mended.get("summary", ()), *prepared.cleaned.facts["summary"]], "decisions": decisions,
        "data_facts": data_facts, "run_facts": run_facts,
    }  # fmt: skip


def _pack(
    package: Callable[..., Any], recipe: Recipe, store: Store, prepared: Prepared, trained: Made, report: Made,
    card: Made,
) -> dict[str, Any]:  # fmt: skip
    """Write the package in the store and say what is worth telling of it."""
    from modelwright_runtime import load
    from modelwright_runtime.server import curl_line

    facts = {
        "raw": prepared.raw.digest, "cleaned": prepared.cleaned.digest, "splits": prepared.splits.digest,
        "n_rows": prepared.typed.n_rows, "target": recipe.target, "seed": recipe.seed,
    }  # fmt: skip
    with store.scratch(".wright") as path:
        made = package(
            trained.value, prepared.cleaned.value, path=path, name=recipe.name,
            report=_told_of(report, trained, None), card=store.get(card.plain["card"]).decode(), facts=facts,
            train_rows=prepared.sets.train,
        )  # fmt: skip
        curl = curl_line(load(path), "http://127.0.0.1:8000")
        return {
            "file": store.adopt(path), "size_bytes": made.size_bytes, "n_golden": made.n_golden,
            "largest_difference": made.largest_difference, "curl": curl,
        }  # fmt: skip


def _lay_out(store: Store, digest: str, path: Path) -> None:
    """Put a file of the store where people look; a file that is there and the same is left alone."""
    blob = store.path(digest)
    with disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size == blob.stat().st_size and path.read_bytes() == blob.read_bytes():
            return
        aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            aside.write_bytes(blob.read_bytes())  # a copy: a link would let an editor change the store
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


# Looking back -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """What a recipe comes to: `recipe` has every automatic decision written out."""

    recipe: Recipe
    stages: tuple[Mapping[str, Any], ...]
    decisions: tuple[Mapping[str, Any], ...]


def plan(recipe: Recipe, *, store: Store | str | Path = ".wright", watch: Watch | None = None) -> Plan:
    """Say what `run` would do: collect, clean and split (kept for the run), and choose what training would try.

    `Plan.recipe` gives the same model as `recipe`, and has no automatic choice left.
    """
    work = _Work.begin(recipe, store, watch, on_record=False)
    prepared = prepare(recipe, work)
    if recipe.task is not None:
        return _plan_without_target(recipe, work, prepared)
    prepared, tuning, about_tuning, tune_spec = _tuning_plan(recipe, work, prepared)
    train_spec, decisions = _training_plan(recipe, prepared)
    explicit = recipe.but(
        clean=_explicit_clean(recipe, prepared),
        sequences=_explicit_sequences(recipe, prepared),
        split=recipe.split.but(**_explicit_split(prepared)),
        tune=tune_spec,
        train=train_spec,
    )
    stages = _made_so_far(work)
    stages += tuning
    ready = recipe.tune is None or prepared.tuned is not None
    trained = work.known("training", "train", recipe.train, prepared.learned_from) if ready else None
    told = trained["facts"]["told"] if trained else f"{len(train_spec.models or ())} candidates and a baseline"
    stages.append({"stage": "training/train", "state": "there already" if trained else "to do", "told": told})
    known = [decision for record in work.record.stages for decision in record.facts.get("decisions", ())]
    return Plan(explicit, tuple(stages), (*known, *plain_of(about_tuning), *plain_of(decisions)))


def _made_so_far(work: _Work) -> list[Mapping[str, Any]]:
    return [
        {"stage": record.stage, "state": "there already" if record.cached else "made now", "told": record.facts["told"]}
        for record in work.record.stages
    ]


def _plan_without_target(recipe: Recipe, work: _Work, prepared: Prepared) -> Plan:
    """What would be learned from rows alone."""
    from modelwright.unsupervised.planning import written_out
    from modelwright.unsupervised.spec import spec_of

    assert recipe.task is not None
    task, decisions = written_out(prepared.typed, prepared.sets, recipe.task, seed=recipe.seed)
    split = recipe.split.but(**_explicit_split(prepared))
    explicit = recipe.but(task=task, clean=_explicit_clean(recipe, prepared), split=split)
    known = work.known("unsupervised", task.method, spec_of(recipe.task), [prepared.cleaned, prepared.splits])
    state, told = ("there already", known["facts"]["told"]) if known else ("to do", "learned from the rows alone")
    stages = [*_made_so_far(work), {"stage": f"unsupervised/{task.method}", "state": state, "told": told}]
    made = [decision for record in work.record.stages for decision in record.facts.get("decisions", ())]
    return Plan(explicit, tuple(stages), (*made, *plain_of(decisions)))


def _tuning_plan(
    recipe: Recipe, work: _Work, prepared: Prepared
) -> tuple[Prepared, list[Mapping[str, Any]], list[Decision], TuneSpec | None]:
    """What tuning would try, or has tried already; its settings with every space written out."""
    if recipe.tune is None:
        return prepared, [], [], None
    from modelwright.tuned import deciding, plan_of

    rows, inputs = _rows_of_tuning(recipe, work, prepared)
    entry = work.known("tuning", "tune", deciding(recipe.tune), inputs)
    told, decisions, explicit = plan_of(recipe.tune, rows)
    if entry is not None:
        made = Made(work.store, entry["digest"], entry["value"], entry["facts"])
        prepared, told = replace(prepared, tuned=made), entry["facts"]["told"]
    state = "there already" if entry else "to do"
    return prepared, [{"stage": "tuning/tune", "state": state, "told": told}], decisions, explicit


def _training_plan(recipe: Recipe, prepared: Prepared) -> tuple[TrainSpec, tuple[Decision, ...]]:
    from modelwright.training.planning import written_out

    return written_out(prepared.typed, prepared.sets, recipe.train, seed=recipe.seed)


def _explicit_clean(recipe: Recipe, prepared: Prepared) -> CleanSpec:
    """Kinds and roles of every column, as they were chosen."""
    columns = prepared.rows.facts["schema"]
    return recipe.clean.but(
        kinds={column["name"]: column["kind"] for column in columns},
        roles={column["name"]: column["role"] for column in columns},
    )


def _explicit_sequences(recipe: Recipe, prepared: Prepared) -> WindowSpec:
    """How many steps a case sees, as it was chosen; `off` where rows stayed rows."""
    layout = prepared.cleaned.facts.get("layout")
    if not layout:
        return recipe.sequences.but(use="off")
    return recipe.sequences.but(length=layout["length"], stride=layout["stride"])


def _explicit_split(prepared: Prepared) -> dict[str, Any]:
    kind = prepared.splits.facts["kind"]
    return {"kind": kind} if kind in ("random", "stratified") else {}


def load_run(store: Store, name: str) -> Run:
    """The latest run of a name, or the run of an id."""
    pointer = store.named("runs", name)
    run_id = pointer["run"] if pointer else name
    path = store.root / "runs" / f"{run_id}.json"
    if not path.exists():
        raise UserError(
            "run.unknown", f"there is no run {name!r} in {store.root}.", hint=nearest(name, store.names("runs"))
        )
    return Run.from_plain(json.loads(path.read_bytes()))


def runs(store: Store) -> list[dict[str, Any]]:
    """Every run, newest first: name, when, status, what it scored."""
    records = [json.loads(path.read_bytes()) for path in (store.root / "runs").glob("*.json")]
    return [
        {
            "name": record["name"],
            "started": record["started"][:16].replace("T", " "),
            "status": record["status"],
            "result": _scored(record["facts"]),
            "run": record["id"],
        }
        for record in sorted(records, key=lambda record: record["started"], reverse=True)
    ]


def _scored(facts: Mapping[str, Any]) -> str:
    if not facts.get("metrics"):
        return ""
    label, value, _, baseline = facts["metrics"][0]
    return f"{label} {value} (baseline {baseline})"


def value_of(store: Store, name: str, stage: str) -> Any:
    """What a stage (such as "cleaning/clean") made in the latest run of a name."""
    record = load_run(store, name)
    for made in record.stages:
        if made.stage == stage:
            return decode(store, made.value)
    known = [made.stage for made in record.stages]
    raise UserError("run.stage", f"the run {name!r} did not come to {stage!r}.", hint=nearest(stage, known))


def collect_garbage(store: Store, *, grace_s: float) -> tuple[int, int]:
    """Free what neither the latest run of a name, a package nor a version of a dataset needs: files and bytes."""
    from modelwright.collection.versions import digests_kept
    from modelwright.tuned import forget_studies

    keys: set[str] = set()
    digests: set[str] = set()
    studies: set[str] = set()
    for name in store.names("runs"):
        stages = load_run(store, name).stages
        keys |= {stage.key for stage in stages}
        studies |= {study for stage in stages for study in stage.facts.get("studies", ())}
    for pointer in store.names("packages").values():
        digests.add(pointer["file"])
    digests |= digests_in(store.names("cleanings"))  # what `wright clean --undo` takes back
    freed = store.collect_garbage(keys, digests | digests_kept(store), grace_s=grace_s)
    n_files, n_bytes = forget_studies(store, studies, grace_s=grace_s)
    return freed[0] + n_files, freed[1] + n_bytes
