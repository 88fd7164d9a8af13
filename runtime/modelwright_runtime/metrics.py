"""What a server counts, in the form that Prometheus reads: text format 0.0.4, names as its conventions say.

Counting is a few additions per request; labels have few values (model, version, role, outcome).
Reference: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import os
import resource
import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from pathlib import Path

BOUNDS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
Samples = dict[str, dict[str, float]]  # family -> labels as written -> value

HELP = {
    "http_requests_total": ("counter", "Answered requests, by status."),
    "http_connections": ("gauge", "Open connections."),
    "model_infer_requests_total": ("counter", "Requests that a model answered or refused."),
    "model_infer_rows_total": ("counter", "Rows that a model answered."),
    "model_infer_duration_seconds": ("histogram", "From the whole request to its answer."),
    "model_info": ("gauge", "1 for each model that is loaded."),
    "prediction_log_rows_total": ("counter", "Rows kept in the prediction log."),
    "prediction_log_lost_rows_total": ("counter", "Rows that could not be kept."),
    "shadow_lost_rows_total": ("counter", "Rows that the challenger in shadow was not asked, for lack of time."),
    "process_cpu_seconds_total": ("counter", "Processor time of the server."),
    "process_resident_memory_bytes": ("gauge", "Memory of the server."),
    "process_open_fds": ("gauge", "Open files and sockets."),
    "process_start_time_seconds": ("gauge", "When the server began, seconds since 1970."),
}


class Tally:
    """What one version of one model did. Additions only; `latencies` has one number per bound and one beyond."""

    __slots__ = ("latencies", "n_errors", "n_requests", "n_rows", "total_s")

    def __init__(self) -> None:
        self.n_requests = self.n_errors = self.n_rows = 0
        self.total_s = 0.0
        self.latencies = [0] * (len(BOUNDS_S) + 1)

    def answered(self, n_rows: int, latency_s: float) -> None:
        """One request was answered."""
        self.n_requests += 1
        self.n_rows += n_rows
        self.total_s += latency_s
        self.latencies[bisect_left(BOUNDS_S, latency_s)] += 1

    def quantile_s(self, share: float) -> float | None:
        """The upper bound of the bucket that a share of the requests stays below; None before the first."""
        n_below, wanted = 0, share * sum(self.latencies)
        for bound, count in zip((*BOUNDS_S, BOUNDS_S[-1]), self.latencies, strict=True):
            n_below += count
            if n_below and n_below >= wanted:
                return bound
        return None

    def samples(self, labels: str) -> Samples:
        """As samples; `labels` are `model="...",version="..."`."""
        found: Samples = {
            "model_infer_requests_total": {
                f'{{{labels},outcome="ok"}}': self.n_requests, f'{{{labels},outcome="error"}}': self.n_errors,
            },
            "model_infer_rows_total": {f"{{{labels}}}": self.n_rows},
        }  # fmt: skip
        buckets, n_below = {}, 0
        for bound, count in zip((*BOUNDS_S, None), self.latencies, strict=True):
            n_below += count
            buckets[f'_bucket{{{labels},le="{"+Inf" if bound is None else f"{bound:g}"}"}}'] = float(n_below)
        buckets |= {f"_sum{{{labels}}}": self.total_s, f"_count{{{labels}}}": float(n_below)}
        found["model_infer_duration_seconds"] = buckets
        return found


def label(value: str) -> str:
    """A label's value as it is written: escaped.

    >>> label('a"b')
    'a\\\\"b'
    """
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def merged(parts: Iterable[Samples]) -> Samples:
    """The sums over workers.

    >>> merged([{"a_total": {"": 1.0}}, {"a_total": {"": 2.0}}])
    {'a_total': {'': 3.0}}
    """
    total: Samples = {}
    for part in parts:
        for family, samples in part.items():
            into = total.setdefault(family, {})
            for labels, value in samples.items():
                into[labels] = into.get(labels, 0.0) + value
    if started := total.get("process_start_time_seconds"):
        total["process_start_time_seconds"] = dict.fromkeys(started, STARTED_S)
    if info := total.get("model_info"):
        total["model_info"] = dict.fromkeys(info, 1.0)
    return total


def exposition(samples: Mapping[str, Mapping[str, float]]) -> bytes:
    """The text that Prometheus scrapes.

    >>> exposition({"http_connections": {"": 2.0}}).decode().splitlines()[-1]
    'http_connections 2'
    """
    lines = []
    for family, (kind, about) in HELP.items():
        if family in samples:
            lines += [f"# HELP {family} {about}", f"# TYPE {family} {kind}"]
            lines += [f"{family}{labels} {_number(value)}" for labels, value in samples[family].items()]
    return ("\n".join(lines) + "\n").encode()


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


STARTED_S = time.time()


def process_samples() -> Samples:
    """Processor time and memory of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    found: Samples = {
        "process_cpu_seconds_total": {"": used.ru_utime + used.ru_stime},
        "process_start_time_seconds": {"": STARTED_S},
    }
    statm, handles = Path("/proc/self/statm"), Path("/proc/self/fd")
    if statm.exists():
        n_pages = int(statm.read_text().split()[1])
        found["process_resident_memory_bytes"] = {"": float(n_pages * os.sysconf("SC_PAGE_SIZE"))}
        found["process_open_fds"] = {"": float(sum(1 for _ in handles.iterdir()))}
    return found
