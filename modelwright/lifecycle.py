"""The whole life of a model on one screen: `run` reads top to bottom like the table of stages.

Each stage has a key: the digest of its name, method, implementation version, spec, inputs and seed. A stage
whose key is known is not run again, and its value is not even read unless a later stage needs it.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core import registry
from modelwright.core.codec import decode, encode
from modelwright.core.record import Run, StageRecord, machine, peak_memory_bytes
from modelwright.core.store import Store, digest_of, disk_faults
from modelwright.core.values import Cleaned, Report, Splits, Trained, Watch

if TYPE_CHECKING:
    from modelwright.core.data import Dataset, Decision
    from modelwright.recipe import Recipe


def run(recipe: Recipe, *, store: Store | str | Path = ".wright", watch: Watch | None = None) -> Run:
    """Take a recipe from raw rows to an evaluated, packaged model; the record says what was done.

    Raises UserError or SystemFault. What is already in the store is not computed again.
    """
    work = _Work.begin(recipe, store if isinstance(store, Store) else Store.open(store), watch)
    try:
        prepared = prepare(recipe, work)
        trained = work.stage(
            "training", "train", recipe.train, [prepared.cleaned, prepared.splits],
            lambda train: train(prepared.typed, prepared.sets, recipe.train, seed=recipe.seed, watch=work.watch),
        )  # fmt: skip
        report = work.stage(
            "evaluation", "evaluate", recipe.evaluate, [prepared.cleaned, prepared.splits, trained],
            lambda evaluate: evaluate(trained.value, prepared.test, recipe.evaluate, seed=recipe.seed),
        )  # fmt: skip
        finish(recipe, work, prepared, trained, report)
    except BaseException:
        work.record = replace(work.record, status="failed").save(work.store)
        raise
    work.record = replace(work.record, status="done").save(work.store)
    return work.record


def prepare(recipe: Recipe, work: _Work) -> Prepared:
    """Collect, clean and split: what training, and planning, begin with."""
    clean_spec = recipe.clean.but(target=recipe.target)
    source = recipe.data.fingerprint(work.store.seen)
    raw = work.stage(
        "collection", "collect", recipe.data, [source],
        lambda collect: collect(recipe.data, keep=work.store.root / "raw", watch=work.watch),
    )  # fmt: skip
    cleaned = work.stage(
        "cleaning", "clean", clean_spec, [raw], lambda clean: clean(raw.value, clean_spec, watch=work.watch)
    )
    splits = work.stage(
        "splitting", "split", recipe.split, [cleaned],
        lambda split: split(cleaned.value.kept, recipe.split, seed=recipe.seed),
    )  # fmt: skip
    return Prepared(raw, cleaned, splits)


def finish(recipe: Recipe, work: _Work, prepared: Prepared, trained: Made, report: Made) -> None:
    """Write the pages, pack the model, and lay both where people look: `<store>/out/<name>/`."""
    inputs = [prepared.cleaned, prepared.splits, trained, report]
    pages = work.stage("evaluation", "pages", None, inputs, lambda make: make(
        recipe, prepared.raw.value, prepared.cleaned.value, prepared.sets, trained.value, report.value
    ), keep=_keep_pages)  # fmt: skip
    package = work.stage("packaging", "package", None, [*inputs, pages], lambda package: _pack(
        package, recipe, work.store, prepared, trained.value, report.value, pages.plain
    ), keep=lambda _, value: value)  # fmt: skip
    folder = work.store.root / "out" / recipe.name
    outputs = {
        f"{recipe.name}.wright": package.plain["file"],
        "report.html": pages.plain["page"],
        "card.md": pages.plain["card"],
    }
    for file_name, digest in outputs.items():
        _lay_out(work.store, digest, folder / file_name)
    facts = {**pages.plain["facts"], "folder": str(folder), "package": str(folder / f"{recipe.name}.wright")}
    work.store.point("packages", recipe.name, {"file": package.plain["file"], "run": work.record.id})
    work.record = replace(work.record, facts=facts)


@dataclass(frozen=True)
class Made:
    """A stage's output: its digest and plain form at once, the value itself when asked for."""

    store: Store
    digest: str
    plain: Mapping[str, Any]

    @cached_property
    def value(self) -> Any:
        """The value, read from the store and verified."""
        return decode(self.store, self.plain)


@dataclass(frozen=True)
class Prepared:
    """What training begins with."""

    raw: Made
    cleaned: Made
    splits: Made

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

    @classmethod
    def begin(cls, recipe: Recipe, store: Store, watch: Watch | None) -> _Work:
        started = datetime.now(UTC).isoformat(timespec="seconds")
        record = Run(
            id=f"{started[:19].replace(':', '')}-{uuid.uuid4().hex[:8]}", name=recipe.name,
            recipe=recipe.to_plain(), started=started, machine=machine(),
        )  # fmt: skip
        return cls(store, recipe.seed, watch or (lambda event: None), record.save(store))

    def stage(
        self, stage: str, method: str, spec: Any, inputs: list[Any], make: Callable[[Any], Any],
        keep: Callable[[Store, Any], Mapping[str, Any]] = encode,
    ) -> Made:  # fmt: skip
        """Find a stage's value by its key, or make it, keep it and file it."""
        began = time.perf_counter()
        version = registry.entry(stage, method).version
        digests = [item.digest if isinstance(item, Made) else item for item in inputs]
        settings = spec.to_plain() if spec is not None else {}
        # a source that cannot be fingerprinted (a database, an address) is read again each time
        key = digest_of([stage, method, version, settings, digests, self.seed]) if None not in digests else ""
        entry = self.store.find(key) if key else None
        self.watch({"stage": stage, "event": "there" if entry else "begin", "method": method})
        cached = entry is not None
        if entry is None:
            value = make(registry.get(stage, method))
            plain = keep(self.store, value)
            key = key or digest_of([stage, method, version, settings, plain])
            entry = self.store.file(key, stage=stage, method=method, version=version, value=plain)
        made = Made(self.store, entry["digest"], entry["value"])
        seconds = time.perf_counter() - began
        self.record = self.record.with_stage(
            StageRecord(
                stage=f"{stage}/{method}", key=key, digest=made.digest, cached=cached, seconds=round(seconds, 4),
                value=made.plain, peak_memory_bytes=peak_memory_bytes(),
            )  # fmt: skip
        ).save(self.store)
        self.watch({"stage": stage, "event": "end", "method": method, "seconds": seconds, "cached": cached})
        return made
