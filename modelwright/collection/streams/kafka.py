"""Kafka's protocol through librdkafka: the offsets lie in the dataset's cursor, in the same commit as the rows.

The broker keeps its messages, so nothing is acknowledged: each start reads on from the offsets of the last version.
"""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from modelwright.collection.streams.message import Message, now_us
from modelwright.core.errors import UserError
from modelwright.core.optional import need

if TYPE_CHECKING:
    from modelwright.collection.base import SourceSpec

MOST_AT_ONCE = 10_000
LOOK_AGAIN_S = 60.0
_FIRST_WAIT_S = 10.0


class KafkaReceiver:
    """All partitions of one topic, from `offsets` (by partition) on, and from their beginning where none is told."""

    keeps = True

    def __init__(self, source: SourceSpec, session: str, offsets: Mapping[str, int]) -> None:
        self._kafka: Any = need("confluent_kafka", extra="collect", why="listening to Kafka")
        where = urlsplit(source.source)
        self._topic = unquote(where.path.strip("/"))
        if not self._topic:
            raise UserError("collection.broker", f"`{where.netloc}` is a broker; say which topic.",
                            hint="kafka://host:9092/topic")  # fmt: skip
        self._name = where.netloc.rpartition("@")[2]
        self._offsets = dict(offsets)
        self._events: queue.Queue[str] = queue.Queue()
        stream = source.stream
        settings: dict[str, Any] = dict(stream.settings) if stream else {}
        if stream is not None and stream.user:
            settings |= {"sasl.username": os.environ.get(stream.user, ""),
                         "sasl.password": os.environ.get(stream.password or "", "")}  # fmt: skip
        if stream is not None and stream.ca:
            settings |= {"ssl.ca.location": stream.ca}
        self._consumer: Any = self._kafka.Consumer({
            "bootstrap.servers": self._name, "group.id": session, "enable.auto.commit": False,
            "auto.offset.reset": "earliest", "error_cb": self._failed, "reconnect.backoff.max.ms": 60_000,
            **settings,
        })  # fmt: skip
        self._assigned: set[int] = set()
        self._looked_s = -LOOK_AGAIN_S

    def poll(self, seconds: float) -> list[Message]:
        """What has come. Partitions that are new are met once a minute."""
        if time.monotonic() - self._looked_s >= (LOOK_AGAIN_S if self._assigned else 1.0):
            self._assign()
        if not self._assigned:
            time.sleep(min(seconds, 0.2))
            self._consumer.poll(0)
            return []
        found = []
        for one in self._consumer.consume(MOST_AT_ONCE, timeout=seconds):
            if one.error():
                if one.error().code() != self._kafka.KafkaError._PARTITION_EOF:
                    self._events.put(str(one.error().str()))
                continue
            place = (str(one.partition()), int(one.offset()))
            self._offsets[place[0]] = place[1] + 1
            found.append(Message(str(one.topic()), one.value() or b"", now_us(), place=place))
        return found

    def _assign(self) -> None:
        self._looked_s = time.monotonic()
        try:
            about = self._consumer.list_topics(self._topic, timeout=_FIRST_WAIT_S).topics[self._topic]
        except self._kafka.KafkaException as problem:
            self._events.put(f"the broker {self._name} cannot be reached ({problem.args[0].str()}); it is asked again")
            return
        known = set(about.partitions)
        if about.error is not None or known == self._assigned:
            return
        beginning = self._kafka.OFFSET_BEGINNING
        places = [self._kafka.TopicPartition(self._topic, number, self._offsets.get(str(number), beginning))
                  for number in sorted(known)]  # fmt: skip
        self._consumer.assign(places)
        self._assigned = known
        self._events.put(f"connected to {self._name}, listening to {len(known)} partitions of {self._topic}")

    def acknowledge(self, messages: list[Message]) -> None:
        """Nothing to do: the offsets are in the version."""

    def is_known(self, message: Message, marks: Mapping[str, int]) -> bool:
        """Never: what is read begins after what is known."""
        return False

    def told(self) -> list[str]:
        """What the connection did; the same words once."""
        found: dict[str, None] = {}
        while not self._events.empty():
            found[self._events.get_nowait()] = None
        return list(found)

    def close(self) -> None:
        """Leave."""
        self._consumer.close()

    def _failed(self, problem: Any) -> None:
        self._events.put(f"{problem.str()}; the broker is asked again, in growing pauses")
