"""What a served name stands for now: its versions, the champion, a challenger beside it. One small file on disk.

    <folder>/deployment.json        this state, replaced atomically under a lock
    <folder>/packages/<sha256>.wright   the versions' files; never changed
    <folder>/log/                   predictions (`records`)
    <folder>/labels/                what turned out to be true, by prediction id
    <folder>/decisions/             why each change was made

The functions are pure: a state in, a state out. `change` reads, applies one and writes, also when many processes do
so at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from modelwright_runtime.errors import SystemFault, UserError

FORMAT = 1
STATE = "deployment.json"
Mode = Literal["shadow", "canary", "ab"]
MODES: tuple[Mode, ...] = ("shadow", "canary", "ab")


@dataclass(frozen=True, kw_only=True)
class Version:
    """A package in this deployment. `file` is its SHA-256, `made` when it was added, `about` where it comes from."""

    number: int
    file: str
    made: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Challenger:
    """A version that runs beside the champion: in its shadow (asked, logged, never answered from), as a canary (a
    share of the requests is answered by it), or in an A/B test (a share by the caller's key)."""

    version: int
    mode: Mode = "shadow"
    share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """What of the rows is kept in the prediction log. `share` of the requests (0 to 1; 0 keeps none), `leave_out` and
    `hash` columns, segments of the last `keep_days` days and `keep_bytes` bytes."""

    share: float = 1.0
    leave_out: tuple[str, ...] = ()
    hash: tuple[str, ...] = ()
    keep_days: float = 90.0
    keep_bytes: int = 10_000_000_000


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The state. `previous` are the champions before this one, the latest first: what `rollback` goes back to.

    >>> one = added(Deployment(name="income"), "a" * 64, now="2026-01-01T00:00:00Z")
    >>> two = promoted(added(one, "b" * 64, now="2026-01-02T00:00:00Z"), 2)
    >>> one.champion, two.champion, rolled_back(two).champion
    (1, 2, 1)
    """

    name: str
    revision: int = 0
    versions: tuple[Version, ...] = ()
    champion: int = 0
    challenger: Challenger | None = None
    previous: tuple[int, ...] = ()
    log: LogSettings = field(default_factory=LogSettings)

    def version(self, number: int) -> Version:
        """The version of that number; `UserError` `deployment.version` when there is none."""
        for version in self.versions:
            if version.number == number:
                return version
        known = ", ".join(str(version.number) for version in self.versions) or "none"
        raise UserError(
            "deployment.version", f"`{self.name}` has no version {number}.", hint=f"there is {known}: `wright status`"
        )


# Transitions ---------------------------------------------------------------------------------------------------------


def added(state: Deployment, file: str, *, now: str = "", about: Mapping[str, Any] | None = None) -> Deployment:
    """With one more version; the first becomes the champion. A file that is there already is not added again."""
    if any(version.file == file for version in state.versions):
        return state
    number = max((version.number for version in state.versions), default=0) + 1
    version = Version(number=number, file=file, made=now or _now(), about=dict(about or {}))
    return replace(state, versions=(*state.versions, version), champion=state.champion or number)


def challenged(state: Deployment, version: int, *, mode: Mode = "shadow", share: float = 0.1) -> Deployment:
    """With a challenger beside the champion. Raises `deployment.challenger` for the champion itself."""
    state.version(version)
    if version == state.champion:
        raise UserError(
            "deployment.challenger", f"version {version} is the champion of `{state.name}` itself.",
            hint="name another version: `wright status`",
        )  # fmt: skip
    if mode not in MODES or not (mode == "shadow" or 0.0 < share < 1.0):
        raise UserError(
            "deployment.challenger",
            f"a challenger runs in the mode {', '.join(MODES)}, on a share between 0 and 1; got {mode!r} and {share}.",
            hint="for 10 % write 0.1",
        )
    return replace(
        state, challenger=Challenger(version=version, mode=mode, share=0.0 if mode == "shadow" else float(share))
    )


def unchallenged(state: Deployment) -> Deployment:
    """Without a challenger."""
    return replace(state, challenger=None)


def promoted(state: Deployment, version: int) -> Deployment:
    """With another champion; the one before is remembered. A promoted challenger is no challenger any more."""
    state.version(version)
    if version == state.champion:
        return state
    challenger = None if state.challenger and state.challenger.version == version else state.challenger
    earlier = tuple(number for number in (state.champion, *state.previous) if number != version)
    return replace(state, champion=version, previous=earlier, challenger=challenger)


def rolled_back(state: Deployment) -> Deployment:
    """With the champion of before; no challenger is left. Raises `deployment.rollback` when there was none."""
    if not state.previous:
        raise UserError(
            "deployment.rollback", f"`{state.name}` has had one champion only, version {state.champion}.",
            hint="`wright promote NAME --version N` makes another version the champion",
        )  # fmt: skip
    return replace(state, champion=state.previous[0], previous=state.previous[1:], challenger=None)


# On disk -------------------------------------------------------------------------------------------------------------


def read(folder: Path) -> Deployment:
    """The state of a deployment folder. Raises `deployment.missing` and `deployment.damaged`."""
    place = folder / STATE
    try:
        data = place.read_bytes()
    except FileNotFoundError:
        raise UserError(
            "deployment.missing", f"{folder} holds no deployment.", hint="`wright serve NAME` makes one"
        ) from None
    except OSError as problem:
        raise SystemFault("deployment.read", f"{place} cannot be read: {problem.strerror}.") from None
    return parsed(data, place)


def parsed(data: bytes, place: Path | str) -> Deployment:
    """The state that these bytes say, their digest checked: one flipped bit is noticed."""
    damaged = SystemFault(
        "deployment.damaged", f"{place} is not as it was written.", hint="copy it back from deployment.json.before"
    )
    try:
        whole = msgspec.json.decode(data)
        digest, plain = whole["sha256"], whole["deployment"]
        state = msgspec.convert(plain, Deployment)
        if whole["format"] != FORMAT or digest != _digest(plain) or spelled(state) != data:
            raise damaged
        return state
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError, RecursionError):
        raise damaged from None


def spelled(state: Deployment) -> bytes:
    """The state as bytes, the inverse of `parsed`."""
    plain = msgspec.to_builtins(state)
    return msgspec.json.format(
        msgspec.json.encode({"format": FORMAT, "sha256": _digest(plain), "deployment": plain}), indent=1
    )


def _digest(plain: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(plain, order="sorted")).hexdigest()


def change(folder: Path, apply: Callable[[Deployment], Deployment], *, name: str = "") -> Deployment:
    """Apply a transition to the state on disk and return what stands there then.

    One process at a time: the others wait. The new state is written aside, synced and renamed, so that a kill leaves
    the old one or the new one. With `name`, a folder without a state begins with an empty one.
    """
    with _locked(folder):
        there = (folder / STATE).exists()
        state = read(folder) if there or not name else Deployment(name=name)
        after = apply(state)
        if after != state:
            after = replace(after, revision=state.revision + 1)
            if there:
                write_aside(folder / f"{STATE}.before", spelled(state))
            write_aside(folder / STATE, spelled(after))
        return after


def add_package(folder: Path, package: Path) -> str:
    """Copy a package into the deployment folder under its digest, whole or not at all; the digest."""
    try:
        with package.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        place = folder / "packages" / f"{digest}.wright"
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            aside = place.with_name(f".{place.name}.{uuid.uuid4().hex}.tmp")
            try:
                shutil.copyfile(package, aside)
                with aside.open("rb+") as file:
                    os.fsync(file.fileno())
                aside.replace(place)
                sync_folder(place.parent)
            finally:
                aside.unlink(missing_ok=True)
    except OSError as problem:
        raise SystemFault("deployment.write", f"{folder} cannot be written: {problem.strerror}.") from None
    return digest


def package_path(folder: Path, version: Version) -> Path:
    """Where the file of a version lies."""
    return folder / "packages" / f"{version.file}.wright"


def write_aside(path: Path, data: bytes) -> None:
    """Write aside, sync, rename, sync the folder: a reader sees the old bytes or the new ones, never a part."""
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync_folder(path.parent)
    except OSError as problem:
        raise SystemFault(
            "deployment.write",
            f"{path} cannot be written: {problem.strerror}.",
            hint="free some room, or mend its rights",
        ) from None
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a rename last through a loss of power."""
    if os.name != "posix":  # folders cannot be synced elsewhere
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as problem:
        raise SystemFault("deployment.write", f"{folder} cannot be written: {problem.strerror}.") from None
    try:
        if os.name == "posix":
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)  # freed by the kernel when the process dies
        yield
    finally:
        os.close(handle)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
