"""Where a served name lives: its deployment folder in a store, and what is written there beside the server's files.

<store>/serving/<name>/   deployment.json, packages/, log/, labels/ (the runtime's), and
    decisions/<time>-<kind>.json   every decision with its evidence, one file each, never changed
    operating.json                 how far the last look came
    monitor.json, monitor.html     the last report, for the served page and for people
    relabel.csv                    rows whose label would teach most
    rows/<digest>.csv              labelled rows that a retraining learned from
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import SystemFault, UserError, nearest
from modelwright.core.store import Store, canonical, file_digest, write_atomically
from modelwright_runtime import deployment as deployments
from modelwright_runtime.deployment import Deployment

if TYPE_CHECKING:
    from modelwright_runtime.model import Model


@dataclass(frozen=True)
class Place:
    """A served name. `store` is where its runs and packages are."""

    store: Store
    name: str

    @property
    def folder(self) -> Path:
        """The deployment folder."""
        return self.store.root / "serving" / self.name

    def state(self) -> Deployment:
        """Which versions there are, and which one is the champion."""
        return deployments.read(self.folder)

    def model(self, number: int) -> Model:
        """A version, loaded: its golden rows are replayed."""
        from modelwright_runtime.model import load

        return load(deployments.package_path(self.folder, self.state().version(number)))

    def number_of(self, package: Path) -> int:
        """The version that a package is."""
        digest = file_digest(package)
        return next(version.number for version in self.state().versions if version.file == digest)

    # Decisions -----------------------------------------------------------------------------------------------------

    def record(
        self, kind: str, words: str, evidence: Mapping[str, Any], *, by: str, now_s: float | None = None
    ) -> None:
        """Keep a decision: what, why, by whom, on which figures, and the state that it led to."""
        moment = time.time() if now_s is None else now_s
        plain = {"kind": kind, "words": words, "by": by, "time_s": moment, "revision": self.state().revision,
                 "evidence": dict(evidence)}  # fmt: skip
        name = f"{int(moment * 1000):015d}-{kind.replace(' ', '-')}-{uuid.uuid4().hex[:6]}.json"
        write_atomically(self.folder / "decisions" / name, as_json(plain))

    def decisions(self) -> list[dict[str, Any]]:
        """All decisions, the oldest first."""
        return [json.loads(path.read_bytes()) for path in sorted((self.folder / "decisions").glob("[!.]*.json"))]

    # How far the last look came ------------------------------------------------------------------------------------

    def progress(self) -> Progress:
        """What the last turn of the loop left."""
        place = self.folder / "operating.json"
        if not place.exists():
            return Progress()
        try:
            return Progress(**json.loads(place.read_bytes()))
        except (ValueError, TypeError):
            raise SystemFault("operating.damaged", f"{place} is not as it was written.", hint="delete it: the next"
                              " look begins with the whole log") from None  # fmt: skip

    def keep_progress(self, progress: Progress) -> None:
        """Leave word for the next turn."""
        write_atomically(self.folder / "operating.json", as_json(asdict(progress)))


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What one turn of the loop leaves for the next. Moments are seconds since 1970 of the prediction log: `seen_s` is
    the newest row that was looked at, `labels_s` when the newest label of those came, `trained_s` when the champion's
    rows end, `challenged_s` and `promoted_s` since when a challenger runs, or a promoted model is watched (0: none).
    """

    seen_s: float = 0.0
    labels_s: float = 0.0
    trained_s: float = 0.0
    challenged_s: float = 0.0
    promoted_s: float = 0.0


def as_json(plain: Any) -> bytes:
    """Canonical JSON; numbers that are not finite become null."""
    return canonical(_finite(plain))


def _finite(value: Any) -> Any:
    """JSON has no NaN: null."""
    if isinstance(value, Mapping):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    if isinstance(value, float) and value - value != 0.0:
        return None
    return value.item() if hasattr(value, "item") else value


def deploy(
    store: Store | str | Path, name: str, package: str | Path | None = None, *, run: str = "", n_learned: int = 0
) -> Place:
    """Make a deployment of a run's package, or add the package to it if it is there already.

    The first version is the champion; later ones wait until they are promoted or made challengers. What is there
    already is left as it is. Raises `UserError` `operating.name` for a name that nothing stands for.
    """
    opened = store if isinstance(store, Store) else Store.open(store)
    place = Place(opened, name)
    if package is None:
        named = opened.named("packages", name)
        if named is None:
            if (place.folder / deployments.STATE).exists():
                return place
            raise UserError(
                "operating.name", f"there is no package {name!r} in {opened.root}.",
                hint=nearest(name, opened.names("packages")) or "`wright run data.csv --target y` makes one",
            )  # fmt: skip
        package, run = opened.path(named["file"]), str(named.get("run", ""))
    digest = deployments.add_package(place.folder, Path(package))
    before = place.state() if (place.folder / deployments.STATE).exists() else None
    known = before is not None and any(version.file == digest for version in before.versions)
    after = deployments.change(
        place.folder,
        lambda state: deployments.added(state, digest, about={"run": run, "n_learned": n_learned}),
        name=name,
    )
    if before is None:
        place.keep_progress(replace(place.progress(), trained_s=time.time()))
        place.record("deploy", "The first version answers.", {"version": after.champion}, by="deploy")
    elif not known:
        place.record("add", f"Version {after.versions[-1].number} is there.", {"sha256": digest}, by="deploy")
    return place


def place_of(store: Store | str | Path, name: str) -> Place:
    """The place of a name that is served. Raises `UserError` `operating.name`."""
    opened = store if isinstance(store, Store) else Store.open(store)
    place = Place(opened, name)
    if not (place.folder / deployments.STATE).exists():
        folder = opened.root / "serving"
        known = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        hint = f"{nearest(name, known)}" if known else f"`wright serve {name}` deploys it"
        raise UserError("operating.name", f"nothing is served under the name {name!r} in {opened.root}.", hint=hint)
    return place
