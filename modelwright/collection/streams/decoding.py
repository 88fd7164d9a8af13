"""Messages to rows: JSON objects, CSV lines or texts; and what the time of a reading says about its order."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from modelwright.collection.piece import Notes
from modelwright.collection.records import json_frame
from modelwright.collection.streams.message import Message
from modelwright.collection.streams.spec import StreamSpec

if TYPE_CHECKING:
    import polars as pl

UNREADABLE = "unreadable"
_PRESENT_S = (1e8, 1e11)
"""Seconds since 1970 lie between 1973 and 5138; larger numbers are milliseconds, micro- or nanoseconds."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What a batch of messages came to. `newest_us` is the newest time of a reading so far."""

    frame: pl.DataFrame
    n_unreadable: int
    n_late: int
    n_out_of_order: int
    newest_us: int | None


def rows_of(messages: Sequence[Message], spec: StreamSpec, newest_us: int | None) -> Rows:
    """Messages as rows: the fields of each, `topic` and `received` (UTC).

    A message that is not what it should be keeps a row, with its text in `unreadable`. With `time`, readings are
    ordered by it within the batch, and `late` marks those that came too late to be waited for.
    """
    import polars as pl

    plain = [fields_of(message, spec) for message in messages]
    frame = json_frame(plain, Notes("stream"))
    received = pl.Series("received", [message.received_us for message in messages], dtype=pl.Datetime("us"))
    topics = pl.Series("topic", [message.topic for message in messages], dtype=pl.String)
    frame = frame.rename({name: f"{name}_2" for name in ("topic", "received", "late") if name in frame.columns})
    frame = frame.with_columns(topics, received)
    n_unreadable = sum(UNREADABLE in fields for fields in plain)
    if spec.time is None:
        return Rows(frame=frame, n_unreadable=n_unreadable, n_late=0, n_out_of_order=0, newest_us=newest_us)
    return _ordered(frame, [_moment_us(fields.get(spec.time)) for fields in plain], spec, newest_us, n_unreadable)


def _ordered(
    frame: pl.DataFrame, moments: Sequence[int | None], spec: StreamSpec, newest_us: int | None, n_unreadable: int
) -> Rows:  # fmt: skip
    import polars as pl

    late, n_out_of_order = [], 0
    for moment in moments:
        behind = newest_us is not None and moment is not None and moment < newest_us
        is_late = behind and newest_us is not None and moment is not None and (
            newest_us - moment > spec.lateness * 1e6)  # fmt: skip
        late.append(bool(is_late))
        n_out_of_order += bool(behind and not is_late)
        if moment is not None and not is_late:
            newest_us = moment if newest_us is None else max(newest_us, moment)
    order = sorted(range(len(moments)), key=lambda row: (moments[row] is None, moments[row] or 0))
    frame = frame.with_columns(pl.Series("late", late, dtype=pl.Boolean))[order]
    return Rows(frame=frame, n_unreadable=n_unreadable, n_late=sum(late), n_out_of_order=n_out_of_order,
                newest_us=newest_us)  # fmt: skip


def fields_of(message: Message, spec: StreamSpec) -> dict[str, Any]:
    """What one message says, by name; `unreadable` has its text where it is not what it should be."""
    if len(message.payload) > spec.max_message_bytes:
        return {UNREADABLE: f"{len(message.payload):,} bytes, more than `max_message_bytes`"}
    try:
        text = message.payload.decode("utf-8").strip("\r\n")
    except UnicodeDecodeError:
        return {UNREADABLE: message.payload.hex()}
    if spec.format == "csv" or (spec.format == "auto" and spec.columns):
        return _csv(text, spec.columns)
    if spec.format == "text":
        return {"value": text}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {"value": text} if spec.format == "auto" and not text.lstrip().startswith(("{", "[")) else {
            UNREADABLE: text}  # fmt: skip
    return found if isinstance(found, dict) and found else {"value": found}


def _csv(text: str, columns: Sequence[str]) -> dict[str, Any]:
    try:
        cells = next(csv.reader([text]), [])
    except csv.Error:
        return {UNREADABLE: text}
    names = columns or [f"column_{number}" for number in range(1, len(cells) + 1)]
    return dict(zip(names, cells, strict=True)) if len(cells) == len(names) else {UNREADABLE: text}


def _moment_us(value: Any) -> int | None:
    """A time as microseconds since 1970: ISO's form, or a number of seconds, milli-, micro- or nanoseconds.

    >>> _moment_us("1970-01-01T00:00:01Z"), _moment_us(1_700_000_000.5), _moment_us(1_700_000_000_500), _moment_us("x")
    (1000000, 1700000000500000, 1700000000500000, None)
    """
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            try:
                value = float(value)
            except ValueError:
                return None
        else:
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return int((moment - datetime.fromtimestamp(0, UTC)).total_seconds() * 1e6)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    number = float(value)
    while abs(number) > _PRESENT_S[1]:
        number /= 1000.0
    return int(number * 1e6)


def state_of(rows: Rows, state: Mapping[str, Any]) -> dict[str, Any]:
    """What the cursor says of readings and their order."""
    counts = {"n_late": rows.n_late, "n_out_of_order": rows.n_out_of_order, "n_unreadable": rows.n_unreadable}
    totals = {name: int(state.get(name, 0)) + count for name, count in counts.items()}
    return {**totals, "newest_us": rows.newest_us, "n_rows": int(state.get("n_rows", 0)) + rows.frame.height}
