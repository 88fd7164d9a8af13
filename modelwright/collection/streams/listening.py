"""Listening to streams: batches of messages become versions of a dataset, by time or by number.

Rows and the place to go on from are one commit. A broker that keeps its messages (Kafka) is asked again from the
offsets of the last version. What comes from others is in the spool before it is acknowledged, and the cursor says how
far the spool was taken. So a kill, at any moment, loses nothing and doubles nothing.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from modelwright.collection.gathering import Came, Gathered, alone, gather, key_of
from modelwright.collection.streams.decoding import rows_of, state_of
from modelwright.collection.streams.message import Message, Receiver
from modelwright.collection.streams.spec import StreamSpec
from modelwright.collection.streams.spool import Spool
from modelwright.collection.versions.commit import Arrival, Change, Origin, commit
from modelwright.collection.versions.manifest import Version, check_dataset_name, folder_of, newest
from modelwright.collection.versions.writing import storable, write_parts
from modelwright.core.errors import UserError
from modelwright.core.store import Store, digest_of

if TYPE_CHECKING:
    from modelwright.collection.base import CollectSpec, SourceSpec
    from modelwright.core.values import Watch

MOST_IDS = 100_000
"""Among so many last messages one with the same id is known."""
MOST_PACKETS = 2_000
"""A broker gives packet numbers anew, so few are remembered: more than it lets wait for us at once."""
LOOK_S = 0.1
"""How long one look at a stream waits for a message."""


@dataclass
class _Stream:
    """One stream that is listened to: what waits in memory is on the disk already, or still with the broker."""

    source: SourceSpec
    spec: StreamSpec
    key: str
    receiver: Receiver
    base: Version
    state: dict[str, Any]
    spool: Spool | None
    waiting: list[Message] = field(default_factory=list)
    first_s: float = 0.0
    n_added: int = 0
    n_again: int = 0
    told: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, source: SourceSpec, store: Store, base: Version) -> _Stream:
        """Begin where the newest version says that the stream was left."""
        spec = source.stream or StreamSpec()
        key = key_of(source)
        state = dict(base.cursors.get(key, {}).get("state", {}))
        session = f"modelwright-{digest_of([str(store.root.resolve()), base.name, key])[:12]}"
        receiver = _receiver(source, session, state)
        spool, waiting = None, []
        if not receiver.keeps:
            folder = folder_of(store, base.name) / "spool" / digest_of(key)[:16]
            n_marks = MOST_IDS if spec.id else MOST_PACKETS
            spool = Spool(folder, int(state.get("spool", 0)), int(state.get("at", 0)), n_marks)
            waiting = spool.open()
        return cls(source, spec, key, receiver, base, state, spool, waiting, time.monotonic())

    def look(self, seconds: float) -> None:
        """Take what has come: it is on the disk when this returns, and acknowledged."""
        came = [self._marked(message) for message in self.receiver.poll(seconds)]
        if not came:
            return
        if not self.waiting:
            self.first_s = time.monotonic()
        fresh = came
        if self.spool is not None:
            fresh = self._without_known(came, self.spool)
            if fresh:
                self.spool.write(fresh)
        self.receiver.acknowledge(came)
        self.waiting += [replace(message, token=None) for message in fresh]

    def is_due(self) -> bool:
        """Whether what waits should become a version now."""
        is_late = time.monotonic() - self.first_s >= self.spec.every
        return bool(self.waiting) and (is_late or len(self.waiting) >= self.spec.rows)

    def _marked(self, message: Message) -> Message:
        """With `id`, a message is known by what its column of that name says."""
        if self.spec.id is None:
            return message
        from modelwright.collection.streams.decoding import fields_of

        value = fields_of(message, self.spec).get(self.spec.id)
        return message if value is None else replace(message, mark=f"id:{value}")

    def _without_known(self, came: list[Message], spool: Spool) -> list[Message]:
        fresh: list[Message] = []
        here: dict[str, int] = {}
        for message in came:
            marks = spool.marks if message.mark not in here else here
            by_id = message.mark.startswith("id:") and message.mark in marks
            if by_id or self.receiver.is_known(message, marks):
                self.n_again += 1
                continue
            here[message.mark] = message.received_us
            fresh.append(message)
        return fresh


def _receiver(source: SourceSpec, session: str, state: Mapping[str, Any]) -> Receiver:
    if urlsplit(source.source).password:
        raise UserError(
            "collection.broker", f"{key_of(source)}: a password in an address would be kept in records.",
            hint="name environment variables: `stream: {user: MQTT_USER, password: MQTT_PASSWORD}`",
        )  # fmt: skip
    scheme = source.source.partition(":")[0].lower()
    if scheme in ("mqtt", "mqtts"):
        from modelwright.collection.streams.mqtt import MqttReceiver

        return MqttReceiver(source, session)
    if scheme == "kafka":
        from modelwright.collection.streams.kafka import KafkaReceiver

        return KafkaReceiver(source, session, state.get("offsets", {}))
    from modelwright.collection.streams.lines import LineReceiver

    return LineReceiver(source, session)


def listen(
    spec: CollectSpec, name: str, *, store: Store, seconds: float | None = None, rows: int | None = None,
    watch: Watch | None = None, keep: Path | None = None,
) -> Gathered:  # fmt: skip
    """Listen to the streams of a spec until `seconds` are over, `rows` have come, or Ctrl-C; then commit what waits.

    Folders that are watched (`watch:folder`) are looked through as often as their `every` says. Every batch is a
    version. Raises `UserError`: `collection.broker`, `versions.*`.
    """
    tell = watch or (lambda event: None)
    base = newest(store, check_dataset_name(name))
    with contextlib.ExitStack() as stack:
        live = [source for source in spec.sources if not source.source.startswith("watch:")]
        for source in live:
            lock = folder_of(store, name) / "spool" / f"{digest_of(key_of(source))[:16]}.lock"
            stack.enter_context(alone(lock, name))
        streams = []
        for source in live:
            streams.append(_Stream.open(source, store, base))
            stack.callback(streams[-1].receiver.close)
        folders = [_Folder(source, spec, name, store, keep) for source in spec.sources if source not in live]
        stop = stack.enter_context(_stopped())
        for _ in _until(seconds, rows, streams, folders):
            if stop.is_set():
                tell({"stage": "collection", "event": "note", "text": "stopping: what waits is committed"})
                break
            _turn(streams, folders, store, name, tell)
        for stream in streams:
            _commit(stream, store, name, tell)
    version = newest(store, name)
    came = [_came(stream) for stream in streams] + [folder.came() for folder in folders]
    return Gathered(version=version, is_new=version.number > base.number, sources=tuple(came))


@contextlib.contextmanager
def _stopped() -> Iterator[threading.Event]:
    """Set by Ctrl-C or a polite end of the process: a commit that is under way is finished first."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {one: signal.signal(one, lambda *_: stop.set()) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _until(
    seconds: float | None, rows: int | None, streams: list[_Stream], folders: list[_Folder]
) -> Iterator[None]:  # fmt: skip
    end_s = None if seconds is None else time.monotonic() + seconds
    while end_s is None or time.monotonic() < end_s:
        yield
        n_rows = sum(stream.n_added + len(stream.waiting) for stream in streams) + sum(one.n_added for one in folders)
        if rows is not None and n_rows >= rows:
            return


