"""MQTT: a session that the broker keeps while we are away, messages at least once (QoS 1).

The broker sends again what was not acknowledged, under the same packet number and marked as a duplicate; such a
message is known by number and content. A broker gives a number to another message only after we have acknowledged
the first, so a message that is not marked is always new.

Reference: OASIS (2014), "MQTT Version 3.1.1", sections 3.3.1.1 (DUP), 4.3.2 (QoS 1) and 4.4 (delivery retry).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from modelwright.collection.streams.message import Message, now_us
from modelwright.core.errors import UserError
from modelwright.core.optional import need

if TYPE_CHECKING:
    from modelwright.collection.base import SourceSpec

MOST_WAITING = 20_000
LONGEST_PAUSE_S = 60


class MqttReceiver:
    """One subscription. `session` names it: the broker knows by it what was acknowledged."""

    keeps = False

    def __init__(self, source: SourceSpec, session: str) -> None:
        mqtt: Any = need("paho.mqtt.client", extra="collect", why="listening to MQTT")
        where = urlsplit(source.source)
        self._topic = unquote(where.path.lstrip("/")) or "#"
        if where.fragment:
            self._topic += f"#{unquote(where.fragment)}"
        elif source.source.endswith("#") and not self._topic.endswith("#"):
            self._topic += "#"
        self._name = f"{where.hostname}:{where.port or 1883}"
        self._waiting: queue.Queue[Message] = queue.Queue(MOST_WAITING)
        self._told: queue.Queue[str] = queue.Queue()
        self._refused: str | None = None
        self._leaving = threading.Event()
        self._client: Any = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=session, clean_session=False, manual_ack=True
        )
        stream = source.stream
        if stream is not None and stream.user:
            password = os.environ.get(stream.password or "", "") or None
            self._client.username_pw_set(os.environ.get(stream.user, ""), password)
        if where.scheme == "mqtts":
            self._client.tls_set(ca_certs=stream.ca if stream else None)
        self._client.on_connect, self._client.on_message = self._connected, self._received
        self._client.on_disconnect, self._client.on_connect_fail = self._lost, self._failed
        self._client.reconnect_delay_set(1, LONGEST_PAUSE_S)
        self._client.connect_async(
            where.hostname or "127.0.0.1", where.port or (8883 if where.scheme == "mqtts" else 1883)
        )
        self._client.loop_start()

    def poll(self, seconds: float) -> list[Message]:
        """What has come. Raises `UserError("collection.broker")` where the broker lets us not in."""
        if self._refused:
            raise UserError(
                "collection.broker", f"the broker {self._name} refuses: {self._refused}.",
                hint="check `user` and `password`, which name environment variables, and the topic",
            )  # fmt: skip
        found: list[Message] = []
        try:
            found.append(self._waiting.get(timeout=seconds))
            while len(found) < MOST_WAITING:
                found.append(self._waiting.get_nowait())
        except queue.Empty:
            pass
        return found

    def acknowledge(self, messages: list[Message]) -> None:
        """Tell the broker that these need not be sent again."""
        for message in messages:
            if message.token is not None:
                number, quality, _ = message.token
                self._client.ack(number, quality)

    def is_known(self, message: Message, marks: Mapping[str, int]) -> bool:
        """Whether the broker says that it has sent it before, and it is here."""
        is_again = message.token is not None and message.token[2]
        return bool(is_again) and message.mark in marks

    def told(self) -> list[str]:
        """What the connection did."""
        found = []
        while not self._told.empty():
            found.append(self._told.get_nowait())
        return found

    def close(self) -> None:
        """Leave; the broker keeps the session."""
        self._leaving.set()
        self._client.disconnect()
        self._client.loop_stop()

    def _received(self, client: Any, data: Any, message: Any) -> None:
        payload = bytes(message.payload)
        content = hashlib.sha256(message.topic.encode() + bytes(1) + payload).hexdigest()
        mark = f"{message.mid}:{content[:24]}"
        token = (message.mid, message.qos, bool(message.dup)) if message.qos else None
        self._put(Message(message.topic, payload, now_us(), mark if message.qos else "", token=token))

    def _put(self, message: Message) -> None:
        while not self._leaving.is_set():
            with contextlib.suppress(queue.Full):  # the broker is not read from until there is room
                self._waiting.put(message, timeout=0.2)
                return

    def _connected(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._refused = str(reason)
            return
        client.subscribe(self._topic, qos=1)
        self._told.put(f"connected to {self._name}, listening to {self._topic}")

    def _lost(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if not self._leaving.is_set():
            self._told.put(f"the broker {self._name} went away ({reason}); it is asked again, in growing pauses")

    def _failed(self, client: Any, data: Any) -> None:
        if not self._leaving.is_set():
            self._told.put(f"the broker {self._name} cannot be reached; it is asked again, in growing pauses")