def _turn(
    streams: list[_Stream], folders: list[_Folder], store: Store, name: str, tell: Callable[[Mapping[str, Any]], None]
) -> None:  # fmt: skip
    for stream in streams:
        stream.look(LOOK_S)
        for line in stream.receiver.told():
            stream.told = [one for one in stream.told if one != line][-20:] + [line]
            tell({"stage": "collection", "event": "note", "text": line})
        if stream.is_due():
            _commit(stream, store, name, tell)
    for folder in folders:
        folder.look(tell)
    if folders and not streams:
        time.sleep(LOOK_S)


def _commit(stream: _Stream, store: Store, name: str, tell: Callable[[Mapping[str, Any]], None]) -> None:
    """Rows, and how far the stream was read, as one version."""
    if not stream.waiting:
        return
    made = rows_of(stream.waiting, stream.spec, stream.state.get("newest_us"))
    state = {**stream.state, **state_of(made, stream.state)}
    where: dict[str, Any] = {"received_us": [stream.waiting[0].received_us, stream.waiting[-1].received_us]}
    if stream.spool is not None:
        state |= stream.spool.after()
    else:
        offsets = _offsets(stream.waiting)
        where["offsets"] = offsets
        state["offsets"] = {**state.get("offsets", {}), **{part: last + 1 for part, (_, last) in offsets.items()}}
    written = write_parts(store, [storable(made.frame)])
    origin = Origin(name=stream.key, n_rows=written.n_rows, where=where)
    counts = (("late", made.n_late), ("out of order", made.n_out_of_order), ("unreadable", made.n_unreadable))
    odd = tuple(f"{count:,} readings were {what}" for what, count in counts if count)
    arrival = Arrival(source=stream.key, origins=(origin,), written=written)
    version = commit(store, Change(base=stream.base, arrivals=(arrival,), cursors={stream.key: state}, told=odd))
    stream.base, stream.state, stream.waiting = version, state, []
    stream.n_added += written.n_rows
    if stream.spool is not None:
        stream.spool.settle(state)
    told = f"{version.label}: {written.n_rows:,} rows{''.join(f', {one}' for one in odd)}"
    tell({"stage": "collection", "event": "note", "text": told, "version": version.label, "rows": written.n_rows})


def _offsets(messages: list[Message]) -> dict[str, list[int]]:
    """The first and last offset of each partition."""
    found: dict[str, list[int]] = {}
    for message in messages:
        part, offset = message.place or ("", 0)
        first, last = found.get(part, [offset, offset])
        found[part] = [min(first, offset), max(last, offset)]
    return found


def _came(stream: _Stream) -> Came:
    state = stream.state
    counts = {"late (marked in the column `late`)": state.get("n_late"), "out of order": state.get("n_out_of_order"),
              "unreadable (kept in the column `unreadable`)": state.get("n_unreadable")}  # fmt: skip
    told = [f"{count:,} readings of all so far were {what}" for what, count in counts.items() if count]
    skipped = {"sent again, and here already": stream.n_again} if stream.n_again else {}
    return Came(source=stream.key, n_added=stream.n_added, n_removed=0, skipped=skipped,
                told=(*stream.told, *told))  # fmt: skip


@dataclass
class _Folder:
    """A folder that is watched: its new and changed files are gathered again and again."""

    source: SourceSpec
    spec: CollectSpec
    name: str
    store: Store
    keep: Path | None
    looked_s: float = float("-inf")
    n_added: int = 0
    n_removed: int = 0
    marks: dict[str, tuple[int, int]] = field(default_factory=dict)

    def look(self, tell: Callable[[Mapping[str, Any]], None]) -> None:
        """Gather what is new, if it is time, and no file is being written at this moment."""
        stream = self.source.stream or StreamSpec()
        if time.monotonic() - self.looked_s < stream.every:
            return
        place = Path(self.source.source.removeprefix("watch:")).expanduser()
        marks = {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(place.rglob("*"))
                 if path.is_file()} if place.is_dir() else {}  # fmt: skip
        was, self.marks = self.marks, marks
        if marks != was or not marks:
            return  # some file has just changed: it may not be whole
        self.looked_s = time.monotonic()
        source = self.source.but(source=str(place), stream=None)
        gathered = gather(self.spec.but(sources=(source,)), self.name, store=self.store, keep=self.keep)
        if gathered.is_new:
            (came,) = gathered.sources
            self.n_added, self.n_removed = self.n_added + came.n_added, self.n_removed + came.n_removed
            told = f"{gathered.version.label}: {came.n_added:,} rows from {place}"
            tell({"stage": "collection", "event": "note", "text": told, "version": gathered.version.label})

    def came(self) -> Came:
        """What the folder brought."""
        return Came(source=self.source.source, n_added=self.n_added, n_removed=self.n_removed, skipped={}, told=())
